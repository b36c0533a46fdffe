"""Our network on the people of a published protocol: sessions as everywhere, trials the stretches that the protocol marks."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aemg import datasets
from aemg.datasets import DatasetInfo
from aemg.evaluation.benchmark.published_recipes import Person, Recipe
from aemg.evaluation.certificate import FoldFacts, fold_facts
from aemg.evaluation.classifier import predict, train_classifier
from aemg.evaluation.config import FinetuneConfig
from aemg.evaluation.fold import first_unseen, starts
from aemg.evaluation.trials import Examples, Trial
from aemg.evaluation.wearing import register_sources, register_target, turn_judge
from aemg.model import AEMG, AEMGConfig, Seen, windows_within
from aemg.sessions import Session, SessionKey, load_session, save_session, tokenise_session

SEES = "all of the person's windows, for registration and standardisation"


@dataclass(frozen=True)
class TokenisedPerson:
    """A person's session, and the side of a fixed split."""

    session: Session
    side: str


@dataclass(frozen=True)
class NetworkResult:
    """Log-probabilities (W, K) of one person's windows in the sentence of their trial, and of trials (n, K), with the truth.

    Args:
        saw_set: pre-training saw people of the set; None without pre-training.
    """

    method: str
    person: str
    windows: NDArray[np.float32]
    trials: NDArray[np.float32]
    trial_of_window: NDArray[np.int64]
    labels: NDArray[np.int64]
    facts: FoldFacts
    saw_set: bool | None
    seconds: float


def tokenised(
    recipe: Recipe, people: Iterable[Person], config: AEMGConfig, folder: Path
) -> list[TokenisedPerson]:
    """A session a person, kept in `folder` and read by memory map."""
    found = []
    for person in people:
        key = SessionKey(recipe.dataset, person.name, "1")
        place = folder / recipe.name / person.name
        save_session(tokenise_session(key, person.recordings, config.space, config.tokenizer), place)
        found.append(TokenisedPerson(load_session(place), person.side))
    return found


def network_results(
    recipe: Recipe,
    people: Sequence[TokenisedPerson],
    encoders: Sequence[Path],
    config: AEMGConfig,
    finetune: FinetuneConfig,
    seed: int,
    methods: Sequence[str],
    most_people: int | None = None,
) -> Iterator[NetworkResult]:
    """The pre-trained encoder, if any, and its twin from random start, for every person who is tested.

    Where the split is fixed, a network is trained once. Every session is brought to one frame, that of a tested person without
    labels.

    Args:
        encoders: of which each fold takes the first that has not seen who is tested, the first of all if there is none; all of
            the setting `config`.
    """
    who = [p for p in people if p.side != "train"][:most_people]
    for tested in [[p] for p in who] if recipe.split == "loso" else [who]:
        started = time.monotonic()
        names = {p.session.key.subject for p in tested}
        sources = [p.session for p in people if p.session.key.subject not in names and p.side != "test"]
        encoder = _unseen(encoders, recipe, [p.session for p in tested])
        pretrained = AEMG.from_pretrained(encoder) if encoder else None
        worn = register_sources(sources, pretrained)
        judge = turn_judge(sources, worn)
        train = Examples(sources, worn, _trials(recipe, sources))
        models = starts(pretrained, config, seed, twin=True)
        models = {name: model for name, model in models.items() if name in methods}
        networks = {name: train_classifier(m, train, len(recipe.labels), finetune, seed) for name, m in models.items()}
        for target in (p.session for p in tested):
            test = Examples([target], [register_target(judge, target).worn], _trials(recipe, [target]))
            labels = np.array([t.label for t in test.trials])
            for method, network in networks.items():
                seen = pretrained.seen if pretrained is not None and method == "aemg" else None
                found = predict(network, test)
                yield NetworkResult(
                    method,
                    target.key.subject,
                    found.windows,
                    found.trials,
                    found.trial_of_window,
                    labels,
                    _facts(target, recipe, train, test, None if seen is None else (str(encoder), seen)),
                    None if seen is None else recipe.dataset in seen.people,
                    time.monotonic() - started,
                )


def _trials(recipe: Recipe, sessions: Sequence[Session]) -> list[Trial]:
    """Every marked stretch that holds a window; none is thinned out."""
    kinds = {label: k for k, label in enumerate(recipe.labels)}
    found = []
    for s, session in enumerate(sessions):
        for r, recording in enumerate(session.recordings):
            for i in recording.intervals:
                windows = windows_within(session, r, i.start_s, i.end_s)
                if windows[1] > windows[0]:
                    found.append(Trial(s, r, i.start_s, i.end_s, i.trial, windows, kinds[i.label], recording.sha256))
    return found


def _unseen(encoders: Sequence[Path], recipe: Recipe, tested: Sequence[Session]) -> Path | None:
    files = frozenset(r.sha256 for session in tested for r in session.recordings)
    subjects = [session.key.subject for session in tested]
    return first_unseen(encoders, datasets.info(recipe.dataset), subjects, _cards(), files)


def _facts(
    target: Session, recipe: Recipe, train: Examples, test: Examples, encoder: tuple[str, Seen] | None
) -> FoldFacts:
    sides = ((train.sessions, train.trials), (test.sessions, test.trials))
    return fold_facts(target.key.subject, datasets.info(recipe.dataset), _cards(), *sides, encoder)


def _cards() -> dict[str, DatasetInfo]:
    return {name: datasets.info(name) for name in datasets.names()}
