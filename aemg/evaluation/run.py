"""A whole evaluation: folds spread over processes, each kept when it is done, and the report over all."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from aemg import datasets
from aemg.config import save_config, to_mapping
from aemg.corpus import Corpus, prepare
from aemg.corpus.shards import holds
from aemg.datasets.base import sha256_of
from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.evaluation.certificate import FoldFacts, certificate
from aemg.evaluation.config import EvaluationConfig
from aemg.evaluation.controls import TARGET_DATA
from aemg.evaluation.fold import Fold, fresh_config, run_fold
from aemg.evaluation.metrics import accuracy, compare
from aemg.model import ModelCard
from aemg.sessions import SessionStore, sessions_of
from aemg.training.claim import alone

METRICS = ("window_accuracy", "trial_accuracy", "window_accuracy_isolated")
_PACKAGES = ("aemg", "torch", "numpy", "scipy", "scikit-learn", "accelerate", "vector-quantize-pytorch", "h5py")

Progress = Callable[[str, int, int], None]


def evaluate(
    config: EvaluationConfig,
    *,
    few_shot: bool = False,
    rank: int = 0,
    world: int = 1,
    wait: Callable[[], None] = lambda: None,
    progress: Progress = lambda what, done, total: None,
) -> dict[str, Any]:
    """Runs all folds that are not done yet and gathers the report.

    Args:
        few_shot: adapt to each test subject as well.
        rank, world: this process and their number; each takes its share of the folds.
        wait: returns when all processes have called it.

    Raises:
        ConfigError: no set, an unknown one, or unknown subjects.
        AEMGError: a fold cannot be run, or another evaluation writes to the folder; finished folds are kept.
    """
    if not config.data.sets:
        raise ConfigError("data.sets=[NAME, ...] is missing; the sets are listed by: python datasets list")
    with alone(config.output, rank == 0):
        return _evaluate(config, few_shot, rank, world, wait, progress)


def _evaluate(
    config: EvaluationConfig, few_shot: bool, rank: int, world: int, wait: Callable[[], None], progress: Progress
) -> dict[str, Any]:
    started = time.monotonic()
    if rank == 0:
        _claim(config, few_shot)
        for folder in {_corpus(config, name, progress) for name in config.data.sets}:
            _tokenise(config, folder, progress)
    wait()
    folds = [f for name in config.data.sets for f in _folds(config, name, few_shot)]
    todo = [f for f in folds if not _file(config, f).exists()]
    mine = todo[rank::world]
    for done, _ in enumerate(_run(mine, config), start=1):
        progress("folds", len(folds) - len(todo) + done * world, len(folds))
    wait()
    results = [json.loads(_file(config, f).read_text()) for f in folds]
    report = _report(config, results, few_shot)
    report["seconds"] = time.monotonic() - started
    report["fold_seconds"] = sum(r["seconds"] for r in results)
    if rank == 0:
        _write(config.output / "report.json", report)
    wait()
    return report


def _claim(config: EvaluationConfig, few_shot: bool) -> None:
    """Refuses to mix folds of different configurations in one folder."""
    settings = {k: v for k, v in to_mapping(config).items() if k not in ("jobs", "output", "max_folds")}
    settings["few_shot"] = few_shot
    for path in config.encoders:
        if not (path / "model.safetensors").is_file():
            raise DataFileError(path, "an encoder's folder (or encoder=none)", "no model.safetensors there")
    settings["weights"] = [sha256_of(path / "model.safetensors") for path in config.encoders]
    kept = config.output / "folds" / "settings.json"
    if kept.exists() and json.loads(kept.read_text()) != settings:
        raise ConfigError(
            f"{config.output} holds folds of another configuration: choose another output, or remove {kept.parent}"
        )
    kept.parent.mkdir(exist_ok=True)
    _write(kept, settings)
    save_config(config, config.output / "config.yaml")


def _corpus(config: EvaluationConfig, name: str, progress: Progress) -> Path:
    """The folder with the prepared set; prepares it from native files where needed."""
    root = config.data.root
    if root is None:
        raise ConfigError("data.root=DIR is missing: the folder of the native files, or of prepared sets (*.h5)")
    place = _place(config, name)
    if not holds(place, name):
        prepare(datasets.open(name, root), place, progress=lambda done, total: progress(f"preparing {name}", done, total))
    return place


def _place(config: EvaluationConfig, name: str) -> Path:
    """Where the prepared set lies, or will: at the root, else in the cache."""
    root = config.data.root
    if root is not None and holds(root, name):
        return root
    return config.data.cache or config.output / "cache"


def _tokenise(config: EvaluationConfig, corpus: Path, progress: Progress) -> None:
    """All sessions of the sets in this corpus under every encoder's setting."""
    settings = [ModelCard.read(path).config for path in config.encoders] or [fresh_config(config)]
    for setting in {json.dumps([to_mapping(s.space), to_mapping(s.tokenizer)]): s for s in settings}.values():
        names = {name for name in config.data.sets if _place(config, name) == corpus}
        keys = [
            key
            for name in sorted(names)
            for key in sessions_of(Corpus(corpus).select(datasets={name}, subjects=set(_people(config, name))))
        ]
        store = SessionStore(corpus, setting.space, setting.tokenizer)
        store.ensure(keys, jobs=config.jobs, progress=lambda done, total: progress("tokenising sessions", done, total))


