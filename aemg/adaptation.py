"""A classifier that knows how people differ, and what it learns from one person with and without labels.

The two-covariance model of speaker recognition (probabilistic linear discriminant analysis: Prince and Elder 2007,
doi 10.1109/ICCV.2007.4409052; Kenny 2010): a person's mean of a class is drawn around that of all people with covariance B, the
person's vectors around it with covariance W, both measured on the people trained on. What a new person's vectors tell about their
means is then Bayes' rule. Vectors without labels are divided among the classes by variational expectation maximisation; those
with labels are counted as labelled in the same way, so that few-shot learning begins at the zero-shot point.

Letters: n vectors, F features, K classes, P people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, logsumexp

from aemg.errors import AEMGError

UNKNOWN = -1  # label of a vector without one
_SHRINK_WITHIN, _SHRINK_BETWEEN = 0.1, 0.3
_USUAL_BETWEEN = 2.0  # over the covariance within; counts like what one more person shows
_LEAST = 1e-3  # variance between people over that within, at least
_ABSENT = -50.0  # log odds of a class that nobody has shown
_BALANCING_STEPS = 20
_SMALL = 1e-4

Vectors = NDArray[np.floating]


@dataclass(frozen=True)
class Belief:
    """What is believed of one person: means (K, F) and variances (K, F) of their classes, in the model's own coordinates, and
    log odds (K,) of the classes beforehand."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    odds: NDArray[np.float64]


@dataclass(frozen=True)
class Learning:
    """How a person's vectors are learnt from.

    Args:
        rounds: of dividing vectors among classes and finding the means, where some have no label.
        balance: how strongly the vectors, with and without labels, are held to be about equally many of each class, 0 for not
            at all (posterior regularisation: Ganchev et al. 2010).
        least: vectors a class, below which nothing is learnt from those without labels: a few movements of half a minute would
            be spread over all classes.
    """

    rounds: int = 15
    balance: float = 0.3
    least: float = 2.0


