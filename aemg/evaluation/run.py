"""A whole evaluation: folds spread over processes, each kept when it is done, and the report over all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from aemg.config import to_mapping
from aemg.errors import ConfigError
from aemg.evaluation.certificate import certificate, facts_of
from aemg.evaluation.config import EvaluationConfig
from aemg.evaluation.controls import TARGET_DATA
from aemg.evaluation.fold import run_fold
from aemg.evaluation.folds import run_folds
from aemg.evaluation.material import Progress
from aemg.evaluation.metrics import accuracy, compare
from aemg.evaluation.pieces import versions, write_json
from aemg.training.claim import alone

METRICS = ("window_accuracy", "trial_accuracy", "window_accuracy_isolated")


def evaluate(
    config: EvaluationConfig,
    *,
    few_shot: bool = False,
    rank: int = 0,
    world: int = 1,
    wait: Callable[[], None] = lambda: None,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Runs all folds that are not done yet and gathers the report.

    Args:
        few_shot: adapt to each test subject as well.
        rank, world: this process and their number; each takes its share of the folds.
        wait: returns when all processes have called it.

    Raises:
        ConfigError: no set, an unknown one, or unknown subjects.
        AEMGError: a fold cannot be run, or another evaluation writes to the folder; finished folds are kept.
    """
    if not config.data.sets:
        raise ConfigError("data.sets=[NAME, ...] is missing; the sets are listed by: python datasets list")
    with alone(config.output, rank == 0):
        return _evaluate(config, few_shot, rank, world, wait, progress)


def _evaluate(
    config: EvaluationConfig, few_shot: bool, rank: int, world: int, wait: Callable[[], None], progress: Progress
) -> dict[str, Any]:
    started = time.monotonic()
    results = run_folds(
        config, run_fold, max_folds=config.max_folds, few_shot=few_shot, rank=rank, world=world, wait=wait, progress=progress,
        claimed={"few_shot": few_shot},
    )  # fmt: skip
    report = _report(config, results, few_shot)
    report["seconds"] = time.monotonic() - started
    report["fold_seconds"] = sum(r["seconds"] for r in results)
    if rank == 0:
        write_json(config.output / "report.json", report)
    wait()
    return report


def _report(config: EvaluationConfig, results: Sequence[dict[str, Any]], few_shot: bool) -> dict[str, Any]:
    uses = ["registration"] if config.registration else []
    uses += ["standardisation of features over the session"]
    uses += ["learning from the trials, whose bounds are known"] if config.adaptation.rounds else []
    if config.adaptation.rounds and config.adaptation.balance:
        uses.append("the trials taken to be about as many of each movement")
    unlabelled = ", ".join(uses)
    sets = {name: _set_report([r for r in results if r["dataset"] == name]) for name in config.data.sets}
    facts = [facts_of(r["facts"]) for r in results if r["seed"] == config.seeds[0]]
    means = {m: float(np.mean([s["zero_shot"][m]["mean"] for s in sets.values()])) for m in METRICS}
    return {
        "protocol": "fewshot" if few_shot else "loso",
        "title": f"{'Few-shot' if few_shot else 'Zero-shot'} evaluation on {', '.join(sets)}",
        "certificate": certificate(
            facts,
            protocol="few-shot" if few_shot else "zero-shot",
            target_unlabelled=unlabelled,
            target_labelled=config.fewshot.fractions if few_shot else None,
        ),
        "sets": sets,
        "mean_over_sets": means,
        "config": to_mapping(config),
        "versions": versions(),
        "command": " ".join(sys.argv),
        "seeds": list(config.seeds),
    }


def _set_report(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    info = _counts(results)
    methods = sorted({m for r in results for m in r["methods"]})
    figures = {m: _figures([(r["subject"], r["methods"][m]) for r in results if m in r["methods"]]) for m in methods}
    ours = figures.pop("aemg")
    controls = {
        m: {
            **values,
            "target_data": TARGET_DATA.get(m, "unlabelled"),
            "context": "window" if m in TARGET_DATA else "trial",
            "versus": {
                k: asdict(compare(ours[k]["per_subject"], values[k]["per_subject"])) for k in METRICS
            },
        }
        for m, values in figures.items()
    }
    report = {
        **info,
        "zero_shot": ours,
        "controls": controls,
        "confusion": {
            "labels": info["labels"],
            "counts": np.sum([r["confusion"] for r in results], axis=0).tolist(),
        },
        "registration": {r["subject"]: r["registration"][0] for r in results},
    }
    if any(r["few_shot"] for r in results):
        report["few_shot"] = _few_shot_report(results)
    return report


def _counts(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Labels, subjects and counts of a set's folds."""
    first = {r["subject"]: r for r in results}
    return {
        "labels": results[0]["labels"],
        "subjects": list(first),
        "trials": sum(r["trials"] for r in first.values()),
        "windows": sum(r["windows"] for r in first.values()),
    }


def _figures(of_subjects: Sequence[tuple[str, dict[str, float]]]) -> dict[str, Any]:
    """Each metric over subjects, seeds averaged first."""
    found = {}
    for metric in METRICS:
        by_subject: dict[str, list[float]] = {}
        for subject, values in of_subjects:
            by_subject.setdefault(subject, []).append(values[metric])
        found[metric] = accuracy({s: float(np.mean(v)) for s, v in by_subject.items()}).as_dict()
    return found


def _few_shot_report(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for method in results[0]["few_shot"]:
        points = results[0]["few_shot"][method]
        report[method] = {p: _figures([(r["subject"], r["few_shot"][method][p]) for r in results]) for p in points}
    ours = report["aemg"]
    report["warning"] = [
        f"adaptation with {p} of the target's data lies below the zero-shot point in {m}: "
        f"{ours[p][m]['mean']:.3f} < {ours['0'][m]['mean']:.3f}"
        for p in ours
        for m in ("window_accuracy", "trial_accuracy")
        if ours[p][m]["mean"] < ours["0"][m]["mean"]
    ]
    return report


__all__ = ["METRICS", "evaluate"]
