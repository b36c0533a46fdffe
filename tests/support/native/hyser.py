"""Hyser as PhysioNet publishes it: a folder a person and day in each of the five parts, with raw, filtered and force records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from native.wfdb_record import write_record

_BACK = tuple(range(8, 0, -1))
NAMES = tuple(f"{grid}-{row}-{column}" for grid in ("ED", "EP", "FD", "FP") for row in _BACK for column in _BACK)
STEMS = {
    "hyser-1dof": "1dof_{}_finger1_sample1", "hyser-ndof": "ndof_{}_combination1_sample1", "hyser-random": "random_{}_sample1",
    "hyser-mvc": "mvc_{}_finger1_extension",
}  # fmt: skip


def stored(rows: int = 2048, start: int = 0) -> NDArray[np.int16]:
    """Row t of column c is start + t + 10 c."""
    return (start + np.arange(rows)[:, None] + 10 * np.arange(256)).astype(np.int16)


def gains(start: int) -> list[float]:
    """Of another scale in every record."""
    return [2000.0 + start + column for column in range(256)]


def baselines(start: int) -> list[int]:
    """Of another zero in every record."""
    return [column - start for column in range(256)]


def folder(root: Path, part: str, subject: int = 1, session: int = 1) -> Path:
    """Of a person and day, e.g. of "pr"."""
    return root / f"{part}_dataset" / f"subject{subject:02d}_session{session}"


def write_raw(
    path: Path, rows: int = 2048, start: int = 0, *, names: Sequence[str] = NAMES, unit: str = "V", rate_hz: float = 2048
) -> Path:
    """A raw record and beside it its filtered one, whose numbers are others."""
    values = stored(rows, start)
    filtered = path.with_name(path.name.replace("_raw_", "_preprocess_"))
    write_record(filtered, values[:8, :4] * 0, names[:4], unit=unit)
    return write_record(path, values, names, gain=gains(start), baseline=baselines(start), unit=unit, rate_hz=rate_hz)


def write_forces(path: Path, rows: int = 100, fingers: int = 5) -> Path:
    """Force records: row t of finger f is (t + 100 f) / 50."""
    values = (np.arange(rows)[:, None] + 100 * np.arange(fingers)).astype(np.int16)
    return write_record(path, values, [f"finger{f + 1}" for f in range(fingers)], rate_hz=100, unit="V", gain=50.0)


def write_task(root: Path, stem: str, subject: int = 1, session: int = 1, rows: int = 2048) -> Path:
    """A record of one of the parts with forces; `stem` has {} where raw or force stands."""
    place = folder(root, stem.split("_")[0], subject, session)
    write_forces(place / stem.format("force"), max(1, round(rows * 100 / 2048)))
    return write_raw(place / stem.format("raw"), rows)


def write_gestures(
    root: Path, dynamic: Sequence[int], maintenance: Sequence[int], subject: int = 1, session: int = 1, rows: int = 64
) -> Path:
    """The gestures of a person and day with their labels; sample n starts at the value n."""
    place = folder(root, "pr", subject, session)
    place.mkdir(parents=True, exist_ok=True)
    for kind, gestures in (("dynamic", dynamic), ("maintenance", maintenance)):
        for number in range(1, len(gestures) + 1):
            write_raw(place / f"{kind}_raw_sample{number}", rows * (1 if kind == "dynamic" else 4), number)
        (place / f"label_{kind}.txt").write_text(",".join(map(str, gestures)))
    return place


def write_pr(root: Path) -> Path:
    """Two people; the second lacks a gesture and did it in another order."""
    write_gestures(root, (30, 30, 30), (30,), 1, 1, rows=8)
    write_gestures(root, (7,), (7,), 2, 2, rows=8)
    return root


def _write(root: Path, stem: str) -> Path:
    for subject in (1, 2):
        write_task(root, stem, subject, rows=64)
    return root


WRITERS = {
    "hyser-pr": write_pr,
    "hyser-1dof": lambda root: _write(root, STEMS["hyser-1dof"]),
    "hyser-ndof": lambda root: _write(root, STEMS["hyser-ndof"]),
    "hyser-random": lambda root: _write(root, STEMS["hyser-random"]),
    "hyser-mvc": lambda root: _write(root, STEMS["hyser-mvc"]),
}
