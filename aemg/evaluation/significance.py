"""Paired tests over people, their combination over sets and their correction for many comparisons.

A paired difference is a person's score by one method less that by the other. The tests, effect sizes and their combination are
those of MOABB (Jayaram and Barachant 2018, 10.1088/1741-2552/aadea0); the comparison of many methods at once is that of
Demšar 2006 (Journal of Machine Learning Research 7, 1-30).
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import friedmanchisquare, norm, rankdata, studentized_range, wilcoxon

ALPHA: Final = 0.05
PERMUTED_BELOW: Final = 20
"""With fewer people the permutation test is used, else Wilcoxon's."""
FLIPS: Final = 10_000
RESAMPLES: Final = 10_000
_EXACT_UP_TO: Final = 13
_TIE: Final = 1e-9  # of sums of shares: differences below are rounding
_SMALLEST: Final = np.nextafter(0.0, 1.0)
_LARGEST: Final = np.nextafter(1.0, 0.0)
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Tails:
    """One-sided p-values of both directions, within (0, 1).

    Args:
        greater: of the first method being better.
        less: of the second being better.
        test: "permutation", "wilcoxon", or "none" where all differences are 0 and both values 0.5.
    """

    greater: float
    less: float
    test: str

    @property
    def two_sided(self) -> float:
        """Twice the smaller one, 1 at most: no direction was fixed beforehand."""
        return min(1.0, 2 * min(self.greater, self.less))


def paired_tails(differences: Array) -> list[Tails]:
    """Tests whether paired differences (n people, m comparisons) are centred at 0, for each comparison.

    Below 20 people a permutation test of the mean: all sign flips up to 13 people, else 10,000 random ones, seeded. From 20 on
    Wilcoxon's signed-rank test. The largest p is kept one flip below 1, so that Stouffer's method stays finite.
    """
    n = len(differences)
    moved: NDArray[np.bool_] = np.any(np.abs(differences) > _TIE, axis=0)
    if n < PERMUTED_BELOW:
        greater, less = _flipped(differences)
        test = "permutation"
    else:
        greater, less = _signed_ranks(differences, "greater"), _signed_ranks(differences, "less")
        test = "wilcoxon"
    return [
        Tails(float(g), float(s), test) if changes else Tails(0.5, 0.5, "none")
        for g, s, changes in zip(greater, less, moved)
    ]


def _flipped(differences: Array) -> tuple[Array, Array]:
    n = len(differences)
    signs = _signs(n)
    sums = signs @ differences  # (flips, m)
    given = differences.sum(axis=0)
    least = 1 / len(signs)
    greater, less = (sums >= given - _TIE).mean(axis=0), (sums <= given + _TIE).mean(axis=0)
    return np.clip(greater, least, 1 - least), np.clip(less, least, 1 - least)


@functools.lru_cache(maxsize=4)
def _signs(n: int) -> Array:
    """(flips, n) of -1 and 1; all of them, or random ones after the one that changes nothing."""
    if n <= _EXACT_UP_TO:
        flipped = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
        return np.where(flipped, -1.0, 1.0)
    drawn = np.random.default_rng(n).integers(0, 2, size=(FLIPS, n))
    return np.concatenate([np.ones((1, n)), 1.0 - 2.0 * drawn])


def _signed_ranks(differences: Array, side: Literal["greater", "less", "two-sided"]) -> Array:
    """Wilcoxon's p of each column (n, m), 1 where nothing differs; columns with ties apart, as they have no exact value."""
    sizes = np.sort(np.abs(np.round(differences, 9)), axis=0)
    tied = (np.diff(sizes, axis=0) == 0).any(axis=0) | (sizes[0] == 0)
    p = np.ones(differences.shape[1])
    for chosen in (tied & (sizes[-1] > 0), ~tied):
        if chosen.any():
            p[chosen] = wilcoxon(np.round(differences[:, chosen], 9), axis=0, alternative=side).pvalue
    return np.clip(p, _SMALLEST, 1.0)


def effect_size(differences: Array) -> float | None:
    """Standardised mean difference: mean over sample standard deviation; None for one person, or where all differ alike."""
    if not (np.abs(differences) > _TIE).any() and len(differences) > 1:
        return 0.0
    if len(differences) < 2 or float(np.ptp(differences)) <= _TIE:
        return None
    return float(differences.mean() / differences.std(ddof=1))


def combine(tails: Sequence[Tails], people: Sequence[int]) -> Tails:
    """Over independent sets, each direction by Stouffer's method, weighted by the square root of the number of people.

    One-sided values keep their direction, so sets that disagree weigh against each other.
    """
    if len(tails) == 1:
        return tails[0]
    shares = np.sqrt(people) / np.sqrt(np.sum(people))
    # Columns: both directions.
    z = shares @ norm.isf([(min(t.greater, _LARGEST), min(t.less, _LARGEST)) for t in tails])
    greater, less = np.maximum(norm.sf(z), _SMALLEST)
    return Tails(float(greater), float(less), "stouffer")


