"""Windows of EMG with their targets, for gestures and wrist."""

from __future__ import annotations

import logging
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from aemg.datasets.formats.neuromotor_file import RATE_HZ, NeuromotorFile, OpenFiles, Task
from aemg.errors import AEMGError
from aemg.neuromotor.data.augment import Augment, epoch_counter, item_rng
from aemg.neuromotor.data.corpus import Partition, file_of
from aemg.neuromotor.gesture_targets import pulse_targets

logger = logging.getLogger(__name__)

Item = dict[str, Any]
WINDOW_TASKS: Final = ("discrete_gestures", "wrist")
_LEAST_ROWS: Final = 2  # of a whole partition: it has to span some time


@dataclass(frozen=True)
class Span:
    """Rows [start_row, stop_row) of a user's file."""

    path: Path
    user: str
    dataset: str
    start_row: int
    stop_row: int

    @property
    def rows(self) -> int:
        """How many there are."""
        return self.stop_row - self.start_row


class WindowDataset(Dataset[Item]):
    """Windows of the partitions of a task's files, partition by partition.

    An item is a dict of `emg` (16, T) float32 and, for gestures, `targets` (9, T) float32, or, for the wrist,
    `wrist_angles` (1, T) float32 in radians; `user` and `dataset` are names. Without a window an item is a whole
    partition, and one of gestures also has `prompts`, all (name, time) of its file, and `times` (T,) float64, its
    stamps. It can be pickled and used by the workers of a `DataLoader`, forked or spawned; batches are made by
    `collate_windows`.

    Args:
        root: folder of the files.
        partitions: as a `Split` gives them.
        window: samples of an item; None for whole partitions.
        stride: samples from one window to the next; None for the window's length.
        jitter: shift every window by a random part of the stride, as far as the partition reaches.
        augment: applied to the EMG in order.
        seed: items are the same for the same seed, epoch and index, whatever the number of workers.
        short: a partition shorter than a window is left out with a logged message ("skip") or refused ("error").

    Raises:
        DataFileError: a file is missing, damaged, of another task or has falling time stamps.
        AEMGError: no partition is as long as a window, or one is not and `short` is "error".
    """

    def __init__(
        self,
        root: str | Path,
        partitions: Sequence[Partition],
        task: Task,
        *,
        window: int | None = None,
        stride: int | None = None,
        jitter: bool = False,
        augment: Sequence[Augment] = (),
        seed: int = 0,
        short: Literal["skip", "error"] = "skip",
    ) -> None:
        if task not in WINDOW_TASKS:
            raise AEMGError(f"windows are for {' and '.join(WINDOW_TASKS)}, got {task!r}")
        for name, value in (("window", window), ("stride", stride)):
            if value is not None and value < 1:
                raise AEMGError(f"{name} must be at least 1 sample, got {value}")
        self.task = task
        self.window = window
        self.stride = stride if stride is not None else window
        self.jitter = jitter
        self.augment = tuple(augment)
        self.seed = seed
        self._files = OpenFiles(task)
        self._epoch = epoch_counter()
        self._prompts_of: dict[Path, list[tuple[str, float]]] = {}
        self.spans, self.skipped = self._found(Path(root), partitions, short)
        counts = [self._windows(span.rows) for span in self.spans]
        self._ends: list[int] = np.cumsum(counts, dtype=np.int64).tolist()

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> Item:
        return self.item(index, int(self._epoch))

    def item(self, index: int, epoch: int = 0) -> Item:
        """Item `index` as it is in an epoch, whatever `set_epoch` said."""
        number, first = self._at(index)
        span = self.spans[number]
        rng = item_rng(self.seed, epoch, index % len(self))
        start = span.start_row + self._jittered(span.rows, first, rng)
        stop = span.stop_row if self.window is None else start + self.window
        file = self._files[span.path]
        emg = file.channels(start, stop)
        for change in self.augment:
            emg = change(emg, rng)
        item: Item = {"emg": torch.from_numpy(np.ascontiguousarray(emg)), "user": span.user, "dataset": span.dataset}
        if self.task == "wrist":
            angles = file.wrist_angles(start, stop)[:, :1].T  # (T, 2) -> (1, T): flexion/extension alone
            return {**item, "wrist_angles": torch.from_numpy(np.ascontiguousarray(angles))}
        times, prompts = file.times(start, stop), self._prompts_of[span.path]
        first_s, last_s = times[0].item(), times[-1].item()
        inside = [prompt for prompt in prompts if first_s <= prompt[1] <= last_s]
        item["targets"] = torch.from_numpy(pulse_targets(inside, times))
        return item if self.window is not None else {**item, "prompts": list(prompts), "times": torch.tensor(times)}

    def set_epoch(self, epoch: int) -> None:
        """Draws jitter and augmentation anew; workers that live on from epoch to epoch follow."""
        self._epoch.fill_(epoch)

    def span_of(self, index: int) -> Span:
        """The rows of item `index`, before jitter."""
        number, first = self._at(index)
        span = self.spans[number]
        length = span.rows if self.window is None else self.window
        start = span.start_row + first
        return Span(span.path, span.user, span.dataset, start, start + length)

    def open(self, span: Span) -> NeuromotorFile:
        """The file of a span, for reading it piece by piece where an item would be too large; left open."""
        return self._files[span.path]

    def close(self) -> None:
        """Closes the files; reading opens them again."""
        self._files.close()

    def _found(
        self, root: Path, partitions: Sequence[Partition], short: str
    ) -> tuple[tuple[Span, ...], tuple[Partition, ...]]:
        """Where the partitions lie, and those that are too short; every file is opened once."""
        by_dataset: dict[str, list[tuple[int, Partition]]] = {}
        for number, partition in enumerate(partitions):
            by_dataset.setdefault(partition.dataset, []).append((number, partition))
        spans: dict[int, Span] = {}
        skipped: dict[int, Partition] = {}
        for dataset, numbered in by_dataset.items():
            path = file_of(root, dataset)
            with NeuromotorFile(path, self.task) as file:
                for number, partition in numbered:
                    span = Span(path, partition.user, dataset, *_rows(file, partition))
                    if self._fits(partition, span):
                        spans[number] = span
                        continue
                    message = f"{path}: {_described(partition)} has {span.rows} rows, a window {self.window or _LEAST_ROWS}"
                    if short == "error":
                        raise AEMGError(message)
                    logger.warning("left out: %s", message)
                    skipped[number] = partition
                if self.task == "discrete_gestures":
                    self._prompts_of[path] = [(prompt.name, prompt.time) for prompt in file.gesture_prompts()]
        if not spans:
            least = self.window or _LEAST_ROWS
            raise AEMGError(f"{root}: none of {len(partitions)} partitions of {self.task} is as long as a window of {least}")
        return tuple(spans[number] for number in sorted(spans)), tuple(skipped[number] for number in sorted(skipped))

    def _fits(self, partition: Partition, span: Span) -> bool:
        """Long enough by the table's times, at the nominal rate, as well as by the rows that are there."""
        window = self.window or _LEAST_ROWS
        told = partition.start is None or partition.end is None or (partition.end - partition.start) * RATE_HZ >= window
        return (told or self.window is None) and span.rows >= window

    def _windows(self, rows: int) -> int:
        if self.window is None or self.stride is None:
            return 1
        return (rows - self.window) // self.stride + 1

    def _at(self, index: int) -> tuple[int, int]:
        """Number of the span of an item, and its first row in it before jitter."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        index %= len(self)
        number = bisect_right(self._ends, index)
        before = self._ends[number - 1] if number else 0
        return number, (index - before) * (self.stride or 0)

    def _jittered(self, rows: int, first: int, rng: np.random.Generator) -> int:
        leftover = 0 if self.window is None else rows - (first + self.window)
        if not self.jitter or leftover <= 0 or self.stride is None:
            return first
        return first + int(rng.integers(0, min(self.stride, leftover)))


def _rows(file: NeuromotorFile, partition: Partition) -> tuple[int, int]:
    start = -np.inf if partition.start is None else partition.start
    end = np.inf if partition.end is None else partition.end
    return file.rows_between(start, end)


def _described(partition: Partition) -> str:
    start, end = ("" if time is None else f"{time:.6f}" for time in (partition.start, partition.end))
    return f"[{start}, {end}) s"
