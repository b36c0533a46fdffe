"""The plots of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from aemg.report.draw import GRID, INK, MUTED, SERIES, canvas, columns_of, legend, svg, tidy
from aemg.report.methods import OWN, interval_of, looks, mean_of, part

_LEGEND_ROW_IN = 0.2
_FEW_LETTERS = 4  # longer names of subjects are turned


def plain(name: object) -> str:
    """A name that matplotlib does not take for a formula."""
    return str(name).replace("$", r"\$")


def accuracy_plot(own: Mapping[str, float], others: Mapping[str, Mapping[str, float]], guess: float | None) -> str:
    """A dot a subject and method, subjects sorted by AEMG's accuracy (or by the first control's)."""
    by = own or next(iter(others.values()))
    everyone = dict.fromkeys(s for values in (own, *others.values()) for s in values)
    subjects = sorted(everyone, key=lambda s: (by.get(s, 2.0), s))
    width_in = min(10.5, max(7.0, 1.8 + 0.36 * len(subjects)))
    columns = columns_of([OWN, *others], width_in)
    figure = canvas(width_in, 3.9 + _LEGEND_ROW_IN * -(-(1 + len(others)) // columns))
    axes = figure.add_subplot()
    tidy(axes)
    place = {subject: i for i, subject in enumerate(subjects)}
    if own:
        shown = [s for s in subjects if s in own]
        x, y = [float(place[s]) for s in shown], [100 * own[s] for s in shown]
        axes.plot(x, y, "-", color=SERIES[0], lw=1.1, alpha=0.5, zorder=3)
        axes.plot(x, y, "o", color=SERIES[0], ms=8, label=OWN, zorder=4)
    for (name, look), shift in zip(looks(list(others)).items(), _spread(len(others))):
        x = [place[s] + shift for s in others[name]]
        y = [100 * v for v in others[name].values()]
        axes.plot(x, y, look.marker, color=look.colour, mfc="none", ms=5, mew=1.2, label=plain(name))
    if guess:
        axes.axhline(100 * guess, color=MUTED, lw=1, ls=":")
    turned = max(len(s) for s in subjects) > _FEW_LETTERS
    axes.set_xticks(range(len(subjects)), [plain(s) for s in subjects], rotation=90 if turned else 0)
    axes.set_xlim(-0.6, len(subjects) - 0.4)
    axes.set_xlabel("subject")
    axes.set_ylabel("window accuracy, %")
    lowest = min([v for values in (own, *others.values()) for v in values.values()] + ([guess] if guess else []))
    axes.set_ylim(max(0.0, 100 * lowest - 6), 101.5)
    legend(figure, loc="outside upper left", ncols=columns, handletextpad=0.2, columnspacing=1.2)
    return svg(figure, "Window accuracy by subject and method")


def _spread(n: int) -> list[float]:
    """Small steps aside, so that dots of equal height stay apart."""
    return [float(x) for x in np.linspace(-0.24, 0.24, n)] if n > 1 else [0.0]


def few_shot_plot(curves: Mapping[str, Mapping[float, dict[str, Any]]]) -> str:
    """Accuracy over the labelled share of the target's data, with bands."""
    columns = columns_of(curves, 5.6)
    figure = canvas(5.6, 3.3 + _LEGEND_ROW_IN * -(-len(curves) // columns))
    axes = figure.add_subplot()
    tidy(axes)
    for i, (name, curve) in enumerate(curves.items()):
        _curve(axes, name, curve, SERIES[i % len(SERIES)], own=name == OWN)
    fractions = sorted({f for curve in curves.values() for f in curve})
    axes.set_xticks([100 * f for f in fractions], [f"{100 * f:g}" for f in fractions])
    axes.set_xlabel("labelled target data, % (0: zero-shot)")
    axes.set_ylabel("window accuracy, %")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    legend(figure, loc="outside upper left", ncols=columns)
    return svg(figure, "Window accuracy over the share of labelled target data")


def _curve(axes: Axes, name: str, curve: Mapping[float, dict[str, Any]], colour: str, *, own: bool) -> None:
    metrics = {f: part(value, "window_accuracy") for f, value in curve.items()}
    known = {f: m for f, m in metrics.items() if mean_of(m) is not None}
    x = [100 * f for f in known]
    y = [100 * (mean_of(m) or 0.0) for m in known.values()]
    axes.plot(x, y, "o-" if own else "s--", color=colour, lw=2.2 if own else 1.5, ms=6, label=plain(name), zorder=3)
    bands = [(100 * f, interval_of(m)) for f, m in known.items()]
    whole = [(at, band) for at, band in bands if band is not None]
    if whole:
        low, high = [100 * band[0] for _, band in whole], [100 * band[1] for _, band in whole]
        axes.fill_between([at for at, _ in whole], low, high, color=colour, alpha=0.16, lw=0)
    if own and 0.0 in known:
        axes.axhline(y[x.index(0.0)], color=colour, lw=0.8, ls=":")


def codes_plot(counts: Sequence[float], perplexity: float | None) -> str:
    """Use of each code, the most used first, on a logarithmic scale."""
    use = np.sort(np.asarray(counts, float))[::-1]
    used = use[use > 0]
    figure = canvas(7.2, 2.9)
    axes = figure.add_subplot()
    tidy(axes)
    if len(used):
        axes.fill_between(np.arange(1, len(used) + 1), used, 0.5, step="mid", color=SERIES[0], alpha=0.25, lw=0)
        axes.step(np.arange(1, len(used) + 1), used, where="mid", color=SERIES[0], lw=1.6)
        axes.set_yscale("log")
        axes.set_ylim(0.7, 1.6 * used[0])
    axes.set_xlim(0, len(use) + 1)
    axes.set_xlabel("code, by rank")
    axes.set_ylabel("tokens")
    if len(used) < len(use):
        axes.axvspan(len(used) + 0.5, len(use) + 1, color=GRID, alpha=0.35, lw=0)
        if len(used) < 0.85 * len(use):
            axes.text((len(used) + len(use)) / 2, 1.0, "never used", color=MUTED, ha="center", fontsize=9)
    if perplexity is not None:
        axes.axvline(perplexity, color=SERIES[1], lw=1.4, ls="--")
        said = f"perplexity {perplexity:.0f}"
        right = perplexity < 0.8 * len(use)
        axes.annotate(
            said, (perplexity, 0.9), xycoords=("data", "axes fraction"), xytext=(5 if right else -5, 0),
            textcoords="offset points", ha="left" if right else "right", color=INK, fontsize=9,
        )  # fmt: skip
    return svg(figure, "Use of the codes, sorted")
