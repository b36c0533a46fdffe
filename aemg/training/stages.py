"""The two stages of pre-training, from a corpus to a saved model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from accelerate import Accelerator
from accelerate.utils import set_seed
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from aemg.config import save_config
from aemg.corpus import Corpus
from aemg.datasets import DatasetInfo, crowd_of
from aemg.errors import AEMGError, ConfigError
from aemg.features import standardise
from aemg.model import AEMG, CanonicalForearm, Seen
from aemg.sessions import Session, SessionKey, SessionStore, labelled_windows, sessions_of
from aemg.topology import JointRegistration, Worn, label_patterns, register_jointly
from aemg.training.config import RunConfig, TrainingDataConfig
from aemg.training.data import SentenceDataset, TrainingBatch
from aemg.training.descent import adamw_cosine
from aemg.training.loop import FitResult, fit, make_accelerator
from aemg.training.tasks import MaskedCodeTask, ReconstructionTask

_START_TOKENS = 3  # tokens a code for the k-means start of the codebook


def train_tokenizer(config: RunConfig) -> FitResult:
    """Stage 1: encoder, codebook and decoder by reconstruction. Writes `config.output`/model.

    Raises:
        AEMGError: no corpus, nothing to train on, or a run in another configuration is in the folder.
    """
    accelerator = _begin(config)
    store, keys = _sessions(accelerator, config)
    joint = _registration(store, keys, config.data)
    set_seed(config.seed)
    model = AEMG(
        config.model, seen=_seen(config.data, keys, store), forearm=canonical(joint), stage="codebook", sync=_several(accelerator)
    )
    dataset = SentenceDataset(store, keys, joint.worn, config.data, mask_ratio=config.mask_ratio, seed=config.seed)
    task = ReconstructionTask(model.tokenizer, config.loss).to(accelerator.device)

    def health(trained: nn.Module, batch: TrainingBatch) -> dict[str, float]:
        assert isinstance(trained, ReconstructionTask)
        if not trained.tokenizer.codebook.started:
            mean_tokens = sum(p.last - p.first for p in dataset.pieces) / len(dataset)
            step_tokens = config.optim.batch * mean_tokens
            trained.start_codebook(_start_batch(dataset, config).to(accelerator.device), step_tokens)
        return {**trained.health(), "gradient_reach": trained.gradient_reach(batch)}

    result = fit(accelerator, task, dataset, config.fit, adamw_cosine(config.optim), health)
    model.encoder.load_state_dict(model.tokenizer.encoder.state_dict())
    _save(accelerator, model, config, result)
    return result


def pretrain(config: RunConfig) -> FitResult:
    """Stage 2: masked-code prediction on the codes of stage 1. Writes `config.output`/model.

    The space, the tokenizer, the network and the frame are those of stage 1.

    Raises:
        AEMGError: as `train_tokenizer`, or no finished stage 1.
    """
    if config.tokenizer is None:
        raise ConfigError("stage 2 needs tokenizer=RUN, the folder of a finished stage 1")
    accelerator = _begin(config)
    set_seed(config.seed)
    folder = config.tokenizer / "model" if (config.tokenizer / "model").is_dir() else config.tokenizer
    model = AEMG.from_pretrained(folder).train()
    if model.stage == "fresh":
        raise AEMGError(f"{folder} is an untrained model: run stage 1 first (accelerate launch tokenizer)")
    store, keys = _sessions(accelerator, config, model)
    joint = _registration(store, keys, config.data, model.forearm)
    seen = _seen(config.data, keys, store)
    model.seen = Seen(
        {k: tuple(sorted({*model.seen.people.get(k, ()), *seen.people.get(k, ())})) for k in {*model.seen.people, *seen.people}},
        model.seen.files | seen.files,
        {**model.seen.licences, **seen.licences},
    )
    model.stage = "masked"
    dataset = SentenceDataset(store, keys, joint.worn, config.data, mask_ratio=config.mask_ratio, seed=config.seed)
    task = MaskedCodeTask(model, config.code_temperature).to(accelerator.device)
    result = fit(accelerator, task, dataset, config.fit, adamw_cosine(config.optim), lambda task, batch: {})
    _save(accelerator, model, config, result)
    return result


def register_sessions(
    sessions: Sequence[Session], anchor: CanonicalForearm | None = None
) -> JointRegistration[SessionKey]:
    """Joint registration of labelled sessions; sessions with known angles stay, those without labels are left out.

    Args:
        anchor: a model's frame, which the result is turned to where movements are shared.

    Raises:
        AEMGError: no labelled session.
    """
    features = {s.key: (standardise(s.slot_features), labelled_windows(s)[0]) for s in sessions}
    known = tuple(sorted({str(label) for _, labels in features.values() for label in labels if label}))
    patterns = {
        key: label_patterns(values[labels != ""], labels[labels != ""], known)
        for key, (values, labels) in features.items()
        if (labels != "").any()
    }
    fixed = frozenset(s.key for s in sessions if s.angle_known)
    return register_jointly(patterns, known, _anchor_patterns(anchor, known), fixed)


def canonical(joint: JointRegistration[SessionKey]) -> CanonicalForearm:
    """The frame that a registration found, fit for a model's card."""
    return CanonicalForearm(joint.labels, tuple(np.round(joint.patterns, 4).tolist()))


