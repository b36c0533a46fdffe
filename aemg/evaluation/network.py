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
from aemg.model import AEMG, SentenceBatch
from aemg.model.augment import Augmentation, Span, augmented


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
    spans = [
        Span(examples.sessions[t.session], t.recording, t.start_s, t.end_s, examples.worn[t.session]) for t in trials
    ]
    ways = Augmentation(config.crop, config.drop_tokens, config.gain_jitter, config.level_jitter, config.jitter_slots)
    batch = augmented(spans, ways, [rng] * len(spans))
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
