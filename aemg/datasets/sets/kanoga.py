"""Kanoga's Myo set: one- and two-degree-of-freedom forearm motions, five trials of five seconds each."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, parse_tables, provenance, read_bytes
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Recording

_FILE: Final = re.compile(r"M(\d+)T(\d+)\.csv")
_ROWS: Final = 1000
_RING: Final[Montage] = replace(myo.RING, arm="right")
_ONE_DOF: Final = (
    "rest", "wrist_flexion", "wrist_extension", "radial_deviation", "ulnar_deviation", "pronation", "supination",
    "hand_close",
)

INFO: Final = DatasetInfo(
    name="kanoga-myo",
    title="SS-STM for Myo datasets, 8 one-degree-of-freedom motions",
    subjects=25,
    channels=8,
    rate_hz=myo.RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=_ONE_DOF,
    device=myo.DEVICE,
    montage=f"{myo.MONTAGE}, on the right forearm",
    licence="Apache-2.0",
    permissive=True,
    citation="Kanoga S., Hoshino T., Asoh H., Semi-supervised style transfer mapping-based framework for sEMG-based "
    "pattern recognition with 1- or 2-DoF forearm motions, Biomedical Signal Processing and Control, 2021",
    homepage="https://github.com/Suguru55/SS-STM_for_MyoDatasets",
    people="kanoga",
    notes=(
        "Values are counts divided by 128.",
        "The authors name only rest and wrist flexion; the other one-degree-of-freedom names come from a sister "
        "repository, and the 14 combinations have none, so that they are called two_dof_9 to two_dof_22.",
        "Most files are rounded to five significant digits, so that values lie only nearly on multiples of 1/128.",
    ),
    tested="real files",
    hours=1.4,
)
INFO_22: Final = replace(
    INFO, name="kanoga-myo-22", title="SS-STM for Myo datasets, all 22 motions", hours=3.8,
    labels=(*_ONE_DOF, *(f"two_dof_{motion}" for motion in range(9, 23))),
)


def open_8(root: str | Path) -> DatasetReader:
    """Motions 1-8 at `root`; a source is a subject's folder, one recording a file.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO)


def open_22(root: str | Path) -> DatasetReader:
    """All 22 motions at `root`; a source is a subject's folder, one recording a file.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_22)


def _open(root: str | Path, info: DatasetInfo) -> DatasetReader:
    base = find_layout(root, "sub[0-9]*/M[0-9]*T[0-9]*.csv", name=info.name, hint="sub<k>/M<motion>T<trial>.csv")
    sources = sorted({path.parent.name for path in base.glob("sub[0-9]*/M[0-9]*T[0-9]*.csv")})
    return DatasetReader(info, base, tuple(sources), partial(read_source, info=info))


def read_source(root: Path, source: str, *, info: DatasetInfo) -> list[Recording]:
    """The trials of a subject, each (8, 1000) in units of 128 counts at 200 Hz, one interval over the whole file.

    Raises:
        DataFileError: not 1000 lines of 8 numbers from -1 to 1.
    """
    found = []
    for path in (root / source).glob("*.csv"):
        match = _FILE.fullmatch(path.name)
        if match and 1 <= int(match[1]) <= len(info.labels):
            found.append((int(match[1]), int(match[2]), path))
    files = [(path, read_bytes(path)) for _, _, path in sorted(found)]
    tables = parse_tables(files, info.channels)
    return [
        _trial(root, path, data, table, source, motion, trial, info)
        for (motion, trial, _), (path, data), table in zip(sorted(found), files, tables)
    ]


def _trial(
    root: Path, path: Path, data: bytes, table: NDArray[np.float64], source: str, motion: int, trial: int, info: DatasetInfo
) -> Recording:
    values = numeric(path, "a table", table, (_ROWS, info.channels))
    if abs(values).max() > 1.0:
        raise DataFileError(path, "values from -1 to 1", f"{values.min():g} to {values.max():g}")
    return Recording(
        signal=channels_first(values),
        rate_hz=info.rate_hz,
        montage=_RING,
        subject=source.removeprefix("sub"),
        session="1",
        provenance=provenance(info, root, path, data),
        intervals=(Interval(0.0, _ROWS / info.rate_hz, info.labels[motion - 1], trial - 1),),
    )


ORIGIN: Final = Origin("github", "Suguru55/SS-STM_for_MyoDatasets@25c3b2c", files=("data/*",))
ENTRIES: Final = (DatasetEntry(INFO, open_8, (ORIGIN,)), DatasetEntry(INFO_22, open_22, (ORIGIN,)))
