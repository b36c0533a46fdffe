"""Baselines: what adapts must follow the target where it moved, must need no label of it, and must say so where it has none."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.evaluation.baselines import BASELINES, cdem, mdd, vada
from aemg.evaluation.baselines.base import LOWEST
from aemg.evaluation.baselines.linear import alignment, covariance
from aemg.evaluation.domain import Domain

NAMES = (
    "no-adaptation", "normalisation", "mdd", "cdem", "scdem", "vada-dirtt", "lda-km-da", "tangent-recentred", "coral", "td-lda",
)  # fmt: skip
ADAPTING = tuple(name for name in NAMES if name not in ("no-adaptation", "td-lda"))
MOVEMENTS = 4
MOVED_DEG = 36.0


def person(
    seed: int, turn_deg: float = 0.0, features: int = 3, windows: int = 100, movements: tuple[int, ...] = (0, 1, 2, 3)
) -> Domain:
    """Windows of movements that lie on a circle in the first two features, turned; the other features are noise."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(movements, windows)
    angle = 2 * np.pi * labels / MOVEMENTS + np.deg2rad(turn_deg)
    x = rng.normal(size=(len(labels), features))
    x[:, :2] = 4 * np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.6 * x[:, :2]
    return Domain(x.astype(np.float32), np.arange(len(labels)) // 10, labels.astype(np.int64))


def unlabelled(domain: Domain) -> Domain:
    return replace(domain, labels=None)


def accuracy(name: str, target: Domain, seed: int = 0) -> float:
    fitted = BASELINES[name].fit(SOURCES, unlabelled(target), MOVEMENTS, seed)
    return float((fitted.log_proba(target.features).argmax(axis=1) == target.labels).mean())


SOURCES = [person(1), person(2)]
MOVED = person(3, MOVED_DEG)


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that take only a few steps."""
    monkeypatch.setattr(mdd, "_STEPS", 40)
    monkeypatch.setattr(vada, "_VADA_STEPS", 40)
    monkeypatch.setattr(vada, "_DIRTT_STEPS", 20)
    monkeypatch.setattr(vada, "_AVERAGE", 0.9)


def test_the_named_methods_are_there_and_say_what_they_use() -> None:
    assert tuple(BASELINES) == NAMES
    assert tuple(name for name, b in BASELINES.items() if b.unlabelled) == ADAPTING
    assert all(b.name == name and b.title and b.source for name, b in BASELINES.items())


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", NAMES)
def test_an_unmoved_target_is_recognised_and_the_same_seed_gives_the_same(name: str) -> None:
    target = person(3)
    before = torch.get_rng_state()
    rows = [
        BASELINES[name].fit(SOURCES, unlabelled(target), MOVEMENTS, seed).log_proba(target.features) for seed in (7, 7, 8)
    ]
    assert torch.equal(before, torch.get_rng_state())
    assert rows[0].shape == (len(target.features), MOVEMENTS)
    assert rows[0].dtype == np.float32
    assert np.isfinite(rows[0]).all()
    assert (rows[0].argmax(axis=1) == target.labels).mean() > 0.95
    np.testing.assert_array_equal(rows[0], rows[1])
    assert (name in ("mdd", "vada-dirtt")) == bool((rows[0] != rows[2]).any())


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", NAMES)
def test_labels_of_the_target_make_no_difference(name: str) -> None:
    wrong = replace(MOVED, labels=MOVED.labels[::-1].copy())
    plain, told = (BASELINES[name].fit(SOURCES, t, MOVEMENTS, 0).log_proba(MOVED.features) for t in (unlabelled(MOVED), wrong))
    np.testing.assert_array_equal(plain, told)


@pytest.mark.parametrize("name", NAMES)
def test_without_unlabelled_windows_a_method_that_adapts_says_so(name: str) -> None:
    empty = Domain(MOVED.features[:0], MOVED.trial[:0])
    for target in (None, empty):
        if name in ADAPTING:
            with pytest.raises(AEMGError, match=f"{name} adapts to unlabelled windows"):
                BASELINES[name].fit(SOURCES, target, MOVEMENTS, 0)
        else:
            alone, beside = (BASELINES[name].fit(SOURCES, t, MOVEMENTS, 0) for t in (target, unlabelled(MOVED)))
            np.testing.assert_array_equal(alone.log_proba(MOVED.features), beside.log_proba(MOVED.features))


def test_sources_must_be_labelled_with_two_movements() -> None:
    fit = partial(BASELINES["td-lda"].fit, target=None, classes=MOVEMENTS, seed=0)
    with pytest.raises(AEMGError, match="every source needs labels"):
        fit([SOURCES[0], unlabelled(SOURCES[1])])
    with pytest.raises(AEMGError, match="two movements at least, found 1"):
        fit([person(1, movements=(2,))])
    with pytest.raises(AEMGError, match="two movements at least, found 0"):
        fit([])


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("name", NAMES)
def test_a_movement_that_no_source_holds_is_never_chosen(name: str) -> None:
    sources = [person(1, movements=(0, 3, 4)), person(2, movements=(0, 4))]
    target = person(3, movements=(0, 3, 4))
    rows = BASELINES[name].fit(sources, unlabelled(target), 6, 0).log_proba(target.features)
    assert (rows[:, [1, 2, 5]] == LOWEST).all()
    assert set(rows.argmax(axis=1)) <= {0, 3, 4}
    assert BASELINES[name].fit(sources, unlabelled(target), 6, 0).log_proba(target.features[:0]).shape == (0, 6)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("windows", [1, 3, 12])
@pytest.mark.parametrize("name", NAMES)
def test_few_windows_and_features_without_signal_are_survived(name: str, windows: int) -> None:
    def silent(domain: Domain) -> Domain:
        return replace(domain, features=np.pad(domain.features, ((0, 0), (1, 1))))

    target = silent(MOVED)
    few = Domain(target.features[:windows], target.trial[:windows])
    rows = BASELINES[name].fit([silent(s) for s in SOURCES], few, MOVEMENTS, 0).log_proba(target.features)
    assert np.isfinite(rows).all()


@pytest.mark.parametrize("name", ["normalisation", "coral", "cdem", "scdem", "lda-km-da"])
@settings(max_examples=6, deadline=None)
@given(
    shift=st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    gain=st.lists(st.floats(0.2, 5), min_size=3, max_size=3),
)
def test_gain_and_offset_of_a_person_make_no_difference(name: str, shift: list[float], gain: list[float]) -> None:
    target = person(3, 20)
    other = replace(target, features=(target.features * gain + shift).astype(np.float32))
    same, changed = (BASELINES[name].fit(SOURCES, unlabelled(t), MOVEMENTS, 0).log_proba(t.features) for t in (target, other))
    assert (same.argmax(axis=1) == changed.argmax(axis=1)).mean() > 0.995  # all but rounding at a boundary
    np.testing.assert_allclose(np.exp(same), np.exp(changed), atol=0.02)


@settings(max_examples=10, deadline=None)
@given(shift=st.lists(st.floats(-5, 5), min_size=3, max_size=3), who=st.sampled_from([0, 1, 2]))
def test_recentring_takes_every_persons_mean_away(shift: list[float], who: int) -> None:
    people = [*SOURCES, person(3, 20)]
    plain = BASELINES["tangent-recentred"].fit(people[:2], unlabelled(people[2]), MOVEMENTS, 0).log_proba(people[2].features)
    people[who] = replace(people[who], features=(people[who].features + shift).astype(np.float32))
    moved = BASELINES["tangent-recentred"].fit(people[:2], unlabelled(people[2]), MOVEMENTS, 0).log_proba(people[2].features)
    np.testing.assert_allclose(np.exp(plain), np.exp(moved), atol=1e-3)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), features=st.integers(1, 6), ridge=st.sampled_from([1e-6, 0.1, 1.0]))
def test_coral_gives_the_sources_the_covariance_of_the_target(seed: int, features: int, ridge: float) -> None:
    rng = np.random.default_rng(seed)
    source, target = (rng.normal(size=(40, features)) @ rng.normal(size=(features, features)) for _ in range(2))
    ours, theirs = covariance(source.astype(np.float32)), covariance(target.astype(np.float32))
    aligned = alignment(ours, theirs, ridge)
    eye = ridge * np.eye(features)
    np.testing.assert_allclose(aligned.T @ (ours + eye) @ aligned, theirs + eye, atol=1e-4 * (1 + np.abs(theirs).max()))


def test_lda_km_da_follows_a_target_that_moved_and_turned() -> None:
    target = replace(MOVED, features=MOVED.features + np.float32(1.0))
    assert accuracy("td-lda", target) < 0.8
    assert accuracy("normalisation", target) < 0.92
    assert accuracy("lda-km-da", target) > 0.98


def test_lda_km_da_keeps_the_source_classifier_where_one_movement_is_seen() -> None:
    rest = person(3, windows=30, movements=(0,))
    rest = replace(rest, features=np.repeat(rest.features[:1], 30, axis=0))
    normalised = BASELINES["normalisation"].fit(SOURCES, unlabelled(rest), MOVEMENTS, 0)
    fitted = BASELINES["lda-km-da"].fit(SOURCES, unlabelled(rest), MOVEMENTS, 0)
    np.testing.assert_array_equal(fitted.log_proba(MOVED.features), normalised.log_proba(MOVED.features))


@pytest.mark.parametrize("name", ["cdem", "scdem"])
def test_cdem_follows_a_target_that_turned(name: str) -> None:
    assert accuracy("no-adaptation", MOVED) < 0.92
    assert accuracy(name, MOVED) > 0.98


def test_mdd_follows_a_target_that_turned_and_its_twin_without_disparity_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mdd, "_STEPS", 400)
    adapted = accuracy("mdd", MOVED)
    monkeypatch.setattr(mdd, "_TRADE_OFF", 0.0)
    assert adapted > accuracy("mdd", MOVED) + 0.05
    assert adapted > accuracy("no-adaptation", MOVED) + 0.05


def test_vada_follows_a_target_that_turned_and_its_twin_without_target_terms_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vada, "_VADA_STEPS", 150)
    monkeypatch.setattr(vada, "_DIRTT_STEPS", 100)
    monkeypatch.setattr(vada, "_AVERAGE", 0.99)
    adapted = accuracy("vada-dirtt", MOVED)
    monkeypatch.setattr(vada, "_ADVERSARIAL", 0.0)
    monkeypatch.setattr(vada, "_TARGET", 0.0)
    assert adapted > accuracy("vada-dirtt", MOVED) + 0.05
    assert adapted > accuracy("no-adaptation", MOVED) + 0.05


def between_windows(ours: NDArray[np.int64], theirs: NDArray[np.int64], k: int, eta: float) -> NDArray[np.float64]:
    """The objective of Du et al. as they write it, a matrix between all windows, sources first."""
    n, m = len(ours), len(theirs)

    def contrast(positive: NDArray[np.bool_], negative: NDArray[np.bool_]) -> NDArray[np.float64]:
        e = positive / positive.sum() - negative / negative.sum()
        return np.outer(e, e)

    labels, source = np.concatenate([ours, theirs]), np.arange(n + m) < n
    total = k * contrast(source, ~source)
    for side in (source, ~source):
        same = (labels[:, None] == labels) & np.outer(side, side)
        total += np.diag(side.astype(float)) - same / np.maximum(same.sum(axis=1), 1)
    for c in range(k):
        of = labels == c
        total += of.sum() * contrast(of & source, of & ~source)
        total -= (of & source).sum() * contrast(of & source, ~of & source)
        total -= (of & ~source).sum() * contrast(of & ~source, ~of & ~source)
        total -= 0.5 * (of & source).sum() * contrast(of & source, ~of & ~source)
        total -= 0.5 * (of & ~source).sum() * contrast(~of & source, of & ~source)
    neighbours = (labels[:, None] == labels).astype(float)
    return total + eta * (np.diag(neighbours.sum(axis=1)) - neighbours)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), eta=st.sampled_from([0.0, 1e-4, 0.1]))
def test_cdem_minimises_what_the_paper_writes_between_all_windows(seed: int, eta: float) -> None:
    rng = np.random.default_rng(seed)
    k, width = 3, 4
    ours, theirs = (np.concatenate([np.arange(k), rng.integers(k, size=n)]) for n in (12, 8))
    sources, windows = rng.normal(size=(len(ours), width)), rng.normal(size=(len(theirs), width))
    believed = theirs.copy()
    believed[k:][rng.random(8) < 0.3] = -1
    trusted = believed >= 0
    x = np.concatenate([sources, windows[trusted]])
    objective = x.T @ between_windows(ours, theirs[trusted], k, eta) @ x + 0.1 * np.eye(width)
    centred = x - x.mean(axis=0)
    total = centred.T @ centred + 1e-4 * np.eye(width)
    found = cdem._projection(sources, ours, windows, believed, eta)
    values = np.sort(np.linalg.eigvals(np.linalg.solve(total, objective)).real)
    np.testing.assert_allclose(found.T @ total @ found, np.eye(width), atol=1e-8)
    np.testing.assert_allclose(found.T @ objective @ found, np.diag(values), atol=1e-8)
