"""Text tables: every number to the last bit, whoever parses it, and a line that is not of the table is named."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aemg.datasets.files import parse_table, parse_tables
from aemg.errors import DataFileError

PATH = Path("table.txt")
shapes = st.tuples(st.integers(1, 30), st.integers(1, 5))
floats = st.floats(-1e14, 1e14, allow_nan=False)


def text(values: np.ndarray, separator: str, end: str) -> bytes:
    return "".join(separator.join(repr(v) for v in row) + end for row in values.tolist()).encode()


@given(
    values=hnp.arrays(np.float64, shapes, elements=floats)
    | hnp.arrays(np.int64, shapes, elements=st.integers(-(10**12), 10**12)),
    separator=st.sampled_from([",", "\t", ";", " "]), end=st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
@settings(derandomize=True, max_examples=150, deadline=None)
def test_numbers_come_back_to_the_last_bit(values: np.ndarray, separator: str, end: str) -> None:
    table = parse_table(PATH, text(values, separator, end), values.shape[1], separator=separator)
    assert table.dtype == np.float64 and table.flags.writeable
    np.testing.assert_array_equal(table, values)


@pytest.mark.parametrize(
    "line", ["1, 2,3", "1 ,2 ,3 ", "+1,2.,.3e1", "1,2,0003", "1,3000000000,2", "1,2,1E5", "-0,2,3", "1,2,3\r"]
)
def test_the_same_numbers_in_other_words(line: str) -> None:
    data = f"1,2,3\n{line}\n4,5,6\n".encode()
    expected = [[1, 2, 3], [float(word) for word in line.split(",")], [4, 5, 6]]
    np.testing.assert_array_equal(parse_table(PATH, data, 3), expected)


def test_floats_after_thousands_of_whole_numbers() -> None:
    values = np.arange(9000.0).reshape(-1, 3)
    values[2500] += 0.25
    data = "".join(",".join(f"{v:g}" for v in row) + "\n" for row in values).encode()
    np.testing.assert_array_equal(parse_table(PATH, data, 3), values)


@pytest.mark.parametrize("kind", ["{}", "{}.0"])
@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("1,2", "line 27"), ("1,2,", "line 27"), ("", "line 27"), (",,", "line 27"), ("nan,1,2", "line 27"),
        ("1,2,inf", "line 27"), ("1e300,1,2", "line 27"), ("1,2,3,4", "does not parse"), ("1,2,3,", "does not parse"),
        ("1,2,x", "does not parse"), ('"1",2,3', "does not parse"), ("1,2,3\x00", "does not parse"), ("1 2,3", "does not parse"),
        ("1_0,2,3", "does not parse"), ("0x10,2,3", "does not parse"), ("#1,2,3", "does not parse"),
        ("1,2,\xff", "does not parse"), ("1,2,3\r4,5,6", "does not parse"), ("1,,3", "line 27"), ("   ", "line"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_of_the_table_is_refused(kind: str, line: str, found: str) -> None:
    lines = [",".join(kind.format(number + k) for k in range(3)) for number in range(60)]
    lines.insert(25, line)
    with pytest.raises(DataFileError, match=f"expected 3 numbers in every line, found .*{found}"):
        parse_table(PATH, "\n".join(lines).encode("latin-1"), 3, first_line=2)


@pytest.mark.parametrize("data", [b"", b"\n", b"1,2\n", b"1,2,3,4\n", b"\xef\xbb\xbf", b"1;2;3\n"])
def test_another_number_of_columns_is_told(data: bytes) -> None:
    with pytest.raises(DataFileError, match=r"expected 3 numbers in every line, found [0-9] in line 1"):
        parse_table(PATH, data, 3)
    with pytest.raises(DataFileError, match="found 0 in line 1"):
        parse_table(PATH, b"", 1)


@given(
    st.lists(st.lists(st.lists(st.integers(-9999, 9999), min_size=3, max_size=3), min_size=1), min_size=1, max_size=4),
    st.sampled_from([1, 4, 128]),
)
@settings(deadline=None, derandomize=True, max_examples=60)
def test_files_read_together_are_what_they_are_alone(tables: list[list[list[int]]], parts: int) -> None:
    files = [
        (Path(f"{i}.csv"), "".join(",".join(f"{v / parts:.10g}" for v in row) + "\n" for row in table).encode())
        for i, table in enumerate(tables)
    ]
    together = parse_tables(files, 3)
    assert all(np.array_equal(one, parse_table(path, data, 3)) for one, (path, data) in zip(together, files))
    assert [len(one) for one in together] == [len(table) for table in tables]


@pytest.mark.parametrize("damage", [b"1,2\n", b"", b"1,2,3\n\n4,5,6\n", b"1,2,x\n", b"1,2,nan\n", b"1,2,3,4\n"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_damaged_file_among_several_is_named(damage: bytes, place: int) -> None:
    files = [(Path(f"{i}.csv"), b"1,2,3\n4,5,6\n") for i in range(3)]
    files[place] = (files[place][0], damage)
    with pytest.raises(DataFileError, match=rf"^{place}\.csv: expected 3 numbers in every line"):
        parse_tables(files, 3)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_text_is_not_unpacked(pack) -> None:
    packed = pack(b"1,2,3\n" * 100).replace(b"\n", b" ")
    with pytest.raises(DataFileError, match="expected 3 numbers in every line"):
        parse_table(PATH, b",".join([packed[:10], packed[10:20], packed[20:]]), 3)
