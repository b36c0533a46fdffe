"""Motor unit action potentials as electrodes on the skin see them.

Fibres of finite length carry the Rosenfalck action potential from the end-plate to both ends, where it dies out
(Farina and Merletti, IEEE TBME 2001; Dimitrov and Dimitrova 1998), in the layered cylinder of `conductor`. A unit's
fibres are spread normally around its centre, which is a factor on the spectra, and no centre lies shallower than its
territory allows. Not modelled: bone, pennation, taper.

Potentials are computed at 8 kHz or more and brought to the rate asked for by causal low-pass filters, as a device would:
nothing folds back into the band, and a bank at a low rate is `decimate` of the bank at `RENDER_RATE_HZ`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import cheby2, sosfilt

from aemg.errors import AEMGError
from aemg.simulation.anatomy import SKIN_M, MotorUnits, Person
from aemg.simulation.cache import cached_file
from aemg.simulation.conductor import Conductor
from aemg.simulation.motor_units import Pool
from aemg.simulation.render import RENDER_RATE_HZ as RENDER_RATE_HZ

LENGTH_S = 0.024
_FINE_RATE_HZ = 8000.0
_RING = 12
_STEPS, _DISTANCES = 192, 512
_ENDPLATE_SPREAD_M = 0.004
_TERRITORY_M = 0.002
_SHALLOWEST_M = 0.005
_FIBRE_CURRENT = 1.01 * np.pi * 25e-6**2
_VERSION = b"2"
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Electrodes:
    """Bipolar electrodes on the limb.

    Args:
        angles_deg: of every channel, in the montage's convention.
        position: from elbow (0) to wrist (1), of all channels or of each.
        distance_m: between the two poles of a channel.
        size_m: length and width of a pole.
        tilt_deg: from the fibres to the line from the proximal to the distal pole, positive towards growing angles; of
            all channels or of each.

    Raises:
        AEMGError: as many positions or tilts as there are not channels.
    """

    angles_deg: tuple[float, ...]
    position: float | tuple[float, ...] = 0.25
    distance_m: float = 0.02
    size_m: float = 0.008
    tilt_deg: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        for name, value in (("positions", self.position), ("tilts", self.tilt_deg)):
            if isinstance(value, Sequence) and len(value) != len(self.angles_deg):
                raise AEMGError(f"expected one of {name} or {len(self.angles_deg)} as there are channels, got {len(value)}")

    @property
    def positions(self) -> Floats:
        """(C,) of every channel."""
        return np.broadcast_to(np.asarray(self.position, dtype=np.float64), len(self.angles_deg))

    @property
    def tilts_rad(self) -> Floats:
        """(C,) of every channel."""
        return np.broadcast_to(np.deg2rad(self.tilt_deg), len(self.angles_deg))


def bank(person: Person, electrodes: Electrodes, *, rate_hz: float = RENDER_RATE_HZ) -> NDArray[np.float32]:
    """The potential that one discharge of every motor unit gives, from the discharge on.

    Returns:
        (M, C, L) float32 in volts at `rate_hz`; L covers 24 ms and 12 samples in which the low-pass rings out.
    """
    waves = np.empty((len(person.units.rank), len(electrodes.angles_deg), len(_reduction(rate_hz))), dtype=np.float32)
    for position in np.unique(electrodes.positions):
        on = np.flatnonzero(electrodes.positions == position)
        conductor = Conductor(person.radius_at(position), person.fat_m, SKIN_M, steps=_STEPS)
        waves[:, on] = _waves(conductor, person.units, float(position) * person.forearm_m, electrodes, on, rate_hz)
    return waves


def cached_bank(person: Person, electrodes: Electrodes, *, rate_hz: float = RENDER_RATE_HZ) -> NDArray[np.float32]:
    """`bank`, kept in `cache.cache_folder` between runs under a key of all that it depends on."""
    known = hashlib.sha256(_VERSION + repr((electrodes, rate_hz, person.fat_m, person.forearm_m)).encode())
    known.update(np.array([person.radius_at(position) for position in electrodes.positions]).tobytes())
    for name in ("angle_deg", "depth", "endplate_m", "distal_m", "proximal_m", "velocity_m_s", "fibres"):
        known.update(np.ascontiguousarray(getattr(person.units, name), dtype=np.float64).tobytes())

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.save(file, bank(person, electrodes, rate_hz=rate_hz))

    return np.asarray(np.load(cached_file(f"banks/{known.hexdigest()[:32]}.npy", write)))


def isolated(pool: Pool, *, seed: int = 0, rate_hz: float = RENDER_RATE_HZ) -> NDArray[np.float32]:
    """Potentials without cross-talk, as of electrodes so close to a muscle that they read nothing else.

    Every muscle has a pair of electrodes of its own above fibres of 40 to 60 mm at 5 to 8 mm of depth; places, velocities
    and end-plates of the units are drawn from the seed, their sizes follow from their ranks.

    Returns:
        (M, L) float32 in volts at `rate_hz`, each for the channel `pool.muscle`; L is cut where nothing is left.
    """
    rng, n = np.random.default_rng(seed), len(pool)
    fibre, size = rng.uniform(0.04, 0.06, n), 12.0**pool.rank
    units = MotorUnits(
        muscle=pool.muscle, rank=pool.rank, angle_deg=rng.uniform(-5, 5, n), depth=rng.uniform(0.13, 0.2, n),
        endplate_m=rng.uniform(-0.03, -0.01, n), distal_m=fibre / 2, proximal_m=fibre / 2,
        velocity_m_s=np.clip(rng.normal(4.0, 0.25, n) + 0.3 * (pool.rank - 0.5), 3.0, 5.2), fibres=25 * size,
    )  # fmt: skip
    near, limb = Electrodes((0.0,), distance_m=0.01, size_m=0.004), Conductor(0.042, 0.001, SKIN_M, steps=_STEPS)
    waves = _waves(limb, units, 0.0, near, np.array([0]), rate_hz)[:, 0]
    lasting = np.flatnonzero(np.abs(waves).max(axis=0) > 1e-3 * np.abs(waves).max())
    return np.ascontiguousarray(waves[:, : lasting[-1] + 1])


def decimate(waves: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Waves (..., L) after the low-pass that their new rate asks for, every `factor`-th sample from the first."""
    length = -(-(waves.shape[-1] + factor * _RING) // factor)
    return np.asarray(waves @ _decimation(waves.shape[-1], length, factor).T, dtype=np.float32)


@lru_cache(maxsize=16)
def _reduction(rate_hz: float) -> Floats:
    """(L, fine samples): from the fine rate to `rate_hz`, by way of a multiple of it at or above the rendering rate."""
    low, fine = _factors(rate_hz)
    samples = round(LENGTH_S * low * fine * rate_hz)
    between, last = (round(LENGTH_S * rate) + _RING for rate in (low * rate_hz, rate_hz))
    first = _decimation(samples, between, fine)
    return first if low == 1 else _decimation(between, last, low) @ first


def _factors(rate_hz: float) -> tuple[int, int]:
    """What to multiply a rate with to reach the rendering rate, and that again to reach the fine rate."""
    if rate_hz <= 0:
        raise AEMGError(f"rate_hz must be above 0, got {rate_hz}")
    low = int(np.ceil(RENDER_RATE_HZ / rate_hz))
    return low, int(np.ceil(_FINE_RATE_HZ / (low * rate_hz)))


@lru_cache(maxsize=16)
def _decimation(samples: int, length: int, factor: int) -> Floats:
    """(length, samples): causal Chebyshev low-pass of 40 dB from half the new rate on, then every `factor`-th sample."""
    if factor == 1:
        return np.eye(length, samples)
    impulse = np.zeros(length * factor)
    impulse[0] = 1.0
    response = sosfilt(cheby2(6, 40, 1 / factor, output="sos"), impulse)
    lag = factor * np.arange(length)[:, None] - np.arange(samples)[None, :]
    return np.asarray(np.where(lag >= 0, response[np.maximum(lag, 0)], 0.0))


def _waves(
    conductor: Conductor, units: MotorUnits, place_m: float, electrodes: Electrodes, on: NDArray[np.intp], rate_hz: float
) -> NDArray[np.float32]:
    """(M, channels, L): the channels `on` of the electrodes, which lie `place_m` from the elbow."""
    reduce = _reduction(rate_hz)
    low, fine = _factors(rate_hz)
    times = np.arange(reduce.shape[1]) / (low * fine * rate_hz)
    angles, tilts = np.deg2rad(electrodes.angles_deg)[on], electrodes.tilts_rad[on]
    waves = np.empty((len(units.rank), len(on), len(reduce)), dtype=np.float32)
    for m, spectrum in enumerate(_spectra(conductor, units, electrodes, angles, tilts)):
        gradient = _along(conductor, spectrum, units.endplate_m[m] - place_m)
        waves[m] = (reduce @ _travel(conductor, gradient, units, m, times)).T
    return waves


def _spectra(
    conductor: Conductor, units: MotorUnits, electrodes: Electrodes, angles_rad: Floats, tilts_rad: Floats
) -> NDArray[np.complex128]:
    """(M, K, C): what an axial dipole in every unit's centre gives to a bipolar channel, derivative along z included.

    With poles half a distance apart along z (a) and around the limb (b), a cosine of order n at wave number k becomes
    2i [sin(ka) cos(nb) cos(n away) + i cos(ka) sin(nb) sin(n away)].
    """
    k, n = conductor.wave_numbers, np.arange(conductor.orders)
    half = electrodes.size_m / 2
    area = np.sinc(k * half / np.pi)[:, None] * np.sinc(n * half / conductor.radius_m / np.pi)[None, :]
    spread = np.exp(-((k * _ENDPLATE_SPREAD_M) ** 2) / 2)[:, None]
    source_m = conductor.core_m - np.maximum(units.depth * conductor.core_m, _SHALLOWEST_M)  # (M,)
    blur = np.exp(-((n[None, :] * _TERRITORY_M / source_m[:, None]) ** 2) / 2)
    reached = conductor.surface() * area * spread * conductor.depth_factor(source_m) * blur[:, None, :]  # (M, K, N)
    along = electrodes.distance_m / 2 * np.cos(tilts_rad)
    around = n[:, None] * electrodes.distance_m / 2 * np.sin(tilts_rad) / conductor.radius_m  # (N, C)
    away = n[:, None] * (angles_rad[None, :] - np.deg2rad(units.angle_deg)[:, None])[:, None, :]  # (M, N, C)
    plain = reached @ (np.cos(away) * np.cos(around)) * (2 * k[:, None] * np.sin(k[:, None] * along))
    if not np.any(around):
        return np.asarray(plain, dtype=np.complex128)
    turned = (reached @ (np.sin(away) * np.sin(around))) * (2 * k[:, None] * np.cos(k[:, None] * along))
    return np.asarray(plain + 1j * turned)


def _along(conductor: Conductor, spectrum: NDArray[np.complex128], offset_m: float) -> Floats:
    """(Z, C): response to an axial dipole at distances 0, dz, 2 dz, ... (cyclic) from a point `offset_m` distal."""
    phase = np.exp(1j * conductor.wave_numbers * offset_m)[:, None]
    return np.asarray(np.fft.irfft(spectrum * phase, _DISTANCES, axis=0)) * (_DISTANCES / conductor.period_m)


def _travel(conductor: Conductor, gradient: Floats, units: MotorUnits, m: int, times: Floats) -> Floats:
    """(fine samples, C): the two waves that leave the end-plate, each until its end of the fibre."""
    dz = conductor.period_m / _DISTANCES
    distal = np.arange(round(units.distal_m[m] / dz))
    proximal = np.arange(1, round(units.proximal_m[m] / dz))
    reach = max(len(distal), len(proximal) + 1)
    behind = units.velocity_m_s[m] * times[:, None] - dz * np.arange(reach)[None, :]
    wave = _action_potential_slope(behind) * (dz * _FIBRE_CURRENT * units.fibres[m])
    return np.asarray(wave[:, distal] @ gradient[distal] - wave[:, proximal] @ gradient[-proximal])


def _action_potential_slope(behind_m: Floats) -> Floats:
    """Slope in V/m of Rosenfalck's action potential, `behind_m` metres behind its front (0 ahead of it)."""
    x = np.maximum(behind_m * 1e3, 0.0)
    return np.asarray(96.0 * x**2 * (3.0 - x) * np.exp(-x))
