"""CSL-HDEMG: 192 electrodes on the upper forearm, 26 gestures of the fingers and idle, five days."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout, sha256_of
from aemg.datasets.files import numeric
from aemg.datasets.formats.mat import open_mat
from aemg.datasets.formats.mat5 import Record
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Interval, Montage, Provenance, Recording

_FILE: Final = re.compile(r"subject(\d+)/session(\d+)/gest(\d+)\.mat")
_PATTERN: Final = "subject[0-9]*/session[0-9]*/gest[0-9]*.mat"
_STORED: Final = 192
_COLUMNS, _ROWS = 24, 7
_COLUMN_DEG: Final = 360.0 / _COLUMNS
# every eighth is the difference between the ends of two columns
_KEPT: Final = np.flatnonzero(np.arange(_STORED) % 8 != 7)
_SHORTEST_S: Final = 1.0
_LABELS: Final = ("rest", *("ring_flexion" if gesture == 11 else f"csl_gesture_{gesture}" for gesture in range(1, 27)))
_GRID: Final = Montage(
    "csl-hdemg",
    (
        ElectrodeGroup(
            "grid",
            tuple(
                Electrode(f"c{column + 1}r{row + 1}", column * _COLUMN_DEG, 0.1 + 0.04 * row)
                for column in range(_COLUMNS)
                for row in range(_ROWS)
            ),
            _COLUMN_DEG,
        ),
    ),
)

INFO: Final = DatasetInfo(
    name="csl-hdemg",
    title="CSL-HDEMG, 26 gestures of the fingers and idle",
    subjects=5,
    channels=len(_KEPT),
    rate_hz=2048.0,
    unit="arbitrary",
    kind="raw",
    labels=_LABELS,
    own_labels=("idle (gest0)", *(f"gest{gesture}" for gesture in range(1, 27))),
    device="array of 192 electrodes read bipolar down its columns, 2048 Hz",
    montage="24 columns of 7 around the upper forearm, 10 mm apart, each channel the difference between an electrode and "
    "the next one down the arm; turned by an unknown angle",
    licence="none stated, ask the authors",
    permissive=False,
    citation="Amma C., Krings T., Boer J., Schultz T., Advancing Muscle-Computer Interfaces with High-Density "
    "Electromyography, CHI 2015, doi:10.1145/2702123.2702501",
    homepage="https://www.uni-bremen.de/en/csl/research/motion-recognition",
    hours=6.0,
    notes=(
        "Every eighth of the 192 stored channels is the difference between two columns' ends and is left out.",
        "Files are channel major, and lengths vary by some milliseconds around three seconds.",
        "Which gesture a number stands for is told in the paper's figure alone; here only idle and 11, the ring finger's "
        "bending, are named, the others are called csl_gesture_1 to csl_gesture_26.",
        "Idle was repeated 30 times, the gestures 10 times a session; a session is a day.",
        "The scale of the samples is not documented.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a gesture's file, one recording a repetition.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="subject<n>/session<m>/gest<k>.mat")
    sources = sorted(path.relative_to(base).as_posix() for path in base.glob(_PATTERN))
    return DatasetReader(INFO, base, tuple(source for source in sources if _FILE.fullmatch(source)), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The repetitions of a gesture in a session, each (168, T) at 2048 Hz with one interval over all of it.

    Raises:
        DataFileError: not a cell array of repetitions of 192 channels and a second or more, or an unknown gesture.
    """
    path = root / source
    match = _FILE.fullmatch(source)
    if match is None or int(match[3]) >= len(_LABELS):
        raise DataFileError(path, f"a name from gest0.mat to gest{len(_LABELS) - 1}.mat", path.name)
    with open_mat(path) as file:
        cells = file.get("gestures")
    if not isinstance(cells, Record) or not cells.parts:
        raise DataFileError(path, "a cell array gestures", type(cells).__name__)
    origin = Provenance(INFO.name, source, sha256_of(path), INFO.licence)
    found = []
    for number, key in enumerate(cells.parts):
        values = numeric(path, f"repetition {key} of gestures", cells.get(key), (_STORED, None))
        if values.shape[1] < _SHORTEST_S * INFO.rate_hz:
            raise DataFileError(path, f"at least {_SHORTEST_S * INFO.rate_hz:.0f} samples", f"{values.shape[1]}")
        found.append(
            Recording(
                signal=np.ascontiguousarray(values[_KEPT], dtype=np.float32),
                rate_hz=INFO.rate_hz,
                montage=_GRID,
                subject=match[1],
                session=match[2],
                provenance=replace(origin, file=f"{source}#{number + 1}"),
                intervals=(Interval(0.0, values.shape[1] / INFO.rate_hz, _LABELS[int(match[3])], number),),
            )
        )
    return found


_STEPS: Final = (
    "Ask for the corpus at http://www.csl.uni-bremen.de/CorpusData/download.php?crps=cslhdemg; links come by mail.",
    "Join the five parts in their order into one zip (cat part_a.zip part_b.zip ... > csl_hdemg.zip) and unpack it.",
)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (Origin("form", INFO.homepage, 12.9, steps=_STEPS),)),)
