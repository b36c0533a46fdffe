"""The published protocols: who and what is selected, what the filters pass, and whole runs on small files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import emg_epn_612, ninapro, toro_ossaba
from numpy.typing import NDArray
from scipy.linalg import expm, logm

from aemg.errors import AEMGError, ConfigError
from aemg.evaluation.benchmark import BenchmarkConfig, benchmark
from aemg.evaluation.benchmark.published import Network, published_rows
from aemg.evaluation.benchmark.published_domains import Sources, windows_of
from aemg.evaluation.benchmark.published_numbers import PUBLISHED
from aemg.evaluation.benchmark.published_recipes import RECIPES, Person, people_of
from aemg.evaluation.benchmark.published_signals import (
    Filters,
    envelope,
    hudgins,
    nine_features,
    normalise,
    riemannian_mean,
    tangent,
)
from aemg.evaluation.config import FinetuneConfig
from aemg.model import AEMG, SIZES, AEMGConfig, Seen

LAWS = settings(deadline=None, max_examples=40, derandomize=True)
FAST = ("no-adaptation", "normalisation", "td-lda", "tangent-recentred")


# Files.


def write_db4(root: Path, subject: int, cue: int = 400, repetitions: int = 2, leave_out: int = 0) -> None:
    """Exercises 1 and 2: every movement's cue lasts `cue` samples and `repetitions` times, noise of a strength of its own."""
    rng = np.random.default_rng(subject)
    for exercise in (e for e in (1, 2) if e != leave_out):
        codes = np.concatenate([
            np.repeat([0, code], [100, cue]) for _ in range(repetitions) for code in ninapro.CODES[4][exercise]
        ] + [np.zeros(9_900, int)])[:, None].astype(np.int8)  # fmt: skip
        emg = rng.standard_normal((len(codes), 12)).astype(np.float32)
        emg *= 1 + (np.arange(12) == codes % 12) * 5.0
        late = np.roll(codes, 37)  # the relabelled codes lag behind the cue
        ninapro.write_exercise(
            root, 4, subject, exercise, emg=emg, stimulus=codes, restimulus=late, repetition=codes > 0, rerepetition=late > 0
        )  # fmt: skip


def write_toro(root: Path, people: int = 3, rows: int = 512 * 7) -> None:
    """Subjects who hold every class with another channel, each with a strength of their own."""
    for subject in range(1, people + 1):
        rng = np.random.default_rng(subject)
        for number in range(5):
            strength = 1 + 4.0 * (np.arange(4) == number)
            table = rng.standard_normal((rows, 4)) * strength * (3.0 if number == 4 else 1.0) * subject
            toro_ossaba.write_class(root, subject, number, table)


def epn_samples(rng: np.random.Generator, repetitions: int, rows: int = 950) -> dict[str, Any]:
    """Every gesture so often, in turns, with counts that are stronger on a channel of its own."""
    gestures = list(emg_epn_612.GESTURES) * repetitions
    found = {}
    for k, gesture in enumerate(gestures, start=1):
        strength = 5 + 40 * (np.arange(8)[:, None] == emg_epn_612.GESTURES.index(gesture))
        counts = np.clip(np.rint(rng.standard_normal((8, rows)) * strength), -128, 127).astype(int)
        emg = {f"ch{c + 1}": counts[c].tolist() for c in range(8)}
        found[f"idx_{k}"] = emg_epn_612.sample(k, gesture, rows, (201, 400), emg=emg)
    return found


