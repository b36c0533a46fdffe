"""Filters and resampling along the last axis. Causal forms carry no future into the past; none wraps the ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, cheby2, firwin, iirnotch, resample_poly, sosfilt, sosfilt_zi, tf2sos

from aemg.errors import AEMGError

_KEPT_MATRICES = 16


def highpass(signal: NDArray[np.float32], rate_hz: float, cutoff_hz: float, order: int = 4) -> NDArray[np.float32]:
    """Causal Butterworth high-pass of (C, T), started in the steady state of the first sample, so that an offset
    makes no transient.

    Raises:
        AEMGError: the cut-off is not below half the rate.
    """
    return CausalFilter(highpass_sections(rate_hz, cutoff_hz, order)).push(signal)


def highpass_sections(rate_hz: float, cutoff_hz: float, order: int = 4) -> NDArray[np.float64]:
    """Second-order sections of `highpass`.

    Raises:
        AEMGError: the cut-off is not below half the rate.
    """
    if not 0 < cutoff_hz < rate_hz / 2:
        raise AEMGError(f"high-pass cut-off must lie in (0, {rate_hz / 2:g}) Hz at {rate_hz:g} Hz, got {cutoff_hz:g}")
    return np.asarray(butter(order, cutoff_hz, "highpass", fs=rate_hz, output="sos"))


def notch(
    signal: NDArray[np.float32], rate_hz: float, mains_hz: float, harmonics: int = 4, quality: float = 30.0
) -> NDArray[np.float32]:
    """Causal notches of (C, T) at the mains frequency and its harmonics below 0.49 of the rate."""
    for sections in notch_sections(rate_hz, mains_hz, harmonics, quality):
        signal = CausalFilter(sections).push(signal)
    return signal


def notch_sections(
    rate_hz: float, mains_hz: float, harmonics: int = 4, quality: float = 30.0
) -> list[NDArray[np.float64]]:
    """Second-order sections of the filters that `notch` applies one after the other."""
    return [
        np.asarray(tf2sos(*iirnotch(k * mains_hz, quality, fs=rate_hz)))
        for k in range(1, harmonics + 1)
        if k * mains_hz < 0.49 * rate_hz
    ]


class CausalFilter:
    """Second-order sections over a signal that comes in chunks, started in the steady state of its first sample: chunks of any
    length give what the whole gives, bit for bit."""

    def __init__(self, sections: NDArray[np.float64]) -> None:
        self._sections, self._state = sections, np.zeros(0)

    def push(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples (C, n), filtered."""
        if signal.shape[-1] == 0:
            return signal
        if not self._state.size:
            self._state = sosfilt_zi(self._sections)[:, None, :] * signal[None, :, :1]  # (sections, C, 2)
        filtered, self._state = sosfilt(self._sections, signal, axis=-1, zi=self._state)
        return np.asarray(filtered, dtype=np.float32)


def resample(signal: NDArray[np.float32], rate_hz: float, new_rate_hz: float) -> NDArray[np.float32]:
    """Polyphase resampling of (C, T) with an anti-alias filter of -80 dB; ends are continued by a line, never wrapped.

    Returns:
        (C, ceil(T * new_rate_hz / rate_hz)) float32; the input itself where the rates are equal.

    Raises:
        AEMGError: the ratio is not a fraction of whole numbers up to 20000.
    """
    up, down = rate_ratio(rate_hz, new_rate_hz)
    if up == down:
        return signal
    if signal.shape[-1] == 0:
        return signal.astype(np.float32)
    # the transition from pass to stop band ends at half the lower rate
    taps = firwin(2 * 32 * max(up, down) + 1, 0.92 / max(up, down), window=("kaiser", 8.0))
    padded = "line" if signal.shape[-1] > 1 else "edge"
    return np.asarray(resample_poly(signal, up, down, axis=-1, window=taps, padtype=padded), dtype=np.float32)


