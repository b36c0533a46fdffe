"""A frozen encoder with a linear head: what its vectors hold of a person it has never seen, beside classical features.

Every 250 ms window is embedded by itself, without its neighbours or its trial's bounds, and decided by itself, as the windows
of the classical features are. Letters: W windows, D width, K movements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from aemg.corpus import Corpus
from aemg.datasets import DatasetInfo, crowd_of
from aemg.errors import AEMGError
from aemg.evaluation.certificate import FoldFacts, certificate, fold_facts
from aemg.evaluation.controls import window_features
from aemg.evaluation.metrics import accuracy, compare
from aemg.evaluation.trials import Examples, trials_of
from aemg.evaluation.wearing import register_sources, register_target, turn_judge
from aemg.features import standardise
from aemg.model import AEMG, stretch_of
from aemg.model.describe import learned
from aemg.model.network import Encoder
from aemg.sessions import WINDOW_S, Session, SessionKey, SessionStore, sessions_of
from aemg.topology import Worn

Head = Literal["lda", "logistic"]
FROZEN, RANDOM, BASELINE = "aemg-frozen", "random-frozen", "td-lda-z"
METHODS = (FROZEN, RANDOM, BASELINE, "td-lda-registered")
METRICS = ("window_accuracy", "trial_accuracy", "balanced_accuracy")
TARGET_DATA = {
    FROZEN: "unlabelled: registration and standardisation over the donning",
    RANDOM: "unlabelled: registration and standardisation over the donning",
    BASELINE: "unlabelled: standardisation over the donning",
    "td-lda-registered": "unlabelled: registration and standardisation over the donning",
}


class Embedder:
    """Vectors of windows by a frozen encoder; what was embedded once is kept."""

    def __init__(self, model: AEMG) -> None:
        self._encoder = model.encoder.eval()
        self._kept: dict[tuple[SessionKey, Worn], NDArray[np.float32]] = {}

    def __call__(self, session: Session, worn: Worn) -> NDArray[np.float32]:
        """(W, 2 D): the sentence's vector and the mean of its contractions' (zero without any), standardised over the donning
        as classical features are."""
        key = session.key, worn
        if key not in self._kept:
            self._kept[key] = standardise(window_vectors(self._encoder, session, worn))
        return self._kept[key]


def window_vectors(encoder: Encoder, session: Session, worn: Worn) -> NDArray[np.float32]:
    """Every window of a session as a sentence of its own: (W, 2 D), the sentence's vector and the mean of its tokens'."""
    places = [
        (r, float(at))
        for r, recording in enumerate(session.recordings)
        for at in session.window_start_s[slice(*recording.windows)]
    ]
    stretches = [stretch_of(session, r, at, at + WINDOW_S) for r, at in places]
    return learned(encoder, stretches, [worn] * len(stretches))


def fit_head(head: Head, x: NDArray[np.float32], y: NDArray[np.int64]) -> Any:
    """A linear classifier on windows (W, F): the discriminant of the classical baseline, or logistic regression."""
    with threadpool_limits(1):
        if head == "lda":
            return LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.05).fit(x, y)
        return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)).fit(x, y)


@dataclass(frozen=True)
class ProbeFold:
    """One person's result: accuracies by method, and what was compared for the certificate."""

    methods: dict[str, dict[str, float]]
    facts: FoldFacts
    trials: int
    windows: int


def probe_fold(
    subject: str,
    info: DatasetInfo,
    infos: dict[str, DatasetInfo],
    sessions: Sequence[Session],
    embedders: dict[str, Embedder],
    model: tuple[str, AEMG],
    head: Head,
) -> ProbeFold:
    """Heads trained on all people but one, tested on the one. The person's way of wearing is found without labels.

    Raises:
        AEMGError: the person or the others have no labelled trial.
    """
    sources = [s for s in sessions if s.key.subject != subject]
    targets = [s for s in sessions if s.key.subject == subject]
    source_worn = register_sources(sources, model[1])
    judge = turn_judge(sources, source_worn)
    train = Examples(sources, source_worn, trials_of(sources, info.labels))
    test = Examples(targets, [register_target(judge, s).worn for s in targets], trials_of(targets, info.labels))
    methods = {}
    for method in METHODS:
        x, y, _ = _windows(method, train, embedders)
        fitted = fit_head(head if method in embedders else "lda", x, y)
        methods[method] = _accuracies(fitted, *_windows(method, test, embedders))
    facts = fold_facts(
        subject, info, infos, (sources, train.trials), (targets, test.trials), (model[0], model[1].seen)
    )
    return ProbeFold(methods, facts, len(test.trials), sum(t.windows[1] - t.windows[0] for t in test.trials))


