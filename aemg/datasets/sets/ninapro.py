"""Ninapro: people who repeat dozens of movements of hand and wrist, wearing electrodes and a data glove.

DB1 to DB8 are read in their common format, DB10 in its own. DB9 is no part of this: it holds the data glove's calibrated angles
of people of DB1, DB2 and DB5, and no EMG.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import numpy as np

from aemg.datasets.base import DatasetEntry, DatasetReader, sha256_of
from aemg.datasets.formats.mat import MatFile, open_mat
from aemg.datasets.sets import ninapro_megane
from aemg.datasets.sets.ninapro_cards import DATABASES, Database
from aemg.datasets.sets.ninapro_format import find_files, intervals, numbering, read_codes, read_emg, read_targets
from aemg.errors import DataFileError
from aemg.signals import Provenance, Recording

_ARMS: Final[dict[str, Literal["left", "right"]]] = {"l": "left", "r": "right"}
_SENSORS: Final = {database.sensor for database in DATABASES if database.sensor}
_TRIALS_AN_ACQUISITION: Final = 10


def open_database(root: str | Path, *, database: Database) -> DatasetReader:
    """A database at `root`, its files side by side or in folders of subjects; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found, or files of one name in several places.
    """
    base, sources = find_files(root, database.info.name, database.file, database.hint)
    return DatasetReader(database.info, base, sources, partial(read_source, database=database))


def read_source(root: Path, source: str, *, database: Database) -> list[Recording]:
    """A file's recording: (C, T) at the database's rate, an interval a repetition and a rest, with what else was recorded.

    Raises:
        DataFileError: damaged, of another database, or with labels that do not fit its exercise.
    """
    path, info = root / source, database.info
    match = database.file.fullmatch(path.name)
    if match is None:
        raise DataFileError(path, f"a name {database.hint}", path.name)
    told = match.groupdict()
    with open_mat(path) as file:
        _check_device(path, file, database)
        signal, absent = read_emg(path, file, database.columns, database.widths)
        rows = signal.shape[1]
        codes = read_codes(path, file, "restimulus", rows, info.rate_hz)
        repetitions = read_codes(path, file, "rerepetition", rows, info.rate_hz)
        targets = read_targets(path, file, database.targets, rows, info.rate_hz)
        arm = _ARMS.get(_text(file, "laterality").lower())
    repetitions[repetitions > 0] += _TRIALS_AN_ACQUISITION * (int(told.get("acquisition", 1)) - 1)
    table = numbering(path, codes, database.exercises[int(told.get("exercise", 1))])
    return [
        Recording(
            signal=signal,
            rate_hz=info.rate_hz,
            montage=replace(database.montage, arm=arm).without(absent),
            subject=told["subject"],
            session=f"D{told['day']}T{told['time']}" if "day" in told else "1",
            provenance=Provenance(info.name, source, sha256_of(path), info.licence),
            unit=info.unit,
            kind=info.kind,
            band_hz=database.band_hz,
            intervals=intervals(path, codes, repetitions, table, info.rate_hz),
            targets=targets,
        )
    ]


def _check_device(path: Path, file: MatFile, database: Database) -> None:
    """Refuses files of a like-named database, as far as they tell."""
    sensor = _text(file, "sensor")
    if sensor in _SENSORS and sensor != database.sensor:
        raise DataFileError(path, f"a file of {database.info.name}", f"one of the sensor {sensor}")
    frequency = file.get("frequency") if "frequency" in file.names else None
    if isinstance(frequency, np.ndarray) and (frequency != database.info.rate_hz).any():
        raise DataFileError(path, f"the frequency {database.info.rate_hz:g} of {database.info.name}", f"{frequency.flat[0]}")


def _text(file: MatFile, name: str) -> str:
    """A variable that is a string; "" where there is none."""
    value = file.get(name) if name in file.names else ""
    return value.strip() if isinstance(value, str) else ""


ENTRIES: Final = (
    *(DatasetEntry(d.info, partial(open_database, database=d), d.origins) for d in DATABASES),
    ninapro_megane.ENTRY,
)
