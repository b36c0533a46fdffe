"""Tokens at equal steps of time from the EMG of a sixteen-channel band at 2000 Hz: what a frame-level decoder shows to AEMG.

The contraction tokenizer cuts where contractions begin and end, which is known only after they have ended. A decoder has to
answer every few milliseconds, so here a token is the stretch of one length that ends now, as in the tokenizer's blind windows.
It has all that a contraction has: the z-scored wave at the model's rate, amplitudes and time-domain features at the native rate
relative to rest, the place of the energy. Nothing looks ahead, and nothing looks back further than `SlidingTokens.rows`.

Letters: B items, R rows (samples of time), N tokens, S 16 slots, L samples of a token at the model's rate.
"""

from __future__ import annotations

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from scipy.signal import cheby2, sosfilt
from torch import Tensor, distributed, nn
from torch.nn import functional

from aemg.errors import ConfigError
from aemg.features import FEATURES
from aemg.model import AEMGConfig, SentenceBatch
from aemg.tokenizer import PHASES
from aemg.topology import SLOT_DEG, SLOTS

RATE_HZ = 2000
HIGHPASS_HZ = 40.0
"""What the recordings were high-passed at before they were stored: above the model's own high-pass, which has nothing to do."""

_Z_FLOOR = 1e-4  # of rest, as in the contraction tokenizer
_SMALLEST_SPREAD = 1e-3
_MEMORY = 1e6  # tokens that the running scale remembers


