"""MyoUP as its repository has it: a compressed MATLAB v5 file a person and exercise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

GESTURES = {1: 5, 2: 12, 3: 5}
HELD, PAUSE = 6, 4


def signals(pulses: int) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """emg (T, 8), with t + c in row t of column c mod 100, zeros at the start, and pulse (1, T)."""
    pulse = np.concatenate([np.zeros(PAUSE), np.tile([*[1] * HELD, *[0] * PAUSE], pulses)]).astype(np.uint8)
    emg = ((np.arange(len(pulse))[:, None] + np.arange(8)) % 100).astype(np.int32)
    emg[:3] = 0
    return emg, pulse[None]


def write_exercise(root: Path, person: int = 1, exercise: int = 1, *, pulses: int | None = None, **other: object) -> Path:
    """One file; `other` replaces variables."""
    path = root / "MyoUP" / f"E{exercise}" / f"s{person}e{exercise}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    emg, pulse = signals(5 * GESTURES[exercise] if pulses is None else pulses)
    held: dict[str, object] = {
        "age": np.uint8(22), "emg": emg, "gender": "female", "pulse": pulse, "set": f"E{exercise}", "subject": np.uint8(person),
    }  # fmt: skip
    savemat(path, held | other, do_compression=True)
    return path


def write_small_set(root: Path) -> Path:
    """Two people, all exercises but one file, which is missing among the real ones too."""
    for person in (1, 2):
        for exercise in GESTURES:
            if (person, exercise) != (2, 2):
                write_exercise(root, person, exercise)
    return root


WRITERS = {"myoup": write_small_set}
