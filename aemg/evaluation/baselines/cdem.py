"""Cross-domain error minimisation: one linear projection in which both domains' classes agree and stay apart.

Letters: F features, k movements, D dimensions of the projection.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh
from scipy.special import log_softmax
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from aemg.evaluation.baselines.base import Fitted, Problem, Scaling, normalised
from aemg.evaluation.domain import Domain

_ROUNDS = 10
_DIMENSIONS = 10
_BETA = 1.0  # classes apart within a domain
_LAMBDA = 1.0  # domains together
_GAMMA = 0.5  # classes apart across domains
_ETA = 1e-4  # neighbours together
_SIGMA = 0.1  # ridge


def cdem(problem: Problem, target: Domain | None) -> Fitted:
    """Cross-domain error minimisation.

    Du et al. 2021: rounds of finding a projection and of labelling the target in it. The projection minimises, relative to
    the scatter of all windows, the sum of the scatter within the classes of each domain; lambda times the distance of the
    domains' means and of their means class by class (maximum mean discrepancy); minus beta times the distance of each class
    from the rest of its domain; minus gamma times the distance of each class from the other classes of the other domain (the
    cross-domain error); eta times a graph Laplacian that draws windows of one label together; and a ridge sigma. Its solution
    is a generalised eigenproblem. In it, windows are centred and brought to unit length; one labelling goes by the distance
    to the sources' class means, another by the distance to k-means clusters of the target that start there, and the mixture
    moves from the first to the second over the rounds. Of the windows on which both agree, the surest of each class, a share
    that grows with the rounds, are used as labelled in the next.

    Settings of Colot et al.: 10 rounds, 10 dimensions, beta 1, lambda 1, gamma 0.5, eta 1e-4, sigma 0.1, features normalised
    by person. All terms are written with class means and scatters (F, F) instead of the paper's matrices between windows,
    which gives the same projection without their size. Classes without a trusted window in the target are left out of the
    terms that compare with it. No principal components before.
    """
    return _adapt(problem, target, _ETA)


def simplified_cdem(problem: Problem, target: Domain | None) -> Fitted:
    """Cross-domain error minimisation without the Laplacian term (eta = 0), all else as in `cdem`.

    The variant of Colot et al., whose public code switches that term; there the switch is the other way round, so that what
    it calls simplified keeps the term. With labels as neighbourhood the term is another scatter within classes and changes
    little.
    """
    return _adapt(problem, target, 0.0)


@dataclass(frozen=True)
class _Projected:
    """A projection (F, D), the mean in it (D,), class means of the sources and clusters of the target (k, D), and the share
    of the clusters in the decision."""

    matrix: NDArray[np.float64]
    mean: NDArray[np.float64]
    classes: NDArray[np.float64]
    clusters: NDArray[np.float64]
    share: float

    def points(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(W, F) to (W, D) of unit length."""
        return _unit(features @ self.matrix - self.mean)

    def log_proba(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(W, F) to (W, k)."""
        points = self.points(features)
        mixed = (1 - self.share) * _similarity(points, self.classes) + self.share * _similarity(points, self.clusters)
        return np.asarray(np.log(mixed))


def _adapt(problem: Problem, target: Domain | None, eta: float) -> Fitted:
    assert target is not None
    scaling = Scaling.of(target.features)
    pooled, labels = problem.pooled(normalised)
    sources, windows = pooled.astype(np.float64), scaling(target.features).astype(np.float64)
    believed = np.full(len(windows), -1)
    for turn in range(1, _ROUNDS + 1):
        matrix = _projection(sources, labels, windows, believed, eta)
        projected = _label(sources @ matrix, labels, windows @ matrix, matrix, turn / _ROUNDS)
        believed = _trusted(projected, windows, turn / _ROUNDS)
        if (believed >= 0).all():
            break
    return problem.fitted(scaling, projected.log_proba)


def _projection(
    sources: NDArray[np.float64],
    labels: NDArray[np.int64],
    windows: NDArray[np.float64],
    believed: NDArray[np.int64],
    eta: float,
) -> NDArray[np.float64]:
    """(F, D): the eigenvectors of the objective that is smallest relative to the total scatter."""
    k, width = int(labels.max()) + 1, sources.shape[1]
    trusted = believed >= 0
    chosen = windows[trusted] if trusted.any() else windows
    every = np.concatenate([sources, chosen])
    here = _Moments.of(sources, labels, k)
    objective = here.within.sum(axis=0) + _LAMBDA * k * _outer(sources.mean(axis=0) - chosen.mean(axis=0))
    if trusted.any():
        there = _Moments.of(chosen, believed[trusted], k)
        objective += there.within.sum(axis=0) + _compared(here, there)
        both = _Moments.of(every, np.concatenate([labels, believed[trusted]]), k)
    else:
        both = here
    objective += eta * np.einsum("k,kij->ij", both.count, both.within) + _SIGMA * np.eye(width)
    centred = every - every.mean(axis=0)
    total = centred.T @ centred + 1e-4 * np.eye(width)
    return np.asarray(eigh(objective, total, subset_by_index=[0, min(_DIMENSIONS, width) - 1])[1])


@dataclass(frozen=True)
class _Moments:
    """By class: windows (k,), mean (k, F), mean of all other classes (k, F), scatter (k, F, F)."""

    count: NDArray[np.float64]
    mean: NDArray[np.float64]
    rest: NDArray[np.float64]
    within: NDArray[np.float64]

    @classmethod
    def of(cls, features: NDArray[np.float64], labels: NDArray[np.int64], k: int) -> _Moments:
        """Of (W, F) with labels (W,); means of no windows are 0."""
        count = np.bincount(labels, minlength=k).astype(np.float64)
        total = np.zeros((k, features.shape[1]))
        np.add.at(total, labels, features)
        mean = total / np.maximum(count, 1)[:, None]
        rest = (total.sum(axis=0) - total) / np.maximum(count.sum() - count, 1)[:, None]
        parts = [features[labels == c] - mean[c] for c in range(k)]
        return cls(count, mean, rest, np.stack([p.T @ p for p in parts]))


def _compared(here: _Moments, there: _Moments) -> NDArray[np.float64]:
    """The terms between class means (F, F), of the sources (`here`) and the target (`there`)."""
    total: NDArray[np.float64] = np.zeros_like(here.within[0])
    for c in range(len(here.count)):
        ours, theirs = here.count[c], there.count[c]
        total -= _BETA * ours * _outer(here.mean[c] - here.rest[c])
        if theirs < there.count.sum():
            total -= _GAMMA * ours * _outer(here.mean[c] - there.rest[c])
        if not theirs:
            continue
        total += _LAMBDA * (ours + theirs) * _outer(here.mean[c] - there.mean[c])
        total -= _GAMMA * theirs * _outer(here.rest[c] - there.mean[c])
        if theirs < there.count.sum():
            total -= _BETA * theirs * _outer(there.mean[c] - there.rest[c])
    return total


def _label(
    sources: NDArray[np.float64],
    labels: NDArray[np.int64],
    windows: NDArray[np.float64],
    matrix: NDArray[np.float64],
    share: float,
) -> _Projected:
    """Class means and clusters of projected windows (W, D)."""
    mean = np.concatenate([sources, windows]).mean(axis=0)
    ours, theirs = _unit(sources - mean), _unit(windows - mean)
    k = int(labels.max()) + 1
    classes = _unit(np.stack([ours[labels == c].mean(axis=0) for c in range(k)]))
    clusters = classes
    if len(theirs) >= k:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            clusters = _unit(KMeans(k, init=classes, n_init=1).fit(theirs).cluster_centers_)
    return _Projected(matrix, mean, classes, clusters, share)


def _trusted(projected: _Projected, windows: NDArray[np.float64], share: float) -> NDArray[np.int64]:
    """Labels (W,) of the windows to be used, -1 for the others."""
    points = projected.points(windows)
    agree = _similarity(points, projected.classes).argmax(axis=1) == _similarity(points, projected.clusters).argmax(axis=1)
    sure = projected.log_proba(windows)
    guess = sure.argmax(axis=1)
    believed = np.full(len(windows), -1)
    for c in np.unique(guess):
        candidates = np.flatnonzero(agree & (guess == c))
        best = candidates[np.argsort(-sure[candidates, c], kind="stable")]
        believed[best[: int(share * (guess == c).sum())]] = c
    return believed


def _similarity(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(W, D) and (k, D) to probabilities (W, k), the softmax of negative distances."""
    distance = np.sqrt(((points[:, None] - centres) ** 2).sum(axis=-1))
    return np.asarray(np.exp(log_softmax(-distance, axis=1)))


def _unit(points: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(points / (np.linalg.norm(points, axis=1, keepdims=True) + 1e-4))


def _outer(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.outer(vector, vector), dtype=np.float64)
