"""Hyser: gestures and finger forces under four 8 x 8 grids of electrodes, on two days."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import numeric, read_bytes
from aemg.datasets.formats.wfdb_record import read_record
from aemg.datasets.sets.hyser_labels import COMBINATIONS, FINGERS, GESTURES, MVC, RANDOM
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Event, Interval, Montage, Provenance, Recording, Target

_FORCE_SLACK_S: Final = 0.5
_DYNAMIC_PER_TRIAL: Final = 3
_COLUMN_DEG, _ROW = 14.0, 0.04  # 10 mm round a forearm of 26 cm, and along one of 25 cm
_GRIDS: Final = (("ED", 270.0, 0.6), ("EP", 270.0, 0.25), ("FD", 90.0, 0.6), ("FP", 90.0, 0.25))


def _grid(name: str, centre_deg: float, centre: float) -> ElectrodeGroup:
    sites = (
        Electrode(f"{name}-{row}-{column}", (centre_deg + (column - 4.5) * _COLUMN_DEG) % 360.0, centre + (row - 4.5) * _ROW)
        for row in range(1, 9)
        for column in range(1, 9)
    )
    return ElectrodeGroup("grid", tuple(sites), _COLUMN_DEG)


_MONTAGE: Final = Montage("hyser", tuple(_grid(*grid) for grid in _GRIDS), angle_known=True, arm="right")
_CHANNELS: Final = tuple(electrode.name for electrode in _MONTAGE.electrodes)


@dataclass(frozen=True)
class _Part:
    """One of the five parts: its folder, the names of its raw records (`own` is what was done), and its forces."""

    info: DatasetInfo
    folder: str
    names: re.Pattern[str]
    forces: bool = True


def _info(name: str, title: str, own: dict[str, str], hours: float, *notes: str, subjects: int = 20) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        title=f"Hyser 2.0.0, {title}",
        subjects=subjects,
        channels=256,
        rate_hz=2048.0,
        unit="V",
        kind="raw",
        labels=tuple(own.values()),
        device="OT Bioelettronica Quattrocento, 256 channels, gain 150, 10-500 Hz, 2048 Hz",
        montage="four 8 x 8 grids, 10 mm between electrodes, distal and proximal over extensors and flexors, right forearm",
        licence="ODC-By-1.0",
        permissive=True,
        citation="Jiang X. et al., Open Access Dataset, Toolbox and Benchmark Processing Results of High-Density Surface "
        "Electromyogram Recordings, IEEE Transactions on Neural Systems and Rehabilitation Engineering 29:1035-1046, 2021, "
        "doi:10.1109/TNSRE.2021.3082551",
        homepage="https://physionet.org/content/hd-semg/2.0.0/",
        own_labels=tuple(own),
        hours=hours,
        people="hyser",
        notes=(
            *notes,
            "The five parts are the same people under the same numbers, on the same two days.",
            "Headers say volts, but the numbers are millivolts.",
            "Every record has a gain and a baseline of its own for every channel, and the channels run backwards: they are "
            "taken by their names, grids ED, EP, FD and FP, row by row.",
            "Only the raw records are read, never the filtered ones (preprocess).",
            "Which way rows and columns of the grids run on the arm is assumed: rows towards the wrist, columns with growing "
            "angle, each grid centred on its muscles.",
        ),
    )


_FORCES: Final = (
    "The target finger_force holds the forces of thumb, index, middle, ring and little finger at 100 Hz in the files' own "
    "unit, not in newtons; its directions are extension and flexion."
)
_TASK: Final = "Labels tell the task over the whole record, forces rise and fall within it; there is no rest."
_PARTS: Final = (
    _Part(
        _info(
            "hyser-pr", "34 gestures", GESTURES, 5.3,
            "A trial is three dynamic records of 1 s and one of 4 s in which the gesture is maintained, told apart by an "
            "event; there is no rest.",
            "Some gestures are missing: subjects 3 and 11 lack classes, and others a gesture on one of the days.",
        ),
        "pr_dataset", re.compile(r"(?P<own>dynamic|maintenance)_raw_sample(?P<sample>\d{1,5})"), forces=False,
    ),
    _Part(
        _info("hyser-1dof", "force of one finger", FINGERS, 4.2, _TASK, _FORCES),
        "1dof_dataset", re.compile(r"1dof_raw_(?P<own>finger\d)_sample(?P<sample>\d{1,5})"),
    ),
    _Part(
        _info("hyser-ndof", "forces of several fingers", COMBINATIONS, 8.3, _TASK, _FORCES),
        "ndof_dataset", re.compile(r"ndof_raw_(?P<own>combination\d{1,2})_sample(?P<sample>\d{1,5})"),
    ),
    _Part(
        _info(
            "hyser-random", "forces at will", RANDOM, 1.3, _TASK, _FORCES, "Subject 10 is missing.", subjects=19,
        ),
        "random_dataset", re.compile(r"(?P<own>random)_raw_sample(?P<sample>\d{1,5})"),
    ),
    _Part(
        _info("hyser-mvc", "greatest forces", MVC, 1.1, _TASK, _FORCES),
        "mvc_dataset", re.compile(r"mvc_raw_(?P<own>finger\d_(?:extension|flexion))(?P<sample>)"),
    ),
)  # fmt: skip
_PERSON: Final = re.compile(r"subject(\d{1,3})_session(\d{1,2})")


def open_part(root: str | Path, part: _Part) -> DatasetReader:
    """One of the parts at `root`; a source is a raw record's header, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    pattern = f"{part.folder}/subject[0-9]*_session[0-9]*/*_raw_*.hea"
    base = find_layout(root, pattern, name=part.info.name, hint=f"{part.folder}/subject<nn>_session<n>/..._raw_....hea")
    found = [path for path in base.glob(pattern) if part.names.fullmatch(path.stem) and _PERSON.fullmatch(path.parent.name)]
    sources = sorted(path.relative_to(base).as_posix() for path in found)
    return DatasetReader(part.info, base, tuple(sources), partial(read_source, part=part))


