"""Hyser: channels by name, millivolts under a header of volts, gestures that are missing, forces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import hyser as native

from aemg import datasets
from aemg.errors import AEMGError, DataFileError

PARTS = tuple(native.WRITERS)


@pytest.mark.parametrize("unit", ["V", "mV"])
def test_samples_by_name_in_volts_whatever_the_header_calls_the_millivolts(tmp_path: Path, unit: str) -> None:
    native.write_gestures(tmp_path, (1,), ())
    native.write_raw(native.folder(tmp_path, "pr") / "dynamic_raw_sample1", 512, 5, unit=unit)
    (recording,) = datasets.open("hyser-pr", tmp_path)
    names = [electrode.name for electrode in recording.montage.electrodes]
    assert names[:9] == [*(f"ED-1-{column}" for column in range(1, 9)), "ED-2-1"]
    assert names[::64] == ["ED-1-1", "EP-1-1", "FD-1-1", "FP-1-1"] and len(names) == len(set(names)) == 256
    column = np.array([native.NAMES.index(name) for name in names])[:, None]
    millivolts = (5 + np.arange(512) + 10 * column - np.array(native.baselines(5))[column]) / np.array(native.gains(5))[column]
    assert np.allclose(recording.signal, millivolts * 1e-3, rtol=1e-6)
    assert recording.unit == "V" and recording.rate_hz == 2048 and recording.band_hz == (10.0, 500.0)


def test_grids_lie_over_extensors_and_flexors(tmp_path: Path) -> None:
    reader = datasets.open("hyser-pr", native.write_pr(tmp_path))
    montage = reader.read(reader.sources[0])[0].montage
    assert [group.kind for group in montage.groups] == ["grid"] * 4 and montage.angle_known and montage.arm == "right"
    means = [(np.mean([e.angle_deg for e in g.electrodes]), np.mean([e.position for e in g.electrodes])) for g in montage.groups]
    assert np.allclose(means, [(270, 0.6), (270, 0.25), (90, 0.6), (90, 0.25)])


def test_dynamic_and_maintained_samples_of_a_trial_share_its_number(tmp_path: Path) -> None:
    native.write_gestures(tmp_path, (30, 30, 30, 6, 6, 6, 30, 30, 30), (30, 6, 30), 4, 2, rows=8)
    recordings = list(datasets.open("hyser-pr", tmp_path))
    found = {r.provenance.file.split("/")[-1]: (i.label, i.trial, r.events[0].name) for r in recordings for i in r.intervals}
    wanted = {}
    for number in range(1, 10):
        label = "wrist_flexion" if 4 <= number <= 6 else "hand_close"
        wanted[f"dynamic_raw_sample{number}.dat"] = (label, number // 7, "dynamic")
    for number, (label, trial) in enumerate((("hand_close", 0), ("wrist_flexion", 0), ("hand_close", 1)), start=1):
        wanted[f"maintenance_raw_sample{number}.dat"] = (label, trial, "maintenance")
    assert found == wanted
    assert {(r.subject, r.session) for r in recordings} == {("04", "2")}
    assert {i.end_s for r in recordings for i in r.intervals} == {8 / 2048, 32 / 2048}


def test_missing_classes_and_missing_repetitions_are_no_damage(tmp_path: Path) -> None:
    native.write_gestures(tmp_path, (1, 1, 2, 2, 2), (2,), 3, rows=4)
    found = sorted((i.label, i.trial) for r in datasets.open("hyser-pr", tmp_path) for i in r.intervals)
    assert found == [("index_extension", 0)] * 4 + [("thumb_extension", 0)] * 2


def test_every_gesture_has_its_own_label(tmp_path: Path) -> None:
    card = datasets.info("hyser-pr")
    native.write_gestures(tmp_path, (), tuple(range(1, 35)), rows=1)
    found = {int(r.provenance.file.split("sample")[1].split(".")[0]): r.intervals[0].label
             for r in datasets.open("hyser-pr", tmp_path)}  # fmt: skip
    assert tuple(found[number] for number in range(1, 35)) == card.labels and len(set(card.labels)) == 34
    assert (found[1], found[6], found[7], found[21], found[34]) == (
        "thumb_extension", "wrist_flexion", "wrist_extension", "extended_palm", "pinch_middle",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "stem", "label", "trial"),
    [
        ("hyser-1dof", "1dof_{}_finger5_sample3", "hyser_force_little", 2),
        ("hyser-ndof", "ndof_{}_combination15_sample2", "hyser_force_index_against_middle", 1),
        ("hyser-random", "random_{}_sample5", "hyser_force_at_will", 4),
        ("hyser-mvc", "mvc_{}_finger2_flexion", "hyser_mvc_index_flexion", 0),
    ],
)
def test_forces_and_tasks(tmp_path: Path, name: str, stem: str, label: str, trial: int) -> None:
    native.write_task(tmp_path, stem, 7, 2)
    (recording,) = datasets.open(name, tmp_path)
    (target,) = recording.targets
    assert (target.name, target.rate_hz, target.unit, target.values.shape) == ("finger_force", 100.0, "V", (5, 100))
    assert np.allclose(target.values, (np.arange(100) + 100 * np.arange(5)[:, None]) / 50)
    assert [(i.label, i.trial, i.start_s, i.end_s) for i in recording.intervals] == [(label, trial, 0.0, 1.0)]
    assert (recording.subject, recording.session) == ("07", "2") and label in datasets.info(name).labels


def test_only_raw_records_are_sources(tmp_path: Path) -> None:
    for name, write in native.WRITERS.items():
        write(tmp_path)
        sources = datasets.open(name, tmp_path).sources
        assert sources and all("_raw_" in source and source.endswith(".hea") for source in sources)


def test_the_five_parts_are_one_crowd_and_are_told_apart(tmp_path: Path) -> None:
    assert {datasets.info(name).crowd for name in PARTS} == {"hyser"}
    labels = [label for name in PARTS for label in datasets.info(name).labels]
    assert len(labels) == len(set(labels)) == 34 + 5 + 15 + 1 + 10
    native.write_pr(tmp_path)
    with pytest.raises(AEMGError, match="hyser-1dof"):
        datasets.open("hyser-1dof", tmp_path)


def test_damaged_records(tmp_path: Path) -> None:
    def fails(match: str) -> None:
        with pytest.raises(DataFileError, match=match):
            list(datasets.open("hyser-1dof", tmp_path))

    path = native.write_task(tmp_path, "1dof_{}_finger1_sample1")
    force = path.with_name("1dof_force_finger1_sample1")
    native.write_raw(path.with_suffix(""), unit="counts")
    fails("V or mV at 2048 Hz, found counts")
    native.write_raw(path.with_suffix(""), rate_hz=1000)
    fails("found V at 1000 Hz")
    native.write_raw(path.with_suffix(""), names=("XX-1-1", *native.NAMES[1:]))
    fails("no ED-8-8")
    native.write_raw(path.with_suffix(""))
    native.write_forces(force, 160)
    fails(r"forces over 1\.00 s, found 1\.60 s")
    native.write_forces(force, fingers=4)
    fails("forces of 5 x any")
    force.with_suffix(".dat").unlink()
    fails("1dof_force_finger1_sample1.dat: expected a readable file")
    native.write_forces(force)
    path.with_suffix(".dat").write_bytes(path.with_suffix(".dat").read_bytes()[:-512])
    fails("1048576 bytes")


@pytest.mark.parametrize("text", ["", "35", "0", "1;2", "one", "1,,1", "2" * 5000])
def test_damaged_labels(tmp_path: Path, text: str) -> None:
    place = native.write_gestures(tmp_path, (1,), ())
    (place / "label_dynamic.txt").write_text(text)
    with pytest.raises(DataFileError, match="label_dynamic"):
        list(datasets.open("hyser-pr", tmp_path))


def test_more_records_than_labels_and_strange_names(tmp_path: Path) -> None:
    place = native.write_gestures(tmp_path, (1,), ())
    native.write_raw(place / "dynamic_raw_sample2", 8)
    with pytest.raises(DataFileError, match="one of the 1 samples"):
        list(datasets.open("hyser-pr", tmp_path))
    native.write_task(tmp_path, "1dof_{}_finger6_sample1", rows=8)
    with pytest.raises(DataFileError, match="one of finger1"):
        list(datasets.open("hyser-1dof", tmp_path))
