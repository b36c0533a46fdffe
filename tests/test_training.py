"""Training: it learns, stops and goes on as if nothing had happened, and sees only what it may."""

from __future__ import annotations

import csv
import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.config import save_config
from aemg.corpus import Corpus, prepare
from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError, ConfigError
from aemg.model import AEMG, NetworkConfig
from aemg.sessions import SessionStore
from aemg.signals import Recording
from aemg.simulation import simulate_set
from aemg.topology import Worn
from aemg.training import FitResult, OptimConfig, RunConfig, TrainingDataConfig, pretrain, train_tokenizer
from aemg.training.config import LossConfig, TrackingConfig
from aemg.training.data import EpochSampler, SentenceDataset, mask_of
from aemg.training.stages import excluded
from aemg.training.tasks import ReconstructionTask

REPOSITORY = Path(__file__).parents[1]
Made = Callable[..., RunConfig]
WORKER = """
import sys
from aemg.config import load_config
from aemg.training import RunConfig, pretrain, train_tokenizer
{"tokenizer": train_tokenizer, "pretrain": pretrain}[sys.argv[1]](load_config(RunConfig, sys.argv[2]))
"""


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


# What a batch is made of.


@given(st.integers(0, 300), st.floats(0.01, 0.99), st.integers(0, 9))
@settings(deadline=None, derandomize=True)
def test_a_mask_hides_its_share_but_never_all(tokens: int, ratio: float, seed: int) -> None:
    mask = mask_of(tokens, ratio, np.random.default_rng(seed))
    assert mask.shape == (tokens,)
    if tokens > 1:
        assert 1 <= mask.sum() < tokens
        assert abs(mask.sum() - ratio * tokens) <= 1
    else:
        assert mask.sum() == tokens


@given(st.integers(1, 40), st.integers(1, 4), st.sampled_from([1, 2, 4]), st.integers(0, 30), st.integers(0, 3))
@settings(deadline=None, derandomize=True)
def test_processes_share_the_batches_of_one(samples: int, times: int, world: int, first: int, seed: int) -> None:
    batch = times * world
    steps = 3 * EpochSampler.steps_per_epoch(samples, batch)

    def of(rank: int, world: int, first: int) -> list[list[tuple[int, int]]]:
        sampler = EpochSampler(samples, batch, seed=seed, rank=rank, world=world, first_step=first, steps=steps)
        return list(sampler)

    whole = of(0, 1, 0)
    assert len(whole) == steps
    parts = [of(rank, world, 0) for rank in range(world)]
    for step, wanted in enumerate(whole):
        assert sorted(s for part in parts for s in part[step]) == sorted(wanted)
    assert of(0, 1, min(first, steps)) == whole[min(first, steps) :], "resuming goes on with the same batches"
    if samples >= batch:
        per_epoch = samples // batch
        for epoch in range(3):
            seen = [s for b in whole[epoch * per_epoch : (epoch + 1) * per_epoch] for _, s in b]
            assert len(set(seen)) == len(seen) == per_epoch * batch


@pytest.fixture(scope="module")
def dataset(store: SessionStore, corpus: Path) -> SentenceDataset:
    data = TrainingDataConfig(corpus=corpus, sentence_tokens=8)
    return SentenceDataset(store, store.ensure(jobs=1), {}, data, mask_ratio=0.5, seed=0)


def test_every_token_is_in_one_piece(dataset: SentenceDataset, store: SessionStore) -> None:
    wanted = sum(len(store.load(key).tokens) for key in store.ensure(jobs=1))
    assert int((dataset.pieces["last"] - dataset.pieces["first"]).sum()) == wanted
    found = sum(int(dataset[[(0, i)]].sentences.valid.sum()) for i in range(len(dataset)))
    assert found == wanted


def test_a_sample_depends_on_epoch_and_number_alone(dataset: SentenceDataset) -> None:
    alone, together = dataset[[(3, 5)]], dataset[[(3, 1), (3, 5)]]
    n = int(alone.sentences.valid.sum())
    assert torch.equal(alone.sentences.waves[0, :n], together.sentences.waves[1, :n])
    assert torch.equal(alone.masked[0, :n], together.masked[1, :n])
    others = [dataset[[(epoch, 5)]] for epoch in range(4, 12)]
    assert any(not torch.equal(alone.masked, other.masked) for other in others)


