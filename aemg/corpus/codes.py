"""Samples as 16-bit codes, where they give the float32 samples back bit for bit. C channels, T samples, U values.

Either as ADC counts, sample = float32((code + zero) * step) with a step and a zero for each channel, reckoned in
float64; or, where rounding in a native file hid the counts, as places in a palette of the values that occur.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LARGEST_COUNT = 1 << 20
_CODES = 1 << 16
_BLOCK = 1 << 15  # values worked on at a time: what a processor's cache holds
_SORTED = 1 << 18
_SAMPLE = 1 << 17
_TRIES = 8


@dataclass(frozen=True)
class Coded:
    """Codes (C, T), in memory sample by sample, and their key: rows of step and zero (C, 2) float64, or a palette (U,)."""

    codes: NDArray[np.int16]
    key: NDArray[np.float64] | NDArray[np.float32]


def encode(signal: NDArray[np.float32]) -> Coded | None:
    """The codes of a (C, T) signal, or None where no 16-bit codes give every sample back bit for bit."""
    return _counts(signal) or _palette(signal)


def decode(
    codes: NDArray[np.int16], key: NDArray[np.float64] | NDArray[np.float32], out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """The samples (C, T) of codes that lie in time order, (T, C); written to `out` if given."""
    signal = np.empty(codes.shape[::-1], np.float32) if out is None else out
    if key.ndim == 1:
        for part in _parts(signal):
            signal[:, part] = key[codes[part].T.astype(np.int32) + _CODES // 2]  # (n, C) -> (C, n)
        return signal
    step, zero = key[:, :1], key[:, 1:]
    for part in _parts(signal):
        counts = codes[part].T.astype(np.float64, order="C")  # (n, C) -> (C, n)
        if zero.any():
            counts += zero
        counts *= step  # in place, which is twice as fast as one expression
        signal[:, part] = counts
    return signal


def _parts(signal: NDArray[np.float32]) -> list[slice]:
    """The time of a (C, T) signal in blocks."""
    width = max(_BLOCK // max(len(signal), 1), 1)
    return [slice(start, start + width) for start in range(0, signal.shape[1], width)]


def _palette(signal: NDArray[np.float32]) -> Coded | None:
    bits = signal.view(np.int32)  # as bits, so that -0.0 and NaN stay what they are
    values = _distinct(bits.ravel(), min(_CODES, signal.size // 2))
    if values is None:
        return None
    codes = np.empty(signal.shape[::-1], np.int16)
    for part in _parts(signal):
        codes[part] = (np.searchsorted(values, bits[:, part]) - _CODES // 2).T  # (C, n) -> (n, C)
    return Coded(codes.T, values.view(np.float32))


def _counts(signal: NDArray[np.float32]) -> Coded | None:
    """Steps are looked for among a sample of the values, where that fails among all; every sample decides."""
    if not signal.size:
        return Coded(np.zeros(signal.shape, np.int16), np.tile([1.0, 0.0], (len(signal), 1)))
    ends = np.stack([signal.min(axis=1), signal.max(axis=1)], axis=1)  # (C, 2)
    if not np.isfinite(ends).all():
        return None
    every = signal.size // _SAMPLE + 1
    for looked_at in (signal[:, ::every], signal)[: 2 if every > 1 else 1]:
        values = []
        for channel, ends_of_channel in zip(looked_at, ends):
            distinct = _distinct(channel, _CODES)
            if distinct is None:
                return None
            values.append(np.union1d(distinct, ends_of_channel))
        coded = _searched(signal, ends, values, shared=True) or _searched(signal, ends, values, shared=False)
        if coded is not None:
            return coded
    return None


def _searched(
    signal: NDArray[np.float32], ends: NDArray[np.float32], values: list[NDArray[np.float32]], *, shared: bool
) -> Coded | None:
    """Codes by one step for all channels, or one for each, that fits the values and those samples that it missed."""
    for _ in range(_TRIES):
        groups = [np.unique(np.concatenate(values))] if shared else values
        steps = [_step(group) for group in groups]
        known = np.array([step for step in steps if step is not None])
        if len(known) < len(steps):
            return None
        outcome = _coded(signal, ends, np.broadcast_to(known, len(signal)))
        if outcome is None or isinstance(outcome, Coded):
            return outcome
        values = [np.union1d(seen, missed) for seen, missed in zip(values, outcome)]
    return None


def _coded(
    signal: NDArray[np.float32], ends: NDArray[np.float32], steps: NDArray[np.float64]
) -> Coded | list[NDArray[np.float32]] | None:
    """Codes by these steps, or some samples of each channel that they miss; None where counts span more than 16 bits."""
    low, high = np.rint(ends / steps[:, None]).T
    if np.any(high - low >= _CODES):
        return None
    fits = (low >= -_CODES // 2) & (high < _CODES // 2)
    step, zero = steps[:, None], np.where(fits, 0.0, low + _CODES // 2)[:, None]
    codes = np.empty(signal.shape[::-1], np.int16)
    for part in _parts(signal):
        samples = signal[:, part]  # (C, n)
        counts = np.rint(samples / step)
        counts -= zero
        codes[part] = counts.T  # (C, n) -> (n, C)
        with np.errstate(over="ignore"):
            again = ((counts + zero) * step).astype(np.float32)
        wrong = again.view(np.int32) != samples.view(np.int32)
        if wrong.any():
            return [channel[bad] for channel, bad in zip(samples, wrong)]
    return Coded(codes.T, np.concatenate([step, zero], axis=1))


def _distinct(values: NDArray[Any], most: int) -> NDArray[Any] | None:
    """The values without repeats, sorted; None where there are more than `most`."""
    found = values[:0]
    for start in range(0, len(values), _SORTED):
        found = _unique(np.concatenate([found, _unique(values[start : start + _SORTED])]))
        if len(found) > most:
            return None
    return found


def _unique(values: NDArray[Any]) -> NDArray[Any]:
    # np.unique goes by a hash table, which takes a hundred times as long where most values differ
    ordered = np.sort(values)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered


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
