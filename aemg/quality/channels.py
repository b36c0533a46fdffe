"""Checks of channels by their values: not finite, flat, far weaker than the others, repeated, clipped, offset."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aemg.quality.finding import Finding, Span, graded, joined_spans, spans_of
from aemg.quality.limits import STANDARD, Limits
from aemg.quality.piece import Piece

Findings = tuple[Finding, ...]
_DISTINCT = 16  # values that a channel takes at least, where bounds can be told from the rest


def check_finite(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Values that are no numbers."""
    del limits
    wrong: NDArray[np.bool_] = ~piece.finite
    channels = np.flatnonzero(wrong.any(axis=1))
    if not len(channels):
        return ()
    where = spans_of(np.asarray(wrong.any(axis=0)), piece.rate_hz)
    advice = "Find out what wrote them; leave these spans or channels out, and never fill them with zeros unsaid."
    share = 100 * float(wrong[channels].mean())
    return (Finding("not-finite", "fault", _ints(channels), where, share, "% of values", 0.0, advice),)


def check_flat(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Channels that do not change for a while, or at all."""
    shortest = max(round(limits.flat_s * piece.rate_hz), 20)
    samples = piece.signal.shape[1]
    dead: list[int] = []
    shares: dict[int, float] = {}
    spans: list[Span] = []
    for c, x in enumerate(piece.signal):
        if samples >= 2 and piece.bounds[0][c] >= piece.bounds[1][c]:
            dead.append(c)
            continue
        still = np.r_[x[1:] == x[:-1], False] & piece.finite[c]
        found = spans_of(still, piece.rate_hz, shortest)
        if found:
            spans.extend(found)
            shares[c] = sum(b - a for a, b in found) * piece.rate_hz / samples
    found_all = []
    if dead:
        advice = "Leave the channel out of features and training: mark it as missing instead of keeping its constant."
        found_all.append(Finding("flat", "fault", tuple(dead), (), 100.0, "% of time", 100 * limits.flat_share[2], advice))
    if shares:
        worst = max(shares.values())
        severity, limit = graded(worst, limits.flat_share) or ("note", 0.0)
        advice = "The link broke or the electrode was off: leave these spans out."
        found_all.append(
            Finding("flat", severity, tuple(shares), joined_spans(spans), 100 * worst, "% of time", 100 * limit, advice)
        )
    return tuple(found_all)


def check_quiet(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Channels whose amplitude above 20 Hz is far below that of the median channel."""
    if len(piece.live) < 3:
        return ()
    level = piece.fast[piece.live]
    middle = float(np.median(level))
    ratio = middle / np.maximum(level, 1e-30)
    grade = graded(float(ratio.max()), limits.quiet)
    if grade is None or middle <= 0:
        return ()
    channels = piece.live[ratio >= limits.quiet[1]]
    advice = "Check electrode and cable: the channel hardly holds more than noise; leave it out or mark it as missing."
    return (Finding("quiet", grade[0], _ints(channels), (), float(ratio.max()), "times weaker", grade[1], advice),)


def check_duplicate_channels(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Channels that are another one, turned round or scaled at most."""
    if len(piece.live) < 2 or piece.signal.shape[1] < 50:
        return ()
    stride = max(1, piece.signal.shape[1] // 200_000)
    moves = np.diff(piece.signal[piece.live], axis=1)[:, ::stride].astype(np.float64)
    moves -= moves.mean(axis=1, keepdims=True)
    size = np.sqrt((moves**2).sum(axis=1))
    changing = size > 0
    moves = moves[changing] / size[changing, None]
    alike = np.triu(np.abs(moves @ moves.T), 1)
    first, second = np.nonzero(alike >= limits.alike)
    if not len(first):
        return ()
    live = piece.live[changing]
    pairs = ", ".join(f"{live[b]} repeats {live[a]}" for a, b in list(zip(first, second))[:4])
    channels = sorted(set(live[first].tolist()) | set(live[second].tolist()))
    advice = f"Channel {pairs}: keep one of each, and check cable, montage and the order of columns."
    return (Finding("duplicate-channel", "fault", tuple(channels), (), float(alike.max()), "correlation", limits.alike, advice),)


def check_clipped(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Channels that stay at a bound of their range: more samples there than chance puts at the outermost values.

    A bound holds if it is met at least 5 times and more than twice as often as the value next to it; coarse channels of
    fewer than 16 values are not judged.
    """
    shares: dict[int, float] = {}
    where: list[Span] = []
    for c in piece.live:
        x, share, at = piece.signal[c], 0.0, np.zeros(piece.signal.shape[1], dtype=bool)
        for bound, inner in _bounds(x):
            hit = x == bound
            count = int(hit.sum())
            if count >= 5 and count > 2 * int((x == inner).sum()) and _outside(x, bound):
                share, at = share + count / len(x), at | hit
        if share >= limits.clip_share[0] and _lasting(at) and len(np.unique(x[:100_000])) >= _DISTINCT:
            shares[int(c)] = share
            where += spans_of(at, piece.rate_hz, bridge=round(0.02 * piece.rate_hz))
    if not shares:
        return ()
    worst = max(shares.values())
    severity, limit = graded(worst, limits.clip_share) or ("note", 0.0)
    advice = "Lower the gain when recording; leave these spans out where amplitude or spectrum matters."
    return (
        Finding("clipped", severity, tuple(shares), joined_spans(where), 100 * worst, "% of samples", 100 * limit, advice),
    )


def check_offset(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Mean far from zero against the amplitude above 20 Hz."""
    if not len(piece.live) or piece.recording.kind == "envelope":
        return ()
    ratio = np.abs(piece.quantiles[1]) / np.maximum(piece.fast, 1e-30)
    grade = graded(float(ratio[piece.live].max()), limits.offset)
    if grade is None:
        return ()
    channels = [c for c in piece.live if ratio[c] >= limits.offset[0]]
    advice = "Subtract the median of each channel, or high-pass causally from the first sample, before anything else."
    worst = float(ratio[piece.live].max())
    return (Finding("offset", grade[0], _ints(channels), (), worst, "times the amplitude", grade[1], advice),)


def _bounds(x: NDArray[np.float32]) -> tuple[tuple[np.float32, np.float32], ...]:
    """Smallest and largest value, each with the one next to it."""
    low, high = x.min(), x.max()
    inner = x[(x > low) & (x < high)]
    return ((low, inner.min()), (high, inner.max())) if len(inner) else ()


def _outside(x: NDArray[np.float32], bound: np.float32) -> bool:
    """Whether a bound lies in the outer part of the distribution, not where a channel rests."""
    return bool(abs(float(bound) - float(np.median(x))) > float(np.std(x, dtype=np.float64)))


def _lasting(at: NDArray[np.bool_]) -> bool:
    """Whether some samples at a bound follow each other."""
    return bool((at[1:] & at[:-1]).any())


def _ints(channels: NDArray[np.intp] | list[int]) -> tuple[int, ...]:
    return tuple(int(c) for c in channels)
