"""Proximal policy optimisation (Schulman et al. 2017, arXiv 1707.06347) of one policy in shards of environments.

Every shard is stepped in a thread of its own, physics, spikes and networks release the interpreter; one update follows for all.
A run is deterministic for a seed and a number of steps, and a run that was stopped goes on as if it had not been.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aemg.config import STRICT
from aemg.errors import AEMGError
from aemg.virtual_user.policy import Policy

Row = dict[str, float]
_CHUNK = 1024  # samples whose activations stay in the cache


class Environments(Protocol):
    """What is learnt in: a gymnasium vector environment that resets within the step and whose state can be kept.

    `info["measures"]`, where given, holds a number for each environment by name; they are averaged into the learning curve.
    """

    num_envs: int

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins all episodes."""

    def step(self, actions: Any, /) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Observations, rewards, terminations, truncations, infos."""

    def state(self) -> dict[str, Any]:
        """All that changes: arrays and dictionaries of arrays."""

    def restore(self, state: dict[str, Any]) -> Any:
        """Goes back to a state and gives its observation."""


@dataclass(frozen=True)
class PPOSettings:
    """How it is learnt.

    Args:
        horizon: steps of every environment between two updates.
        epochs, minibatches: of an update.
        discount, trace: of the rewards and of the advantages (gamma, lambda). Rewards are scaled by 1 - discount, so that
            values are of the size of a reward.
        clip: of the probability ratio.
        rate, final_rate: step sizes at the start and at the end, linear in between.
        critic_rate: of the critic where it is to learn at another, constant rate.
        actor_norm, critic_norm: largest norms of the two gradients.
        entropy: weight of the actions' entropy.
        final_deviation: the actions' standard deviation is not above a line from the policy's first one to this.
        largest_divergence: an update ends once the policy has moved so far (nats).
        warm_updates: updates of the critic alone at the start.
        precision: of the hidden layers while learning; `auto` is bf16 where the processor multiplies matrices of it.
    """

    __pydantic_config__ = STRICT
    horizon: int = 8
    epochs: int = 4
    minibatches: int = 1
    discount: float = 0.9
    trace: float = 0.9
    clip: float = 0.2
    rate: float = 1e-3
    final_rate: float = 3e-4
    critic_rate: float | None = None
    actor_norm: float = 0.5
    critic_norm: float = 0.5
    entropy: float = 0.0
    final_deviation: float = 0.25
    largest_divergence: float = 0.06
    warm_updates: int = 0
    precision: Literal["auto", "fp32", "bf16"] = "auto"


CONTINUED = PPOSettings(
    horizon=64, epochs=3, minibatches=2, discount=0.95, trace=0.95, rate=1e-4, final_rate=3e-5, critic_rate=1e-3, warm_updates=6,
    final_deviation=0.3, largest_divergence=0.03,
)  # fmt: skip
"""A policy that can do something already forgets it with larger steps or fewer samples an update; large chance in its actions
does no harm, as muscles and a decoder's window smooth it, and tells more about what to change."""


class Rollout(NamedTuple):
    """What a shard went through: (horizon, N, ...) each; `foreseen` is the value of what followed, 0 after a termination."""

    observation: Tensor
    action: Tensor
    density: Tensor
    value: Tensor
    reward: Tensor
    foreseen: Tensor
    ended: Tensor
    measures: dict[str, float]


