"""CEMHSEY: millivolts, grids in the manufacturer's order, force, failed recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import cemhsey

from aemg import datasets
from aemg.errors import DataFileError
from aemg.signals import Recording


def only(name: str, root: Path) -> Recording:
    (recording,) = datasets.open(name, root)
    return recording


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_a_grasp_with_its_force(version: str, tmp_path: Path) -> None:
    cemhsey.write_grasp(tmp_path, person=13, day=11, session=3, task=2, trial=1, version=version)
    recording = only("cemhsey-grasp", tmp_path)
    np.testing.assert_allclose(recording.signal, cemhsey.samples() * 1e-3, rtol=1e-6)
    assert (recording.rate_hz, recording.unit, recording.subject, recording.session) == (2048, "V", "S13", "day11")
    (target,) = recording.targets
    assert (target.name, target.rate_hz, target.values.shape) == ("force", 200, (1, 50))
    np.testing.assert_allclose(target.values, cemhsey.force(), rtol=1e-6)
    (held,) = recording.intervals
    strong = np.flatnonzero(cemhsey.force()[0] > 0.15)
    assert (held.start_s, held.end_s) == (strong[0] / 200, (strong[-1] + 1) / 200)
    assert (held.label, held.trial) == ("cemhsey_grasp_3", 201)


def test_force_as_a_column_is_the_same(tmp_path: Path) -> None:
    cemhsey.write_grasp(tmp_path, data_force=cemhsey.force().T)
    assert only("cemhsey-grasp", tmp_path).targets[0].values.shape == (1, 50)


def test_no_interval_without_any_force(tmp_path: Path) -> None:
    cemhsey.write_grasp(tmp_path, data_force=np.zeros((1, 50)))
    assert only("cemhsey-grasp", tmp_path).intervals == ()


def test_electrodes_in_the_order_of_their_channels(tmp_path: Path) -> None:
    cemhsey.write_gesture(tmp_path)
    montage = only("cemhsey-gesture", tmp_path).montage
    names = [electrode.name for electrode in montage.electrodes]
    assert [len(group.electrodes) for group in montage.groups] == [64] * 5 and len(set(names)) == 320
    assert names[:3] == ["a1r8c1", "a1r7c1", "a1r6c1"] and names[8] == "a1r8c2" and names[63] == "a1r1c8"
    assert names[192] == "b1r4c1" and names[195] == "b1r1c1" and names[255] == "b1r3c12"
    assert "b1r5c1" not in names and "b2r5c1" not in names  # the corner that is missing
    assert not montage.angle_known


def test_grasps_leave_out_what_failed(tmp_path: Path) -> None:
    reader = datasets.open("cemhsey-grasp", cemhsey.write_small_grasps(tmp_path))
    assert not any("S4_Day1_Session1_Task1_Trial1" in source for source in reader.sources)
    read = list(reader)
    assert {recording.subject for recording in read} == {"S1", "S4"}
    assert {interval.label for recording in read for interval in recording.intervals} == set(reader.info.labels)


def test_gestures_leave_out_what_failed_and_the_other_s4_is_somebody_else(tmp_path: Path) -> None:
    reader = datasets.open("cemhsey-gesture", cemhsey.write_small_gestures(tmp_path))
    assert not any("S2_Day3_Trial3" in source for source in reader.sources)
    assert [(r.subject, r.session) for r in reader] == [("S1", "day1"), ("S1", "day11"), ("S4-gesture", "day1")]
    assert all(recording.intervals == () for recording in reader)
    assert reader.info.crowd == datasets.info("cemhsey-grasp").crowd


def test_the_two_parts_do_not_read_each_other(tmp_path: Path) -> None:
    cemhsey.write_grasp(tmp_path)
    cemhsey.write_gesture(tmp_path)
    assert datasets.open("cemhsey-grasp", tmp_path).sources == ("S1/D1/S1_Day1_Session1_Task1_Trial1.mat",)
    assert datasets.open("cemhsey-gesture", tmp_path).sources == ("S1/D1/S1_Day1_Trial1.mat",)


@pytest.mark.parametrize("version", ["5", "7.3"])
@pytest.mark.parametrize(
    ("content", "message"),
    [({"data_sEMG": cemhsey.samples(channels=319)}, "320 x any"),
     ({"data_sEMG": np.full((320, 64), np.nan)}, "data_sEMG without NaN"),
     ({"data_force": np.full((1, 50), np.inf)}, "data_force without NaN"),
     ({"data_force": np.zeros((2, 50))}, "data_force of any")],
)  # fmt: skip
def test_wrong_values(content: dict[str, np.ndarray], message: str, version: str, tmp_path: Path) -> None:
    cemhsey.write_grasp(tmp_path, version=version, **content)
    with pytest.raises(DataFileError, match=message):
        only("cemhsey-grasp", tmp_path)


@pytest.mark.parametrize("version", ["5", "7.3"])
def test_cut_files_and_missing_force(version: str, tmp_path: Path) -> None:
    path = cemhsey.write_grasp(tmp_path / "a", version=version)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataFileError, match=path.name):
        only("cemhsey-grasp", tmp_path / "a")
    cemhsey.write_gesture(tmp_path / "b", version=version).rename(tmp_path / "S1_Day1_Session1_Task1_Trial1.mat")
    with pytest.raises(DataFileError, match="data_force"):
        only("cemhsey-grasp", tmp_path)
    cemhsey.write_grasp(tmp_path / "c", session=8)
    with pytest.raises(DataFileError, match="1 to 7 grasps"):
        only("cemhsey-grasp", tmp_path / "c")
