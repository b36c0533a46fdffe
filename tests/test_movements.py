"""Stage 3: movements are learnt from the labels of several sets at once, each stretch among those of its own set."""

from __future__ import annotations

import csv
import json
import math
import pickle
import runpy
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aemg.config import load_config, save_config
from aemg.corpus import prepare
from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError, ConfigError
from aemg.model import AEMG, AEMGConfig, Seen
from aemg.model.augment import Augmentation, Span, augmented
from aemg.model.describe import MEASURED
from aemg.model.labelled import labelled_stretches, thinned
from aemg.sessions import WINDOW_S, Session, SessionStore
from aemg.signals import Interval, Recording
from aemg.simulation import simulate_set
from aemg.topology import Worn
from aemg.training import MovementsConfig, OptimConfig, RunConfig, TrainingDataConfig, pretrain
from aemg.training.movements import MovementBatch, MovementDataset, MovementTask, own_log_softmax, smoothed
from aemg.training.recipe import Recipe, StageRecipe

ROOT = Path(__file__).parents[1]
Made = Callable[..., RunConfig]
Loading = Callable[..., MovementDataset]
PLAIN = MovementsConfig(dropout=0.0, smoothing=0.0, crop=0.0, drop_tokens=0.0, gain_jitter=0.0, level_jitter=0.0)


