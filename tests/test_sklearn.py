"""Estimators: scikit-learn's own checks, and what must hold for windows, donnings and few labels."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from aemg.errors import AEMGError, DataFileError
from aemg.model import AEMG, SIZES, AEMGConfig
from aemg.signals import Interval, Montage, Provenance, Recording, ring
from aemg.sklearn import AEMGClassifier, AEMGFeatures, load_classifier, save_classifier, windows_of
from aemg.sklearn.describe import PARTS
from aemg.sklearn.head import LinearDiscriminant, Moments

RATE_HZ, CHANNELS = 200.0, 8
WORDS = np.array(["rest", "fist", "open", "point"])


def windows(seed: int, each: int = 9, gain: float = 1e-5, turn: int = 0, classes: int = 4) -> tuple[Any, Any]:
    """(n, 8, 50) windows of a person, and their labels: noise with a place around the arm for every movement."""
    rng = np.random.default_rng(seed)
    index = np.repeat(np.arange(classes), each)
    angle = 2 * np.pi * np.arange(CHANNELS) / CHANNELS
    lobes = [np.full(CHANNELS, 0.1)] + [
        0.1 + (1 + 0.5 * k) * np.exp(2 * (np.cos(angle - place) - 1)) for k, place in enumerate((0.0, 1.8, 3.9))
    ]
    level = np.stack(lobes)[index] * np.exp(rng.normal(0, 0.1, (len(index), CHANNELS)))
    signal = gain * level[:, :, None] * rng.standard_normal((len(index), CHANNELS, 50))
    return np.roll(signal, turn, axis=1).astype(np.float32), WORDS[index]


def permuted(montage: Montage, order: np.ndarray) -> Montage:
    group = montage.groups[0]
    return replace(montage, groups=(replace(group, electrodes=tuple(group.electrodes[i] for i in order)),))


@pytest.fixture(scope="module")
def model() -> AEMG:
    torch.manual_seed(0)
    return AEMG(AEMGConfig(network=SIZES["tiny"]))


@pytest.fixture(scope="module")
def people() -> tuple[Any, Any, Any]:
    """Three people of different gains."""
    made = [windows(seed, gain=gain) for seed, gain in ((1, 1e-5), (2, 1e-3), (3, 1.0))]
    return np.concatenate([x for x, _ in made]), np.concatenate([y for _, y in made]), np.repeat(["a", "b", "c"], 36)


@pytest.fixture(scope="module")
def fitted(model: AEMG, people: tuple[Any, Any, Any]) -> AEMGClassifier:
    x, y, groups = people
    return AEMGClassifier(model, rate_hz=RATE_HZ).fit(x, y, groups=groups)


def copy_of(classifier: AEMGClassifier) -> AEMGClassifier:
    """As fitted; what a test changes stays in the test."""
    copy = AEMGClassifier(**classifier.get_params(deep=False))
    copy.__dict__.update(classifier.__dict__)
    return copy


@parametrize_with_checks([AEMGClassifier()])
def test_the_classifier_passes_the_checks_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_one_person_is_learnt_and_later_windows_are_told(model: AEMG) -> None:
    classifier = AEMGClassifier(model, rate_hz=RATE_HZ).fit(*windows(1))
    later, y = windows(11)
    assert classifier.score(later, y) > 0.9
    assert classifier.n_features_in_ == CHANNELS
    np.testing.assert_allclose(classifier.predict_proba(later).sum(axis=1), 1.0)


def test_a_window_is_told_alike_alone_and_among_others(fitted: AEMGClassifier) -> None:
    x, _ = windows(1, each=3)
    together = fitted.predict_log_proba(x)
    np.testing.assert_allclose(np.concatenate([fitted.predict_log_proba(w[None]) for w in x]), together, atol=1e-2)
    np.testing.assert_allclose(fitted.predict_log_proba(x[::-1])[::-1], together, atol=1e-2)


def test_no_window_more_leaves_the_zero_shot_point(fitted: AEMGClassifier) -> None:
    x, _ = windows(5)
    before = fitted.predict_log_proba(x)
    for prior in (1.0, 40.0, None):
        again = copy_of(fitted).set_params(prior_windows=prior).partial_fit(x[:0], WORDS[:0])
        np.testing.assert_allclose(again.predict_log_proba(x), before, atol=1e-6)


def test_windows_in_pieces_teach_what_they_teach_at_once(fitted: AEMGClassifier) -> None:
    x, y = windows(5)
    at_once, pieces = copy_of(fitted).partial_fit(x, y), copy_of(fitted)
    for part in np.array_split(np.random.default_rng(0).permutation(len(y)), 5):
        pieces.partial_fit(x[part], y[part])
    np.testing.assert_allclose(pieces.predict_log_proba(x), at_once.predict_log_proba(x), rtol=1e-5, atol=1e-6)


def test_to_go_on_with_the_same_person_is_to_have_had_all_windows_at_the_start() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 5)) + np.repeat(np.eye(5)[:3], 20, axis=0), np.repeat([0, 1, 2], 20)
    whole = AEMGClassifier().fit(x, y)
    streamed = AEMGClassifier()
    for part in np.array_split(rng.permutation(60), 7):
        streamed.partial_fit(x[part], y[part], classes=[0, 1, 2])
    np.testing.assert_allclose(streamed.predict_log_proba(x), whole.predict_log_proba(x), atol=1e-9)


def test_a_few_labels_of_a_person_help_and_nothing_known_is_forgotten(fitted: AEMGClassifier) -> None:
    x, y = windows(5, turn=1)
    slipped = copy_of(fitted).adapt(windows(5)[0])  # and then worn otherwise
    few, later = windows(6, turn=2), windows(7, turn=2)
    learnt = copy_of(slipped).partial_fit(*few)
    assert learnt.score(*later) > slipped.score(*later) + 0.1
    later, new = windows(7, turn=1), copy_of(fitted).adapt(x)
    only_fist = copy_of(new).partial_fit(x[y == "fist"], y[y == "fist"])
    assert only_fist.classes_.tolist() == new.classes_.tolist()
    others = later[1] != "fist"
    assert only_fist.score(later[0][others], later[1][others]) > new.score(later[0][others], later[1][others]) - 0.1 > 0.7


def test_a_new_movement_is_named_before_it_is_taught(fitted: AEMGClassifier) -> None:
    x, y = windows(1)
    wave = np.full(len(x), "a wave of the hand")
    loud = 3 * np.abs(x) * np.sign(np.random.default_rng(0).standard_normal(x.shape))
    with pytest.raises(AEMGError, match=r"a wave of the hand.*classes"):
        copy_of(fitted).partial_fit(loud, wave)
    named = copy_of(fitted).partial_fit(x[:0], y[:0], classes=["a wave of the hand"])
    assert (named.predict_proba(x)[:, named.classes_ == "a wave of the hand"] == 0).all()
    np.testing.assert_array_equal(named.predict(x), fitted.predict(x))
    taught = named.partial_fit(loud, wave)
    assert (taught.predict(loud) == "a wave of the hand").mean() > 0.9
    assert fitted.classes_.tolist() == sorted(WORDS)


def test_each_donning_is_standardised_by_itself(fitted: AEMGClassifier, people: tuple[Any, Any, Any]) -> None:
    """Gain and unit of a donning do not matter where it is known which windows are of one."""
    calm, y = windows(8)
    new = copy_of(fitted).adapt(calm)
    assert new.score(calm, y) > 0.9
    louder = copy_of(fitted).adapt(calm * 512)
    np.testing.assert_allclose(louder.predict_log_proba(calm * 512), new.predict_log_proba(calm), atol=0.05)


def test_a_turned_band_is_registered_without_labels(people: tuple[Any, Any, Any]) -> None:
    x, y, groups = people
    classifier = AEMGClassifier(None, rate_hz=RATE_HZ, parts=("time_domain", "covariance")).fit(x, y, groups=groups)
    straight, labels = windows(9, each=25)
    turned, _ = windows(9, each=25, turn=1)
    unregistered = classifier.score(turned, labels)
    assert classifier.adapt(turned).score(turned, labels) == pytest.approx(1.0, abs=0.05)
    assert unregistered < 0.8 < classifier.adapt(straight).score(straight, labels)


@pytest.mark.parametrize("seed", range(2))
def test_channels_in_another_order_with_their_montage_change_nothing(model: AEMG, seed: int) -> None:
    x, y = windows(1)
    later, order = windows(2)[0], np.random.default_rng(seed).permutation(CHANNELS)
    montage = ring("band", CHANNELS)
    plain = AEMGClassifier(model, rate_hz=RATE_HZ).fit(x, y)  # a ring is what is taken where nothing is said
    other = AEMGClassifier(model, rate_hz=RATE_HZ, montage=permuted(montage, order)).fit(x[:, order], y)
    np.testing.assert_allclose(other.predict_log_proba(later[:, order]), plain.predict_log_proba(later), atol=0.05)


def test_another_device_goes_on_with_the_same_classifier(fitted: AEMGClassifier) -> None:
    rng = np.random.default_rng(0)
    x = (1e-3 * rng.standard_normal((30, 5, 125))).astype(np.float32)
    with pytest.raises(ValueError, match="5"):
        copy_of(fitted).predict(x)
    other = copy_of(fitted).adapt(x, rate_hz=500.0, montage=ring("five", 5))
    assert other.predict(x).shape == (30,)


def test_vectors_feed_any_classifier(model: AEMG) -> None:
    x, y = windows(1)
    later, truth = windows(11)
    pipeline = make_pipeline(AEMGFeatures(model, rate_hz=RATE_HZ), LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"))
    assert pipeline.fit(x, y).score(later, truth) > 0.8
    features = AEMGFeatures(model, rate_hz=RATE_HZ, parts=PARTS).fit(x)
    vectors = features.transform(later)
    assert vectors.shape == (len(later), len(features.get_feature_names_out()))
    whole = AEMGClassifier(model, rate_hz=RATE_HZ).fit(x, y)
    on_table = AEMGClassifier().fit(features.transform(x), y)
    np.testing.assert_array_equal(on_table.predict(vectors), whole.predict(later))


def test_vectors_are_standardised_by_group(people: tuple[Any, Any, Any]) -> None:
    x, _, groups = people
    features = AEMGFeatures(None, rate_hz=RATE_HZ, parts=("time_domain",))
    vectors = features.fit_transform(x, groups=groups)
    for name in "abc":
        np.testing.assert_allclose(vectors[groups == name].mean(axis=0), 0.0, atol=1e-4)
    new = features.transform(windows(4, gain=7.0)[0], groups=np.full(36, "new"))
    np.testing.assert_allclose(new.mean(axis=0), 0.0, atol=1e-4)
    assert np.abs(features.transform(windows(4, gain=7.0)[0]).mean(axis=0)).max() > 0.5


def test_targets_that_are_no_classes_leave_the_band_as_worn() -> None:
    x, _ = windows(1)
    features = AEMGFeatures(None, rate_hz=RATE_HZ, parts=("time_domain",))
    plain = features.fit(x).transform(x)
    angles = np.random.default_rng(0).normal(size=(len(x), 2))
    np.testing.assert_array_equal(features.fit(x, angles).transform(x), plain)


def test_a_window_without_contraction_has_a_vector(model: AEMG) -> None:
    x, _ = windows(1)
    features = AEMGFeatures(model, rate_hz=RATE_HZ, parts=PARTS).fit(x)
    silent = features.transform(np.stack([np.zeros_like(x[0]), 1e-3 * x[0], x[20]]))
    assert np.isfinite(silent).all()
    assert not np.allclose(silent[1], silent[2])


def test_rows_of_known_channels_are_windows() -> None:
    x, y = windows(1)
    parts = ("time_domain",)
    shaped = AEMGClassifier(None, rate_hz=RATE_HZ, parts=parts).fit(x, y)
    rows = AEMGClassifier(None, rate_hz=RATE_HZ, parts=parts, channels=CHANNELS).fit(x.reshape(len(x), -1), y)
    np.testing.assert_array_equal(rows.predict_log_proba(x.reshape(len(x), -1)), shaped.predict_log_proba(x))


def test_what_does_not_fit_is_told(fitted: AEMGClassifier, model: AEMG) -> None:
    x, y = windows(1)
    for classifier, message in (
        (AEMGClassifier(model), "rate_hz"),
        (AEMGClassifier(None, rate_hz=RATE_HZ), "encoder"),
        (AEMGClassifier(model, rate_hz=RATE_HZ, montage=ring("ten", 10)), "8 channels.*10"),
        (AEMGClassifier(model, rate_hz=RATE_HZ, parts=("wavelets",)), "wavelets"),
        (AEMGClassifier("no-such-model", rate_hz=RATE_HZ), "no-such-model"),
    ):
        with pytest.raises(AEMGError, match=message):
            classifier.fit(x, y)
        with pytest.raises(NotFittedError):
            classifier.predict(x)
    with pytest.raises(AEMGError, match=r"40 ms.*\(windows, channels, samples\)"):
        AEMGClassifier(model, rate_hz=RATE_HZ).fit(x.transpose(0, 2, 1), y)
    with pytest.raises(AEMGError, match="groups"):
        AEMGClassifier(model, rate_hz=RATE_HZ).fit(x, y, groups=["a"])
    with pytest.raises(AEMGError, match="groups go with windows"):
        AEMGClassifier().fit(x[:, :, 0], y, groups=y)
    with pytest.raises(AEMGError, match=r"fitted on windows.*a table"):
        fitted.predict(x[:, :, 0])
    with pytest.raises(AEMGError, match="must be windows"):
        copy_of(fitted).adapt(x[:, :, 0])
    with pytest.raises(AEMGError, match="no donning"):
        AEMGClassifier().fit(x[:, :, 0], y).adapt(x)
    with pytest.raises(AEMGError, match="no windows of 7 channels"):
        AEMGFeatures(None, rate_hz=RATE_HZ, channels=7, parts=("time_domain",)).fit(x.reshape(len(x), -1))
    with pytest.raises(AEMGError, match="channels be given"):
        AEMGFeatures(None, rate_hz=RATE_HZ, parts=("time_domain",)).fit(x.reshape(len(x), -1))
    with pytest.raises(ValueError, match="NaN"):
        fitted.predict(np.full_like(x, np.nan))


def test_a_table_asks_for_no_encoder() -> None:
    table = np.random.default_rng(0).normal(size=(20, 3))
    AEMGClassifier("nowhere/at/all").fit(table, np.arange(20) % 2).predict(table)


@pytest.mark.parametrize("way", ["files", "pickle"])
def test_a_classifier_comes_back_as_it_was(fitted: AEMGClassifier, tmp_path: Path, way: str) -> None:
    x, y = windows(5)
    taught = copy_of(fitted).adapt(x).partial_fit(x[::5], y[::5], classes=["unseen"])
    if way == "files":
        taught.set_params(encoder="aemg-tiny")  # a model that was given as an object has no name to come back with
        save_classifier(taught, tmp_path / "mine")
        again = load_classifier(tmp_path / "mine")
    else:
        again = pickle.loads(pickle.dumps(taught))
    np.testing.assert_array_equal(again.predict_log_proba(x), taught.predict_log_proba(x))
    turned, _ = windows(9, turn=2)
    np.testing.assert_array_equal(
        again.adapt(turned).partial_fit(x, y).predict_log_proba(turned),
        taught.adapt(turned).partial_fit(x, y).predict_log_proba(turned),
    )
    assert str(again.get_params()) == str(taught.get_params())


def test_labels_keep_their_kind_in_files(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(12, 3))
    for k, labels in enumerate(([3, 1, 7], ["a", "b", "c"], np.array(["a", "b", "c"], object), [True, False, True])):
        y = np.resize(labels, 12)
        plain = AEMGClassifier().fit(table, y)
        save_classifier(plain, tmp_path / str(k))
        back = load_classifier(tmp_path / str(k))
        assert back.classes_.dtype == plain.classes_.dtype
        np.testing.assert_array_equal(back.predict(table), plain.predict(table))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(12, 3))
    save_classifier(AEMGClassifier().fit(table, np.arange(12) % 3), tmp_path)
    card = tmp_path / "classifier.json"
    sound = card.read_text()
    for text in ("{", "[]", "{}", json.dumps({**json.loads(sound), "format": 99}), sound.replace('"<i8"', '"V8"')):
        card.write_text(text)
        with pytest.raises(DataFileError):
            load_classifier(tmp_path)
    card.write_text(sound)
    arrays = tmp_path / "classifier.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:-9])
    with pytest.raises(DataFileError):
        load_classifier(tmp_path)


def test_windows_of_a_recording_lie_each_within_one_trial() -> None:
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((3, 1000)).astype(np.float32)
    labels = np.repeat(["fist", "", "open", "fist", ""], 200)
    intervals = tuple(Interval(k, k + 1, name, k) for k, name in ((0, "fist"), (2, "open"), (3, "fist")))
    recording = Recording(signal, 200.0, ring("three", 3), "1", "1", Provenance("own", "a.csv", "", ""), intervals=intervals)
    by_sample, by_interval = windows_of(signal, 200, labels=labels), windows_of(recording)
    for made in (by_sample, by_interval):
        assert made.X.shape == (len(made.start_s), 3, 50)
        inside = made.labelled
        for x, y, start_s in zip(inside.X, inside.y, inside.start_s):
            first = round(start_s * 200)
            np.testing.assert_array_equal(x, signal[:, first : first + 50])
            assert set(labels[first : first + 50]) == {y}
    np.testing.assert_array_equal(by_sample.y, by_interval.y)
    np.testing.assert_array_equal(by_sample.repetitions, by_interval.repetitions)
    assert set(by_sample.repetitions[by_sample.y == "fist"]) == {0, 1}
    assert (windows_of(signal, 200).trials == -1).all()
    for wrong in ({"rate_hz": None}, {"rate_hz": 200, "labels": labels[1:]}, {"rate_hz": 200, "window_s": 0.0}):
        with pytest.raises(AEMGError):
            windows_of(signal, **wrong)


@settings(derandomize=True, deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 40))
def test_moments_add_up(seed: int, n: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(3.0, 2.0, (n, 4)), rng.integers(0, 3, n)
    cut = min(cut, n)
    whole, parts = Moments.of(x, y, 3), Moments.of(x[:cut], y[:cut], 3) + Moments.of(x[cut:], y[cut:], 3)
    for name in ("counts", "means", "scatter"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-9)


def test_with_many_windows_the_discriminant_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    y = np.repeat([0, 1, 2], 2000)
    x = (rng.normal(size=(6000, 6)) + np.eye(6)[y]) @ mixing * [1, 1e-3, 1e3, 1, 1, 1] + 100.0
    ours = LinearDiscriminant.of(Moments.of(x, y, 3), Moments.none(3, 6)).log_proba(x)
    theirs = LinearDiscriminantAnalysis().fit(x, y).predict_log_proba(x)
    assert np.abs(np.exp(ours) - np.exp(theirs)).max() < 0.02
