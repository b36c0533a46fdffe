"""One person: methods trained on the others of the set decode all that this one recorded."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aemg.corpus import Corpus
from aemg.errors import AEMGError
from aemg.evaluation.certificate import fold_facts
from aemg.evaluation.classifier import train_classifier
from aemg.evaluation.controls import fit_control
from aemg.evaluation.fold import Fold, choose_encoder, starts
from aemg.evaluation.livability.calibration import fit_temperature
from aemg.evaluation.livability.config import LivabilityConfig, Method
from aemg.evaluation.livability.decoding import (
    as_first_worn,
    gated,
    known_s,
    linear_log_proba,
    network_log_proba,
    open_windows,
    resampling_delay_s,
    streams_of,
    truths_of,
)
from aemg.evaluation.livability.measures import Decoded, activity, by_threshold, calibration, donning, judged, rejection
from aemg.evaluation.material import fresh_config
from aemg.evaluation.trials import Examples, trials_of
from aemg.evaluation.wearing import register_sources, register_target, turn_judge
from aemg.model import AEMG, AEMGConfig, ModelCard
from aemg.sessions import Session, SessionStore, labelled_windows, sessions_of
from aemg.tokenizer.contraction import REST
from aemg.topology import Worn

Decoder = Callable[[Session, Worn, Session | None], NDArray[np.float32]]
"""Log-probabilities (W, K) of a session's windows, given how it is worn and, for a band that was put on again without being
measured anew, the session that it was measured in."""


@dataclass(frozen=True)
class _Task:
    """What every method of a fold is given."""

    config: LivabilityConfig
    labels: tuple[str, ...]
    model_config: AEMGConfig
    pretrained: AEMG | None
    rate_hz: float
    seed: int

    @property
    def delay_s(self) -> float:
        """What the unified signal comes late."""
        return resampling_delay_s(self.rate_hz, self.model_config.space.rate_hz)

    def known_s(self, session: Session) -> NDArray[np.float64]:
        """When each token is certain."""
        return known_s(session, self.model_config.tokenizer, self.model_config.space.rate_hz, self.delay_s)

    def is_open(self, session: Session) -> NDArray[np.bool_]:
        """The gate; open throughout where rest is a class."""
        if REST in self.labels:
            return np.ones(len(session.window_start_s), bool)
        return open_windows(session, self.model_config.tokenizer, self.model_config.space.rate_hz, self.delay_s)


def run_fold(fold: Fold, config: LivabilityConfig) -> dict[str, Any]:
    """All that one person gives, as plain values: by method counts, latencies, curves, calibration, donnings.

    Raises:
        AEMGError: the test subject or the sources have no labelled trial.
    """
    torch.set_num_threads(1)
    started = time.monotonic()
    whole = Corpus(fold.corpus)
    infos = {info.name: info for info in whole.infos}
    info = infos[fold.dataset]
    first = ModelCard.read(config.encoders[0]).config if config.encoders else fresh_config(config)
    corpus = whole.select(datasets={fold.dataset}, subjects=set(fold.people))
    keys = sorted(sessions_of(corpus), key=str)
    store = SessionStore(fold.corpus, first.space, first.tokenizer)
    own = frozenset(r.sha256 for key in keys if key.subject == fold.subject for r in store.load(key).recordings)
    encoder = choose_encoder(config, info, fold.subject, infos, own)
    pretrained = AEMG.from_pretrained(encoder) if encoder else None
    task = _Task(config, info.labels, pretrained.config if pretrained else first, pretrained, info.rate_hz, fold.seed)
    store = SessionStore(fold.corpus, task.model_config.space, task.model_config.tokenizer)
    sources = [store.load(key) for key in keys if key.subject != fold.subject]
    targets = sorted((store.load(key) for key in keys if key.subject == fold.subject), key=_in_order)
    source_worn, worn = _worn(sources, targets, config, pretrained)
    train = Examples(sources, source_worn, trials_of(sources, info.labels))
    tested = trials_of(targets, info.labels)
    saw = (str(encoder), pretrained.seen) if pretrained and encoder else None
    facts = fold_facts(fold.subject, info, infos, (sources, train.trials), (targets, tested), saw)
    return {
        "dataset": fold.dataset,
        "subject": fold.subject,
        "seed": fold.seed,
        "labels": list(info.labels),
        "sessions": [t.key.session for t in targets],
        "recordings": sum(len(t.recordings) for t in targets),
        "seconds_decoded": sum(r.duration_s for t in targets for r in t.recordings),
        "methods": {m: _method(m, task, train, targets, worn) for m in config.methods},
        "facts": asdict(facts),
        "seconds": time.monotonic() - started,
    }


def _worn(
    sources: Sequence[Session], targets: Sequence[Session], config: LivabilityConfig, pretrained: AEMG | None
) -> tuple[list[Worn], list[Worn]]:
    if not config.registration:
        return [Worn()] * len(sources), [Worn()] * len(targets)
    worn = register_sources(sources, pretrained)
    judge = turn_judge(sources, worn)
    return worn, [register_target(judge, session).worn for session in targets]


def _in_order(session: Session) -> tuple[int, str]:
    name = session.key.session
    return (int(name), name) if name.isdigit() else (0, name)


def _method(
    method: Method, task: _Task, train: Examples, targets: Sequence[Session], worn: Sequence[Worn]
) -> dict[str, Any]:
    """What a method gives on all sessions of the target."""
    config = task.config
    temperature, held_out = _temperature(method, task, train)
    decoder = _trained(method, task, train)
    plain = [_decoded(decoder, task, session, way) for session, way in zip(targets, worn)]
    sessions = [s.tempered(temperature) for s in plain] if temperature else plain
    labelled = [s.window_accuracy for s in sessions if s.window_accuracy is not None]
    result: dict[str, Any] = {
        "window_accuracy": float(np.mean(labelled)) if labelled else None,
        "gate_closed_share": float(1 - np.concatenate([s.is_open for s in sessions]).mean()),
        **activity(judged(sessions, config)),
        "by_threshold": by_threshold(sessions, config),
        "rejection": rejection(sessions),
        "calibration": {
            "temperature": temperature,
            "fitted_on": held_out,
            "before": calibration(plain, config.calibration.bins),
            "after": calibration(sessions, config.calibration.bins) if temperature else None,
        },
    }
    if len(targets) > 1:
        frozen = [
            _decoded(decoder, task, session, worn[0], targets[0]).tempered(temperature or 1.0) for session in targets[1:]
        ]
        result["donnings"] = [
            {"session": anew.name, "anew": donning(anew, config), "as_first": donning(kept, config)}
            for anew, kept in zip(sessions, [sessions[0], *frozen])
        ]
    return result


def _decoded(
    decoder: Decoder, task: _Task, session: Session, worn: Worn, first: Session | None = None
) -> Decoded:
    log_proba, is_open = decoder(session, worn, first), task.is_open(session)
    index = {label: k for k, label in enumerate(task.labels)}
    of_window, _ = labelled_windows(session)
    labels = np.array([index.get(label, -1) for label in of_window.tolist()], dtype=np.int64)
    rows = log_proba if REST in task.labels else gated(log_proba, is_open)
    streams = streams_of(session, rows, task.labels, task.config.decoding)
    return Decoded(session.key.session, streams, truths_of(session, task.config.truth), log_proba, labels, is_open)


def _trained(method: Method, task: _Task, train: Examples) -> Decoder:
    """A method, trained on the sources."""
    classes = len(task.labels)
    if method == "td-lda-registered":
        fitted = fit_control(method, train)
        return lambda session, worn, first: linear_log_proba(fitted, session, worn, classes, first)
    (model,) = starts(task.pretrained, task.model_config, task.seed, twin=False).values()
    classifier = train_classifier(model, train, classes, task.config.finetune, task.seed)

    def decode(session: Session, worn: Worn, first: Session | None) -> NDArray[np.float32]:
        seen = as_first_worn(session, first) if first is not None else session
        return network_log_proba(classifier, seen, worn, task.known_s(session), task.config.decoding)

    return decode


def _temperature(method: Method, task: _Task, train: Examples) -> tuple[float | None, list[str]]:
    """The temperature that fits people among the sources whom a classifier was not trained on, and who they are."""
    people = sorted({s.key.subject for s in train.sessions})
    if not task.config.calibration.share or len(people) < 2:
        return None, []
    count = min(len(people) - 1, max(1, round(task.config.calibration.share * len(people))))
    held = sorted(np.random.default_rng((task.seed, 4)).choice(people, count, replace=False).tolist())
    inside = [i for i, s in enumerate(train.sessions) if s.key.subject not in held]
    place = {i: k for k, i in enumerate(inside)}
    trials = [replace(t, session=place[t.session]) for t in train.trials if t.session in place]
    if not trials:
        raise AEMGError(f"no labelled trial is left to train on without {', '.join(held)}")
    decoder = _trained(method, task, Examples([train.sessions[i] for i in inside], [train.worn[i] for i in inside], trials))
    outside = [_decoded(decoder, task, s, w) for s, w in zip(train.sessions, train.worn) if s.key.subject in held]
    chosen = [(s.labels >= 0) & s.is_open for s in outside]
    labels = np.concatenate([s.labels[c] for s, c in zip(outside, chosen)])
    log_proba = np.concatenate([s.log_proba[c] for s, c in zip(outside, chosen)])
    return (fit_temperature(log_proba, labels), held) if len(labels) else (None, [])
