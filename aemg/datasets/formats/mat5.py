"""MATLAB v5 files, read without trust: what is damaged is a DataFileError, and what is not asked for stays undecoded.

`scipy.io.loadmat` ends the process with a segmentation fault on some damaged structs and misses cuts behind the
variables asked for, so the few kinds of element that the sets hold are read here.
"""

from __future__ import annotations

import io
import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from aemg.errors import DataFileError

_STORED: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ARRAYS: Final = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_MATRIX, _COMPRESSED = 14, 15
_HEAD_BYTES: Final = 128
_HEADER_BYTES: Final = 512  # more than flags, shape and name of a variable take
_BLOCK_BYTES: Final = 1 << 20
_LARGEST: Final = 1 << 30
_MOST_PARTS: Final = 1 << 16
_MOST_PACKED: Final = 50  # recordings shrink threefold
_ANYWAY_BYTES: Final = 64 << 20
_Element = tuple[int, memoryview]


@dataclass(frozen=True)
class Record:
    """A struct (parts by field name) or a cell array (parts by number), decoded part by part on request."""

    path: Path
    order: str
    parts: dict[str, memoryview]

    def get(self, name: str) -> NDArray[Any] | str | Record:
        """One part.

        Raises:
            DataFileError: there is no such part, or it is damaged.
        """
        if name not in self.parts:
            raise DataFileError(self.path, f"the field {name}", f"the fields {', '.join(self.parts)}"[:200])
        return _value(self.path, self.order, self.parts[name])

    def number(self, name: str) -> float:
        """A field that holds one positive number.

        Raises:
            DataFileError: it does not.
        """
        value = self.get(name)
        if not isinstance(value, np.ndarray) or value.size != 1 or not 0 < value.ravel()[0] < 1e9:
            raise DataFileError(self.path, f"one positive number in {name}", "something else")
        return float(value.ravel()[0])

    def words(self, name: str) -> list[str]:
        """A field that holds a cell array of strings.

        Raises:
            DataFileError: it does not.
        """
        cells = self.get(name)
        found = [cells.get(key) for key in cells.parts] if isinstance(cells, Record) else []
        strings = [cell for cell in found if isinstance(cell, str)]
        if not strings or len(strings) < len(found):
            raise DataFileError(self.path, f"a cell array of strings in {name}", "something else")
        return strings


