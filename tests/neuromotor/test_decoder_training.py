"""Training and testing the decoders: end to end, going on after a stop, selection, curves, and what is refused."""

from __future__ import annotations

import csv
import json
import math
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from aemg.config import load_config
from aemg.datasets.formats.neuromotor_file import NeuromotorFile
from aemg.errors import AEMGError, ConfigError, LeakError
from aemg.model import AEMG, AEMGConfig, NetworkConfig, Seen
from aemg.neuromotor.cler import cler
from aemg.neuromotor.data.corpus import Partition
from aemg.neuromotor.events import decode_events
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.training import DecoderConfig, decode, train_decoder
from aemg.neuromotor.training.curves import divided, doublings
from aemg.neuromotor.training.descent import descent_of
from aemg.neuromotor.training.networks import NETWORKS, make_network
from aemg.neuromotor.training.pieces import outputs_in_pieces
from aemg.neuromotor.training.sets import drawn_users, split_of, training_set, user_name
from aemg.neuromotor.wrist import Wrist
from aemg.training.config import Selection
from aemg.training.data import EpochSampler

REPOSITORY = Path(__file__).parents[2]
CONFIGS = REPOSITORY / "configs" / "finetune"
RECIPES = {"discrete_gestures": "gestures", "handwriting": "handwriting", "wrist": "wrist"}
TASKS = tuple(RECIPES)
TINY = {
    "discrete_gestures": "model.network={conv_channels: 24, lstm_hidden: 16, lstm_layers: 2}",
    "handwriting": "model.network={hidden_dims: [16], width: 16, ffn: 24}",
    "wrist": "model.network={hidden: 16, lstm_hidden: 16}",
}
SHORT = {
    "discrete_gestures": ["data.window=4000", "optim.batch=4"],
    "handwriting": ["data.merge_s=4", "optim.batch=1"],
    "wrist": ["data.window=2000", "optim.batch=2"],
}
AEMG_TINY = NetworkConfig(width=16, layers=1, heads=2, head_width=8, mlp_width=32, codes=8, code_width=4, decoder_layers=1)
Made = Callable[..., DecoderConfig]


@pytest.fixture(scope="session")
def decoder_config(mock: Path) -> Made:
    """The recipe of a task with a tiny network and short windows: `decoder_config(task, output, "key=value", ...)`."""

    def made(task: str, output: Path, *overrides: str, network: str | None = None) -> DecoderConfig:
        words = [f"data.root={mock / task}", f"output={output}", "optim.epochs=2", *SHORT[task], network or TINY[task]]
        return load_config(DecoderConfig, CONFIGS / f"{RECIPES[task]}.yaml", [*words, *overrides])

    return made


