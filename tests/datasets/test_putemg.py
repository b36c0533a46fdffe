"""putEMG: counts to volts, columns by name, gestures and their trials, forces; and pickled names that do more."""

from __future__ import annotations

import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import putemg
from native.pytables import pickled

from aemg import datasets
from aemg.datasets.formats.pandas_table import pickled_names
from aemg.errors import DataFileError
from aemg.signals import Interval, Recording

V = 5 / 4096 / 200
FILE = Path("some.hdf5")


def only(name: str, root: Path) -> Recording:
    (recording,) = datasets.open(name, root)
    return recording


@pytest.mark.parametrize("python", [2, 3])
def test_counts_become_volts_and_codes_intervals(python: int, tmp_path: Path) -> None:
    putemg.write_gestures(tmp_path, python=python)
    recording = only("putemg-gestures", tmp_path)
    np.testing.assert_allclose(recording.signal, putemg.counts(1200).T * V, rtol=1e-6)
    assert (recording.rate_hz, recording.unit, recording.band_hz) == (5120, "V", (3, 900))
    assert (recording.subject, recording.session) == ("03", "2018-05-11")
    assert recording.intervals == tuple(
        Interval(a / 5120, b / 5120, label, trial)
        for a, b, label, trial in (
            (100, 400, "rest", 0), (400, 600, "hand_close", 0), (600, 800, "rest", 1), (800, 1000, "pinch_grip", 0),
            (1050, 1200, "hand_close", 1),
        )
    )


def test_three_rings_from_the_ulna(tmp_path: Path) -> None:
    putemg.write_gestures(tmp_path)
    montage = only("putemg-gestures", tmp_path).montage
    assert [(group.kind, len(group.electrodes)) for group in montage.groups] == [("ring", 8)] * 3
    assert montage.angle_known and montage.angles_deg[:3] == montage.angles_deg[8:11] == (0, 45, 90)
    elbow, middle, wrist = (group.electrodes[0].position for group in montage.groups)
    assert elbow < middle < wrist


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    putemg.write_gestures(tmp_path / "a")
    putemg.write_gestures(tmp_path / "b", columns=putemg.GESTURE_COLUMNS[::-1])
    a, b = (only("putemg-gestures", tmp_path / folder) for folder in "ab")
    assert np.array_equal(a.signal, b.signal) and a.intervals == b.intervals


def test_small_set_has_every_label_and_trials_of_their_own(tmp_path: Path) -> None:
    reader = datasets.open("putemg-gestures", putemg.write_small_gestures(tmp_path))
    read = list(reader)
    assert {i.label for r in read for i in r.intervals} == set(reader.info.labels)
    assert sorted((r.subject, r.session) for r in read) == [("03", "2018-05-11")] * 2 + [("04", "2018-05-12")]
    assert sorted({i.trial for r in read for i in r.intervals}) == [0, 1000]


def test_force_and_trajectory_are_targets(tmp_path: Path) -> None:
    putemg.write_force(tmp_path)
    recording = only("putemg-force", tmp_path)
    np.testing.assert_allclose(recording.signal, putemg.counts(600).T * V, rtol=1e-6)
    force, trajectory = recording.targets
    assert (force.name, force.values.shape, force.rate_hz) == ("force", (11, 600), 5120)
    assert (trajectory.name, trajectory.values.shape) == ("trajectory", (4, 600))
    np.testing.assert_allclose(force.values[:, 0], [*range(10, 101, 10), 0])
    np.testing.assert_allclose(trajectory.values[:, 500], [100.5, 200.5, 300.5, 400.5])
    assert recording.intervals == ()


def test_the_same_people_press_and_gesture() -> None:
    assert datasets.info("putemg-force").crowd == datasets.info("putemg-gestures").crowd


@pytest.mark.parametrize("code", [4, 0.5, np.nan])
def test_codes_that_are_no_gesture(code: float, tmp_path: Path) -> None:
    putemg.write_gestures(tmp_path, [(0, 50), (code, 50)])
    with pytest.raises(DataFileError, match="TRAJ_GT among"):
        only("putemg-gestures", tmp_path)


@pytest.mark.parametrize("missing", ["EMG_7", "TRAJ_GT"])
def test_missing_columns(missing: str, tmp_path: Path) -> None:
    columns = [c for c in putemg.GESTURE_COLUMNS if not c.startswith(missing)]
    putemg.write_gestures(tmp_path, columns=columns)
    with pytest.raises(DataFileError, match=f"no {missing}"):
        only("putemg-gestures", tmp_path)


def test_counts_that_are_not_finite(tmp_path: Path) -> None:
    emg = putemg.counts(1200)
    emg[3, 3] = np.inf
    putemg.write_gestures(tmp_path, emg=emg)
    with pytest.raises(DataFileError, match="EMG_1 to EMG_24 without NaN"):
        only("putemg-gestures", tmp_path)


def test_force_without_forces(tmp_path: Path) -> None:
    putemg.write_force(tmp_path, columns=[c for c in putemg.FORCE_COLUMNS if not c.startswith("FORCE_")])
    with pytest.raises(DataFileError, match="no FORCE_"):
        only("putemg-force", tmp_path)


def test_names_that_do_not_fit_their_block(tmp_path: Path) -> None:
    path = putemg.write_gestures(tmp_path)
    with h5py.File(path, "r+") as file:
        file["data/table"].attrs["values_block_3_kind"] = np.bytes_(pickled(["EMG_1", "EMG_2"]))
    with pytest.raises(DataFileError, match="29 names of columns in values_block_3, found 2"):
        only("putemg-gestures", tmp_path)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(names=st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=40), protocol=st.integers(0, 5))
def test_names_of_any_pickle_of_a_list(names: list[str], protocol: int) -> None:
    distinct = list(dict.fromkeys(names))
    assert pickled_names(FILE, pickle.dumps(distinct, protocol)) == distinct


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(data=st.one_of(st.binary(max_size=80), st.sampled_from([pickle.dumps([Evil()], p) for p in range(6)])))
def test_pickles_that_are_no_list_of_names_are_refused_unrun(data: bytes) -> None:
    try:
        assert all(isinstance(name, str) for name in pickled_names(FILE, data))
    except DataFileError as error:
        assert "pickled list of names" in str(error)
    else:
        assert b"print" not in data
