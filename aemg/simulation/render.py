"""The sum of all action potentials: what the electrodes would read without noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aemg.errors import AEMGError

RENDER_RATE_HZ = 2000.0
_BLOCK = 32


@dataclass(frozen=True, eq=False)
class Spikes:
    """Discharges in time order: `times_s` (S,) float64 and the motor unit of each, `units` (S,)."""

    times_s: NDArray[np.float64]
    units: NDArray[np.intp]


def render(
    spikes: Spikes,
    waves: NDArray[np.float32],
    duration_s: float,
    *,
    rate_hz: float = RENDER_RATE_HZ,
    channels: NDArray[np.integer] | None = None,
    n_channels: int | None = None,
) -> NDArray[np.float32]:
    """Adds a unit's action potential at each of its discharges.

    Args:
        waves: (M, C, L) in volts at `rate_hz`, from `muap.bank`.
        channels, n_channels: where a unit reaches only some channels, as from `muap.isolated`: those that the K rows of
            `waves` (M, K, L) go to, (M, K), and how many there are in all.

    Returns:
        (C, T) float32 in volts, T = round(duration_s * rate_hz); potentials running over the end are cut.

    Raises:
        AEMGError: channels without their number, or of another shape than the waves.
    """
    n_samples, length = round(duration_s * rate_hz), waves.shape[2]
    first = np.floor(spikes.times_s * rate_hz + 0.5).astype(np.int64)
    inside = (first >= 0) & (first < n_samples)
    first, units = first[inside], spikes.units[inside].astype(np.int64)
    if channels is None:
        total = np.zeros((n_samples + length, waves.shape[1]), dtype=np.float32)
        _add_all(total, first, units, np.ascontiguousarray(waves.transpose(0, 2, 1)))
        return _transposed(total, n_samples)
    if n_channels is None or channels.shape != waves.shape[:2]:
        raise AEMGError(f"expected channels {waves.shape[:2]} and their number, got {channels.shape} and {n_channels}")
    some = np.zeros((n_channels, n_samples + length), dtype=np.float32)
    _add_some(some, first, units, np.ascontiguousarray(waves), np.ascontiguousarray(channels, dtype=np.int64))
    return np.ascontiguousarray(some[:, :n_samples])


@njit(cache=True, nogil=True)
def _add_all(
    total: NDArray[np.float32], first: NDArray[np.int64], units: NDArray[np.int64], blocks: NDArray[np.float32]
) -> None:
    """Samples by channels, so that an action potential is one run of memory."""
    flat, runs, channels = total.reshape(-1), blocks.reshape(len(blocks), -1), total.shape[1]
    for s in range(len(first)):
        run = runs[units[s]]
        part = flat[first[s] * channels : first[s] * channels + len(run)]
        for j in range(len(run)):
            part[j] += run[j]


@njit(cache=True, nogil=True)
def _add_some(
    total: NDArray[np.float32],
    first: NDArray[np.int64],
    units: NDArray[np.int64],
    waves: NDArray[np.float32],
    channels: NDArray[np.int64],
) -> None:
    for s in range(len(first)):
        for k in range(waves.shape[1]):
            wave = waves[units[s], k]
            part = total[channels[units[s], k], first[s] : first[s] + len(wave)]
            for j in range(len(wave)):
                part[j] += wave[j]


@njit(cache=True, nogil=True)
def _transposed(total: NDArray[np.float32], n_samples: int) -> NDArray[np.float32]:
    """The first rows of (T, C) as (C, T), in blocks that the cache holds."""
    turned = np.empty((total.shape[1], n_samples), dtype=np.float32)
    for start in range(0, n_samples, _BLOCK):
        for c in range(total.shape[1]):
            for t in range(start, min(start + _BLOCK, n_samples)):
                turned[c, t] = total[t, c]
    return turned
