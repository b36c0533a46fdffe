"""What the baselines with a network share: batches from both domains, the reversed gradient, the decision."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aemg.evaluation.baselines.base import Problem, Scaling, normalised
from aemg.evaluation.domain import Domain

WIDTH = 64


class Batches:
    """Random windows of both domains, features normalised by person, labels of the sources.

    Args:
        problem: the sources.
        target: unlabelled.
        size: windows of a batch, of each domain.
    """

    def __init__(self, problem: Problem, target: Domain, size: int) -> None:
        sources, labels = problem.pooled(normalised)
        self.scaling = Scaling.of(target.features)
        self.features, self.size = sources.shape[1], size
        self._sources, self._labels = torch.from_numpy(sources), torch.from_numpy(labels)
        self._target = torch.from_numpy(self.scaling(target.features))

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Source windows (B, F), their labels (B,), target windows (B, F)."""
        chosen = torch.randint(len(self._sources), (self.size,))
        other = torch.randint(len(self._target), (self.size,))
        return self._sources[chosen], self._labels[chosen], self._target[other]


def encoder(features: int) -> nn.Sequential:
    """F to 64 to 64, rectified."""
    return nn.Sequential(nn.Linear(features, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU())


def head(outputs: int) -> nn.Sequential:
    """64 to 64, rectified, to `outputs`."""
    return nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, outputs))


def decision(network: nn.Module) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Log-probabilities of a network of logits."""

    @torch.no_grad()
    def decide(features: NDArray[np.float32]) -> NDArray[np.float32]:
        rows: NDArray[np.float32] = network(torch.from_numpy(features)).log_softmax(-1).numpy()
        return rows

    return decide


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return -ctx.weight * gradients[0], None


def reversed_gradient(x: Tensor, weight: float) -> Tensor:
    """The same values; the gradient changes its sign and is weighted (Ganin et al. 2016, arXiv 1505.07818)."""
    found: Tensor = _Reversed.apply(x, weight)  # type: ignore[no-untyped-call]
    return found


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Random numbers from `seed`; the caller's go on afterwards as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
