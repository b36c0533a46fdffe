"""The decoder in the loop: rewards by equation 7, what is seen, what a reset forgets, and that parts equal the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.conditions import Condition
from aemg.simulation.hand import hand_model
from aemg.virtual_user.closed_loop import DecoderInLoop, LoopSettings
from aemg.virtual_user.emg import EMGSettings, UserEMG
from aemg.virtual_user.tcn import FingerTCN
from aemg.virtual_user.tracking import TrackingSettings

HAND = hand_model("fixed")
TASK = TrackingSettings(templates="square", substeps=2, termination_rad=None, episode_steps=10)


class Oracle:
    """Answers what it is told to, and remembers what was reset."""

    channels, rate_hz = len(HAND.muscles), 1000.0

    def __init__(self, environments: int) -> None:
        self.environments = environments
        self.answer = np.zeros((environments, 5), np.float32)
        self.forgot: list[int] = []

    def reset(self, environments: NDArray[np.integer] | None = None) -> None:
        self.forgot += range(self.environments) if environments is None else environments.tolist()

    def push(self, emg: NDArray[np.float32]) -> NDArray[np.float32]:
        assert emg.shape == (self.environments, self.channels, 8)
        return self.answer

    def state(self) -> dict[str, NDArray[np.float32]]:
        return {}

    def restore(self, state: dict[str, NDArray[np.float32]]) -> None:
        pass


def actions(n: int, steps: int, first: int = 0) -> NDArray[np.float32]:
    """Random actions (steps, n, muscles) that belong to numbered environments."""
    rows = [np.random.default_rng([7, first + i]).normal(0, 2, (steps, len(HAND.muscles))) for i in range(n)]
    return np.stack(rows, axis=1).astype(np.float32)


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_the_reward_is_that_of_equation_7(weight: float) -> None:
    oracle = Oracle(4)
    task = replace(TASK, control_weight=0.3, episode_steps=1000)
    env = DecoderInLoop(HAND, 4, oracle, EMGSettings(), task, LoopSettings(accuracy_weight=weight), seed=1)
    env.reset()
    for right, action in zip((5, 3, 0), actions(4, 3)):
        wanted = env.references.at(env.time + 2).flexed
        wrong = np.arange(5) >= right
        oracle.answer = np.where(wrong, ~wanted, wanted).astype(np.float32)
        _, reward, terminated, _, info = env.step(action)
        cost = 0.3 * (env.excitation**2).mean(axis=1)
        np.testing.assert_allclose(reward, weight * (1 - 2 * (5 - right) / 5) - cost, atol=1e-6)
        np.testing.assert_allclose(info["measures"]["accuracy"], right / 5)
        assert not terminated.any()


def test_a_soft_reward_counts_the_probability_and_tracking_can_be_added() -> None:
    oracle = Oracle(3)
    oracle.answer[:] = 0.25
    rewards = {}
    for name, loop in {"hard": {}, "soft": {"soft": True}, "tracking": {"tracking_weight": 2.0}}.items():
        env = DecoderInLoop(HAND, 3, oracle, EMGSettings(), replace(TASK, control_weight=0.0), LoopSettings(**loop), seed=1)
        env.reset()
        _, rewards[name], *_ = env.step(actions(3, 1)[0])
        flexed = env.flexed
    np.testing.assert_allclose(rewards["hard"], 1 - 2 * flexed.mean(axis=1), atol=1e-6)
    np.testing.assert_allclose(rewards["soft"], 1 - 2 * np.where(flexed, 0.75, 0.25).mean(axis=1), atol=1e-6)
    assert np.all(rewards["tracking"] > rewards["hard"])


def test_the_answer_is_seen_only_where_it_is_asked_for() -> None:
    oracle = Oracle(2)
    oracle.answer[:] = [[0.0, 0.25, 0.5, 0.75, 1.0]] * 2
    blind = DecoderInLoop(HAND, 2, oracle, EMGSettings(), TASK, seed=1)
    seeing = DecoderInLoop(HAND, 2, oracle, EMGSettings(), TASK, LoopSettings(observe=True), seed=1)
    assert seeing.single_observation_space.shape[0] == blind.single_observation_space.shape[0] + 5
    first, _ = seeing.reset()
    np.testing.assert_array_equal(first[:, -5:], 0)
    blind.reset()
    seen, unseen = (env.step(actions(2, 1)[0])[0] for env in (seeing, blind))
    np.testing.assert_array_equal(seen[:, :-5], unseen)
    np.testing.assert_array_equal(seen[:, -5:], [[-1.0, -0.5, 0.0, 0.5, 1.0]] * 2)


def test_an_environment_that_begins_anew_forgets_its_signal() -> None:
    oracle = Oracle(2)
    env = DecoderInLoop(HAND, 2, oracle, EMGSettings(), TASK, seed=1)
    env.reset()
    oracle.forgot.clear()
    env.age[1] = TASK.episode_steps - 2
    for row in actions(2, 1)[0], actions(2, 1)[0]:
        _, _, _, truncated, _ = env.step(row)
    np.testing.assert_array_equal(truncated, [False, True])
    assert oracle.forgot == [1]
    np.testing.assert_array_equal(env.answers[1], 0.5)


def loop(n: int, first: int = 0, montage: str = "isolated") -> DecoderInLoop:
    import torch

    torch.manual_seed(0)
    emg = EMGSettings(montage=montage)  # type: ignore[arg-type]
    channels = UserEMG(HAND.muscles, 1, emg).channels
    net = FingerTCN(channels, 8).eval()
    net.floor.fill_(1e-6)
    env = DecoderInLoop(HAND, n, net.online(n), emg, TASK, seed=3, first=first)
    env.reset()
    return env


@pytest.mark.parametrize("montage", ["isolated", "ring"])
def test_shards_are_parts_of_the_whole(montage: str) -> None:
    whole, parts = loop(3, 0, montage), [loop(2, 0, montage), loop(1, 2, montage)]
    for row in actions(3, 15):  # beyond the end of an episode
        whole.step(row)
        for part, rows in zip(parts, (row[:2], row[2:])):
            part.step(rows)
        np.testing.assert_allclose(np.concatenate([part.answers for part in parts]), whole.answers, atol=1e-5)
    assert whole.answers.std() > 0


def test_it_goes_on_from_a_kept_state_as_if_it_had_not_stopped() -> None:
    env, other = loop(2), loop(2)
    before, after = actions(2, 7), actions(2, 7, first=50)
    for row in before:
        env.step(row)
    other.restore(env.state())
    for row in after:
        expected, found = env.step(row), other.step(row)
        np.testing.assert_array_equal(expected[0], found[0])
        np.testing.assert_array_equal(expected[1], found[1])
        np.testing.assert_array_equal(env.answers, other.answers)


def test_a_condition_acts_on_the_drive_of_muscles_and_motor_units() -> None:
    env = DecoderInLoop(HAND, 2, Oracle(2), EMGSettings(), TASK, seed=1, condition=Condition(missing_fingers=("little",)))
    env.reset()
    env.step(actions(2, 1)[0])
    silent = [name in ("FDS5", "FDP5", "EDC5", "EDM", "RI5", "LU_RB5", "UI_UB5") for name in HAND.muscles]
    np.testing.assert_array_equal((env.excitation == 0).all(axis=0), silent)
    np.testing.assert_array_equal(env.hands.excitation, env.excitation)


def test_a_decoder_of_other_emg_is_refused() -> None:
    with pytest.raises(AEMGError, match="channels"):
        DecoderInLoop(HAND, 3, Oracle(2), EMGSettings(), TASK)
    with pytest.raises(AEMGError, match="8 ms"):
        DecoderInLoop(HAND, 2, Oracle(2), EMGSettings(), replace(TASK, substeps=4))


def test_ring_electrodes_hear_the_forearm_and_not_the_hand() -> None:
    for muscles, heard in (("FDS3", "EDC3"), True), (("OP", "RI3", "LU_RB3", "UI_UB3"), False):
        emg = UserEMG(HAND.muscles, 1, EMGSettings(montage="ring"), seed=0)
        drive = np.array([[0.5 if name in muscles else 0.0 for name in HAND.muscles]], np.float32)
        signal = np.concatenate([emg.step(drive) for _ in range(40)], axis=2)[0]
        assert signal.shape == (16, 320)
        assert (signal[:, 100:].std(axis=1) > 5e-6).any() == heard
