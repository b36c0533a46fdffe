"""GRABMyo as PhysioNet publishes it: a record a trial, with 32 signals of which four are not connected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from native.wfdb_record import write_record

NAMES = (
    *(f"F{i}" for i in range(1, 17)), "U1", *(f"W{i}" for i in range(1, 7)), "U2", "U3", *(f"W{i}" for i in range(7, 13)), "U4",
)  # fmt: skip
GAINS = {name: 30000.0 + 10 * column for column, name in enumerate(NAMES)}
BASELINES = {name: column - 16 for column, name in enumerate(NAMES)}


def stored(rows: int = 256, start: int = 0) -> NDArray[np.int16]:
    """Row t of column c is start + t + 100 c; the columns that are not connected hold the least number."""
    values = (start + np.arange(rows)[:, None] + 100 * np.arange(32)).astype(np.int16)
    values[:, [name.startswith("U") for name in NAMES]] = -32768
    return values


def write_trial(
    root: Path,
    session: int = 1,
    participant: int = 1,
    gesture: int = 1,
    trial: int = 1,
    *,
    rows: int = 256,
    names: tuple[str, ...] = NAMES,
    unit: str = "mV",
    rate_hz: float = 2048,
    values: NDArray[np.int16] | None = None,
) -> Path:
    """A trial in its folder; gives the path of its header."""
    person = f"session{session}_participant{participant}"
    path = root / f"Session{session}" / person / f"{person}_gesture{gesture}_trial{trial}"
    values = stored(rows, 1000 * trial) if values is None else values
    gains, baselines = [GAINS.get(name, 1.0) for name in names], [BASELINES.get(name, 0) for name in names]
    return write_record(path, values, names, gain=gains, baseline=baselines, unit=unit, rate_hz=rate_hz)


def write_set(root: Path) -> Path:
    """Two people on two days, two trials of two gestures (the first and rest)."""
    for session in (1, 2):
        for participant in (1, 2):
            for gesture in (1, 17):
                for trial in (1, 2):
                    write_trial(root, session, participant, gesture, trial, rows=64)
    (root / "RECORDS").write_text("")
    return root


WRITERS = {"grabmyo": write_set}
