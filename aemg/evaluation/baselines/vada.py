"""VADA and DIRT-T: decision boundaries away from the target's windows."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.evaluation.baselines.base import Fitted, Problem
from aemg.evaluation.baselines.network import WIDTH, Batches, decision, encoder, head, seeded
from aemg.evaluation.domain import Domain

_ADVERSARIAL = 1e-2  # lambda_d
_TARGET = 1e-2  # lambda_t, of entropy and smoothness in the target
_TEACHER = 1e-2  # beta
_RADIUS = 3.5  # of the virtual perturbation, for 64 features of unit variance
_PROBE = 1e-6  # length of the step that finds its direction
_AVERAGE = 0.998
_VADA_STEPS = 2000
_DIRTT_STEPS = 1000
_TEACHER_STEPS = 500
_BATCH = 64


def vada_dirtt(problem: Problem, target: Domain | None) -> Fitted:
    """Virtual adversarial domain adaptation, refined by DIRT-T.

    Shu, Bui, Narui and Ermon 2018. VADA: cross entropy on the sources; plus lambda_d times a domain-adversarial term, by
    which the encoder makes a discriminator take sources for target and the reverse; plus lambda_t times the entropy of the
    target's decisions and the divergence between them and the decisions for windows moved by a virtual adversarial
    perturbation (Miyato et al. 2018), so that boundaries lie where the target has few windows. DIRT-T then forgets the
    sources: the same two target terms, plus beta times the divergence from a teacher, which is the running average of the
    network, taken anew every 500 steps. The average (0.998) decides.

    Settings of the paper: lambda_d, lambda_t and beta 1e-2, smoothness on the sources off as in Colot et al., Adam at 1e-3
    with beta_1 0.5, batches of 64. Different from it: a small network (F to 64 to 64 to k; discriminator 64 to 64 to 1;
    ReLU); features normalised by person in place of instance normalisation; no dropout, no batch normalisation; the
    perturbation's length of 3.5 holds for 64 features and grows with the root of their number; 2000 steps of VADA and 1000
    of DIRT-T.
    """
    assert target is not None
    batches = Batches(problem, target, _BATCH)
    with seeded(problem.seed):
        network = nn.Sequential(encoder(batches.features), nn.Linear(WIDTH, len(problem.found)))
        average = _vada(network, batches)
        average = _dirtt(average, batches)
    return problem.fitted(batches.scaling, decision(average.eval()))


def _vada(network: nn.Sequential, batches: Batches) -> nn.Sequential:
    """Trains the network; returns the average of its weights."""
    average = copy.deepcopy(network)
    body, classifier = network
    discriminator = head(1)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    opponent = torch.optim.Adam(discriminator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    ours = torch.cat([torch.ones(_BATCH), torch.zeros(_BATCH)])  # 1 for a source
    for _ in range(_VADA_STEPS):
        source, label, window = batches.draw()
        encoded = body(torch.cat([source, window]))
        _step(opponent, functional.binary_cross_entropy_with_logits(discriminator(encoded.detach())[:, 0], ours))
        confused = functional.binary_cross_entropy_with_logits(discriminator(encoded)[:, 0], 1 - ours)
        logits = classifier(encoded)
        loss = functional.cross_entropy(logits[:_BATCH], label) + _ADVERSARIAL * confused
        _step(optimizer, loss + _TARGET * _unclear(network, window, logits[_BATCH:]))
        _follow(average, network)
    return average


def _dirtt(network: nn.Sequential, batches: Batches) -> nn.Sequential:
    """Refines a copy on the target alone; returns the average of its weights."""
    network, average = copy.deepcopy(network), copy.deepcopy(network)
    teacher = copy.deepcopy(average)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, betas=(0.5, 0.999))
    for step in range(_DIRTT_STEPS):
        if step % _TEACHER_STEPS == 0:
            teacher = copy.deepcopy(average)
        _, _, window = batches.draw()
        with torch.no_grad():
            taught = teacher(window).softmax(-1)
        logits = network(window)
        _step(optimizer, _TARGET * _unclear(network, window, logits) + _TEACHER * functional.cross_entropy(logits, taught))
        _follow(average, network)
    return average


def _unclear(network: nn.Module, window: Tensor, logits: Tensor) -> Tensor:
    """Entropy of the decisions, plus how much the worst small movement of the windows changes them."""
    entropy = -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1).mean()
    settled = logits.detach().softmax(-1)
    direction = functional.normalize(torch.randn_like(window), dim=-1).requires_grad_()
    probed = functional.cross_entropy(network(window + _PROBE * direction), settled)
    (direction,) = torch.autograd.grad(probed, direction)
    length = _RADIUS * math.sqrt(window.shape[1] / 64)
    moved = window + length * functional.normalize(direction, dim=-1, eps=1e-30)
    certain = -(settled * settled.clamp(min=1e-12).log()).sum(-1).mean()
    return entropy + functional.cross_entropy(network(moved), settled) - certain


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


@torch.no_grad()
def _follow(average: nn.Module, network: nn.Module) -> None:
    for mean, weight in zip(average.parameters(), network.parameters()):
        mean.lerp_(weight, 1 - _AVERAGE)
