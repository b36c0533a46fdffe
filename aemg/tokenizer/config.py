"""Settings of the contraction tokenizer, each with its unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aemg.config import STRICT
from aemg.errors import ConfigError


@dataclass(frozen=True)
class TokenizerConfig:
    """How a signal is cut into contractions.

    Args:
        gating: `energy` cuts at contractions; `none` is the ablation: blind windows at a fixed stride, as many as
            the energy gate finds tokens on the recordings that the threshold was fitted to.
        window_ms, hop_ms: of the energy measure.
        on_factor, off_factor: a contraction begins above and ends below these multiples of the rest energy.
        min_event_ms: shorter contractions are dropped.
        close_gap_ms: shorter pauses do not end a contraction.
        min_token_ms, max_token_ms: a contraction longer than the longest token is cut at energy minima.
        rest_percentile: where no rest is labelled, the quietest share of the frames that counts as rest, in percent.
        sentence_tokens: tokens in a sentence.
    """

    __pydantic_config__ = STRICT
    gating: Literal["energy", "none"] = "energy"
    window_ms: float = 50.0
    hop_ms: float = 10.0
    on_factor: float = 2.5
    off_factor: float = 1.7
    min_event_ms: float = 80.0
    close_gap_ms: float = 60.0
    min_token_ms: float = 50.0
    max_token_ms: float = 250.0
    rest_percentile: float = 10.0
    sentence_tokens: int = 256

    def __post_init__(self) -> None:
        if not 0 < self.hop_ms <= self.window_ms:
            raise ConfigError(f"hop_ms must lie in (0, window_ms = {self.window_ms}], got {self.hop_ms}")
        if not 0 < self.off_factor <= self.on_factor:
            raise ConfigError(f"off_factor must lie in (0, on_factor = {self.on_factor}], got {self.off_factor}")
        if not 0 < 2 * self.min_token_ms <= self.max_token_ms:
            raise ConfigError(f"max_token_ms must be at least twice min_token_ms, got {self.max_token_ms}")
        if not 0 < self.rest_percentile <= 100:
            raise ConfigError(f"rest_percentile must lie in (0, 100], got {self.rest_percentile}")
        if self.sentence_tokens < 1:
            raise ConfigError(f"sentence_tokens must be at least 1, got {self.sentence_tokens}")


@dataclass(frozen=True)
class FrameGrid:
    """The configuration in samples and frames at one rate: a frame starts every `hop` samples, spans `blocks` hops."""

    rate_hz: float
    hop: int
    blocks: int
    min_event: int
    close_gap: int
    min_token: int
    max_token: int

    @staticmethod
    def of(config: TokenizerConfig, rate_hz: float) -> FrameGrid:
        """The grid at `rate_hz`; min_event, close_gap, min_token and max_token are counted in frames.

        Raises:
            ConfigError: a hop is shorter than one sample.
        """
        hop = round(config.hop_ms * rate_hz / 1000.0)
        if hop < 1:
            raise ConfigError(f"hop_ms = {config.hop_ms} is less than one sample at {rate_hz} Hz")

        def frames(ms: float) -> int:
            return max(1, round(ms * rate_hz / 1000.0 / hop))

        return FrameGrid(
            rate_hz,
            hop,
            max(1, frames(config.window_ms)),
            frames(config.min_event_ms),
            round(config.close_gap_ms * rate_hz / 1000.0 / hop),
            frames(config.min_token_ms),
            frames(config.max_token_ms),
        )

    @property
    def lead(self) -> int:
        """Frames between a frame's start and the time it stands for: one block behind its centre, because a burst lifts a
        frame over the threshold before it fills half of it."""
        return min(self.blocks // 2 + 1, self.blocks - 1)

    @property
    def max_samples(self) -> int:
        """Length of the longest token in samples."""
        return self.max_token * self.hop
