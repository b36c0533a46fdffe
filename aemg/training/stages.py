"""The stages of pre-training, from a corpus to a saved model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
from aemg.features import FEATURES, standardise
from aemg.model import AEMG, CanonicalForearm, Seen
from aemg.model.network import Encoder
from aemg.sessions import Session, SessionKey, SessionStore, labelled_windows, sessions_of
from aemg.topology import SLOTS, JointRegistration, Worn, label_patterns, register_jointly
from aemg.training.claim import claimed
from aemg.training.config import RunConfig, TrainingDataConfig
from aemg.training.data import SentenceDataset, TrainingBatch
from aemg.training.descent import adamw_cosine
from aemg.training.loop import FitResult, fit, make_accelerator
from aemg.training.movements import MovementDataset, MovementTask
from aemg.training.tasks import MaskedCodeTask, ReconstructionTask

# What may change from one part of a run to the next.
_FREE = ("output", "stop_after_steps", "checkpoint_minutes", "tracking.", "data.workers", "data.corpus", "data.sessions")
_START_TOKENS = 3  # tokens a code for the k-means start of the codebook


def train_tokenizer(config: RunConfig) -> FitResult:
    """Stage 1: encoder, codebook and decoder by reconstruction. Writes `config.output`/model.

    Raises:
        ConfigError: a run in another configuration is in the folder.
        AEMGError: no corpus, nothing to train on, or another run writes to the folder.
    """
    with claimed(config, _FREE):
        return _train_tokenizer(config)


def _train_tokenizer(config: RunConfig) -> FitResult:
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
            mean_tokens = float((dataset.pieces["last"] - dataset.pieces["first"]).mean())
            step_tokens = config.optim.batch * mean_tokens
            trained.start_codebook(_start_batch(dataset, config).to(accelerator.device), step_tokens)
        return {**trained.health(), "gradient_reach": trained.gradient_reach(batch)}

    result = fit(accelerator, task, dataset, config.fit, adamw_cosine(config.optim), health)
    model.encoder.load_state_dict(model.tokenizer.encoder.state_dict())
    _save(accelerator, model, config, result)
    return result


def pretrain(config: RunConfig) -> FitResult:
    """Stage 2, masked-code prediction on the codes of stage 1, or stage 3, the movements of all labelled sets, as
    `config.objective` says. Writes `config.output`/model.

    The space, the tokenizer, the network and the frame are those of the stage before.

    Raises:
        AEMGError: as `train_tokenizer`, no finished stage 1, or no labels to learn movements from.
    """
    with claimed(config, _FREE):
        return _pretrain(config)


def _pretrain(config: RunConfig) -> FitResult:
    if config.tokenizer is None:
        raise ConfigError("stages 2 and 3 need tokenizer=RUN, the folder of a finished stage before them")
    accelerator = _begin(config)
    set_seed(config.seed)
    folder = config.tokenizer / "model" if (config.tokenizer / "model").is_dir() else config.tokenizer
    model = AEMG.from_pretrained(folder).train()
    if config.data.permissive_only and model.seen.restricted:
        told = ", ".join(f"{name} ({model.seen.licences[name]})" for name in model.seen.restricted)
        raise AEMGError(f"data.permissive_only: {folder} was trained on {told}, whose licence it inherits")
    if model.stage == "fresh":
        raise AEMGError(f"{folder} is an untrained model: run stage 1 first (accelerate launch tokenizer)")
    if config.start == "fresh":
        model.encoder = Encoder(model.config)
    store, keys = _sessions(accelerator, config, model)
    joint = _registration(store, keys, config.data, model.forearm)
    seen = _seen(config.data, keys, store)
    model.seen = model.seen + seen
    dataset: SentenceDataset | MovementDataset
    task: nn.Module
    if config.objective == "movements":
        model.stage = "movements"
        dataset = MovementDataset(store, keys, joint.worn, config.data, config.movements, config.seed)
        task = MovementTask(model, len(dataset.names), config.movements)
    else:
        model.stage = "masked"
        dataset = SentenceDataset(store, keys, joint.worn, config.data, mask_ratio=config.mask_ratio, seed=config.seed)
        task = MaskedCodeTask(model, config.code_temperature)
    task = task.to(accelerator.device)
    result = fit(accelerator, task, dataset, config.fit, adamw_cosine(config.optim), lambda task, batch: {})
    _save(accelerator, model, config, result)
    return result


def register_sessions(
    sessions: Iterable[Session], anchor: CanonicalForearm | None = None
) -> JointRegistration[SessionKey]:
    """Joint registration of labelled sessions; sessions with known angles stay, those without labels are left out.

    Args:
        sessions: looked at one at a time.
        anchor: a model's frame, which the result is turned to where movements are shared.

    Raises:
        AEMGError: no labelled session.
    """
    found: dict[SessionKey, dict[str, NDArray[np.float64]]] = {}
    fixed = set()
    for session in sessions:
        labels = labelled_windows(session)[0]
        own = tuple(sorted({str(label) for label in labels if label}))
        if own:
            patterns = label_patterns(standardise(session.slot_features)[labels != ""], labels[labels != ""], own)
            found[session.key] = dict(zip(own, patterns))
        if session.angle_known:
            fixed.add(session.key)
    known = tuple(sorted({label for of_session in found.values() for label in of_session}))
    lacking = np.full((SLOTS, len(FEATURES)), np.nan)
    stacked = {key: np.stack([of_session.get(label, lacking) for label in known]) for key, of_session in found.items()}
    return register_jointly(stacked, known, _anchor_patterns(anchor, known), frozenset(fixed))


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
        if data.permissive_only and not infos[name].permissive:
            raise AEMGError(f"data.permissive_only: {name} is under {infos[name].licence}; leave it out of data.sets")
    members = sessions_of(corpus)
    keys = [
        key
        for key in sorted(members, key=str)
        if (data.sets is None or key.dataset in data.sets)
        and (infos[key.dataset].permissive or not data.permissive_only)
        and not excluded(infos[key.dataset], key.subject, data.exclude_people, infos)
    ]
    if not keys:
        raise AEMGError(
            f"no raw session of {data.corpus} is left to train on: look at data.sets, "
            "data.exclude_people and data.permissive_only"
        )
    chosen = model.config if model is not None else config.model
    store = SessionStore(data.corpus, chosen.space, chosen.tokenizer, data.sessions)
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
    labelled = (recording.intervals for key in keys for recording in store.load(key).recordings)
    if data.turns == "registered" and any(labelled):
        return register_sessions((store.load(key) for key in keys), anchor)
    return JointRegistration({key: Worn() for key in keys}, (), np.zeros((0, SLOTS, len(FEATURES))), 0.0)


def _seen(data: TrainingDataConfig, keys: Sequence[SessionKey], store: SessionStore) -> Seen:
    assert data.corpus is not None
    cards = {info.name: info for info in Corpus(data.corpus).infos}
    people: dict[str, set[str]] = {}
    for key in keys:
        people.setdefault(key.dataset, set()).add(key.subject)
    files = frozenset(r.sha256 for key in keys for r in store.load(key).recordings)
    names = sorted(people)
    return Seen(
        {n: tuple(sorted(people[n])) for n in names},
        files,
        {n: cards[n].licence for n in names},
        tuple(n for n in names if not cards[n].permissive),
    )


def _start_batch(dataset: SentenceDataset, config: RunConfig) -> TrainingBatch:
    """Enough sentences for the k-means start, the same on every process."""
    wanted = _START_TOKENS * config.model.network.codes
    order = np.random.default_rng((config.seed, 1)).permutation(len(dataset.pieces))
    lengths = np.cumsum((dataset.pieces["last"] - dataset.pieces["first"])[order])
    return dataset[[(0, int(i)) for i in order[: int(np.searchsorted(lengths, wanted)) + 1]]]


def _save(accelerator: Accelerator, model: AEMG, config: RunConfig, result: FitResult) -> None:
    if accelerator.is_main_process and result.finished:
        model.save_pretrained(Path(config.output) / "model")
    accelerator.wait_for_everyone()
    accelerator.end_training()  # the processes cannot wait for each other any more


__all__ = ["canonical", "excluded", "pretrain", "register_sessions", "train_tokenizer"]
