"""How parameters are moved: an optimiser, and its learning rate by step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from aemg.training.config import OptimConfig

# Makes an optimiser of the parameters, and tells the learning rate's factor at each step, given the steps an epoch and in all.
Descent = Callable[[Iterable[nn.Parameter], int, int], tuple[Optimizer, Callable[[int], float]]]


def adamw_cosine(config: OptimConfig) -> Descent:
    """AdamW under a cosine with a linear warm-up."""

    def made(parameters: Iterable[nn.Parameter], per_epoch: int, steps: int) -> tuple[Optimizer, Callable[[int], float]]:
        optimizer = torch.optim.AdamW(parameters, lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.98))
        warmup = max(1, round(config.warmup_epochs * per_epoch))
        floor = config.final_lr / config.lr

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            done = min(1.0, (step - warmup) / max(1, steps - warmup))
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

        return optimizer, factor

    return made
