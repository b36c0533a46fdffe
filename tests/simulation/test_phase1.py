"""The first phase as a whole: it improves, it is scored without ends, it goes on, it starts from others, it recovers."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aemg.errors import AEMGError
from aemg.report.phase1 import phase1_plot, phase1_table, seeds_table
from aemg.simulation.hand import hand_model
from aemg.simulation.hand.controller import StaticOptimiser
from aemg.virtual_user.imitation import ImitationSettings, imitate
from aemg.virtual_user.phase1 import Phase1Settings, evaluate, run, run_from, shards
from aemg.virtual_user.policy import Policy, PolicySettings
from aemg.virtual_user.ppo import PPOSettings
from aemg.virtual_user.recovery import RECOVERED_RAD, Recovery, recovery
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings
from aemg.virtual_user.users import policy_user

HAND = hand_model("fixed")
TASK = TrackingSettings(termination_rad=None)
TINY = Phase1Settings(
    environments=8, minutes=1e-4, test_environments=2, test_seconds=0.5, pushes=2, policy=PolicySettings(hidden=(8,)),
    ppo=PPOSettings(horizon=4, minibatches=1, precision="fp32"),
)  # fmt: skip


def test_a_run_is_scored_kept_and_read_again(tmp_path: Path) -> None:
    told: list[float] = []
    result = run(0, tmp_path / "a", settings=TINY, share=told.append)
    assert list(result["stages"]) == ["sine", "square"]
    assert result["final"] == result["stages"]["square"]
    assert told == sorted(told) and told[0] > 0 and told[-1] == 1
    for score in result["stages"].values():
        assert score["sine"]["tip_error_mm"] == pytest.approx(np.mean(score["sine"]["fingers_mm"]))
    assert run(0, tmp_path / "a", settings=TINY) == result
    with pytest.raises(AEMGError, match="other settings"):
        run(0, tmp_path / "a", settings=replace(TINY, minutes=1.0))
    last, final = (Policy.load(tmp_path / "a" / name / "policy.safetensors") for name in ("2-square", ""))
    for name, value in last.state_dict().items():
        assert torch.equal(value, final.state_dict()[name])

    settings = replace(TINY, curriculum=("square",))
    more = run_from(0, tmp_path / "b", tmp_path / "a", settings, told.append)
    assert list(more["stages"]) == ["square"]
    with pytest.raises(AEMGError, match="no policy in"):
        run_from(0, tmp_path / "c", tmp_path / "none", settings, told.append)
    with pytest.raises(AEMGError, match="this hand and space have"):
        joints = replace(settings, task=replace(TASK, space="joints"))
        run_from(0, tmp_path / "c", tmp_path / "a", joints, told.append)

    runs = {"curriculum": [result], "square": [more]}
    table = phase1_table(runs)
    assert len(table.splitlines()) == 2 + 3
    assert f"{result['final']['square']['tip_error_mm']:.2f}" in table
    assert len(seeds_table([result]).splitlines()) == 3
    assert phase1_plot(runs).startswith(b"\x89PNG")
    json.dumps(result, allow_nan=True)


def test_shards_are_parts_of_all() -> None:
    parts = shards(replace(TINY, threads=2), "sine", seed=3)
    [whole] = shards(TINY, "sine", seed=3)
    assert [part.num_envs for part in parts] == [4, 4]
    np.testing.assert_array_equal(np.concatenate([part.reset()[0] for part in parts]), whole.reset()[0])


def test_a_score_is_the_mean_distance_of_the_tips() -> None:
    """A user that knows the joints beats one that does nothing, and per finger the score is what was measured."""
    env = FingerTracking(HAND, 8, TASK, seed=1)
    still = evaluate(lambda seen: np.zeros((8, len(HAND.muscles)), np.float32), env, seconds=4)
    teacher = StaticOptimiser(env.hands)

    def knows(seen: np.ndarray) -> np.ndarray:
        target = env.references.at(env.time + 4)
        return env.actions_of(teacher.excitations(target.q, target.qd))

    good = evaluate(knows, env, seconds=4)
    assert good.tip_error_mm < 12 < still.tip_error_mm
    assert good.joint_error_deg < still.joint_error_deg
    assert still.effort == pytest.approx(TASK.tone, rel=1e-3)
    assert len(good.fingers_mm) == 5


def test_imitation_makes_a_policy_act_like_the_controller() -> None:
    env = FingerTracking(HAND, 32, TrackingSettings(), seed=2)
    torch.manual_seed(0)
    policy = Policy(env.single_observation_space.shape[0], len(HAND.muscles), PolicySettings(hidden=(64,)))  # type: ignore[index]
    rounds: list[int] = []
    settings = ImitationSettings(rounds=5, steps=24, epochs=3, batch=256)
    errors = imitate(env, policy, settings, on_round=lambda n, e: rounds.append(n))
    assert rounds == [0, 1, 2, 3, 4] and len(errors) == 5
    tests = [FingerTracking(HAND, 8, TASK, seed=9) for _ in range(2)]
    before = Policy(policy.observations, policy.actions, PolicySettings(hidden=(64,)))
    scores = [evaluate(policy_user(p), env, seconds=3).tip_error_mm for p, env in zip((before, policy), tests)]
    assert scores[1] < 0.75 * scores[0]


class _Pull:
    """Moves the joints towards the reference by itself, so much of the way in each step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
        def step(env: FingerTracking, actions: object) -> tuple[object, ...]:
            env.time += env.settings.substeps
            env.target = env.references.at(env.time)
            env.hands.q[:] += share * (env.target.q - env.hands.q)
            return (env._observe(slice(None)), None, None, None, {})

        monkeypatch.setattr(FingerTracking, "step", step)


@pytest.mark.parametrize("wrist", ["fixed", "free"])
def test_recovery_times_are_those_of_a_known_return(wrist: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = hand_model(wrist)  # type: ignore[arg-type]
    _Pull(monkeypatch, 0.1)
    found = recovery(lambda seen: np.zeros((len(seen), 1), np.float32), hand, TASK, repetitions=20)
    if wrist == "free":  # from 90 to 15 degrees at a tenth of the way in each 16 ms
        steps = np.ceil(np.log(RECOVERED_RAD / hand.upper[hand.joints.index("pro_sup")]) / np.log(0.9))
        np.testing.assert_allclose(found.times_s, 0.016 * steps)
    else:
        assert len(set(found.times_s)) > 3
        assert (found.times_s < 0.5).all() and (found.times_s > 0.1).all()
    assert found.summary()["recovered"] == 1


def test_those_who_do_not_recover_are_counted() -> None:
    summary = Recovery(np.array([1.0, 3.0, 5.0, 5.0]), 5.0).summary()
    assert summary == {"mean_s": 2.0, "sd_s": 1.0, "recovered": 0.5, "limit_s": 5.0}


def test_without_the_extra_it_is_said_what_to_install() -> None:
    code = (
        "import importlib.util as u; found = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'gymnasium' else found(name, *a)\n"
        "from aemg.errors import AEMGError\n"
        "try:\n    import aemg.virtual_user.ppo\n"
        "except AEMGError as error:\n    assert 'gymnasium' in str(error) and 'aemg[simulation]' in str(error)\n"
        "else:\n    raise SystemExit(1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
