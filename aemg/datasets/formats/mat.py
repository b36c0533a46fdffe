"""MATLAB files of either kind, read without trust: v5 and, where MATLAB chose HDF5 for its size, v7.3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.datasets.formats.hdf5_file import dataset, open_hdf5
from aemg.datasets.formats.mat5 import Mat5File, Record
from aemg.errors import DataFileError

_HDF5: Final = (b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file")


class MatFile(Protocol):
    """Variables by name, each decoded when asked for."""

    @property
    def names(self) -> tuple[str, ...]:
        """The variables."""

    def get(self, name: str, likely_bytes: int = 0) -> NDArray[Any] | str | Record:
        """A variable, arrays in MATLAB's shape.

        Args:
            likely_bytes: a size that it may well have, however small it was compressed.

        Raises:
            DataFileError: there is no such variable, or it is damaged.
        """


@contextmanager
def open_mat(path: Path) -> Iterator[MatFile]:
    """The variables of a MATLAB file, v5 or v7.3.

    Raises:
        DataFileError: missing, unreadable, or neither of the two.
    """
    try:
        with path.open("rb") as file:
            if not file.read(128).startswith(_HDF5):
                yield Mat5File(path, file)
                return
    except OSError as error:
        raise DataFileError(path, "a readable file", error.strerror or type(error).__name__) from error
    with open_hdf5(path) as hdf5:
        yield Mat73File(path, hdf5)


class Mat73File:
    """Arrays of numbers of an HDF5 file as MATLAB writes it; its strings, cells and structs are not read.

    Args:
        path: for messages.
        file: the open file.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path, self._file = path, file

    @property
    def names(self) -> tuple[str, ...]:
        """The variables, sorted."""
        return tuple(sorted(name for name in self._file if not name.startswith("#")))

    def get(self, name: str, likely_bytes: int = 0) -> NDArray[Any]:
        """An array of numbers, in MATLAB's shape (which HDF5 holds turned round); `likely_bytes` goes unused.

        Raises:
            DataFileError: there is none of the name, or it is damaged, or of another kind.
        """
        values = dataset(self._path, self._file, name)
        if values.dtype.kind not in "iuf":
            raise DataFileError(self._path, f"numbers in {name}", str(values.dtype))
        return np.asarray(values[()]).T
