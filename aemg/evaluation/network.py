"""An encoder trained on labelled trials with linear heads: a fresh copy of it for every fold.

Letters: B sentences, N tokens, D width, K movements.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.evaluation.config import FinetuneConfig
from aemg.evaluation.trials import Examples, Trial
from aemg.features import FEATURES
from aemg.model import AEMG, SentenceBatch, Stretch, collate, stretch_of
from aemg.sessions import WINDOW_S
from aemg.topology import SLOTS, Worn


class SentenceClassifier(nn.Module):
    """Encoder with one linear head for tokens and one for the sentence."""

    def __init__(self, model: AEMG, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(model.encoder)
        self.dropout = nn.Dropout(dropout)
        self.token_head = nn.Linear(model.config.network.width, classes)
        self.sentence_head = nn.Linear(model.config.network.width, classes)

    def forward(self, batch: SentenceBatch) -> tuple[Tensor, Tensor]:
        """Logits of tokens (B, N, K) and sentences (B, K)."""
        tokens, sentence = self.encoder(batch)
        return self.token_head(self.dropout(tokens)), self.sentence_head(self.dropout(sentence))


def train_network(
    model: AEMG, examples: Examples, classes: int, config: FinetuneConfig, seed: int
) -> SentenceClassifier:
    """Trains encoder and heads on labelled trials; the given model stays as it is."""
    torch.manual_seed(seed)
    classifier = SentenceClassifier(model, classes, config.dropout)
    rng = np.random.default_rng((seed, 2))
    per_epoch = max(1, len(examples.trials) // config.batch)
    steps = config.epochs * per_epoch
    optimizer = _optimizer(classifier, config.lr, config.encoder_lr, config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _one_cycle(step, steps))
    classifier.train()
    for _ in range(config.epochs):
        order = rng.permutation(len(examples.trials))
        for i in range(per_epoch):
            chosen = [examples.trials[k] for k in order[i * config.batch : (i + 1) * config.batch]]
            _update(classifier, examples, chosen, config, rng, optimizer)
            schedule.step()
    return classifier.eval()


def stretch_of_trial(examples: Examples, trial: Trial, start_s: float, end_s: float) -> Stretch:
    """A part of a trial's recording."""
    return stretch_of(examples.sessions[trial.session], trial.recording, start_s, end_s)


def _optimizer(classifier: SentenceClassifier, lr: float, encoder_lr: float, decay: float) -> torch.optim.AdamW:
    heads = [*classifier.token_head.parameters(), *classifier.sentence_head.parameters()]
    groups = [{"params": heads, "lr": lr}, {"params": list(classifier.encoder.parameters()), "lr": encoder_lr}]
    return torch.optim.AdamW(groups, weight_decay=decay, betas=(0.9, 0.98))


def _one_cycle(step: int, steps: int) -> float:
    """Linear rise over the first tenth, then a half cosine to a hundredth."""
    rise = max(1, steps // 10)
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rise) / max(1, steps - rise))))


def _update(
    classifier: SentenceClassifier,
    examples: Examples,
    trials: Sequence[Trial],
    config: FinetuneConfig,
    rng: np.random.Generator,
    optimizer: torch.optim.Optimizer,
) -> None:
    batch = _augmented(examples, trials, config, rng)
    label = torch.tensor([t.label for t in trials])
    tokens, sentence = classifier(batch)
    weight = batch.valid / batch.valid.sum(1, keepdim=True).clamp(min=1)  # (B, N), every sentence counts the same
    each = functional.cross_entropy(
        tokens.flatten(0, 1),
        label[:, None].expand(batch.valid.shape).flatten(),
        label_smoothing=config.smoothing,
        reduction="none",
    )
    whole = functional.cross_entropy(sentence, label, label_smoothing=config.smoothing)
    loss = (each.view_as(weight) * weight).sum() / len(trials) + whole
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(classifier.parameters(), 1.0)
    optimizer.step()


def _augmented(
    examples: Examples, trials: Sequence[Trial], config: FinetuneConfig, rng: np.random.Generator
) -> SentenceBatch:
    """Random parts of trials, turned a little, some tokens left out, louder or softer as a whole."""
    stretches, worn = [], []
    for trial in trials:
        start_s, end_s = trial.start_s, trial.end_s
        if rng.random() < config.crop:
            shortest = min(WINDOW_S, end_s - start_s)
            length = shortest * ((end_s - start_s) / shortest) ** rng.random()
            start_s += rng.uniform(0, end_s - start_s - length)
            end_s = start_s + length
        stretch = stretch_of_trial(examples, trial, start_s, end_s)
        kept = rng.random(len(stretch.tokens)) >= config.drop_tokens
        stretches.append(Stretch(stretch.session, stretch.tokens[kept], stretch.windows, stretch.start_s))
        jitter = int(rng.integers(-config.jitter_slots, config.jitter_slots + 1))
        worn.append(examples.worn[trial.session].then(Worn(jitter % 16)))
    batch = collate(stretches, worn)
    slots = batch.slots[:, None, :]  # (B, 1, S)
    gain = _normal(rng, config.gain_jitter, (len(trials), 1, 1)) * slots
    offset = _normal(rng, config.level_jitter, (len(trials), 1, SLOTS, len(FEATURES))) * slots[..., None]
    batch.sigma = batch.sigma + gain
    batch.features = batch.features + offset
    batch.summary = batch.summary + torch.cat([gain[..., None], offset], dim=-1).flatten(1)
    return batch


def _normal(rng: np.random.Generator, spread: float, shape: tuple[int, ...]) -> Tensor:
    return torch.from_numpy(rng.normal(0, spread, shape).astype(np.float32))
