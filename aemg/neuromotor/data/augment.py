"""Random changes of a training item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aemg.errors import AEMGError

Augment = Callable[[NDArray[np.float32], np.random.Generator], NDArray[np.float32]]
"""EMG (16, T) and a source of chance -> EMG (16, T)."""


@dataclass(frozen=True)
class Roll:
    """Rolls EMG (16, T) around by a whole number drawn evenly from -most to most.

    Args:
        along: "channels", which turns the band around the wrist; or "time", which puts samples of the one end at the
            other. The released training of gestures rolls time where it means to turn the band: `Roll(2, "time")`
            repeats it. Handwriting turns the band by `Roll(1)`.
    """

    most: int
    along: Literal["channels", "time"] = "channels"

    def __post_init__(self) -> None:
        if self.most < 0:
            raise AEMGError(f"a roll of at most {self.most}: expected 0 or more")

    def __call__(self, emg: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        offset = int(rng.integers(-self.most, self.most + 1))
        return np.roll(emg, offset, axis=0 if self.along == "channels" else 1) if offset else emg


def item_rng(seed: int, epoch: int, index: int) -> np.random.Generator:
    """The source of chance of one item in one epoch, the same in whichever process the item is made."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, epoch, index))))


def epoch_counter() -> Tensor:
    """The epoch's number in shared memory, so that workers which live on from epoch to epoch see it change."""
    counter: Tensor = torch.zeros((), dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
    return counter
