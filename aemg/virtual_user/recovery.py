"""How soon a user is back after a push: of the forearm where the wrist is free, of a finger where it is fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.hand import Hand
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings

RECOVERED_RAD = np.deg2rad(15.0)


@dataclass(frozen=True)
class Recovery:
    """Times of recovery.

    Args:
        times_s: of every repetition, (repetitions,); the limit where it did not recover.
        limit_s: how long was waited.
    """

    times_s: NDArray[np.float64]
    limit_s: float

    def summary(self) -> dict[str, float]:
        """Mean and standard deviation over the repetitions that recovered, and their share."""
        back = self.times_s[self.times_s < self.limit_s]
        mean, spread = (float(back.mean()), float(back.std())) if len(back) else (float("nan"), float("nan"))
        return {"mean_s": mean, "sd_s": spread, "recovered": len(back) / len(self.times_s), "limit_s": self.limit_s}


def recovery(
    act: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    hand: Hand,
    settings: TrackingSettings,
    *,
    repetitions: int = 100,
    limit_s: float = 5.0,
    seed: int = 0,
) -> Recovery:
    """Pushes hands that are on their references, and waits until the pushed joints are within 15 degrees again.

    Pushed are pronation, to the upper end of its range, or, where the hand has none, the flexions of one random finger, to the
    ends of their ranges that are farther from the reference.

    Args:
        act: from observations (N, size) to actions (N, muscles).
        settings: of the task; episodes do not end here.
    """
    lasting = replace(settings, termination_rad=None, episode_steps=10**9, perturbation_rad=0.0)
    env = FingerTracking(hand, repetitions, lasting, seed=seed)
    env.reset()
    pushed = _pushed_joints(env, np.random.default_rng(seed))
    wanted = env.target.q
    far = hand.upper if "pro_sup" in hand.joints else np.where(hand.upper - wanted > wanted - hand.lower, hand.upper, hand.lower)
    env.hands.reset(None, np.where(pushed, far, env.hands.q), env.hands.qd.copy())
    observation = env.restore(env.state())
    step_s = hand.timestep_s * lasting.substeps
    times = np.full(repetitions, limit_s)
    for step in range(1, round(limit_s / step_s) + 1):
        observation, *_ = env.step(act(observation))
        off = np.where(pushed, np.abs(env.hands.q - env.target.q), 0.0).max(axis=1)
        times = np.where((times == limit_s) & (off < RECOVERED_RAD), min(step * step_s, limit_s), times)
        if (times < limit_s).all():
            break
    return Recovery(times, limit_s)


def _pushed_joints(env: FingerTracking, rng: np.random.Generator) -> NDArray[np.bool_]:
    joints: Any = env.hand.joints
    if "pro_sup" in joints:
        return np.tile(np.array(joints) == "pro_sup", (env.num_envs, 1))
    finger = rng.choice(env.references.moving, size=env.num_envs)
    return np.asarray(env.references.joints.finger == finger[:, None])
