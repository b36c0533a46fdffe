"""flexEMG: a flexible 16 x 4 electrode array round the forearm, four gestures a trial in the order a file tells."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, provenance, read_bytes
from aemg.datasets.formats.mat5 import Record, parse_mat
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Recording, grid

_AROUND: Final = 16
_ALONG: Final = 4
_COLUMNS: Final = 96
_CLOSING_ROWS: Final = 3000
_REACTION_S: Final = 0.5
_TEST_TRIALS_FROM: Final = 100
_FOLDER: Final = re.compile(r"(\d{3})-(?:Session)?(\w+?)(Train|Test)?")
_PATTERN: Final = "[0-9][0-9][0-9]-*/[0-9][0-9][0-9]-[0-9][0-9][0-9].mat"
_LABELS: Final = {"Fist": "hand_close", "Raise": "wrist_extension", "Lower": "wrist_flexion", "Open": "hand_open"}
_GRID: Final[Montage] = grid(
    "flexemg", _ALONG, _AROUND, column_deg=360.0 / _AROUND, row_positions=(0.16, 0.24, 0.32, 0.40)
)

INFO: Final = DatasetInfo(
    name="flexemg",
    title="flexEMG, 64-channel flexible array, 4 gestures and rest",
    subjects=3,
    channels=64,
    rate_hz=1000.0,
    unit="V",
    kind="raw",
    labels=("rest", *_LABELS.values()),
    device="flexible 16 x 4 electrode array, 1000 Hz, 3.05 uV a count",
    montage="grid of 4 rows along and 16 columns round the forearm, turned by an unknown angle",
    licence="GPL-3.0",
    permissive=False,
    citation="Moin A. et al., An EMG Gesture Recognition System with Flexible High-Density Sensors and Brain-Inspired "
    "High-Dimensional Classifier, IEEE ISCAS 2018",
    homepage="https://github.com/a-moin/flexemg",
    notes=(
        "The order of the gestures differs from trial to trial and is read from each file.",
        "Every channel's offset (its median) is subtracted.",
        "Files whose columns 65-96 are not zero suffered a packet fault and are refused.",
        "Which end of the array lay nearer the elbow is not documented; its first column is taken as the proximal one.",
        "Raise and Lower are taken as wrist extension and flexion.",
        f"Trials of a test folder are numbered from {_TEST_TRIALS_FROM}.",
    ),
    tested="real files",
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a trial's file, read to one recording.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="<subject>-<session><Train|Test>/<subject>-<trial>.mat")
    sources = sorted(p.relative_to(base).as_posix() for p in base.glob(_PATTERN) if _FOLDER.fullmatch(p.parent.name))
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """A trial: (64, 28000) volts at 1000 Hz, channels row by row of the montage.

    Raises:
        DataFileError: not a sound trial, a packet fault, or arraymap.mat missing or damaged.
    """
    path = root / source
    match = _FOLDER.fullmatch(path.parent.name)
    if match is None:
        raise DataFileError(path, "a folder <subject>-<session><Train|Test>", path.parent.name)
    data = read_bytes(path)
    content = parse_mat(path, data, "raw", "p")
    trial = int(path.stem.split("-")[1]) - 1 + (_TEST_TRIALS_FROM if match[3] == "Test" else 0)
    parameters = content["p"]
    if not isinstance(parameters, Record):
        raise DataFileError(path, "a struct p", type(parameters).__name__)
    intervals, rows = _protocol(path, parameters, trial)
    counts = _counts(root, path, content["raw"], rows)
    return [
        Recording(
            signal=channels_first(counts - np.median(counts, axis=0), parameters.number("lsbmV") / 1000.0),
            rate_hz=INFO.rate_hz,
            montage=_GRID,
            subject=match[1],
            session=match[2],
            provenance=provenance(INFO, root, path, data),
            unit="V",
            intervals=intervals,
        )
    ]


def _protocol(path: Path, parameters: Record, trial: int) -> tuple[tuple[Interval, ...], int]:
    """The labelled intervals that the file's parameters tell, and how many rows they make."""
    names = parameters.words("labelnames")
    sequence = numeric(path, "sequence", parameters.get("sequence"), (1, len(names))).ravel()
    if any(name not in _LABELS for name in names) or sorted(sequence.tolist()) != list(range(1, len(names) + 1)):
        raise DataFileError(path, f"each of {', '.join(_LABELS)} once in p.sequence", f"{sequence.tolist()} of {names}")
    rest, gesture = (parameters.number(name) / INFO.rate_hz for name in ("timerest", "timegest"))
    if gesture <= _REACTION_S:
        raise DataFileError(path, f"gestures longer than {_REACTION_S} s", f"{gesture:g} s")
    found = [Interval(0.0, rest, "rest", trial)]
    for place, code in enumerate(sequence.astype(int)):
        start = rest + place * gesture
        found.append(Interval(start + _REACTION_S, start + gesture, _LABELS[names[code - 1]], trial))
    return tuple(found), round((rest + len(sequence) * gesture) * INFO.rate_hz) + _CLOSING_ROWS


def _counts(root: Path, path: Path, raw: object, rows: int) -> NDArray[np.float64]:
    """(rows, 64) counts in the montage's order of channels."""
    table = numeric(path, "raw", raw, (rows, _COLUMNS))
    if table[:, _AROUND * _ALONG :].any():
        raise DataFileError(path, "zeros in columns 65 to 96 of raw", "other values: packets were lost")
    return table[:, _electrode_columns(root)].astype(np.float64)


def _electrode_columns(root: Path) -> NDArray[np.intp]:
    """The raw column of every channel of the montage, from arraymap.mat in or beside the folder of trials."""
    inside, beside = root / "arraymap.mat", root.parent / "arraymap.mat"
    path = inside if inside.is_file() else beside
    placed = parse_mat(path, read_bytes(path), "arraymap")["arraymap"]
    placed = numeric(path, "arraymap", placed, (_AROUND, _ALONG))
    if sorted(placed.ravel().tolist()) != list(range(1, _AROUND * _ALONG + 1)):
        raise DataFileError(path, "each of the columns 1 to 64 once", "others")
    return placed.T.ravel().astype(np.intp) - 1


ORIGIN: Final = Origin("github", "a-moin/flexemg@8ce40c5", files=("data/*", "arraymap.mat"))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
