"""Accuracy by subject, with intervals and paired tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Accuracy:
    """Mean over subjects with its 95 % bootstrap interval over subjects, and each subject's."""

    mean: float
    ci95: tuple[float, float]
    per_subject: Mapping[str, float]

    def as_dict(self) -> dict[str, object]:
        """Plain values, as a report holds them."""
        return {**asdict(self), "ci95": list(self.ci95), "per_subject": dict(self.per_subject)}


def accuracy(per_subject: Mapping[str, float], seed: int = 0) -> Accuracy:
    """Summary of subjects' accuracies; the interval is the point itself for a single subject."""
    values = np.array(list(per_subject.values()))
    drawn = np.random.default_rng(seed).integers(len(values), size=(_RESAMPLES, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return Accuracy(float(values.mean()), (float(low), float(high)), dict(per_subject))


@dataclass(frozen=True)
class Comparison:
    """Mean paired difference over subjects and the two-sided Wilcoxon signed-rank p, None for fewer than six subjects
    or no difference at all."""

    difference: float
    p_value: float | None


def compare(ours: Mapping[str, float], other: Mapping[str, float]) -> Comparison:
    """Paired comparison over the subjects of both."""
    subjects = sorted(set(ours) & set(other))
    difference = np.array([ours[s] - other[s] for s in subjects])
    if len(difference) < 6 or not difference.any():
        return Comparison(float(difference.mean()), None)
    return Comparison(float(difference.mean()), float(wilcoxon(difference).pvalue))


def confusion_matrix(
    truth: Sequence[int] | NDArray[np.int64], guess: Sequence[int] | NDArray[np.int64], n: int
) -> NDArray[np.int64]:
    """(n, n) counts, rows the truth."""
    counts = np.zeros((n, n), np.int64)
    np.add.at(counts, (np.asarray(truth, dtype=int), np.asarray(guess, dtype=int)), 1)
    return counts
