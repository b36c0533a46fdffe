"""The benchmark suite: what each protocol trains on, sees and tests, on simulated people; resuming; certificates."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.corpus import prepare
from aemg.datasets.base import DatasetReader
from aemg.errors import ConfigError
from aemg.evaluation.baselines import BASELINES, mdd, vada
from aemg.evaluation.benchmark import PROTOCOLS, BenchmarkConfig, benchmark, cells, protocol_named, target
from aemg.evaluation.benchmark import person as person_module
from aemg.evaluation.benchmark.cells import Sets, cell_file, run_job, some_people
from aemg.evaluation.benchmark.ground import Ground
from aemg.evaluation.benchmark.person import part_of
from aemg.evaluation.benchmark.rows import Case, Row, by_trial, metrics_of
from aemg.evaluation.benchmark.run import losses, plan
from aemg.evaluation.benchmark.target import Heard, Inapplicable, first_seconds, hear
from aemg.evaluation.classifier import Predictions
from aemg.evaluation.config import EvaluationDataConfig, FewShotConfig, FinetuneConfig
from aemg.evaluation.material import make_ready
from aemg.evaluation.trials import Trial
from aemg.sessions import WINDOW_S, Session, SessionKey, SessionStore, TokenisedRecording
from aemg.signals import Interval, Recording
from aemg.simulation import simulate_set
from aemg.topology import Registered, Worn

LAWS = settings(deadline=None, max_examples=60, derandomize=True)
THREE = ("wrist_flexion", "wrist_extension", "hand_close")
SETS = ("sim-band", "sim-ring", "sim-else")
OWN = tuple(name for name, p in PROTOCOLS.items() if p.split != "published")
SECONDS = "loso-calibrated-4s"


def read_twice(reader: DatasetReader, root: Path, source: str) -> list[Recording]:
    """Two sessions a person: all that was recorded, and the same louder as a second donning."""
    first = reader.read_source(root, source)
    again = [
        replace(
            r,
            session="2",
            signal=r.signal * np.float32(1.5),
            provenance=replace(r.provenance, file=f"{r.provenance.file}-2", sha256=r.provenance.sha256[::-1]),
        )
        for r in first
    ]
    return [*first, *again]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sim-band and sim-ring: the same three people under two devices, in two sessions under the first; sim-else: others, who
    share two movements."""
    folder = tmp_path_factory.mktemp("suite")
    made = partial(simulate_set, people=3, hold_s=1.0, rest_s=0.5, repetitions=3)
    band = made("sim-band", device="myo", seed=1, gestures=THREE)
    band = DatasetReader(band.info, band.root, band.sources, partial(read_twice, band))
    ring = made("sim-ring", device="armband10", seed=1, gestures=THREE)
    other = made("sim-else", people=2, device="myo", seed=2, gestures=(THREE[2], THREE[0], "hand_open"))
    for reader, people in ((band, "crowd"), (ring, "crowd"), (other, "")):
        prepare(replace(reader, info=replace(reader.info, people=people)), folder, jobs=1)
    make_ready(config_of(folder, folder / "x"), lambda *_: None)
    return folder


def config_of(corpus: Path, output: Path, **other: Any) -> BenchmarkConfig:
    values: dict[str, Any] = {
        "data": EvaluationDataConfig(sets=SETS, root=corpus),
        "protocols": (*OWN, SECONDS),
        "baselines": ("td-lda", "no-adaptation", "coral"),
        "networks": (),
        "fewshot": FewShotConfig(test_share=0.2, fractions=(0.5,)),
        "finetune": FinetuneConfig(epochs=1),
        "max_people": 1,
        "jobs": 1,
    }
    return BenchmarkConfig(output=output, **{**values, **other})


