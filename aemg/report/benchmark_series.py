"""The parts of a benchmark's page that lay protocols beside each other: few-shot points, and devices."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.significance import interval
from aemg.report.benchmark_group import Compared, Row, name_of
from aemg.report.benchmark_plots import Point, device_plot, few_shot_plot
from aemg.report.page import figure, number, percent, table, text

CROSS, SAME = "cross-device", "same-device"
_FEW_SHOT: Final = re.compile(r"fewshot-(k?)(\d+(?:\.\d+)?)")
_UNITS: Final = {"percent": "percent of the trials", "repetitions": "repetitions of every movement"}
Series = dict[float, Compared]


def series_of(protocol: str) -> tuple[str, float] | None:
    """The few-shot series that a protocol is a point of, and where: percent of the trials, or repetitions."""
    found = _FEW_SHOT.fullmatch(protocol)
    return ("repetitions" if found[1] else "percent", float(found[2])) if found else None


def few_shot_section(groups: Sequence[Compared]) -> str:
    """Curves from the zero-shot point on, a table, and where a curve falls below its start; empty without few-shot points.

    Args:
        groups: of window accuracy.
    """
    points = [(found, g) for g in groups if (found := series_of(g.protocol)) and g.context == "window" and not g.user_dependent]
    start = next((g for (_, x), g in points if x == 0), None)
    parts = []
    for unit in _UNITS:
        series: Series = {0.0: start} if start else {}
        series.update({x: g for (kind, x), g in sorted(points, key=lambda p: p[0]) if kind == unit and x > 0})
        if len(series) > 1 or (series and not start):
            parts.append(_series(series, _UNITS[unit]))
    if not parts:
        return ""
    lead = (
        "All points of a curve are tested on the same last repetitions. At 0 stands the model for unknown people, before it saw "
        "anything with a label."
    )
    missing = "" if start else '<blockquote class="warning">The zero-shot point was not run.</blockquote>'
    return f"<h2>Few-shot</h2><p>{lead}</p>{missing}" + "\n".join(parts)


def _series(series: Series, unit: str) -> str:
    own = next((g.reference for g in series.values() if g.reference), None)
    names = dict.fromkeys(name_of(entry) for group in series.values() for entry in group.ordered)
    rows = {name: {x: entry for x, g in series.items() if (entry := _named(g, name))} for name in names}
    curves = {name: _points(entries) for name, entries in rows.items()}
    lines = [[text(name), *(_start_and(entries, x) for x in series)] for name, entries in rows.items()]
    heads = ["Mean over sets", *(_point_name(x, unit) for x in series)]
    drawn = {name: points for name, points in curves.items() if points}
    picture = few_shot_plot(drawn, own, unit) if drawn else ""
    caption = "Mean over sets; the band is the 95 % interval, dotted the zero-shot point, of the own method."
    tables = f"<div>{table(heads, lines, own=0 if own else None)}</div>"
    if own is not None:
        tables += f"<div>{_by_set(series, own, unit)}</div>"
    shown = figure(picture, caption) if picture else ""
    said = '<p class="note"><span class="bad">▼</span> marks what lies below its zero-shot point.</p>'
    return f'<h3>By {unit}</h3>{shown}<div class="row">{tables}</div>{said}{_unequal(series)}'


def _named(group: Compared, name: str) -> Row:
    return next((entry for entry in group.entries if name_of(entry) == name), {})


def _points(entries: Mapping[float, Row]) -> list[Point]:
    return [Point(x, e["mean"], *e["ci95"]) for x, e in entries.items() if e["mean"] is not None]


def _point_name(x: float, unit: str) -> str:
    return "zero-shot" if x == 0 else f"{x:g} %" if unit.startswith("percent") else f"{x:g} rep."


def _start_and(entries: Mapping[float, Row], x: float) -> str:
    """A cell that says when it lies below the zero-shot one."""
    start, mean = entries.get(0.0, {}).get("mean"), entries.get(x, {}).get("mean")
    return _below(mean, start)


def _below(mean: float | None, start: float | None) -> str:
    if mean is not None and start is not None and mean < start:
        return f'<span class="bad" title="below the zero-shot point">▼ {percent(mean)}</span>'
    return percent(mean)


def _by_set(series: Series, own: str, unit: str) -> str:
    sets = dict.fromkeys(str(column["id"]) for group in series.values() for column in group.columns)
    rows = []
    for name in sets:
        means = {x: g.cell(str(_named(g, own).get("id")), name).get("mean") for x, g in series.items()}
        rows.append([text(name), *(_below(means[x], means.get(0.0)) for x in series)])
    return table([f"{text(own)} by set", *(_point_name(x, unit) for x in series)], rows)


def _unequal(series: Series) -> str:
    tested = {x: frozenset(str(column["id"]) for column in group.columns) for x, group in series.items()}
    if len(set(tested.values())) == 1:
        return ""
    most = max(tested.values(), key=len)
    lacking = ", ".join(f"{x:g} ({', '.join(sorted(most - sets))})" for x, sets in tested.items() if sets != most)
    return f'<blockquote class="warning">Points without some of the sets, so not of the same mean: {text(lacking)}.</blockquote>'


def device_section(groups: Sequence[Compared]) -> str:
    """Training on the other device beside training on the same one, person by person; empty where either was not run.

    Args:
        groups: of window accuracy.
    """
    found = {g.protocol: g for g in groups if g.context == "window" and not g.user_dependent}
    cross, same = found.get(CROSS), found.get(SAME)
    if cross is None or same is None:
        return ""
    pairs: dict[str, list[tuple[str, float, float]]] = {}
    heads, cells = ["Method"], {name_of(entry): [text(name_of(entry))] for entry in cross.ordered}
    for column in cross.columns:
        where = str(column["set"])
        heads += [f"{text(where)}<small>trained on {text(device)}</small>" for device in (where, column["source"])]
        heads.append("Difference")
        for name, line in cells.items():
            both = _both(cross, same, name, column)  # (people, 2)
            if len(both):
                pairs.setdefault(where, []).append((name, float(both[:, 0].mean()), float(both[:, 1].mean())))
            line += _device_cells(both)
    if not pairs:
        return ""
    caption = "Ring: trained on the same device; dot: trained on the other one. The people tested are in neither training."
    lead = "Devices worn at the same time. Other people are trained on; the same people, data and kind of features are tested."
    picture = figure(device_plot(pairs, cross.reference), caption)
    note = '<p class="note">Window accuracy in percent; differences in points, with the 95 % bootstrap interval over people.</p>'
    own = 0 if cross.reference else None
    return f"<h2>Cross-device</h2><p>{lead}</p>{picture}{table(heads, cells.values(), own=own)}{note}"


def _both(cross: Compared, same: Compared, name: str, column: Row) -> NDArray[np.float64]:
    """(people, 2) values after training on the same and on the other device, of those who have both."""
    beside = next((str(c["id"]) for c in same.columns if c["set"] == column["set"]), "")
    other = cross.cell(str(_named(cross, name).get("id")), str(column["id"])).get("people", {})
    own = same.cell(str(_named(same, name).get("id")), beside).get("people", {})
    return np.array([[own[person], other[person]] for person in other if person in own]).reshape(-1, 2)


def _device_cells(both: NDArray[np.float64]) -> list[str]:
    if not len(both):
        return ["–"] * 3
    difference = both[:, 1:] - both[:, :1]
    low, high = interval(difference)
    spread = f"<small>{number(low[0], 1, 100.0)} to {number(high[0], 1, 100.0)}</small>"
    return [*map(percent, both.mean(axis=0).tolist()), f"{number(float(difference.mean()), 1, 100.0)}{spread}"]
