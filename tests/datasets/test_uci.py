"""UCI gestures: the hold undone, classes by time, time stamps and lines that are out of order."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from aemg import datasets
from aemg.errors import DataFileError


def read(root: Path):
    return list(datasets.open("uci-gestures", root))


def test_hold_is_undone_by_time(tmp_path: Path, native) -> None:
    path = native.uci(tmp_path)
    (recording,) = read(tmp_path)
    assert recording.signal.shape == (8, 180)
    # changes come every 10 ms and grow by one count, so on the 5 ms grid the signal grows by half a count a sample
    expected = (np.arange(179) / 2)[None, :] + np.arange(8)[:, None]
    np.testing.assert_allclose(recording.signal[:, :179], expected * 1e-5, rtol=1e-5, atol=1e-10)
    assert recording.rate_hz == 200 and recording.band_hz == (0.0, 50.0) and recording.unit == "V"
    assert recording.provenance.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (recording.subject, recording.session, recording.montage.n_channels) == ("01", "1", 8)


def test_intervals_by_time_stamp_and_trials_over_both_series(tmp_path: Path, native) -> None:
    native.uci(tmp_path)
    native.uci(tmp_path, series=2)
    first, second = read(tmp_path)
    found = [(round(i.start_s, 3), round(i.end_s, 3), i.label, i.trial) for i in first.intervals]
    assert found == [(0.1, 0.3, "rest", 0), (0.35, 0.55, "hand_close", 0), (0.6, 0.8, "rest", 1)]
    assert [(i.label, i.trial) for i in second.intervals] == [("rest", 2), ("hand_close", 1), ("rest", 3)]


def test_intervals_follow_uneven_time_stamps(tmp_path: Path, native) -> None:
    rows = native.uci_rows(((0, 100), (1, 200), (0, 100)))
    rows[150:, 0] += 40
    native.uci(tmp_path, rows)
    (recording,) = read(tmp_path)
    assert [(i.start_s, i.end_s) for i in recording.intervals] == [(0.1, 0.34)]


def test_duplicate_and_backward_stamps_are_left_out(tmp_path: Path, native) -> None:
    rows = native.uci_rows()
    native.uci(tmp_path, rows)
    (clean,) = read(tmp_path)
    doubled, backward = rows[[200]], rows[[300]]
    doubled[:, 1:9] = backward[:, 1:9] = 0.001
    backward[:, 0] -= 55
    native.uci(tmp_path, np.concatenate([rows[:201], doubled, rows[201:301], backward, rows[301:]]))
    (recording,) = read(tmp_path)
    np.testing.assert_array_equal(recording.signal, clean.signal)


def test_long_hold_is_bridged_and_marked(tmp_path: Path, native) -> None:
    rows = native.uci_rows()
    rows[310:460, 1:9] = rows[309, 1:9]
    native.uci(tmp_path, rows)
    (recording,) = read(tmp_path)
    assert [(e.time_s, e.name) for e in recording.events] == [(0.3, "gap_start"), (0.46, "gap_end")]
    np.testing.assert_allclose(recording.signal[0, 60:93], np.linspace(30, 46, 33) * 1e-5, rtol=1e-4)


CUT = ("901", "901\t1e-05\t", "901" + "\t1e-05" * 8, "901" + "\t1e-05" * 8 + "\t", "\n\n", "901\t-\n")


@pytest.mark.parametrize("tail", CUT)
def test_cut_last_line_is_dropped(tail: str, tmp_path: Path, native) -> None:
    native.uci(tmp_path)
    (whole,) = read(tmp_path)
    native.uci(tmp_path, tail=tail)
    (cut,) = read(tmp_path)
    np.testing.assert_array_equal(cut.signal, whole.signal)


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("5\t0\t0", "missing or non-finite value in line 12"),
        ("5" + "\t0" * 10, "does not parse"),
        ("5\t0\tx\t0\t0\t0\t0\t0\t0\t0", "does not parse"),
        ("5\t0\tnan\t0\t0\t0\t0\t0\t0\t0", "non-finite value in line 12"),
        ("5\t0\tinf\t0\t0\t0\t0\t0\t0\t0", "non-finite value in line 12"),
        ("5\t0\t1e300\t0\t0\t0\t0\t0\t0\t0", "non-finite value in line 12"),
        ("10.5\t0\t0\t0\t0\t0\t0\t0\t0\t9", "class 9"),
        ("1e12\t0\t0\t0\t0\t0\t0\t0\t0\t0", "growing time stamps"),
    ],
)
def test_malformed_line_within_is_refused(line: str, match: str, tmp_path: Path, native) -> None:
    path = native.uci(tmp_path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:11], line, *lines[11:]]) + "\n")
    with pytest.raises(DataFileError, match=match) as caught:
        read(tmp_path)
    assert caught.value.file == str(path)


@pytest.mark.parametrize("content", ["", "time\n", "time\tchannel1\n1\t2\n", "a,b\n1,2\n"])
def test_header_without_samples_is_refused(content: str, tmp_path: Path, native) -> None:
    path = native.uci(tmp_path)
    path.write_text(content)
    with pytest.raises(DataFileError, match="expected"):
        read(tmp_path)


def test_header_alone_and_one_row_are_refused(tmp_path: Path, native) -> None:
    for rows in (0, 1):
        native.uci(tmp_path, native.uci_rows()[:rows])
        with pytest.raises(DataFileError, match="expected"):
            read(tmp_path)


def test_class_seven_is_hand_open(tmp_path: Path, native) -> None:
    native.uci(tmp_path, native.uci_rows(((0, 50), (7, 100), (0, 50))))
    (recording,) = read(tmp_path)
    assert [i.label for i in recording.intervals] == ["hand_open"]
