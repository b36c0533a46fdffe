"""Tokens and sentences. Letters: P rows, C channels, L samples of the longest token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

PHASES = ("onset", "plateau", "offset", "whole")
_EPSILON = 1e-4  # of the rest RMS: keeps the z-score of what is far below rest finite, whatever the unit
_SILENT = 1e-2  # of the loudest channel's rest RMS: the least that a channel's rest counts for in that

Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Token:
    """One contraction, or a piece of a long one.

    Args:
        values: (C, L_k) float32, z-scored per channel.
        start_s, end_s: true time from the start of the recording or stream.
        log_sigma: (C,) log of the channel's standard deviation relative to rest, taken before the z-score.
        source_deg: where around the limb the energy sits (circular mean over the montage), before the z-score.
        source_strength: 0 for energy all around, 1 for one direction.
        phase: onset, plateau or offset of its contraction, or whole.
    """

    values: NDArray[np.float32]
    start_s: float
    end_s: float
    log_sigma: NDArray[np.float32]
    source_deg: float
    source_strength: float
    phase: str


@dataclass(frozen=True)
class Conditions:
    """What the z-score takes away, row by row: log_sigma (P, C), source_deg (P,), source_strength (P,), phase (P,)
    as an index into `PHASES`."""

    log_sigma: NDArray[np.float32]
    source_deg: NDArray[np.float32]
    source_strength: NDArray[np.float32]
    phase: NDArray[np.int64]


@dataclass(frozen=True)
class Sentence:
    """Tokens in time order, padded to whole sentences of `sentence_tokens` rows.

    Args:
        tokens: (P, C, L) float32, zero where a token is shorter than L; P is a multiple of the sentence length, and one
            sentence's length when there is no token at all.
        lengths: (P,) samples of each token, 0 for padding.
        start_s, end_s: (P,) float64, 0 for padding.
        padding_mask: (P,) bool, True for padding.
        conditions: row by row.
        rate_hz: of the tokens' samples.
    """

    tokens: NDArray[np.float32]
    lengths: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    padding_mask: NDArray[np.bool_]
    conditions: Conditions
    rate_hz: float

    def __len__(self) -> int:
        """Tokens without padding."""
        return int((~self.padding_mask).sum())

    def __getitem__(self, index: int) -> Token:
        if not 0 <= index < len(self):
            raise IndexError(f"token {index} of a sentence of {len(self)}")
        return Token(
            self.tokens[index, :, : self.lengths[index]],
            float(self.start_s[index]),
            float(self.end_s[index]),
            self.conditions.log_sigma[index],
            float(self.conditions.source_deg[index]),
            float(self.conditions.source_strength[index]),
            PHASES[self.conditions.phase[index]],
        )


def build_sentence(
    signal: NDArray[np.float32],
    spans: NDArray[np.int64],
    *,
    origin: int,
    rate_hz: float,
    rest_rms: NDArray[np.float64],
    angles_deg: NDArray[np.float64],
    max_samples: int,
    rows: int,
) -> Sentence:
    """Cuts the spans out of a signal and normalises them.

    Args:
        signal: (C, T).
        spans: (n, 3) first sample, last sample (exclusive) and phase; within the signal, at most `max_samples` long.
        origin: index of the signal's first sample in what the spans count from.
        rest_rms, angles_deg: (C,).
        rows: tokens in a sentence; the result is padded to a multiple.
    """
    n, channels = len(spans), signal.shape[0]
    padded = max(1, -(-n // rows)) * rows
    start, lengths = spans[:, 0], spans[:, 1] - spans[:, 0]
    floor = spread_floor(rest_rms)
    values, sigma = _cut_and_scale(signal, start - origin, lengths, floor, max_samples, padded)
    log_sigma = np.zeros((padded, channels), np.float32)
    log_sigma[:n] = np.log((sigma + floor) / (rest_rms + floor))
    power = sigma.astype(np.float64) ** 2
    # einsum, not a matrix product: the result must not depend on how many tokens are built at once
    source = np.einsum("nc,c->n", power, np.exp(1j * np.deg2rad(angles_deg)))
    energy = np.einsum("nc->n", power)
    conditions = Conditions(
        log_sigma,
        _pad(np.rad2deg(np.angle(source)) % 360.0, padded, np.float32),
        _pad(np.abs(source) / np.maximum(energy, 1e-300), padded, np.float32),
        _pad(spans[:, 2], padded, np.int64),
    )
    return Sentence(
        values,
        _pad(lengths, padded, np.int64),
        _pad(start / rate_hz, padded, np.float64),
        _pad((start + lengths) / rate_hz, padded, np.float64),
        np.arange(padded) >= n,
        conditions,
        rate_hz,
    )


def spread_floor(rest_rms: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C,) what is added to a token's standard deviation in its z-score."""
    return np.asarray(_EPSILON * np.maximum(rest_rms, _SILENT * rest_rms.max()) + float(np.finfo(np.float32).tiny))


def _cut_and_scale(
    signal: NDArray[np.float32],
    start: NDArray[np.int64],
    lengths: NDArray[np.int64],
    floor: NDArray[np.float64],
    max_samples: int,
    rows: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Z-scored tokens (rows, C, L) and their standard deviations (n, C), gathered length by length so that every
    reduction runs over exactly a token's own samples."""
    values = np.zeros((rows, signal.shape[0], max_samples), np.float32)
    sigma = np.zeros((len(start), signal.shape[0]), np.float32)
    for length in np.unique(lengths):
        which = np.flatnonzero(lengths == length)
        windows = np.lib.stride_tricks.sliding_window_view(signal, int(length), axis=1)  # (C, T - length + 1, length)
        piece = windows[:, start[which]].transpose(1, 0, 2).copy()  # (n, C, length)
        sigma[which] = scale(piece, floor)
        values[which, :, :length] = piece
    return values, sigma


def scale(pieces: NDArray[np.float32], floor: NDArray[np.float64]) -> NDArray[np.float32]:
    """Z-scores (n, C, length) in place; returns the standard deviations (n, C).

    Args:
        floor: (C,) of `spread_floor`.
    """
    pieces -= pieces.mean(axis=2, keepdims=True, dtype=np.float64)
    spread = np.sqrt(np.einsum("ncl,ncl->nc", pieces, pieces) / pieces.shape[2])
    pieces /= (spread + floor)[:, :, None]
    return np.asarray(spread)


def _pad(values: NDArray[Any], rows: int, dtype: type[Scalar]) -> NDArray[Scalar]:
    padded: NDArray[Scalar] = np.zeros(rows, dtype)
    padded[: len(values)] = values
    return padded
