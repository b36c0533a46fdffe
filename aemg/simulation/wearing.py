"""How a device is put on, session for session, and how it turns while it is worn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Montage
from aemg.simulation.anatomy import Person
from aemg.simulation.artefacts import Artefact
from aemg.simulation.devices import Device, acquire
from aemg.simulation.muap import RENDER_RATE_HZ, bank
from aemg.simulation.pool import CONTROL_RATE_HZ, Spikes
from aemg.simulation.render import render

Floats = NDArray[np.float64]
_NODE_DEG = 5.0


@dataclass(frozen=True)
class Wear:
    """How people put a device on, and how well it stays; standard deviations of normal draws unless said otherwise.

    Args:
        placement_deg: turn of a device that is put on by anatomy, anew in every session.
        redonning_deg: turn from session to session of a device that is put on anyhow, about a turn of the person's own.
        contact: logarithm of the gain of a contact, anew in every session.
        creep_deg_per_min: slow turn while it is worn, one rate a session.
        slips_per_min: mean number of sudden turns.
        slip_deg: a sudden turn.

    Raises:
        AEMGError: a negative number.
    """

    placement_deg: float = 5.0
    redonning_deg: float = 15.0
    contact: float = 0.1
    creep_deg_per_min: float = 0.0
    slips_per_min: float = 0.0
    slip_deg: float = 10.0

    def __post_init__(self) -> None:
        if min(vars(self).values()) < 0:
            raise AEMGError(f"ways of wearing a device are told by numbers of at least 0, got {self}")

    def slip(self, duration_s: float, rng: np.random.Generator) -> Floats:
        """Turn in degrees since it was put on, (T,) at `pool.CONTROL_RATE_HZ`."""
        times = np.arange(round(duration_s * CONTROL_RATE_HZ)) / CONTROL_RATE_HZ
        turn = rng.normal(0, self.creep_deg_per_min) / 60 * times
        sudden = rng.uniform(0, duration_s, rng.poisson(self.slips_per_min * duration_s / 60))
        for at in sudden:
            turn += rng.normal(0, self.slip_deg) * (times >= at)
        return np.asarray(turn)


@dataclass(frozen=True, eq=False)
class Worn:
    """A device on a person, from putting it on to taking it off.

    Args:
        turn_deg, mirror: as it was put on.
        gains: (C,) of the contacts.
        slip_deg: (T,) how far it has turned since, at `pool.CONTROL_RATE_HZ`; the last value stays.
    """

    person: Person
    device: Device
    turn_deg: float
    mirror: bool
    gains: Floats
    slip_deg: Floats

    def montage(self, slip_deg: float = 0.0) -> Montage:
        """The device's montage with the true angles, after a slip."""
        return replace(self.device.montage.turned(self.turn_deg + slip_deg, self.mirror), angle_known=True)

    def read(
        self,
        spikes: Spikes,
        duration_s: float,
        rng: np.random.Generator,
        *,
        start_s: float = 0.0,
        artefacts: Iterable[Artefact] = (),
    ) -> NDArray[np.float32]:
        """What the device records, (C, T') at its rate, in its unit.

        Args:
            spikes: discharges, their times counted from `start_s`.
            rng: chance of noise and artefacts.
            start_s: since it was put on.
            artefacts: beside the device's own disturbances.
        """
        return acquire(self._potentials(spikes, duration_s, start_s), self.device, self.gains, rng, artefacts=artefacts)

    def _potentials(self, spikes: Spikes, duration_s: float, start_s: float) -> NDArray[np.float32]:
        """Potentials at a turn between two nodes are those at the nodes, interpolated."""
        if not self.slip_deg.any():
            return render(spikes, self._waves(0), duration_s)
        at = np.arange(round(duration_s * RENDER_RATE_HZ)) / RENDER_RATE_HZ + start_s
        place = np.interp(at, np.arange(len(self.slip_deg)) / CONTROL_RATE_HZ, self.slip_deg) / _NODE_DEG
        total: NDArray[np.float32] | float = 0.0
        for node in sorted({*np.floor(place).astype(int), *np.ceil(place).astype(int)}):
            share = np.maximum(1 - np.abs(place - node), 0).astype(np.float32)
            total = total + share * render(spikes, self._waves(int(node)), duration_s)
        return np.asarray(total, dtype=np.float32)

    def _waves(self, node: int) -> NDArray[np.float32]:
        if node not in self._banks:
            self._banks[node] = bank(self.person, self.device.electrodes(self.montage(node * _NODE_DEG)))
        return self._banks[node]

    @cached_property
    def _banks(self) -> dict[int, NDArray[np.float32]]:
        return {}


def put_on(
    person: Person,
    device: Device,
    wear: Wear,
    own: np.random.Generator,
    *,
    again: np.random.Generator | None = None,
) -> Worn:
    """The device as someone puts it on; it does not slip (see `Wear.slip`).

    A device whose angles are known is put on by anatomy with an error; any other anyhow, and mirrored on the left arm.

    Args:
        own: chance of the person and of the first session.
        again: chance of a later session.
    """
    anywhere, error = float(own.uniform(0, 360)), float(own.normal(0, wear.placement_deg))
    if again is not None:
        anywhere = (anywhere + float(again.normal(0, wear.redonning_deg))) % 360
        error = float(again.normal(0, wear.placement_deg))
    gains = np.exp((again or own).normal(0, wear.contact, device.montage.n_channels))
    known = device.montage.angle_known
    return Worn(person, device, error if known else anywhere, not known and person.arm == "left", gains, np.zeros(1))
