"""From excitation to discharges: recruitment by size, rates that rise and saturate, noisy intervals.

A unit discharges as a renewal process in operational time (the integral of its rate), which is exact for any course of
excitation and needs no time step. Intervals are a dead part plus a gamma variate, so that noise is multiplicative and a
refractory period remains at every rate. Recruitment and rates follow Fuglevand, Winter and Patla 1993 with the onion
skin of De Luca (first recruited, fastest).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.anatomy import MotorUnits

CONTROL_RATE_HZ = 200.0
_FIRST_THRESHOLD, _LAST_THRESHOLD = 0.01, 0.6
_LOWEST_HZ, _FIRST_PEAK_HZ, _LAST_PEAK_HZ = 8.0, 35.0, 25.0
_SATURATION = 0.25
_DEAD_SHARE, _GAMMA_SHAPE = 0.3, 25.0
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Spikes:
    """Discharges in time order: `times_s` (S,) float64 and the motor unit of each, `units` (S,)."""

    times_s: Floats
    units: NDArray[np.intp]


def thresholds(units: MotorUnits) -> Floats:
    """Excitation (M,) above which a unit discharges, 0.01 for a muscle's smallest unit to 0.6 for its largest."""
    return np.asarray(_FIRST_THRESHOLD * (_LAST_THRESHOLD / _FIRST_THRESHOLD) ** units.rank)


def rates(units: MotorUnits, excitation: Floats) -> Floats:
    """Discharge rates (M, T) in Hz under excitations (muscles, T) between 0 and 1; 0 where not recruited."""
    above = excitation[units.muscle] - thresholds(units)[:, None]
    peak = (_FIRST_PEAK_HZ + (_LAST_PEAK_HZ - _FIRST_PEAK_HZ) * units.rank)[:, None]
    rate = _LOWEST_HZ + (peak - _LOWEST_HZ) * -np.expm1(-np.maximum(above, 0) / _SATURATION)
    return np.where(above > 0, rate, 0.0)


def discharge(
    units: MotorUnits, excitation: Floats, rng: np.random.Generator, *, rate_hz: float = CONTROL_RATE_HZ
) -> Spikes:
    """Discharges of all units under a course of excitation.

    Args:
        excitation: (muscles, T) between 0 and 1, sampled at `rate_hz`.
        rng: the only source of chance.
    """
    rate = rates(units, excitation)
    warped = np.cumsum(rate, axis=1) / rate_hz
    grid = (np.arange(excitation.shape[1]) + 1) / rate_hz
    times, owners = [], []
    for m, total in enumerate(warped[:, -1]):
        draws = rng.gamma(_GAMMA_SHAPE, 1 / _GAMMA_SHAPE, int(total * 1.3) + 12)
        intervals = _DEAD_SHARE + (1 - _DEAD_SHARE) * draws
        intervals[0] *= rng.random()
        marks = np.cumsum(intervals)
        marks = marks[marks < total]
        times.append(np.interp(marks, np.concatenate([[0.0], warped[m]]), np.concatenate([[0.0], grid])))
        owners.append(np.full(len(marks), m))
    all_times, all_units = np.concatenate(times), np.concatenate(owners)
    order = np.argsort(all_times, kind="stable")
    return Spikes(all_times[order], all_units[order])
