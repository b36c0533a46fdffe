"""Batches of items."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aemg.errors import AEMGError
from aemg.neuromotor.data.windows import Item


def collate_windows(items: Sequence[Item]) -> Item:
    """A batch of windows: tensors (B, ...) of what all items have as tensors of one length, lists of the rest.

    Returns:
        `emg` (B, 16, T) and `targets` (B, 9, T) or `wrist_angles` (B, 1, T), stacked; `user`, `dataset` and, of whole
        partitions, `prompts` and `times`, as lists with an entry an item.

    Raises:
        AEMGError: items of different lengths, as whole partitions have; take them one by one.
    """
    lengths = {int(item["emg"].shape[-1]) for item in items}
    if len(lengths) > 1:
        raise AEMGError(f"windows of one length go into a batch, got {sorted(lengths)}; use a batch of 1")
    stacked = ("emg", "targets", "wrist_angles")
    return {key: torch.stack([i[key] for i in items]) if key in stacked else [i[key] for i in items] for key in items[0]}


def collate_prompts(items: Sequence[Item]) -> Item:
    """A batch of prompts, EMG padded with zeros and labels with label 0 to the longest.

    Returns:
        `emg` (B, 16, T) float32, `prompts` (B, L) int64, `emg_lengths` and `prompt_lengths` (B,) int32, and the lists
        `user` and `dataset`.
    """
    emg = torch.nn.utils.rnn.pad_sequence([item["emg"] for item in items], batch_first=True)  # (B, T, 16)
    return {
        "emg": emg.transpose(1, 2).contiguous(),  # (B, T, 16) -> (B, 16, T)
        "prompts": torch.nn.utils.rnn.pad_sequence([item["prompts"] for item in items], batch_first=True),
        "emg_lengths": _lengths(items, "emg"),
        "prompt_lengths": _lengths(items, "prompts"),
        "user": [item["user"] for item in items],
        "dataset": [item["dataset"] for item in items],
    }


def _lengths(items: Sequence[Item], key: str) -> Tensor:
    return torch.tensor([len(item[key]) for item in items], dtype=torch.int32)
