"""What is gained by not deciding where the decoder is unsure: accuracy against coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError


@dataclass(frozen=True)
class RejectionCurve:
    """A point for every confidence that occurs, from the highest down.

    Args:
        threshold: (p,) decisions of at least this confidence are kept.
        coverage: (p,) the share that is kept, rising to 1.
        accuracy: (p,) of what is kept.
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]

    @property
    def area(self) -> float:
        """Mean accuracy over coverage, 0 to 1: one minus the area under the risk-coverage curve (El-Yaniv and Wiener 2010, JMLR
        11:1605)."""
        return float((self.accuracy * np.diff(self.coverage, prepend=0.0)).sum())

    def at_coverage(self, coverage: NDArray[np.floating]) -> NDArray[np.float64]:
        """Accuracy of the surest part of the decisions: of the smallest point of the curve that covers as much."""
        place = np.searchsorted(self.coverage, np.asarray(coverage) - 1e-9)
        return np.asarray(self.accuracy[np.minimum(place, len(self.accuracy) - 1)])


def rejection_curve(confidence: NDArray[np.floating], correct: NDArray[np.bool_]) -> RejectionCurve:
    """The curve of decisions (n,), equal confidences together.

    Raises:
        AEMGError: no decision, or lengths that differ.
    """
    if not len(confidence) or confidence.shape != correct.shape:
        raise AEMGError(f"a rejection curve needs decisions of equal number, got {confidence.shape} and {correct.shape}")
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = np.asarray(confidence, np.float64)[order]
    last = np.flatnonzero(np.append(np.diff(sorted_confidence) != 0, True))  # of each group of equals
    kept = last + 1
    return RejectionCurve(sorted_confidence[last], kept / len(order), np.cumsum(correct[order])[last] / kept)


def point_at(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], threshold: float
) -> tuple[float, float | None]:
    """Coverage, and accuracy of what is kept, at a threshold; None where nothing is."""
    kept = np.asarray(confidence) >= threshold - 1e-9
    return float(kept.mean()) if len(kept) else 0.0, float(correct[kept].mean()) if kept.any() else None
