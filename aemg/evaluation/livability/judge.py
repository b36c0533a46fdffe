"""Activations against the truth: right, repeated or false; how late movements are noticed and named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from aemg.evaluation.livability.stream import Activation
from aemg.evaluation.livability.truth import REGIONS, Region, Truth, TruthConfig, regions_of


@dataclass(frozen=True)
class Detection:
    """What became of one movement.

    Args:
        start_s: of its label.
        emg_onset_s: where the muscle begins to work, None where that is not known.
        noticed_s: its first activation, of any class.
        named_s: its first activation of the right class.
        begins: its begin lies in the recording.
    """

    label: str
    start_s: float
    emg_onset_s: float | None
    noticed_s: float | None
    named_s: float | None
    begins: bool = True


@dataclass(frozen=True)
class Judged:
    """A recording's activations, judged; those of several recordings add up.

    Args:
        false: activations that no movement asked for, by where they fell; in `movement`, those of another class.
        hours: of each region.
        right: first activations of a movement's class.
        repeated: further ones of the same movement.
    """

    false: dict[Region, int]
    hours: dict[Region, float]
    right: int
    repeated: int
    detections: tuple[Detection, ...]

    def __add__(self, other: Judged) -> Judged:
        return Judged(
            {r: self.false[r] + other.false[r] for r in REGIONS},
            {r: self.hours[r] + other.hours[r] for r in REGIONS},
            self.right + other.right,
            self.repeated + other.repeated,
            self.detections + other.detections,
        )

    @property
    def activations(self) -> int:
        """All of them."""
        return sum(self.false.values()) + self.right + self.repeated

    def per_hour(self, region: Region) -> float:
        """False activations an hour of a region; NaN where there is none of it."""
        return self.false[region] / self.hours[region] if self.hours[region] else float("nan")


NOTHING = Judged(dict.fromkeys(REGIONS, 0), dict.fromkeys(REGIONS, 0.0), 0, 0, ())


def judge(activations: Sequence[Activation], truth: Truth, config: TruthConfig) -> Judged:
    """Judges the activations of one recording.

    An activation is right in the span (`Truth.spans`) of a movement of its class; it answers the first such movement that has
    no answer yet. A movement is noticed by the first activation in that span that answers no
    other movement. An activation that began before does not count for it: nothing new was said.
    """
    regions, movements = regions_of(truth, config), truth.movements
    spans = truth.spans(config)
    answers: dict[int, int] = {}  # activation -> movement
    named: dict[int, float] = {}
    false = dict.fromkeys(REGIONS, 0)
    repeated = 0
    for a, activation in enumerate(activations):
        fits = [
            m
            for m, (first, last) in enumerate(spans)
            if movements[m].label == activation.label and first <= activation.time_s <= last
        ]
        open_ = [m for m in fits if m not in named]
        if open_:
            answers[a], named[open_[0]] = open_[0], activation.time_s
        elif fits:
            answers[a] = fits[-1]
            repeated += 1
        else:
            false[regions.at(activation.time_s)] += 1
    detections = tuple(
        Detection(
            movement.label,
            movement.start_s,
            truth.emg_onset_s.get(m),
            next(
                (
                    x.time_s
                    for a, x in enumerate(activations)
                    if spans[m][0] <= x.time_s <= spans[m][1] and answers.get(a, m) == m
                ),
                None,
            ),
            named.get(m),
            truth.begins(movement),
        )
        for m, movement in enumerate(movements)
    )
    return Judged(false, {r: regions.hours(r) for r in REGIONS}, len(named), repeated, detections)


def latencies(detections: Sequence[Detection], event: str, onset: str) -> list[float | None]:
    """Seconds from an onset to an event, None for a movement that has no such event; movements without the onset are left out.

    Args:
        event: `noticed` or `named`.
        onset: `label`, the labelled start, or `emg`.
    """
    found: list[float | None] = []
    for d in detections:
        start = d.start_s if onset == "label" else d.emg_onset_s
        if start is not None:
            at = d.noticed_s if event == "noticed" else d.named_s
            found.append(None if at is None else at - start)
    return found


def latency_summary(values: Sequence[float | None]) -> dict[str, float | int | None]:
    """Median and 90th percentile of what came, in seconds, and the share that never did; None without any value."""
    came = [v for v in values if v is not None]
    return {
        "count": len(values),
        "missed_share": 1 - len(came) / len(values) if values else None,
        "median_s": float(np.median(came)) if came else None,
        "p90_s": float(np.percentile(came, 90)) if came else None,
    }
