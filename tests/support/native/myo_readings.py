"""myo-readings-dataset as its repository has it: a text file a gesture, eight counts and the label in every line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def lines(stretches: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Rows of counts and label; each stretch is (label, rows), and row t of column c holds (t + 7 c) mod 256 - 128."""
    labels = np.concatenate([np.full(rows, label) for label, rows in stretches])
    counts = (np.arange(len(labels))[:, None] + 7 * np.arange(8)) % 256 - 128
    return np.column_stack([counts, labels])


def write_file(
    root: Path, label: int, stretches: Sequence[tuple[int, int]], *, session: str = "12345-1", hand: str = "right",
    polled: bool = False,
) -> Path:  # fmt: skip
    """A session's file of a gesture, without a line's end at its end; `polled` ones say every fourth row twice."""
    path = root / f"_readings_{hand}_hand" / session / f"{label}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = lines(stretches)
    rows = np.repeat(rows, np.where(np.arange(len(rows)) % 4 == 3, 2, 1) if polled else 1, axis=0)
    path.write_text("\n".join(",".join(map(str, row)) for row in rows.tolist()))
    return path


def write_small_set(root: Path) -> Path:
    """Two people, one on each hand, all files; the second also has one that nothing explains."""
    for session, hand in (("12345-1", "right"), ("6666-2", "left")):
        write_file(root, 0, [(0, 60)], session=session, hand=hand)
        for label in range(1, 8 if hand == "right" else 9):
            turns = [(0, 20), (label, 20), (0, 20), (label, 15)]
            write_file(root, label, turns, session=session, hand=hand, polled=hand == "left")
    (root / "curated.txt").write_text("Seja 01\nSeja 02")
    return root


WRITERS = {"myo-readings": write_small_set}
