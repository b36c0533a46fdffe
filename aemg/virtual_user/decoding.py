"""What every decoder of finger flexion has in common, and the two forms it takes: a network, and its state in the loop.

A network is trained on signals of the past; in the loop it answers after every control step for many environments at once. A
decoder that was just reset is one that has seen silence for a long time.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.hand.model import FINGERS as FINGERS

Floats = NDArray[np.float32]
Integers = NDArray[np.integer]

CONTROL_S = 0.008
"""From one answer to the next: two steps of the physics."""

WARM_UP_STEPS = 250
"""After a reset, when muscles and hand come from rest, that neither training nor scores take into account: 2 s."""


class FingerDecoder(Protocol):
    """Which fingers are meant to be flexed, from EMG as it comes in, for N environments.

    Args:
        channels: C of the EMG.
        rate_hz: of the EMG.
        environments: N.
    """

    channels: int
    rate_hz: float
    environments: int

    def reset(self, environments: Integers | None = None) -> None:
        """Forget the signal of these environments, None for all: as after a long silence."""

    def push(self, emg: Floats) -> Floats:
        """The probabilities (N, 5) that each finger is flexed, once the next EMG (N, C, S) in volts has been seen."""

    def state(self) -> dict[str, Any]:
        """A copy of what was heard: arrays, for `restore`."""

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a state."""


def accuracy(probabilities: NDArray[Any], flexed: NDArray[Any]) -> Floats:
    """The share of answers on the right side of one half, per finger: (..., 5) and (..., 5) -> (5,)."""
    right = (probabilities > 0.5) == (flexed > 0.5)
    return np.asarray(right.reshape(-1, right.shape[-1]).mean(0), dtype=np.float32)
