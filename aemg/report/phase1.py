"""What the first phase of the virtual user came to: tables in Markdown and the learning curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.report.draw import GRID, SERIES, canvas, legend, png, tidy

_POINTS = 200
_FINGERS = ("thumb", "index", "middle", "ring", "little")
Results = Sequence[Mapping[str, Any]]


def phase1_table(runs: Mapping[str, Results]) -> str:
    """How well users follow both kinds of movement, without chance in their actions and without an end of episodes.

    Args:
        runs: results of every seed, by the name of their setting.
    """
    head = ["setting", "seeds", "learnt on", "sine, mm", "square, mm", *_FINGERS, "joints, deg", "effort"]
    head += ["recovery, s", "recovered", "M policy steps", "CPU min", "simulation steps per CPU s"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, results in runs.items():
        for number, stage in enumerate(results[0]["stages"]):
            scores = [result["stages"][stage] for result in results]
            rows = [[row for row in result["curve"] if row["stage"] == number][-1] for result in results]
            substeps = results[0]["settings"]["task"]["substeps"]
            back = [score["recovery"] for score in scores]
            cells = [
                name, str(len(results)), stage,
                *(_spread([s[shape]["tip_error_mm"] for s in scores]) for shape in ("sine", "square")),
                *(f"{x:.1f}" for x in np.mean([s[stage]["fingers_mm"] for s in scores], axis=0)),
                f"{np.mean([s[stage]['joint_error_deg'] for s in scores]):.1f}",
                f"{np.mean([s[stage]['effort'] for s in scores]):.3f}",
                f"{np.mean([b['mean_s'] for b in back]):.2f} ± {np.mean([b['sd_s'] for b in back]):.2f}",
                f"{100 * np.mean([b['recovered'] for b in back]):.0f} %",
                f"{np.mean([r['steps'] for r in rows]) / 1e6:.2f}", f"{np.mean([r['cpu_s'] for r in rows]) / 60:.1f}",
                f"{np.mean([substeps * r['steps'] / r['cpu_s'] for r in rows]):,.0f}",
            ]  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def seeds_table(results: Results) -> str:
    """The tip error of every seed after every stage, in mm."""
    stages = list(results[0]["stages"])
    heads = [f"after {stage}: on {shape}" for stage in stages for shape in ("sine", "square")]
    lines = ["| seed | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for result in results:
        cells = [f"{result['stages'][stage][shape]['tip_error_mm']:.2f}" for stage in stages for shape in ("sine", "square")]
        lines.append(f"| {result['seed']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def phase1_plot(runs: Mapping[str, Results]) -> bytes:
    """Tip error and episode length of the learning users against policy steps, mean and spread over seeds, as a PNG."""
    figure = canvas(9.0, 3.6)
    panels = figure.subplots(1, 2)
    for axes, column, label, scale in zip(panels, ("tip_error_m", "episode"), ("tip error, mm", "episode, actions"), (1e3, 1.0)):
        tidy(axes)
        for colour, (name, results) in zip(SERIES, runs.items()):
            steps, mean, spread = _mean_curve(results, column)
            axes.plot(steps / 1e6, scale * mean, color=colour, lw=1.6, label=name)
            axes.fill_between(steps / 1e6, scale * (mean - spread), scale * (mean + spread), color=colour, alpha=0.2, lw=0)
            for change in _changes(results[0]):
                axes.axvline(change / 1e6, color=GRID, lw=1, ls=":")
        axes.set_xlabel("million policy steps")
        axes.set_ylabel(label)
    panels[1].set_yscale("log")
    legend(panels[0], loc="best")
    return png(figure)


def _whole_curve(result: Mapping[str, Any], column: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values over all stages, whose steps each count from 0."""
    before, last, stage, steps = 0.0, 0.0, 0.0, []
    for row in result["curve"]:
        if row["stage"] != stage:
            before, stage = last, row["stage"]
        last = before + row["steps"]
        steps.append(last)
    return np.array(steps), np.array([row[column] for row in result["curve"]])


def _changes(result: Mapping[str, Any]) -> list[float]:
    steps, _ = _whole_curve(result, "reward")
    stages = np.array([row["stage"] for row in result["curve"]])
    return [float(s) for s in steps[:-1][np.diff(stages) > 0]]


def _mean_curve(results: Results, column: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    curves = [_whole_curve(result, column) for result in results]
    steps = np.linspace(max(x[0] for x, _ in curves), min(x[-1] for x, _ in curves), _POINTS)
    values = [np.interp(steps, *curve) for curve in curves]
    return steps, np.mean(values, axis=0), np.std(values, axis=0)


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.2f} ± {np.std(values):.2f}"
