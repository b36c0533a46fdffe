"""The folds of an evaluation: found, spread over processes, each kept when it is done."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from aemg.evaluation.config import CommonConfig
from aemg.evaluation.fold import Fold
from aemg.evaluation.material import Progress, make_ready, named, people_of, place_of
from aemg.evaluation.pieces import claim, spread, write_json

Config = TypeVar("Config", bound=CommonConfig)


def run_folds(
    config: Config,
    run: Callable[[Fold, Config], dict[str, Any]],
    *,
    max_folds: int | None,
    few_shot: bool = False,
    rank: int,
    world: int,
    wait: Callable[[], None],
    progress: Progress,
    claimed: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Runs all folds that are not done yet; what all of them gave, in order, on every process.

    Args:
        run: one fold.
        max_folds: of a set.
        few_shot: the folds adapt to each test subject as well.
        claimed: what tells the folder's folds apart from those of other evaluations, besides the configuration.

    Raises:
        ConfigError: an unknown set or subjects, or a folder with folds of another configuration.
        AEMGError: a fold cannot be run; finished ones are kept.
    """
    if rank == 0:
        claim(config, config.output / "folds", ("jobs", "output", "max_folds"), **claimed)
        make_ready(config, progress)
    wait()
    folds = [f for name in config.data.sets for f in _of_set(config, name, max_folds, few_shot)]
    todo = [f for f in folds if not _file(config, f).exists()]
    wait()  # all processes see the same work before any of it is done
    for done, _ in enumerate(spread(todo[rank::world], config.jobs, _run_and_keep, config, run), start=1):
        progress("folds", len(folds) - len(todo) + done * world, len(folds))
    wait()
    return [json.loads(_file(config, f).read_text()) for f in folds]


def _of_set(config: CommonConfig, name: str, max_folds: int | None, few_shot: bool) -> list[Fold]:
    people = people_of(config, name)
    tested = named(config.data.tested.get(name), people, f"data.tested.{name}")[:max_folds]
    return [Fold(place_of(config, name), name, people, p, seed, few_shot) for p in tested for seed in config.seeds]


def _file(config: CommonConfig, fold: Fold) -> Path:
    return config.output / "folds" / f"{fold.dataset}_{fold.subject}_{fold.seed}.json"


def _run_and_keep(fold: Fold, config: Config, run: Callable[[Fold, Config], dict[str, Any]]) -> None:
    write_json(_file(config, fold), run(fold, config))
