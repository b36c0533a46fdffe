"""The rows of one protocol on one person: every method, what it saw, and how often it was right."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aemg.datasets import DatasetInfo, crowd_of
from aemg.evaluation.baselines import BASELINES, Baseline
from aemg.evaluation.benchmark.ground import View, domain_of
from aemg.evaluation.benchmark.person import Person, part_of
from aemg.evaluation.benchmark.protocols import Protocol
from aemg.evaluation.certificate import FoldFacts, fold_facts, row_certificate
from aemg.evaluation.classifier import Predictions, adapt, predict
from aemg.evaluation.domain import Domain
from aemg.evaluation.metrics import confusion_matrix
from aemg.evaluation.trials import Examples

Row = dict[str, Any]
Family = Literal["baseline", "aemg", "random-init"]
_FAMILY: Final[Mapping[str, Family]] = {"aemg": "aemg", "random-init": "random-init", "no-encoder": "baseline"}
AS_RECORDED = frozenset({"no-adaptation"})  # methods that are never given standardised features


@dataclass(frozen=True)
class Case:
    """One protocol on one person.

    Args:
        labelled, tested: numbers among the person's trials.
        info, infos: the target set's card, and all by name.
    """

    protocol: Protocol
    person: Person
    labelled: Sequence[int]
    tested: Sequence[int]
    info: DatasetInfo
    infos: Mapping[str, DatasetInfo]

    @property
    def truth(self) -> list[int]:
        """Movements of the tested trials."""
        return [self.person.trials[i].label for i in sorted(self.tested)]

    @property
    def adapts(self) -> bool:
        """A model of other people is adapted to labelled data."""
        return self.protocol.few_shot and bool(self.labelled)

    def chosen(self, numbers: Sequence[int]) -> Examples:
        """Some of the person's trials, in ascending order."""
        return self.person.examples.of([self.person.trials[i] for i in sorted(numbers)])


def rows_of(case: Case) -> Iterator[Row]:
    """All methods that the protocol and the configuration ask for."""
    ground, protocol = case.person.ground, case.protocol
    made = _Rows(case)
    names = ground.config.baselines if ground.config.baselines is not None else tuple(BASELINES)
    if ground.seed == ground.config.seeds[0] or protocol.sources is not None:  # another seed draws other people
        for name in ground.config.fewshot_baselines if protocol.few_shot else names:
            if protocol.unlabelled != "none" or not BASELINES[name].unlabelled:
                for registered in (False, True) if case.person.registered else (False,):
                    yield made.of_baseline(BASELINES[name], registered)
    for name in ground.models:
        yield from made.of_network(name)


