"""Names, looks and order of the methods that a report compares."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aemg.report.draw import SERIES

OWN = "AEMG"
METRICS = {
    "window_accuracy": "Window accuracy",
    "trial_accuracy": "Trial accuracy",
    "window_accuracy_isolated": "Accuracy on isolated windows",
}
_FAMILIES = {"random-init": SERIES[1], "td-lda": SERIES[2], "tangent-lr": SERIES[3]}
_OTHERS = (SERIES[4], SERIES[5], SERIES[6], SERIES[8], SERIES[7])
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")


@dataclass(frozen=True)
class Look:
    """How a method is drawn: colour by family, marker by variant."""

    colour: str
    marker: str


def looks(controls: list[str]) -> dict[str, Look]:
    """A look for each control, the same for the same list of names."""
    seen: dict[str, int] = {}
    found = {}
    for name in controls:
        family = next((f for f in _FAMILIES if name.startswith(f)), name)
        colour = _FAMILIES.get(family) or _OTHERS[len([f for f in seen if f not in _FAMILIES]) % len(_OTHERS)]
        found[name] = Look(colour, _MARKERS[seen.get(family, 0) % len(_MARKERS)])
        seen[family] = seen.get(family, 0) + 1
    return found


def controls_of(sets: Mapping[str, Any]) -> list[str]:
    """The controls of all sets, in the order of their first appearance."""
    return list(dict.fromkeys(name for one in sets.values() for name in part(one, "controls")))


def part(value: Any, *keys: str) -> dict[str, Any]:
    """The mapping at a path of keys; an empty one where anything of it is missing."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return dict(value) if isinstance(value, Mapping) else {}


def mean_of(metric: Mapping[str, Any]) -> float | None:
    """The mean of a metric, None where it is missing or not finite."""
    return finite(metric.get("mean"))


def interval_of(metric: Mapping[str, Any]) -> tuple[float, float] | None:
    """The 95 % interval of a metric."""
    bounds = metric.get("ci95")
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        return None
    low, high = finite(bounds[0]), finite(bounds[1])
    return None if low is None or high is None else (low, high)


def per_subject(metric: Mapping[str, Any]) -> dict[str, float]:
    """Finite values by subject."""
    values = {str(s): finite(v) for s, v in part(metric, "per_subject").items()}
    return {s: v for s, v in values.items() if v is not None}


def finite(value: object) -> float | None:
    """A number as float; None for anything else, also for NaN and infinity."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
