"""Tables that pandas keeps in HDF5, read without pandas and PyTables, and without running pickles.

Columns of one kind share a block. In the "table" format the blocks are fields of one array of rows. In the "fixed" format
numbers lie in a plain array; strings are a pickled object array in the first row of a variable-length array of bytes. Such
a pickle is taken apart here, never run: only the operations that write an object array are let through, and what it names
is replaced by inert parts, from which shape and strings are then read.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import struct
from pathlib import Path
from typing import Any, Final

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.datasets.formats.hdf5_heap import first_row_bytes
from aemg.errors import DataFileError

Column = NDArray[np.float64] | list[str]

# What h5py and numpy raise on a file with wrong bytes in it.
DAMAGE: Final = (
    struct.error,
    OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError, AttributeError,
)
_MOST_VALUES: Final = 1 << 22
_MOST_BLOCKS: Final = 64
_MOST_PICKLED_BYTES: Final = 1 << 26
_GLOBALS: Final = {
    ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct"), ("numpy", "ndarray"),
    ("numpy", "dtype"),
}
_OPERATIONS: Final = {
    "PROTO", "FRAME", "STOP", "MARK", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "NONE", "NEWTRUE", "NEWFALSE",
    "BININT", "BININT1", "BININT2", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES",
    "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_LIST", "APPEND", "APPENDS",
    "BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MEMOIZE",
}  # fmt: skip
_NAMES: Final = {"STRING", "UNICODE", "SHORT_BINUNICODE", "BINUNICODE"}
_LIST: Final = {
    "PROTO", "FRAME", "STOP", "MARK", "LIST", "EMPTY_LIST", "APPEND", "APPENDS", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE",
}  # fmt: skip


def read_frame(file: Path, group: object) -> dict[str, Column]:
    """The columns of a frame by name: numbers as float64, text as strings, "" where one is missing.

    Args:
        file: for messages.
        group: the frame's `h5py.Group`, of any pandas from 1 to 3.

    Raises:
        DataFileError: not such a frame, damaged, or with a pickle that holds anything but strings.
    """
    try:
        return _frame(file, group)
    except DataFileError:
        raise
    except DAMAGE as error:
        raise DataFileError(file, "a sound pandas table", f"{type(error).__name__}: {error}"[:200]) from error


def _frame(file: Path, group: object) -> dict[str, Column]:
    if not isinstance(group, h5py.Group):
        raise DataFileError(file, "a group with a pandas table", f"a {type(group).__name__}")
    name = str(group.name)
    if attribute(group, "pandas_type") != "frame":
        raise DataFileError(file, f"a pandas table of the fixed format in {name}", "another kind of group")
    rows = _values(file, group, "axis1").size
    columns: dict[str, Column] = {}
    blocks = attribute(group, "nblocks")
    if not isinstance(blocks, int) or not 0 <= blocks <= _MOST_BLOCKS:
        raise DataFileError(file, f"at most {_MOST_BLOCKS} blocks in {name}", f"{blocks}")
    for block in range(blocks):
        items = _strings(file, _values(file, group, f"block{block}_items").ravel().tolist())
        values = _block(file, group, f"block{block}_values", rows, len(items))
        columns.update({item: _column(file, values[:, i]) for i, item in enumerate(items)})
    wanted = _strings(file, _values(file, group, "axis0").ravel().tolist())
    if missing := [column for column in wanted if column not in columns]:
        raise DataFileError(file, f"the columns {', '.join(wanted)} in {name}", f"no {', '.join(missing)}")
    return {column: columns[column] for column in wanted}


def _block(file: Path, group: h5py.Group, name: str, rows: int, items: int) -> NDArray[Any]:
    """A block's values as (rows, items), however pandas laid them down."""
    values = _values(file, group, name)
    turned = values.ndim < 2 or bool(attribute(group[name], "transposed"))
    shape = (rows, items) if turned else (items, rows)
    if values.size != rows * items or (values.ndim > 1 and values.shape != shape):
        found = " x ".join(map(str, values.shape))
        raise DataFileError(file, f"{rows} rows of {items} columns in {group.name}/{name}", f"{found} values")
    return values.reshape(shape) if turned else values.reshape(shape).T


def _values(file: Path, group: h5py.Group, name: str) -> NDArray[Any]:
    """A member of the table; one that pandas marked as empty has a placeholder of one value, which is left out."""
    member = group.get(name)
    if not isinstance(member, h5py.Dataset):
        raise DataFileError(file, f"{name} in {group.name}", "nothing" if member is None else type(member).__name__)
    if member.size is None or member.size > _MOST_VALUES:
        raise DataFileError(file, f"at most {_MOST_VALUES} values in {member.name}", f"{member.size}")
    if "shape" in member.attrs:
        return np.zeros(0)
    if h5py.check_vlen_dtype(member.dtype) == np.uint8:
        return unpickle_strings(file, first_row_bytes(file, member))
    if member.dtype.kind not in "iufbS" and h5py.check_string_dtype(member.dtype) is None:
        raise DataFileError(file, f"numbers or text in {member.name}", str(member.dtype)[:100])
    return np.asarray(member[()])


