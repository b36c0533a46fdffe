"""The page of a curve over several decoders: over the number of training users, or the minutes of one's own data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aemg.report.draw import MUTED, SERIES, canvas, drawable, legend, svg, tidy
from aemg.report.methods import finite
from aemg.report.page import details, figure, number, page, table, text, write_page

_METRICS: Final = {
    "cler": ("CLER, %", 100.0),
    "cer": ("CER, %", 1.0),
    "mae_deg_s": ("Error, °/s", 1.0),
}
_AXES: Final = {"users": "training users", "minutes": "minutes of the user's own data"}

_LINES: Final = "Thin lines: single seeds or users. Thick line: their mean. All points of a line are of the same test data."


def write_curve_html(curve: Mapping[str, Any], path: str | Path) -> None:
    """Writes the page of a curve.

    Args:
        curve: `title`; `x`, users or minutes; `metric`, the headline's name; `points`, each with x, group
            (the seed or the user) and value; `summary`, each with x, mean, least, most and runs; `notes`.
        path: of the page; its folder is made if missing.
    """
    write_page(path, page(str(curve["title"]), _parts(curve)))


def _parts(curve: Mapping[str, Any]) -> Iterator[str]:
    name, scale = _METRICS.get(curve["metric"], (curve["metric"], 1.0))
    axis = _AXES.get(curve["x"], curve["x"])
    yield f"<h1>{text(curve['title'])}</h1>"
    yield f'<p class="lead">{text(name)} over the {text(axis)}; lower is better.</p>'
    yield from (f'<blockquote class="warning">{text(note)}</blockquote>' for note in curve.get("notes", ()))
    yield figure(_plot(curve, name, scale), _LINES)
    digits = 0 if curve["x"] == "users" else 1
    spread = [[number(row[key], 2, scale) for key in ("mean", "least", "most")] for row in curve["summary"]]
    rows = [[number(row["x"], digits), *cells, text(row["runs"])] for row, cells in zip(curve["summary"], spread)]
    yield table([axis, f"{name}: mean", "least", "most", "runs"], rows)
    points = [[text(p["group"]), number(p["x"], 1), number(p["value"], 2, scale)] for p in curve["points"]]
    yield details("All runs", table(["", axis, name], points))


def _plot(curve: Mapping[str, Any], name: str, scale: float) -> str:
    drawing = canvas(6.4, 3.8)
    axes = drawing.add_subplot()
    tidy(axes)
    groups: dict[str, list[tuple[float, float]]] = {}
    for point in curve["points"]:
        if finite(point["value"]) is not None:
            groups.setdefault(str(point["group"]), []).append((point["x"], scale * point["value"]))
    for group, points in groups.items():
        axes.plot(*_sides(points), "o-", color=MUTED, lw=0.8, ms=3, label=drawable(group) if len(groups) == 1 else None)
    mean = [(row["x"], scale * row["mean"]) for row in curve["summary"] if finite(row["mean"]) is not None]
    if len(groups) > 1:
        axes.plot(*_sides(mean), "o-", color=SERIES[0], lw=2.2, ms=6, label="mean", zorder=3)
    if curve["x"] == "users":
        axes.set_xscale("log", base=2)
        axes.set_xticks([x for x, _ in mean], [f"{x:g}" for x, _ in mean])
        axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.set_xlabel(_AXES.get(curve["x"], curve["x"]))
    axes.set_ylabel(name)
    if groups:
        legend(drawing, loc="outside upper left")
    return svg(drawing, f"{name} over the {_AXES.get(curve['x'], curve['x'])}")


def _sides(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]
