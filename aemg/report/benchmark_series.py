"""The parts of a benchmark's page that lay protocols beside each other: few-shot points, people trained on, and devices."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.significance import interval
from aemg.report.benchmark_group import Compared, Row, name_of
from aemg.report.benchmark_plots import Point, device_plot, few_shot_plot, sources_plot
from aemg.report.page import figure, number, percent, table, text

CROSS, SAME = "cross-device", "same-device"
EVERYONE: Final = "loso-transductive"
_FROM: Final = re.compile(r"loso-from-(\d+)")
_FEW_SHOT: Final = re.compile(r"fewshot-(k?)(\d+(?:\.\d+)?)")
_UNITS: Final = {"percent": "percent of the trials", "repetitions": "repetitions of every movement"}
Series = dict[float, Compared]
Curves = Mapping[str, Sequence[Point]]


def is_point(protocol: str) -> bool:
    """Whether a section of this module shows the protocol as a point of a curve, whose own section may be folded away."""
    return series_of(protocol) is not None or _FROM.fullmatch(protocol) is not None


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
            parts.append(_few_shot(series, _UNITS[unit]))
    if not parts:
        return ""
    lead = (
        "All points of a curve are tested on the same last repetitions. At 0 stands the model for unknown people, before it saw "
        "anything with a label."
    )
    missing = "" if start else '<blockquote class="warning">The zero-shot point was not run.</blockquote>'
    return f"<h2>Few-shot</h2><p>{lead}</p>{missing}" + "\n".join(parts)


def _few_shot(series: Series, unit: str) -> str:
    heads = {x: _point_name(x, unit) for x in series}
    caption = "Mean over sets; the band is the 95 % interval, dotted the zero-shot point, of the own method."
    shown = _series(series, heads, partial(few_shot_plot, unit=unit), caption)
    said = '<p class="note"><span class="bad">▼</span> marks what lies below its zero-shot point.</p>'
    return f"<h3>By {unit}</h3>{shown}{said}{_unequal(series, heads)}"


def people_section(groups: Sequence[Compared]) -> str:
    """Curves over the number of people trained on, and a table; empty where none of these protocols was run.

    Args:
        groups: of window accuracy.
    """
    run = {g.protocol: g for g in groups if g.context == "window" and not g.user_dependent}
    series: Series = dict(sorted((float(found[1]), g) for name, g in run.items() if (found := _FROM.fullmatch(name))))
    if not series:
        return ""
    heads = {x: f"{x:g} {'person' if x == 1 else 'people'}" for x in series}
    ticks = {x: f"{x:g}" for x in series}
    if EVERYONE in run:
        everyone = 2 * max(series)
        series[everyone], heads[everyone], ticks[everyone] = run[EVERYONE], "all others", "all"
    caption = "Mean over sets; the band is the 95 % interval of the own method. All: everyone else of the set, however many."
    lead = (
        "How many people must be recorded before a decoder works on the next one. Each point is trained on so many of the set's "
        "other people, a larger number on the same ones and more. All of the tested person's signal is seen without labels, and "
        "every point is tested on the same trials. An encoder that was pre-trained on others of the set has seen more people "
        "than these; the rows' certificates tell."
    )
    shown = _series(series, heads, partial(sources_plot, ticks=ticks), caption)
    return f"<h2>People to train on</h2><p>{lead}</p>{shown}{_unequal(series, heads)}"


def _series(series: Series, heads: Mapping[float, str], plot: Callable[[Curves, str | None], str], caption: str) -> str:
    """The curves, a table of the means over sets, and one of the own method's set by set.

    Args:
        heads: of the tables' columns, by point.
        plot: draws methods' curves, of which the second argument names the own one.
    """
    own = next((g.reference for g in series.values() if g.reference), None)
    names = dict.fromkeys(name_of(entry) for group in series.values() for entry in group.ordered)
    rows = {name: {x: entry for x, g in series.items() if (entry := _named(g, name))} for name in names}
    curves = {name: _points(entries) for name, entries in rows.items()}
    lines = [[text(name), *(_start_and(entries, x) for x in series)] for name, entries in rows.items()]
    drawn = {name: points for name, points in curves.items() if points}
    tables = f"<div>{table(['Mean over sets', *heads.values()], lines, own=0 if own else None)}</div>"
    if own is not None:
        tables += f"<div>{_by_set(series, own, heads)}</div>"
    shown = figure(plot(drawn, own), caption) if drawn else ""
    return f'{shown}<div class="row">{tables}</div>'


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


def _by_set(series: Series, own: str, heads: Mapping[float, str]) -> str:
    sets = dict.fromkeys(str(column["id"]) for group in series.values() for column in group.columns)
    rows = []
    for name in sets:
        means = {x: g.cell(str(_named(g, own).get("id")), name).get("mean") for x, g in series.items()}
        rows.append([text(name), *(_below(means[x], means.get(0.0)) for x in series)])
    return table([f"{text(own)} by set", *heads.values()], rows)


def _unequal(series: Series, heads: Mapping[float, str]) -> str:
    tested = {x: frozenset(str(column["id"]) for column in group.columns) for x, group in series.items()}
    if len(set(tested.values())) == 1:
        return ""
    most = max(tested.values(), key=len)
    lacking = ", ".join(f"{heads[x]} ({', '.join(sorted(most - sets))})" for x, sets in tested.items() if sets != most)
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
