"""MuJoCo's muscle in formulas: force from length, velocity and activation, and the excitation that changes activation.

Hill-type muscle of the MuJoCo documentation (modelling, "muscle actuators"; after Millard et al. 2013), with parameters
as in `actuator_gainprm`: range (2), force, scale, lmin, lmax, vmax, fpmax, fvmax.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TINY = 1e-15


@njit(cache=True, nogil=True)
def normal_length(length: float, low: float, high: float, prm: Floats) -> tuple[float, float]:
    """Length over the optimal fibre length, and that length in metres."""
    optimal = (high - low) / max(_TINY, prm[1] - prm[0])
    return prm[0] + (length - low) / max(_TINY, optimal), optimal


@njit(cache=True, nogil=True)
def active_force(length: float, velocity: float, low: float, high: float, prm: Floats) -> float:
    """Pull in newton of the fully activated muscle, without its passive part; never negative.

    Args:
        length, velocity: of the tendon unit, in m and m/s.
        low, high: its length range in m.
        prm: (9,) or longer, with the force given (not derived from the scale).
    """
    ratio, optimal = normal_length(length, low, high, prm)
    lmin, lmax, bulge = prm[4], prm[5], prm[8] - 1.0
    rising, falling = 0.5 * (lmin + 1.0), 0.5 * (1.0 + lmax)
    if ratio < lmin or ratio > lmax:
        by_length = 0.0
    elif ratio <= rising:
        by_length = 0.5 * ((ratio - lmin) / max(_TINY, rising - lmin)) ** 2
    elif ratio <= 1.0:
        by_length = 1.0 - 0.5 * ((1.0 - ratio) / max(_TINY, 1.0 - rising)) ** 2
    elif ratio <= falling:
        by_length = 1.0 - 0.5 * ((ratio - 1.0) / max(_TINY, falling - 1.0)) ** 2
    else:
        by_length = 0.5 * ((lmax - ratio) / max(_TINY, lmax - falling)) ** 2
    speed = velocity / max(_TINY, optimal * prm[6])
    if speed <= -1.0:
        by_speed = 0.0
    elif speed <= 0.0:
        by_speed = (speed + 1.0) ** 2
    elif speed <= bulge:
        by_speed = prm[8] - (bulge - speed) ** 2 / max(_TINY, bulge)
    else:
        by_speed = prm[8]
    return float(prm[2] * by_length * by_speed)


@njit(cache=True, nogil=True)
def passive_force(length: float, low: float, high: float, prm: Floats) -> float:
    """Pull in newton of the stretched muscle at rest: quadratic above the optimal length, then linear."""
    ratio, _ = normal_length(length, low, high, prm)
    bend = 0.5 * (1.0 + prm[5])
    if ratio <= 1.0:
        return 0.0
    if ratio <= bend:
        return float(prm[2] * prm[7] * 0.5 * ((ratio - 1.0) / max(_TINY, bend - 1.0)) ** 2)
    return float(prm[2] * prm[7] * (0.5 + (ratio - bend) / max(_TINY, bend - 1.0)))


@njit(cache=True, nogil=True)
def excitation_for(now: float, wanted: float, rise_s: float, fall_s: float, step_s: float, steps: int) -> float:
    """The constant excitation, 0..1, that brings activation nearest to the wanted one after some steps.

    Args:
        now, wanted: activation in 0..1.
        rise_s, fall_s: time constants of the muscle, which its activation scales as in Millard et al. (2013).
        step_s, steps: of the physics.
    """
    middle = 0.5 + 0.75 * (now + wanted)
    tau = rise_s * middle if wanted > now else fall_s / middle
    reached = 1.0 - (1.0 - min(step_s / tau, 1.0)) ** steps
    return min(max(now + (wanted - now) / reached, 0.0), 1.0)
