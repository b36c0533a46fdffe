"""CapgMyo: 128 electrodes around the forearm, held gestures of the hand and fingers, one second a trial."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, provenance, read_bytes
from aemg.datasets.formats.mat5 import parse_mat
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Interval, Montage, Recording

_FILE: Final = re.compile(r"(\d{3})-(\d{3})-(\d{3})\.mat")
_GLOB: Final = "[0-9][0-9][0-9]-[0-9][0-9][0-9]-[0-9][0-9][0-9].mat"
_ROWS: Final = 1000
_FULL_SCALE_V: Final = 2.5e-3
_MAXIMAL: Final = (100, 101)
_COLUMNS, _ROWS_A_COLUMN = 16, 8
_COLUMN_DEG: Final = 360.0 / _COLUMNS
_EXTENSOR_DIGITORUM_DEG: Final = 270.0
# columns around the limb, one after the other, each from the elbow down: 10.05 mm of a forearm of 250 mm a row
_GRID: Final = Montage(
    "capgmyo",
    (
        ElectrodeGroup(
            "grid",
            tuple(
                Electrode(
                    f"c{column + 1}r{row + 1}",
                    (_EXTENSOR_DIGITORUM_DEG + column * _COLUMN_DEG) % 360.0,
                    0.05 + 0.04 * row,
                )
                for column in range(_COLUMNS)
                for row in range(_ROWS_A_COLUMN)
            ),
            _COLUMN_DEG,
        ),
    ),
    angle_known=True,
    arm="right",
)

INFO_A: Final = DatasetInfo(
    name="capgmyo-dba",
    title="CapgMyo DB-a, 8 gestures",
    subjects=18,
    channels=128,
    rate_hz=1000.0,
    unit="V",
    kind="raw",
    labels=(
        "thumb_up", "two_fingers", "ring_little_flexion", "thumb_little_opposition", "fingers_abduction", "hand_close",
        "pointing", "fingers_adduction",
    ),
    own_labels=(
        "Thumb up", "Extension of index and middle, flexion of the others",
        "Flexion of ring and little finger, extension of the others", "Thumb opposing base of little finger",
        "Abduction of all fingers", "Fingers flexed together in fist", "Pointing index", "Adduction of extended fingers",
    ),
    device="8 modules of 8 x 2 differential electrodes, 1000 Hz, 16 bits, 20-380 Hz",
    montage="8 x 16 around the right forearm at the height of the radio-humeral joint, the first module on the extensor "
    "digitorum, the others clockwise from the wearer's view, 10 mm apart along the limb",
    licence="none stated",
    permissive=False,
    citation="Du Y., Jin W., Wei W., Hu Y., Geng W., Surface EMG-Based Inter-Session Gesture Recognition Enhanced by Deep "
    "Domain Adaptation, Sensors 17(3):458, 2017, doi:10.3390/s17030458",
    homepage="https://zju-capg.org/research_en_electro_capgmyo.html",
    hours=0.4,
    notes=(
        "The three sets have the same names of files and are told apart by folders whose name contains dba, dbb or dbc.",
        "Values run from -1 to 1 for -2.5 to 2.5 mV and are turned into volts; they are already band-passed to 20-380 Hz.",
        "Column i of a file is electrode (i // 8, i mod 8): eight along the limb, then the next around it; which end comes "
        "first is not documented, and the elbow's is assumed.",
        "The three sets were recorded from 23 people together and share people under other numbers: never take two for disjoint.",
        "Gestures 100 and 101 are maximal contractions for scaling; they are read without a label.",
        "A trial is the middle second of a held gesture; there is no rest.",
        "A mirror of DB-a on figshare (7210397) is under CC-BY-4.0; the authors' own page states no licence.",
    ),
)  # fmt: skip
INFO_B: Final = replace(
    INFO_A, name="capgmyo-dbb", title="CapgMyo DB-b, 8 gestures in two sessions", subjects=10,
    notes=(
        "The 20 numbers in the names of files are 10 people in two sessions, a week apart or more: 1 and 2 are the first "
        "person's, 3 and 4 the second's.",
        *INFO_A.notes[:-1],
    ),
)  # fmt: skip
INFO_C: Final = replace(
    INFO_A, name="capgmyo-dbc", title="CapgMyo DB-c, 12 movements of the fingers", subjects=10, hours=0.33,
    labels=(
        "index_flexion", "index_extension", "middle_flexion", "middle_extension", "ring_flexion", "ring_extension",
        "little_flexion", "little_extension", "thumb_adduction", "thumb_abduction", "thumb_flexion", "thumb_extension",
    ),
    own_labels=(
        "Index flexion", "Index extension", "Middle flexion", "Middle extension", "Ring flexion", "Ring extension",
        "Little finger flexion", "Little finger extension", "Thumb adduction", "Thumb abduction", "Thumb flexion",
        "Thumb extension",
    ),
    notes=INFO_A.notes[:-1],
)  # fmt: skip


def _open(info: DatasetInfo) -> Callable[[str | Path], DatasetReader]:
    """How to open one of the three at a root; a source is a number of a person or session, one recording a trial."""
    return partial(open_set, info=info)


def open_set(root: str | Path, *, info: DatasetInfo) -> DatasetReader:
    """One of the sets at `root`; a source is a number in the names of files, one recording a trial.

    Raises:
        AEMGError: the layout is not found.
    """
    letters = info.name.removeprefix("capgmyo-")
    hint = f"*{letters}*/<person>-<gesture>-<trial>.mat"
    base = find_layout(root, _patterns(letters, Path(root)), name=info.name, hint=hint)
    sources = sorted({path.name.split("-")[0] for path in _files(base, letters)})
    return DatasetReader(info, base, tuple(sources), partial(read_source, info=info), partial(_bytes, letters=letters))


def _bytes(root: Path, source: str, *, letters: str) -> int:
    return sum(path.stat().st_size for path in _files(root, letters) if path.name.startswith(f"{source}-"))


def _patterns(letters: str, folder: Path) -> tuple[str, ...]:
    """Where the files of a set lie in a folder: in those named after the set, or in this one where it is."""
    named = "", "*/"
    below = f"*{letters}*/", f"*{letters}*/*/"
    return tuple(f"{place}{_GLOB}" for place in (*below, *(named if letters in folder.name.lower() else ())))


def _files(base: Path, letters: str) -> list[Path]:
    """The files of a set by their names."""
    found = {path for pattern in _patterns(letters, base) for path in base.glob(pattern)}
    return sorted(found, key=lambda path: (path.name, path))


def read_source(root: Path, source: str, *, info: DatasetInfo) -> list[Recording]:
    """The trials of a person and session, each (128, 1000) volts at 1000 Hz.

    Raises:
        DataFileError: a file does not hold 1000 rows of 128 numbers from -1 to 1, or is of an unknown gesture.
    """
    paths = _files(root, info.name.removeprefix("capgmyo-"))
    return [_read_trial(root, path, info) for path in paths if path.name.startswith(f"{source}-")]


def _read_trial(root: Path, path: Path, info: DatasetInfo) -> Recording:
    person, gesture, trial = (int(number) for number in _FILE.fullmatch(path.name).groups())  # type: ignore[union-attr]
    if gesture not in _MAXIMAL and not 1 <= gesture <= len(info.labels):
        raise DataFileError(path, f"a gesture from 1 to {len(info.labels)}, or 100 or 101, in the name", str(gesture))
    session = 1
    if info.name == INFO_B.name:
        person, session = (person + 1) // 2, 2 - person % 2
    data = read_bytes(path)
    values = numeric(path, "data", parse_mat(path, data, "data")["data"], (_ROWS, info.channels))
    if abs(values).max() > 1.0:
        raise DataFileError(path, "values from -1 to 1", f"{values.min():g} to {values.max():g}")
    labelled = Interval(0.0, _ROWS / info.rate_hz, info.labels[gesture - 1], trial - 1) if gesture not in _MAXIMAL else None
    return Recording(
        signal=channels_first(values, _FULL_SCALE_V),
        rate_hz=info.rate_hz,
        montage=_GRID,
        subject=f"{person:03d}",
        session=str(session),
        provenance=provenance(info, root, path, data),
        unit="V",
        band_hz=(20.0, 380.0),
        intervals=(labelled,) if labelled else (),
    )


_STEPS: Final = (
    "Open https://zju-capg.org/research_en_electro_capgmyo.html and follow the link to the folder of archives.",
    "Take the archives of this set and unpack them into a folder named after it, e.g. dbb.",
)
_HOME: Final = INFO_A.homepage
ENTRIES: Final = (
    DatasetEntry(INFO_A, _open(INFO_A), (Origin("figshare", "7210397", 1.3), Origin("form", _HOME, steps=_STEPS))),
    DatasetEntry(INFO_B, _open(INFO_B), (Origin("form", _HOME, steps=_STEPS),)),
    DatasetEntry(INFO_C, _open(INFO_C), (Origin("form", _HOME, steps=_STEPS),)),
)
