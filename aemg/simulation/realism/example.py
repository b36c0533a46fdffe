"""One contraction of one simulated person with everything that led to its signals, for pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.anatomy import MUSCLE_INDEX, sample_person
from aemg.simulation.devices import acquire, device
from aemg.simulation.gestures import template
from aemg.simulation.muap import RENDER_RATE_HZ, bank
from aemg.simulation.pool import CONTROL_RATE_HZ, Spikes, discharge
from aemg.simulation.render import render

Floats = NDArray[np.float64]
DURATION_S = 8.0
_RISE_S, _FALL_S, _EFFORT = 3.0, 1.0, 1.6


@dataclass(frozen=True, eq=False)
class Example:
    """A power grip that rises for three seconds, is held and let go.

    Args:
        device, seed: what was worn, and what the person was drawn from.
        muscles: names of the muscles shown.
        drive: their excitation (muscles, T') between 0 and 1 at `pool.CONTROL_RATE_HZ`.
        owners: (M',) muscle of each of their units, an index into `muscles`; units in order of recruitment.
        spikes: discharges of these units.
        emg: (C, T) in volts or counts at `rate_hz`; unit: which.
        held_s: start and end of the plateau.
    """

    device: str
    seed: int
    muscles: tuple[str, ...]
    drive: Floats
    owners: NDArray[np.intp]
    spikes: Spikes
    emg: NDArray[np.float32]
    rate_hz: float
    unit: str
    held_s: tuple[float, float]


def example(device_name: str, seed: int, muscles: tuple[str, ...] = ("FDS3", "FDP3", "ECRB")) -> Example:
    """Simulates the contraction.

    Raises:
        AEMGError: no such device.
    """
    worn = device(device_name)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(9,)))
    person = sample_person(rng)
    steps = np.arange(round(DURATION_S * CONTROL_RATE_HZ)) / CONTROL_RATE_HZ
    height = np.clip(np.minimum(steps / _RISE_S, (DURATION_S - 0.5 - steps) / _FALL_S), 0.0, 1.0)
    excitation = np.clip(_EFFORT * template("hand_close")[:, None] * height[None, :], 0.0, 1.0)
    spikes = discharge(person.units, excitation, rng)
    waves = bank(person, worn.electrodes(worn.montage))
    clean = render(spikes, waves, DURATION_S, rate_hz=RENDER_RATE_HZ)
    emg = acquire(clean, worn, np.ones(worn.montage.n_channels), rng)
    chosen = np.flatnonzero(np.isin(person.units.muscle, [MUSCLE_INDEX[name] for name in muscles]))
    place = np.full(len(person.units.rank), -1)
    place[chosen] = np.arange(len(chosen))
    shown = place[spikes.units] >= 0
    index = {MUSCLE_INDEX[name]: i for i, name in enumerate(muscles)}
    return Example(
        device=device_name,
        seed=seed,
        muscles=muscles,
        drive=excitation[[MUSCLE_INDEX[name] for name in muscles]],
        owners=np.array([index[int(m)] for m in person.units.muscle[chosen]]),
        spikes=Spikes(spikes.times_s[shown], place[spikes.units[shown]]),
        emg=emg,
        rate_hz=worn.rate_hz,
        unit=worn.unit,
        held_s=(_RISE_S, DURATION_S - 0.5 - _FALL_S),
    )
