"""A run's folder: figures, checkpoints, the best weights; and its progress bar."""

from __future__ import annotations

import csv
import json
import pickle
import shutil
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.logging import get_logger
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler
from tqdm import tqdm

from aemg.datasets.base import sha256_of
from aemg.errors import AEMGError, DataFileError
from aemg.training.config import FitSettings

logger = get_logger(__name__)
BEST = "best.safetensors"
# What json, torch and safetensors raise on a file with wrong bytes in it.
_DAMAGE = (
    OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, OverflowError, MemoryError,
    AssertionError, pickle.UnpicklingError, SafetensorError,
)  # fmt: skip


@dataclass(frozen=True)
class Best:
    """The epoch (from 1) whose weights `best.safetensors` holds, and its figure."""

    epoch: int
    metric: str
    value: float


class Run:
    """What a run leaves in its folder: metrics.csv, epochs.csv, timing.csv, checkpoints, best.safetensors."""

    def __init__(
        self, accelerator: Accelerator, settings: FitSettings, per_epoch: int, steps: int, schedule: LRScheduler
    ) -> None:
        self._accelerator, self._settings, self._per_epoch, self._steps = accelerator, settings, per_epoch, steps
        self._schedule = schedule
        self._folder = settings.output
        self._saved_at = time.monotonic()
        self._bar: Any = None
        self._timed = [0.0, 0.0, 0.0]  # steps, their seconds and those of waiting since the last row of timing.csv
        self.last: dict[str, float] = {}
        self.best: Best | None = None

    def resume(self) -> int:
        """Loads the last whole checkpoint; the step to go on with.

        Raises:
            DataFileError: a checkpoint that is damaged, or of other data.
        """
        state = self._folder / "checkpoint"
        if not (state / "progress.json").exists():
            state = self._folder / "checkpoint.old"  # a crash between the two renames of a checkpoint
        step = 0
        if (state / "progress.json").exists():
            step = self._load(state)
            self.best = _read_best(self._folder)  # may be of an epoch that is done again: its figure goes with its weights
            logger.info("going on at step %d of %d", step, self._steps)
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            for name in ("metrics.csv", "epochs.csv", "timing.csv"):
                _truncate(self._folder / name, step)
            if step == 0:
                (self._folder / BEST).unlink(missing_ok=True)
        self._bar = tqdm(total=self._steps, initial=step, unit="step", disable=not self._accelerator.is_main_process)
        return step

    def _load(self, state: Path) -> int:
        """Takes up a checkpoint; its step. The learning rate's schedule is kept as numbers: Accelerate would unpickle it."""
        advice = f"delete {state} to begin anew"
        try:
            progress = json.loads((state / "progress.json").read_text())
            step, per_epoch = int(progress["step"]), int(progress["per_epoch"])
            for name, digest in progress["sha256"].items():
                if sha256_of(state / name) != digest:
                    raise ValueError(f"{name} does not match its sha256")
            self._schedule.load_state_dict({**self._schedule.state_dict(), **progress["schedule"]})
            if per_epoch == self._per_epoch:
                self._accelerator.load_state(str(state))
        except _DAMAGE as error:
            told = " ".join(str(error).split())[:300]
            raise DataFileError(state, f"a checkpoint of this run ({advice})", f"{type(error).__name__}: {told}") from error
        if per_epoch != self._per_epoch:
            found = f"one whose epochs had {per_epoch} steps"
            raise DataFileError(state, f"a checkpoint of the same data, {self._per_epoch} steps an epoch ({advice})", found)
        return step

    def log(self, step: int, figures: dict[str, float]) -> None:
        """The figures of a step: on the bar and, now and then, in metrics.csv."""
        self.last = figures
        self._bar.update()
        self._bar.set_postfix({"epoch": f"{step / self._per_epoch:.1f}", "loss": f"{figures['loss']:.4f}"}, refresh=False)
        if step % self._settings.every_steps == 0 or step == self._steps:
            self._write("metrics.csv", {"step": step, "epoch": step / self._per_epoch, **figures})

    def log_time(self, step: int, step_s: float, data_wait_s: float) -> None:
        """How long a step took and waited for its batch, in timing.csv: the mean over the steps since the last row, and
        `data_wait`, the share of waiting. Apart from metrics.csv, which a resumed run repeats bit for bit."""
        self._timed = [a + b for a, b in zip(self._timed, (1, step_s, data_wait_s))]
        if step % self._settings.every_steps == 0 or step == self._steps:
            count, seconds, waited_s = self._timed
            self._write("timing.csv", {"step": step, "step_s": seconds / count, "data_wait": waited_s / seconds})
            self._timed = [0.0, 0.0, 0.0]

    def log_epoch(self, step: int, figures: dict[str, float], task: nn.Module) -> None:
        """The figures of an epoch, in epochs.csv; the weights are kept where they are the best so far."""
        epoch = step // self._per_epoch
        self._write("epochs.csv", {"step": step, "epoch": epoch, **self.last, **figures})
        shown = ", ".join(f"{name} {value:.4g}" for name, value in {**self.last, **figures}.items())
        if self._accelerator.is_main_process:
            self._bar.write(f"epoch {epoch}: {shown}")
        select = self._settings.select
        if select is not None and select.better(figures[select.metric], self.best.value if self.best else None):
            self.best = Best(epoch, select.metric, figures[select.metric])
            if self._accelerator.is_main_process:
                _save_best(task, self.best, self._folder)
            self._accelerator.wait_for_everyone()

    def patience_ended(self, step: int) -> bool:
        """Whether as many epochs as the selection allows went by without a better one."""
        select = self._settings.select
        if select is None or select.patience is None:
            return False
        return step // self._per_epoch - (self.best.epoch if self.best else 0) >= select.patience

    def due(self, step: int) -> bool:
        """Whether it is time for a checkpoint; the same answer on all processes."""
        if step >= self._steps:
            return False
        late = torch.tensor(float(time.monotonic() - self._saved_at >= 60 * self._settings.checkpoint_minutes))
        return bool(self._accelerator.reduce(late.to(self._accelerator.device), "max") > 0)

    def checkpoint(self, step: int) -> None:
        """Written beside the last one and renamed, so that one whole checkpoint is always there.

        Raises:
            AEMGError: it cannot be written; the one before it is kept.
        """
        try:
            self._write_checkpoint(step)
        except (OSError, RuntimeError, SafetensorError) as error:
            if tells_of_dead_worker(error):
                raise
            told = " ".join(str(error).split())[:300]
            raise AEMGError(
                f"{self._folder}: the checkpoint of step {step} cannot be written ({told}); is the disk full? The one before "
                "it is kept: free some space and type the same command again"
            ) from error

    def _write_checkpoint(self, step: int) -> None:
        partial, final, old = (self._folder / n for n in ("checkpoint.partial", "checkpoint", "checkpoint.old"))
        if self._accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        self._accelerator.save_state(str(partial))
        self._accelerator.wait_for_everyone()
        if self._accelerator.is_main_process:
            schedule = {key: value for key, value in self._schedule.state_dict().items() if key != "lr_lambdas"}
            progress = {"step": step, "steps": self._steps, "per_epoch": self._per_epoch, "schedule": schedule}
            progress["sha256"] = {file.name: sha256_of(file) for file in sorted(partial.iterdir())}
            (partial / "progress.json").write_text(json.dumps(progress))
            shutil.rmtree(old, ignore_errors=True)
            if final.exists():
                final.rename(old)
            partial.rename(final)
            shutil.rmtree(old, ignore_errors=True)
        self._accelerator.wait_for_everyone()
        self._saved_at = time.monotonic()

    def close(self) -> None:
        """Ends the bar."""
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