def test_padding_is_not_masked(dataset: SentenceDataset) -> None:
    batch = dataset[[(0, i) for i in range(len(dataset))]]
    assert not (batch.masked & ~batch.sentences.valid).any()
    assert batch.masked.any(1).all() and not (batch.masked == batch.sentences.valid).all(1).any()


@pytest.mark.parametrize("turns", ["registered", "nominal", "random"])
def test_turns(store: SessionStore, corpus: Path, turns: str) -> None:
    keys = store.ensure(jobs=1)[:1]
    data = TrainingDataConfig(corpus=corpus, turns=turns, jitter_slots=0)  # type: ignore[arg-type]
    made = SentenceDataset(store, keys, {keys[0]: Worn(5)}, data, mask_ratio=0.5, seed=0)
    as_worn = SentenceDataset(store, keys, {}, replace(data, turns="nominal"), mask_ratio=0.5, seed=0)
    waves = [made[[(epoch, 0)]].sentences.waves for epoch in range(8)]
    plain = as_worn[[(0, 0)]].sentences.waves
    if turns == "random":
        assert any(not torch.equal(waves[0], other) for other in waves[1:])
    else:
        order = Worn(5 if turns == "registered" else 0).order
        assert all(torch.equal(w, plain[:, :, order]) for w in waves)


# Stages.


@pytest.mark.parametrize("stage", ["tokenizer", "pretrain"])
def test_a_stage_leaves_its_figures_and_a_model(runs: Path, stage: str) -> None:
    assert {"config.yaml", "metrics.csv", "checkpoint", "model"} <= {p.name for p in (runs / stage).iterdir()}
    figures = rows(runs / stage / "metrics.csv")
    assert [row["step"] for row in figures] == list(range(1, len(figures) + 1))
    assert all(math.isfinite(value) for row in figures for value in row.values())
    timing = rows(runs / stage / "timing.csv")
    assert [row["step"] for row in timing] == [row["step"] for row in figures]
    assert all(row["step_s"] > 0 and 0 < row["data_wait"] < 1 for row in timing)
    assert AEMG.from_pretrained(runs / stage / "model").stage == {"tokenizer": "codebook", "pretrain": "masked"}[stage]


def test_the_loss_of_stage_one_falls(run_config: Made, tmp_path: Path) -> None:
    result = train_tokenizer(run_config(tmp_path, epochs=30, batch=16, stop_after_steps=30))
    loss = [row["loss"] for row in rows(tmp_path / "metrics.csv")]
    assert result.step == 30 == len(loss)
    assert np.mean(loss[-3:]) < 0.9 * np.mean(loss[:3])


def test_the_codebooks_health_is_logged(runs: Path, tiny: NetworkConfig) -> None:
    last = rows(runs / "tokenizer" / "epochs.csv")[-1]
    assert 1 <= last["perplexity"] <= tiny.codes
    assert 0 < last["codes_used"] <= 1 and last["restarts"] >= 0
    assert last["gradient_reach"] == pytest.approx(1.0, abs=0.3)


def test_stage_two_learns_to_tell_hidden_codes(run_config: Made, dataset: SentenceDataset, tmp_path: Path) -> None:
    """The codes of a random encoder, which are in more even use than those of a short stage 1."""
    config = run_config(tmp_path / "run", epochs=60, batch=16, lr=5e-3, tokenizer=tmp_path / "first")
    torch.manual_seed(0)
    model = AEMG(config.model, stage="codebook")
    batch = dataset[[(0, i) for i in range(len(dataset))]]
    ReconstructionTask(model.tokenizer, config.loss).start_codebook(batch, 100.0)
    model.save_pretrained(tmp_path / "first")
    with torch.no_grad():
        codes = model.eval().tokenizer.quantise(batch.sentences).codes[batch.sentences.valid]
    most_common = float(torch.bincount(codes).max() / len(codes))
    pretrain(replace(config, stop_after_steps=150))
    accuracy = [row["accuracy"] for row in rows(tmp_path / "run" / "metrics.csv")]
    assert np.mean(accuracy[-10:]) > 1.5 * most_common
    assert np.mean(accuracy[-10:]) > 2 * accuracy[0]


