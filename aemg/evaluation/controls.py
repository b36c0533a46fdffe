"""Always-on controls: classical features and linear classifiers on the same windows and folds."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from aemg.errors import AEMGError
from aemg.evaluation.classifier import Predictions
from aemg.evaluation.config import SelfTrainingConfig
from aemg.evaluation.trials import Examples
from aemg.evaluation.window_features import Kind, features_of
from aemg.sessions import Session
from aemg.topology import Worn

TARGET_DATA = {  # what of the test subject's unlabelled data a method uses
    "td-lda-raw": "none",
    "td-lda-z": "unlabelled",
    "td-lda-registered": "unlabelled",
    "tangent-lr": "none",
    "tangent-lr-z": "unlabelled",
    "tangent-lr-registered": "unlabelled",
}


def window_features(control: str, session: Session, worn: Worn) -> NDArray[np.float32]:
    """The features (W, F) of all windows of a session for a control.

    Raises:
        AEMGError: no such control.
    """
    if control not in TARGET_DATA:
        raise AEMGError(f"no control {control!r}; known: {', '.join(TARGET_DATA)}")
    kind: Kind = "td" if control.startswith("td") else "tangent"
    standardised = control.endswith(("-z", "-registered"))
    return features_of(kind, session, worn if control.endswith("-registered") else None, None, standardised)


@dataclass(frozen=True)
class LinearControl:
    """A fitted linear classifier with the classes it has seen."""

    model: object
    classes: NDArray[np.int64]

    def log_proba(self, features: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
        """(W, classes); a class it has not seen gets a very low value."""
        found = np.full((len(features), classes), -50.0, np.float32)
        found[:, self.classes] = self.model.predict_log_proba(features)  # type: ignore[attr-defined]
        return np.maximum(found, -50.0)


def fit_control(control: str, sources: Examples, seed: int = 0) -> LinearControl:
    """Fits a control on the windows of labelled trials."""
    features = [window_features(control, s, w) for s, w in zip(sources.sessions, sources.worn)]
    x = np.concatenate([features[t.session][slice(*t.windows)] for t in sources.trials])
    y = np.concatenate([np.full(t.windows[1] - t.windows[0], t.label) for t in sources.trials])
    with threadpool_limits(1):
        if control.startswith("td-lda"):
            model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05).fit(x, y)
        else:  # neighbouring windows overlap by half; every second one carries nearly all there is
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=60, tol=1e-3))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(x[::2], y[::2])
    return LinearControl(model, np.asarray(model.classes_, dtype=np.int64))


def predict_control(control: str, fitted: LinearControl, target: Examples, classes: int) -> Predictions:
    """Windows one by one, and trials by the mean of their windows' log-probabilities; here a window in its trial is a
    window alone."""
    rows, owners = [], []
    features = [window_features(control, s, w) for s, w in zip(target.sessions, target.worn)]
    for i, trial in enumerate(target.trials):
        rows.append(fitted.log_proba(features[trial.session][slice(*trial.windows)], classes))
        owners += [i] * len(rows[-1])
    windows = np.concatenate(rows)
    return Predictions(np.stack([r.mean(axis=0) for r in rows]), windows, windows, np.array(owners, dtype=np.int64))


def self_train_control(
    control: str, sources: Examples, target: Examples, classes: int, adaptation: SelfTrainingConfig
) -> Predictions:
    """A control that learns from the target's trials without their labels: round by round its own surest decisions, repeated
    until they weigh as much as the sources."""
    predictions = predict_control(control, fit_control(control, sources), target, classes)
    for _ in range(adaptation.rounds):
        believed = surest(predictions.trials, adaptation.share)
        shift = len(sources.sessions)
        own = [
            replace(target.trials[i], label=label, session=target.trials[i].session + shift) for i, label in believed.items()
        ]
        repeats = max(1, len(sources.trials) // max(1, len(own)))
        both = Examples(
            [*sources.sessions, *target.sessions], [*sources.worn, *target.worn], [*sources.trials, *(own * repeats)]
        )
        predictions = predict_control(control, fit_control(control, both), target, classes)
    return predictions


def surest(log_probabilities: NDArray[np.float32], share: float) -> dict[int, int]:
    """The surest part of the trials that are decided for each movement.

    Args:
        log_probabilities: (n, K).
        share: of each movement's trials, rounded up.

    Returns:
        Movement by trial.
    """
    guess = log_probabilities.argmax(axis=1)
    sure = log_probabilities.max(axis=1) - np.logaddexp.reduce(log_probabilities, axis=1)
    chosen: dict[int, int] = {}
    for movement in np.unique(guess):
        trials = np.flatnonzero(guess == movement)
        kept = trials[np.argsort(-sure[trials], kind="stable")][: int(np.ceil(share * len(trials)))]
        chosen.update({int(i): int(movement) for i in kept})
    return dict(sorted(chosen.items()))


def in_context(predictions: Predictions) -> Predictions:
    """The same with every window given its trial's decision: what a classifier gains from knowing the trial's bounds."""
    return Predictions(
        predictions.trials,
        predictions.trials[predictions.trial_of_window],
        predictions.isolated,
        predictions.trial_of_window,
    )


def accuracies(predictions: Predictions, labels: Sequence[int]) -> dict[str, float]:
    """Window, trial and isolated-window accuracy of one subject, given the trials' labels."""
    truth = np.asarray(labels)
    of_window = truth[predictions.trial_of_window]
    return {
        "window_accuracy": float((predictions.windows.argmax(1) == of_window).mean()),
        "trial_accuracy": float((predictions.trials.argmax(1) == truth).mean()),
        "window_accuracy_isolated": float((predictions.isolated.argmax(1) == of_window).mean()),
    }
