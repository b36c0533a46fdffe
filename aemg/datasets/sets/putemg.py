"""putEMG: three rings of eight around the forearm; gestures labelled by video, and presses with their force."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout, sha256_of
from aemg.datasets.files import numeric, runs
from aemg.datasets.formats.hdf5_file import dataset, open_hdf5, row_blocks
from aemg.datasets.formats.pandas_table import table_columns
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Provenance, Recording, Target, ring

_FILE: Final = re.compile(r"emg_(gestures|force)-(\d+)-(\w+)-(\d{4}-\d\d-\d\d)-(\d\d-\d\d-\d\d-\d+)\.hdf5")
_EMG: Final = tuple(f"EMG_{number}" for number in range(1, 25))
_V_A_COUNT: Final = 5.0 / 4096 / 200
_BAND_HZ: Final = (3.0, 900.0)
_PAUSE: Final = -1
_CODES: Final = {
    0: "rest", 1: "hand_close", 2: "wrist_flexion", 3: "wrist_extension", 6: "pinch_grip", 7: "pinch_middle",
    8: "pinch_ring", 9: "pinch_little",
}
_TRAJECTORIES: Final = ("sequential", "repeats_short", "repeats_long")
_TRIALS_A_TRAJECTORY: Final = 1000
_RINGS: Final[Montage] = Montage(
    "putemg",
    tuple(ring("putemg", 8, position=position).groups[0] for position in (0.2, 0.45, 0.7)),
    angle_known=True,
)

INFO_GESTURES: Final = DatasetInfo(
    name="putemg-gestures",
    title="putEMG, 7 gestures and idle",
    subjects=44,
    channels=24,
    rate_hz=5120.0,
    unit="V",
    kind="raw",
    labels=tuple(_CODES.values()),
    own_labels=(
        "Idle", "Fist", "Flexion", "Extension", "Pinch index", "Pinch middle", "Pinch ring", "Pinch small",
    ),
    device="24 monopolar channels, gain 200, 3-900 Hz, 12 bits over 5 V, 5120 Hz",
    montage="three rings of 8, 45 degrees apart, the first of each over the ulna: channels 1-8 towards the elbow, 9-16 in "
    "the middle, 17-24 towards the wrist",
    licence="CC-BY-NC-4.0",
    permissive=False,
    citation="Kaczmarek P., Mankowski T., Tomczynski J., putEMG - A Surface Electromyography Hand Gesture Recognition "
    "Dataset, Sensors 19(16):3548, 2019, doi:10.3390/s19163548",
    homepage="https://biolab.put.poznan.pl/putemg-dataset/",
    hours=21.4,
    people="putemg",
    notes=(
        "The files hold counts of the converter, which are turned into volts: 5/4096/200 V each.",
        "Labels are TRAJ_GT, the gesture seen in the video; -1, a pause or a change, stays unlabelled.",
        "A session is a day; the trajectories sequential, repeats_short and repeats_long number their trials from 0, "
        f"{_TRIALS_A_TRAJECTORY} and {2 * _TRIALS_A_TRAJECTORY}.",
        "Which way round the rings are numbered is told as clockwise; growing anatomical angle is assumed, and the rings' "
        "places along the forearm are estimates.",
        "The authors' filters use 5124.07 Hz, the mean rate by the stamps; 5120 Hz is the device's.",
    ),
)  # fmt: skip
INFO_FORCE: Final = replace(
    INFO_GESTURES,
    name="putemg-force",
    title="putEMG-Force, isometric presses with their force",
    labels=(),
    own_labels=(),
    hours=None,
    notes=(
        INFO_GESTURES.notes[0],
        "The targets force and trajectory hold the columns FORCE_* and TRAJ_* in the files' order; their units are not "
        "documented.",
        "There are no labelled intervals and no rest; trajectories called mvc are maximal contractions.",
        *INFO_GESTURES.notes[3:],
    ),
)


def open_gestures(root: str | Path) -> DatasetReader:
    """The gestures at `root`; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_GESTURES, read_gestures)


