"""One simulated person wearing one device: recordings, and the truth behind them.

Every person of a set is drawn from (seed, set name, number), so that sets of different names never share a person
and a recording comes out the same in whatever process or order it is made.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Event, Interval, Montage, Provenance, Recording, Target
from aemg.simulation.anatomy import MUSCLE_NAMES, Person, sample_person
from aemg.simulation.artefacts import Artefact
from aemg.simulation.conditions import HEALTHY, Condition
from aemg.simulation.devices import device
from aemg.simulation.gestures import GESTURES, personal_templates, template
from aemg.simulation.movements import STREAM_LABELS, STREAMS, Movement, held_gestures
from aemg.simulation.pool import CONTROL_RATE_HZ, Spikes, discharge
from aemg.simulation.wearing import Wear, Worn, put_on

LICENCE = "Apache-2.0"
TASKS = ("gestures", *STREAMS)
_PERSON, _HABITS, _DONNING, _ORDER, _DRIVE, _SPIKES, _DEVICE, _SLIP = range(8)


@dataclass(frozen=True)
class CorpusSpec:
    """All that determines a simulated set.

    Args:
        name: of the set; sets of different names have different people.
        device: one of `devices.DEVICES`.
        gestures: of `gestures.GESTURES`, for the task "gestures": every recording holds each of them once.
        repetitions: recordings a session.
        hold_s, rest_s: of every gesture, and before, between and after gestures.
        task: one of `TASKS`.
        stream_s: length of a recording of the other tasks.
        sessions: of every person; the device is taken off and put on again between them.
        wear: how it is put on, and how well it stays.
        condition: of all people.
        artefacts: of all recordings, beside the device's own disturbances.

    Raises:
        AEMGError: an unknown device, gesture or task, or a number out of range.
    """

    name: str
    device: str
    people: int
    seed: int
    gestures: tuple[str, ...] = GESTURES
    repetitions: int = 6
    hold_s: float = 3.0
    rest_s: float = 2.0
    task: str = "gestures"
    stream_s: float = 60.0
    sessions: int = 1
    wear: Wear = field(default_factory=Wear)
    condition: Condition = HEALTHY
    artefacts: tuple[Artefact, ...] = ()

    def __post_init__(self) -> None:
        device(self.device)
        for gesture in self.gestures:
            template(gesture)
        if len(set(self.gestures)) != len(self.gestures) or not self.gestures:
            raise AEMGError(f"gestures must be at least one and all different, got {self.gestures}")
        if min(self.people, self.repetitions, self.sessions) < 1 or self.seed < 0:
            raise AEMGError("people, repetitions and sessions must be at least 1, seed at least 0")
        if self.hold_s < 0.6 or self.rest_s < 0.1:
            raise AEMGError("hold_s must be at least 0.6 s and rest_s at least 0.1 s")
        if self.task not in TASKS:
            raise AEMGError(f"no task {self.task!r}; there are {', '.join(TASKS)}")
        if self.stream_s < 10:
            raise AEMGError(f"a recording must last 10 s at least, got {self.stream_s:g} s")
        self.condition.factors(MUSCLE_NAMES)

    @property
    def sources(self) -> tuple[str, ...]:
        """One a person: "P01", "P02", ..."""
        digits = max(len(str(self.people)), 2)
        return tuple(f"P{i + 1:0{digits}d}" for i in range(self.people))

    @property
    def labels(self) -> tuple[str, ...]:
        """What intervals of recordings are called; those of handwriting are the texts, and not listed."""
        return self.gestures if self.task == "gestures" else STREAM_LABELS[self.task]

    @property
    def recording_s(self) -> float:
        """Length of every recording."""
        return self.rest_s + len(self.gestures) * (self.hold_s + self.rest_s) if self.task == "gestures" else self.stream_s

    def files(self, source: str) -> tuple[str, ...]:
        """Names of a person's recordings: "P01/1/1" for the first of the first session, and so on."""
        blocks = range(1, self.repetitions + 1)
        return tuple(f"{source}/{session}/{block}" for session in range(1, self.sessions + 1) for block in blocks)

    def rng(self, person: int, *what: int) -> np.random.Generator:
        """The chance behind one aspect of one person."""
        key = (zlib.crc32(self.name.encode()), person, *what)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


@dataclass(frozen=True, eq=False)
class Truth:
    """What a simulated recording hides from models.

    Args:
        device: what was worn.
        turn_deg, mirror: how it was worn at the first sample: `recording.montage.turned(turn_deg, mirror)` has the true
            angles.
        montage: that montage, its angles known.
        slip_deg: (T',) how far it has turned since the first sample, at `pool.CONTROL_RATE_HZ`.
        onsets_s: when excitation leaves rest, of every labelled interval in order (of handwriting, of every stroke); the
            first discharge follows some 10 to 30 ms later.
        excitations: (muscles, T') between 0 and 1 at `pool.CONTROL_RATE_HZ`, muscles as in `anatomy.MUSCLES`; what reaches
            the muscles after the person's condition.
        spikes: every discharge; None where it was not kept.
        person: the forearm.
        angles_rad: (2, T') extension and radial deviation of the wrist at the same rate, where the task has them.
    """

    device: str
    turn_deg: float
    mirror: bool
    montage: Montage
    slip_deg: NDArray[np.float32]
    onsets_s: tuple[float, ...]
    excitations: NDArray[np.float32]
    spikes: Spikes | None
    person: Person
    angles_rad: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class SimulatedRecording:
    """A recording and the truth behind it."""

    recording: Recording
    truth: Truth


