"""CapgMyo: a MATLAB file a trial, in folders named after the set."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from scipy.io import savemat


def samples(rows: int = 1000, channels: int = 128) -> np.ndarray:
    """Sample t of channel c is ((t mod 8) + c) / 256."""
    return (np.arange(rows)[:, None] % 8 + np.arange(channels)) / 256


def write_trial(root: Path, person: int = 1, gesture: int = 1, trial: int = 1, data: np.ndarray | None = None,
                folder: str = "dba-s1") -> Path:  # fmt: skip
    path = root / folder / f"{person:03d}-{gesture:03d}-{trial:03d}.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    # the numbers inside are wrong on purpose: the file's name counts
    told = {"subject": np.uint8(99), "gesture": np.uint8(99), "trial": np.uint8(99)}
    savemat(path, {"data": samples() if data is None else data, **told}, do_compression=True)
    return path


def write_small_set(root: Path, letters: str, gestures: int) -> Path:
    """Every gesture once by the numbers 1 and 2 (of DB-b one person, so that 3 is there too), and a maximal contraction."""
    for person in (1, 2, 3) if letters == "dbb" else (1, 2):
        folder = f"{letters}-s{person}" if letters == "dba" else letters
        for gesture in range(1, gestures + 1) if person == 1 else (1,):
            write_trial(root, person, gesture, folder=folder)
    write_trial(root, 1, 100, folder=f"{letters}-s1" if letters == "dba" else letters)
    return root


WRITERS = {
    f"capgmyo-{letters}": partial(write_small_set, letters=letters, gestures=gestures)
    for letters, gestures in (("dba", 8), ("dbb", 8), ("dbc", 12))
}
