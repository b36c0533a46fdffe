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
    rms = np.log(np.sqrt((windows**2).mean(-1) + (0.5 * rest) ** 2) / rest)
    length = np.log(steep.mean(-1) / rest + 0.3)
    crossings = ((windows[..., 1:] * windows[..., :-1] < 0) & (steep > threshold)).mean(-1)
    turns = slope[..., 1:] * slope[..., :-1] < 0
    changes = (turns & (np.maximum(steep[..., 1:], steep[..., :-1]) > threshold)).mean(-1)
    return np.stack([rms, length, crossings, changes], axis=-1).astype(np.float32)


def standardise(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Zero mean and unit variance along the first axis, constant columns to zero."""
    spread = features.std(axis=0)
    return np.asarray((features - features.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0), dtype=np.float32)
