"""Stage 3: movements, told apart from labelled stretches of many sets at once.

Letters: B stretches, N tokens, K names of movements over all sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aemg.errors import AEMGError
from aemg.model import AEMG, SentenceBatch, collate
from aemg.model.augment import Span, changed, disturbed
from aemg.model.describe import MEASURED, measured
from aemg.model.labelled import labelled_stretches
from aemg.sessions import SessionKey, SessionStore
from aemg.topology import Worn
from aemg.training.config import MovementsConfig, TrainingDataConfig
from aemg.training.data import SessionDataset

_STRETCH = np.dtype([("session", "<i4"), ("recording", "<i4"), ("label", "<i4"), ("start_s", "<f8"), ("end_s", "<f8")])


@dataclass
class MovementBatch:
    """Stretches as sentences, what was measured of them (B, 200), their movements (B,) int64, which names belong to each one's
    set (B, K) bool, and the samples' numbers (B,)."""

    sentences: SentenceBatch
    measured: Tensor
    labels: Tensor
    own: Tensor
    samples: Tensor

    def to(self, device: torch.device | str) -> MovementBatch:
        """The batch on a device."""
        tensors = (self.measured, self.labels, self.own, self.samples)
        return MovementBatch(self.sentences.to(device), *(t.to(device) for t in tensors))

    def record(self) -> dict[str, object]:
        """What is kept of a batch that the training stumbled over."""
        return {"samples": self.samples, "labels": self.labels}


class MovementDataset(SessionDataset[MovementBatch]):
    """Augmented labelled stretches of the sets that hold two movements or more; 28 bytes each.

    `names` are the K movements of all sets; sets that use the same name mean the same movement.

    Raises:
        AEMGError: no such set.
    """

    names: tuple[str, ...]

    def __init__(
        self,
        store: SessionStore,
        keys: Sequence[SessionKey],
        worn: Mapping[SessionKey, Worn],
        config: TrainingDataConfig,
        movements: MovementsConfig,
        seed: int,
    ) -> None:
        super().__init__(store, keys, worn, config, seed)
        self._ways = movements.augmentation(0 if config.turns == "random" else config.jitter_slots)
        self._unified = movements.unified
        self.own = self._labels_of_sets(self.pieces, len(self.names))

    def _table(self) -> NDArray[np.void]:
        met: dict[str, int] = {}  # labels in the order that they are met in
        tables = [np.zeros(0, _STRETCH)]
        for s in range(len(self._keys)):
            found = [
                (s, stretch.recording, met.setdefault(i.label, len(met)), i.start_s, i.end_s)
                for stretch in labelled_stretches(self._session(s))
                for i in (stretch.interval,)
            ]
            tables.append(np.array(found, _STRETCH))
        table: NDArray[np.void] = np.concatenate(tables)
        several = self._labels_of_sets(table, len(met)).sum(axis=1) > 1
        table = np.asarray(table[several[self._set_of[table["session"]]]])
        if not len(table):
            raise AEMGError(
                "objective=movements learns from labels, but no set to train on holds labelled stretches of two movements, of "
                "0.25 s or more each; objective=codes needs no labels"
            )
        labels = list(met)
        self.names = tuple(sorted(labels[i] for i in np.unique(table["label"])))
        place = {name: k for k, name in enumerate(self.names)}
        table["label"] = np.array([place.get(label, -1) for label in labels])[table["label"]]
        return table

    def _labels_of_sets(self, table: NDArray[np.void], labels: int) -> NDArray[np.bool_]:
        """(sets, labels) which labels the stretches of a set have."""
        own = np.zeros((len(self.sets), labels), bool)
        own[self._set_of[table["session"]], table["label"]] = True
        return own

    def __getitem__(self, samples: Sequence[tuple[int, int]]) -> MovementBatch:
        chances = self._chances(samples)
        rows = self.pieces[[sample for _, sample in samples]]
        spans = [self._span(row, chance) for row, chance in zip(rows, chances)]
        stretches, worn = changed(spans, self._ways, chances, self._config.sentence_tokens)
        heard = [s.at_unified_rate for s in stretches] if self._unified else stretches
        return MovementBatch(
            disturbed(collate(stretches, worn), self._ways, chances),
            torch.from_numpy(np.stack([measured(s, w) for s, w in zip(heard, worn)])),
            torch.from_numpy(rows["label"].astype(np.int64)),
            torch.from_numpy(self.own[self._set_of[rows["session"]]]),
            torch.tensor([sample for _, sample in samples]),
        )

    def _span(self, row: np.void, chance: np.random.Generator) -> Span:
        s = int(row["session"])
        return Span(
            self._session(s), int(row["recording"]), float(row["start_s"]), float(row["end_s"]), self._way(chance, s)
        )


