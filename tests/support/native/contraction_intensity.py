"""ContractionIntensity as LibEMG's repository has it: a comma-separated file a repetition, without heading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def samples(rows: int = 40, start: int = 0) -> NDArray[np.float64]:
    """Row t of column c is 3.0518e-4 (t - 10 c + start), one count of 16 bits over 20 V."""
    return (np.arange(rows)[:, None] - 10 * np.arange(8) + start) * 3.0518e-4


def write_repetition(
    root: Path, subject: int = 1, effort: str = "20P", motion: int = 1, repetition: int = 1,
    values: NDArray[np.float64] | None = None,
) -> Path:  # fmt: skip
    """One file in its subject's folder, in five significant digits."""
    path = root / f"S{subject}" / f"S{subject}_{effort}_C{motion}_R{repetition}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = samples() if values is None else values
    path.write_text("".join(",".join(f"{v:.5g}" for v in row) + "\n" for row in rows.tolist()))
    return path


def write_small_set(root: Path) -> Path:
    """Two people, a ramp, a steady and an undescribed effort, two repetitions of all motions."""
    for subject in (1, 10):
        for effort in ("Ramp", "80P", "Light"):
            for motion in range(1, 8):
                for repetition in (1, 2):
                    write_repetition(root, subject, effort, motion, repetition, samples(start=motion + 100 * repetition))
    (root / "Info.txt").write_text("Channels: 8\nSampling Rate: 1Khz, 16-bit\n")
    return root


WRITERS = {"contraction-intensity": write_small_set}
