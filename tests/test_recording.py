"""Recordings: what is refused, and what a cut keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError, DataFileError
from aemg.signals import Event, Interval, Provenance, Recording, Target, ring

RATE_HZ = 200.0


def recording(samples: int = 1000, channels: int = 4, **changes: object) -> Recording:
    """Sample t of channel c holds 1000 c + t."""
    ramp = np.arange(samples, dtype=np.float32) + 1000 * np.arange(channels, dtype=np.float32)[:, None]
    plain = Recording(ramp, RATE_HZ, ring("band", channels), "s1", "1", Provenance("set", "file", "0" * 64, "CC0-1.0"))
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"signal": np.zeros(5, np.float32)}, r"must be \(C, T\), got shape \(5,\)"),
        ({"signal": np.zeros((4, 5))}, "float32, got float64"),
        ({"signal": np.zeros((3, 5), np.float32)}, "3 channels, montage 'band' 4"),
        ({"rate_hz": 0.0}, "positive, got 0"),
        ({"rate_hz": -200.0}, "positive"),
        ({"rate_hz": float("nan")}, "positive"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        recording(**changes)


def test_a_recording_without_samples_is_allowed() -> None:
    empty = recording(signal=np.zeros((4, 0), np.float32))
    assert empty.duration_s == 0


def test_bandwidth_is_half_the_rate_unless_told() -> None:
    assert recording().bandwidth_hz == (0.0, 100.0)
    assert recording(band_hz=(20.0, 90.0)).bandwidth_hz == (20.0, 90.0)


@given(first=st.integers(0, 999), length=st.integers(1, 1000))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_a_cut_holds_the_samples_between(first: int, length: int) -> None:
    whole = recording()
    last = min(1000, first + length)
    part = whole.cut(first / RATE_HZ, (first + length) / RATE_HZ)
    np.testing.assert_array_equal(part.signal, whole.signal[:, first:last])
    assert part.duration_s == pytest.approx((last - first) / RATE_HZ)


def test_a_cut_moves_labels_along_and_drops_those_outside() -> None:
    whole = recording(
        intervals=(Interval(0.0, 1.0, "before"), Interval(1.5, 3.0, "across", 2), Interval(4.0, 5.0, "after")),
        events=(Event(1.9, "before"), Event(2.0, "first"), Event(3.9, "last"), Event(4.0, "after")),
        targets=(Target("angle", np.arange(50, dtype=np.float32)[None], 10.0, "rad"),),
    )
    part = whole.cut(2.0, 4.0)
    assert [(i.label, i.start_s, i.end_s, i.trial) for i in part.intervals] == [("across", 0.0, 1.0, 2)]
    assert [(e.name, pytest.approx(e.time_s)) for e in part.events] == [("first", 0.0), ("last", 1.9)]
    np.testing.assert_array_equal(part.targets[0].values, np.arange(20, 40, dtype=np.float32)[None])


def test_a_cut_of_all_changes_nothing() -> None:
    whole = recording(intervals=(Interval(1.0, 2.0, "fist", 1),), events=(Event(1.0, "go"),))
    same = whole.cut(-1.0, 99.0)
    np.testing.assert_array_equal(same.signal, whole.signal)
    assert (same.intervals, same.events) == (whole.intervals, whole.events)


@given(a=st.integers(0, 300), b=st.integers(400, 1000), c=st.integers(0, 50), d=st.integers(60, 100))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_a_cut_of_a_cut_is_one_cut(a: int, b: int, c: int, d: int) -> None:
    whole = recording(intervals=(Interval(0.2, 4.0, "fist", 1),))
    twice = whole.cut(a / RATE_HZ, b / RATE_HZ).cut(c / RATE_HZ, d / RATE_HZ)
    once = whole.cut((a + c) / RATE_HZ, (a + d) / RATE_HZ)
    np.testing.assert_array_equal(twice.signal, once.signal)
    assert len(twice.intervals) == len(once.intervals)
    for i, j in zip(twice.intervals, once.intervals):
        assert (i.start_s, i.end_s) == (pytest.approx(j.start_s), pytest.approx(j.end_s))


@pytest.mark.parametrize(("start_s", "end_s"), [(6.0, 7.0), (2.0, 2.0), (3.0, 2.0), (-2.0, -1.0)])
def test_a_cut_without_samples_is_refused(start_s: float, end_s: float) -> None:
    with pytest.raises(AEMGError, match=r"nothing lies between .* of a 5\.000 s recording"):
        recording().cut(start_s, end_s)


def test_a_damaged_file_is_named_with_what_was_expected() -> None:
    error = DataFileError("a/b.mat", "8 columns", "7")
    assert str(error) == "a/b.mat: expected 8 columns, found 7"
    rebuilt, arguments = error.__reduce__()  # how it comes back from a worker
    assert str(rebuilt(*arguments)) == str(error)
