"""Evaluation: splits, statistics, controls, and whole runs on simulated people."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.adaptation import Learning
from aemg.corpus import Corpus, prepare
from aemg.errors import AEMGError, ConfigError
from aemg.evaluation import METRICS, EvaluationConfig, evaluate, fold
from aemg.evaluation.classifier import Describer, adapt, predict, train_classifier
from aemg.evaluation.config import CONTROLS, EvaluationDataConfig, FewShotConfig, FinetuneConfig
from aemg.evaluation.controls import TARGET_DATA, accuracies, fit_control, in_context, predict_control, surest, window_features
from aemg.evaluation.fold import Fold, run_fold
from aemg.evaluation.metrics import accuracy, compare, confusion_matrix
from aemg.evaluation.trials import Examples, Trial, few_shot_split, trials_of
from aemg.model import AEMG, stretch_of, windows_within
from aemg.sessions import Session, SessionKey, SessionStore, standardised_by, tokenise_session
from aemg.signals import Interval, Provenance, Recording, ring
from aemg.simulation import simulate_set
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig, Worn

LAWS = settings(deadline=None, max_examples=60, derandomize=True)
FOUR = ("wrist_flexion", "wrist_extension", "hand_close", "hand_open")
LINEAR = tuple(control for control in CONTROLS if control in TARGET_DATA)


# Trials.


def test_a_trial_is_an_interval_with_its_windows(sessions: list[Session]) -> None:
    trials = trials_of(sessions, FOUR)
    assert len(trials) == sum(len(r.intervals) for s in sessions for r in s.recordings)
    for trial in trials:
        session = sessions[trial.session]
        recording = session.recordings[trial.recording]
        assert trial.windows == windows_within(session, trial.recording, trial.start_s, trial.end_s)
        assert trial.windows[1] > trial.windows[0] and trial.file == recording.sha256
        assert Interval(trial.start_s, trial.end_s, FOUR[trial.label], trial.repetition) in recording.intervals


def test_other_labels_are_left_out(sessions: list[Session]) -> None:
    two = trials_of(sessions, (FOUR[2], FOUR[0]))
    assert Counter(t.label for t in two) == {0: 12, 1: 12}
    assert [t.start_s for t in two] == [t.start_s for t in trials_of(sessions, FOUR) if t.label in (0, 2)]
    with pytest.raises(AEMGError, match="no labelled trial"):
        trials_of(sessions, ("somersault",))


@lru_cache
def noise() -> Session:
    signal = np.random.default_rng(0).standard_normal((8, 2000)).astype(np.float32)
    recording = Recording(signal, 200.0, ring("myo", 8), "s", "1", Provenance("set", "f", "0" * 64, "CC0-1.0"))
    return tokenise_session(SessionKey("set", "s", "1"), [recording], SpaceConfig(), TokenizerConfig())


def with_intervals(session: Session, intervals: Sequence[Interval]) -> Session:
    first = replace(session.recordings[0], intervals=tuple(intervals))
    return replace(session, recordings=(first,))


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
@LAWS
def test_the_most_frequent_class_is_thinned_to_the_second(counts: list[int]) -> None:
    labels = [label for label, n in enumerate(counts) for _ in range(n)]
    intervals = [Interval(0.4 * i, 0.4 * i + 0.39, str(label), i) for i, label in enumerate(labels)]
    found = trials_of([with_intervals(noise(), intervals)], [str(k) for k in range(len(counts))])
    kept = np.bincount([t.label for t in found], minlength=len(counts))
    limit = sorted(counts)[-2]
    assert kept.tolist() == [min(n, limit) for n in counts]
    assert [t.start_s for t in found] == sorted(t.start_s for t in found)


def test_too_short_intervals_are_no_trials(sessions: list[Session]) -> None:
    intervals = [Interval(0.0, 0.1, "a", 1), Interval(1.0, 2.0, "b", 1), Interval(2.0, 3.0, "a", 2)]
    assert [t.start_s for t in trials_of([with_intervals(sessions[0], intervals)], ("a", "b"))] == [1.0, 2.0]


# Few-shot splits.


def trial(session: int, repetition: int, label: int, at: int) -> Trial:
    return Trial(
        session=session, recording=0, start_s=float(at), end_s=at + 0.9, repetition=repetition,
        windows=(at, at + 1), label=label, file=f"{session}",
    )  # fmt: skip


@st.composite
def one_subject(draw: st.DrawFn) -> list[Trial]:
    """Trials of a subject in time order: some classes with more repetitions than others, in one session or two."""
    labels, n_sessions = draw(st.integers(1, 5)), draw(st.integers(1, 2))
    made, at = [], 0
    for session in range(n_sessions):
        repetitions = [draw(st.integers(2, 6)) for _ in range(labels)]
        for repetition in range(max(repetitions)):
            for label in draw(st.permutations(range(labels))):
                if repetition < repetitions[label]:
                    made.append(trial(session, repetition + 1, label, at))
                    at += 1
    return made


@given(one_subject(), st.lists(st.sampled_from((0.05, 0.1, 0.2, 0.4, 0.8)), min_size=1, unique=True), st.data())
@LAWS
def test_few_shot_splits(trials: list[Trial], fractions: list[float], data: st.DataObject) -> None:
    share = data.draw(st.sampled_from((0.1, 0.2, 0.5)))
    split = few_shot_split(trials, fractions, share)
    assert set(split.adaptation) == set(fractions) and len(split.test)
    assert np.array_equal(split.test, few_shot_split(trials, [0.3], share).test), "the test is the same for all"
    tested = set(split.test.tolist())
    before: set[int] = set()
    for fraction in sorted(fractions):
        adapting = split.adaptation[fraction].tolist()
        assert len(set(adapting)) == len(adapting) and not set(adapting) & tested
        assert before <= set(adapting), "a larger fraction holds a smaller one"
        assert 1 <= len(adapting) <= max(1, round(fraction * len(trials)))
        before = set(adapting)
        for label in {t.label for t in trials}:
            times = {
                name: [trials[i].start_s for i in part if trials[i].label == label]
                for name, part in (("adapting", adapting), ("tested", tested))
            }
            if times["adapting"] and times["tested"]:
                assert max(times["adapting"]) < min(times["tested"]), "what is tested comes later"
            first = sorted(t.start_s for t in trials if t.label == label)[: len(times["adapting"])]
            assert sorted(times["adapting"]) == first, "the first repetitions adapt"


@given(one_subject())
@LAWS
def test_a_repetition_is_never_on_both_sides(trials: list[Trial]) -> None:
    split = few_shot_split(trials, (0.8,), 0.2)
    keys = [{(trials[i].session, trials[i].label, trials[i].repetition) for i in part} for part in
            (split.adaptation[0.8], split.test)]
    assert not keys[0] & keys[1]


def test_a_single_repetition_cannot_be_split() -> None:
    with pytest.raises(AEMGError, match="two repetitions"):
        few_shot_split([trial(0, 1, label, label) for label in range(4)], (0.2,), 0.2)


# Statistics.


@given(st.dictionaries(st.text(min_size=1, max_size=3), st.floats(0, 1), min_size=1, max_size=12))
@settings(deadline=None, max_examples=25, derandomize=True)
def test_the_interval_holds_the_mean(values: dict[str, float]) -> None:
    found = accuracy(values)
    assert found.mean == pytest.approx(np.mean(list(values.values())))
    assert found.ci95[0] - 1e-9 <= found.mean <= found.ci95[1] + 1e-9
    assert min(values.values()) - 1e-9 <= found.ci95[0] and found.ci95[1] <= max(values.values()) + 1e-9
    assert found.per_subject == values and json.loads(json.dumps(found.as_dict()))["ci95"] == list(found.ci95)
    assert accuracy(values) == found


def test_the_interval_of_one_subject_is_a_point_and_of_many_narrow() -> None:
    assert accuracy({"a": 0.7}).ci95 == pytest.approx((0.7, 0.7))
    rng = np.random.default_rng(0)
    few, many = ({str(i): v for i, v in enumerate(rng.random(n))} for n in (6, 200))
    assert np.ptp(accuracy(many).ci95) < np.ptp(accuracy(few).ci95)


def test_comparisons_are_paired() -> None:
    subjects = [str(i) for i in range(10)]
    ours = {s: 0.5 + 0.04 * i for i, s in enumerate(subjects)}
    better = compare(ours, {s: v - 0.01 * (1 + int(s)) for s, v in ours.items()})
    assert better.difference == pytest.approx(0.055) and better.p_value is not None and better.p_value < 0.01
    worse = compare({s: v - 0.01 * (1 + int(s)) for s, v in ours.items()}, ours)
    assert worse.difference == pytest.approx(-0.055) and worse.p_value == pytest.approx(better.p_value)
    assert compare(ours, ours).p_value is None
    few, other = {"0": 0.5, "1": 0.6}, {"0": 0.4, "1": 0.4}
    assert compare(few, {**other, "x": 0.9}) == compare(few, other)
    assert compare(few, other).p_value is None, "too few subjects for a test"


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
@LAWS
def test_confusion_counts_add_up(pairs: list[tuple[int, int]]) -> None:
    counts = confusion_matrix([t for t, _ in pairs], [g for _, g in pairs], 4)
    assert counts.sum() == len(pairs) and np.trace(counts) == sum(t == g for t, g in pairs)
    assert all(counts[t, g] == pairs.count((t, g)) for t in range(4) for g in range(4))


# Classifier and controls.


@pytest.fixture(scope="module")
def examples(sessions: list[Session]) -> Examples:
    return Examples(sessions, [Worn()] * len(sessions), trials_of(sessions, FOUR))


@pytest.mark.parametrize("control", LINEAR)
def test_controls_fit_what_they_saw(control: str, examples: Examples) -> None:
    own = examples.of([t for t in examples.trials if t.session == 0])
    predictions = predict_control(control, fit_control(control, own), own, 4)
    windows = sum(t.windows[1] - t.windows[0] for t in own.trials)
    assert predictions.trials.shape == (len(own.trials), 4) and predictions.windows.shape == (windows, 4)
    found = accuracies(predictions, [t.label for t in own.trials])
    assert set(found) == set(METRICS) and min(found.values()) > 0.7
    together = accuracies(in_context(predictions), [t.label for t in own.trials])
    assert together["trial_accuracy"] == found["trial_accuracy"]
    assert together["window_accuracy_isolated"] == found["window_accuracy_isolated"]


def test_a_class_that_a_control_never_saw_is_not_guessed(examples: Examples) -> None:
    three = examples.of([t for t in examples.trials if t.label != 2])
    predictions = predict_control("td-lda-z", fit_control("td-lda-z", three), examples, 4)
    assert np.isfinite(predictions.windows).all()
    assert not (predictions.windows.argmax(1) == 2).any()


def test_normalised_features_do_not_depend_on_the_gain(sessions: list[Session]) -> None:
    louder = replace(
        sessions[0],
        native_level=sessions[0].native_level + np.float32(2.0),
        native_tangent=sessions[0].native_tangent + 4 * np.eye(8, dtype=np.float32),
    )
    for control in LINEAR:
        same = np.allclose(*(window_features(control, s, Worn()) for s in (sessions[0], louder)), atol=1e-4)
        assert same == (control not in ("td-lda-raw", "tangent-lr")), control


def test_registered_features_are_the_same_however_worn(sessions: list[Session]) -> None:
    worn = Worn(5, True)
    back = np.argsort(worn.order)
    turned = replace(
        sessions[0],
        slot_features=sessions[0].slot_features[:, back],
        slot_tangent=sessions[0].slot_tangent[:, back][:, :, back],
    )
    for control in ("td-lda-registered", "tangent-lr-registered"):
        ours, theirs = window_features(control, sessions[0], Worn()), window_features(control, turned, worn)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_an_unknown_control_is_refused(sessions: list[Session]) -> None:
    with pytest.raises(AEMGError, match="no control 'magic'"):
        window_features("magic", sessions[0], Worn())


def test_trials_are_described_once_and_never_mixed(runs: Path, examples: Examples, monkeypatch: pytest.MonkeyPatch) -> None:
    describe = Describer(AEMG.from_pretrained(runs / "pretrain" / "model").encoder)
    once = describe.trials(examples)
    stretches = [stretch_of(examples.sessions[t.session], t.recording, t.start_s, t.end_s) for t in examples.trials]
    for kept, direct in zip(once.whole, describe(stretches, [examples.worn[t.session] for t in examples.trials])):
        np.testing.assert_allclose(kept, direct, atol=1e-5)
    assert len(once.single[0]) == len(once.owner) == sum(t.windows[1] - t.windows[0] for t in examples.trials)

    mean, std = examples.sessions[0].feature_mean, examples.sessions[0].feature_std
    others = Examples([standardised_by(s, mean + 1, 2 * std) for s in examples.sessions], examples.worn, examples.trials)
    assert np.abs(describe.trials(others).whole[1] - once.whole[1]).max() > 0.1, "standardised otherwise"
    turned = Examples(examples.sessions, [Worn(3)] * len(examples.sessions), examples.trials)
    assert np.abs(describe.trials(turned).whole[0] - once.whole[0]).max() > 1e-3, "worn otherwise"

    monkeypatch.setattr(Describer, "__call__", lambda *_: pytest.fail("described again"))
    back = describe.trials(examples.of(examples.trials[::-1]))
    for first, second in zip(once.whole, back.whole):
        np.testing.assert_array_equal(first, second[::-1])
    few = describe.trials(examples.of(examples.trials[3:5]))
    for first, second in zip(once.single, few.single):
        np.testing.assert_array_equal(first[np.isin(once.owner, (3, 4))], second)


def test_at_the_unified_rate_only_what_was_measured_changes(runs: Path, examples: Examples) -> None:
    encoder = AEMG.from_pretrained(runs / "pretrain" / "model").encoder
    sessions = [replace(s, unified_features=s.slot_features[::-1], unified_tangent=2 * s.slot_tangent) for s in examples.sessions]
    changed = Examples(sessions, examples.worn, examples.trials)
    native, unified = (Describer(encoder, unified=u).trials(changed).whole for u in (False, True))
    assert len(native) == len(unified) == 3 == len(Describer(encoder).wider)
    np.testing.assert_array_equal(native[0], unified[0])
    assert not np.allclose(native[1][:, :64], unified[1][:, :64])
    np.testing.assert_allclose(native[2], unified[2], rtol=0.3, atol=0.3)  # scaled by its own spread
    np.testing.assert_array_equal(unified[1][:, 64:], unified[2])


def test_the_classifier_learns_and_leaves_the_model_alone(runs: Path, examples: Examples) -> None:
    model = AEMG.from_pretrained(runs / "pretrain" / "model")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    own = examples.of([t for t in examples.trials if t.session == 0])
    classifier = train_classifier(model, own, 4, FinetuneConfig(epochs=25, batch=4, lr=5e-3, encoder_lr=5e-3), seed=0)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name
    predictions = predict(classifier, own)
    found = accuracies(predictions, [t.label for t in own.trials])
    assert found["trial_accuracy"] > 0.6
    windows = sum(t.windows[1] - t.windows[0] for t in own.trials)
    assert predictions.windows.shape == predictions.isolated.shape == (windows, 4)
    assert np.bincount(predictions.trial_of_window).tolist() == [t.windows[1] - t.windows[0] for t in own.trials]
    again, twice = (train_classifier(model, own, 4, FinetuneConfig(epochs=2, batch=4), seed=1) for _ in range(2))
    one, other = again.describe.encoder, twice.describe.encoder
    assert one is not None and other is not None
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))


@pytest.mark.parametrize("encoded", [True, False])
def test_what_a_person_shows_is_learnt(encoded: bool, examples: Examples) -> None:
    model = AEMG() if encoded else None
    others = examples.of([t for t in examples.trials if t.session != 0])
    own = examples.of([t for t in examples.trials if t.session == 0])
    classifier = train_classifier(model, others, 4, FinetuneConfig(), seed=0)
    swapped = own.of([replace(t, label=(t.label + 1) % 4) for t in own.trials])
    told = adapt(adapt(classifier, own, Learning(), labelled=False), swapped, Learning(), labelled=True)
    assert (predict(told, own).trials.argmax(1) == [t.label for t in swapped.trials]).mean() > 0.8, "labels are believed"
    again = adapt(told, own, Learning(), labelled=False)
    assert np.array_equal(predict(again, own).trials, predict(told, own).trials), "what was labelled stays so"
    assert np.array_equal(
        predict(adapt(classifier, own, Learning(), labelled=False), own).trials,
        predict(adapt(classifier, swapped, Learning(), labelled=False), own).trials,
    ), "labels are not looked at"


# Whole evaluations.


def settings_of(corpus: Path, output: Path, **other: Any) -> EvaluationConfig:
    values: dict[str, Any] = {
        "data": EvaluationDataConfig(sets=("sim-myo",), root=corpus),
        "finetune": FinetuneConfig(epochs=1),
        "fewshot": FewShotConfig(fractions=(0.2, 0.6), test_share=0.34),
        "controls": ("random-init", "td-lda-z", "td-lda-registered", "tangent-lr"),
        "jobs": 1,
    }
    return EvaluationConfig(output=output, **{**values, **other})


@pytest.fixture(scope="module")
def done(corpus: Path, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[EvaluationConfig, dict[str, Any]]:
    """LOSO over P01 and P02, whom the encoder has not seen."""
    output = tmp_path_factory.mktemp("loso")
    config = settings_of(corpus, output, encoder=runs / "pretrain" / "model", max_folds=2)
    return config, evaluate(config)


def test_a_report_says_all(done: tuple[EvaluationConfig, dict[str, Any]]) -> None:
    config, report = done
    assert json.loads((config.output / "report.json").read_text()) == json.loads(json.dumps(report))
    assert {"certificate", "sets", "config", "versions", "seconds", "seeds", "command", "protocol"} <= set(report)
    assert report["certificate"]["loso"] and report["certificate"]["folds"] == 2
    assert report["certificate"]["pretraining"] == {
        "encoder": [str(config.encoder)], "saw_subject": False, "saw_file": False, "details": {},
    }  # fmt: skip
    found = report["sets"]["sim-myo"]
    assert found["subjects"] == ["P01", "P02"] and found["labels"] == list(FOUR) and found["trials"] == 24
    assert {"random-init", "td-lda-z", "td-lda-registered", "tangent-lr"} <= set(found["controls"])
    for figures in (found["zero_shot"], *found["controls"].values()):
        for metric in ("window_accuracy", "trial_accuracy"):
            values = figures[metric]
            assert set(values["per_subject"]) == {"P01", "P02"}
            assert values["ci95"][0] - 1e-9 <= values["mean"] <= values["ci95"][1] + 1e-9
            assert 0 <= values["mean"] <= 1
    for figures in found["controls"].values():
        assert figures["target_data"] in ("none", "unlabelled")
        ours = found["zero_shot"]["window_accuracy"]["mean"]
        difference = figures["versus"]["window_accuracy"]["difference"]
        assert difference == pytest.approx(ours - figures["window_accuracy"]["mean"])
    assert np.sum(found["confusion"]["counts"]) == found["trials"]
    assert set(found["registration"]) == {"P01", "P02"}
    assert report["versions"]["torch"] == torch.__version__.split("+")[0] or report["versions"]["torch"]
    assert report["config"]["finetune"]["epochs"] == 1 and report["seconds"] > 0


def test_finished_folds_are_not_run_again(
    done: tuple[EvaluationConfig, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, report = done
    output = tmp_path / "copy"
    shutil.copytree(config.output, output)
    (output / "report.json").unlink()
    (output / "folds" / "sim-myo_P02_0.json").unlink()  # as if stopped after the first fold
    run: list[str] = []
    once = fold.run_fold

    def counted(which: Fold, config: EvaluationConfig) -> dict[str, Any]:
        run.append(which.subject)
        return once(which, config)

    monkeypatch.setattr("aemg.evaluation.run.run_fold", counted)
    again = evaluate(replace(config, output=output))
    assert run == ["P02"]
    assert again["sets"] == report["sets"], "a fold gives the same whenever it is run"


def test_another_configuration_does_not_mix_its_folds_in(done: tuple[EvaluationConfig, dict[str, Any]]) -> None:
    config, _ = done
    before = {p: p.read_bytes() for p in config.output.rglob("*") if p.is_file()}
    with pytest.raises(ConfigError, match="another configuration"):
        evaluate(replace(config, finetune=FinetuneConfig(epochs=2)))
    with pytest.raises(ConfigError, match="another configuration"):
        evaluate(config, few_shot=True)
    assert {p: p.read_bytes() for p in config.output.rglob("*") if p.is_file()} == before


def test_an_encoder_that_saw_everyone_is_no_loso(corpus: Path, runs: Path, tmp_path: Path) -> None:
    people = {"sim-myo": ("P03", "P01")}
    data = EvaluationDataConfig(sets=("sim-myo",), root=corpus, subjects=people)
    config = settings_of(
        corpus, tmp_path, data=data, encoder=runs / "tokenizer" / "model", max_folds=1, controls=("td-lda-z",)
    )
    report = evaluate(config)
    assert not report["certificate"]["loso"]
    assert report["certificate"]["pretraining"]["saw_subject"] and report["certificate"]["pretraining"]["saw_file"]


def test_each_fold_takes_an_encoder_that_has_not_seen_its_subject(corpus: Path, runs: Path) -> None:
    infos = {info.name: info for info in Corpus(corpus).infos}
    seen_all, part = runs / "seen-all", runs / "pretrain" / "model"
    model = AEMG.from_pretrained(part)
    model.seen = replace(model.seen, people={"sim-myo": ("P01", "P02")})
    model.save_pretrained(seen_all)
    config = EvaluationConfig(encoder=(seen_all, part))
    assert fold.choose_encoder(config, infos["sim-myo"], "P01", infos, frozenset()) == part
    assert fold.choose_encoder(config, infos["sim-myo"], "P03", infos, frozenset()) == seen_all
    assert fold.choose_encoder(EvaluationConfig(encoder=Path("none")), infos["sim-myo"], "P01", infos, frozenset()) is None


def test_an_encoder_that_saw_a_file_under_another_name_is_passed_over(corpus: Path, runs: Path, tmp_path: Path) -> None:
    infos = {info.name: info for info in Corpus(corpus).infos}
    model = AEMG.from_pretrained(runs / "pretrain" / "model")
    model.seen = replace(model.seen, people={"somewhere-else": ("7",)})
    model.save_pretrained(tmp_path / "renamed")
    model.seen = replace(model.seen, files=frozenset())
    model.save_pretrained(tmp_path / "clean")
    model = AEMG.from_pretrained(tmp_path / "renamed")
    config = EvaluationConfig(encoder=(tmp_path / "renamed", tmp_path / "clean"))
    a_file = frozenset([min(model.seen.files)])
    assert fold.choose_encoder(config, infos["sim-myo"], "P03", infos, a_file) == tmp_path / "clean"


def test_few_shot_starts_from_zero(corpus: Path, runs: Path, tmp_path: Path) -> None:
    config = settings_of(
        corpus, tmp_path, encoder=runs / "pretrain" / "model", max_folds=1, controls=("random-init",)
    )
    report = evaluate(config, few_shot=True)
    assert report["protocol"] == "fewshot"
    assert report["certificate"]["target_labelled"] == [0.2, 0.6]
    points = report["sets"]["sim-myo"]["few_shot"]
    for method in ("aemg", "random-init"):
        assert list(points[method]) == ["0", "0.2", "0.6"]
        assert all(set(METRICS) <= set(point) for point in points[method].values())
    assert isinstance(points["warning"], list)


def test_subjects_may_be_given_as_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """YAML reads 01 as the number 1."""
    from aemg.evaluation import material

    class Entry:
        kind = "raw"

        def __init__(self, subject: str) -> None:
            self.subject = subject

    class FakeCorpus:
        recordings = tuple(Entry(s) for s in ("01", "02", "10", "P03"))

        def __init__(self, path: Path) -> None:
            del path

        def select(self, **_: object) -> FakeCorpus:
            return self

    monkeypatch.setattr(material, "Corpus", FakeCorpus)

    def people(*wanted: str | int) -> tuple[str, ...]:
        data = EvaluationDataConfig(sets=("set",), root=tmp_path, subjects={"set": wanted})
        return material.people_of(EvaluationConfig(data=data), "set")

    assert people(1, 2) == ("01", "02") == people("01", "2")
    assert people(10, "P03", 1, 10) == ("10", "P03", "01")
    with pytest.raises(ConfigError, match=r"no subject 3, P04; .*01, 02, 10, P03"):
        people(1, 3, "P04")
    with pytest.raises(ConfigError, match="at least two subjects"):
        people(1, "01")


def test_refusals(corpus: Path, crowd_corpus: Path, tmp_path: Path) -> None:
    def refused(match: str, data: EvaluationDataConfig) -> None:
        with pytest.raises(AEMGError, match=match):
            evaluate(settings_of(corpus, tmp_path / match[:8], data=data))

    refused(r"data\.sets", EvaluationDataConfig())
    refused(r"data\.root", EvaluationDataConfig(sets=("sim-myo",)))
    refused("envelope", EvaluationDataConfig(sets=("sim-envelope",), root=crowd_corpus))
    refused("sim-unknown", EvaluationDataConfig(sets=("sim-unknown",), root=corpus))
    refused("P77", EvaluationDataConfig(sets=("sim-myo",), root=corpus, subjects={"sim-myo": ("P01", "P77")}))
    with pytest.raises(ConfigError, match="fractions"):
        EvaluationConfig(fewshot=FewShotConfig(fractions=(0.9,), test_share=0.2))
    with pytest.raises(ConfigError, match="seeds"):
        EvaluationConfig(seeds=())


def shuffled(trials: list[Trial], rng: np.random.Generator) -> list[Trial]:
    """Labels spread evenly over the true ones."""
    made: dict[int, Trial] = {}
    for label in sorted({t.label for t in trials}):
        own = [i for i, t in enumerate(trials) if t.label == label]
        drawn = rng.permutation(np.resize(np.arange(4), len(own)))
        made.update({i: replace(trials[i], label=int(new)) for i, new in zip(own, drawn)})
    return [made[i] for i in range(len(trials))]


def test_nothing_of_the_target_leaks_into_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With training labels that mean nothing, the test subject's are guessed at chance; with the true ones not.

    The electrodes sit at known places, so that four people are enough.
    """
    made = simulate_set(
        "sim-sites", device="quad4", people=4, seed=1, gestures=FOUR, repetitions=4, hold_s=1.0, rest_s=0.5
    )
    prepare(made, tmp_path, jobs=1)
    SessionStore(tmp_path, SpaceConfig(), TokenizerConfig()).ensure(jobs=1)
    config = settings_of(
        tmp_path, tmp_path, finetune=FinetuneConfig(epochs=6, batch=8), controls=("td-lda-registered", "tangent-lr-z")
    )

    def found() -> dict[str, float]:
        results = [run_fold(Fold(tmp_path, "sim-sites", made.sources, p, 0), config)["methods"] for p in made.sources]
        names = ("aemg", "td-lda-registered", "tangent-lr-z")
        return {m: float(np.mean([r[m]["window_accuracy_isolated"] for r in results])) for m in names}

    true = found()
    rng = np.random.default_rng(0)

    def permuted(sessions: Sequence[Session], labels: Sequence[str]) -> list[Trial]:
        trials = trials_of(sessions, labels)
        return shuffled(trials, rng) if len({s.key.subject for s in sessions}) > 1 else trials

    monkeypatch.setattr(fold, "trials_of", permuted)
    random = found()
    assert max(random.values()) < 0.5 and np.mean(list(random.values())) < 0.4, random
    assert np.mean(list(true.values())) > 0.5, (true, random)


@given(
    st.integers(1, 40).flatmap(
        lambda n: st.lists(st.lists(st.floats(-9, 0), min_size=3, max_size=3), min_size=n, max_size=n)
    ),
    st.floats(0.1, 1.0),
)
@settings(max_examples=50, deadline=None)
def test_the_surest_trials_of_each_movement_are_believed(rows: list[list[float]], share: float) -> None:
    scores = np.array(rows, dtype=np.float32)
    believed = surest(scores, share)
    guess = scores.argmax(axis=1)
    sure = scores.max(axis=1) - np.logaddexp.reduce(scores, axis=1)
    for movement in np.unique(guess):
        trials = np.flatnonzero(guess == movement)
        kept = [i for i in believed if guess[i] == movement]
        assert len(kept) == int(np.ceil(share * len(trials)))
        left = [i for i in trials if i not in believed]
        assert not left or min(sure[kept]) >= max(sure[left])
    assert all(label == guess[i] for i, label in believed.items())