def simulate(spec: CorpusSpec, source: str) -> list[SimulatedRecording]:
    """One person's recordings with the truth behind them, session for session in the order of repetitions.

    Raises:
        AEMGError: no such source.
    """
    if source not in spec.sources:
        raise AEMGError(f"{spec.name}: no source {source!r}; there are {spec.sources[0]} to {spec.sources[-1]}")
    number = spec.sources.index(source)
    person = sample_person(spec.rng(number, _PERSON), condition=spec.condition)
    if spec.task == "handwriting":
        person = replace(person, arm=person.handed)
    made = []
    for session in range(1, spec.sessions + 1):
        again = spec.rng(number, _DONNING, session) if session > 1 else None
        worn = put_on(person, device(spec.device), spec.wear, spec.rng(number, _DONNING), again=again)
        slip = spec.wear.slip(spec.recording_s * spec.repetitions, spec.rng(number, _SLIP, session))
        worn = replace(worn, slip_deg=slip)
        made += [_record(spec, number, session, block, worn) for block in range(1, spec.repetitions + 1)]
    return made


def _record(spec: CorpusSpec, number: int, session: int, block: int, worn: Worn) -> SimulatedRecording:
    """One repetition of all gestures, or one stretch of another task."""
    person, duration, start = worn.person, spec.recording_s, (block - 1) * spec.recording_s
    chance = {what: spec.rng(number, what, *_when(session, block)) for what in (_ORDER, _DRIVE, _SPIKES, _DEVICE)}
    movement = _movement(spec, person.tone, spec.rng(number, _HABITS), chance[_ORDER], chance[_DRIVE])
    times = (np.arange(movement.excitation.shape[1]) + 0.5) / CONTROL_RATE_HZ
    excitation = person.condition.apply(movement.excitation.T, MUSCLE_NAMES, start + times).T
    spikes = discharge(person.units, excitation, chance[_SPIKES])
    signal = worn.read(spikes, duration, chance[_DEVICE], start_s=start, artefacts=spec.artefacts)
    source, angles = spec.sources[number], movement.angles_rad
    slip = np.interp(start + times, np.arange(len(worn.slip_deg)) / CONTROL_RATE_HZ, worn.slip_deg)
    recording = Recording(
        signal=signal,
        rate_hz=worn.device.rate_hz,
        montage=worn.device.montage,
        subject=source,
        session=str(session),
        provenance=Provenance(spec.name, f"{source}/{session}/{block}", hashlib.sha256(signal.tobytes()).hexdigest(), LICENCE),
        unit=worn.device.unit,
        band_hz=worn.device.band_hz,
        intervals=_intervals(spec, movement, block),
        events=tuple(Event(at, name) for name, at in movement.events),
        targets=() if angles is None else (Target("wrist_angles", angles.astype(np.float32), CONTROL_RATE_HZ, "rad"),),
    )
    truth = Truth(
        device=spec.device,
        turn_deg=worn.turn_deg + float(slip[0]),
        mirror=worn.mirror,
        montage=worn.montage(float(slip[0])),
        slip_deg=(slip - slip[0]).astype(np.float32),
        onsets_s=movement.onsets_s,
        excitations=excitation.astype(np.float32),
        spikes=spikes,
        person=person,
        angles_rad=None if angles is None else angles.astype(np.float32),
    )
    return SimulatedRecording(recording, truth)


def _when(session: int, block: int) -> tuple[int, ...]:
    return (block, session) if session > 1 else (block,)


def _movement(
    spec: CorpusSpec, tone: float, habits: np.random.Generator, ordering: np.random.Generator, drive: np.random.Generator
) -> Movement:
    if spec.task != "gestures":
        return STREAMS[spec.task](spec.stream_s, tone, habits, drive)
    order = ordering.permutation(len(spec.gestures))
    labels = tuple(spec.gestures[g] for g in order)
    return held_gestures(labels, personal_templates(spec.gestures, habits)[order], spec.hold_s, spec.rest_s, tone, drive)


def _intervals(spec: CorpusSpec, movement: Movement, block: int) -> tuple[Interval, ...]:
    """Trials are the repetitions where each gesture comes once, and counted through otherwise."""
    counted = spec.task != "gestures"
    return tuple(
        Interval(start, end, label, 10_000 * (block - 1) + k if counted else block)
        for k, (label, start, end) in enumerate(movement.intervals, start=1)
    )
