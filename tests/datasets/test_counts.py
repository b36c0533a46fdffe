"""Sets of counts, a file a trial: laval-3dc, laval-3dc-myo, kanoga, laval-myo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aemg import datasets
from aemg.errors import DataFileError

RNG = np.random.default_rng(3)


def counts(rows: int, channels: int, top: int = 100) -> np.ndarray:
    return RNG.integers(-top, top, (rows, channels))


def labels(name: str, root: Path) -> list[tuple[str, str, int, str]]:
    return [(r.subject, i.label, i.trial, r.session) for r in datasets.open(name, root) for i in r.intervals]


def test_3dc_values_and_trials(tmp_path: Path, native) -> None:
    values = counts(700, 10)
    for block in ("train", "test"):
        for cycle in (0, 3):
            native.laval_3dc(tmp_path, values, block=block, cycle=cycle, gesture=9)
    recordings = list(datasets.open("laval-3dc", tmp_path))
    np.testing.assert_array_equal(recordings[0].signal, values.T)
    assert recordings[0].rate_hz == 1000 and recordings[0].intervals[0].end_s == 0.7
    assert labels("laval-3dc", tmp_path) == [("5", "chuck_grip", trial, "1") for trial in (0, 3, 4, 7)]
    assert recordings[0].provenance.file == "Participant5/train/3dc/EMG/3dc_EMG_gesture_0_9.txt"


def test_3dc_and_myo_do_not_mix(tmp_path: Path, native) -> None:
    native.laval_3dc(tmp_path, counts(700, 10), gesture=0)
    native.laval_3dc(tmp_path, counts(140, 8), gesture=10)
    assert labels("laval-3dc", tmp_path) == [("5", "rest", 0, "1")]
    assert labels("laval-3dc-myo", tmp_path) == [("5", "pinch_grip", 0, "1")]


def test_3dc_jumps_are_interpolated(tmp_path: Path, native) -> None:
    values = counts(300, 10)
    clean = values.copy()
    values[100:103, 4] = 30000
    values[0, 2] = -32768
    values[50, 1] += 4000
    native.laval_3dc(tmp_path, values)
    signal = next(iter(datasets.open("laval-3dc", tmp_path))).signal
    between = np.interp([100, 101, 102], [99, 103], [clean[99, 4], clean[103, 4]])
    np.testing.assert_allclose(signal[4, 99:104], [clean[99, 4], *between, clean[103, 4]], rtol=1e-6)
    assert signal[2, 0] == clean[1, 2] and signal[1, 50] == values[50, 1]
    untouched = [c for c in range(10) if c not in (2, 4)]
    np.testing.assert_array_equal(signal[untouched], values.T[untouched])


def test_3dc_short_files(tmp_path: Path, native) -> None:
    native.laval_3dc(tmp_path, counts(200, 10))
    assert len(list(datasets.open("laval-3dc", tmp_path))) == 1
    native.laval_3dc(tmp_path, counts(199, 10))
    with pytest.raises(DataFileError, match="expected at least 200 lines, found 199"):
        list(datasets.open("laval-3dc", tmp_path))


@pytest.mark.parametrize(
    ("name", "values", "match"),
    [
        ("laval-3dc", np.full((300, 9), 1), "expected 10 numbers in every line, found 9 in line 1"),
        ("laval-3dc", np.full((300, 11), 1), "found 11"),
        ("laval-3dc", np.full((300, 10), 40000), "counts from -32768 to 32767"),
        ("laval-3dc-myo", np.full((300, 8), 128), "counts from -128 to 127"),
        ("laval-3dc", np.repeat([[-20000] * 10, [20000] * 10], 150, axis=0), "100% of channel 1 are jumps"),
    ],
)
def test_laval_damage(name: str, values: np.ndarray, match: str, tmp_path: Path, native) -> None:
    path = native.laval_3dc(tmp_path, counts(300, 10 if name == "laval-3dc" else 8))
    path.write_text(native.text(values))
    with pytest.raises(DataFileError, match=match) as caught:
        list(datasets.open(name, tmp_path))
    assert caught.value.file == str(path)


@pytest.mark.parametrize("end", ["1,2,3", "1,2,3\n", "a,b,c,d,e,f,g,h,i,j\n", '"', "\x00\n", ",,,,,,,,,\n", "1," * 40])
def test_laval_bad_last_line(end: str, tmp_path: Path, native) -> None:
    path = native.laval_3dc(tmp_path, counts(300, 10))
    path.write_text(path.read_text() + end)
    with pytest.raises(DataFileError, match="expected 10 numbers"):
        list(datasets.open("laval-3dc", tmp_path))


def test_unknown_gesture_is_refused(tmp_path: Path, native) -> None:
    native.laval_3dc(tmp_path, counts(300, 10), gesture=11)
    with pytest.raises(DataFileError, match="a gesture from 0 to 10"):
        list(datasets.open("laval-3dc", tmp_path))


def test_kanoga_values_labels_and_variant(tmp_path: Path, native) -> None:
    values = counts(1000, 8, 128) / 128
    for motion in (10, 8, 1):
        for trial in (2, 1):
            native.kanoga(tmp_path, values, motion=motion, trial=trial)
    recording = next(iter(datasets.open("kanoga-myo", tmp_path)))
    np.testing.assert_allclose(recording.signal, values.T, atol=5e-6)
    assert recording.montage.arm == "right" and recording.duration_s == 5.0 and recording.unit == "arbitrary"
    eight = [("1", label, trial, "1") for label in ("rest", "hand_close") for trial in (0, 1)]
    assert labels("kanoga-myo", tmp_path) == eight
    assert labels("kanoga-myo-22", tmp_path) == [*eight, ("1", "two_dof_10", 0, "1"), ("1", "two_dof_10", 1, "1")]


@pytest.mark.parametrize(
    ("values", "match"),
    [
        (np.zeros((999, 8)), "expected a table of 1000 x 8 real numbers, found float64 999 x 8"),
        (np.zeros((1001, 8)), "1001 x 8"),
        (np.zeros((1000, 7)), "expected 8 numbers in every line, found 7"),
        (np.full((1000, 8), np.nan), "non-finite value in line 1"),
        (np.full((1000, 8), 1.5), "values from -1 to 1"),
    ],
)
def test_kanoga_damage(values: np.ndarray, match: str, tmp_path: Path, native) -> None:
    path = native.kanoga(tmp_path, values)
    with pytest.raises(DataFileError, match=match) as caught:
        list(datasets.open("kanoga-myo", tmp_path))
    assert caught.value.file == str(path)


def test_laval_myo_values_and_trials(tmp_path: Path, native) -> None:
    values = counts(998, 8, 128)
    for index in (0, 8, 27):
        native.laval_myo(tmp_path, values, index=index)
    native.laval_myo(tmp_path, values, index=8, block="Test1")
    recordings = list(datasets.open("laval-myo", tmp_path))
    np.testing.assert_array_equal(recordings[0].signal, values.T)
    assert labels("laval-myo", tmp_path) == [
        ("Female0", "rest", 0, "1"), ("Female0", "radial_deviation", 1, "1"), ("Female0", "hand_open", 3, "1"),
        ("Female0", "radial_deviation", 9, "1"),
    ]  # fmt: skip


def test_laval_myo_parts_keep_people_apart(tmp_path: Path, native) -> None:
    native.laval_myo(tmp_path, counts(998, 8))
    native.laval_myo(tmp_path, counts(998, 8), part="EvaluationDataset")
    assert {r.subject for r in datasets.open("laval-myo", tmp_path)} == {"Female0", "evaluation_Female0"}
    assert {r.subject for r in datasets.open("laval-myo", tmp_path / "EvaluationDataset")} == {"evaluation_Female0"}


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"\x01" * 1601, "found 1601 bytes"),
        (b"\x01\x00" * 8 * 60 + b"\x01\x00" * 3, "none cut, found 966 bytes"),
        (b"\x01\x00" * 8 * 39, "at least 40 samples"),
        (b"", "an empty file"),
        (b"\xff\x7f" * 8 * 60, "counts from -128 to 127"),
    ],
)
def test_laval_myo_damage(content: bytes, match: str, tmp_path: Path, native) -> None:
    path = native.laval_myo(tmp_path, counts(100, 8))
    path.write_bytes(content)
    with pytest.raises(DataFileError, match=match) as caught:
        list(datasets.open("laval-myo", tmp_path))
    assert caught.value.file == str(path)
