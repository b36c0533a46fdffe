"""The task of the first phase: move the fingers along their references by exciting muscles (equations 1 to 6).

Many hands at once behind gymnasium's vector interface; episodes that end are reset within the step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from aemg.config import STRICT
from aemg.errors import AEMGError
from aemg.simulation.conditions import HEALTHY, Condition
from aemg.simulation.hand import Hand, Hands
from aemg.simulation.hand.people import HandPerson
from aemg.virtual_user.references import References, Shape, Target

_POSITION_SCALE = 1 / 0.1  # metres to about one
_ERROR_SCALE = 1 / 0.02
_ANGLE_ERROR_SCALE = 1 / 0.3
_VELOCITY_SCALE = 1 / 4.0  # of joints, rad/s


@dataclass(frozen=True)
class TrackingSettings:
    """The task.

    Args:
        space: what the reward and the observation compare: finger tips, or joint angles (the ablation).
        templates: sine, or the smoothed square.
        substeps: simulation steps of 4 ms for which an excitation is held.
        fingers: those that move; None: all.
        position_weight, position_sharpness: of equation 1, the sharpness in 1/m.
        velocity_weight, velocity_sharpness: of equation 2, the sharpness in s/m.
        joint_sharpness, joint_velocity_sharpness: instead of those in joint space, in 1/rad and s/rad.
        control_weight, control_scale: of equation 3.
        termination_rad: mean error of the joints at which an episode ends (equation 6); None: it does not.
        episode_steps: actions after which an episode is cut.
        perturbation_rad: largest deviation of each joint from the reference at a reset.
        tone: the excitation that an action of 0 stands for, 0..1.
    """

    __pydantic_config__ = STRICT
    space: Literal["tips", "joints"] = "tips"
    templates: Shape = "sine"
    substeps: int = 4
    fingers: tuple[str, ...] | None = None
    position_weight: float = 0.8
    position_sharpness: float = 50.0
    velocity_weight: float = 0.2
    velocity_sharpness: float = 5.0
    joint_sharpness: float = 5.0
    joint_velocity_sharpness: float = 0.5
    control_weight: float = 0.1
    control_scale: float = 1.0
    termination_rad: float | None = 0.35
    episode_steps: int = 3000
    perturbation_rad: float = 0.06
    tone: float = 0.05


class FingerTracking(VectorEnv[NDArray[np.float32], NDArray[np.float32], NDArray[Any]]):
    """N hands that follow references, stepped together.

    The observation (equation 5) is q, qd, the wanted and the present tips, their difference and the muscles' activation, each
    scaled to about one. An action is any real number for each muscle; the excitation is its logistic, shifted so that 0 means
    `tone`. Environments that end are reset in the same step: what is returned is their new first observation, their last one is
    `info["final_obs"]`, valid where `info["_final_obs"]`. `info["measures"]` holds what happened in the step, one number for
    each environment: tip_error_m, joint_error_rad, effort (mean excitation) and age (actions of the episode so far).

    Args:
        seed: of all that is dealt; environment i depends on it and on `first` + i alone.
        people: of the hands; None: everyone the model's.
        threads: of the physics.
        condition: what becomes of the drive on its way to the muscles.
    """

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  gymnasium's own form

    def __init__(
        self,
        hand: Hand,
        environments: int,
        settings: TrackingSettings | None = None,
        *,
        seed: int = 0,
        first: int = 0,
        people: Sequence[HandPerson] | None = None,
        threads: int = 1,
        condition: Condition = HEALTHY,
    ) -> None:
        self.settings = settings = settings or TrackingSettings()
        self.condition = condition
        if not 0 < settings.tone < 1:
            raise AEMGError(f"tone is an excitation between 0 and 1, got {settings.tone:g}")
        self.hand, self.num_envs = hand, environments
        self.hands = Hands(hand, environments, threads=threads, people=people)
        self.references = References(
            self.hands, shape=settings.templates, step_s=hand.timestep_s, seed=seed, first=first, moving=settings.fingers
        )
        self._middle, self._reach = (hand.lower + hand.upper) / 2, (hand.upper - hand.lower) / 2
        self.bias = float(np.log(settings.tone / (1 - settings.tone)))
        self.time = np.zeros(environments, int)  # of the reference, in simulation steps
        self.age = np.zeros(environments, int)  # of the episode, in actions
        self.excitation = np.zeros((environments, len(hand.muscles)), np.float32)
        self.target: Target = self.references.at(self.time)
        muscles, size = len(hand.muscles), self._observe(slice(None)).shape[1]
        self.single_observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.single_action_space = gymnasium.spaces.Box(-np.inf, np.inf, (muscles,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, environments)
        self.action_space = batch_space(self.single_action_space, environments)

    @property
    def flexed(self) -> NDArray[np.bool_]:
        """Fingers that are wanted flexed now, (N, 5)."""
        return self.target.flexed

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Puts all environments, or those of `options["reset_mask"]` (N,), at a random moment of new references.

        Args:
            seed: begins the chance of all environments anew.
        """
        if seed is not None:
            self.references.seed = seed
            self.references.dealt[:] = 0
        mask = (options or {}).get("reset_mask")
        self._restart(np.arange(self.num_envs) if mask is None else np.flatnonzero(mask))
        return self._observe(slice(None)), {}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Holds an excitation for `substeps` simulation steps.

        Returns:
            Observations (N, size), rewards (N,), terminations (N,), truncations (N,) and the infos.
        """
        settings, hands = self.settings, self.hands
        self.excitation = self.excitation_of(actions)
        hands.step(self.excitation, settings.substeps)
        self.time += settings.substeps
        self.age += 1
        self.target = self.references.at(self.time)
        rewards, measures = self._reward()
        limit = np.inf if settings.termination_rad is None else settings.termination_rad
        terminated = measures["joint_error_rad"] > limit
        truncated = ~terminated & (self.age >= settings.episode_steps)
        observation = self._observe(slice(None))
        info: dict[str, Any] = {"measures": measures}
        done = terminated | truncated
        if done.any():
            info |= {"final_obs": observation.copy(), "_final_obs": done}
            which = np.flatnonzero(done)
            self._restart(which)
            observation[which] = self._observe(which)
        return observation, rewards, terminated, truncated, info

    def excitation_of(self, actions: NDArray[np.floating]) -> NDArray[np.float32]:
        """The excitation (N, muscles) in 0..1 that actions stand for, less what the condition takes away."""
        excitation = np.asarray(1 / (1 + np.exp(-(np.asarray(actions) + self.bias))), dtype=np.float32)
        if self.condition == HEALTHY:
            return excitation
        return self.condition.apply(excitation, self.hand.muscles, self.time * self.hand.timestep_s).astype(np.float32)

    def actions_of(self, excitation: NDArray[np.floating]) -> NDArray[np.float32]:
        """The actions (N, muscles) that stand for an excitation, which is taken to be 0.0001 at least and 0.9999 at most."""
        within = np.clip(excitation, 1e-4, 1 - 1e-4)
        return np.asarray(np.log(within / (1 - within)) - self.bias, dtype=np.float32)

    def _reward(self) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        settings, hands, target = self.settings, self.hands, self.target
        tip_error = np.sqrt(((hands.tips - target.tips) ** 2).sum(axis=2)).mean(axis=1)
        joint_error = np.abs(hands.q - target.q).mean(axis=1)
        if settings.space == "tips":
            speed_error = np.sqrt(((hands.tip_velocities - target.tip_velocities) ** 2).sum(axis=2)).mean(axis=1)
            position, speed = settings.position_sharpness * tip_error, settings.velocity_sharpness * speed_error
        else:
            speed_error = np.abs(hands.qd - target.qd).mean(axis=1)
            position, speed = settings.joint_sharpness * joint_error, settings.joint_velocity_sharpness * speed_error
        cost = settings.control_weight * ((settings.control_scale * self.excitation) ** 2).mean(axis=1)
        reward = settings.position_weight * np.exp(-position) + settings.velocity_weight * np.exp(-speed) - cost
        effort = self.excitation.mean(axis=1)
        measures = {"tip_error_m": tip_error, "joint_error_rad": joint_error, "effort": effort, "age": self.age}
        return reward.astype(np.float32), {name: value.astype(np.float32) for name, value in measures.items()}

    def _observe(self, which: NDArray[np.integer] | slice) -> NDArray[np.float32]:
        hands = self.hands
        q, qd, n = hands.q[which], hands.qd[which], len(hands.q[which])
        if self.settings.space == "tips":
            wanted, present = self.target.tips[which].reshape(n, -1), hands.tips[which].reshape(n, -1)
            wanted, present, error = _POSITION_SCALE * wanted, _POSITION_SCALE * present, _ERROR_SCALE * (wanted - present)
            compared = [wanted, present, error]
        else:
            wanted = self.target.q[which]
            compared = [(wanted - self._middle) / self._reach, _ANGLE_ERROR_SCALE * (wanted - q)]
        parts = [(q - self._middle) / self._reach, _VELOCITY_SCALE * qd, *compared, hands.activation[which]]
        return np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")

    def _restart(self, which: NDArray[np.intp]) -> None:
        """Reference-state initialisation with a small deviation of each joint."""
        references, settings = self.references, self.settings
        references.resample(which)
        self.time[which] = 0  # the phases are random
        self.age[which] = 0
        target = references.at(self.time[which], which)
        for now, new in zip(self.target, target):
            now[which] = new
        deviation = np.array([references.generator(int(i), 1).uniform(-1, 1, target.q.shape[1]) for i in which])
        q = target.q + settings.perturbation_rad * deviation.reshape(target.q.shape)
        self.hands.reset(which, np.clip(q, self.hand.lower, self.hand.upper), target.qd, settings.tone)

    def state(self) -> dict[str, Any]:
        """All that changes, for `restore`."""
        return {
            "hands": self.hands.state(), "references": self.references.state(), "time": self.time.copy(), "age": self.age.copy(),
        }  # fmt: skip

    def restore(self, state: dict[str, Any]) -> NDArray[np.float32]:
        """Goes back to a state; gives its observation (N, size)."""
        self.hands.restore(state["hands"])
        self.references.restore(state["references"])
        self.time[:], self.age[:] = state["time"], state["age"]
        self.target = self.references.at(self.time)
        return self._observe(slice(None))
