"""FlexWear-HD: trials of gestures in two sessions of one donning."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from native import flexwear_hd

from aemg import datasets
from aemg.datasets.base import DatasetReader
from aemg.errors import DataFileError
from aemg.signals import Interval


def reader_of(root: Path) -> DatasetReader:
    return datasets.open("flexwear-hd", root)


def test_trials_of_a_session(tmp_path: Path) -> None:
    flexwear_hd.write_session(tmp_path, person=4)
    read = list(reader_of(tmp_path))
    assert len(read) == 20
    for at, recording in enumerate(read):
        gesture, trial = divmod(at, 2)
        assert np.array_equal(recording.signal, flexwear_hd.trials(2, gesture)[trial].astype(np.float32))
        assert recording.intervals == (Interval(0.0, 0.04, reader_of(tmp_path).info.labels[gesture], trial),)
        assert (recording.rate_hz, recording.unit, recording.subject) == (4000, "arbitrary", "004")
    assert read[7].provenance.file == "p004/data_allchannels_initial.h5#grip_p1/2"
    assert read[0].montage.n_channels == 64 and not read[0].montage.angle_known


def test_labels_say_what_the_hand_did(tmp_path: Path) -> None:
    card = datasets.info("flexwear-hd")
    assert dict(zip(card.own_labels, card.labels))["extend_p1"] == "fingers_abduction"
    assert dict(zip(card.own_labels, card.labels))["abduct_p1"] == "radial_deviation"


def test_the_second_session_is_the_same_donning_with_trials_of_its_own(tmp_path: Path) -> None:
    reader = reader_of(flexwear_hd.write_small_set(tmp_path))
    trials: dict[str, set[int]] = {}
    for recording in reader:
        assert recording.session == "1"
        trials.setdefault(recording.provenance.file.split("#")[0], set()).add(recording.intervals[0].trial)
    assert trials == {
        "p001/data_allchannels_initial.h5": {0, 1}, "p001/data_allchannels_recalibration.h5": {100},
        "p013/data_allchannels_initial.h5": {0, 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [(None, "grip_p1 in the file, found nothing"), (np.zeros((64, 100)), "trials x 64"), (np.zeros((2, 63, 9)), "64 x any"),
     (np.full((1, 64, 9), np.nan), "trial 1 of grip_p1 without NaN"), (np.zeros((1, 64, 9), "S3"), "plain numbers in grip_p1")],
)  # fmt: skip
def test_wrong_arrays(values: np.ndarray | None, message: str, tmp_path: Path) -> None:
    flexwear_hd.write_session(tmp_path, grip_p1=values)
    with pytest.raises(DataFileError, match=message):
        list(reader_of(tmp_path))


def test_unknown_session_cut_file_and_links_outside(tmp_path: Path) -> None:
    flexwear_hd.write_session(tmp_path / "a", session="third")
    with pytest.raises(DataFileError, match="initial or recalibration"):
        list(reader_of(tmp_path / "a"))
    path = flexwear_hd.write_session(tmp_path / "b")
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DataFileError, match="sound HDF5"):
        list(reader_of(tmp_path / "b"))
    path = flexwear_hd.write_session(tmp_path / "c", grip_p1=None)
    with h5py.File(path, "r+") as file:
        file["grip_p1"] = h5py.SoftLink("/wflex_p1")
    with pytest.raises(DataFileError, match="a SoftLink"):
        list(reader_of(tmp_path / "c"))
    path = flexwear_hd.write_session(tmp_path / "d", grip_p1=None)
    (tmp_path / "secret").write_bytes(bytes(64 * 8))
    with h5py.File(path, "r+") as file:
        file.create_dataset("grip_p1", (1, 64, 1), "<f8", external=[(str(tmp_path / "secret"), 0, 512)])
    with pytest.raises(DataFileError, match="within the file"):
        list(reader_of(tmp_path / "d"))
