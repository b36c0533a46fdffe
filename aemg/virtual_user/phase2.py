"""The second phase: a virtual user learns to be understood by a frozen decoder, in the three conditions of the experiment.

Condition 1 goes on from the policy of the first phase, 2 starts from scratch, 3 starts from scratch and sees the decoder's
answers. Every run has a folder of its own and goes on from its last checkpoint when it is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aemg.config import STRICT, to_mapping
from aemg.errors import AEMGError
from aemg.simulation.conditions import HEALTHY, Condition
from aemg.simulation.hand import hand_model
from aemg.virtual_user.closed_loop import DecoderInLoop, LoopSettings
from aemg.virtual_user.decoding import CONTROL_S
from aemg.virtual_user.emg import EMGSettings
from aemg.virtual_user.jobs import finish, finished
from aemg.virtual_user.networks import FingerNetwork, load_network
from aemg.virtual_user.policy import Policy, PolicySettings
from aemg.virtual_user.ppo import CONTINUED, PPOSettings, Row, learn
from aemg.virtual_user.tcn import BINS
from aemg.virtual_user.tracking import TrackingSettings
from aemg.virtual_user.users import load_policy

Share = Callable[[float], None]
ConditionNumber = Literal[1, 2, 3]

_EVALUATION_SEED = 1_000_000
_CURVE_POINTS = 400


@dataclass(frozen=True)
class Phase2Settings:
    """How a user learns with a decoder.

    Args:
        wrist: of the hand, `fixed` or `free`.
        environments: in all.
        threads: shards that they are split into, each stepped in a thread of its own.
        minutes: of learning, as processor time of so many threads.
        deviation: standard deviation of the actions at the start of condition 1.
        test_environments, test_seconds: of the movements that a user is scored on.
        test_warm_up_s: after the reset, when muscles and hand come from rest, that does not count.
        task, loop, ppo, policy: of the parts; `loop.observe` is set by the condition.
    """

    __pydantic_config__ = STRICT
    wrist: Literal["free", "fixed"] = "fixed"
    environments: int = 256
    threads: int = 1
    minutes: float = 30.0
    deviation: float = 0.6
    test_environments: int = 64
    test_seconds: float = 20.0
    test_warm_up_s: float = 2.0
    task: TrackingSettings = field(
        default_factory=lambda: TrackingSettings(templates="square", substeps=2, termination_rad=None, control_weight=0.1)
    )
    loop: LoopSettings = field(default_factory=lambda: LoopSettings(soft=True))
    ppo: PPOSettings = field(default_factory=lambda: CONTINUED)
    policy: PolicySettings = field(default_factory=PolicySettings)


@dataclass(frozen=True)
class Score:
    """How well a user is understood.

    Args:
        accuracy: of all answers.
        fingers: of the answers on every finger (5,).
        settled: of the answers more than a window (248 ms) away from a change of what is wanted of the finger.
        near: share of the other answers.
        effort: mean excitation.
        tip_error_m: mean distance of the tips from the reference.
    """

    accuracy: float
    fingers: tuple[float, ...]
    settled: float
    near: float
    effort: float
    tip_error_m: float


@torch.inference_mode()
def evaluate(
    policy: Policy,
    env: DecoderInLoop,
    *,
    seconds: float = 20.0,
    warm_up_s: float = 2.0,
    deterministic: bool = True,
    seed: int = 0,
) -> Score:
    """Lets a policy act on fresh references without learning.

    Args:
        env: without an end of its episodes in this time.
        seconds: that count, after those of the warm-up.
        deterministic: act without chance.
        seed: of the actions' chance.
    """
    chance = torch.Generator().manual_seed(seed)
    observation, _ = env.reset()
    answers, flexed, effort, error = [], [], [], []
    warm_up = round(warm_up_s / CONTROL_S)
    for step in range(round(seconds / CONTROL_S) + warm_up):
        noise = None if deterministic else torch.randn(env.num_envs, policy.actions, generator=chance)
        action, *_ = policy.act(torch.from_numpy(observation), deterministic, noise)
        observation, _, _, _, info = env.step(action.numpy())
        flexed.append(env.flexed.copy())
        if step >= warm_up:
            answers.append(env.answers > 0.5)
            effort.append(info["measures"]["effort"].mean())
            error.append(info["measures"]["tip_error_m"].mean())
    wanted = np.stack(flexed)  # (warm-up + T, N, 5)
    right = np.stack(answers) == wanted[warm_up:]
    changed = _changed_within(wanted, BINS)[warm_up:]
    settled = float(right[~changed].mean()) if not changed.all() else 0.0
    fingers = tuple(float(a) for a in right.mean((0, 1)))
    return Score(
        float(right.mean()), fingers, settled, float(changed.mean()), float(np.mean(effort)), float(np.mean(error))
    )


def _changed_within(wanted: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Where a finger's label changes within so many steps before or after each moment, (T, N, 5)."""
    change = np.zeros_like(wanted)
    change[1:] = wanted[1:] != wanted[:-1]
    around = np.pad(change, ((steps - 1, steps), (0, 0), (0, 0)))
    return np.asarray(sliding_window_view(around, 2 * steps, axis=0).any(axis=-1))


