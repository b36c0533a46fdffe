"""Training sentences: which stretch, how worn, what is masked; all of it decided by (seed, epoch, sample) alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from aemg.errors import ConfigError
from aemg.model import SentenceBatch, Stretch, collate, stretch_of
from aemg.sessions import Session, SessionKey, SessionStore
from aemg.topology import WAYS, Worn
from aemg.training.config import TrainingDataConfig

T = TypeVar("T")
B = TypeVar("B")


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


_PIECE = np.dtype([("session", "<i4"), ("recording", "<i4"), ("first", "<i8"), ("last", "<i8")])
_OPEN_SESSIONS = 64  # each holds three files open


class SessionDataset(Dataset[B], Generic[B]):
    """Batches of pieces of prepared sessions, asked for as lists of (epoch, sample). Memory does not grow with the hours but
    for a row of the table of pieces: sessions are read through memory maps, a few of them open at a time.

    Args:
        worn: ways of wearing by session; a session that lacks is taken as worn.
    """

    def __init__(
        self,
        store: SessionStore,
        keys: Sequence[SessionKey],
        worn: Mapping[SessionKey, Worn],
        config: TrainingDataConfig,
        seed: int,
    ) -> None:
        self._store, self._keys, self._config, self._seed = store, list(keys), config, seed
        self._worn = [worn.get(key, Worn()) for key in self._keys]
        self._open: OrderedDict[int, Session] = OrderedDict()
        self.sets = sorted({key.dataset for key in self._keys})
        unknown = sorted(set(config.weights) - set(self.sets))
        if unknown:
            raise ConfigError(f"data.weights: {', '.join(unknown)} is not trained on; what is: {', '.join(self.sets)}")
        self._weights = [config.weights.get(name, 1.0) for name in self.sets]
        self._set_of = np.array([self.sets.index(key.dataset) for key in self._keys], dtype=np.int64)  # (sessions,)
        self.pieces = self._table()
        of_piece = self._set_of[self.pieces["session"]]
        self._pieces_of = [np.flatnonzero(of_piece == i) for i in range(len(self.sets))]

    def _table(self) -> NDArray[np.void]:
        """The pieces: a structured array with a field `session`."""
        raise NotImplementedError

    def __len__(self) -> int:
        return sum(round(weight * len(pieces)) for weight, pieces in zip(self._weights, self._pieces_of))

    def order(self, chance: np.random.Generator) -> NDArray[np.int64]:
        """An epoch: every piece once or, with weights, whole passes over a set and a random part of it."""
        return np.asarray(chance.permutation(mixture(self._pieces_of, self._weights, chance)), dtype=np.int64)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": OrderedDict()}

    def _chances(self, samples: Sequence[tuple[int, int]]) -> list[np.random.Generator]:
        return [np.random.default_rng((self._seed, epoch, sample)) for epoch, sample in samples]

    def _session(self, index: int) -> Session:
        if index not in self._open:
            self._open[index] = self._store.load(self._keys[index])
        self._open.move_to_end(index)
        while len(self._open) > _OPEN_SESSIONS:
            self._open.popitem(last=False)
        return self._open[index]

    def _way(self, rng: np.random.Generator, session: int) -> Worn:
        if self._config.turns == "random":
            return WAYS[rng.integers(len(WAYS))]
        return self._worn[session] if self._config.turns == "registered" else Worn()


class SentenceDataset(SessionDataset[TrainingBatch]):
    """Sentences of whole recordings with masks; 24 bytes each."""

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
        super().__init__(store, keys, worn, config, seed)
        self._mask_ratio = mask_ratio

    def _table(self) -> NDArray[np.void]:
        pieces = [np.zeros(0, _PIECE)]
        for s in range(len(self._keys)):
            for r, recording in enumerate(self._session(s).recordings):
                first, last = recording.tokens
                n = -(-(last - first) // self._config.sentence_tokens)
                edges = np.linspace(0, last - first, n + 1).astype(int) if n else np.zeros(1, int)
                rows = np.zeros(n, _PIECE)
                rows["session"], rows["recording"], rows["first"], rows["last"] = s, r, edges[:-1], edges[1:]
                pieces.append(rows)
        return np.concatenate(pieces)

    def __getitem__(self, samples: Sequence[tuple[int, int]]) -> TrainingBatch:
        drawn = self._chances(samples)
        stretches = [self._stretch(self.pieces[sample]) for _, sample in samples]
        worn = [self._turn(rng, int(self.pieces[s]["session"])) for rng, (_, s) in zip(drawn, samples)]
        batch = collate(stretches, worn)
        masked = np.zeros(tuple(batch.valid.shape), bool)
        for row, (rng, stretch) in enumerate(zip(drawn, stretches)):
            masked[row, : len(stretch.tokens)] = mask_of(len(stretch.tokens), self._mask_ratio, rng)
        return TrainingBatch(batch, torch.from_numpy(masked), torch.tensor([sample for _, sample in samples]))

    def _stretch(self, piece: np.void) -> Stretch:
        session = self._session(int(piece["session"]))
        recording = int(piece["recording"])
        rows = session.tokens[slice(*session.recordings[recording].tokens)][piece["first"] : piece["last"]]
        return stretch_of(session, recording, float(rows["start_s"][0]), float(rows["end_s"][-1]))

    def _turn(self, rng: np.random.Generator, session: int) -> Worn:
        way = self._way(rng, session)
        if self._config.turns == "random":
            return way
        return way.then(Worn(int(rng.integers(-self._config.jitter_slots, self._config.jitter_slots + 1)) % 16))


def mixture(
    parts: Sequence[NDArray[np.int64]], weights: Sequence[float], chance: np.random.Generator
) -> NDArray[np.int64]:
    """Of each part round(weight * length) items: whole passes over it and, for the rest, different ones by chance."""
    chosen: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for part, weight in zip(parts, weights):
        passes, rest = divmod(round(weight * len(part)), max(1, len(part)))
        chosen += [part] * passes + [chance.choice(part, rest, replace=False)]
    return np.concatenate(chosen)


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
        order: gives an epoch's samples, given chance that depends on seed and epoch; None for a permutation.
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
        order: Callable[[np.random.Generator], NDArray[np.int64]] | None = None,
    ) -> None:
        self._order = order or (lambda chance: chance.permutation(samples))
        self._batch, self._seed = batch, seed
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
                order = self._order(np.random.default_rng((self._seed, epoch)))
            at = (step % self._per_epoch) * self._batch
            yield [(epoch, int(sample)) for sample in order[at : at + self._batch][self._rank :: self._world]]


def first_of(batch: list[T]) -> T:
    """Collation of a loader whose dataset gives whole batches."""
    return batch[0]
