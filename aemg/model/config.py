"""Sizes and settings of the network, and the ready-made ones."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from aemg.config import STRICT
from aemg.errors import ConfigError
from aemg.tokenizer import TokenizerConfig
from aemg.tokenizer.config import FrameGrid
from aemg.topology import SpaceConfig


@dataclass(frozen=True)
class NetworkConfig:
    """The neuro-syntax transformer (NST) with its codebook.

    Args:
        width, layers, heads, head_width, mlp_width, dropout: of the transformer.
        kernel: samples of the first convolution at 200 Hz; scaled with the rate.
        sigma_condition: whether the model sees the amplitudes that the z-score takes away.
        codes, code_width: entries of the codebook and their width.
        decoder_layers: of the decoder that reconstructs tokens from codes.
        commitment: weight of the encoder commitment.
        decay: of the codebook's exponential moving average.
        restart_below: a code used less than this (moving average of hits a step) is replaced; 0 for never.
    """

    __pydantic_config__ = STRICT
    width: int = 256
    layers: int = 6
    heads: int = 8
    head_width: int = 64
    mlp_width: int = 1024
    dropout: float = 0.1
    kernel: int = 9
    sigma_condition: bool = True
    codes: int = 8192
    code_width: int = 32
    decoder_layers: int = 2
    commitment: float = 0.25
    decay: float = 0.95
    restart_below: float = 0.02

    def __post_init__(self) -> None:
        if self.width % 8:
            raise ConfigError(f"width must be a multiple of 8, got {self.width}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")


Size = Literal["tiny", "base", "large"]

SIZES: dict[str, NetworkConfig] = {
    "tiny": NetworkConfig(width=64, layers=3, heads=4, head_width=16, mlp_width=128),
    "base": NetworkConfig(),
    "large": NetworkConfig(width=512, layers=12, heads=16, head_width=64, mlp_width=2048),
}


@dataclass(frozen=True)
class AEMGConfig:
    """All that a model needs to take a recording: space, tokenizer, network."""

    __pydantic_config__ = STRICT
    space: SpaceConfig = field(default_factory=SpaceConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    network: NetworkConfig = field(default_factory=NetworkConfig)

    @property
    def token_samples(self) -> int:
        """Length of the longest token at the unified rate."""
        return FrameGrid.of(self.tokenizer, self.space.rate_hz).max_samples
