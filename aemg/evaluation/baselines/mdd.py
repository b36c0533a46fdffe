"""Margin disparity discrepancy: adversarial adaptation against the worst classifier."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.evaluation.baselines.base import Fitted, Problem
from aemg.evaluation.baselines.network import Batches, decision, encoder, head, reversed_gradient, seeded
from aemg.evaluation.domain import Domain

_MARGIN = 4.0  # gamma, the exponential of the margin
_TRADE_OFF = 0.1  # eta, at the end
_STEPS = 1500
_BATCH = 128


def mdd(problem: Problem, target: Domain | None) -> Fitted:
    """Margin disparity discrepancy.

    Zhang, Liu, Long and Jordan 2019: an encoder and a classifier learn the sources' labels by cross entropy. A second,
    adversarial classifier on the same encoder learns to agree with the first on the sources (cross entropy with the first
    one's decisions, weighted by gamma) and to disagree on the target (the negative log of one minus the probability of the
    first one's decision); the encoder learns the opposite of this through a reversed gradient of weight eta. So the worst
    disagreement that the target allows becomes small.

    Gamma is 4, eta rises from 0 to 0.1 along the paper's curve. Different from the paper: a small network (encoder F to 64
    to 64, both classifiers 64 to 64 to k, ReLU), Adam at 1e-3 for the paper's momentum, 1500 steps of 128 windows of each
    domain; features normalised by person before, as in Colot et al. Different from theirs: no batch normalisation.
    """
    assert target is not None
    batches = Batches(problem, target, _BATCH)
    with seeded(problem.seed):
        body, classifier, adversary = encoder(batches.features), head(len(problem.found)), head(len(problem.found))
        parts = nn.ModuleList([body, classifier, adversary])
        optimizer = torch.optim.Adam(parts.parameters(), lr=1e-3)
        for step in range(_STEPS):
            source, label, window = batches.draw()
            encoded = body(torch.cat([source, window]))
            logits = classifier(encoded)
            weight = _TRADE_OFF * (2 / (1 + math.exp(-10 * step / _STEPS)) - 1)
            disparity = _disparity(logits.argmax(-1), adversary(reversed_gradient(encoded, weight)))
            loss = functional.cross_entropy(logits[:_BATCH], label) + disparity
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return problem.fitted(batches.scaling, decision(nn.Sequential(body, classifier).eval()))


def _disparity(decided: Tensor, logits: Tensor) -> Tensor:
    """What the adversary minimises; sources in the first half (2 B,), (2 B, k)."""
    agree = functional.cross_entropy(logits[:_BATCH], decided[:_BATCH])
    chosen = logits[_BATCH:].log_softmax(-1).gather(1, decided[_BATCH:, None])[:, 0]
    disagree = -torch.log1p(-chosen.exp().clamp(max=1 - 1e-6)).mean()
    return _MARGIN * agree + disagree
