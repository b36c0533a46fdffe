"""Ozdemir's set: a MATLAB file a person as BIOPAC's software exports it, and the same as text."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

ROWS = 1_280_000
SLOT, GESTURE = 20_000, 12_000
STARTS = (8_000, 276_000, 544_000, 812_000, 1_080_000)


def values(rows: int = ROWS) -> NDArray[np.float64]:
    """Millivolts: channel c of the gesture in slot s of cycle k is 1 + s + 100 k + c / 4, and 0 between the gestures."""
    table = np.zeros((rows, 4))
    for cycle, start in enumerate(STARTS):
        for slot in range(10):
            first = start + slot * SLOT
            table[first : first + GESTURE] = 1 + slot + 100 * cycle + np.arange(4) / 4
    return table


def write_mat(root: Path, person: int = 1, table: NDArray[np.float64] | None = None, kind: str = "raw", **over: object) -> Path:
    """A person's MATLAB file; `over` replaces its variables."""
    path = root / "sEMG-dataset" / kind / "mat" / f"{person}_{kind}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "data": values() if table is None else table, "fs": 2000.0, "iD": float(person), "isi": 0.5, "isi_units": "ms",
        "labels": np.array(["CH1", "CH2", "CH3", "CH4"]), "start_sample": 0.0, "units": np.array(["mV"] * 4),
    }  # fmt: skip
    savemat(path, {**content, **over}, do_compression=True)
    return path


def write_csv(root: Path, person: int, table: NDArray[np.float64]) -> Path:
    """A person's text file."""
    path = root / "sEMG-dataset" / "raw" / "csv" / f"{person}_raw.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    edges = [0, *(np.flatnonzero((np.diff(table, axis=0) != 0).any(axis=1)) + 1).tolist(), len(table)]
    lines = (",".join(f"{value:g}" for value in table[first].tolist()) + "\n" for first in edges[:-1])
    path.write_text("".join(line * (last - first) for line, first, last in zip(lines, edges, edges[1:])))
    return path


def write_set(root: Path) -> Path:
    """Two people; the second file is the first one's under another name, so that the number inside is the wrong one."""
    first = write_mat(root)
    shutil.copy(first, first.with_name("2_raw.mat"))
    return root


WRITERS = {"ozdemir": write_set}
