"""What is known of people, and what one person's vectors tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from aemg.adaptation import UNKNOWN, Learning, PeopleModel
from aemg.errors import AEMGError

K, F = 4, 6


def people(
    seed: int, n: int = 12, repetitions: int = 6, apart: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Vectors of people whose class means lie `apart` from those of all, with their labels and people."""
    rng = np.random.default_rng(seed)
    centre = 3.0 * np.random.default_rng(99).standard_normal((K, F))
    rows, labels, who = [], [], []
    for person in range(n):
        own = centre + apart * rng.standard_normal((K, F))
        for k in range(K):
            rows.append(own[k] + 0.7 * rng.standard_normal((repetitions, F)))
            labels += [k] * repetitions
            who += [person] * repetitions
    return np.concatenate(rows), np.array(labels), np.array(who)


@pytest.fixture(scope="module")
def model() -> PeopleModel:
    x, labels, who = people(0)
    return PeopleModel([x], labels, who, K)


def accuracy(model: PeopleModel, x: NDArray[np.float64], labels: NDArray[np.int64], learnt: bool) -> float:
    z = model.project([x])
    return float((model.log_proba(z, model.learn(z) if learnt else None).argmax(1) == labels).mean())


def test_listening_helps_with_people_who_differ() -> None:
    x, labels, who = people(0, apart=2.0)
    model = PeopleModel([x], labels, who, K)
    new = [people(seed, n=1, repetitions=8, apart=2.0) for seed in range(1, 31)]
    before, after = (np.mean([accuracy(model, x, y, learnt) for x, y, _ in new]) for learnt in (False, True))
    assert after > before + 0.03 and after > 0.85


@given(st.integers(0, 2**16))
def test_more_labels_are_no_worse_than_none(seed: int) -> None:
    x, labels, who = people(0, apart=2.0)
    model = PeopleModel([x], labels, who, K)
    own, truth, _ = people(seed + 1, n=1, repetitions=12, apart=2.0)
    z = model.project([own])
    tested = np.arange(len(truth)) % 12 >= 6
    told = np.where(tested, UNKNOWN, truth)
    found = model.log_proba(z, model.learn(z, told)).argmax(1)
    assert (found == truth)[tested].mean() >= (model.log_proba(z).argmax(1) == truth)[tested].mean() - 0.05


def test_known_people_give_bayes_rule() -> None:
    """With the evidence whole, the odds of a vector are those of the Gaussians that the moments describe."""
    x, labels, who = people(3, n=200, repetitions=10)
    model = PeopleModel([x], labels, who, K, evidence=1.0)
    z = model.project([x])
    within = z - np.stack([z[(labels == k) & (who == p)].mean(0) for k, p in zip(labels, who)])
    assert np.cov(within.T) * 10 / 9 == pytest.approx(np.eye(F), abs=0.15), "the covariance within is one"
    expected = np.stack(
        [multivariate_normal(model.prior.mean[k], np.diag(1 + model.prior.variance[k])).logpdf(z[:50]) for k in range(K)], 1
    )
    expected -= np.logaddexp.reduce(expected, axis=1, keepdims=True)
    assert model.log_proba(z[:50]) == pytest.approx(expected, abs=1e-4)


def test_labels_are_the_posterior_of_a_gaussian_mean(model: PeopleModel) -> None:
    x, labels, _ = people(5, n=1)
    z = model.project([x])
    belief = model.learn(z, labels)
    for k in range(K):
        precision = 1 / model.prior.variance[k] + 6
        assert belief.variance[k] == pytest.approx(1 / precision)
        expected = (model.prior.mean[k] / model.prior.variance[k] + z[labels == k].sum(0)) / precision
        assert belief.mean[k] == pytest.approx(expected)


@given(st.permutations(range(24)))
def test_the_order_of_vectors_is_nothing(model: PeopleModel, order: list[int]) -> None:
    x, _, _ = people(7, n=1)
    z = model.project([x])
    one, other = model.learn(z), model.learn(z[order])
    assert one.mean == pytest.approx(other.mean, abs=1e-6)


