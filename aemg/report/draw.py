"""Pictures as inline SVG whose colours follow the page, light or dark, or as PNG in the light colours.

Figures are drawn in stand-in colours, which `svg` turns into the page's CSS variables.
"""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font

INK, MUTED, GRID, SURFACE = "#0a0b00", "#0a0b01", "#0a0b02", "#0a0b03"
SERIES = tuple(f"#0a0b{10 + i}" for i in range(9))
_VARIABLES = {"00": "ink", "01": "muted", "02": "grid", "03": "surface", **{str(10 + i): f"s{i}" for i in range(9)}}
_SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "aemg", "font.size": 9.0}
# The light colours of a page, for pictures that stand alone.
_LIGHT = {
    "00": "#1b1f24", "01": "#5d6670", "02": "#d9dde2", "03": "#ffffff", "10": "#1f6fd0", "11": "#c8590a",
    "12": "#1a8757", "13": "#7d4fc4", "14": "#b02a6b", "15": "#8a6d00", "16": "#0b8395", "17": "#6b7480", "18": "#a33a2c",
}  # fmt: skip
_LETTER_IN, _HANDLE_IN = 0.078, 0.55  # of a legend's entry, with the space around it
_COLOURS = ("color", "facecolor", "edgecolor", "markerfacecolor", "markeredgecolor")
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


def columns_of(names: Iterable[str], width_in: float) -> int:
    """Columns in which a legend of these names fits into a figure of this width."""
    longest_in = max((len(name) for name in names), default=0) * _LETTER_IN + _HANDLE_IN
    return max(1, int(width_in / longest_in))


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


def png(figure: Figure, dots_per_inch: int = 130) -> bytes:
    """A figure as a PNG picture on white. Its colours are exchanged for good."""
    printer: Any = FigureCanvasAgg(figure)
    with matplotlib.rc_context(_SETTINGS):
        printer.draw()  # ticks exist only from now on
        for artist in figure.findobj():
            for name in _COLOURS:
                if hasattr(artist, f"get_{name}") and hasattr(artist, f"set_{name}"):
                    _recolour(artist, name)
        buffer = io.BytesIO()
        figure.set_facecolor("white")
        figure.savefig(buffer, format="png", dpi=dots_per_inch)
    return buffer.getvalue()


def _recolour(artist: Any, name: str) -> None:
    given = getattr(artist, f"get_{name}")()
    if isinstance(given, str) and given == "none":
        return
    colours = to_rgba_array(given)
    changed = np.array([_light(colour) for colour in colours]).reshape(-1, 4)
    if len(changed) and not np.array_equal(changed, colours):
        getattr(artist, f"set_{name}")(changed if np.ndim(given) == 2 else tuple(changed[0]))


def _light(colour: Any) -> Any:
    code = to_hex(colour)
    return to_rgba(_LIGHT[code[5:]], colour[3]) if code.startswith("#0a0b") else colour


def drawable(text: str) -> str:
    """Text as matplotlib can draw it: no formula, a word for the pinch sign, and a box for what its font lacks."""
    spoken = text.replace("\U0001f90f", "(pinch)").replace("$", r"\$")
    return "".join(c if ord(c) in _letters() else "\u25a1" for c in spoken)


@functools.cache
def _letters() -> frozenset[int]:
    """What the font of the pictures can show."""
    return frozenset(FT2Font(findfont("DejaVu Sans")).get_charmap())
