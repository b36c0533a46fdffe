"""The one loop: prepare, step, log, checkpoint, resume. What is trained, and how, is handed to it."""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader

from aemg.errors import AEMGError
from aemg.training.config import FitSettings, TrackingConfig
from aemg.training.data import EpochSampler, first_of
from aemg.training.descent import Descent
from aemg.training.processes import joined_processes
from aemg.training.run import Best, Run, tells_of_dead_worker


class Batch(Protocol):
    """What a step trains on."""

    def to(self, device: torch.device | str) -> Any:
        """The batch on a device."""

    def record(self) -> dict[str, object]:
        """What is kept of a batch that the training stumbled over: tensors, numbers, strings and lists of them."""


B_co = TypeVar("B_co", bound=Batch, covariant=True)


class Batches(Protocol[B_co]):
    """A data set that is asked for whole batches, as lists of (epoch, sample), and gives the same ones whenever asked."""

    def __len__(self) -> int:
        """Samples an epoch."""

    def __getitem__(self, samples: list[tuple[int, int]], /) -> B_co: ...

    def order(self, chance: np.random.Generator, /) -> NDArray[np.int64]:
        """The numbers of an epoch's samples, as many as its length."""


# What is added to the figures at the end of an epoch, given the task and the last batch.
EpochEnd = Callable[[nn.Module, Any], dict[str, float]]


@dataclass(frozen=True)
class FitResult:
    """How a run ended: steps done of all, the last figures, the best epoch where one is selected, and whether it was ended
    early because no better one came."""

    step: int
    steps: int
    metrics: dict[str, float]
    best: Best | None = None
    patience_ended: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return self.patience_ended or self.step >= self.steps