def read_source(root: Path, source: str, *, part: _Part) -> list[Recording]:
    """A record: (256, T) volts at 2048 Hz with one interval over all of it, and the forces (5, T') as a target.

    Raises:
        DataFileError: a damaged record, of another rate or unit, without one of the 256 channels, without its forces or its
            label.
    """
    path = root / source
    name, person = part.names.fullmatch(path.stem), _PERSON.fullmatch(path.parent.name)
    if name is None or person is None:
        raise DataFileError(path, f"a raw record of {part.info.name}", source)
    label, trial, events = _task(path, name, part)
    record = read_record(path, _CHANNELS)
    units = {signal.unit for signal in record.signals}
    if record.rate_hz != part.info.rate_hz or not units <= {"V", "mV"}:  # either way millivolts
        found = f"{', '.join(sorted(units))} at {record.rate_hz:g} Hz"
        raise DataFileError(path, f"V or mV at {part.info.rate_hz:g} Hz", found)
    signal = numeric(path, "signals", record.values, (part.info.channels, None))
    signal *= 1e-3
    duration_s = signal.shape[1] / part.info.rate_hz
    recording = Recording(
        signal=signal,
        rate_hz=part.info.rate_hz,
        montage=_MONTAGE,
        subject=person[1],
        session=person[2],
        provenance=Provenance(
            part.info.name, path.relative_to(root).with_suffix(".dat").as_posix(), record.sha256, part.info.licence
        ),
        unit="V",
        band_hz=(10.0, 500.0),
        intervals=(Interval(0.0, duration_s, label, trial),),
        events=events,
    )
    return [replace(recording, targets=(_forces(path, duration_s),)) if part.forces else recording]


def _task(path: Path, name: re.Match[str], part: _Part) -> tuple[str, int, tuple[Event, ...]]:
    """Label and trial of a record, and what else is told of it."""
    own, sample = name["own"], int(name["sample"] or 1)
    labels = dict(zip(part.info.own_labels, part.info.labels))
    if part.forces:
        if own not in labels or sample < 1:
            raise DataFileError(path, f"one of {', '.join(labels)} and a sample from 1 in the name", path.stem)
        return labels[own], sample - 1, ()
    gestures = _gestures(path.with_name(f"label_{own}.txt"))
    if not 1 <= sample <= len(gestures):
        raise DataFileError(path, f"one of the {len(gestures)} samples that label_{own}.txt tells of", path.stem)
    gesture = gestures[sample - 1]
    before = gestures[: sample - 1].count(gesture)
    trial = before // _DYNAMIC_PER_TRIAL if own == "dynamic" else before
    return part.info.labels[gesture - 1], trial, (Event(0.0, own),)


def _gestures(path: Path) -> list[int]:
    """The numbers of the gestures of all samples, in their order."""
    text = read_bytes(path, most=1 << 16).decode("latin-1").strip().rstrip(",")
    words = [word.strip() for word in text.split(",")]
    known = {str(number) for number in range(1, len(GESTURES) + 1)}
    if strange := [word for word in words if word not in known]:
        raise DataFileError(path, f"numbers from 1 to {len(GESTURES)} between commas", repr(strange[0][:20]))
    return [int(word) for word in words]


def _forces(path: Path, duration_s: float) -> Target:
    """The forces of the five fingers, which lie beside the raw record."""
    path = path.with_name(path.name.replace("_raw_", "_force_"))
    record = read_record(path)
    values = numeric(path, "forces", record.values, (5, None))
    force_s = values.shape[1] / record.rate_hz
    if abs(force_s - duration_s) > _FORCE_SLACK_S:
        raise DataFileError(path, f"forces over {duration_s:.2f} s", f"{force_s:.2f} s")
    return Target("finger_force", values, record.rate_hz, record.signals[0].unit)


def _entry(part: _Part) -> DatasetEntry:
    files = (f"{part.folder}/*_raw_*", f"{part.folder}/*_force_*" if part.forces else f"{part.folder}/*label_*.txt")
    size_gb = round(3.8 * (part.info.hours or 0.0))
    return DatasetEntry(part.info, partial(open_part, part=part), (Origin("physionet", "hd-semg/2.0.0", size_gb, files),))


ENTRIES: Final = tuple(_entry(part) for part in _PARTS)