@pytest.fixture(scope="module")
def trained(decoder_config: Made, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a finished run of a task."""
    folder = tmp_path_factory.mktemp("trained")

    def of(task: str) -> Path:
        if not (folder / task).exists():
            assert train_decoder(decoder_config(task, folder / task)).report is not None
        return folder / task

    return of


def report_of(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())  # type: ignore[no-any-return]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


# Recipes.


@pytest.mark.parametrize("task", TASKS)
def test_learning_rates_of_the_recipes(task: str, vectors: Path) -> None:
    config = load_config(DecoderConfig, CONFIGS / f"{RECIPES[task]}.yaml")
    per_epoch, epochs = 3, config.optim.epochs
    optimizer, factor = descent_of(config.optim)([torch.nn.Parameter(torch.zeros(1))], per_epoch, per_epoch * epochs)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    rates = []
    for step in range(per_epoch * epochs):
        if step % per_epoch == 0:
            rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    known = json.loads((vectors / "lr_schedules.json").read_text())
    assert rates == pytest.approx(known.get(f"{task}_per_epoch", [1e-3] * epochs), rel=1e-12)


def test_the_recipes_are_as_published() -> None:
    gestures, handwriting, wrist = (
        load_config(DecoderConfig, CONFIGS / f"{name}.yaml") for name in ("gestures", "handwriting", "wrist")
    )
    assert [(c.optim.optimizer, c.optim.lr, c.optim.weight_decay, c.optim.epochs) for c in (gestures, handwriting, wrist)] == [
        ("adam", 5e-4, 0.0, 250), ("adamw", 6e-4, 0.05, 200), ("adam", 1e-3, 0.0, 300),
    ]  # fmt: skip
    assert [(c.optim.batch, c.optim.accumulate, c.optim.clip_norm) for c in (gestures, handwriting, wrist)] == [
        (64, 1, None), (8, 2, 0.1), (256, 1, 1.0),
    ]  # fmt: skip
    assert [c.select for c in (gestures, handwriting, wrist)] == [
        Selection("val_accuracy", "max"), Selection("val_cer", "min"), Selection("val_loss", "min", 50),
    ]  # fmt: skip
    assert [c.seed for c in (gestures, handwriting, wrist)] == [0, 42, 42]
    assert (gestures.data.window, gestures.data.stride, wrist.data.window, wrist.data.stride) == (16000, 16000, 8000, 8000)
    assert handwriting.data.padding == (19014, 974) and handwriting.data.merge_s == 16.0


@pytest.mark.parametrize("path", sorted(p for t in ("gestures", "handwriting", "wrist") for p in CONFIGS.glob(f"{t}*.yaml")))
def test_a_ready_configuration_fits_either_backbone(path: Path) -> None:
    assert not load_config(DecoderConfig, path).model.network


@pytest.mark.parametrize("name", RECIPES.values())
def test_the_other_ready_configurations(name: str) -> None:
    recipe = load_config(DecoderConfig, CONFIGS / f"{name}.yaml")
    scaling = load_config(DecoderConfig, CONFIGS / f"{name}-scaling.yaml")
    same = replace(recipe, protocol="scaling", output=scaling.output, scaling=scaling.scaling, seed=scaling.seed)
    assert scaling == same and scaling.scaling.seeds == (recipe.seed,)
    personal = load_config(DecoderConfig, CONFIGS / f"{name}-personal.yaml")
    assert personal.protocol == "personal" and personal.task == recipe.task and personal.select is None


# End to end.


@pytest.mark.parametrize("task", TASKS)
def test_a_run_leaves_its_figures_and_a_model(trained: Callable[[str], Path], task: str) -> None:
    folder = trained(task)
    found = {path.name for path in folder.iterdir()}
    assert {"config.yaml", "epochs.csv", "checkpoint", "best.safetensors", "report.json", "users.csv", "stretches.csv"} <= found
    report = report_of(folder)
    history = report["history"]
    assert [row["epoch"] for row in history] == [1, 2]
    assert all(math.isfinite(value) for row in history for value in row.values())
    assert list(report["users"]) == ["user_002"] == [row["user"] for row in rows(folder / "users.csv")]
    headline = {"discrete_gestures": "cler", "handwriting": "cer", "wrist": "mae_deg_s"}[task]
    assert report["users"]["user_002"][headline] == pytest.approx(report["metrics"][headline])
    assert report["examples"] and set(report["validation"]) >= {"val_loss", headline}
    seen = json.loads((folder / "model" / "trained_on.json").read_text())
    assert seen["users"] == ["user_000"] and seen["complete"]


@pytest.mark.parametrize("task", TASKS)
def test_the_data_are_those_of_the_published_pipeline(trained: Callable[[str], Path], vectors: Path, task: str) -> None:
    pipeline = json.loads((vectors / "pipeline_on_mock.json").read_text())
    stretches = report_of(trained(task))["stretches"]
    if task == "handwriting":
        wanted = pipeline["handwriting/test/concat=False/0.0/pad=19014,974"][:-1]
        assert [s["shape"] for s in stretches] == [item["shape"][::-1] for item in wanted]
    else:
        wanted = pipeline[f"{task}/test/None/None"]["items"]
        assert [s["shape"] for s in stretches] == [item["shape"] for item in wanted]
        assert [s["rows"] for s in stretches] == [[item["start_idx"], item["end_idx"]] for item in wanted]
    for name in ("emg_sum", "emg_abs_sum"):
        assert [s[name] for s in stretches] == pytest.approx([item[name] for item in wanted], rel=1e-6)


def test_training_items_are_those_of_the_published_pipeline(decoder_config: Made, vectors: Path, tmp_path: Path) -> None:
    pipeline = json.loads((vectors / "pipeline_on_mock.json").read_text())
    config = decoder_config(
        "discrete_gestures", tmp_path, "data.window=6000", "data.stride=2500", "data.jitter=false",
        "data.augmentation.time_roll=0",
    )  # fmt: skip
    batches = training_set(config, split_of(config).train)
    wanted = pipeline["discrete_gestures/train/6000/2500"]["items"]
    assert len(batches) == len(wanted)
    batch = batches[[(0, i) for i in range(len(batches))]]
    assert batch.tensors["emg"].double().sum((1, 2)).tolist() == pytest.approx([item["emg_sum"] for item in wanted])
    assert batch.tensors["targets"].sum((1, 2)).tolist() == pytest.approx([item["aux_sum"] for item in wanted])


@pytest.mark.parametrize("task", TASKS)
def test_the_best_epoch_is_the_one_tested(
    trained: Callable[[str], Path], decoder_config: Made, task: str, tmp_path: Path
) -> None:
    """The saved model, tested on its own, gives the report's figures and the selected epoch's validation."""
    folder = trained(task)
    report, select = report_of(folder), load_config(DecoderConfig, folder / "config.yaml").select
    assert select is not None and report["selected_by"] == select.metric
    values = [row[select.metric] for row in report["history"]]
    best = max(values) if select.best == "max" else min(values)
    assert report["selected_epoch"] == 1 + values.index(best)
    train_decoder(decoder_config(task, tmp_path, f"init={folder}", "optim.epochs=0"))
    again = report_of(tmp_path)
    assert again["validation"][select.metric] == pytest.approx(best)
    assert [again[part] for part in ("metrics", "users", "stretches")] == [report[p] for p in ("metrics", "users", "stretches")]
    assert again["history"] == []


# Testing.


@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_of_the_released_kind(decoder_config: Made, mock: Path, tmp_path: Path, task: str) -> None:
    checkpoint = mock / "checkpoints" / f"{task}_tiny.ckpt"
    config = decoder_config(task, tmp_path, f"init={checkpoint}", "optim.epochs=0", network="model.network={}")
    report = train_decoder(config).report
    assert report is not None and "CC BY-NC" in str(report["notes"]) and "is not known" in str(report["notes"])
    network = NETWORKS[config.task].from_checkpoint(checkpoint)
    stretch = report["stretches"][0]
    with NeuromotorFile(mock / task / f"{stretch['dataset']}.hdf5") as file, torch.no_grad():
        a, b = stretch["rows"]
        if task == "handwriting":
            assert stretch["outputs"] == network.compute_output_lengths(b - a)
            return
        whole = network(torch.from_numpy(file.emg(a, b).T[None]))[0]
        assert stretch["outputs"] == whole.shape[-1]
        if task == "wrist":
            angles = file.wrist_angles(a, b)[253::40, 0]
            error = np.abs(whole[0, 1:].numpy() - np.diff(angles)).mean()
            assert stretch["mae_deg_s"] == pytest.approx(math.degrees(error) * 50, rel=1e-4)
            mean = np.mean([s["mae_deg_s"] for s in report["stretches"]])
            assert report["metrics"]["mae_deg_s"] == pytest.approx(mean)
        else:
            events = decode_events(torch.sigmoid(whole), file.times(a, b)[20::10])
            labels = [(prompt.name, prompt.time) for prompt in file.gesture_prompts()]
            assert report["metrics"]["cler"] == cler(events, labels)
            inside = [time for _, time in labels if file.times()[a] <= time <= file.times()[b - 1]]
            assert report["metrics"]["labels"] == len(inside)
            assert report["metrics"]["events"] == len(events)


NETWORKS_IN_PIECES = {
    "gestures": lambda: DiscreteGestures(conv_channels=8, lstm_hidden=8, lstm_layers=2),
    "wrist": lambda: Wrist(hidden=8, lstm_hidden=8),
    "handwriting": lambda: Handwriting(hidden_dims=[8], width=8, ffn=8, heads=2),
}


@pytest.mark.parametrize("name", NETWORKS_IN_PIECES)
def test_pieces_join_to_the_whole_and_are_all_that_is_read(name: str) -> None:
    torch.manual_seed(0)
    network = NETWORKS_IN_PIECES[name]().eval()
    emg = np.random.default_rng(0).standard_normal((30_003, 16)).astype(np.float32)
    longest = 0

    def read(start: int, stop: int) -> Any:
        nonlocal longest
        longest = max(longest, stop - start)
        return emg[start:stop]

    pieces = list(outputs_in_pieces(network, read, len(emg), piece_s=1.7))
    time = 1 if name == "handwriting" else 2
    with torch.no_grad():
        whole = network(torch.from_numpy(emg.T[None]))
    torch.testing.assert_close(torch.cat(pieces, time), whole, atol=2e-4, rtol=1e-4)
    assert longest <= 1.7 * 2000 + network.frame_context + network.frame_stride
    assert list(outputs_in_pieces(network, read, network.left_context, piece_s=1.7)) == []


# Stopping and going on.


@pytest.mark.parametrize("task", TASKS)
def test_a_run_that_was_stopped_ends_like_one_that_was_not(decoder_config: Made, tmp_path: Path, task: str) -> None:
    """Two batches a step, the last step of an epoch having one; the first part reads with workers."""
    more = ["optim.accumulate=2", "optim.batch=1", "data.merge_s=6", "data.window=2000"]
    more += ["data.stride=3100" if task == "wrist" else "data.stride=8000"]
    whole, parts = (decoder_config(task, tmp_path / name, *more) for name in ("whole", "parts"))
    result = train_decoder(whole)
    per_epoch = result.fit.steps // 2
    for stop in (1, per_epoch + 1, None):
        data = replace(parts.data, workers=2 if stop == 1 else 0)
        part = train_decoder(replace(parts, stop_after_steps=stop, data=data))
        assert (part.report is None) == (stop is not None)
    assert part.fit == result.fit
    for name in ("metrics.csv", "epochs.csv", "model/model.safetensors", "users.csv", "stretches.csv"):
        ours, theirs = parts.output / name, whole.output / name
        assert ours.exists() == theirs.exists(), name
        assert not ours.exists() or ours.read_bytes() == theirs.read_bytes(), name
    with pytest.raises(ConfigError, match=r"other settings: optim\.lr is 0\.\d+ there"):
        train_decoder(replace(whole, optim=replace(whole.optim, lr=0.5)))


def test_a_kill_after_the_best_weights_and_before_their_checkpoint(decoder_config: Made, tmp_path: Path) -> None:
    config = decoder_config("wrist", tmp_path / "run")
    whole = train_decoder(replace(config, output=tmp_path / "whole"))
    train_decoder(replace(config, stop_after_steps=whole.fit.steps - 1))
    shutil.copytree(config.output / "checkpoint", tmp_path / "checkpoint")
    assert train_decoder(config).fit.best == whole.fit.best and whole.fit.best is not None and whole.fit.best.epoch == 2
    shutil.rmtree(config.output / "checkpoint")
    (tmp_path / "checkpoint").rename(config.output / "checkpoint")
    assert train_decoder(config).fit == whole.fit
    assert (config.output / "epochs.csv").read_bytes() == (tmp_path / "whole" / "epochs.csv").read_bytes()


def test_patience_ends_a_run_and_keeps_it_ended(decoder_config: Made, tmp_path: Path) -> None:
    """A rate of nearly nothing never betters the accuracy of the first epoch."""
    config = decoder_config(
        "discrete_gestures", tmp_path, "optim.epochs=9", "optim.lr=1e-12", "select.patience=2", "optim.batch=8"
    )
    result = train_decoder(config)
    assert result.fit.patience_ended and result.fit.finished and result.report is not None
    assert result.report["selected_epoch"] == 1 and len(result.report["history"]) == 3
    again = train_decoder(config)
    assert again.fit.step == result.fit.step and again.report is not None
    assert len(rows(tmp_path / "epochs.csv")) == 3


def test_a_weight_that_is_best_is_kept_when_later_ones_are_worse(decoder_config: Made, tmp_path: Path) -> None:
    config = decoder_config("wrist", tmp_path, "optim.epochs=4", "optim.lr=0.3", "optim.clip_norm=null")
    report = train_decoder(config).report
    assert report is not None
    losses = [row["val_loss"] for row in report["history"]]
    assert report["selected_epoch"] == 1 + int(np.argmin(losses))
    kept, saved = load_file(tmp_path / "best.safetensors"), load_file(tmp_path / "model" / "model.safetensors")
    assert all(torch.equal(kept[f"network.{name}"], value) for name, value in saved.items())
    assert report["validation"]["val_loss"] == pytest.approx(min(losses))


def test_a_loss_that_is_not_finite_stops_the_run(decoder_config: Made, tmp_path: Path) -> None:
    config = decoder_config("wrist", tmp_path, "optim.lr=1e37")
    with pytest.raises(AEMGError, match=r"not finite.*bad_batch\.pt"):
        train_decoder(config)
    bad = torch.load(tmp_path / "bad_batch.pt", weights_only=True)
    assert bad["emg"].shape[1] == 16 and set(bad["users"]) == {"user_000"} and len(bad["samples"]) == len(bad["emg"])
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("task", TASKS)
def test_the_aemg_backbone(decoder_config: Made, tmp_path: Path, task: str) -> None:
    encoder = AEMG(AEMGConfig(network=AEMG_TINY))
    encoder.save_pretrained(tmp_path / "encoder")
    words = ["model.backbone=aemg", f"model.encoder={tmp_path / 'encoder'}", "optim.epochs=1", "optim.batch=8"]
    network = "model.network={sentence_tokens: 2, lstm_hidden: 8, lstm_layers: 1}"
    report = train_decoder(decoder_config(task, tmp_path / "run", *words, network=network)).report
    assert report is not None and report["model"]["backbone"] == "aemg"
    words = ["model.backbone=aemg", f"init={tmp_path / 'run'}", "optim.epochs=0"]
    train_decoder(decoder_config(task, tmp_path / "again", *words, network="model.network={}"))
    assert report_of(tmp_path / "again")["stretches"] == report_of(tmp_path / "run")["stretches"]


def test_whom_a_pre_trained_encoder_has_seen_is_told(decoder_config: Made, tmp_path: Path) -> None:
    seen = Seen(people={"meta-wrist": ("user_002",), "meta-gestures": ("user_001",), "uci-gestures": ("user_003",)})
    AEMG(AEMGConfig(network=AEMG_TINY), seen=seen).save_pretrained(tmp_path / "encoder")
    config = decoder_config("wrist", tmp_path / "run", "model.backbone=aemg", f"model.encoder={tmp_path / 'encoder'}")
    assert make_network(replace(config, model=replace(config.model, network={}))).trained_on.users == ("user_002",)


# Curves.


def test_the_curve_over_training_users(decoder_config: Made, tmp_path: Path) -> None:
    config = replace(decoder_config("wrist", tmp_path, "optim.epochs=1", "scaling.seeds=[0, 1]"), protocol="scaling")
    curve = decode(config)
    assert curve is not None and [point["group"] for point in curve["points"]] == ["seed 0", "seed 1"]
    assert curve["summary"][0]["runs"] == 2 and curve["summary"][0]["x"] == 1
    assert json.loads((tmp_path / "curve.json").read_text())["summary"] == curve["summary"]
    assert len(rows(tmp_path / "curve.csv")) == 2
    written = (tmp_path / "seed-0" / "users-001" / "report.json").stat().st_mtime_ns
    assert decode(config) == curve
    assert (tmp_path / "seed-0" / "users-001" / "report.json").stat().st_mtime_ns == written, "it is not done again"
    with pytest.raises(ConfigError, match="train_users = 2, but there are 1"):
        decode(replace(config, scaling=replace(config.scaling, users=(2,))))


@pytest.mark.parametrize("task", TASKS)
def test_the_curve_of_a_single_user(decoder_config: Made, trained: Callable[[str], Path], tmp_path: Path, task: str) -> None:
    words = [f"init={trained(task)}", "personal.minutes=[0.05, 0.08]", "optim.epochs=1", "data.window=2000", "optim.batch=4"]
    config = replace(decoder_config(task, tmp_path, *words), protocol="personal", select=None)
    curve = decode(config)
    assert curve is not None
    assert [(point["x"], point["group"]) for point in curve["points"]] == [(x, "user_002") for x in (0, 0.05, 0.08)]
    folders = [tmp_path / "user_002" / f"minutes-{minutes}" for minutes in ("0", "0.05", "0.08")]
    tested = [[(s["dataset"], s["rows"]) for s in report_of(folder)["stretches"]] for folder in folders]
    assert tested[0] == tested[1] == tested[2]
    items = [report_of(folder)["data"].get("train_items", 0) for folder in folders]
    assert 0 == items[0] < items[1] <= items[2]
    with pytest.raises(LeakError, match=r"was trained on user_000"):
        decode(replace(config, personal=replace(config.personal, users=(0,))))
    with pytest.raises(AEMGError, match=r"user_002 has .* minutes"):
        decode(replace(config, personal=replace(config.personal, users=(2,), minutes=(60.0,))))


@given(st.lists(st.floats(0.1, 20), min_size=1, max_size=8), st.floats(0, 80), st.booleans())
@settings(deadline=None, derandomize=True)
def test_dividing_stretches(lengths: list[float], seconds: float, whole: bool) -> None:
    starts = np.cumsum([0.0, *(length + 1 for length in lengths)])
    stretches = [Partition(f"d{i}", float(a), float(a) + length) for i, (a, length) in enumerate(zip(starts, lengths))]
    first, rest = divided(stretches, seconds, whole=whole)

    def duration(parts: list[Partition]) -> float:
        return sum((part.end or 0) - (part.start or 0) for part in parts)

    assert duration(first) + duration(rest) == pytest.approx(sum(lengths))
    assert duration(first) <= seconds + 1e-6
    assert all((a.end or 0) <= (b.start or 0) for a, b in zip([*first, *rest], [*first, *rest][1:]))
    if whole:
        assert [*first, *rest] == stretches
    else:
        assert duration(first) == pytest.approx(min(seconds, sum(lengths)), abs=1e-6)


@given(st.integers(1, 100), st.integers(0, 5), st.data())
@settings(deadline=None, derandomize=True)
def test_a_smaller_draw_of_users_is_part_of_a_larger_one(everyone: int, seed: int, data: st.DataObject) -> None:
    users = [user_name(i) for i in range(everyone)]
    more = data.draw(st.integers(1, everyone))
    fewer = data.draw(st.integers(1, more))
    drawn = drawn_users(users, more, seed)
    assert len(set(drawn)) == more and set(drawn_users(users[::-1], fewer, seed)) <= set(drawn)
    sizes = doublings(everyone)
    assert sizes[0] == 1 and sizes[-1] == everyone and list(sizes) == sorted(set(sizes))


@given(st.integers(1, 60), st.integers(1, 5), st.integers(1, 3))
@settings(deadline=None, derandomize=True)
def test_an_epoch_leaves_out_fewer_samples_than_there_are_processes(samples: int, times: int, world: int) -> None:
    assume(samples >= world)
    batch = times * world
    steps = EpochSampler.steps_per_epoch(samples, batch, keep_last=True, world=world)
    parts = [
        list(EpochSampler(samples, batch, seed=0, rank=r, world=world, first_step=0, steps=steps, keep_last=True))
        for r in range(world)
    ]
    seen = [sample for part in parts for b in part for _, sample in b]
    assert all(b for part in parts for b in part), "every process has its share of every batch"
    assert len(set(seen)) == len(seen) > samples - world


# What is refused.


def test_refusals(decoder_config: Made, mock: Path, trained: Callable[[str], Path], tmp_path: Path) -> None:
    def refused(match: str, *words: str, task: str = "wrist", network: str | None = None) -> None:
        with pytest.raises(AEMGError, match=match):
            decode(decoder_config(task, tmp_path / "run", *words, network=network))

    refused("data.root=DIR is missing", "data.root=null")
    refused("is no folder", "data.root=/nowhere")
    refused("init=CHECKPOINT, which is missing", "optim.epochs=0")
    refused(r"select\.metric of wrist must be one of val_loss", "select.metric=val_cer")
    refused(r"optim\.batch must be 1 or more", "optim.batch=0")
    refused("no user user_077", "data.users=[77]")
    refused("Wrist has no setting conv_channels", network="model.network={conv_channels: 3}")
    refused("holds a Wrist, but task=discrete_gestures", f"init={trained('wrist')}", task="discrete_gestures")
    refused("'hidden': 99} does not fit the weights", f"init={trained('wrist')}", network="model.network={hidden: 99}")
    refused("none", f"init={tmp_path / 'none.ckpt'}")
    refused("model.encoder is for", "model.encoder=somewhere")
    refused("needs init", "protocol=personal")
    refused("no training data", "data.users=[2]")


# As typed.


@pytest.fixture(scope="module")
def main() -> Callable[[list[str]], int]:
    return runpy.run_path(str(REPOSITORY / "finetune"), run_name="command")["main"]  # type: ignore[no-any-return]


def test_two_processes_as_typed(decoder_config: Made, mock: Path, tmp_path: Path) -> None:
    """Two processes of one window each see what one process of two sees, but for how sums are rounded."""
    words = [f"data.root={mock / 'wrist'}", "data.window=2000", "optim.epochs=2", TINY["wrist"], "data.jitter=true"]
    words += ["optim.batch=1", f"output={tmp_path / 'two'}"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "1", "--nproc_per_node", "2"]
    where = ["--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"]
    done = subprocess.run(
        [*torchrun, *where, "finetune", "decoder", "--config", str(CONFIGS / "wrist.yaml"), *words],
        cwd=REPOSITORY,
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "mae_deg_s" in done.stdout and (tmp_path / "two" / "report.html").exists()
    one = train_decoder(decoder_config("wrist", tmp_path / "one", "optim.batch=2")).report
    two = report_of(tmp_path / "two")
    assert one is not None and two["model"]["processes"] == 2
    for name in ("val_loss", "loss"):
        assert [r[name] for r in two["history"]] == pytest.approx([r[name] for r in one["history"]], rel=2e-3)
    assert [s["rows"] for s in two["stretches"]] == [list(s["rows"]) for s in one["stretches"]]
    assert two["metrics"]["mae_deg_s"] == pytest.approx(one["metrics"]["mae_deg_s"], rel=2e-3)


def test_evaluation_as_typed(
    main: Callable[[list[str]], int], mock: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["decoder", "--config", str(CONFIGS / "gestures.yaml"), f"data.root={mock / 'discrete_gestures'}", "optim.epochs=0"]
    checkpoint = f"init={mock / 'checkpoints' / 'discrete_gestures_tiny.ckpt'}"
    assert main([*words, checkpoint, f"output={tmp_path}"]) == 0
    said = capsys.readouterr().out
    assert "validation: val_loss" in said and "metrics: cler" in said and str(tmp_path / "report.html") in said
    assert "user_002" in (tmp_path / "report.html").read_text()
    assert main([*words, "init=nowhere.ckpt", f"output={tmp_path / 'none'}"]) == 2
    assert "error: " in capsys.readouterr().err
    assert main([*words, checkpoint, "optim.epocs=1"]) == 2
    assert "optim.epocs: no such key" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "finetune decoder --config configs/finetune/gestures.yaml" in capsys.readouterr().out


def test_a_curve_as_typed(
    main: Callable[[list[str]], int],
    trained: Callable[[str], Path],
    mock: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.copytree(trained("wrist"), tmp_path / "init")
    words = ["decoder", "--config", str(CONFIGS / "wrist-personal.yaml"), f"data.root={mock / 'wrist'}", "optim.epochs=1"]
    words += ["data.window=1000", "personal.minutes=[0.04]", f"init={tmp_path / 'init'}", f"output={tmp_path / 'curve'}"]
    assert main(words) == 0
    assert "0.04 minutes: mae_deg_s" in capsys.readouterr().out
    assert "minutes of the user" in (tmp_path / "curve" / "curve.html").read_text()


def test_runs_become_one_table(trained: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    summarise = runpy.run_path(str(REPOSITORY / "finetune" / "summarise_decoders.py"))["main"]
    assert summarise([str(trained("wrist")), "--out", str(tmp_path / "table")]) == 0
    assert "| user_002 |" in (tmp_path / "table.md").read_text() and "| user_002 |" in capsys.readouterr().out
    summary = json.loads((tmp_path / "table.json").read_text())["wrist"]
    assert summary["metrics"] == report_of(trained("wrist"))["metrics"]
    assert str(trained("wrist").parent) not in (tmp_path / "table.json").read_text()
    assert summarise([str(tmp_path), "--out", str(tmp_path / "table")]) == 2
    assert "report.json" in capsys.readouterr().err
