"""Samples as 16-bit codes, where they give the float32 samples back bit for bit. C channels, T samples, U values.

Either as ADC counts, sample = float32((code + zero) * step) with a step and a zero for each channel, reckoned in
float64; or, where rounding in a native file hid the counts, as places in a palette of the values that occur.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_LARGEST_COUNT = 1 << 20
_CODES = 1 << 16


@dataclass(frozen=True)
class Coded:
    """Codes (C, T) and their key: rows of step and zero (C, 2) float64, or a palette (U,) float32."""

    codes: NDArray[np.int16]
    key: NDArray[np.float64] | NDArray[np.float32]


def encode(signal: NDArray[np.float32]) -> Coded | None:
    """The codes of a (C, T) signal, or None where no 16-bit codes give every sample back bit for bit."""
    return _counts(signal) or _palette(signal)


def decode(codes: NDArray[np.int16], key: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float32]:
    """The samples (C, T) of codes that lie in time order, (T, C)."""
    if key.ndim == 1:
        places = np.ascontiguousarray(codes.T).astype(np.int32) + _CODES // 2  # (T, C) -> (C, T)
        return np.asarray(key[places], np.float32)
    step, zero = key[:, :1], key[:, 1:]
    return ((codes.T + zero) * step).astype(np.float32, order="C")  # (T, C) -> (C, T)


def _palette(signal: NDArray[np.float32]) -> Coded | None:
    bits = np.unique(signal.view(np.int32))  # as bits, so that -0.0 and NaN stay what they are
    if len(bits) > min(_CODES, signal.size // 2):
        return None
    codes = np.searchsorted(bits, signal.view(np.int32)) - _CODES // 2
    return Coded(codes.astype(np.int16), bits.view(np.float32))


def _counts(signal: NDArray[np.float32]) -> Coded | None:
    shared = _step(np.unique(signal))
    coded = None if shared is None else _coded(signal, np.full(len(signal), shared))
    if coded is not None:
        return coded
    steps = []
    for channel in signal:
        step = _step(np.unique(channel))
        if step is None:
            return None
        steps.append(step)
    return _coded(signal, np.array(steps))


def _coded(signal: NDArray[np.float32], steps: NDArray[np.float64]) -> Coded | None:
    counts = np.rint(signal / steps[:, None])  # (C, T) float64
    low, high = counts.min(axis=1, initial=np.inf), counts.max(axis=1, initial=-np.inf)
    if np.any(high - low >= _CODES):
        return None
    fits = (low >= -_CODES // 2) & (high < _CODES // 2)
    zero = np.where(fits, 0.0, low + _CODES // 2)
    codes = (counts - zero[:, None]).astype(np.int16)
    key = np.stack([steps, zero], axis=1)  # (C, 2)
    same = np.array_equal(decode(codes.T, key).view(np.int32), signal.view(np.int32))
    return Coded(codes, key) if same else None


def _step(values: NDArray[np.float32]) -> float | None:
    """The step of which all values (sorted, without repeats) are whole multiples within float32 rounding."""
    if not np.isfinite(values).all():
        return None
    with_zero = np.union1d(values, np.zeros(1, np.float32)).astype(np.float64)
    gaps = np.diff(with_zero)
    if not gaps.size:
        return 1.0
    # Neighbouring codes may never occur together: the smallest gap can be two or three steps.
    for parts in (1, 2, 3):
        step = _refined(with_zero, gaps, float(gaps.min()) / parts)
        if step is not None:
            return step
    return None


def _refined(values: NDArray[np.float64], gaps: NDArray[np.float64], rough: float) -> float | None:
    if rough == 0 or gaps.sum() > _LARGEST_COUNT * rough:
        return None
    # One gap between values far from zero carries their rounding error; many small gaps together average it out, so
    # the whole span can be counted next, and the largest value last.
    for reach in (8.0, 256.0, 8192.0):
        short = gaps[gaps <= reach * rough]
        rough = float(short.sum() / np.rint(short / rough).sum())
    magnitudes = np.abs(values[values != 0])
    counts = np.rint(magnitudes / rough)
    if counts.min() == 0:
        return None
    exact = magnitudes.astype(np.float32)
    below = (magnitudes + np.nextafter(exact, np.float32(0))) / 2  # where rounding to float32 turns to a neighbour
    with np.errstate(over="ignore"):  # nothing lies above the largest float32
        above = (magnitudes + np.nextafter(exact, np.float32(np.inf))) / 2
    low, high = float((below / counts).max()), float((above / counts).min())
    return (low + high) / 2 if low <= high < np.inf else None
