"""myo-readings-dataset: seven wrist gestures on a Myo, a minute each in turns of five seconds with pauses."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, parse_table, provenance, read_bytes, runs
from aemg.errors import DataFileError
from aemg.signals import Interval, Recording

_SESSION: Final = re.compile(r"(.+)-(\d+)")
_FOLDERS: Final = {"_readings_right_hand": "right", "_readings_left_hand": "left"}
_OWN: Final = {
    "rest": "0 between gestures", "wrist_flexion": "1 flexion", "wrist_extension": "2 extension",
    "radial_deviation": "3 radial deviation", "ulnar_deviation": "4 ulnar deviation", "pronation": "5 pronation",
    "supination": "6 supination", "hand_close": "7 fist", "hibernation": "0 in 0.txt",
}  # fmt: skip
_GESTURES: Final = tuple(_OWN)[:8]
_UNKNOWN: Final = 8
_TRIALS_A_FILE: Final = 1000
_POLLED: Final = (0.1, 0.5)  # share of rows that repeat the one before them in files whose recorder asked too often

INFO: Final = DatasetInfo(
    name="myo-readings",
    title="myo-readings-dataset, 7 wrist gestures and hibernation",
    subjects=25,
    channels=8,
    rate_hz=myo.RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=tuple(_OWN),
    own_labels=tuple(_OWN.values()),
    device=myo.DEVICE,
    montage=f"{myo.MONTAGE}, on the thickest part of the forearm with the LED towards the back of the hand",
    licence="MIT",
    permissive=True,
    citation="Francic A., myo-readings-dataset, GitHub, 2021, https://github.com/aljazfrancic/myo-readings-dataset",
    homepage="https://github.com/aljazfrancic/myo-readings-dataset",
    hours=9.8,
    notes=(
        "A folder is a session, <person>-<number>, below _readings_right_hand or _readings_left_hand; a file is a minute of "
        "one gesture, 8 counts from -128 to 127 and the label in every line.",
        "0.txt holds slight movements of every kind that the authors want ignored: it is called hibernation, and rest is only "
        "what lies between gestures.",
        "Labels follow a clock of 5 s, not the hand: reaction times are in them.",
        "Some sessions have an 8.txt, which nothing explains: its samples are read, its stretches of 8 stay without label.",
        "Some recorders asked the armband 250 times a second: in their files every fifth row repeats the one before it. Such "
        "rows are dropped where they are 10 to 50 % of a file, after which a minute has its 12,000 samples again.",
        "Quality varies, and the list of good sessions in the repository (curated.txt) is out of date.",
        "The numbers of people and hours are estimates from some 590 files: persons name their folders themselves, and the set "
        "grows.",
        "The armband's turn is controlled by the LED, but where its channels then sit is not documented: angles are unknown.",
    ),
)  # fmt: skip


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a session's folder, one recording a file.

    Raises:
        AEMGError: the layout is not found.
    """
    patterns = tuple(f"{folder}/*-*/[0-8].txt" for folder in _FOLDERS)
    base = find_layout(root, patterns, name=INFO.name, hint="_readings_<side>_hand/<person>-<session>/<label>.txt")
    folders = {path.parent for pattern in patterns for path in base.glob(pattern) if _SESSION.fullmatch(path.parent.name)}
    return DatasetReader(INFO, base, tuple(sorted(path.relative_to(base).as_posix() for path in folders)), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The files of a session, each (8, T) counts at 200 Hz with its gesture and its pauses as intervals.

    Raises:
        DataFileError: not 8 counts and a label of the set in every line.
    """
    return [_read(root, path, source) for path in sorted((root / source).glob("[0-8].txt"))]


def _read(root: Path, path: Path, source: str) -> Recording:
    data = read_bytes(path)
    table = _without_repeats(parse_table(path, data, INFO.channels + 1))
    counts, codes = table[:, :-1], table[:, -1]
    if counts.min() < -128 or counts.max() > 127:
        raise DataFileError(path, "counts from -128 to 127", f"{counts.min():g} to {counts.max():g}")
    if not np.isin(codes, range(_UNKNOWN + 1)).all():
        odd = codes[~np.isin(codes, range(_UNKNOWN + 1))][0]
        raise DataFileError(path, f"labels from 0 to {_UNKNOWN}", f"{odd:g}")
    folder, session = source.split("/")
    side = _FOLDERS[folder]
    person, number = session.rsplit("-", 1)
    labels = ("hibernation" if path.stem == "0" else "rest", *_GESTURES[1:])
    first = int(path.stem) * _TRIALS_A_FILE
    stretches = [stretch for stretch in runs(codes.astype(int)) if stretch[2] < _UNKNOWN]
    return Recording(
        signal=channels_first(counts),
        rate_hz=INFO.rate_hz,
        montage=replace(myo.RING, arm="left" if side == "left" else "right"),
        subject=person,
        session=f"{side}-{number}",
        provenance=provenance(INFO, root, path, data),
        intervals=tuple(
            Interval(start / INFO.rate_hz, end / INFO.rate_hz, labels[code], first + trial)
            for trial, (start, end, code) in enumerate(stretches)
        ),
    )


def _without_repeats(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows (T, 9) without those that only say again what the armband had last sent."""
    repeats = np.append(False, (np.diff(table[:, :-1], axis=0) == 0).all(axis=1))
    return table[~repeats] if _POLLED[0] < repeats.mean() < _POLLED[1] else table


ORIGIN: Final = Origin("github", "aljazfrancic/myo-readings-dataset@main", size_gb=0.2, files=("_readings_*_hand/*/*.txt",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