def _people(config: EvaluationConfig, name: str) -> tuple[str, ...]:
    """The people of a set that are evaluated; `1` finds `01`, which YAML reads as a number.

    Raises:
        ConfigError: a subject that the set lacks, or fewer than two.
    """
    corpus = Corpus(_place(config, name)).select(datasets={name})
    known = sorted({e.subject for e in corpus.recordings if e.kind == "raw"})
    if not known:
        raise AEMGError(f"{name} holds no raw EMG (envelopes cannot be tokenised): nothing to evaluate")
    people = _named(config.data.subjects.get(name), known, f"data.subjects.{name}")
    if len(people) < 2:
        raise ConfigError(f"{name}: leave-one-subject-out needs at least two subjects, got {len(people)}")
    return people


def _named(wanted: Sequence[str | int] | None, known: Sequence[str], key: str) -> tuple[str, ...]:
    """The known subjects that are wanted; all for None."""
    if wanted is None:
        return tuple(known)
    numbers = {int(k): k for k in known if k.isdigit()}
    found = [str(w) if str(w) in known else numbers.get(int(w) if str(w).isdigit() else -1) for w in wanted]
    missing = [str(w) for w, f in zip(wanted, found) if f is None]
    if missing:
        raise ConfigError(f"{key}: no subject {', '.join(missing)}; known are {', '.join(known)}")
    return tuple(dict.fromkeys(f for f in found if f is not None))


def _folds(config: EvaluationConfig, name: str, few_shot: bool) -> list[Fold]:
    people = _people(config, name)
    tested = _named(config.data.tested.get(name), people, f"data.tested.{name}")[: config.max_folds]
    return [Fold(_place(config, name), name, people, p, seed, few_shot) for p in tested for seed in config.seeds]


def _file(config: EvaluationConfig, fold: Fold) -> Path:
    return config.output / "folds" / f"{fold.dataset}_{fold.subject}_{fold.seed}.json"


def _run(folds: Sequence[Fold], config: EvaluationConfig) -> Iterator[None]:
    if config.jobs <= 1 or len(folds) <= 1:
        for fold in folds:
            _run_and_keep(fold, config)
            yield
        return
    with ProcessPoolExecutor(config.jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(_run_and_keep, fold, config) for fold in folds]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _run_and_keep(fold: Fold, config: EvaluationConfig) -> None:
    _write(_file(config, fold), run_fold(fold, config))


def _write(path: Path, values: Mapping[str, Any]) -> None:
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.write_text(json.dumps(values, indent=1))
    os.replace(partial, path)


