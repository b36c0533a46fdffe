"""Discharges of one person's motor units under a course of excitation given beforehand.

The units are those of `motor_units`, which also run in the loop with a hand.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aemg.simulation import anatomy
from aemg.simulation.motor_units import IntegrateAndFire, MotorUnits, Pool
from aemg.simulation.render import Spikes as Spikes

CONTROL_RATE_HZ = 200.0
_SETTINGS = IntegrateAndFire()
Floats = NDArray[np.float64]


def thresholds(units: anatomy.MotorUnits) -> Floats:
    """Excitation (M,) above which a unit discharges, 0.01 for a muscle's smallest unit to 0.6 for its largest."""
    return _SETTINGS.thresholds(units.rank)


def rates(units: anatomy.MotorUnits, excitation: Floats) -> Floats:
    """Steady rates (M, T) in Hz under excitations (muscles, T) between 0 and 1; 0 where not recruited."""
    return _SETTINGS.rates(units.rank, excitation[units.muscle])


def discharge(
    units: anatomy.MotorUnits, excitation: Floats, rng: np.random.Generator, *, rate_hz: float = CONTROL_RATE_HZ
) -> Spikes:
    """Discharges of all units under a course of excitation.

    Args:
        excitation: (muscles, T) between 0 and 1, constant over each of its samples at `rate_hz`, which is 50 Hz at least.
        rng: the only source of chance.
    """
    alone = MotorUnits(Pool.of(units), 1, seed=int(rng.integers(2**63)), settings=_SETTINGS)
    return alone.run(np.ascontiguousarray(excitation.T)[:, None, :], 1 / rate_hz).spikes(0)
