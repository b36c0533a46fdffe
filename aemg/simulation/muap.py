"""Motor unit action potentials as electrodes on the skin see them.

Fibres of finite length carry the Rosenfalck action potential from the end-plate to both ends, where it dies out
(Farina and Merletti, IEEE TBME 2001; Dimitrov and Dimitrova 1998), in the layered cylinder of `conductor`. A unit's
fibres are spread normally around its centre, which is a factor on the spectra, and no centre lies shallower than its
territory allows. Not modelled: bone, pennation, taper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.anatomy import SKIN_M, Person
from aemg.simulation.conductor import Conductor

RENDER_RATE_HZ = 2000.0
LENGTH_S = 0.024
_ENDPLATE_SPREAD_M = 0.004
_TERRITORY_M = 0.002
_DEPTH_STEP_M = 0.0005
_SHALLOWEST_M = 0.005
_FIBRE_CURRENT = 1.01 * np.pi * 25e-6**2
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Electrodes:
    """Bipolar electrodes on one ring of the limb, their axis along the fibres.

    Args:
        angles_deg: of every channel, in the montage's convention.
        position: of the ring from elbow (0) to wrist (1).
        distance_m: between the two poles of a channel.
        size_m: length and width of a pole.
    """

    angles_deg: tuple[float, ...]
    position: float = 0.25
    distance_m: float = 0.02
    size_m: float = 0.008


def bank(person: Person, electrodes: Electrodes, *, rate_hz: float = RENDER_RATE_HZ) -> NDArray[np.float32]:
    """The potential that one discharge of every motor unit gives, from the discharge on.

    Returns:
        (M, C, L) float32 in volts at `rate_hz`, L covering 24 ms.
    """
    units, place = person.units, electrodes.position
    conductor = Conductor(person.radius_at(place), person.fat_m, SKIN_M)
    surface = conductor.surface() * _electrode_filter(conductor, electrodes)
    radius = conductor.core_m - np.maximum(units.depth * conductor.core_m, _SHALLOWEST_M)
    levels = np.round(radius / _DEPTH_STEP_M).astype(int)
    times = np.arange(round(LENGTH_S * rate_hz)) / rate_hz
    waves = np.empty((len(levels), len(electrodes.angles_deg), len(times)), dtype=np.float32)
    for level in np.unique(levels):
        source_m = level * _DEPTH_STEP_M
        reached = surface * conductor.depth_factor(source_m)
        for m in np.flatnonzero(levels == level):
            angular = _around(conductor.orders, source_m, units.angle_deg[m], electrodes)
            gradient = _along(conductor, reached @ angular, units.endplate_m[m] - place * person.forearm_m)
            current = _FIBRE_CURRENT * units.fibres[m]
            waves[m] = current * _travel(conductor, gradient, times, person, int(m)).T
    return waves


def _electrode_filter(conductor: Conductor, electrodes: Electrodes) -> Floats:
    """(K, N): derivative along the fibre and difference of the poles (both odd in k, hence real), area of a pole."""
    k, n = conductor.wave_numbers[:, None], np.arange(conductor.orders)[None, :]
    pair = 2 * k * np.sin(k * electrodes.distance_m / 2)
    half = electrodes.size_m / 2
    area = np.sinc(k * half / np.pi) * np.sinc(n * half / conductor.radius_m / np.pi)
    spread = np.exp(-((k * _ENDPLATE_SPREAD_M) ** 2) / 2)
    return np.asarray(pair * area * spread)


def _around(orders: int, source_m: float, angle_deg: float, electrodes: Electrodes) -> Floats:
    """(N, C): the cosine of every order between unit and electrode, less what the territory blurs."""
    n = np.arange(orders)[:, None]
    away = np.deg2rad(np.asarray(electrodes.angles_deg)[None, :] - angle_deg)
    return np.asarray(np.cos(n * away) * np.exp(-((n * _TERRITORY_M / source_m) ** 2) / 2))


def _along(conductor: Conductor, spectrum: Floats, offset_m: float) -> Floats:
    """(Z, C): response to an axial dipole at distances 0, dz, 2 dz, ... (cyclic) from a point `offset_m` distal."""
    phase = np.exp(1j * conductor.wave_numbers * offset_m)[:, None]
    dz = conductor.period_m / conductor.steps
    return np.asarray(np.fft.irfft(spectrum * phase, conductor.steps, axis=0)) / dz


def _travel(conductor: Conductor, gradient: Floats, times: Floats, person: Person, m: int) -> Floats:
    """(L, C): the two waves that leave the end-plate, each until its end of the fibre."""
    units, dz = person.units, conductor.period_m / conductor.steps
    distal = np.arange(round(units.distal_m[m] / dz))
    proximal = np.arange(1, round(units.proximal_m[m] / dz))
    reach = max(len(distal), len(proximal) + 1)
    behind = units.velocity_m_s[m] * times[:, None] - dz * np.arange(reach)[None, :]
    wave = _action_potential_slope(behind) * dz
    return np.asarray(wave[:, distal] @ gradient[distal] - wave[:, proximal] @ gradient[-proximal])


def _action_potential_slope(behind_m: Floats) -> Floats:
    """Slope in V/m of Rosenfalck's action potential, `behind_m` metres behind its front (0 ahead of it)."""
    x = np.maximum(behind_m * 1e3, 0.0)
    return np.asarray(96.0 * x**2 * (3.0 - x) * np.exp(-x))
