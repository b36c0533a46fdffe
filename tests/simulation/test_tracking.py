"""The tracking task: its equations, its ends, its resets, and that parts equal the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.hand import hand_model
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings

HAND = hand_model("fixed")
JOINTS, MUSCLES = len(HAND.joints), len(HAND.muscles)
ENDLESS = TrackingSettings(termination_rad=None)


def actions(n: int, steps: int, first: int = 0) -> NDArray[np.float32]:
    """Random actions (steps, n, muscles) that belong to numbered environments."""
    rows = [np.random.default_rng([7, first + i]).normal(0, 1, (steps, MUSCLES)) for i in range(n)]
    return np.stack(rows, axis=1).astype(np.float32)


def test_the_reward_is_that_of_equations_1_to_4() -> None:
    task = replace(ENDLESS, position_weight=0.7, velocity_weight=0.4, control_weight=0.5, control_scale=2.0)
    env = FingerTracking(HAND, 8, task, seed=1)
    env.reset()
    _, reward, *_, info = env.step(actions(8, 1)[0])
    for i in range(8):
        tips = np.mean([np.linalg.norm(p - w) for p, w in zip(env.hands.tips[i], env.target.tips[i])])
        speeds = np.mean([np.linalg.norm(p - w) for p, w in zip(env.hands.tip_velocities[i], env.target.tip_velocities[i])])
        cost = 0.5 * np.mean((2.0 * env.excitation[i]) ** 2)
        expected = 0.7 * np.exp(-task.position_sharpness * tips) + 0.4 * np.exp(-task.velocity_sharpness * speeds) - cost
        assert reward[i] == pytest.approx(expected, abs=1e-6)
        assert info["measures"]["tip_error_m"][i] == pytest.approx(tips, abs=1e-7)


def test_in_joint_space_reward_and_observation_know_no_tips() -> None:
    env = FingerTracking(HAND, 4, replace(ENDLESS, space="joints", velocity_weight=0.0, control_weight=0.0), seed=1)
    assert env.single_observation_space.shape == (4 * JOINTS + MUSCLES,)
    env.reset()
    env.hands.tips[:] = np.nan
    observation, reward, *_ = env.step(actions(4, 1)[0])
    assert np.isfinite(observation).all()
    error = np.abs(env.hands.q - env.target.q).mean(axis=1)
    np.testing.assert_allclose(reward, 0.8 * np.exp(-env.settings.joint_sharpness * error), rtol=1e-5)


def test_the_observation_is_that_of_equation_5() -> None:
    env = FingerTracking(HAND, 3, ENDLESS, seed=2)
    env.reset()
    observation, *_ = env.step(actions(3, 1)[0])
    parts = np.split(observation, np.cumsum([JOINTS, JOINTS, 15, 15, 15]), axis=1)
    assert parts[-1].shape == (3, MUSCLES)
    tips, wanted = env.hands.tips.reshape(3, -1), env.target.tips.reshape(3, -1)
    expected = [env.hands.q, env.hands.qd, wanted, tips, wanted - tips, env.hands.activation]
    for part, value in zip(parts, expected):  # each a fixed affine map of what it stands for
        slope = (part[0] - part[1]) / (value[0] - value[1])
        np.testing.assert_allclose(part[2] - part[1], slope * (value[2] - value[1]), rtol=2e-3, atol=1e-4)
    assert np.abs(observation).max() < 10


def test_excitation_is_the_logistic_of_the_action_and_zero_means_tone() -> None:
    env = FingerTracking(HAND, 2, replace(ENDLESS, tone=0.1), seed=0)
    env.reset()
    env.step(np.zeros((2, MUSCLES), np.float32))
    np.testing.assert_allclose(env.excitation, 0.1, rtol=1e-6)
    wanted = np.random.default_rng(0).uniform(0.01, 0.99, (2, MUSCLES))
    env.step(env.actions_of(wanted))
    np.testing.assert_allclose(env.excitation, wanted, rtol=1e-4)
    env.step(np.full((2, MUSCLES), 1e4, np.float32))
    assert (env.excitation == 1).all()
    with pytest.raises(AEMGError, match="tone"):
        FingerTracking(HAND, 1, replace(ENDLESS, tone=0.0))


def test_episodes_begin_on_the_reference_within_the_perturbation() -> None:
    env = FingerTracking(HAND, 64, ENDLESS, seed=3)
    env.reset()
    deviation = env.hands.q - env.target.q
    assert 0.05 < np.abs(deviation).max() <= 0.06 + 1e-12
    np.testing.assert_array_equal(env.hands.qd, env.target.qd)
    env = FingerTracking(HAND, 4, replace(ENDLESS, perturbation_rad=0.0), seed=3)
    env.reset()
    np.testing.assert_allclose(env.hands.tips, env.target.tips, atol=1e-12)


def test_an_episode_ends_by_equation_6_and_is_reset_within_the_step() -> None:
    env = FingerTracking(HAND, 16, replace(ENDLESS, termination_rad=0.2), seed=4)
    env.reset()
    ended = 0
    for action in 3 * actions(16, 40):
        time, dealt = env.time.copy(), env.references.dealt.copy()
        observation, _, terminated, truncated, info = env.step(action)
        np.testing.assert_array_equal(terminated, info["measures"]["joint_error_rad"] > 0.2)
        assert not truncated.any()
        np.testing.assert_array_equal(env.time[~terminated], time[~terminated] + 4)
        np.testing.assert_array_equal(env.references.dealt, dealt + terminated)
        assert (env.age[terminated] == 0).all()
        assert (np.abs(env.hands.q - env.target.q)[terminated] <= 0.06 + 1e-9).all()
        np.testing.assert_array_equal(observation, env.restore(env.state()))
        if terminated.any():
            np.testing.assert_array_equal(info["_final_obs"], terminated)
            np.testing.assert_array_equal(info["final_obs"][~terminated], observation[~terminated])
            assert (info["final_obs"][terminated] != observation[terminated]).any(axis=1).all()
        ended += int(terminated.sum())
    assert ended > 16


def test_an_episode_is_cut_at_its_length_and_that_is_no_termination() -> None:
    env = FingerTracking(HAND, 3, replace(ENDLESS, episode_steps=5), seed=4)
    env.reset()
    cuts = [env.step(a)[2:4] for a in actions(3, 10)]
    assert [bool(truncated.all()) for _, truncated in cuts] == [False, False, False, False, True] * 2
    assert not any(terminated.any() for terminated, _ in cuts)


def test_some_can_be_reset_alone_and_a_seed_begins_anew() -> None:
    env = FingerTracking(HAND, 4, ENDLESS, seed=5)
    first, _ = env.reset(seed=8)
    env.step(actions(4, 1)[0])
    q, time = env.hands.q.copy(), env.time.copy()
    mask = np.array([False, True, False, True])
    env.reset(options={"reset_mask": mask})
    np.testing.assert_array_equal(env.hands.q[~mask], q[~mask])
    np.testing.assert_array_equal(env.time, np.where(mask, 0, time))
    np.testing.assert_array_equal(env.reset(seed=8)[0], first)
    assert (env.reset(seed=9)[0] != first).any()


def test_shards_equal_the_whole() -> None:
    task = TrackingSettings(termination_rad=0.2, episode_steps=7)
    whole = FingerTracking(HAND, 6, task, seed=6)
    parts = [FingerTracking(HAND, 2, task, seed=6), FingerTracking(HAND, 4, task, seed=6, first=2)]
    begun = whole.reset()[0]
    np.testing.assert_array_equal(begun, np.concatenate([part.reset()[0] for part in parts]))
    chance = 2 * actions(6, 20)
    for action in chance:
        one = whole.step(action)
        two = [part.step(action[i:j]) for part, i, j in zip(parts, (0, 2), (2, 6))]
        for k in range(4):
            np.testing.assert_array_equal(one[k], np.concatenate([result[k] for result in two]))
    assert whole.references.dealt.max() > 3


def test_a_state_is_gone_back_to() -> None:
    env = FingerTracking(HAND, 3, TrackingSettings(termination_rad=0.2), seed=7)
    env.reset()
    chance = 2 * actions(3, 30)
    for action in chance[:10]:
        last, *_ = env.step(action)
    state = env.state()
    once = [env.step(action)[:2] for action in chance[10:]]
    fresh = FingerTracking(HAND, 3, TrackingSettings(termination_rad=0.2), seed=7)
    np.testing.assert_array_equal(fresh.restore(state), last)
    for (observation, reward), action in zip(once, chance[10:]):
        again = fresh.step(action)
        np.testing.assert_array_equal(observation, again[0])
        np.testing.assert_array_equal(reward, again[1])


@pytest.mark.parametrize("fingers", [("index",), ("thumb", "little")])
def test_any_fingers_move_alone(fingers: tuple[str, ...]) -> None:
    env = FingerTracking(HAND, 8, replace(ENDLESS, fingers=fingers), seed=8)
    env.reset()
    flexed = [env.flexed.copy()]
    for _ in range(3):
        env.time += 600
        env.step(np.zeros((8, MUSCLES), np.float32))
        flexed.append(env.flexed.copy())
    assert {HAND.fingers[i] for i in np.flatnonzero(np.any(flexed, axis=(0, 1)))} == set(fingers)