def test_stage_two_keeps_stage_ones_codebook(runs: Path) -> None:
    first, second = (AEMG.from_pretrained(runs / stage / "model") for stage in ("tokenizer", "pretrain"))
    for name, value in first.tokenizer.state_dict().items():
        assert torch.equal(second.tokenizer.state_dict()[name], value), name
    assert second.config == first.config and second.forearm == first.forearm
    assert any(not torch.equal(a, b) for a, b in zip(first.encoder.parameters(), second.encoder.parameters()))


# Stopping and going on.


def run(stage: str, config: RunConfig) -> FitResult:
    return (train_tokenizer if stage == "tokenizer" else pretrain)(config)


@pytest.mark.parametrize("stage", ["tokenizer", "pretrain"])
def test_a_run_that_was_stopped_ends_like_one_that_was_not(
    run_config: Made, runs: Path, tmp_path: Path, stage: str
) -> None:
    given_model = {"tokenizer": None if stage == "tokenizer" else runs / "tokenizer"}
    whole, parts = (run_config(tmp_path / name, epochs=3, batch=16, **given_model) for name in ("whole", "parts"))
    result = run(stage, whole)
    per_epoch = result.steps // 3
    for stop in (2, per_epoch + 1, None):  # in the first epoch, and after the codebook has started
        part = run(stage, replace(parts, stop_after_steps=stop))
        assert part.finished == (stop is None)
        assert (parts.output / "model").exists() == (stop is None)
    assert part.metrics == result.metrics
    for name in ("metrics.csv", "epochs.csv", "model/model.safetensors", "model/seen.json"):
        ours, theirs = parts.output / name, whole.output / name
        assert ours.exists() == theirs.exists(), name
        assert not ours.exists() or ours.read_bytes() == theirs.read_bytes(), name


def test_a_finished_run_is_not_trained_on(run_config: Made, tmp_path: Path) -> None:
    config = run_config(tmp_path, epochs=1)
    first = train_tokenizer(config)
    weights = (tmp_path / "model" / "model.safetensors").read_bytes()
    again = train_tokenizer(config)
    assert again.finished and again.step == first.step
    assert (tmp_path / "model" / "model.safetensors").read_bytes() == weights


def test_a_checkpoint_of_which_only_the_old_one_is_whole(run_config: Made, tmp_path: Path) -> None:
    config = run_config(tmp_path, epochs=1)
    train_tokenizer(replace(config, stop_after_steps=2))
    (tmp_path / "checkpoint").rename(tmp_path / "checkpoint.old")  # killed between the two renames
    (tmp_path / "checkpoint.partial").mkdir()
    assert train_tokenizer(replace(config, stop_after_steps=3)).step == 3
    assert [row["step"] for row in rows(tmp_path / "metrics.csv")] == [1, 2, 3]


