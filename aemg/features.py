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
    slope = np.diff(windows, axis=-1)
    steep = np.abs(slope)
    threshold = 0.3 * rest[None, :, None]
    level = levels((windows**2).mean(-1), steep.mean(-1), rest)
    crossings = ((windows[..., 1:] * windows[..., :-1] < 0) & (steep > threshold)).mean(-1)
    turns = slope[..., 1:] * slope[..., :-1] < 0
    changes = (turns & (np.maximum(steep[..., 1:], steep[..., :-1]) > threshold)).mean(-1)
    return np.concatenate([level, crossings[..., None], changes[..., None]], axis=-1).astype(np.float32)


def levels(
    mean_square: NDArray[np.floating], mean_slope: NDArray[np.floating], rest_rms: NDArray[np.floating]
) -> NDArray[np.float32]:
    """Log amplitude and log slope relative to rest, held down by a floor below it.

    Their difference tells where in the spectrum the power lies, as far as the source's own rate reaches.

    Args:
        mean_square, mean_slope: (..., C), the latter the mean absolute difference of neighbouring samples.
        rest_rms: (C,).

    Returns:
        (..., C, 2).
    """
    amplitude = np.log(np.sqrt(mean_square + (0.5 * rest_rms) ** 2) / rest_rms)
    slope = np.log(mean_slope / rest_rms + 0.3)
    return np.stack([amplitude, slope], axis=-1).astype(np.float32)


def levels_between(
    signal: NDArray[np.float32], start: NDArray[np.int64], stop: NDArray[np.int64], rest_rms: NDArray[np.float64]
) -> NDArray[np.float32]:
    """`levels` of stretches of samples [start, stop) of (C, T): (N, C, 2)."""
    rest = np.maximum(rest_rms, 1e-12)
    power = np.cumsum(np.pad(signal.astype(np.float64) ** 2, ((0, 0), (1, 0))), axis=1)
    climb = np.cumsum(np.pad(np.abs(np.diff(signal.astype(np.float64), axis=1)), ((0, 0), (1, 0))), axis=1)
    n = np.maximum(stop - start, 1)
    last = np.minimum(stop, signal.shape[1]) - 1
    mean_square = (power[:, last + 1] - power[:, start]) / n
    mean_slope = (climb[:, last] - climb[:, np.minimum(start, last)]) / np.maximum(n - 1, 1)
    return levels(np.maximum(mean_square, 0.0).T, np.maximum(mean_slope, 0.0).T, rest)


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
