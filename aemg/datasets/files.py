"""What the readers share: bytes, text tables, checked arrays, runs of a code; all damage is a DataFileError."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from aemg.datasets.base import DatasetInfo
from aemg.errors import DataFileError
from aemg.signals import Provenance

_NUMBER_STARTS: Final = tuple(bytes([c]) for c in b"0123456789+-. ")
_LARGEST: Final = 1e15  # far beyond any sample or time stamp, and safe in float32 arithmetic


def read_bytes(path: Path, most: int | None = None) -> bytes:
    """The file's content, which is never read if it is longer than `most` bytes.

    Raises:
        DataFileError: missing, unreadable, empty or too long.
    """
    try:
        if most is not None and (size := path.stat().st_size) > most:
            raise DataFileError(path, f"at most {most} bytes", f"{size}")
        data = path.read_bytes()
    except OSError as error:
        raise DataFileError(path, "a readable file", error.strerror or type(error).__name__) from error
    if not data:
        raise DataFileError(path, "a recording", "an empty file")
    return data


def provenance(info: DatasetInfo, root: Path, path: Path, data: bytes, part: str = "") -> Provenance:
    """Where `data`, the content of `path`, comes from; `part` names the piece of the file that is meant."""
    name = path.relative_to(root).as_posix() + (f"#{part}" if part else "")
    return Provenance(info.name, name, hashlib.sha256(data).hexdigest(), info.licence)


def parse_table(
    path: Path, data: bytes, columns: int, *, separator: str = ",", first_line: int = 1
) -> NDArray[np.float64]:
    """Numbers (T, columns) of separated text without header.

    Polars reads what is plain: it is several times as fast as the parser of numpy, which reads the rest and says what is
    wrong. Polars has threads of its own, so that a process that has called this must not be forked.

    Args:
        first_line: number that the first line of `data` has in the file, for messages.

    Raises:
        DataFileError: not numbers, not `columns` columns in every line, or a value that is not finite.
    """
    expected = f"{columns} numbers in every line"
    data = data.rstrip()
    first = data[: data.find(b"\n") if b"\n" in data else None]
    if (found := first.count(separator.encode()) + 1 if first else 0) != columns:
        raise DataFileError(path, expected, f"{found} in line {first_line}")
    values = _plain_table(data, columns, separator)
    if values is not None and _all_finite(values):
        return values
    try:
        if values is None:
            values = np.loadtxt(io.BytesIO(data), delimiter=separator, comments=None, ndmin=2)
    except (ValueError, OverflowError, MemoryError) as error:
        raise DataFileError(path, expected, f"text that does not parse ({_brief(error)})") from error
    if (lines := _lines(data)) != len(values):
        raise DataFileError(path, expected, f"{len(values)} lines of numbers among {lines}")
    sound = _finite(values).all(axis=1)
    if not sound.all():
        line = int(np.argmin(sound)) + first_line
        raise DataFileError(path, expected, f"a missing or non-finite value in line {line}")
    return values


def parse_tables(
    files: Sequence[tuple[Path, bytes]], columns: int, *, separator: str = ","
) -> list[NDArray[np.float64]]:
    """Numbers (T, columns) of each of several files, as `parse_table` gives them, faster where the files are small.

    Raises:
        DataFileError: as `parse_table`.
    """
    contents = [data.rstrip() for _, data in files]
    lines = [_lines(data) for data in contents]
    joined = _plain_table(b"\n".join(contents), columns, separator) if all(contents) else None
    if joined is None or len(joined) != sum(lines) or not _all_finite(joined):
        return [parse_table(path, data, columns, separator=separator) for path, data in files]
    return np.split(joined, np.cumsum(lines)[:-1])


def _plain_table(data: bytes, columns: int, separator: str) -> NDArray[np.float64] | None:
    """Numbers (T, columns) of all lines, NaN where one is missing; None for text that polars does not take for numbers."""
    if data[:1] not in _NUMBER_STARTS:  # polars would unpack what begins like gzip, zlib or zstd
        return None
    is_float = re.search(rb"[.eEnN]", data[:4096]) is not None
    for kind in (pl.Float64,) if is_float else (pl.Int32, pl.Float64):
        schema = {f"{number}": kind for number in range(columns)}
        with suppress(pl.exceptions.PolarsError, pl.exceptions.PanicException):
            table = pl.read_csv(data, has_header=False, schema=schema, separator=separator, quote_char=None)
            return table.cast(pl.Float64).to_numpy(writable=True)  # a line without numbers is one of NaN
    return None


def _lines(data: bytes) -> int:
    """Lines of text that does not end with a line's end."""
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord("\n"))) + 1


def _all_finite(values: NDArray[np.float64]) -> bool:
    """Whether `_finite` holds everywhere, without an array of answers."""
    return bool(values.size == 0 or (values.min() > -_LARGEST and values.max() < _LARGEST))


def numeric(path: Path, name: str, values: object, shape: tuple[int | None, ...]) -> NDArray[Any]:
    """`values` if it is an array, finite, real and of the shape, in which None is any length but zero.

    Raises:
        DataFileError: anything else.
    """
    wanted = " x ".join("any" if n is None else str(n) for n in shape)
    if not isinstance(values, np.ndarray):
        raise DataFileError(path, f"{name} of {wanted} real numbers", f"a {type(values).__name__}")
    found = f"{values.dtype.name} {' x '.join(map(str, values.shape))}"
    fits = len(values.shape) == len(shape) and all(v == s or (s is None and v > 0) for v, s in zip(values.shape, shape))
    if not fits or values.dtype.kind not in "iuf":
        raise DataFileError(path, f"{name} of {wanted} real numbers", found)
    if not (sound := _finite(values)).all():
        raise DataFileError(path, f"{name} without NaN or infinity", f"{int((~sound).sum())} of them")
    return values


def channels_first(values: NDArray[Any], scale: float = 1.0) -> NDArray[np.float32]:
    """(T, C) numbers as a (C, T) float32 signal, times `scale`."""
    return np.ascontiguousarray((values * scale).T, dtype=np.float32)


def runs(codes: NDArray[Any]) -> list[tuple[int, int, int]]:
    """(first, one past last, code) of every run of equal integers in a one-dimensional array."""
    edges = np.flatnonzero(np.diff(codes)) + 1
    starts = np.concatenate(([0], edges))
    return [(int(a), int(b), int(codes[a])) for a, b in zip(starts, np.concatenate((edges, [len(codes)])))]


def _finite(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Where values are numbers of a size that a recording can hold."""
    return np.asarray((values > -_LARGEST) & (values < _LARGEST))


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
