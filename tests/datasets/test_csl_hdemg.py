"""CSL-HDEMG: cells of repetitions, the channels between columns, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import csl_hdemg
from scipy.io import savemat

from aemg import datasets
from aemg.datasets.base import DatasetReader
from aemg.errors import DataFileError
from aemg.signals import Interval


def reader_of(root: Path) -> DatasetReader:
    return datasets.open("csl-hdemg", root)


def test_repetitions_without_the_channels_between_columns(tmp_path: Path) -> None:
    csl_hdemg.write_gesture(tmp_path, subject=3, session=5, gesture=0)
    a, b = reader_of(tmp_path)
    kept = [channel for channel in range(192) if channel % 8 != 7]
    assert np.array_equal(a.signal, csl_hdemg.repetition()[kept].astype(np.float32))
    assert np.array_equal(b.signal, csl_hdemg.repetition(2104, 1)[kept].astype(np.float32))
    assert a.signal.shape == (168, 2100) and b.signal.shape == (168, 2104)  # lengths vary
    assert (a.rate_hz, a.unit, a.subject, a.session) == (2048, "arbitrary", "3", "5")
    assert a.intervals == (Interval(0.0, 2100 / 2048, "rest", 0),)
    assert b.intervals == (Interval(0.0, 2104 / 2048, "rest", 1),)
    assert a.provenance.file == "subject3/session5/gest0.mat#1"


def test_columns_of_seven_around_the_limb(tmp_path: Path) -> None:
    csl_hdemg.write_gesture(tmp_path)
    montage = next(iter(reader_of(tmp_path))).montage
    assert montage.n_channels == 168 and not montage.angle_known
    assert [e.angle_deg for e in montage.electrodes[5:9]] == [0.0, 0.0, 15.0, 15.0]
    assert [round(e.position, 2) for e in montage.electrodes[5:9]] == [0.3, 0.34, 0.1, 0.14]


def test_labels(tmp_path: Path) -> None:
    reader = reader_of(csl_hdemg.write_small_set(tmp_path))
    assert [(r.subject, r.session, r.intervals[0].label) for r in reader] == [
        ("1", "1", "rest"), ("1", "2", "ring_flexion"), ("2", "1", "csl_gesture_26"),
    ]  # fmt: skip
    assert len(reader.info.labels) == len(reader.info.own_labels) == 27


@pytest.mark.parametrize(
    ("repetitions", "message"),
    [([csl_hdemg.repetition(channels=191)], "192 x any"), ([csl_hdemg.repetition(100)], "at least 2048 samples"),
     ([csl_hdemg.repetition(), np.full((192, 2100), np.inf)], "without NaN"), ([np.array(["x"])], "192 x any")],
)  # fmt: skip
def test_wrong_repetitions(repetitions: list[np.ndarray], message: str, tmp_path: Path) -> None:
    csl_hdemg.write_gesture(tmp_path, repetitions=repetitions)
    with pytest.raises(DataFileError, match=message):
        list(reader_of(tmp_path))


def test_no_cells_unknown_gesture_and_cut_file(tmp_path: Path) -> None:
    path = csl_hdemg.write_gesture(tmp_path)
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])
    with pytest.raises(DataFileError, match=r"compressed element|MATLAB element"):
        list(reader_of(tmp_path))
    savemat(path, {"gestures": np.zeros((192, 2100))})
    with pytest.raises(DataFileError, match="a cell array gestures"):
        list(reader_of(tmp_path))
    path.rename(path.with_name("gest27.mat"))
    with pytest.raises(DataFileError, match=r"gest0\.mat to gest26\.mat"):
        list(reader_of(tmp_path))
