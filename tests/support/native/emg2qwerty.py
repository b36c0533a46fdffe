"""emg2qwerty: an HDF5 file a session with both wrists, strokes and prompts as JSON, and a table of all sessions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np

ROWS = np.dtype([("emg_right", "<f4", (16,)), ("time", "<f8"), ("emg_left", "<f4", (16,))])
SESSION = "2021-06-02-1622679967-keystrokes-dca-study@1-0efbe614-9ae6-4131-9192-4398359b4f5f"
START = 1622679967.0
KEYSTROKES = [
    {"key": "h", "start": START + 0.05, "end": START + 0.075, "ascii": 104},
    {"key": "Key.shift", "start": START + 0.06, "end": None, "ascii": None},
    {"key": "ä", "start": START + 99.0, "end": START + 99.1, "ascii": 228},
]
PROMPTS = [
    {"name": "text_prompt", "start": START + 0.01, "end": START + 0.15, "payload": {"text": "hi there"}},
    {"name": "break", "start": START + 0.16, "end": START + 0.17, "payload": None},
]


def rows(n: int = 400, gap_before: int | None = None) -> np.ndarray:
    """Sample t of channel c is t + c / 16 at the left, and the same negative at the right."""
    found = np.zeros(n, ROWS)
    t = np.arange(n)
    found["time"] = START + t / 2000
    if gap_before is not None:
        found["time"][gap_before:] += 0.5
    found["emg_left"] = t[:, None] + np.arange(16) / 16
    found["emg_right"] = -found["emg_left"]
    return found


def write_file(root: Path, data: np.ndarray | None = None, *, session: str = SESSION, user: object = "89335547",
               keystrokes: object = KEYSTROKES, prompts: object = PROMPTS, **attributes: object) -> Path:  # fmt: skip
    data = rows() if data is None else data
    told = {
        "session_name": session, "user": user, "condition": "on_keyboard", "duration_mins": len(data) / 120_000,
        "daq_channels": 16, "daq_sample_rate": 2000.0, "schedule": "qwerty", "quality_check_tags": "[]",
        "keystrokes": keystrokes if isinstance(keystrokes, str) else json.dumps(keystrokes),
        "prompts": prompts if isinstance(prompts, str) else json.dumps(prompts),
    }
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{session}.hdf5"
    with h5py.File(path, "w") as file:
        group = file.create_group("emg2qwerty")
        group.create_dataset("timeseries", data=data, compression="gzip")
        for key, value in {**told, **attributes}.items():
            if value is not None:
                group.attrs[key] = value
    return path


def write_table(root: Path, users: dict[str, str]) -> Path:
    path = root / "metadata.csv"
    with path.open("w", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(["session", "user", "duration_mins", "num_keystrokes", "num_prompts"])
        lines.writerows([session, user, 0.1, 3, 1] for session, user in users.items())
    return path


def write_small_set(root: Path) -> Path:
    folder = root / "emg2qwerty-data-2021-08"
    other = SESSION.replace("06-02", "06-03")
    write_file(folder)
    write_file(folder, session=other, user="47900004")
    write_table(folder, {SESSION: "89335547", other: "47900004"})
    return folder


WRITERS = {"emg2qwerty": write_small_set}