@pytest.fixture(scope="module")
def toro(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toro")
    write_toro(root)
    return root


@pytest.fixture(scope="module")
def epn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Users 1, 3, 10 of the training half, 2 who is empty, 105 who is too late, and users 1 and 2 of the testing half."""
    root = tmp_path_factory.mktemp("epn")
    for user in (1, 3, 10, 105):
        made = epn_samples(np.random.default_rng(user), 2)
        made["idx_13"] = emg_epn_612.sample(13, "fist", 899)  # too short for the published window
        emg_epn_612.write_user(root, user, training=made, testing=epn_samples(np.random.default_rng(user + 1), 1))
    emg_epn_612.write_user(root, 2, training=[], testing=[])
    for user in (1, 2):
        made = epn_samples(np.random.default_rng(50 + user), 3)
        emg_epn_612.write_user(root, user, "testing", training=made)
    return root


def people(name: str, root: Path) -> list[Person]:
    return list(people_of(RECIPES[name], root))


# Who and what.


def test_db4_takes_five_seconds_from_every_cue_of_ten_movements(tmp_path: Path) -> None:
    for subject in (2, 10):
        write_db4(tmp_path, subject)
    found = people("colot-db4", tmp_path)
    assert [p.name for p in found] == ["2", "10"]  # by number
    chosen = {1: (12,), 2: (2, 5, 6, 10, 12, 13, 14, 15, 16)}
    for person in found:
        counted = []
        for exercise, recording in enumerate(person.recordings, start=1):
            codes = ninapro.CODES[4][exercise]
            cued = [(code, 100 + 500 * (n * len(codes) + k)) for n in range(2) for k, code in enumerate(codes)]
            cued = [(code, at) for code, at in cued if code in chosen[exercise] and at + 10_000 < recording.signal.shape[1]]
            assert [round(i.start_s * 2000) for i in recording.intervals] == [at for _, at in cued]
            assert {round(i.end_s * 2000) - round(i.start_s * 2000) for i in recording.intervals} == {10_000}
            named = dict(zip(chosen[1] + chosen[2], RECIPES["colot-db4"].labels))
            assert exercise == 1 or [i.label for i in recording.intervals] == [named[code] for code, _ in cued if code in named]
            counted += [i.label for i in recording.intervals]
        assert set(counted) == set(RECIPES["colot-db4"].labels) and len(RECIPES["colot-db4"].labels) == 10
        windows = windows_of(RECIPES["colot-db4"], person, "literal")
        assert len(windows.labels) == len(counted) and windows.features.shape[1] == 9 * 12
        assert windows.labels.tolist() == [RECIPES["colot-db4"].labels.index(label) for label in counted]


def test_epn_takes_900_samples_of_the_training_samples_of_clean_people(epn: Path) -> None:
    found = people("colot-epn-612", epn)
    assert [p.name for p in found] == ["training-1", "training-3", "training-10"]
    for person in found:
        assert len(person.recordings) == 12 and all("#trainingSamples." in r.provenance.file for r in person.recordings)
        assert {r.signal.shape for r in person.recordings} == {(8, 900)}
        assert all((i.start_s, i.end_s) == (0.0, 4.5) for r in person.recordings for i in r.intervals)
        assert {i.label for r in person.recordings for i in r.intervals} == set(RECIPES["colot-epn-612"].labels)
    signal, rate = RECIPES["colot-epn-612"].signal(found[0].recordings[0], "literal")
    assert (signal.shape, rate) == ((8, 4500), 1000.0)


def test_toro_is_cut_into_half_seconds_up_to_the_last(toro: Path) -> None:
    found = people("colot-toro-ossaba", toro)
    assert [p.name for p in found] == ["1", "2", "3"]
    for recording in (r for p in found for r in p.recordings):
        starts = [round(i.start_s * 1024) for i in recording.intervals]
        assert starts == [512 * k for k in range(6)]  # a seventh would end with the file
        assert all(round((i.end_s - i.start_s) * 1024) == 512 for i in recording.intervals)
        assert len({i.trial for i in recording.intervals}) == 6
    assert windows_of(RECIPES["colot-toro-ossaba"], found[0], "literal").features.shape == (30, 9 * 4)


def test_libemg_trains_on_one_half_and_tests_on_the_other(epn: Path) -> None:
    recipe = RECIPES["libemg-epn-612"]
    found = people("libemg-epn-612", epn)
    sides = {side: [p.name for p in found if p.side == side] for side in ("train", "test")}
    assert sides == {
        "train": ["training-1", "training-3", "training-10", "training-105"],
        "test": ["testing-1", "testing-2"],
    }
    assert {len(p.recordings) for p in found if p.side == "train"} == {13 + 6}  # both parts of their files
    assert {len(p.recordings) for p in found if p.side == "test"} == {18}  # the labelled part
    for recording in found[-1].recordings:
        (interval,) = recording.intervals
        begins = 0.5 if interval.label == "rest" else 1.0  # what is marked; of rest, as much
        assert (interval.start_s, interval.end_s) == (begins, begins + 1.0)
    windows = windows_of(recipe, found[-1], "none")
    assert np.bincount(windows.trial).tolist() == [(200 - 40) // 10 + 1] * 18 and windows.features.shape[1] == 4 * 8
    first = found[-1].recordings[1]
    assert np.allclose(windows.features[17], hudgins(first.signal[None, :, 200:240].astype(float))[0])


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_missing_is_told(name: str, tmp_path: Path) -> None:
    with pytest.raises(AEMGError, match=f"python datasets download {RECIPES[name].dataset} --root"):
        people(name, tmp_path)


def test_half_a_set_is_no_set(tmp_path: Path) -> None:
    write_db4(tmp_path / "db4", 1)
    with pytest.raises(AEMGError, match="at least two people"):
        people("colot-db4", tmp_path / "db4")
    write_db4(tmp_path / "db4", 2, leave_out=2)
    with pytest.raises(AEMGError, match="exercises 1 and 2 of subject 2"):
        people("colot-db4", tmp_path / "db4")
    emg_epn_612.write_user(tmp_path / "epn", 1)
    emg_epn_612.write_user(tmp_path / "epn", 2)
    with pytest.raises(AEMGError, match="people of both halves"):
        people("libemg-epn-612", tmp_path / "epn")
    write_toro(tmp_path / "toro", 2, rows=40)
    with pytest.raises(AEMGError, match="long enough"):
        list(published_rows("colot-toro-ossaba", tmp_path / "toro", FAST))


# Filters.


def passed(frequency_hz: float, filters: Filters, rate_hz: float = 2000.0) -> float:
    """Share of a sine that is left after the band-pass, by the mean of its envelope."""
    t = np.arange(int(20 * rate_hz)) / rate_hz
    found = envelope(np.sin(2 * np.pi * frequency_hz * t)[None], rate_hz, filters, last_notch_hz=0.0)[0]
    return float(found[len(t) // 4 : -len(t) // 4].mean() * np.pi / 2)


@pytest.mark.parametrize(("filters", "low_hz", "high_hz"), [("literal", 0.5, 75.0), ("corrected", 1.0, 150.0)])
@pytest.mark.parametrize("rate_hz", [1000.0, 1024.0, 2000.0])
def test_the_true_band(filters: Filters, low_hz: float, high_hz: float, rate_hz: float) -> None:
    assert passed(low_hz, filters, rate_hz) == pytest.approx(0.5, abs=0.03)  # -3 dB forth, -3 dB back
    assert passed(high_hz, filters, rate_hz) == pytest.approx(0.5, abs=0.03)
    assert passed(low_hz / 3, filters, rate_hz) < 0.01
    assert passed(high_hz * 2, filters, rate_hz) < 0.02
    assert passed(np.sqrt(low_hz * high_hz), filters, rate_hz) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(("filters", "cutoff_hz"), [("literal", 37.5), ("corrected", 75.0)])
def test_the_envelope_is_smoothed(filters: Filters, cutoff_hz: float) -> None:
    t = np.arange(20_000) / 2000.0  # a rectified sine swings at twice its frequency, by 4 / (3 pi)
    found = envelope(np.sin(2 * np.pi * cutoff_hz / 2 * t)[None], 2000.0, filters, last_notch_hz=0.0)[0, 4000:-4000]
    swing = np.abs(np.fft.rfft(found))[round(cutoff_hz * len(found) / 2000)] * 2 / len(found)
    assert swing == pytest.approx(0.5 * 4 / (3 * np.pi), rel=0.05)


def test_notches_stop_the_mains_alone() -> None:
    t = np.arange(40_000) / 2000.0
    for frequency_hz, left in ((50.0, 0.0), (100.0, 0.0), (62.0, 1.0), (88.0, 1.0)):
        found = envelope(np.sin(2 * np.pi * frequency_hz * t)[None], 2000.0, "corrected")[0, 10_000:-10_000]
        assert found.mean() * np.pi / 2 == pytest.approx(left, abs=0.1), frequency_hz
    assert np.array_equal(envelope(np.ones((2, 30)), 200.0, "none"), np.ones((2, 30)))


# Features.


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 50.0))
@LAWS
def test_nine_features_scale_as_they_should(seed: int, gain: float) -> None:
    windows = np.random.default_rng(seed).standard_normal((3, 2, 40))
    one, louder = nine_features(windows).reshape(3, 9, 2), nine_features(gain * windows).reshape(3, 9, 2)
    assert np.allclose(louder[:, :4], gain * one[:, :4])  # amplitudes
    assert np.allclose(louder[:, 4:7], one[:, 4:7]) and np.allclose(louder[:, 8], one[:, 8])  # counts and kurtosis
    assert np.allclose(louder[:, 7], one[:, 7] + np.log(gain))
    assert np.isfinite(nine_features(np.zeros((1, 2, 40)))).all()


def test_hudgins_counts_by_hand() -> None:
    assert hudgins(np.array([[[1.0, -1.0, -2.0, 3.0, 4.0]]])).tolist() == [[11 / 5, 2, 1, 2 + 1 + 5 + 1]]


@given(st.integers(0, 2**32 - 1))
@LAWS
def test_normalised_features(seed: int) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((20, 6)) + 3
    found = normalise(features)
    assert np.allclose(found.mean(0), 0) and np.allclose(found.std(0), 1)
    assert np.allclose(normalise(features * rng.uniform(0.5, 2.0, (20, 1))), found)  # a window's strength is taken away


def definite(rng: np.random.Generator, n: int, channels: int) -> NDArray[np.float64]:
    mixed = rng.standard_normal((n, channels, channels + 4))
    return mixed @ mixed.transpose(0, 2, 1) / (channels + 4) + 0.05 * np.eye(channels)


@given(st.integers(0, 2**32 - 1), st.integers(1, 6), st.integers(1, 12))
@LAWS
def test_the_riemannian_mean(seed: int, channels: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    matrices = definite(rng, n, channels)
    mean = riemannian_mean(matrices)
    assert np.allclose(tangent(matrices, mean).mean(axis=0), 0, atol=1e-7)
    mixing = rng.standard_normal((channels, channels)) + 2 * np.eye(channels)
    moved, at = mixing @ matrices @ mixing.T, mixing @ mean @ mixing.T
    assert np.allclose(riemannian_mean(moved), at, rtol=1e-4, atol=1e-6 * np.abs(at).max())
    assert np.allclose(np.linalg.norm(tangent(moved, at), axis=1), np.linalg.norm(tangent(matrices, mean), axis=1))


def test_means_that_are_known() -> None:
    rng = np.random.default_rng(0)
    (one,) = definite(rng, 1, 4)
    assert np.allclose(riemannian_mean(np.stack([one, one])), one)
    diagonal = np.stack([np.diag(d) for d in rng.uniform(0.1, 10.0, (7, 4))])
    geometric = np.diag(np.exp(np.log(np.stack([np.diag(d) for d in diagonal])).mean(0)))
    assert np.allclose(riemannian_mean(diagonal), geometric)
    two = definite(rng, 2, 3)
    half = expm(0.5 * logm(two[1] @ np.linalg.inv(two[0]))) @ two[0]  # the middle of the geodesic
    assert np.allclose(riemannian_mean(two), half)
    distance = np.sqrt((np.log(np.linalg.eigvals(np.linalg.solve(two[0], two[1])).real) ** 2).sum())
    assert np.linalg.norm(tangent(two[1:], two[0])) == pytest.approx(distance)


# Runs.


def by(rows: Sequence[dict[str, Any]], **wanted: object) -> list[dict[str, Any]]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


@pytest.fixture(scope="module")
def toro_rows(toro: Path) -> list[dict[str, Any]]:
    return list(published_rows("colot-toro-ossaba", toro, FAST))


def test_rows_of_a_whole_run(toro_rows: list[dict[str, Any]]) -> None:
    methods = {
        "no-adaptation", "no-adaptation-tangent", "normalisation", "normalisation-tangent", "td-lda", "tangent-recentred",
        "user-dependent", "user-dependent-tangent",
    }  # fmt: skip
    cells = {(r["protocol"], r["method"], r["person"]) for r in toro_rows}
    protocols = ("colot-toro-ossaba", "colot-toro-ossaba-corrected")
    assert cells == {(p, m, person) for p in protocols for m in methods for person in "123"} and len(cells) == len(toro_rows)
    for row in toro_rows:
        assert (row["windows"], row["trials"], row["people"], row["context"]) == (30, 30, 3, "trial")
        assert row["metrics"]["window_accuracy"] == row["metrics"]["trial_accuracy"]
        assert row["filters"] == ("corrected" if row["protocol"].endswith("corrected") else "literal")
    easy = [r["metrics"]["window_accuracy"] for r in by(toro_rows, method="normalisation-tangent")]
    assert min(easy) > 0.6  # chance is 0.2
    assert {r["seed"] for r in toro_rows} == {0}


def test_rows_say_what_they_saw(toro_rows: list[dict[str, Any]]) -> None:
    for row in toro_rows:
        certificate, own = row["certificate"], row["method"].startswith("user-dependent")
        assert (row["user_dependent"], certificate["loso"], certificate["user_disjoint"]) == (own, not own, not own)
        assert certificate["shared_windows"] == 0
        inductive = row["method"] in ("no-adaptation", "no-adaptation-tangent", "td-lda")
        assert row["target_data"].partition(":")[0] == ("labelled" if own else "none" if inductive else "unlabelled")
        assert certificate["transductive"] is not inductive
        assert ("With labels: nothing" in certificate["statement"]) is not own


def test_inductive_rows_use_nothing_of_the_person(toro: Path) -> None:
    """The person's other windows do not matter to no adaptation; they do to what adapts."""
    recipe = RECIPES["colot-toro-ossaba"]
    first, second, target = (windows_of(recipe, p, "literal") for p in people("colot-toro-ossaba", toro))
    part = target.thinned(len(target.labels) // 2)
    sources = Sources((first, second))
    for space in ("td", "tangent"):
        whole = sources.seen(target, space).features
        assert np.array_equal(sources.seen(part, space).features, whole[::2])
        assert not np.allclose(part.own(space).features, target.own(space).features[::2])
        assert np.array_equal(Sources((first, second)).shared(space)[0].features, sources.shared(space)[0].features)


def test_libemg_runs_with_a_column_by_window_and_by_gesture(epn: Path) -> None:
    rows = list(published_rows("libemg-epn-612", epn, FAST[:3], spaces=("td",), most_windows=100))
    assert {r["person"] for r in rows} == {"testing-1", "testing-2"} and {r["protocol"] for r in rows} == {"libemg-epn-612"}
    for row in rows:
        assert (row["trials"], row["windows"], row["context"], row["filters"]) == (18, 18 * 17, "window", "none")
        assert row["certificate"]["user_disjoint"] and row["source_windows"] <= 4 * 100
    assert min(r["metrics"]["trial_accuracy"] for r in by(rows, method="td-lda")) > 0.8
    assert not by(rows, user_dependent=True)  # three repetitions are no twenty-five


def test_libemg_user_column_tests_the_last_repetitions(tmp_path: Path) -> None:
    emg_epn_612.write_user(tmp_path, 1, training=epn_samples(np.random.default_rng(0), 1), testing=[])
    emg_epn_612.write_user(tmp_path, 1, "testing", training=epn_samples(np.random.default_rng(1), 22, 450))
    rows = list(published_rows("libemg-epn-612", tmp_path, ("td-lda",), spaces=("td",)))
    (own,) = by(rows, user_dependent=True)
    assert (own["trials"], own["person"], own["method"]) == (6 * 2, "testing-1", "user-dependent")
    assert own["metrics"]["trial_accuracy"] > 0.8 and "first 20 repetitions" in own["target_data"]


def test_db4_and_epn_run(epn: Path, tmp_path: Path) -> None:
    for subject in (1, 2):
        write_db4(tmp_path, subject, cue=150, repetitions=1)
    rows = list(published_rows("colot-db4", tmp_path, FAST[:2], filters=("literal",), spaces=("td",)))
    assert {r["person"] for r in rows} == {"1", "2"} and {r["set"] for r in rows} == {"ninapro-db4"}
    rows = list(published_rows("colot-epn-612", epn, FAST[:2], filters=("corrected",), spaces=("tangent",)))
    assert {r["protocol"] for r in rows} == {"colot-epn-612-corrected"}
    assert {r["method"] for r in rows} == {"no-adaptation-tangent", "normalisation-tangent", "user-dependent-tangent"}
    assert {r["windows"] for r in rows} == {12}


def test_the_network_runs_on_the_same_stretches(toro: Path) -> None:
    network = Network(finetune=FinetuneConfig(epochs=1))
    rows = list(published_rows("colot-toro-ossaba", toro, (), network=network, user_column=False, most_people=2))
    assert [(r["method"], r["person"]) for r in rows] == [("random-init", "1"), ("random-init", "2")]
    for row in rows:
        assert (row["trials"], row["windows"], row["family"]) == (30, 30 * 3, "random-init")  # 250 ms each 125 ms in 500
        assert row["certificate"]["loso"] and row["certificate"]["transductive"] and row["registered"]


def test_an_encoder_that_saw_no_one_tested_is_taken(toro: Path, tmp_path: Path) -> None:
    config = AEMGConfig(network=SIZES["tiny"])
    for name, people in (("first", ("1", "9")), ("second", ("9",))):
        AEMG(config, seen=Seen({"toro-ossaba": people})).save_pretrained(tmp_path / name)
    taken = {}
    for names in (("first", "second"), ("first",)):
        network = Network(tuple(tmp_path / name for name in names), finetune=FinetuneConfig(epochs=1), methods=("aemg",))
        (row,) = published_rows("colot-toro-ossaba", toro, (), network=network, user_column=False, most_people=1)
        taken[names] = row["certificate"]
    for names, path in ((("first", "second"), "second"), (("first",), "first")):
        pretraining = taken[names]["pretraining"]
        assert (pretraining["encoder"], pretraining["saw_set"]) == (str(tmp_path / path), True)
        assert (pretraining["saw_subject"], taken[names]["loso"]) == (path == "first", path == "second")


def test_one_missing_set_stops_no_other(toro: Path, tmp_path: Path) -> None:
    config = BenchmarkConfig(
        output=tmp_path, protocols=("colot-db4", "colot-toro-ossaba"), baselines=("td-lda",), networks=(),
        published_root=toro, jobs=1,
    )  # fmt: skip
    results = benchmark(config)
    assert {r["protocol"] for r in results["rows"]} == set(results["protocols"]) - {"colot-db4"}
    assert {r["method"] for r in results["rows"]} == {"td-lda", "user-dependent", "user-dependent-tangent"}
    (skipped,) = results["skipped"]
    assert skipped["protocol"] == "colot-db4" and "python datasets download ninapro-db4" in skipped["reason"]


def test_unknown_names_are_told(toro: Path) -> None:
    with pytest.raises(ConfigError, match="colot-db4"):
        list(published_rows("colot-db5", toro))
    with pytest.raises(ConfigError, match="no-adaptation"):
        list(published_rows("colot-toro-ossaba", toro, ("magic",)))


def test_published_numbers_belong_to_protocols() -> None:
    assert set(PUBLISHED) == set(RECIPES)
    assert all(0 < value <= 100 for methods in PUBLISHED.values() for value in methods.values())
