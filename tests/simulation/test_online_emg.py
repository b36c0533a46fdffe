"""EMG step by step is EMG at once, in whatever form and for whomever."""

from __future__ import annotations

import numpy as np
import pytest

from aemg.errors import AEMGError
from aemg.simulation.firings import FiringHistory
from aemg.simulation.motor_units import MotorUnits, pool_of
from aemg.simulation.muap import isolated
from aemg.simulation.online import OnlineEMG
from aemg.simulation.render import Spikes, render

RATE_HZ = 1000.0
POOL = pool_of(3, 6)
STEPS = (0.008, 0.004, 0.016, 0.001, 0.02)


def random_waves(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def played(emg: OnlineEMG, environments: int, seed: int = 3) -> tuple[np.ndarray, FiringHistory]:
    """What came out in a second or so of steps of changing length, and the history behind it."""
    units, rng, history = MotorUnits(POOL, environments, seed=seed), np.random.default_rng(seed), FiringHistory()
    parts = []
    for number in range(120):
        step_s = STEPS[number % len(STEPS)]
        firings = units.step(rng.random((environments, 3)), step_s)
        history.append(firings, step_s)
        parts.append(np.asarray(emg.push(firings, step_s)))
    return np.concatenate(parts, axis=2), history


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("length", [3, 12, 30])
def test_online_is_history_is_offline(compiled: bool, length: int) -> None:
    waves = random_waves(len(POOL), 4, length)
    emg, history = played(OnlineEMG(waves, None, None, 3, RATE_HZ, compiled=compiled), 3)
    assert emg.shape == (3, 4, round(history.duration_s * RATE_HZ))
    for environment in range(3):
        offline = render(history.spikes(environment), waves, history.duration_s, rate_hz=RATE_HZ)
        np.testing.assert_allclose(emg[environment], offline, atol=1e-5)
        np.testing.assert_array_equal(history.render(environment, waves, RATE_HZ), offline)
        assert np.abs(offline).max() > 1


@pytest.mark.parametrize("compiled", [True, False])
def test_isolated_units_reach_one_channel(compiled: bool) -> None:
    waves, channels = isolated(POOL, rate_hz=RATE_HZ)[:, None], POOL.muscle[:, None]
    emg, history = played(OnlineEMG(waves, channels, 3, 2, RATE_HZ, compiled=compiled), 2)
    np.testing.assert_allclose(
        emg[1], history.render(1, waves, RATE_HZ, channels=channels, n_channels=3), atol=1e-6 * np.abs(emg).max()
    )
    spread = np.zeros((len(POOL), 3, waves.shape[2]), dtype=np.float32)
    spread[np.arange(len(POOL)), POOL.muscle] = waves[:, 0]
    np.testing.assert_allclose(emg[1], history.render(1, spread, RATE_HZ), atol=1e-6 * np.abs(emg).max())
    units = MotorUnits(POOL, 1, seed=0)
    alone = OnlineEMG(waves, channels, 3, 1, RATE_HZ, compiled=compiled)
    quiet = np.concatenate([np.asarray(alone.push(units.step(np.array([[0.0, 0.8, 0.0]]), 0.008), 0.008)) for _ in range(50)], 2)
    assert quiet[0, 1].any()
    assert not quiet[0, [0, 2]].any()


@pytest.mark.parametrize("compiled", [True, False])
def test_everyone_has_waves_of_their_own(compiled: bool) -> None:
    waves, people = random_waves(2, len(POOL), 4, 20), np.array([1, 0, 1])
    emg, history = played(OnlineEMG(waves, None, None, 3, RATE_HZ, people=people, compiled=compiled), 3)
    for environment, person in enumerate(people):
        np.testing.assert_allclose(emg[environment], history.render(environment, waves[person], RATE_HZ), atol=1e-5)


@pytest.mark.parametrize("compiled", [True, False])
def test_a_reset_forgets_what_is_under_way(compiled: bool) -> None:
    units = MotorUnits(POOL, 2, seed=0)
    emg = OnlineEMG(random_waves(len(POOL), 2, 40), None, None, 2, RATE_HZ, compiled=compiled)
    silence = MotorUnits(POOL, 2, seed=0).step(np.zeros((2, 3)), 0.008)
    assert len(silence) == 0
    for _ in range(10):
        emg.push(units.step(np.ones((2, 3)), 0.008), 0.008)
    emg.reset(np.array([1]))
    rest = np.asarray(emg.push(silence, 0.008))
    assert rest[0].any()
    assert not rest[1].any()
    emg.reset()
    assert not np.asarray(emg.push(silence, 0.008)).any()


def test_rendering_is_linear_in_its_spikes() -> None:
    rng, waves = np.random.default_rng(0), random_waves(5, 3, 17)
    spikes = Spikes(np.sort(rng.uniform(-0.01, 0.21, 80)), rng.integers(0, 5, 80))
    parts = [Spikes(spikes.times_s[i::2], spikes.units[i::2]) for i in (0, 1)]
    total = render(spikes, waves, 0.2, rate_hz=RATE_HZ)
    assert total.shape == (3, 200)
    np.testing.assert_allclose(sum(render(part, waves, 0.2, rate_hz=RATE_HZ) for part in parts), total, atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    waves = random_waves(len(POOL), 1, 5)
    wrong = [
        {"channels": POOL.muscle[:, None], "n_channels": None},
        {"channels": POOL.muscle[:, None], "n_channels": 2},
        {"channels": POOL.muscle[:3, None], "n_channels": 3},
        {"people": np.array([0, 1])},
        {"people": np.array([0])},
    ]
    for arguments in wrong:
        with pytest.raises(AEMGError):
            OnlineEMG(**{"waves": waves, "channels": None, "n_channels": None, **arguments}, environments=2, rate_hz=RATE_HZ)
    emg = OnlineEMG(waves, None, None, 2, RATE_HZ)
    with pytest.raises(AEMGError, match="whole number"):
        emg.push(MotorUnits(POOL, 2, seed=0).step(np.ones((2, 3)), 0.0085), 0.0085)
    with pytest.raises(AEMGError):
        render(Spikes(np.zeros(1), np.zeros(1, dtype=np.intp)), waves, 0.1, channels=POOL.muscle[:, None])
