"""Native files held against their card: what whoever has a set's real files runs once to know that they are read rightly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import joblib
import numpy as np

from aemg.datasets.base import DatasetReader
from aemg.errors import DataFileError
from aemg.signals import Recording

_RATE_TOLERANCE = 1e-3
_SPREAD_V = (1e-7, 5e-3)  # of EMG at the skin: amplifiers' noise below, no muscle above


@dataclass(frozen=True)
class NativeReport:
    """What a set's native files hold.

    Args:
        recordings, subjects, hours: found, hours of all channels at once.
        channels, rates_hz, units: how many recordings have each.
        labels: seconds under each.
        problems: what contradicts the card, one sentence each; notes: what only differs from the whole set.
    """

    name: str
    root: Path
    sources: int
    recordings: int
    subjects: tuple[str, ...]
    hours: float
    channels: dict[int, int]
    rates_hz: dict[float, int]
    units: dict[str, int]
    labels: dict[str, float]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class _Facts:
    """What one source's recordings hold, summed up in its worker so that no signal travels."""

    recordings: int = 0
    seconds: float = 0.0
    subjects: set[str] = field(default_factory=set)
    channels: Counter[int] = field(default_factory=Counter)
    rates_hz: Counter[float] = field(default_factory=Counter)
    units: Counter[str] = field(default_factory=Counter)
    kinds: set[str] = field(default_factory=set)
    labels: dict[str, float] = field(default_factory=dict)
    events: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, recording: Recording) -> None:
        self.recordings += 1
        self.seconds += recording.duration_s
        self.subjects.add(recording.subject)
        self.channels[recording.montage.n_channels] += 1
        self.rates_hz[recording.rate_hz] += 1
        self.units[recording.unit] += 1
        self.kinds.add(recording.kind)
        self.files[recording.provenance.file.split("#")[0]] = recording.provenance.sha256
        for interval in recording.intervals:
            self.labels[interval.label] = self.labels.get(interval.label, 0.0) + interval.end_s - interval.start_s
            if not -1e-6 <= interval.start_s <= interval.end_s <= recording.duration_s + 1e-6:
                self.problems.append(f"{recording.provenance.file}: {interval.label} lies outside of the signal")
        self.events |= {event.name for event in recording.events}
        if recording.unit == "V" and recording.signal.size:
            spread_v = float(np.median(recording.signal.std(axis=1, dtype=np.float64)))
            if spread_v and not _SPREAD_V[0] <= spread_v <= _SPREAD_V[1]:
                told = f"{spread_v:.3g} V (standard deviation), which EMG at the skin hardly has: is the unit right?"
                self.notes.append(f"{recording.provenance.file}: {told}")

    def join(self, other: _Facts) -> None:
        self.recordings += other.recordings
        self.seconds += other.seconds
        self.subjects |= other.subjects
        self.kinds |= other.kinds
        self.events |= other.events
        self.channels.update(other.channels)
        self.rates_hz.update(other.rates_hz)
        self.units.update(other.units)
        for label, seconds in other.labels.items():
            self.labels[label] = self.labels.get(label, 0.0) + seconds
        for file, sha256 in other.files.items():
            twin = next((known for known, digest in self.files.items() if digest == sha256 and known != file), None)
            if twin is not None:
                self.problems.append(f"{file} and {twin} hold the same bytes")
            self.files[file] = sha256
        self.problems += other.problems
        self.notes += other.notes


def verify_native(
    reader: DatasetReader, *, jobs: int = 1, progress: Callable[[int, int], None] | None = None
) -> NativeReport:
    """Reads every source of a set and compares what it holds with the set's card.

    Args:
        jobs: reading processes.
        progress: called with the number of sources that are done and of all.
    """
    found = _Facts()
    parallel = joblib.Parallel(n_jobs=jobs, return_as="generator", pre_dispatch="2*n_jobs")
    results = parallel(joblib.delayed(_facts_of)(reader, source) for source in reader.sources)
    for done, facts in enumerate(results, start=1):
        found.join(facts)
        if progress is not None:
            progress(done, len(reader.sources))
    problems, notes = _compared(reader, found)
    return NativeReport(
        reader.info.name, reader.root, len(reader.sources), found.recordings, tuple(sorted(found.subjects)),
        found.seconds / 3600, dict(found.channels), dict(found.rates_hz), dict(found.units), found.labels,
        tuple(found.problems + problems), tuple(found.notes + notes),
    )  # fmt: skip


def _facts_of(reader: DatasetReader, source: str) -> _Facts:
    facts = _Facts()
    try:
        for recording in reader.read(source):
            facts.add(recording)
    except DataFileError as error:
        facts.problems.append(str(error))
    return facts


def _compared(reader: DatasetReader, found: _Facts) -> tuple[list[str], list[str]]:
    """What contradicts the card, and what only differs from it."""
    card, problems, notes = reader.info, [], []
    if len(found.subjects) > card.subjects:
        problems.append(f"{len(found.subjects)} subjects, the card says {card.subjects}")
    elif len(found.subjects) < card.subjects:
        notes.append(f"{len(found.subjects)} of {card.subjects} subjects are here")
    for rate in found.rates_hz:
        if abs(rate / card.rate_hz - 1) > _RATE_TOLERANCE:
            problems.append(f"{found.rates_hz[rate]} recordings at {rate:g} Hz, the card says {card.rate_hz:g}")
    for channels, recordings in found.channels.items():
        if channels > card.channels:
            problems.append(f"{recordings} recordings with {channels} channels, the card says {card.channels}")
        elif channels < card.channels:
            notes.append(f"{recordings} recordings with {channels} of {card.channels} channels")
    for what, seen, told in (("unit", set(found.units), card.unit), ("kind", found.kinds, card.kind)):
        if seen - {told}:
            problems.append(f"recordings of {what} {', '.join(sorted(seen - {told}))}, the card says {told}")
    unknown = sorted(set(found.labels) - set(card.labels))
    if unknown and card.labels:
        problems.append(f"labels that are not on the card: {', '.join(unknown)}")
    missing = [label for label in card.labels if label not in found.labels and label not in found.events]
    if missing:
        notes.append(f"labels that no recording has: {', '.join(missing)}")
    hours = found.seconds / 3600
    if card.hours is not None and len(found.subjects) == card.subjects and not 0.8 <= hours / card.hours <= 1.25:
        notes.append(f"{hours:.1f} h, the card says {card.hours:.1f}")
    return problems, notes
