"""Writes a session in the file layout of Meta's generic neuromotor interface, e.g. from own recordings or a simulator."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.datasets.formats.neuromotor_file import GesturePrompt, Stage, Task, TextPrompt

_GROUP = {
    "CLASS": b"GROUP", "TITLE": b"", "VERSION": b"1.0", "axis0_variety": b"regular", "axis1_variety": b"regular",
    "encoding": b"UTF-8", "errors": b"strict", "ndim": 2, "pandas_type": b"frame", "pandas_version": b"0.15.2",
}  # fmt: skip
_ARRAY = {"CLASS": b"ARRAY", "FLAVOR": b"numpy", "TITLE": b"", "VERSION": b"2.4", "transposed": np.uint8(1)}
_OBJECTS = {"CLASS": b"VLARRAY", "PSEUDOATOM": b"object", "TITLE": b"", "VERSION": b"1.4", "transposed": np.uint8(1)}
_CHUNK_ROWS = 4000
_PROTOCOL = 4  # the last that every supported Python and numpy reads


def write_neuromotor_file(
    path: str | Path,
    task: Task,
    emg: NDArray[np.float32],
    times_s: NDArray[np.float64],
    stages: Sequence[Stage],
    prompts: Sequence[GesturePrompt] | Sequence[TextPrompt] = (),
    wrist_angles: NDArray[np.float32] | None = None,
) -> None:
    """Writes one file; pandas reads its tables too.

    Args:
        emg: (N, 16) in units of the noise level.
        times_s: (N,) unix seconds, not decreasing.
        prompts: none for the wrist task.
        wrist_angles: (N, 2) in radians, for the wrist task.

    Raises:
        OSError: the file cannot be written.
    """
    kinds: list[Any] = [("emg", "<f4", (emg.shape[1],)), ("time", "<f8")]
    if wrist_angles is not None:
        kinds.append(("wrist_angles", "<f4", (2,)))
    rows = np.empty(len(emg), np.dtype(kinds))
    rows["emg"], rows["time"] = emg, times_s
    if wrist_angles is not None:
        rows["wrist_angles"] = wrist_angles
    with h5py.File(path, "w") as file:
        chunk = (min(_CHUNK_ROWS, max(len(rows), 1)),)
        file.create_dataset("data", data=rows, chunks=chunk, compression="gzip", compression_opts=1, shuffle=True)
        file["data"].attrs["task"] = task
        stage_fields = [f.name for f in fields(Stage) if f.name != "posture" or task == "handwriting"]
        _write_table(file, "stages", stage_fields, [astuple(stage)[: len(stage_fields)] for stage in stages])
        if task != "wrist":
            kind = GesturePrompt if task == "discrete_gestures" else TextPrompt
            _write_table(file, "prompts", [f.name for f in fields(kind)], [astuple(prompt) for prompt in prompts])


def _write_table(file: Any, name: str, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
    """A table as pandas lays out a fixed frame: one block of numbers, and one pickled block of texts."""
    group = file.create_group(name)
    text = [c for c in columns if c in ("name", "prompt", "posture")]
    numbers = [c for c in columns if c not in text]
    for key, value in _GROUP.items():
        group.attrs[key] = np.bytes_(value) if isinstance(value, bytes) else value
    group.attrs["nblocks"] = 2
    _write_array(group, "axis0", np.array(columns, "S"), "string")
    _write_array(group, "axis1", np.arange(len(rows)), "integer")
    for k, block in enumerate((numbers, text)):
        group.attrs[f"block{k}_items_variety"] = b"regular"
        _write_array(group, f"block{k}_items", np.array(block, "S"), "string")
    by_column = dict(zip(columns, zip(*rows))) if rows else dict.fromkeys(columns, ())
    _write_array(group, "block0_values", np.array([by_column[c] for c in numbers], np.float64).T.copy(), None)
    texts = np.array([by_column[c] for c in text], dtype=object).T
    raw = np.frombuffer(pickle.dumps(texts, _PROTOCOL), np.uint8)
    values = group.create_dataset("block1_values", (1,), h5py.vlen_dtype(np.uint8), maxshape=(None,), chunks=(1,))
    values[0] = raw
    _describe(values, _OBJECTS)


def _write_array(group: Any, name: str, values: NDArray[Any], kind: str | None) -> None:
    array = group.create_dataset(name, data=values)
    _describe(array, _ARRAY)
    if kind is not None:
        array.attrs["kind"], array.attrs["name"] = np.bytes_(kind), np.bytes_("N.")


def _describe(dataset: Any, attributes: dict[str, Any]) -> None:
    for key, value in attributes.items():
        dataset.attrs[key] = np.bytes_(value) if isinstance(value, bytes) else value
