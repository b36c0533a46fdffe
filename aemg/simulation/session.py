"""One simulated person wearing one device: recordings, and the truth behind them.

Every person of a set is drawn from (seed, set name, number), so that sets of different names never share a person
and a recording comes out the same in whatever process or order it is made.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Interval, Montage, Provenance, Recording
from aemg.simulation.anatomy import Person, sample_person
from aemg.simulation.devices import Device, acquire, device
from aemg.simulation.gestures import course, personal_templates, template
from aemg.simulation.muap import bank
from aemg.simulation.pool import Spikes, discharge
from aemg.simulation.render import render

LICENCE = "Apache-2.0"
_PLACEMENT_ERROR_DEG = 5.0
_CONTACT_SPREAD = 0.1
_PERSON, _HABITS, _DONNING, _ORDER, _DRIVE, _SPIKES, _DEVICE = range(7)


@dataclass(frozen=True)
class CorpusSpec:
    """All that determines a simulated set; the arguments of `simulate_set`."""

    name: str
    device: str
    people: int
    seed: int
    gestures: tuple[str, ...]
    repetitions: int
    hold_s: float = 3.0
    rest_s: float = 2.0

    def __post_init__(self) -> None:
        device(self.device)
        for gesture in self.gestures:
            template(gesture)
        if len(set(self.gestures)) != len(self.gestures) or not self.gestures:
            raise AEMGError(f"gestures must be at least one and all different, got {self.gestures}")
        if min(self.people, self.repetitions) < 1 or self.seed < 0:
            raise AEMGError("people and repetitions must be at least 1, seed at least 0")
        if self.hold_s < 0.6 or self.rest_s < 0.1:
            raise AEMGError("hold_s must be at least 0.6 s and rest_s at least 0.1 s")

    @property
    def sources(self) -> tuple[str, ...]:
        """One a person: "P01", "P02", ..."""
        digits = max(len(str(self.people)), 2)
        return tuple(f"P{i + 1:0{digits}d}" for i in range(self.people))

    def rng(self, person: int, *what: int) -> np.random.Generator:
        """The chance behind one aspect of one person."""
        key = (zlib.crc32(self.name.encode()), person, *what)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


@dataclass(frozen=True, eq=False)
class Truth:
    """What a simulated recording hides from models.

    Args:
        turn_deg, mirror: how the device was worn: `recording.montage.turned(turn_deg, mirror)` has the true angles.
        montage: that montage, its angles known.
        onsets_s: when excitation leaves rest, of every labelled interval in order; the first discharge follows
            some 10 to 30 ms later.
        excitations: (muscles, T') between 0 and 1 at `pool.CONTROL_RATE_HZ`, muscles as in `anatomy.MUSCLES`.
        spikes: every discharge.
        person: the forearm.
    """

    turn_deg: float
    mirror: bool
    montage: Montage
    onsets_s: tuple[float, ...]
    excitations: NDArray[np.float32]
    spikes: Spikes
    person: Person


@dataclass(frozen=True, eq=False)
class SimulatedRecording:
    """A recording and the truth behind it."""

    recording: Recording
    truth: Truth


def simulate(spec: CorpusSpec, source: str) -> list[SimulatedRecording]:
    """One person's recordings with the truth behind them, in the order of repetitions.

    Raises:
        AEMGError: no such source.
    """
    if source not in spec.sources:
        raise AEMGError(f"{spec.name}: no source {source!r}; there are {spec.sources[0]} to {spec.sources[-1]}")
    number, worn_device = spec.sources.index(source), device(spec.device)
    person = sample_person(spec.rng(number, _PERSON))
    habits = personal_templates(spec.gestures, spec.rng(number, _HABITS))
    turn, mirror, gains = _don(worn_device, person, spec.rng(number, _DONNING))
    montage = worn_device.montage.turned(turn, mirror)
    waves = bank(person, worn_device.electrodes(montage))
    session = _Session(spec, number, worn_device, person, habits, turn, mirror, gains, waves)
    return [session.block(trial) for trial in range(1, spec.repetitions + 1)]


@dataclass(frozen=True, eq=False)
class _Session:
    spec: CorpusSpec
    number: int
    device: Device
    person: Person
    habits: NDArray[np.float64]
    turn_deg: float
    mirror: bool
    gains: NDArray[np.float64]
    waves: NDArray[np.float32]

    def block(self, trial: int) -> SimulatedRecording:
        """One repetition of all gestures."""
        spec, number = self.spec, self.number
        order = spec.rng(number, _ORDER, trial).permutation(len(spec.gestures))
        onsets = np.asarray(spec.rest_s + np.arange(len(order)) * (spec.hold_s + spec.rest_s), dtype=np.float64)
        duration = float(spec.rest_s + len(order) * (spec.hold_s + spec.rest_s))
        excitation = course(
            self.habits[order], onsets, spec.hold_s, duration, self.person.tone, spec.rng(number, _DRIVE, trial)
        )
        spikes = discharge(self.person.units, excitation, spec.rng(number, _SPIKES, trial))
        clean = render(spikes, self.waves, duration)
        signal = acquire(clean, self.device, self.gains, spec.rng(number, _DEVICE, trial))
        intervals = tuple(
            Interval(float(onset), float(onset + spec.hold_s), spec.gestures[g], trial)
            for onset, g in zip(onsets, order)
        )
        return SimulatedRecording(self._recording(signal, intervals, trial), self._truth(excitation, spikes, intervals))

    def _recording(self, signal: NDArray[np.float32], intervals: tuple[Interval, ...], trial: int) -> Recording:
        source = self.spec.sources[self.number]
        digest = hashlib.sha256(signal.tobytes()).hexdigest()
        return Recording(
            signal=signal,
            rate_hz=self.device.rate_hz,
            montage=self.device.montage,
            subject=source,
            session="1",
            provenance=Provenance(self.spec.name, f"{source}/{trial}", digest, LICENCE),
            unit=self.device.unit,
            band_hz=self.device.band_hz,
            intervals=intervals,
        )

    def _truth(self, excitation: NDArray[np.float64], spikes: Spikes, intervals: tuple[Interval, ...]) -> Truth:
        return Truth(
            turn_deg=self.turn_deg,
            mirror=self.mirror,
            montage=replace(self.device.montage.turned(self.turn_deg, self.mirror), angle_known=True),
            onsets_s=tuple(interval.start_s for interval in intervals),
            excitations=excitation.astype(np.float32),
            spikes=spikes,
            person=self.person,
        )


def _don(device: Device, person: Person, rng: np.random.Generator) -> tuple[float, bool, NDArray[np.float64]]:
    """Turn in degrees, mirrored or not, and the gains (C,) of the contacts, of one putting on."""
    anywhere, error = float(rng.uniform(0, 360)), float(rng.normal(0, _PLACEMENT_ERROR_DEG))
    gains = np.exp(rng.normal(0, _CONTACT_SPREAD, device.montage.n_channels))
    if device.montage.angle_known:
        return error, False, gains
    return anywhere, person.arm == "left", gains
