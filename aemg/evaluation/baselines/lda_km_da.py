"""LDA-KM-DA: the target's own clusters, named by a source classifier."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning

from aemg.evaluation.baselines.base import LOWEST, Fitted, Problem, Scaling, normalised
from aemg.evaluation.baselines.linear import logistic_regression
from aemg.evaluation.domain import Domain

_CHANGED = 0.01  # share of windows below which the labels count as settled
_ROUNDS = 100


def lda_km_da(problem: Problem, target: Domain | None) -> Fitted:
    """Non-conservative adaptation by turns of discriminant analysis and k-means in the target.

    Colot et al., "Linear Non-conservative Unsupervised Domain Adaptation Applied In Cross-Subject EMG Gesture Recognition":
    a logistic regression on the sources, features normalised by person, labels the target's windows. Then, until under 1 %
    of the labels change or for 100 rounds, a linear discriminant analysis with Ledoit-Wolf shrinkage is fitted to the
    target's windows with those labels, and k-means in its projection, started at the means of the labelled windows, gives
    new labels. The sources play no part after the start. A window belongs to its nearest cluster.

    What differs or is left open there: the last round's projection and clusters decide, not one more fit to its labels. The
    projection has unit covariance within the classes, so distances to the clusters
    give the log-probabilities of equally likely Gaussians. A movement that is given to fewer than two of the target's windows
    has no cluster and gets `LOWEST`: with calibration windows that lack a movement it cannot be recognised. With fewer than
    two clusters the source classifier stays.
    """
    assert target is not None
    scaling = Scaling.of(target.features)
    source = logistic_regression(*problem.pooled(normalised))
    windows = scaling(target.features)
    labels = np.asarray(source.predict(windows), dtype=np.int64)
    for _ in range(_ROUNDS):
        kept = _clusters(labels)
        if len(kept) < 2:
            return problem.fitted(scaling, source.predict_log_proba)
        projection, centres = _project(windows, labels, kept)
        before, labels = labels, kept[_squared_distances(projection.transform(windows), centres).argmin(axis=1)]
        if (labels != before).mean() <= _CHANGED:
            break

    def decide(features: NDArray[np.float32]) -> NDArray[np.float64]:
        rows = np.full((len(features), len(problem.found)), LOWEST)
        rows[:, kept] = log_softmax(-0.5 * _squared_distances(projection.transform(features), centres), axis=1)
        return rows

    return problem.fitted(scaling, decide)


def _clusters(labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """The labels of two windows or more, ascending."""
    values, counts = np.unique(labels, return_counts=True)
    return np.asarray(values[counts > 1])


def _project(
    windows: NDArray[np.float32], labels: NDArray[np.int64], kept: NDArray[np.int64]
) -> tuple[LinearDiscriminantAnalysis, NDArray[np.float64]]:
    """The discriminant projection of the labels in `kept`, and the centres that k-means finds in it (kept, D)."""
    used = np.isin(labels, kept)
    projection = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto").fit(windows[used], labels[used])
    points = projection.transform(windows)
    start = np.stack([points[labels == label].mean(axis=0) for label in kept])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return projection, KMeans(len(kept), init=start, n_init=1).fit(points).cluster_centers_


def _squared_distances(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """(W, D) and (k, D) to (W, k)."""
    return np.asarray(((points[:, None] - centres) ** 2).sum(axis=-1))