@torch.no_grad()
def collect(environments: Environments, policy: Policy, first: Tensor, noise: Tensor) -> tuple[Rollout, Tensor]:
    """Steps a shard as long as there is noise.

    Args:
        first: its present observation (N, observations).
        noise: standard normal (horizon, N, actions).

    Returns:
        What happened, and the next observation.
    """
    kept: list[tuple[Tensor, ...]] = []
    cut: list[tuple[int, NDArray[np.intp], NDArray[np.float32]]] = []
    terminations, sums = [], {"ended": 0.0}
    observation = first
    for t, chance in enumerate(noise):
        action, density, value = policy.act(observation, noise=chance)
        after, reward, terminated, truncated, info = environments.step(action.numpy())
        kept.append((observation, action, density, value, torch.as_tensor(reward), torch.as_tensor(terminated | truncated)))
        terminations.append(torch.as_tensor(terminated))
        if truncated.any():
            which = np.flatnonzero(truncated)
            cut.append((t, which, info["final_obs"][which]))
        for name, numbers in info.get("measures", {}).items():
            sums[name] = sums.get(name, 0.0) + float(numbers.mean())
        observation = torch.as_tensor(after)
    stacked = [torch.stack(parts) for parts in zip(*kept)]
    foreseen = torch.cat([stacked[3][1:], policy.value(observation)[None]])
    foreseen[torch.stack(terminations)] = 0
    for t, which, last in cut:
        foreseen[t, which] = policy.value(torch.as_tensor(last))
    sums["ended"] = float(stacked[5].float().sum())
    observations, actions, densities, values, rewards, ended = stacked
    return Rollout(observations, actions, densities, values, rewards.float(), foreseen, ended, sums), observation


def advantages(rollout: Rollout, discount: float, trace: float) -> Tensor:
    """Generalised advantage estimates (horizon, N) (Schulman et al. 2016, arXiv 1506.02438), rewards scaled by 1 - discount."""
    surprise = (1 - discount) * rollout.reward + discount * rollout.foreseen - rollout.value
    keep = discount * trace * (~rollout.ended).float()
    found = torch.empty_like(surprise)
    later = torch.zeros_like(surprise[0])
    for t in reversed(range(len(surprise))):
        found[t] = later = surprise[t] + keep[t] * later
    return found


