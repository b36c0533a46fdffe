"""The plots of a benchmark's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from aemg.report.benchmark_group import OWN_FAMILY, Compared, Row
from aemg.report.draw import GRID, INK, MUTED, SERIES, canvas, drawable, legend, svg, tidy
from aemg.report.page import number

_PANELS_A_ROW: Final = 3
_WIDE_IN: Final = 11.0
_LINE_IN: Final = 0.23
_LEGEND_ROW_IN: Final = 0.2
_MARKERS: Final = "osD^vPX<>"


def people_plot(group: Compared) -> str:
    """A dot a person, method and set; the bar is the mean with its interval. Methods from the best to the worst mean."""
    entries = group.by_mean
    across = min(_PANELS_A_ROW, len(group.columns))
    down = -(-len(group.columns) // across)
    width_in = _WIDE_IN if across > 1 else 7.5
    figure = canvas(width_in, down * (0.85 + _LINE_IN * len(entries)))
    panels: Any = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    lowest = 1.0
    for i, axes in enumerate(panels.flat):
        if i >= len(group.columns):
            axes.set_visible(False)
            continue
        column = group.columns[i]
        tidy(axes, grid="x")
        for row, entry in enumerate(entries):
            cell = group.cell(str(entry["id"]), str(column["id"]))
            if cell:
                lowest = min([lowest, *cell["people"].values()])
                _strip(axes, row, cell, _colour(entry))
        axes.set_title(f"{_wrapped(str(column['id']))} ({column['people']})", fontsize=9)
        axes.set_ylim(len(entries) - 0.4, -0.6)
        if i + across >= len(group.columns):
            axes.tick_params(labelbottom=True)
            axes.set_xlabel(f"{group.title.lower()}, %")
    panels[0, 0].set_yticks(range(len(entries)), [drawable(str(entry["id"])) for entry in entries])
    panels[0, 0].set_xlim(100 * lowest - 3, 101)
    return svg(figure, f"{group.title} of every person by method and set")


def _strip(axes: Axes, row: int, cell: Row, colour: str) -> None:
    values = 100 * np.array(list(cell["people"].values()))
    shifts = 0.26 * np.sin(2.4 * np.arange(len(values)))  # so that equal values stay apart
    axes.plot(values, row + shifts, "o", color=colour, ms=2.6, mew=0, alpha=0.5)
    low, high = cell["ci95"]
    axes.plot([100 * low, 100 * high], [row, row], color=INK, lw=1.3, zorder=3)
    axes.plot([100 * cell["mean"]], [row], "|", color=INK, ms=10, mew=2, zorder=3)


def _colour(entry: Row) -> str:
    return {OWN_FAMILY: SERIES[0], "random-init": SERIES[1]}.get(str(entry["family"]), MUTED)


def _wrapped(name: str, letters: int = 34) -> str:
    return drawable(name if len(name) <= letters else f"{name[: letters - 1]}…")


def forest_plot(group: Compared, reference: str) -> str:
    """The reference less every other method: over the sets with its interval, and small, each set by itself."""
    found = [(entry, group.versus(reference, str(entry["id"]))) for entry in group.entries]
    compared = sorted(((e, c) for e, c in found if c), key=lambda pair: pair[1]["difference"])
    figure = canvas(_WIDE_IN, 0.75 + 0.3 * len(compared))
    axes: Any = figure.add_subplot()
    tidy(axes, grid="x")
    axes.axvline(0, color=MUTED, lw=1.1)
    for row, (_, comparison) in enumerate(compared):
        low, high = (100 * bound for bound in comparison["ci95"])
        colour = SERIES[0] if low > 0 else SERIES[8] if high < 0 else INK
        if len(comparison["sets"]) > 1:
            singles = [100 * one["difference"] for one in comparison["sets"]]
            axes.plot(singles, [row + 0.22] * len(singles), "o", mfc="none", mec=MUTED, mew=0.9, ms=3.6)
        axes.plot([low, high], [row, row], color=colour, lw=2)
        axes.plot([100 * comparison["difference"]], [row], "s", color=colour, ms=6)
    names = [f"{drawable(str(e['id']))}{'' if c['same_target_data'] else ' ≠'}" for e, c in compared]
    axes.set_yticks(range(len(compared)), names)
    axes.set_ylim(len(compared) - 0.45, -0.6)
    beside: Any = axes.twinx()
    tidy(beside, grid=None)
    numbers = [f"{number(c['effect'], 2)}, p {p_equals(c['p_holm'])}, n = {c['people']}" for _, c in compared]
    beside.set_yticks(range(len(compared)), numbers)
    beside.set_ylim(axes.get_ylim())
    axes.set_xlabel(f"{drawable(reference)} less the other, points of {group.title.lower()}")
    return svg(figure, f"Paired differences between {reference} and every other method")


def p_text(p: float) -> str:
    """A p-value in few letters."""
    return number(p, 3) if p >= 0.001 else "< 0.001"


def p_equals(p: float) -> str:
    """The same with its sign, as after "p"."""
    return f"= {p_text(p)}" if p >= 0.001 else p_text(p)


@dataclass(frozen=True)
class Point:
    """A point of a curve, with its interval; shares."""

    x: float
    mean: float
    low: float
    high: float


def few_shot_plot(curves: Mapping[str, Sequence[Point]], own: str | None, unit: str) -> str:
    """Accuracy over the labelled data of the person, from the zero-shot point on; the band is the own method's interval."""
    figure, axes = _curves(curves, own)
    if own is not None and own in curves:
        axes.axhline(100 * curves[own][0].mean, color=SERIES[0], lw=0.9, ls=":")
    known = sorted({point.x for points in curves.values() for point in points})
    axes.set_xticks(known, [f"{x:g}" for x in known])
    axes.set_xlabel(f"labelled data of the person, {unit} (0: zero-shot)")
    return svg(figure, "Window accuracy over the labelled data of the person")


