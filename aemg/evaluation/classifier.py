"""The classifier of movements: a frozen encoder beside what was measured, and a model of how people differ, which one person's
trials can be told to with and without labels.

Letters: n trials, W windows, K movements.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from aemg.adaptation import UNKNOWN, Belief, Learning, PeopleModel
from aemg.evaluation.config import FinetuneConfig
from aemg.evaluation.network import train_network
from aemg.evaluation.trials import Examples, Trial
from aemg.model import AEMG, Stretch, stretch_of
from aemg.model.describe import covariances, learned, measured
from aemg.model.network import Encoder
from aemg.sessions import WINDOW_S, Session, SessionKey
from aemg.topology import Worn

_EVERY = 2  # windows overlap by half; every second one of the sources carries nearly all there is
_WIDER = 2.0  # new people's class means vary so much more in an encoder's vectors than those it was trained on: measured

Views = list[NDArray[np.float32]]


@dataclass(frozen=True)
class Predictions:
    """Log-probabilities of trials (n, K), of their windows as decided with the whole trial (W, K), of each window alone (W, K),
    with the trial's index of each window (W,)."""

    trials: NDArray[np.float32]
    windows: NDArray[np.float32]
    isolated: NDArray[np.float32]
    trial_of_window: NDArray[np.int64]


@dataclass(frozen=True)
class Described:
    """Views of trials, each (n, F), and of their single windows, each (W, F), with the trial's number of each window (W,)."""

    whole: Views
    single: Views
    owner: NDArray[np.int64]


@dataclass(frozen=True)
class Describer:
    """Stretches of signal as views, each (n, F): what the encoder says of them, what was measured, and of that the covariances
    once more, which people and devices change less than the rest.

    Args:
        encoder: None for what was measured alone.
        unified: measure at the unified rate, where another device is to be decoded.
    """

    encoder: Encoder | None
    unified: bool = False
    _kept: dict[tuple[object, ...], tuple[Session, Views, Views]] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, stretches: Sequence[Stretch], worn: Sequence[Worn]) -> Views:
        """The views of stretches, each worn in its way."""
        of_encoder = [] if self.encoder is None else [learned(self.encoder, stretches, worn)]
        if self.unified:
            stretches = [s.at_unified_rate for s in stretches]
        both = np.stack([measured(s, w) for s, w in zip(stretches, worn)])
        return [*of_encoder, both, covariances(both)]

    def trials(self, examples: Examples) -> Described:
        """Trials and all their windows; a trial that was described once, of the same session worn the same way, is not again."""
        sessions, worn = examples.sessions, examples.worn
        keys = [(id(sessions[t.session]), worn[t.session], t.recording, t.start_s, t.end_s) for t in examples.trials]
        new = [i for i, key in enumerate(keys) if key not in self._kept]
        if new:
            fresh = examples.of([examples.trials[i] for i in new])
            single, owner = _windows(fresh)
            of_window = self(single, [worn[fresh.trials[i].session] for i in owner])
            for n, (i, *whole) in enumerate(zip(new, *self(*_whole(fresh)))):
                session = sessions[examples.trials[i].session]  # kept for its id
                self._kept[keys[i]] = session, whole, [view[owner == n] for view in of_window]
        _, whole_of, single_of = zip(*(self._kept[key] for key in keys))
        return Described(
            [np.stack(rows) for rows in zip(*whole_of)],
            [np.concatenate(rows) for rows in zip(*single_of)],
            np.repeat(np.arange(len(keys)), [len(views[0]) for views in single_of]),
        )

    @property
    def wider(self) -> list[float]:
        """By view, as `PeopleModel` takes it."""
        return [1.0, 1.0] if self.encoder is None else [_WIDER, 1.0, 1.0]


@dataclass(frozen=True)
class Classifier:
    """Models of people for whole trials and for single windows, on the same views of a stretch of signal.

    Args:
        describe: makes the views.
        whole, single: fitted on people whose labels are known.
        of_whole, of_single: what is believed of the person, None for nobody in particular.
        known: the person's trials that it was told, by place, each with its label or `UNKNOWN`.
    """

    describe: Describer
    whole: PeopleModel
    single: PeopleModel
    of_whole: Belief | None = None
    of_single: Belief | None = None
    known: Mapping[tuple[SessionKey, int, float], tuple[Trial, int]] = field(default_factory=dict)

    def log_proba(self, stretches: Sequence[Stretch], worn: Sequence[Worn]) -> NDArray[np.float32]:
        """(n, K) of stretches of any length, as whole trials are judged."""
        return self.whole.log_proba(self.whole.project(self.describe(stretches, worn)), self.of_whole)

    def log_evidence(self, session: Session, trials: Sequence[Trial], worn: Worn) -> float:
        """How probable a session's trials are, worn so, of a person nobody knows."""
        stretches = [stretch_of(session, t.recording, t.start_s, t.end_s) for t in trials]
        return float(self.whole.log_evidence(self.whole.project(self.describe(stretches, [worn] * len(trials)))).sum())