class MovementTask(nn.Module):
    """The movement of a stretch from its sentence, and from each of its tokens, among the movements of its own set alone; and
    what was measured of it, from its sentence and from the mean of its tokens."""

    def __init__(self, model: AEMG, names: int, config: MovementsConfig) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.dropout = nn.Dropout(config.dropout)
        width = model.config.network.width
        self.token_head, self.sentence_head = nn.Linear(width, names), nn.Linear(width, names)
        self.tokens_measured, self.sentence_measured = nn.Linear(width, MEASURED), nn.Linear(width, MEASURED)
        self._smoothing, self._measured = config.smoothing, config.measured

    def forward(self, batch: MovementBatch) -> dict[str, Tensor]:
        """Sums over this process's stretches: loss, that of the sentence and the mean one of the tokens together; hits of the
        sentence; share of the tokens that hit, 0 for a stretch without any; mean square by which the sentence misses what was
        measured; count."""
        tokens, sentence = self.encoder(batch.sentences)
        valid = batch.sentences.valid
        weight = valid / valid.sum(1, keepdim=True).clamp(min=1)  # (B, N), every stretch counts the same
        whole = own_log_softmax(self.sentence_head(self.dropout(sentence)), batch.own)  # (B, K)
        each = own_log_softmax(self.token_head(self.dropout(tokens)), batch.own[:, None])  # (B, N, K)
        target = smoothed(batch.labels, batch.own, self._smoothing)  # (B, K)
        of_sentence = _cross_entropy(whole, target)  # (B,)
        of_tokens = (_cross_entropy(each, target[:, None]) * weight).sum(1)  # (B,)
        mean = (tokens * weight[..., None]).sum(1)  # (B, D)
        missed = (self.sentence_measured(sentence).float() - batch.measured).square().mean(1)  # (B,)
        missed_by_tokens = (self.tokens_measured(mean).float() - batch.measured).square().mean(1) * valid.any(1)
        return {
            "loss": (of_sentence + of_tokens + self._measured * (missed + missed_by_tokens)).sum(),
            "count": torch.tensor(len(valid), device=valid.device),
            "accuracy": (whole.argmax(-1) == batch.labels).sum(),
            "accuracy_tokens": ((each.argmax(-1) == batch.labels[:, None]) * weight).sum(),
            "missed": missed.sum(),
        }


def own_log_softmax(logits: Tensor, own: Tensor) -> Tensor:
    """Log-probabilities (..., K) among the names of the own set, -inf elsewhere."""
    return logits.float().masked_fill(~own, -torch.inf).log_softmax(dim=-1)


def smoothed(labels: Tensor, own: Tensor, smoothing: float) -> Tensor:
    """Targets (B, K): the label's, but for a share that is spread evenly over the names of the own set."""
    spread = smoothing * own / own.sum(dim=1, keepdim=True)
    return spread.scatter_add(1, labels[:, None], torch.full_like(spread, 1 - smoothing)[:, :1])


def _cross_entropy(log_probabilities: Tensor, target: Tensor) -> Tensor:
    return -(log_probabilities.masked_fill(target == 0, 0.0) * target).sum(dim=-1)