def rate_ratio(rate_hz: float, new_rate_hz: float) -> tuple[int, int]:
    """The factors up and down that lead from one rate to the other.

    Raises:
        AEMGError: the ratio is not a fraction of whole numbers up to 20000.
    """
    ratio = Fraction(new_rate_hz).limit_denominator(1_000_000) / Fraction(rate_hz).limit_denominator(1_000_000)
    up, down = ratio.numerator, ratio.denominator
    if max(up, down) > 20_000:
        raise AEMGError(f"cannot resample {rate_hz} Hz to {new_rate_hz} Hz: the ratio is {up}/{down}")
    return up, down


def causal_antialias(up: int, down: int) -> NDArray[np.float64]:
    """Taps at the common rate of a Chebyshev filter with -40 dB from half the lower rate on, cut where its response has died
    away. Its order is odd, so that images far above die as well. It delays by little more than 1 sample of the lower rate, where
    the filter of `resample` looks 32 ahead."""
    span = max(up, down)
    impulse = np.zeros(40 * span)
    impulse[0] = 1.0
    response = sosfilt(cheby2(9, 40, 1 / span, output="sos"), impulse)
    left = np.cumsum(response[::-1] ** 2)[::-1]
    return np.asarray(response[: int((left > 1e-6 * left[0]).sum())])


class CausalResampler:
    """Resampling of a signal that comes in chunks; before its begin it is as its first sample.

    Output j stands for the time j / new rate and is known once the filter's delay has passed.

    Args:
        rate_hz, new_rate_hz: as for `resample`.
    """

    def __init__(self, rate_hz: float, new_rate_hz: float) -> None:
        self._up, self._down = rate_ratio(rate_hz, new_rate_hz)
        taps = np.ones(1) if self._up == self._down else causal_antialias(self._up, self._down)
        self._delay = round(float(taps @ np.arange(len(taps)) / taps.sum()))  # that of low frequencies, at the common rate
        self._taps = (taps * self._up).astype(np.float32)
        self.delay_s = self._delay / (self._up * rate_hz)
        self._buffer = np.zeros((0, 0), np.float32)
        self._first = self._needed(0)  # input index of the buffer's first column
        self._output = 0  # index of the next output
        self._matrices: dict[tuple[int, int], NDArray[np.float32]] = {}

    def push(self, signal: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the next samples (C, n) complete: (C, m), m near n * new rate / rate."""
        if self._up == self._down or not signal.shape[1]:
            return signal
        if not self._buffer.size:
            self._buffer = np.repeat(signal[:, :1], -self._first, axis=1)
        buffer = np.concatenate([self._buffer, signal], axis=1)
        known = self._first + buffer.shape[1]  # samples so far
        count = max(0, (known * self._up - 1 - self._delay) // self._down + 1 - self._output)
        outputs = buffer[:, : self._span(count)] @ self._matrix(count)
        self._output += count
        start = self._needed(self._output)
        self._buffer, self._first = buffer[:, start - self._first :], start
        return outputs

    def _needed(self, output: int) -> int:
        """First input that an output is made of."""
        return -((len(self._taps) - 1 - self._delay - output * self._down) // self._up)

    def _span(self, count: int) -> int:
        """Inputs that the next `count` outputs are made of."""
        return ((self._output + count - 1) * self._down + self._delay) // self._up + 1 - self._first if count else 0

    def _matrix(self, count: int) -> NDArray[np.float32]:
        """(inputs, outputs) of the next `count` outputs; kept, as chunks of one length mostly need the same few."""
        offset = self._output * self._down + self._delay - self._first * self._up
        if (offset, count) not in self._matrices:
            tap = offset + np.arange(count) * self._down - np.arange(self._span(count))[:, None] * self._up
            inside = (tap >= 0) & (tap < len(self._taps))
            if len(self._matrices) == _KEPT_MATRICES:
                self._matrices.clear()
            self._matrices[offset, count] = np.where(inside, self._taps[np.where(inside, tap, 0)], np.float32(0.0))
        return self._matrices[offset, count]