class Mat5File:
    """A MATLAB v5 file: its variables are found without being decoded, and decoded one by one when asked for.

    What is asked for is held in memory once, as the file stores it; a compressed variable may be no larger than its
    compressed bytes make likely, whatever it says of itself.

    Args:
        path: for messages.
        file: its bytes, open for reading.

    Raises:
        DataFileError: not a whole MATLAB v5 file.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path, self._file = path, file
        size = file.seek(0, io.SEEK_END)
        order = {b"IM": "<", b"MI": ">"}.get(self._read(126, 2))
        if order is None:
            raise DataFileError(path, "a MATLAB v5 file", "another header")
        self._order = order
        self._parts: dict[str, tuple[int, int, int]] = {}  # kind, first byte and size of every variable
        at = _HEAD_BYTES
        while at < size:
            kind, start, length = _tag(path, order, self._read(at, 8), at, size - at)
            if kind == _COMPRESSED or (kind == _MATRIX and length):
                self._parts[self._name(kind, start, length)] = (kind, start, length)
                if len(self._parts) > _MOST_PARTS:
                    raise DataFileError(path, f"at most {_MOST_PARTS} variables", "more")
            at = max(at + 8, start + length + (0 if kind == _COMPRESSED else -length % 8))

    @property
    def names(self) -> tuple[str, ...]:
        """The variables, in the file's order."""
        return tuple(name for name in self._parts if name)

    def get(self, name: str, likely_bytes: int = 0) -> NDArray[Any] | str | Record:
        """A variable.

        Args:
            likely_bytes: a size that it may well have, however small it was compressed.

        Raises:
            DataFileError: there is no such variable, or it is damaged, or of another kind than the sets hold.
        """
        if name not in self._parts:
            raise DataFileError(self._path, f"the variable {name}", f"the variables {', '.join(self._parts)}"[:200])
        kind, start, length = self._parts[name]
        body = self._inflated(start, length, likely_bytes) if kind == _COMPRESSED else self._read(start, length)
        return _value(self._path, self._order, memoryview(body))

    def _read(self, start: int, length: int) -> bytes:
        self._file.seek(start)
        return self._file.read(length)

    def _name(self, kind: int, start: int, length: int) -> str:
        """Name of a variable; "" for an element that is none."""
        head = self._read(start, min(length, 8 * _HEADER_BYTES))
        if kind == _COMPRESSED:
            try:
                head = zlib.decompressobj().decompress(head, _HEADER_BYTES)
            except zlib.error as error:
                raise DataFileError(self._path, "a sound compressed element", str(error)) from error
            if len(head) < 8 or struct.unpack_from(f"{self._order}I", head)[0] != _MATRIX:
                return ""
            head = head[8:]
        parts = list(islice(_elements(self._path, self._order, memoryview(head)), 3))
        return _text(parts[2]) if len(parts) == 3 else ""

    def _inflated(self, start: int, length: int, likely_bytes: int) -> bytearray:
        """The body of the matrix that a compressed element holds."""
        most = min(_LARGEST, max(_ANYWAY_BYTES, _MOST_PACKED * length, likely_bytes))
        inflater, tag = zlib.decompressobj(), b""
        body, filled = bytearray(), 0
        try:
            for at in range(start, start + length, _BLOCK_BYTES):
                block = self._read(at, min(_BLOCK_BYTES, start + length - at))
                if len(tag) < 8:
                    tag += inflater.decompress(block, 8 - len(tag))
                    block = inflater.unconsumed_tail
                    if len(tag) < 8:
                        continue
                    size = struct.unpack(f"{self._order}II", tag)[1]
                    if size > most:
                        raise DataFileError(self._path, "a variable of likely size", f"{size} bytes in {length}")
                    body = bytearray(size)
                while filled < len(body):
                    piece = inflater.decompress(block, min(_BLOCK_BYTES, len(body) - filled))
                    block = inflater.unconsumed_tail
                    if not piece and not block:
                        break
                    body[filled : filled + len(piece)] = piece
                    filled += len(piece)
                inflater.decompress(block, 8)
        except (zlib.error, MemoryError) as error:
            raise DataFileError(self._path, "a sound compressed element", str(error)) from error
        if not inflater.eof or filled < len(body) or len(tag) < 8:
            raise DataFileError(self._path, "a whole compressed element", "a cut one, or one longer than it says")
        return body


def parse_mat(path: Path, data: bytes, *names: str) -> dict[str, NDArray[Any] | str | Record]:
    """The named variables of a MATLAB v5 file.

    Raises:
        DataFileError: not a whole MATLAB v5 file, or one of the variables is missing.
    """
    file = Mat5File(path, io.BytesIO(data))
    missing = [name for name in names if name not in file.names]
    if missing:
        raise DataFileError(path, f"the variables {', '.join(names)}", f"no {', '.join(missing)}")
    return {name: file.get(name) for name in names}


def _tag(path: Path, order: str, tag: bytes | memoryview, at: int, room: int) -> tuple[int, int, int]:
    """Kind, first byte and size of the data element whose tag starts at `at`, `room` bytes before the end of the data."""
    if len(tag) < 8:
        raise DataFileError(path, "whole MATLAB elements", "a cut tag")
    kind, size = struct.unpack_from(f"{order}II", tag)
    if kind >> 16:  # a small element keeps both in the first four bytes and its body in the next four
        kind, size, start, largest = kind & 0xFFFF, kind >> 16, at + 4, 4
    else:
        start, largest = at + 8, room - 8
    if size > largest:
        raise DataFileError(path, f"a MATLAB element of {size} bytes", f"{largest} bytes: cut or damaged")
    return kind, start, size


