"""One fold: train on all subjects but one, test on the one. What a fold needs is in its arguments, so that folds can run in
any process."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from aemg.corpus import Corpus
from aemg.datasets import DatasetInfo
from aemg.evaluation.certificate import fold_facts, saw
from aemg.evaluation.classifier import Classifier, adapt, predict, train_classifier
from aemg.evaluation.config import CommonConfig, EvaluationConfig
from aemg.evaluation.controls import accuracies, fit_control, in_context, predict_control, self_train_control
from aemg.evaluation.material import fresh_config
from aemg.evaluation.metrics import confusion_matrix
from aemg.evaluation.trials import Examples, few_shot_split, trials_of
from aemg.evaluation.wearing import AS_WORN, register_sources, register_target, turn_judge
from aemg.model import AEMG, AEMGConfig, ModelCard
from aemg.sessions import Session, SessionKey, SessionStore, sessions_of
from aemg.topology import Registered, Worn


@dataclass(frozen=True)
class Fold:
    """Which fold: set, people, the one who is tested, seed, and the corpus that holds them."""

    corpus: Path
    dataset: str
    people: tuple[str, ...]
    subject: str
    seed: int
    few_shot: bool = False


def run_fold(fold: Fold, config: EvaluationConfig) -> dict[str, Any]:
    """Everything one fold gives, as plain values: accuracies by method, confusion, registration, certificate facts.

    Raises:
        AEMGError: the test subject or the sources have no labelled trial.
    """
    torch.set_num_threads(1)
    started = time.monotonic()
    infos = {info.name: info for info in Corpus(fold.corpus).infos}
    info = infos[fold.dataset]
    encoder = choose_encoder(config, info, fold.subject, infos, _files(fold, config))
    pretrained = AEMG.from_pretrained(encoder) if encoder else None
    model_config = pretrained.config if pretrained else fresh_config(config)
    store = SessionStore(fold.corpus, model_config.space, model_config.tokenizer)
    keys = [k for k in _keys(fold) if k.subject != fold.subject]
    sources = [store.load(key) for key in keys]
    targets = [store.load(key) for key in _keys(fold) if key.subject == fold.subject]
    source_worn, found = _register(sources, targets, config, pretrained)
    train = Examples(sources, source_worn, trials_of(sources, info.labels))
    test = Examples(targets, [r.worn for r in found], trials_of(targets, info.labels))
    facts = fold_facts(
        fold.subject,
        info,
        infos,
        (sources, train.trials),
        (targets, test.trials),
        (str(encoder), pretrained.seen) if pretrained and encoder else None,
    )
    classifiers = _classifiers(fold, config, pretrained, model_config, train, len(info.labels))
    truth = [t.label for t in test.trials]
    result: dict[str, Any] = {"methods": {}, "few_shot": {}}
    for name, classifier in classifiers.items():
        if config.adaptation.rounds:
            result["methods"][f"{name}-not-adapted"] = accuracies(predict(classifier, test), truth)
            classifier = adapt(classifier, test, config.adaptation.learning, labelled=False)
        predictions = predict(classifier, test)
        result["methods"][name] = accuracies(predictions, truth)
        if "confusion" not in result:
            result["confusion"] = confusion_matrix(truth, predictions.trials.argmax(1), len(info.labels)).tolist()
        if fold.few_shot:
            result["few_shot"][name] = few_shot(classifier, test, config)
    if fold.seed == config.seeds[0]:
        result["methods"].update(_controls(config, sources, targets, train, test, len(info.labels)))
    return {
        **result,
        "dataset": fold.dataset,
        "subject": fold.subject,
        "seed": fold.seed,
        "labels": list(info.labels),
        "trials": len(test.trials),
        "windows": sum(t.windows[1] - t.windows[0] for t in test.trials),
        "registration": [
            {
                "turn_deg": r.worn.turn_deg,
                "mirror": r.worn.mirror,
                "abstained": r.abstained,
                "probability": float(r.posterior.max()),
            }
            for r in found
        ],
        "facts": asdict(facts),
        "seconds": time.monotonic() - started,
    }


def choose_encoder(
    config: CommonConfig, info: DatasetInfo, subject: str, infos: dict[str, DatasetInfo], files: frozenset[str]
) -> Path | None:
    """As `first_unseen`, among the configured encoders and for one subject."""
    return first_unseen(config.encoders, info, [subject], infos, files)


def first_unseen(
    encoders: Sequence[Path],
    info: DatasetInfo,
    subjects: Iterable[str],
    infos: dict[str, DatasetInfo],
    files: frozenset[str],
) -> Path | None:
    """The first encoder that has seen none of the subjects and of their files (by sha256); the first of all where each has, and
    the certificate says so."""
    people = list(subjects)
    for path in encoders:
        seen = ModelCard.read(path).seen
        if not files & seen.files and not any(saw(seen, info, subject, infos) for subject in people):
            return path
    return encoders[0] if encoders else None


def few_shot(classifier: Classifier, test: Examples, config: EvaluationConfig) -> dict[str, dict[str, float]]:
    """Accuracies on the last repetitions, by fraction of adaptation, "0" for the zero-shot point."""
    split = few_shot_split(test.trials, config.fewshot.fractions, config.fewshot.test_share)
    tested = test.of([test.trials[i] for i in split.test])
    truth = [t.label for t in tested.trials]
    points = {"0": accuracies(predict(classifier, tested), truth)}
    for fraction, chosen in split.adaptation.items():
        labelled = test.of([test.trials[i] for i in chosen])
        adapted = adapt(classifier, labelled, config.adaptation.learning, labelled=True)
        points[f"{fraction:g}"] = accuracies(predict(adapted, tested), truth)
    return points


def _files(fold: Fold, config: EvaluationConfig) -> frozenset[str]:
    """sha256 of the test subject's native files."""
    model = ModelCard.read(config.encoders[0]).config if config.encoders else fresh_config(config)
    store = SessionStore(fold.corpus, model.space, model.tokenizer)
    return frozenset(r.sha256 for key in _keys(fold) if key.subject == fold.subject for r in store.load(key).recordings)


