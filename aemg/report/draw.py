"""Pictures as inline SVG whose colours follow the page, light or dark.

Figures are drawn in stand-in colours, which `svg` turns into the page's CSS variables.
"""

from __future__ import annotations

import io
import re
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

INK, MUTED, GRID, SURFACE = "#0a0b00", "#0a0b01", "#0a0b02", "#0a0b03"
SERIES = tuple(f"#0a0b{10 + i}" for i in range(9))
_VARIABLES = {"00": "ink", "01": "muted", "02": "grid", "03": "surface", **{str(10 + i): f"s{i}" for i in range(9)}}
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "aemg", "font.size": 9.0}
_BLUE, _ORANGE = (0.16, 0.49, 0.88), (0.91, 0.45, 0.10)

# Transparent where there is nothing, so that they suit both themes.
RISING = LinearSegmentedColormap.from_list("rising", [(*_BLUE, 0.0), (*_BLUE, 1.0)])
_ENDS = ((0.0, (*_ORANGE, 1.0)), (0.5, (*_ORANGE, 0.0)), (0.5, (*_BLUE, 0.0)), (1.0, (*_BLUE, 1.0)))
SIGNED = LinearSegmentedColormap.from_list("signed", list(_ENDS))


def canvas(width_in: float, height_in: float) -> Figure:
    """An empty figure outside pyplot's global state."""
    with matplotlib.rc_context(_SETTINGS):
        return Figure(figsize=(width_in, height_in), layout="constrained", facecolor="none")


def tidy(axes: Axes, *, grid: Literal["x", "y", "both"] | None = "y") -> None:
    """House look: no box, quiet grid, muted ticks."""
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(side == "bottom" and axes.name != "polar")
        axes.spines[side].set_color(GRID)
    axes.tick_params(colors=MUTED, labelcolor=INK, length=0, labelsize=9)
    axes.xaxis.label.set_color(MUTED)
    axes.yaxis.label.set_color(MUTED)
    axes.title.set_color(INK)
    axes.set_facecolor("none")
    axes.set_axisbelow(True)
    if grid is not None:
        axes.grid(True, axis=grid, color=GRID, linewidth=0.7)


def legend(target: Axes | Figure, **options: Any) -> None:
    """A legend without a box."""
    made = target.legend(frameon=False, fontsize=9, **options)
    for label in made.get_texts():
        label.set_color(INK)


def svg(figure: Figure, label: str) -> str:
    """A figure as an inline SVG element, with a label for those who cannot see it."""
    buffer = io.StringIO()
    with matplotlib.rc_context(_SETTINGS):
        printer: Any = FigureCanvasSVG(figure)
        printer.print_svg(buffer, metadata={"Date": None})
    picture = buffer.getvalue()
    picture = picture[picture.index("<svg") :]
    picture = re.sub(r"<metadata>.*?</metadata>", "", picture, flags=re.DOTALL)
    picture = re.sub(r' xmlns(:\w+)?="[^"]*"', "", picture).replace("xlink:href", "href")
    picture = re.sub(r'<g id="[^"]*"', "<g", picture)
    picture = re.sub(r"font: ((?:\d+ )?[\d.]+px)[^;\"]*", r"font: \1 var(--font)", picture)
    picture = re.sub(r"#0a0b(\d\d)", lambda found: f"var(--{_VARIABLES[found[1]]})", picture)
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return picture.replace("<svg", f'<svg role="img" aria-label="{escaped}"', 1)