class SlidingTokens(nn.Module):
    """Cuts (B, 16, R) EMG in units of the noise level, channel k over slot k, into overlapping tokens of one length.

    The noise level being 1, it serves as the rest level that amplitudes and features are measured against. Features are
    standardised over the training data, since a decoder cannot see the whole donning beforehand.

    Args:
        config: of the model that is to read the tokens.
        window_ms: length of a token, at most the model's longest.
        hop: rows from one token to the next.

    Raises:
        ConfigError: 2000 Hz is no multiple of the model's rate, its high-pass lies above that of the recordings, or the window
            is too short or longer than the model's longest token.
    """

    taps: Tensor | None

    def __init__(self, config: AEMGConfig, window_ms: float, hop: int) -> None:
        super().__init__()
        space = config.space
        factor = RATE_HZ / space.rate_hz
        if factor != round(factor):
            raise ConfigError(f"the model's rate must divide {RATE_HZ} Hz, got space.rate_hz = {space.rate_hz:g}")
        if (space.highpass_hz or 0.0) > HIGHPASS_HZ:
            raise ConfigError(f"space.highpass_hz must be at most {HIGHPASS_HZ:g}, got {space.highpass_hz}")
        self.factor, self.hop, self.longest = round(factor), hop, config.token_samples
        self.samples = round(window_ms * space.rate_hz / 1000.0)
        if not 8 <= self.samples <= self.longest:
            low, high = (1000.0 * n / space.rate_hz for n in (8, self.longest))
            raise ConfigError(f"window_ms must lie between {low:g} and {high:g} for this model, got {window_ms:g}")
        if hop % self.factor:
            raise ConfigError(f"hop must be a multiple of {self.factor} rows at {space.rate_hz:g} Hz, got {hop}")
        self.window = self.samples * self.factor
        taps = torch.from_numpy(antialias(space.rate_hz))[None, None] if self.factor > 1 else None
        self.register_buffer("taps", taps, persistent=False)
        self.scale = RunningScale(SLOTS * len(FEATURES))

    @property
    def rows(self) -> int:
        """Rows that one token is made of: its window, and those before it that the anti-alias filter needs."""
        return self.window + (0 if self.taps is None else self.taps.shape[-1] - 1)

    def forward(self, x: Tensor) -> SentenceBatch:
        """The N = (R - rows) // hop + 1 tokens of x (B, S, R); token n ends with row `rows - 1 + n * hop`.

        The batch's summary is over all of the tokens, its times count from the end of the first.
        """
        waves = self._waves(x)  # (B, N, S, L)
        features = self._features(x[..., self.rows - self.window :])  # (B, N, S, 4)
        b, n = waves.shape[:2]
        sigma, scaled = features[..., 0], rearrange(self.scale(features.flatten(-2)), "b n (s f) -> b n s f", s=SLOTS)
        return SentenceBatch(
            waves=waves,
            lengths=torch.full((b, n), self.samples, device=x.device),
            sigma=sigma,
            features=scaled,
            summary=levels(sigma, scaled).mean(1),
            source=source(sigma),
            phase=torch.full((b, n), PHASES.index("plateau"), device=x.device),
            start_s=(torch.arange(n, device=x.device) * (self.hop / RATE_HZ)).expand(b, n),
            slots=torch.ones(b, SLOTS, dtype=torch.bool, device=x.device),
            valid=torch.ones(b, n, dtype=torch.bool, device=x.device),
        )

    def _waves(self, x: Tensor) -> Tensor:
        if self.taps is not None:  # output i is the filtered signal at row taps - 1 + i * factor: the last row of a token counts
            lead = (self.rows - 1 - (self.taps.shape[-1] - 1)) % self.factor
            apart = rearrange(x[..., lead:], "b s t -> (b s) 1 t")
            filtered = functional.conv1d(apart, self.taps.to(x.dtype), stride=self.factor)
            x = rearrange(filtered, "(b s) 1 t -> b s t", s=SLOTS)
        cut = x.unfold(-1, self.samples, self.hop // self.factor).transpose(1, 2)  # (B, N, S, L)
        cut = cut - cut.mean(-1, keepdim=True)
        waves = cut / (cut.square().mean(-1, keepdim=True).sqrt() + _Z_FLOOR)
        return functional.pad(waves, (0, self.longest - self.samples))

    def _features(self, x: Tensor) -> Tensor:
        """`aemg.features.time_domain` of every window with a rest level of 1: (B, S, R') -> (B, N, S, 4)."""

        def mean(values: Tensor, shorter: int) -> Tensor:
            return functional.avg_pool1d(values, self.window - shorter, self.hop)

        slope = x.diff(dim=-1)
        steep = slope.abs()
        crossings = (x[..., 1:] * x[..., :-1] < 0) & (steep > 0.3)
        turns = slope[..., 1:] * slope[..., :-1] < 0
        changes = turns & (torch.maximum(steep[..., 1:], steep[..., :-1]) > 0.3)
        features = [
            (mean(x.square(), 0) + 0.25).sqrt().log(),
            (mean(steep, 1) + 0.3).log(),
            mean(crossings.to(x.dtype), 1),
            mean(changes.to(x.dtype), 2),
        ]
        return torch.stack(features, dim=-1).transpose(1, 2)


class RunningScale(nn.Module):
    """Zero mean and unit variance of (..., K) over the training data; the statistics grow in training and stay after it.

    Unlike in batch normalisation, an item's result in training does not depend on the others beside it once many have been
    seen. Before any training the values pass unchanged. Processes that train together share the statistics.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.count = nn.Parameter(torch.zeros(()), requires_grad=False)
        self.mean = nn.Parameter(torch.zeros(size), requires_grad=False)
        self.square = nn.Parameter(torch.ones(size), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., K)."""
        if self.training:
            self._learn(x.detach().flatten(0, -2).to(self.mean.dtype))
        spread = (self.square - self.mean.square()).clamp(min=0.0).sqrt()
        return (x - self.mean) / (spread + _SMALLEST_SPREAD)

    @torch.no_grad()
    def _learn(self, x: Tensor) -> None:
        moments = torch.cat([x.new_tensor([len(x)]), x.sum(0), x.square().sum(0)])
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(moments)
        rows, (mean, square) = moments[0], (moments[1:] / moments[0]).chunk(2)
        self.count.add_(rows).clamp_(max=_MEMORY)
        weight = (rows / self.count).clamp(max=1.0)
        self.mean.lerp_(mean, weight)
        self.square.lerp_(square, weight)


def antialias(rate_hz: float) -> NDArray[np.float32]:
    """The low-pass before the step from 2000 Hz to a lower rate, as taps in the order of time (the newest row last).

    A Chebyshev filter of order 8 with 40 dB from half the new rate on, cut where its response has died away. It delays by 10 to
    20 ms at 200 Hz, where a filter of linear phase and such an edge takes twice that.
    """
    impulse = np.zeros(int(40 * RATE_HZ / rate_hz))
    impulse[0] = 1.0
    response = sosfilt(cheby2(8, 40, rate_hz / 2, fs=RATE_HZ, output="sos"), impulse)
    left = np.cumsum(response[::-1] ** 2)[::-1]
    return np.ascontiguousarray(response[: int((left > 1e-6 * left[0]).sum())][::-1], dtype=np.float32)


def levels(sigma: Tensor, features: Tensor) -> Tensor:
    """What a summary is the mean of: amplitudes (B, N, S) and standardised features (B, N, S, 4) as (B, N, 5 S)."""
    return torch.cat([sigma[..., None], features], dim=-1).flatten(-2)


def source(sigma: Tensor) -> Tensor:
    """Where around the ring the energy sits, as in `SentenceBatch`: amplitudes (B, N, S) -> (B, N, 3)."""
    power = sigma.clamp(-5.0, 8.0).mul(2.0).exp()
    angle = torch.arange(SLOTS, device=sigma.device) * (SLOT_DEG * torch.pi / 180.0)
    turn = torch.stack([angle.cos(), angle.sin()], dim=-1).to(sigma.dtype)  # (S, 2)
    direction = (power @ turn) / power.sum(-1, keepdim=True)
    return torch.cat([direction, direction.norm(dim=-1, keepdim=True)], dim=-1)
