"""A linear discriminant that learns from moments, so that it can go on learning without its old windows.

Letters: n windows, F features, K classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax


@dataclass(frozen=True)
class Moments:
    """All that the discriminant keeps of labelled windows.

    Args:
        counts: (K,) windows of each class.
        means: (K, F), zero for a class without windows.
        scatter: (F, F) sum of products of the deviations from the class means.
    """

    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @staticmethod
    def of(features: NDArray[np.float64], classes: NDArray[np.int64], n_classes: int) -> Moments:
        """Of windows (n, F) with the indices of their classes (n,)."""
        member = (classes == np.arange(n_classes)[:, None]).astype(np.float64)  # (K, n)
        counts = member.sum(axis=1)
        means = member @ features / np.maximum(counts, 1.0)[:, None]
        apart = features - means[classes]
        return Moments(counts, means, apart.T @ apart)

    @staticmethod
    def none(n_classes: int, n_features: int) -> Moments:
        """Of no window."""
        return Moments(np.zeros(n_classes), np.zeros((n_classes, n_features)), np.zeros((n_features, n_features)))

    def __add__(self, other: Moments) -> Moments:
        """Of both lots of windows together."""
        counts = self.counts + other.counts
        share = other.counts / np.maximum(counts, 1.0)
        apart = other.means - self.means  # (K, F)
        means = self.means + share[:, None] * apart
        between = (apart * (self.counts * share)[:, None]).T @ apart
        return Moments(counts, means, self.scatter + other.scatter + between)

    def among(self, places: NDArray[np.int64], n_classes: int) -> Moments:
        """The same with class k of these at `places[k]` of more classes."""
        counts, means = np.zeros(n_classes), np.zeros((n_classes, self.means.shape[1]))
        counts[places], means[places] = self.counts, self.means
        return Moments(counts, means, self.scatter)

    def worth(self, most: float) -> Moments:
        """The same means and covariance with the weight of at most `most` windows a class."""
        counts = np.minimum(self.counts, most)
        return Moments(counts, self.means, self.scatter * (counts.sum() / max(self.counts.sum(), 1.0)))


@dataclass(frozen=True)
class LinearDiscriminant:
    """Gaussian classes of one covariance and equal prior probability: log-odds are linear in the features.

    Args:
        weights: (K, F).
        offsets: (K,), minus infinity for a class that no window was seen of.
    """

    weights: NDArray[np.float64]
    offsets: NDArray[np.float64]

    @staticmethod
    def of(known: Moments, own: Moments, most: float = np.inf) -> LinearDiscriminant:
        """From what was known before and a person's own windows.

        The class means are those of both together. The covariance is that of deviations within either: how far a
        person's means lie from those known before says nothing about how windows of that person scatter. Its
        correlations are shrunk towards none (Chen et al. 2010, "OAS", doi 10.1109/TSP.2010.2053029).

        Args:
            most: windows of each class that what was known counts as beside a person's own.
        """
        seen = known.counts.sum() + own.counts.sum()
        known = known.worth(most)
        both = known + own
        covariance = (known.scatter + own.scatter) / max(both.counts.sum(), 1.0)
        spread = np.sqrt(np.diag(covariance))
        spread = np.where(spread > 1e-12 * max(spread.max(), 1e-300), spread, 1.0)
        correlation = _shrunk(covariance / np.outer(spread, spread), seen)
        means = both.means / spread
        weights = np.linalg.solve(correlation, means.T).T  # (K, F)
        offsets = np.where(both.counts > 0, -0.5 * np.einsum("kf,kf->k", weights, means), -np.inf)
        return LinearDiscriminant(weights / spread, offsets)

    def log_proba(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, F) -> log-probabilities (n, K)."""
        return np.asarray(log_softmax(features @ self.weights.T + self.offsets, axis=1))


def _shrunk(correlation: NDArray[np.float64], n: float) -> NDArray[np.float64]:
    size = len(correlation)
    scale = np.trace(correlation) / size
    if scale <= 0:
        return np.eye(size)
    power = (correlation**2).mean()
    excess = (n + 1.0) * (power - scale**2 / size)
    shrinkage = min(1.0, (power + scale**2) / excess) if excess > 0 else 1.0
    return np.asarray((1 - shrinkage) * correlation + shrinkage * scale * np.eye(size))
