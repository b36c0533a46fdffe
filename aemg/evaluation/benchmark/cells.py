"""Cells of a benchmark, one a protocol, set, person and seed; jobs make those that are trained on the same people together."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from aemg.corpus import Corpus
from aemg.datasets import DatasetInfo, crowd_of
from aemg.evaluation.benchmark.config import BenchmarkConfig
from aemg.evaluation.benchmark.ground import Ground
from aemg.evaluation.benchmark.person import Person, last_repetitions
from aemg.evaluation.benchmark.protocols import Protocol, Split
from aemg.evaluation.benchmark.rows import Case, rows_of
from aemg.evaluation.benchmark.target import Inapplicable, hear
from aemg.evaluation.fold import choose_encoder
from aemg.evaluation.material import fresh_config, people_of, place_of
from aemg.evaluation.pieces import write_json
from aemg.evaluation.trials import trials_of
from aemg.model import AEMG, ModelCard
from aemg.model.labelled import labelled_stretches
from aemg.sessions import SessionKey, SessionStore, sessions_of


@dataclass(frozen=True)
class Job:
    """Cells that share what they are trained on: protocols of one split and as many sources, on one set with one seed.

    Args:
        people: one, or all of the set where all are tested by what the same people trained.
        sources: how many of the set's other people are trained on, None for all.
    """

    split: Split
    dataset: str
    people: tuple[str, ...]
    seed: int
    protocols: tuple[Protocol, ...]
    sources: int | None = None


def cell_file(config: BenchmarkConfig, protocol: Protocol, dataset: str, person: str, seed: int) -> Path:
    """Where a cell's rows are kept."""
    folder = config.output / "cells" / f"{protocol.name}-v{protocol.version}"
    return folder / f"{dataset}_{person}_{seed}.json"


def run_job(job: Job, config: BenchmarkConfig) -> None:
    """Makes the job's cells that are not there yet."""
    torch.set_num_threads(1)
    sets = Sets(config)
    grounds: dict[tuple[tuple[SessionKey, ...], Path | None], Ground] = {}
    for person in job.people:
        todo = [p for p in job.protocols if not cell_file(config, p, job.dataset, person, job.seed).exists()]
        if not todo:
            continue
        found: dict[str, list[dict[str, Any]]] = {p.name: [] for p in todo}
        folds = list(sets.folds(job.split, job.dataset, person, job.sources, job.seed))
        reasons = {} if folds else {p.name: "there is no later session" for p in todo}
        for fold in folds:
            people: dict[tuple[str, float | None], Person] = {}
            encoder = sets.encoder(job.dataset, person)
            ground = grounds.get((fold.sources, encoder)) or sets.ground(fold, encoder, job.seed)
            grounds = {**(grounds if len(job.people) > 1 else {}), (fold.sources, encoder): ground}
            for protocol in todo:
                try:
                    if protocol.sources is not None:
                        _require_movements(ground)
                    way = protocol.unlabelled, protocol.seconds
                    if way not in people:
                        people[way] = sets.person(protocol, ground, fold)
                    listened = people[way]
                    labelled, tested = listened.split(protocol, config.fewshot.test_share)
                except Inapplicable as reason:
                    reasons[protocol.name] = str(reason)
                    continue
                infos = sets.infos
                found[protocol.name] += rows_of(Case(protocol, listened, labelled, tested, infos[job.dataset], infos))
        for protocol in todo:
            values = {"rows": found[protocol.name], "skipped": reasons.get(protocol.name)}
            write_json(cell_file(config, protocol, job.dataset, person, job.seed), values, indent=None)


@dataclass(frozen=True)
class Fold:
    """Sessions that are trained on, and those of one person that are tested.

    Args:
        classes: movements of the target set that the sources show.
    """

    person: str
    sources: tuple[SessionKey, ...]
    targets: tuple[SessionKey, ...]
    classes: tuple[str, ...]
    split: Split