def _report(config: EvaluationConfig, results: Sequence[dict[str, Any]], few_shot: bool) -> dict[str, Any]:
    uses = ["registration"] if config.registration else []
    uses += ["standardisation of features over the session"]
    uses += ["self-training on the trials, whose bounds are known"] if config.self_training.rounds else []
    unlabelled = ", ".join(uses)
    sets = {name: _set_report([r for r in results if r["dataset"] == name]) for name in config.data.sets}
    facts = [_facts(r["facts"]) for r in results if r["seed"] == config.seeds[0]]
    means = {m: float(np.mean([s["zero_shot"][m]["mean"] for s in sets.values()])) for m in METRICS}
    return {
        "protocol": "fewshot" if few_shot else "loso",
        "title": f"{'Few-shot' if few_shot else 'Zero-shot'} evaluation on {', '.join(sets)}",
        "certificate": certificate(
            facts,
            protocol="few-shot" if few_shot else "zero-shot",
            target_unlabelled=unlabelled,
            target_labelled=config.fewshot.fractions if few_shot else None,
        ),
        "sets": sets,
        "mean_over_sets": means,
        "config": to_mapping(config),
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in _PACKAGES}},
        "command": " ".join(sys.argv),
        "seeds": list(config.seeds),
    }


def _set_report(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    info = _counts(results)
    methods = sorted({m for r in results for m in r["methods"]})
    figures = {m: _figures([(r["subject"], r["methods"][m]) for r in results if m in r["methods"]]) for m in methods}
    ours = figures.pop("aemg")
    controls = {
        m: {
            **values,
            "target_data": TARGET_DATA.get(m, "unlabelled"),
            "context": "window" if m in TARGET_DATA and m != "random-init" else "trial",
            "versus": {
                k: asdict(compare(ours[k]["per_subject"], values[k]["per_subject"])) for k in METRICS
            },
        }
        for m, values in figures.items()
    }
    report = {
        **info,
        "zero_shot": ours,
        "controls": controls,
        "confusion": {
            "labels": info["labels"],
            "counts": np.sum([r["confusion"] for r in results], axis=0).tolist(),
        },
        "registration": {r["subject"]: r["registration"][0] for r in results},
    }
    if any(r["few_shot"] for r in results):
        report["few_shot"] = _few_shot_report(results)
    return report


def _counts(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Labels, subjects and counts of a set's folds."""
    first = {r["subject"]: r for r in results}
    return {
        "labels": results[0]["labels"],
        "subjects": list(first),
        "trials": sum(r["trials"] for r in first.values()),
        "windows": sum(r["windows"] for r in first.values()),
    }


def _figures(of_subjects: Sequence[tuple[str, dict[str, float]]]) -> dict[str, Any]:
    """Each metric over subjects, seeds averaged first."""
    found = {}
    for metric in METRICS:
        by_subject: dict[str, list[float]] = {}
        for subject, values in of_subjects:
            by_subject.setdefault(subject, []).append(values[metric])
        found[metric] = accuracy({s: float(np.mean(v)) for s, v in by_subject.items()}).as_dict()
    return found


def _few_shot_report(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for method in results[0]["few_shot"]:
        points = results[0]["few_shot"][method]
        report[method] = {p: _figures([(r["subject"], r["few_shot"][method][p]) for r in results]) for p in points}
    ours = report["aemg"]
    report["warning"] = [
        f"adaptation with {p} of the target's data lies below the zero-shot point in {m}: "
        f"{ours[p][m]['mean']:.3f} < {ours['0'][m]['mean']:.3f}"
        for p in ours
        for m in ("window_accuracy", "trial_accuracy")
        if ours[p][m]["mean"] < ours["0"][m]["mean"]
    ]
    return report


def _facts(values: dict[str, Any]) -> FoldFacts:
    lists: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    return FoldFacts(**lists)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


__all__ = ["METRICS", "evaluate"]
