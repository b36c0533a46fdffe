"""Ozdemir's set (MCS_EMG): ten gestures in five cycles of fixed times, four muscles of the forearm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, parse_table, provenance, read_bytes
from aemg.datasets.formats.mat5 import parse_mat
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Interval, Montage, Recording

_LARGEST_BYTES: Final = 256 << 20
_PATTERNS: Final = ("raw/mat/[0-9]*.mat", "raw/csv/[0-9]*_raw.csv")
_PERSON: Final = re.compile(r"(\d{1,4})(?:_raw)?\.(?:mat|csv)")
_CYCLES_S: Final = (4.0, 138.0, 272.0, 406.0, 540.0)
_SLOT_S, _GESTURE_S = 10.0, 6.0
_GESTURES: Final = {
    "Rest": "rest", "Extension": "wrist_extension", "Flexion": "wrist_flexion", "Ulnar deviation": "ulnar_deviation",
    "Radial deviation": "radial_deviation", "Grip": "hand_close", "Abduction of all fingers": "fingers_abduction",
    "Adduction of all fingers": "fingers_adduction", "Supination": "supination", "Pronation": "pronation",
}  # fmt: skip
_SITES: Final = tuple(Electrode(f"{number}", 90.0 * (number - 1)) for number in range(1, 5))
_MONTAGE: Final = Montage("ozdemir", (ElectrodeGroup("targeted", _SITES, 90.0),))

INFO: Final = DatasetInfo(
    name="ozdemir",
    title="Multi-channel sEMG of hand gestures (Ozdemir, MCS_EMG), 10 gestures",
    subjects=40,
    channels=4,
    rate_hz=2000.0,
    unit="V",
    kind="raw",
    labels=tuple(_GESTURES.values()),
    device="BIOPAC MP36, 4 bipolar Ag/AgCl electrodes, 2000 Hz",
    montage="4 muscles of the forearm, of which the files do not say which is which",
    licence="CC-BY-4.0",
    permissive=True,
    citation="Ozdemir M.A., Kisa D.H., Guren O., Akan A., Dataset for multi-channel surface electromyography (sEMG) signals "
    "of hand gestures, Data in Brief 41:107921, 2022, doi:10.1016/j.dib.2022.107921",
    homepage="https://data.mendeley.com/datasets/ckwc76xr2z/2",
    own_labels=tuple(_GESTURES),
    hours=7.1,
    notes=(
        "Only the raw recordings are read, from raw/mat, and from raw/csv for those who are missing there; never the filtered "
        "ones.",
        f"Labels follow the clock: cycles start at {', '.join(f'{start:g}' for start in _CYCLES_S)} s and have ten slots of "
        "10 s in a fixed order, a gesture of 6 s and 4 s to relax, which stay unlabelled; the hand lags by the reaction time.",
        "Grip is the closed hand without an object.",
        "Who it was is told by the file's name, not by the number inside; values are millivolts.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a person's file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERNS, name=INFO.name, hint="sEMG-dataset/raw/mat/<person>_raw.mat")
    found: dict[str, Path] = {}
    for pattern in _PATTERNS:
        for path in base.glob(pattern):
            if match := _PERSON.fullmatch(path.name):
                found.setdefault(match[1], path)
    return DatasetReader(INFO, base, tuple(sorted(path.relative_to(base).as_posix() for path in found.values())), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """A person's recording: (4, T) volts at 2000 Hz with the slots of five cycles as intervals.

    Raises:
        DataFileError: not four channels of numbers, or too short for the five cycles.
    """
    path = root / source
    match = _PERSON.fullmatch(path.name)
    if match is None:
        raise DataFileError(path, "<person>_raw.mat or .csv", path.name)
    data = read_bytes(path, most=_LARGEST_BYTES)
    table = parse_mat(path, data, "data")["data"] if path.suffix == ".mat" else parse_table(path, data, INFO.channels)
    values = numeric(path, "data", table, (None, INFO.channels))
    rows = round((_CYCLES_S[-1] + (len(_GESTURES) - 1) * _SLOT_S + _GESTURE_S) * INFO.rate_hz)
    if len(values) < rows:
        raise DataFileError(path, f"at least {rows} rows, as five cycles have", f"{len(values)}")
    recording = Recording(
        signal=channels_first(values, 1e-3),
        rate_hz=INFO.rate_hz,
        montage=_MONTAGE,
        subject=match[1],
        session="1",
        provenance=provenance(INFO, root, path, data),
        unit="V",
        intervals=tuple(
            Interval(start := begin + slot * _SLOT_S, start + _GESTURE_S, label, cycle)
            for cycle, begin in enumerate(_CYCLES_S)
            for slot, label in enumerate(INFO.labels)
        ),
    )
    return [recording]


ORIGIN: Final = Origin("mendeley", "ckwc76xr2z/2", size_gb=0.4, files=("*_raw.mat",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
