"""Time-domain features of windows, after Hudgins et al. 1993 (doi 10.1109/10.204774), on a log scale relative to rest.

Letters: W windows, C channels, L samples of a window.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

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


def log_covariances(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Matrix logarithms of the windows' covariances: the log-Euclidean tangent space (Arsigny et al. 2007, doi
    10.1137/050637996), in which a session is recentred by taking its mean away.

    Each covariance is shrunk towards a scaled identity (Chen et al. 2010, "OAS", doi 10.1109/TSP.2010.2053029).

    Args:
        windows: (W, C, L).

    Returns:
        (W, C, C).
    """
    n, channels, samples = windows.shape
    if not n:
        return np.zeros((0, channels, channels), np.float32)
    centred = windows - windows.mean(axis=-1, keepdims=True)
    covariance = np.einsum("wcl,wdl->wcd", centred, centred, optimize=True).astype(np.float64) / samples
    mean = np.trace(covariance, axis1=1, axis2=2) / channels
    power = (covariance**2).mean(axis=(1, 2))
    spread = (samples + 1.0) * (power - mean**2 / channels)
    shrinkage = np.where(spread > 0, np.minimum((power + mean**2) / np.maximum(spread, 1e-300), 1.0), 1.0)
    identity = (shrinkage * mean)[:, None, None] * np.eye(channels)
    values, vectors = np.linalg.eigh((1 - shrinkage)[:, None, None] * covariance + identity)
    logs = np.log(np.maximum(values, 1e-24))
    return np.asarray(np.einsum("wij,wj,wkj->wik", vectors, logs, vectors, optimize=True), dtype=np.float32)
