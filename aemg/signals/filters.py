"""Filters and resampling along the last axis. Causal forms carry no future into the past; none wraps the ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, firwin, iirnotch, resample_poly, sosfilt, sosfilt_zi, tf2sos

from aemg.errors import AEMGError


def highpass(signal: NDArray[np.float32], rate_hz: float, cutoff_hz: float, order: int = 4) -> NDArray[np.float32]:
    """Causal Butterworth high-pass of (C, T), started in the steady state of the first sample, so that an offset
    makes no transient.

    Raises:
        AEMGError: the cut-off is not below half the rate.
    """
    if not 0 < cutoff_hz < rate_hz / 2:
        raise AEMGError(f"high-pass cut-off must lie in (0, {rate_hz / 2:g}) Hz at {rate_hz:g} Hz, got {cutoff_hz:g}")
    return _causal(butter(order, cutoff_hz, "highpass", fs=rate_hz, output="sos"), signal)


def notch(
    signal: NDArray[np.float32], rate_hz: float, mains_hz: float, harmonics: int = 4, quality: float = 30.0
) -> NDArray[np.float32]:
    """Causal notches of (C, T) at the mains frequency and its harmonics below 0.49 of the rate."""
    for k in range(1, harmonics + 1):
        if k * mains_hz < 0.49 * rate_hz:
            signal = _causal(tf2sos(*iirnotch(k * mains_hz, quality, fs=rate_hz)), signal)
    return signal


def resample(signal: NDArray[np.float32], rate_hz: float, new_rate_hz: float) -> NDArray[np.float32]:
    """Polyphase resampling of (C, T) with an anti-alias filter of -80 dB; ends are continued by a line, never wrapped.

    Returns:
        (C, ceil(T * new_rate_hz / rate_hz)) float32; the input itself where the rates are equal.

    Raises:
        AEMGError: the ratio is not a fraction of whole numbers up to 20000.
    """
    ratio = Fraction(new_rate_hz).limit_denominator(1_000_000) / Fraction(rate_hz).limit_denominator(1_000_000)
    up, down = ratio.numerator, ratio.denominator
    if up == down:
        return signal
    if signal.shape[-1] == 0:
        return signal.astype(np.float32)
    if max(up, down) > 20_000:
        raise AEMGError(f"cannot resample {rate_hz} Hz to {new_rate_hz} Hz: the ratio is {up}/{down}")
    # the transition from pass to stop band ends at half the lower rate
    taps = firwin(2 * 32 * max(up, down) + 1, 0.92 / max(up, down), window=("kaiser", 8.0))
    padded = "line" if signal.shape[-1] > 1 else "edge"
    return np.asarray(resample_poly(signal, up, down, axis=-1, window=taps, padtype=padded), dtype=np.float32)


def _causal(sos: NDArray[np.float64], signal: NDArray[np.float32]) -> NDArray[np.float32]:
    if signal.shape[-1] == 0:
        return signal
    state = sosfilt_zi(sos)[:, None, :] * signal[None, :, :1]  # (sections, C, 2)
    return np.asarray(sosfilt(sos, signal, axis=-1, zi=state)[0], dtype=np.float32)
