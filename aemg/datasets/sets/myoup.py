"""MyoUP (Patras): 22 gestures of Ninapro's on a Myo in three exercises, five repetitions of five seconds each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, provenance, read_bytes, runs
from aemg.datasets.formats.mat5 import parse_mat
from aemg.errors import DataFileError
from aemg.signals import Interval, Recording

_FILE: Final = re.compile(r"s(\d+)e([123])\.mat")
_EXERCISES: Final = {1: ("myoup_finger", 5), 2: ("myoup_hand", 12), 3: ("myoup_grasp", 5)}
_REPETITIONS: Final = 5
_OWN: Final = {
    f"{kind}_{gesture}": f"E{exercise} gesture {gesture}"
    for exercise, (kind, count) in _EXERCISES.items()
    for gesture in range(1, count + 1)
}

INFO: Final = DatasetInfo(
    name="myoup",
    title="MyoUP, 5 finger movements, 12 hand configurations and 5 grasps",
    subjects=8,
    channels=8,
    rate_hz=myo.RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=("rest", *_OWN),
    own_labels=("pulse 0", *_OWN.values()),
    device=myo.DEVICE,
    montage=f"{myo.MONTAGE}, on the forearm of the dominant hand",
    licence="none stated",
    permissive=False,
    citation="Tsagkas N., Tsinganos P., Skodras A., On the Use of Deeper CNNs in Hand Gesture Recognition Based on sEMG Signals, "
    "10th International Conference on Information, Intelligence, Systems and Applications (IISA), 2019, "
    "doi:10.1109/IISA.2019.8900709",
    homepage="https://github.com/tsagkas/MyoUP_dataset",
    hours=2.4,
    notes=(
        "A file is a person's exercise, MyoUP/E<e>/s<person>e<e>.mat, with emg of 8 columns and pulse, which is not 0 while a "
        "gesture is held; gestures follow each other in order, five repetitions each.",
        "The gestures are among Ninapro's, but only a figure of the set (MyoUP_hand-gestures.pdf) shows which: they keep "
        "numbers in the set's own order and are not mapped to the shared vocabulary.",
        "Age and gender, which the files hold, are never read.",
        "A file may be missing (s2e2.mat was not found among those published), and files start with zeros.",
        "One of the eight people is left-handed, which one is not said.",
        "Hours are reckoned from the protocol: 22 gestures, 5 repetitions of 5 s with 5 s of rest.",
    ),
)  # fmt: skip


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    pattern = "E[123]/s[0-9]*e[123].mat"
    base = find_layout(root, pattern, name=INFO.name, hint="E<exercise>/s<person>e<exercise>.mat")
    sources = sorted(path.relative_to(base).as_posix() for path in base.glob(pattern) if _FILE.fullmatch(path.name))
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """An exercise of a person: (8, T) counts at 200 Hz, with gestures and the rest between them as intervals.

    Raises:
        DataFileError: not emg of 8 columns with a pulse as long, or not five pulses for each gesture of the exercise.
    """
    path = root / source
    match = _FILE.fullmatch(path.name)
    if match is None or path.parent.name != f"E{match[2]}":
        raise DataFileError(path, "E<exercise>/s<person>e<exercise>.mat", source)
    person, exercise = match[1], int(match[2])
    data = read_bytes(path)
    held = parse_mat(path, data, "emg", "pulse")
    counts = numeric(path, "emg", held["emg"], (None, INFO.channels))
    pulse = held["pulse"]
    flat = np.asarray(pulse).reshape(1, -1) if isinstance(pulse, np.ndarray) else pulse
    active = numeric(path, "pulse", flat, (1, len(counts)))[0] > 0
    if counts.min() < -128 or counts.max() > 127:
        raise DataFileError(path, "counts from -128 to 127", f"{counts.min():g} to {counts.max():g}")
    kind, gestures = _EXERCISES[exercise]
    stretches = runs(active.astype(int))
    pulses = sum(code for _, _, code in stretches)
    if pulses != gestures * _REPETITIONS:
        raise DataFileError(path, f"{gestures * _REPETITIONS} pulses, {_REPETITIONS} a gesture", f"{pulses}")
    intervals, done = [], 0
    first = exercise * 1000
    for start, end, code in stretches:
        label = f"{kind}_{done // _REPETITIONS + 1}" if code else "rest"
        # The rest after a repetition belongs to it, as does that before the first.
        intervals.append(Interval(start / INFO.rate_hz, end / INFO.rate_hz, label, first + max(done - (not code), 0)))
        done += code
    return [
        Recording(
            signal=channels_first(counts),
            rate_hz=INFO.rate_hz,
            montage=myo.RING,
            subject=person,
            session="1",
            provenance=provenance(INFO, root, path, data),
            intervals=tuple(intervals),
        )
    ]


ORIGIN: Final = Origin("github", "tsagkas/MyoUP_dataset@master", size_gb=0.03, files=("MyoUP/E*/*.mat",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
