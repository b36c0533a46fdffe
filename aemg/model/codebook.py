"""The neural codebook: 8192 l2-normalised entries, moved by exponential averages, and its health."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import VectorQuantize

from aemg.model.config import NetworkConfig


@dataclass(frozen=True)
class Quantised:
    """codes (B, N) int64 (-1 for padding), vectors (B, N, code width) with straight-through gradient, commitment loss ()."""

    vectors: Tensor
    codes: Tensor
    commitment: Tensor


class Codebook(nn.Module):
    """Nearest code by cosine; entries follow an exponential moving average, unused ones are restarted."""

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
        )

    def forward(self, tokens: Tensor, valid: Tensor) -> Quantised:
        """tokens (B, N, D), valid (B, N)."""
        vectors, codes, commitment = self.quantiser(self.project(tokens).float(), mask=valid)
        return Quantised(vectors, codes, commitment.sum())

    @property
    def entries(self) -> Tensor:
        """(codes, code width), of unit length."""
        return torch.as_tensor(self.quantiser.codebook)


def perplexity(counts: Tensor) -> float:
    """Exponential of the entropy of code use: the number of codes that are used as if evenly."""
    share = counts.double() / counts.sum().clamp(min=1)
    return float(torch.exp(-(share * share.clamp(min=1e-12).log()).sum()))
