"""The neuro-syntax transformer. Letters: B sentences, N tokens, S slots, L samples, D width."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional

from aemg.features import FEATURES
from aemg.model.batch import SentenceBatch
from aemg.model.config import AEMGConfig, NetworkConfig
from aemg.tokenizer import PHASES
from aemg.topology import SLOTS

_TIME_FREQUENCIES = 16


class Block(nn.Module):
    """Pre-norm transformer block with padding-aware attention."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        inner = config.heads * config.head_width
        self.heads = config.heads
        self.dropout = config.dropout
        self.norm_attention = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * inner, bias=False)
        self.out = nn.Linear(inner, config.width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, config.mlp_width),
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.mlp_width, config.width),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor, attend: Tensor) -> Tensor:
        """x (B, N, D), attend (B, 1, 1, N) True where a token may be looked at -> (B, N, D)."""
        q, k, v = rearrange(self.qkv(self.norm_attention(x)), "b n (three h d) -> three b h n d", three=3, h=self.heads)
        dropout = self.dropout if self.training else 0.0
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=attend, dropout_p=dropout)
        x = x + functional.dropout(self.out(rearrange(y, "b h n d -> b n (h d)")), self.dropout, self.training)
        return x + torch.as_tensor(self.mlp(x))


class TokenFrontEnd(nn.Module):
    """1-D convolution over a token's samples, GroupNorm, GELU, then mean and maximum over its own length."""

    def __init__(self, config: NetworkConfig, rate_hz: float) -> None:
        super().__init__()
        self.stride = max(1, round(2 * rate_hz / 200.0))
        kernel = 2 * (max(3, round(config.kernel * rate_hz / 200.0)) // 2) + 1
        half = config.width // 2
        self.conv = nn.Conv1d(SLOTS, half, kernel, self.stride, padding=kernel // 2)
        self.norm = nn.GroupNorm(8 if half % 8 == 0 else 4, half)
        self.mix = nn.Conv1d(half, config.width, 5, 2, padding=2)
        self.out = nn.Linear(2 * config.width, config.width)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """waves (M, S, L), lengths (M,) at least 1 -> (M, D)."""
        x = functional.gelu(self.norm(self.conv(waves)))  # (M, D/2, L')
        x = functional.gelu(self.mix(x))  # (M, D, L')
        steps = torch.arange(x.shape[-1], device=x.device)
        inside = (steps[None] * 2 * self.stride < lengths[:, None])[:, None]  # (M, 1, L')
        mean = (x * inside).sum(-1) / inside.sum(-1)
        largest = x.masked_fill(~inside, float("-inf")).amax(-1)
        return torch.as_tensor(self.out(torch.cat([mean, largest], dim=-1)))


class Conditions(nn.Module):
    """Linear fusion of anatomical source, phase, amplitude and true time."""

    frequencies: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.sigma_condition = config.sigma_condition
        self.spatial = nn.Linear((2 + len(FEATURES)) * SLOTS + 3, config.width)
        self.phase = nn.Embedding(len(PHASES), config.width)
        self.time = nn.Linear(2 * _TIME_FREQUENCIES, config.width)
        self.summary = nn.Linear((1 + len(FEATURES)) * SLOTS, config.width)
        periods_s = torch.logspace(-0.5, 2.0, _TIME_FREQUENCIES)
        self.register_buffer("frequencies", 2 * torch.pi / periods_s, persistent=False)

    def at(self, start_s: Tensor) -> Tensor:
        """True time (B, N) in seconds -> (B, N, D)."""
        angle = start_s[..., None] * self.frequencies
        return torch.as_tensor(self.time(torch.cat([angle.sin(), angle.cos()], dim=-1)))

    def of_tokens(self, batch: SentenceBatch) -> Tensor:
        """(B, N, D), without time."""
        keep = 1.0 if self.sigma_condition else 0.0
        slots = batch.slots[:, None].expand(*batch.valid.shape, -1).to(batch.sigma.dtype)
        seen = [keep * batch.sigma, keep * batch.features.flatten(-2), slots, keep * batch.source]
        spatial = torch.cat(seen, dim=-1)  # (B, N, 6 S + 3)
        return torch.as_tensor(self.spatial(spatial) + self.phase(batch.phase))

    def of_sentence(self, summary: Tensor) -> Tensor:
        """summary (B, 5 S) -> (B, D)."""
        return torch.as_tensor(self.summary(summary if self.sigma_condition else torch.zeros_like(summary)))


class Encoder(nn.Module):
    """Sentences to one vector a token and one a sentence.

    The sentence's own token stands first; it knows the amplitudes of the whole stretch, so that a stretch without any
    contraction has a vector too.
    """

    def __init__(self, config: AEMGConfig) -> None:
        super().__init__()
        network = config.network
        self.front_end = TokenFrontEnd(network, config.space.rate_hz)
        self.conditions = Conditions(network)
        self.norm_in = nn.LayerNorm(network.width)
        self.sentence_token = nn.Parameter(0.02 * torch.randn(network.width))
        self.mask_token = nn.Parameter(0.02 * torch.randn(network.width))
        self.dropout = nn.Dropout(network.dropout)
        self.blocks = nn.ModuleList(Block(network) for _ in range(network.layers))
        self.norm_out = nn.LayerNorm(network.width)

    def forward(self, batch: SentenceBatch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encodes a batch.

        Args:
            masked: (B, N) bool, True for tokens whose content is hidden; their time stays visible.

        Returns:
            tokens (B, N, D) and sentences (B, D).
        """
        tokens = self.embed(batch)
        if masked is None:
            return self.relate(tokens, batch.start_s, batch.valid, batch.summary)
        tokens = torch.where(masked[..., None], self.mask_token.to(tokens.dtype), tokens)
        return self.relate(tokens, batch.start_s, batch.valid)  # the summary would give the hidden tokens' amplitudes away

    def embed(self, batch: SentenceBatch) -> Tensor:
        """Each token for itself, without time, (B, N, D); the convolution runs over real tokens only."""
        conditions = self.conditions.of_tokens(batch)
        waves = self.front_end(batch.waves[batch.valid], batch.lengths[batch.valid])  # (M, D)
        spread = torch.zeros_like(conditions)
        spread[batch.valid] = waves.to(spread.dtype)
        return torch.as_tensor(self.norm_in(spread + conditions))

    def relate(
        self, tokens: Tensor, start_s: Tensor, valid: Tensor, summary: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens in the context of their sentences.

        Args:
            tokens: (B, N, D) of `embed`.
            start_s, valid: (B, N), as in `SentenceBatch`.
            summary: (B, 5 S), None to leave the stretch's amplitudes out.

        Returns:
            tokens (B, N, D) and sentences (B, D).
        """
        tokens = tokens + self.conditions.at(start_s)
        sentence = self.sentence_token.expand(len(tokens), -1)
        if summary is not None:
            sentence = sentence + self.conditions.of_sentence(summary)
        x = self.dropout(torch.cat([sentence[:, None], tokens], dim=1))  # (B, 1 + N, D)
        attend = functional.pad(valid, (1, 0), value=True)[:, None, None]
        for block in self.blocks:
            x = block(x, attend)
        x = self.norm_out(x)
        return x[:, 1:], x[:, 0]


class Decoder(nn.Module):
    """Quantised tokens back to waves, band powers and time-domain features."""

    def __init__(self, config: AEMGConfig, bands: int) -> None:
        super().__init__()
        network = config.network
        self.samples, self.bands = config.token_samples, bands
        self.expand = nn.Linear(network.code_width, network.width)
        self.time = nn.Linear(network.width, network.width)
        self.blocks = nn.ModuleList(Block(network) for _ in range(network.decoder_layers))
        self.norm = nn.LayerNorm(network.width)
        self.waves = nn.Linear(network.width, SLOTS * self.samples)
        self.spectrum = nn.Linear(network.width, SLOTS * bands)
        self.features = nn.Linear(network.width, len(FEATURES) * SLOTS)

    def forward(self, quantised: Tensor, time: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """quantised (B, N, code width), time (B, N, D), valid (B, N) -> waves (B, N, S, L), spectrum (B, N, S,
        bands), features (B, N, S, 4)."""
        x = self.expand(quantised) + self.time(time)
        attend = valid | ~valid.any(dim=1, keepdim=True)  # a sentence without tokens attends to its padding
        for block in self.blocks:
            x = block(x, attend[:, None, None])
        x = self.norm(x)
        return (
            self.waves(x).unflatten(-1, (SLOTS, self.samples)),
            self.spectrum(x).unflatten(-1, (SLOTS, self.bands)),
            self.features(x).unflatten(-1, (SLOTS, len(FEATURES))),
        )
