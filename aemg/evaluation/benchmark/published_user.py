"""The user-dependent columns of published protocols, which are no ceiling of the user-independent ones.

Colot et al. shuffle a person's windows into five folds after they were normalised together, tested ones among them; LibEMG trains
on a person's first twenty repetitions and tests on the others.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.multiclass import OneVsRestClassifier

from aemg.evaluation.benchmark.published_domains import PersonWindows, Space
from aemg.evaluation.benchmark.published_recipes import Recipe

_FOLDS, _REPETITIONS = 5, 20
USER_DATA: Final = {
    "loso": f"{_FOLDS - 1} of {_FOLDS} shuffled parts of the person's windows, normalised with the tested part",
    "halves": f"the person's first {_REPETITIONS} repetitions of every movement",
}


def user_dependent(
    recipe: Recipe, person: PersonWindows, space: Space, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    """Log-probabilities (n, K) of the person's tested windows by a model of the person, and which windows these are; None where
    the person's windows do not suffice for it."""
    if recipe.split == "halves":
        return _by_repetition(person, len(recipe.labels))
    features = person.own(space).features
    found = np.full((len(features), len(recipe.labels)), -50.0, np.float32)
    if len(features) < _FOLDS:
        return None
    for train, test in KFold(_FOLDS, shuffle=True, random_state=seed).split(features):
        if len(np.unique(person.labels[train])) < 2:
            return None
        model = OneVsRestClassifier(LogisticRegression(solver="liblinear"))
        model.fit(features[train], person.labels[train])
        found[np.ix_(test, model.classes_)] = np.log(np.maximum(model.predict_proba(features[test]), 1e-20))
    return found, np.arange(len(features))


def _by_repetition(person: PersonWindows, classes: int) -> tuple[NDArray[np.float32], NDArray[np.int64]] | None:
    rank = np.zeros(len(person.stretches), dtype=np.int64)  # of a trial among those of its movement
    movement = dict(zip(person.trial.tolist(), person.labels.tolist()))
    counted = [0] * classes
    for trial in sorted(movement):
        rank[trial] = counted[movement[trial]]
        counted[movement[trial]] += 1
    train = np.flatnonzero(rank[person.trial] < _REPETITIONS)
    test = np.flatnonzero(rank[person.trial] >= _REPETITIONS)
    if not len(test) or len(np.unique(person.labels[train])) < 2:
        return None
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=1e-3).fit(person.features[train], person.labels[train])
    found = np.full((len(test), classes), -50.0, np.float32)
    found[:, model.classes_] = np.maximum(model.predict_log_proba(person.features[test]), -50.0)
    return found, test
