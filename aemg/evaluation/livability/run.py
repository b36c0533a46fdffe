"""A livability evaluation: a fold a person and seed, each kept when it is done, and the report over all."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aemg.config import to_mapping
from aemg.errors import ConfigError
from aemg.evaluation.certificate import FoldFacts, certificate
from aemg.evaluation.fold import Fold
from aemg.evaluation.livability.config import LivabilityConfig
from aemg.evaluation.livability.fold import run_fold
from aemg.evaluation.livability.summary import set_report
from aemg.evaluation.material import Progress, make_ready, named, people_of, place_of
from aemg.evaluation.pieces import claim, spread, versions, write_json
from aemg.training.claim import alone


def livability(
    config: LivabilityConfig,
    *,
    rank: int = 0,
    world: int = 1,
    wait: Callable[[], None] = lambda: None,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Runs all folds that are not done yet and gathers the report.

    Args:
        rank, world: this process and their number; each takes its share of the folds.
        wait: returns when all processes have called it.

    Raises:
        ConfigError: no set, an unknown one, or unknown subjects.
        AEMGError: a fold cannot be run, or another evaluation writes to the folder; finished folds are kept.
    """
    if not config.data.sets:
        raise ConfigError("data.sets=[NAME, ...] is missing; the sets are listed by: python datasets list")
    with alone(config.output, rank == 0):
        started = time.monotonic()
        if rank == 0:
            claim(config, config.output / "folds", ("jobs", "output", "max_folds"), protocol="livability")
            make_ready(config, progress)
        wait()
        folds = [fold for name in config.data.sets for fold in _folds(config, name)]
        todo = [fold for fold in folds if not _file(config, fold).exists()]
        for done, _ in enumerate(spread(todo[rank::world], config.jobs, _run_and_keep, config), start=1):
            progress("folds", len(folds) - len(todo) + done * world, len(folds))
        wait()
        results = [json.loads(_file(config, fold).read_text()) for fold in folds]
        report = {**_report(config, results), "seconds": time.monotonic() - started}
        if rank == 0:
            write_json(config.output / "report.json", report)
        wait()
    return report


def _folds(config: LivabilityConfig, name: str) -> list[Fold]:
    people = people_of(config, name)
    tested = named(config.data.tested.get(name), people, f"data.tested.{name}")[: config.max_folds]
    return [Fold(place_of(config, name), name, people, person, seed) for person in tested for seed in config.seeds]


def _file(config: LivabilityConfig, fold: Fold) -> Path:
    return config.output / "folds" / f"{fold.dataset}_{fold.subject}_{fold.seed}.json"


def _run_and_keep(fold: Fold, config: LivabilityConfig) -> None:
    write_json(_file(config, fold), run_fold(fold, config))


def _report(config: LivabilityConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    uses = ["registration"] if config.registration else []
    uses += ["rest level", "standardisation of features over the session"]
    facts = [_facts(r["facts"]) for r in results if r["seed"] == config.seeds[0]]
    return {
        "protocol": "livability",
        "title": f"Livability on {', '.join(config.data.sets)}",
        "certificate": certificate(
            facts, protocol="livability", target_unlabelled=", ".join(uses), target_labelled=None
        ),
        "sets": {name: set_report([r for r in results if r["dataset"] == name]) for name in config.data.sets},
        "config": to_mapping(config),
        "versions": versions(),
        "command": " ".join(sys.argv),
        "seeds": list(config.seeds),
        "fold_seconds": sum(r["seconds"] for r in results),
    }


def _facts(values: dict[str, Any]) -> FoldFacts:
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return FoldFacts(**lists)
