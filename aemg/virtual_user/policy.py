"""The virtual user's controller: two small networks, one that acts and one that foresees the reward."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from aemg.config import STRICT, from_mapping
from aemg.errors import AEMGError, DataFileError

_HALF_LOG_2PI = 0.9189385332046727
_LARGEST = 10.0  # of a normalised observation


@dataclass(frozen=True)
class PolicySettings:
    """The networks.

    Args:
        hidden: widths of the layers, of both networks.
        deviation: standard deviation of the actions before any learning.
    """

    __pydantic_config__ = STRICT
    hidden: tuple[int, ...] = (128, 128)
    deviation: float = 1.0


class Normaliser(nn.Module):
    """Mean and spread of the observations seen so far."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.ones(size))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        """Observations (..., size) with zero mean and unit variance, within ±10."""
        return ((x - self.mean) * torch.rsqrt(self.variance + 1e-4)).clamp(-_LARGEST, _LARGEST)

    def freeze(self) -> None:
        """Takes no more observations into account: what was learned holds under this scale only."""
        self.count.fill_(torch.inf)

    def update(self, x: Tensor) -> None:
        """Takes observations (n, size) into account, all that were ever seen having equal weight."""
        count = self.count + len(x)
        share = (len(x) / count).float()
        variance, mean = torch.var_mean(x, dim=0, correction=0)
        step = mean - self.mean
        self.variance += share * (variance - self.variance) + share * (1 - share) * step**2
        self.mean += share * step
        self.count.copy_(count)


class Policy(nn.Module):
    """A normal distribution of actions for each observation, and the value of the observation.

    Args:
        observations, actions: sizes.
    """

    def __init__(self, observations: int, actions: int, settings: PolicySettings | None = None) -> None:
        super().__init__()
        self.settings = settings = settings or PolicySettings()
        self.observations, self.actions = observations, actions
        self.normaliser = Normaliser(observations)
        self.actor = _network(observations, settings.hidden, actions, last_gain=0.01)
        self.critic = _network(observations, settings.hidden, 1, last_gain=0.1)
        self.log_deviation = nn.Parameter(torch.full((actions,), settings.deviation).log())
        self.precision = torch.float32  # of the hidden layers

    def act(self, observation: Tensor, deterministic: bool = False, noise: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Actions (N, actions), their log density (N,) and the values (N,) of observations (N, observations).

        Args:
            deterministic: the most probable action.
            noise: standard normal (N, actions), where the caller draws it.
        """
        x = self.prepare(observation)
        mean = self.actor(x)
        if deterministic:
            noise = torch.zeros_like(mean)
        elif noise is None:
            noise = torch.randn_like(mean)
        density = -(0.5 * noise**2 + self.log_deviation + _HALF_LOG_2PI).sum(dim=-1)
        return mean + noise * self.log_deviation.exp(), density, self.critic(x)[..., 0]

    def prepare(self, observation: Tensor) -> Tensor:
        """Observations as the networks take them."""
        return torch.as_tensor(self.normaliser(observation)).to(self.precision)

    def judge(self, x: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """Log densities (N,) of actions that were taken at prepared observations, and values (N,), with gradients."""
        noise = (action - self.actor(x)) * torch.exp(-self.log_deviation)
        return -(0.5 * noise**2 + self.log_deviation + _HALF_LOG_2PI).sum(dim=-1), self.critic(x)[..., 0]

    def value(self, observation: Tensor) -> Tensor:
        """Values (N,) of observations (N, observations)."""
        return torch.as_tensor(self.critic(self.prepare(observation))[..., 0])

    @property
    def entropy(self) -> Tensor:
        """Of the actions, in nats; the same for all observations."""
        return (self.log_deviation + 0.5 + _HALF_LOG_2PI).sum()

    def actor_parameters(self) -> list[nn.Parameter]:
        """What decides the actions."""
        return [*self.actor.parameters(), self.log_deviation]

    def fresh_value(self) -> None:
        """Forgets what was foreseen, for a task with another reward; the critic is to be warmed before the actor learns on."""
        self.critic = _network(self.observations, self.settings.hidden, 1, last_gain=0.1)

    def widened(self, more: int) -> Policy:
        """The same behaviour with `more` inputs appended to the observation, not heeded yet."""
        wide = Policy(self.observations + more, self.actions, self.settings)
        state = self.state_dict()
        for name, new in wide.state_dict().items():
            old = state[name]
            if old.shape != new.shape:  # the inputs are the last dimension
                new[..., : self.observations] = old
                if new.dim() > 1:
                    new[..., self.observations :] = 0
            else:
                new.copy_(old)
        return wide

    def save(self, path: Path) -> None:
        """Writes a safetensors file that `load` reads."""
        about = {
            "observations": str(self.observations), "actions": str(self.actions),
            "settings": json.dumps(dataclasses.asdict(self.settings)),
        }  # fmt: skip
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in self.state_dict().items()}, path, about)

    @classmethod
    def load(cls, path: Path) -> Policy:
        """Reads a policy.

        Raises:
            AEMGError: no such file.
            DataFileError: the file is not one that `save` wrote.
        """
        if not path.is_file():
            raise AEMGError(f"no policy {path}")
        try:
            with safe_open(path, "pt") as file:
                about = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  not a dict
            settings = from_mapping(PolicySettings, json.loads(about["settings"]), source=str(path))
            policy = cls(int(about["observations"]), int(about["actions"]), settings)
            policy.load_state_dict(state)
        except (SafetensorError, KeyError, RuntimeError) as error:
            raise DataFileError(path, "a policy", str(error)) from None
        return policy


class _Dense(nn.Linear):
    """A layer that computes in the precision of its input; its weights stay as they are."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x, self.weight.to(x.dtype), self.bias.to(x.dtype))


class _Last(_Dense):
    """A last layer: what small differences between actions are taken of."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


def _network(inputs: int, hidden: Sequence[int], outputs: int, *, last_gain: float) -> nn.Sequential:
    layers: list[nn.Module] = []
    sizes = [inputs, *hidden]
    for before, after in pairwise(sizes):
        layers += [_initialised(_Dense(before, after), 2**0.5), nn.SiLU()]
    return nn.Sequential(*layers, _initialised(_Last(sizes[-1], outputs), last_gain))


def _initialised(layer: nn.Linear, gain: float) -> nn.Linear:
    nn.init.orthogonal_(layer.weight, gain)
    nn.init.zeros_(layer.bias)
    return layer
