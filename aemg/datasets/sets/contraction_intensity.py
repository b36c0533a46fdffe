"""Contraction intensity (Scheme & Englehart): six motions and none at eight efforts and ramps, four repetitions each."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, parse_table, provenance, read_bytes
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Recording, ring

_FILE: Final = re.compile(r"S(\d+)_([A-Za-z0-9]+)_C(\d+)_R(\d+)\.csv")
_EFFORTS: Final = ("Ramp", "20P", "30P", "40P", "50P", "60P", "70P", "80P", "MVC")
_MOST_REPETITIONS: Final = 100
_CUFF: Final[Montage] = replace(ring("contraction-intensity", 8, position=1 / 3), arm="right")
_OWN: Final = {
    "rest": "No Movement", "wrist_flexion": "Wrist Flexion", "wrist_extension": "Wrist Extension",
    "pronation": "Wrist Pronation", "supination": "Wrist Supination", "chuck_grip": "Chuck Grip", "hand_open": "Hand Open",
}  # fmt: skip

INFO: Final = DatasetInfo(
    name="contraction-intensity",
    title="Contraction intensity: 7 motions at 20 to 80 % of maximal effort, ramps and maximal effort",
    subjects=10,
    channels=8,
    rate_hz=1000.0,
    unit="arbitrary",
    kind="raw",
    labels=tuple(_OWN),
    own_labels=tuple(_OWN.values()),
    device="BE328 remote amplifiers (Liberating Technologies), 8 bipolar pairs in a gel cuff, 1000 Hz, low-pass 450 Hz, 16 bit",
    montage="ring of 8, evenly spaced at a third of the right forearm's length, turned by an unknown angle",
    licence="none stated",
    permissive=False,
    citation="Scheme E., Englehart K., Training Strategies for Mitigating the Effect of Proportional Control on Classification "
    "in Pattern Recognition Based Myoelectric Control, Journal of Prosthetics and Orthotics 25(2):76-83, 2013, "
    "doi:10.1097/JPO.0b013e318289950b",
    homepage="https://github.com/LibEMG/ContractionIntensity",
    hours=2.7,
    notes=(
        "A file is one repetition of a motion at an effort, S<subject>_<effort>_C<motion 1-7>_R<repetition>.csv, of 8 columns.",
        "Efforts are Ramp, 20P to 80P and MVC, and others without feedback (light, medium, hard); all are read, the effort "
        "stands in the file's name alone, and repetitions of different efforts are different trials.",
        "LibEMG trains on the ramps and tests on the steady efforts.",
        "Values look like volts at the amplifier's output; its gain is not documented.",
        "The people came on two days, which the files do not tell apart: all is one session.",
        "Hours are reckoned from 3,220 files of about 3 s.",
        "Which motion a number is comes from the order of the set's own Info.txt, and from LibEMG.",
    ),
)  # fmt: skip


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a subject's folder, one recording a file.

    Raises:
        AEMGError: the layout is not found.
    """
    pattern = "S[0-9]*/S[0-9]*_*_C[0-9]*_R[0-9]*.csv"
    base = find_layout(root, pattern, name=INFO.name, hint="S<k>/S<k>_<effort>_C<motion>_R<repetition>.csv")
    return DatasetReader(INFO, base, tuple(sorted({path.parent.name for path in base.glob(pattern)})), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The repetitions of a subject, each (8, T) in the amplifier's unit at 1000 Hz, one interval over the whole file.

    Raises:
        DataFileError: not 8 numbers in every line, a motion that the set does not have, or a file of someone else.
    """
    found = []
    for path in (root / source).glob("*.csv"):
        if match := _FILE.fullmatch(path.name):
            subject, effort, motion, repetition = match[1], match[2], int(match[3]), int(match[4])
            if f"S{subject}" != source:
                raise DataFileError(path, f"files of {source}", f"one of S{subject}")
            found.append((effort, motion, repetition, path))
    efforts = [*_EFFORTS, *sorted({effort for effort, *_ in found} - set(_EFFORTS))]
    found.sort(key=lambda item: (efforts.index(item[0]), item[1:3]))
    return [
        _read(root, path, source, motion, efforts.index(effort) * _MOST_REPETITIONS + repetition - 1)
        for effort, motion, repetition, path in found
    ]


def _read(root: Path, path: Path, source: str, motion: int, trial: int) -> Recording:
    if not 1 <= motion <= len(INFO.labels):
        raise DataFileError(path, f"a motion from 1 to {len(INFO.labels)} in the name", str(motion))
    data = read_bytes(path)
    signal = channels_first(parse_table(path, data, INFO.channels))
    return Recording(
        signal=signal,
        rate_hz=INFO.rate_hz,
        montage=_CUFF,
        subject=source.removeprefix("S"),
        session="1",
        provenance=provenance(INFO, root, path, data),
        band_hz=(0.0, 450.0),
        intervals=(Interval(0.0, signal.shape[1] / INFO.rate_hz, INFO.labels[motion - 1], trial),),
    )


ORIGIN: Final = Origin("github", "LibEMG/ContractionIntensity@18139b3", size_gb=0.8, files=("S*/*.csv",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
