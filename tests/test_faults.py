"""Runs that are killed, starved, doubled or fed with rubbish: nothing finished is lost, and resuming changes nothing."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from kill_drill import drill

from aemg.config import save_config
from aemg.corpus.lock import locked
from aemg.datasets.base import sha256_of
from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.evaluation import EvaluationConfig, evaluate
from aemg.evaluation.config import EvaluationDataConfig, FinetuneConfig
from aemg.model import AEMG
from aemg.training import RunConfig, TrainingDataConfig, pretrain, train_tokenizer
from aemg.training import run as run_module
from aemg.training.data import SentenceDataset, mixture

Made = Callable[..., RunConfig]


def contents(folder: Path, *names: str) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in names if (folder / name).exists()}


# Killed.


@pytest.mark.parametrize("stage", ["tokenizer", "pretrain"])
def test_killed_at_any_file_operation_a_run_ends_bit_for_bit(
    run_config: Made, runs: Path, tmp_path: Path, stage: str
) -> None:
    given_model = {"tokenizer": None if stage == "tokenizer" else runs / "tokenizer"}
    whole, killed = (
        run_config(tmp_path / name, batch=16, checkpoint_minutes=0.0, **given_model) for name in ("whole", "killed")
    )
    for config in (whole, killed):
        save_config(config, tmp_path / f"{config.output.name}.yaml")
    steps = drill(stage, tmp_path / "whole.yaml", whole.output, [])
    kills = sorted({2, 5, *np.linspace(7, 27, 11).astype(int).tolist(), steps - 2, steps - 1, steps})
    drill(stage, tmp_path / "killed.yaml", killed.output, kills)
    names = ("metrics.csv", "epochs.csv", "model/model.safetensors", "model/seen.json", "model/config.json")
    ours, theirs = contents(killed.output, *names), contents(whole.output, *names)
    assert len(theirs) >= 4 and ours == theirs


def test_killed_at_any_file_operation_an_evaluation_ends_the_same(corpus: Path, runs: Path, tmp_path: Path) -> None:
    values = {
        "data": EvaluationDataConfig(sets=("sim-myo",), root=corpus, tested={"sim-myo": ("P01", "P02")}),
        "finetune": FinetuneConfig(epochs=1),
        "controls": ("td-lda-z",),
        "encoder": runs / "pretrain" / "model",
        "jobs": 1,
    }
    reports = []
    for name, kills in (("whole", []), ("killed", [1, 3, 4, 5, 6, 7])):
        config = EvaluationConfig(output=tmp_path / name, **values)  # type: ignore[arg-type]
        save_config(config, tmp_path / f"{name}.yaml")
        drill("loso", tmp_path / f"{name}.yaml", config.output, kills)
        report = json.loads((config.output / "report.json").read_text())
        reports.append({key: report[key] for key in ("sets", "certificate", "mean_over_sets")})
    assert reports[0] == reports[1]


# Doubled.


def test_a_second_run_on_a_folder_is_refused(run_config: Made, tmp_path: Path) -> None:
    config = run_config(tmp_path, stop_after_steps=1)
    with locked(tmp_path / ".lock"), pytest.raises(AEMGError, match=f"process {os.getpid()} is writing here"):
        train_tokenizer(config)
    evaluation = EvaluationConfig(output=tmp_path, data=EvaluationDataConfig(sets=("sim-myo",)))
    with locked(tmp_path / ".lock"), pytest.raises(AEMGError, match="is writing here"):
        evaluate(evaluation)
    assert train_tokenizer(config).step == 1


def test_going_on_with_other_settings_is_refused(run_config: Made, tmp_path: Path) -> None:
    config = run_config(tmp_path, stop_after_steps=1)
    train_tokenizer(config)
    with pytest.raises(ConfigError, match=r"other settings: optim\.lr is 0\.002 there and 0\.5 here"):
        train_tokenizer(replace(config, optim=replace(config.optim, lr=0.5)))
    assert train_tokenizer(replace(config, stop_after_steps=2, checkpoint_minutes=1.0)).step == 2


# Starved.


def test_a_disk_that_fills_up_keeps_the_last_checkpoint(
    run_config: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(tmp_path / "run", checkpoint_minutes=0.0)
    train_tokenizer(replace(config, stop_after_steps=2))
    with monkeypatch.context() as full:

        def no_space(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        full.setattr("accelerate.Accelerator.save_state", no_space)
        with pytest.raises(AEMGError, match=r"checkpoint of step 3 cannot be written \(.*No space left"):
            train_tokenizer(replace(config, stop_after_steps=4))
    whole = run_config(tmp_path / "whole")
    result, uninterrupted = train_tokenizer(config), train_tokenizer(whole)
    assert result.metrics == uninterrupted.metrics
    weights = [(c.output / "model" / "model.safetensors").read_bytes() for c in (config, whole)]
    assert weights[0] == weights[1]


def test_a_folder_that_cannot_be_written_is_named(run_config: Made, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(AEMGError, match=r"cannot write to .*file/run"):
        train_tokenizer(run_config(tmp_path / "file" / "run"))


class _Deadly(SentenceDataset):
    """Its worker is killed at the first batch of the second epoch."""

    def __getitem__(self, samples):  # type: ignore[no-untyped-def]
        if samples[0][0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(samples)


def test_a_worker_that_dies_is_told_and_the_run_goes_on(
    run_config: Made, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TrainingDataConfig(corpus=corpus, sentence_tokens=8, workers=1)
    config = run_config(tmp_path, data=data, checkpoint_minutes=0.0)
    with monkeypatch.context() as patched:
        patched.setattr("aemg.training.stages.SentenceDataset", _Deadly)
        with pytest.raises(AEMGError, match=r"a process that loads data died.*fewer workers than 1"):
            train_tokenizer(config)
    assert (tmp_path / "checkpoint" / "progress.json").exists()
    assert train_tokenizer(replace(config, data=replace(data, workers=0))).finished


# Fed with rubbish.


def test_a_gradient_that_is_not_finite_stops_before_the_weights_are_spoilt(
    run_config: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = run_config(tmp_path, checkpoint_minutes=0.0)
    before = train_tokenizer(replace(config, stop_after_steps=1))
    assert before.step == 1

    def spoilt(self: object, *_: object, **__: object) -> torch.Tensor:
        return torch.tensor(float("nan"))

    with monkeypatch.context() as patched:
        patched.setattr("accelerate.Accelerator.clip_grad_norm_", spoilt)
        with pytest.raises(AEMGError, match=r"gradient is not finite.*bad_batch\.pt"):
            train_tokenizer(config)
    assert len(torch.load(tmp_path / "bad_batch.pt", weights_only=True)["samples"]) == 8
    assert train_tokenizer(config).finished


@pytest.mark.parametrize("name", ["progress.json", "model.safetensors", "optimizer.bin", "random_states_0.pkl"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_checkpoint_is_named(run_config: Made, tmp_path: Path, name: str, damage: str) -> None:
    config = run_config(tmp_path, stop_after_steps=1)
    train_tokenizer(config)
    file = tmp_path / "checkpoint" / name
    if damage == "gone" and name == "progress.json":
        pytest.skip("a checkpoint without it is none")
    data = bytearray(file.read_bytes())
    if damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        file.write_bytes(bytes(b ^ 0xFF if i < 64 else b for i, b in enumerate(data)))
    else:
        file.unlink()
    with pytest.raises(DataFileError, match=r"checkpoint: expected a checkpoint of this run \(delete .* to begin anew\)"):
        train_tokenizer(replace(config, stop_after_steps=2))


class _Opens:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["optimizer.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl"])
def test_nothing_in_a_checkpoint_is_executed(run_config: Made, tmp_path: Path, name: str) -> None:
    config = run_config(tmp_path / "run", stop_after_steps=1)
    train_tokenizer(config)
    checkpoint = tmp_path / "run" / "checkpoint"
    torch.save(_Opens(tmp_path / "executed"), checkpoint / name)
    for digest in (None, sha256_of(checkpoint / name)):  # as found by its checksum, and with that forged as well
        if digest is not None:
            progress = json.loads((checkpoint / "progress.json").read_text())
            progress["sha256"][name] = digest
            (checkpoint / "progress.json").write_text(json.dumps(progress))
        with suppress(DataFileError):
            train_tokenizer(replace(config, stop_after_steps=2))
    assert not (tmp_path / "executed").exists()


def test_a_line_of_metrics_that_was_cut_short_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,0.5\n2,0.4\n13,0.3\n1")
    run_module._truncate(path, 2)
    assert path.read_text() == "step,loss\n1,0.5\n2,0.4\n"


# What is mixed, and whose it is.


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0.01, 5)), min_size=1, max_size=4), st.integers(0, 9))
@settings(deadline=None, derandomize=True)
def test_a_mixture_holds_each_part_by_its_weight(parts: list[tuple[int, float]], seed: int) -> None:
    edges = np.cumsum([0, *(n for n, _ in parts)])
    items = [np.arange(a, b) for a, b in itertools.pairwise(edges)]
    chosen = mixture(items, [w for _, w in parts], np.random.default_rng(seed))
    counts = np.bincount(chosen, minlength=int(edges[-1]))
    for (n, weight), part in zip(parts, items):
        assert counts[part].sum() == round(weight * n)
        assert n == 0 or counts[part].max() - counts[part].min() <= 1


def test_weights_change_how_often_a_set_is_seen(run_config: Made, crowd_corpus: Path, tmp_path: Path) -> None:
    data = TrainingDataConfig(corpus=crowd_corpus, sentence_tokens=8, weights={"sim-a": 2.0})
    plain = run_config(tmp_path / "plain", data=replace(data, weights={}), batch=2, stop_after_steps=1)
    mixed = run_config(tmp_path / "mixed", data=data, batch=2, stop_after_steps=1)
    assert train_tokenizer(mixed).steps > 1.3 * train_tokenizer(plain).steps
    with pytest.raises(ConfigError, match=r"data\.weights: kanoga-myo is not trained on; what is: sim-a, sim-b"):
        train_tokenizer(run_config(tmp_path / "wrong", data=replace(data, weights={"kanoga-myo": 2.0})))
    with pytest.raises(ConfigError, match=r"data\.weights must lie between"):
        replace(data, weights={"sim-a": 0.0})


def test_a_model_inherits_the_licences_and_permissive_only_holds(
    run_config: Made, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aemg.corpus import Corpus

    config = run_config(tmp_path / "free", epochs=1, data=TrainingDataConfig(corpus=corpus, permissive_only=True))
    train_tokenizer(config)
    seen = AEMG.from_pretrained(tmp_path / "free" / "model").seen
    assert seen.licences == {info.name: info.licence for info in Corpus(corpus).infos} and seen.restricted == ()

    real = Corpus.infos.fget  # type: ignore[attr-defined]
    closed = property(lambda self: tuple(replace(i, permissive=False, licence="CC-BY-NC-4.0") for i in real(self)))
    monkeypatch.setattr(Corpus, "infos", closed)
    data = TrainingDataConfig(corpus=corpus, sentence_tokens=8)
    with pytest.raises(AEMGError, match=r"data\.permissive_only"):
        train_tokenizer(run_config(tmp_path / "a", data=replace(data, permissive_only=True)))
    with pytest.raises(AEMGError, match=r"sim-myo is under CC-BY-NC-4\.0"):
        train_tokenizer(run_config(tmp_path / "b", data=replace(data, permissive_only=True, sets=("sim-myo",))))
    train_tokenizer(run_config(tmp_path / "closed", epochs=1, data=data))
    assert AEMG.from_pretrained(tmp_path / "closed" / "model").seen.restricted == ("sim-myo",)
    monkeypatch.undo()
    free = run_config(tmp_path / "c", data=replace(data, permissive_only=True), tokenizer=tmp_path / "closed")
    with pytest.raises(AEMGError, match=r"was trained on sim-myo \(CC-BY-NC-4\.0\), whose licence it inherits"):
        pretrain(free)
