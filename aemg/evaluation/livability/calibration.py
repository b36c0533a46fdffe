"""Whether probabilities mean what they say: reliability, expected calibration error, Brier score, temperature.

Letters: n decisions, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from aemg.errors import AEMGError

BINS = 15
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Bin:
    """Decisions of similar confidence: how many, their mean confidence, and the share of them that is right."""

    count: int
    confidence: float
    accuracy: float


def reliability(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    *,
    bins: int = BINS,
    by: Literal["width", "mass"] = "width",
) -> list[Bin]:
    """The reliability diagram of decisions; empty bins are left out.

    Args:
        confidence: (n,) probability of the class that was decided.
        correct: (n,).
        by: bins of equal width in [0, 1], or of an equal number of decisions, fewer where there are fewer decisions.

    Raises:
        AEMGError: fewer than one bin, or lengths that differ.
    """
    if bins < 1 or confidence.shape != correct.shape:
        raise AEMGError(f"reliability needs a bin and equal lengths, got {bins}, {confidence.shape}, {correct.shape}")
    if by == "width":
        number = np.minimum((confidence * bins).astype(int), bins - 1)
        members: Sequence[NDArray[np.int64]] = [np.flatnonzero(number == b) for b in range(bins)]
    else:
        members = np.array_split(np.argsort(confidence, kind="stable"), bins)
    return [
        Bin(len(m), float(confidence[m].mean()), float(correct[m].mean())) for m in members if len(m)
    ]


def calibration_error(bins: Sequence[Bin]) -> float:
    """Expected calibration error: the mean distance of confidence and accuracy, bins weighted by their counts; NaN without any.

    Bins of equal width: Naeini et al. 2015 (doi 10.1609/aaai.v29i1.9602); of equal mass ("adaptive"): Nixon et al. 2019
    (arXiv 1904.01685).
    """
    total = sum(b.count for b in bins)
    return sum(b.count * abs(b.confidence - b.accuracy) for b in bins) / total if total else float("nan")


def brier(log_proba: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Brier score of several classes, 0 to 2: the mean squared distance of probabilities (n, K) and truth (n,), summed over
    classes (Brier 1950, doi 10.1175/1520-0493(1950)078<0001:VOFEIT>2.0.CO;2)."""
    truth = np.eye(log_proba.shape[1])[labels]
    return float(((np.exp(log_softmax(log_proba, axis=1)) - truth) ** 2).sum(axis=1).mean())


def log_loss(log_proba: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """Mean negative log-probability of the truth, nats."""
    rows = log_softmax(log_proba, axis=1)
    return float(-rows[np.arange(len(labels)), labels].mean())


def tempered(log_proba: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Log-probabilities (n, K) divided by a temperature and normalised; above 1 they become less sure.

    Raises:
        AEMGError: a temperature that is not positive.
    """
    if not temperature > 0:
        raise AEMGError(f"a temperature must be positive, got {temperature}")
    return np.asarray(log_softmax(np.asarray(log_proba, np.float64) / temperature, axis=1))


def fit_temperature(log_proba: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """The temperature under which the truth is most probable (Guo et al. 2017, arXiv 1706.04599), within [0.05, 20].

    Args:
        log_proba: (n, K) of people whom the classifier has not been trained on; of those it has, the temperature is too low.
        labels: (n,).

    Raises:
        AEMGError: no decision.
    """
    if not len(labels):
        raise AEMGError("a temperature needs labelled decisions")
    low, high = np.log(_TEMPERATURES)
    found = minimize_scalar(
        lambda log_t: log_loss(np.asarray(log_proba, np.float64) / np.exp(log_t), labels), bounds=(low, high), method="bounded"
    )
    return float(np.exp(found.x))
