"""Time-domain features of windows, after Hudgins et al. 1993 (doi 10.1109/10.204774), on a log scale relative to rest.

Letters: W windows, C channels, L samples of a window.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aemg.errors import AEMGError

FEATURES = ("rms", "waveform_length", "zero_crossings", "slope_sign_changes")


def window_starts(samples: int, length: int, hop: int) -> NDArray[np.int64]:
    """First samples of all windows of `length` that fit into `samples`, `hop` apart."""
    return np.arange(0, samples - length + 1, hop, dtype=np.int64)


def cut_windows(signal: NDArray[np.float32], length: int, hop: int) -> NDArray[np.float32]:
    """(C, T) -> (W, C, L)."""
    if signal.shape[1] < length:
        return np.zeros((0, signal.shape[0], length), np.float32)
    return np.lib.stride_tricks.sliding_window_view(signal, length, axis=1)[:, ::hop].transpose(1, 0, 2)


def time_domain(windows: NDArray[np.float32], rest_rms: NDArray[np.float64]) -> NDArray[np.float32]:
    """Four features a channel.

    Args:
        windows: (W, C, L), high-passed.
        rest_rms: (C,), the scale: amplitudes below it are noise and are held down by a floor, and crossings
            must exceed 0.3 of it to count.

    Returns:
        (W, C, 4) in the order of `FEATURES`: log RMS, log mean absolute slope, zero-crossing and slope-sign-change rates.
    """
    rest = np.maximum(rest_rms, 1e-12).astype(np.float32)
    return _on_log_scale([part.mean(-1) for part in _parts(windows, rest[:, None])], rest)


def time_domain_between(
    signal: NDArray[np.float32], start: NDArray[np.int64], stop: NDArray[np.int64], rest_rms: NDArray[np.float64]
) -> NDArray[np.float32]:
    """`time_domain` of stretches of samples [start, stop) of one signal (C, T), of at least three samples: (N, C, 4)."""
    rest = np.maximum(rest_rms, 1e-12).astype(np.float32)
    means = []
    for part, short in zip(_parts(signal, rest[:, None]), (0, 1, 1, 2)):  # a difference is one shorter
        total = np.cumsum(np.pad(part.astype(np.float64), ((0, 0), (1, 0))), axis=1)
        last = np.maximum(stop - short, start + 1)
        means.append(((total[:, last] - total[:, start]) / (last - start)).T)  # (N, C)
    return _on_log_scale(means, rest)


class FeatureBuffer:
    """`time_domain_between` of a signal that comes in chunks, of which no more than the last `samples` are kept.

    Args:
        rest_rms: (C,), as for `time_domain`.
    """

    def __init__(self, rest_rms: NDArray[np.float64], samples: int) -> None:
        self._rest, self._kept = np.maximum(rest_rms, 1e-12).astype(np.float32), samples
        self._signal = np.zeros((len(rest_rms), 0), np.float32)
        self.seen = 0

    def push(self, signal: NDArray[np.float32]) -> None:
        """The next samples (C, n)."""
        older = self._signal[:, max(0, self._signal.shape[1] + signal.shape[1] - self._kept) :]
        self._signal = np.concatenate([older, signal[:, -self._kept :]], axis=1)
        self.seen += signal.shape[1]

    def between(self, start: NDArray[np.int64], stop: NDArray[np.int64]) -> NDArray[np.float32]:
        """Features (N, C, 4) of stretches [start, stop) of at least three samples, counted from the first one pushed.

        Raises:
            AEMGError: a stretch that is not kept, or shorter.
        """
        origin = self.seen - self._signal.shape[1]
        if len(start) and (start.min() < origin or stop.max() > self.seen or (stop - start).min() < 3):
            raise AEMGError(f"only stretches of three samples or more within [{origin}, {self.seen}) are there")
        means = np.empty((len(FEATURES), len(start), len(self._rest)), np.float32)
        _means_between(self._signal, start - origin, stop - origin, self._rest, means)
        return _on_log_scale(list(means), self._rest)


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _means_between(
    signal: NDArray[np.float32],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    rest: NDArray[np.float32],
    means: NDArray[np.float32],
) -> None:
    """Means of what `_parts` gives, (4, N, C)."""
    for i in range(len(start)):
        n = stop[i] - start[i]
        for c in range(signal.shape[0]):
            x = signal[c, start[i] : stop[i]]
            least = np.float32(0.3) * rest[c]
            power, slope, crossings, changes = np.float32(0.0), np.float32(0.0), np.int32(0), np.int32(0)
            for t in range(n):
                power += x[t] * x[t]
            for t in range(n - 1):
                steep = abs(x[t + 1] - x[t])
                slope += steep
                crossings += np.int32((x[t + 1] * x[t] < np.float32(0.0)) & (steep > least))
            for t in range(n - 2):
                before, after = x[t + 1] - x[t], x[t + 2] - x[t + 1]
                changes += np.int32((before * after < np.float32(0.0)) & (max(abs(before), abs(after)) > least))
            means[0, i, c], means[1, i, c] = power / n, slope / (n - 1)
            means[2, i, c], means[3, i, c] = crossings / (n - 1), changes / (n - 2)


def _parts(
    signal: NDArray[np.float32], rest: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Squares, absolute slopes, zero crossings and slope sign changes along the last axis."""
    slope = np.diff(signal, axis=-1)
    steep = np.abs(slope)
    crossings = (signal[..., 1:] * signal[..., :-1] < 0) & (steep > 0.3 * rest)
    turns = slope[..., 1:] * slope[..., :-1] < 0
    changes = turns & (np.maximum(steep[..., 1:], steep[..., :-1]) > 0.3 * rest)
    return signal**2, steep, crossings, changes


