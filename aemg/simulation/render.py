"""The sum of all action potentials: what the electrodes would read without noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.muap import RENDER_RATE_HZ
from aemg.simulation.pool import Spikes


def render(
    spikes: Spikes, waves: NDArray[np.float32], duration_s: float, *, rate_hz: float = RENDER_RATE_HZ
) -> NDArray[np.float32]:
    """Adds a unit's action potential at each of its discharges.

    Args:
        waves: (M, C, L) in volts at `rate_hz`, from `muap.bank`.

    Returns:
        (C, T) float32 in volts, T = round(duration_s * rate_hz); potentials running over the end are cut.
    """
    n_samples, length = round(duration_s * rate_hz), waves.shape[2]
    total = np.zeros((n_samples + length, waves.shape[1]), dtype=np.float32)
    blocks = list(np.ascontiguousarray(waves.transpose(0, 2, 1)))
    first = np.round(spikes.times_s * rate_hz).astype(int)
    inside = (first >= 0) & (first < n_samples)
    for start, unit in zip(first[inside].tolist(), spikes.units[inside].tolist()):
        part = total[start : start + length]
        np.add(part, blocks[unit], out=part)
    return np.ascontiguousarray(total[:n_samples].T)
