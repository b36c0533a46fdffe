"""What the sidecars of an EMG-BIDS data file say: its EMG channels, where they sit, what happened when, other signals."""

from __future__ import annotations

import gzip
import itertools
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from aemg.datasets.formats.bids import MISSING, BidsFolder, Table, entities, read_json
from aemg.datasets.formats.edf import EdfHeader, EdfSignal
from aemg.datasets.formats.limb_frame import is_anatomical, places, units_of
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Event, Interval, Montage, Target

VOLTS: Final = {"V": 1.0, "mV": 1e-3, "uV": 1e-6, "µV": 1e-6, "μV": 1e-6, "nV": 1e-9}
TRIALS_A_FILE: Final = 100_000
_LABELS: Final = ("trial_type", "value", "event_type", "event_code")
_NOT_EMG: Final = ("Status", "Trigger", "TRIG")
_KINDS: Final[dict[str, Literal["ring", "grid", "targeted"]]] = {"ring": "ring", "grid": "grid", "targeted": "targeted"}
_LARGEST_TARGET: Final = 1 << 28


@dataclass(frozen=True)
class Channel:
    """One EMG channel: its signal in the file, the electrode and group it is of, its muscle, and its unit's volts if known."""

    signal: EdfSignal
    electrode: str
    group: str
    muscle: str | None
    volts: float | None


def channels_of(folder: BidsFolder, path: Path, header: EdfHeader) -> list[Channel]:
    """The channels of type EMG of a data file, group by group; of one without *_channels.tsv, all that are no trigger.

    Raises:
        DataFileError: none, rows that do not name the file's signals, or EMG of several rates in one file.
    """
    signals = [signal for signal in header.signals if not signal.is_annotation]
    given = folder.table(path, "channels")
    if given is None:
        chosen = [_channel(signal, {}) for signal in signals if signal.label not in _NOT_EMG]
    else:
        chosen = [_channel(signal, row) for signal, row in _matched(given, signals) if row.get("type", "").upper() == "EMG"]
    if not chosen:
        raise DataFileError(path, "channels of type EMG", f"none of {len(signals)}")
    rates = sorted({header.rate_hz(channel.signal) for channel in chosen})
    if len(rates) > 1:
        found = " and ".join(f"{rate:g}" for rate in rates[:4])
        raise DataFileError(path, "one rate of all EMG channels (others belong into a file of their own)", f"{found} Hz")
    groups = list(dict.fromkeys(channel.group for channel in chosen))
    return sorted(chosen, key=lambda channel: groups.index(channel.group))


def _matched(table: Table, signals: list[EdfSignal]) -> list[tuple[EdfSignal, dict[str, str]]]:
    """Signals with their rows: by name, which a file cuts to 16 characters, or by order where there are equally many."""
    table.require("name", "type")
    by_name = {row["name"][:16]: row for row in table.rows}
    if all(signal.label in by_name for signal in signals) and len(by_name) == len(table.rows):
        return [(signal, by_name[signal.label]) for signal in signals]
    if len(table.rows) != len(signals):
        found = f"{len(table.rows)} rows with other names"
        raise DataFileError(table.path, f"a row for each of {len(signals)} signals", found)
    return list(zip(signals, table.rows))


def _channel(signal: EdfSignal, row: dict[str, str]) -> Channel:
    volts = VOLTS.get(signal.unit, VOLTS.get(_word(row, "units")))
    electrode = _word(row, "signal_electrode") or _word(row, "name") or signal.label
    return Channel(signal, electrode, _word(row, "group"), _word(row, "target_muscle") or None, volts)


def side_of(text: str) -> Literal["left", "right"] | None:
    """The side that a group or a coordinate system names, if it names one."""
    low = text.lower()
    if ("left" in low) == ("right" in low):
        return None
    return "left" if "left" in low else "right"


def montage_of(
    folder: BidsFolder, path: Path, channels: list[Channel], name: str, told: list[tuple[str, float]]
) -> tuple[Montage, tuple[Literal["left", "right"] | None, ...]]:
    """Where channels sit, and on which side each, as far as *_electrodes.tsv and *_coordsystem.json say.

    Groups without coordinates are set evenly round the limb, and the angle is then not known.

    Args:
        told: kind and spacing in degrees of each group where they are known besides.

    Raises:
        DataFileError: a damaged sidecar.
    """
    given, systems = folder.table(path, "electrodes"), _systems(folder, path)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    if given is not None:
        given.require("name", "x", "y")
        rows = {(row["name"], ""): row for row in reversed(given.rows)}
        rows |= {(row["name"], _word(row, "group")): row for row in given.rows}
    groups, known, sides = [], [], []
    for at, (group, members) in enumerate(itertools.groupby(channels, key=lambda channel: channel.group)):
        own = list(members)
        found = [rows.get((c.electrode, group), rows.get((c.electrode, ""), {})) for c in own]
        space = next(filter(None, (_word(row, "coordinate_system") for row in found)), "")
        system = systems.get(space, next(iter(systems.values())) if len(systems) == 1 else {})
        built, anatomical = _group(own, found, system, told[at] if at < len(told) else None)
        groups.append(built)
        known.append(anatomical)
        sides += [side_of(group) or side_of(space)] * len(own)
    distinct = set(sides)
    arm = sides[0] if len(distinct) == 1 else None
    return Montage(name, tuple(groups), angle_known=all(known), arm=arm), tuple(sides)


