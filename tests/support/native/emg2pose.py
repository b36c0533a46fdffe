"""emg2pose: an HDF5 file a hand and stage, a table of all of them, and the tar that they are published in."""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

ROWS = np.dtype([("time", "<f8"), ("joint_angles", "<f4", (20,)), ("emg", "<f4", (16,))])
SESSION = "2022-12-06-1670313600-e3096-cv-emg-pose-train@2"
COLUMNS = (
    "session", "user", "stage", "start", "end", "side", "filename", "moving_hand", "held_out_user", "held_out_stage", "split",
    "generalization",
)


def rows(n: int = 400, failed: Sequence[int] = (), gap_before: int | None = None) -> np.ndarray:
    """Sample t of channel c is t + c / 16, angle d is 0.01 (d + 1) + t / 1000; zeros in `failed`; a stamp every 0.5 ms."""
    found = np.zeros(n, ROWS)
    t = np.arange(n)
    found["time"] = 1670313600.0 + t / 2000
    if gap_before is not None:
        found["time"][gap_before:] += 0.5
    found["emg"] = t[:, None] + np.arange(16) / 16
    found["joint_angles"] = 0.01 * np.arange(1, 21) + t[:, None] / 1000
    found["joint_angles"][list(failed)] = 0.0
    return found


def name_of(recording: int = 1, side: str = "left", session: str = SESSION) -> str:
    return f"{session}-recording-{recording}_{side}"


def write_file(root: Path, data: np.ndarray | None = None, *, recording: int = 1, side: str = "left", user: str = "d387095792",
               session: str = SESSION, compression: str | None = "gzip", **attributes: object) -> Path:  # fmt: skip
    data = rows() if data is None else data
    told = {
        "session": f"{session}-recording-{recording}", "user": user, "stage": "FingerPinches1", "side": side,
        "start": 1670313600.0, "end": 1670313660.0, "num_channels": 16, "sample_rate": 2000.0, "dataset": "emg2pose",
        "moving_hand": "both", "held_out_user": False, "held_out_stage": False, "split": "train", "generalization": "",
    }
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{name_of(recording, side, session)}.hdf5"
    with h5py.File(path, "w") as file:
        group = file.create_group("emg2pose")
        group.create_dataset("timeseries", data=data, compression=compression)
        for key, value in {**told, **attributes}.items():
            if value is not None:
                group.attrs[key] = value
    return path


def write_table(root: Path, users: dict[str, str], name: str = "metadata.csv") -> Path:
    """A line a recording, given by its file's name without ending."""
    path = root / name
    with path.open("w", newline="") as file:
        lines = csv.DictWriter(file, COLUMNS, restval="x")
        lines.writeheader()
        for filename, user in users.items():
            lines.writerow({"filename": filename, "user": user})
    return path


def write_small_set(root: Path) -> Path:
    folder = root / "emg2pose_dataset_mini"
    write_file(folder, rows(failed=range(100, 120)))
    write_file(folder, side="right")
    write_file(folder, recording=2, user="0a2b", stage="CountingUpDownFaceSideAway")
    (folder / f"._{name_of()}.hdf5").write_bytes(b"\0\5\x16\7" + b"Mac OS X        ")
    write_table(folder, {name_of(): "d387095792", name_of(side="right"): "d387095792", name_of(2): "0a2b"})
    return folder


def write_tar(root: Path, mode: str = "w") -> Path:
    """The small set as its uncompressed tar, resource forks of a Mac beside the files."""
    folder = write_small_set(root / "unpacked")
    (root / "packed").mkdir(parents=True, exist_ok=True)
    path = root / "packed" / "emg2pose_dataset_mini.tar"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder, folder.name)
    return path


WRITERS = {"emg2pose": write_small_set}
