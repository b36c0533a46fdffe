"""MATLAB v5 files, read without trust: what is damaged is a DataFileError, and what is not asked for stays undecoded.

`scipy.io.loadmat` ends the process with a segmentation fault on some damaged structs and misses cuts behind the
variables asked for, so the few kinds of element that the sets hold are read here.
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.errors import DataFileError

_STORED: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_ARRAYS: Final = {
    6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8",
}
_CELL, _STRUCT, _CHAR = 1, 2, 4
_MATRIX, _COMPRESSED = 14, 15
_LARGEST: Final = 1 << 30
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


def parse_mat(path: Path, data: bytes, *names: str) -> dict[str, NDArray[Any] | str | Record]:
    """The named variables of a MATLAB v5 file.

    Raises:
        DataFileError: not a whole MATLAB v5 file, or one of the variables is missing.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:128])
    if order is None:
        raise DataFileError(path, "a MATLAB v5 file", "another header")
    found = {}
    for kind, body in _elements(path, order, memoryview(data)[128:]):
        if kind == _COMPRESSED:
            ((kind, body),) = _elements(path, order, _inflated(path, body))[:1] or [(0, body)]
        if kind == _MATRIX and len(body):
            name = _header(path, order, body)[2]
            if name in names:
                found[name] = _value(path, order, body)
    missing = [name for name in names if name not in found]
    if missing:
        raise DataFileError(path, f"the variables {', '.join(names)}", f"no {', '.join(missing)}")
    return found


def _elements(path: Path, order: str, data: memoryview) -> list[_Element]:
    """Type and body of every data element, which must end where the data ends."""
    found, at = [], 0
    while at < len(data):
        if len(data) - at < 8:
            raise DataFileError(path, "whole MATLAB elements", "a cut tag")
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # a small element keeps both in the first four bytes and its body in the next four
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > len(data) or (start == at + 4 and size > 4):
            raise DataFileError(path, f"a MATLAB element of {size} bytes", f"{len(data) - start} bytes: cut or damaged")
        found.append((kind, data[start : start + size]))
        at = at + 8 if start == at + 4 else start + size + (0 if kind == _COMPRESSED else -size % 8)
    return found


def _inflated(path: Path, body: memoryview) -> memoryview:
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(body, _LARGEST)
    except (zlib.error, MemoryError) as error:
        raise DataFileError(path, "a sound compressed element", str(error)) from error
    if not inflater.eof:
        raise DataFileError(path, "a whole compressed element", "a cut or far too large one")
    return memoryview(content)


def _header(path: Path, order: str, body: memoryview) -> tuple[int, tuple[int, ...], str, list[_Element]]:
    """Class, shape, name and the further elements of a matrix."""
    parts = _elements(path, order, body)
    if len(parts) < 3:
        raise DataFileError(path, "a MATLAB array with flags, shape and name", f"{len(parts)} elements")
    flags, shape = _stored(path, order, parts[0]), _stored(path, order, parts[1])
    if flags.dtype.kind != "u" or shape.dtype.kind != "i" or flags.size != 2 or shape.size < 2 or shape.min() < 0:
        raise DataFileError(path, "a MATLAB array with flags and shape", "damaged ones")
    if int(flags[0]) & 0x800:
        raise DataFileError(path, "real numbers", "complex ones")
    name = bytes(parts[2][1]).rstrip(b"\0").decode("latin-1")
    return int(flags[0]) & 0xFF, tuple(shape.tolist()), name, parts[3:]


def _value(path: Path, order: str, body: memoryview) -> NDArray[Any] | str | Record:
    if not len(body):
        return np.zeros((0, 0))
    kind, shape, _, parts = _header(path, order, body)
    if kind in _ARRAYS and len(parts) == 1:
        values = _stored(path, order, parts[0])
        if values.size != math.prod(shape):
            raise DataFileError(path, f"{math.prod(shape)} numbers", f"{values.size}")
        wanted = np.dtype(order + _ARRAYS[kind])
        return values.reshape(shape, order="F").astype(wanted if np.can_cast(values.dtype, wanted) else values.dtype)
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
