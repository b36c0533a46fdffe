"""The plots of a decoder's page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from aemg.neuromotor.events import GESTURES
from aemg.report.draw import GRID, INK, MUTED, RISING, SERIES, canvas, drawable, legend, svg, tidy
from aemg.report.methods import finite

Row = Mapping[str, Any]

_TOGETHER: Final[tuple[tuple[str, ...], ...]] = (
    ("loss", "val_loss"),
    ("val_cer", "val_insertions", "val_deletions", "val_substitutions"),
)
_NO_CURVE: Final = ("epoch", "step")
_PANELS_A_ROW: Final = 3
_FEW_EPOCHS: Final = 30
_NAMES: Final = {
    "loss": "loss, training",
    "val_loss": "loss, validation",
    "lr": "learning rate",
    "val_accuracy": "validation accuracy",
    "val_cer": "CER, validation, %",
    "val_mae_deg_s": "error, validation, °/s",
}


def event_plot(example: Row, threshold: float | None) -> str:
    """Probabilities as a strip a gesture, with the prompts above and the decoded events below the middle of each."""
    times = np.asarray(example["times_s"], float)
    values = np.asarray(example["probabilities"], float)  # (9, n)
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.005
    figure = canvas(11.0, 3.5)
    axes = figure.add_subplot()
    tidy(axes, grid=None)
    extent = (times[0] - step_s / 2, times[-1] + step_s / 2, len(values) - 0.5, -0.5)
    image = axes.imshow(values, RISING, aspect="auto", interpolation="none", vmin=0, vmax=1, extent=extent)
    for row in range(1, len(values)):
        axes.axhline(row - 0.5, color=GRID, lw=0.6)
    _marks(axes, example.get("labels"), -0.2, {"marker": "v", "mfc": "none", "mec": INK, "label": "prompted"})
    _marks(axes, example.get("events"), 0.2, {"marker": "^", "mfc": SERIES[1], "mec": SERIES[1], "label": "decoded"})
    axes.set_xlim(extent[0], extent[1])
    axes.set_yticks(range(len(values)), GESTURES[: len(values)], fontsize=8)
    axes.set_xlabel("seconds from the recording's first sample")
    bar: Any = figure.colorbar(image, ax=axes, pad=0.01, aspect=18, fraction=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, length=0, labelsize=8)
    bar.set_label("probability", color=MUTED, fontsize=8)
    if threshold is not None:
        bar.ax.axhline(threshold, color=INK, lw=1.2)
    legend(figure, loc="outside upper left", ncols=2, handletextpad=0.1)
    return svg(figure, "Probabilities of the gestures over time, with prompts and decoded events")


def _marks(axes: Axes, entries: Any, offset: float, look: dict[str, Any]) -> None:
    known = [(float(time), GESTURES.index(name) + offset) for name, time in entries or [] if name in GESTURES]
    axes.plot([t for t, _ in known], [y for _, y in known], ls="none", ms=6.5, mew=1.3, clip_on=False, **look)


def wrist_plot(example: Row) -> str:
    """Angle and angular velocity, as measured and as decoded."""
    times = np.asarray(example["times_s"], float)
    series = {k: np.asarray(example[k], float) for k in ("angle_deg", "velocity_deg_s", "decoded_deg_s") if k in example}
    figure = canvas(11.0, 4.2)
    above: Any = figure.add_subplot(2, 1, 1)
    below: Any = figure.add_subplot(2, 1, 2, sharex=above)
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.02
    if "angle_deg" in series:
        above.plot(times, series["angle_deg"], color=INK, lw=1.6, label="measured")
        if "decoded_deg_s" in series:
            angle = series["angle_deg"][0] + np.concatenate([[0.0], np.cumsum(series["decoded_deg_s"][1:]) * step_s])
            above.plot(times, angle, color=SERIES[1], lw=1.3, label="decoded: velocities summed up from the first angle")
    for key, colour, name in (("velocity_deg_s", INK, "measured"), ("decoded_deg_s", SERIES[1], "decoded")):
        if key in series:
            below.plot(times, series[key], color=colour, lw=1.2, label=name)
    for axes, name in ((above, "flexion/extension, °"), (below, "velocity, °/s")):
        tidy(axes)
        axes.set_ylabel(name)
        if axes.lines:
            legend(axes, loc="lower left", bbox_to_anchor=(0, 0.98), ncols=2, borderpad=0)
    above.tick_params(labelbottom=False)
    below.set_xlim(times[0], times[-1])
    below.set_xlabel("seconds from the interval's first sample")
    return svg(figure, "Wrist angle and angular velocity over time, measured and decoded")


def users_plot(values: Mapping[str, float], name: str, whole: float | None, zero: Mapping[str, float]) -> str:
    """A dot a user, from the best to the worst; a line at the figure of all, hollow dots for the trivial decoder."""
    users = sorted(values, key=lambda user: (values[user], user))
    figure = canvas(min(11.0, max(4.5, 1.6 + 0.34 * len(users))), 3.3)
    axes = figure.add_subplot()
    tidy(axes)
    axes.plot(range(len(users)), [values[u] for u in users], "o", color=SERIES[0], ms=7, label="decoder", zorder=3)
    if zero:
        known = [i for i, u in enumerate(users) if u in zero]
        at = [zero[users[i]] for i in known]
        axes.plot(known, at, "o", mfc="none", mec=MUTED, ms=6, label='always "at rest"')
    if whole is not None:
        axes.axhline(whole, color=SERIES[1], lw=1.3, ls="--", label="all users")
    axes.set_xticks(range(len(users)), [drawable(u.removeprefix("user_")) for u in users], rotation=90 if len(users) > 12 else 0)
    axes.set_xlim(-0.6, len(users) - 0.4)
    axes.set_ylim(0, 1.08 * max([*values.values(), *zero.values(), whole or 0.0, 1e-9]))
    axes.set_xlabel("user")
    axes.set_ylabel(name)
    legend(figure, loc="outside upper left", ncols=3, handletextpad=0.3)
    return svg(figure, f"{name} by user")


def history_plot(history: Sequence[Row], selected: object, selected_by: object) -> str:
    """Curves over the epochs, small ones beside each other."""
    panels = _panels(history)
    rows = -(-len(panels) // _PANELS_A_ROW)
    figure = canvas(3.7 * min(len(panels), _PANELS_A_ROW), 2.7 * rows)
    for i, names in enumerate(panels):
        axes = figure.add_subplot(rows, min(len(panels), _PANELS_A_ROW), i + 1)
        tidy(axes)
        for k, name in enumerate(names):
            known = [(e, v) for e, v in ((finite(r.get("epoch")), finite(r.get(name))) for r in history) if e is not None]
            points = [(e, v) for e, v in known if v is not None]
            style = "o-" if len(points) <= _FEW_EPOCHS else "-"
            at, values = [e for e, _ in points], [v for _, v in points]
            axes.plot(at, values, style, ms=3.5, color=SERIES[k], lw=1.5, label=_curve_name(name))
        if finite(selected) is not None:
            said = f"tested weights, by {selected_by}" if selected_by else "tested weights"
            axes.axvline(float(finite(selected) or 0.0), color=MUTED, lw=1.1, ls=":", label=said if not i else None)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.set_xlabel("epoch")
        legend(axes, loc="lower left", bbox_to_anchor=(0, 1.06), ncols=1, borderpad=0, labelspacing=0.25)
    return svg(figure, "Training: curves over the epochs")


def _panels(history: Sequence[Row]) -> list[list[str]]:
    """Names that share a panel; the learning rate comes last."""
    names = list(dict.fromkeys(k for row in history for k, v in row.items() if finite(v) is not None and k not in _NO_CURVE))
    panels = [[name for name in group if name in names] for group in _TOGETHER]
    apart = [name for name in names if not any(name in group for group in _TOGETHER)]
    apart.sort(key=lambda name: name == "lr")
    return [panel for panel in panels if panel] + [[name] for name in apart]


def _curve_name(name: str) -> str:
    return _NAMES.get(name) or drawable(name.replace("val_", "validation ").replace("_", " "))
