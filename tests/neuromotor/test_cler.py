"""CLER to the letter, against published lists and a plain dynamic programme; and the counts beside it."""

from __future__ import annotations

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.neuromotor.cler import (
    EventCounts,
    Pair,
    align,
    classification_error,
    cler,
    confusion,
    confusion_matrix,
    event_counts,
    filter_by_finger_state,
)
from aemg.neuromotor.events import GESTURES, RELEASES, decode_events

Events = list[tuple[str, float]]
LAW = settings(derandomize=True, max_examples=80, deadline=None)
# Few names and times on a coarse binary grid: ties of both costs are frequent, and unsorted lists occur.
TIED = st.lists(st.tuples(st.sampled_from(GESTURES[:4]), st.integers(0, 24).map(lambda k: k / 16)), max_size=10)
FREE = st.lists(st.tuples(st.sampled_from(GESTURES), st.floats(0, 3)), max_size=10)
LISTS = TIED | FREE | TIED.map(lambda events: sorted(events, key=lambda event: event[1]))
ANSWERED = {"second_tolerance_s": (-0.05, 0.25)}


def pairs_of(rows: list[list[object]]) -> Events:
    return [(str(name), float(time)) for name, time in rows]


def plain_align(a: Events, b: Events, a_tolerance: tuple[float, float], b_tolerance: tuple[float, float]) -> list[Pair]:
    """The dynamic programme cell by cell."""

    def spans(events: Events, tolerance: tuple[float, float]) -> list[tuple[float, float]]:
        starts, ends = [t + tolerance[0] for _, t in events], [t + tolerance[1] for _, t in events]
        return [(max(starts[: k + 1]), min(ends[k:])) for k in range(len(events))]

    a_spans, b_spans = spans(a, a_tolerance), spans(b, b_tolerance)
    best: dict[tuple[int, int], tuple[tuple[int, float], int]] = {(0, 0): ((0, 0.0), -1)}
    for i in range(len(a) + 1):
        for j in range(len(b) + 1):
            options = []
            if i:
                (faults, spread), _ = best[i - 1, j]
                options.append(((faults + 1, spread), 0))
            if j:
                (faults, spread), _ = best[i, j - 1]
                options.append(((faults + 1, spread), 1))
            if i and j:
                (a_start, a_end), (b_start, b_end) = a_spans[i - 1], b_spans[j - 1]
                if not a_end < b_start and not b_end < a_start:
                    (faults, spread), _ = best[i - 1, j - 1]
                    wrong = a[i - 1][0] != b[j - 1][0]
                    options.append(((faults + wrong, spread + abs(a[i - 1][1] - b[j - 1][1])), 2))
            if options:
                best[i, j] = min(options)
    i, j, path = len(a), len(b), []
    while i or j:
        step = best[i, j][1]
        i, j = i - (step != 1), j - (step != 0)
        path.append((None if step == 1 else i, None if step == 0 else j))
    return path[::-1]


def test_published_lists(vectors: Path) -> None:
    for case, row in json.loads((vectors / "cler_events.json").read_text()).items():
        events, labels, tolerance = pairs_of(row["events"]), pairs_of(row["labels"]), tuple(row["tolerance"])
        first = align(events, labels, second_tolerance_s=tolerance)
        assert first == [tuple(pair) for pair in row["alignment1_event_label"]], case
        kept = filter_by_finger_state(events, labels, first)
        assert kept == pairs_of(row["kept_events"]), case
        second = align(labels, kept, first_tolerance_s=tolerance)
        assert second == [tuple(pair) for pair in row["alignment2_label_event"]], case
        counts = confusion(labels, kept, second)
        assert counts == {(label, answer): n for label, answer, n in row["confusion"]}, case
        assert classification_error(counts) == pytest.approx(row["cler"], abs=1e-12), case
        assert cler(row["events"], row["labels"], row["tolerance"]) == pytest.approx(row["cler"], abs=1e-12), case


def test_published_probabilities(vectors: Path) -> None:
    arrays = np.load(vectors / "cler_probs.npz")
    for case, row in json.loads((vectors / "cler_probs.json").read_text()).items():
        events = decode_events(arrays[f"p_{case}"], arrays[f"t_{case}"])
        assert cler(events, pairs_of(row["labels"])) == pytest.approx(row["cler"], abs=1e-12), case


@LAW
@given(LISTS, LISTS, st.sampled_from([(-0.05, 0.25), (-0.0625, 0.25), (-0.1, 0.1), (0.0, 0.0)]))
def test_the_alignment_is_that_of_the_plain_programme(a: Events, b: Events, tolerance: tuple[float, float]) -> None:
    assert align(a, b, second_tolerance_s=tolerance) == plain_align(a, b, (0, 0), tolerance)
    assert align(a, b, first_tolerance_s=tolerance) == plain_align(a, b, tolerance, (0, 0))


