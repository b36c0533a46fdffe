"""Pictures of problems: the trace with the problem marked, the spectrum, the steps between stamps, labels over amplitude."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from aemg.quality.content import _MAINS_HZ, mains_lines
from aemg.quality.finding import Finding, Span
from aemg.quality.material import Item
from aemg.quality.piece import ACTIVITY_HZ, Piece
from aemg.quality.run import pieces
from aemg.report.draw import GRID, INK, MUTED, SERIES, canvas, drawable, svg, tidy
from aemg.report.excerpt import binned

WIDTH_IN: Final = 10.6
_TRACES: Final = 6  # channels that are drawn at most
_LINES_UP_TO: Final = 3000
_SPECTRUM_S: Final = 60.0
_COURSE_S: Final = 120.0
_SEARCHED_VALUES: Final = 1 << 21
_MARK = SERIES[1]
STAMP_KINDS: Final = {"falling-stamps", "duplicate-stamps", "gap", "irregular-stamps", "rate"}
SPECTRUM_KINDS: Final = {"mains", "empty-band", "envelope", "baseline", "hold"}
LABEL_KINDS: Final = {"label-span", "label-overlap", "label-effect", "label-shift"}
# Seconds that are shown around the problem, or of the liveliest part.
_SHOWN_S: Final = {
    "jump": 0.3, "flat": 6.0, "clipped": 0.4, "hold": 0.1, "offset": 3.0, "quiet": 3.0, "duplicate-channel": 0.3, "baseline": 6.0,
    "not-finite": 1.0, "unit": 1.0, "scale": 3.0, "mains": 0.25, "empty-band": 0.1, "envelope": 6.0, "short": 3.0,
}  # fmt: skip


def problem_picture(item: Item, finding: Finding) -> str:
    """One finding drawn from its recording, as SVG.

    Raises:
        AEMGError: the recording cannot be read any more.
    """
    if finding.kind in STAMP_KINDS and item.stamps is not None:
        figure = canvas(WIDTH_IN, 2.1)
        _steps(figure.add_subplot(), item, finding)
    elif finding.kind in LABEL_KINDS and item.intervals:
        figure = canvas(WIDTH_IN, 2.3)
        _labels(figure.add_subplot(), item, finding)
    else:
        figure = _signal_figure(item, finding)
    return svg(figure, f"{finding.title} in {item.file}")


def _signal_figure(item: Item, finding: Finding) -> Figure:
    """The trace; beside it the spectrum where the problem shows there."""
    shown = _shown_channels(item.shape[0], finding.channels)
    figure = canvas(WIDTH_IN, max(1.9, 0.5 + 0.42 * len(shown)))
    if finding.kind not in SPECTRUM_KINDS:
        _trace(figure.add_subplot(), item, finding, shown)
        return figure
    both: Any = figure.subplots(1, 2)
    _trace(both[0], item, finding, shown)
    _spectrum(both[1], item, finding)
    return figure


def _shown_channels(channels: int, named: Sequence[int]) -> list[int]:
    """The named ones first, others beside them for comparison, in order."""
    chosen = list(named[: _TRACES - 2 if len(named) < channels else _TRACES])
    others = [c for c in range(channels) if c not in named]
    near = sorted(others, key=lambda c: min((abs(c - n) for n in chosen), default=c))
    return sorted(chosen + near[: max(2, 4 - len(chosen)) if chosen else 4])


def _shown_span(item: Item, finding: Finding) -> Span:
    """What is drawn: around the longest span that is named, else the liveliest part."""
    length = min(_SHOWN_S.get(finding.kind, 3.0), item.duration_s)
    if finding.kind == "hold":
        length = min(max(80 / item.rate_hz, 0.02), item.duration_s)
    if finding.where:
        start, end = max(finding.where, key=lambda span: span[1] - span[0])
        middle = (start + min(end, start + length)) / 2
        length = min(length if end - start < 0.8 * length else 1.6 * min(end - start, length), item.duration_s)
    else:
        middle = _liveliest_s(item, length)
    start = float(np.clip(middle - length / 2, 0.0, max(item.duration_s - length, 0.0)))
    return start, start + length


def _liveliest_s(item: Item, length_s: float) -> float:
    """Middle of the stretch of some seconds with the largest amplitude, sought in the recording's middle."""
    samples = min(item.shape[1], max(_SEARCHED_VALUES // item.shape[0], round(length_s * item.rate_hz)))
    first = (item.shape[1] - samples) // 2
    course = Piece(item.part(first, first + samples)).activity.mean(axis=0)
    width = max(1, round(length_s * ACTIVITY_HZ))
    if len(course) <= width:
        return item.duration_s / 2
    level = np.convolve(course, np.full(width, 1 / width), mode="valid")
    return float(first / item.rate_hz + (int(np.argmax(level)) + width / 2) / ACTIVITY_HZ)


def _trace(axes: Axes, item: Item, finding: Finding, shown: Sequence[int]) -> None:
    """Channels below each other; those with the problem in colour, its spans shaded."""
    start_s, end_s = _shown_span(item, finding)
    first, stop = round(start_s * item.rate_hz), min(round(end_s * item.rate_hz) + 1, item.shape[1])
    values = item.part(first, stop).signal[list(shown)].astype(np.float64)
    values, unit = _scaled(values, item.unit)
    apart = finding.kind in ("offset", "unit")
    base = 0.0 * values[:, :1] if apart else np.nanmedian(np.where(np.isfinite(values), values, np.nan), axis=1, keepdims=True)
    values = np.where(np.isfinite(values), values - np.nan_to_num(base), np.nan)
    step = max(float(np.nanmax(np.abs(values), initial=0.0)), 1e-30) * (1.15 if finding.kind in ("jump", "clipped") else 1.3)
    if not apart and finding.kind not in ("jump", "clipped", "envelope"):
        step = max(2.2 * float(np.nanpercentile(np.abs(values), 99.5)), 1e-30)
    at = (first + np.arange(values.shape[1])) / item.rate_hz
    tidy(axes, grid=None)
    for a, b in finding.where:
        if b > start_s and a < end_s:
            axes.axvspan(max(a, start_s), min(b, end_s), color=_MARK, alpha=0.22, lw=1.2)
    for row, c in enumerate(shown):
        marked = not finding.channels or c in finding.channels
        _line(axes, at, values[row] - row * step, SERIES[0] if marked else MUTED, dots=finding.kind == "hold")
    axes.set_yticks([-row * step for row in range(len(shown))], [str(c) for c in shown], fontsize=8)
    axes.set_ylim(-(len(shown) - 0.3) * step, 0.75 * step)
    axes.set_xlim(start_s, end_s)
    axes.set_ylabel("channel")
    axes.set_xlabel("seconds")
    side: Any = axes.get_yaxis_transform()
    axes.plot([1.01, 1.01], [-step, 0.0], color=INK, lw=1.4, transform=side, clip_on=False, solid_capstyle="butt")
    axes.text(1.018, -step / 2, f"{_short(step)} {unit}", transform=side, rotation=90, va="center", fontsize=8, color=INK)


def _line(axes: Axes, at: NDArray[Any], values: NDArray[Any], colour: str, *, dots: bool) -> None:
    if len(at) <= _LINES_UP_TO:
        style = {"drawstyle": "steps-post", "marker": "o", "ms": 2.6} if dots else {}
        axes.plot(at, values, color=colour, lw=0.8, **style)  # type: ignore[arg-type]
        return
    bins = np.linspace(0, _LINES_UP_TO // 2, len(at), endpoint=False).astype(np.int64)
    low, high = (binned(ufunc, values[:, None], bins, _LINES_UP_TO // 2)[:, 0] for ufunc in (np.fmin, np.fmax))
    axes.fill_between(np.linspace(at[0], at[-1], len(low)), low, high, color=colour, lw=0.4)


def _spectrum(axes: Axes, item: Item, finding: Finding) -> None:
    """Power densities of all channels, those with the problem in colour, with the lines or the edge that matter."""
    piece = _spectrum_piece(item, finding)
    frequency, density = piece.spectrum
    level = 10 * np.log10(np.maximum(density[:, 1:], 1e-30 * density.max() + 1e-300))
    tidy(axes, grid="both")
    order = sorted(piece.live.tolist(), key=lambda c: not finding.channels or c in finding.channels)
    for c in order[-24:]:
        marked = not finding.channels or c in finding.channels
        axes.plot(frequency[1:], level[c], color=SERIES[0] if marked else MUTED, lw=0.7, alpha=0.9 if marked else 0.45)
    if finding.kind == "mains":
        mains_hz = max(_MAINS_HZ, key=lambda hz: float(mains_lines(piece, hz).max(initial=0.0)))
        for k in range(1, int(piece.rate_hz / 2 / mains_hz) + 1):
            axes.axvline(k * mains_hz, color=_MARK, lw=0.9, ls=":", zorder=0)
    if finding.kind == "baseline":
        axes.axvspan(0, 10, color=_MARK, alpha=0.18, lw=0)
        axes.set_xlim(0, min(150.0, piece.rate_hz / 2))
    else:
        axes.set_xlim(0, piece.rate_hz / 2)
    shown = level[piece.live]
    if shown.size:
        axes.set_ylim(float(np.percentile(shown, 0.5)) - 3, float(shown.max()) + 3)
    axes.set_xlabel("Hz")
    axes.set_ylabel(f"dB re 1 {'V' if item.unit == 'V' else 'unit'}²/Hz")


def _spectrum_piece(item: Item, finding: Finding) -> Piece:
    samples = min(item.shape[1], max(round(_SPECTRUM_S * item.rate_hz), 64), max(2 * _SEARCHED_VALUES // item.shape[0], 64))
    first = min(round(finding.where[0][0] * item.rate_hz) if finding.where else 0, item.shape[1] - samples)
    return Piece(item.part(max(first, 0), max(first, 0) + samples))


def _steps(axes: Axes, item: Item, finding: Finding) -> None:
    """Time from row to row over the recording, the largest and smallest of every stretch."""
    assert item.stamps is not None
    steps = 1000 * np.nan_to_num(item.stamps.steps_s)
    at = (np.arange(len(steps)) + 1) * (item.stamps.usual_s or 1 / item.rate_hz)
    tidy(axes, grid="y")
    for a, b in finding.where:
        axes.axvspan(a, b, color=_MARK, alpha=0.25, lw=1.0)
    _line(axes, at, steps, SERIES[0], dots=False)
    axes.axhline(1000 / item.rate_hz, color=MUTED, lw=0.9, ls=":")
    biggest = float(np.abs(steps).max(initial=0.0))
    if biggest > 50 * 1000 / item.rate_hz:
        axes.set_yscale("symlog", linthresh=max(2 * 1000 / item.rate_hz, 1e-6))
    if float(steps.min(initial=0.0)) >= 0:
        axes.set_ylim(bottom=0)
    axes.set_xlim(at[0], at[-1])
    axes.set_xlabel("seconds, rows counted at the usual rate (dotted: the step of the stated rate)")
    axes.set_ylabel("step, ms")


def _labels(axes: Axes, item: Item, finding: Finding) -> None:
    """Mean amplitude of the channels over time, and the labels as bands."""
    length = min(item.duration_s, _COURSE_S)
    last = max((i.end_s for i in item.intervals), default=0.0)
    start = 0.0
    if finding.where and finding.where[0][0] > 0.8 * length:
        start = min(finding.where[0][0] - 0.3 * length, max(item.duration_s - length, 0.0))
    parts: list[tuple[float, NDArray[np.float32]]] = []
    for first, stop in pieces(item, _SEARCHED_VALUES):
        if stop > start * item.rate_hz and first < (start + length) * item.rate_hz:
            parts.append((first / item.rate_hz, Piece(item.part(first, stop)).activity.mean(axis=0)))
    tidy(axes, grid="y")
    top = max((float(np.percentile(course, 99.8)) for _, course in parts if len(course)), default=1.0) or 1.0
    for begin, course in parts:
        axes.plot(begin + (np.arange(len(course)) + 0.5) / ACTIVITY_HZ, course / top, color=SERIES[0], lw=0.9)
    end = min(max(start + length, min(last, start + 1.2 * length)), start + 1.2 * _COURSE_S)
    names = list(dict.fromkeys(i.label for i in item.intervals))
    for i in item.intervals:
        if i.end_s > start and i.start_s < end and i.end_s > i.start_s:
            colour = GRID if i.label == "rest" else SERIES[2 + names.index(i.label) % 6]
            axes.axvspan(max(i.start_s, start), min(i.end_s, end), color=colour, alpha=0.22, lw=0)
            if min(i.end_s, end) - i.start_s > 0.03 * (end - start):
                said = drawable(i.label.replace("_", " "))[: max(3, int(120 * (i.end_s - i.start_s) / (end - start)))]
                axes.text((max(i.start_s, start) + min(i.end_s, end)) / 2, 1.06, said, ha="center", fontsize=7, color=INK)
    for a, b in finding.where:
        axes.axvspan(a, b, ymax=0.06, color=_MARK, lw=0)
    if item.duration_s < end:
        axes.axvline(item.duration_s, color=_MARK, lw=1.4)
    axes.set_xlim(start, end)
    axes.set_ylim(0, 1.18)
    axes.set_xlabel("seconds")
    axes.set_ylabel("amplitude, share")


def _short(value: float) -> str:
    """Two digits, without an exponent where that reads well."""
    return f"{float(f'{value:.2g}'):g}"


def _scaled(values: NDArray[np.float64], unit: str) -> tuple[NDArray[np.float64], str]:
    """Volts in the unit that suits their size."""
    if unit != "V":
        return values, "unit"
    size = float(np.nanmax(np.abs(np.where(np.isfinite(values), values, np.nan)), initial=0.0))
    factor, name = next(((f, n) for f, n in ((1.0, "V"), (1e3, "mV"), (1e6, "µV")) if size * f >= 0.5), (1e6, "µV"))
    return values * factor, name
