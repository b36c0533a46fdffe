"""The classifier on top of the encoder: a fresh head and a fresh copy of the encoder for every fold.

Letters: B sentences, N tokens, D width, K movements, W windows.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aemg.evaluation.config import FewShotConfig, FinetuneConfig, SelfTrainingConfig
from aemg.evaluation.trials import Trial
from aemg.features import FEATURES
from aemg.model import AEMG, SentenceBatch, Stretch, collate, stretch_of
from aemg.sessions import WINDOW_S, Session
from aemg.topology import SLOTS, Worn

_AT_ONCE = 64  # sentences of a forward pass without gradient


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


@dataclass(frozen=True)
class Examples:
    """Trials with what is needed to make sentences of them: sessions, and how each was worn."""

    sessions: Sequence[Session]
    worn: Sequence[Worn]
    trials: Sequence[Trial]

    def of(self, trials: Sequence[Trial]) -> Examples:
        """Other trials of the same sessions."""
        return Examples(self.sessions, self.worn, trials)


def train_classifier(
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


def adapt_classifier(
    classifier: SentenceClassifier,
    target: Examples,
    sources: Examples,
    config: FinetuneConfig,
    adaptation: FewShotConfig | SelfTrainingConfig,
    seed: int,
) -> SentenceClassifier:
    """A copy that has learnt from the target's trials as well; half of every batch is the sources', against forgetting."""
    torch.manual_seed(seed)
    adapted = copy.deepcopy(classifier)
    rng = np.random.default_rng((seed, 3))
    lr, batch = adaptation.lr, adaptation.batch
    optimizer = _optimizer(adapted, lr, lr, config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _one_cycle(step, adaptation.steps))
    adapted.train()
    both = Examples(
        [*sources.sessions, *target.sessions],
        [*sources.worn, *target.worn],
        [],
    )
    shift = len(sources.sessions)
    moved = [_moved(t, shift) for t in target.trials]
    for _ in range(adaptation.steps):
        chosen = [moved[i] for i in rng.integers(len(moved), size=batch // 2)]
        chosen += [sources.trials[i] for i in rng.integers(len(sources.trials), size=batch - batch // 2)]
        _update(adapted, both, chosen, config, rng, optimizer)
        schedule.step()
    return adapted.eval()


def self_train(
    classifier: SentenceClassifier,
    target: Examples,
    sources: Examples,
    config: FinetuneConfig,
    adaptation: SelfTrainingConfig,
    seed: int,
) -> SentenceClassifier:
    """A copy that has learnt from the target's trials without their labels: round by round, its own surest decisions."""
    for _ in range(adaptation.rounds):
        believed = surest(predict_trials(classifier, target), adaptation.share)
        labelled = [replace(target.trials[i], label=label) for i, label in believed.items()]
        classifier = adapt_classifier(classifier, target.of(labelled), sources, config, adaptation, seed)
    return classifier


def surest(log_probabilities: NDArray[np.float32], share: float) -> dict[int, int]:
    """The surest part of the trials that are decided for each movement.

    Args:
        log_probabilities: (n, K).
        share: of each movement's trials, rounded up.

    Returns:
        Movement by trial.
    """
    guess = log_probabilities.argmax(axis=1)
    sure = log_probabilities.max(axis=1) - np.logaddexp.reduce(log_probabilities, axis=1)
    chosen: dict[int, int] = {}
    for movement in np.unique(guess):
        trials = np.flatnonzero(guess == movement)
        kept = trials[np.argsort(-sure[trials], kind="stable")][: int(np.ceil(share * len(trials)))]
        chosen.update({int(i): int(movement) for i in kept})
    return dict(sorted(chosen.items()))


@dataclass(frozen=True)
class Predictions:
    """Log-probabilities of trials (n, K), of their windows in the trial's sentence (W, K), of each window alone (W, K), with
    the trial's index of each window (W,)."""

    trials: NDArray[np.float32]
    windows: NDArray[np.float32]
    isolated: NDArray[np.float32]
    trial_of_window: NDArray[np.int64]


