"""Settings of a livability evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from aemg.config import STRICT
from aemg.errors import ConfigError
from aemg.evaluation.config import CommonConfig
from aemg.evaluation.livability.calibration import BINS
from aemg.evaluation.livability.stream import ActivationConfig
from aemg.evaluation.livability.truth import TruthConfig

Method = Literal["aemg", "td-lda-registered"]
METHODS: tuple[Method, ...] = ("aemg", "td-lda-registered")
_GRID = (*(round(0.05 * i, 2) for i in range(20)), 0.99)


@dataclass(frozen=True)
class StreamingConfig:
    """How a recording is decoded: a 250 ms window every 125 ms, from what has been seen by then.

    Args:
        context_windows: how many windows before, 125 ms apart, the network sees together with a window; 0 for the window alone.
        wait_s: from a window's end to its decision. The more, the more contractions within the window are complete for the
            network; classical features need none. It is part of every latency.
    """

    __pydantic_config__ = STRICT
    context_windows: int = 2
    wait_s: float = 0.0

    def __post_init__(self) -> None:
        if self.context_windows < 0 or self.wait_s < 0:
            given = f"{self.context_windows} and {self.wait_s}"
            raise ConfigError(f"decoding.context_windows and wait_s must not be negative, got {given}")


@dataclass(frozen=True)
class CalibrationConfig:
    """How probabilities are judged and mended.

    Args:
        bins: of the calibration errors and the reliability diagram.
        share: of the source people (one at least, never all) whom a first classifier is not trained on and whose windows the
            temperature is fitted to; the tested classifier is trained on all of them. 0 for no temperature.
    """

    __pydantic_config__ = STRICT
    bins: int = BINS
    share: float = 0.2

    def __post_init__(self) -> None:
        if self.bins < 1 or not 0 <= self.share < 1:
            raise ConfigError(f"calibration needs bins >= 1 and share in [0, 1), got {self.bins} and {self.share}")


@dataclass(frozen=True)
class LivabilityConfig(CommonConfig):
    """Leave one subject out, and decode the whole recordings of that one.

    Args:
        registration: bring every session to one frame, the test subject's from unlabelled signal.
        methods: `aemg`, the network; `td-lda-registered`, time-domain features by slot with linear discriminant analysis.
        thresholds: on the confidence, for the curves.
        max_folds: stop after so many people a set, to try a configuration.
        adaptation, self_training, fewshot: not used; a device is not told where movements begin and end.
    """

    output: Path = Path("runs/livability")
    registration: bool = True
    methods: tuple[Method, ...] = METHODS
    decoding: StreamingConfig = field(default_factory=StreamingConfig)
    activation: ActivationConfig = field(default_factory=ActivationConfig)
    truth: TruthConfig = field(default_factory=TruthConfig)
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    thresholds: tuple[float, ...] = _GRID
    max_folds: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.methods:
            raise ConfigError(f"methods needs at least one of {', '.join(METHODS)}")
        if not self.thresholds or list(self.thresholds) != sorted(set(self.thresholds)):
            raise ConfigError(f"thresholds must rise, got {list(self.thresholds)}")
        if not all(0 <= t <= 1 for t in self.thresholds):
            raise ConfigError(f"thresholds must lie in [0, 1], got {list(self.thresholds)}")