class PeopleModel:
    """Fitted on people whose labels are known.

    Args:
        views: arrays (n, F_v) that are taken to be independent given the class, such as what a network says and what was
            measured.
        labels: (n,) classes from 0.
        people: (n,) who each vector is of.
        classes: K.
        evidence: what all views together count, below 1 because features and neighbouring vectors say much the same twice.
        wider: by view, how many times as much new people's class means vary as these people's; above 1 for what a network says
            that was trained on these very people. 1 for every view if not given.

    Raises:
        AEMGError: no vector.
    """

    def __init__(
        self,
        views: Sequence[Vectors],
        labels: NDArray[np.int64],
        people: NDArray[np.str_] | NDArray[np.int64],
        classes: int,
        *,
        evidence: float = 0.5,
        wider: Sequence[float] | None = None,
    ) -> None:
        if not len(labels):
            raise AEMGError("no vector to fit a model of people on")
        fitted = [_fit(np.asarray(view, dtype=np.float64), labels, people, classes) for view in views]
        self._axes = [axes for axes, _, _ in fitted]
        mean = np.concatenate([mean for _, mean, _ in fitted], axis=1)
        factors = [1.0] * len(views) if wider is None else wider
        between = np.concatenate([factor * between for (_, _, between), factor in zip(fitted, factors, strict=True)])
        shown = np.bincount(labels, minlength=classes) > 0
        self._weight = evidence / len(views)
        self.prior = Belief(mean, np.broadcast_to(between, mean.shape), np.where(shown, 0.0, _ABSENT))

    def project(self, views: Sequence[Vectors]) -> NDArray[np.float64]:
        """Vectors (n, F_v) of every view in the model's coordinates, (n, F)."""
        return np.concatenate([np.asarray(view, np.float64) @ axes for view, axes in zip(views, self._axes)], axis=1)

    def log_proba(self, projected: NDArray[np.float64], belief: Belief | None = None) -> NDArray[np.float32]:
        """Log-probabilities (n, K) of projected vectors under what is believed of their person; None for nobody's."""
        return np.asarray(log_softmax(self._log_odds(projected, belief or self.prior), axis=1), dtype=np.float32)

    def log_evidence(self, projected: NDArray[np.float64]) -> NDArray[np.float64]:
        """How probable projected vectors are of a person nobody knows, (n,), up to a constant."""
        return np.asarray(logsumexp(self._log_odds(projected, self.prior), axis=1))

    def enough(self, vectors: int, how: Learning) -> bool:
        """Whether so many vectors teach anything without labels."""
        return bool(vectors >= how.least * (self.prior.odds > _ABSENT).sum())

    def learn(
        self, projected: NDArray[np.float64], labels: NDArray[np.int64] | None = None, how: Learning | None = None
    ) -> Belief:
        """What one person's vectors tell.

        Args:
            labels: (n,), `UNKNOWN` where there is none; None for none at all.
        """
        how = how or Learning()
        labels = np.full(len(projected), UNKNOWN) if labels is None else labels
        known = labels != UNKNOWN
        told = labels[known]
        shares = np.zeros((len(projected), len(self.prior.mean)))
        shares[known, told] = 1.0
        odds = self.prior.odds.copy()
        odds[told] = 0.0
        belief = Belief(*self._posterior(projected[known], shares[known]), odds)
        if known.all() or not self.enough(len(projected), how):
            return belief
        if 0 < len(np.unique(told)) < (odds > _ABSENT).sum():
            # labels of some classes alone would draw all that is alike to those: begin with what is found without labels
            unlabelled = self.learn(projected, how=how)
            belief = replace(unlabelled, odds=odds)
            if how.rounds:
                shares[~known] = np.exp(self.log_proba(projected[~known], unlabelled))
                belief = Belief(*self._posterior(projected, shares), odds)
        for _ in range(how.rounds):
            log_odds = self._log_odds(projected[~known], Belief(belief.mean, belief.variance, odds))
            offset = _balancing(log_odds, how.balance, odds > _ABSENT, shares[known].sum(axis=0))
            shares[~known] = np.exp(log_softmax(log_odds + offset, axis=1))
            belief = Belief(*self._posterior(projected, shares), odds + offset)
        return belief

    def learn_shares(self, projected: NDArray[np.float64], shares: NDArray[np.floating]) -> Belief:
        """What vectors tell whose shares of the classes (n, K) are known from elsewhere."""
        return Belief(*self._posterior(projected, np.asarray(shares, np.float64)), self.prior.odds)

    def _posterior(
        self, projected: NDArray[np.float64], shares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Means and variances (K, F) of a person's classes; the covariance within is one in the model's coordinates."""
        precision = 1.0 / self.prior.variance
        variance = 1.0 / (precision + shares.sum(axis=0)[:, None])
        return variance * (precision * self.prior.mean + shares.T @ projected), variance

    def _log_odds(self, projected: NDArray[np.float64], belief: Belief) -> NDArray[np.float64]:
        spread = 1.0 + belief.variance  # (K, F)
        ratio = belief.mean / spread
        square = projected**2 @ (1.0 / spread).T - 2.0 * projected @ ratio.T + (belief.mean * ratio).sum(axis=1)
        log_odds = belief.odds - 0.5 * self._weight * (square + np.log(spread).sum(axis=1))
        return np.asarray(log_odds)


def _fit(
    x: NDArray[np.float64], labels: NDArray[np.int64], people: NDArray[np.str_] | NDArray[np.int64], classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Axes (F, F) in which the covariance within is one and that between people is diagonal, class means (K, F) and variances
    between people (F,) in them."""
    groups: dict[tuple[int, object], NDArray[np.float64]] = {}
    for person in np.unique(people):
        for k in np.unique(labels[people == person]):
            groups[int(k), person] = x[(people == person) & (labels == k)]
    means = {key: rows.mean(axis=0) for key, rows in groups.items()}
    of_class = [[mean for (k, _), mean in means.items() if k == wanted] for wanted in range(classes)]
    centre = np.mean([np.mean(found, axis=0) for found in of_class if found], axis=0)
    mean = np.stack([np.mean(found, axis=0) if found else centre for found in of_class])
    freedom = len(x) - len(groups)
    within = _covariance(np.concatenate([rows - means[key] for key, rows in groups.items()]), freedom)
    if freedom <= 0:  # a single vector of every person and class
        within = _covariance(x - mean[labels], len(x))
    apart = np.concatenate([np.array(found) - mean[k] for k, found in enumerate(of_class) if found])
    between = _covariance(apart, len(groups) - sum(bool(found) for found in of_class))
    more = len(np.unique(people)) - 1
    between = (_USUAL_BETWEEN * within + more * between) / (1 + more)
    whiten = np.linalg.cholesky(np.linalg.inv(_shrunk(within, _SHRINK_WITHIN)))
    values, turn = np.linalg.eigh(whiten.T @ _shrunk(between, _SHRINK_BETWEEN) @ whiten)
    axes = whiten @ turn
    return axes, mean @ axes, np.maximum(values, _LEAST)


def _covariance(deviations: NDArray[np.float64], freedom: int) -> NDArray[np.float64]:
    return deviations.T @ deviations / max(1, freedom)


def _shrunk(covariance: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """Towards a scaled identity, which has a say even where all deviations are zero."""
    scale = max(float(np.trace(covariance)) / len(covariance), 1e-9)
    return np.asarray((1 - share) * covariance + share * scale * np.eye(len(covariance)))


def _balancing(
    log_odds: NDArray[np.float64], strength: float, shown: NDArray[np.bool_], told: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Offsets (K,) that draw the classes that can be, with the vectors whose labels were told (K,), towards equal numbers."""
    offset = np.zeros(log_odds.shape[1])
    number = len(log_odds) + told.sum()
    for _ in range(_BALANCING_STEPS if strength > 0 else 0):
        shares = (np.exp(log_softmax(log_odds + offset, axis=1)).sum(axis=0) + told) / number
        offset[shown] -= strength * np.log((shares[shown] + _SMALL) * shown.sum())
    return offset


__all__ = ["UNKNOWN", "Belief", "Learning", "PeopleModel"]
