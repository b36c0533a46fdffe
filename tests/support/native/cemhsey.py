"""CEMHSEY: a MATLAB file a trial, in a folder a person and day; version 5 or 7.3."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat


def samples(n: int = 512, channels: int = 320) -> np.ndarray:
    """Sample t of row c is c + (t mod 4) / 4 millivolts."""
    return np.arange(channels)[:, None] + np.arange(n) % 4 / 4


def force(n: int = 50) -> np.ndarray:
    """Force rises from 0 to 0.3 over ten values, stays for 20 and falls again."""
    ramp = np.concatenate([np.zeros(5), np.linspace(0, 0.3, 10), np.full(20, 0.3), np.linspace(0.3, 0, 10), np.zeros(5)])
    return ramp[None, :n]


def _write(path: Path, content: dict[str, np.ndarray], version: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if version == "5":
        savemat(path, content, do_compression=True)
        return path
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, values in content.items():
            file.create_dataset(name, data=values.T, compression="gzip").attrs["MATLAB_class"] = np.bytes_("double")
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: PCWIN64".ljust(124) + b"\x00\x02IM")
    return path


def write_grasp(root: Path, person: int = 1, day: int = 1, session: int = 1, task: int = 1, trial: int = 1, *,
                version: str = "5", **content: np.ndarray) -> Path:  # fmt: skip
    name = f"S{person}_Day{day}_Session{session}_Task{task}_Trial{trial}.mat"
    told = {"data_sEMG": samples(), "data_force": force(), **content}
    return _write(root / f"S{person}" / f"D{day}" / name, told, version)


def write_gesture(root: Path, person: int = 1, day: int = 1, trial: int = 1, *, version: str = "5",
                  **content: np.ndarray) -> Path:  # fmt: skip
    name = f"S{person}_Day{day}_Trial{trial}.mat"
    return _write(root / f"S{person}" / f"D{day}" / name, {"data_sEMG": samples(), **content}, version)


def write_small_grasps(root: Path) -> Path:
    """Person 1 makes all seven grasps, person 4 one; the first trial of person 4 is one of the failed."""
    for grasp in range(1, 8):
        write_grasp(root / "GRASP", session=grasp, data_sEMG=samples(256), task=2, trial=2)
    write_grasp(root / "GRASP", person=4, data_sEMG=samples(256))
    write_grasp(root / "GRASP", person=4, day=11, trial=2, data_sEMG=samples(256))
    return root / "GRASP"


def write_small_gestures(root: Path) -> Path:
    for person, day, trial in ((1, 1, 1), (1, 11, 5), (2, 3, 3), (4, 1, 1)):
        write_gesture(root / "GESTURE", person, day, trial, data_sEMG=samples(256))
    return root / "GESTURE"


WRITERS = {"cemhsey-grasp": write_small_grasps, "cemhsey-gesture": write_small_gestures}
