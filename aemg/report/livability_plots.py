"""The plots of a livability report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aemg.report.draw import MUTED, SERIES, canvas, columns_of, drawable, legend, svg, tidy
from aemg.report.methods import finite, part

Methods = Mapping[str, Mapping[str, Any]]
_SIZE_IN: Final = (5.2, 3.5)


def names_of(methods: Methods) -> dict[str, str]:
    """How methods are called on a page."""
    return {m: "AEMG" if m == "aemg" else m for m in methods}


def false_plot(methods: Methods, threshold: float | None) -> str:
    """False activations an hour over the threshold: rest in full, transition dashed."""
    figure, axes = _start(methods, lines=2)
    for colour, (name, one) in zip(SERIES, _named(methods)):
        for region, style in (("rest", "-"), ("transition", "--")):
            _line(axes, one, ("false_per_hour", region), f"{name}, {region}", colour, style)
    axes.set_ylim(bottom=0)
    return _done(figure, axes, "false activations an hour", threshold, "False activations an hour over the threshold")


def found_plot(methods: Methods, threshold: float | None) -> str:
    """Share of the movements that are noticed, and named rightly, over the threshold."""
    figure, axes = _start(methods, lines=2)
    for colour, (name, one) in zip(SERIES, _named(methods)):
        for key, style in (("noticed", "--"), ("named", "-")):
            _line(axes, one, (f"{key}_share",), f"{name}, {key}", colour, style, 100.0)
    axes.set_ylim(0, 102)
    return _done(figure, axes, "movements, %", threshold, "Movements noticed and named over the threshold")


def rejection_plot(methods: Methods) -> str:
    """Accuracy of the surest windows over their share of all."""
    figure, axes = _start(methods)
    for colour, (name, one) in zip(SERIES, _named(methods)):
        curve = part(one, "rejection")
        if curve:
            accuracy = [100 * a for a in curve["accuracy"]]
            axes.plot([100 * c for c in curve["coverage"]], accuracy, color=colour, lw=1.8, label=drawable(name))
    axes.set_xlim(0, 100)
    axes.set_ylim(top=101)
    axes.set_xlabel("coverage: the surest windows, %")
    return _finish(figure, axes, "accuracy, %", "Accuracy against coverage")


def latency_plot(methods: Methods, onset: str) -> str:
    """Share of the movements noticed within a time from the onset; named rightly in thin lines."""
    figure, axes = _start(methods, lines=2)
    for colour, (name, one) in zip(SERIES, _named(methods)):
        for event, width in (("noticed", 1.9), ("named", 0.9)):
            latency = part(one, "latency", f"{event}_{onset}")
            came, count = latency.get("came_s") or [], latency.get("count") or 0
            if came:
                share = [100 * (i + 1) / count for i in range(len(came))]
                axes.step(came, share, where="post", color=colour, lw=width, label=f"{drawable(name)}, {event}")
    axes.set_ylim(0, 102)
    axes.axvline(0.0, color=MUTED, lw=1, ls=":")
    axes.set_xlabel("seconds from " + ("the labelled start" if onset == "label" else "the start of the contraction"))
    return _finish(figure, axes, "movements, %", f"Latency from {onset}")


def reliability_plot(methods: Methods) -> str:
    """Accuracy over confidence, tempered in full and as given dashed; dots grow with the number of windows."""
    figure, axes = _start(methods, lines=2)
    axes.plot([0, 100], [0, 100], color=MUTED, lw=1, ls=":")
    for colour, (name, one) in zip(SERIES, _named(methods)):
        for when, style in (("before", "--"), ("after", "-")):
            bins = part(one, "calibration", when).get("bins") or []
            if not bins:
                continue
            x, y = [100 * b["confidence"] for b in bins], [100 * b["accuracy"] for b in bins]
            said = f"{drawable(name)}, {'as given' if when == 'before' else 'tempered'}"
            axes.plot(x, y, style, color=colour, lw=1.0 if when == "before" else 1.7, label=said)
            if when == "after" or not part(one, "calibration").get("after"):
                total = sum(b["count"] for b in bins)
                axes.scatter(x, y, s=[8 + 160 * b["count"] / total for b in bins], color=colour, zorder=3, alpha=0.7, lw=0)
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 102)
    axes.set_xlabel("confidence, %")
    return _finish(figure, axes, "accuracy, %", "Reliability diagram")


def _named(methods: Methods) -> Sequence[tuple[str, Mapping[str, Any]]]:
    return [(name, methods[m]) for m, name in names_of(methods).items()]


def _start(methods: Methods, lines: int = 1) -> tuple[Figure, Axes]:
    columns = columns_of([f"{name}, as given" for name in names_of(methods).values()], _SIZE_IN[0])
    figure = canvas(_SIZE_IN[0], _SIZE_IN[1] + 0.2 * -(-lines * len(methods) // columns))
    axes = figure.add_subplot()
    tidy(axes)
    return figure, axes


def _line(
    axes: Axes,
    one: Mapping[str, Any],
    path: tuple[str, ...],
    name: str,
    colour: str,
    style: str,
    scale: float = 1.0,
) -> None:
    """What lies at a path of the rows, over the thresholds; nothing where it is not known."""
    rows = one.get("by_threshold") or []
    points = [(row["threshold"], finite(part(row, *path[:-1]).get(path[-1]))) for row in rows]
    known = [(x, scale * y) for x, y in points if y is not None]
    if known:
        axes.plot([x for x, _ in known], [y for _, y in known], style, color=colour, lw=1.7, label=drawable(name))


def _done(figure: Figure, axes: Axes, ylabel: str, threshold: float | None, label: str) -> str:
    axes.set_xlabel("threshold on the confidence")
    axes.set_xlim(0, 1)
    if threshold is not None:
        axes.axvline(threshold, color=MUTED, lw=1, ls=":")
    return _finish(figure, axes, ylabel, label)


def _finish(figure: Figure, axes: Axes, ylabel: str, label: str) -> str:
    axes.set_ylabel(ylabel)
    names = axes.get_legend_handles_labels()[1]
    if names:
        legend(figure, loc="outside upper left", ncols=columns_of(names, _SIZE_IN[0]))
    return svg(figure, label)
