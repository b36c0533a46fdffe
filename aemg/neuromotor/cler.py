"""Classification error rate of gesture events (CLER), and the counts that it leaves out.

CLER scores how often a detected gesture carries the wrong name. Misses and false positives do not enter it, and a
detector that never fires scores 0.0: `event_counts` gives them, and belongs beside every CLER.

Source: Kaifosh et al., Nature 645:702-711 (2025), doi:10.1038/s41586-025-09255-w.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import cast

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.neuromotor.events import GESTURES, RELEASES, Event

TOLERANCE_S = (-0.05, 0.25)
_EXACT_S = (0.0, 0.0)
_SKIP_A, _SKIP_B, _PAIR = range(3)
_FORBIDDEN_RELEASE = {"index_press": {"middle_release"}, "middle_press": {"index_release"}}

Pair = tuple[int | None, int | None]
"""Indices of one aligned pair; None stands for a partner that is missing."""
Confusion = Counter[tuple[str, str | None]]
"""How often a label's name (first) was answered by an event's name, or by none (None)."""


def cler(events: Sequence[Event], labels: Sequence[Event], tolerance_s: tuple[float, float] = TOLERANCE_S) -> float:
    """Classification error rate: the mean over gestures of the share of answered labels with a wrong name.

    Args:
        events: detected (name, time in seconds).
        labels: true (name, time in seconds); all of a recording, also those outside the evaluated interval.
        tolerance_s: an event may answer a label from this much before (negative) to this much after it.

    Returns:
        A rate in [0, 1]; 0.0 where no label is answered at all.

    Raises:
        AEMGError: for entries that are not (name, finite time), or a tolerance that ends before it starts.
    """
    kept, pairs = _answers(events, labels, tolerance_s)
    return classification_error(confusion(labels, kept, pairs))


def align(
    first: Sequence[Event],
    second: Sequence[Event],
    first_tolerance_s: tuple[float, float] = _EXACT_S,
    second_tolerance_s: tuple[float, float] = _EXACT_S,
) -> list[Pair]:
    """The best order-preserving pairing of two event lists.

    Each entry spans its time plus its list's tolerance. Entries may pair where their spans touch; a pairing costs one
    for every entry left alone and every pair of unequal names, and among equals the sum of time differences decides.
    Where both are equal, leaving an entry of `first` alone goes before one of `second`, and that before pairing.

    Args:
        first, second: (name, time in seconds). Spans of lists out of order are narrowed until they are in order.
        first_tolerance_s, second_tolerance_s: begin and end of the span about the time, in seconds.

    Returns:
        Pairs of indices in order, every entry of both lists in exactly one.

    Raises:
        AEMGError: as `cler`.
    """
    _check(first)
    _check(second)
    codes = {name: code for code, name in enumerate({name for name, _ in [*first, *second]})}
    return _trace(_choices(_spans(first, first_tolerance_s, codes), _spans(second, second_tolerance_s, codes)))


def filter_by_finger_state(events: Sequence[Event], labels: Sequence[Event], pairs: Sequence[Pair]) -> list[Event]:
    """Events without the releases that the true state of the fingers rules out.

    The last label decides the state: after index_press or middle_press the other finger's release is dropped, after
    any other label, and at the start, both releases are.

    Args:
        events, labels: as in `cler`.
        pairs: their alignment, events first.

    Returns:
        The events kept, in the order of the alignment.
    """
    kept: list[Event] = []
    forbidden: set[str] | frozenset[str] = RELEASES
    for event, label in pairs:
        if event is not None and events[event][0] not in forbidden:
            kept.append((events[event][0], events[event][1]))
        if label is not None:
            forbidden = _FORBIDDEN_RELEASE.get(labels[label][0], RELEASES)
    return kept


def confusion(labels: Sequence[Event], events: Sequence[Event], pairs: Sequence[Pair]) -> Confusion:
    """How each label was answered, given the alignment with the labels first; events alone are not counted."""
    return Counter((labels[label][0], None if event is None else events[event][0]) for label, event in pairs if label is not None)


def classification_error(counts: Confusion) -> float:
    """CLER of the counts: answers with names that are no label's, like misses, are left out; 0.0 without answers."""
    names = sorted({label for label, _ in counts})
    errors = []
    for label in names:
        answered = sum(counts[label, answer] for answer in names)
        if answered:
            errors.append(1 - counts[label, label] / answered)
    return float(np.mean(errors)) if errors else 0.0


def confusion_matrix(counts: Confusion, names: Sequence[str] = GESTURES) -> NDArray[np.int64]:
    """The counts as a table.

    Args:
        counts: from `confusion`.
        names: rows and columns; what other names the counts hold is left out.

    Returns:
        (n, n + 1): rows the labels, columns the answers, the last one the labels without an answer.
    """
    return np.array([[counts[label, answer] for answer in (*names, None)] for label in names], np.int64)


