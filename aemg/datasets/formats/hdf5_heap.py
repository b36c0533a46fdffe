"""HDF5 global heaps, where texts and bytes of variable length lie, read without trust.

A wrong byte there, or in the description of what lies there, can make the HDF5 library loop for ever or end the
process. So the heaps of a file are looked over before the library reads from them, and bytes are read without it.
Source: HDF5 File Format Specification 3.0, III.E.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import h5py

from aemg.errors import DataFileError

_MARK: Final = b"GCOL\x01\0\0\0"
_HEAD_BYTES: Final = 16  # of a heap and of an object in it


def check_heaps(path: Path, skip: tuple[int, int] = (0, 0), content: bytes | None = None) -> None:
    """Looks over every global heap of a file.

    Args:
        skip: the bytes [start, stop) that hold samples, which are not searched for heaps.
        content: the file's bytes, where they are at hand; `path` is then only for messages.

    Raises:
        DataFileError: a heap does not hold together.
    """
    if content is not None:
        _check(path, content, skip)
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        _check(path, mapped, skip)


def _check(path: Path, content: mmap.mmap | bytes, skip: tuple[int, int]) -> None:
    for start, stop in ((0, skip[0]), (skip[1], len(content))):
        at = content.find(_MARK, start, stop)
        while at >= 0:
            for _ in _objects(path, content, at):
                pass
            at = content.find(_MARK, at + 1, stop)


def first_row_bytes(path: Path, dataset: h5py.Dataset) -> bytes:
    """The first row of a one-dimensional, chunked, uncompressed array of rows of bytes, as PyTables keeps objects.

    Raises:
        DataFileError: of another layout, or what the row refers to is not in the file.
    """
    if dataset.chunks is None or dataset.id.get_create_plist().get_nfilters():
        raise DataFileError(path, f"a chunked, uncompressed array {dataset.name}", "another layout")
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        length, heap, number = struct.unpack_from("<IQI", content, dataset.id.get_chunk_info(0).byte_offset)
        heap += dataset.file.userblock_size
        if content[heap : heap + len(_MARK)] == _MARK:
            for found, start, size in _objects(path, content, heap):
                if (found, size) == (number, length):
                    return content[start : start + size]
    raise DataFileError(path, f"{length} bytes of {dataset.name} at byte {heap}", "others")


def _objects(path: Path, content: mmap.mmap | bytes, heap: int) -> Iterator[tuple[int, int, int]]:
    """Number, place and size of the objects of a heap; what is left free counts as the object 0, its head included."""
    size = struct.unpack_from("<Q", content, heap + 8)[0] if heap + _HEAD_BYTES <= len(content) else 0
    left = size - _HEAD_BYTES
    if left < 0 or heap + size > len(content):
        raise DataFileError(path, "whole global heaps", f"one of {size} bytes at byte {heap}")
    while left >= _HEAD_BYTES:
        at = heap + size - left
        number, length = struct.unpack_from("<H6xQ", content, at)
        taken = length if number == 0 else _HEAD_BYTES + length + -length % 8
        if not _HEAD_BYTES <= taken <= left:
            raise DataFileError(path, f"at most {left} bytes in a global heap's object", f"{length} at byte {at}")
        if number:
            yield number, at + _HEAD_BYTES, length
        left -= taken