def _keys(fold: Fold) -> list[SessionKey]:
    corpus = Corpus(fold.corpus).select(datasets={fold.dataset}, subjects=set(fold.people))
    return sorted(sessions_of(corpus), key=str)


def starts(
    pretrained: AEMG | None, model_config: AEMGConfig, seed: int, *, twin: bool, alone: str = "random-init"
) -> dict[str, AEMG]:
    """Models that a fold's classifiers start from: `aemg` first, then its twin from random start.

    Args:
        twin: beside a pre-trained model.
        alone: name of the random one where there is no pre-trained model.
    """
    found = {} if pretrained is None else {"aemg": pretrained}
    if pretrained is None or twin:
        torch.manual_seed(seed)
        found["random-init" if pretrained is not None else alone] = AEMG(model_config)
    return found


def _classifiers(
    fold: Fold, config: EvaluationConfig, pretrained: AEMG | None, model_config: AEMGConfig, train: Examples, classes: int
) -> dict[str, Classifier]:
    """`aemg` first, then its twin from random start, then others for comparison."""
    models: dict[str, AEMG | None] = dict(
        starts(pretrained, model_config, fold.seed, twin="random-init" in config.controls, alone="aemg")
    )
    found = {name: train_classifier(m, train, classes, config.finetune, fold.seed) for name, m in models.items()}
    if "from-scratch" in config.controls:
        torch.manual_seed(fold.seed)
        longer = replace(config.finetune, epochs=config.finetune.scratch_epochs)
        found["from-scratch"] = train_classifier(AEMG(model_config), train, classes, longer, fold.seed)
    if "no-encoder" in config.controls:
        found["no-encoder"] = train_classifier(None, train, classes, config.finetune, fold.seed)
    return found


def _controls(
    config: EvaluationConfig,
    sources: Sequence[Session],
    targets: Sequence[Session],
    train: Examples,
    test: Examples,
    classes: int,
) -> dict[str, dict[str, float]]:
    truth = [t.label for t in test.trials]
    found: dict[str, dict[str, float]] = {}
    for control in config.controls:
        if control in ("random-init", "from-scratch", "no-encoder"):
            continue
        registered = control.endswith("registered")
        source_worn = train.worn if registered else [Worn()] * len(sources)
        target_worn = test.worn if registered else [Worn()] * len(targets)
        fitted = fit_control(control, Examples(sources, source_worn, train.trials))
        predictions = predict_control(control, fitted, Examples(targets, target_worn, test.trials), classes)
        found[control] = accuracies(predictions, truth)
        if registered:
            found[f"{control}-trial"] = accuracies(in_context(predictions), truth)
        if control == "td-lda-registered" and config.self_training.rounds:
            predictions = self_train_control(control, train, test, classes, config.self_training)
            found[f"{control}-self-trained"] = accuracies(in_context(predictions), truth)
    return found


def _register(
    sources: Sequence[Session], targets: Sequence[Session], config: EvaluationConfig, pretrained: AEMG | None
) -> tuple[list[Worn], list[Registered]]:
    if not config.registration:
        return [Worn()] * len(sources), [AS_WORN] * len(targets)
    worn = register_sources(sources, pretrained)
    judge = turn_judge(sources, worn)
    return worn, [register_target(judge, s) for s in targets]
