"""Written prompts with the EMG around them, for handwriting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch.utils.data import Dataset

from aemg.datasets.formats.neuromotor_file import CHANNELS, NeuromotorFile, OpenFiles, Stage, TextPrompt
from aemg.errors import AEMGError
from aemg.neuromotor.data.augment import Augment, epoch_counter, item_rng
from aemg.neuromotor.data.corpus import Partition, file_of
from aemg.neuromotor.data.windows import Item
from aemg.neuromotor.text import text_to_labels

PADDING: Final = (19014, 974)
"""Samples before a prompt's start and after its end that the released recipe adds."""

MERGE_S: Final = 16.0
"""How long training prompts last together, at least, in the released recipe."""


@dataclass(frozen=True)
class Text:
    """A text, and the rows [start_row, stop_row) of a user's file in which it was written."""

    path: Path
    user: str
    dataset: str
    text: str
    start_row: int
    stop_row: int


class PromptDataset(Dataset[Item]):
    """The prompts of files of handwriting, file by file.

    An item is a dict of `emg` (T, 16) float32, zero where the padding reaches beyond the file, `prompts` (L,) int64
    label ids, and the names `user` and `dataset`. It can be pickled and used by the workers of a `DataLoader`, forked
    or spawned; batches are made by `collate_prompts`.

    Args:
        root: folder of the files.
        partitions: as a `Split` gives them: of each file all prompts; of one with a start or an end those that lie within.
        padding: samples before a prompt's start and after its end.
        merge_s: join consecutive prompts until they last so long together, without the times between them, which yet
            belong to the item; what remains at the end of a file is an item as well. 0 takes prompts as they are. The
            released recipe trains with `MERGE_S` and evaluates with 0.
        respect_stages: never join prompts of two stages. The released recipe does, and so does the default.
        separator: between joined prompts; the released recipe and the default have none.
        augment: applied to the EMG as (16, T), in order.
        seed: items are the same for the same seed, epoch and index, whatever the number of workers.

    Raises:
        DataFileError: a file is missing, damaged, of another task or has falling time stamps.
        AEMGError: there are no prompts.
    """

    def __init__(
        self,
        root: str | Path,
        partitions: Sequence[Partition],
        *,
        padding: tuple[int, int] = PADDING,
        merge_s: float = 0.0,
        respect_stages: bool = False,
        separator: str = "",
        augment: Sequence[Augment] = (),
        seed: int = 0,
    ) -> None:
        if min(padding) < 0:
            raise AEMGError(f"padding must be 0 samples or more, got {padding}")
        if merge_s < 0:
            raise AEMGError(f"merge_s must be 0 s or more, got {merge_s}")
        self.padding = (int(padding[0]), int(padding[1]))
        self.merge_s = merge_s
        self.respect_stages = respect_stages
        self.separator = separator
        self.augment = tuple(augment)
        self.seed = seed
        self._files = OpenFiles("handwriting")
        self._epoch = epoch_counter()
        self.texts = tuple(
            text for partition in partitions for text in self._texts(file_of(Path(root), partition.dataset), partition)
        )
        if not self.texts:
            raise AEMGError(f"{root}: no prompts in {len({partition.dataset for partition in partitions})} files")

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, index: int) -> Item:
        return self.item(index, int(self._epoch))

    def item(self, index: int, epoch: int = 0) -> Item:
        """Item `index` as it is in an epoch, whatever `set_epoch` said."""
        text = self.texts[index]
        before, after = self.padding
        start, stop = text.start_row - before, text.stop_row + after
        file = self._files[text.path]
        first, last = min(max(start, 0), file.rows), max(min(stop, file.rows), 0)
        emg = np.zeros((CHANNELS, stop - start), np.float32)
        if last > first:
            emg[:, first - start : last - start] = file.emg(first, last).T  # (n, 16) -> (16, n)
        rng = item_rng(self.seed, epoch, index % len(self))
        for change in self.augment:
            emg = change(emg, rng)
        return {
            "emg": torch.from_numpy(np.ascontiguousarray(emg.T)),  # (16, T) -> (T, 16)
            "prompts": torch.tensor(text_to_labels(text.text), dtype=torch.int64),
            "user": text.user,
            "dataset": text.dataset,
        }

    def set_epoch(self, epoch: int) -> None:
        """Draws the augmentation anew; workers that live on from epoch to epoch follow."""
        self._epoch.fill_(epoch)

    def close(self) -> None:
        """Closes the files; reading opens them again."""
        self._files.close()

    def _texts(self, path: Path, partition: Partition) -> Iterator[Text]:
        with NeuromotorFile(path, "handwriting") as file:
            stages = file.stages if self.respect_stages else []
            prompts = [prompt for prompt in file.text_prompts() if _within(prompt, partition)]
            for group in merged(prompts, self.merge_s, stages):
                start_row, stop_row = file.rows_between(group[0].start, group[-1].end)
                text = self.separator.join(prompt.prompt for prompt in group)
                yield Text(path, partition.user, partition.dataset, text, start_row, max(start_row, stop_row))


def merged(
    prompts: Sequence[TextPrompt], merge_s: float, stages: Sequence[Stage] = ()
) -> Iterator[tuple[TextPrompt, ...]]:
    """Consecutive prompts, joined until their durations add up to `merge_s`; the last ones may be shorter.

    Args:
        stages: where any are given, prompts that start in different ones are not joined.
    """
    group: list[TextPrompt] = []
    duration = 0.0
    for prompt in prompts:
        if group and _stage_of(prompt, stages) != _stage_of(group[-1], stages):
            yield tuple(group)
            group, duration = [], 0.0
        group.append(prompt)
        duration += prompt.end - prompt.start
        if duration >= merge_s:
            yield tuple(group)
            group, duration = [], 0.0
    if group:
        yield tuple(group)


def _stage_of(prompt: TextPrompt, stages: Sequence[Stage]) -> int | None:
    """Number of the stage in which a prompt starts; None outside of all."""
    return next((number for number, stage in enumerate(stages) if stage.start <= prompt.start < stage.end), None)


def _within(prompt: TextPrompt, partition: Partition) -> bool:
    return (partition.start is None or prompt.start >= partition.start) and (partition.end is None or prompt.end <= partition.end)
