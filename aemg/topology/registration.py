"""How a band was worn: a turn by whole slots and a mirror, found from features of windows.

Source sessions are registered jointly with their labels: turn and mirror of each are chosen so that the sessions'
mean patterns of the same movement agree. A new session is registered without labels: under each of the 32 ways of
wearing, its windows are judged by a Gaussian model of the registered sources (how likely they are, and how
much knowing the class would tell), together with a prior learnt from how the sources were worn. Where the evidence does not
separate the best way from the prior's favourite, the latter is kept.

Letters: K movements, S 16 slots, F features, W windows, G 32 ways of wearing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from aemg.errors import AEMGError
from aemg.topology.unify import SLOT_DEG, SLOTS

_ROUNDS = 8
_NEIGHBOUR = 0.3  # weight of a way of wearing one slot away in the prior
_UNSEEN = 0.5  # pseudo-count of a way of wearing that no source shows
_SHRINKAGE = 0.05

Key = TypeVar("Key")


@dataclass(frozen=True)
class Worn:
    """A way of wearing: slot s of the band as worn lies at slot (s + slots) mod 16 of the forearm, after its order was
    mirrored where `mirror` is set."""

    slots: int = 0
    mirror: bool = False

    @property
    def turn_deg(self) -> float:
        """The turn for `aemg.topology.unify`."""
        return self.slots * SLOT_DEG

    @property
    def order(self) -> NDArray[np.int64]:
        """(S,): registered[..., s] = worn[..., order[s]]."""
        sign = -1 if self.mirror else 1
        return (sign * (np.arange(SLOTS) - self.slots)) % SLOTS

    def then(self, other: Worn) -> Worn:
        """This registration followed by another."""
        sign = -1 if other.mirror else 1
        return Worn((sign * self.slots + other.slots) % SLOTS, self.mirror != other.mirror)


WAYS: tuple[Worn, ...] = tuple(Worn(slots, mirror) for mirror in (False, True) for slots in range(SLOTS))
_ORDERS = np.stack([worn.order for worn in WAYS])  # (G, S)


@dataclass(frozen=True)
class JointRegistration(Generic[Key]):
    """Ways of wearing of the sources and what they agree on: patterns (K, S, F) of `labels`."""

    worn: Mapping[Key, Worn]
    labels: tuple[str, ...]
    patterns: NDArray[np.float64]
    agreement: float


@dataclass(frozen=True)
class Registered:
    """The way of wearing found for a new session.

    Args:
        posterior: (G,) over `WAYS`.
        abstained: the evidence did not separate the ways; the prior's favourite was kept.
    """

    worn: Worn
    posterior: NDArray[np.float64]
    abstained: bool


def label_patterns(
    features: NDArray[np.float32], labels: NDArray[np.str_], known: Sequence[str]
) -> NDArray[np.float64]:
    """Mean pattern of every movement, NaN where a session lacks it.

    Args:
        features: (W, S, F), standardised within the session.
        labels: (W,).

    Returns:
        (K, S, F) in the order of `known`.
    """
    patterns = np.full((len(known), *features.shape[1:]), np.nan)
    for k, label in enumerate(known):
        of_label = labels == label
        if of_label.any():
            patterns[k] = features[of_label].mean(axis=0)
    return patterns


def register_jointly(
    patterns: Mapping[Key, NDArray[np.float64]],
    labels: Sequence[str],
    anchor: NDArray[np.float64] | None = None,
    fixed: frozenset[Key] = frozenset(),
) -> JointRegistration[Key]:
    """Registers source sessions to each other by their movements' patterns.

    Every session serves as first reference once; the best agreement wins. Sessions whose angles are known (`fixed`) keep them.

    Args:
        patterns: by session, (K, S, F) with NaN for movements it lacks.
        anchor: (K, S, F) patterns of an earlier registration; the result is turned as a whole to agree with it.

    Raises:
        AEMGError: no session.
    """
    if not patterns:
        raise AEMGError("no session to register")
    keys = list(patterns)
    turned = {key: patterns[key][:, _ORDERS].transpose(1, 0, 2, 3) for key in keys}  # (G, K, S, F)
    best: tuple[float, dict[Key, int], NDArray[np.float64]] | None = None
    for first in [anchor] if anchor is not None else [patterns[key] for key in keys]:
        ways, reference = _alternate(turned, first, fixed)
        score = float(sum(_agreement(turned[key][ways[key]][None], reference)[0] for key in keys))
        if best is None or score > best[0]:
            best = score, ways, reference
    assert best is not None
    return JointRegistration({key: WAYS[way] for key, way in best[1].items()}, tuple(labels), best[2], best[0])


def _alternate(
    turned: Mapping[Key, NDArray[np.float64]], reference: NDArray[np.float64], fixed: frozenset[Key]
) -> tuple[dict[Key, int], NDArray[np.float64]]:
    """Ways given the reference, reference given the ways, until nothing moves."""
    ways: dict[Key, int] = {}
    for _ in range(_ROUNDS):
        before = dict(ways)
        ways = {k: 0 if k in fixed else int(np.argmax(_agreement(t, reference))) for k, t in turned.items()}
        stack = np.stack([turned[key][way] for key, way in ways.items()])
        present = ~np.isnan(stack)
        reference = np.where(present, stack, 0.0).sum(axis=0) / np.maximum(present.sum(axis=0), 1)
        if ways == before:
            break
    return ways, reference


def _agreement(turned: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of products (G,) over what both show."""
    return np.asarray(np.nansum(turned * np.nan_to_num(reference), axis=(1, 2, 3)))


