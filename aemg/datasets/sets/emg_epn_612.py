"""EMG-EPN-612: five gestures and rest of 612 people with a Myo, 300 recordings of about five seconds each."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import provenance, read_bytes
from aemg.errors import DataFileError
from aemg.signals import Interval, Provenance, Recording

_LARGEST_BYTES: Final = 64 << 20
_USER: Final = re.compile(r"(training|testing)JSON/(user\d+)/\2\.json")
_PATTERNS: Final = tuple(f"{part}JSON/user[0-9]*/user[0-9]*.json" for part in ("training", "testing"))
_SAMPLE: Final = re.compile(r"idx_(\d{1,6})")
_PARTS: Final = ("trainingSamples", "testingSamples")
_CHANNELS: Final = tuple(f"ch{number}" for number in range(1, 9))
_GESTURES: Final = {
    "noGesture": "rest", "fist": "hand_close", "waveIn": "wrist_flexion", "waveOut": "wrist_extension", "open": "hand_open",
    "pinch": "pinch_grip",
}  # fmt: skip

INFO: Final = DatasetInfo(
    name="emg-epn-612",
    title="EMG-EPN-612, five gestures and rest of 612 people",
    subjects=612,
    channels=8,
    rate_hz=myo.RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=tuple(_GESTURES.values()),
    device=myo.DEVICE,
    montage=myo.MONTAGE,
    licence="not verified: as the record at Zenodo says",
    permissive=False,
    citation="Benalcazar M., Barona L., Valdivieso L., Aguas X., Zea J., EMG-EPN-612 Dataset, Zenodo, 2020, "
    "doi:10.5281/zenodo.4421500",
    homepage="https://zenodo.org/records/4421500",
    own_labels=tuple(_GESTURES),
    hours=255.0,
    notes=(
        "A user is a folder: user1 of trainingJSON and user1 of testingJSON are two people, called training-1 and testing-1.",
        "trainingSamples and testingSamples of a file are the same person: split by subject.",
        "The testingSamples of the people of testingJSON carry no label and are read without intervals.",
        "Gestures are labelled where the authors marked them by hand (groundTruthIndex), about a second of the five; a "
        "gesture without marks, or with marks outside its samples, is labelled from end to end.",
        "Trials count the samples of a label, 25 of the trainingSamples and then 25 of the testingSamples.",
        "One of the first users is empty and has no recordings; samples without any signal are left out.",
        "Values are the Myo's counts from -128 to 127; nothing lies above 100 Hz. Recorded in Ecuador, with mains of 60 Hz.",
        "What the authors noted of a person (userInfo) is never read.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a user's file, one recording a sample.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERNS, name=INFO.name, hint="<training|testing>JSON/user<n>/user<n>.json")
    files = (path.relative_to(base).as_posix() for pattern in _PATTERNS for path in base.glob(pattern))
    return DatasetReader(INFO, base, tuple(sorted(file for file in files if _USER.fullmatch(file))), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The samples of a user: (8, T) counts at 200 Hz, none for the user who is empty.

    Raises:
        DataFileError: not JSON of this layout, counts that are none, channels of different lengths, or an unknown gesture.
    """
    path = root / source
    match = _USER.fullmatch(source)
    if match is None:
        raise DataFileError(path, "<training|testing>JSON/user<n>/user<n>.json", source)
    data = read_bytes(path, most=_LARGEST_BYTES)
    user = _parse(path, data)
    subject = f"{match[1]}-{match[2].removeprefix('user')}"
    origin = provenance(INFO, root, path, data)
    counted: Counter[str] = Counter()
    recordings = []
    for part in _PARTS:
        for at, sample in _samples(path, user, part):
            counts = _counts(path, at, sample["emg"])
            label = _label(path, at, sample.get("gestureName"))
            intervals: tuple[Interval, ...] = ()
            if label is not None:
                start, end = _marked(path, at, sample.get("groundTruthIndex"), counts.shape[1])
                intervals = (Interval(start / INFO.rate_hz, end / INFO.rate_hz, label, counted[label]),)
                counted[label] += 1
            recordings.append(
                Recording(
                    signal=counts,
                    rate_hz=INFO.rate_hz,
                    montage=myo.RING,
                    subject=subject,
                    session="1",
                    provenance=Provenance(origin.dataset, f"{origin.file}#{at}", origin.sha256, origin.licence),
                    intervals=intervals,
                )
            )
    return recordings


