"""The person who is tested, under one way of listening to them; what is computed once for all methods and protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from aemg.evaluation.benchmark.ground import Ground, View, domain_of
from aemg.evaluation.benchmark.protocols import Protocol
from aemg.evaluation.benchmark.target import Heard, Inapplicable
from aemg.evaluation.classifier import Classifier, Predictions, adapt, predict
from aemg.evaluation.domain import Domain
from aemg.evaluation.trials import Examples, FewShotSplit, Trial, few_shot_split, repetition_ranks, trials_of
from aemg.evaluation.wearing import register_by_evidence, register_target
from aemg.evaluation.window_features import features_of
from aemg.topology import Worn


@dataclass
class Person:
    """A tested person's sessions as they were heard.

    Args:
        registered: by the ground's judge, from what was heard.
    """

    ground: Ground
    name: str
    heard: Sequence[Heard]
    registered: bool
    _networks: dict[str, Classifier] = field(default_factory=dict)
    _predictions: dict[str, Predictions] = field(default_factory=dict)
    _by_evidence: dict[str, Examples] = field(default_factory=dict)

    @cached_property
    def examples(self) -> Examples:
        """All trials of the sessions, with how these were worn."""
        sessions = [h.session for h in self.heard]
        worn = [register_target(self.ground.judge, h.session, h.windows).worn if self.registered else Worn() for h in self.heard]
        return Examples(sessions, worn, trials_of(sessions, self.ground.classes))

    def examples_for(self, method: str) -> Examples:
        """All trials with how the sessions were worn, as a classifier of ours finds it: each does so itself where the judge is
        unsure."""
        if not self.registered or self.ground.judge_is_sure or not self.unlabelled:
            return self.examples
        if method not in self._by_evidence:
            classifier, known = self.ground.network(method, False), self.unlabelled
            worn = [
                register_by_evidence(classifier, h.session, [t for t in known if t.session == s]).worn
                for s, h in enumerate(self.heard)
            ]
            self._by_evidence[method] = Examples(self.examples.sessions, worn, self.examples.trials)
        return self._by_evidence[method]

    @property
    def trials(self) -> Sequence[Trial]:
        """All trials of the sessions."""
        return self.examples.trials

    @cached_property
    def angles_known(self) -> bool:
        """Registration leaves every session as worn."""
        return all(h.session.angle_known for h in self.heard)

    @cached_property
    def unlabelled(self) -> list[Trial]:
        """Trials that lie wholly in what was heard, for adaptation without labels."""
        return [t for t in self.trials if self.heard[t.session].windows[slice(*t.windows)].all()]

    def split(self, protocol: Protocol, test_share: float) -> tuple[list[int], list[int]]:
        """Numbers of the trials that are seen with labels, and of those that are tested.

        Raises:
            Inapplicable: no trial is left to test, or none to adapt to.
        """
        everything = [i for i, t in enumerate(self.trials) if self.heard[t.session].tested(t)]
        if not protocol.few_shot and protocol.split != "repetitions":
            if not everything:
                raise Inapplicable("no trial begins after what was heard")
            return [], everything
        found = last_repetitions(self.trials, protocol.fraction or 1 - test_share, test_share)
        tested = found.test.tolist()
        (labelled,) = (part.tolist() for part in found.adaptation.values())
        if protocol.fraction == 0:
            labelled = []
        if protocol.repetitions is not None:
            first = np.flatnonzero(repetition_ranks(self.trials) < protocol.repetitions)
            if set(first) & set(tested):
                raise Inapplicable(f"{protocol.repetitions} repetitions are not there before the tested ones")
            labelled = first.tolist()
        return labelled, tested

    def domain(self, view: View) -> Domain:
        """Windows that a method may adapt to without labels: those of whole trials that were heard, else all that were."""
        features = self.features(view)
        if self.unlabelled:
            return replace(domain_of(features, self.unlabelled), labels=None)
        rows = np.concatenate([f[h.windows] for f, h in zip(features, self.heard)])
        return Domain(rows, np.arange(len(rows)))

    def features(self, view: View) -> list[np.ndarray]:
        """Features (W, F) by session; standardised by what was heard."""
        return [
            features_of(view.kind, h.session, view.way(worn), h.windows, view.standardised)
            for h, worn in zip(self.heard, self.examples.worn)
        ]

    def networks(self, name: str, inductive: bool, listens: bool) -> dict[str, Classifier]:
        """The classifier of a method and, where there is signal to adapt to, the adapted one, by name."""
        ground, adapted = self.ground, f"{name}-adapted"
        self._networks.setdefault(name, ground.network(name, inductive))
        found = {name: self._networks[name]}
        if listens and self.unlabelled and ground.config.adaptation.rounds:
            if adapted not in self._networks:
                target = self.examples_for(name).of(self.unlabelled)
                self._networks[adapted] = adapt(found[name], target, ground.config.adaptation.learning, labelled=False)
            found[adapted] = self._networks[adapted]
        return found

    def predictions(self, name: str) -> Predictions:
        """Of all trials, by a network that `networks` has made."""
        if name not in self._predictions:
            self._predictions[name] = predict(self._networks[name], self.examples_for(name.removesuffix("-adapted")))
        return self._predictions[name]


def last_repetitions(trials: Sequence[Trial], fraction: float, test_share: float) -> FewShotSplit:
    """As `few_shot_split`.

    Raises:
        Inapplicable: a person with a single repetition.
    """
    if not repetition_ranks(trials).any():
        raise Inapplicable("the last repetitions are tested, and there is only one")
    return few_shot_split(trials, (fraction,), test_share)


def part_of(predictions: Predictions, trials: Sequence[int]) -> Predictions:
    """Predictions of some of the trials, in ascending order."""
    chosen = np.asarray(sorted(trials), dtype=np.int64)
    windows = np.isin(predictions.trial_of_window, chosen)
    return Predictions(
        predictions.trials[chosen],
        predictions.windows[windows],
        predictions.isolated[windows],
        np.searchsorted(chosen, predictions.trial_of_window[windows]),
    )
