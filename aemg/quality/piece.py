"""A piece of a recording with what several checks need to know of it, measured once."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.fft import rfft
from scipy.signal.windows import hann

from aemg.signals import Recording

Floats = NDArray[np.float64]
ACTIVITY_HZ = 10.0
_LARGEST = 1e15  # as the readers have it; squares and sums of it are safe


class Piece:
    """A recording, or a stretch of one, under check.

    Args:
        recording: it may hold values that are not finite; all but the check for them see the value before instead.
    """

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.rate_hz = recording.rate_hz

    @cached_property
    def finite(self) -> NDArray[np.bool_]:
        """Which values (C, T) are numbers, of a size that a recording can hold."""
        values = self.recording.signal
        return np.asarray((values > -_LARGEST) & (values < _LARGEST))

    @cached_property
    def signal(self) -> NDArray[np.float32]:
        """Values (C, T), the last number before in place of what is none, zero where there was none yet."""
        values = self.recording.signal
        if self.finite.all():
            return values
        last = np.maximum.accumulate(np.where(self.finite, np.arange(values.shape[1]), -1), axis=1)
        filled = np.take_along_axis(values, np.maximum(last, 0), axis=1)
        return np.where(last >= 0, filled, np.float32(0.0))

    @cached_property
    def bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Smallest and largest value (C,) of each channel."""
        return self.signal.min(axis=1), self.signal.max(axis=1)

    @cached_property
    def live(self) -> NDArray[np.intp]:
        """Channels that change at all."""
        low, high = self.bounds
        return np.flatnonzero(high > low)

    @cached_property
    def quantiles(self) -> Floats:
        """(3, C): 0.5th, 50th and 99.5th percentile of each channel."""
        return np.stack([np.percentile(x, (0.5, 50.0, 99.5)) for x in self.signal], axis=1).astype(np.float64)

    @cached_property
    def deviation(self) -> Floats:
        """Standard deviation (C,) of each channel."""
        return np.array([np.std(x, dtype=np.float64) for x in self.signal])

    @cached_property
    def spectrum(self) -> tuple[Floats, Floats]:
        """Frequencies (F,) about 1 Hz apart and power densities (C, F), Welch's method with Hann windows of a second."""
        size = min(max(round(self.rate_hz), 8), self.signal.shape[1])
        hop = size if self.signal.shape[1] > 60 * size else max(size // 2, 1)
        level = (self.signal - self.quantiles[1][:, None]) / np.maximum(self.deviation, 1e-30)[:, None]
        density = np.stack([_density(x, size, hop, self.rate_hz) for x in level.astype(np.float32)])
        return np.fft.rfftfreq(size, 1 / self.rate_hz).astype(np.float64), density * self.deviation[:, None] ** 2

    def power(self, low_hz: float, high_hz: float) -> Floats:
        """Power (C,) between two frequencies, the upper one left out."""
        frequency, density = self.spectrum
        inside = (frequency >= low_hz) & (frequency < high_hz)
        step = frequency[1] - frequency[0] if len(frequency) > 1 else 0.0
        return np.asarray(density[:, inside].sum(axis=1) * step)

    @cached_property
    def fast(self) -> Floats:
        """Root mean square (C,) above 20 Hz, or above a tenth of the rate where that is lower."""
        return np.sqrt(self.power(min(20.0, self.rate_hz / 10), np.inf))

    @cached_property
    def activity(self) -> NDArray[np.float32]:
        """Amplitude (C, n) in steps of 0.1 s: root mean square of differences over 2.5 ms, which slow drifts do not enter."""
        lag, size = max(1, round(self.rate_hz / 400)), max(1, round(self.rate_hz / ACTIVITY_HZ))
        moves = self.signal[:, lag:] - self.signal[:, :-lag]
        bins = moves.shape[1] // size
        cut = moves[:, : bins * size].reshape(len(moves), bins, size).astype(np.float64)
        return np.asarray(np.sqrt(np.mean(cut**2, axis=2)), dtype=np.float32)


def _density(x: NDArray[np.float32], size: int, hop: int, rate_hz: float) -> Floats:
    """One-sided power density (size // 2 + 1,) of x (T,): as scipy's `welch`, at a seventh of the time on short windows."""
    window = hann(size, sym=False).astype(np.float32) if size > 1 else np.ones(1, np.float32)
    cut = sliding_window_view(x, size)[::hop]  # (n, size)
    power = np.abs(rfft((cut - cut.mean(axis=1, keepdims=True)) * window, axis=1)) ** 2
    sides = np.full(power.shape[1], 2.0)
    sides[0] = 1.0
    if size % 2 == 0:
        sides[-1] = 1.0
    return np.asarray(power.mean(axis=0, dtype=np.float64) * sides / (rate_hz * float((window**2).sum())))
