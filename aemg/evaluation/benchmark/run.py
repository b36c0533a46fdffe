"""A whole benchmark: jobs spread over processes, each cell kept when it is done, and the result over all."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aemg.config import to_mapping
from aemg.errors import AEMGError, ConfigError
from aemg.evaluation.benchmark.cells import Job, Sets, cell_file, run_job
from aemg.evaluation.benchmark.config import BenchmarkConfig
from aemg.evaluation.benchmark.protocols import PROTOCOLS, Protocol, protocol_named
from aemg.evaluation.benchmark.published import Network, published_rows
from aemg.evaluation.benchmark.published_recipes import RECIPES
from aemg.evaluation.material import Progress, fresh_config, make_ready, named, people_of
from aemg.evaluation.pieces import claim, spread, versions, write_json
from aemg.evaluation.statistics import statistics
from aemg.training.claim import alone

_FREE = ("jobs", "output", "max_people", "protocols", "published_root")


def benchmark(
    config: BenchmarkConfig,
    *,
    rank: int = 0,
    world: int = 1,
    wait: Callable[[], None] = lambda: None,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Runs all cells that are not done yet, and gathers benchmark.json.

    Args:
        rank, world: this process and their number; each takes its share of the jobs.
        wait: returns when all processes have called it.
        progress: called with what is done, how much of it and of how much.

    Returns:
        What benchmark.json holds, on the first process; nothing on others.

    Raises:
        ConfigError: no set or protocol, an unknown one, or a folder with cells of other settings.
        AEMGError: a cell cannot be made, or another run writes to the folder; finished cells are kept.
    """
    if not config.protocols:
        raise ConfigError(f"protocols=[NAME, ...] is missing; known are {', '.join(PROTOCOLS)}")
    if not config.data.sets and any(protocol_named(name).split != "published" for name in config.protocols):
        raise ConfigError("data.sets=[NAME, ...] is missing; the sets are listed by: python datasets list")
    with alone(config.output, rank == 0):
        started = time.monotonic()
        if rank == 0:
            claim(config, config.output / "cells", _FREE)
            make_ready(config, progress)
        wait()
        jobs, left_out = plan(config)
        if rank == 0:
            _forget_missing(config, jobs)
        wait()
        todo = [job for job in jobs if any(not file.exists() for file in files_of(config, [job]))]
        wait()  # all processes see the same work before any of it is done
        total = len(files_of(config, jobs))
        for _ in spread(todo[rank::world], config.jobs, _run, config):
            progress("cells", sum(file.exists() for file in files_of(config, jobs)), total)
        wait()
        results: dict[str, Any] = {}
        if rank == 0:
            results = {**gather(config, jobs, left_out), "seconds": time.monotonic() - started}
            write_json(config.output / "benchmark.json", results, indent=None)
        wait()
    return results


def plan(config: BenchmarkConfig) -> tuple[list[Job], list[dict[str, Any]]]:
    """All jobs, and which protocols do not apply to which sets, and why."""
    protocols = [protocol_named(name) for name in dict.fromkeys(config.protocols)]
    jobs: list[Job] = []
    left_out: list[dict[str, Any]] = []
    for protocol in protocols:
        if protocol.split == "published":
            dataset = RECIPES[protocol.name].dataset
            jobs += [Job("published", dataset, (_everyone(config),), seed, (protocol,)) for seed in config.seeds]
    sets = Sets(config)
    for dataset in config.data.sets:
        people = people_of(config, dataset)
        tested = named(config.data.tested.get(dataset), people, f"data.tested.{dataset}")[: config.max_people]
        fitting: dict[Any, list[Protocol]] = {}
        for protocol in protocols:
            if protocol.split == "published":
                continue
            reason = sets.unfit(protocol, dataset)
            if reason:
                left_out.append({"protocol": protocol.name, "set": dataset, "person": None, "reason": reason})
            else:
                fitting.setdefault((protocol.split, protocol.sources), []).append(protocol)
        for (split, sources), together in fitting.items():
            groups = [tested] if split == "sets" else [(person,) for person in tested]
            jobs += [Job(split, dataset, group, seed, tuple(together), sources) for seed in config.seeds for group in groups]
    return jobs, left_out


