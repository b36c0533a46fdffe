"""The sets that an evaluation runs on: prepared, tokenised, and the people among whom it runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from aemg import datasets
from aemg.config import to_mapping
from aemg.corpus import Corpus, prepare
from aemg.corpus.shards import holds
from aemg.errors import AEMGError, ConfigError
from aemg.evaluation.config import CommonConfig
from aemg.model import SIZES, AEMGConfig, ModelCard
from aemg.sessions import SessionStore, sessions_of

Progress = Callable[[str, int, int], None]


def fresh_config(config: CommonConfig) -> AEMGConfig:
    """The model of a run without an encoder."""
    network = replace(SIZES[config.size], sigma_condition=config.sigma_condition)
    return AEMGConfig(config.space, config.nct, network)


def make_ready(config: CommonConfig, progress: Progress) -> None:
    """Prepares and tokenises what is not there yet.

    Raises:
        ConfigError: no place or unknown subjects.
        AEMGError: a set cannot be prepared, or holds no raw EMG.
    """
    for folder in {prepared(config, name, progress) for name in config.data.sets}:
        tokenise(config, folder, progress)


def prepared(config: CommonConfig, name: str, progress: Progress) -> Path:
    """The folder with the prepared set; prepares it from native files where needed."""
    root = config.data.root
    if root is None:
        raise ConfigError("data.root=DIR is missing: the folder of the native files, or of prepared sets (*.h5)")
    place = place_of(config, name)
    if not holds(place, name):
        prepare(datasets.open(name, root), place, progress=lambda done, total: progress(f"preparing {name}", done, total))
    return place


def place_of(config: CommonConfig, name: str) -> Path:
    """Where the prepared set lies, or will: at the root, else in the cache."""
    root = config.data.root
    if root is not None and holds(root, name):
        return root
    return config.data.cache or config.output / "cache"


def tokenise(config: CommonConfig, corpus: Path, progress: Progress) -> None:
    """All sessions of the sets in this corpus under every encoder's setting."""
    settings = [ModelCard.read(path).config for path in config.encoders] or [fresh_config(config)]
    for setting in {json.dumps([to_mapping(s.space), to_mapping(s.tokenizer)]): s for s in settings}.values():
        names = {name for name in config.data.sets if place_of(config, name) == corpus}
        keys = [
            key
            for name in sorted(names)
            for key in sessions_of(Corpus(corpus).select(datasets={name}, subjects=set(people_of(config, name))))
        ]
        store = SessionStore(corpus, setting.space, setting.tokenizer)
        store.ensure(keys, jobs=config.jobs, progress=lambda done, total: progress("tokenising sessions", done, total))


def people_of(config: CommonConfig, name: str) -> tuple[str, ...]:
    """The people of a set that are evaluated; `1` finds `01`, which YAML reads as a number.

    Raises:
        ConfigError: a subject that the set lacks, or fewer than two.
    """
    corpus = Corpus(place_of(config, name)).select(datasets={name})
    known = sorted({e.subject for e in corpus.recordings if e.kind == "raw"})
    if not known:
        raise AEMGError(f"{name} holds no raw EMG (envelopes cannot be tokenised): nothing to evaluate")
    people = named(config.data.subjects.get(name), known, f"data.subjects.{name}")
    if len(people) < 2:
        raise ConfigError(f"{name}: leave-one-subject-out needs at least two subjects, got {len(people)}")
    return people


def named(wanted: Sequence[str | int] | None, known: Sequence[str], key: str) -> tuple[str, ...]:
    """The known subjects that are wanted; all for None."""
    if wanted is None:
        return tuple(known)
    numbers = {int(k): k for k in known if k.isdigit()}
    found = [str(w) if str(w) in known else numbers.get(int(w) if str(w).isdigit() else -1) for w in wanted]
    missing = [str(w) for w, f in zip(wanted, found) if f is None]
    if missing:
        raise ConfigError(f"{key}: no subject {', '.join(missing)}; known are {', '.join(known)}")
    return tuple(dict.fromkeys(f for f in found if f is not None))
