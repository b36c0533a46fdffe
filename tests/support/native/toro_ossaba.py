"""Toro-Ossaba: text files of four columns, one a class."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def values(number: int, rows: int = 40) -> NDArray[np.float64]:
    """Row t of column c in class n is t / 8 + c + 100 n."""
    return np.arange(rows)[:, None] / 8 + np.arange(4) + 100 * number


def write_class(root: Path, subject: int, number: int, table: NDArray[np.float64] | None = None) -> Path:
    """A subject's file of a class."""
    path = root / f"subject {subject}" / f"{number}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (values(number) if table is None else table).tolist()
    path.write_text("".join("\t".join(f"{value:g}" for value in row) + "\n" for row in rows))
    return path


def write_set(root: Path) -> Path:
    """Two subjects, five classes."""
    for subject in (1, 2):
        for number in range(5):
            write_class(root, subject, number)
    return root


WRITERS = {"toro-ossaba": write_set}
