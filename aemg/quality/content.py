"""Checks of what the samples carry: held samples, empty bands, mains, envelopes, a wandering baseline."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from scipy.signal import welch

from aemg.quality.finding import Finding, Severity, graded, spans_of
from aemg.quality.limits import STANDARD, Limits
from aemg.quality.piece import Piece

Findings = tuple[Finding, ...]
_MAINS_HZ = (50.0, 60.0)
_TINY = 1e-30


def check_hold(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Rows that repeat the row before in all channels, or lie on the line between their neighbours, while there is a signal."""
    x = piece.signal[piece.live]
    if piece.recording.kind == "envelope" or not len(x) or x.shape[1] < 100:
        return ()
    away = np.abs(x[:, 1:-1] - piece.quantiles[1][piece.live, None].astype(np.float32))
    strong = (away > piece.deviation[piece.live, None].astype(np.float32)).any(axis=0)
    same = (x[:, 1:-1] == x[:, :-2]).all(axis=0)
    held = same & ~_long(same, round(limits.hold_longest_s * piece.rate_hz))
    counted = strong & ~(same & ~held)
    if counted.sum() < 50:
        return ()
    share, how, declared = float((held & counted).sum() / counted.sum()), "repeat the row before", False
    if graded(share, limits.hold_share) is None:
        bend = np.abs(x[:, 2:] - 2 * x[:, 1:-1] + x[:, :-2])
        straight = (bend <= 1e-4 * np.std(x, axis=1, keepdims=True)).all(axis=0) & ~same
        held = straight
        share, how = float((straight & counted).sum() / counted.sum()), "lie on a line between their neighbours"
        declared = piece.recording.bandwidth_hz[1] <= 0.6 * piece.rate_hz * (1 - share)
    grade = graded(share, limits.hold_share)
    true_hz = piece.rate_hz * (1 - share)
    if grade is None or declared:
        return ()
    advice = (
        f"{100 * share:.0f} % of the rows {how}: the device gave about {true_hz:.0f} rows a second; keep those that are new, put "
        f"them on an even grid by stamp, and declare the band."
    )
    where = spans_of(np.r_[False, held, False], piece.rate_hz, bridge=round(0.1 * piece.rate_hz)) if share < 0.2 else ()
    return (Finding("hold", grade[0], (), where, 100 * share, "% of rows", 100 * grade[1], advice),)


