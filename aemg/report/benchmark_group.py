"""A group of a benchmark's statistics, looked up by method and column."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from aemg.report.methods import METRICS, part

Row = Mapping[str, Any]

PRIMARY: Final = "window_accuracy"
OWN_FAMILY: Final = "aemg"
_NAMES: Final = {**METRICS, "balanced_accuracy": "Balanced accuracy"}


def metric_name(metric: str) -> str:
    """A metric in words."""
    return _NAMES.get(metric) or metric.replace("_", " ").capitalize()


class Compared:
    """What may be compared with each other: one protocol, version, metric and context, user-dependent or not.

    Args:
        values: a group of `aemg.evaluation.statistics.statistics`.
    """

    def __init__(self, values: Row) -> None:
        self.protocol = str(values["protocol"])
        self.version = values["version"]
        self.metric = str(values["metric"])
        self.context = str(values["context"])
        self.user_dependent = bool(values["user_dependent"])
        self.entries: list[Row] = list(values["entries"])
        self.columns: list[Row] = list(values["columns"])
        self.comparisons: list[Row] = list(values["comparisons"])
        self.ranking: Row | None = values["ranking"]
        self.notes: list[str] = list(values["notes"])
        self._cells = {(cell["entry"], cell["column"]): cell for cell in values["cells"]}

    @cached_property
    def reference(self) -> str | None:
        """The method that the others are compared with: our own, adapted where it is; else none."""
        own = [str(e["id"]) for e in self.entries if e["family"] == OWN_FAMILY]
        return next((name for name in own if "-adapted" in name), own[0] if own else None)

    @property
    def ordered(self) -> list[Row]:
        """The entries, the reference first."""
        return sorted(self.entries, key=lambda entry: entry["id"] != self.reference)

    @property
    def title(self) -> str:
        """The metric, and what it decides on where that is more than a window."""
        context = "" if self.context == "window" else f", context: {self.context}"
        return f"{metric_name(self.metric)}{context}"

    def cell(self, entry: str, column: str) -> Row:
        """A method's values in a column; empty where it was not tested."""
        return part(self._cells.get((entry, column)))

    def people_of(self, entry: str | None = None) -> int:
        """How many people a method, or any, was tested on; the same ones of several sets count once."""
        crowds = {column["id"]: column["crowd"] for column in self.columns}
        tested = [(crowds[c], cell) for (name, c), cell in self._cells.items() if entry in (None, name)]
        return len({(crowd, person) for crowd, cell in tested for person in cell["people"]})

    @cached_property
    def by_mean(self) -> list[Row]:
        """The entries from the best to the worst mean over the sets; those without one last, by the mean of what they have."""

        def key(entry: Row) -> tuple[bool, float]:
            known = [cell["mean"] for (name, _), cell in self._cells.items() if name == entry["id"]]
            return entry["mean"] is None, -(sum(known) / len(known))

        return sorted(self.entries, key=key)

    def versus(self, ours: str, other: str) -> dict[str, Any]:
        """The comparison of two methods, differences being ours less the other's; empty where there is none."""
        for comparison in self.comparisons:
            if (comparison["a"], comparison["b"]) == (ours, other):
                return dict(comparison)
            if (comparison["a"], comparison["b"]) == (other, ours):
                turned = {"a": ours, "b": other, "sets": [_turned(one) for one in comparison["sets"]]}
                return {**_turned(comparison), **turned}
        return {}

    def versus_in(self, ours: str, other: str, column: str) -> dict[str, Any]:
        """The same within one column."""
        found = self.versus(ours, other).get("sets", ())
        return next((dict(one) for one in found if one["column"] == column), {})


def _turned(one: Row) -> dict[str, Any]:
    low, high = one["ci95"]
    effect = one["effect"]
    return {
        **one,
        "difference": -one["difference"],
        "ci95": [-high, -low],
        "effect": None if effect is None else -effect,
    }


def name_of(entry: Row) -> str:
    """A method's name across protocols: what it saw of the target is the protocol's matter."""
    return str(entry["id"]).split(" [")[0]


def sets_of(group: Compared) -> list[str]:
    """Target sets, in order."""
    return list(dict.fromkeys(str(column["set"]) for column in group.columns))