@dataclass(frozen=True)
class _Rows:
    case: Case

    def of_baseline(self, baseline: Baseline, registered: bool) -> Row:
        started = time.monotonic()
        case, person, protocol = self.case, self.case.person, self.case.protocol
        standardised = protocol.unlabelled != "none" and baseline.name not in AS_RECORDED
        view = View(baseline.features, protocol.by_slot or registered, registered, standardised)
        sources = person.ground.domains(view)
        features, classes = person.features(view), len(person.ground.classes)
        target = person.domain(view) if baseline.unlabelled else None
        tested = domain_of(features, case.chosen(case.tested).trials)

        def fitted(sources: Sequence[Domain]) -> Predictions:
            log_proba = baseline.fit(sources, target, classes, person.ground.seed).log_proba(tested.features)
            return by_trial(log_proba, tested.trial)

        start = fitted(sources) if protocol.few_shot else None
        own = [_weighted(domain_of(features, case.chosen(case.labelled).trials), sources)] if case.adapts else []
        found = fitted([*sources, *own]) if own or start is None else start
        used = ["rest level"] if protocol.unlabelled != "none" else []
        used += ["normalisation"] if standardised or baseline.unlabelled else []
        used += ["registration"] if registered and not person.angles_known else []
        if baseline.unlabelled and baseline.name != "normalisation":
            used.append("what the method learns from windows within trials")
        return self._row(baseline.name, "baseline", registered, used, found, "window", started, start)

    def of_network(self, name: str) -> Iterator[Row]:
        case, person, protocol = self.case, self.case.person, self.case.protocol
        config = person.ground.config
        inductive = protocol.unlabelled == "none"
        started = time.monotonic()
        for method, network in person.networks(name, inductive, not protocol.user_dependent and not inductive).items():
            found = start = part_of(person.predictions(method), case.tested)
            if case.adapts:
                worn = person.examples_for(name)
                target = worn.of(case.chosen(case.labelled).trials)
                adapted = adapt(network, target, config.adaptation.learning, labelled=True)
                found = predict(adapted, worn.of(case.chosen(case.tested).trials))
            used = [] if inductive else ["rest level", "normalisation"]
            used += ["registration"] if person.registered and not person.angles_known else []
            if method != name:
                used.append("learning from trials, whose bounds are known")
                if config.adaptation.balance:
                    used.append("trials taken to be about as many of each movement")
            family = _FAMILY[name]
            contexts: tuple[Literal["window", "trial"], ...] = ("window", "trial")
            for context in contexts:
                given = start if protocol.few_shot else None
                yield self._row(method, family, person.registered, used, found, context, started, given)
            started = time.monotonic()

    def _row(
        self,
        method: str,
        family: Family,
        registered: bool,
        used: Sequence[str],
        found: Predictions,
        context: Literal["window", "trial"],
        started: float,
        start: Predictions | None,
    ) -> Row:
        case, protocol, person = self.case, self.case.protocol, self.case.person
        unlabelled = f"{', '.join(used)}; from {protocol.seen_unlabelled}" if used else None
        facts = self._facts(family == "aemg")
        both = (("labelled", protocol.labelled), ("unlabelled", unlabelled))
        sessions = {h.session.key.session for h in person.heard}
        row = {
            "protocol": protocol.name,
            "version": protocol.version,
            "set": case.info.name,
            "source": "+".join(dict.fromkeys(s.key.dataset for s in person.ground.sources)),
            "method": method,
            "registered": registered,
            "family": family,
            "target_data": "; ".join(f"{kind}: {what}" for kind, what in both if what) or "none",
            "user_dependent": protocol.user_dependent,
            "person": person.name,
            "session": sessions.pop() if len(sessions) == 1 else None,
            "seed": person.ground.seed,
            "context": context,
            "metrics": metrics_of(found, case.truth, context),
            "trials": len(case.tested),
            "windows": len(found.trial_of_window),
            "seconds": round(time.monotonic() - started, 3),
            "certificate": row_certificate(
                facts, protocol.name, unlabelled=unlabelled, labelled=protocol.labelled, adapted=case.adapts,
                saw_set=self._saw_set() if family == "aemg" else None,
            ),
        }  # fmt: skip
        return row if start is None else {**row, "zero_shot": metrics_of(start, case.truth, context)}

    def _facts(self, encoder: bool) -> FoldFacts:
        case, ground = self.case, self.case.person.ground
        tested, labelled = case.chosen(case.tested), case.chosen(case.labelled)
        seen = (str(ground.encoder), ground.pretrained.seen) if encoder and ground.pretrained and ground.encoder else None
        return fold_facts(
            case.person.name, case.info, dict(case.infos), (ground.sources, ground.train.trials),
            (tested.sessions, tested.trials), seen, (labelled.sessions, labelled.trials if case.adapts else []),
        )  # fmt: skip

    def _saw_set(self) -> bool:
        """Whether pre-training saw anyone of the tested set, under whatever name of it."""
        pretrained, infos = self.case.person.ground.pretrained, dict(self.case.infos)
        crowd = crowd_of(self.case.info.name, infos)
        return pretrained is not None and any(crowd_of(name, infos) == crowd for name in pretrained.seen.people)


def by_trial(log_proba: NDArray[np.float32], trial: NDArray[np.int64]) -> Predictions:
    """Predictions of windows (W, K), and of trials by the mean over their windows."""
    count = np.bincount(trial)
    total = np.stack([np.bincount(trial, column) for column in log_proba.T], axis=1)
    return Predictions((total / count[:, None]).astype(np.float32), log_proba, log_proba, trial)


def metrics_of(found: Predictions, truth: Sequence[int], context: Literal["window", "trial"]) -> dict[str, float]:
    """Accuracy by window, by trial, and the mean over movements of the share of their windows that is right.

    Args:
        context: windows by themselves, or with the whole trial that they lie in.
    """
    of_trial = np.asarray(truth)
    of_window = of_trial[found.trial_of_window]
    guess = (found.isolated if context == "window" else found.windows).argmax(axis=1)
    counts = confusion_matrix(of_window, guess, found.trials.shape[1])
    known = counts.sum(axis=1) > 0
    return {
        "window_accuracy": float((guess == of_window).mean()),
        "trial_accuracy": float((found.trials.argmax(axis=1) == of_trial).mean()),
        "balanced_accuracy": float((np.diag(counts)[known] / counts.sum(axis=1)[known]).mean()),
    }


def _weighted(own: Domain, sources: Sequence[Domain]) -> Domain:
    """A person's few windows, those of each movement repeated until they weigh as much as all others' of it."""
    assert own.labels is not None
    others = np.concatenate([s.labels for s in sources if s.labels is not None])
    count = {label: int((own.labels == label).sum()) for label in np.unique(own.labels)}
    times = {label: max(1, int((others == label).sum()) // n) for label, n in count.items()}
    rows = np.repeat(np.arange(len(own.labels)), [times[label] for label in own.labels])
    return Domain(own.features[rows], own.trial[rows], own.labels[rows])
