"""A recording drawn over time: stages, prompts, signals and angles, one above the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from aemg.datasets.formats.neuromotor_file import GAP_S
from aemg.neuromotor.events import GESTURES
from aemg.report.draw import GRID, INK, MUTED, RISING, SERIES, SURFACE, drawable, legend, tidy
from aemg.report.excerpt import Excerpt, View, binned
from aemg.signals import Event, Interval

WIDTH_IN: Final = 11.0
_LANE_IN: Final = 9.2  # the width of a lane, about, for what text fits into
_LETTER_IN: Final = 0.072  # of a letter of 8 points, about
_LINES_UP_TO: Final = 4000  # samples; beyond, the bounds of even steps are drawn
_STEPS: Final = 1500
_MINUTES_FROM_S: Final = 240.0
_EVENT_ROWS: Final = 14
_STRIP: Final = 0.28  # heights of lanes in inches
_EVENT_ROW: Final = 0.165
_CHANNEL: Final = 0.27
_ANGLES: Final = 1.3

Place = Figure | SubFigure
Lane = tuple[float, Callable[[Axes], None]]


def overview_height(view: View) -> float:
    """Inches that `draw_overview` wants."""
    return _height(_overview_lanes(view))


def excerpt_height(view: View) -> float:
    """Inches that `draw_excerpt` wants."""
    return _height(_excerpt_lanes(view))


def draw_overview(place: Place, view: View) -> None:
    """All of a recording; the part of the excerpt is framed."""
    minutes = view.duration_s >= _MINUTES_FROM_S
    scale = 60.0 if minutes else 1.0
    lanes = _stack(place, _overview_lanes(view), scale)
    for axes in lanes:
        axes.set_xlim(0, view.duration_s / scale)
        axes.axvspan(
            view.excerpt.start_s / scale, view.excerpt.end_s / scale, facecolor="none", edgecolor=SERIES[1], lw=1.2, zorder=9
        )
    lanes[-1].set_xlabel("minutes" if minutes else "seconds")


def draw_excerpt(place: Place, view: View) -> None:
    """The samples of a part."""
    lanes = _stack(place, _excerpt_lanes(view), 1.0)
    for axes in lanes:
        axes.set_xlim(view.excerpt.start_s, view.excerpt.end_s)
    lanes[-1].set_xlabel("seconds from the recording's first sample")


def stage_colours(stages: Sequence[Interval]) -> dict[str, str]:
    """A colour for each name of a stage; neighbours of different names differ."""
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(dict.fromkeys(s.label for s in stages))}


def _height(lanes: Sequence[Lane]) -> float:
    return sum(height for height, _ in lanes) + 0.12 * len(lanes) + 0.45


def _stack(place: Place, lanes: Sequence[Lane], scale: float) -> list[Axes]:
    """Lanes that share the axis of time; `scale` seconds are one unit of it."""
    made: Any = place.subplots(len(lanes), 1, squeeze=False, gridspec_kw={"height_ratios": [height for height, _ in lanes]})
    stacked: list[Axes] = list(made[:, 0])
    for i, (axes, (_, draw)) in enumerate(zip(stacked, lanes)):
        tidy(axes, grid=None)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.tick_params(labelbottom=i == len(lanes) - 1)
        axes.set_xscale("linear")
        draw(axes)
    return stacked


def _overview_lanes(view: View) -> list[Lane]:
    scale = 60.0 if view.duration_s >= _MINUTES_FROM_S else 1.0
    whole = (0.0, view.duration_s)
    lanes = _prompt_lanes(view, whole, scale)
    lanes.append((1.9, lambda axes: _amplitudes(axes, view, scale)))
    if view.angles:
        at = (np.arange(view.overview.low.shape[1]) + 0.5) * view.overview.step_s / scale
        lanes.append((_ANGLES, lambda axes: _angles(axes, at, view.overview.low, view.overview.high, view.angles)))
    return lanes


def _excerpt_lanes(view: View) -> list[Lane]:
    part = view.excerpt
    lanes = _prompt_lanes(view, (part.start_s, part.end_s), 1.0)
    lanes.append((max(1.2, _CHANNEL * len(part.emg)), lambda axes: _signals(axes, part, view.unit)))
    if view.angles:
        at, low, high = _thinned(part, part.angles_deg)
        lanes.append((_ANGLES, lambda axes: _angles(axes, at, low, high, view.angles)))
    return lanes


def _prompt_lanes(view: View, shown: tuple[float, float], scale: float) -> list[Lane]:
    lanes: list[Lane] = []
    if view.stages:
        colours = stage_colours(view.stages)
        numbered = [(i, s, colours[s.label]) for i, s in enumerate(view.stages, 1)]
        lanes.append((_STRIP, lambda axes: _spans(axes, "stage", numbered, shown, scale)))
    if view.events:
        rows = _rows_of(view.events)
        lanes.append((max(_STRIP, _EVENT_ROW * len(rows)), lambda axes: _raster(axes, view.events, rows, shown, scale)))
    if view.texts:
        texts = [(0, t, (SERIES[0], SERIES[2])[i % 2]) for i, t in enumerate(view.texts)]
        lanes.append((_STRIP, lambda axes: _spans(axes, "text", texts, shown, scale)))
    return lanes


def _spans(
    axes: Axes, name: str, spans: Sequence[tuple[int, Interval, str]], shown: tuple[float, float], scale: float
) -> None:
    """Bands with as much of their name as fits; a number, where there is one, where the name does not."""
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], [name])
    axes.spines["bottom"].set_visible(False)
    for number, span, colour in spans:
        start_s, end_s = max(span.start_s, shown[0]), min(span.end_s, shown[1])
        if end_s <= start_s:
            continue
        axes.axvspan(start_s / scale, end_s / scale, color=colour, alpha=0.28, lw=0)
        axes.axvline(start_s / scale, color=SURFACE, lw=0.8)
        room = int((end_s - start_s) / (shown[1] - shown[0]) * _LANE_IN / _LETTER_IN) - 1
        said = _fitting(number, drawable(span.label.replace("\n", " ")), room)
        axes.text((start_s + end_s) / 2 / scale, 0.46, said, ha="center", va="center", fontsize=8, color=INK)


def _fitting(number: int, label: str, room: int) -> str:
    told = f"{number}  {label}" if number else label
    if len(told) <= room:
        return told
    if number and len(str(number)) <= room < 12:
        return str(number)
    return f"{told[: room - 1]}…" if room >= 4 else ""


def _rows_of(events: Sequence[Event]) -> list[str]:
    """The names that get a row: gestures in their own order, then others as they come."""
    found = dict.fromkeys(e.name for e in events)
    return [*(g for g in GESTURES if g in found), *(n for n in found if n not in GESTURES)][:_EVENT_ROWS]


def _raster(axes: Axes, events: Sequence[Event], rows: Sequence[str], shown: tuple[float, float], scale: float) -> None:
    for row, name in enumerate(rows):
        at = [e.time_s / scale for e in events if e.name == name and shown[0] <= e.time_s < shown[1]]
        axes.axhline(row, color=GRID, lw=0.6)
        axes.vlines(at, row - 0.4, row + 0.4, color=SERIES[row % len(SERIES)], lw=1.0 if len(at) > 60 else 1.8)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), [drawable(name) for name in rows], fontsize=7.5)
    axes.spines["bottom"].set_visible(False)


def _amplitudes(axes: Axes, view: View, scale: float) -> None:
    """A row a channel, the stronger the colour, the larger the amplitude."""
    values = view.overview.amplitude
    known = values[np.isfinite(values)]
    largest = max(float(np.percentile(known, 99.5)), 1e-12) if len(known) else 1.0
    extent = (0.0, values.shape[1] * view.overview.step_s / scale, len(values) - 0.5, -0.5)
    image = axes.imshow(
        values, RISING, aspect="auto", interpolation="none", vmin=0, vmax=largest, extent=extent
    )  # the empty steps of gaps stay blank
    axes.set_yticks(range(0, len(values), 1 if len(values) <= 8 else 4))
    axes.set_ylabel("channel")
    bar: Any = axes.figure.colorbar(image, ax=axes, pad=0.01, aspect=14, fraction=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, length=0, labelsize=8)
    bar.set_label(f"s.d., {view.unit}", color=MUTED, fontsize=8)


def _signals(axes: Axes, part: Excerpt, unit: str) -> None:
    """The channels below each other, all to the same scale."""
    channels = len(part.emg)
    finite = part.emg[np.isfinite(part.emg)]
    step = _round_number(2.0 * float(np.percentile(np.abs(finite), 99.7))) if len(finite) else 1.0
    at, low, high = _thinned(part, part.emg)
    for c in range(channels):
        base, colour = -c * step, SERIES[0] if c % 2 == 0 else SERIES[6]
        if low is high:
            axes.plot(at, base + low[c], color=colour, lw=0.7)
        else:
            axes.fill_between(at, base + low[c], base + high[c], color=colour, lw=0.35)
    axes.set_yticks([-c * step for c in range(channels)], [str(c) for c in range(channels)])
    axes.set_ylim(-(channels - 0.3) * step, 0.7 * step)
    axes.set_ylabel("channel")
    scale: Any = axes.get_yaxis_transform()
    axes.plot([1.012, 1.012], [-step, 0.0], color=INK, lw=1.6, transform=scale, clip_on=False, solid_capstyle="butt")
    label = f"{step:g} {drawable(unit)}"
    axes.text(1.02, -step / 2, label, transform=scale, rotation=90, va="center", fontsize=8, color=INK)


def _angles(axes: Axes, at: Any, low: Any, high: Any, names: Sequence[str]) -> None:
    tidy(axes, grid="y")
    for d, name in enumerate(names):
        colour = SERIES[(1, 3)[d % 2]]
        if low is high:
            axes.plot(at, low[d], color=colour, lw=1.3, label=name)
        else:
            axes.fill_between(at, low[d], high[d], color=colour, lw=0.8, label=name)
    axes.set_ylabel("angle, °")
    legend(axes, loc="lower left", bbox_to_anchor=(0, 0.97), ncols=2, borderpad=0, handlelength=1.2)


def _thinned(part: Excerpt, values: NDArray[Any]) -> tuple[Any, Any, Any]:
    """Times (n,), and lower and upper bounds (C, n) of values; the same array twice where all samples are drawn.

    Where time goes on without samples, there is a NaN.
    """
    if len(part.times_s) <= _LINES_UP_TO:
        shown = values.astype(np.float64)
        after = np.flatnonzero(np.diff(part.times_s) > GAP_S) + 1
        shown[:, after] = np.nan
        return part.times_s, shown, shown
    length_s = part.end_s - part.start_s
    at = np.clip(((part.times_s - part.start_s) * (_STEPS / length_s)).astype(np.int64), 0, _STEPS - 1)
    low, high = (binned(ufunc, values.T, at, _STEPS).T for ufunc in (np.fmin, np.fmax))
    return part.start_s + (np.arange(_STEPS) + 0.5) * length_s / _STEPS, low, high


def _round_number(value: float) -> float:
    """The next of 1, 2, 5, 10, 20 ... in powers of ten."""
    power = 10.0 ** np.floor(np.log10(max(value, 1e-12)))
    return float(next(f * power for f in (1.0, 2.0, 5.0, 10.0) if f * power >= value * 0.999))
