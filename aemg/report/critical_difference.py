"""The critical-difference diagram: average ranks of methods on an axis, with bars over those that cannot be told apart.

As in Demšar 2006, Journal of Machine Learning Research 7, figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from matplotlib.axes import Axes

from aemg.report.draw import GRID, INK, MUTED, SERIES, canvas, drawable, svg

_LINE: Final = 0.34  # heights, in data units: one is an inch
_BAR: Final = 0.14
_AXIS_IN: Final = 6.0
_SIDE_IN: Final = 2.5
_OVERHANG_RANKS: Final = 0.04


def critical_difference_plot(ranking: Mapping[str, Any], own: str | None = None) -> str:
    """The diagram as SVG; the best ranks lie right.

    Args:
        ranking: `ranks`, `critical_difference`, `nemenyi` and `wilcoxon`, as `aemg.evaluation.statistics` gives them.
        own: the method to set off.
    """
    names = sorted(ranking["ranks"], key=lambda name: (ranking["ranks"][name], name))
    ranks = [float(ranking["ranks"][name]) for name in names]
    k = len(names)
    place = {name: _AXIS_IN * (k - rank) / (k - 1) for name, rank in zip(names, ranks)}
    right = names[: (k + 1) // 2]
    left = names[len(right) :][::-1]
    bars = [(run, INK) for run in ranking["nemenyi"]] + [(run, SERIES[0]) for run in ranking["wilcoxon"]]
    depth = 0.22 + _BAR * len(bars)
    height = depth + _LINE * len(right) + 0.12
    critical = float(ranking["critical_difference"]) * _AXIS_IN / (k - 1)
    above = 0.78
    figure = canvas(_AXIS_IN + 2 * _SIDE_IN, height + above)
    axes = figure.add_subplot()
    axes.set_xlim(-_SIDE_IN, _AXIS_IN + _SIDE_IN)
    axes.set_ylim(-height, above)
    axes.axis("off")
    _axis(axes, k)
    _critical(axes, critical, float(ranking["critical_difference"]))
    for i, (run, colour) in enumerate(bars):
        y = -0.16 - _BAR * i
        ends = [place[name] for name in run]
        over = _OVERHANG_RANKS * _AXIS_IN / (k - 1)
        axes.plot([min(ends) - over, max(ends) + over], [y, y], color=colour, lw=3.6, solid_capstyle="butt")
    for side, column in ((1, right), (-1, left)):
        for i, name in enumerate(column):
            _label(axes, name, float(ranking["ranks"][name]), place[name], -depth - _LINE * (i + 0.5), side, own)
    return svg(figure, "Average ranks of the methods: " + ", ".join(f"{n} {r:.2f}" for n, r in zip(names, ranks)))


def _axis(axes: Axes, k: int) -> None:
    axes.plot([0, _AXIS_IN], [0, 0], color=MUTED, lw=1.2)
    for rank in range(1, k + 1):
        x = _AXIS_IN * (k - rank) / (k - 1)
        axes.plot([x, x], [0, 0.07], color=MUTED, lw=1.2)
        axes.text(x, 0.1, str(rank), color=INK, ha="center", va="bottom", fontsize=9)
    axes.text(_AXIS_IN + 0.25, 0.1, "better", color=MUTED, ha="left", va="bottom", fontsize=9)
    axes.text(-0.25, 0.1, "average rank", color=MUTED, ha="right", va="bottom", fontsize=9)


def _critical(axes: Axes, width: float, ranks: float) -> None:
    y = 0.48
    shown = min(width, _AXIS_IN)
    axes.plot([0, shown], [y, y], color=INK, lw=1.6)
    for x in (0.0, shown):
        axes.plot([x, x], [y - 0.05, y + 0.05], color=INK, lw=1.6)
    axes.text(shown / 2, y + 0.06, f"CD = {ranks:.2f}", color=INK, ha="center", va="bottom", fontsize=9)


def _label(axes: Axes, name: str, rank: float, x: float, y: float, side: int, own: str | None) -> None:
    end = _AXIS_IN + 0.1 if side > 0 else -0.1
    colour = SERIES[0] if name == own else INK
    axes.plot([x, x, end], [0, y, y], color=colour if name == own else GRID, lw=1.1, zorder=0.5)
    said = f"{rank:.2f}  {drawable(name)}" if side > 0 else f"{drawable(name)}  {rank:.2f}"
    look: Any = {"ha": "left" if side > 0 else "right", "weight": "bold" if name == own else "normal"}
    axes.text(end + 0.06 * side, y, said, color=colour, va="center", fontsize=9, **look)