def _parse(path: Path, data: bytes) -> dict[str, Any]:
    try:
        user = json.loads(data)
    except (ValueError, RecursionError, MemoryError) as error:
        raise DataFileError(path, "a JSON file", f"{type(error).__name__}: {str(error)[:80]}") from error
    if not isinstance(user, dict):
        raise DataFileError(path, "a JSON object", type(user).__name__)
    return user


def _samples(path: Path, user: dict[str, Any], part: str) -> list[tuple[str, dict[str, Any]]]:
    """Place and content of a part's samples that hold any signal, in order; MATLAB writes an empty struct as []."""
    samples = user.get(part) or {}
    if not isinstance(samples, dict) or not all(_SAMPLE.fullmatch(name) for name in samples):
        raise DataFileError(path, f"samples idx_1, idx_2, ... in {part}", f"a {type(samples).__name__} of others")
    found = []
    for name in sorted(samples, key=lambda name: int(name.removeprefix("idx_"))):
        sample = samples[name]
        if not isinstance(sample, dict):
            raise DataFileError(path, f"an object in {part}.{name}", type(sample).__name__)
        emg = sample.get("emg")
        if emg and not (isinstance(emg, dict) and all(channel == [] for channel in emg.values())):
            found.append((f"{part}.{name}", sample))
    return found


def _counts(path: Path, at: str, emg: object) -> NDArray[np.float32]:
    if not isinstance(emg, dict) or not all(isinstance(emg.get(channel), list) for channel in _CHANNELS):
        raise DataFileError(path, f"{at}.emg with the lists {', '.join(_CHANNELS)}", type(emg).__name__)
    lengths = sorted({len(emg[channel]) for channel in _CHANNELS})
    if len(lengths) != 1 or lengths[0] == 0:
        raise DataFileError(path, f"channels of one length in {at}", f"lengths {', '.join(map(str, lengths))}")
    try:
        values = np.array([emg[channel] for channel in _CHANNELS])
    except ValueError as error:
        raise DataFileError(path, f"whole numbers in {at}", "nested lists") from error
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise DataFileError(path, f"whole numbers in {at}", f"{values.dtype.name} of {values.ndim} dimensions")
    if not ((values >= -128) & (values <= 127)).all() or (values != np.rint(values)).any():
        raise DataFileError(path, f"whole numbers from -128 to 127 in {at}", f"{values.min():g} to {values.max():g}")
    return values.astype(np.float32)


def _label(path: Path, at: str, gesture: object) -> str | None:
    if gesture is None:
        return None
    if not isinstance(gesture, str) or gesture not in _GESTURES:
        raise DataFileError(path, f"one of {', '.join(_GESTURES)} in {at}", str(gesture)[:40])
    return _GESTURES[gesture]


def _marked(path: Path, at: str, marks: object, length: int) -> tuple[int, int]:
    """First sample and one past the last: marks count from 1 and include the last, all samples where they mark none."""
    if marks is None or marks == []:
        return 0, length
    if not isinstance(marks, list) or len(marks) != 2 or not all(type(mark) is int for mark in marks):
        raise DataFileError(path, f"two whole numbers in {at}.groundTruthIndex", str(marks)[:40])
    start, end = max(marks[0], 1) - 1, min(marks[1], length)
    return (start, end) if start < end else (0, length)


ORIGIN: Final = Origin("zenodo", "4421500", size_gb=4.0)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
