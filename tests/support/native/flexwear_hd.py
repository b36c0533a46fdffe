"""FlexWear-HD: an HDF5 file a session with an array (trial, electrode, sample) a gesture."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

GESTURES = (
    "abduct_p1", "adduct_p1", "extend_p1", "grip_p1", "pronate_p1", "rest_p1", "supinate_p1", "tripod_p1", "wextend_p1",
    "wflex_p1",
)


def trials(count: int = 2, gesture: int = 0, samples: int = 160, electrodes: int = 64) -> np.ndarray:
    """Sample t of electrode c in trial k of gesture g is 1000 g + 100 k + c + (t mod 8) / 8."""
    t = np.arange(samples) % 8 / 8
    return 1000.0 * gesture + 100.0 * np.arange(count)[:, None, None] + np.arange(electrodes)[:, None] + t


def write_session(root: Path, person: int = 1, session: str = "initial", count: int = 2, **over: np.ndarray | None) -> Path:
    path = root / "FlexWear-HD_Dataset" / f"p{person:03d}" / f"data_allchannels_{session}.h5"
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for at, gesture in enumerate(GESTURES):
            values = over.get(gesture, trials(count, at))
            if values is not None:
                file.create_dataset(gesture, data=values, compression="gzip")
    return path


def write_small_set(root: Path) -> Path:
    write_session(root)
    write_session(root, session="recalibration", count=1)
    write_session(root, person=13)
    return root / "FlexWear-HD_Dataset"


WRITERS = {"flexwear-hd": write_small_set}