def sources_plot(curves: Mapping[str, Sequence[Point]], own: str | None, ticks: Mapping[float, str]) -> str:
    """Accuracy over the number of people trained on, logarithmic; the band is the own method's interval.

    Args:
        ticks: names of the points, by their places.
    """
    figure, axes = _curves(curves, own)
    axes.set_xscale("log", base=2)
    axes.minorticks_off()
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.set_xlabel("people trained on, logarithmic")
    return svg(figure, "Window accuracy over the number of people trained on")


def _curves(curves: Mapping[str, Sequence[Point]], own: str | None) -> tuple[Figure, Axes]:
    """A line a method, with the own method's interval."""
    figure = canvas(10.0, max(3.6, 0.6 + _LEGEND_ROW_IN * len(curves)))
    axes = figure.add_subplot()
    tidy(axes)
    for i, (name, points) in enumerate(curves.items()):
        x, y = [point.x for point in points], [100 * point.mean for point in points]
        look = {"lw": 2.4, "ms": 6, "zorder": 4} if name == own else {"lw": 1.2, "ms": 4.5, "mfc": "none"}
        colour = SERIES[0] if name == own else SERIES[1 + i % (len(SERIES) - 1)]
        axes.plot(x, y, f"{_MARKERS[i % len(_MARKERS)]}-", color=colour, label=drawable(name), **look)
        if name == own:
            axes.fill_between(x, [100 * p.low for p in points], [100 * p.high for p in points], color=colour, alpha=0.15, lw=0)
    axes.set_ylabel("window accuracy, %")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    legend(figure, loc="outside right upper")
    return figure, axes


def device_plot(pairs: Mapping[str, Sequence[tuple[str, float, float]]], own: str | None) -> str:
    """For each tested set, a line a method from the accuracy after training on the same device to that on the other."""
    names = [name for name, *_ in max(pairs.values(), key=len)]
    figure = canvas(_WIDE_IN, 1.15 + _LINE_IN * 1.1 * len(names))
    panels: Any = figure.subplots(1, len(pairs), sharex=True, sharey=True, squeeze=False)
    for axes, (column, methods) in zip(panels.flat, pairs.items()):
        tidy(axes, grid="x")
        for name, same, cross in methods:
            row, colour = names.index(name), SERIES[0] if name == own else MUTED
            axes.plot([100 * same, 100 * cross], [row, row], color=colour if name == own else GRID, lw=2.2, zorder=2)
            axes.plot([100 * same], [row], "o", mfc="none", mec=colour, mew=1.5, ms=6.5, zorder=3)
            axes.plot([100 * cross], [row], "o", color=colour, ms=6.5, zorder=3)
        axes.set_title(f"tested on {drawable(column)}", fontsize=9)
        axes.set_xlabel("window accuracy, %")
    panels[0, 0].set_yticks(range(len(names)), [drawable(name) for name in names])
    panels[0, 0].set_ylim(len(names) - 0.4, -0.6)
    return svg(figure, "Accuracy under the same and under another device, by method")