def make_accelerator(precision: str, tracking: TrackingConfig, output: Path) -> Accelerator:
    """An accelerator with its trackers started.

    Args:
        precision: `no`, `bf16`, or `auto` for bf16 where the device has it.
    """
    joined_processes()
    if precision == "auto":
        precision = "bf16" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    accelerator = Accelerator(
        mixed_precision=precision,
        log_with=None if tracking.kind == "csv" else tracking.kind,
        project_dir=str(output),
        # not every task uses all: the mask token is stage 2's alone, the stretch's amplitudes are hidden from it
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if tracking.kind != "csv":
        if tracking.kind == "wandb":
            os.environ.setdefault("WANDB_MODE", "offline")
        output.mkdir(parents=True, exist_ok=True)
        accelerator.init_trackers(tracking.project, init_kwargs={"wandb": {"dir": str(output)}})
    return accelerator


def fit(
    accelerator: Accelerator,
    task: nn.Module,
    dataset: Batches[Any],
    settings: FitSettings,
    descent: Descent,
    at_epoch_end: EpochEnd | None = None,
) -> FitResult:
    """Trains a task to the end, going on from the last checkpoint in `settings.output` where there is one.

    A task takes a batch and gives sums over it: `loss`, other figures, and `count`, which they are divided by. On one process
    of a CPU, a resumed run gives bit for bit what an uninterrupted one gives.

    Raises:
        AEMGError: the batch does not divide among the processes, no sample, or the loss is not finite; in the last case
            the batch is saved to `bad_batch.pt` first.
    """
    world = accelerator.num_processes
    if settings.batch % world:
        raise AEMGError(f"optim.batch = {settings.batch} must be a multiple of the {world} processes")
    if len(dataset) < world:
        raise AEMGError(f"the training data hold {len(dataset)} samples, too few for {world} process(es)")
    batches = EpochSampler.steps_per_epoch(len(dataset), settings.batch, keep_last=settings.keep_last, world=world)
    per_epoch = -(-batches // settings.accumulate)
    steps = settings.epochs * per_epoch
    parameters = [p for p in task.parameters() if p.requires_grad]
    optimizer, factor = descent(parameters, per_epoch, steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    task, optimizer = accelerator.prepare(task, optimizer)
    run = Run(accelerator, settings, per_epoch, steps, schedule)
    step = run.resume()
    loader = _loader(accelerator, dataset, settings, batches, step)
    with _dead_workers_told(settings.workers):
        while step < steps and not run.patience_ended(step):
            began_s = time.perf_counter()
            group = list(itertools.islice(loader, min(settings.accumulate, batches - step % per_epoch * settings.accumulate)))
            waited_s = time.perf_counter() - began_s
            group = [batch.to(accelerator.device) for batch in group]
            figures = {"lr": optimizer.param_groups[0]["lr"]}
            figures |= _step(accelerator, task, optimizer, schedule, parameters, group, settings)
            step += 1
            run.log_time(step, time.perf_counter() - began_s, waited_s)
            run.log(step, figures)
            if step % per_epoch == 0 and at_epoch_end is not None:
                plain = accelerator.unwrap_model(task)
                run.log_epoch(step, at_epoch_end(plain, group[-1]), plain)
            if run.due(step):
                run.checkpoint(step)
            if settings.stop_after_steps is not None and step >= settings.stop_after_steps:
                break
    run.checkpoint(step)
    run.close()
    return FitResult(step, steps, run.last, run.best, run.patience_ended(step))


def _loader(
    accelerator: Accelerator, dataset: Batches[Any], settings: FitSettings, batches: int, step: int
) -> Iterator[Any]:
    """This process's part of the batches from a step of the run on."""
    per_epoch = -(-batches // settings.accumulate)
    sampler = EpochSampler(
        len(dataset),
        settings.batch,
        seed=settings.seed,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        first_step=step // per_epoch * batches + step % per_epoch * settings.accumulate,
        steps=settings.epochs * batches,
        keep_last=settings.keep_last,
        order=dataset.order,
    )
    loader: DataLoader[Any] = DataLoader(
        dataset,  # type: ignore[arg-type]
        sampler=sampler,
        batch_size=1,
        collate_fn=first_of,
        num_workers=settings.workers,
        persistent_workers=settings.workers > 0,
        generator=torch.Generator().manual_seed(settings.seed),
    )
    yield from loader


@contextlib.contextmanager
def _dead_workers_told(workers: int) -> Iterator[None]:
    """A process that loads data may die at any time, and torch tells so wherever the training happens to be."""
    try:
        yield
    except RuntimeError as error:
        if not tells_of_dead_worker(error):
            raise
        raise AEMGError(
            f"a process that loads data died ({error}), maybe for want of memory: type the same command again, with fewer "
            f"workers than {workers}"
        ) from error


def _step(
    accelerator: Accelerator,
    task: nn.Module,
    optimizer: Any,
    schedule: Any,
    parameters: list[nn.Parameter],
    group: list[Any],
    settings: FitSettings,
) -> dict[str, float]:
    """One update by the mean over a group of batches. Each batch's mean over all processes is exact whatever each one's share."""
    figures: dict[str, Tensor] = {}
    for i, batch in enumerate(group):
        with accelerator.no_sync(task) if i + 1 < len(group) else contextlib.nullcontext():
            with accelerator.autocast():
                sums = task(batch)
            names = [name for name in sums if name != "count"]
            totals = torch.stack([sums["count"].float()] + [sums[name].detach().float() for name in names])
            totals = accelerator.reduce(totals, "sum")  # (1 + names,)
            count = totals[0].clamp(min=1)
            _check(accelerator, totals, batch, settings.output)
            accelerator.backward(sums["loss"] * accelerator.num_processes / count / len(group))
        for name, total in zip(names, totals[1:]):
            figures[name] = figures.get(name, 0) + total / count / len(group)
    norm = accelerator.clip_grad_norm_(parameters, float("inf") if settings.clip_norm is None else settings.clip_norm)
    if norm is not None:
        _check(accelerator, norm, group[-1], settings.output)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    return {
        **{name: float(value) for name, value in figures.items()},
        "gradient_norm": float(norm) if norm is not None else 0.0,
    }


def _check(accelerator: Accelerator, totals: Tensor, batch: Batch, output: Path) -> None:
    if torch.isfinite(totals).all():
        return
    rank = accelerator.process_index
    path = output / (f"bad_batch.{rank}.pt" if rank else "bad_batch.pt")
    torch.save({**batch.record(), "totals": totals}, path)
    raise AEMGError(
        f"the loss or its gradient is not finite; the batch is saved in {path}, the last checkpoint is kept. Look at those "
        "recordings (python datasets check), or lower optim.lr in a new output"
    )
