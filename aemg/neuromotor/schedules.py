"""Learning rates of the decoders' recipes, as factors of the base rate for `torch.optim.lr_scheduler.LambdaLR`."""

from __future__ import annotations

import math


def constant_factor(epoch: int) -> float:
    """The base rate throughout: wrist."""
    del epoch
    return 1.0


def gestures_factor(epoch: int, warmup: int = 5, start: float = 0.001, milestone: int = 25, decay: float = 0.5) -> float:
    """Linear from `start` to 1 over `warmup` epochs, times `decay` from epoch `milestone` on: discrete gestures."""
    return _linear(epoch, warmup, start) * (decay if epoch >= milestone else 1.0)


def handwriting_factor(epoch: int, warmup: int = 50, start: float = 0.1, period: int = 200) -> float:
    """Linear from `start` to 1 over `warmup` epochs, then half a cosine of `period` epochs: handwriting.

    With the recipe's 200 epochs in all the rate ends at 15 % of the base rate, not at 0; it stays 0 once the half
    cosine is over.
    """
    if epoch < warmup:
        return _linear(epoch, warmup, start)
    return _cosine((epoch - warmup) / period)


def paper_factor(step: int, steps: int, warmup: int = 1500) -> float:
    """Linear from 0 to 1 over `warmup` optimiser steps, then half a cosine to 0 at the last of `steps`.

    Source: the training of the published models, doi:10.1038/s41586-025-09255-w.
    """
    if step < warmup:
        return _linear(step, warmup, 0.0)
    return _cosine((step - warmup) / max(1, steps - warmup))


def _linear(epoch: int, warmup: int, start: float) -> float:
    return start + (1 - start) * min(1.0, epoch / warmup) if warmup else 1.0


def _cosine(progress: float) -> float:
    return (1 + math.cos(math.pi * min(1.0, progress))) / 2
