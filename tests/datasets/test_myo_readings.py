"""myo-readings-dataset: hibernation is not rest, labels by line, sessions and sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import myo_readings as native

from aemg import datasets
from aemg.errors import DataFileError

NAME = "myo-readings"


def test_counts_and_turns(tmp_path: Path) -> None:
    stretches = [(0, 20), (3, 30), (0, 10), (3, 5)]
    native.write_file(tmp_path, 3, stretches)
    (recording,) = datasets.open(NAME, tmp_path)
    assert np.array_equal(recording.signal, native.lines(stretches)[:, :8].T) and recording.rate_hz == 200
    assert [(i.start_s, i.end_s, i.label) for i in recording.intervals] == [
        (0.0, 0.1, "rest"), (0.1, 0.25, "radial_deviation"), (0.25, 0.3, "rest"), (0.3, 0.325, "radial_deviation"),
    ]  # fmt: skip


def test_rows_of_a_recorder_that_asked_too_often_are_dropped(tmp_path: Path) -> None:
    stretches = [(0, 40), (5, 60)]
    path = native.write_file(tmp_path, 5, stretches, polled=True)
    assert len(path.read_text().split("\n")) == 125
    (recording,) = datasets.open(NAME, tmp_path)
    assert np.array_equal(recording.signal, native.lines(stretches)[:, :8].T)
    assert [(i.start_s, i.end_s) for i in recording.intervals] == [(0.0, 0.2), (0.2, 0.5)]


def test_a_few_repeats_and_a_flat_recording_stay(tmp_path: Path) -> None:
    for rows in (["1,2,3,4,5,6,7,8,0"] * 30, [f"{t // 2 if t < 3 else t},0,0,0,0,0,0,0,0" for t in range(30)]):
        path = native.write_file(tmp_path, 0, [(0, 5)])
        path.write_text("\n".join(rows))
        (recording,) = datasets.open(NAME, tmp_path)
        assert recording.signal.shape == (8, 30)


def test_hibernation_is_not_rest(tmp_path: Path) -> None:
    native.write_file(tmp_path, 0, [(0, 50)])
    (recording,) = datasets.open(NAME, tmp_path)
    assert [i.label for i in recording.intervals] == ["hibernation"]


def test_an_unexplained_file_keeps_its_samples_and_gets_no_label(tmp_path: Path) -> None:
    native.write_file(tmp_path, 8, [(0, 10), (8, 30), (0, 10)])
    (recording,) = datasets.open(NAME, tmp_path)
    assert recording.signal.shape == (8, 50)
    assert [(i.start_s, i.label) for i in recording.intervals] == [(0.0, "rest"), (0.2, "rest")]


def test_people_sessions_and_hands(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    recordings = list(datasets.open(NAME, tmp_path))
    worn = {(r.subject, r.session, r.montage.arm) for r in recordings}
    assert worn == {("12345", "right-1", "right"), ("6666", "left-2", "left")}
    assert {i.label for r in recordings for i in r.intervals} == set(datasets.info(NAME).labels)


def test_trials_of_a_session_are_unique_over_its_files(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    reader = datasets.open(NAME, tmp_path)
    assert reader.sources[0].startswith("_readings_left_hand")  # the one that has all nine files
    trials = [i.trial for r in reader.read(reader.sources[0]) for i in r.intervals]
    assert len(set(trials)) == len(trials) == 4 * 7 + 2 + 1


@pytest.mark.parametrize(
    ("line", "message"),
    [("1,2,3,4,5,6,7,8", "9 numbers"), ("1,2,3,4,5,6,7,128,0", "-128 to 127"), ("1,2,3,4,5,6,7,8,9", "labels from 0 to 8"),
     ("1,2,3,4,5,6,7,8,0.5", "labels from 0 to 8"), ("", "an empty file")],
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, line: str, message: str) -> None:
    path = native.write_file(tmp_path, 1, [(0, 5)])
    path.write_text(line)
    with pytest.raises(DataFileError, match=rf"1.txt.*{message}"):
        list(datasets.open(NAME, tmp_path))
