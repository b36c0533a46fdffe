"""CSL-HDEMG: a MATLAB file a gesture and session with a cell array of repetitions, channel major."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.io import savemat


def repetition(length: int = 2100, number: int = 0, channels: int = 192) -> np.ndarray:
    """Sample t of stored channel c is c + 1000 (repetition) + (t mod 4) / 4."""
    return np.arange(channels)[:, None] + 1000.0 * number + np.arange(length) % 4 / 4


def write_gesture(root: Path, subject: int = 1, session: int = 1, gesture: int = 0,
                  repetitions: Sequence[np.ndarray] | None = None) -> Path:  # fmt: skip
    told = [repetition(2100), repetition(2104, 1)] if repetitions is None else repetitions
    cells = np.empty((len(told), 1), dtype=object)
    for at, values in enumerate(told):
        cells[at, 0] = values
    path = root / "data" / f"subject{subject}" / f"session{session}" / f"gest{gesture}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, {"gestures": cells}, do_compression=True)
    return path


def write_small_set(root: Path) -> Path:
    for subject, session, gesture in ((1, 1, 0), (1, 2, 11), (2, 1, 26)):
        write_gesture(root, subject, session, gesture, [repetition()])
    return root / "data"


WRITERS = {"csl-hdemg": write_small_set}
