"""FORS-EMG: orientations, spellings, trials, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import fors_emg as native

from aemg import datasets
from aemg.errors import DataFileError

LABELS = (
    "thumb_up", "pointing", "thumb_index_extension", "two_fingers", "index_little_extension", "thumb_little_extension",
    "hand_close", "hand_open", "wrist_extension", "wrist_flexion", "ulnar_deviation", "radial_deviation",
)  # fmt: skip


def test_samples_rate_and_label_over_the_whole_clip(tmp_path: Path) -> None:
    native.write_clip(tmp_path, 19, "rest", "Peace", 4, value=native.values(3.0, 8000))
    (recording,) = datasets.open("fors-emg", tmp_path)
    assert np.array_equal(recording.signal, native.values(3.0, 8000).astype(np.float32))
    assert recording.rate_hz == 985 and recording.unit == "arbitrary" and recording.signal.flags["C_CONTIGUOUS"]
    (interval,) = recording.intervals
    assert (interval.label, interval.trial, interval.start_s, interval.end_s) == ("two_fingers", 3, 0.0, 8000 / 985)
    assert (recording.subject, recording.session) == ("19", "1")


def test_orientations_in_any_spelling_are_events_and_keep_trials_apart(tmp_path: Path) -> None:
    for orientation in ("Rest", "pronation", "SUPINATION"):
        for number in (1, 5):
            native.write_clip(tmp_path, 1, orientation, "Index", number)
    reader = datasets.open("fors-emg", tmp_path)
    found = {(r.events[0].name, i.trial) for r in reader for i in r.intervals}
    assert found == {
        ("forearm_rest", 0), ("forearm_rest", 4), ("forearm_pronation", 5), ("forearm_pronation", 9),
        ("forearm_supination", 10), ("forearm_supination", 14),
    }  # fmt: skip


def test_the_orientation_rest_is_no_rest(tmp_path: Path) -> None:
    reader = datasets.open("fors-emg", native.write_set(tmp_path))
    assert "rest" not in {interval.label for recording in reader for interval in recording.intervals}
    assert "rest" not in reader.info.labels


def test_all_gestures_and_the_whole_small_set(tmp_path: Path) -> None:
    reader = datasets.open("fors-emg", native.write_set(tmp_path))
    assert reader.sources == ("Subject1/pronation", "Subject1/rest", "Subject1/supination", "Subject2/Rest")
    assert reader.info.labels == LABELS and reader.info.own_labels == native.GESTURES
    found = [(i.label, i.trial) for r in reader.read("Subject2/Rest") for i in r.intervals]
    assert found == [(label, trial) for label in LABELS for trial in ((0, 1) if label == "pointing" else (0,))]


@pytest.mark.parametrize("name", ["Ulner_Deviation", "Ulnar_Deviation", "ulner_deviation"])
def test_both_spellings_of_ulnar(tmp_path: Path, name: str) -> None:
    native.write_clip(tmp_path, gesture=name)
    assert [r.intervals[0].label for r in datasets.open("fors-emg", tmp_path)] == ["ulnar_deviation"]


def test_two_rows_of_four(tmp_path: Path) -> None:
    native.write_clip(tmp_path)
    (recording,) = datasets.open("fors-emg", tmp_path)
    positions = [electrode.position for electrode in recording.montage.electrodes]
    assert positions[:4] == [positions[0]] * 4 and positions[4:] == [positions[4]] * 4 and positions[0] < positions[4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"value": np.zeros((8000, 8))}, "value of 8 x any"), ({"value": np.zeros((7, 9))}, "value of 8 x any"),
        ({"value": "text"}, "value of 8 x any"), ({"value": np.full((8, 3), np.inf)}, "without NaN"),
        ({"values": np.zeros((8, 3))}, "no value"), ({"value": np.zeros((8, 3), complex)}, "real numbers"),
        ({"value": np.zeros((8, 0))}, "value of 8 x any"),
    ],
)  # fmt: skip
def test_values_that_are_none(tmp_path: Path, content: dict[str, object], message: str) -> None:
    native.write_clip(tmp_path, **content)
    with pytest.raises(DataFileError, match=message):
        list(datasets.open("fors-emg", tmp_path))


def test_damaged_and_strange_files(tmp_path: Path) -> None:
    path = native.write_clip(tmp_path)
    sound = path.read_bytes()
    for content in (sound[:-4], sound[:200], b""):
        path.write_bytes(content)
        with pytest.raises(DataFileError, match=r"Index-1\.mat"):
            list(datasets.open("fors-emg", tmp_path))
    path.write_bytes(sound)
    native.write_clip(tmp_path, gesture="Wave")
    with pytest.raises(DataFileError, match="one of Thumb_UP"):
        list(datasets.open("fors-emg", tmp_path))
