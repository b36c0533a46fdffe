"""Rows of published protocols: scores, what a row says of itself, and its certificate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.benchmark.published_domains import PersonWindows, Sources
from aemg.evaluation.benchmark.published_recipes import Recipe
from aemg.evaluation.benchmark.published_signals import Filters
from aemg.evaluation.certificate import FoldFacts

Row = dict[str, Any]


def row_of(
    recipe: Recipe, way: Filters, method: str, family: str, person: str, seed: int, scores: Mapping[str, float], context: str
) -> Row:
    """What a row says whatever made it; the caller adds what was seen of the person, and the certificate."""
    counts = {count: int(scores[count]) for count in ("trials", "windows")}
    return {
        "protocol": recipe.protocol(way),
        "version": recipe.version,
        "set": recipe.dataset,
        "source": recipe.dataset,
        "method": method,
        "registered": False,
        "family": family,
        "user_dependent": False,
        "person": person,
        "session": None,
        "seed": seed,
        "filters": way,
        "context": context,
        "metrics": {name: value for name, value in scores.items() if name not in counts},
        **counts,
    }


def context_of(recipe: Recipe) -> str:
    """What a decision on a window knows: a window that is the whole trial is decided as one."""
    return "trial" if recipe.window_s is None else "window"


def scores_of(
    log_proba: NDArray[np.float32],
    labels: NDArray[np.int64],
    trial: NDArray[np.int64],
    of_trials: NDArray[np.float32] | None = None,
) -> dict[str, float]:
    """Accuracies of windows (W, K), of their trials by the mean over windows (or as given, (n, K)), and counts."""
    guess = log_proba.argmax(axis=1)
    numbers, first, which = np.unique(trial, return_index=True, return_inverse=True)
    means = np.zeros((len(numbers), log_proba.shape[1]))
    np.add.at(means, which, log_proba)
    decided = (means if of_trials is None else of_trials).argmax(axis=1)
    return {
        "window_accuracy": float((guess == labels).mean()),
        "trial_accuracy": float((decided == labels[first]).mean()),
        "balanced_accuracy": float(np.mean([(guess[labels == k] == k).mean() for k in np.unique(labels)])),
        "trials": len(numbers),
        "windows": len(labels),
    }


def facts_of(target: PersonWindows, sources: Sources) -> FoldFacts:
    """What the two sides share, by names, files and times."""
    own, theirs = set(target.stretches), {stretch for s in sources.people for stretch in s.stretches}
    people = {s.name for s in sources.people} & {target.name}
    return FoldFacts(target.name, tuple(people), tuple(people), len(own & theirs), len(own & theirs), None, None, None)