def train_classifier(
    model: AEMG | None,
    examples: Examples,
    classes: int,
    config: FinetuneConfig,
    seed: int,
    *,
    unified: bool = False,
) -> Classifier:
    """Fits a classifier on labelled trials; the given model stays as it is.

    Args:
        model: None to do without an encoder.
        config: where it has epochs, a copy of the encoder is trained on the trials first.
        unified: what is measured is measured at the unified rate, for another device than the examples' is to be decoded.
    """
    encoder = None
    if model is not None:
        trained = train_network(model, examples, classes, config, seed).encoder if config.epochs else model.encoder
        encoder = copy.deepcopy(trained).eval()
    describe = Describer(encoder, unified)
    people = np.array([f"{s.key.dataset}/{s.key.subject}" for s in examples.sessions])
    of_trial = people[[t.session for t in examples.trials]]
    labels = np.array([t.label for t in examples.trials], dtype=np.int64)
    single, owner = _windows(examples, _EVERY)
    worn = [examples.worn[examples.trials[i].session] for i in owner]
    return Classifier(
        describe,
        PeopleModel(describe(*_whole(examples)), labels, of_trial, classes, wider=describe.wider),
        PeopleModel(describe(single, worn), labels[owner], of_trial[owner], classes, wider=describe.wider),
    )


def adapt(classifier: Classifier, target: Examples, how: Learning, *, labelled: bool) -> Classifier:
    """A classifier that knows one person's trials as well as what it knew of that person before.

    Args:
        labelled: the trials' labels may be looked at.
    """
    told = {
        (target.sessions[t.session].key, t.recording, t.start_s): (t, t.label if labelled else UNKNOWN) for t in target.trials
    }
    trials = {**classifier.known, **told} if labelled else {**told, **classifier.known}
    enough = classifier.whole.enough(len(trials), how)
    used = [(trial, label) for trial, label in trials.values() if enough or label != UNKNOWN]
    if not used:
        return replace(classifier, known=trials)
    examples = target.of([trial for trial, _ in used])
    labels = np.array([label for _, label in used], dtype=np.int64)
    described = classifier.describe.trials(examples)
    whole = classifier.whole.project(described.whole)
    belief = classifier.whole.learn(whole, labels, how)
    shares = np.exp(classifier.whole.log_proba(whole, belief))
    certain = labels != UNKNOWN
    shares[certain] = np.eye(shares.shape[1])[labels[certain]]
    of_single = classifier.single.learn_shares(classifier.single.project(described.single), shares[described.owner])
    return replace(classifier, of_whole=belief, of_single=of_single, known=trials)


def predict(classifier: Classifier, examples: Examples) -> Predictions:
    """Classifies trials, and their windows one by one."""
    described = classifier.describe.trials(examples)
    owner = described.owner
    trials = classifier.whole.log_proba(classifier.whole.project(described.whole), classifier.of_whole)
    windows = classifier.single.log_proba(classifier.single.project(described.single), classifier.of_single)
    return Predictions(trials, trials[owner], windows, owner)


def _whole(examples: Examples) -> tuple[list[Stretch], list[Worn]]:
    stretches = [stretch_of(examples.sessions[t.session], t.recording, t.start_s, t.end_s) for t in examples.trials]
    return stretches, [examples.worn[t.session] for t in examples.trials]


def _windows(examples: Examples, every: int = 1) -> tuple[list[Stretch], NDArray[np.int64]]:
    """Single windows of the trials, and the trial's number of each."""
    found, owner = [], []
    for i, trial in enumerate(examples.trials):
        session = examples.sessions[trial.session]
        for w in range(*trial.windows, every):
            at = float(session.window_start_s[w])
            found.append(stretch_of(session, trial.recording, at, at + WINDOW_S))
            owner.append(i)
    return found, np.array(owner, dtype=np.int64)
