"""A warm start for a policy: it learns to act like the controller that needs no learning (DAgger: Ross et al. 2011,
arXiv 1011.0686). The policy drives, the controller says what it would have done, and the policy is fitted to all of that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from aemg.config import STRICT
from aemg.simulation.hand.controller import StaticOptimiser
from aemg.virtual_user.policy import Policy
from aemg.virtual_user.tracking import FingerTracking


@dataclass(frozen=True)
class ImitationSettings:
    """How the policy is fitted.

    Args:
        rounds: of driving and fitting; in the first the controller drives.
        steps: of all environments in a round.
        epochs, batch, rate: of the fit on all rounds so far.
        least: excitation of the controller where it drives, 0..1.
        deviation: standard deviation of the policy's actions while it drives, and afterwards.
    """

    __pydantic_config__ = STRICT
    rounds: int = 30
    steps: int = 48
    epochs: int = 2
    batch: int = 2048
    rate: float = 1e-3
    least: float = 0.01
    deviation: float = 0.25


def imitate(
    env: FingerTracking,
    policy: Policy,
    settings: ImitationSettings | None = None,
    *,
    seed: int = 0,
    on_round: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Fits a policy's actions in place to those of the controller; its critic learns nothing.

    Args:
        env: whose task is imitated; its settings decide when episodes end.
        seed: of the order of the samples and of the actions.
        on_round: told the number of the round and the error left.

    Returns:
        Root mean square difference of the excitations at the end of each round.
    """
    settings = settings or ImitationSettings()
    chance = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(policy.actor.parameters(), lr=settings.rate, fused=True)
    with torch.no_grad():
        policy.log_deviation.fill_(float(np.log(settings.deviation)))
    teacher = StaticOptimiser(env.hands, substeps=env.settings.substeps)
    observation = torch.as_tensor(env.reset()[0])
    seen: list[Tensor] = []
    told: list[Tensor] = []
    errors = []
    for number in range(settings.rounds):
        for _ in range(settings.steps):
            following = env.references.at(env.time + env.settings.substeps)
            excitation = teacher.excitations(following.q, following.qd).astype(np.float32)
            advice = torch.as_tensor(env.actions_of(np.maximum(excitation, settings.least)))
            seen.append(observation)
            told.append(torch.as_tensor(excitation))
            with torch.no_grad():
                noise = torch.randn(advice.shape, generator=chance)
                action = advice + settings.deviation * noise if number == 0 else policy.act(observation, noise=noise)[0]
            observation = torch.as_tensor(env.step(action.numpy())[0])
        policy.normaliser.update(torch.cat(seen[-settings.steps :]))
        errors.append(_fit(policy, optimiser, torch.cat(seen), torch.cat(told), env.bias, settings, chance))
        if on_round is not None:
            on_round(number, errors[-1])
    return errors


def _fit(
    policy: Policy,
    optimiser: torch.optim.Optimizer,
    observation: Tensor,
    excitation: Tensor,
    bias: float,
    settings: ImitationSettings,
    chance: torch.Generator,
) -> float:
    x = policy.prepare(observation)
    error = 0.0
    for _ in range(settings.epochs):
        error = 0.0
        for chosen in torch.split(torch.randperm(len(x), generator=chance), settings.batch):
            drive, wanted = policy.actor(x[chosen]) + bias, excitation[chosen]
            loss = binary_cross_entropy_with_logits(drive, wanted)  # least where the mean excitation is right
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            error += float((drive.detach().sigmoid() - wanted).square().mean()) * len(chosen) / len(x)
    return float(error**0.5)
