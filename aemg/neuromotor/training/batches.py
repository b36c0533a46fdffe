"""Batches of decoder items as the training loop asks for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset


class Items(Protocol):
    """Items that depend on their number and an epoch alone."""

    def __len__(self) -> int: ...

    def item(self, index: int, epoch: int = 0) -> dict[str, Any]:
        """One item."""


@dataclass
class DecoderBatch:
    """Tensors by name, `emg` (B, 16, T) among them; whose items they are, and their numbers (B,)."""

    tensors: dict[str, Tensor]
    users: list[str]
    datasets: list[str]
    samples: Tensor

    def to(self, device: torch.device | str) -> DecoderBatch:
        """The batch on a device."""
        tensors = {name: value.to(device) for name, value in self.tensors.items()}
        return DecoderBatch(tensors, self.users, self.datasets, self.samples)

    def record(self) -> dict[str, object]:
        """All of it, in plain types."""
        return {**self.tensors, "users": self.users, "datasets": self.datasets, "samples": self.samples}


class DecoderBatches(Dataset[DecoderBatch]):
    """Batches asked for as lists of (epoch, sample).

    Args:
        items: what is collated.
        collate: items to a dict of tensors, and of lists of strings `user` and `dataset`.
    """

    def __init__(self, items: Items, collate: Callable[[list[dict[str, Any]]], dict[str, Any]]) -> None:
        self.items, self._collate = items, collate

    def __len__(self) -> int:
        return len(self.items)

    def order(self, chance: np.random.Generator) -> NDArray[np.int64]:
        """An epoch: every item once."""
        return chance.permutation(len(self))

    def __getitem__(self, samples: Sequence[tuple[int, int]]) -> DecoderBatch:
        batch = self._collate([self.items.item(sample, epoch) for epoch, sample in samples])
        tensors = {name: value for name, value in batch.items() if isinstance(value, Tensor)}
        numbers = torch.tensor([sample for _, sample in samples])
        return DecoderBatch(tensors, list(batch["user"]), list(batch["dataset"]), numbers)