def user_of(condition: ConditionNumber, start: Policy | None, env: DecoderInLoop, settings: Phase2Settings, seed: int) -> Policy:
    """The policy that a condition begins with.

    Raises:
        AEMGError: condition 1 without a policy of the first phase, or one for another hand.
    """
    torch.manual_seed(seed)
    size, muscles = env.single_observation_space.shape[0], env.single_action_space.shape[0]  # type: ignore[index]
    if condition != 1:
        return Policy(size, muscles, settings.policy)
    if start is None:
        raise AEMGError("condition 1 goes on from a policy of the first phase: give one")
    if start.actions != muscles or start.observations > size:
        raise AEMGError(
            f"the policy sees {start.observations} numbers and acts on {start.actions} muscles, the task has {size} and {muscles}"
        )
    policy = start.widened(size - start.observations)
    policy.fresh_value()
    policy.normaliser.freeze()
    with torch.no_grad():
        policy.log_deviation.fill_(float(np.log(settings.deviation)))
    return policy


def environments(
    network: FingerNetwork,
    emg: EMGSettings,
    settings: Phase2Settings,
    count: int,
    *,
    seed: int,
    first: int = 0,
    condition: Condition = HEALTHY,
) -> DecoderInLoop:
    """So many users with this decoder, numbered from `first` on."""
    hand = hand_model(settings.wrist)
    decoder = network.online(count)
    return DecoderInLoop(hand, count, decoder, emg, settings.task, settings.loop, condition=condition, seed=seed, first=first)


def shards(
    network: FingerNetwork, emg: EMGSettings, settings: Phase2Settings, *, seed: int, condition: Condition = HEALTHY
) -> list[DecoderInLoop]:
    """All environments in as many parts as threads."""
    bounds = np.linspace(0, settings.environments, settings.threads + 1).astype(int)
    return [
        environments(network, emg, settings, int(stop - start), seed=seed, first=int(start), condition=condition)
        for start, stop in pairwise(bounds)
    ]


def score(
    policy: Policy,
    network: FingerNetwork,
    emg: EMGSettings,
    settings: Phase2Settings,
    *,
    seed: int,
    condition: Condition = HEALTHY,
) -> dict[str, Score]:
    """Deterministic and stochastic policy on environments of a seed that learning never uses."""
    lasting = replace(settings, task=replace(settings.task, episode_steps=10**6))
    found = {}
    for name in ("deterministic", "stochastic"):
        env = environments(network, emg, lasting, settings.test_environments, seed=_EVALUATION_SEED + seed, condition=condition)
        found[name] = evaluate(
            policy, env, seconds=settings.test_seconds, warm_up_s=settings.test_warm_up_s,
            deterministic=name == "deterministic", seed=seed,
        )  # fmt: skip
    return found


def run(
    condition: ConditionNumber,
    seed: int,
    folder: Path,
    *,
    start: Policy | None,
    network: FingerNetwork,
    emg: EMGSettings,
    settings: Phase2Settings,
    share: Share = lambda done: None,
) -> dict[str, Any]:
    """One run of one condition; its result is in `folder/result.json`, where a finished run is read from.

    Args:
        start: policy of the first phase, for condition 1.
        share: told how much of the run is done, 0..1.

    Raises:
        AEMGError: the parts do not fit, or the folder is of a run with other settings.
    """
    settings = replace(settings, loop=replace(settings.loop, observe=condition == 3))
    about = {"condition": condition, "seed": seed, "settings": to_mapping(settings), "emg": to_mapping(emg)}
    if (found := finished(folder, about)) is not None:
        return found
    parts = shards(network, emg, settings, seed=seed)
    policy = user_of(condition, start, parts[0], settings, seed)
    before = score(policy, network, emg, settings, seed=seed)
    budget = 60 * settings.minutes * settings.threads
    rows = learn(
        parts, policy, settings.ppo, seed=seed, cpu_s=budget, checkpoint=folder / "checkpoint.pt",
        on_update=lambda row: share(min(1.0, row["cpu_s"] / budget)),
    )  # fmt: skip
    policy.save(folder / "policy.safetensors")
    after = score(policy, network, emg, settings, seed=seed)
    result = about | {
        "steps": int(rows[-1]["steps"]), "cpu_s": rows[-1]["cpu_s"], "wall_s": rows[-1]["wall_s"],
        "before": {name: asdict(value) for name, value in before.items()},
        "after": {name: asdict(value) for name, value in after.items()},
        "curve": thinned(rows),
    }  # fmt: skip
    return finish(folder, result)


def settings_for(condition: ConditionNumber) -> Phase2Settings:
    """What was found to serve a condition."""
    if condition == 1:
        return Phase2Settings()
    return Phase2Settings(ppo=PPOSettings())


def run_from(
    condition: ConditionNumber, seed: int, folder: Path, start: Path | None, decoder: Path, settings: Phase2Settings, share: Share
) -> dict[str, Any]:
    """`run` with the policy and the decoder of files."""
    network, emg = load_network(decoder)
    policy = None if start is None or condition != 1 else load_policy(start)
    return run(condition, seed, folder, start=policy, network=network, emg=emg, settings=settings, share=share)


def thinned(rows: list[Row], points: int = _CURVE_POINTS) -> list[Row]:
    """A learning curve as means of stretches of it, at most so many."""
    names = ("steps", "cpu_s", "wall_s", "reward", "accuracy", "effort", "tip_error_m", "deviation", "divergence")
    parts = np.array_split(np.arange(len(rows)), min(points, len(rows)))
    last = ("steps", "cpu_s", "wall_s")
    return [
        {name: float(rows[part[-1]][name] if name in last else np.mean([rows[i][name] for i in part])) for name in names}
        for part in parts
    ]