def _group(
    channels: list[Channel], rows: list[dict[str, str]], system: dict[str, Any], told: tuple[str, float] | None
) -> tuple[ElectrodeGroup, bool]:
    xyz = np.array([[_coordinate(_word(row, axis)) for axis in "xyz"] for row in rows])
    placed = places(xyz, units_of(system)) if np.isfinite(xyz[:, :2]).all() else None
    count = len(channels)
    kind: Literal["ring", "grid", "targeted"] = "ring"
    angles, along = np.arange(count) * (360.0 / count), np.full(count, 0.25)
    if placed is not None:
        kind, angles, along = placed
    spacing = _spacing(angles)
    if placed is not None and kind == "ring" and (spacing > 120 or len(np.unique(along.round(2))) > 2):
        kind = "targeted" if spacing > 120 else "grid"
    if told is not None:
        kind, spacing = _KINDS[told[0]], told[1]
    electrodes = tuple(
        Electrode(c.electrode, float(angle), float(place), c.muscle) for c, angle, place in zip(channels, angles, along)
    )
    return ElectrodeGroup(kind, electrodes, spacing), placed is not None and is_anatomical(system)


def _spacing(angles: Any) -> float:
    """Median angle between neighbouring sites; all round where there is only one."""
    sites = np.unique(np.round(angles, 3))
    return float(np.median(np.diff(np.append(sites, sites[0] + 360.0))))


def _systems(folder: BidsFolder, path: Path) -> dict[str, dict[str, Any]]:
    """Coordinate systems by name: one a file named by its `space`, or several named in one file."""
    found: dict[str, dict[str, Any]] = {}
    for sidecar in folder.sidecars(path, "coordsystem", ".json"):
        content = read_json(sidecar)
        if "EMGCoordinateSystem" in content:
            found[entities(sidecar).get("space", "")] = content
        else:
            found |= {name: system for name, system in content.items() if isinstance(system, dict)}
    return found


def marks_of(folder: BidsFolder, path: Path, duration_s: float, first_trial: int) -> tuple[list[Interval], list[Event]]:
    """Intervals, and events of no or unknown duration, of a data file; what lies outside of it is left out.

    Raises:
        DataFileError: a table without onsets or labels, or one whose times are not numbers.
    """
    table = folder.table(path, "events")
    if table is None:
        return [], []
    named = next((name for name in _LABELS if name in table.columns), _LABELS[0])
    table.require("onset", named)
    intervals: list[Interval] = []
    events: list[Event] = []
    for row in table.rows:
        onset, length = (_time(table.path, _word(row, name)) for name in ("onset", "duration"))
        label = _word(row, named)
        if onset is None or not label or onset >= duration_s:
            continue
        if not length:
            events += [Event(onset, label)] if onset >= 0 else []
        elif (end := min(onset + length, duration_s)) > max(onset, 0.0):
            trial = _trial(_word(row, "trial"), first_trial + len(intervals))
            intervals.append(Interval(max(onset, 0.0), end, label, trial))
    return intervals, events


def targets_of(folder: BidsFolder, path: Path) -> list[Target]:
    """Continuous signals recorded alongside (*_physio.tsv.gz) that start with the data file, one target a file.

    Raises:
        DataFileError: damaged, or without rate or columns.
    """
    found = []
    for table in folder.sidecars(path, "physio", ".tsv.gz"):
        described = read_json(table.with_name(table.name.removesuffix(".tsv.gz") + ".json"))
        rate, columns = described.get("SamplingFrequency"), described.get("Columns")
        if not isinstance(rate, int | float) or not 0 < rate < 1e9 or not isinstance(columns, list) or not columns:
            raise DataFileError(table, "a sidecar with SamplingFrequency and Columns", "none")
        if described.get("StartTime", 0) == 0:
            values = _numbers(table, len(columns))
            units = {str(d.get("Units", MISSING)) for d in (described.get(str(c), {}) for c in columns) if isinstance(d, dict)}
            named = str(described.get("Description", entities(table).get("recording", "physio")))
            found.append(Target(named, values, float(rate), units.pop() if len(units) == 1 else MISSING))
    return found


def _numbers(path: Path, columns: int) -> Any:
    """Numbers (columns, T) of a compressed table without heading; n/a becomes NaN."""
    expected = f"{columns} numbers in every line"
    try:
        with gzip.open(path) as file:
            if len(content := file.read(_LARGEST_TARGET + 1)) > _LARGEST_TARGET:
                raise DataFileError(path, f"at most {_LARGEST_TARGET} bytes of text", "more")
        lines = content.decode("ascii").replace(MISSING, "nan").split("\n")
        rows = [[float(word) for word in line.split("\t")] for line in lines if line]
    except (OSError, EOFError, zlib.error, ValueError) as error:
        if isinstance(error, DataFileError):
            raise
        raise DataFileError(path, expected, f"text that does not parse ({str(error)[:80]})") from error
    if any(len(row) != columns for row in rows):
        raise DataFileError(path, expected, "a line of other length")
    return np.ascontiguousarray(np.array(rows, np.float32).reshape(-1, columns).T)


def _word(row: dict[str, str], name: str) -> str:
    """A word of a row; empty where there is none."""
    value = row.get(name, "")
    return "" if value == MISSING else value


def _coordinate(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        return math.nan
    return value if abs(value) < 1e9 else math.nan


def _time(path: Path, word: str) -> float | None:
    value = _coordinate(word)
    if word and math.isnan(value):
        raise DataFileError(path, "times in seconds or n/a", repr(word[:40]))
    return value if word else None


def _trial(word: str, otherwise: int) -> int:
    return int(word) if word.isascii() and word.isdigit() and len(word) < 10 else otherwise
