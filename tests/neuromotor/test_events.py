"""Events are threshold crossings, debounced; what no detector could have put out is refused."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aemg.errors import AEMGError
from aemg.neuromotor.events import GESTURES, RELEASES, Debounce, crossings, debounce, decode_events, pair_releases

LAW = settings(derandomize=True, max_examples=50, deadline=None)
PROBABILITIES = arrays(np.float32, st.tuples(st.just(9), st.integers(0, 30)), elements=st.sampled_from([0, 0.25, 0.75, 1]))
EVENTS = st.lists(st.tuples(st.sampled_from(GESTURES), st.integers(0, 40).map(lambda k: k / 100)), max_size=25).map(
    lambda events: sorted(events, key=lambda event: event[1])
)


def as_events(rows: list[list[object]]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows]


def test_published_probabilities_give_the_published_events(vectors: Path) -> None:
    arrays_ = np.load(vectors / "cler_probs.npz")
    for case, expected in json.loads((vectors / "cler_probs.json").read_text()).items():
        p, times = arrays_[f"p_{case}"], arrays_[f"t_{case}"]
        assert decode_events(p, times) == as_events(expected["detected"]), case
        assert decode_events(torch.from_numpy(p), times, debounce_s=None) == as_events(expected["detected_without_debounce"]), (
            case
        )


def test_published_debouncing(vectors: Path) -> None:
    for case, expected in json.loads((vectors / "debounce.json").read_text()).items():
        kept = debounce(as_events(expected["events"]), expected["debounce"])
        assert kept == as_events(expected["kept"]), case


def test_the_threshold_is_rounded_to_the_precision_of_the_probabilities() -> None:
    single = np.full((9, 1), np.float32(0.35))
    assert len(decode_events(single, [0.0], debounce_s=None)) == 9
    above = float(np.float32(0.35)) > 0.35
    assert len(decode_events(single.astype(np.float64), [0.0], debounce_s=None)) == (9 if above else 0)
    below = np.nextafter(single, np.float32(0))
    assert decode_events(below, [0.0]) == []


@LAW
@given(PROBABILITIES)
def test_an_event_for_every_crossing_in_order_of_time_then_class(p: np.ndarray) -> None:
    times = np.arange(p.shape[1]) / 200
    expected = [
        (name, float(times[k]))
        for k in range(p.shape[1])
        for name, row in zip(GESTURES, p, strict=True)
        if row[k] >= 0.35 and (k == 0 or row[k - 1] < 0.35)
    ]
    assert decode_events(p, times, debounce_s=None) == expected
    assert decode_events(p, times) == debounce(expected)


def test_equal_times_keep_the_order_of_classes() -> None:
    p = np.zeros((9, 2))
    p[5, 0] = p[1, 1] = 1
    assert decode_events(p, [3.0, 3.0], debounce_s=None) == [(GESTURES[1], 3.0), (GESTURES[5], 3.0)]


@LAW
@given(PROBABILITIES, st.integers(0, 30))
def test_crossings_of_pieces_are_those_of_the_whole(p: np.ndarray, cut: int) -> None:
    cut = min(cut, p.shape[1])
    before = p[:, cut - 1] >= np.float32(0.35) if cut else None
    pieces = [crossings(p[:, :cut]), crossings(p[:, cut:], before=before)]
    assert np.array_equal(np.concatenate(pieces, 1), crossings(p))


@LAW
@given(EVENTS)
def test_debouncing_twice_changes_nothing_and_kept_neighbours_do_not_collide(events: list[tuple[str, float]]) -> None:
    kept = debounce(events)
    assert debounce(kept) == kept
    assert kept[:1] == events[:1]
    assert debounce(events, None) == events == debounce(events, 0.0)
    for (one, start), (other, end) in itertools.pairwise(kept):
        same_kind = one == other if {one, other} & RELEASES else True
        assert end - start >= 0.05 or not same_kind


def test_reset_forgets_the_last_event() -> None:
    rule = Debounce()
    assert rule.keep("thumb_up", 1.0)
    assert not rule.keep("thumb_in", 1.01)
    rule.reset()
    assert rule.keep("thumb_in", 1.01)


@pytest.mark.parametrize(
    ("p", "times", "message"),
    [
        (np.zeros((8, 3)), np.arange(3), r"\(9, n\).*\(8, 3\)"),
        (np.zeros(9), np.arange(9), r"\(9, n\)"),
        (np.zeros((9, 3)), np.arange(4), "one per step"),
        (np.zeros((9, 3)), [0, 2, 1], "step 2 lies before step 1"),
        (np.zeros((9, 2)), [0, np.nan], "finite"),
        (np.full((9, 2), np.nan), [0, 1], "nan"),
        (np.full((9, 2), 3.0), [0, 1], "sigmoid"),
    ],
)
def test_bad_input_is_named(p: np.ndarray, times: np.ndarray, message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        decode_events(p, np.asarray(times, float))


@pytest.mark.parametrize("value", [-0.1, float("nan")])
def test_bad_debounce_times_are_named(value: float) -> None:
    with pytest.raises(AEMGError, match="debounce_s"):
        debounce([], value)


@LAW
@given(st.lists(st.sampled_from(GESTURES), max_size=12))
def test_a_paired_release_follows_its_press_at_once(names: list[str]) -> None:
    kept = pair_releases([(name, float(k)) for k, name in enumerate(names)])
    for (before, _), (name, _) in zip([("", 0.0), *kept], kept):
        assert name not in RELEASES or before == name.replace("release", "press")
    assert [entry for entry in kept if entry[0] not in RELEASES] == [
        (name, float(k)) for k, name in enumerate(names) if name not in RELEASES
    ]


def test_only_the_first_release_of_a_press_stands() -> None:
    events = [("index_press", 1.0), ("index_release", 1.5), ("index_release", 2.0), ("middle_release", 2.5)]
    assert pair_releases(events) == events[:2]
