"""Statistics of a benchmark: known values, and laws."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from aemg.evaluation.significance import (
    Tails,
    combine,
    combine_effects,
    critical_difference,
    effect_size,
    holm,
    interval,
    paired_tails,
    rank,
    runs,
)
from aemg.evaluation.statistics import statistics

PLACES = (("one", 7), ("two", 21))
SHARES = st.floats(-1.0, 1.0).map(lambda x: round(x, 3))


def row(method: str, dataset: str, person: object, value: float, **more: Any) -> dict[str, Any]:
    known = {
        "protocol": "loso", "version": 1, "set": dataset, "source": dataset, "method": method, "registered": False,
        "family": "aemg" if method == "aemg" else "baseline", "target_data": "none", "user_dependent": False,
        "person": str(person), "session": None, "seed": 0, "metrics": {"window_accuracy": value},
    }  # fmt: skip
    return {**known, **more}


def made(methods: Sequence[str] = ("aemg", "lda", "mdd"), seed: int = 0) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    return [
        row(m, s, p, float(rng.uniform(0.4, 0.9)), target_data="unlabelled: rest level; from all" if m == "mdd" else "none")
        for s, n in PLACES
        for m in methods
        for p in range(n)
    ]


def only(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    (group,) = statistics(rows)["groups"]
    return dict(group)


def test_permutation_test_counts_all_sign_flips() -> None:
    # Sums of |1|, |2|, |3| under the eight flips: 6, 4, 2, 0, 0, -2, -4, -6.
    (tails,) = paired_tails(np.array([[0.1], [0.2], [-0.3]]))
    assert (tails.greater, tails.less, tails.test) == (5 / 8, 5 / 8, "permutation")
    (tails,) = paired_tails(np.array([[0.1], [0.2], [0.3]]))
    assert (tails.greater, tails.less) == (1 / 8, 7 / 8)  # 1 is kept a flip below 1
    assert tails.two_sided == 1 / 4


@given(st.lists(SHARES, min_size=1, max_size=12))
@settings(max_examples=40)
def test_permutation_test_is_exact_up_to_a_dozen_people(values: list[float]) -> None:
    (tails,) = paired_tails(np.array(values)[:, None])
    if not any(values):
        assert tails == Tails(0.5, 0.5, "none")
        return
    signs = np.array(list(product((1, -1), repeat=len(values))))
    sums = signs @ np.round(1000 * np.array(values))
    most = 1 - 1 / len(sums)
    assert tails.greater == pytest.approx(min(most, float((sums >= sums[0]).mean())))
    assert tails.less == pytest.approx(min(most, float((sums <= sums[0]).mean())))


def test_random_flips_come_near_the_exact_value() -> None:
    values = np.random.default_rng(1).normal(0.02, 0.05, 15)
    expected = stats.permutation_test(
        (values,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=2**15,
        alternative="greater",
    ).pvalue  # fmt: skip
    (tails,) = paired_tails(values[:, None])
    assert tails.greater == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("tied", [False, True])
def test_twenty_people_are_tested_by_wilcoxon(tied: bool) -> None:
    drawn = np.random.default_rng(2).normal(0.02, 0.05, (24, 3))
    values = np.round(drawn, 2) if tied else drawn
    values[:, 1] = 0
    found = paired_tails(values)
    assert [t.test for t in found] == ["wilcoxon", "none", "wilcoxon"]
    for i in (0, 2):
        assert found[i].greater == pytest.approx(stats.wilcoxon(values[:, i], alternative="greater").pvalue)
        assert found[i].less == pytest.approx(stats.wilcoxon(values[:, i], alternative="less").pvalue)


@given(st.lists(SHARES, min_size=1, max_size=25))
@settings(max_examples=60)
def test_a_swap_of_the_methods_swaps_the_tails(values: list[float]) -> None:
    column = np.array(values)[:, None]
    (one,), (other,) = paired_tails(column), paired_tails(-column)
    assert (one.greater, one.less) == pytest.approx((other.less, other.greater))
    assert 0 < one.greater < 1 or one.test == "wilcoxon"
    assert 0 < one.two_sided <= 1
    a, b = effect_size(np.array(values)), effect_size(-np.array(values))
    assert (a is None and b is None) or a == pytest.approx(-(b or 0.0))


def test_stouffers_method_is_scipys_and_weighs_disagreement() -> None:
    given_tails = [Tails(0.01, 0.995, "permutation"), Tails(0.2, 0.85, "wilcoxon")]
    expected = stats.combine_pvalues([0.01, 0.2], method="stouffer", weights=np.sqrt([9, 30])).pvalue
    assert combine(given_tails, [9, 30]).greater == pytest.approx(expected)
    against = combine([Tails(0.01, 0.99, ""), Tails(0.99, 0.01, "")], [10, 10])
    assert against.greater == pytest.approx(0.5) and against.two_sided == pytest.approx(1.0)
    assert combine(given_tails[:1], [9]) is given_tails[0]


def test_effect_sizes_and_their_mean() -> None:
    assert effect_size(np.array([1.0, 2.0, 3.0])) == pytest.approx(2.0)
    assert effect_size(np.array([0.1, 0.1])) is None and effect_size(np.array([0.1])) is None
    assert effect_size(np.zeros(4)) == 0.0
    assert combine_effects([1.0, None, 4.0], [4, 9, 16]) == pytest.approx((2 * 1 + 4 * 4) / 6)
    assert combine_effects([None], [3]) is None


def test_holms_correction_by_hand() -> None:
    # Demšar 2006, section 3.2.2: three methods against C4.5, of which two differ.
    assert holm([0.016, 0.019, 0.607]) == pytest.approx([0.048, 0.048, 0.607])
    assert holm([0.04, 0.01, 0.03, 0.005]) == pytest.approx([0.06, 0.03, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


@given(st.lists(st.floats(1e-9, 1.0), min_size=1, max_size=12))
def test_holms_correction_keeps_order_and_lies_between_none_and_bonferronis(values: list[float]) -> None:
    corrected = holm(values)
    assert all(p <= c <= min(1.0, len(values) * p) + 1e-12 for p, c in zip(values, corrected))
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


@pytest.mark.parametrize(("methods", "q"), [(2, 1.960), (4, 2.569), (6, 2.850), (10, 3.164)])
def test_the_critical_difference_is_demsars(methods: int, q: float) -> None:
    """Table 5 (a) of the paper, and its example: four methods on 14 data sets, 1.25."""
    assert critical_difference(methods, 30) == pytest.approx(q * np.sqrt(methods * (methods + 1) / 180), abs=6e-4)
    assert round(critical_difference(4, 14), 2) == 1.25


def test_methods_in_a_fixed_order_differ_and_equal_ones_do_not() -> None:
    steady = np.linspace(0.9, 0.5, 4) + np.random.default_rng(0).normal(0, 0.001, (30, 4))
    found = rank(steady)
    assert found.ranks.tolist() == [1, 2, 3, 4]
    assert found.statistic == pytest.approx(30 * 3) and found.p == pytest.approx(stats.chi2.sf(90, 3))  # perfect agreement
    assert found.wilcoxon == ()
    assert found.nemenyi == ((0, 1), (1, 2), (2, 3)) if found.critical_difference > 1 else found.nemenyi == ()
    noise = rank(np.random.default_rng(0).normal(size=(12, 4)))
    assert noise.p is not None and noise.p > 0.05
    assert [len(run) for run in (*noise.nemenyi, *noise.wilcoxon)] == [4, 4]
    same = rank(np.full((5, 3), 0.5))
    assert same.ranks.tolist() == [2, 2, 2] and same.p is None and len(same.nemenyi) == 1


def test_runs_are_the_longest_ones_without_a_difference() -> None:
    differ = np.zeros((5, 5), bool)
    for a, b in ((0, 2), (0, 3), (0, 4), (1, 4), (3, 4), (2, 4)):
        differ[a, b] = differ[b, a] = True
    assert runs([0, 1, 2, 3, 4], differ) == ((0, 1), (1, 2, 3))


def test_an_interval_of_means_holds_the_mean_and_is_a_point_for_one_person() -> None:
    values = np.random.default_rng(0).normal(size=(30, 2))
    low, high = interval(values)
    half = 1.96 * values.std(axis=0) / np.sqrt(30)
    assert high - low == pytest.approx(2 * half, rel=0.05)
    low, high = interval(np.array([[0.3]]))
    assert low == high == pytest.approx([0.3])


def test_means_are_over_seeds_then_sessions_then_people_then_sets() -> None:
    rows = [
        row("aemg", "one", "1", 0.2, session="1", seed=0), row("aemg", "one", "1", 0.4, session="1", seed=1),
        row("aemg", "one", "1", 0.9, session="2", seed=0), row("aemg", "one", "2", 1.0), row("aemg", "two", "1", 0.5),
    ]  # fmt: skip
    group = only(rows)
    assert group["cells"][0]["people"] == pytest.approx({"1": 0.6, "2": 1.0})
    assert [cell["mean"] for cell in group["cells"]] == pytest.approx([0.8, 0.5])
    assert group["entries"][0]["mean"] == pytest.approx(0.65)


def test_comparisons_are_paired_combined_and_corrected() -> None:
    rows = made()
    group = only(rows)
    value = {(r["method"], r["set"], r["person"]): r["metrics"]["window_accuracy"] for r in rows}
    first = group["comparisons"][0]
    assert (first["a"], first["b"]) == ("aemg", "lda")
    differences = [np.array([value["aemg", s, str(p)] - value["lda", s, str(p)] for p in range(n)]) for s, n in PLACES]
    assert [one["people"] for one in first["sets"]] == [7, 21] and first["people"] == 28
    assert [one["test"] for one in first["sets"]] == ["permutation", "wilcoxon"]
    assert first["difference"] == pytest.approx(np.mean([d.mean() for d in differences]))
    tails = [paired_tails(d[:, None])[0] for d in differences]
    assert first["p"] == pytest.approx(combine(tails, [7, 21]).two_sided)
    raw = [comparison["p"] for comparison in group["comparisons"]]
    assert [comparison["p_holm"] for comparison in group["comparisons"]] == pytest.approx(holm(raw))
    within = [comparison["sets"][1] for comparison in group["comparisons"]]
    assert [one["p_holm"] for one in within] == pytest.approx(holm([one["p"] for one in within]))
    assert [c["same_target_data"] for c in group["comparisons"]] == [True, False, False]
    assert any("2 of 3 comparisons" in note for note in group["notes"])
    json.dumps(group, allow_nan=False)


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_of_rows_within_a_method_does_not_matter(random: Any) -> None:
    rows = made(("aemg", "lda"))
    shuffled = list(rows)
    random.shuffle(shuffled)
    shuffled.sort(key=lambda r: (r["set"], r["method"]))
    assert only(shuffled) == only(rows)


def test_protocols_contexts_versions_and_user_dependent_rows_are_never_pooled() -> None:
    parts: list[dict[str, Any]] = [{}, {"context": "trial"}, {"user_dependent": True}, {"version": 2}, {"protocol": "other"}]
    rows = [{**r, **part} for part in parts for r in made()]
    groups = statistics(rows)["groups"]
    assert len(groups) == 5 and len({(g["protocol"], g["version"], g["context"], g["user_dependent"]) for g in groups}) == 5
    assert all(group["cells"] == groups[0]["cells"] for group in groups)


def test_other_training_sets_are_another_column_and_other_target_data_another_method() -> None:
    rows = made(("aemg",)) + [{**r, "source": "two"} for r in made(("lda",)) if r["set"] == "one"]
    group = only(rows)
    assert [column["id"] for column in group["columns"]] == ["one → one", "two", "two → one"]
    assert group["comparisons"] == []
    twice = made(("aemg",)) + [{**r, "target_data": "labelled: 5 %"} for r in made(("aemg",))]
    assert [entry["id"] for entry in only(twice)["entries"]] == ["aemg [none]", "aemg [labelled: 5 %]"]
    by_set = [{**r, "target_data": f"unlabelled: {r['set']}"} for r in made()]
    entries = only(by_set)["entries"]
    assert [entry["target_data"] for entry in entries] == ["unlabelled: one | unlabelled: two"] * 3
    registered = made(("lda",)) + [{**r, "registered": True} for r in made(("lda",))]
    assert [entry["id"] for entry in only(registered)["entries"]] == ["lda", "lda + registration"]


def test_a_person_of_two_sets_counts_once_where_sets_are_put_together() -> None:
    """laval-3dc and laval-3dc-myo are devices on the same arms."""
    sets = ("laval-3dc", "laval-3dc-myo")
    rng = np.random.default_rng(0)
    rows = [row(m, s, p, float(rng.uniform(0.4, 0.9))) for s in sets for m in ("aemg", "lda") for p in range(8)]
    group = only(rows)
    (comparison,) = group["comparisons"]
    assert comparison["people"] == 8 and [one["people"] for one in comparison["sets"]] == [8, 8]
    value = {(r["method"], r["set"], r["person"]): r["metrics"]["window_accuracy"] for r in rows}
    both = np.array([np.mean([value["aemg", s, str(p)] - value["lda", s, str(p)] for s in sets]) for p in range(8)])
    assert comparison["p"] == pytest.approx(paired_tails(both[:, None])[0].two_sided)
    assert group["ranking"]["people"] == 8
    assert any("same people" in note for note in group["notes"])


def test_methods_that_lack_a_set_have_no_mean_and_no_rank() -> None:
    group = only([r for r in made() if (r["method"], r["set"]) != ("mdd", "two")])
    assert [entry["mean"] is None for entry in group["entries"]] == [False, False, True]
    assert set(group["ranking"]["ranks"]) == {"aemg", "lda"}
    assert any("mdd" in note for note in group["notes"])


def test_too_little_is_said_and_does_not_fail() -> None:
    assert statistics([])["groups"] == []
    alone = only([row("aemg", "one", "1", 0.5)])
    assert alone["ranking"] is None and alone["comparisons"] == [] and len(alone["notes"]) == 3
    two = only([row(m, "one", "1", v) for m, v in (("aemg", 0.5), ("lda", 0.4))])
    assert two["comparisons"][0]["p"] == 1.0 and two["comparisons"][0]["effect"] is None
    assert any("One person alone" in note for note in two["notes"])
    few = only([row(m, "one", p, v + p / 100) for m, v in (("aemg", 0.5), ("lda", 0.4)) for p in range(4)])
    assert any("Too few people" in note for note in few["notes"])
    assert statistics([row("aemg", "one", "1", float("nan"))])["groups"] == []
    doubled = only(made() * 2)
    assert any("84 rows repeat" in note for note in doubled["notes"])
    assert doubled["cells"] == only(made())["cells"]
