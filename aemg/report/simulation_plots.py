"""The plots of the page on simulated EMG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from aemg.report.draw import GRID, INK, MUTED, SERIES, SIGNED, canvas, drawable, legend, svg, tidy
from aemg.simulation.pool import CONTROL_RATE_HZ
from aemg.simulation.realism import Example
from aemg.simulation.realism.literature import MEDIAN_FREQUENCY
from aemg.simulation.realism.measures import median_frequency, spectrum

WIDTH_IN: Final = 11.0
_TRACE_STEPS: Final = 1000
_HIGHEST_HZ: Final = 500.0
_FLOOR_DB: Final = -35.0
_ROWS_SHOWN: Final = 24
_LARGEST_DB: Final = 12.0
_REAL_STYLES: Final = ("--", ":", "-.")


def raster_plot(shown: Example) -> str:
    """Every discharge as a tick, units of each muscle from the first recruited upwards, below the muscles' excitation."""
    figure = canvas(WIDTH_IN, 4.6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[1, 3.2])
    tidy(above)
    tidy(below, grid=None)
    times = np.arange(shown.drive.shape[1]) / CONTROL_RATE_HZ
    for i, name in enumerate(shown.muscles):
        above.plot(times, 100 * shown.drive[i], color=SERIES[i], lw=1.6, label=name)
    above.set_ylabel("drive, %")
    above.set_ylim(0, None)
    legend(above, loc="upper left", ncols=len(shown.muscles), borderpad=0)
    ticks, labels = [], []
    for unit, muscle in enumerate(shown.owners):
        own = shown.spikes.times_s[shown.spikes.units == unit]
        row = unit + int(muscle)  # a free row between muscles
        below.vlines(own, row - 0.4, row + 0.4, color=SERIES[int(muscle)], lw=0.7)
    for i, name in enumerate(shown.muscles):
        rows = np.flatnonzero(shown.owners == i) + i
        ticks.append(float(rows.mean()))
        labels.append(name)
    below.set_yticks(ticks, labels)
    below.set_xlim(0, times[-1])
    below.set_xlabel("seconds")
    return svg(figure, "Discharges of motor units over time, below the excitation that drives them")