@torch.no_grad()
def predict_trials(classifier: SentenceClassifier, examples: Examples) -> NDArray[np.float32]:
    """Log-probabilities of trials (n, K), up to a constant each."""
    rows = []
    for start in range(0, len(examples.trials), _AT_ONCE):
        trials = examples.trials[start : start + _AT_ONCE]
        batch = collate(
            [_stretch(examples, t, t.start_s, t.end_s) for t in trials], [examples.worn[t.session] for t in trials]
        )
        tokens, sentence = classifier(batch)
        count = batch.valid.sum(1, keepdim=True).clamp(min=1)
        rows.append(sentence.log_softmax(-1) + (tokens.log_softmax(-1) * batch.valid[..., None]).sum(1) / count)
    return torch.cat(rows).numpy()


@torch.no_grad()
def predict(classifier: SentenceClassifier, examples: Examples) -> Predictions:
    """Classifies trials, their windows in the sentence of the trial, and the same windows one by one."""
    whole = [_stretch(examples, t, t.start_s, t.end_s) for t in examples.trials]
    worn = [examples.worn[t.session] for t in examples.trials]
    trial_rows, window_rows, owners, single, single_worn = [], [], [], [], []
    for start in range(0, len(whole), _AT_ONCE):
        piece = slice(start, start + _AT_ONCE)
        tokens, sentence = classifier(collate(whole[piece], worn[piece]))
        log_tokens, log_sentence = tokens.log_softmax(-1), sentence.log_softmax(-1)
        for b, (stretch, trial) in enumerate(zip(whole[piece], examples.trials[piece])):
            n = len(stretch.tokens)
            trial_rows.append(log_sentence[b] + (log_tokens[b, :n].mean(0) if n else 0.0))
            window_rows.append(_by_window(stretch, trial, log_tokens[b, :n], log_sentence[b]))
            owners += [start + b] * (trial.windows[1] - trial.windows[0])
    for trial in examples.trials:
        for w in range(*trial.windows):
            at = float(examples.sessions[trial.session].window_start_s[w])
            single.append(_stretch(examples, trial, at, at + WINDOW_S))
            single_worn.append(examples.worn[trial.session])
    isolated = []
    for start in range(0, len(single), 8 * _AT_ONCE):
        piece = slice(start, start + 8 * _AT_ONCE)
        batch = collate(single[piece], single_worn[piece])
        tokens, sentence = classifier(batch)
        share = (tokens.log_softmax(-1) * batch.valid[..., None]).sum(1) / batch.valid.sum(1, keepdim=True).clamp(min=1)
        isolated.append(sentence.log_softmax(-1) + share)
    return Predictions(
        torch.stack(trial_rows).numpy(),
        torch.cat(window_rows).numpy(),
        torch.cat(isolated).numpy(),
        np.array(owners, dtype=np.int64),
    )


def _by_window(stretch: Stretch, trial: Trial, tokens: Tensor, sentence: Tensor) -> Tensor:
    """Log-probabilities (W, K) of a trial's windows: the sentence's plus those of the tokens that a window overlaps."""
    starts = torch.from_numpy(stretch.session.window_start_s[slice(*trial.windows)])  # (W,)
    if not len(tokens):
        return sentence.expand(len(starts), -1)
    first = torch.from_numpy(stretch.tokens["start_s"].copy())
    last = torch.from_numpy(stretch.tokens["end_s"].copy())
    overlap = (torch.minimum(last, starts[:, None] + WINDOW_S) - torch.maximum(first, starts[:, None])).clamp(min=0)
    weight = (overlap / overlap.sum(1, keepdim=True).clamp(min=1e-9)).float()  # (W, N), zero rows in pauses
    return sentence + weight @ tokens


def _stretch(examples: Examples, trial: Trial, start_s: float, end_s: float) -> Stretch:
    return stretch_of(examples.sessions[trial.session], trial.recording, start_s, end_s)


def _moved(trial: Trial, shift: int) -> Trial:
    return Trial(**{**trial.__dict__, "session": trial.session + shift})


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
        stretch = _stretch(examples, trial, start_s, end_s)
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