def open_force(root: str | Path) -> DatasetReader:
    """The presses at `root`; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_FORCE, read_force)


def _open(root: str | Path, info: DatasetInfo, read: Callable[[Path, str], list[Recording]]) -> DatasetReader:
    kind = info.name.removeprefix("putemg-")
    pattern = f"emg_{kind}-[0-9]*.hdf5"
    base = find_layout(root, pattern, name=info.name, hint=f"emg_{kind}-<id>-<trajectory>-<date>-<time>.hdf5")
    return DatasetReader(info, base, tuple(sorted(path.name for path in base.glob(pattern))), read)


def read_gestures(root: Path, source: str) -> list[Recording]:
    """A file of gestures: (24, T) volts at 5120 Hz with an interval a gesture.

    Raises:
        DataFileError: damaged, of another layout, or with a code that is no gesture.
    """
    path = root / source
    recording, columns = _read(path, source, INFO_GESTURES, ("TRAJ_GT",))
    codes = columns["TRAJ_GT"]
    known = np.isin(codes, (*_CODES, _PAUSE))
    if not known.all():
        raise DataFileError(path, f"TRAJ_GT among {', '.join(map(str, (*_CODES, _PAUSE)))}", f"{codes[~known][0]:g}")
    return [replace(recording, intervals=_intervals(codes.astype(np.int64), _first_trial(path)))]


def read_force(root: Path, source: str) -> list[Recording]:
    """A file of presses: (24, T) volts at 5120 Hz; the targets force and trajectory have a value a sample.

    Raises:
        DataFileError: damaged or of another layout.
    """
    path = root / source
    recording, columns = _read(path, source, INFO_FORCE, ("FORCE_", "TRAJ_"))
    targets = []
    for name, prefix in (("force", "FORCE_"), ("trajectory", "TRAJ_")):
        values = [column for key, column in columns.items() if key.startswith(prefix)]
        if not values:
            raise DataFileError(path, f"columns {prefix}*", "none")
        targets.append(Target(name, np.stack(values), INFO_FORCE.rate_hz, "arbitrary"))
    return [replace(recording, targets=tuple(targets))]


def _read(
    path: Path, source: str, info: DatasetInfo, prefixes: tuple[str, ...]
) -> tuple[Recording, dict[str, NDArray[np.float32]]]:
    """The recording without labels, and further columns (T,) whose names start so, in the file's order."""
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise DataFileError(path, "a name like emg_gestures-03-sequential-2018-05-11-11-05-00-150.hdf5", path.name)
    with open_hdf5(path) as file:
        table = dataset(path, file, "data/table")
        if table.ndim != 1:
            raise DataFileError(path, "a table of rows", f"{table.ndim} dimensions")
        places = table_columns(path, table)
        wanted = (*_EMG, *(name for name in places if name.startswith(prefixes) and name not in _EMG))
        if missing := [name for name in (*_EMG, prefixes[0]) if not any(place.startswith(name) for place in places)]:
            raise DataFileError(path, f"the columns {', '.join((*_EMG, prefixes[0]))}", f"no {', '.join(missing)}")
        values = np.empty((len(wanted), len(table)), np.float32)
        for place, rows in row_blocks(table):
            for at, name in enumerate(wanted):
                field, column = places[name]
                values[at, place] = _numbers(path, rows[field])[:, column]
    counts = numeric(path, "EMG_1 to EMG_24", values[: len(_EMG)], (len(_EMG), None))
    recording = Recording(
        signal=np.ascontiguousarray(counts * np.float32(_V_A_COUNT)),
        rate_hz=info.rate_hz,
        montage=_RINGS,
        subject=match[2],
        session=match[4],
        provenance=Provenance(info.name, source, sha256_of(path), info.licence),
        unit="V",
        band_hz=_BAND_HZ,
    )
    return recording, dict(zip(wanted[len(_EMG) :], values[len(_EMG) :]))


def _numbers(path: Path, values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind not in "iuf" or values.ndim != 2:
        raise DataFileError(path, "columns of numbers", f"{values.dtype} of shape {values.shape}")
    return values


def _first_trial(path: Path) -> int:
    """Where the trials of a file's trajectory are numbered from."""
    trajectory = path.name.split("-")[2]
    known = trajectory in _TRAJECTORIES
    return _TRIALS_A_TRAJECTORY * (_TRAJECTORIES.index(trajectory) if known else len(_TRAJECTORIES))


def _intervals(codes: NDArray[np.int64], first_trial: int) -> tuple[Interval, ...]:
    """An interval a run of one code; the nth run of a gesture is its trial n."""
    found, done = [], Counter[int]()
    for start, stop, code in runs(codes):
        if code != _PAUSE:
            times = (start / INFO_GESTURES.rate_hz, stop / INFO_GESTURES.rate_hz)
            found.append(Interval(*times, _CODES[code], first_trial + done[code]))
            done[code] += 1
    return tuple(found)


_STEPS: Final = (
    "Open https://biolab.put.poznan.pl/putemg-dataset/ and follow the link to the download.",
    "Take the folder Data-HDF5, or its files emg_gestures-*.hdf5 and emg_force-*.hdf5; MD5SUMS lies beside them.",
)
ENTRIES: Final = (
    DatasetEntry(INFO_GESTURES, open_gestures, (Origin("form", INFO_GESTURES.homepage, 9.9, steps=_STEPS),)),
    DatasetEntry(INFO_FORCE, open_force, (Origin("form", INFO_FORCE.homepage, None, steps=_STEPS),)),
)
