"""Runs a codebook over a corpus and counts what its codes are used for.

Letters: M tokens, K codes, S 16 slots, L samples of the longest token, B sentences, N tokens of the longest sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aemg.errors import AEMGError
from aemg.model import AEMG, SentenceBatch, Stretch, collate, stretch_of
from aemg.sessions import Session, SessionKey, SessionStore
from aemg.topology import SLOTS, Worn
from aemg.training.stages import register_sessions

SAMPLE_TOKENS = 3000
_MOVED_TOKENS = 2000
_BATCH_TOKENS = 4096
_SPECTRUM_BANDS = 6
_FLOOR = 1e-6
_OF_SENTENCE = ("summary", "slots")  # what a batch knows of sentences; all else is of tokens

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Prototypes:
    """Sums over the tokens of each code.

    Args:
        envelope, wave: (K, S, L) sums of |z| and of z, from the token's start.
        running: (K, L) how many tokens reach each sample.
        spectrum: (K, F) sums of the power spectrum over slots, of unit sum a token.
        sigma: (K, S).
    """

    envelope: Tensor
    wave: Tensor
    running: Tensor
    spectrum: Tensor
    sigma: Tensor

    @staticmethod
    def empty(codes: int, samples: int) -> Prototypes:
        """Nothing counted yet."""
        shape = (codes, SLOTS, samples)
        return Prototypes(
            torch.zeros(shape),
            torch.zeros(shape),
            torch.zeros(codes, samples),
            torch.zeros(codes, samples // 2 + 1),
            torch.zeros(codes, SLOTS),
        )

    def add(self, codes: Tensor, waves: Tensor, lengths: Tensor, sigma: Tensor) -> None:
        """Counts tokens: codes (M,), waves (M, S, L), lengths (M,), sigma (M, S)."""
        power = spectrum_of(waves).sum(1)  # (M, F)
        self.envelope.index_add_(0, codes, waves.abs())
        self.wave.index_add_(0, codes, waves)
        self.running.index_add_(0, codes, (torch.arange(waves.shape[-1])[None] < lengths[:, None]).float())
        self.spectrum.index_add_(0, codes, power / power.sum(1, keepdim=True).clamp(min=_FLOOR))
        self.sigma.index_add_(0, codes, sigma)


@dataclass(frozen=True)
class Tokens:
    """What is known of each token; `label` is -1 where none was given, the others index the names of `CodeUse`."""

    code: NDArray[np.int64]
    label: NDArray[np.int64]
    dataset: NDArray[np.int64]
    person: NDArray[np.int64]
    phase: NDArray[np.int64]
    source: NDArray[np.complex64]

    def __len__(self) -> int:
        return len(self.code)


@dataclass(frozen=True)
class Sample:
    """Tokens drawn for what needs more work than counting.

    Args:
        code, sentence, position: (M,) of the token in its sentence; sentences are numbered over the corpus.
        descriptor: (M, D) of the token's own signal: amplitudes, slopes and band powers by slot, in log units.
        unaccompanied: (M,) the code without the sentence's other tokens.
        alone: (M,) the code when also the sentence's time and overall amplitudes are unknown.
        moved: of other tokens, one a sentence, each put into the place of one of another sentence of its session:
            whether its code changed.
    """

    code: NDArray[np.int64]
    sentence: NDArray[np.int64]
    position: NDArray[np.int64]
    descriptor: NDArray[np.float32]
    unaccompanied: NDArray[np.int64]
    alone: NDArray[np.int64]
    moved: NDArray[np.bool_]


@dataclass(frozen=True)
class CodeUse:
    """The use of a codebook on a corpus."""

    tokens: Tokens
    prototypes: Prototypes
    sample: Sample
    labels: tuple[str, ...]
    datasets: tuple[str, ...]
    people: tuple[str, ...]
    sentences: int
    sessions: int
    hours: float
    registered: int


@torch.no_grad()
def tally(model: AEMG, store: SessionStore, keys: Sequence[SessionKey], progress: Progress) -> CodeUse:
    """Encodes all tokens of sessions in their sentences.

    Args:
        progress: called with the number of tokens done since the last call.

    Raises:
        AEMGError: the codebook is not trained, or there is no token.
    """
    if not model.tokenizer.codebook.started:
        raise AEMGError("this model's codebook has not been trained: run stage 1 first (accelerate launch tokenizer)")
    sessions = [store.load(key) for key in keys]
    total = sum(len(s.tokens) for s in sessions)
    if not total:
        raise AEMGError(f"no contraction in the {len(keys)} sessions")
    worn = ways_of(model, sessions)
    names = _Names.of(sessions)
    counter = _Counter(model, SAMPLE_TOKENS / total, _MOVED_TOKENS / sum(len(s.recordings) for s in sessions))
    for session in sessions:
        way = worn.get(session.key, Worn())
        for stretches in batches_of(sentences_of(session, model.config.tokenizer.sentence_tokens)):
            counter.add(collate([s for _, s in stretches], [way] * len(stretches)), names.rows(session, stretches))
            progress(sum(len(s.tokens) for _, s in stretches))
    return CodeUse(
        counter.tokens(),
        counter.prototypes,
        counter.sample(),
        names.labels,
        names.datasets,
        names.people,
        counter.sentences,
        len(sessions),
        sum(r.duration_s for s in sessions for r in s.recordings) / 3600,
        len(worn),
    )


def ways_of(model: AEMG, sessions: Sequence[Session]) -> dict[SessionKey, Worn]:
    """How sessions were worn in the model's frame, by their labels; nothing where the model has no frame."""
    labelled = [s for s in sessions if any(r.intervals for r in s.recordings)]
    if not model.forearm.labels or not labelled:
        return {}
    return dict(register_sessions(labelled, model.forearm).worn)


