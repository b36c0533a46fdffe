"""WFDB records: the same numbers as the wfdb library gives, and nothing believed that the files do not bear out."""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from native.wfdb_record import write_record

from aemg.datasets.formats.wfdb_record import parse_header, read_record
from aemg.errors import DataFileError

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of pandas, when the library is imported
    import wfdb

HEADER = "r 3 2048 5\nr.dat 16 10.5(3)/mV 16 0 0 0 0 a\nr.dat 16 -2(0)/V 16 0 0 0 0 b b\nr.dat 16 0 16 7 0 0 0 c\n"


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Three signals of five samples: gain and baseline given, a negative gain, and neither."""
    (tmp_path / "r.hea").write_text(HEADER)
    np.arange(15, dtype="<i2").tofile(tmp_path / "r.dat")
    return tmp_path / "r.hea"


def test_values_units_and_digest(record: Path) -> None:
    found = read_record(record)
    stored = np.arange(15.0).reshape(5, 3).T
    assert np.allclose(found.values, [(stored[0] - 3) / 10.5, stored[1] / -2, (stored[2] - 7) / 200], rtol=1e-6)
    assert [(s.name, s.gain, s.baseline, s.unit) for s in found.signals] == [
        ("a", 10.5, 3, "mV"), ("b b", -2.0, 0, "V"), ("c", 200.0, 7, "mV"),
    ]  # fmt: skip
    assert found.rate_hz == 2048 and found.values.dtype == np.float32 and found.values.flags["C_CONTIGUOUS"]
    assert found.sha256 == hashlib.sha256((record.parent / "r.dat").read_bytes()).hexdigest()


def test_signals_are_chosen_by_name(record: Path) -> None:
    found = read_record(record, ("c", "a"))
    assert [signal.name for signal in found.signals] == ["c", "a"]
    assert np.array_equal(found.values, read_record(record).values[[2, 0]])


@settings(derandomize=True, deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    samples=st.integers(1, 2500), count=st.integers(1, 40), seed=st.integers(0, 99), far=st.sampled_from([0, 50_000, 2**31 - 1])
)
def test_the_same_as_the_library(tmp_path: Path, samples: int, count: int, seed: int, far: int) -> None:
    random = np.random.default_rng(seed)
    stored = random.integers(-32768, 32768, (samples, count)).astype(np.int16)
    gains = [float(gain) for gain in random.uniform(0.01, 1e6, count)]
    baselines = [int(b) for b in random.integers(-far, far + 1, count)]
    header = write_record(tmp_path / "x", stored, [f"s{i}" for i in range(count)], gain=gains, baseline=baselines)
    reference = wfdb.rdrecord(str(tmp_path / "x"))
    found = read_record(header)
    assert np.array_equal(np.isnan(found.values), stored.T == -32768)
    assert np.allclose(found.values, reference.p_signal.T, rtol=3e-7, atol=0, equal_nan=True)
    assert [s.name for s in found.signals] == reference.sig_name and [s.unit for s in found.signals] == reference.units


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("r 3 2048 5", "r/2 3 2048 5", "one segment"),
        ("r 3 2048 5", "r 3 2048", "number of samples"),
        ("r 3 2048 5", "r 3 0 5", "a rate"),
        ("r 3 2048 5", "r 3 abc 5", "a rate"),
        ("r 3 2048 5", "r 3 2048 6", "36 bytes"),
        ("r 3 2048 5", "r 3 2048 999999999999", "5999999999994 bytes"),
        ("r 3 2048 5", "r 2 2048 5", "2 lines of signals"),
        ("r 3 2048 5", "r 9999 2048 5", "1 to 4096 signals"),
        ("r.dat 16 0", "r.dat 212 0", "format 16"),
        ("r.dat 16 0", "r.dat 16x2 0", "format 16"),
        ("r.dat 16 0", "r.dat 16+24 0", "format 16"),
        ("r.dat 16 0", "q.dat 16 0", "one file of samples"),
        ("10.5(3)/mV", "10.5(x)/mV", r"gain\(baseline\)/unit"),
        ("10.5(3)/mV", "1e9999(3)/mV", "a finite gain"),
        ("10.5(3)/mV", "1" * 100_000 + "/mV", r"gain\(baseline\)/unit"),
    ],
)
def test_a_header_that_lies_is_refused(record: Path, old: str, new: str, expected: str) -> None:
    record.write_text(HEADER.replace(old, new))
    with pytest.raises(DataFileError, match=expected):
        read_record(record)


def test_only_a_file_beside_the_header_is_read(record: Path) -> None:
    (record.parent.parent / "outside.dat").write_bytes(bytes(30))
    for name in ("../outside.dat", str(record.parent.parent / "outside.dat"), "..", "nowhere.dat", "a\0b"):
        record.write_text(HEADER.replace("r.dat", name))
        with pytest.raises(DataFileError):
            read_record(record)


def test_cut_long_missing_and_doubled(record: Path) -> None:
    data = record.with_suffix(".dat").read_bytes()
    for other in (data[:-1], data + b"\0", b""):
        record.with_suffix(".dat").write_bytes(other)
        with pytest.raises(DataFileError, match=r"30 bytes, as r\.hea says"):
            read_record(record)
    record.with_suffix(".dat").write_bytes(data)
    with pytest.raises(DataFileError, match="no z"):
        read_record(record, ("a", "z"))
    record.write_text(HEADER.replace(" c\n", " a\n"))
    with pytest.raises(DataFileError, match="one signal a"):
        read_record(record, ("a",))
    with pytest.raises(DataFileError, match="a readable file"):
        read_record(record.with_name("none.hea"))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(data=st.one_of(st.binary(max_size=200), st.text(alphabet="r.dat16() /mV\n0123456789-+e#\t", max_size=200).map(str.encode)))
def test_any_header_is_parsed_or_refused(data: bytes) -> None:
    try:
        header = parse_header(Path("any.hea"), data)
    except DataFileError:
        return
    assert header.samples > 0 and len(header.signals) > 0 and header.rate_hz > 0