class Learner:
    """A policy, its environments and all that is needed to go on.

    Args:
        shards: environments; each is stepped in a thread of its own.
        seed: of the actions and of the order of the samples.
    """

    def __init__(self, shards: Sequence[Environments], policy: Policy, settings: PPOSettings, *, seed: int = 0) -> None:
        self.shards, self.policy, self.settings = list(shards), policy, settings
        fast = settings.precision == "bf16" or (settings.precision == "auto" and torch.cpu._is_amx_tile_supported())
        policy.precision = torch.bfloat16 if fast else torch.float32
        halves = [{"params": policy.actor_parameters()}, {"params": list(policy.critic.parameters())}]
        self.optimiser = torch.optim.Adam(halves, lr=settings.rate, fused=True)
        self.chance = torch.Generator().manual_seed(seed)
        self.first_deviation = float(policy.log_deviation.detach().exp().max())
        self.observations = [torch.as_tensor(shard.reset()[0]) for shard in self.shards]
        self.steps, self.updates, self.cpu_s, self.wall_s = 0, 0, 0.0, 0.0
        self.rows: list[Row] = []

    def iterate(self, progress: float, pool: ThreadPoolExecutor) -> Row:
        """Collects a horizon and learns from it; `progress` in 0..1 places it on the schedules."""
        started, busy = time.perf_counter(), time.process_time()
        settings, policy = self.settings, self.policy
        sizes = [len(o) for o in self.observations]
        noise = torch.randn(settings.horizon, sum(sizes), policy.actions, generator=self.chance)
        chances = torch.split(noise, sizes, dim=1)
        done = list(pool.map(collect, self.shards, [policy] * len(sizes), self.observations, chances))
        self.observations = [observation for _, observation in done]
        rollouts = [rollout for rollout, _ in done]
        collected = time.perf_counter()
        row = self._update(rollouts, progress, pool)
        samples = settings.horizon * sum(sizes)
        self.steps += samples
        self.updates += 1
        self.cpu_s += time.process_time() - busy
        self.wall_s += time.perf_counter() - started
        reward = sum(float(r.reward.sum()) for r in rollouts) / samples
        means = _means([r.measures for r in rollouts], sizes, settings.horizon)
        row = {
            "steps": self.steps, "cpu_s": self.cpu_s, "wall_s": self.wall_s, "reward": reward, **means, **row,
            "collecting": (collected - started) / (time.perf_counter() - started),
        }  # fmt: skip
        self.rows.append(row)
        return row

    def _update(self, rollouts: list[Rollout], progress: float, pool: ThreadPoolExecutor) -> Row:
        settings, policy = self.settings, self.policy
        gains = [advantages(r, settings.discount, settings.trace) for r in rollouts]
        advantage = _flat(gains)
        returns = advantage + _flat([r.value for r in rollouts])
        unexplained = float(advantage.var() / returns.var().clamp_min(1e-12))
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        observation = _flat([r.observation for r in rollouts])
        data = (
            policy.prepare(observation), _flat([r.action for r in rollouts]),
            _flat([r.density for r in rollouts]), advantage, returns,
        )  # fmt: skip
        rate = settings.rate + progress * (settings.final_rate - settings.rate)
        actor, critic = self.optimiser.param_groups
        actor["lr"] = rate if self.updates >= settings.warm_updates else 0.0  # what it averages is warm when it begins
        critic["lr"] = rate if settings.critic_rate is None else settings.critic_rate
        divergence, count = 0.0, 0
        for _ in range(settings.epochs):
            order = torch.randperm(len(advantage), generator=self.chance)
            for chosen in order.chunk(settings.minibatches):
                divergence = self._descend(data, chosen, pool)
                count += 1
                if divergence > settings.largest_divergence:
                    break
            if divergence > settings.largest_divergence:
                break
        with torch.no_grad():
            line = self.first_deviation + progress * (settings.final_deviation - self.first_deviation)
            policy.log_deviation.clamp_(max=float(np.log(max(line, 1e-6))))
            policy.normaliser.update(observation)
        deviation = float(policy.log_deviation.detach().exp().mean())
        return {"divergence": divergence, "descents": count, "deviation": deviation, "explained": 1 - unexplained, "rate": rate}

    def _descend(self, data: tuple[Tensor, ...], chosen: Tensor, pool: ThreadPoolExecutor) -> float:
        """One step down the gradient of a minibatch, to which every thread gives its part; the divergence before the step."""
        parts = torch.split(chosen, _CHUNK)
        done = list(pool.map(self._gradient, [[x[part] for x in data] for part in parts]))
        weights = [len(part) / len(chosen) for part in parts]
        parameters = list(self.policy.parameters())
        for parameter, *gradients in zip(parameters, *(gradients for gradients, _ in done)):
            parameter.grad = sum((w * g for w, g in zip(weights[1:], gradients[1:])), weights[0] * gradients[0])
        torch.nn.utils.clip_grad_norm_(self.policy.actor_parameters(), self.settings.actor_norm)
        torch.nn.utils.clip_grad_norm_(self.policy.critic.parameters(), self.settings.critic_norm)
        self.optimiser.step()
        return sum(w * divergence for w, (_, divergence) in zip(weights, done))

    def _gradient(self, sample: list[Tensor]) -> tuple[tuple[Tensor, ...], float]:
        x, action, density, advantage, returns = sample
        clip = self.settings.clip
        new, value = self.policy.judge(x, action)
        change = new - density
        ratio = change.exp()
        gain = torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean()
        loss = -gain - self.settings.entropy * self.policy.entropy + 0.5 * (value - returns).square().mean()
        with torch.no_grad():
            divergence = float((ratio - 1 - change).mean())
        return torch.autograd.grad(loss, list(self.policy.parameters())), divergence

    def save(self, path: Path) -> None:
        """Writes a checkpoint, whole or not at all."""
        state = {
            "policy": self.policy.state_dict(), "optimiser": self.optimiser.state_dict(), "chance": self.chance.get_state(),
            "shards": [_tensors(shard.state()) for shard in self.shards], "rows": self.rows,
            "steps": self.steps, "updates": self.updates, "cpu_s": self.cpu_s, "wall_s": self.wall_s,
            "first_deviation": self.first_deviation,
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(path.name + ".part")
        torch.save(state, beside)
        os.replace(beside, path)

    def load(self, path: Path) -> None:
        """Goes on from a checkpoint of the same settings and environments.

        Raises:
            AEMGError: it is of others.
        """
        state = torch.load(path, weights_only=True)
        try:
            if len(state["shards"]) != len(self.shards):
                raise AEMGError(f"{path} is of {len(state['shards'])} shards, not of {len(self.shards)}")
            self.policy.load_state_dict(state["policy"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.observations = [torch.as_tensor(s.restore(_arrays(kept))) for s, kept in zip(self.shards, state["shards"])]
        except (RuntimeError, KeyError) as error:
            raise AEMGError(f"{path} does not fit this run: {error}") from None
        self.chance.set_state(state["chance"])
        self.rows, self.steps, self.updates = state["rows"], state["steps"], state["updates"]
        self.cpu_s, self.wall_s, self.first_deviation = state["cpu_s"], state["wall_s"], state["first_deviation"]


def learn(
    shards: Sequence[Environments],
    policy: Policy,
    settings: PPOSettings | None = None,
    *,
    seed: int = 0,
    steps: int | None = None,
    cpu_s: float | None = None,
    on_update: Callable[[Row], None] | None = None,
    checkpoint: Path | None = None,
    every_s: float = 60.0,
) -> list[Row]:
    """Improves a policy in place until it took `steps` actions or `cpu_s` seconds of processor time, whichever is first.

    Args:
        shards: environments, each stepped in a thread of its own.
        on_update: told every row of the learning curve.
        checkpoint: kept every `every_s` seconds and at the end; one that is there is gone on from.

    Returns:
        The learning curve: steps, cpu_s, wall_s, reward, ended (episodes a step), the environments' measures, divergence,
        deviation, explained (share of the returns' variance that was foreseen), collecting (share of the time).

    Raises:
        AEMGError: neither limit is given, or the checkpoint is of another run.
    """
    if steps is None and cpu_s is None:
        raise AEMGError("learning needs an end: steps or cpu_s")
    learner = Learner(shards, policy, settings or PPOSettings(), seed=seed)
    if checkpoint is not None and checkpoint.is_file():
        learner.load(checkpoint)
    saved = time.perf_counter()
    with _one_thread_each(), ThreadPoolExecutor(len(learner.shards)) as pool:
        while (progress := max(learner.steps / (steps or np.inf), learner.cpu_s / (cpu_s or np.inf))) < 1:
            row = learner.iterate(progress, pool)
            if on_update is not None:
                on_update(row)
            if checkpoint is not None and time.perf_counter() - saved > every_s:
                learner.save(checkpoint)
                saved = time.perf_counter()
    if checkpoint is not None:
        learner.save(checkpoint)
    return learner.rows


@contextlib.contextmanager
def _one_thread_each() -> Iterator[None]:
    """Small networks lose by torch's own threads, which also fight with those of the shards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _flat(parts: Sequence[Tensor]) -> Tensor:
    """(horizon, N, ...) of every shard as (samples, ...)."""
    return torch.cat([part.flatten(0, 1) for part in parts])


def _means(sums: Sequence[dict[str, float]], sizes: Sequence[int], horizon: int) -> Row:
    """Measures of all shards for a step and environment."""
    total = sum(sizes)
    means = {name: sum(s[name] * n for s, n in zip(sums, sizes)) / (total * horizon) for name in sums[0] if name != "ended"}
    return means | {"ended": sum(s["ended"] for s in sums) / (total * horizon)}


def _tensors(state: Any) -> Any:
    return {k: _tensors(v) for k, v in state.items()} if isinstance(state, dict) else torch.as_tensor(state)


def _arrays(state: Any) -> Any:
    return {k: _arrays(v) for k, v in state.items()} if isinstance(state, dict) else state.numpy()
