"""The plots of a codebook's page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from aemg.report.draw import GRID, INK, MUTED, RISING, SERIES, SIGNED, canvas, legend, svg, tidy
from aemg.report.measures import Context
from aemg.report.plots import plain
from aemg.topology import SLOT_DEG, SLOTS

_COLOURED = 8  # movements with a colour of their own on the map


@dataclass(frozen=True)
class CodePicture:
    """Means over a code's tokens: envelope and wave (S, L), NaN beyond the longest token, spectrum (F,) of unit sum,
    and log amplitude relative to rest (S,)."""

    envelope: NDArray[np.float64]
    wave: NDArray[np.float64]
    spectrum: NDArray[np.float64]
    sigma: NDArray[np.float64]


def code_plot(code: CodePicture, ring: tuple[float, float], loud: tuple[float, float], rate_hz: float) -> str:
    """A code's picture: envelope by slot between the limits `loud`, mean wave, amplitudes between `ring`, spectrum."""
    envelope, wave, spectrum = code.envelope, code.wave, code.spectrum
    figure = canvas(6.5, 2.25)
    spaces: Any = figure.add_gridspec(1, 4, width_ratios=[1.25, 1.25, 1.15, 1.1])
    duration_ms = 1000 * envelope.shape[1] / rate_hz
    for i, (values, cmap, low, high, title) in enumerate(
        (
            (envelope, RISING, *loud, "mean |z|"),
            (wave, SIGNED, -_extreme(wave), _extreme(wave), "mean z"),
        )
    ):
        axes = figure.add_subplot(spaces[i])
        extent = (0.0, duration_ms, SLOTS - 0.5, -0.5)
        axes.imshow(values, cmap, aspect="auto", interpolation="none", vmin=low, vmax=high, extent=extent)
        _small(axes, title, "ms")
        axes.set_yticks([0, 4, 8, 12])
        if not i:
            axes.set_ylabel("slot", fontsize=8, labelpad=1)
    _polar(figure.add_subplot(spaces[2], projection="polar"), code.sigma, ring)
    axes = figure.add_subplot(spaces[3])
    frequency = np.linspace(0, rate_hz / 2, len(spectrum))
    axes.fill_between(frequency, 100 * spectrum, color=SERIES[0], alpha=0.2, lw=0)
    axes.plot(frequency, 100 * spectrum, color=SERIES[0], lw=1.4)
    _small(axes, "power, %", "Hz")
    axes.set_ylim(0)
    axes.set_xlim(0, rate_hz / 2)
    return svg(figure, "Envelope, mean wave, amplitude around the ring and spectrum of the code")


def _extreme(values: NDArray[np.float64]) -> float:
    return max(float(np.nanmax(np.abs(values))), 1e-3)


def _small(axes: Axes, title: str, unit: str) -> None:
    tidy(axes, grid=None)
    axes.set_title(title, fontsize=8.5, pad=3)
    axes.set_xlabel(unit, fontsize=8, labelpad=1)
    axes.tick_params(labelsize=7.5, pad=2)


def _polar(axes: Any, sigma: NDArray[np.float64], limits: tuple[float, float]) -> None:
    """Amplitudes around the ring, 0 (ulna) on top; the sense of rotation is that of `aemg.signals.montage`."""
    angle = np.deg2rad(np.append(np.arange(SLOTS) * SLOT_DEG, 0.0))
    closed = np.append(sigma, sigma[0])
    axes.set_theta_zero_location("N")
    axes.set_theta_direction(-1)
    axes.fill(angle, np.clip(closed, *limits), color=SERIES[0], alpha=0.22, lw=0)
    axes.plot(angle, np.clip(closed, *limits), color=SERIES[0], lw=1.5)
    axes.set_ylim(*limits)
    axes.set_facecolor("none")
    axes.spines["polar"].set_color(GRID)
    axes.grid(color=GRID, lw=0.6)
    axes.set_yticks(np.linspace(*limits, 4)[1:-1], [])
    axes.set_xticks(np.deg2rad([0, 90, 180, 270]), ["0°", "90°", "180°", "270°"])
    axes.tick_params(labelcolor=MUTED, labelsize=7, pad=-3)
    axes.set_title("log σ / rest", fontsize=8.5, pad=8, color=INK)


def map_plot(
    places: NDArray[np.float64], shares: NDArray[np.float64], counts: NDArray[np.int64],
    dominant: NDArray[np.int64], labels: Sequence[str],
) -> str:  # fmt: skip
    """Used codes on their first two principal components, the larger the more used.

    Args:
        places: (n, 2). shares: (2,) of the variance. counts: (n,) tokens.
        dominant: (n,) the movement of most of a code's tokens, or -1.
    """
    figure = canvas(8.2, 5.2)
    axes = figure.add_subplot()
    tidy(axes, grid=None)
    area = 8 + 160 * counts / counts.max()
    known = dominant[dominant >= 0]
    common = np.argsort(-np.bincount(known, minlength=len(labels)), kind="stable")[:_COLOURED]
    groups = [(labels[g], dominant == g, SERIES[i]) for i, g in enumerate(common) if (dominant == g).any()]
    rest = ~np.isin(dominant, common)
    if rest.any():
        groups.insert(0, ("other movements or none" if len(known) else "no labels", rest, GRID))
    for name, chosen, colour in groups:
        at = places[chosen]
        axes.scatter(at[:, 0], at[:, 1], area[chosen], color=colour, alpha=0.72, lw=0, label=plain(name))
    axes.set_xlabel(f"first component ({shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second component ({shares[1]:.0%})")
    legend(figure, loc="outside right upper", labelspacing=0.8)
    for handle in figure.legends[0].legend_handles:
        if handle is not None:
            handle.set_sizes([45.0])  # type: ignore[attr-defined]
    return svg(figure, "Map of the used codes")


def context_plot(found: Context) -> str:
    """Share of neighbour pairs with unequal codes over how alike they are."""
    figure = canvas(5.6, 3.3)
    axes = figure.add_subplot()
    tidy(axes)
    axes.plot(found.distance, 100 * found.differ, "o-", color=SERIES[0], lw=2, ms=6, label="neighbour pairs")
    axes.axhline(100 * found.random_differ, color=SERIES[1], lw=1.4, ls="--", label="random pairs")
    axes.set_ylim(0, 103)
    axes.set_xlim(0)
    axes.set_xlabel("distance of the two signals, 1: random pairs")
    axes.set_ylabel("pairs with unequal codes, %")
    legend(figure, loc="outside upper left", ncols=2)
    return svg(figure, "Share of pairs with unequal codes over the distance of their signals")
