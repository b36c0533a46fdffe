"""EMG-EPN-612: people, labels where there are any, counts, damage."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native import emg_epn_612 as native

from aemg import datasets
from aemg.errors import DataFileError

LABELS = ("rest", "hand_close", "wrist_flexion", "wrist_extension", "hand_open", "pinch_grip")


def read(root: Path):
    return list(datasets.open("emg-epn-612", root))


def test_samples_channels_labels_and_times(tmp_path: Path) -> None:
    native.write_user(tmp_path, 7, training={"idx_1": native.sample(1, "fist", 1000, (201, 400))}, testing={})
    (recording,) = read(tmp_path)
    assert recording.signal.tolist() == [native.counts(1, channel, 1000) for channel in range(8)]
    (interval,) = recording.intervals
    assert (interval.start_s, interval.end_s, interval.label, interval.trial) == (1.0, 2.0, "hand_close", 0)
    assert (recording.rate_hz, recording.subject, recording.session) == (200.0, "training-7", "1")
    assert recording.provenance.file.endswith("trainingJSON/user7/user7.json#trainingSamples.idx_1")


def test_rest_is_labelled_from_end_to_end_and_a_gesture_without_marks_too(tmp_path: Path) -> None:
    training = {"idx_1": native.sample(1, "noGesture", 90), "idx_2": native.sample(2, "open", 70, marks=None)}
    native.write_user(tmp_path, training=training, testing={})
    found = [(i.label, i.start_s, i.end_s) for r in read(tmp_path) for i in r.intervals]
    assert found == [("rest", 0.0, 90 / 200), ("hand_open", 0.0, 70 / 200)]


@pytest.mark.parametrize(
    ("marks", "span"),
    [((1, 1), (0, 1)), ((0, 9), (0, 8)), ((8, 8), (7, 8)), ((9, 12), (0, 8)), ((5, 4), (0, 8)), ((0, 0), (0, 8))],
)
def test_marks_count_from_one_and_those_outside_mark_nothing(
    tmp_path: Path, marks: tuple[int, int], span: tuple[int, int]
) -> None:
    native.write_user(tmp_path, training={"idx_1": native.sample(1, "fist", 8, marks)}, testing={})
    (interval,) = read(tmp_path)[0].intervals
    assert (interval.start_s, interval.end_s) == (span[0] / 200, span[1] / 200)


def test_the_people_of_both_folders_are_different_people(tmp_path: Path) -> None:
    native.write_user(tmp_path, 1)
    native.write_user(tmp_path, 1, "testing")
    assert {r.subject for r in read(tmp_path)} == {"training-1", "testing-1"}


def test_training_and_testing_samples_are_one_person_and_count_on(tmp_path: Path) -> None:
    native.write_user(tmp_path, training=native.samples(("fist", "fist", "open")), testing=native.samples(("fist", "open")))
    recordings = read(tmp_path)
    assert {(r.subject, r.session) for r in recordings} == {("training-1", "1")}
    trials = [(i.label, i.trial) for r in recordings for i in r.intervals]
    assert trials == [("hand_close", 0), ("hand_close", 1), ("hand_open", 0), ("hand_close", 2), ("hand_open", 1)]


def test_testing_people_have_no_labels_in_their_testing_samples(tmp_path: Path) -> None:
    native.write_user(tmp_path, 1, "testing")
    recordings = read(tmp_path)
    assert len(recordings) == 12
    assert [len(r.intervals) for r in recordings] == [1] * 6 + [0] * 6


@pytest.mark.parametrize("nothing", [[], {}, {"idx_1": native.sample(1, "fist", 0, None)}, {"idx_1": {"gestureName": "fist"}}])
def test_the_empty_user_has_no_recordings(tmp_path: Path, nothing: object) -> None:
    native.write_user(tmp_path, 1, training=nothing, testing=nothing)
    native.write_user(tmp_path, 2)
    reader = datasets.open("emg-epn-612", tmp_path)
    assert len(reader.sources) == 2 and reader.read(reader.sources[0]) == []
    assert {r.subject for r in reader} == {"training-2"}


def test_samples_come_in_the_order_of_their_numbers_and_lengths_vary(tmp_path: Path) -> None:
    training = {f"idx_{n}": native.sample(n, "pinch", 50 + n, (6, 30)) for n in (10, 9, 1)}
    native.write_user(tmp_path, training=training, testing={})
    assert [r.signal.shape for r in read(tmp_path)] == [(8, 51), (8, 59), (8, 60)]


def test_all_labels_and_the_whole_small_set(tmp_path: Path) -> None:
    reader = datasets.open("emg-epn-612", native.write_set(tmp_path))
    assert reader.sources == ("testingJSON/user1/user1.json", "trainingJSON/user1/user1.json", "trainingJSON/user2/user2.json")
    assert reader.info.labels == LABELS and reader.info.own_labels == native.GESTURES
    assert {i.label for r in reader for i in r.intervals} == set(LABELS)


def test_extreme_counts_are_kept(tmp_path: Path) -> None:
    extreme = native.sample(1, "fist", 8, None)
    extreme["emg"]["ch8"] = [-128, 127] * 4
    native.write_user(tmp_path, training={"idx_1": extreme}, testing={})
    assert read(tmp_path)[0].signal[7].tolist() == [-128, 127] * 4


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([128] + [0] * 7, "from -128 to 127"), ([-129] + [0] * 7, "from -128 to 127"), ([0.5] + [0] * 7, "whole numbers"),
        ([10**400] + [0] * 7, "whole numbers"), (["1"] * 8, "whole numbers"), ([None] * 8, "whole numbers"),
        ([[1]] * 8, "whole numbers"), ([0] * 7, "one length"), ({}, "the lists ch1"), ([float("nan")] * 8, "from -128 to 127"),
    ],
)  # fmt: skip
def test_counts_that_are_none(tmp_path: Path, values: object, message: str) -> None:
    sample = native.sample(1, "fist", 8, None)
    sample["emg"]["ch3"] = values
    native.write_user(tmp_path, training={"idx_1": sample}, testing={})
    with pytest.raises(DataFileError, match=message):
        read(tmp_path)


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"gestureName": "wave"}, "one of noGesture"), ({"gestureName": 3}, "one of noGesture"),
        ({"groundTruthIndex": "all"}, "two whole numbers"), ({"groundTruthIndex": [1, True]}, "two whole numbers"),
        ({"emg": [1]}, "the lists ch1"), ({"emg": {"ch1": [1]}}, "the lists ch1"),
    ],
)  # fmt: skip
def test_samples_that_are_none(tmp_path: Path, over: dict[str, object], message: str) -> None:
    native.write_user(tmp_path, training={"idx_1": native.sample(1, "fist", 8, None, **over)}, testing={})
    with pytest.raises(DataFileError, match=message):
        read(tmp_path)


def test_files_cut_short_and_of_other_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = native.write_user(tmp_path)
    whole = path.read_bytes()
    others = (whole[:-1], whole[: len(whole) // 2], b"", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"trainingSamples": 3}')
    for content in (*others, b'{"trainingSamples": {"a": {}}}', b'{"trainingSamples": {"idx_1": 3}}'):
        path.write_bytes(content)
        with pytest.raises(DataFileError, match=r"user1\.json"):
            read(tmp_path)
    monkeypatch.setattr("aemg.datasets.sets.emg_epn_612._LARGEST_BYTES", len(whole) - 1)
    path.write_bytes(whole)
    with pytest.raises(DataFileError, match=f"found {len(whole)}"):
        read(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-200, 200) | st.floats() | st.sampled_from(native.GESTURES),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(("trainingSamples", "idx_1", "emg", "ch1", "gestureName", "groundTruthIndex")), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@settings(derandomize=True, deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.sampled_from(("trainingSamples", "testingSamples")), JSON, min_size=1))
def test_any_json_is_read_or_refused(tmp_path: Path, content: object) -> None:
    path = native.write_user(tmp_path)
    path.write_text(json.dumps(content))
    try:
        assert all(np.isfinite(r.signal).all() for r in read(tmp_path))
    except DataFileError as error:
        assert "user1.json" in str(error)
