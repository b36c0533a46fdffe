"""The reader of MATLAB files: as scipy reads sound ones, and a DataFileError for all others."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.io import loadmat, savemat

from aemg.datasets.formats.mat5 import Mat5File, Record, parse_mat
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


def element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + b"\0" * (-len(body) % 8)


def matrix(name: str, shape: tuple[int, int], numbers: bytes, *, kind: int = 6, flags: int = 0) -> bytes:
    head = element(6, struct.pack("<II", kind | flags, 0)) + element(5, struct.pack("<ii", *shape)) + element(1, name.encode())
    return element(14, head + numbers)


def packed(content: bytes) -> bytes:
    squeezed = zlib.compress(content)
    return struct.pack("<II", 15, len(squeezed)) + squeezed


HEADER = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def test_doubles_that_matlab_stores_as_small_integers() -> None:
    data = HEADER + packed(matrix("v", (3, 1), element(1, struct.pack("<bbb", -1, 0, 7))))
    found = parse_mat(FILE, data, "v")["v"]
    assert isinstance(found, np.ndarray) and found.dtype == np.float64
    np.testing.assert_array_equal(found, [[-1.0], [0.0], [7.0]])


def test_variables_of_kinds_that_are_not_read_are_in_nobodys_way() -> None:
    complex_ones = matrix("z", (1, 1), element(9, b"\0" * 8) + element(9, b"\0" * 8), flags=0x800)
    opaque = element(14, element(6, struct.pack("<II", 17, 0)) + element(1, b"t") + element(1, b"MCOS"))
    content = complex_ones + packed(opaque) + packed(element(2, b"no matrix")) + saved(v=1.0)[128:]
    file = Mat5File(FILE, io.BytesIO(HEADER + content))
    assert file.get("v") == 1.0
    with pytest.raises(DataFileError, match="complex"):
        file.get("z")


@pytest.mark.parametrize("swollen", ["a variable of zeros", "a tag that promises them", "more than the tag says"])
def test_a_variable_may_not_swell(swollen: str) -> None:
    zeros = matrix("v", (8 << 20, 16), element(9, b"\0" * (128 << 20))) if swollen == "a variable of zeros" else b""
    promised = struct.pack("<II", 14, 1 << 30) + matrix("v", (1, 1), element(9, b"\0" * 8))[8:]
    longer = struct.pack("<II", 14, 56) + matrix("v", (1, 1), element(9, b"\0" * 8))[8:] + b"\0" * (8 << 20)
    content = {"a variable of zeros": zeros, "a tag that promises them": promised}.get(swollen, longer)
    data = HEADER + packed(content)
    tracemalloc.start()
    try:
        with pytest.raises(DataFileError, match=r"likely size|longer than it says"):
            parse_mat(FILE, data, "v")
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_a_variable_of_countless_parts_is_refused() -> None:
    data = HEADER + packed(matrix("v", (1000, 1000), element(14, b"") * 1_000_000, kind=1))
    with pytest.raises(DataFileError, match="at most 65536 parts of a variable"):
        parse_mat(FILE, data, "v")


def test_a_variable_of_likely_size_may_be_of_few_bytes() -> None:
    data = HEADER + packed(matrix("v", (9 << 20, 1), element(9, b"\0" * (72 << 20))))
    file = Mat5File(FILE, io.BytesIO(data))
    with pytest.raises(DataFileError, match="likely size"):
        file.get("v")
    assert np.shape(file.get("v", 80 << 20)) == (9 << 20, 1)


def test_large_variables_are_held_once(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(300_000, 4))
    path = tmp_path / "large.mat"
    path.write_bytes(saved(True, behind=values, v=values))
    tracemalloc.start()
    try:
        with path.open("rb") as file:
            found = Mat5File(path, file).get("v")
        assert tracemalloc.get_traced_memory()[1] < values.nbytes + (6 << 20)
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(found, values)
