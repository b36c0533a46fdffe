"""Laws of the motor units: recruitment, rates, intervals, and chance that depends on no batch."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.simulation.firings import FiringHistory, Firings
from aemg.simulation.motor_units import IntegrateAndFire, MotorUnits, Pool, pool_of

UNITS = 12
STEP_S = 0.005


@lru_cache(maxsize=8)
def intervals(excitation: float, noise: float = IntegrateAndFire().noise) -> tuple[np.ndarray, ...]:
    """Intervals of each unit of a muscle, over 16 environments of 15 s, the first second left out."""
    pool, model = pool_of(1, UNITS), IntegrateAndFire(noise=noise)
    history = MotorUnits(pool, 16, seed=4, settings=model).run(np.full((3000, 16, 1), excitation), STEP_S)
    found: list[list[np.ndarray]] = [[] for _ in range(UNITS)]
    for environment in range(16):
        spikes = history.spikes(environment)
        for unit in range(UNITS):
            times = spikes.times_s[spikes.units == unit]
            found[unit].append(np.diff(times[times > 1]))
    return tuple(np.concatenate(parts) for parts in found)


@pytest.mark.parametrize("excitation", [0.05, 0.1, 0.25, 0.5, 1.0])
def test_rates_fall_with_rank_and_vary_by_a_tenth_to_three_tenths(excitation: float) -> None:
    model = IntegrateAndFire()
    above = model.thresholds(pool_of(1, UNITS).rank) * model.knee < excitation
    active = [unit for unit in np.flatnonzero(above) if len(intervals(excitation)[unit])]
    assert active == list(np.flatnonzero(above))
    rate = np.array([1 / intervals(excitation)[unit].mean() for unit in active])
    variation = np.array([intervals(excitation)[unit].std() / intervals(excitation)[unit].mean() for unit in active])
    assert np.all(np.diff(rate) < 0), "onion skin"
    assert 6 < rate[-1] <= rate[0] < 40
    assert np.all((variation > 0.09) & (variation < 0.3))
    expected = model.rates(pool_of(1, UNITS).rank, np.full((UNITS, 1), excitation))[active, 0]
    np.testing.assert_allclose(rate, expected, rtol=0.1)


def test_units_are_recruited_in_order_of_size() -> None:
    model = IntegrateAndFire()
    rank = pool_of(1, UNITS).rank
    assert np.all(np.diff(model.thresholds(rank)) > 0)
    active = [sum(len(part) > 20 for part in intervals(e)) for e in (0.05, 0.1, 0.25, 0.5, 1.0)]
    assert active == sorted(active)
    assert active[0] < active[-1] == UNITS
    for excitation in (0.05, 0.25):
        silent = model.thresholds(rank) > 1.5 * excitation
        assert not any(len(intervals(excitation)[unit]) for unit in np.flatnonzero(silent))
    course = np.tile(np.linspace(0, 1, 200), (UNITS, 1))
    assert np.all(np.diff(model.rates(rank, course), axis=1) >= 0)


@pytest.mark.parametrize("excitation", [0.05, 0.25, 1.0])
def test_units_rest_after_every_discharge(excitation: float) -> None:
    shortest = min(part.min() for part in intervals(excitation) if len(part))
    assert shortest > IntegrateAndFire().refractory_s + 0.01


def test_noise_is_multiplicative() -> None:
    """Twice the noise is twice the variation, and at high drive it does not vanish."""
    little, much = (intervals(0.5, noise)[0] for noise in (0.06, 0.12))
    ratio = (much.std() / much.mean()) / (little.std() / little.mean())
    assert 1.8 < ratio < 2.2
    assert intervals(1.0, 0.12)[0].std() / intervals(1.0, 0.12)[0].mean() > 0.08
    without = intervals(0.5, 0.0)[0]
    np.testing.assert_allclose(without, without[0], rtol=1e-3)


def test_discharges_have_exact_times_whatever_the_step() -> None:
    """Without noise, steps of 4 and 16 ms give the same discharges but for the rounding of float32."""
    pool, model = pool_of(2, 6), IntegrateAndFire(noise=0.0)
    made = []
    for steps, step_s in ((500, 0.004), (125, 0.016)):
        units = MotorUnits(pool, 1, seed=2, settings=model)
        made.append(units.run(np.tile([0.6, 0.3], (steps, 1, 1)), step_s).spikes(0))
    assert len(made[0].units) > 150
    for unit in range(len(pool)):
        times = [spikes.times_s[spikes.units == unit] for spikes in made]
        np.testing.assert_allclose(times[0], times[1], atol=2e-4)


@given(
    seed=st.integers(0, 2**63 - 1),
    steps=st.lists(st.sampled_from([0.004, 0.008, 0.016, 0.02]), min_size=1, max_size=40),
    environments=st.integers(1, 6),
    silent=st.booleans(),
)
@settings(derandomize=True, deadline=None, max_examples=25)
def test_the_kernel_and_torch_agree(seed: int, steps: list[float], environments: int, silent: bool) -> None:
    pool = pool_of(3, 7)
    kernel = MotorUnits(pool, environments, seed=seed)
    torch_form = MotorUnits(pool, environments, seed=seed, compiled=False)
    rng = np.random.default_rng(seed)
    for number, step_s in enumerate(steps):
        drive = np.zeros((environments, 3)) if silent else rng.uniform(-0.1, 1.2, (environments, 3))
        a, b = kernel.step(drive, step_s), torch_form.step(drive, step_s).numpy()
        np.testing.assert_array_equal(a.environment, b.environment)
        np.testing.assert_array_equal(a.unit, b.unit)
        np.testing.assert_allclose(a.time_s, b.time_s, atol=1e-6)
        assert np.all((a.time_s >= 0) & (a.time_s <= step_s + 1e-6))
        assert len(set(zip(a.environment, a.unit))) == len(a), "one discharge a step at most"
        if number == len(steps) // 2:
            again = rng.permutation(environments)[: environments // 2]
            kernel.reset(again)
            torch_form.reset(again)


@given(first=st.integers(0, 5), count=st.integers(1, 4))
@settings(derandomize=True, deadline=None, max_examples=10)
def test_a_shard_comes_out_as_within_the_whole(first: int, count: int) -> None:
    pool, course = pool_of(2, 5), np.random.default_rng(0).random((200, 10, 2))
    whole = MotorUnits(pool, 10, seed=9).run(course, 0.008)
    part = MotorUnits(pool, count, seed=9, first=first).run(course[:, first : first + count], 0.008)
    for environment in range(count):
        a, b = whole.spikes(first + environment), part.spikes(environment)
        np.testing.assert_array_equal(a.times_s, b.times_s)
        np.testing.assert_array_equal(a.units, b.units)
        assert len(a.units) > 0


def test_environments_seeds_and_restarts_differ() -> None:
    pool, course = pool_of(1, 8), np.full((200, 2, 1), 0.5)
    units = MotorUnits(pool, 2, seed=1)
    before = units.run(course, STEP_S)
    units.reset()
    after = units.run(course, STEP_S)
    other = MotorUnits(pool, 2, seed=2).run(course, STEP_S)
    times = [h.spikes(e).times_s for h, e in ((before, 0), (before, 1), (after, 0), (other, 0))]
    for i in range(4):
        for j in range(i):
            assert len(times[i]) != len(times[j]) or np.abs(times[i] - times[j]).max() > 1e-3


def test_independent_units_are_uncorrelated() -> None:
    """Counts of discharges in 100 ms of equal units, over many environments."""
    pool = Pool(np.zeros(20, dtype=np.intp), np.full(20, 0.2))
    units = MotorUnits(pool, 300, seed=0)
    units.run(np.full((100, 300, 1), 0.3), STEP_S)
    counts = np.zeros((300, 20))
    history = units.run(np.full((20, 300, 1), 0.3), STEP_S)
    for environment in range(300):
        counts[environment] = np.bincount(history.spikes(environment).units, minlength=20)
    correlation = np.corrcoef(counts.T)[np.triu_indices(20, 1)]
    assert abs(correlation.mean()) < 0.02
    assert correlation.std() < 1.3 / np.sqrt(300)


def test_a_reset_touches_its_environments_only() -> None:
    pool = pool_of(1, 8)
    a, b = MotorUnits(pool, 3, seed=1), MotorUnits(pool, 3, seed=1)
    drive = np.full((3, 1), 0.5)
    for _ in range(20):
        a.step(drive, STEP_S), b.step(drive, STEP_S)
    b.reset(np.array([False, True, False]))
    with pytest.raises(IndexError):
        b.reset(np.array([3]))
    ours, theirs = (u.run(np.tile(drive, (100, 1, 1)), STEP_S) for u in (a, b))
    for environment, same in ((0, True), (1, False), (2, True)):
        assert np.array_equal(ours.spikes(environment).times_s, theirs.spikes(environment).times_s) == same


def test_running_is_stepping() -> None:
    pool, course = pool_of(2, 5), np.random.default_rng(3).random((50, 4, 2))
    whole, steps = MotorUnits(pool, 4, seed=5).run(course, 0.008), FiringHistory()
    units = MotorUnits(pool, 4, seed=5)
    for row in course:
        steps.append(units.step(row, 0.008), 0.008)
    assert whole.duration_s == pytest.approx(steps.duration_s)
    assert len(whole) == len(steps) > 0
    for environment in range(4):
        np.testing.assert_allclose(whole.spikes(environment).times_s, steps.spikes(environment).times_s, atol=1e-9)
        np.testing.assert_array_equal(whole.spikes(environment).units, steps.spikes(environment).units)


def test_a_history_is_in_time_order_and_small() -> None:
    history = FiringHistory()
    assert len(history.spikes(0).units) == 0
    for time in (0.003, 0.001):
        firing = Firings(np.array([1, 0], np.int32), np.array([4, 5], np.int32), np.array([time, 0.002], np.float32))
        history.append(firing, 0.01)
        assert history.n_bytes == 16 * len(history)
    history.append(Firings(np.array([1], np.int32), np.array([6], np.int32), np.array([0.0], np.float32)), 0.01)
    np.testing.assert_allclose(history.spikes(1).times_s, [0.003, 0.011, 0.02], atol=1e-9)
    np.testing.assert_array_equal(history.spikes(1).units, [4, 4, 6])
    np.testing.assert_array_equal(history.spikes(0).units, [5, 5])
    assert len(history.spikes(2).units) == 0


@pytest.mark.parametrize(
    "wrong",
    [{"tau_s": 0.0}, {"noise": -1.0}, {"first_threshold": 0.7}, {"last_threshold": 1.5}, {"knee": 0.9}, {"last_peak": 1.0}],
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(AEMGError):
        IntegrateAndFire(**wrong)


def test_wrong_steps_are_refused() -> None:
    units = MotorUnits(pool_of(3, 2), 2, seed=0)
    for shape, step_s in (((2, 2), 0.008), ((3, 3), 0.008), ((2, 3), 0.03), ((2, 3), 0.0)):
        with pytest.raises(AEMGError):
            units.step(np.zeros(shape), step_s)
    for muscles, count in ((0, 1), (1, 0)):
        with pytest.raises(AEMGError):
            pool_of(muscles, count)
    with pytest.raises(AEMGError):
        MotorUnits(pool_of(1, 1), 0, seed=0)
