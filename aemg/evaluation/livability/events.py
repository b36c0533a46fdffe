"""The same questions for decoders of discrete events, whose truth is instants: false positives an hour, latency, misses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from aemg.evaluation.livability.stream import ActivationConfig, DecisionStream, activations_of
from aemg.neuromotor.cler import TOLERANCE_S, classification_error, event_counts
from aemg.neuromotor.events import Event


@dataclass(frozen=True)
class EventLivability:
    """How a decoder of events does over a stretch of time.

    Args:
        events, labels: how many there are in the stretch.
        false_per_hour: events that answer no label.
        missed_share: labels without an answer, None without labels.
        wrong_share: of the answered labels, those answered by another name; None without answers.
        cler: the same as a mean over names.
        median_s, p90_s: from a label to its answer; None without answers.
    """

    events: int
    labels: int
    hours: float
    false_per_hour: float
    missed_share: float | None
    wrong_share: float | None
    cler: float
    median_s: float | None
    p90_s: float | None


def event_livability(
    events: Sequence[Event],
    labels: Sequence[Event],
    interval_s: tuple[float, float],
    tolerance_s: tuple[float, float] = TOLERANCE_S,
) -> EventLivability:
    """Events (name, seconds) against labels, paired as CLER pairs them (`aemg.neuromotor.cler`).

    Args:
        interval_s: begin and end of the time that was decoded.
        tolerance_s: an event may answer a label from so much before (negative) to so much after it.

    Raises:
        AEMGError: entries that are not (name, finite time), an interval or tolerance that ends before it begins.
    """
    counts = event_counts(events, labels, tolerance_s, interval_s)
    total = counts.total
    answered = total.hits + total.confusions
    came = total.latencies_s
    return EventLivability(
        answered + total.false_positives,
        answered + total.misses,
        counts.minutes / 60,
        60 * counts.false_positives_per_minute,
        total.misses / (answered + total.misses) if answered + total.misses else None,
        total.confusions / answered if answered else None,
        classification_error(counts.confusion),
        float(np.median(came)) if came else None,
        float(np.percentile(came, 90)) if came else None,
    )


def event_curve(
    decode: Callable[[float], Sequence[Event]],
    thresholds: Sequence[float],
    labels: Sequence[Event],
    interval_s: tuple[float, float],
    tolerance_s: tuple[float, float] = TOLERANCE_S,
) -> list[EventLivability]:
    """`event_livability` for each threshold.

    Args:
        decode: the events at a threshold, e.g. `lambda t: decode_events(probabilities, times_s, t)` with
            `aemg.neuromotor.decode_events`, or `lambda t: events_of(stream, ActivationConfig(t))`.
    """
    return [event_livability(decode(threshold), labels, interval_s, tolerance_s) for threshold in thresholds]


def events_of(stream: DecisionStream, config: ActivationConfig) -> list[Event]:
    """A stream's activations as events."""
    return [(a.label, a.time_s) for a in activations_of(stream, config)]