def check_interpolated(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Rows interpolated between samples of a lower rate, not a whole part of theirs.

    Between knots an interpolated signal bends less, so that the mean size of its second differences beats at the lower rate
    (Gallagher 2005, doi:10.1109/CRV.2005.33, for pictures); the line is held against the median of 10 Hz to either side.
    """
    x = piece.signal[piece.live]
    if piece.recording.kind == "envelope" or not len(x) or x.shape[1] < 3 * piece.rate_hz:
        return ()
    bends = np.zeros(x.shape[1] - 2)
    for c in x:
        bend = np.abs(np.diff(c, 2))
        bends += np.minimum(bend / max(float(bend.mean()), _TINY), 10.0)  # single jumps count little
    frequency, density = welch(bends, fs=piece.rate_hz, nperseg=round(piece.rate_hz))
    level = 10 * np.log10(density + _TINY)
    over = level - median_filter(level, 21, mode="nearest")
    nearest = np.minimum(np.abs(frequency - 50 * np.rint(frequency / 50)), np.abs(frequency - 60 * np.rint(frequency / 60)))
    over[(nearest < 2.5) | (frequency < 0.02 * piece.rate_hz)] = 0.0
    at = int(np.argmax(over))
    true_hz = max(float(frequency[at]), piece.rate_hz - float(frequency[at]))
    if over[at] < limits.beat_db or piece.recording.bandwidth_hz[1] <= 0.6 * true_hz:  # declared
        return ()
    advice = (
        f"The rows were interpolated between samples of probably {true_hz:.0f} a second: bring them back to that rate, or "
        "declare half of it as the band."
    )
    return (Finding("hold", "warning", (), (), float(over[at]), "dB beat of the curvature", limits.beat_db, advice),)


def check_empty_band(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """A steep fall of the spectrum well below half the rate, with nothing above: the rate was raised by resampling.

    The fall is measured between the median densities (in dB, mean over channels) of 4 % of half the rate on either side of
    an edge of 4 %; nothing above may come within half the fall of what lies below.
    """
    frequency, density = piece.spectrum
    if not len(piece.live) or piece.signal.shape[1] < 2 * piece.rate_hz or len(frequency) < 64:
        return ()
    level = np.mean(10 * np.log10(density[piece.live] + _TINY * density[piece.live].max()), axis=0)  # (F,) dB
    width = max(4, round(0.04 * len(frequency)))
    lowest = int(np.searchsorted(frequency, limits.band_from_hz))
    edges = np.arange(max(2 * width, lowest), round(limits.band_top * len(frequency)))
    if not len(edges):
        return ()
    below = np.array([np.median(level[e - width : e]) for e in edges])
    above = np.array([np.median(level[e + width : e + 2 * width]) for e in edges])
    highest = np.maximum.accumulate(_smooth(level, 9)[::-1])[::-1]  # of what follows
    beyond = highest[np.minimum(edges + width, len(level) - 1)]
    drop = np.where(beyond <= (below + above) / 2, below - above, 0.0)
    at = int(np.argmax(drop))
    grade = graded(float(drop[at]), limits.band_drop_db)
    edge_hz = float(frequency[edges[at] + width])
    if grade is None or piece.recording.bandwidth_hz[1] <= 1.1 * edge_hz:  # declared
        return ()
    advice = (
        f"Nothing lies above about {edge_hz:.0f} Hz of {piece.rate_hz / 2:.0f} Hz: declare the band, or bring the samples back "
        f"to about {2 * edge_hz:.0f} Hz."
    )
    return (Finding("empty-band", grade[0], (), (), float(drop[at]), "dB", grade[1], advice),)


def mains_lines(piece: Piece, mains_hz: float) -> NDArray[np.float64]:
    """Height in dB (C, H) of mains and its harmonics below 0.48 of the rate over the median of 3 to 8 Hz to either side."""
    frequency, density = piece.spectrum
    lines = []
    for k in range(1, int(0.48 * piece.rate_hz / mains_hz) + 1):
        far = np.abs(frequency - k * mains_hz)
        around = density[:, (far >= 3) & (far <= 8)]
        if around.shape[1] and (far <= 1).any():
            lines.append(10 * np.log10((density[:, far <= 1].max(axis=1) + _TINY) / (np.median(around, axis=1) + _TINY)))
    return np.stack(lines, axis=1) if lines else np.zeros((len(density), 0))


def check_mains(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Lines at 50 or 60 Hz and their harmonics, whichever stands out more."""
    if piece.signal.shape[1] < limits.mains_from_s * piece.rate_hz or piece.recording.kind == "envelope" or not len(piece.live):
        return ()
    heights = {hz: mains_lines(piece, hz)[piece.live] for hz in _MAINS_HZ}
    if not all(h.shape[1] for h in heights.values()):
        return ()
    mains_hz = max(_MAINS_HZ, key=lambda hz: float(np.median(heights[hz].max(axis=1)) + heights[hz][:, 0].max()))
    lines = heights[mains_hz]
    grade = graded(float(lines.max()), limits.mains_db)
    if grade is None:
        return ()
    severity: Severity = grade[0]
    shares = np.array([piece.power(k * mains_hz - 1.5, k * mains_hz + 1.6) for k in range(1, lines.shape[1] + 1)]).sum(axis=0)
    share = float((shares / np.maximum(piece.fast**2, _TINY))[piece.live].max())
    if severity == "warning" and share > limits.mains_share:
        severity = "fault"
    channels = piece.live[lines.max(axis=1) >= limits.mains_db[0]]
    found = ", ".join(f"{mains_hz * (k + 1):g}" for k in np.flatnonzero(lines.max(axis=0) >= limits.mains_db[0]))
    advice = (
        f"Lines at {found} Hz, up to {100 * min(share, 1.0):.0f} % of a channel's power: notch them causally, and check "
        "reference electrode and cables."
    )
    return (Finding("mains", severity, tuple(int(c) for c in channels), (), float(lines.max()), "dB", grade[1], advice),)


def check_envelope(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Rectified or smoothed channels in a recording that is said to be raw: one-sided, or without a band of EMG.

    Rectified is a spread on one side of the median that is much smaller than on the other (0.5th and 99.5th percentile)
    and ends abruptly; smoothed is a density that falls steeply from 15-25 Hz to 40-90 Hz. Most channels have to be either.
    """
    live = piece.live
    if piece.recording.kind == "envelope" or not len(live) or piece.signal.shape[1] < max(piece.rate_hz, 100):
        return ()
    rectified, steep = _sidedness(piece, limits.floor), _fall_db(piece)
    if rectified > limits.one_sided and steep < limits.steep_db:
        return ()
    advice = 'Rectified or smoothed at the source: mark it as kind "envelope"; no spectrum, filter or raw model fits it.'
    if steep >= limits.steep_db:
        return (Finding("envelope", "fault", (), (), steep, "dB fall of the spectrum", limits.steep_db, advice),)
    return (Finding("envelope", "fault", (), (), rectified, "spread below over above", limits.one_sided, advice),)


def check_baseline(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Power below 10 Hz, where surface EMG has none."""
    if piece.recording.kind == "envelope" or not len(piece.live) or piece.signal.shape[1] < 2 * piece.rate_hz:
        return ()
    share = piece.power(0.0, 10.0)[piece.live] / np.maximum(piece.power(0.0, np.inf)[piece.live], _TINY)
    grade = graded(float(share.max()), limits.baseline_share)
    if grade is None:
        return ()
    channels = piece.live[share >= limits.baseline_share[0]]
    advice = "Movement of skin or cables: high-pass causally at 10-20 Hz."
    worst = 100 * float(share.max())
    return (
        Finding("baseline", grade[0], tuple(int(c) for c in channels), (), worst, "% of power", 100 * grade[1], advice),
    )


def _sidedness(piece: Piece, floor: float) -> float:
    """Smaller over larger spread around the median, median over channels; 1 for those whose smaller side has no hard end."""
    low, middle, high = piece.quantiles[:, piece.live]
    least, most = (bound[piece.live].astype(np.float64) for bound in piece.bounds)
    below, above = middle - low, high - middle
    end, outer = np.where(below <= above, (low - least, middle - least), (most - high, most - middle))
    hard = end <= floor * outer
    return float(np.median(np.where(hard, np.minimum(below, above) / np.maximum(np.maximum(below, above), _TINY), 1.0)))


def _fall_db(piece: Piece) -> float:
    """Fall of the density from 15-25 Hz to 40-90 Hz, median over channels; 0 where the rate carries too little."""
    top = min(90.0, 0.45 * piece.rate_hz)
    bottom = min(40.0, 0.7 * top)
    if top < 30:
        return 0.0
    near, far = (piece.power(a, b)[piece.live] / (b - a) for a, b in ((15.0, 25.0), (bottom, top)))
    return float(np.median(10 * np.log10((near + _TINY) / (far + _TINY))))


def _long(mask: NDArray[np.bool_], longest: int) -> NDArray[np.bool_]:
    """Where a mask is set for more than `longest` samples on end."""
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False].astype(np.int8)))
    first, last = edges[::2], edges[1::2]
    change = np.zeros(len(mask) + 1, np.int32)
    kept = last - first > max(longest, 2)
    np.add.at(change, first[kept], 1)
    np.add.at(change, last[kept], -1)
    return np.asarray(np.cumsum(change[:-1]) > 0)


def _smooth(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    padded = np.pad(values, size // 2, mode="edge")
    return np.convolve(padded, np.full(size, 1 / size), mode="valid")