def traces_plot(shown: Example) -> str:
    """The channels below each other, to one scale; where samples lie closer than the picture can show, their range."""
    channels = len(shown.emg)
    scale, unit = (1e6, "µV") if shown.unit == "V" else (1.0, "counts")
    step = float(f"{1.6 * scale * np.percentile(np.abs(shown.emg), 99.8):.0e}")
    figure = canvas(WIDTH_IN, 0.9 + 0.27 * channels)
    axes = figure.add_subplot()
    tidy(axes, grid=None)
    block = max(1, shown.emg.shape[1] // _TRACE_STEPS)
    used = shown.emg[:, : shown.emg.shape[1] // block * block].reshape(channels, -1, block) * scale
    at = (np.arange(used.shape[1]) + 0.5) * block / shown.rate_hz
    for c in range(channels):
        low, high = used[c].min(1) - c * step, used[c].max(1) - c * step
        axes.fill_between(at, low, high, color=SERIES[0] if c % 2 == 0 else SERIES[6], lw=0.35)
    axes.set_yticks([-c * step for c in range(channels)], [str(c) for c in range(channels)])
    axes.set_ylim(-(channels - 0.2) * step, 0.8 * step)
    axes.set_xlim(0, at[-1])
    axes.set_ylabel("channel")
    axes.set_xlabel("seconds")
    side: Any = axes.get_yaxis_transform()
    axes.plot([1.012, 1.012], [-step, 0.0], color=INK, lw=1.6, transform=side, clip_on=False, solid_capstyle="butt")
    axes.text(1.02, -step / 2, f"{step:g} {unit}", transform=side, rotation=90, va="center", fontsize=8, color=INK)
    return svg(figure, f"Simulated EMG of {channels} channels over time")


def spectra_plot(shown: Example) -> str:
    """Spectra of the held part: thin lines the channels, thick their mean, dots their medians in the published band."""
    start, stop = (round(t * shown.rate_hz) for t in shown.held_s)
    frequency, density = spectrum(shown.emg[:, start:stop], shown.rate_hz)
    figure = canvas(5.4, 3.5)
    axes = figure.add_subplot()
    tidy(axes, grid="both")
    _band(axes)
    for row in density:
        axes.plot(frequency, _decibels(row), color=MUTED, lw=0.6, alpha=0.6)
    axes.plot(frequency, _decibels(density.mean(0)), color=SERIES[0], lw=2.2, label="mean of the channels")
    medians = median_frequency(frequency, density)
    axes.plot(medians, np.full(len(medians), 2.0), "|", color=SERIES[1], ms=8, mew=1.2, label="medians of the channels")
    axes.set_xlim(0, min(_HIGHEST_HZ, shown.rate_hz / 2))
    axes.set_ylim(_FLOOR_DB, 4)
    axes.set_xlabel("Hz")
    axes.set_ylabel("power density, dB below its peak")
    legend(figure, loc="outside upper left", ncols=2)
    return svg(figure, "Power spectra of the simulated channels")


def compared_spectra_plot(curves: Sequence[Mapping[str, Any]]) -> str:
    """Mean spectra of the strongest channels: simulated people (solid) and real sets."""
    figure = canvas(5.4, 3.5)
    axes = figure.add_subplot()
    tidy(axes, grid="both")
    _band(axes)
    for i, curve in enumerate(curves):
        style = "-" if i == 0 else _REAL_STYLES[(i - 1) % len(_REAL_STYLES)]
        axes.plot(curve["hz"], curve["db"], style, color=SERIES[i % len(SERIES)], lw=2.2 if i == 0 else 1.6, label=curve["name"])
    axes.set_xlim(0, _HIGHEST_HZ)
    axes.set_ylim(_FLOOR_DB, 2)
    axes.set_xlabel("Hz")
    axes.set_ylabel("power density, dB below its peak")
    legend(figure, loc="outside upper left", ncols=2)
    return svg(figure, "Mean spectra of simulated people and of real sets")


def rates_plot(rates: Mapping[str, Any]) -> str:
    """Mean discharge rate over drive, for early, middle and late units of a muscle."""
    figure = canvas(5.2, 3.4)
    axes = figure.add_subplot()
    tidy(axes)
    drive = 100 * np.asarray(rates["drive"], float)
    for i, (rank, row) in enumerate(zip(rates["rank"], rates["hz"])):
        name = {0.0: "first recruited", 0.5: "middle", 1.0: "last"}[float(rank)]
        axes.plot(drive, row, "o-", color=SERIES[i], ms=4, lw=1.6, label=name)
    axes.set_xlabel("drive, % of maximum")
    axes.set_ylabel("discharges a second")
    axes.set_ylim(0, None)
    legend(figure, loc="outside upper left", ncols=3)
    return svg(figure, "Discharge rate over drive")


def force_plot(rms: Mapping[str, Any]) -> str:
    """RMS of each person's strongest channel over the force, both as shares of those at the largest drive."""
    figure = canvas(5.2, 3.4)
    axes = figure.add_subplot()
    tidy(axes, grid="both")
    for i, (volts, force) in enumerate(zip(rms["volts"], rms["force"])):
        share = 100 * np.asarray(volts, float) / volts[-1]
        axes.plot(100 * np.asarray(force, float), share, "o-", color=SERIES[0], ms=3, lw=0.8, alpha=0.7,
                  label="a person" if i == 0 else None)  # fmt: skip
    axes.plot([0, 100], [0, 100], "--", color=MUTED, lw=1.2, label="proportional")
    axes.set_xlabel("force, %")
    axes.set_ylabel("RMS, %")
    legend(figure, loc="outside upper left", ncols=2)
    return svg(figure, "RMS over force")


def ring_plot(ring: Mapping[str, Any]) -> str:
    """RMS around the limb where one muscle contracts alone, for layers of fat."""
    figure = canvas(5.2, 3.4)
    axes = figure.add_subplot()
    tidy(axes, grid="both")
    for i, (fat, shares) in enumerate(ring["share"].items()):
        axes.plot(ring["degrees"], 100 * np.asarray(shares, float), "o-", color=SERIES[i], ms=3, lw=1.6, label=f"{fat} mm of fat")
    axes.axhline(5, color=MUTED, lw=1.0, ls=":")
    axes.set_yscale("log")
    axes.set_yticks([1, 5, 10, 50, 100], ["1", "5", "10", "50", "100"])
    axes.minorticks_off()
    axes.set_xlabel("angle from the muscle's border, °")
    axes.set_ylabel("RMS, % of its peak")
    legend(figure, loc="outside upper left", ncols=2)
    return svg(figure, "Fall-off of the amplitude around the limb")


def pattern_plot(maps: Sequence[Mapping[str, Any]], gestures: Sequence[str]) -> str:
    """A row a person, a column a channel: decibels about the person's mean; panels by set (down) and gesture (across)."""
    shown = [m for m in maps if any(g in m["gestures"] for g in gestures)]
    rows = [min(len(m["people"]), _ROWS_SHOWN) for m in shown]
    figure = canvas(WIDTH_IN, 0.8 + sum(0.12 * n + 0.55 for n in rows))
    panels = figure.subplots(len(shown), len(gestures), squeeze=False, height_ratios=rows)
    image = None
    for line, (entry, n) in enumerate(zip(shown, rows)):
        for column, gesture in enumerate(gestures):
            axes = panels[line][column]
            tidy(axes, grid=None)
            if gesture not in entry["gestures"]:
                axes.set_axis_off()
                continue
            values = np.asarray(entry["db"], float)[:n, entry["gestures"].index(gesture)]
            image = axes.imshow(values, SIGNED, aspect="auto", interpolation="none", vmin=-_LARGEST_DB, vmax=_LARGEST_DB)
            axes.add_patch(Rectangle((-0.5, -0.5), values.shape[1], n, fill=False, ec=GRID, lw=0.8))
            axes.set_xticks([])
            axes.set_yticks([])
            if line == 0:
                axes.set_title(drawable(gesture.replace("_", " ")), fontsize=9)
            if column == 0:
                axes.set_ylabel(f"{drawable(str(entry['name']))}\n{len(entry['people'])} people", fontsize=8)
            if line == len(shown) - 1:
                axes.set_xlabel("channel")
    if image is not None:
        bar: Any = figure.colorbar(image, ax=panels, pad=0.01, aspect=30, fraction=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(colors=MUTED, labelcolor=INK, length=0, labelsize=8)
        bar.set_label("dB about the mean of the channels", color=MUTED, fontsize=8)
    return svg(figure, "Channel patterns by person, gesture and set")


def _band(axes: Axes) -> None:
    label = f"published medians, {MEDIAN_FREQUENCY.low:g} to {MEDIAN_FREQUENCY.high:g} Hz"
    axes.axvspan(MEDIAN_FREQUENCY.low, MEDIAN_FREQUENCY.high, color=SERIES[2], alpha=0.13, lw=0, label=label)


def _decibels(density: Any) -> Any:
    return 10 * np.log10(np.maximum(density, 1e-30) / density.max())