def attribute(owner: h5py.HLObject, name: str) -> int | float | str | None:
    """An attribute that is one number or a text; None where there is none, or of another kind."""
    if name not in owner.attrs:
        return None
    stored = owner.attrs.get_id(name)
    if stored.shape != () or (stored.dtype.kind not in "iufS" and h5py.check_string_dtype(stored.dtype) is None):
        return None
    value = owner.attrs[name]
    if isinstance(value, bytes | str):
        return _text(value)
    return float(value) if stored.dtype.kind == "f" else int(value)


def table_columns(file: Path, table: h5py.Dataset) -> dict[str, tuple[str, int]]:
    """Field and place in it of every column of a frame in pandas' "table" format, whose fields hold several columns each.

    Raises:
        DataFileError: a field's names are not told, or not as many as it has columns.
    """
    places: dict[str, tuple[str, int]] = {}
    for field in [name for name in table.dtype.names or () if name.startswith("values_block_")]:
        kind = attribute(table, f"{field}_kind")
        if not isinstance(kind, str):
            raise DataFileError(file, f"the names of the columns in {field}", "none")
        names, width = pickled_names(file, kind.encode()), math.prod(table.dtype[field].shape)
        if len(names) != width:
            raise DataFileError(file, f"{width} names of columns in {field}", f"{len(names)}")
        places.update({name: (field, at) for at, name in enumerate(names)})
    return places


def pickled_names(file: Path, data: bytes) -> list[str]:
    """The texts of a pickled list of texts, of which nothing is run; of Python 2 or 3.

    Raises:
        DataFileError: damaged, or the pickle holds or does anything else.
    """
    try:
        operations = list(pickletools.genops(data))
    except Exception as error:  # a damaged pickle may raise anything
        raise DataFileError(file, "a pickled list of names", f"one with {error}"[:200]) from error
    if strange := [operation.name for operation, _, _ in operations if operation.name not in _NAMES | _LIST]:
        raise DataFileError(file, "a pickled list of names", f"one with the operation {strange[0]}")
    return [str(name) for operation, name, _ in operations if operation.name in _NAMES]


def _column(file: Path, values: NDArray[Any]) -> Column:
    if values.dtype.kind in "iufb":
        return np.ascontiguousarray(values, dtype=np.float64)
    return _strings(file, values.tolist())


def _strings(file: Path, values: list[Any]) -> list[str]:
    """Texts of an array's cells; None and NaN stand for a missing one."""
    return [_cell(file, value) for value in values]


def _cell(file: Path, value: Any) -> str:
    if isinstance(value, bytes | str):
        return _text(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    raise DataFileError(file, "text in a column of text", f"a {type(value).__name__}")


def _text(value: bytes | str) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


class _Part:
    """Stands for whatever a pickle names: it notes what it is called with and what state it is given."""

    def __init__(self, name: str, args: tuple[Any, ...] = ()) -> None:
        self.name, self.args, self.state = name, args, None

    def __call__(self, *args: Any) -> _Part:
        return _Part(f"{self.name}()", args)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Unpickler(pickle.Unpickler):
    """Gives inert parts for the four allowed names and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _GLOBALS:
            raise pickle.UnpicklingError(f"the name {module}.{name}")
        return _Part(name)


def unpickle_strings(file: Path, data: bytes) -> NDArray[np.object_]:
    """The array of strings, None and NaN in a pickle, of which nothing is run.

    Args:
        file: for messages.

    Raises:
        DataFileError: damaged, or the pickle holds or does anything else.
    """
    expected = "a pickled array of strings"
    if len(data) > _MOST_PICKLED_BYTES:
        raise DataFileError(file, f"{expected} of at most {_MOST_PICKLED_BYTES} bytes", f"{len(data)}")
    try:
        _check_operations(data)
        shape, cells = _array_of(_Unpickler(io.BytesIO(data)).load())
    except Exception as error:  # a damaged pickle may raise anything
        raise DataFileError(file, expected, f"one with {error}"[:200]) from error
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    return values.reshape(shape)


def _check_operations(data: bytes) -> None:
    """Only what writes an array of strings, and no memory asked for that the pickle's length does not warrant."""
    for operation, argument, _ in pickletools.genops(data):
        if operation.name not in _OPERATIONS:
            raise pickle.UnpicklingError(f"the operation {operation.name}")
        if operation.name == "LONG_BINPUT" and int(argument or 0) > len(data):
            raise pickle.UnpicklingError(f"place {argument} in its memory")


def _array_of(array: Any) -> tuple[tuple[int, ...], list[str | float | None]]:
    """Shape and cells of what a pickled object array becomes when its names are inert."""
    if not isinstance(array, _Part) or array.name != "_reconstruct()" or not isinstance(array.state, tuple):
        raise pickle.UnpicklingError("something else")
    _, shape, dtype, _, cells = array.state  # cells in C order, whatever the fourth, the order in memory, says
    if not isinstance(dtype, _Part) or dtype.name != "dtype()" or dtype.args[0] not in ("O8", "O4", "O"):
        raise pickle.UnpicklingError("cells of another kind")
    if not (isinstance(shape, tuple) and isinstance(cells, list) and all(type(n) is int and n >= 0 for n in shape)):
        raise pickle.UnpicklingError("a wrong shape")
    if len(shape) > 2 or math.prod(shape) != len(cells):
        raise pickle.UnpicklingError(f"{len(cells)} cells for the shape {shape}"[:100])
    if not all(cell is None or isinstance(cell, str | float) for cell in cells):
        raise pickle.UnpicklingError("a cell that is no text")
    return shape, cells