@dataclass(frozen=True)
class GestureCounts:
    """What became of one gesture's labels and events.

    Attributes:
        hits: labels answered by the right name.
        confusions: labels answered by a wrong name.
        misses: labels without an answer.
        false_positives: events that answer no label, those that the finger state rules out included.
        ruled_out: how many of the false positives the finger state rules out, which CLER never sees.
        latencies_s: for every answered label, the event's time minus the label's, in seconds.
    """

    hits: int = 0
    confusions: int = 0
    misses: int = 0
    false_positives: int = 0
    ruled_out: int = 0
    latencies_s: tuple[float, ...] = ()

    def __add__(self, other: GestureCounts) -> GestureCounts:
        return GestureCounts(
            self.hits + other.hits,
            self.confusions + other.confusions,
            self.misses + other.misses,
            self.false_positives + other.false_positives,
            self.ruled_out + other.ruled_out,
            self.latencies_s + other.latencies_s,
        )


@dataclass(frozen=True)
class EventCounts:
    """Counts of every gesture over a stretch of time; those of several stretches add up.

    Attributes:
        gestures: counts by name, for every name among labels and events.
        minutes: length of the stretch.
        confusion: as `confusion` counts it, over the labels within the stretch.
    """

    gestures: Mapping[str, GestureCounts] = field(default_factory=dict)
    minutes: float = 0.0
    confusion: Confusion = field(default_factory=Counter)

    @property
    def total(self) -> GestureCounts:
        """All gestures together."""
        return sum(self.gestures.values(), GestureCounts())

    @property
    def misses_per_minute(self) -> float:
        """Labels without an answer per minute; NaN for a stretch of no length."""
        return self.total.misses / self.minutes if self.minutes else float("nan")

    @property
    def false_positives_per_minute(self) -> float:
        """Events that answer no label per minute; NaN for a stretch of no length."""
        return self.total.false_positives / self.minutes if self.minutes else float("nan")

    @property
    def median_latency_s(self) -> float:
        """Median time from a label to its answer; NaN without answers."""
        latencies = self.total.latencies_s
        return float(np.median(latencies)) if latencies else float("nan")

    def __add__(self, other: EventCounts) -> EventCounts:
        names = sorted({*self.gestures, *other.gestures})
        none = GestureCounts()
        gestures = {name: self.gestures.get(name, none) + other.gestures.get(name, none) for name in names}
        return EventCounts(gestures, self.minutes + other.minutes, self.confusion + other.confusion)


def event_counts(
    events: Sequence[Event],
    labels: Sequence[Event],
    tolerance_s: tuple[float, float] = TOLERANCE_S,
    interval_s: tuple[float, float] | None = None,
) -> EventCounts:
    """Hits, confusions, misses and false positives by gesture, under the alignment that CLER uses.

    Args:
        events, labels, tolerance_s: as in `cler`.
        interval_s: begin and end of what was evaluated. All labels are aligned, but only labels in [begin, end), and events
            in it that answer no label, are counted. None: all, over the time from the first to the last of them.

    Raises:
        AEMGError: as `cler`, and for an interval that does not end after it begins.
    """
    kept, pairs = _answers(events, labels, tolerance_s)
    times = [time_s for _, time_s in [*events, *labels]]
    begin, end = interval_s or (min(times, default=0.0), max(times, default=0.0))
    if interval_s is not None and not begin < end:
        raise AEMGError(f"interval_s must end after it begins, found {interval_s}")

    def counted(entry: Event) -> bool:
        return interval_s is None or begin <= entry[1] < end

    tallies: dict[str, GestureCounts] = {}

    def add(name: str, counts: GestureCounts) -> None:
        tallies[name] = tallies.get(name, GestureCounts()) + counts

    pairs = [(label, event) for label, event in pairs if counted(labels[label] if label is not None else kept[cast(int, event)])]
    for label, event in pairs:
        if event is None:
            add(labels[cast(int, label)][0], GestureCounts(misses=1))
        elif label is None:
            add(kept[event][0], GestureCounts(false_positives=1))
        else:
            (name, true_s), (answer, time_s) = labels[label], kept[event]
            hit = answer == name
            add(name, GestureCounts(hits=int(hit), confusions=int(not hit), latencies_s=(time_s - true_s,)))
    dropped = Counter((name, time_s) for name, time_s in events) - Counter(kept)
    for (name, time_s), count in dropped.items():
        if counted((name, time_s)):
            add(name, GestureCounts(false_positives=count, ruled_out=count))
    return EventCounts({name: tallies[name] for name in sorted(tallies)}, (end - begin) / 60, confusion(labels, kept, pairs))