def sentences_of(session: Session, most: int) -> Iterator[tuple[int, Stretch]]:
    """A session's recordings, each cut into even sentences of at most `most` tokens, with the recording's number."""
    for number, recording in enumerate(session.recordings):
        rows = session.tokens[slice(*recording.tokens)]
        pieces = -(-len(rows) // most)
        edges = np.linspace(0, len(rows), pieces + 1).astype(int) if pieces else np.zeros(1, int)
        for first, last in pairwise(edges):
            end_s = float(rows["end_s"][last - 1])
            yield number, stretch_of(session, number, float(rows["start_s"][first]), end_s)


def batches_of(stretches: Iterator[tuple[int, Stretch]]) -> Iterator[list[tuple[int, Stretch]]]:
    """Sentences together as long as they are not too many tokens with their padding."""
    batch: list[tuple[int, Stretch]] = []
    longest = 0
    for number, stretch in stretches:
        longest = max(longest, len(stretch.tokens))
        if batch and longest * (len(batch) + 1) > _BATCH_TOKENS:
            yield batch
            batch, longest = [], len(stretch.tokens)
        batch.append((number, stretch))
    if batch:
        yield batch


def spectrum_of(waves: Tensor) -> Tensor:
    """Power spectrum of tokens, zero-padded: (..., L) -> (..., L // 2 + 1)."""
    return torch.as_tensor(torch.fft.rfft(waves).abs() ** 2)


def alone_batch(batch: SentenceBatch, chosen: Tensor, *, context: bool) -> SentenceBatch:
    """Each chosen token (B, N) as a sentence of its own.

    Args:
        context: keep the token's time within its sentence and the sentence's overall amplitudes.
    """
    sentence = chosen.nonzero()[:, 0]
    values = {
        f.name: getattr(batch, f.name)[sentence] if f.name in _OF_SENTENCE else getattr(batch, f.name)[chosen][:, None]
        for f in fields(batch)
    }
    if not context:
        values |= {name: torch.zeros_like(values[name]) for name in ("summary", "start_s")}
    return SentenceBatch(**values)


def exchanged(batch: SentenceBatch, at: Tensor) -> SentenceBatch:
    """Token `at` (B,) of each sentence goes, as it is, to the place of the one of the next sentence."""
    host = torch.arange(len(batch))
    donor = host.roll(1)

    def put(values: Tensor) -> Tensor:
        changed = values.clone()
        changed[host, at] = values[donor, at[donor]]
        return changed

    place = (*_OF_SENTENCE, "start_s", "valid")
    return replace(batch, **{f.name: put(getattr(batch, f.name)) for f in fields(batch) if f.name not in place})


@dataclass(frozen=True)
class _Rows:
    """Labels and numbers of a batch's tokens, in the order of its valid tokens."""

    label: NDArray[np.int64]
    dataset: int
    person: int


@dataclass(frozen=True)
class _Names:
    labels: tuple[str, ...]
    datasets: tuple[str, ...]
    people: tuple[str, ...]

    @staticmethod
    def of(sessions: Sequence[Session]) -> _Names:
        labels = {i.label for s in sessions for r in s.recordings for i in r.intervals}
        people = dict.fromkeys(f"{s.key.dataset}/{s.key.subject}" for s in sessions)
        return _Names(tuple(sorted(labels)), tuple(sorted({s.key.dataset for s in sessions})), tuple(people))

    def rows(self, session: Session, stretches: Sequence[tuple[int, Stretch]]) -> _Rows:
        found = [self._labels(session, number, stretch) for number, stretch in stretches]
        person = self.people.index(f"{session.key.dataset}/{session.key.subject}")
        return _Rows(np.concatenate(found), self.datasets.index(session.key.dataset), person)

    def _labels(self, session: Session, number: int, stretch: Stretch) -> NDArray[np.int64]:
        """The interval that a token's centre lies in."""
        centre = (stretch.tokens["start_s"] + stretch.tokens["end_s"]) / 2
        label = np.full(len(centre), -1, np.int64)
        for interval in session.recordings[number].intervals:
            label[(centre >= interval.start_s) & (centre < interval.end_s)] = self.labels.index(interval.label)
        return label


class _Counter:
    """Gathers batch after batch."""

    def __init__(self, model: AEMG, share: float, share_moved: float) -> None:
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer = model.to(self._device).eval().tokenizer
        self._share, self._share_moved, self._rng = share, share_moved, np.random.default_rng(0)
        self.prototypes = Prototypes.empty(model.config.network.codes, model.config.token_samples)
        self.sentences = 0
        self._tokens: list[Tokens] = []
        self._sample: list[Sample] = []

    def add(self, batch: SentenceBatch, rows: _Rows) -> None:
        found = self._codes(batch)
        codes, valid = found[batch.valid], batch.valid
        sigma = batch.sigma[valid]  # (M, S)
        self.prototypes.add(codes, batch.waves[valid], batch.lengths[valid], sigma)
        source = batch.source[valid].numpy()
        self._tokens.append(
            Tokens(
                codes.numpy(),
                rows.label,
                np.full(len(codes), rows.dataset),
                np.full(len(codes), rows.person),
                batch.phase[valid].numpy(),
                (source[:, 0] + 1j * source[:, 1]).astype(np.complex64),
            )
        )
        self._draw(batch, found)
        self.sentences += len(batch)

    def tokens(self) -> Tokens:
        return Tokens(*(np.concatenate([getattr(t, name) for t in self._tokens]) for name in Tokens.__annotations__))

    def sample(self) -> Sample:
        return Sample(*(np.concatenate([getattr(s, name) for s in self._sample]) for name in Sample.__annotations__))

    def _codes(self, batch: SentenceBatch) -> Tensor:
        return self._tokenizer.quantise(batch.to(self._device)).codes.cpu()

    def _draw(self, batch: SentenceBatch, codes: Tensor) -> None:
        drawn = torch.from_numpy(self._rng.random(tuple(batch.valid.shape)) < self._share) & batch.valid
        at = drawn.nonzero().numpy()
        kept = self._codes(alone_batch(batch, drawn, context=True)) if len(at) else codes[:0, :1]
        alone = self._codes(alone_batch(batch, drawn, context=False)) if len(at) else codes[:0, :1]
        self._sample.append(
            Sample(
                codes[drawn].numpy(),
                at[:, 0] + self.sentences,
                at[:, 1],
                _descriptor(batch.waves[drawn], batch.lengths[drawn], batch.sigma[drawn]),
                kept[:, 0].numpy(),
                alone[:, 0].numpy(),
                self._moved(batch, codes),
            )
        )

    def _moved(self, batch: SentenceBatch, codes: Tensor) -> NDArray[np.bool_]:
        if len(batch) < 2 or not batch.valid.any(1).all() or self._rng.random() >= self._share_moved:
            return np.zeros(0, bool)
        lengths = batch.valid.sum(1).numpy()
        at = torch.from_numpy((self._rng.random(len(batch)) * lengths).astype(np.int64))
        host = torch.arange(len(batch))
        donor = host.roll(1)
        before, after = codes[donor, at[donor]], self._codes(exchanged(batch, at))[host, at]
        return np.asarray((before != after).numpy())


def _descriptor(waves: Tensor, lengths: Tensor, sigma: Tensor) -> NDArray[np.float32]:
    """Log amplitude, log slope and log power in six bands of every slot, (M, 8 S); phases and shifts do not count."""
    bands = torch.tensor_split(spectrum_of(waves)[..., 1:], _SPECTRUM_BANDS, dim=-1)
    power = torch.stack([band.sum(-1) for band in bands], dim=-1) / lengths.clamp(min=1)[:, None, None]
    log_power = torch.log(power + 1.0).flatten(1)
    return np.asarray(torch.cat([sigma.flatten(1), log_power], dim=1).numpy(), np.float32)


def spread_over_sets(keys: Sequence[SessionKey], hours: float | None, store: SessionStore) -> list[SessionKey]:
    """Sessions in turn from every set until `hours` are full (the last may go beyond); all of them for None."""
    if hours is None:
        return list(keys)
    waiting = {name: [k for k in keys if k.dataset == name] for name in sorted({k.dataset for k in keys})}
    chosen: list[SessionKey] = []
    left_s = hours * 3600
    while left_s > 0 and any(waiting.values()):
        for queue in waiting.values():
            if queue and left_s > 0:
                chosen.append(queue.pop(0))
                store.ensure(chosen[-1:], jobs=1)
                left_s -= sum(r.duration_s for r in store.load(chosen[-1]).recordings)
    return chosen
