"""The reader of MATLAB files: as scipy reads sound ones, and a DataFileError for all others."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat

from aemg.datasets.formats.mat5 import Record, parse_mat
from aemg.errors import DataFileError

FILE = Path("some.mat")
KINDS = st.sampled_from(["f8", "f4", "i1", "u1", "i2", "u2", "i4", "u4"])


def saved(compressed: bool = False, **content: object) -> bytes:
    file = io.BytesIO()
    savemat(file, content, do_compression=compressed)
    return file.getvalue()


NAMES = np.array([["One", "Two"]], dtype=object)
SESSION = {"rate": np.uint16(2000), "names": NAMES, "x": np.arange(6.0), "note": "secret"}
SOUND = saved(raw=np.arange(24, dtype=np.uint16).reshape(4, 6), p=SESSION)


@settings(max_examples=60, deadline=None)
@given(
    values=KINDS.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=2, max_dims=3, max_side=5))),
    compressed=st.booleans(),
)
def test_arrays_are_read_as_scipy_reads_them(values: np.ndarray, compressed: bool) -> None:
    data = saved(compressed, v=values)
    found = parse_mat(FILE, data, "v")["v"]
    assert isinstance(found, np.ndarray) and found.dtype == values.dtype
    np.testing.assert_array_equal(found, loadmat(io.BytesIO(data))["v"])


def test_struct_fields_strings_and_cells() -> None:
    record = parse_mat(FILE, SOUND, "p")["p"]
    assert isinstance(record, Record)
    assert record.number("rate") == 2000.0 and record.get("note") == "secret"
    assert record.words("names") == ["One", "Two"]
    with pytest.raises(DataFileError, match="expected the field y, found the fields rate, names, x, note"):
        record.get("y")
    with pytest.raises(DataFileError, match="one positive number in x"):
        record.number("x")
    with pytest.raises(DataFileError, match="cell array of strings in note"):
        record.words("note")


def test_big_endian_files_are_read() -> None:
    flags, shape = struct.pack(">IIII", 6, 8, 6, 0), struct.pack(">IIii", 5, 8, 1, 2)
    name, values = struct.pack(">HH4s", 1, 1, b"v"), struct.pack(">IIdd", 9, 16, 1.5, -2.0)
    body = flags + shape + name + values
    header = b"MATLAB 5.0".ljust(124) + b"\x01\x00MI"
    found = parse_mat(FILE, header + struct.pack(">II", 14, len(body)) + body, "v")["v"]
    np.testing.assert_array_equal(found, [[1.5, -2.0]])


@pytest.mark.parametrize("compressed", [True, False])
def test_a_cut_behind_the_wanted_variable_is_seen(compressed: bool) -> None:
    data = saved(compressed, wanted=np.ones(3), behind=np.arange(100.0))
    with pytest.raises(DataFileError, match="cut"):
        parse_mat(FILE, data[:-9], "wanted")


@pytest.mark.parametrize("data", [b"", b"x" * 500, b"\x89HDF\r\n\x1a\n".ljust(600, b"\0")])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(DataFileError, match="expected a MATLAB v5 file, found another header"):
        parse_mat(FILE, data, "v")


@settings(max_examples=400, deadline=None)
@given(changes=st.lists(st.tuples(st.integers(128, len(SOUND) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damaged_structs_give_values_or_a_data_file_error(changes: list[tuple[int, int]]) -> None:
    data = bytearray(SOUND)
    for place, value in changes:
        data[place] = value
    try:
        content = parse_mat(FILE, bytes(data), "raw", "p")
        record = content["p"]
        if isinstance(record, Record):
            record.number("rate")
            record.words("names")
            record.get("x")
    except DataFileError as error:
        assert error.file == "some.mat"
