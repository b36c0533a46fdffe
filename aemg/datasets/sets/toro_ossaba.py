"""Toro-Ossaba: five hand gestures held for twenty seconds each, four channels round the forearm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, parse_table, provenance, read_bytes
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Recording, ring

_CLASSES: Final = 5
_LARGEST_BYTES: Final = 64 << 20
_FOLDER: Final = re.compile(r"subject (\d{1,4})")
_PATTERN: Final = "subject [0-9]*/[0-4].txt"
_RING: Final[Montage] = ring("toro-ossaba", 4)

INFO: Final = DatasetInfo(
    name="toro-ossaba",
    title="EMG hand gestures, 5 classes, 4 channels (Toro-Ossaba)",
    subjects=8,
    channels=4,
    rate_hz=1024.0,
    unit="arbitrary",
    kind="raw",
    labels=tuple(f"toro_ossaba_{number}" for number in range(_CLASSES)),
    device="custom armband of 4 channels",
    montage="armband of 4, evenly spaced, turned by an unknown angle",
    licence="not verified: as the record at Zenodo says",
    permissive=False,
    citation="Toro-Ossaba A. et al., LSTM Recurrent Neural Network for Hand Gesture Recognition Using EMG Signals, Applied "
    "Sciences 12(19):9700, 2022, doi:10.3390/app12199700",
    homepage="https://zenodo.org/records/7668251",
    own_labels=tuple(str(number) for number in range(_CLASSES)),
    hours=0.2,
    notes=(
        "The files are numbered; which gesture a number is (of open hand, power grip, pinch, pointing and horns) is nowhere "
        "written, and there is no rest.",
        "A class is one contraction of about 20 s, so that it has a single trial: only splits by subject are fair.",
        "Some who use the set take 1000 Hz: the files have about 20,570 rows for 20 s, which speaks for 1024 Hz.",
        "Which way round the channels are numbered is not documented.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a subject's folder, one recording a class.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="subject <n>/<class 0-4>.txt")
    folders = {path.parent.name for path in base.glob(_PATTERN)}
    return DatasetReader(INFO, base, tuple(sorted(name for name in folders if _FOLDER.fullmatch(name))), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The classes of a subject: (4, T) in the set's own unit at 1024 Hz, one interval over the whole file.

    Raises:
        DataFileError: a line does not hold four numbers.
    """
    match = _FOLDER.fullmatch(source)
    if match is None:
        raise DataFileError(root / source, "subject <n>", source)
    paths = ((number, root / source / f"{number}.txt") for number in range(_CLASSES))
    return [_read_class(root, path, match[1], number) for number, path in paths if path.exists()]


def _read_class(root: Path, path: Path, subject: str, number: int) -> Recording:
    data = read_bytes(path, most=_LARGEST_BYTES)
    values = numeric(path, "a table", parse_table(path, data, INFO.channels, separator="\t"), (None, INFO.channels))
    return Recording(
        signal=channels_first(values),
        rate_hz=INFO.rate_hz,
        montage=_RING,
        subject=subject,
        session="1",
        provenance=provenance(INFO, root, path, data),
        intervals=(Interval(0.0, len(values) / INFO.rate_hz, INFO.labels[number], 0),),
    )


ORIGIN: Final = Origin("zenodo", "7668251", size_gb=0.1)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