def combine_effects(effects: Sequence[float | None], people: Sequence[int]) -> float | None:
    """Mean of the known effect sizes, weighted by the square root of the number of people."""
    known = [(e, np.sqrt(n)) for e, n in zip(effects, people) if e is not None]
    return float(np.average([e for e, _ in known], weights=[w for _, w in known])) if known else None


def holm(p_values: Sequence[float] | Array) -> list[float]:
    """p-values of a family of comparisons, corrected by Holm's step-down method (Holm 1979, Scand. J. Statist. 6, 65-70)."""
    order = np.argsort(p_values, kind="stable")
    corrected = np.empty(len(order))
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(factors * np.asarray(p_values, float)[order]))
    return [float(p) for p in corrected]


def interval(values: Array) -> tuple[Array, Array]:
    """95 % bootstrap interval over people of the means of values (n people, m); the point itself for one person."""
    return summed_interval([values])


def summed_interval(groups: Sequence[Array]) -> tuple[Array, Array]:
    """95 % bootstrap interval of a sum of means, each group (n people, m) drawn by itself."""
    sums = sum(g.T @ _weights(len(g), i) for i, g in enumerate(groups))  # (m, resamples)
    low, high = np.percentile(sums, [2.5, 97.5], axis=1)
    return low, high


@functools.lru_cache(maxsize=8)
def _weights(n: int, seed: int = 0) -> Array:
    """(n, resamples) shares with which each person is drawn."""
    return np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).T / n


@dataclass(frozen=True)
class Ranking:
    """Average ranks of methods over people, and which methods cannot be told apart.

    Args:
        ranks: (k,) 1 the best; equal scores share their ranks.
        statistic, p: of Friedman's test, corrected for ties; None for two methods or where all are equal.
        critical_difference: of average ranks, by Nemenyi's test at `ALPHA`.
        nemenyi, wilcoxon: runs of neighbours by rank within which no two methods differ, by that difference, and by
            Wilcoxon's tests with Holm's correction over all pairs; each a tuple of indices, two at least. Where Friedman's
            test does not reject, all methods are one run.
    """

    ranks: Array
    statistic: float | None
    p: float | None
    critical_difference: float
    nemenyi: tuple[tuple[int, ...], ...]
    wilcoxon: tuple[tuple[int, ...], ...]


def rank(scores: Array) -> Ranking:
    """Ranks methods by scores (n people, k methods), higher is better; n and k are two at least.

    The second kind of run follows Benavoli, Corani and Mangili 2016 (JMLR 17, 1-10): unlike ranks, the test of a pair does not
    depend on the other methods.
    """
    rounded = np.round(scores, 9)
    n, k = rounded.shape
    ranks = rankdata(-rounded, axis=1).mean(axis=0)
    statistic = p = None
    if k > 2 and (np.ptp(rounded, axis=1) > 0).any():
        found = friedmanchisquare(*rounded.T)
        statistic, p = float(found.statistic), float(found.pvalue)
    least = critical_difference(k, n)
    pairs = [(a, b) for a in range(k) for b in range(a + 1, k)]
    p_values = _signed_ranks(np.stack([rounded[:, a] - rounded[:, b] for a, b in pairs], axis=1), "two-sided")
    differ = np.zeros((k, k), bool)
    for (a, b), corrected in zip(pairs, holm(p_values)):
        differ[a, b] = differ[b, a] = corrected < ALPHA
    far = np.abs(ranks[:, None] - ranks) >= least
    if k > 2 and (p is None or p >= ALPHA):
        differ[:], far[:] = False, False
    order = [int(i) for i in np.argsort(ranks, kind="stable")]
    return Ranking(ranks, statistic, p, least, runs(order, far), runs(order, differ))


def critical_difference(methods: int, people: int, alpha: float = ALPHA) -> float:
    """Nemenyi's: average ranks that lie this far apart differ (Demšar 2006, equation 5)."""
    q = float(studentized_range.ppf(1 - alpha, methods, np.inf)) / np.sqrt(2)
    return float(q * np.sqrt(methods * (methods + 1) / (6 * people)))


def runs(order: Sequence[int], differ: NDArray[np.bool_]) -> tuple[tuple[int, ...], ...]:
    """Longest runs of `order`, two long at least, in which no two differ."""
    found: list[tuple[int, ...]] = []
    reached = 0
    for start in range(len(order)):
        end = start + 1
        while end < len(order) and not differ[order[end], order[start:end]].any():
            end += 1
        if end - start > 1 and end > reached:
            found.append(tuple(order[start:end]))
            reached = end
    return tuple(found)
