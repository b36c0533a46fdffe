"""The EMG of virtual users while they move: the excitation of a hand's muscles in, a chunk of signal out, step by step.

Two montages. `isolated` reads every muscle through a channel of its own without cross-talk, as fine wires would; `ring` is a band
of bipolar electrodes around a simulated forearm, where the muscles of the hand itself are out of reach.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from aemg.config import STRICT
from aemg.errors import ConfigError
from aemg.signals import ring
from aemg.simulation.anatomy import MUSCLES, sample_person
from aemg.simulation.firings import FiringHistory
from aemg.simulation.motor_units import MotorUnits, Pool, pool_of
from aemg.simulation.muap import Electrodes, cached_bank, isolated
from aemg.simulation.online import OnlineEMG
from aemg.virtual_user.decoding import CONTROL_S, Floats, Integers


@dataclass(frozen=True)
class EMGSettings:
    """How the muscles are listened to.

    Args:
        montage: `isolated`, a channel for each muscle, or `ring`, electrodes around the forearm.
        rate_hz: of the EMG.
        units: motor units of a muscle, for `isolated`; a person has their own.
        electrodes: of the ring.
        position: of the ring from elbow (0) to wrist (1).
        person: seed of the person whose forearm it is.
        noise_v: RMS of white noise on every channel.
        history: whether all discharges are kept, to render the EMG again.
    """

    __pydantic_config__ = STRICT
    montage: Literal["isolated", "ring"] = "isolated"
    rate_hz: float = 1000.0
    units: int = 8
    electrodes: int = 16
    position: float = 0.25
    person: int = 0
    noise_v: float = 0.0
    history: bool = False

    def __post_init__(self) -> None:
        if self.units < 1 or self.electrodes < 1:
            raise ConfigError(f"units and electrodes count from 1, got {self.units} and {self.electrodes}")
        if self.noise_v < 0:
            raise ConfigError(f"noise_v is an RMS in volts, got {self.noise_v:g}")


@dataclass(frozen=True, eq=False)
class Wiring:
    """Motor units and what every channel sees of them.

    Args:
        pool: with indices of the hand's muscles.
        waves: (M, K, L) volts at the rate of the EMG.
        channels: (M, K) to which channel each wave belongs; None: to all in order.
        n_channels: C.
    """

    pool: Pool
    waves: Floats
    channels: Integers | None
    n_channels: int


@lru_cache(maxsize=8)
def wiring(muscles: tuple[str, ...], settings: EMGSettings) -> Wiring:
    """Units and potentials for a hand with these muscles."""
    if settings.montage == "isolated":
        pool = pool_of(len(muscles), settings.units)
        waves = isolated(pool, seed=settings.person, rate_hz=settings.rate_hz)
        return Wiring(pool, waves[:, None], pool.muscle[:, None], len(muscles))
    person = sample_person(np.random.default_rng(settings.person))
    band = ring("virtual", settings.electrodes, position=settings.position)
    bank = cached_bank(person, Electrodes(band.angles_deg, settings.position), rate_hz=settings.rate_hz)
    place = np.array([muscles.index(muscle.name) if muscle.name in muscles else -1 for muscle in MUSCLES])[person.units.muscle]
    mine = np.flatnonzero(place >= 0)  # units of muscles that the hand has
    return Wiring(Pool(place[mine], person.units.rank[mine]), bank[mine], None, settings.electrodes)


class UserEMG:
    """Motor units and electrodes of N users with the same forearm, each with noise of their own.

    Args:
        muscles: names of the hand's muscles.
        environments: N.
        seed: of all chance.
        first: number of environment 0, so that shards equal parts of a whole.
    """

    def __init__(
        self, muscles: Sequence[str], environments: int, settings: EMGSettings | None = None, *, seed: int = 0, first: int = 0
    ) -> None:
        self.settings = settings = settings or EMGSettings()
        wires = wiring(tuple(muscles), settings)
        self.environments, self.channels, self.rate_hz = environments, wires.n_channels, settings.rate_hz
        self.pool = wires.pool
        self.units = MotorUnits(wires.pool, environments, seed=seed, first=first)
        self.online = OnlineEMG(wires.waves, wires.channels, wires.n_channels, environments, settings.rate_hz)
        self.history = FiringHistory() if settings.history else None
        self._seed, self._steps = (seed, first), 0

    def reset(self, environments: Integers | None = None) -> None:
        """Muscles that were at rest, in these environments, None for all."""
        self.units.reset(environments)
        self.online.reset(environments)

    def step(self, excitation: Floats, duration_s: float = CONTROL_S) -> Floats:
        """EMG (N, C, S) in volts of the next `duration_s`, during which the excitation (N, muscles) holds."""
        firings = self.units.step(excitation, duration_s)
        if self.history is not None:
            self.history.append(firings, duration_s)
        emg = self.online.push(firings, duration_s)
        assert isinstance(emg, np.ndarray)
        if self.settings.noise_v:
            rng = np.random.default_rng([*self._seed, self._steps])
            emg += np.float32(self.settings.noise_v) * rng.standard_normal(emg.shape, np.float32)
        self._steps += 1
        return emg

    def state(self) -> dict[str, Any]:
        """A copy of all that the next step depends on, for `restore`; the history is not among it."""
        return {"units": self.units.state(), "online": self.online.state(), "steps": np.array(self._steps)}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a state."""
        self.units.restore(state["units"])
        self.online.restore(state["online"])
        self._steps = int(state["steps"])