class TurnJudge:
    """Registers new sessions of the same movements without labels.

    Args:
        features: (W, S, F) of all source windows, standardised by session and registered.
        labels: (W,).
        sources: how the source sessions were worn, for the prior.
        evidence: how many independent observations a session counts for against the prior; windows overlap
            and follow each other closely, so that it is far below their number.
        margin: least lead in log posterior over the prior's favourite; below it the favourite is kept.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.str_],
        sources: Sequence[Worn],
        *,
        evidence: float = 20.0,
        margin: float = 0.5,
    ) -> None:
        flat = features.reshape(len(features), -1).astype(np.float64)
        names, index = np.unique(labels, return_inverse=True)
        self._means = np.stack([flat[index == k].mean(axis=0) for k in range(len(names))])  # (K, S * F)
        within = flat - self._means[index]
        covariance = within.T @ within / len(flat)
        scale = np.trace(covariance) / len(covariance)
        covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * scale * np.eye(len(covariance))
        self._precision = np.linalg.inv(covariance)
        self._log_prior = turn_log_prior(sources)
        self._evidence, self._margin = evidence, margin

    def register(self, features: NDArray[np.float32]) -> Registered:
        """The most probable way of wearing of one session, given (W, S, F) standardised within it."""
        scores = np.array([self._evidence_of(features[:, order]) for order in _ORDERS])  # (G,)
        log_posterior = self._evidence * scores + self._log_prior
        log_posterior -= logsumexp(log_posterior)
        best, favourite = int(np.argmax(log_posterior)), int(np.argmax(self._log_prior))
        abstained = best != favourite and log_posterior[best] - log_posterior[favourite] < self._margin
        return Registered(WAYS[favourite if abstained else best], np.exp(log_posterior), abstained)

    def _evidence_of(self, features: NDArray[np.float32]) -> float:
        """Mean log-likelihood a feature plus mutual information between window and movement, in nats."""
        flat = features.reshape(len(features), -1).astype(np.float64)
        projected = flat @ self._precision
        log_joint = projected @ self._means.T - 0.5 * np.einsum("kf,kf->k", self._means @ self._precision, self._means)
        log_likelihood = logsumexp(log_joint, axis=1) - 0.5 * np.einsum("wf,wf->w", projected, flat)
        posterior = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        information = _entropy(posterior.mean(axis=0)) - _entropy(posterior).mean()
        return float(log_likelihood.mean() + information)


def turn_log_prior(sources: Sequence[Worn]) -> NDArray[np.float64]:
    """Log probability (G,) of each way of wearing, from how often sources were worn so or one slot beside."""
    counts = np.zeros((2, SLOTS))
    for worn in sources:
        counts[int(worn.mirror), worn.slots] += 1
    smooth = counts + _NEIGHBOUR * (np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1)) + _UNSEEN
    return np.asarray(np.log(smooth / smooth.sum()).ravel())


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(p * np.log(p + 1e-12)).sum(axis=-1))