def _anchor_patterns(anchor: CanonicalForearm | None, known: Sequence[str]) -> NDArray[np.float64] | None:
    if anchor is None or not set(anchor.labels) & set(known):
        return None
    patterns = np.asarray(anchor.patterns, dtype=float)
    found = np.full((len(known), *patterns.shape[1:]), np.nan)
    for k, label in enumerate(known):
        if label in anchor.labels:
            found[k] = patterns[anchor.labels.index(label)]
    return found


def excluded(info: DatasetInfo, subject: str, exclude: Mapping[str, Sequence[str]], infos: Mapping[str, DatasetInfo]) -> bool:
    """Whether a subject is left out, under this set's name or that of another set with the same people."""
    return any(
        subject in subjects and crowd_of(name, infos) == crowd_of(info.name, infos)
        for name, subjects in exclude.items()
    )


def _begin(config: RunConfig) -> Accelerator:
    accelerator = make_accelerator(config.precision, config.tracking, config.output)
    config.output.mkdir(parents=True, exist_ok=True)
    if accelerator.is_main_process:
        save_config(config, config.output / "config.yaml")
    return accelerator


def _several(accelerator: Accelerator) -> bool:
    return int(accelerator.num_processes) > 1


def _sessions(
    accelerator: Accelerator, config: RunConfig, model: AEMG | None = None
) -> tuple[SessionStore, list[SessionKey]]:
    """The store and the keys of the sessions that may be trained on; made by the main process first."""
    data = config.data
    if data.corpus is None:
        raise ConfigError("data.corpus=DIR is missing: the folder that `python datasets prepare` made")
    corpus = Corpus(data.corpus)
    infos = {info.name: info for info in corpus.infos}
    for name in data.sets or ():
        if name not in infos:
            raise ConfigError(f"data.sets: no set {name!r} in {data.corpus}; it holds {', '.join(infos)}")
        if infos[name].kind != "raw":
            raise AEMGError(f"{name} holds {infos[name].kind} signals, not raw EMG: it cannot be pre-trained on")
    members = sessions_of(corpus)
    keys = [
        key
        for key in sorted(members, key=str)
        if (data.sets is None or key.dataset in data.sets)
        and not excluded(infos[key.dataset], key.subject, data.exclude_people, infos)
    ]
    if not keys:
        raise AEMGError(f"no raw session of {data.corpus} is left to train on: look at data.sets and data.exclude_people")
    chosen = model.config if model is not None else config.model
    store = SessionStore(data.corpus, chosen.space, chosen.tokenizer)
    if accelerator.is_main_process:
        with tqdm(total=len(keys), desc="tokenising", unit="session") as bar:

            def progress(done: int, total: int) -> None:
                bar.update(done - bar.n)

            store.ensure(keys, progress=progress)
    accelerator.wait_for_everyone()
    return store, keys


def _registration(
    store: SessionStore, keys: Sequence[SessionKey], data: TrainingDataConfig, anchor: CanonicalForearm | None = None
) -> JointRegistration[SessionKey]:
    sessions = [store.load(key) for key in keys]
    labelled = any(recording.intervals for session in sessions for recording in session.recordings)
    if data.turns == "registered" and labelled:
        return register_sessions(sessions, anchor)
    return JointRegistration({key: Worn() for key in keys}, (), np.zeros((0, 16, 4)), 0.0)


def _seen(data: TrainingDataConfig, keys: Sequence[SessionKey], store: SessionStore) -> Seen:
    assert data.corpus is not None
    licences = {info.name: info.licence for info in Corpus(data.corpus).infos}
    people: dict[str, set[str]] = {}
    for key in keys:
        people.setdefault(key.dataset, set()).add(key.subject)
    files = frozenset(r.sha256 for key in keys for r in store.load(key).recordings)
    names = sorted(people)
    return Seen({n: tuple(sorted(people[n])) for n in names}, files, {n: licences[n] for n in names})


def _start_batch(dataset: SentenceDataset, config: RunConfig) -> TrainingBatch:
    """Enough sentences for the k-means start, the same on every process."""
    wanted = _START_TOKENS * config.model.network.codes
    order = np.random.default_rng((config.seed, 1)).permutation(len(dataset))
    lengths = np.cumsum([dataset.pieces[i].last - dataset.pieces[i].first for i in order])
    return dataset[[(0, int(i)) for i in order[: int(np.searchsorted(lengths, wanted)) + 1]]]


def _save(accelerator: Accelerator, model: AEMG, config: RunConfig, result: FitResult) -> None:
    if accelerator.is_main_process and result.finished:
        model.save_pretrained(Path(config.output) / "model")
    accelerator.wait_for_everyone()
    accelerator.end_training()  # the processes cannot wait for each other any more


__all__ = ["canonical", "excluded", "pretrain", "register_sessions", "train_tokenizer"]
