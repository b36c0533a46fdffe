"""Checks of time stamps: their order, gaps, repetitions, evenness, and the rate they tell."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aemg.quality.finding import Finding, graded, joined_spans
from aemg.quality.limits import STANDARD, Limits

Findings = tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class Stamps:
    """The time of every row.

    Args:
        times_s: (n,) as the file has them, on whatever clock.
        stated_rate_hz: what the file, its card or the user says; None where nobody does.
    """

    times_s: NDArray[np.float64]
    stated_rate_hz: float | None = None

    @property
    def steps_s(self) -> NDArray[np.float64]:
        """(n - 1,) from row to row; NaN where a stamp is none."""
        with np.errstate(invalid="ignore"):
            return np.diff(self.times_s)

    @cached_property
    def usual_s(self) -> float:
        """Usual time of a row: median step between stamps that grow, shared among the rows between them; 0 if none grows."""
        stamps = self.times_s[np.isfinite(self.times_s)]
        grown = np.flatnonzero(np.diff(stamps) > 0) + 1
        rows, steps = np.diff(grown), np.diff(stamps[grown])
        whole = steps > 0
        return float(np.median(steps[whole] / rows[whole])) if whole.any() else 0.0

    @cached_property
    def waits_s(self) -> NDArray[np.float64]:
        """Steps (n - 1,) less the time that rows with the stamp of the row before have already taken."""
        changed = np.r_[0, np.flatnonzero(self.steps_s != 0) + 1]  # rows with a stamp of their own
        waits = self.steps_s.copy()
        waits[changed[1:] - 1] -= (np.diff(changed) - 1) * self.usual_s
        return waits

    def gaps(self, limits: Limits) -> NDArray[np.bool_]:
        """Which steps are gaps."""
        return np.asarray(self.waits_s > max(limits.gap_steps * self.usual_s, limits.gap_s[0]))


def check_stamps(stamps: Stamps, limits: Limits = STANDARD) -> Findings:
    """All checks of stamps."""
    if len(stamps.times_s) < 3:
        return ()
    return (
        *check_stamp_order(stamps, limits), *check_duplicate_stamps(stamps, limits), *check_gaps(stamps, limits),
        *check_jitter(stamps, limits), *check_stamp_rate(stamps, limits),
    )  # fmt: skip


def check_stamp_order(stamps: Stamps, limits: Limits = STANDARD) -> Findings:
    """Stamps smaller than the one before, or not finite."""
    del limits
    with np.errstate(invalid="ignore"):
        wrong = (stamps.steps_s < 0) | ~np.isfinite(stamps.times_s[1:])
    count = int(wrong.sum()) + int(not np.isfinite(stamps.times_s[0]))
    if not count:
        return ()
    advice = "Drop the rows whose stamp does not grow, or number the rows at the true rate."
    return (Finding("falling-stamps", "fault", (), _at(stamps, wrong), count, "rows", 0, advice),)


def check_duplicate_stamps(stamps: Stamps, limits: Limits = STANDARD) -> Findings:
    """Rows with the stamp of the row before."""
    same = stamps.steps_s == 0
    share = float(same.mean())
    grade = graded(share, limits.duplicate_share)
    if grade is None or not same.any():
        return ()
    advice = "Take rows as evenly spaced if whole packets share a stamp; drop the rows if their samples repeat too."
    return (Finding("duplicate-stamps", grade[0], (), _at(stamps, same), 100 * share, "% of rows", 100 * grade[1], advice),)


def check_gaps(stamps: Stamps, limits: Limits = STANDARD) -> Findings:
    """Time without rows."""
    gaps = stamps.gaps(limits)
    if stamps.usual_s <= 0 or not gaps.any():
        return ()
    steps = stamps.steps_s
    longest, lost = float(stamps.waits_s[gaps].max()), float(stamps.waits_s[gaps].sum())
    severity, limit = graded(longest, limits.gap_s) or ("note", limits.gap_s[0])
    if lost > limits.gap_share * max(float(np.nansum(steps[steps > 0])), 1e-12):
        severity = "fault"
    advice = (
        f"{int(gaps.sum())} in all, {lost:.2f} s together: split the recording there, or fill by stamp; no filter or window "
        "may span them."
    )
    return (Finding("gap", severity, (), _at(stamps, gaps), 1000 * longest, "ms", 1000 * limit, advice),)


def check_jitter(stamps: Stamps, limits: Limits = STANDARD) -> Findings:
    """Steps that vary from row to row, gaps and repetitions aside."""
    steps, usual = stamps.steps_s, stamps.usual_s
    if usual <= 0:
        return ()
    rising = steps[(steps > 0) & ~stamps.gaps(limits)]
    if len(rising) < 20 or len(rising) < 0.5 * len(steps):  # stamped by packet
        return ()
    low, high = np.percentile(rising, (5, 95))
    grade = graded(float((high - low) / usual), limits.jitter)
    if grade is None:
        return ()
    advice = "Rows are not evenly spaced by their stamps: resample by stamp, unless they tell when a packet came."
    return (Finding("irregular-stamps", grade[0], (), (), float((high - low) / usual), "steps", grade[1], advice),)


def check_stamp_rate(stamps: Stamps, limits: Limits = STANDARD) -> Findings:
    """The stated rate against the one that stamps tell between gaps."""
    steps, usual, stated = stamps.steps_s, stamps.usual_s, stamps.stated_rate_hz
    if usual <= 0 or not stated:
        return ()
    between = (steps >= 0) & ~stamps.gaps(limits)
    span = float(steps[between].sum())
    if span <= 0:
        return ()
    told = float(between.sum() / span)
    packet = between.sum() / max(int((steps[between] > 0).sum()), 1)  # rows a stamp
    grade = graded(abs(told / stated - 1), limits.rate_error)
    if grade is None or abs(told - stated) * span < 2 + packet:  # within the rounding of the ends
        return ()
    advice = f"Stamps tell {told:.2f} Hz where {stated:g} Hz is stated: state the true rate, or resample by stamp."
    return (Finding("rate", grade[0], (), (), told, "Hz", stated, advice),)


def _at(stamps: Stamps, rows: NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """Where in the recording, by row at the usual rate (the time in which the signal is drawn), steps lie."""
    step = stamps.usual_s or 1.0 / (stamps.stated_rate_hz or 1.0)
    at = np.flatnonzero(rows)
    return joined_spans([(float(a * step), float((a + 1) * step)) for a in at[:10_000]])