@pytest.fixture(scope="module")
def tests_made(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    """What every protocol trains on and tests, on one person a set."""
    found: list[Case] = []

    def caught(test: Case) -> Iterator[Row]:
        found.append(test)
        return iter(())

    config = config_of(suite, tmp_path_factory.mktemp("plan"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "rows_of", caught)
        for job in plan(config)[0]:
            run_job(job, config)
    return found


@pytest.fixture(scope="module")
def result(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[BenchmarkConfig, dict[str, Any]]:
    config = config_of(suite, tmp_path_factory.mktemp("benchmark"))
    return config, benchmark(config)


# Protocols.


def test_every_protocol_is_run_somewhere_or_said_not_to_fit(tests_made: list[Case], suite: Path, tmp_path: Path) -> None:
    _, left_out = plan(config_of(suite, tmp_path))
    too_much = {"loso-calibrated-30s", "loso-from-4"}
    assert {t.protocol.name for t in tests_made} == {*OWN, SECONDS} - too_much, "longer than a session, more than the people"
    assert {(n["protocol"], n["set"]) for n in left_out} == {
        *((name, other) for name in OWN if name.startswith("cross-session") for other in SETS[1:]),
        ("cross-device", "sim-else"),
        ("same-device", "sim-else"),
        *(("loso-from-4", other) for other in SETS),
        ("loso-from-2", "sim-else"),
    }
    assert {n["reason"] for n in left_out if n["set"] == "sim-else" and n["protocol"].startswith("loso-from")} == {
        "2 other people are trained on, and it has 1",
        "4 other people are trained on, and it has 1",
    }


def people_of(test: Case) -> set[tuple[str, str]]:
    """Of the sources, by whose name they go: the first two sets hold the same people."""
    crowd = {"sim-band": "crowd", "sim-ring": "crowd", "sim-else": "else"}
    return {(crowd[s.key.dataset], s.key.subject) for s in test.person.ground.sources}


def test_sides_are_apart(tests_made: list[Case]) -> None:
    for test in tests_made:
        protocol, ground = test.protocol, test.person.ground
        whose = ("else" if test.info.name == "sim-else" else "crowd", test.person.name)
        assert (whose in people_of(test)) == protocol.user_dependent, protocol.name
        trained = {(t.file, t.start_s) for t in ground.train.trials}
        labelled = {(t.file, t.start_s) for t in test.chosen(test.labelled).trials}
        tested = {(t.file, t.start_s) for t in test.chosen(test.tested).trials}
        assert tested and not tested & trained and not tested & labelled, protocol.name
        sets = {s.key.dataset for s in ground.sources}
        if protocol.split == "devices":
            assert sets == {"sim-ring" if test.info.name == "sim-band" else "sim-band"} and len(people_of(test)) == 2
        elif protocol.split == "sets":
            assert "crowd" in {crowd for crowd, _ in people_of(test)} if test.info.name == "sim-else" else sets == {"sim-else"}
            assert set(ground.classes) == {THREE[0], THREE[2]}
        else:
            assert sets == {test.info.name}
        if protocol.split.startswith("sessions"):
            assert {s.key.session for s in ground.sources} == {"1"}
            assert {h.session.key.session for h in test.person.heard} == {"2"}


def test_the_other_device_was_not_worn_at_the_tested_time_by_anyone_trained_on(tests_made: list[Case]) -> None:
    devices = [t for t in tests_made if t.protocol.name in ("cross-device", "same-device")]
    by_name = {(t.protocol.name, t.info.name): t for t in devices}
    for dataset in SETS[:2]:
        cross, same = by_name["cross-device", dataset], by_name["same-device", dataset]
        assert [t.start_s for t in cross.chosen(cross.tested).trials] == [t.start_s for t in same.chosen(same.tested).trials]
        assert people_of(cross) == people_of(same), "the columns differ in nothing but the device"


def test_classifiers_find_the_turn_themselves_where_the_judge_is_unsure(
    tests_made: list[Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def by_evidence(classifier: object, session: Session, trials: Sequence[Trial]) -> Registered:
        assert trials and all(t.windows[1] > t.windows[0] for t in trials)
        asked.append(session.key.dataset)
        return Registered(Worn(7, True), np.ones(1), False)

    monkeypatch.setattr(person_module, "register_by_evidence", by_evidence)
    monkeypatch.setattr(Ground, "network", lambda *_: None)
    for test in tests_made:
        asked.clear()
        person = replace(test.person, _by_evidence={})
        found = person.examples_for("no-encoder")
        unsure = person.registered and not person.ground.judge_is_sure and bool(person.unlabelled)
        assert (found.worn == [Worn(7, True)] * len(found.worn)) == unsure == bool(asked), test.protocol.name
        assert not unsure or person.examples_for("no-encoder") is found, "looked for once"
        people = len(people_of(test))
        if test.protocol.split in ("devices", "sets"):
            assert not test.person.ground.judge_is_sure
        elif people == 1:
            assert test.person.ground.judge_is_sure


@given(st.sets(st.text("0123456789S", min_size=1, max_size=3), min_size=1, max_size=12), st.integers(0, 9))
@LAWS
def test_fewer_people_are_among_more(others: set[str], seed: int) -> None:
    drawn = [some_people(others, count, "set", "tested", seed) for count in range(len(others) + 1)]
    assert [len(found) for found in drawn] == list(range(len(others) + 1))
    assert all(fewer < more for fewer, more in pairwise(drawn)) and drawn[-1] == others
    assert some_people(others, None, "set", "tested", seed) == others
    assert drawn == [some_people(sorted(others), count, "set", "tested", seed) for count in range(len(others) + 1)]


def test_other_seeds_and_other_tested_people_draw_others() -> None:
    people = {f"{i:02d}" for i in range(12)}

    def orders(asked: Iterable[tuple[str, str, int]]) -> set[tuple[frozenset[str], ...]]:
        return {tuple(frozenset(some_people(people, n, *one)) for n in range(12)) for one in asked}

    assert len(orders(("set", "tested", seed) for seed in range(8))) == 8
    assert len(orders((f"set-{i}", "tested", 0) for i in range(8))) == 8
    assert len(orders(("set", f"tested-{i}", 0) for i in range(8))) == 8
    firsts = Counter(min(some_people(people, 1, "set", "tested", seed)) for seed in range(600))
    assert len(firsts) == 12 and max(firsts.values()) < 2 * 600 / 12, "everyone is drawn about as often"


def test_so_many_people_are_trained_on_with_all_their_sessions(tests_made: list[Case], suite: Path) -> None:
    by_name = {(t.protocol.name, t.info.name): t for t in tests_made if t.protocol.split == "people"}
    for dataset in SETS[:2]:
        one, two, everyone = (by_name[name, dataset] for name in ("loso-from-1", "loso-from-2", "loso-transductive"))
        assert [len(people_of(t)) for t in (one, two, everyone)] == [1, 2, 2]
        assert people_of(one) < people_of(two) == people_of(everyone)
        assert one.tested == everyone.tested and one.protocol.target_data == everyone.protocol.target_data
        (who,) = people_of(one)
        keys = [s.key for s in everyone.person.ground.sources if s.key.subject == who[1]]
        assert [s.key for s in one.person.ground.sources] == keys and len(keys) == (2 if dataset == "sim-band" else 1)
    sets = Sets(config_of(suite, suite / "x"))
    for person in ("P01", "P02", "P03"):
        drawn = [next(sets.folds("people", "sim-ring", person, 1, seed)).sources for seed in range(8)]
        assert len(set(drawn)) == 2 and all(key.subject != person for keys in drawn for key in keys)


def test_few_shot_tests_the_same_last_repetitions(tests_made: list[Case]) -> None:
    for dataset in SETS:
        few = [t for t in tests_made if t.protocol.few_shot and t.info.name == dataset]
        assert len({tuple(t.tested) for t in few}) == 1
        for test in few:
            last = {t.label: (t.session, t.repetition) for t in reversed(test.chosen(test.tested).trials)}
            assert all((t.session, t.repetition) < last[t.label] for t in test.chosen(test.labelled).trials)
        counts = {t.protocol.name: len(t.labelled) for t in few}
        assert counts["fewshot-0"] == 0 and counts["fewshot-k1"] == 3 and counts["fewshot-k2"] == 6
        assert 1 <= counts["fewshot-5"] < counts["fewshot-40"]
        (dependent,) = (t for t in tests_made if t.protocol.name == "user-dependent" and t.info.name == dataset)
        assert list(dependent.tested) == list(few[0].tested)


def test_calibration_seconds_are_never_tested(tests_made: list[Case]) -> None:
    found = [t for t in tests_made if t.protocol.name == SECONDS]
    assert len(found) == len(SETS)
    for test in found:
        (first, *_), trials = test.person.heard, test.chosen(test.tested).trials
        assert sum(first.until_s) == pytest.approx(4.0) and 0 < len(trials) < len(test.person.trials)
        for trial in trials:
            heard = test.person.heard[trial.session]
            assert not heard.windows[slice(*trial.windows)].any() and trial.start_s >= heard.until_s[trial.recording]
        for trial in test.person.unlabelled:
            assert test.person.heard[trial.session].windows[slice(*trial.windows)].all()


@given(st.lists(st.floats(0.1, 20.0), min_size=1, max_size=8), st.floats(0.5, 60.0), st.booleans())
@LAWS
def test_the_first_seconds(durations: list[float], seconds: float, cut: bool) -> None:
    intervals = [(Interval(0.0, 0.1, "a", i % 2),) * (1 if cut else 2) for i in range(len(durations))]
    made = [TokenisedRecording("f", "0", d, (0, 0), (0, 0), i) for d, i in zip(durations, intervals)]
    until = first_seconds(made, seconds)
    assert sum(until) == pytest.approx(min(sum(durations), seconds))
    order = sorted(range(len(made)), key=lambda i: (i % 2 if cut else 0, i))
    partly = [i for i in order if 0 < until[i] < durations[i] - 1e-9]
    assert len(partly) <= 1 and all(0 <= u <= d for u, d in zip(until, durations))
    taken = [until[i] > 0 for i in order]
    assert taken == sorted(taken, reverse=True), "nothing is heard after something that is not"


# What is heard of the tested person.


def heard_of(suite: Path, name: str, later: float, monkeypatch: pytest.MonkeyPatch) -> Heard:
    """A person of sim-ring heard by a protocol, when all but the first 4 s had been `later` times as loud."""
    sets = Sets(config_of(suite, suite / "x"))
    fold = next(sets.folds("people", "sim-ring", "P01"))
    ground = sets.ground(fold, None, 0)
    store, (key,) = SessionStore(suite, ground.model_config.space, ground.model_config.tokenizer), fold.targets
    recordings = target.recordings_of

    def louder(corpus: Path, which: SessionKey) -> list[Recording]:
        found = recordings(corpus, which)
        if which != key:
            return found
        until = first_seconds(store.load(key).recordings, 4.0)
        return [replace(r, signal=raised(r, end, later)) for r, end in zip(found, until)]

    monkeypatch.setattr(target, "recordings_of", louder)
    found = hear(protocol_named(name), store, key, fold.sources, ground.sources)
    monkeypatch.undo()
    return found


def raised(recording: Recording, after_s: float, gain: float) -> np.ndarray:
    signal = recording.signal.copy()
    signal[:, round(after_s * recording.rate_hz) :] *= np.float32(gain)
    return signal


@pytest.mark.parametrize("name", ["loso-inductive", SECONDS])
def test_nothing_later_changes_how_the_beginning_is_seen(suite: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    as_is, louder = (heard_of(suite, name, gain, monkeypatch) for gain in (1.0, 50.0))
    for entry, until in zip(as_is.session.recordings, first_seconds(as_is.session.recordings, 4.0)):
        part = slice(*entry.windows)
        early = as_is.session.window_start_s[part] + WINDOW_S < until
        for feature in ("slot_features", "native_features", "native_tangent"):
            np.testing.assert_array_equal(
                getattr(as_is.session, feature)[part][early], getattr(louder.session, feature)[part][early]
            )
    np.testing.assert_array_equal(as_is.session.feature_mean, louder.session.feature_mean)
    np.testing.assert_array_equal(as_is.session.feature_std, louder.session.feature_std)
    assert not np.array_equal(as_is.session.slot_features, louder.session.slot_features)
    assert as_is.windows.any() == (name == SECONDS)


def test_a_calibration_without_a_window_is_refused(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Inapplicable, match="hold no window"):
        heard_of(suite, "loso-calibrated-0.1s", 1.0, monkeypatch)


# Rows.


def test_rows_say_what_they_saw(result: tuple[BenchmarkConfig, dict[str, Any]]) -> None:
    _, found = result
    rows = found["rows"]
    for row in rows:
        certificate, protocol = row["certificate"], protocol_named(row["protocol"])
        assert row["user_dependent"] == protocol.user_dependent == (not certificate["user_disjoint"])
        assert certificate["shared_trials"] == certificate["shared_windows"] == 0
        assert certificate["loso"] == (not protocol.user_dependent and protocol.labelled is None)
        assert ("LOSO" in certificate["statement"]) == certificate["loso"]
        assert row["target_data"].startswith("labelled: ") == (protocol.labelled is not None)
        assert certificate["transductive"] == (protocol.unlabelled != "none")
        assert ("registration" in row["target_data"]) == row["registered"]
        assert all(0 <= value <= 1 for value in row["metrics"].values())
        assert row["family"] == "baseline" and row["context"] == "window" and row["version"] == protocol.version
    inductive = [r for r in rows if r["protocol"] == "loso-inductive"]
    assert {r["target_data"] for r in inductive} == {"none"} and not any(r["registered"] for r in inductive)
    assert {r["method"] for r in inductive} == {"td-lda", "no-adaptation"}, "coral adapts, and has nothing to adapt to"
    assert {r["source"] for r in rows if r["protocol"] == "cross-set"} == {"sim-else", "sim-band+sim-ring"}
    seconds = [r for r in rows if r["protocol"] == SECONDS and r["method"] == "coral"]
    assert len(seconds) == 2 * len(SETS) and all("first 4 s" in r["target_data"] for r in seconds)
    assert [n for n in found["skipped"] if n["protocol"] == "loso-calibrated-30s"]
    assert json.loads(json.dumps(found)) and set(found["protocols"]) == {*OWN, SECONDS}
    assert {"title", "command", "config", "versions", "statistics", "warnings"} <= set(found)


def test_every_baseline_learns_from_one_person_who_lacks_a_movement(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, steps in ((mdd, ("_STEPS",)), (vada, ("_VADA_STEPS", "_DIRTT_STEPS"))):
        for name in steps:
            monkeypatch.setattr(module, name, 5)
    columns: list[int] = []

    def counted(log_proba: np.ndarray, trial: np.ndarray) -> Predictions:
        assert np.isfinite(log_proba).all() and (log_proba[:, 0] < log_proba.max(axis=1)).all()
        columns.append(log_proba.shape[1])
        return by_trial(log_proba, trial)

    monkeypatch.setattr("aemg.evaluation.benchmark.rows.by_trial", counted)
    config = config_of(suite, tmp_path, baselines=None, networks=("random-init", "no-encoder"))
    found = cells_from_one_person(config, monkeypatch, lacking=THREE[:1])
    assert found["skipped"] is None and columns == [3] * 2 * len(BASELINES)
    methods = {(row["method"], row["registered"]) for row in found["rows"] if row["family"] == "baseline"}
    assert methods >= {(name, registered) for name in BASELINES for registered in (False, True)}
    assert {"random-init", "random-init-adapted", "no-encoder-adapted"} <= {row["method"] for row in found["rows"]}
    assert {row["source"] for row in found["rows"]} == {"sim-ring"}
    assert all(row["certificate"]["loso"] for row in found["rows"])
    assert max(row["metrics"]["balanced_accuracy"] for row in found["rows"]) <= 2 / 3, "what was not shown is never right"


@pytest.mark.parametrize("lacking", [THREE[:2], THREE])
def test_who_shows_no_two_movements_is_said(
    lacking: tuple[str, ...], suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cells_from_one_person(config_of(suite, tmp_path), monkeypatch, lacking=lacking)
    assert not found["rows"] and "fewer than two movements" in found["skipped"]


def cells_from_one_person(config: BenchmarkConfig, monkeypatch: pytest.MonkeyPatch, lacking: Collection[str]) -> dict[str, Any]:
    """What loso-from-1 makes of a person of sim-ring where the one trained on does not show some movements."""
    once = Sets.ground

    def without(session: Session) -> Session:
        shown = [replace(r, intervals=tuple(i for i in r.intervals if i.label not in lacking)) for r in session.recordings]
        return replace(session, recordings=tuple(shown))

    def less(self: Sets, *given: Any) -> Ground:
        ground = once(self, *given)
        ground.sources = [without(session) for session in ground.sources]
        return ground

    monkeypatch.setattr(Sets, "ground", less)
    job = next(j for j in plan(config)[0] if (j.dataset, j.sources) == ("sim-ring", 1))
    run_job(job, config)
    (protocol,) = job.protocols
    return json.loads(cell_file(config, protocol, job.dataset, job.people[0], job.seed).read_text())


def test_few_shot_starts_at_the_zero_shot_point(result: tuple[BenchmarkConfig, dict[str, Any]]) -> None:
    starts = {(r["set"], r["method"], r["registered"]): r for r in result[1]["rows"] if r["protocol"] == "fewshot-0"}
    few = [r for r in result[1]["rows"] if r["protocol"].startswith("fewshot-")]
    assert len(few) == 7 * len(starts)
    for row in few:
        start = starts[row["set"], row["method"], row["registered"]]
        assert row["zero_shot"] == start["metrics"] and row["windows"] == start["windows"]


def test_a_loss_is_told() -> None:
    row = {
        "protocol": "fewshot-5", "set": "s", "method": "m", "registered": True, "context": "trial",
        "metrics": {"window_accuracy": 0.6, "trial_accuracy": 0.9}, "zero_shot": {"window_accuracy": 0.7, "trial_accuracy": 0.9},
    }  # fmt: skip
    (told,) = losses([row])
    assert "0.600" in told and "below" in told and "window_accuracy" in told
    assert not losses([row, {**row, "metrics": {"window_accuracy": 0.9, "trial_accuracy": 0.9}}])


def test_a_stopped_run_goes_on(result: tuple[BenchmarkConfig, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    config, found = result
    files = sorted((config.output / "cells").rglob("sim-*.json"))
    assert len(files) == sum(len(job.protocols) * len(job.people) for job in plan(config)[0])
    gone = config.output / "cells" / "loso-transductive-v1" / "sim-band_P01_0.json"
    gone.unlink()
    made: list[str] = []
    once = cells.rows_of

    def counted(test: Case) -> Iterator[Row]:
        made.append(f"{test.protocol.name} {test.info.name} {test.person.name}")
        return once(test)

    monkeypatch.setattr(cells, "rows_of", counted)
    monkeypatch.setattr("aemg.evaluation.benchmark.run.statistics", lambda rows: {})
    again = benchmark(config)
    assert made == ["loso-transductive sim-band P01"]

    def timeless(rows: list[Row]) -> list[Row]:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]

    assert timeless(again["rows"]) == timeless(found["rows"])
    with pytest.raises(ConfigError, match="another configuration"):
        benchmark(replace(config, source_windows=50))
    more = benchmark(replace(config, protocols=("loso-transductive", "loso-calibrated-6s")))
    assert {r["protocol"] for r in more["rows"]} == {"loso-transductive", "loso-calibrated-6s"}


def test_networks_are_rows_too(suite: Path, runs: Path, tmp_path: Path) -> None:
    config = config_of(
        suite, tmp_path, networks=("aemg", "random-init"), baselines=(), fewshot_baselines=(),
        data=EvaluationDataConfig(sets=("sim-ring",), root=suite), encoder=runs / "pretrain" / "model",
        protocols=("loso-inductive", "loso-transductive", "loso-from-1", "fewshot-0", "fewshot-k1", SECONDS),
    )  # fmt: skip
    rows = benchmark(config)["rows"]
    by_protocol: dict[str, set[str]] = {}
    for row in rows:
        by_protocol.setdefault(row["protocol"], set()).add(row["method"])
        assert (row["certificate"]["pretraining"]["encoder"] is not None) == (row["family"] == "aemg")
        assert row["certificate"]["pretraining"]["saw_set"] is (False if row["family"] == "aemg" else None)
        assert ("learning from trials" in row["target_data"]) == row["method"].endswith("-adapted")
    plain = {"aemg", "random-init"}
    assert by_protocol.pop("loso-inductive") == plain
    assert set(map(frozenset, by_protocol.values())) == {frozenset({*plain, *(f"{n}-adapted" for n in plain)})}
    starts = {(r["method"], r["context"]): r["metrics"] for r in rows if r["protocol"] == "fewshot-0"}
    few = [r for r in rows if r["protocol"] == "fewshot-k1"]
    assert len(few) == 8 and all(r["zero_shot"] == starts[r["method"], r["context"]] for r in few)


# Smaller parts.


def test_protocols_by_name() -> None:
    assert all(protocol_named(name) == protocol and name == protocol.name for name, protocol in PROTOCOLS.items())
    assert protocol_named("loso-calibrated-2.5s").seconds == 2.5 and protocol_named("fewshot-12.5").fraction == 0.125
    assert protocol_named("fewshot-k7").repetitions == 7 and protocol_named("fewshot-k7").few_shot
    assert protocol_named("loso-from-3").sources == 3 and protocol_named("loso-from-3").split == "people"
    assert protocol_named("loso-from-1").title.startswith("1 other person,")
    for name in ("loso", "loso-from-0", "loso-from-1.5", "loso-calibrated-0s", "fewshot-k0", "fewshot--5"):
        with pytest.raises(ConfigError, match="no protocol"):
            protocol_named(name)
    with pytest.raises(ConfigError, match="20% of the repetitions are tested"):
        BenchmarkConfig(protocols=("fewshot-90",))
    with pytest.raises(ConfigError, match="no baseline magic"):
        BenchmarkConfig(baselines=("magic",))
    with pytest.raises(ConfigError, match="protocols"):
        benchmark(BenchmarkConfig(protocols=()))
    with pytest.raises(ConfigError, match=r"data\.sets"):
        benchmark(BenchmarkConfig())


def test_metrics() -> None:
    log_proba = np.log(np.array([[0.9, 0.1], [0.4, 0.6], [0.8, 0.2], [0.3, 0.7]], np.float32))
    found = by_trial(log_proba, np.array([0, 0, 0, 1]))
    assert metrics_of(found, [0, 1], "window") == {
        "window_accuracy": 0.75, "trial_accuracy": 1.0, "balanced_accuracy": pytest.approx(5 / 6),
    }  # fmt: skip
    in_context = Predictions(found.trials, found.trials[found.trial_of_window], found.isolated, found.trial_of_window)
    assert metrics_of(in_context, [0, 1], "trial")["window_accuracy"] == 1.0
    second = part_of(found, [1])
    assert second.trial_of_window.tolist() == [0] and metrics_of(second, [1], "window")["window_accuracy"] == 1.0