def probe_set(
    corpus: Path, name: str, model: tuple[str, AEMG], head: Head = "lda", *, people: int | None = None, seed: int = 0
) -> dict[str, Any]:
    """Leave-one-subject-out over a set, as plain values; a row a person and method as benchmarks have them.

    Args:
        model: its name and itself; beside it runs the same network from a random start.
        people: the first so many are tested; None for all.

    Raises:
        AEMGError: the corpus lacks the set, or nothing is labelled.
    """
    infos = {info.name: info for info in Corpus(corpus).infos}
    chosen = Corpus(corpus).select(datasets={name})
    store = SessionStore(corpus, model[1].config.space, model[1].config.tokenizer)
    sessions = [store.load(key) for key in store.ensure(sorted(sessions_of(chosen), key=str), jobs=1)]
    subjects = sorted({s.key.subject for s in sessions})
    if len(subjects) < 2:
        raise AEMGError(f"{name}: leave-one-subject-out needs two people with raw EMG, got {len(subjects)}")
    torch.manual_seed(seed)
    embedders = {FROZEN: Embedder(model[1]), RANDOM: Embedder(AEMG(model[1].config))}
    folds = {
        subject: probe_fold(subject, infos[name], infos, sessions, embedders, model, head) for subject in subjects[:people]
    }
    found = {m: {k: {s: f.methods[m][k] for s, f in folds.items()} for k in METRICS} for m in METHODS}
    crowd = crowd_of(name, infos)
    return {
        "people": len(folds),
        "trials": sum(f.trials for f in folds.values()),
        "windows": sum(f.windows for f in folds.values()),
        "seen": {
            "set": any(crowd_of(other, infos) == crowd for other in model[1].seen.people),
            "people": sum(bool(f.facts.encoder_saw_subject) for f in folds.values()),
            "files": sum(bool(f.facts.encoder_saw_file) for f in folds.values()),
        },
        "methods": {m: {k: accuracy(found[m][k]).as_dict() for k in METRICS} for m in METHODS},
        "target_data": TARGET_DATA,
        "versus": {
            m: asdict(compare(found[FROZEN]["window_accuracy"], found[m]["window_accuracy"])) for m in METHODS if m != FROZEN
        },
        "certificate": certificate(
            [f.facts for f in folds.values()],
            protocol="linear probe",
            target_unlabelled="registration, standardisation of features over the session",
            target_labelled=None,
        ),
    }


def _windows(
    method: str, examples: Examples, embedders: dict[str, Embedder]
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Features (W, F) of the trials' windows, their labels and their trials."""
    of_session = [
        embedders[method](s, w) if method in embedders else window_features(method, s, w)
        for s, w in zip(examples.sessions, examples.worn)
    ]
    lengths = [t.windows[1] - t.windows[0] for t in examples.trials]
    return (
        np.concatenate([of_session[t.session][slice(*t.windows)] for t in examples.trials]),
        np.repeat([t.label for t in examples.trials], lengths).astype(np.int64),
        np.repeat(np.arange(len(lengths)), lengths),
    )


def _accuracies(fitted: Any, x: NDArray[np.float32], y: NDArray[np.int64], trial: NDArray[np.int64]) -> dict[str, float]:
    logs = np.maximum(fitted.predict_log_proba(x), -50.0)  # (W, K)
    guess = fitted.classes_[logs.argmax(1)]
    sums = np.zeros((trial[-1] + 1, logs.shape[1]))
    np.add.at(sums, trial, logs)
    of_trial, first = fitted.classes_[sums.argmax(1)], np.unique(trial, return_index=True)[1]
    recalls = [float((guess[y == label] == label).mean()) for label in np.unique(y)]
    return {
        "window_accuracy": float((guess == y).mean()),
        "trial_accuracy": float((of_trial == y[first]).mean()),
        "balanced_accuracy": float(np.mean(recalls)),
    }
