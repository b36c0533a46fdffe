"""What a measurement of realism says: summaries, findings beside the literature, comparisons with recordings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.realism.literature import Range

Floats = NDArray[np.float64]
Verdict = Literal["in range", "partly", "out of range"]


@dataclass(frozen=True)
class Summary:
    """Median, 5th and 95th percentile of n values; NaN for none."""

    median: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Floats | Sequence[float]) -> Summary:
        """Of all finite values."""
        finite = np.asarray(values, dtype=np.float64)
        finite = finite[np.isfinite(finite)]
        if not len(finite):
            return cls(math.nan, math.nan, math.nan, 0)
        low, median, high = (float(q) for q in np.percentile(finite, [5, 50, 95]))
        return cls(median, low, high, len(finite))


@dataclass(frozen=True)
class Finding:
    """A measured quantity beside its published range."""

    section: str
    range: Range
    measured: Summary
    of: str
    verdict: Verdict


@dataclass(frozen=True)
class Comparison:
    """A quantity of simulated people beside the same of the people of a real set, measured alike."""

    key: str
    quantity: str
    unit: str
    device: str
    real_set: str
    simulated: Summary
    real: Summary
    verdict: Verdict


@dataclass(frozen=True)
class Realism:
    """All that was measured.

    Args:
        curves: what pictures need, as plain JSON: "rates", "rms", "ring", "spectra", "patterns".
        notes: on what was left out, and why.
    """

    people: int
    seed: int
    findings: tuple[Finding, ...]
    comparisons: tuple[Comparison, ...]
    curves: dict[str, Any]
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As plain JSON; numbers that are not finite become null."""
        made: dict[str, Any] = _plain(asdict(self))
        return made


def judge(measured_values: Summary, low: float, high: float) -> Verdict:
    """"in range" where the 5th and the 95th percentile lie within, "partly" where only the median does."""
    if low <= measured_values.low and measured_values.high <= high:
        return "in range"
    return "partly" if low <= measured_values.median <= high else "out of range"


def finding(section: str, published: Range, values: Floats, of: str) -> Finding:
    """The summary of values beside a published range."""
    summary = Summary.of(values)
    return Finding(section, published, summary, of, judge(summary, published.low, published.high))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
