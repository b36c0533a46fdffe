"""Figures of tested stretches, and their sums over users: plain values for report.json.

CLER and the wrist's error are means over stretches, each weighing the same; other figures are of all stretches together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aemg.neuromotor.angles import degrees_per_second
from aemg.neuromotor.cler import EventCounts, confusion_matrix
from aemg.neuromotor.error_rate import EditCounts
from aemg.neuromotor.events import GESTURES

MISSED, NO_LABEL = "missed", "no label"


@dataclass(frozen=True)
class Moments:
    """Sums over steps: n, x, y, x^2, y^2, x y of the decoded (x) and the measured (y) value."""

    sums: tuple[float, ...] = (0.0,) * 6

    def __add__(self, other: Moments) -> Moments:
        return Moments(tuple(a + b for a, b in zip(self.sums, other.sums)))

    @property
    def correlation(self) -> float:
        """Pearson's; NaN where a side does not vary."""
        n, x, y, xx, yy, xy = self.sums
        variances = (n * xx - x * x) * (n * yy - y * y)
        return (n * xy - x * y) / math.sqrt(variances) if variances > 0 else float("nan")


@dataclass(frozen=True)
class Stretch:
    """What was tested at once: an interval of gestures or wrist, a prompt of handwriting.

    Args:
        rows: [start, end) in the file.
        shape: of the EMG (channels, samples), padding included.
        emg_sum, emg_abs_sum: of all its values, to compare data pipelines by.
        outputs: of the network.
    """

    user: str
    dataset: str
    rows: tuple[int, int]
    shape: tuple[int, int]
    emg_sum: float
    emg_abs_sum: float
    outputs: int

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in Stretch.__dataclass_fields__}


@dataclass(frozen=True)
class GestureResult(Stretch):
    """Figures of an interval; the loss is that of training, NaN where it was not asked for."""

    cler: float = float("nan")
    counts: EventCounts = field(default_factory=EventCounts)
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values."""
        return {**super().facts, "cler": self.cler}

    @staticmethod
    def figures(results: Sequence[GestureResult], *, whole: bool = True) -> dict[str, Any]:
        """Of several intervals; `whole` adds the confusion."""
        counts = sum((result.counts for result in results), EventCounts())
        total = counts.total
        found = {
            "cler": float(np.mean([result.cler for result in results])) if results else float("nan"),
            "misses_per_min": counts.misses_per_minute,
            "false_positives_per_min": counts.false_positives_per_minute,
            "median_latency_s": counts.median_latency_s,
            "labels": total.hits + total.confusions + total.misses,
            "events": total.hits + total.confusions + total.false_positives,
            "misses": total.misses,
            "false_positives": total.false_positives,
            "ruled_out": total.ruled_out,
            "minutes": counts.minutes,
            "intervals": len(results),
            "classes": {
                name: {
                    "labels": of.hits + of.confusions + of.misses,
                    "correct": of.hits,
                    "confused": of.confusions,
                    "missed": of.misses,
                    "false_positives": of.false_positives,
                    "ruled_out": of.ruled_out,
                }
                for name, of in counts.gestures.items()
            },
        }
        if whole:
            alone = [counts.gestures[name].false_positives if name in counts.gestures else 0 for name in GESTURES]
            table = [*confusion_matrix(counts.confusion).tolist(), [*alone, 0]]
            found["confusion"] = {"labels": [*GESTURES, NO_LABEL], "predicted": [*GESTURES, MISSED], "counts": table}
        return found


@dataclass(frozen=True)
class WristResult(Stretch):
    """Figures of an interval: mean absolute errors of the decoder, and of one that says "at rest", in radians a step."""

    error: float = float("nan")
    zero_error: float = float("nan")
    stride: int = 40
    minutes: float = 0.0
    moments: Moments = field(default_factory=Moments)
    example: dict[str, Any] = field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values."""
        return {**super().facts, "mae_deg_s": degrees_per_second(self.error, self.stride)}

    @staticmethod
    def figures(results: Sequence[WristResult], *, whole: bool = True) -> dict[str, Any]:
        """Of several intervals."""
        del whole

        def mean(name: str) -> float:
            values = [degrees_per_second(getattr(result, name), result.stride) for result in results]
            return float(np.mean(values)) if values else float("nan")

        return {
            "mae_deg_s": mean("error"),
            "zero_mae_deg_s": mean("zero_error"),
            "correlation": sum((result.moments for result in results), Moments()).correlation,
            "minutes": sum(result.minutes for result in results),
            "intervals": len(results),
        }


@dataclass(frozen=True)
class TextResult(Stretch):
    """A prompt and what was read."""

    target: str = ""
    prediction: str = ""
    edits: EditCounts = field(default_factory=EditCounts)

    @property
    def example(self) -> dict[str, Any]:
        """For the report."""
        return {"user": self.user, "dataset": self.dataset, "target": self.target, "prediction": self.prediction}

    @property
    def facts(self) -> dict[str, Any]:
        """Plain values."""
        return {**super().facts, "target": self.target, "prediction": self.prediction, "edits": self.edits.edits}

    @staticmethod
    def figures(results: Sequence[TextResult], *, whole: bool = True) -> dict[str, Any]:
        """Of several prompts, in percent of their characters."""
        del whole
        edits = sum((result.edits for result in results), EditCounts())
        characters = edits.target_characters or float("nan")
        return {
            "cer": 100 * edits.edits / characters,
            "insertions": 100 * edits.insertions / characters,
            "deletions": 100 * edits.deletions / characters,
            "substitutions": 100 * edits.substitutions / characters,
            "characters": edits.target_characters,
            "prompts": len(results),
        }


Result = GestureResult | WristResult | TextResult
HEADLINES = {"discrete_gestures": "cler", "handwriting": "cer", "wrist": "mae_deg_s"}


def figures_of(results: Sequence[Any], *, whole: bool = True) -> dict[str, Any]:
    """The figures of results of one kind; none for none."""
    return type(results[0]).figures(results, whole=whole) if results else {}


def by_user(results: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """The figures of each user, with the number of their datasets."""
    users: dict[str, list[Any]] = {}
    for result in results:
        users.setdefault(result.user, []).append(result)
    return {
        user: {"datasets": len({result.dataset for result in users[user]}), **figures_of(users[user], whole=False)}
        for user in sorted(users)
    }
