"""What all baselines share: the entry of a method, scaling by domain, and the classes that the sources hold.

Letters: W windows, F features, K movements, k movements that the sources hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from aemg.errors import AEMGError
from aemg.evaluation.domain import Domain

LOWEST = -50.0  # log-probability of a movement that a method cannot know


class Fitted(Protocol):
    """A method after its fit, for windows of the target."""

    def log_proba(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (W, K) of windows (W, F); a movement that the sources do not hold gets `LOWEST`."""


@dataclass(frozen=True)
class Problem:
    """The sources as one labelled set, its movements numbered from 0 without gaps.

    Args:
        sources: as given.
        labels: by source, (W,) numbers of movements among `found`.
        found: (k,) the movements that the sources hold, ascending.
        classes: K.
        seed: of all that is random.
    """

    sources: Sequence[Domain]
    labels: Sequence[NDArray[np.int64]]
    found: NDArray[np.int64]
    classes: int
    seed: int

    def pooled(self, scale: Callable[[Domain], NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """All sources' windows (W, F), each source scaled by itself, and labels (W,)."""
        return np.concatenate([scale(s) for s in self.sources]), np.concatenate(self.labels)

    def fitted(
        self,
        scale: Callable[[NDArray[np.float32]], NDArray[np.float32]],
        decide: Callable[[NDArray[np.float32]], NDArray[np.floating]],
    ) -> Fitted:
        """What classifies a window: `decide` gives (W, k) log-probabilities of `found` for scaled windows."""
        return _Decision(scale, decide, self.found, self.classes)


@dataclass(frozen=True)
class _Decision:
    scale: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    decide: Callable[[NDArray[np.float32]], NDArray[np.floating]]
    found: NDArray[np.int64]
    classes: int

    def log_proba(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Log-probabilities (W, K) of windows (W, F)."""
        rows = np.full((len(features), self.classes), LOWEST, np.float32)
        if len(features):
            with one_thread(), np.errstate(divide="ignore"):  # the log of nothing is `LOWEST`
                rows[:, self.found] = np.maximum(self.decide(self.scale(features)), LOWEST)
        return rows


@dataclass(frozen=True)
class Baseline:
    """A method of the literature.

    Args:
        name: as settings and results name it.
        title: as a table shows it.
        source: authors, year, DOI or arXiv number.
        features: what it was made for, time-domain features ("td") or the tangent space of covariances ("tangent").
        unlabelled: whether its fit uses the target's windows, without their labels.
        method: the fit itself.
    """

    name: str
    title: str
    source: str
    features: Literal["td", "tangent"]
    unlabelled: bool
    method: Callable[[Problem, Domain | None], Fitted]

    def fit(self, sources: Sequence[Domain], target: Domain | None, classes: int, seed: int) -> Fitted:
        """Fits the method to labelled sources and, where it adapts, to the target's windows.

        Labels of the target are never handed on, and neither is a target that the method does not use. Runs on one thread,
        and gives the same for the same seed.

        Args:
            sources: one a person or donning, labelled from 0 to `classes` - 1.
            target: unlabelled windows of who is tested; None where the protocol gives none.
            classes: K, movements of the evaluation.
            seed: of initialisation and order.

        Raises:
            AEMGError: the method needs unlabelled windows of the target and there are none, or the sources are not labelled
                with two movements at least.
        """
        used = [s for s in sources if len(s.features)]
        if any(s.labels is None for s in used):
            raise AEMGError(f"{self.name}: every source needs labels")
        labels = [np.asarray(s.labels) for s in used]
        found = np.unique(np.concatenate(labels)) if labels else np.zeros(0, np.int64)
        if len(found) < 2:
            raise AEMGError(f"{self.name}: the sources need windows of two movements at least, found {len(found)}")
        if self.unlabelled and (target is None or not len(target.features)):
            raise AEMGError(
                f"{self.name} adapts to unlabelled windows of the person who is tested; got none, and expected a protocol with "
                "calibration"
            )
        problem = Problem(used, [np.searchsorted(found, y) for y in labels], found, classes, seed)
        unlabelled = replace(target, labels=None) if target is not None and self.unlabelled else None
        with one_thread():
            return self.method(problem, unlabelled)


@dataclass(frozen=True)
class Scaling:
    """Subtracts means (F,) and divides by scales (F,)."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Scaling:
        """To zero mean and unit variance of the given windows; a constant feature is only centred."""
        mean = features.mean(axis=0, dtype=np.float64)
        spread = features.std(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), np.where(spread > 1e-6, spread, 1.0).astype(np.float32))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(W, F) to (W, F)."""
        return np.asarray((features - self.mean) / self.spread, dtype=np.float32)


def normalised(domain: Domain) -> NDArray[np.float32]:
    """A domain's windows (W, F), each feature with zero mean and unit variance over the domain."""
    return Scaling.of(domain.features)(domain.features)


def thinned(
    features: NDArray[np.float32], labels: NDArray[np.int64], most: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Every n-th window, n the smallest that leaves at most `most`; windows in time order overlap and lose little."""
    step = -(-len(features) // most)
    return features[::step], labels[::step]


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for linear algebra and networks, so that folds can run side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
