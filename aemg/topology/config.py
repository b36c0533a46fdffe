"""Settings of the unified space."""

from __future__ import annotations

from dataclasses import dataclass

from aemg.config import STRICT


@dataclass(frozen=True)
class SpaceConfig:
    """The unified space that a model works in.

    Args:
        rate_hz: 200 for the method's own setting; 1000 and 2000 keep what lies above 100 Hz.
        highpass_hz: causal, at the source's rate; null for none.
        mains_hz: 50 or 60 for notches; null for none.
    """

    __pydantic_config__ = STRICT
    rate_hz: float = 200.0
    highpass_hz: float | None = 20.0
    mains_hz: float | None = None
