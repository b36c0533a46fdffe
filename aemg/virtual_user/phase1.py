"""The first phase: a virtual user learns to move its fingers, first along sines and then along smoothed squares.

Every run has a folder of its own and goes on from its last checkpoint when it is started again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from aemg.config import STRICT, to_mapping
from aemg.errors import AEMGError
from aemg.simulation.hand import hand_model
from aemg.virtual_user.imitation import ImitationSettings, imitate
from aemg.virtual_user.jobs import finish, finished
from aemg.virtual_user.policy import Policy, PolicySettings
from aemg.virtual_user.ppo import CONTINUED, PPOSettings, Row, learn
from aemg.virtual_user.recovery import recovery
from aemg.virtual_user.references import Shape
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings
from aemg.virtual_user.users import User, policy_user

Share = Callable[[float], None]
_EVALUATION_SEED = 1_000_000
_WARM_UP_S = 1.0
_CURVE_POINTS = 400
_LAST = ("steps", "cpu_s", "wall_s")


@dataclass(frozen=True)
class Phase1Settings:
    """How a user learns to move.

    Args:
        wrist: of the hand, `fixed` or `free`.
        environments: in all.
        threads: shards that they are split into, each stepped in a thread of its own.
        minutes: of learning on each of the templates, as processor time of so many threads.
        curriculum: templates in their order; `("square",)` is the ablation without a curriculum.
        imitate: start from imitating the controller that learns nothing, and go on with `ppo.CONTINUED` in place of `ppo`.
        test_environments, test_seconds: of the movements that a user is scored on.
        pushes: that a user is to recover from.
        task, ppo, policy, imitation: of the parts; `task.templates` is set by the curriculum.
    """

    __pydantic_config__ = STRICT
    wrist: Literal["free", "fixed"] = "fixed"
    environments: int = 256
    threads: int = 1
    minutes: float = 15.0
    curriculum: tuple[Shape, ...] = ("sine", "square")
    imitate: bool = False
    test_environments: int = 64
    test_seconds: float = 20.0
    pushes: int = 100
    task: TrackingSettings = field(default_factory=TrackingSettings)
    ppo: PPOSettings = field(default_factory=PPOSettings)
    policy: PolicySettings = field(default_factory=PolicySettings)
    imitation: ImitationSettings = field(default_factory=ImitationSettings)


@dataclass(frozen=True)
class TrackingScore:
    """How well the references are followed when episodes do not end.

    Args:
        tip_error_mm: mean distance of the tips from the reference.
        fingers_mm: of each finger (5,).
        joint_error_deg: mean over all joints.
        effort: mean excitation.
    """

    tip_error_mm: float
    fingers_mm: tuple[float, ...]
    joint_error_deg: float
    effort: float


def evaluate(act: User, env: FingerTracking, *, seconds: float = 20.0) -> TrackingScore:
    """Follows fresh references; the first second does not count.

    Args:
        act: from observations (N, size) to actions (N, muscles).
        env: without an end of its episodes in this time.
    """
    observation, _ = env.reset()
    step_s = env.hand.timestep_s * env.settings.substeps
    tips, joints, effort = [], [], []
    for step in range(round((seconds + _WARM_UP_S) / step_s)):
        observation, _, _, _, info = env.step(act(observation))
        if step * step_s >= _WARM_UP_S:
            tips.append(np.linalg.norm(env.hands.tips - env.target.tips, axis=2).mean(axis=0))
            joints.append(info["measures"]["joint_error_rad"].mean())
            effort.append(info["measures"]["effort"].mean())
    fingers_mm = 1e3 * np.mean(tips, axis=0)
    return TrackingScore(
        float(fingers_mm.mean()), tuple(float(x) for x in fingers_mm), float(np.degrees(np.mean(joints))), float(np.mean(effort))
    )


def shards(settings: Phase1Settings, templates: Shape, *, seed: int) -> list[FingerTracking]:
    """All environments in as many parts as threads."""
    hand, task = hand_model(settings.wrist), replace(settings.task, templates=templates)
    bounds = np.linspace(0, settings.environments, settings.threads + 1).astype(int)
    return [FingerTracking(hand, int(stop - start), task, seed=seed, first=int(start)) for start, stop in pairwise(bounds)]


def score(policy: Policy, settings: Phase1Settings, *, seed: int) -> dict[str, Any]:
    """A policy on both templates, on references that learning never met, and its recovery from pushes."""
    hand, act = hand_model(settings.wrist), policy_user(policy)
    lasting = replace(settings.task, termination_rad=None, episode_steps=10**9)
    found: dict[str, Any] = {}
    shapes: tuple[Shape, ...] = ("sine", "square")
    for shape in shapes:
        task = replace(lasting, templates=shape)
        env = FingerTracking(hand, settings.test_environments, task, seed=_EVALUATION_SEED + seed)
        found[shape] = asdict(evaluate(act, env, seconds=settings.test_seconds))
    last = replace(lasting, templates=settings.curriculum[-1])
    found["recovery"] = recovery(act, hand, last, repetitions=settings.pushes, seed=_EVALUATION_SEED + seed).summary()
    return found


def run(
    seed: int,
    folder: Path,
    *,
    settings: Phase1Settings,
    start: Policy | None = None,
    share: Share = lambda done: None,
) -> dict[str, Any]:
    """One run; its policy is in `folder/policy.safetensors`, its result in `folder/result.json`.

    A finished run is read from there.

    Args:
        start: the policy to begin with; None: a fresh one.
        share: told how much of the run is done, 0..1.

    Raises:
        AEMGError: `start` is for another hand, or the folder is of a run with other settings.
    """
    about = {"seed": seed, "settings": to_mapping(settings)}
    if (found := finished(folder, about)) is not None:
        return found
    budget_s, stages = 60 * settings.minutes * settings.threads, len(settings.curriculum)
    begun = (folder / f"1-{settings.curriculum[0]}" / "checkpoint.pt").is_file()
    policy, scores, curve = _first_policy(settings, start, seed, imitates=settings.imitate and not begun), {}, []
    ppo = CONTINUED if settings.imitate else settings.ppo
    for number, templates in enumerate(settings.curriculum):
        done = folder / f"{number + 1}-{templates}"
        rows = learn(
            shards(settings, templates, seed=seed), policy, ppo, seed=seed, cpu_s=budget_s,
            checkpoint=done / "checkpoint.pt",
            on_update=lambda row, number=number: share((number + min(1.0, row["cpu_s"] / budget_s)) / stages),  # type: ignore[misc]
        )  # fmt: skip
        policy.precision = torch.float32
        policy.save(done / "policy.safetensors")
        scores[templates] = score(policy, settings, seed=seed)
        curve += thinned(rows, {"stage": float(number)}, settings.task.episode_steps)
    policy.save(folder / "policy.safetensors")
    return finish(folder, about | {"stages": scores, "final": scores[settings.curriculum[-1]], "curve": curve})


def run_from(seed: int, folder: Path, start: Path | None, settings: Phase1Settings, share: Share) -> dict[str, Any]:
    """`run`, beginning with the policy of a file, of a run's folder, or of this seed in the folder of a command."""
    if start is None:
        return run(seed, folder, settings=settings, share=share)
    places = [start, start / "policy.safetensors", start / f"seed-{seed}" / "policy.safetensors"]
    found = [place for place in places if place.is_file()]
    if not found:
        raise AEMGError(f"no policy in {start}: expected a file, policy.safetensors or seed-{seed}/policy.safetensors there")
    return run(seed, folder, settings=settings, start=Policy.load(found[0]), share=share)


