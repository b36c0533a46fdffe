"""A livability evaluation: a fold a person and seed, each kept when it is done, and the report over all."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from aemg.config import to_mapping
from aemg.errors import ConfigError
from aemg.evaluation.certificate import certificate, facts_of
from aemg.evaluation.folds import run_folds
from aemg.evaluation.livability.config import LivabilityConfig
from aemg.evaluation.livability.fold import run_fold
from aemg.evaluation.livability.summary import set_report
from aemg.evaluation.material import Progress
from aemg.evaluation.pieces import versions, write_json
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
        results = run_folds(
            config, run_fold, max_folds=config.max_folds, rank=rank, world=world, wait=wait, progress=progress,
            claimed={"protocol": "livability"},
        )  # fmt: skip
        report = {**_report(config, results), "seconds": time.monotonic() - started}
        if rank == 0:
            write_json(config.output / "report.json", report)
        wait()
    return report


def _report(config: LivabilityConfig, results: list[dict[str, Any]]) -> dict[str, Any]:
    uses = ["registration"] if config.registration else []
    uses += ["rest level", "standardisation of features over the session"]
    facts = [facts_of(r["facts"]) for r in results if r["seed"] == config.seeds[0]]
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
