"""Activations by name, so that settings stay plain text."""

from __future__ import annotations

from torch import nn

from aemg.errors import ConfigError

NAMES = ("ELU", "GELU", "Hardswish", "Identity", "LeakyReLU", "Mish", "ReLU", "SELU", "SiLU", "Sigmoid", "Softplus", "Tanh")


def activation(name: str) -> nn.Module:
    """A fresh activation, the class of that name in `torch.nn`.

    Raises:
        ConfigError: none of `NAMES`.
    """
    if name not in NAMES:
        raise ConfigError(f"an activation is one of {', '.join(NAMES)}, got {name!r}")
    made: nn.Module = getattr(nn, name)()
    return made


__all__ = ["NAMES", "activation"]