def _answers(
    events: Sequence[Event], labels: Sequence[Event], tolerance_s: tuple[float, float]
) -> tuple[list[Event], list[Pair]]:
    """Events that the finger state allows, and the alignment (label, kept event)."""
    pairs = align(events, labels, second_tolerance_s=tolerance_s)
    kept = filter_by_finger_state(events, labels, pairs)
    return kept, align(labels, kept, first_tolerance_s=tolerance_s)


@dataclass(frozen=True)
class _Spans:
    """Entries of a list: (n,) codes of their names, times, and begin and end of what each may answer."""

    names: NDArray[np.int64]
    times: NDArray[np.float64]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]

    def reversed(self) -> _Spans:
        return _Spans(self.names[::-1], self.times[::-1], self.starts[::-1], self.ends[::-1])


def _spans(events: Sequence[Event], tolerance_s: tuple[float, float], codes: Mapping[str, int]) -> _Spans:
    begin, end = tolerance_s
    if not begin <= end:
        raise AEMGError(f"tolerance_s must be (begin, end) with begin <= end in seconds, found {tolerance_s}")
    times = np.array([time_s for _, time_s in events], np.float64)
    starts = np.maximum.accumulate(times + begin)
    ends = np.minimum.accumulate((times + end)[::-1])[::-1]
    return _Spans(np.array([codes[name] for name, _ in events], np.int64), times, starts, ends)


def _choices(a: _Spans, b: _Spans) -> NDArray[np.uint8]:
    """(n + 1, m + 1) best last step of aligning the first i of n entries with the first j of m; inner cells only."""
    n, m = len(a.times), len(b.times)
    choice = np.empty((n + 1) * (m + 1), np.uint8)
    if not n or not m:
        return choice.reshape(n + 1, m + 1)
    # The cells of one antidiagonal i + j need those of the two before it alone, and all run with i once b is reversed.
    b = b.reversed()
    before_faults, faults = np.zeros(n + 1, np.int64), np.ones(n + 1, np.int64)
    before_spread, spread = np.zeros(n + 1), np.zeros(n + 1)
    for diagonal in range(2, n + m + 1):
        low, high = max(1, diagonal - m), min(diagonal - 1, n)  # inner cells are i = low..high
        up, here = slice(low - 1, high), slice(low, high + 1)  # cells (i - 1, j) and (i, j - 1)
        opposite = slice(low + m - diagonal, high + m - diagonal + 1)  # entry j - 1 of b
        skip_b = (faults[here] < faults[up]) | ((faults[here] == faults[up]) & (spread[here] < spread[up]))
        new_faults, new_spread = np.full(n + 1, diagonal), np.zeros(n + 1)  # as on the edges, i = 0 or j = 0
        new_faults[here] = np.where(skip_b, faults[here], faults[up]) + 1
        new_spread[here] = np.where(skip_b, spread[here], spread[up])
        taken = np.where(skip_b, np.uint8(_SKIP_B), np.uint8(_SKIP_A))
        touch = np.flatnonzero((a.ends[up] >= b.starts[opposite]) & (b.ends[opposite] >= a.starts[up]))
        if len(touch):
            i, j = touch + low, touch + opposite.start
            pair_faults = before_faults[i - 1] + (a.names[i - 1] != b.names[j])
            pair_spread = before_spread[i - 1] + np.abs(a.times[i - 1] - b.times[j])
            wins = (pair_faults < new_faults[i]) | ((pair_faults == new_faults[i]) & (pair_spread < new_spread[i]))
            new_faults[i[wins]], new_spread[i[wins]] = pair_faults[wins], pair_spread[wins]
            taken[touch[wins]] = _PAIR
        choice[low * m + diagonal : high * m + diagonal + 1 : m] = taken  # cells (i, diagonal - i), laid out in a row
        before_faults, before_spread, faults, spread = faults, spread, new_faults, new_spread
    return choice.reshape(n + 1, m + 1)


def _check(events: Sequence[Event]) -> None:
    for k, event in enumerate(events):
        if not (len(event) == 2 and isinstance(event[0], str) and isinstance(event[1], Real) and np.isfinite(event[1])):
            raise AEMGError(f"events and labels must be (name, finite time in seconds), found {event!r} at {k}")


def _trace(choice: NDArray[np.uint8]) -> list[Pair]:
    """The pairs along the chosen steps, from the last cell back."""
    i, j = choice.shape[0] - 1, choice.shape[1] - 1
    pairs: list[Pair] = []
    while i or j:
        step = _SKIP_B if i == 0 else _SKIP_A if j == 0 else int(choice[i, j])
        i, j = i - (step != _SKIP_B), j - (step != _SKIP_A)
        pairs.append((None if step == _SKIP_B else i, None if step == _SKIP_A else j))
    return pairs[::-1]
