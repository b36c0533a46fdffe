"""CapgMyo: volts, electrodes, gestures, and people behind the numbers of files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import WRITERS, capgmyo

from aemg import datasets
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Interval, Recording

SETS = {"capgmyo-dba": "dba", "capgmyo-dbb": "dbb", "capgmyo-dbc": "dbc"}


def first(name: str, root: Path) -> Recording:
    reader = datasets.open(name, root)
    return reader.read(reader.sources[0])[0]


def test_a_trial_in_volts(tmp_path: Path) -> None:
    capgmyo.write_trial(tmp_path, person=7, gesture=2, trial=10)
    recording = first("capgmyo-dba", tmp_path)
    np.testing.assert_allclose(recording.signal, capgmyo.samples().T * 2.5e-3, rtol=1e-6)
    assert (recording.rate_hz, recording.unit, recording.band_hz) == (1000, "V", (20, 380))
    assert (recording.subject, recording.session) == ("007", "1")  # whatever the numbers inside the file say
    assert recording.intervals == (Interval(0.0, 1.0, "two_fingers", 9),)


def test_eight_electrodes_along_the_limb_then_the_next_column(tmp_path: Path) -> None:
    capgmyo.write_trial(tmp_path)
    (group,) = first("capgmyo-dba", tmp_path).montage.groups
    assert group.kind == "grid" and len(group.electrodes) == 128
    first_column, second_column = group.electrodes[:8], group.electrodes[8:16]
    assert {electrode.angle_deg for electrode in first_column} == {270.0}
    assert {electrode.angle_deg for electrode in second_column} == {292.5}
    positions = [electrode.position for electrode in first_column]
    assert positions == sorted(positions) == [electrode.position for electrode in second_column]


@pytest.mark.parametrize("name", SETS)
def test_small_set(name: str, tmp_path: Path) -> None:
    reader = datasets.open(name, WRITERS[name](tmp_path))
    read = list(reader)
    assert {interval.label for recording in read for interval in recording.intervals} == set(reader.info.labels)
    assert len({recording.subject for recording in read}) == 2
    assert len(reader.info.own_labels) == len(reader.info.labels)
    sizes = sum(path.stat().st_size for path in reader.root.rglob("*.mat"))
    assert sum(reader.size_of(source) for source in reader.sources) == sizes


def test_numbers_of_b_are_people_in_two_sessions(tmp_path: Path) -> None:
    for number in (1, 2, 19, 20):
        capgmyo.write_trial(tmp_path, number, folder="dbb")
    found = [(recording.subject, recording.session) for recording in datasets.open("capgmyo-dbb", tmp_path)]
    assert found == [("001", "1"), ("001", "2"), ("010", "1"), ("010", "2")]


def test_numbers_of_a_and_c_are_people(tmp_path: Path) -> None:
    for number in (1, 2):
        capgmyo.write_trial(tmp_path, number, folder="dba-s1")
        capgmyo.write_trial(tmp_path, number, gesture=12, folder="dbc")
    for name in ("capgmyo-dba", "capgmyo-dbc"):
        assert [r.subject for r in datasets.open(name, tmp_path)] == ["001", "002"]
    assert first("capgmyo-dbc", tmp_path).intervals[0].label == "thumb_extension"


def test_maximal_contractions_have_no_label(tmp_path: Path) -> None:
    for gesture in (100, 101):
        capgmyo.write_trial(tmp_path, gesture=gesture)
    assert [recording.intervals for recording in datasets.open("capgmyo-dba", tmp_path)] == [(), ()]


def test_each_set_keeps_to_its_folders(tmp_path: Path) -> None:
    capgmyo.write_trial(tmp_path, folder="capgmyo/dba-s1")
    capgmyo.write_trial(tmp_path, person=3, folder="capgmyo/dbb")
    assert datasets.open("capgmyo-dba", tmp_path).sources == ("001",)
    assert datasets.open("capgmyo-dbb", tmp_path).sources == ("003",)
    assert datasets.open("capgmyo-dbb", tmp_path / "capgmyo" / "dbb").sources == ("003",)
    with pytest.raises(AEMGError, match="dbc"):
        datasets.open("capgmyo-dbc", tmp_path)


@pytest.mark.parametrize(
    ("data", "message"),
    [(capgmyo.samples(channels=127), "1000 x 128"), (capgmyo.samples() * 4, "values from -1 to 1"),
     (np.full((1000, 128), np.nan), "without NaN"), (np.array([["x"]]), "1000 x 128")],
)  # fmt: skip
def test_wrong_values(data: np.ndarray, message: str, tmp_path: Path) -> None:
    capgmyo.write_trial(tmp_path, data=data)
    with pytest.raises(DataFileError, match=message):
        first("capgmyo-dba", tmp_path)


def test_unknown_gesture_and_cut_file(tmp_path: Path) -> None:
    path = capgmyo.write_trial(tmp_path, gesture=9)
    with pytest.raises(DataFileError, match="a gesture from 1 to 8"):
        first("capgmyo-dba", tmp_path)
    path = path.rename(path.with_name("001-001-001.mat"))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataFileError, match=path.name):
        first("capgmyo-dba", tmp_path)
