"""Motor units under steady drive: how fast, how regularly and in which order they discharge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.anatomy import MUSCLES, Person
from aemg.simulation.pool import CONTROL_RATE_HZ, discharge
from aemg.simulation.realism.measures import interval_statistics, line_fit, rank_correlation

Floats = NDArray[np.float64]
DRIVES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8)
STEADY = (0.1, 0.2, 0.4, 0.8)
DURATION_S = 8.0
_SETTLED_S, _RAMP_S = 1.0, 20.0
_LONGEST_TWITCH_S, _TWITCH_POWER = 0.09, 1 / 4.2


@dataclass(frozen=True, eq=False)
class Drives:
    """A person's units under drive.

    Args:
        rates, variations: (drives, M) under every one of `DRIVES` held for 8 s, NaN where a unit hardly discharges.
        recruited: (M,) drive at the first discharge while it rises from 0 to 1 in 20 s; inf for never.
    """

    rates: Floats
    variations: Floats
    recruited: Floats


def under_drives(person: Person, rng: np.random.Generator) -> Drives:
    """All muscles of a person under the same drive, steady and rising."""
    steps, n_units = round(DURATION_S * CONTROL_RATE_HZ), len(person.units.rank)
    parts = []
    for drive in DRIVES:
        spikes = discharge(person.units, np.full((len(MUSCLES), steps), drive), rng)
        parts.append(interval_statistics(spikes, n_units, from_s=_SETTLED_S))
    ramp = np.linspace(0, 1, round(_RAMP_S * CONTROL_RATE_HZ))
    spikes = discharge(person.units, np.tile(ramp, (len(MUSCLES), 1)), rng)
    recruited = np.full(n_units, np.inf)
    recruited[spikes.units[::-1]] = spikes.times_s[::-1] / _RAMP_S  # the earliest is written last
    return Drives(np.array([p[0] for p in parts]), np.array([p[1] for p in parts]), recruited)


def within_muscles(person: Person, chosen: NDArray[np.bool_], x: Floats, y: Floats) -> Floats:
    """Spearman's correlation of x and y (M,) over the chosen units of each muscle that has four or more of them."""
    found = [
        rank_correlation(x[own], y[own])
        for muscle in np.unique(person.units.muscle)
        for own in [chosen & (person.units.muscle == muscle)]
        if own.sum() >= 4
    ]
    return np.asarray(found)


def force(person: Person, rates: Floats) -> Floats:
    """Mean isometric force (drives,) of all units at mean rates (drives, M), in units of the smallest twitch.

    Twitches after Fuglevand, Winter and Patla 1993 (doi 10.1152/jn.1993.70.6.2470): force grows with the unit's size, fast
    units are the strong ones, and force saturates with the rate.
    """
    size = person.units.fibres / person.units.fibres.min()
    contraction_s = _LONGEST_TWITCH_S * size**-_TWITCH_POWER
    x: Floats = contraction_s * np.nan_to_num(rates)
    safe = np.maximum(x, 0.4)
    gain = (1 - np.exp(-2 * safe**3)) / safe / ((1 - np.exp(-2 * 0.4**3)) / 0.4)
    return np.asarray((np.e * size * x * gain).sum(1))


def amplitude(rates: Floats, waves: NDArray[np.float32], rate_hz: float) -> Floats:
    """RMS (drives, C) in volts of units that discharge independently at mean rates (drives, M): Campbell's theorem."""
    energy = np.square(waves.astype(np.float64)).sum(2) / rate_hz
    return np.asarray(np.sqrt(np.nan_to_num(rates) @ energy))


def force_fits(x: Floats, rms: Floats) -> tuple[Floats, Floats]:
    """`measures.line_fit` of the strongest channel's RMS over x (drives,), force or excitation: two arrays of one value."""
    explained, exponent = line_fit(x, rms[:, int(np.argmax(rms[-1]))])
    return np.array([explained]), np.array([exponent])


def pooled(values: Sequence[Floats]) -> Floats:
    """All finite values, in one row."""
    joined = np.concatenate([np.ravel(v) for v in values])
    return np.asarray(joined[np.isfinite(joined)])

