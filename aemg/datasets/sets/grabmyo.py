"""GRABMyo: 16 gestures and rest on three days, two rings of electrodes at the forearm and two at the wrist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import numeric
from aemg.datasets.formats.wfdb_record import read_record
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Interval, Montage, Provenance, Recording

_FOLDER: Final = re.compile(r"Session(\d)/session(\d)_participant(\d+)")
_RECORD: Final = re.compile(r"session(\d)_participant(\d+)_gesture(\d+)_trial(\d+)\.hea")
_PATTERN: Final = "Session[0-9]/session[0-9]_participant[0-9]*/*_gesture[0-9]*_trial[0-9]*.hea"
_GESTURES: Final = {
    "Lateral prehension": "side_grip", "Thumb adduction": "thumb_adduction",
    "Thumb and little finger opposition": "thumb_little_opposition",
    "Thumb and index finger opposition": "thumb_index_opposition",
    "Thumb and index finger extension": "thumb_index_extension",
    "Thumb and little finger extension": "thumb_little_extension",
    "Index and middle finger extension": "two_fingers", "Little finger extension": "little_extension",
    "Index finger extension": "index_extension", "Thumb finger extension": "thumb_extension",
    "Wrist extension": "wrist_extension", "Wrist flexion": "wrist_flexion", "Forearm supination": "supination",
    "Forearm pronation": "pronation", "Hand open": "hand_open", "Hand close": "hand_close", "Rest": "rest",
}  # fmt: skip
_RINGS: Final = (("F", 1, 8, 0.3), ("F", 9, 8, 0.38), ("W", 1, 6, 0.82), ("W", 7, 6, 0.9))


def _ring(letter: str, first: int, count: int, position: float) -> ElectrodeGroup:
    step = 360.0 / count
    sites = (Electrode(f"{letter}{first + i}", i * step, position) for i in range(count))
    return ElectrodeGroup("ring", tuple(sites), step)


_MONTAGE: Final = Montage("grabmyo", tuple(_ring(*ring) for ring in _RINGS))
_CHANNELS: Final = tuple(electrode.name for electrode in _MONTAGE.electrodes)

INFO: Final = DatasetInfo(
    name="grabmyo",
    title="GRABMyo 1.1.0, gestures and biometrics on three days",
    subjects=43,
    channels=28,
    rate_hz=2048.0,
    unit="V",
    kind="raw",
    labels=tuple(_GESTURES.values()),
    device="OT Bioelettronica EMGUSB2+, 28 monopolar channels, 2048 Hz",
    montage="two rings of 8 round the forearm and two of 6 round the wrist, the first electrodes in line, turned by an "
    "angle that the files do not say",
    licence="CC-BY-4.0",
    permissive=True,
    citation="Pradhan A., He J., Jiang N., Multi-day dataset of forearm and wrist electromyogram for hand gesture "
    "recognition and biometrics, Scientific Data 9:733, 2022, doi:10.1038/s41597-022-01836-y",
    homepage="https://physionet.org/content/grabmyo/1.1.0/",
    own_labels=tuple(_GESTURES),
    hours=21.3,
    notes=(
        "Records hold 32 signals, of which U1 to U4 (columns 17, 24, 25 and 32) are not connected: the 28 of the rings are "
        "taken by their names.",
        "Every record has a gain and a baseline of its own for every signal.",
        "Sessions are days 1, 8 and 29; a trial number is the same for all gestures of one round.",
        "Where the rings sit along the arm is approximate; whether the other fingers are flexed in the gestures of two "
        "fingers is only shown in pictures.",
        "The licence is the one that users of version 1.1.0 name: check the page before weights are given away.",
    ),
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a participant's folder of one day, one recording a trial.

    Raises:
        AEMGError: the layout is not found.
    """
    hint = "Session<s>/session<s>_participant<p>/session<s>_participant<p>_gesture<g>_trial<t>.hea"
    base = find_layout(root, _PATTERN, name=INFO.name, hint=hint)
    folders = (path.parent.relative_to(base).as_posix() for path in base.glob(_PATTERN))
    return DatasetReader(INFO, base, tuple(sorted({folder for folder in folders if _FOLDER.fullmatch(folder)})), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The trials of a participant on one day: (28, 10240) volts at 2048 Hz, one interval over the whole record.

    Raises:
        DataFileError: a damaged record, of another rate or unit, without one of the 28 signals, or in the wrong folder.
    """
    folder = root / source
    place = _FOLDER.fullmatch(source)
    found = []
    for path in folder.glob("*.hea"):
        match = _RECORD.fullmatch(path.name)
        if match is None or place is None or match.group(1, 2) != place.group(2, 3) or place[1] != place[2]:
            raise DataFileError(path, f"a record of {source} named session<s>_participant<p>_gesture<g>_trial<t>", path.name)
        found.append((int(match[3]), int(match[4]), path, match[2], match[1]))
    return [_read_trial(root, *trial) for trial in sorted(found)]


def _read_trial(root: Path, gesture: int, trial: int, path: Path, subject: str, session: str) -> Recording:
    if not 1 <= gesture <= len(INFO.labels) or trial < 1:
        raise DataFileError(path, f"a gesture from 1 to {len(INFO.labels)} and a trial from 1 in the name", path.stem)
    record = read_record(path, _CHANNELS)
    units = {signal.unit for signal in record.signals}
    if record.rate_hz != INFO.rate_hz or units != {"mV"}:
        raise DataFileError(path, f"millivolts at {INFO.rate_hz:g} Hz", f"{', '.join(sorted(units))} at {record.rate_hz:g} Hz")
    signal = numeric(path, "signals", record.values, (INFO.channels, None))
    signal *= 1e-3
    name = path.relative_to(root).with_suffix(".dat").as_posix()
    return Recording(
        signal=signal,
        rate_hz=INFO.rate_hz,
        montage=_MONTAGE,
        subject=subject,
        session=session,
        provenance=Provenance(INFO.name, name, record.sha256, INFO.licence),
        unit="V",
        intervals=(Interval(0.0, signal.shape[1] / INFO.rate_hz, INFO.labels[gesture - 1], trial - 1),),
    )


ORIGIN: Final = Origin("physionet", "grabmyo/1.1.0", size_gb=9.4, files=("Session*/*",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
