"""One decoder: trained, validated each epoch, its best weights tested, saved and reported."""

from __future__ import annotations

import csv
import json
import logging
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from aemg import __version__
from aemg.config import save_config, to_mapping
from aemg.errors import AEMGError, ConfigError
from aemg.neuromotor.data.corpus import Partition, Split
from aemg.neuromotor.training.batches import DecoderBatch, DecoderBatches
from aemg.neuromotor.training.config import DecoderConfig
from aemg.neuromotor.training.descent import descent_of
from aemg.neuromotor.training.evaluation import score, validate
from aemg.neuromotor.training.networks import Start, TrainedOn, make_network
from aemg.neuromotor.training.results import by_user, figures_of
from aemg.neuromotor.training.sets import split_of, training_set, validation_set
from aemg.neuromotor.training.tasks import DecoderTask, make_task
from aemg.training.claim import claimed
from aemg.training.loop import FitResult, fit, make_accelerator
from aemg.training.run import load_best

logger = logging.getLogger(__name__)
Report = dict[str, Any]
# What may change from one part of a run to the next.
_FREE = ("output", "stop_after_steps", "checkpoint_minutes", "tracking.", "test.", "data.root", "data.workers", "optim.epochs")


@dataclass(frozen=True)
class DecoderRun:
    """How a run ended: its loop, and its report once there is nothing left to train."""

    fit: FitResult
    report: Report | None


def train_decoder(config: DecoderConfig) -> DecoderRun:
    """Trains a decoder by its configuration, or goes on with it, and tests it. Writes into `config.output`:

    config.yaml, metrics.csv (steps), epochs.csv, checkpoint, best.safetensors and, once trained, report.json, users.csv,
    stretches.csv and `model`.

    Raises:
        ConfigError: settings that do not fit each other, or the run in the folder.
        AEMGError: another run writes to the folder, recordings or weights that cannot be read, too few of them, or a loss
            that is not finite.
    """
    return run_decoder(config, split_of(config))


def run_decoder(config: DecoderConfig, split: Split) -> DecoderRun:
    """As `train_decoder`, on a given split; one without validation partitions is not validated."""
    with claimed(config, _FREE):
        return _run(config, split)


def _run(config: DecoderConfig, split: Split) -> DecoderRun:
    begun = time.monotonic()
    if config.optim.epochs and not split.train:
        raise AEMGError("there is no training data: look at data.users")
    if config.select is not None and not split.val and config.optim.epochs:
        raise ConfigError("select needs validation data, and there are none: look at data.users, or give select=null")
    accelerator = make_accelerator(config.precision, config.tracking, config.output)
    set_seed(config.seed)
    start = make_network(config)
    if accelerator.is_main_process:
        save_config(config, config.output / "config.yaml")
    accelerator.wait_for_everyone()
    task = make_task(config, start.network).to(accelerator.device)
    training = training_set(config, split.train) if config.optim.epochs else None
    validation = validation_set(config, split.val) if split.val else None
    with _deterministic(config.deterministic):
        result = _fit(accelerator, task, config, training, validation)
        if not result.finished:
            return DecoderRun(result, None)
        if result.best is not None:
            load_best(task, config.output)
        report = _test(accelerator, task, config, split, validation, result)
    report |= {
        "model": _model_facts(config, start, accelerator),
        "data": _data_facts(config, split, training, validation),
        "notes": _notes(config, split, start),
        "seconds": round(time.monotonic() - begun, 1),
    }
    if accelerator.is_main_process:
        _save(config, start, split, report)
    accelerator.wait_for_everyone()
    return DecoderRun(result, report)


def _fit(
    accelerator: Accelerator,
    task: DecoderTask,
    config: DecoderConfig,
    training: DecoderBatches | None,
    validation: DecoderBatches | None,
) -> FitResult:
    if training is None:
        return FitResult(0, 0, {})
    set_seed(config.seed, device_specific=True)  # processes drop out different units

    def at_epoch_end(trained: Any, batch: DecoderBatch) -> dict[str, float]:
        return {} if validation is None else validate(accelerator, trained, validation, config)

    task.train()
    settings = config.fit_settings(accelerator.num_processes)
    return fit(accelerator, task, training, settings, descent_of(config.optim), at_epoch_end)


def _test(
    accelerator: Accelerator,
    task: DecoderTask,
    config: DecoderConfig,
    split: Split,
    validation: DecoderBatches | None,
    result: FitResult,
) -> Report:
    """The parts of the report that come from data."""
    report: Report = {"task": config.task, "title": config.output.name, "history": _history(config.output)}
    report["validation"] = _validated(accelerator, task, config, split, validation)
    results = score(accelerator, task.network, config, split.test) if split.test else []
    report["metrics"] = {**figures_of(results), "settings": to_mapping(config.test)} if results else {}
    report["users"] = by_user(results)
    report["stretches"] = [stretch.facts for stretch in results]
    report["examples"] = _examples(results, config.test.examples)
    if result.best is not None:
        report |= {"selected_epoch": result.best.epoch, "selected_by": result.best.metric}
    return report


