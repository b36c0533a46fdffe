"""What the second phase of the virtual user came to, beside the paper's numbers: a table and the curves.

The paper is Hodossy and Farina 2026, its second table and seventh figure: five runs a condition, up to 260 million steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.report.draw import SERIES, canvas, legend, png, tidy

CONDITIONS: Mapping[int, str] = {1: "1. continue learning", 2: "2. from scratch", 3: "3. from scratch, decoder observed"}
PAPER: Mapping[int, tuple[float, float]] = {1: (97.33, 162.2), 2: (94.64, 259.5), 3: (97.82, 194.6)}
"""Largest accuracy in per cent, and million steps to 95 % of it."""

_SHARE = 0.95
_POINTS = 200
Curve = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def mean_curve(results: Sequence[Mapping[str, Any]], name: str) -> Curve:
    """Steps, mean and standard deviation over runs of one condition, as far as all runs went."""
    last = min(result["curve"][-1]["steps"] for result in results)
    first = max(result["curve"][0]["steps"] for result in results)
    steps = np.linspace(first, last, _POINTS)
    values = [np.interp(steps, _column(result, "steps"), _column(result, name)) for result in results]
    return steps, np.mean(values, axis=0), np.std(values, axis=0)


def phase2_table(results: Sequence[Mapping[str, Any]]) -> str:
    """A table in Markdown: every condition's accuracy before and after, what it took, and the paper's numbers.

    `95 %` is the first policy step at which the mean curve reached 95 % of its largest value, and where that is at the start,
    95 % of its rise.
    """
    lines = [
        "| condition | seeds | before | after, deterministic | after, stochastic | settled | largest of curve "
        "| 95 % of it, M steps | 95 % of the rise, M steps | effort before / after | M policy steps | CPU min "
        "| paper's largest | paper's 95 %, M steps |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for condition in sorted({result["condition"] for result in results}):
        runs = [result for result in results if result["condition"] == condition]
        steps, mean, _ = mean_curve(runs, "accuracy")
        paper, paper_steps = PAPER[condition]
        rise = mean[0] + _SHARE * (mean.max() - mean[0])
        cells = [
            CONDITIONS[condition], str(len(runs)), _percent(runs, "before", "deterministic"),
            _percent(runs, "after", "deterministic"), _percent(runs, "after", "stochastic"),
            _percent(runs, "after", "deterministic", "settled"), f"{100 * mean.max():.2f} %",
            f"{steps[np.argmax(mean >= _SHARE * mean.max())] / 1e6:.2f}", f"{steps[np.argmax(mean >= rise)] / 1e6:.2f}",
            f"{_mean(runs, 'before'):.3f} / {_mean(runs, 'after'):.3f}", f"{np.mean([r['steps'] for r in runs]) / 1e6:.2f}",
            f"{np.mean([r['cpu_s'] for r in runs]) / 60:.0f}", f"{paper:.2f} %", f"{paper_steps:.1f}",
        ]  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def phase2_plot(results: Sequence[Mapping[str, Any]]) -> bytes:
    """Accuracy and effort of the learning users against policy steps, mean and spread over the seeds, as a PNG."""
    figure = canvas(9.0, 3.6)
    panels = figure.subplots(1, 2)
    for axes, name, label, scale in zip(panels, ("accuracy", "effort"), ("accuracy, %", "mean excitation"), (100.0, 1.0)):
        tidy(axes)
        for condition in sorted({result["condition"] for result in results}):
            steps, mean, spread = mean_curve([r for r in results if r["condition"] == condition], name)
            colour = SERIES[condition - 1]
            axes.plot(steps / 1e6, scale * mean, color=colour, lw=1.6, label=CONDITIONS[condition])
            axes.fill_between(steps / 1e6, scale * (mean - spread), scale * (mean + spread), color=colour, alpha=0.2, lw=0)
        axes.set_xlabel("million policy steps (8 ms each)")
        axes.set_ylabel(label)
    legend(panels[0], loc="lower right")
    return png(figure)


def _column(result: Mapping[str, Any], name: str) -> NDArray[np.float64]:
    return np.array([row[name] for row in result["curve"]], dtype=np.float64)


def _percent(runs: Sequence[Mapping[str, Any]], when: str, how: str, what: str = "accuracy") -> str:
    values = [100 * run[when][how][what] for run in runs]
    return f"{np.mean(values):.2f} ± {np.std(values):.2f} %"


def _mean(runs: Sequence[Mapping[str, Any]], when: str) -> float:
    return float(np.mean([run[when]["deterministic"]["effort"] for run in runs]))


def coadaptation_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Accuracy without chance before the first round and after each, by who learned, in Markdown."""
    rounds = max(len(result["rounds"]) for result in results)
    head = "| who learns | seeds | before | " + " | ".join(f"round {i}" for i in range(1, rounds)) + " | effort before / after |"
    lines = [head, "|---" * (rounds + 3) + "|"]
    for way, mean, spread in _ways(results):
        runs = [result for result in results if result["way"] == way]
        effort = [np.mean([run["rounds"][i]["deterministic"]["effort"] for run in runs]) for i in (0, -1)]
        cells = [f"{100 * m:.2f} ± {100 * s:.2f} %" for m, s in zip(mean, spread)]
        lines.append(f"| {way} | {len(runs)} | " + " | ".join(cells) + f" | {effort[0]:.3f} / {effort[1]:.3f} |")
    return "\n".join(lines)


def coadaptation_plot(results: Sequence[Mapping[str, Any]]) -> bytes:
    """Accuracy against rounds, by who learned, as a PNG."""
    figure = canvas(5.0, 3.4)
    axes = figure.add_subplot()
    tidy(axes)
    for colour, (way, mean, spread) in zip(SERIES, _ways(results)):
        axes.errorbar(range(len(mean)), 100 * mean, 100 * spread, color=colour, marker="o", lw=1.6, ms=4, label=f"{way} learns")
    axes.set_xlabel("round")
    axes.set_ylabel("accuracy, %")
    axes.set_xticks(range(max(len(result["rounds"]) for result in results)))
    legend(axes, loc="best")
    return png(figure)


def _ways(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, NDArray[np.float64], NDArray[np.float64]]]:
    found = []
    for way in dict.fromkeys(result["way"] for result in results):
        runs = [[r["deterministic"]["accuracy"] for r in result["rounds"]] for result in results if result["way"] == way]
        found.append((way, np.mean(runs, axis=0), np.std(runs, axis=0)))
    return found
