"""Measurements on discharges and signals, blind to how these were made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import correlate, welch

from aemg.simulation.pool import Spikes

Floats = NDArray[np.float64]
_FEWEST_INTERVALS = 5
_SEGMENT_S = 0.5


def interval_statistics(spikes: Spikes, n_units: int, *, from_s: float = 1.0) -> tuple[Floats, Floats]:
    """Mean rate in Hz and coefficient of variation of the intervals of every unit, each (M,).

    Args:
        from_s: earlier discharges are left out.

    Returns:
        NaN where a unit has fewer than five intervals.
    """
    rates, variations = np.full(n_units, np.nan), np.full(n_units, np.nan)
    order = np.argsort(spikes.units, kind="stable")
    borders = np.searchsorted(spikes.units[order], np.arange(n_units + 1))
    times = spikes.times_s[order]
    for m in range(n_units):
        own = times[borders[m] : borders[m + 1]]
        intervals = np.diff(own[own >= from_s])
        if len(intervals) >= _FEWEST_INTERVALS:
            rates[m] = 1 / intervals.mean()
            variations[m] = intervals.std() / intervals.mean()
    return rates, variations


def spectrum(x: NDArray[np.floating], rate_hz: float) -> tuple[Floats, Floats]:
    """Power spectral density by Welch's method: frequencies (F,) in Hz and densities (C, F) of signals (C, T)."""
    segment = min(x.shape[-1], round(_SEGMENT_S * rate_hz))
    frequency, density = welch(np.asarray(x, dtype=np.float64), fs=rate_hz, nperseg=segment, axis=-1)
    return np.asarray(frequency), np.asarray(density)


def median_frequency(frequency: Floats, density: Floats) -> Floats:
    """Frequency in Hz that halves the power, (C,) for densities (C, F)."""
    below = np.cumsum(density, axis=-1)
    return np.asarray([np.interp(0.5 * row[-1], row, frequency) for row in below])


def strongest(rms: Floats) -> NDArray[np.intp]:
    """The strongest quarter of channels (at least one), weakest first."""
    return np.argsort(rms, kind="stable")[-max(1, len(rms) // 4) :]


def slope_db_per_octave(frequency: Floats, density: Floats, low_hz: float, high_hz: float) -> float:
    """Slope of a density (F,) between two frequencies, by least squares over the logarithm of the frequency."""
    within = (frequency >= low_hz) & (frequency <= high_hz) & (density > 0)
    return float(np.polyfit(np.log2(frequency[within]), 10 * np.log10(density[within]), 1)[0])


def delay_s(first: NDArray[np.floating], second: NDArray[np.floating], rate_hz: float, *, within_s: float = 0.03) -> float:
    """How much later `second` (T,) is than `first` (T,), from the peak of their cross-correlation within a time to either side.

    A parabola through the peak gives parts of a sample.
    """
    shared = correlate(second, first, mode="full")
    middle, reach = len(first) - 1, round(within_s * rate_hz)
    start = max(middle - reach, 1)
    top = start + int(np.argmax(shared[start : min(middle + reach, len(shared) - 1)]))
    before, at, after = shared[top - 1 : top + 2]
    bend = before - 2 * at + after
    part = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float((top + part - middle) / rate_hz)


def rank_correlation(x: Sequence[float] | Floats, y: Sequence[float] | Floats) -> float:
    """Spearman's correlation of values without ties; NaN for fewer than four."""
    if len(x) < 4:
        return float("nan")
    ranks = [np.argsort(np.argsort(values)).astype(np.float64) for values in (x, y)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def line_fit(x: Floats, y: Floats) -> tuple[float, float]:
    """Share of the variance of y (n,) that a line over x explains, and the exponent of the power law y ~ x^b (both > 0)."""
    explained = float(np.corrcoef(x, y)[0, 1] ** 2)
    return explained, float(np.polyfit(np.log(x), np.log(y), 1)[0])
