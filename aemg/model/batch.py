"""What the network takes: sentences as tensors. Letters: B sentences, N tokens, S 16 slots, L samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aemg.features import FEATURES
from aemg.sessions import WINDOW_S, Session
from aemg.topology import SLOT_DEG, SLOTS, Worn

_TURN = np.exp(1j * np.deg2rad(np.arange(SLOTS) * SLOT_DEG))


@dataclass
class SentenceBatch:
    """A batch of sentences; rows beyond a sentence's end are padding.

    Args:
        waves: (B, N, S, L) float, z-scored tokens, zero beyond their length and in slots without signal.
        lengths: (B, N) int64 samples of each token, 0 for padding.
        sigma: (B, N, S) float, log amplitude relative to rest, at the native rate.
        features: (B, N, S, 4) float, the native rate's time-domain features, standardised over the session.
        summary: (B, 5 * S) float, both of them for the whole stretch of signal, active or not.
        source: (B, N, 3) float, strength times cosine and sine of the source's angle, and strength.
        phase: (B, N) int64.
        start_s: (B, N) float, from the sentence's begin.
        slots: (B, S) bool, True for slots that carry signal.
        valid: (B, N) bool, False for padding.
    """

    waves: Tensor
    lengths: Tensor
    sigma: Tensor
    features: Tensor
    summary: Tensor
    source: Tensor
    phase: Tensor
    start_s: Tensor
    slots: Tensor
    valid: Tensor

    def to(self, device: torch.device | str) -> SentenceBatch:
        """The batch on a device."""
        return SentenceBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def __len__(self) -> int:
        return self.valid.shape[0]


@dataclass(frozen=True)
class Stretch:
    """A stretch of a session's recording that becomes a sentence.

    Args:
        tokens: structured (N,) rows of the session.
        windows: first and last (exclusive) of the session's windows that lie in the stretch.
        start_s: its begin within the recording.
    """

    session: Session
    tokens: NDArray[np.void]
    windows: tuple[int, int]
    start_s: float

    @property
    def at_unified_rate(self) -> Stretch:
        """The stretch of the session at the unified rate; the tokens stay."""
        return replace(self, session=self.session.at_unified_rate)


def stretch_of(session: Session, recording: int, start_s: float, end_s: float) -> Stretch:
    """The tokens whose centre lies in [start_s, end_s), and the windows that lie wholly in it."""
    entry = session.recordings[recording]
    tokens = session.tokens[slice(*entry.tokens)]
    centre = (tokens["start_s"] + tokens["end_s"]) / 2
    first, last = np.searchsorted(centre, [start_s, end_s])
    return Stretch(session, tokens[first:last], windows_within(session, recording, start_s, end_s), start_s)


def windows_within(session: Session, recording: int, start_s: float, end_s: float) -> tuple[int, int]:
    """First and last (exclusive) of the session's windows that lie wholly in [start_s, end_s] of a recording."""
    entry = session.recordings[recording]
    starts = session.window_start_s[slice(*entry.windows)]
    first = int(np.searchsorted(starts, start_s - 1e-6))
    last = int(np.searchsorted(starts, end_s - WINDOW_S + 1e-6, side="right"))
    return entry.windows[0] + first, entry.windows[0] + max(first, last)


def collate(stretches: Sequence[Stretch], worn: Sequence[Worn]) -> SentenceBatch:
    """Sentences of stretches, each with its slots brought to the forearm's by its way of wearing."""
    longest = max(1, *(len(s.tokens) for s in stretches))
    samples = stretches[0].tokens.dtype["wave"].shape[1]
    size = len(stretches), longest
    waves = np.zeros((*size, SLOTS, samples), np.float32)
    sigma, features = np.zeros((*size, SLOTS), np.float32), np.zeros((*size, SLOTS, len(FEATURES)), np.float32)
    lengths, phase = np.zeros(size, np.int64), np.zeros(size, np.int64)
    start_s, valid = np.zeros(size, np.float32), np.zeros(size, bool)
    summary, slots = np.zeros((len(stretches), 5 * SLOTS), np.float32), np.zeros((len(stretches), SLOTS), bool)
    for b, (stretch, way) in enumerate(zip(stretches, worn)):
        rows, order, n = stretch.tokens, way.order, len(stretch.tokens)
        session, mean, std = stretch.session, stretch.session.feature_mean, stretch.session.feature_std
        waves[b, :n] = rows["wave"][:, order]
        sigma[b, :n] = rows["features"][:, order, 0]
        features[b, :n] = (((rows["features"] - mean) / std) * session.slots[:, None])[:, order]
        lengths[b, :n], phase[b, :n], valid[b, :n] = rows["length"], rows["phase"], True
        start_s[b, :n] = rows["start_s"] - stretch.start_s
        summary[b] = _summary(stretch, order)
        slots[b] = session.slots[order]
    return SentenceBatch(
        torch.from_numpy(waves),
        torch.from_numpy(lengths),
        torch.from_numpy(sigma),
        torch.from_numpy(features),
        torch.from_numpy(summary),
        torch.from_numpy(_source(sigma, slots)),
        torch.from_numpy(phase),
        torch.from_numpy(start_s),
        torch.from_numpy(slots),
        torch.from_numpy(valid),
    )


def _summary(stretch: Stretch, order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Mean over the stretch's windows of log amplitude relative to rest and of the standardised features: (5 S,)."""
    session = stretch.session
    first, last = stretch.windows
    if last <= first:
        return np.zeros(5 * SLOTS, np.float32)
    level = session.slot_features[first:last].mean(axis=0)  # (S, 4)
    standard = (level - session.feature_mean) / session.feature_std
    both = np.concatenate([level[:, :1], standard], axis=1) * session.slots[:, None]  # (S, 5)
    return np.asarray(both[order].ravel(), dtype=np.float32)


def _source(sigma: NDArray[np.float32], slots: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Where around the ring the energy sits: strength * (cos, sin) and strength, (B, N, 3), from amplitudes (B, N, S)."""
    power = np.exp(2.0 * np.clip(sigma, -5.0, 8.0)) * slots[:, None]
    direction = (power @ _TURN) / np.maximum(power.sum(-1), 1e-12)
    return np.stack([direction.real, direction.imag, np.abs(direction)], axis=-1).astype(np.float32)
