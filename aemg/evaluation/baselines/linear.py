"""Baselines that shift, scale or rotate the features and leave the rest to one linear classifier."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from aemg.evaluation.baselines.base import Fitted, Problem, Scaling, normalised, thinned
from aemg.evaluation.domain import Domain

_MOST = 20_000  # windows that a logistic regression is fitted to


def logistic_regression(features: NDArray[np.float32], labels: NDArray[np.int64]) -> LogisticRegression:
    """Multinomial, L2 penalty with C = 1 as in Colot et al., at most 200 iterations, on at most 20,000 windows, evenly
    thinned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(max_iter=200).fit(*thinned(features, labels, _MOST))


def no_adaptation(problem: Problem, _: Domain | None) -> Fitted:
    """Logistic regression on all sources as they come, scaled together; the target's windows are scaled alike.

    The lower reference of Colot et al. ("cross-subject").
    """
    scaling = Scaling.of(np.concatenate([s.features for s in problem.sources]))
    model = logistic_regression(*problem.pooled(lambda source: scaling(source.features)))
    return problem.fitted(scaling, model.predict_log_proba)


def td_lda(problem: Problem, _: Domain | None) -> Fitted:
    """Linear discriminant analysis on time-domain features, the field's standing control.

    Englehart and Hudgins 2003: one Gaussian a movement, one covariance for all. Different from the paper: the covariance is
    shrunk by 0.05 towards a scaled identity, and windows are neither voted over nor taken in trials.
    """
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05).fit(*problem.pooled(lambda source: source.features))
    return problem.fitted(lambda features: features, model.predict_log_proba)


def normalisation(problem: Problem, target: Domain | None) -> Fitted:
    """Each person's features to zero mean and unit variance, then logistic regression on all sources.

    As "normalization" in Colot et al.; the target is scaled by its own unlabelled windows.
    """
    assert target is not None
    model = logistic_regression(*problem.pooled(normalised))
    return problem.fitted(Scaling.of(target.features), model.predict_log_proba)


def tangent_recentred(problem: Problem, target: Domain | None) -> Fitted:
    """Tangent vectors minus their domain's mean, then logistic regression.

    Zanini et al. 2018: the covariances of every session are moved so that their mean is the identity. They do so with the
    affine-invariant mean M, by M^(-1/2) C M^(-1/2). Different here: the features are vectors of matrix logarithms, where the
    log-Euclidean mean (Arsigny et al. 2007) is the plain mean and to move it to the identity is to subtract it. The
    classifier is a logistic regression on features scaled over all sources instead of the minimum distance to mean.
    """
    assert target is not None
    x, y = problem.pooled(lambda source: source.features - source.features.mean(axis=0))
    spread = Scaling.of(x).spread
    model = logistic_regression(x / spread, y)
    return problem.fitted(Scaling(target.features.mean(axis=0), spread), model.predict_log_proba)


def coral(problem: Problem, target: Domain | None) -> Fitted:
    """Correlation alignment: the sources' covariance is made that of the target, then one linear classifier.

    Sun, Feng and Saenko 2016: with features of zero mean and unit variance by domain, source windows are whitened by the
    source's covariance plus the identity and coloured by the target's covariance plus the identity. Different here: every
    person among the sources is a domain that is aligned by itself, and the classifier is a logistic regression instead of a
    support vector machine.
    """
    assert target is not None
    scaling = Scaling.of(target.features)
    wanted = covariance(scaling(target.features))

    def aligned(source: Domain) -> NDArray[np.float32]:
        x = normalised(source)
        return np.asarray(x @ alignment(covariance(x), wanted), dtype=np.float32)

    return problem.fitted(scaling, logistic_regression(*problem.pooled(aligned)).predict_log_proba)


def alignment(source: NDArray[np.float64], target: NDArray[np.float64], ridge: float = 1.0) -> NDArray[np.float64]:
    """The map A (F, F), applied from the right, with A' (source + ridge I) A = target + ridge I.

    Args:
        source, target: covariances (F, F).
    """
    return _power(source, ridge, -0.5) @ _power(target, ridge, 0.5)


def covariance(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """(W, F) to (F, F)."""
    centred = features.astype(np.float64) - features.mean(axis=0)
    return np.asarray(centred.T @ centred / len(features))


def _power(matrix: NDArray[np.float64], ridge: float, exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values + ridge, 1e-12) ** exponent) @ vectors.T)
