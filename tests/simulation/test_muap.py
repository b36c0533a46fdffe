"""Laws of action potentials on the skin: geometry of the electrodes, bands, cross-talk, and the kept copies."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.signals import ring
from aemg.simulation import muap
from aemg.simulation.anatomy import MUSCLE_INDEX, MotorUnits, Person, sample_person
from aemg.simulation.motor_units import pool_of
from aemg.simulation.muap import Electrodes, bank, cached_bank, decimate, isolated

EIGHT = ring("eight", 8).angles_deg


@lru_cache(maxsize=1)
def person() -> Person:
    """Someone with every fourth of their motor units."""
    whole = sample_person(np.random.default_rng(0), radius_m=0.042, fat_m=0.002)
    some = {name: getattr(whole.units, name)[::4] for name in MotorUnits.__dataclass_fields__}
    return replace(whole, units=MotorUnits(**some))


@lru_cache(maxsize=16)
def waves(angles_deg: tuple[float, ...] = EIGHT, tilt_deg: float = 0.0, rate_hz: float = 2000.0) -> np.ndarray:
    return bank(person(), Electrodes(angles_deg, tilt_deg=tilt_deg), rate_hz=rate_hz)


def close(a: np.ndarray, b: np.ndarray, share: float = 1e-5) -> None:
    np.testing.assert_allclose(a, b, atol=share * np.abs(b).max())


@given(steps=st.integers(1, 7), tilt_deg=st.floats(-180, 180))
@settings(derandomize=True, deadline=None, max_examples=3)
def test_turning_the_ring_by_electrodes_rolls_the_channels(steps: int, tilt_deg: float) -> None:
    turned = tuple(angle + 45.0 * steps for angle in EIGHT)
    close(bank(person(), Electrodes(turned, tilt_deg=tilt_deg)), np.roll(waves(EIGHT, tilt_deg), -steps, axis=1))


def test_half_a_turn_of_an_electrode_swaps_its_poles() -> None:
    for tilt in (0.0, 30.0, 90.0):
        close(waves(EIGHT, tilt + 180.0), -waves(EIGHT, tilt))


def test_a_short_tilted_pair_is_a_mixture_of_along_and_around() -> None:
    along, tilted, around = (
        bank(person(), Electrodes((20.0, 200.0), distance_m=0.0005, size_m=0.001, tilt_deg=tilt)) for tilt in (0.0, 35.0, 90.0)
    )
    close(tilted, np.cos(np.deg2rad(35)) * along + np.sin(np.deg2rad(35)) * around, 1e-3)
    assert np.abs(around).max() > 0.1 * np.abs(along).max()


def test_a_pair_across_the_fibres_above_them_reads_nothing() -> None:
    unit = int(np.flatnonzero(person().units.muscle == MUSCLE_INDEX["ECU"])[0])
    above = float(person().units.angle_deg[unit])
    across = bank(person(), Electrodes((above, above + 15.0), tilt_deg=90.0))[unit]
    assert np.abs(across[0]).max() < 1e-6 * np.abs(across[1]).max()


def test_tilts_and_levels_are_per_channel() -> None:
    grid = Electrodes((10.0, 10.0, 200.0, 200.0), (0.2, 0.4, 0.2, 0.4), tilt_deg=(0.0, 20.0, 20.0, 0.0))
    both = bank(person(), grid)
    for channel, (angle, position, tilt) in enumerate(zip(grid.angles_deg, grid.positions, (0.0, 20.0, 20.0, 0.0))):
        close(both[:, channel], bank(person(), Electrodes((angle,), float(position), tilt_deg=tilt))[:, 0])


def test_potentials_travel_along_the_fibres() -> None:
    """The delay between double differences of levels 5 mm apart, away from the end-plate, gives the velocity of conduction."""
    found = []
    for unit in np.flatnonzero(person().units.muscle == MUSCLE_INDEX["BR"]):
        units = MotorUnits(*(getattr(person().units, name)[[unit]] for name in MotorUnits.__dataclass_fields__))
        alone = replace(person(), units=units)
        levels = (units.endplate_m + 0.02 + np.array([0.0, 0.005, 0.010])) / person().forearm_m
        electrodes = Electrodes((float(units.angle_deg[0]),) * 3, tuple(levels), distance_m=0.005, size_m=0.001)
        first, last = np.diff(bank(alone, electrodes, rate_hz=16_000.0)[0], axis=0)
        delay_s = (np.argmax(np.correlate(last, first, "full")) - len(first) + 1) / 16_000
        found.append(0.005 / delay_s / units.velocity_m_s[0])
    np.testing.assert_allclose(found, 1.0, atol=0.12)


def test_a_low_rate_is_the_high_rate_decimated() -> None:
    for rate_hz, factor in ((1000.0, 2), (500.0, 4), (200.0, 10)):
        low = waves(rate_hz=rate_hz)
        close(low, decimate(waves(), factor)[..., : low.shape[-1]])


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0, 1926.0, 2000.0, 2048.0])
def test_nothing_folds_into_the_band(rate_hz: float) -> None:
    """Up to half of what a rate can carry, spectra are those of 16 kHz."""
    frequency = np.linspace(5, 0.25 * rate_hz, 12)
    spectra = []
    for rate in (rate_hz, 16_000.0):
        x = waves(rate_hz=rate)
        spectra.append(np.abs(x @ np.exp(-2j * np.pi * np.outer(np.arange(x.shape[-1]), frequency) / rate)) / rate)
    close(*spectra, 0.02)


@pytest.mark.parametrize("rate_hz", [1000.0, 2000.0, 2048.0])
def test_potentials_end_within_the_template(rate_hz: float) -> None:
    assert np.abs(waves(rate_hz=rate_hz)[:, :, -1]).max() < 5e-4 * np.abs(waves(rate_hz=rate_hz)).max()


def test_cross_talk_falls_with_distance() -> None:
    for muscle in ("FCR", "ECU", "FDS3"):
        unit = int(np.flatnonzero(person().units.muscle == MUSCLE_INDEX[muscle])[0])
        away = tuple(float(person().units.angle_deg[unit]) + angle for angle in (0, 30, 60, 120, 180))
        rms = np.sqrt(np.mean(bank(person(), Electrodes(away))[unit] ** 2, axis=1))
        assert np.all(np.diff(rms) < 0)


def test_isolated_potentials() -> None:
    pool = pool_of(40, 6)
    wave = isolated(pool, seed=1, rate_hz=1000.0)
    assert wave.dtype == np.float32
    assert wave.shape[0] == len(pool)
    assert wave.shape[1] < 0.036 * 1000
    size = np.log(np.abs(wave).max(axis=1)).reshape(40, 6).mean(axis=0)
    assert np.all(np.diff(size) > 0), "the later recruited, the larger"
    assert 1e-6 < np.abs(wave).max() < 2e-3
    np.testing.assert_array_equal(wave, isolated(pool, seed=1, rate_hz=1000.0))
    assert not np.array_equal(wave, isolated(pool, seed=2, rate_hz=1000.0)[:, : wave.shape[1]])


def test_a_bank_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEMG_CACHE", str(tmp_path))
    electrodes = Electrodes((0.0, 90.0))
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: cached_bank(person(), electrodes), range(4)))
    for copy in made:
        np.testing.assert_array_equal(copy, bank(person(), electrodes))
    assert [path.suffix for path in (tmp_path / "banks").iterdir()] == [".npy"], "no part of a file is left"
    with monkeypatch.context() as patch:
        patch.setattr(muap, "bank", lambda *args, **kwargs: pytest.fail("computed again"))
        np.testing.assert_array_equal(cached_bank(person(), electrodes), made[0])
    thicker = replace(person(), fat_m=0.003)
    other = cached_bank(thicker, electrodes), cached_bank(person(), Electrodes((0.0, 90.0), tilt_deg=5.0))
    slower = cached_bank(person(), electrodes, rate_hz=1000.0)
    assert len(list((tmp_path / "banks").iterdir())) == 4
    assert not any(np.array_equal(made[0], copy) for copy in other)
    assert slower.shape[-1] < made[0].shape[-1]


def test_what_does_not_fit_is_refused() -> None:
    for wrong in ({"position": (0.1,)}, {"tilt_deg": (1.0, 2.0, 3.0)}):
        with pytest.raises(AEMGError, match="2 as there are channels"):
            Electrodes((0.0, 90.0), **wrong)
    with pytest.raises(AEMGError, match="rate_hz"):
        bank(person(), Electrodes((0.0,)), rate_hz=0.0)
