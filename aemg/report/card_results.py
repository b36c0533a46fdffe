"""Results, as the JSON files of the project's commands hold them, as the part of a model's card that tells them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from aemg.errors import AEMGError, DataFileError
from aemg.report.markdown import markdown_table, plain

_METRICS = ("window_accuracy", "trial_accuracy")
_MOST_FIGURES = 40


def results_of(files: Sequence[str | Path]) -> str:
    """The section on results, a part a file in the order given; empty without files. Accuracies are in percent.

    Raises:
        DataFileError: no JSON, or one without any figure.
    """
    parts = [_part(Path(file)) for file in files]
    return "## Results\n\n" + "\n".join(parts) if parts else ""


def _part(file: Path) -> str:
    try:
        found = json.loads(file.read_text())
        if not isinstance(found, dict):
            raise DataFileError(file, "a result (a JSON object)", type(found).__name__)
        body = next((tell(found) for form, tell in _FORMS if form(found)), None) or _figures(file, found)
        statement = found.get("certificate", {}).get("statement", "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, AEMGError):
            raise
        raise DataFileError(file, "a result of one of the project's commands", repr(error)) from error
    heading = f"### {found.get('title', file.stem)}"
    command = f"`{found['command']}`" if found.get("command") else ""
    return "\n\n".join(part for part in (heading, statement, body, command) if part) + "\n"


def _probe(found: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(method for one in found["sets"].values() for method in one["methods"]))
    rows = []
    for name, one in found["sets"].items():
        seen = "yes" if one["seen"]["set"] or one["seen"]["people"] or one["seen"]["files"] else "no"
        cells = [_accuracy(one["methods"].get(m, {}).get("window_accuracy")) for m in names]
        tests = [f"{_points(v['difference'])} (p {plain(v['p_value'])})" for v in one["versus"].values()]
        rows.append((name, one["people"], seen, *cells, *tests))
    against = list(next(iter(found["sets"].values()))["versus"])
    heads = ("set", "people", "seen in training", *names, *(f"{found['method']} less {other}" for other in against))
    return f"{markdown_table(heads, rows)}\n\n{found['note']}"


def _evaluation(found: Mapping[str, Any]) -> str:
    parts = []
    for metric in _METRICS:
        rows = []
        for name, one in found["sets"].items():
            methods = {"aemg": one["zero_shot"], **one.get("controls", {})}
            rows.append((name, {m: values[metric] for m, values in methods.items() if metric in values}))
        names = list(dict.fromkeys(m for _, values in rows for m in values))
        table = markdown_table(("set", *names), [(s, *(_accuracy(v.get(m)) for m in names)) for s, v in rows])
        parts.append(f"{metric.replace('_', ' ')}:\n\n{table}")
    return "\n\n".join(parts)


def _benchmark(report: Mapping[str, Any]) -> str:
    """Window accuracy, mean over people; a person's is the mean over seeds and sessions."""
    tables: dict[str, dict[tuple[str, str], dict[str, dict[str, list[float]]]]] = {}
    for row in report["rows"]:
        table = tables.setdefault(f"{row['protocol']}, a window's context: {row.get('context', 'window')}", {})
        marks = [mark for mark in ("registered", "user_dependent") if row.get(mark)]
        method = (", ".join([row["method"], *marks]).replace("_", "-"), row["target_data"])
        source = row.get("source", row["set"])
        place = row["set"] if source == row["set"] else f"{row['set']}, trained on {source}"
        people = table.setdefault(method, {}).setdefault(place, {})
        people.setdefault(str(row["person"]), []).append(row["metrics"]["window_accuracy"])
    parts = []
    for name, table in tables.items():
        places = list(dict.fromkeys(place for of_method in table.values() for place in of_method))
        rows = [(*method, *(_percent(_mean_of(found.get(place, {}))) for place in places)) for method, found in table.items()]
        parts.append(f"{name}:\n\n{markdown_table(('method', 'sees of the target', *places), rows)}")
    return "\n\n".join(parts)


def _figures(file: Path, found: Mapping[str, Any]) -> str:
    """Any other result: its words and figures, and a table for each list of rows."""
    figures = [(name, plain(value)) for name, value in _leaves(found)]
    tables = {key: value for key, value in found.items() if isinstance(value, list) and value and isinstance(value[0], dict)}
    if not tables and not any(isinstance(value, int | float) for _, value in _leaves(found)):
        raise DataFileError(file, "a result with figures", "none")
    parts = [markdown_table(("figure", "value"), figures[:_MOST_FIGURES])] if figures else []
    if len(figures) > _MOST_FIGURES:
        parts.append(f"{len(figures) - _MOST_FIGURES} more in `{file.name}`.")
    for key, rows in tables.items():
        heads = list(dict.fromkeys(name for row in rows for name in row))
        parts.append(f"{key}:\n\n{markdown_table(heads, [[plain(row.get(name)) for name in heads] for row in rows])}")
    return "\n\n".join(parts)


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float | str]]:
    """Figures and words of nested groups by `group.key`; settings and versions are left out."""
    for key, value in values.items():
        if key in ("title", "command", "config", "versions", "certificate", "settings"):
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        elif isinstance(value, int | float | str) and not isinstance(value, bool):
            yield f"{prefix}{key}", value


def _accuracy(metric: Mapping[str, Any] | None) -> str:
    if not metric:
        return "–"
    low, high = metric["ci95"]
    return f"{_percent(metric['mean'])} ({_percent(low)} to {_percent(high)})"


def _mean_of(people: Mapping[str, Sequence[float]]) -> float | None:
    return fmean(fmean(values) for values in people.values()) if people else None


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f}"


def _points(difference: float) -> str:
    return f"{difference * 100:+.1f}"


_FORMS: tuple[tuple[Callable[[Mapping[str, Any]], bool], Callable[[Mapping[str, Any]], str]], ...] = (
    (lambda found: found.get("kind") == "linear-probe", _probe),
    (lambda found: "rows" in found and "protocols" in found, _benchmark),
    (lambda found: "sets" in found and all("zero_shot" in one for one in found["sets"].values()), _evaluation),
)
