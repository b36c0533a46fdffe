"""Training sentences: which stretch, how worn, what is masked; all of it decided by (seed, epoch, sample) alone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from aemg.model import SentenceBatch, Stretch, collate, stretch_of
from aemg.sessions import Session, SessionKey, SessionStore
from aemg.topology import WAYS, Worn
from aemg.training.config import TrainingDataConfig

T = TypeVar("T")


@dataclass
class TrainingBatch:
    """Sentences, which of their tokens are masked (B, N) bool, and the samples' numbers (B,)."""

    sentences: SentenceBatch
    masked: Tensor
    samples: Tensor

    def to(self, device: torch.device | str) -> TrainingBatch:
        """The batch on a device."""
        return TrainingBatch(self.sentences.to(device), self.masked.to(device), self.samples.to(device))

    def record(self) -> dict[str, object]:
        """What is kept of a batch that the training stumbled over."""
        return {"samples": self.samples}


@dataclass(frozen=True)
class _Piece:
    session: int
    recording: int
    first: int
    last: int


class SentenceDataset(Dataset[TrainingBatch]):
    """Batches of sentences of prepared sessions, asked for as lists of (epoch, sample).

    Args:
        worn: ways of wearing by session; a session that lacks is taken as worn.
    """

    def __init__(
        self,
        store: SessionStore,
        keys: Sequence[SessionKey],
        worn: Mapping[SessionKey, Worn],
        config: TrainingDataConfig,
        *,
        mask_ratio: float,
        seed: int,
    ) -> None:
        self._store, self._keys, self._config = store, list(keys), config
        self._worn = [worn.get(key, Worn()) for key in self._keys]
        self._mask_ratio, self._seed = mask_ratio, seed
        self._open: dict[int, Session] = {}
        self.pieces: list[_Piece] = []
        for s in range(len(self._keys)):
            for r, recording in enumerate(self._session(s).recordings):
                first, last = recording.tokens
                n = -(-(last - first) // config.sentence_tokens)
                edges = np.linspace(0, last - first, n + 1).astype(int) if n else np.zeros(1, int)
                self.pieces += [_Piece(s, r, int(a), int(b)) for a, b in itertools.pairwise(edges)]

    def __len__(self) -> int:
        return len(self.pieces)

    def __getitem__(self, samples: Sequence[tuple[int, int]]) -> TrainingBatch:
        drawn = [np.random.default_rng((self._seed, epoch, sample)) for epoch, sample in samples]
        stretches = [self._stretch(self.pieces[sample]) for _, sample in samples]
        worn = [self._turn(rng, self._worn[self.pieces[s].session]) for rng, (_, s) in zip(drawn, samples)]
        batch = collate(stretches, worn)
        masked = np.zeros(tuple(batch.valid.shape), bool)
        for row, (rng, stretch) in enumerate(zip(drawn, stretches)):
            masked[row, : len(stretch.tokens)] = mask_of(len(stretch.tokens), self._mask_ratio, rng)
        return TrainingBatch(batch, torch.from_numpy(masked), torch.tensor([sample for _, sample in samples]))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}

    def _session(self, index: int) -> Session:
        if index not in self._open:
            self._open[index] = self._store.load(self._keys[index])
        return self._open[index]

    def _stretch(self, piece: _Piece) -> Stretch:
        session = self._session(piece.session)
        rows = session.tokens[slice(*session.recordings[piece.recording].tokens)][piece.first : piece.last]
        return stretch_of(session, piece.recording, float(rows["start_s"][0]), float(rows["end_s"][-1]))

    def _turn(self, rng: np.random.Generator, worn: Worn) -> Worn:
        if self._config.turns == "random":
            return WAYS[rng.integers(len(WAYS))]
        jitter = int(rng.integers(-self._config.jitter_slots, self._config.jitter_slots + 1))
        return (worn if self._config.turns == "registered" else Worn()).then(Worn(jitter % 16))


def mask_of(tokens: int, ratio: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which of a sentence's tokens to hide: round(ratio * tokens) of them, at least one and never all of two or more."""
    hidden = min(max(1, round(ratio * tokens)), max(1, tokens - 1)) if tokens else 0
    mask = np.zeros(tokens, bool)
    mask[rng.permutation(tokens)[:hidden]] = True
    return mask


class EpochSampler(Sampler[list[tuple[int, int]]]):
    """Whole global batches in an order fixed by (seed, epoch); each process takes its part of every batch.

    Args:
        samples: in an epoch; the last, incomplete batch is dropped unless it is the only one.
        batch: samples a batch over all processes; must be a multiple of `world`.
        first_step: batch of the run to begin with, for resuming.
        steps: batches of the whole run.
        keep_last: keep the last batch, too, where it holds a sample for every process.
    """

    def __init__(
        self,
        samples: int,
        batch: int,
        *,
        seed: int,
        rank: int,
        world: int,
        first_step: int,
        steps: int,
        keep_last: bool = False,
    ) -> None:
        self._samples, self._batch, self._seed = samples, batch, seed
        self._rank, self._world, self._first, self._steps = rank, world, first_step, steps
        self._per_epoch = self.steps_per_epoch(samples, batch, keep_last=keep_last, world=world)

    @staticmethod
    def steps_per_epoch(samples: int, batch: int, *, keep_last: bool = False, world: int = 1) -> int:
        """Batches in an epoch, at least one."""
        return max(1, samples // batch + (keep_last and samples % batch >= world))

    def __len__(self) -> int:
        return self._steps - self._first

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order, epoch = np.zeros(0, int), -1
        for step in range(self._first, self._steps):
            if step // self._per_epoch != epoch:
                epoch = step // self._per_epoch
                order = np.random.default_rng((self._seed, epoch)).permutation(self._samples)
            at = (step % self._per_epoch) * self._batch
            yield [(epoch, int(sample)) for sample in order[at : at + self._batch][self._rank :: self._world]]


def first_of(batch: list[T]) -> T:
    """Collation of a loader whose dataset gives whole batches."""
    return batch[0]