def tells_of_dead_worker(error: BaseException) -> bool:
    """Whether an error is torch's word that a process that loads data died, which comes wherever the run happens to be."""
    return isinstance(error, RuntimeError) and "DataLoader worker" in str(error)


def _truncate(path: Path, step: int) -> None:
    """Drops the rows after a step, which a resumed run writes again."""
    if step == 0 or not path.exists():
        path.unlink(missing_ok=True)
        return
    lines = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]  # the last may be cut short
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text("".join(lines[:1] + [line for line in lines[1:] if int(line.split(",", 1)[0]) <= step]))
    partial.replace(path)


def load_best(task: nn.Module, folder: Path) -> None:
    """Puts the weights of a run's best epoch into its task."""
    task.load_state_dict(load_file(folder / BEST))


def _save_best(task: nn.Module, best: Best, folder: Path) -> None:
    weights: dict[str, Tensor] = {k: v.detach().cpu().clone().contiguous() for k, v in task.state_dict().items()}
    partial = folder / f"{BEST}.partial"
    save_file(weights, partial, metadata={"best": json.dumps(asdict(best))})
    partial.replace(folder / BEST)


def _read_best(folder: Path) -> Best | None:
    if not (folder / BEST).exists():
        return None
    with safe_open(folder / BEST, framework="pt") as file:
        return Best(**json.loads(file.metadata()["best"]))
