"""What one person's decoded sessions come to, as plain values.

Letters: W windows, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.livability.calibration import brier, calibration_error, log_loss, reliability, tempered
from aemg.evaluation.livability.config import LivabilityConfig
from aemg.evaluation.livability.judge import NOTHING, Judged, judge, latencies, latency_summary
from aemg.evaluation.livability.rejection import point_at, rejection_curve
from aemg.evaluation.livability.stream import DecisionStream, activations_of
from aemg.evaluation.livability.truth import REGIONS, Truth

COVERAGE = tuple(round(0.05 * i, 2) for i in range(1, 21))
ONSETS = (("noticed", "label"), ("noticed", "emg"), ("named", "label"), ("named", "emg"))


@dataclass(frozen=True)
class Decoded:
    """A session after decoding.

    Args:
        streams, truths: one of each a recording.
        log_proba: (W, K) of all its windows, without the gate's decision.
        labels: (W,) the true class, -1 where a window does not lie wholly in one labelled interval.
        is_open: (W,) False where the gate says rest.
    """

    name: str
    streams: Sequence[DecisionStream]
    truths: Sequence[Truth]
    log_proba: NDArray[np.float32]
    labels: NDArray[np.int64]
    is_open: NDArray[np.bool_]

    def tempered(self, temperature: float) -> Decoded:
        """The same at another temperature; a gate's decisions stay certain enough."""
        streams = [s.tempered(temperature) for s in self.streams]
        return replace(self, streams=streams, log_proba=tempered(self.log_proba, temperature).astype(np.float32))

    @property
    def window_accuracy(self) -> float | None:
        """Share of labelled windows that are decided rightly; those where the gate is closed are not."""
        labelled = self.labels >= 0
        if not labelled.any():
            return None
        return float(((self.log_proba.argmax(1) == self.labels) & self.is_open)[labelled].mean())


def judged(sessions: Sequence[Decoded], config: LivabilityConfig, threshold: float | None = None) -> Judged:
    """All recordings' activations, judged, at the settings' threshold or another."""
    activation = config.activation if threshold is None else replace(config.activation, threshold=threshold)
    pairs = [(stream, truth) for s in sessions for stream, truth in zip(s.streams, s.truths)]
    return sum((judge(activations_of(stream, activation), truth, config.truth) for stream, truth in pairs), NOTHING)


def activity(found: Judged) -> dict[str, Any]:
    """False activations by region, what became of the movements, and all latencies in seconds (None for a movement missed)."""
    return {
        "false": dict(found.false),
        "hours": dict(found.hours),
        "activations": found.activations,
        "right": found.right,
        "repeated": found.repeated,
        "movements": len(found.detections),
        "begins": sum(d.begins for d in found.detections),
        "latencies": {f"{event}_{onset}": latencies(found.detections, event, onset) for event, onset in ONSETS},
    }


def by_threshold(sessions: Sequence[Decoded], config: LivabilityConfig) -> list[dict[str, Any]]:
    """Counts at each threshold of the curves."""
    confidence, correct = _decisions(sessions)
    rows = []
    for threshold in config.thresholds:
        found = judged(sessions, config, threshold)
        coverage, accuracy = point_at(confidence, correct, threshold)
        rows.append(
            {
                "threshold": threshold,
                "false": dict(found.false),
                "movements": len(found.detections),
                "noticed": sum(d.noticed_s is not None for d in found.detections),
                "named": sum(d.named_s is not None for d in found.detections),
                "median_latency_s": latency_summary(latencies(found.detections, "noticed", "label"))["median_s"],
                "coverage": coverage,
                "accuracy": accuracy,
            }
        )
    return rows


def rejection(sessions: Sequence[Decoded]) -> dict[str, Any] | None:
    """Accuracy at each of `COVERAGE`, and the area under the curve; None without a labelled window."""
    confidence, correct = _decisions(sessions)
    if not len(confidence):
        return None
    curve = rejection_curve(confidence, correct)
    return {"area": curve.area, "coverage": list(COVERAGE), "accuracy": curve.at_coverage(np.array(COVERAGE)).tolist()}


def calibration(sessions: Sequence[Decoded], bins: int) -> dict[str, Any] | None:
    """Calibration errors, scores and the reliability diagram over labelled windows; None without one."""
    chosen = [(s.labels >= 0) & s.is_open for s in sessions]
    log_proba = np.concatenate([s.log_proba[c] for s, c in zip(sessions, chosen)])
    labels = np.concatenate([s.labels[c] for s, c in zip(sessions, chosen)])
    confidence, correct = _decisions(sessions)
    if not len(labels):
        return None
    diagram = reliability(confidence, correct, bins=bins)
    return {
        "ece": calibration_error(diagram),
        "adaptive_ece": calibration_error(reliability(confidence, correct, bins=bins, by="mass")),
        "brier": brier(log_proba, labels),
        "log_loss": log_loss(log_proba, labels),
        "decisions": len(labels),
        "width": bins,
        "bins": [asdict(b) for b in diagram],
    }


def donning(session: Decoded, config: LivabilityConfig) -> dict[str, Any]:
    """What is compared between donnings."""
    found = judged([session], config)
    named = latency_summary(latencies(found.detections, "named", "label"))
    return {
        "window_accuracy": session.window_accuracy,
        "false": sum(found.false.values()),
        "hours": sum(found.hours[r] for r in REGIONS),
        "movements": len(found.detections),
        "named": found.right,
        "median_named_s": named["median_s"],
    }


def _decisions(sessions: Sequence[Decoded]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Confidence and rightness of the decisions on labelled windows where the gate is open."""
    confidence, correct = [np.zeros(0)], [np.zeros(0, bool)]
    for session in sessions:
        chosen = (session.labels >= 0) & session.is_open
        rows = tempered(session.log_proba[chosen], 1.0)
        confidence.append(np.exp(rows).max(axis=1, initial=0.0))
        correct.append(rows.argmax(axis=1) == session.labels[chosen])
    return np.concatenate(confidence), np.concatenate(correct)
