"""What a group of folds is trained on, and what is made of it once for all methods and protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.benchmark.config import BenchmarkConfig
from aemg.evaluation.benchmark.target import pooled
from aemg.evaluation.classifier import Classifier, train_classifier
from aemg.evaluation.domain import Domain
from aemg.evaluation.fold import starts
from aemg.evaluation.trials import Examples, Trial, trials_of
from aemg.evaluation.wearing import register_sources, turn_judge
from aemg.evaluation.window_features import Kind, features_of
from aemg.model import AEMG, AEMGConfig
from aemg.sessions import Session, standardised_by
from aemg.topology import TurnJudge, Worn

_MANY = 8  # people from which on the judge and the classifiers' evidence find the same, as measured


@dataclass(frozen=True)
class View:
    """How classical features are made: by slot or by native channel, registered or as worn, standardised by donning or not."""

    kind: Kind
    by_slot: bool
    registered: bool
    standardised: bool

    def way(self, worn: Worn) -> Worn | None:
        """What `features_of` is told of how a session was worn."""
        return worn if self.registered else Worn() if self.by_slot else None


@dataclass
class Ground:
    """Sources, and what they were trained to.

    Args:
        classes: movements, in the target's order.
        sources: sessions of all who are trained on.
        trials: of the sources; those of all labels in `classes` if not given.
        register: bring the sources to one frame.
        same_device: the tested person wears the sources' device.
        encoder, pretrained: a folder and its model, None for a random start alone.
    """

    config: BenchmarkConfig
    seed: int
    classes: tuple[str, ...]
    sources: list[Session]
    encoder: Path | None
    pretrained: AEMG | None
    model_config: AEMGConfig
    trials: list[Trial] | None = None
    register: bool = True
    same_device: bool = True
    _networks: dict[tuple[str, bool], Classifier] = field(default_factory=dict)
    _domains: dict[View, list[Domain]] = field(default_factory=dict)

    @cached_property
    def train(self) -> Examples:
        """The sources' trials, with how they were worn."""
        worn = register_sources(self.sources, self.pretrained) if self.register else [Worn()] * len(self.sources)
        return Examples(self.sources, worn, self.trials if self.trials is not None else trials_of(self.sources, self.classes))

    @cached_property
    def judge(self) -> TurnJudge:
        """Of how a new session was worn."""
        return turn_judge(self.sources, self.train.worn, same_device=self.same_device)

    @property
    def judge_is_sure(self) -> bool:
        """The judge finds how a new session was worn as well as our classifiers' own evidence does: not of another device, nor
        from few people, of whom it knows too little. One person alone teaches the classifiers no better."""
        people = len({s.key.subject for s in self.sources})
        return self.same_device and (people == 1 or people >= _MANY)

    @cached_property
    def as_worn(self) -> Examples:
        """The sources as worn, standardised together, for a target of which nothing is known."""
        scale = pooled(self.sources)
        sessions = [standardised_by(s, *scale) for s in self.sources]
        return Examples(sessions, [Worn()] * len(sessions), self.train.trials)

    @cached_property
    def models(self) -> dict[str, AEMG | None]:
        """The encoders of our classifiers by method, None for what was measured alone."""
        wanted = self.config.networks
        found: dict[str, AEMG | None] = {"no-encoder": None}
        found = {**starts(self.pretrained, self.model_config, self.seed, twin="random-init" in wanted), **found}
        return {name: model for name, model in found.items() if name in wanted}

    def network(self, name: str, inductive: bool) -> Classifier:
        """The trained classifier of a method."""
        if (name, inductive) not in self._networks:
            examples = self.as_worn if inductive else self.train
            trained = train_classifier(
                self.models[name], examples, len(self.classes), self.config.finetune, self.seed, unified=not self.same_device
            )
            self._networks[name, inductive] = trained
        return self._networks[name, inductive]

    def domains(self, view: View) -> list[Domain]:
        """One a source session: the windows of its trials, evenly thinned to what the configuration allows in all."""
        if view not in self._domains:
            total = sum(t.windows[1] - t.windows[0] for t in self.train.trials)
            step = max(1, -(-total // self.config.source_windows))
            self._domains[view] = [self._domain(s, view, step) for s in range(len(self.sources))]
        return self._domains[view]

    def _domain(self, s: int, view: View, step: int) -> Domain:
        session = self.sources[s]
        features = features_of(view.kind, session, view.way(self.train.worn[s]), None, view.standardised)
        trials = [t for t in self.train.trials if t.session == s]
        return domain_of([features], [replace(t, session=0) for t in trials], step)


def domain_of(features: Sequence[NDArray[np.float32]], trials: Sequence[Trial], step: int = 1) -> Domain:
    """Windows of trials with their labels, every `step`-th; features (W, F) by session."""
    lengths = np.array([t.windows[1] - t.windows[0] for t in trials], dtype=np.int64)
    rows = np.concatenate([features[t.session][slice(*t.windows)] for t in trials] or [features[0][:0]])
    owner = np.repeat(np.arange(len(trials)), lengths)
    labels = np.array([t.label for t in trials], dtype=np.int64)[owner]
    return Domain(rows[::step], owner[::step], labels[::step])
