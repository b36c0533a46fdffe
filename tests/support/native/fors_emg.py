"""FORS-EMG: a MATLAB file a clip, channels first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

GESTURES = (
    "Thumb_UP", "Index", "Right_Angle", "Peace", "Index_Little", "Thumb_Little", "Hand_Close", "Hand_Open", "Wrist_Extension",
    "Wrist_Flexion", "Ulner_Deviation", "Radial_Deviation",
)  # fmt: skip


def values(start: float = 0.0, rows: int = 50) -> NDArray[np.float64]:
    """Sample t of channel c is start + t / 100 + c."""
    return start + np.arange(rows) / 100 + np.arange(8)[:, None]


def write_clip(
    root: Path, subject: int = 1, orientation: str = "rest", gesture: str = "Index", number: int = 1, **content: object
) -> Path:
    """A clip of a subject in one orientation; `content` replaces the variable `value`."""
    path = root / "FORS-EMG" / f"Subject{subject}" / orientation / f"{gesture}-{number}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content or {"value": values(number)})
    return path


def write_set(root: Path) -> Path:
    """Two subjects whose folders are written differently, all gestures once and one of them twice."""
    for subject, orientations in ((1, ("rest", "pronation", "supination")), (2, ("Rest",))):
        for orientation in orientations:
            for gesture in GESTURES:
                write_clip(root, subject, orientation, gesture)
            write_clip(root, subject, orientation, number=2)
    (root / "FORS-EMG" / "Database Info").mkdir()
    (root / "FORS-EMG" / "Database Info" / "Subject Details.csv").write_text("Name,Age\n")
    return root


WRITERS = {"fors-emg": write_set}