def files_of(config: BenchmarkConfig, jobs: Sequence[Job]) -> list[Path]:
    """Files of all cells of jobs."""
    return [cell_file(config, p, job.dataset, person, job.seed) for job in jobs for p in job.protocols for person in job.people]


def gather(config: BenchmarkConfig, jobs: Sequence[Job], left_out: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """benchmark.json of finished cells: rows and what they say, and what there is no row of, and why."""
    rows: list[dict[str, Any]] = []
    skipped = list(left_out)
    for job in jobs:
        for person in job.people:
            for protocol in job.protocols:
                cell = json.loads(cell_file(config, protocol, job.dataset, person, job.seed).read_text())
                rows += cell["rows"]
                if cell["skipped"]:
                    skipped.append(
                        {"protocol": protocol.name, "set": job.dataset, "person": person, "reason": cell["skipped"]}
                    )
    names = dict.fromkeys([*config.protocols, *(row["protocol"] for row in rows)])
    return {
        "title": f"Benchmark on {', '.join(config.data.sets)}" if config.data.sets else "Benchmark",
        "command": " ".join(sys.argv),
        "config": to_mapping(config),
        "versions": versions(),
        "protocols": {name: _described(name) for name in names},
        "rows": rows,
        "skipped": skipped,
        "warnings": losses(rows),
        "statistics": statistics(rows),
    }


def losses(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Where adaptation to labelled data lies below the point it starts from, on the same tested repetitions."""
    points: dict[tuple[Any, ...], list[tuple[float, float]]] = {}
    for row in rows:
        for metric, start in row.get("zero_shot", {}).items():
            key = row["protocol"], row["set"], row["method"], row["registered"], row["context"], metric
            points.setdefault(key, []).append((row["metrics"][metric], start))
    found = []
    for (protocol, dataset, method, registered, context, metric), pairs in points.items():
        after, before = np.mean(pairs, axis=0)
        if after < before - 1e-9:
            how = "after registration" if registered else "as worn"
            found.append(
                f"{protocol} on {dataset}, {method} {how}, {metric} of a {context}: adapted {after:.3f} lies below the zero-shot "
                f"point {before:.3f}"
            )
    return found


def _forget_missing(config: BenchmarkConfig, jobs: Sequence[Job]) -> None:
    """Published protocols whose files were not there are tried again."""
    for file in files_of(config, [job for job in jobs if job.split == "published"]):
        if file.exists() and not json.loads(file.read_text())["rows"]:
            file.unlink()


def _described(name: str) -> dict[str, object]:
    recipe = name.removesuffix("-corrected")
    described = protocol_named(recipe if recipe in RECIPES else name).as_dict()
    return described if recipe == name else {**described, "title": f"{described['title']}, filters corrected"}


def _everyone(config: BenchmarkConfig) -> str:
    """The people of a published protocol, as their cell is named."""
    return "all" if config.max_people is None else f"first-{config.max_people}"


def _network(config: BenchmarkConfig) -> Network | None:
    if not config.networks:
        return None
    return Network(config.encoders, fresh_config(config), config.finetune, config.networks)


def _run(job: Job, config: BenchmarkConfig) -> None:
    if job.split != "published":
        run_job(job, config)
        return
    (protocol,) = job.protocols
    root = config.published_root or config.data.root
    rows: list[dict[str, Any]] = []
    reason = None
    try:
        if root is None:
            raise AEMGError(f"published_root=DIR is missing: the folder of the native files of {job.dataset}")
        rows = list(
            published_rows(
                protocol.name,
                root,
                config.baselines,
                seeds=(job.seed,),
                network=_network(config),
                most_people=config.max_people,
            )
        )
    except ConfigError:
        raise
    except AEMGError as error:
        reason = str(error)
    file = cell_file(config, protocol, job.dataset, _everyone(config), job.seed)
    write_json(file, {"rows": rows, "skipped": reason}, indent=None)
