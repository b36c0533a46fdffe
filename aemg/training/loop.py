"""The one loop: prepare, step, log, checkpoint, resume."""

from __future__ import annotations

import csv
import json
import math
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.logging import get_logger
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from aemg.errors import AEMGError
from aemg.training.config import RunConfig
from aemg.training.data import EpochSampler, SentenceDataset, TrainingBatch, first_of

logger = get_logger(__name__)


# What a stage adds to the figures at the end of an epoch, given its task and the last batch.
EpochEnd = Callable[[nn.Module, TrainingBatch], dict[str, float]]

@dataclass(frozen=True)
class FitResult:
    """How a run ended: steps done of all, and the last figures."""

    step: int
    steps: int
    metrics: dict[str, float]

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.steps


def make_accelerator(config: RunConfig) -> Accelerator:
    """An accelerator in bf16 where asked for and there, with its trackers started."""
    precision = config.precision
    if precision == "auto":
        precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    kind = config.tracking.kind
    accelerator = Accelerator(
        mixed_precision=precision,
        log_with=None if kind == "csv" else kind,
        project_dir=str(config.output),
        # neither stage uses all: the mask token is stage 2's alone, the stretch's amplitudes are hidden from it
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if kind != "csv":
        if kind == "wandb":
            import os

            os.environ.setdefault("WANDB_MODE", "offline")
        config.output.mkdir(parents=True, exist_ok=True)
        accelerator.init_trackers(config.tracking.project, init_kwargs={"wandb": {"dir": str(config.output)}})
    return accelerator


def fit(
    accelerator: Accelerator,
    task: nn.Module,
    dataset: SentenceDataset,
    config: RunConfig,
    at_epoch_end: EpochEnd | None = None,
) -> FitResult:
    """Trains a task to the end, going on from the last checkpoint in `config.output` where there is one.

    On one process of a CPU, a resumed run gives bit for bit what an uninterrupted one gives.

    Raises:
        AEMGError: the batch does not divide among the processes, no sample, or the loss is not finite; in the last case
            the batch is saved to `bad_batch.pt` first.
    """
    optim, world = config.optim, accelerator.num_processes
    if optim.batch % world:
        raise AEMGError(f"optim.batch = {optim.batch} must be a multiple of the {world} processes")
    if len(dataset) < world:
        raise AEMGError(f"the training data hold {len(dataset)} sentences, too few for {world} process(es)")
    per_epoch = EpochSampler.steps_per_epoch(len(dataset), optim.batch)
    steps = optim.epochs * per_epoch
    parameters = [p for p in task.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=optim.lr, weight_decay=optim.weight_decay, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _cosine(config, per_epoch, steps))
    task, optimizer = accelerator.prepare(task, optimizer)
    accelerator.register_for_checkpointing(schedule)
    run = _Run(accelerator, config, per_epoch, steps)
    step = run.resume()
    for batch in run.batches(dataset, step):
        figures = _step(accelerator, task, optimizer, schedule, parameters, batch.to(accelerator.device), config)
        step += 1
        run.log(step, figures, optimizer.param_groups[0]["lr"])
        if step % per_epoch == 0 and at_epoch_end is not None:
            run.log_epoch(step, at_epoch_end(accelerator.unwrap_model(task), batch.to(accelerator.device)))
        if run.due(step):
            run.checkpoint(step)
        if config.stop_after_steps is not None and step >= config.stop_after_steps:
            break
    run.checkpoint(step)
    run.close()
    return FitResult(step, steps, run.last)


def _step(
    accelerator: Accelerator,
    task: nn.Module,
    optimizer: Any,
    schedule: Any,
    parameters: list[nn.Parameter],
    batch: TrainingBatch,
    config: RunConfig,
) -> dict[str, float]:
    """One update; the mean over all processes' tokens is exact whatever each one's share."""
    with accelerator.autocast():
        sums = task(batch)
    names = [name for name in sums if name != "count"]
    totals = torch.stack([sums["count"].float()] + [sums[name].detach().float() for name in names])
    totals = accelerator.reduce(totals, "sum")  # (1 + names,)
    count = totals[0].clamp(min=1)
    loss = sums["loss"] * accelerator.num_processes / count
    if not torch.isfinite(totals).all():
        torch.save({"samples": batch.samples, "totals": totals}, config.output / "bad_batch.pt")
        raise AEMGError(
            f"the loss is not finite; the batch's samples are saved in {config.output / 'bad_batch.pt'}. "
            "Lower optim.lr or look at those recordings"
        )
    accelerator.backward(loss)
    norm = accelerator.clip_grad_norm_(parameters, config.optim.clip_norm)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    figures = {name: float(total / count) for name, total in zip(names, totals[1:])}
    return {**figures, "gradient_norm": float(norm) if norm is not None else 0.0}


def _cosine(config: RunConfig, per_epoch: int, steps: int) -> Callable[[int], float]:
    optim = config.optim
    warmup = max(1, round(optim.warmup_epochs * per_epoch))
    floor = optim.final_lr / optim.lr

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, steps - warmup))
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))

    return factor


