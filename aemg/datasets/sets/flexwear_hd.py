"""FlexWear-HD: 64 hydrogel electrodes on the forearm, ten gestures in two sessions of one donning."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout, sha256_of
from aemg.datasets.files import numeric
from aemg.datasets.formats.hdf5_file import dataset, open_hdf5
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Provenance, Recording, grid

_FILE: Final = re.compile(r"p(\d+)/data_allchannels_(\w+)\.h5")
_PATTERN: Final = "p[0-9]*/data_allchannels_*.h5"
_TRIALS: Final = {"initial": 0, "recalibration": 100}
_GRID: Final[Montage] = grid(
    "flexwear-hd", 8, 8, column_deg=22.5, row_positions=tuple(0.15 + 0.04 * row for row in range(8))
)
_LABELS: Final = {
    "abduct_p1": "radial_deviation", "adduct_p1": "ulnar_deviation", "extend_p1": "fingers_abduction",
    "grip_p1": "hand_close", "pronate_p1": "pronation", "rest_p1": "rest", "supinate_p1": "supination",
    "tripod_p1": "chuck_grip", "wextend_p1": "wrist_extension", "wflex_p1": "wrist_flexion",
}  # fmt: skip

INFO: Final = DatasetInfo(
    name="flexwear-hd",
    title="FlexWear-HD, 10 gestures",
    subjects=13,
    channels=_GRID.n_channels,
    rate_hz=4000.0,
    unit="arbitrary",
    kind="raw",
    labels=tuple(_LABELS.values()),
    own_labels=tuple(_LABELS),
    device="reusable forearm sleeve with 64 hydrogel electrodes, 4000 Hz",
    montage="64 electrodes on the forearm; their order is not told, and a grid of 8 x 8 row by row is assumed, turned by an "
    "unknown angle",
    licence="CC-BY-4.0",
    permissive=True,
    citation="Yang J. et al., FlexWear-HD, 2024, doi:10.57967/hf/2505; arXiv:2312.07745",
    homepage="https://huggingface.co/datasets/jehanyang/FlexWear-HD",
    hours=1.1,
    notes=(
        "The second session, about an hour after the first, was recorded in the same donning: both are session 1 here, and "
        "the trials of the second are numbered from 100.",
        "A person has 8-10 trials a gesture in the first session and 4-5 in the second, two seconds each.",
        "The authors' extend_p1 is extended and spread fingers; their wrist abduction is towards the thumb.",
        "The scale of the samples is not documented.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a session's file, one recording a trial.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="p<person>/data_allchannels_<initial|recalibration>.h5")
    sources = sorted(path.relative_to(base).as_posix() for path in base.glob(_PATTERN))
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The trials of a session, each (64, T) at 4000 Hz with one interval over all of it.

    Raises:
        DataFileError: damaged, or a gesture is missing or not trials of 64 channels.
    """
    path = root / source
    match = _FILE.fullmatch(source)
    if match is None or match[2] not in _TRIALS:
        raise DataFileError(path, f"a name that ends in {' or '.join(_TRIALS)}", path.name)
    found = []
    with open_hdf5(path) as file:
        origin = Provenance(INFO.name, source, sha256_of(path), INFO.licence)
        for gesture in _LABELS:
            trials = dataset(path, file, gesture)
            if trials.ndim != 3:
                raise DataFileError(path, f"{gesture} of trials x {INFO.channels} x samples", f"{trials.shape}")
            for number in range(len(trials)):
                values = numeric(path, f"trial {number + 1} of {gesture}", trials[number], (INFO.channels, None))
                part = replace(origin, file=f"{source}#{gesture}/{number + 1}")
                found.append(_trial(values, match[1], gesture, _TRIALS[match[2]] + number, part))
    return found


def _trial(values: NDArray[Any], person: str, gesture: str, trial: int, origin: Provenance) -> Recording:
    return Recording(
        signal=np.ascontiguousarray(values, dtype=np.float32),
        rate_hz=INFO.rate_hz,
        montage=_GRID,
        subject=person,
        session="1",
        provenance=origin,
        intervals=(Interval(0.0, values.shape[1] / INFO.rate_hz, _LABELS[gesture], trial),),
    )


ORIGIN: Final = Origin(
    "huggingface", "jehanyang/FlexWear-HD@90d253c1fd31b8756e8a05c473cc550b7f8ba2c0", None, files=("FlexWear-HD_Dataset/*",)
)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
