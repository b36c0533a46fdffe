"""The optimisers and learning rates of the decoders' recipes, for the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from aemg.neuromotor.schedules import constant_factor, gestures_factor, handwriting_factor, paper_factor
from aemg.neuromotor.training.config import DecoderOptimConfig
from aemg.training.descent import Descent

_BY_EPOCH: dict[str, Callable[[int], float]] = {
    "constant": constant_factor,
    "gestures": gestures_factor,
    "handwriting": handwriting_factor,
}


def descent_of(config: DecoderOptimConfig) -> Descent:
    """The optimiser of a configuration, and its rate's factor at each step; that of a recipe changes by the epoch."""

    def made(parameters: Iterable[nn.Parameter], per_epoch: int, steps: int) -> tuple[Optimizer, Callable[[int], float]]:
        kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
        optimizer = kind(parameters, lr=config.lr, weight_decay=config.weight_decay)
        if config.schedule == "paper":
            return optimizer, lambda step: paper_factor(step, steps)
        by_epoch = _BY_EPOCH[config.schedule]
        return optimizer, lambda step: by_epoch(step // per_epoch)

    return made
