"""FORS-EMG: twelve gestures in three orientations of the forearm, four electrodes at the elbow and four at mid-forearm."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, provenance, read_bytes
from aemg.datasets.formats.mat5 import parse_mat
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Event, Interval, Montage, Recording

_REPETITIONS: Final = 5
_LARGEST_BYTES: Final = 64 << 20
_ORIENTATIONS: Final = ("rest", "pronation", "supination")
_FOLDER: Final = re.compile(r"Subject(\d{1,4})/(rest|pronation|supination)", re.IGNORECASE)
_FILE: Final = re.compile(r"(\w+)-([1-5])\.mat")
_PATTERN: Final = "Subject[0-9]*/*/*-[1-5].mat"
_GESTURES: Final = {
    "Thumb_UP": "thumb_up", "Index": "pointing", "Right_Angle": "thumb_index_extension", "Peace": "two_fingers",
    "Index_Little": "index_little_extension", "Thumb_Little": "thumb_little_extension", "Hand_Close": "hand_close",
    "Hand_Open": "hand_open", "Wrist_Extension": "wrist_extension", "Wrist_Flexion": "wrist_flexion",
    "Ulner_Deviation": "ulnar_deviation", "Radial_Deviation": "radial_deviation",
}  # fmt: skip
_BY_NAME: Final = {name.lower(): label for name, label in (*_GESTURES.items(), ("Ulnar_Deviation", "ulnar_deviation"))}


def _row(first: int, position: float) -> ElectrodeGroup:
    return ElectrodeGroup("ring", tuple(Electrode(f"{first + i}", 90.0 * i, position) for i in range(4)), 90.0)


_MONTAGE: Final = Montage("fors-emg", (_row(1, 0.1), _row(5, 0.45)))

INFO: Final = DatasetInfo(
    name="fors-emg",
    title="FORS-EMG, 12 gestures in 3 orientations of the forearm",
    subjects=19,
    channels=8,
    rate_hz=985.0,
    unit="arbitrary",
    kind="raw",
    labels=tuple(_GESTURES.values()),
    device="own amplifier with 8 MFI bar electrodes, 10 bits, 985 Hz",
    montage="4 round the elbow and 4 round the middle of the forearm over the same muscles, turned by an unknown angle",
    licence="not verified: as the page at Kaggle says",
    permissive=False,
    citation="Rumman U. et al., FORS-EMG: A Novel sEMG Dataset for Hand Gesture Recognition Across Multiple Forearm "
    "Orientations, arXiv:2409.07484, 2024",
    homepage="https://www.kaggle.com/datasets/ummerummanchaity/fors-emg-a-novel-semg-dataset",
    own_labels=tuple(_GESTURES),
    hours=7.7,
    notes=(
        "There is no rest among the gestures: the folder rest is the forearm's neutral orientation.",
        "An event tells the orientation of every recording; trials 0-4 are of rest, 5-9 of pronation and 10-14 of supination.",
        "Clips are labelled from end to end, although the hand rests for a second or so before and after the gesture: the "
        "set marks no onsets.",
        "Folders of orientations are written in capitals or not, and ulnar is spelt ulner.",
        "Values are volts at the converter, of a gain that is not documented; the rate is 985 Hz, not 1000.",
        "The table of subjects is personal and never read.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a subject's folder of one orientation, one recording a clip.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="Subject<n>/<orientation>/<gesture>-<repetition>.mat")
    folders = {path.parent.relative_to(base).as_posix() for path in base.glob(_PATTERN)}
    return DatasetReader(INFO, base, tuple(sorted(name for name in folders if _FOLDER.fullmatch(name))), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The clips of a subject in one orientation: (8, T) in volts at the converter, 985 Hz, one interval over the whole clip.

    Raises:
        DataFileError: not a MATLAB file with `value` of eight channels, or of a gesture that is not known.
    """
    place = _FOLDER.fullmatch(source)
    if place is None:
        raise DataFileError(root / source, f"Subject<n>/<{'|'.join(_ORIENTATIONS)}>", source)
    found = []
    for path in (root / source).glob("*.mat"):
        match = _FILE.fullmatch(path.name)
        label = _BY_NAME.get(match[1].lower()) if match else None
        if match is None or label is None:
            raise DataFileError(path, f"<gesture>-<1-5>.mat with one of {', '.join(_GESTURES)}", path.name)
        found.append((INFO.labels.index(label), int(match[2]) - 1, path))
    orientation = _ORIENTATIONS.index(place[2].lower())
    return [_read_clip(root, path, place[1], orientation, gesture, number) for gesture, number, path in sorted(found)]


def _read_clip(root: Path, path: Path, subject: str, orientation: int, gesture: int, number: int) -> Recording:
    data = read_bytes(path, most=_LARGEST_BYTES)
    values = numeric(path, "value", parse_mat(path, data, "value")["value"], (INFO.channels, None))
    trial = orientation * _REPETITIONS + number
    return Recording(
        signal=channels_first(values.T),
        rate_hz=INFO.rate_hz,
        montage=_MONTAGE,
        subject=subject,
        session="1",
        provenance=provenance(INFO, root, path, data),
        intervals=(Interval(0.0, values.shape[1] / INFO.rate_hz, INFO.labels[gesture], trial),),
        events=(Event(0.0, f"forearm_{_ORIENTATIONS[orientation]}"),),
    )


ORIGIN: Final = Origin(
    "form", "https://www.kaggle.com/datasets/ummerummanchaity/fors-emg-a-novel-semg-dataset", size_gb=1.8,
    steps=("Sign in at Kaggle and download the set.", "Unpack it so that the folders Subject1 to Subject19 stay together."),
)  # fmt: skip
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
