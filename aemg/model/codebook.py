"""The neural codebook: 8192 l2-normalised entries, moved by exponential averages, and its health."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from vector_quantize_pytorch import VectorQuantize

from aemg.model.config import NetworkConfig


@dataclass(frozen=True)
class Quantised:
    """What the codebook makes of tokens.

    Args:
        vectors: (B, N, code width), with straight-through gradient.
        codes: (B, N) int64, -1 for padding.
        commitment: (), mean over the real tokens.
    """

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class Codebook(nn.Module):
    """Nearest code by cosine; entries follow an exponential moving average, unused ones are restarted.

    Args:
        sync: share the averages between processes.
    """

    def __init__(self, config: NetworkConfig, sync: bool = False) -> None:
        super().__init__()
        self.project = nn.Sequential(
            nn.Linear(config.width, config.width), nn.Tanh(), nn.Linear(config.width, config.code_width)
        )
        self.quantiser = VectorQuantize(
            dim=config.code_width,
            codebook_size=config.codes,
            decay=config.decay,
            use_cosine_sim=True,
            commitment_weight=config.commitment,
            kmeans_init=True,
            kmeans_iters=10,
            threshold_ema_dead_code=config.restart_below,
            sync_codebook=sync,
            rotation_trick=False,
        )
        self.restarts = 0
        vars(self.quantiser._codebook)["replace"] = partial(_counted_replace, self)

    def forward(self, tokens: Tensor, valid: Tensor) -> Quantised:
        """tokens (B, N, D), valid (B, N)."""
        return self.quantise(self.normalised(tokens), valid)

    def normalised(self, tokens: Tensor) -> Tensor:
        """l2(p): tokens (B, N, D) projected to unit length, (B, N, code width)."""
        return functional.normalize(self.project(tokens).float(), dim=-1)

    def quantise(self, projected: Tensor, valid: Tensor, freeze: bool = False) -> Quantised:
        """projected (B, N, code width) of unit length, valid (B, N); `freeze` leaves the entries as they are."""
        vectors, codes, commitment = self.quantiser(projected, mask=valid, freeze_codebook=freeze)
        return Quantised(vectors, codes, commitment.sum())

    @property
    def entries(self) -> Tensor:
        """(codes, code width), of unit length."""
        return torch.as_tensor(self.quantiser.codebook)

    @property
    def started(self) -> bool:
        """Whether the k-means start has happened."""
        return bool(self.quantiser._codebook.initted.all())

    def scale_counts(self, factor: float) -> None:
        """Brings the averages of the k-means start, which saw many batches at once, to the scale of one step."""
        self.quantiser._codebook.cluster_size.mul_(factor)
        self.quantiser._codebook.embed_avg.mul_(factor)


def _counted_replace(codebook: Codebook, batch_samples: Tensor, batch_mask: Tensor, **other: Any) -> Any:
    """The quantiser's own replacement of unused entries, counted."""
    codebook.restarts += int(batch_mask.sum())
    entries = codebook.quantiser._codebook
    return type(entries).replace(entries, batch_samples, batch_mask=batch_mask, **other)


def perplexity(counts: Tensor) -> float:
    """Exponential of the entropy of code use: how many codes are in use if all were used evenly.

    Args:
        counts: (codes,) how often each was used.
    """
    share = counts.double() / counts.sum().clamp(min=1)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))
