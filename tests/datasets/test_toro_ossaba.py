"""Toro-Ossaba: numbers, classes without names, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import toro_ossaba as native

from aemg import datasets
from aemg.datasets.labels import unmapped
from aemg.errors import DataFileError


def test_samples_channels_and_labels(tmp_path: Path) -> None:
    reader = datasets.open("toro-ossaba", native.write_set(tmp_path))
    assert reader.sources == ("subject 1", "subject 2")
    for subject, recordings in zip("12", map(reader.read, reader.sources)):
        for number, recording in enumerate(recordings):
            assert np.array_equal(recording.signal, native.values(number).T.astype(np.float32))
            (interval,) = recording.intervals
            assert (interval.label, interval.trial, interval.start_s) == (f"toro_ossaba_{number}", 0, 0.0)
            assert interval.end_s == recording.duration_s == 40 / 1024
            assert (recording.subject, recording.session, recording.unit) == (subject, "1", "arbitrary")
        assert len(recordings) == 5


def test_classes_whose_gesture_is_not_documented_are_not_mapped() -> None:
    card = datasets.info("toro-ossaba")
    assert unmapped(card) == card.labels and card.own_labels == tuple("01234")


def test_a_missing_class_and_windows_line_ends(tmp_path: Path) -> None:
    path = native.write_class(tmp_path, 8, 3)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    (recording,) = datasets.open("toro-ossaba", tmp_path)
    assert recording.intervals[0].label == "toro_ossaba_3" and recording.subject == "8"
    assert np.array_equal(recording.signal, native.values(3).T.astype(np.float32))


@pytest.mark.parametrize("damage", ["1\t2\t3\n", "1\t2\t3\tx\n", "1,2,3,4\n", "1\t2\t3\tnan\n", "1\t2\t3\t4\t5\n", ""])
def test_damaged_files(tmp_path: Path, damage: str) -> None:
    path = native.write_class(tmp_path, 1, 0)
    path.write_text("1\t2\t3\t4\n" * 3 + damage if damage else "")
    with pytest.raises(DataFileError, match=r"0\.txt"):
        list(datasets.open("toro-ossaba", tmp_path))
