"""The limb as electrodes see it: fall-off around the ring, the effect of fat, and travelling potentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.anatomy import MUSCLE_INDEX, SKIN_M, MotorUnits, Person
from aemg.simulation.muap import Electrodes, bank
from aemg.simulation.pool import CONTROL_RATE_HZ, discharge, rates
from aemg.simulation.realism.measures import delay_s
from aemg.simulation.render import render

Floats = NDArray[np.float64]
RING_DEG = tuple(float(angle) for angle in range(0, 360, 5))
SUPERFICIAL = ("FCR", "FCU", "ECU", "BR")
LONG = ("BR", "ECRL")
FAT_MM = (3.0, 9.0)
_RING = 0.25
_DRIVE = 0.3
_GAP_M = 0.01
_RENDER_HZ, _FINE_HZ = 2000.0, 8000.0
_CLEAR_M = 0.012  # from the end-plate and from the fibre's end, where nothing travels past both electrodes


def with_muscles(person: Person, *names: str) -> Person:
    """The same limb with the units of some muscles only."""
    own = np.isin(person.units.muscle, [MUSCLE_INDEX[name] for name in names])
    return replace(person, units=_chosen(person.units, own))


def with_fat(person: Person, fat_m: float) -> Person:
    """The same muscles under another layer of fat; the limb grows with it."""
    core_m = person.radius_m - person.fat_m - SKIN_M
    return replace(person, fat_m=fat_m, radius_m=core_m + fat_m + SKIN_M)


def around(person: Person, muscles: Sequence[str] = SUPERFICIAL) -> list[tuple[Floats, Floats]]:
    """For each muscle: angles (A,) in degrees from its border, and the RMS (A,) in volts there where it alone is at 30 %.

    Negative angles lie above the muscle. Bipolar electrodes 20 mm apart at a quarter of the forearm, every 5 degrees.
    """
    alone = with_muscles(person, *muscles)
    waves = bank(alone, Electrodes(RING_DEG, _RING), rate_hz=_RENDER_HZ).astype(np.float64)
    power = rates(alone.units, _steady(1)) * np.square(waves).sum(2) / _RENDER_HZ
    made = []
    for name in muscles:
        own = alone.units.muscle == MUSCLE_INDEX[name]
        places = np.exp(1j * np.deg2rad(alone.units.angle_deg[own]))
        middle = places.mean() / abs(places.mean())
        away = np.abs(np.angle(np.exp(1j * np.deg2rad(RING_DEG)) / middle)) - np.abs(np.angle(places / middle)).max()
        made.append((np.rad2deg(away), np.sqrt(power[own].sum(0))))
    return made


def reach_deg(away_deg: Floats, rms: Floats, share: float = 0.05) -> float:
    """Angle from the muscle's border beyond which the RMS stays below a share of its peak."""
    loud = rms >= share * rms.max()
    return float(away_deg[loud].max())


def velocities(person: Person, muscle: str, rng: np.random.Generator) -> tuple[Floats, Floats, float]:
    """Conduction velocities in m/s from the delay between two bipolar electrodes 10 mm apart along a muscle.

    The pair sits half-way between the end-plates and the distal ends of the fibres. Units whose end-plate or end lies within
    12 mm of it are left out, as one would choose another site for them.

    Returns:
        Of single units as measured and as modelled, (U,) each, and of 3 s of the whole muscle's signal at 30 % drive (NaN
        where fewer than three units pass the pair).
    """
    alone = with_muscles(person, muscle)
    units = alone.units
    middle_m = float(np.median(units.endplate_m + units.distal_m / 2))
    angle = float(np.rad2deg(np.angle(np.exp(1j * np.deg2rad(units.angle_deg)).mean()))) % 360.0
    starts = units.endplate_m + _CLEAR_M < middle_m - _GAP_M / 2
    clear = starts & (units.endplate_m + units.distal_m - _CLEAR_M > middle_m + _GAP_M / 2)
    places = [(middle_m + side * _GAP_M / 2) / person.forearm_m for side in (-1, 1)]
    pair = [bank(alone, Electrodes((angle,), place, 0.005, 0.002), rate_hz=_FINE_HZ) for place in places]
    found = [delay_s(a, b, _FINE_HZ) for a, b in zip(pair[0][clear, 0], pair[1][clear, 0])]
    whole = float("nan")
    if clear.sum() >= 3:
        spikes = discharge(units, _steady(round(3 * CONTROL_RATE_HZ)), rng)
        one, other = (render(spikes, waves, 3.0, rate_hz=_FINE_HZ)[0].astype(np.float64) for waves in pair)
        whole = _GAP_M / delay_s(one, other, _FINE_HZ)
    return _GAP_M / np.asarray(found), units.velocity_m_s[clear], whole


def band_share(person: Person, low_hz: float, high_hz: float) -> float:
    """Share of the power on a ring of 16 that lies between two frequencies, all muscles at 30 %, nothing filtered."""
    waves = bank(person, Electrodes(tuple(22.5 * i for i in range(16)), _RING), rate_hz=_RENDER_HZ).astype(np.float64)
    power = np.abs(np.fft.rfft(waves, 512, axis=2)) ** 2
    frequency = np.fft.rfftfreq(512, 1 / _RENDER_HZ)
    total = np.einsum("m,mcf->f", rates(person.units, _steady(1))[:, 0], power)
    return float(total[(frequency >= low_hz) & (frequency <= high_hz)].sum() / total.sum())


def _steady(steps: int) -> Floats:
    return np.full((len(MUSCLE_INDEX), steps), _DRIVE)


def _chosen(units: MotorUnits, which: NDArray[np.bool_]) -> MotorUnits:
    return MotorUnits(**{field.name: getattr(units, field.name)[which] for field in fields(units)})
