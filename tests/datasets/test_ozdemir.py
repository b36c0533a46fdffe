"""Ozdemir's set: labels by the clock, raw files only, people by the files' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import ozdemir as native

from aemg import datasets
from aemg.errors import DataFileError

LABELS = (
    "rest", "wrist_extension", "wrist_flexion", "ulnar_deviation", "radial_deviation", "hand_close", "fingers_abduction",
    "fingers_adduction", "supination", "pronation",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return native.write_set(tmp_path_factory.mktemp("ozdemir"))


def test_samples_in_volts_and_labels_by_the_clock(whole: Path) -> None:
    reader = datasets.open("ozdemir", whole)
    (recording,) = reader.read(reader.sources[0])
    assert recording.signal.shape == (4, native.ROWS) and recording.unit == "V" and recording.rate_hz == 2000
    assert np.array_equal(recording.signal, (native.values() * 1e-3).T.astype(np.float32))
    assert [i.start_s for i in recording.intervals[::10]] == [4, 138, 272, 406, 540]
    assert len(recording.intervals) == 50
    for number, interval in enumerate(recording.intervals):
        cycle, slot = divmod(number, 10)
        assert (interval.label, interval.trial) == (LABELS[slot], cycle)
        assert (interval.start_s, interval.end_s) == (4 + 134 * cycle + 10 * slot, 10 + 134 * cycle + 10 * slot)
        held = recording.cut(interval.start_s, interval.end_s).signal
        assert (held == held[:, :1]).all() and held[0, 0] == np.float32((1 + slot + 100 * cycle) * 1e-3)


def test_the_name_tells_the_person_whatever_the_number_inside(whole: Path) -> None:
    reader = datasets.open("ozdemir", whole)
    assert reader.sources == ("raw/mat/1_raw.mat", "raw/mat/2_raw.mat")
    assert [recording.subject for recording in reader] == ["1", "2"]


def test_text_stands_in_for_a_missing_file_and_filtered_files_are_left(whole: Path, tmp_path: Path) -> None:
    native.write_mat(tmp_path, 7, np.zeros((4, 4)))
    native.write_mat(tmp_path, 9, np.zeros((4, 4)), kind="filtered")
    native.write_csv(tmp_path, 7, np.zeros((4, 4)))
    native.write_csv(tmp_path, 8, native.values()[: 636 * 2000])
    reader = datasets.open("ozdemir", tmp_path)
    assert reader.sources == ("raw/csv/8_raw.csv", "raw/mat/7_raw.mat")
    (text,) = reader.read(reader.sources[0])
    (binary,) = datasets.open("ozdemir", whole).read("raw/mat/1_raw.mat")
    assert text.subject == "8" and text.intervals == binary.intervals
    assert np.array_equal(text.signal, binary.signal[:, : 636 * 2000])


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (np.zeros((1_271_999, 4)), "at least 1272000 rows"), (np.zeros((5, 3)), "data of any x 4"),
        (np.full((5, 4), np.nan), "without NaN"), (np.zeros((4, 5)), "data of any x 4"),
    ],
)  # fmt: skip
def test_tables_that_are_none(tmp_path: Path, table: np.ndarray, message: str) -> None:
    native.write_mat(tmp_path, 1, table)
    with pytest.raises(DataFileError, match=message):
        list(datasets.open("ozdemir", tmp_path))


def test_damaged_files(whole: Path, tmp_path: Path) -> None:
    path = native.write_mat(tmp_path, 1, np.zeros((5, 4)))
    sound = path.read_bytes()
    for content in (sound[: len(sound) // 2], b"", b"nothing", sound.replace(b"MI", b"XX").replace(b"IM", b"XX")):
        path.write_bytes(content)
        with pytest.raises(DataFileError, match=r"1_raw\.mat"):
            list(datasets.open("ozdemir", tmp_path))
    path.unlink()
    native.write_csv(tmp_path, 1, np.ones((5, 3)))
    with pytest.raises(DataFileError, match="4 numbers"):
        list(datasets.open("ozdemir", tmp_path))
