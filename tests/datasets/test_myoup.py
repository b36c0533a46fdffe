"""MyoUP: gestures by the order of their pulses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import myoup as native

from aemg import datasets
from aemg.errors import DataFileError


@pytest.mark.parametrize(("exercise", "kind"), [(1, "finger"), (2, "hand"), (3, "grasp")])
def test_five_pulses_a_gesture_in_order(tmp_path: Path, exercise: int, kind: str) -> None:
    native.write_exercise(tmp_path, 4, exercise)
    (recording,) = datasets.open("myoup", tmp_path)
    held = [i for i in recording.intervals if i.label != "rest"]
    expected = [f"myoup_{kind}_{gesture + 1}" for gesture in range(native.GESTURES[exercise]) for _ in range(5)]
    assert [i.label for i in held] == expected
    start = np.array([i.start_s for i in held]) * 200
    assert np.allclose(start, native.PAUSE + np.arange(len(held)) * (native.HELD + native.PAUSE))
    assert np.allclose([i.end_s - i.start_s for i in held], native.HELD / 200)
    assert len({i.trial for i in held}) == len(held)


def test_counts_subject_and_rest_that_goes_with_its_repetition(tmp_path: Path) -> None:
    native.write_exercise(tmp_path, 7, 1)
    (recording,) = datasets.open("myoup", tmp_path)
    emg, _ = native.signals(25)
    assert np.array_equal(recording.signal, emg.T) and (recording.subject, recording.rate_hz) == ("7", 200.0)
    before, first, after, second = recording.intervals[:4]
    assert (before.label, after.label) == ("rest", "rest")
    assert before.trial == first.trial == after.trial != second.trial


def test_a_missing_file_is_no_fault(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    reader = datasets.open("myoup", tmp_path)
    assert len(reader.sources) == 5 and {r.subject for r in reader} == {"1", "2"}
    assert {i.label for r in reader for i in r.intervals} == set(reader.info.labels)


def test_pulses_that_do_not_fit_the_exercise_are_refused(tmp_path: Path) -> None:
    native.write_exercise(tmp_path, pulses=24)
    with pytest.raises(DataFileError, match="25 pulses, 5 a gesture, found 24"):
        list(datasets.open("myoup", tmp_path))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("emg", np.zeros((254, 7), np.int32), "emg of any x 8"), ("pulse", np.zeros((1, 9), np.uint8), "pulse of 1 x"),
        ("emg", np.full((254, 8), 200, np.int32), "-128 to 127"), ("emg", "text", "emg of"), ("pulse", "text", "pulse"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, name: str, value: object, message: str) -> None:
    native.write_exercise(tmp_path, **{name: value})
    with pytest.raises(DataFileError, match=rf"s1e1.mat.*{message}"):
        list(datasets.open("myoup", tmp_path))


def test_a_cut_file_is_refused(tmp_path: Path) -> None:
    path = native.write_exercise(tmp_path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataFileError, match=r"s1e1\.mat"):
        list(datasets.open("myoup", tmp_path))