def _elements(path: Path, order: str, data: memoryview) -> Iterator[_Element]:
    """Type and body of every data element, which must end where the data ends; found as they are asked for."""
    at = 0
    while at < len(data):
        kind, start, size = _tag(path, order, data[at : at + 8], at, len(data) - at)
        yield kind, data[start : start + size]
        at = max(at + 8, start + size + -size % 8) if start == at + 8 else at + 8


def _header(path: Path, order: str, body: memoryview) -> tuple[int, tuple[int, ...], str, Iterator[_Element]]:
    """Class, shape, name and the further elements of a matrix."""
    further = _elements(path, order, body)
    parts = list(islice(further, 3))
    if len(parts) < 3:
        raise DataFileError(path, "a MATLAB array with flags, shape and name", f"{len(parts)} elements")
    flags, shape = _stored(path, order, parts[0]), _stored(path, order, parts[1])
    if flags.dtype.kind != "u" or shape.dtype.kind != "i" or flags.size != 2 or shape.size < 2 or shape.min() < 0:
        raise DataFileError(path, "a MATLAB array with flags and shape", "damaged ones")
    if int(flags[0]) & 0x800:
        raise DataFileError(path, "real numbers", "complex ones")
    return int(flags[0]) & 0xFF, tuple(shape.tolist()), _text(parts[2]), further


def _text(element: _Element) -> str:
    return bytes(element[1]).rstrip(b"\0").decode("latin-1")


def _value(path: Path, order: str, body: memoryview) -> NDArray[Any] | str | Record:
    if not len(body):
        return np.zeros((0, 0))
    kind, shape, _, further = _header(path, order, body)
    parts = list(islice(further, _MOST_PARTS + 1))
    if len(parts) > _MOST_PARTS:
        raise DataFileError(path, f"at most {_MOST_PARTS} parts of a variable", "more")
    if kind in _ARRAYS and len(parts) == 1:
        values = _stored(path, order, parts[0])
        if values.size != math.prod(shape):
            raise DataFileError(path, f"{math.prod(shape)} numbers", f"{values.size}")
        wanted = np.dtype(order + _ARRAYS[kind])
        if values.size * wanted.itemsize > _LARGEST:
            raise DataFileError(path, f"an array of at most {_LARGEST} bytes", f"{values.size * wanted.itemsize}")
        dtype = wanted if np.can_cast(values.dtype, wanted) else values.dtype
        return values.reshape(shape, order="F").astype(dtype, copy=False)
    if kind == _CHAR and len(parts) <= 1:
        wide = bool(parts) and parts[0][0] in (4, 17)
        encoding = ("utf-16-le" if order == "<" else "utf-16-be") if wide else "utf-8"
        return bytes(parts[0][1]).decode(encoding, errors="replace") if parts else ""
    if kind == _CELL and len(parts) == math.prod(shape):
        return Record(path, order, {str(i): part for i, (_, part) in enumerate(parts)})
    if kind == _STRUCT and math.prod(shape) == 1 and len(parts) >= 2:
        return _struct(path, order, parts)
    raise DataFileError(path, "a MATLAB array, string, cell array or 1 x 1 struct", f"class {kind} of shape {shape}")


def _struct(path: Path, order: str, parts: list[_Element]) -> Record:
    length, text = _stored(path, order, parts[0]), bytes(parts[1][1])
    if length.size != 1 or length.dtype.kind != "i" or length[0] < 1 or len(text) != int(length[0]) * (len(parts) - 2):
        raise DataFileError(path, "a struct with one name a field", f"{len(parts) - 2} fields")
    step = int(length[0])
    names = [text[i : i + step].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), step)]
    return Record(path, order, {name: body for name, (_, body) in zip(names, parts[2:])})


def _stored(path: Path, order: str, element: _Element) -> NDArray[Any]:
    kind, body = element
    dtype = np.dtype(order + _STORED.get(kind, "u1"))
    if kind not in _STORED or len(body) % dtype.itemsize:
        raise DataFileError(path, "numbers in a MATLAB element", f"type {kind} with {len(body)} bytes")
    return np.frombuffer(body, dtype)
