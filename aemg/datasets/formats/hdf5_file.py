"""HDF5 files read without trust: nothing from outside the file, nothing larger than the file can hold.

What is wrong with a file is a DataFileError, whichever of the library's errors it came from.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.datasets.formats.hdf5_heap import check_heaps
from aemg.datasets.formats.pandas_table import DAMAGE
from aemg.errors import AEMGError, DataFileError

_BLOCK_BYTES: Final = 8 << 20
_MOST_BYTES: Final = 4 << 30
_MOST_CHUNK_BYTES: Final = 256 << 20
_LARGEST_RATIO: Final = 1100  # of deflate, the strongest filter that the sets use
_SLACK_BYTES: Final = 1 << 20


@contextmanager
def open_hdf5(path: Path, content: bytes | None = None) -> Iterator[Any]:
    """An open `h5py.File`; what goes wrong inside the block is told of `path`.

    Args:
        content: the file's bytes where it lies in an archive; `path` is then only for messages.

    Raises:
        DataFileError: missing, damaged, or an error of the HDF5 library inside the block.
    """
    try:
        check_heaps(path, content=content)
        source: Any = path if content is None else io.BytesIO(content)
        with h5py.File(source, "r", **({"locking": False} if content is None else {})) as file:
            yield file
    except AEMGError:
        raise
    except DAMAGE as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise DataFileError(path, "a sound HDF5 file", found[:200]) from error


def dataset(path: Path, file: Any, name: str) -> Any:
    """The `h5py.Dataset` at `name`, stored in this very file, of a size that its stored bytes can unfold to.

    Raises:
        DataFileError: there is none, or it is none of that kind.
    """
    at = file
    for part in name.split("/"):
        link = at.get(part, getlink=True) if isinstance(at, h5py.Group) else None
        if not isinstance(link, h5py.HardLink):
            raise DataFileError(path, f"{name} in the file", "nothing" if link is None else f"a {type(link).__name__}")
        at = at[part]
    if not isinstance(at, h5py.Dataset) or at.size is None or at.is_virtual or at.external:
        raise DataFileError(path, f"numbers in {name}, within the file", "something else")
    if not _is_plain(at.dtype) or not at.id.get_type().equal(h5py.h5t.py_create(at.dtype, logical=True)):
        raise DataFileError(path, f"plain numbers in {name}", f"{at.dtype}"[:200])
    stored, size = at.id.get_storage_size(), at.size * at.dtype.itemsize
    if size > min(_MOST_BYTES, _LARGEST_RATIO * stored + _SLACK_BYTES):
        raise DataFileError(path, f"a size of {name} that {stored} stored bytes can hold", f"{size} bytes")
    if at.chunks is not None and math.prod(at.chunks) * at.dtype.itemsize > _MOST_CHUNK_BYTES:
        raise DataFileError(path, f"chunks of {name} of at most {_MOST_CHUNK_BYTES} bytes", f"{at.chunks}")
    return at


def _is_plain(dtype: np.dtype[Any]) -> bool:
    """Whether all is numbers of usual kinds; to convert others the library may write where it should not."""
    if dtype.names is not None:
        return all(_is_plain(dtype[name]) for name in dtype.names)
    return dtype.base.kind in "iufb" and dtype.base.itemsize <= 8


def row_blocks(table: Any) -> Iterator[tuple[slice, NDArray[Any]]]:
    """The rows of a dataset, some MiB of whole chunks at a time, each with its place."""
    row_bytes = table.dtype.itemsize * math.prod(table.shape[1:])
    rows = max(1, _BLOCK_BYTES // max(1, row_bytes))
    if table.chunks is not None:
        rows = max(1, rows // table.chunks[0]) * table.chunks[0]
    for start in range(0, len(table), rows):
        place = slice(start, min(start + rows, len(table)))
        yield place, np.asarray(table[place])
