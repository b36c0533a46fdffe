"""Checks of amplitude: unit, scale against the rest of a set, jumps and spikes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aemg.quality.finding import Finding, Span, graded, joined_spans, spans_of
from aemg.quality.limits import STANDARD, Limits
from aemg.quality.piece import Piece

Findings = tuple[Finding, ...]


def check_unit(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Volts that no electrode gives: whole numbers, or an amplitude beyond what is plausible at the skin."""
    if piece.recording.unit != "V" or piece.recording.kind == "envelope" or not len(piece.live):
        return ()
    sample = piece.signal[piece.live, : 1 << 16]
    nonzero = sample[sample != 0]
    whole = float(np.mean(nonzero == np.rint(nonzero))) if len(nonzero) else 0.0
    level = float(np.median(piece.fast[piece.live]))
    if whole >= limits.counts_share:
        advice = 'These are counts of a converter: multiply by volts per count, or say unit "arbitrary".'
        return (Finding("unit", "fault", (), (), 100 * whole, "% whole numbers", 100 * limits.counts_share, advice),)
    low, high = limits.rms_v
    if low <= level <= high:
        return ()
    sizes = (("millivolts", 1e3), ("microvolts", 1e6))
    guess = next((name for name, size in sizes if low <= level / size <= high), "counts")
    advice = (
        f"Probably {guess}, or volts behind the amplifier: bring them to volts at the electrode."
        if level > high
        else "Less than the noise of any electrode: probably divided twice by the gain or by 1000."
    )
    return (Finding("unit", "fault", (), (), level, "V RMS", high if level > high else low, advice),)


def check_jumps(piece: Piece, limits: Limits = STANDARD) -> Findings:
    """Steps between samples far beyond all others that no muscle makes: spikes and jumps of the baseline, of links and cables.

    Steps are held against the 99th percentile of their channel's. The potential of a single motor unit may stand out as far,
    but rises and falls through several samples; a fault is one step, or one out and one back. What stands out much farther
    than any motor unit is a fault in any shape.
    """
    if piece.recording.kind == "envelope" or piece.signal.shape[1] < 100:
        return ()
    near = max(round(0.05 * piece.rate_hz), 10)
    worst, channels = 0.0, []
    where: list[Span] = []
    for c in piece.live:
        steps = np.abs(np.diff(piece.signal[c].astype(np.float64)))
        usual = float(np.percentile(steps, 99))
        if usual <= 0:
            continue
        far = np.flatnonzero(steps > limits.jump[0] * usual)
        kept = [t for t in far[:2000] if steps[t] > limits.jump_any * usual or _alone(steps, int(t), near)]
        if kept:
            channels.append(int(c))
            worst = max(worst, float(steps[kept].max() / usual))
            mask = np.zeros(piece.signal.shape[1], dtype=bool)
            mask[kept] = mask[np.add(kept, 1)] = True
            where += spans_of(mask, piece.rate_hz, bridge=near)
    grade = graded(worst, limits.jump)
    if grade is None:
        return ()
    advice = "Faults of link or cable, not muscle: leave these samples out, or replace them before filtering."
    unit = "times the 99th percentile of steps"
    return (Finding("jump", grade[0], tuple(channels), joined_spans(where), worst, unit, grade[1], advice),)


def check_scales(levels: Sequence[float], limits: Limits = STANDARD) -> list[Findings]:
    """For each of a set's recordings, whether its amplitude (median RMS of its channels) is unlike that of the others."""
    known = np.array([level for level in levels if level > 0])
    middle = float(np.median(known)) if len(known) >= 5 else 0.0
    found: list[Findings] = []
    for level in levels:
        ratio = max(level / middle, middle / level) if middle > 0 and level > 0 else 1.0
        grade = graded(ratio, limits.scale)
        advice = "Another gain or unit in this file: compare it with the others of the set before they are pooled."
        finding = grade and Finding("scale", grade[0], (), (), ratio, "times the set's median", grade[1], advice)
        found.append((finding,) if finding else ())
    return found


def _alone(steps: NDArray[np.float64], at: int, near: int) -> bool:
    """Whether at most one other step within `near` samples reaches a fifth of this one."""
    around = steps[max(at - near, 0) : at + near + 1]
    return bool((around > 0.2 * steps[at]).sum() <= 2)