class Sets:
    """The sets of a configuration, opened once a job."""

    def __init__(self, config: BenchmarkConfig) -> None:
        self.config = config
        places = {name: place_of(config, name) for name in config.data.sets}
        self.corpora = {place: Corpus(place) for place in set(places.values())}
        self.infos: dict[str, DatasetInfo] = {i.name: i for corpus in self.corpora.values() for i in corpus.infos}
        self.places = places

    def unfit(self, protocol: Protocol, dataset: str) -> str | None:
        """Why a protocol cannot be run on a set, None where it can."""
        if protocol.split.startswith("sessions") and len(self.keys(dataset)) == len(people_of(self.config, dataset)):
            return "no person has a second session"
        if (protocol.split == "devices" or protocol.name == "same-device") and not self.partners(dataset):
            return "no other set holds the same people under another device"
        if protocol.split == "sets" and len(self._shared(dataset, self.strangers(dataset))) < 2:
            return "the other sets share fewer than two of its movements"
        if protocol.sources is not None and (others := len(people_of(self.config, dataset)) - 1) < protocol.sources:
            return f"{protocol.sources} other people are trained on, and it has {others}"
        return None

    def strangers(self, dataset: str) -> list[str]:
        """Sets of other people."""
        return [name for name in self.config.data.sets if self._crowd(name) != self._crowd(dataset)]

    def keys(self, dataset: str) -> list[SessionKey]:
        """Sessions of a set's people, in order."""
        chosen = self.corpora[self.places[dataset]].select(datasets={dataset}, subjects=set(people_of(self.config, dataset)))
        return sorted(sessions_of(chosen), key=str)

    def partners(self, dataset: str) -> list[str]:
        """Sets of the same people under another device."""
        return [
            name
            for name in self.config.data.sets
            if self._crowd(name) == self._crowd(dataset) and self.infos[name].device != self.infos[dataset].device
        ]

    def folds(self, split: Split, dataset: str, person: str, sources: int | None = None, seed: int = 0) -> Iterator[Fold]:
        """What is trained on and what is tested; several where several devices or later sessions are.

        Args:
            sources: how many of the set's other people are trained on, drawn by the seed; None for all.
        """
        own = [k for k in self.keys(dataset) if k.subject == person]
        others = [k for k in self.keys(dataset) if k.subject != person]
        labels = self.infos[dataset].labels
        if split == "people":
            chosen = some_people({k.subject for k in others}, sources, dataset, person, seed)
            yield Fold(person, tuple(k for k in others if k.subject in chosen), tuple(own), labels, split)
        elif split == "repetitions":
            yield Fold(person, tuple(own), tuple(own), labels, split)
        elif split == "devices":
            for partner in self.partners(dataset):
                unseen = [k for k in self.keys(partner) if k.subject != person]
                yield Fold(person, tuple(unseen), tuple(own), self._shared(dataset, [partner]), split)
        elif split == "sets":
            sets = self.strangers(dataset)
            keys = [k for name in sets for k in self.keys(name)]
            yield Fold(person, tuple(keys), tuple(own), self._shared(dataset, sets), split)
        else:
            first = {k.subject: k for k in reversed([*others, *own])}
            used = [k for k in first.values() if (k.subject == person) or split != "sessions-own"]
            used = [k for k in used if (k.subject != person) or split != "sessions-others"]
            for later in own[1:]:
                yield Fold(person, tuple(sorted(used, key=str)), (later,), labels, split)

    def encoder(self, dataset: str, person: str) -> Path | None:
        """The encoder that a person's folds start from."""
        if not self.config.encoders:
            return None
        files = frozenset(
            e.file_sha256 for e in self.corpora[self.places[dataset]].recordings if (e.dataset, e.subject) == (dataset, person)
        )
        return choose_encoder(self.config, self.infos[dataset], person, self.infos, files)

    def ground(self, fold: Fold, encoder: Path | None, seed: int) -> Ground:
        """What the fold's sources are trained to; a person's own earlier repetitions where they are the source."""
        pretrained = AEMG.from_pretrained(encoder) if encoder else None
        config = pretrained.config if pretrained else fresh_config(self.config)
        sources = [self._store(k.dataset, encoder).load(k) for k in fold.sources]
        trials = None
        if fold.split == "repetitions":
            everything = trials_of(sources, fold.classes)
            split = last_repetitions(everything, 1 - self.config.fewshot.test_share, self.config.fewshot.test_share)
            tested = set(split.test.tolist())
            trials = [t for i, t in enumerate(everything) if i not in tested]
        return Ground(
            self.config, seed, fold.classes, sources, encoder, pretrained, config, trials,
            register=fold.split != "repetitions", same_device=fold.split not in ("devices", "sets"),
        )  # fmt: skip

    def person(self, protocol: Protocol, ground: Ground, fold: Fold) -> Person:
        """The tested person, heard as the protocol allows."""
        store = self._store(fold.targets[0].dataset, ground.encoder)
        heard = [hear(protocol, store, key, fold.sources, ground.sources) for key in fold.targets]
        return Person(ground, fold.person, heard, ground.register and protocol.unlabelled != "none")

    def _store(self, dataset: str, encoder: Path | None) -> SessionStore:
        model = ModelCard.read(encoder).config if encoder else fresh_config(self.config)
        return SessionStore(self.places[dataset], model.space, model.tokenizer)

    def _crowd(self, dataset: str) -> str:
        return crowd_of(dataset, self.infos)

    def _shared(self, dataset: str, others: Sequence[str]) -> tuple[str, ...]:
        known = {label for name in others for label in self.infos[name].labels}
        return tuple(label for label in self.infos[dataset].labels if label in known)


def some_people(others: Collection[str], count: int | None, dataset: str, person: str, seed: int) -> set[str]:
    """The first `count` of one order of a set's other people, so that fewer are always among more; None for all.

    Args:
        person: who is tested; with the set and the seed, what the order is drawn by.
    """
    rng = np.random.default_rng([seed, zlib.crc32(f"{dataset}/{person}".encode())])
    return set(rng.permutation(sorted(others))[:count].tolist())


def _require_movements(ground: Ground) -> None:
    """Raises `Inapplicable` where the few people trained on show fewer than two movements, which no method can learn from."""
    shown = {stretch.interval.label for s in ground.sources for stretch in labelled_stretches(s, ground.classes)}
    if len(shown) < 2:
        who = ", ".join(dict.fromkeys(s.key.subject for s in ground.sources))
        raise Inapplicable(f"of the people trained on ({who}) fewer than two movements are known")
