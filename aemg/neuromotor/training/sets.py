"""Training, validation and test data of a configuration; which users they are of is a pure function of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aemg.datasets.formats.neuromotor_file import Task
from aemg.errors import AEMGError, ConfigError
from aemg.neuromotor.data.augment import Augment, Roll
from aemg.neuromotor.data.collate import collate_prompts, collate_windows
from aemg.neuromotor.data.corpus import MINI, Partition, Split, corpus_file, read_corpus
from aemg.neuromotor.data.prompts import PromptDataset
from aemg.neuromotor.data.windows import WindowDataset
from aemg.neuromotor.training.batches import DecoderBatches
from aemg.neuromotor.training.config import DecoderConfig


def split_of(config: DecoderConfig) -> Split:
    """The partitions of a configuration, reduced to its users.

    Raises:
        ConfigError: no data.root, or a number of training users out of range.
        AEMGError: users who are not in the corpus, or no table of it.
    """
    data, root = config.data, data_root(config)
    if data.split == "mini":
        split = MINI[config.task]
    else:
        split = read_corpus(data.corpus or corpus_file(root, config.task), config.task)
    if data.users is not None:
        split = split.of_users([user_name(user) for user in data.users])
    if data.train_users is not None:
        split = split.of_users(drawn_users(split.users("train"), data.train_users, config.seed), "train")
    return split


def data_root(config: DecoderConfig) -> Path:
    """The folder of the recordings.

    Raises:
        ConfigError: none given, or no folder.
    """
    root = config.data.root
    if root is None:
        raise ConfigError("data.root=DIR is missing: the folder of the HDF5 files; see: python datasets download --help")
    if not root.is_dir():
        raise ConfigError(f"data.root={root} is no folder; see: python datasets download --help")
    return root


def drawn_users(users: Sequence[str], number: int, seed: int) -> list[str]:
    """So many of the users, at random; of one seed, a smaller draw is part of a larger one.

    Raises:
        ConfigError: more than there are.
    """
    if not 1 <= number <= len(users):
        raise ConfigError(f"data.train_users = {number}, but there are {len(users)} training users")
    order = np.random.default_rng((seed, len(users))).permutation(len(users))
    return [sorted(users)[i] for i in order[:number]]


def user_name(user: str | int) -> str:
    """`user_007` of 7, 007 or user_007."""
    text = str(user).removeprefix("user_")
    return f"user_{int(text):03d}" if text.isdecimal() else str(user)


def training_set(config: DecoderConfig, partitions: Sequence[Partition]) -> DecoderBatches:
    """What is trained on: windows with jitter or joined prompts, augmented."""
    data = config.data
    if config.task == "handwriting":
        prompts = PromptDataset(
            data_root(config), partitions, padding=data.padding, merge_s=data.merge_s, augment=_augment(config), seed=config.seed
        )
        return DecoderBatches(prompts, collate_prompts)
    return _windows(config, partitions, jitter=data.jitter, augment=_augment(config))


def validation_set(config: DecoderConfig, partitions: Sequence[Partition]) -> DecoderBatches:
    """What each epoch is validated on: windows of the same length in place, or prompts as they are; unchanged."""
    if config.task == "handwriting":
        return DecoderBatches(prompts_of(config, partitions), collate_prompts)
    return _windows(config, partitions, jitter=False, augment=())


def intervals_of(config: DecoderConfig, partitions: Sequence[Partition]) -> WindowDataset:
    """Whole partitions of gestures or wrist."""
    return WindowDataset(data_root(config), partitions, _window_task(config.task))


def prompts_of(config: DecoderConfig, partitions: Sequence[Partition]) -> PromptDataset:
    """Prompts one by one."""
    return PromptDataset(data_root(config), partitions, padding=config.data.padding)


def _windows(
    config: DecoderConfig, partitions: Sequence[Partition], *, jitter: bool, augment: Sequence[Augment]
) -> DecoderBatches:
    data = config.data
    windows = WindowDataset(
        data_root(config),
        partitions,
        _window_task(config.task),
        window=data.window,
        stride=data.stride,
        jitter=jitter,
        augment=augment,
        seed=config.seed,
    )
    return DecoderBatches(windows, collate_windows)


def _augment(config: DecoderConfig) -> list[Augment]:
    changes = config.data.augmentation
    rolls = [Roll(changes.rotation, "channels"), Roll(changes.time_roll, "time")]
    return [roll for roll in rolls if roll.most]


def _window_task(task: Task) -> Task:
    if task == "handwriting":
        raise AEMGError("handwriting is tested by prompts")
    return task