@LAW
@given(LISTS, LISTS)
def test_every_entry_is_in_one_pair(a: Events, b: Events) -> None:
    pairs = align(a, b, **ANSWERED)
    assert {type(index) for pair in pairs for index in pair} <= {int, type(None)}
    assert [i for i, _ in pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in pairs if j is not None] == list(range(len(b)))


@LAW
@given(st.lists(st.sampled_from(GESTURES), min_size=1, max_size=30), st.floats(-0.05, 0.25))
def test_perfect_events_have_no_error_however_late_within_the_tolerance(names: list[str], late: float) -> None:
    labels = [(name, float(k)) for k, name in enumerate(names)]
    assert cler([(name, time + late * 0.99) for name, time in labels], labels) == 0.0


def test_a_wrong_name_counts_and_a_miss_does_not() -> None:
    labels = [("thumb_up", 0.0), ("thumb_up", 1.0), ("thumb_in", 2.0), ("thumb_in", 3.0)]
    assert cler([("thumb_in", 0.1), ("thumb_up", 1.1), ("thumb_in", 2.1)], labels) == pytest.approx(0.25)
    assert cler([], labels) == 0.0


@LAW
@given(LISTS, LISTS)
def test_counts_add_up_and_agree_with_cler(events: Events, labels: Events) -> None:
    counts = event_counts(events, labels)
    assert classification_error(counts.confusion) == cler(events, labels)
    total = counts.total
    assert total.hits + total.confusions + total.misses == len(labels)
    assert total.hits + total.confusions + total.false_positives == len(events)
    assert len(total.latencies_s) == total.hits + total.confusions
    assert confusion_matrix(counts.confusion).sum() == len(labels)
    assert np.trace(confusion_matrix(counts.confusion)) == total.hits
    for name, gesture in counts.gestures.items():
        assert gesture.hits + gesture.confusions + gesture.misses == Counter(label for label, _ in labels)[name]
        assert gesture.ruled_out <= gesture.false_positives
        assert name in RELEASES or not gesture.ruled_out


def test_a_silent_detector_shows_in_the_counts() -> None:
    labels = [("thumb_up", 30.0), ("index_press", 60.0), ("thumb_in", 200.0)]
    counts = event_counts([], labels, interval_s=(0.0, 120.0))
    assert (counts.total.misses, counts.minutes, counts.misses_per_minute) == (2, 2.0, 1.0)
    assert counts.false_positives_per_minute == 0.0
    assert math.isnan(counts.median_latency_s)
    assert math.isnan(event_counts([], []).misses_per_minute)


def test_a_release_that_the_finger_state_rules_out_is_still_a_false_positive() -> None:
    counts = event_counts([("thumb_up", 1.1), ("index_release", 1.5)], [("thumb_up", 1.0)], interval_s=(0, 60))
    assert counts.gestures["index_release"].ruled_out == 1
    assert counts.false_positives_per_minute == 1.0
    assert counts.median_latency_s == pytest.approx(0.1)


def test_counts_of_recordings_add_up() -> None:
    one = event_counts([("thumb_up", 1.1)], [("thumb_up", 1.0)], interval_s=(0, 60))
    other = event_counts([("thumb_in", 1.2)], [("thumb_up", 1.0)], interval_s=(0, 30))
    both = sum([one, other], EventCounts())
    assert both.minutes == 1.5
    assert (both.gestures["thumb_up"].hits, both.gestures["thumb_up"].confusions) == (1, 1)
    assert both.confusion == {("thumb_up", "thumb_up"): 1, ("thumb_up", "thumb_in"): 1}
    assert both.gestures["thumb_up"].latencies_s == pytest.approx((0.1, 0.2))


@pytest.mark.parametrize(
    ("events", "tolerance", "message"),
    [
        ([("thumb_up", float("nan"))], (-0.05, 0.25), "finite time.*nan"),
        ([("thumb_up",)], (-0.05, 0.25), "at 0"),
        ([("thumb_up", "1.0")], (-0.05, 0.25), "'1.0'"),
        ([(3, 1.0)], (-0.05, 0.25), r"\(3, 1.0\) at 0"),
        ([("thumb_up", 1.0)], (0.25, -0.05), "tolerance_s"),
    ],
)
def test_bad_input_is_named(events: Events, tolerance: tuple[float, float], message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        cler(events, [("thumb_up", 1.0)], tolerance)


def test_an_interval_must_have_a_length() -> None:
    with pytest.raises(AEMGError, match="interval_s"):
        event_counts([], [], interval_s=(1.0, 1.0))