def _on_log_scale(means: list[NDArray[np.floating]], rest: NDArray[np.float32]) -> NDArray[np.float32]:
    power, slope, crossings, changes = means
    amplitude = np.log(np.sqrt(np.maximum(power, 0.0) + (0.5 * rest) ** 2) / rest)
    return np.stack([amplitude, np.log(slope / rest + 0.3), crossings, changes], axis=-1).astype(np.float32)


def standardise(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance along the first axis, constant columns to zero."""
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0), dtype=np.float32)


def oas_covariances(windows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Covariances (W, C, C) of windows (W, C, L), each shrunk towards a scaled identity (Chen et al. 2010, "OAS", doi
    10.1109/TSP.2010.2053029)."""
    n, channels, samples = windows.shape
    if not n:
        return np.zeros((0, channels, channels))
    centred = windows - windows.mean(axis=-1, keepdims=True)
    covariance = np.einsum("wcl,wdl->wcd", centred, centred, optimize=True).astype(np.float64) / samples
    mean = np.trace(covariance, axis1=1, axis2=2) / channels
    power = (covariance**2).mean(axis=(1, 2))
    spread = (samples + 1.0) * (power - mean**2 / channels)
    shrinkage = np.where(spread > 0, np.minimum((power + mean**2) / np.maximum(spread, 1e-300), 1.0), 1.0)
    identity = (shrinkage * mean)[:, None, None] * np.eye(channels)
    return np.asarray((1 - shrinkage)[:, None, None] * covariance + identity)


def log_covariances(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix logarithms of the windows' covariances: the log-Euclidean tangent space (Arsigny et al. 2007, doi
    10.1137/050637996), in which a session is recentred by taking its mean away.

    Args:
        windows: (W, C, L).

    Returns:
        (W, C, C).
    """
    values, vectors = np.linalg.eigh(oas_covariances(windows))
    logs = np.log(np.maximum(values, 1e-24))
    return np.asarray(np.einsum("wij,wj,wkj->wik", vectors, logs, vectors, optimize=True), dtype=np.float32)
