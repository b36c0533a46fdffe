"""People of a published protocol as classical methods see them: features of every window, and whom it belongs to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.evaluation.benchmark.published_recipes import Person, Recipe
from aemg.evaluation.benchmark.published_signals import (
    Filters,
    hudgins,
    nine_features,
    normalise,
    riemannian_mean,
    tangent,
)
from aemg.evaluation.domain import Domain
from aemg.features import oas_covariances

Space = Literal["td", "tangent"]
"""Time-domain features, or covariances in the tangent space of the affine-invariant metric."""

_MEAN_OF = 20_000  # matrices that a mean is taken of; more are thinned evenly


@dataclass(frozen=True)
class PersonWindows:
    """One person's windows in one way of filtering.

    Args:
        features: (W, F) time-domain features as they come.
        matrices: (W, C, C) covariances.
        labels, trial: (W,) index into the recipe's labels, and number of the marked stretch.
        stretches: file and start in seconds of each trial, by its number.
    """

    name: str
    side: str
    features: NDArray[np.float64]
    matrices: NDArray[np.float64]
    labels: NDArray[np.int64]
    trial: NDArray[np.int64]
    stretches: tuple[tuple[str, float], ...]

    def thinned(self, most: int) -> PersonWindows:
        """At most so many windows, evenly taken."""
        kept = slice(None, None, -(-len(self.labels) // most))
        parts = (self.features[kept], self.matrices[kept], self.labels[kept], self.trial[kept])
        return PersonWindows(self.name, self.side, *parts, self.stretches)

    @cached_property
    def _own(self) -> dict[Space, Domain]:
        return {}

    def own(self, space: Space) -> Domain:
        """Normalised by the person's own windows: lengths and moments, or the tangent space at the person's own mean."""
        if space not in self._own:
            made = normalise(self.features) if space == "td" else tangent(self.matrices, _mean([self]))
            self._own[space] = self.domain(made)
        return self._own[space]

    def domain(self, features: NDArray[np.float64]) -> Domain:
        """With other features."""
        return Domain(features.astype(np.float32), self.trial, self.labels)


@dataclass(frozen=True)
class Sources:
    """The people whom methods learn from."""

    people: tuple[PersonWindows, ...]

    @cached_property
    def centre(self) -> NDArray[np.float64]:
        """Their covariances' mean (C, C)."""
        return _mean(self.people)

    @cached_property
    def _shared(self) -> dict[Space, list[Domain]]:
        return {}

    def shared(self, space: Space) -> list[Domain]:
        """Features as they come, or in the tangent space at the mean of all."""
        if space not in self._shared:
            self._shared[space] = [self.seen(person, space) for person in self.people]
        return self._shared[space]

    def seen(self, person: PersonWindows, space: Space) -> Domain:
        """A person's windows brought to the same place, for which nothing of the person is used."""
        return person.domain(person.features if space == "td" else tangent(person.matrices, self.centre))


def windows_of(recipe: Recipe, person: Person, filters: Filters) -> PersonWindows:
    """A person's windows; a marked stretch that is shorter than a window has none.

    Raises:
        AEMGError: the person has none at all.
    """
    kinds = {label: k for k, label in enumerate(recipe.labels)}
    features, matrices, labels, trial = [], [], [], []
    stretches: list[tuple[str, float]] = []
    for recording in person.recordings:
        signal, rate = recipe.signal(recording, filters)
        for interval in recording.intervals:
            found = _cut(signal[:, round(interval.start_s * rate) : round(interval.end_s * rate)], rate, recipe)
            features.append((nine_features if recipe.features == "nine" else hudgins)(found))
            matrices.append(oas_covariances(found))
            labels.append(np.full(len(found), kinds[interval.label]))
            trial.append(np.full(len(found), len(stretches)))
            stretches.append((recording.provenance.file, interval.start_s))
    if not sum(map(len, labels)):
        raise AEMGError(f"{recipe.name}: {person.name} has no stretch of {', '.join(recipe.labels)} that is long enough")
    return PersonWindows(
        person.name,
        person.side,
        np.concatenate(features),
        _definite(np.concatenate(matrices)),
        np.concatenate(labels).astype(np.int64),
        np.concatenate(trial).astype(np.int64),
        tuple(stretches),
    )


def _cut(stretch: NDArray[np.float64], rate_hz: float, recipe: Recipe) -> NDArray[np.float64]:
    """(C, T) -> (W, C, L)."""
    if recipe.window_s is None or recipe.hop_s is None:
        return stretch[None]
    length, hop = round(recipe.window_s * rate_hz), round(recipe.hop_s * rate_hz)
    if stretch.shape[1] < length:
        return np.zeros((0, len(stretch), length))
    return np.lib.stride_tricks.sliding_window_view(stretch, length, axis=1)[:, ::hop].transpose(1, 0, 2)


def _definite(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Kept from being singular where a channel stands still, by a billionth of the person's mean power."""
    channels = matrices.shape[-1]
    power = float(np.trace(matrices, axis1=1, axis2=2).mean()) / channels
    return np.asarray(matrices + (1e-9 * power + 1e-30) * np.eye(channels))


def _mean(people: Iterable[PersonWindows]) -> NDArray[np.float64]:
    matrices = np.concatenate([p.matrices for p in people])
    return riemannian_mean(matrices[:: max(1, len(matrices) // _MEAN_OF)])
