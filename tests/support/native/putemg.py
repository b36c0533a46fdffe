"""putEMG: a frame a file, in pandas' "table" format; counts of the converter, codes of gestures, forces."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from native.pytables import write_frame_table

EMG = tuple(f"EMG_{number}" for number in range(1, 25))
GESTURE_COLUMNS = (*EMG, "TRAJ_1", "subject", "TRAJ_GT_NO_FILTER", "VIDEO_STAMP", "TRAJ_GT")
FORCE_COLUMNS = (
    *EMG, *(f"FORCE_{number}" for number in range(1, 11)), "FORCE_MVC", *(f"TRAJ_{number}" for number in range(1, 5)), "subject",
)
CODES = ((-1, 100), (0, 300), (1, 200), (0, 200), (6, 200), (-1, 50), (1, 150))


def counts(n: int) -> np.ndarray:
    """Sample t of channel c is (7 t + 100 c) mod 4096, less 2048."""
    return ((7 * np.arange(n)[:, None] + 100 * np.arange(24)) % 4096 - 2048).astype(np.float64)


def _write(root: Path, name: str, columns: Sequence[str], values: np.ndarray, python: int) -> Path:
    rows = len(values)
    told = [([column], np.zeros((rows, 1), np.int8)) for column in ("type", "trajectory", "date_time")]
    return write_frame_table(root / f"{name}.hdf5", [*told, (columns, values)], np.arange(rows) / 5124.07, python)


def write_gestures(root: Path, codes: Sequence[tuple[int, int]] = CODES, *, subject: str = "03", trajectory: str = "sequential",
                   day: str = "2018-05-11", python: int = 2, columns: Sequence[str] = GESTURE_COLUMNS,
                   emg: np.ndarray | None = None) -> Path:  # fmt: skip
    seen = np.repeat([code for code, _ in codes], [n for _, n in codes]).astype(np.float64)
    told = {
        "TRAJ_1": np.roll(seen, 20), "subject": np.full(len(seen), float(subject)), "TRAJ_GT_NO_FILTER": np.roll(seen, 5),
        "VIDEO_STAMP": np.full(len(seen), np.nan), "TRAJ_GT": seen,
    }
    channels = counts(len(seen)) if emg is None else emg
    values = {**dict(zip(EMG, channels.T)), **told}
    table = np.column_stack([values[column] for column in columns])
    return _write(root, f"emg_gestures-{subject}-{trajectory}-{day}-11-05-00-150", columns, table, python)


def write_force(root: Path, n: int = 600, *, subject: str = "03", trajectory: str = "repeats_long",
                columns: Sequence[str] = FORCE_COLUMNS) -> Path:  # fmt: skip
    """Force k is 10 k + t / 1000, trajectory k is 100 k + t / 1000."""
    t = np.arange(n) / 1000
    values = dict(zip(EMG, counts(n).T))
    values |= {f"FORCE_{k}": 10 * k + t for k in range(1, 11)} | {"FORCE_MVC": t, "subject": np.full(n, float(subject))}
    values |= {f"TRAJ_{k}": 100 * k + t for k in range(1, 5)}
    table = np.column_stack([values[column] for column in columns])
    return _write(root, f"emg_force-{subject}-{trajectory}-2018-06-14-12-51-19-410", columns, table, 2)


def write_small_gestures(root: Path) -> Path:
    every = [(code, 60) for code in (0, 1, 2, 3, 6, 7, 8, 9, -1)]
    write_gestures(root / "Data-HDF5", every)
    write_gestures(root / "Data-HDF5", every, trajectory="repeats_short")
    write_gestures(root / "Data-HDF5", every, subject="04", day="2018-05-12")
    return root / "Data-HDF5"


def write_small_force(root: Path) -> Path:
    write_force(root / "Data-HDF5")
    write_force(root / "Data-HDF5", subject="04", trajectory="mvc")
    return root / "Data-HDF5"


WRITERS = {"putemg-gestures": write_small_gestures, "putemg-force": write_small_force}
