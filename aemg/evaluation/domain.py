"""One person's windows, as a classical method sees them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Domain:
    """Windows of one person or donning.

    Args:
        features: (W, F).
        trial: (W,) the trial that each window belongs to.
        labels: (W,) the movement, None where a method must not know it.
    """

    features: NDArray[np.float32]
    trial: NDArray[np.int64]
    labels: NDArray[np.int64] | None = None
