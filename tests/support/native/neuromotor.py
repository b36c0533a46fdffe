"""Files of the generic neuromotor interface as PyTables and pandas write them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import h5py
import numpy as np

from aemg.datasets.formats.neuromotor_file import GesturePrompt, Stage, TextPrompt

TEXT_COLUMNS = {"name", "prompt", "posture"}
COLUMNS = {
    ("discrete_gestures", "stages"): ("start", "end", "name"),
    ("handwriting", "stages"): ("start", "end", "name", "posture"),
    ("wrist", "stages"): ("start", "end", "name"),
    ("discrete_gestures", "prompts"): ("name", "time"),
    ("handwriting", "prompts"): ("prompt", "start", "end"),
}


def write_frame(file: h5py.File, name: str, columns: dict[str, list], layout: str = "pandas2") -> None:
    """A table as pandas writes it: text in one block of pickled objects (pandas2) or in a block a column (pandas3).

    "bytes" keeps text in plain arrays of fixed length instead.
    """
    kinds = {"pandas_type": "frame", "pandas_version": "0.15.2", "encoding": "UTF-8", "errors": "strict"}
    group = file.create_group(name)
    texts = [key for key in columns if key in TEXT_COLUMNS]
    numbers = [key for key in columns if key not in TEXT_COLUMNS]
    blocks = [numbers, *([[key] for key in texts] if layout == "pandas3" else [texts])]
    rows = len(columns[numbers[0]])
    for key, value in {**kinds, "CLASS": "GROUP"}.items():
        group.attrs[key] = np.bytes_(value)
    group.attrs["ndim"], group.attrs["nblocks"] = np.int64(2), np.int64(len(blocks))
    group["axis0"] = np.array(list(columns), dtype="S")
    put_array(group, "axis1", np.arange(rows, dtype=np.int64))
    for k, keys in enumerate(blocks):
        group[f"block{k}_items"] = np.array(keys, dtype="S")
        values = np.array([columns[key] for key in keys], dtype=object).T
        if keys == numbers:
            put_array(group, f"block{k}_values", values.astype(np.float64))
        elif layout == "bytes":
            put_array(group, f"block{k}_values", np.char.encode(values.astype(str), "utf-8"))
        else:
            pickled = pickle.dumps(values[:, 0] if layout == "pandas3" else values, protocol=5)
            kind = {"dtype": h5py.vlen_dtype(np.uint8), "chunks": (1,), "maxshape": (None,)}
            block = group.create_dataset(f"block{k}_values", (1,), **kind)
            block[0] = np.frombuffer(pickled, np.uint8)
            block.attrs["CLASS"], block.attrs["PSEUDOATOM"] = np.bytes_("VLARRAY"), np.bytes_("object")
            block.attrs["transposed"] = np.uint8(1)
            if layout == "pandas3":
                block.attrs["value_type"] = np.bytes_("str")


def put_array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """An array as PyTables writes it; of an empty one pandas keeps a placeholder and tells its shape apart."""
    group[name] = values if values.size else np.zeros((1,) * values.ndim)
    group[name].attrs["CLASS"], group[name].attrs["transposed"] = np.bytes_("ARRAY"), np.uint8(1)
    if not values.size:
        group[name].attrs["shape"] = np.bytes_(pickle.dumps(values.shape, protocol=0))


def write_neuromotor_file(
    path: Path, task: str, emg: np.ndarray, times: np.ndarray, stages: Sequence | None, prompts: Sequence | None,
    wrist_angles: np.ndarray | None = None, string_layout: str = "pandas2",
    fields: Sequence[str] = ("emg", "time", "wrist_angles"), compression: str | None = None,
) -> Path:  # fmt: skip
    """Writes a session: emg (n, 16), times (n,), wrist_angles (n, 2); stages and prompts are lists of the reader's dataclasses,
    or None for no such table."""
    values = {"emg": emg.astype("<f4"), "time": np.asarray(times, "<f8")}
    if wrist_angles is not None:
        values["wrist_angles"] = wrist_angles.astype("<f4")
    dtype = [(key, values[key].dtype, values[key].shape[1:]) for key in fields if key in values]
    rows = np.empty(len(times), dtype)
    for key, value in values.items():
        rows[key] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("data", data=rows, compression=compression).attrs["task"] = task
        for name, table in (("stages", stages), ("prompts", prompts)):
            if table is not None:
                lines = [asdict(line) for line in table]
                columns = {key: [line[key] for line in lines] for key in COLUMNS[task, name]}
                write_frame(file, name, columns, string_layout)
    return path


def meta(root: Path, task: str, rows: int = 200) -> Path:
    """Sample t of channel c is t + c / 16; a stage over all rows, a prompt at row 20 (until row 60)."""
    times = 1.7e9 + np.arange(rows) / 2000
    prompts = {
        "discrete_gestures": [GesturePrompt("thumb_in", times[20])],
        "handwriting": [TextPrompt("hi", times[20], times[60])],
        "wrist": None,
    }
    angles = np.column_stack([np.linspace(0, 1, rows), np.linspace(0, -1, rows)]) if task == "wrist" else None
    return write_neuromotor_file(
        root / f"{task}_user_003_dataset_000.hdf5", task, np.arange(rows)[:, None] + np.arange(16) / 16, times,
        [Stage("still", times[0], times[-1], "standing")], prompts[task], angles,
    )


META_TASKS = {"meta-gestures": "discrete_gestures", "meta-handwriting": "handwriting", "meta-wrist": "wrist"}


def of_task(task: str) -> Callable[[Path], Path]:
    def written(root: Path) -> Path:
        return meta(root, task).parent

    return written


WRITERS = {name: of_task(task) for name, task in META_TASKS.items()}