def rows(path: Path) -> list[dict[str, float]]:
    with path.open(newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


def relabelled(reader: DatasetReader, names: dict[str, str]) -> DatasetReader:
    """A reader whose labels are others, or left out where `names` lacks them."""
    return replace(reader, read_source=partial(_read_relabelled, reader, names))


def _read_relabelled(reader: DatasetReader, names: dict[str, str], root: Path, source: str) -> list[Recording]:
    return [
        replace(r, intervals=tuple(replace(i, label=names[i.label]) for i in r.intervals if i.label in names))
        for r in reader.read_source(root, source)
    ]


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sim-a: fist and wrist_flexion; sim-b: fist and palm; sim-one has a single label, sim-bare none."""
    folder = tmp_path_factory.mktemp("movements")
    kept = {"device": "myo", "gestures": ("hand_close", "wrist_flexion"), "repetitions": 2, "hold_s": 1.0, "rest_s": 0.5}
    names: dict[str, dict[str, str]] = {
        "sim-a": {"hand_close": "fist", "wrist_flexion": "wrist_flexion"},
        "sim-b": {"hand_close": "fist", "wrist_flexion": "palm"},
        "sim-one": {"hand_close": "alone"},
        "sim-bare": {},
    }
    for seed, (name, labels) in enumerate(names.items()):
        prepare(relabelled(simulate_set(name, people=2, seed=seed, **kept), labels), folder, jobs=1)  # type: ignore[arg-type]
    default = AEMGConfig()
    SessionStore(folder, default.space, default.tokenizer).ensure(jobs=1)
    return folder


@pytest.fixture(scope="module")
def loading(two_sets: Path) -> Loading:
    """Makes a data set of some of the sets: `loading(sets, movements, **keys of TrainingDataConfig)`."""
    default = AEMGConfig()
    store = SessionStore(two_sets, default.space, default.tokenizer)

    def made(sets: tuple[str, ...], movements: MovementsConfig | None = None, **data: object) -> MovementDataset:
        keys = [key for key in store.ensure(jobs=1) if key.dataset in sets]
        config = TrainingDataConfig(corpus=two_sets, **data)  # type: ignore[arg-type]
        return MovementDataset(store, keys, {keys[0]: Worn(5)}, config, movements or MovementsConfig(), 0)

    return made


def everything(dataset: MovementDataset, epoch: int = 0) -> MovementBatch:
    return dataset[[(epoch, i) for i in range(len(dataset.pieces))]]


# Labelled stretches.


@given(st.lists(st.integers(0, 4), max_size=40))
def test_thinning_levels_the_commonest_label_alone(labels: list[int]) -> None:
    kept = thinned(labels)
    assert kept == sorted(set(kept))
    before, after = np.bincount(labels, minlength=5), np.bincount([labels[i] for i in kept], minlength=5)
    assert sorted(after) == sorted(np.minimum(before, np.sort(before)[-2] if (before > 0).sum() > 1 else before))
    if before.max(initial=0) > (limit := np.sort(before)[-2]) > 1:
        of_most = [i for i, label in enumerate(labels) if label == before.argmax()]
        assert {of_most[0], of_most[-1]} <= set(kept), "from the whole session"
        assert (after > 0).sum() == (before > 0).sum() and after.max() == limit


def test_only_stretches_with_a_window_count(sessions: list[Session]) -> None:
    one = replace(sessions[0].recordings[0], intervals=(
        Interval(0.0, 1.0, "a"), Interval(1.0, 1.24, "b"), Interval(1.01, 1.27, "c"), Interval(2.0, 2.5, "d"),
    ))  # fmt: skip
    session = replace(sessions[0], recordings=(one,))
    assert [s.interval.label for s in labelled_stretches(session)] == ["a", "d"], "one too short, one between windows"
    assert [s.interval.label for s in labelled_stretches(session, {"d"})] == ["d"]


# Augmentation.


def spans(sessions: list[Session]) -> list[Span]:
    return [
        Span(session, stretch.recording, stretch.interval.start_s, stretch.interval.end_s, Worn())
        for session in sessions[:2]
        for stretch in labelled_stretches(session)
    ]


def chances(n: int) -> list[np.random.Generator]:
    return [np.random.default_rng(i) for i in range(n)]


def test_without_change_a_stretch_stays_as_it_is(sessions: list[Session]) -> None:
    whole = spans(sessions)
    batch = augmented(whole, Augmentation(0, 0, 0, 0, 0), chances(len(whole)))
    again = augmented(whole, Augmentation(0, 0, 0, 0, 0), chances(len(whole))[::-1])
    assert torch.equal(batch.waves, again.waves) and torch.equal(batch.summary, again.summary)
    short = augmented(whole, Augmentation(0, 0, 0, 0, 0), chances(len(whole)), longest=2)
    assert short.valid.shape[1] == 2 < batch.valid.shape[1]
    assert torch.equal(short.valid.sum(1), batch.valid.sum(1).clamp(max=2))


def test_crops_are_windows_at_least_and_log_uniform(sessions: list[Session]) -> None:
    span = spans(sessions)[0]
    long = replace(span, start_s=0.0, end_s=16 * WINDOW_S)
    batch = augmented([long] * 400, Augmentation(1.0, 0, 0, 0, 0), chances(400))
    counts = batch.valid.sum(1).numpy()
    whole = int(augmented([long], Augmentation(0, 0, 0, 0, 0), chances(1)).valid.sum())
    assert 0.3 < np.mean(counts <= whole / 4) < 0.7, "half of them last at most the geometric mean of a window and the whole"


def test_gain_and_turn_are_those_of_the_whole_sentence(sessions: list[Session]) -> None:
    whole = spans(sessions)
    plain = augmented(whole, Augmentation(0, 0, 0, 0, 0), chances(len(whole)))
    loud = augmented(whole, Augmentation(0, 0, 0.3, 0, 0), chances(len(whole)))
    gain = ((loud.sigma - plain.sigma) * plain.slots[:, None]).flatten(1)
    assert (gain.max(1).values - gain.min(1).values).max() < 1e-4 and 0.1 < gain.mean(1).std() < 0.6
    turned = augmented(whole, Augmentation(0, 0, 0, 0, 1), chances(len(whole)))
    ways = [torch.equal(t, p.roll(k, 1)) for t, p in zip(turned.waves, plain.waves) for k in (-1, 0, 1)]
    assert sum(ways) == len(whole)
    dropped = augmented(whole * 4, Augmentation(0, 0.2, 0, 0, 0), chances(4 * len(whole)))
    assert float(dropped.valid.sum() / plain.valid.sum() / 4) == pytest.approx(0.8, abs=0.07)


# The data set.


def test_sets_share_a_name_and_no_more(loading: Loading) -> None:
    dataset = loading(("sim-a", "sim-b", "sim-one", "sim-bare"))
    assert dataset.names == ("fist", "palm", "wrist_flexion"), "a set with one label teaches nothing"
    own = dict(zip(dataset.sets, dataset.own.tolist()))
    assert own == {
        "sim-a": [True, False, True], "sim-b": [True, True, False], "sim-one": [False] * 3, "sim-bare": [False] * 3,
    }  # fmt: skip
    batch = everything(dataset)
    assert batch.own.gather(1, batch.labels[:, None]).all()
    assert {tuple(row) for row in batch.own.tolist()} == {(True, False, True), (True, True, False)}
    assert dataset.pieces.dtype.itemsize <= 28


def test_a_stretch_depends_on_epoch_and_number_alone(loading: Loading) -> None:
    dataset = loading(("sim-a", "sim-b"))
    alone, together = dataset[[(3, 5)]].sentences, pickle.loads(pickle.dumps(dataset))[[(3, 1), (3, 5)]].sentences
    n = int(alone.valid.sum())
    assert torch.equal(alone.waves[0, :n], together.waves[1, :n]) and torch.equal(alone.summary[0], together.summary[1])
    others = [dataset[[(epoch, 5)]].sentences.summary for epoch in range(4, 12)]
    assert all(not torch.equal(alone.summary, other) for other in others)


@pytest.mark.parametrize("turns", ["registered", "nominal", "random"])
def test_turns(loading: Loading, turns: str) -> None:
    made = loading(("sim-a",), PLAIN, turns=turns, jitter_slots=0)
    plain = loading(("sim-a",), PLAIN, turns="nominal", jitter_slots=0)[[(0, 0)]].sentences.waves
    waves = [made[[(epoch, 0)]].sentences.waves for epoch in range(8)]
    if turns == "random":
        assert any(not torch.equal(waves[0], other) for other in waves[1:])
    else:
        assert all(torch.equal(w, plain[:, :, Worn(5 if turns == "registered" else 0).order]) for w in waves)


def test_weights_of_the_mixture_count_stretches(loading: Loading) -> None:
    dataset = loading(("sim-a", "sim-b"), weights={"sim-b": 0.5})
    of_a = int((dataset.own[:, dataset.names.index("wrist_flexion")][dataset._set_of[dataset.pieces["session"]]]).sum())
    assert len(dataset) == of_a + (len(dataset.pieces) - of_a) // 2 == len(dataset.order(np.random.default_rng(0)))


# The task.


@given(st.integers(0, 99), st.sampled_from([0.0, 0.1, 0.5]))
def test_the_softmax_runs_over_the_own_set_alone(seed: int, smoothing: float) -> None:
    chance = torch.Generator().manual_seed(seed)
    own = torch.rand(6, 7, generator=chance) < 0.5
    labels = torch.randint(7, (6,), generator=chance)
    own.scatter_(1, labels[:, None], True)
    logits = torch.randn(6, 7, generator=chance)
    probabilities = own_log_softmax(logits, own).exp()
    assert (probabilities[~own] == 0).all() and torch.allclose(probabilities.sum(1), torch.ones(6))
    target = smoothed(labels, own, smoothing)
    assert torch.allclose(target.sum(1), torch.ones(6)) and (target[~own] == 0).all()
    assert torch.allclose(target.gather(1, labels[:, None])[:, 0], 1 - smoothing + smoothing / own.sum(1))


def test_foreign_names_get_no_gradient(loading: Loading) -> None:
    """A head's entry of a name that only sim-b has learns nothing from stretches of sim-a."""
    dataset = loading(("sim-a", "sim-b"))
    batch = everything(dataset)
    task = MovementTask(AEMG(AEMGConfig()).eval(), 3, MovementsConfig())
    of_a = [i for i in range(len(batch.labels)) if batch.own[i, 2]]
    sums = task(dataset[[(0, i) for i in of_a]])
    sums["loss"].backward()
    assert int(sums["count"]) == len(of_a) and math.isfinite(float(sums["loss"].detach()))
    for head in (task.token_head, task.sentence_head):
        assert head.weight.grad is not None and head.bias.grad is not None
        assert not head.weight.grad[1].any() and not head.bias.grad[1]
        assert head.weight.grad[0].any() and head.weight.grad[2].any()


def test_what_was_measured_is_that_of_the_same_stretches(loading: Loading) -> None:
    still = replace(PLAIN, crop=0.0, drop_tokens=0.0)
    dataset = loading(("sim-a",), still, jitter_slots=0)
    batch = dataset[[(0, 0), (0, 1)]]
    assert batch.measured.shape == (2, MEASURED) and batch.to("cpu").measured is not None
    # the first entries by slot are standardised amplitudes, which the sentence's summary tells as well, evenly weighed
    amplitude = batch.measured[:, : 16 * 4].reshape(2, 16, 4)[..., 0]
    told = batch.sentences.summary.reshape(2, 16, 5)[..., 1]
    assert np.corrcoef(amplitude.ravel(), told.ravel())[0, 1] > 0.8


def test_what_was_measured_may_be_measured_at_the_unified_rate(loading: Loading, monkeypatch: pytest.MonkeyPatch) -> None:
    native, unified = (loading(("sim-a",), replace(PLAIN, unified=u), jitter_slots=0)[[(0, 0)]] for u in (False, True))
    assert torch.equal(native.sentences.features, unified.sentences.features)
    np.testing.assert_allclose(native.measured, unified.measured, atol=1e-3)  # a device of the unified rate
    monkeypatch.setattr(Session, "at_unified_rate", property(lambda s: replace(s, slot_features=2 * s.slot_features[::-1])))
    other = loading(("sim-a",), replace(PLAIN, unified=True), jitter_slots=0)[[(0, 0)]]
    assert not np.allclose(other.measured, unified.measured, atol=1e-2)


def test_what_was_measured_weighs_as_asked(loading: Loading) -> None:
    batch = everything(loading(("sim-a",)))
    model = AEMG(AEMGConfig()).eval()
    tasks = [MovementTask(model, 2, replace(PLAIN, measured=weight)).eval() for weight in (0.0, 2.0, 4.0)]
    with torch.no_grad():
        for task in tasks[1:]:
            task.load_state_dict(tasks[0].state_dict())
        none, two, four = (float(task(batch)["loss"]) for task in tasks)
    assert four - two == pytest.approx(two - none, rel=1e-4) and two > none
    with pytest.raises(ConfigError, match=r"movements\.measured must be 0 or more"):
        MovementsConfig(measured=-1.0)


def test_a_stretch_without_tokens_has_a_loss(loading: Loading) -> None:
    bare = loading(("sim-a",), replace(PLAIN, drop_tokens=1.0))
    task = MovementTask(AEMG(AEMGConfig()).eval(), 2, PLAIN)
    sums = task(everything(bare))
    sums["loss"].backward()
    assert math.isfinite(float(sums["loss"].detach())) and sums["accuracy_tokens"] == 0
    assert all(torch.isfinite(p.grad).all() for p in task.parameters() if p.grad is not None)


# The stage.


def stage_three(run_config: Made, output: Path, given_model: Path, **other: object) -> RunConfig:
    return run_config(output, objective="movements", tokenizer=given_model, **other)


def test_movements_are_learnt(run_config: Made, runs: Path, corpus: Path, tmp_path: Path) -> None:
    data = TrainingDataConfig(corpus=corpus, sentence_tokens=8, exclude_people={"sim-myo": ("P01", "P02")})
    optim = OptimConfig(epochs=25, batch=8, lr=5e-3)
    few_steps = MovementsConfig(measured=1.0)
    config = stage_three(run_config, tmp_path / "run", runs / "pretrain", data=data, optim=optim, movements=few_steps)
    assert pretrain(config).finished
    figures = rows(tmp_path / "run" / "metrics.csv")
    assert np.mean([row["missed"] for row in figures[-10:]]) < 0.5 * np.mean([row["missed"] for row in figures[:3]])
    assert np.mean([row["accuracy"] for row in figures[-10:]]) > 0.6, "of four movements or five"
    assert np.mean([row["accuracy_tokens"] for row in figures[-10:]]) > 0.4
    before, after = (AEMG.from_pretrained(folder / "model") for folder in (runs / "pretrain", tmp_path / "run"))
    assert after.stage == "movements" and after.seen == before.seen and after.forearm == before.forearm
    assert after.seen.people == {"sim-myo": ("P03", "P04")}
    for name, value in before.tokenizer.state_dict().items():
        assert torch.equal(after.tokenizer.state_dict()[name], value), name
    assert any(not torch.equal(a, b) for a, b in zip(before.encoder.parameters(), after.encoder.parameters()))
    assert not [name for name in after.state_dict() if "head" in name], "the heads are thrown away"


def test_a_run_that_was_stopped_ends_like_one_that_was_not(run_config: Made, runs: Path, tmp_path: Path) -> None:
    whole, parts = (stage_three(run_config, tmp_path / n, runs / "pretrain", epochs=2, batch=16) for n in ("whole", "parts"))
    result = pretrain(whole)
    worked = replace(parts, data=replace(parts.data, workers=1))
    for config, stop in ((parts, 2), (worked, result.steps // 2 + 1), (parts, None)):
        assert pretrain(replace(config, stop_after_steps=stop)).finished == (stop is None)
    for name in ("metrics.csv", "epochs.csv", "model/model.safetensors", "model/seen.json"):
        assert (parts.output / name).read_bytes() == (whole.output / name).read_bytes(), name
    with pytest.raises(ConfigError, match="start is 'given' there and 'fresh' here"):
        pretrain(replace(parts, start="fresh"))


def test_a_fresh_encoder_begins_anew(run_config: Made, runs: Path, tmp_path: Path) -> None:
    optim = OptimConfig(epochs=1, batch=8, lr=1e-9, final_lr=1e-10)
    near = {}
    for start in ("given", "fresh"):
        config = stage_three(run_config, tmp_path / start, runs / "pretrain", optim=optim, start=start, stop_after_steps=None)
        pretrain(config)
        near[start] = AEMG.from_pretrained(tmp_path / start / "model")
    before = AEMG.from_pretrained(runs / "pretrain" / "model")
    name = "encoder.norm_out.weight"
    weights = {start: model.state_dict()["encoder.sentence_token"] for start, model in near.items()}
    assert torch.allclose(weights["given"], before.state_dict()["encoder.sentence_token"], atol=1e-6)
    assert not torch.allclose(weights["fresh"], weights["given"], atol=1e-3)
    assert torch.allclose(near["fresh"].state_dict()[name], torch.ones(32), atol=1e-6)
    assert torch.equal(near["fresh"].tokenizer.codebook.entries, before.tokenizer.codebook.entries)
    assert near["fresh"].seen.people["sim-myo"] == ("P01", "P02", "P03", "P04"), "the codebook's and the labels' people"


def test_people_who_were_left_out_are_not_seen(run_config: Made, runs: Path, crowd_corpus: Path, tmp_path: Path) -> None:
    data = TrainingDataConfig(corpus=crowd_corpus, exclude_people={"sim-a": ("P01",)})
    pretrain(stage_three(run_config, tmp_path, runs / "tokenizer", epochs=1, batch=2, data=data))
    seen = json.loads((tmp_path / "model" / "seen.json").read_text())
    assert seen["people"] == {"sim-a": ["P02"], "sim-b": ["P02"], "sim-myo": ["P03", "P04"]}


@pytest.mark.parametrize("name", ["sim-bare", "sim-one"])
def test_want_of_labels_is_told(run_config: Made, runs: Path, two_sets: Path, tmp_path: Path, name: str) -> None:
    data = TrainingDataConfig(corpus=two_sets, sets=(name,))
    with pytest.raises(AEMGError, match=r"learns from labels, but no set .* objective=codes"):
        pretrain(stage_three(run_config, tmp_path / "run", runs / "pretrain", data=data))
    assert not (tmp_path / "run" / "model").exists()


def test_what_may_not_be_given_away_is_refused(run_config: Made, runs: Path, corpus: Path, tmp_path: Path) -> None:
    model = AEMG.from_pretrained(runs / "pretrain" / "model")
    model.seen = model.seen + Seen({"closed": ("1",)}, frozenset(), {"closed": "CC-BY-NC-4.0"}, ("closed",))
    model.save_pretrained(tmp_path / "closed")
    data = TrainingDataConfig(corpus=corpus, permissive_only=True)
    with pytest.raises(AEMGError, match=r"closed \(CC-BY-NC-4\.0\), whose licence it inherits"):
        pretrain(stage_three(run_config, tmp_path / "run", tmp_path / "closed", data=data))


def test_settings_out_of_range_are_refused() -> None:
    for values in ({"dropout": 1.0}, {"smoothing": -0.1}, {"crop": 1.5}, {"drop_tokens": -0.1}):
        with pytest.raises(ConfigError, match=next(iter(values))):
            MovementsConfig(**values)


# The commands that run the stages one after the other.


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """What is typed for every stage; the one that learns movements fails."""
    calls: list[dict[str, str]] = []

    def note(call: list[str], check: bool) -> subprocess.CompletedProcess[str]:
        words = dict(word.split("=", 1) for word in call if "=" in word)
        calls.append({**words, "command": Path(call[1]).name, "config": Path(call[call.index("--config") + 1]).name})
        return subprocess.CompletedProcess(call, 7 if "movements" in calls[-1]["config"] else 0)

    monkeypatch.setattr(subprocess, "run", note)
    return calls


def test_every_share_runs_the_three_stages(typed: list[dict[str, str]], corpus: Path, tmp_path: Path) -> None:
    main = runpy.run_path(str(ROOT / "pretrain" / "shares.py"), run_name="command")["main"]
    assert main(["--corpus", str(corpus), "--output", str(tmp_path), "--shares", "2", "--only", "1", "seed=3"]) == 7
    places = [
        (call["command"], call["config"], Path(call["output"]).name, Path(call["tokenizer"]).name) for call in typed
    ]
    assert places == [
        ("tokenizer", "tiny.yaml", "tokenizer", "tokenizer"),
        ("pretrain", "tiny.yaml", "pretrain", "tokenizer"),
        ("pretrain", "movements-tiny.yaml", "movements", "pretrain"),
    ]
    assert all(call["seed"] == "3" and "sim-myo" in call["data.exclude_people"] for call in typed)
    assert all(Path(call["output"]).parent == tmp_path / "1" for call in typed)


def test_a_release_goes_from_stage_to_stage(typed: list[dict[str, str]], corpus: Path, tmp_path: Path) -> None:
    stages = {
        "tokenizer": StageRecipe(Path("configs/tokenizer/tiny.yaml")),
        "pretrain": StageRecipe(Path("configs/pretrain/tiny.yaml")),
        "movements": StageRecipe(Path("configs/pretrain/movements-tiny.yaml"), {"start": "fresh"}, "pretrain"),
    }
    save_config(Recipe("m", "1", ("sim-myo",), stages), tmp_path / "recipe.yaml")
    main = runpy.run_path(str(ROOT / "pretrain" / "release.py"), run_name="command")["main"]
    assert main(["--recipe", str(tmp_path / "recipe.yaml"), "--corpus", str(corpus), "--out", str(tmp_path / "out")]) == 7
    assert [(call["command"], Path(call["output"]).name, Path(call["tokenizer"]).name) for call in typed] == [
        ("tokenizer", "tokenizer", "tokenizer"), ("pretrain", "pretrain", "tokenizer"), ("pretrain", "movements", "pretrain"),
    ]  # fmt: skip
    assert typed[-1]["start"] == "fresh"


@pytest.mark.parametrize("file", sorted((ROOT / "configs" / "recipes").glob("*.yaml")), ids=lambda file: file.stem)
def test_ready_recipes_end_with_movements(file: Path) -> None:
    name, stage = list(load_config(Recipe, file).stages.items())[-1]
    assert (name, stage.command) == ("movements", "pretrain")
    config = load_config(RunConfig, ROOT / stage.config)
    assert config.objective == "movements" and config.movements == MovementsConfig()
