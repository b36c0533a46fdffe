"""UniBo-INAIL: four Ottobock electrodes that rectify and smooth, so envelopes and no raw EMG."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, provenance, read_bytes, runs
from aemg.datasets.formats.mat5 import parse_mat
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Interval, Montage, Recording

_FILE: Final = re.compile(r"user_(\d+)_day_(\d+)_posture_(\d+)\.mat")
_PATTERN: Final = "user_[0-9]*_day_[0-9]*_posture_[0-9]*.mat"
_TRIALS_A_POSTURE: Final = 1000
_MUSCLES: Final = {"ECU": 330.0, "EDC": 270.0, "FCR": 110.0, "FCU": 35.0}
_MONTAGE: Final = Montage(
    "unibo-inail",
    (ElectrodeGroup("targeted", tuple(Electrode(m, a, 0.25, m) for m, a in _MUSCLES.items()), 45.0),),
    angle_known=True,
)

INFO: Final = DatasetInfo(
    name="unibo-inail",
    title="UniBo-INAIL, 5 gestures and rest in 4 arm postures (envelopes)",
    subjects=7,
    channels=4,
    rate_hz=500.0,
    unit="arbitrary",
    kind="envelope",
    labels=("rest", "power_grip", "pinch_grip", "chuck_grip", "pointing", "hand_open"),
    device="4 Ottobock 13E200 electrodes, rectified and smoothed, 500 Hz",
    montage="targeted: extensor carpi ulnaris, extensor digitorum, flexor carpi radialis, flexor carpi ulnaris",
    licence="LGPL-2.1",
    permissive=False,
    citation="Zanghieri M. et al., Online Unsupervised Arm Posture Adaptation for sEMG-based Gesture Recognition on a "
    "Parallel Ultra-Low-Power Microcontroller, IEEE BioCAS 2023, doi:10.1109/BioCAS58349.2023.10388902",
    homepage="https://github.com/pulp-bio/unibo-inail-semg-dataset",
    notes=(
        "Not raw EMG: spectra, zero crossings and band-pass filters mean nothing, and it is not fit for pre-training.",
        "Only rest is sure among the codes; the others follow the order in which the authors list the gestures.",
        "A session is a day; its postures are separate recordings, whose trials are numbered from "
        f"{_TRIALS_A_POSTURE} times the posture less one.",
    ),
    tested="real files",
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a file, read to one recording.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="user_<u>_day_<d>_posture_<p>.mat")
    sources = sorted(path.name for path in base.glob(_PATTERN) if _FILE.fullmatch(path.name))
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """A posture of a user's day: (4, T) envelopes at 500 Hz; intervals are runs of one code in `relabel`.

    Raises:
        DataFileError: not a sound file, emg and relabel of different lengths, or a code beyond 1 to 6.
    """
    path = root / source
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise DataFileError(path, "a name user_<u>_day_<d>_posture_<p>.mat", path.name)
    data = read_bytes(path)
    content = parse_mat(path, data, "emg", "relabel")
    values = numeric(path, "emg", content["emg"], (None, INFO.channels))
    codes = numeric(path, "relabel", content["relabel"], (len(values), 1)).ravel()
    return [
        Recording(
            signal=channels_first(values),
            rate_hz=INFO.rate_hz,
            montage=_MONTAGE,
            subject=match[1],
            session=match[2],
            provenance=provenance(INFO, root, path, data),
            kind="envelope",
            intervals=_intervals(path, codes, (int(match[3]) - 1) * _TRIALS_A_POSTURE),
        )
    ]


def _intervals(path: Path, codes: NDArray[Any], first_trial: int) -> tuple[Interval, ...]:
    known = np.isin(codes, np.arange(1, len(INFO.labels) + 1))
    if not known.all():
        raise DataFileError(path, f"codes 1 to {len(INFO.labels)} in relabel", f"{codes[~known][0]:g}")
    trials: Counter[str] = Counter()
    found = []
    for first, stop, code in runs(codes):
        label = INFO.labels[code - 1]
        found.append(Interval(first / INFO.rate_hz, stop / INFO.rate_hz, label, first_trial + trials[label]))
        trials[label] += 1
    return tuple(found)


ORIGIN: Final = Origin("github", "pulp-bio/unibo-inail-semg-dataset@5a9d62e", files=("data/*.mat",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
