"""What a continuous decoder says over time, and the activations that a device driven by it would make.

Letters: T decisions, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aemg.config import STRICT
from aemg.errors import AEMGError, ConfigError
from aemg.evaluation.livability.calibration import tempered
from aemg.tokenizer.contraction import REST

_ROUNDING_S = 1e-6  # times are not exact


@dataclass(frozen=True)
class ActivationConfig:
    """When decisions become an activation.

    Args:
        threshold: least probability of the class that is decided.
        hold_s: for so long the same class must be decided at or above the threshold; 0 takes a single decision.
        release_s: an activation ends when its class was not decided for longer than this, whatever its probability; before,
            it does not fire again.
    """

    __pydantic_config__ = STRICT
    threshold: float = 0.5
    hold_s: float = 0.25
    release_s: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ConfigError(f"activation.threshold must lie in [0, 1], got {self.threshold}")
        if self.hold_s < 0 or self.release_s < 0:
            raise ConfigError(f"activation.hold_s and release_s must not be negative, got {self.hold_s} and {self.release_s}")


@dataclass(frozen=True)
class DecisionStream:
    """A decoder's output over one recording.

    Args:
        time_s: (T,) when each decision is known, in seconds from the recording's first sample; rising.
        log_proba: (T, K) log-probabilities, each row up to a constant.
        labels: names of the K classes, `rest` among them where the decoder knows rest.

    Raises:
        AEMGError: shapes that do not fit, values that are not finite, times that do not rise.
    """

    time_s: NDArray[np.float64]
    log_proba: NDArray[np.float32]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.time_s.ndim != 1 or self.log_proba.shape != (len(self.time_s), len(self.labels)):
            wanted = f"({len(self.time_s)}, {len(self.labels)})"
            raise AEMGError(f"log_proba must be (decisions, classes) = {wanted}, got {self.log_proba.shape}")
        if not (np.isfinite(self.time_s).all() and np.isfinite(self.log_proba).all()):
            raise AEMGError("times and log-probabilities must be finite")
        if (np.diff(self.time_s) <= 0).any():
            raise AEMGError("the times of decisions must rise")

    @property
    def decision(self) -> NDArray[np.int64]:
        """(T,) the most probable class."""
        return np.asarray(self.log_proba.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """(T,) its probability."""
        return np.asarray(np.exp(tempered(self.log_proba, 1.0)).max(axis=1, initial=0.0))

    def tempered(self, temperature: float) -> DecisionStream:
        """The same decisions with their log-probabilities divided by a temperature."""
        return replace(self, log_proba=tempered(self.log_proba, temperature).astype(np.float32))


@dataclass(frozen=True)
class Activation:
    """A class that is switched on.

    Args:
        time_s: when it is, the end of the time it was held for.
    """

    label: str
    time_s: float


def activations_of(stream: DecisionStream, config: ActivationConfig) -> list[Activation]:
    """The activations of all classes but rest, in order of time.

    A class's decisions, with pauses of up to `release_s` bridged, are one episode, whatever their probabilities; an episode
    activates once at most, at the first decision that completes `hold_s` of unbroken decisions for the class at or above the
    threshold. So a higher threshold never gives more activations.
    """
    decision, sure = stream.decision, stream.confidence >= config.threshold - 1e-9
    found = []
    for k, label in enumerate(stream.labels):
        if label == REST:
            continue
        at = np.flatnonzero(decision == k)
        if not len(at):
            continue
        pauses = np.diff(stream.time_s[at]) > config.release_s + _ROUNDING_S
        steps = np.diff(at) > 1
        episode = np.zeros(len(decision), np.int64)
        episode[at] = np.concatenate([[0], np.cumsum(pauses & steps)])
        done: set[int] = set()
        for first, last in _runs((decision == k) & sure):
            held = stream.time_s[first:last] - stream.time_s[first] >= config.hold_s - _ROUNDING_S
            if held.any() and int(episode[first]) not in done:
                done.add(int(episode[first]))
                found.append(Activation(label, float(stream.time_s[first + int(held.argmax())])))
    return sorted(found, key=lambda activation: (activation.time_s, activation.label))


def _runs(mask: NDArray[np.bool_]) -> Sequence[tuple[int, int]]:
    """First and last (exclusive) index of every run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return list(zip(edges[0::2].tolist(), edges[1::2].tolist()))