class _Run:
    """A run's folder: metrics.csv, epochs.csv, checkpoints; and its progress bar."""

    def __init__(self, accelerator: Accelerator, config: RunConfig, per_epoch: int, steps: int) -> None:
        self._accelerator, self._config, self._per_epoch, self._steps = accelerator, config, per_epoch, steps
        self._folder = config.output
        self._saved_at = time.monotonic()
        self._bar: Any = None
        self.last: dict[str, float] = {}

    def resume(self) -> int:
        """Loads the last whole checkpoint; the step to go on with."""
        state = self._folder / "checkpoint"
        if not (state / "progress.json").exists():
            state = self._folder / "checkpoint.old"  # a crash between the two renames of a checkpoint
        if not (state / "progress.json").exists():
            if self._accelerator.is_main_process:
                for name in ("metrics.csv", "epochs.csv"):
                    (self._folder / name).unlink(missing_ok=True)
            return 0
        self._accelerator.load_state(str(state))
        step = int(json.loads((state / "progress.json").read_text())["step"])
        if self._accelerator.is_main_process:
            for name in ("metrics.csv", "epochs.csv"):
                _truncate(self._folder / name, step)
        logger.info("going on at step %d of %d", step, self._steps)
        return step

    def batches(self, dataset: SentenceDataset, step: int) -> Iterator[TrainingBatch]:
        sampler = EpochSampler(
            len(dataset),
            self._config.optim.batch,
            seed=self._config.seed,
            rank=self._accelerator.process_index,
            world=self._accelerator.num_processes,
            first_step=step,
            steps=self._steps,
        )
        loader: DataLoader[TrainingBatch] = DataLoader(
            dataset,
            sampler=sampler,
            batch_size=1,
            collate_fn=first_of,
            num_workers=self._config.data.workers,
            persistent_workers=self._config.data.workers > 0,
            generator=torch.Generator().manual_seed(self._config.seed),
        )
        self._bar = tqdm(total=self._steps, initial=step, unit="step", disable=not self._accelerator.is_main_process)
        yield from loader

    def log(self, step: int, figures: dict[str, float], lr: float) -> None:
        self.last = figures
        self._bar.update()
        self._bar.set_postfix({"epoch": f"{step / self._per_epoch:.1f}", "loss": f"{figures['loss']:.4f}"}, refresh=False)
        if step % self._config.tracking.every_steps == 0 or step == self._steps:
            self._write("metrics.csv", {"step": step, "epoch": step / self._per_epoch, "lr": lr, **figures})

    def log_epoch(self, step: int, figures: dict[str, float]) -> None:
        self._write("epochs.csv", {"step": step, "epoch": step // self._per_epoch, **self.last, **figures})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in {**self.last, **figures}.items())
        if self._accelerator.is_main_process:
            self._bar.write(f"epoch {step // self._per_epoch}: {shown}")

    def due(self, step: int) -> bool:
        if step >= self._steps:
            return False
        late = torch.tensor(float(time.monotonic() - self._saved_at >= 60 * self._config.checkpoint_minutes))
        return bool(self._accelerator.reduce(late.to(self._accelerator.device), "max") > 0)

    def checkpoint(self, step: int) -> None:
        """Written beside the last one and renamed, so that one whole checkpoint is always there."""
        partial, final, old = (self._folder / n for n in ("checkpoint.partial", "checkpoint", "checkpoint.old"))
        if self._accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        self._accelerator.save_state(str(partial))
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            (partial / "progress.json").write_text(json.dumps({"step": step, "steps": self._steps}))
            shutil.rmtree(old, ignore_errors=True)
            if final.exists():
                final.rename(old)
            partial.rename(final)
            shutil.rmtree(old, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        self._saved_at = time.monotonic()

    def close(self) -> None:
        self._bar.close()

    def _write(self, name: str, row: dict[str, float]) -> None:
        self._accelerator.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))
        if not self._accelerator.is_main_process:
            return
        path = self._folder / name
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
            if new:
                writer.writeheader()
            writer.writerow(row)


def _truncate(path: Path, step: int) -> None:
    """Drops the rows after a step, which a resumed run writes again."""
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:1] + [line for line in lines[1:] if int(line.split(",", 1)[0]) <= step]))
