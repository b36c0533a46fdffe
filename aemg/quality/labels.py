"""Checks of labels: their spans, and whether the signal knows of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from aemg.quality.finding import Finding, Severity, graded, joined_spans
from aemg.quality.limits import STANDARD, Limits
from aemg.quality.piece import ACTIVITY_HZ
from aemg.signals import Interval

Findings = tuple[Finding, ...]
Levels = Mapping[str, Sequence[NDArray[np.float32]]]
REST = "rest"
_LONGEST_LAG_S = 3.0
_LEAST_REST_S = 2.0  # of unlabelled time, to stand for rest


def check_label_spans(intervals: Sequence[Interval], duration_s: float, limits: Limits = STANDARD) -> Findings:
    """Intervals that reach beyond the recording, or end before they begin."""
    empty = [i for i in intervals if not i.end_s > i.start_s]
    over = {i: max(-i.start_s, i.end_s - duration_s, 0.0) for i in intervals if i not in empty}
    found = []
    if empty:
        advice = "Intervals must end after they begin: repair start and end in the file of labels."
        where = joined_spans([(min(i.start_s, i.end_s), max(i.start_s, i.end_s)) for i in empty])
        found.append(Finding("label-span", "fault", (), where, len(empty), "intervals of no length", 0.0, advice))
    worst = max(over.values(), default=0.0)
    if (grade := graded(worst, limits.label_outside_s)) is not None:
        advice = "Clock or file do not fit the labels: check start, rate and whether the end of the recording is missing."
        where = joined_spans([(i.start_s, i.end_s) for i, beyond in over.items() if beyond >= limits.label_outside_s[0]])
        found.append(Finding("label-span", grade[0], (), where, worst, "s outside", grade[1], advice))
    return tuple(found)


def check_label_overlap(intervals: Sequence[Interval], limits: Limits = STANDARD) -> Findings:
    """Intervals of different labels at the same time."""
    worst, where = 0.0, []
    open_ones: list[Interval] = []
    for interval in sorted(intervals, key=lambda i: (i.start_s, i.end_s)):
        open_ones = [o for o in open_ones if o.end_s > interval.start_s]
        for other in open_ones:
            common = min(other.end_s, interval.end_s) - interval.start_s
            if other.label != interval.label and common >= limits.label_overlap_s[0]:
                worst = max(worst, common)
                where.append((interval.start_s, interval.start_s + common))
        open_ones = [*open_ones[-20:], interval]
    grade = graded(worst, limits.label_overlap_s)
    if grade is None:
        return ()
    advice = "Two labels at once: decide which one holds, or cut both back to where they are alone."
    return (Finding("label-overlap", grade[0], (), joined_spans(where), worst, "s", grade[1], advice),)


def label_levels(activity: NDArray[np.float32], intervals: Sequence[Interval]) -> dict[str, list[NDArray[np.float32]]]:
    """Median amplitude (C,) of every interval's inner 80 %, by label; of unlabelled time under ""."""
    levels: dict[str, list[NDArray[np.float32]]] = {}
    free = np.ones(activity.shape[1], dtype=bool)
    for i in intervals:
        inner = 0.1 * (i.end_s - i.start_s)
        a, b = (round((t) * ACTIVITY_HZ) for t in (i.start_s + inner, i.end_s - inner))
        a, b = max(a, 0), min(b, activity.shape[1])
        free[max(int(i.start_s * ACTIVITY_HZ), 0) : max(int(np.ceil(i.end_s * ACTIVITY_HZ)), 0)] = False
        if b > a:
            levels.setdefault(i.label, []).append(np.median(activity[:, a:b], axis=1))
    if intervals and free.sum() >= max(_LEAST_REST_S * ACTIVITY_HZ, 0.1 * len(free)):
        levels[""] = [np.median(activity[:, free], axis=1)]
    return levels


