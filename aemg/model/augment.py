"""Random changes of labelled stretches: which part of them, how worn, how loud, how complete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from aemg.config import STRICT
from aemg.errors import ConfigError
from aemg.features import FEATURES
from aemg.model.batch import SentenceBatch, Stretch, collate, stretch_of
from aemg.sessions import WINDOW_S, Session
from aemg.topology import SLOTS, Worn


@dataclass(frozen=True)
class Augmentation:
    """How far sentences are changed.

    Args:
        crop: share of the sentences that are cut to a random part, of a length that is log-uniform from a window to all.
        drop_tokens: share of a sentence's tokens that is left out.
        gain_jitter: standard deviation of a random log gain of the whole sentence.
        level_jitter: standard deviation of random offsets of the standardised features by slot.
        jitter_slots: random turn by up to so many slots.
    """

    __pydantic_config__ = STRICT
    crop: float = 0.7
    drop_tokens: float = 0.2
    gain_jitter: float = 0.3
    level_jitter: float = 0.1
    jitter_slots: int = 1

    def __post_init__(self) -> None:
        for name in ("crop", "drop_tokens"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} must lie in [0, 1], got {getattr(self, name)}")


@dataclass(frozen=True)
class Span:
    """A part of a session's recording, and how it was worn."""

    session: Session
    recording: int
    start_s: float
    end_s: float
    worn: Worn


def augmented(
    spans: Sequence[Span], ways: Augmentation, chances: Sequence[np.random.Generator], longest: int | None = None
) -> SentenceBatch:
    """Sentences of changed spans, as `changed` and `disturbed`."""
    return disturbed(collate(*changed(spans, ways, chances, longest)), ways, chances)


def changed(
    spans: Sequence[Span], ways: Augmentation, chances: Sequence[np.random.Generator], longest: int | None = None
) -> tuple[list[Stretch], list[Worn]]:
    """Parts of spans with some of their tokens, and how each is worn.

    Args:
        chances: one a span; each sentence depends on its own alone, but for the padding. They may be the same one.
        longest: tokens of a sentence; of a longer one a random run is kept.
    """
    stretches, worn = [], []
    for span, chance in zip(spans, chances, strict=True):
        stretch = stretch_of(span.session, span.recording, *_cropped(span, ways.crop, chance))
        if longest is not None and len(stretch.tokens) > longest:
            first = int(chance.integers(len(stretch.tokens) - longest + 1))
            run = stretch.tokens[first : first + longest]
            stretch = stretch_of(span.session, span.recording, float(run["start_s"][0]), float(run["end_s"][-1]))
        kept = chance.random(len(stretch.tokens)) >= ways.drop_tokens
        stretches.append(Stretch(stretch.session, stretch.tokens[kept], stretch.windows, stretch.start_s))
        jitter = int(chance.integers(-ways.jitter_slots, ways.jitter_slots + 1))
        worn.append(span.worn.then(Worn(jitter % SLOTS)))
    return stretches, worn


def disturbed(batch: SentenceBatch, ways: Augmentation, chances: Sequence[np.random.Generator]) -> SentenceBatch:
    """The batch with other gains and levels."""
    slots = batch.slots[:, None, :]  # (B, 1, S)
    gain = _normal(chances, ways.gain_jitter, (1, 1)) * slots
    offset = _normal(chances, ways.level_jitter, (1, SLOTS, len(FEATURES))) * slots[..., None]
    batch.sigma = batch.sigma + gain
    batch.features = batch.features + offset
    batch.summary = batch.summary + torch.cat([gain[..., None], offset], dim=-1).flatten(1)
    return batch


def _cropped(span: Span, share: float, chance: np.random.Generator) -> tuple[float, float]:
    if chance.random() >= share:
        return span.start_s, span.end_s
    whole = span.end_s - span.start_s
    shortest = min(WINDOW_S, whole)
    length = shortest * (whole / shortest) ** chance.random()
    start_s = span.start_s + chance.uniform(0, whole - length)
    return start_s, start_s + length


def _normal(chances: Sequence[np.random.Generator], spread: float, shape: tuple[int, ...]) -> Tensor:
    """(B, *shape)."""
    return torch.from_numpy(np.stack([chance.normal(0, spread, shape) for chance in chances]).astype(np.float32))