def test_scale_and_turn_of_a_view_are_nothing() -> None:
    """Without shrinkage towards a round covariance this would hold for any linear map."""
    x, labels, who = people(0)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((F, F)))[0]
    one, other = PeopleModel([x], labels, who, K), PeopleModel([5.0 * x @ turn], labels, who, K)
    new, _, _ = people(9, n=1)
    assert one.log_proba(one.project([new])) == pytest.approx(other.log_proba(other.project([5.0 * new @ turn])), abs=1e-3)


def test_balance_draws_shares_together(model: PeopleModel) -> None:
    x, _, _ = people(11, n=1, repetitions=20)
    z = model.project([x + 2.0])
    spread = [
        np.ptp(np.exp(model.log_proba(z, model.learn(z, how=Learning(balance=b)))).mean(0)) for b in (0.0, 0.1, 1.0)
    ]
    assert spread[2] <= spread[1] + 1e-6 <= spread[0] + 2e-6


def test_too_few_vectors_teach_nothing_without_labels(model: PeopleModel) -> None:
    x, labels, _ = people(4, n=1, repetitions=1)
    z = model.project([x])
    assert np.array_equal(model.log_proba(z, model.learn(z)), model.log_proba(z))
    told = np.where(labels == 0, labels, UNKNOWN)
    assert np.array_equal(model.learn(z, told).mean, model.learn(z[labels == 0], labels[labels == 0]).mean)


def test_a_class_nobody_showed_is_not_guessed_until_it_is_told() -> None:
    x, labels, who = people(0)
    seen = labels != 3
    model = PeopleModel([x[seen]], labels[seen], who[seen], K)
    new, truth, _ = people(13, n=1)
    z = model.project([new])
    assert not (model.log_proba(z, model.learn(z)).argmax(1) == 3).any()
    told = model.log_proba(z, model.learn(z, truth))
    assert (told.argmax(1) == truth).mean() > 0.9


@pytest.mark.parametrize(("n", "repetitions"), [(1, 5), (2, 1), (1, 1)])
def test_few_people_and_single_vectors_are_enough(n: int, repetitions: int) -> None:
    x, labels, who = people(1, n=n, repetitions=repetitions)
    model = PeopleModel([x], labels, who, K)
    z = model.project([x])
    assert np.isfinite(model.log_proba(z, model.learn(z))).all()
    assert (model.log_proba(z).argmax(1) == labels).mean() > 0.7


def test_constant_features_do_no_harm() -> None:
    x, labels, who = people(0)
    flat = PeopleModel([np.column_stack([x, np.zeros((len(x), 3))])], labels, who, K)
    assert (flat.log_proba(flat.project([np.column_stack([x, np.zeros((len(x), 3))])])).argmax(1) == labels).mean() > 0.8


def test_two_views_count_no_more_than_one() -> None:
    x, labels, who = people(0)
    one, two = PeopleModel([x], labels, who, K), PeopleModel([x, x], labels, who, K)
    new, _, _ = people(2, n=1)
    assert two.log_proba(two.project([new, new])) == pytest.approx(one.log_proba(one.project([new])), abs=1e-4)


def test_nothing_to_fit_on_is_told() -> None:
    with pytest.raises(AEMGError, match="no vector"):
        PeopleModel([np.zeros((0, 3))], np.zeros(0, np.int64), np.zeros(0, np.int64), 2)


def test_wider_views_leave_new_people_more_room() -> None:
    x, labels, who = people(0, apart=0.5)
    plain, wider = PeopleModel([x], labels, who, K), PeopleModel([x], labels, who, K, wider=[4.0])
    np.testing.assert_allclose(wider.prior.variance, 4.0 * plain.prior.variance)
    np.testing.assert_allclose(wider.prior.mean, plain.prior.mean)

    # people who lie further apart than those of the model, as in vectors of a network that knew the latter
    def misses(model: PeopleModel) -> float:
        found = []
        for own, truth, _ in (people(seed, 1, apart=2.0) for seed in range(1, 31)):
            z = model.project([own])
            first = np.where(np.arange(len(truth)) % 6 == 0, truth, UNKNOWN)
            found.append(model.log_proba(z, model.learn(z, first, Learning(rounds=0))).argmax(1) != truth)
        return float(np.mean(found))

    assert misses(wider) < misses(plain)


def test_every_view_needs_its_factor() -> None:
    x, labels, who = people(0)
    with pytest.raises(ValueError):
        PeopleModel([x, x], labels, who, K, wider=[2.0])