def _first_policy(settings: Phase1Settings, start: Policy | None, seed: int, *, imitates: bool) -> Policy:
    [env] = shards(replace(settings, threads=1), settings.curriculum[0], seed=seed)
    size, muscles = env.single_observation_space.shape[0], env.single_action_space.shape[0]  # type: ignore[index]
    torch.manual_seed(seed)
    policy = Policy(size, muscles, settings.policy) if start is None else start
    if (policy.observations, policy.actions) != (size, muscles):
        raise AEMGError(
            f"the policy sees {policy.observations} numbers and acts on {policy.actions} muscles, "
            f"this hand and space have {size} and {muscles}"
        )
    if imitates:
        imitate(env, policy, settings.imitation, seed=seed)
    if settings.imitate:
        policy.normaliser.freeze()
    return policy


def thinned(rows: list[Row], more: Row, longest: int, points: int = _CURVE_POINTS) -> list[Row]:
    """A learning curve as means of stretches of it, at most so many; `episode` is the mean length of an episode in actions.

    Args:
        more: added to every point.
        longest: an episode's length in actions.
    """
    kept = []
    for part in np.array_split(np.arange(len(rows)), min(points, len(rows))):
        stretch = [rows[i] for i in part]
        means = {name: float(np.mean([row[name] for row in stretch])) for name in stretch[0]}
        means |= {name: stretch[-1][name] for name in _LAST}
        kept.append(means | {"episode": 1 / max(means["ended"], 1 / longest)} | more)
    return kept
