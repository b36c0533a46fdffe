"""How a band was worn: a turn by whole slots and a mirror, found from features of windows.

Source sessions are registered jointly with their labels: turn and mirror of each are chosen so that the sessions'
mean patterns of the same movement agree. A new session is registered without labels: under each of the 32 ways of
wearing, its windows are judged by a Gaussian model of the registered sources (how likely they are, and how
much knowing the class would tell), together with a prior learnt from how the sources were worn. Where the evidence does
not separate the best way from the prior's favourite, the latter is kept.

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
_STARTS = 12  # sessions that serve as first reference
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

    Ways of wearing and what they agree on are found in turns, from several sessions as first reference; the best
    agreement wins.

    Args:
        patterns: by session, (K, S, F) with NaN for movements it lacks.
        anchor: (K, S, F) patterns of an earlier registration, NaN for movements it lacks; the result is turned as a
            whole to agree with it.
        fixed: sessions whose angles are known, which stay as worn.

    Raises:
        AEMGError: no session.
    """
    if not patterns:
        raise AEMGError("no session to register")
    keys = list(patterns)
    turned = np.stack([patterns[key][:, _ORDERS].transpose(1, 0, 2, 3) for key in keys])  # (n, G, K, S, F)
    present = ~np.isnan(turned[:, 0, :, 0, 0])  # (n, K)
    turned = np.nan_to_num(turned)
    free = np.array([key not in fixed for key in keys])
    starts = sorted({round(i) for i in np.linspace(0, len(keys) - 1, min(_STARTS, len(keys)))})
    found = [_alternate(turned, present, turned[start, 0], free) for start in starts]
    ways, reference, agreement = max(found, key=lambda candidate: candidate[2])
    worn = {key: WAYS[way] for key, way in zip(keys, ways)}
    if anchor is not None and free.all():
        known = np.nan_to_num(anchor)
        gauge = int(np.argmax([(reference[:, worn_so.order] * known).sum() for worn_so in WAYS]))
        worn = {key: way.then(WAYS[gauge]) for key, way in worn.items()}
        reference = reference[:, WAYS[gauge].order]
    shown = np.asarray(present.any(axis=0))[:, None, None]
    return JointRegistration(worn, tuple(labels), np.where(shown, reference, np.nan), agreement)


def _alternate(
    turned: NDArray[np.float64], present: NDArray[np.bool_], reference: NDArray[np.float64], free: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64], float]:
    """Ways (n,) given the reference (K, S, F), reference given the ways, until nothing moves; and their agreement."""
    ways = np.full(len(turned), -1)
    counts = np.maximum(present.sum(axis=0), 1)[:, None, None]
    score = np.zeros(len(turned))
    for _ in range(_ROUNDS):
        agreement = np.einsum("ngksf,ksf->ng", turned, reference)
        before, ways = ways, np.where(free, agreement.argmax(axis=1), 0)
        score = agreement[np.arange(len(ways)), ways]
        reference = turned[np.arange(len(ways)), ways].sum(axis=0) / counts
        if (ways == before).all():
            break
    return ways, reference, float(score.sum())


class TurnJudge:
    """Registers new sessions of the same movements without labels.

    Args:
        features: (W, S, F) of all source windows, standardised by session and registered.
        labels: (W,).
        sources: how the source sessions were worn, for the prior; None where they wore another device, which tells nothing of
            how this one is worn: then every way is as probable, and a poor fit is no reason to abstain.
        evidence: how many independent observations a session counts for against the prior; windows overlap
            and follow each other closely, so that it is far below their number.
        margin: least lead in log posterior over the prior's favourite; below it the favourite is kept. It is kept as well
            where the session fits the sources' model under no way of wearing: where its windows are less likely than the
            sources' by more than one nat a feature, they show other things than these movements.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        labels: NDArray[np.str_],
        sources: Sequence[Worn] | None,
        *,
        evidence: float = 6.0,
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
        self._log_prior = turn_log_prior(sources or [])
        self._evidence, self._margin = evidence, margin
        self._least = self._judged(flat)[0] - flat.shape[1] if sources is not None else -np.inf

    def register(self, features: NDArray[np.float32]) -> Registered:
        """The most probable way of wearing of one session, given (W, S, F) standardised within it."""
        judged = np.array([self._judged(features[:, order].reshape(len(features), -1)) for order in _ORDERS])  # (G, 2)
        log_posterior = self._evidence * judged.sum(axis=1) + self._log_prior
        strange = judged[:, 0].max() < self._least
        if strange:
            log_posterior = self._log_prior.copy()
        log_posterior -= logsumexp(log_posterior)
        best, favourite = int(np.argmax(log_posterior)), int(np.argmax(self._log_prior))
        thin = best != favourite and log_posterior[best] - log_posterior[favourite] < self._margin
        abstained = bool(strange or thin)
        return Registered(WAYS[favourite if abstained else best], np.exp(log_posterior), abstained)

    def _judged(self, flat: NDArray[np.floating]) -> tuple[float, float]:
        """Of windows (W, S * F), in nats: mean log-likelihood up to a constant, and mutual information of window and
        movement."""
        projected = flat @ self._precision
        log_joint = projected @ self._means.T - 0.5 * np.einsum("kf,kf->k", self._means @ self._precision, self._means)
        log_likelihood = logsumexp(log_joint, axis=1) - 0.5 * np.einsum("wf,wf->w", projected, flat)
        posterior = np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))
        information = _entropy(posterior.mean(axis=0)) - _entropy(posterior).mean()
        return float(log_likelihood.mean()), float(information)


def turn_log_prior(sources: Sequence[Worn]) -> NDArray[np.float64]:
    """Log probability (G,) of each way of wearing, from how often sources were worn so or one slot beside."""
    counts = np.zeros((2, SLOTS))
    for worn in sources:
        counts[int(worn.mirror), worn.slots] += 1
    smooth = counts + _NEIGHBOUR * (np.roll(counts, 1, axis=1) + np.roll(counts, -1, axis=1)) + _UNSEEN
    return np.asarray(np.log(smooth / smooth.sum()).ravel())


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(-(p * np.log(p + 1e-12)).sum(axis=-1))