def launch(processes: int, stage: str, config: Path) -> subprocess.Popen[str]:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc_per_node", str(processes)]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    where = ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"]
    script = config.with_name("worker.py")
    script.write_text(WORKER)
    return subprocess.Popen(
        [*torchrun, *where, str(script), stage, str(config)],
        cwd=config.parent, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("stage", ["tokenizer", "pretrain"])
def test_two_processes_learn_like_one(
    run_config: Made, runs: Path, tiny: NetworkConfig, tmp_path: Path, stage: str
) -> None:
    network = replace(tiny, dropout=0.0, restart_below=0.0)
    config = run_config(tmp_path / "one", epochs=2, batch=8, network=network, stop_after_steps=8)
    if stage == "pretrain":
        plain = AEMG.from_pretrained(runs / "tokenizer" / "model")
        undropped = AEMG(replace(plain.config, network=network), forearm=plain.forearm, stage=plain.stage)
        undropped.load_state_dict(plain.state_dict())
        undropped.save_pretrained(tmp_path / "first")
        config = replace(config, tokenizer=tmp_path / "first")
    save_config(replace(config, output=tmp_path / "two"), tmp_path / "two.yaml")
    started = launch(2, stage, tmp_path / "two.yaml")
    run(stage, config)
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 0, said[-3000:]
    one, two = (rows(tmp_path / name / "metrics.csv") for name in ("one", "two"))
    assert len(one) == len(two) == 8
    for a, b in list(zip(one, two))[:5]:
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a["gradient_norm"] == pytest.approx(b["gradient_norm"], rel=1e-2)


# What may be seen.


def test_people_who_were_left_out_are_not_seen(runs: Path, corpus: Path) -> None:
    opened = Corpus(corpus)
    files: dict[str, set[str]] = {}
    for i, entry in enumerate(opened.recordings):
        files.setdefault(entry.subject, set()).add(opened.load(i).provenance.sha256)
    for stage in ("tokenizer", "pretrain"):
        seen = AEMG.from_pretrained(runs / stage / "model").seen
        assert seen.people == {"sim-myo": ("P03", "P04")}
        assert seen.files == files["P03"] | files["P04"]
        assert set(seen.licences) == {"sim-myo"}


def test_people_are_left_out_of_every_set_of_their_crowd(run_config: Made, crowd_corpus: Path, tmp_path: Path) -> None:
    data = TrainingDataConfig(corpus=crowd_corpus, exclude_people={"sim-a": ("P01",)})
    train_tokenizer(run_config(tmp_path, epochs=1, batch=2, data=data))
    seen = json.loads((tmp_path / "model" / "seen.json").read_text())
    assert seen["people"] == {"sim-a": ["P02"], "sim-b": ["P02"]}


def test_a_crowd_that_is_not_trained_on_is_excluded_by_its_name(crowd_corpus: Path, corpus: Path) -> None:
    infos = {info.name: info for folder in (crowd_corpus, corpus) for info in Corpus(folder).infos}
    assert excluded(infos["sim-b"], "P01", {"sim-a": ("P01",)}, infos)
    assert not excluded(infos["sim-b"], "P02", {"sim-a": ("P01",)}, infos)
    assert not excluded(infos["sim-myo"], "P01", {"sim-a": ("P01",)}, infos)


def test_stage_two_adds_to_what_stage_one_has_seen(run_config: Made, runs: Path, corpus: Path, tmp_path: Path) -> None:
    data = TrainingDataConfig(corpus=corpus, exclude_people={"sim-myo": ("P01", "P03", "P04")})
    pretrain(run_config(tmp_path, epochs=1, batch=2, data=data, tokenizer=runs / "tokenizer" / "model"))
    assert AEMG.from_pretrained(tmp_path / "model").seen.people == {"sim-myo": ("P02", "P03", "P04")}


# What is refused.


def test_refusals_of_data(run_config: Made, corpus: Path, crowd_corpus: Path, tmp_path: Path) -> None:
    def refused(data: TrainingDataConfig, match: str) -> None:
        with pytest.raises(AEMGError, match=match):
            train_tokenizer(run_config(tmp_path / "run", data=data))

    refused(TrainingDataConfig(), r"data\.corpus")
    refused(TrainingDataConfig(corpus=tmp_path / "nothing"), "nothing")
    refused(TrainingDataConfig(corpus=corpus, sets=("sim-none",)), "no set 'sim-none'.*sim-myo")
    refused(TrainingDataConfig(corpus=crowd_corpus, sets=("sim-envelope",)), "sim-envelope holds envelope")
    everyone = {"sim-myo": ("P01", "P02", "P03", "P04")}
    refused(TrainingDataConfig(corpus=corpus, exclude_people=everyone), "no raw session")


def test_an_envelope_set_that_nobody_named_is_left_out(run_config: Made, crowd_corpus: Path, tmp_path: Path) -> None:
    data = TrainingDataConfig(corpus=crowd_corpus, turns="nominal")
    train_tokenizer(run_config(tmp_path, epochs=1, batch=4, data=data))
    assert set(AEMG.from_pretrained(tmp_path / "model").seen.people) == {"sim-a", "sim-b"}


def read_unlabelled(reader: DatasetReader, root: Path, source: str) -> list[Recording]:
    return [replace(r, intervals=()) for r in reader.read_source(root, source)]


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unlabelled")
    reader = simulate_set(
        "sim-bare", device="myo", people=2, seed=1, gestures=("hand_close",), repetitions=2, hold_s=1.0, rest_s=0.5
    )
    prepare(replace(reader, read_source=partial(read_unlabelled, reader)), folder, jobs=1)
    return folder


@pytest.mark.parametrize("turns", ["registered", "nominal", "random"])
def test_labels_are_not_needed(run_config: Made, unlabelled: Path, tmp_path: Path, turns: str) -> None:
    data = TrainingDataConfig(corpus=unlabelled, sentence_tokens=4, turns=turns)  # type: ignore[arg-type]
    assert train_tokenizer(run_config(tmp_path / "one", epochs=1, batch=2, data=data)).finished
    second = run_config(tmp_path / "two", epochs=1, batch=2, data=data, tokenizer=tmp_path / "one")
    assert pretrain(second).finished
    assert AEMG.from_pretrained(tmp_path / "two" / "model").forearm.labels == ()


def test_stage_two_needs_stage_one(run_config: Made, tiny: NetworkConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tokenizer=RUN"):
        pretrain(run_config(tmp_path / "run"))
    with pytest.raises(AEMGError, match="nowhere"):
        pretrain(run_config(tmp_path / "run", tokenizer=tmp_path / "nowhere"))
    AEMG(run_config(tmp_path).model).save_pretrained(tmp_path / "fresh")
    with pytest.raises(AEMGError, match="untrained"):
        pretrain(run_config(tmp_path / "run", tokenizer=tmp_path / "fresh"))


def test_a_batch_that_does_not_divide_is_refused(
    run_config: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from accelerate import Accelerator

    monkeypatch.setattr(Accelerator, "num_processes", property(lambda self: 3))
    with pytest.raises(AEMGError, match=r"optim\.batch = 8 must be a multiple of the 3 processes"):
        train_tokenizer(run_config(tmp_path, batch=8))


def test_a_loss_that_is_not_finite_stops_the_run(run_config: Made, tmp_path: Path) -> None:
    with pytest.raises(AEMGError, match=r"not finite.*bad_batch\.pt"):
        train_tokenizer(run_config(tmp_path, loss=LossConfig(wave=math.nan)))
    bad = torch.load(tmp_path / "bad_batch.pt", weights_only=True)
    assert len(bad["samples"]) == 8 and not torch.isfinite(bad["totals"]).all()
    assert not (tmp_path / "model").exists()


def test_a_mask_ratio_out_of_range_is_refused() -> None:
    for ratio in (0.0, 1.0):
        with pytest.raises(ConfigError, match="mask_ratio"):
            RunConfig(mask_ratio=ratio)


def test_figures_go_to_tensorboard_too(run_config: Made, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    tracking = TrackingConfig(kind="tensorboard", every_steps=1)
    train_tokenizer(run_config(tmp_path, stop_after_steps=2, tracking=tracking))
    assert list(tmp_path.rglob("events.out.tfevents*"))
    assert len(rows(tmp_path / "metrics.csv")) == 2


def test_the_schedule_rises_then_falls(run_config: Made, tmp_path: Path) -> None:
    optim = OptimConfig(lr=1e-3, final_lr=1e-5, warmup_epochs=1, epochs=4, batch=16)
    train_tokenizer(run_config(tmp_path, optim=optim))
    lr = [row["lr"] for row in rows(tmp_path / "metrics.csv")]
    top = int(np.argmax(lr))
    assert max(lr) == pytest.approx(1e-3, rel=0.05)
    assert np.all(np.diff(lr[: top + 1]) > 0) and np.all(np.diff(lr[top:]) <= 0) and lr[-1] < 1.2e-4