def silent_labels(levels: Levels, limits: Limits = STANDARD) -> dict[str, float]:
    """Labels under which no channel is stronger than at rest, with the ratio of the channel that changes most.

    Without labelled rest, unlabelled time stands for it, and the weakest label may be rest under another name.
    """
    at_rest = levels.get(REST) or levels.get("")
    active = {name: np.median(found, axis=0) for name, found in levels.items() if name not in (REST, "")}
    if not at_rest or not active:
        return {}
    rest = np.median(at_rest, axis=0)
    known = rest > 0
    ratio = {name: float(np.max(level[known] / rest[known], initial=0.0)) for name, level in active.items()}
    if REST not in levels and len(ratio) > 1:
        del ratio[min(ratio, key=lambda name: ratio[name])]
    return {name: value for name, value in sorted(ratio.items()) if value < limits.label_effect} if known.any() else {}


def check_label_effect(levels: Levels, limits: Limits = STANDARD) -> Findings:
    """Labels without an effect on the signal; a fault where none of several differs from labelled rest."""
    silent = silent_labels(levels, limits)
    if not silent:
        return ()
    active = [name for name in levels if name not in (REST, "")]
    severity: Severity = "fault" if REST in levels and 1 < len(active) == len(silent) else "warning"
    advice = (
        f"Under {', '.join(list(silent)[:6])} no channel is stronger than at rest: check whether labels belong to this "
        "recording, whether the movement was made, and whether electrodes lie over its muscles."
    )
    return (Finding("label-effect", severity, (), (), min(silent.values()), "times rest", limits.label_effect, advice),)


def check_label_shift(
    activity: NDArray[np.float32], intervals: Sequence[Interval], limits: Limits = STANDARD
) -> Findings:
    """Labels that fit the amplitude best when moved: correlation of active labels with mean amplitude over lags of 3 s."""
    active = [i for i in intervals if i.label != REST]
    if len(active) < 3 or activity.shape[1] < 4 * _LONGEST_LAG_S * ACTIVITY_HZ:
        return ()
    course, mask = _course(activity), np.zeros(activity.shape[1])
    for i in active:
        mask[max(round(i.start_s * ACTIVITY_HZ), 0) : max(round(i.end_s * ACTIVITY_HZ), 0)] = 1.0
    if not 0.1 < mask.mean() < 0.9:
        return ()
    lags = np.arange(-round(_LONGEST_LAG_S * ACTIVITY_HZ), round(_LONGEST_LAG_S * ACTIVITY_HZ) + 1)
    fit = np.array([_correlation(course, mask, int(lag)) for lag in lags])
    best = int(np.argmax(fit))
    shift_s, gain = float(lags[best] / ACTIVITY_HZ), float(fit[best] - fit[len(lags) // 2])
    if abs(shift_s) < limits.label_shift_s or fit[best] < limits.label_fit[0] or gain < limits.label_fit[1]:
        return ()
    later = "later" if shift_s > 0 else "earlier"
    advice = f"The signal fits labels that come {abs(shift_s):.1f} s {later}: check clocks, and move the labels or trim them."
    return (Finding("label-shift", "warning", (), (), shift_s, "s", limits.label_shift_s, advice),)


def _course(activity: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean over channels (n,) of the amplitude against its median, outliers bounded."""
    middle = np.median(activity, axis=1, keepdims=True)
    changing = middle[:, 0] > 0
    if not changing.any():
        return np.zeros(activity.shape[1])
    return np.asarray(np.log(np.maximum(activity[changing] / middle[changing], 1e-3)).mean(axis=0), dtype=np.float64)


def _correlation(course: NDArray[np.float64], mask: NDArray[np.float64], lag: int) -> float:
    """Of course[t + lag] with mask[t] where both are."""
    a, b = (course[lag:], mask[: len(mask) - lag]) if lag >= 0 else (course[:lag], mask[-lag:])
    spread = float(np.std(a) * np.std(b))
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else 0.0
