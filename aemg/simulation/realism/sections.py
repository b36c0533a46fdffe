"""The sections of the table: motor units, limb, signals and hand, each from simulated people to findings and curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.anatomy import Person
from aemg.simulation.devices import DEVICES, acquire
from aemg.simulation.muap import Electrodes, bank
from aemg.simulation.realism import literature as known
from aemg.simulation.realism import units, volume
from aemg.simulation.realism.comparison import curve, pattern_map
from aemg.simulation.realism.delay import delay_of_force_s
from aemg.simulation.realism.patterns import Patterns
from aemg.simulation.realism.results import Finding, finding

Floats = NDArray[np.float64]
_ARMBAND = Electrodes(tuple(22.5 * i for i in range(16)))
_NOISE_S = 4.0
_RANKS = (0.0, 0.5, 1.0)
PERSON, _UNITS, _VOLUME, _NOISE, _HAND = range(5)


def chance(seed: int, *key: int) -> np.random.Generator:
    """The chance behind one aspect of one person."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def of_units(limbs: Sequence[Person], seed: int, curves: dict[str, Any], report: Callable[[int], None]) -> list[Finding]:
    """Discharges, and the amplitude that they give, over drive and force."""
    drives = np.asarray(units.DRIVES)
    steady = np.isin(drives, units.STEADY)
    found: dict[str, list[Floats]] = {}
    by_rank, amplitudes = [], []
    for i, person in enumerate(limbs):
        under = units.under_drives(person, chance(seed, _UNITS, i))
        waves = bank(person, _ARMBAND, rate_hz=2000.0)
        rms = units.amplitude(under.rates, waves, 2000.0)
        force = units.force(person, under.rates)
        used = np.isfinite(under.recruited)
        middle = used & np.isfinite(under.rates[units.DRIVES.index(0.4)])
        largest = np.ptp(waves, axis=2).max(1).astype(np.float64)
        values = {
            "rate": under.rates[steady],
            "cov": under.variations[steady],
            "size": units.within_muscles(person, used, under.recruited, person.units.fibres),
            "surface": units.within_muscles(person, used, under.recruited, largest),
            "onion": units.within_muscles(person, middle, under.recruited, under.rates[units.DRIVES.index(0.4)]),
        }
        values["line"], values["power"] = units.force_fits(force, rms)
        values["drive line"], values["drive power"] = units.force_fits(drives, rms)
        for key, value in values.items():
            found.setdefault(key, []).append(value)
        by_rank.append([[np.nanmean(_of_rank(person, row, r)) for row in under.rates] for r in _RANKS])
        amplitudes.append((rms[:, int(np.argmax(rms[-1]))], force / force[-1]))
        report(i + 1)
    curves["rates"] = {"drive": drives.tolist(), "rank": list(_RANKS), "hz": np.nanmean(by_rank, axis=0).tolist()}
    curves["rms"] = {
        "drive": drives.tolist(),
        "volts": [a.tolist() for a, _ in amplitudes],
        "force": [f.tolist() for _, f in amplitudes],
    }
    rows = [
        ("rate", known.RATE, "units and drives"), ("cov", known.COV, "units and drives"), ("size", known.SIZE, "muscles"),
        ("surface", known.SURFACE_SIZE, "muscles"), ("onion", known.ONION_SKIN, "muscles"),
        ("line", known.LINEARITY, "people"), ("power", known.EXPONENT, "people"),
        ("drive line", known.DRIVE_LINEARITY, "people"), ("drive power", known.DRIVE_EXPONENT, "people"),
    ]  # fmt: skip
    return [finding("Motor units", r, units.pooled(found[key]), of) for key, r, of in rows]


def _of_rank(person: Person, row: Floats, rank: float) -> Floats:
    """Rates of the units about as early or late in their muscle as `rank`; 0 where silent."""
    near = np.abs(person.units.rank - rank) <= 0.1
    return np.nan_to_num(row[near])


def of_limbs(limbs: Sequence[Person], seed: int, curves: dict[str, Any], report: Callable[[int], None]) -> list[Finding]:
    """Fall-off around the ring, fat, velocities, band."""
    peaks: dict[float, list[float]] = {fat: [] for fat in volume.FAT_MM}
    reach: dict[float, list[float]] = {fat: [] for fat in volume.FAT_MM}
    rings: dict[float, list[Floats]] = {fat: [] for fat in volume.FAT_MM}
    single, whole, shares = [], [], []
    grid = np.arange(-10.0, 121.0, 5.0)
    for i, person in enumerate(limbs):
        for fat in volume.FAT_MM:
            for away, rms in volume.around(volume.with_fat(person, fat * 1e-3)):
                peaks[fat].append(float(rms.max()))
                reach[fat].append(volume.reach_deg(away, rms))
                order = np.argsort(away, kind="stable")
                rings[fat].append(np.interp(grid, away[order], rms[order] / rms.max()))
        for k, muscle in enumerate(volume.LONG):
            units_m_s, _, signal_m_s = volume.velocities(person, muscle, chance(seed, _VOLUME, i, k))
            single.append(units_m_s)
            whole.append(signal_m_s)
        shares.append(volume.band_share(person, 20.0, 450.0))
        report(i + 1)
    thin, thick = volume.FAT_MM
    curves["ring"] = {
        "degrees": grid.tolist(),
        "share": {f"{fat:g}": np.median(rings[fat], axis=0).tolist() for fat in volume.FAT_MM},
    }
    return [
        finding("Limb", known.FAT_LOSS, np.array(peaks[thick]) / np.array(peaks[thin]), "muscles"),
        finding("Limb", known.SPREAD_THIN, np.array(reach[thin]), "muscles"),
        finding("Limb", known.SPREAD_THICK, np.array(reach[thick]), "muscles"),
        finding("Limb", known.VELOCITY, units.pooled(single), "units"),
        finding("Limb", known.SIGNAL_VELOCITY, np.array(whole), "muscles"),
        finding("Limb", known.BAND_SHARE, np.array(shares), "people"),
    ]


def of_signals(sets: dict[str, Patterns], seed: int, curves: dict[str, Any]) -> list[Finding]:
    """Spectra of a simulated armband, and the floor of the devices."""
    armband = sets["armband10"]
    floors = []
    for i, device in enumerate(d for d in DEVICES.values() if d.unit == "V"):
        channels = device.montage.n_channels
        silent = np.zeros((channels, round(_NOISE_S * 2000.0)), np.float32)
        x = acquire(silent, replace(device, mains_v=0.0), np.ones(channels), chance(seed, _NOISE, i))
        floors.append(1e6 * x.std(axis=1))
    curves["spectra"] = [curve(armband, "simulated")]
    curves["patterns"] = [pattern_map(sets["myo"], "simulated")]
    peak = armband.frequency[np.argmax(armband.densities, axis=1)]
    return [
        finding("Signals", known.MEDIAN_FREQUENCY, armband.scalars["median_frequency_hz"], "people"),
        finding("Signals", known.PEAK, peak, "people"),
        finding("Signals", known.NOISE, units.pooled(floors), "channels"),
    ]


def of_hand(limbs: Sequence[Person], seed: int) -> tuple[list[Finding], list[str]]:
    """The delay of the hand's muscles, where MuJoCo is installed; else a note."""
    try:
        delays = [delay_of_force_s(person, chance(seed, _HAND, i)) for i, person in enumerate(limbs)]
    except AEMGError as error:
        return [], [f"The electromechanical delay was not measured: {error}."]
    return [finding("Hand", known.DELAY, 1e3 * np.array(delays), "people")], []
