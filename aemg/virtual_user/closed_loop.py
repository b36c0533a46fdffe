"""The task of the second phase: make a decoder of one's EMG tell which fingers the reference wants flexed (equation 7).

What the fingers do is of no account any more, unless a tracking term is asked for. The decoder answers after every action, and
its answer may be part of the observation, so that the user sees what the decoder understood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.config import STRICT
from aemg.errors import AEMGError
from aemg.simulation.conditions import HEALTHY, Condition
from aemg.simulation.hand.model import Hand
from aemg.simulation.hand.people import HandPerson
from aemg.virtual_user.decoding import CONTROL_S, FingerDecoder, Floats
from aemg.virtual_user.emg import EMGSettings, UserEMG
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings

_GOLDEN = 0.6180339887498949  # its multiples fill 0..1 evenly


@dataclass(frozen=True)
class LoopSettings:
    """The reward and what is seen.

    Args:
        accuracy_weight: of equation 7.
        soft: reward the probability of the right answer in place of the answer.
        tracking_weight: of the first phase's reward, 0 for none.
        observe: append the decoder's answer to the observation.
    """

    __pydantic_config__ = STRICT
    accuracy_weight: float = 1.0
    soft: bool = False
    tracking_weight: float = 0.0
    observe: bool = False


class DecoderInLoop(FingerTracking):
    """N virtual users, each with motor units, electrodes and the state of one decoder.

    `info["measures"]` holds also `accuracy`, the share of the fingers that the decoder is right about.

    Args:
        decoder: of as many environments; its weights are not changed.
        emg: how the EMG that the decoder takes is made.
        condition, seed, first, people, threads: as in `FingerTracking`.

    Raises:
        AEMGError: the decoder does not fit the EMG or the number of environments, or an action lasts longer than an answer.
    """

    def __init__(
        self,
        hand: Hand,
        environments: int,
        decoder: FingerDecoder,
        emg: EMGSettings,
        settings: TrackingSettings | None = None,
        loop: LoopSettings | None = None,
        *,
        condition: Condition = HEALTHY,
        seed: int = 0,
        first: int = 0,
        people: Sequence[HandPerson] | None = None,
        threads: int = 1,
    ) -> None:
        settings = settings or TrackingSettings(templates="square", substeps=2, termination_rad=None)
        self.loop, self.decoder = loop or LoopSettings(), decoder
        self.emg = UserEMG(hand.muscles, environments, emg, seed=seed, first=first)
        self.answers = np.full((environments, len(hand.fingers)), 0.5, np.float32)
        if abs(settings.substeps * hand.timestep_s - CONTROL_S) > 1e-9:
            raise AEMGError(f"an action must last {1000 * CONTROL_S:g} ms, got {1000 * settings.substeps * hand.timestep_s:g}")
        given = self.emg.channels, self.emg.rate_hz, environments
        taken = decoder.channels, decoder.rate_hz, decoder.environments
        if given != taken:
            raise AEMGError(f"the decoder takes {taken} channels, Hz and environments, the EMG has {given}")
        super().__init__(
            hand, environments, settings, seed=seed, first=first, people=people, threads=threads, condition=condition
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Floats, dict[str, Any]]:
        """As in the first phase, but the episodes of all environments do not end together."""
        first = super().reset(seed=seed, options=options)
        if (options or {}).get("reset_mask") is None:
            numbers = self.references.first + np.arange(self.num_envs)
            self.age[:] = (numbers * _GOLDEN % 1.0) * self.settings.episode_steps
        return first

    def _reward(self) -> tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]:
        tracking, measures = super()._reward()
        self.answers = self.decoder.push(self.emg.step(self.excitation))
        flexed, loop, settings = self.flexed, self.loop, self.settings
        right = ((self.answers > 0.5) == flexed).mean(axis=1, dtype=np.float32)
        wrong = np.abs(flexed - self.answers).mean(axis=1) if loop.soft else 1 - right
        cost = settings.control_weight * ((settings.control_scale * self.excitation) ** 2).mean(axis=1)
        reward = loop.accuracy_weight * (1 - 2 * wrong) - cost
        if loop.tracking_weight:
            reward = reward + loop.tracking_weight * (tracking + cost)
        return reward.astype(np.float32), measures | {"accuracy": right}

    def _observe(self, which: NDArray[np.integer] | slice) -> Floats:
        observation = super()._observe(which)
        if not self.loop.observe:
            return observation
        return np.concatenate([observation, 2 * self.answers[which] - 1], axis=1)

    def _restart(self, which: NDArray[np.intp]) -> None:
        super()._restart(which)
        self.emg.reset(which)
        self.decoder.reset(which)
        self.answers[which] = 0.5

    def state(self) -> dict[str, Any]:
        """All that changes, for `restore`."""
        kept = {"emg": self.emg.state(), "decoder": self.decoder.state(), "answers": self.answers.copy()}
        return super().state() | kept

    def restore(self, state: dict[str, Any]) -> Floats:
        """Goes back to a state; gives its observation (N, size)."""
        self.emg.restore(state["emg"])
        self.decoder.restore(state["decoder"])
        self.answers = state["answers"].copy()
        return super().restore(state)
