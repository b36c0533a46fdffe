"""Frames in HDF5 as pandas' "table" format lays them down through PyTables, attributes as bytes."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

WRITERS: dict[str, object] = {}


def pickled(names: Sequence[str], python: int = 2) -> bytes:
    """A list of names as Python 2 or 3 pickles it in protocol 0."""
    if python == 3:
        return pickle.dumps(list(names), 0)
    return b"(lp1\n" + b"".join(f"S'{name}'\np{at + 2}\na".encode() for at, name in enumerate(names)) + b"."


def write_frame_table(
    path: Path, blocks: Sequence[tuple[Sequence[str], np.ndarray]], index: np.ndarray, python: int = 2, chunk: int = 269
) -> Path:
    """`/data/table`: an index and a field a block of columns (names, values (T, n)) with the names in an attribute."""
    fields = [(f"values_block_{k}", values.dtype, (len(names),)) for k, (names, values) in enumerate(blocks)]
    rows = np.zeros(len(index), [("index", index.dtype), *fields])
    rows["index"] = index
    for k, (_, values) in enumerate(blocks):
        rows[f"values_block_{k}"] = values
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs["CLASS"], file.attrs["PYTABLES_FORMAT_VERSION"] = np.bytes_("GROUP"), np.bytes_("2.1")
        group = file.create_group("data")
        table = {"pandas_type": "frame_table", "table_type": "appendable_frame", "CLASS": "GROUP", "encoding": "UTF-8"}
        for key, value in table.items():
            group.attrs[key] = np.bytes_(value)
        group.attrs["values_cols"] = np.bytes_(pickled([name for name, *_ in fields], python))
        data = group.create_dataset("table", data=rows, chunks=(chunk,), maxshape=(None,), compression=5, shuffle=True)
        data.attrs["CLASS"], data.attrs["VERSION"], data.attrs["NROWS"] = np.bytes_("TABLE"), np.bytes_("2.7"), len(rows)
        data.attrs["index_kind"] = np.bytes_("float")
        for k, (names, values) in enumerate(blocks):
            data.attrs[f"FIELD_{k + 1}_NAME"] = np.bytes_(f"values_block_{k}")
            data.attrs[f"values_block_{k}_kind"] = np.bytes_(pickled(names, python))
            data.attrs[f"values_block_{k}_dtype"] = np.bytes_(values.dtype.name)
    return path
