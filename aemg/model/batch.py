"""What the network takes: sentences as tensors. Letters: B sentences, N tokens, S 16 slots, L samples."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass
class SentenceBatch:
    """A batch of sentences; rows beyond a sentence's end are padding.

    Args:
        waves: (B, N, S, L) float, z-scored tokens, zero beyond their length and in slots without signal.
        lengths: (B, N) int64 samples of each token, 0 for padding.
        sigma: (B, N, S) float, log sigma relative to rest.
        sigma_session: (B, N, S) float, the same standardised over the session.
        summary: (B, 2 * S) float, both of them for the whole stretch of signal, active or not.
        source: (B, N, 3) float, strength times cosine and sine of the source's angle, and strength.
        phase: (B, N) int64.
        start_s: (B, N) float, from the sentence's begin.
        slots: (B, S) bool, True for slots that carry signal.
        valid: (B, N) bool, False for padding.
    """

    waves: Tensor
    lengths: Tensor
    sigma: Tensor
    sigma_session: Tensor
    summary: Tensor
    source: Tensor
    phase: Tensor
    start_s: Tensor
    slots: Tensor
    valid: Tensor

    def to(self, device: torch.device | str) -> SentenceBatch:
        return SentenceBatch(**{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def __len__(self) -> int:
        return self.valid.shape[0]