def _validated(
    accelerator: Accelerator, task: DecoderTask, config: DecoderConfig, split: Split, validation: DecoderBatches | None
) -> dict[str, Any]:
    """The figures of an epoch's end and, of the same users, those of the test; prompts give the same for both."""
    if validation is None:
        return {}
    figures: dict[str, Any] = validate(accelerator, task, validation, config)
    if config.task == "handwriting":
        return {**figures, **{name.removeprefix("val_"): value for name, value in figures.items()}}
    if not config.test.validation:
        return figures
    return {**figures, **figures_of(score(accelerator, task.network, config, split.val, "validation"), whole=False)}


def _save(config: DecoderConfig, start: Start, split: Split, report: Report) -> None:
    report |= {
        "config": to_mapping(config),
        "versions": {"aemg": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "seeds": [config.seed],
    }
    start.network.cpu().save_pretrained(config.output / "model")
    seen = trained_on(split.train) if config.optim.epochs else TrainedOn()
    (start.trained_on + seen).save(config.output / "model")
    write_table(config.output / "users.csv", [{"user": user, **flat(row)} for user, row in report["users"].items()])
    write_table(config.output / "stretches.csv", [flat(row) for row in report["stretches"]])
    write_json(config.output / "report.json", report)


def trained_on(partitions: Sequence[Partition]) -> TrainedOn:
    """Users and datasets of partitions."""
    users, datasets = ({getattr(p, name) for p in partitions} for name in ("user", "dataset"))
    return TrainedOn(tuple(sorted(users)), tuple(sorted(datasets)))


def write_json(path: Path, values: Any) -> None:
    """Writes a file in one step; numbers that are not finite become null."""
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(json.dumps(_finite(values), indent=1, allow_nan=False) + "\n")
    partial.replace(path)


def write_table(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Writes rows as CSV; their columns are all keys, in order of first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """The entries of a row that fit a table's cell, a pair as two."""
    cells = {key: value for key, value in row.items() if not isinstance(value, dict | list | tuple)}
    pairs = {f"{key}_{i}": part for key, value in row.items() if isinstance(value, tuple) for i, part in enumerate(value)}
    return {**cells, **pairs}


def _finite(values: Any) -> Any:
    if isinstance(values, dict):
        return {str(key): _finite(value) for key, value in values.items()}
    if isinstance(values, list | tuple):
        return [_finite(value) for value in values]
    if isinstance(values, float | np.floating):
        return float(values) if np.isfinite(values) else None
    return values


def _examples(results: Sequence[Any], most: int) -> list[dict[str, Any]]:
    """Excerpts in turns over the users, one of each before a second one of any."""
    seen: dict[str, int] = {}
    turns: list[tuple[int, int, Any]] = []
    for result in results:
        if result.example:
            turns.append((seen.get(result.user, 0), len(turns), result))
            seen[result.user] = seen.get(result.user, 0) + 1
    return [result.example for _, _, result in sorted(turns, key=lambda turn: turn[:2])[:most]]


def _history(folder: Path) -> list[dict[str, float]]:
    """A row an epoch; its loss is the mean over the steps that were logged in it, where there were any."""
    losses: dict[int, list[float]] = {}
    for row in _rows(folder / "metrics.csv"):
        losses.setdefault(int(np.ceil(row["epoch"])), []).append(row["loss"])
    rows = _rows(folder / "epochs.csv")
    for row in rows:
        row["loss"] = float(np.mean(losses.get(int(row["epoch"]), [row["loss"]])))
    return rows


def _rows(path: Path) -> list[dict[str, float]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]


def _data_facts(
    config: DecoderConfig, split: Split, training: DecoderBatches | None, validation: DecoderBatches | None
) -> dict[str, Any]:
    facts: dict[str, Any] = {"root": str(config.data.root), "split": config.data.split}
    for name in ("train", "val", "test"):
        partitions = split.part(name)
        facts[f"{name}_users"] = len({p.user for p in partitions})
        facts[f"{name}_datasets"] = len({p.dataset for p in partitions})
    for name, batches in (("train", training), ("val", validation)):
        if batches is not None:
            facts[f"{name}_items"] = len(batches)
            facts[f"{name}_intervals_too_short"] = len(getattr(batches.items, "skipped", ()))
    return facts


def _model_facts(config: DecoderConfig, start: Start, accelerator: Accelerator) -> dict[str, Any]:
    return {
        "name": type(start.network).__name__,
        "parameters": sum(p.numel() for p in start.network.parameters()),
        "backbone": config.model.backbone,
        "init": "none" if config.init is None else str(config.init),
        "device": str(accelerator.device),
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
    }


def _notes(config: DecoderConfig, split: Split, start: Start) -> list[str]:
    notes = []
    shared = sorted({p.user for p in split.test} & {*start.trained_on.users, *(p.user for p in split.train)})
    if shared:
        notes.append(f"The decoder was trained on test users: {', '.join(shared)}.")
    if not start.trained_on.complete:
        notes.append("Whom the initial weights were trained on is not known.")
    if start.network.licence:
        notes.append(f"The initial weights are under {start.network.licence}.")
    return notes


@contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    before, warned = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
        torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
