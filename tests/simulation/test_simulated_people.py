"""Laws of simulated people and of how they wear a device."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aemg.errors import AEMGError
from aemg.simulation.anatomy import MUSCLES, Person, sample_person
from aemg.simulation.conditions import Condition
from aemg.simulation.devices import device
from aemg.simulation.gestures import template
from aemg.simulation.pool import CONTROL_RATE_HZ, Spikes, discharge
from aemg.simulation.wearing import Wear, Worn, put_on

MYO = device("myo")


def chance(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def someone() -> Person:
    return sample_person(chance(0))


@pytest.fixture(scope="module")
def grip(someone: Person) -> Spikes:
    """Two seconds of a power grip."""
    excitation = np.repeat(template("hand_close")[:, None], round(2 * CONTROL_RATE_HZ), axis=1)
    return discharge(someone.units, excitation, chance(1))


@pytest.fixture(scope="module")
def worn(someone: Person) -> Worn:
    return Worn(someone, MYO, 10.0, False, np.ones(8), np.zeros(1))


def pattern(worn: Worn, spikes: Spikes, slip_deg: float) -> np.ndarray:
    """RMS of every channel after a slip."""
    moved = replace(worn, slip_deg=np.full(1, slip_deg))
    moved.__dict__["_banks"] = worn._banks  # the same person and turn, hence the same action potentials
    return np.sqrt(np.mean(moved.read(spikes, 2.0, chance(2)) ** 2, axis=1))


def test_what_is_given_leaves_the_rest_of_a_person_alone(someone: Person) -> None:
    other = sample_person(chance(0), radius_m=0.04, fat_m=0.008, condition=Condition(0.5))
    assert (other.radius_m, other.fat_m, other.condition) == (0.04, 0.008, Condition(0.5))
    assert (other.arm, other.handed, other.tone, other.forearm_m) == (
        someone.arm, someone.handed, someone.tone, someone.forearm_m,
    )  # fmt: skip
    np.testing.assert_array_equal(other.units.angle_deg, someone.units.angle_deg)
    np.testing.assert_array_equal(other.strength, someone.strength)


def test_the_fibres_of_a_muscle_follow_its_strength(someone: Person) -> None:
    fibres = np.bincount(someone.units.muscle, someone.units.fibres)
    per_newton = fibres / [muscle.force_n for muscle in MUSCLES]
    np.testing.assert_allclose(per_newton / per_newton[0], someone.strength / someone.strength[0])


def test_people_differ_as_people_do() -> None:
    people = [sample_person(chance(seed)) for seed in range(150)]
    assert 0.03 < np.mean([p.handed == "left" for p in people]) < 0.18
    assert 0.2 < np.mean([p.arm == "left" for p in people]) < 0.4
    assert np.std(np.log([p.strength for p in people])) == pytest.approx(0.25, abs=0.02)
    assert np.mean([p.velocity_m_s for p in people]) == pytest.approx(4.0, abs=0.05)
    assert len({p.radius_m for p in people}) > 100


def test_a_device_is_put_on_again_near_where_it_was(someone: Person) -> None:
    wear = Wear(redonning_deg=6.0)
    first = put_on(someone, MYO, wear, chance(3))
    again = [put_on(someone, MYO, wear, chance(3), again=chance(4, k)) for k in range(200)]
    away = (np.array([w.turn_deg for w in again]) - first.turn_deg + 180) % 360 - 180
    assert np.std(away) == pytest.approx(6.0, rel=0.2)
    assert abs(np.mean(away)) < 1.5
    assert len({w.gains[0] for w in again}) == 200
    assert put_on(someone, MYO, Wear(redonning_deg=0.0), chance(3), again=chance(5)).turn_deg == first.turn_deg


def test_how_devices_are_put_on() -> None:
    for seed in range(30):
        person = sample_person(chance(seed))
        anyhow, placed = (put_on(person, device(name), Wear(), chance(seed)) for name in ("myo", "quad4"))
        assert anyhow.mirror == (person.arm == "left") and not placed.mirror
        assert abs(placed.turn_deg) < 25
        assert anyhow.montage().angle_known
    turns = [put_on(person, MYO, Wear(), chance(seed)).turn_deg for seed in range(200)]
    assert np.histogram(turns, 4, (0, 360))[0].min() > 30


def test_a_device_stays_where_nothing_moves_it() -> None:
    assert not Wear().slip(60.0, chance(0)).any()


def test_creep_is_steady_and_slips_are_sudden() -> None:
    creep = Wear(creep_deg_per_min=3.0).slip(60.0, chance(1))
    assert len(creep) == 60 * CONTROL_RATE_HZ
    np.testing.assert_allclose(np.diff(creep), np.diff(creep)[0])
    rates = [Wear(creep_deg_per_min=3.0).slip(1.0, chance(2, k))[-1] * 60 for k in range(300)]
    assert np.std(rates) == pytest.approx(3.0, rel=0.15)
    steps = [np.diff(Wear(slips_per_min=2.0, slip_deg=8.0).slip(60.0, chance(3, k))) for k in range(200)]
    assert np.mean([np.count_nonzero(s) for s in steps]) == pytest.approx(2.0, rel=0.2)
    assert np.std(np.concatenate([s[s != 0] for s in steps])) == pytest.approx(8.0, rel=0.15)


def test_a_slip_moves_the_pattern_around_the_ring(worn: Worn, grip: Spikes) -> None:
    still, moved = pattern(worn, grip, 0.0), pattern(worn, grip, 45.0)
    np.testing.assert_allclose(moved, np.roll(still, -1), rtol=0.1)
    assert np.abs(np.log(moved / still)).max() > 0.3


def test_a_turn_between_two_nodes_is_that_of_its_own_potentials(worn: Worn, grip: Spikes) -> None:
    """Potentials at a turn of 2.5 degrees, which are interpolated, beside those of a device put on there."""
    there = replace(worn, turn_deg=worn.turn_deg + 2.5)
    between = replace(worn, slip_deg=np.full(1, 2.5))._potentials(grip, 2.0, 0.0)
    exact, start = (w._potentials(grip, 2.0, 0.0) for w in (there, worn))
    error = np.sqrt(np.mean((between - exact) ** 2) / np.mean(exact**2))
    assert error < 0.02 < np.sqrt(np.mean((start - exact) ** 2) / np.mean(exact**2))


def test_slip_takes_its_time(worn: Worn, grip: Spikes) -> None:
    """A device that slips by one channel after a second reads like one that sat there from then on, and not before."""
    late = replace(worn, slip_deg=np.repeat([0.0, 45.0], round(CONTROL_RATE_HZ)))
    late.__dict__["_banks"] = worn._banks
    before, after = (pattern_of(late._potentials(grip, 2.0, 0.0), *span) for span in ((0.2, 0.9), (1.2, 1.9)))
    still = worn._potentials(grip, 2.0, 0.0)
    np.testing.assert_allclose(before, pattern_of(still, 0.2, 0.9))
    np.testing.assert_allclose(after, np.roll(pattern_of(still, 1.2, 1.9), -1), rtol=1e-4)


def pattern_of(x: np.ndarray, start_s: float, end_s: float) -> np.ndarray:
    return x[:, round(start_s * 2000) : round(end_s * 2000)].std(axis=1)


def test_artefacts_act_on_the_potentials_in_order(worn: Worn, grip: Spikes) -> None:
    def silence(x: np.ndarray, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
        assert rate_hz == 2000.0
        return 0 * x

    def hum(x: np.ndarray, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
        return x + np.float32(2e-4) * np.sin(2 * np.pi * 60 * np.arange(x.shape[1]) / rate_hz).astype(np.float32)

    plain, silent, humming = (
        worn.read(grip, 2.0, chance(2), artefacts=chain).std(axis=1) for chain in ((), (hum, silence), (silence, hum))
    )
    assert np.all(silent < plain) and np.all(silent < 0.2 * humming)
    np.testing.assert_allclose(humming, 2e-4 / np.sqrt(2) / MYO.step_v, rtol=0.1)


def test_negative_wear_is_refused() -> None:
    with pytest.raises(AEMGError, match="at least 0"):
        Wear(slip_deg=-1.0)
