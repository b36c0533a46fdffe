"""What a benchmark's rows say: means by person, paired comparisons, rankings.

Rows are compared only within one protocol, version, metric and context, user-dependent ones apart from the others, and only
where they have the same training and test sets. Every method carries what it saw of the target, and every comparison says
whether both saw the same kinds of it, with labels and without.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple, TypeVar

import numpy as np

from aemg.datasets import crowd_of
from aemg.evaluation.scores import OR, Entry, Scores, column_names, entry_names, kinds_of, scores_of
from aemg.evaluation.significance import (
    ALPHA,
    FLIPS,
    PERMUTED_BELOW,
    RESAMPLES,
    Array,
    combine,
    combine_effects,
    effect_size,
    holm,
    paired_tails,
    rank,
    summed_interval,
)

METHOD: Final = {
    "alpha": ALPHA,
    "people": "A person's value is the mean over seeds, then over sessions. Sets that name the same people count them once: "
    "where sets are put together, a person's difference is the mean over the sets they are in.",
    "test": f"Paired over people within each set: a permutation test of the mean difference (all sign flips up to 13 people, "
    f"{FLIPS:,} random ones up to {PERMUTED_BELOW - 1}), Wilcoxon's signed-rank test from {PERMUTED_BELOW} people on.",
    "sides": "Both one-sided p-values are kept and each is combined over sets by Stouffer's method, weighted by the square root "
    "of the number of people, so that sets which disagree weigh against each other. Reported is twice the smaller one "
    "(two-sided), as no direction was fixed beforehand.",
    "correction": "Holm's, over all pairs of methods of the same protocol, metric and context; for the values of a set, over all "
    "pairs in it.",
    "effect": "Standardised mean difference: mean over sample standard deviation of the paired differences; over sets, the mean "
    "weighted by the square root of the number of people.",
    "interval": f"95 % percentile bootstrap over people, {RESAMPLES:,} draws, each set's people drawn by themselves.",
    "ranking": "Average ranks over people; Friedman's test, Nemenyi's critical difference, and Wilcoxon's tests with Holm's "
    "correction.",
}
"""How the numbers are made, in words."""

Key = TypeVar("Key", bound=Hashable)
_TOO_FEW: Final = 5  # two of 2^5 sign flips are 6 %


def statistics(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Statistics of a benchmark's rows, as plain values.

    Returns:
        `method`: how it was done, in words. `groups`: a list with a mapping for each protocol, version, metric, context and
        user-dependence, holding

        - `entries`: the methods, each with `id` (a name that is unique in the group), `method`, `registered`, `family`,
          `target_data`, and `mean` and `ci95` over the sets, None where it lacks a set;
        - `columns`: `id`, `set`, `source`, `crowd` (whose people they are) and the number of `people`;
        - `cells`: `entry`, `column`, `mean`, `ci95`, `people` (value by person);
        - `comparisons`: `a`, `b`, `same_target_data` (the same kinds), `difference` (mean over sets of a less b, in shares),
          `ci95`, `effect`, `test`, `p`, `p_holm`, `people`, and the same by `column` in `sets`;
        - `ranking`: over the people whom all methods were tested on; None without two methods and two people;
        - `notes`: what a reader has to know, such as comparisons that cannot become significant.
    """
    scores, repeated = scores_of(rows)
    groups = []
    for group, places in scores.items():
        doubled = [f"{repeated[group]} rows repeat others; their mean was taken."] if repeated.get(group) else []
        groups.append({**group._asdict(), **_group(places, doubled)})
    return {"method": dict(METHOD), "groups": groups}


class _Column(NamedTuple):
    """Values by person in one set: scores of a method, or differences of a pair."""

    id: str
    crowd: str
    values: dict[str, float]


Placed = Mapping[Entry, Sequence[_Column]]
Pair = tuple[Entry, Entry]


def _group(scores: Scores, notes: list[str]) -> dict[str, Any]:
    entries = list(dict.fromkeys(e for by_entry in scores.values() for e in by_entry))
    names, columns = entry_names(entries), column_names(list(scores))
    crowds = {place: crowd_of(place.set, {}) for place in scores}
    people = {columns[place]: {p for values in by_entry.values() for p in values} for place, by_entry in scores.items()}
    placed = {e: [_Column(columns[s], crowds[s], v[e]) for s, v in scores.items() if e in v] for e in entries}
    compared = _comparisons(placed, names)
    notes = [*notes, *_notes(placed, names, people, compared)]
    over = _over_sets({e: of for e, of in placed.items() if len(of) == len(scores)})
    alone = _over_sets({(e, c.id): [c] for e, of in placed.items() for c in of})
    return {
        "entries": [{"id": names[e], **e._asdict(), **over.get(e, {"mean": None, "ci95": None})} for e in entries],
        "columns": [
            {"id": columns[s], "set": s.set, "source": s.source, "crowd": crowds[s], "people": len(people[columns[s]])}
            for s in scores
        ],
        "cells": [
            {"entry": names[e], "column": c.id, **alone[e, c.id], "people": c.values} for e, of in placed.items() for c in of
        ],
        "comparisons": compared,
        "ranking": _ranking(placed, names, len(scores), notes),
        "notes": notes,
    }


def _batches(arrays: Mapping[Key, Sequence[Array]]) -> Iterator[tuple[list[Key], list[Array]]]:
    """What has arrays (people,) of the same lengths, side by side: each (people, m)."""
    alike: dict[tuple[int, ...], list[Key]] = {}
    for key, several in arrays.items():
        alike.setdefault(tuple(map(len, several)), []).append(key)
    for lengths, keys in alike.items():
        yield keys, [np.stack([arrays[key][i] for key in keys], axis=1) for i in range(len(lengths))]


def _over_sets(placed: Mapping[Key, Sequence[_Column]]) -> dict[Key, dict[str, Any]]:
    """Plain mean over sets and its interval; a person of several sets is drawn once for all of them."""
    shares: dict[Key, list[Array]] = {}
    for key, columns in placed.items():
        by_crowd: dict[str, dict[str, float]] = {}
        for column in columns:
            share = by_crowd.setdefault(column.crowd, {})
            for person, value in column.values.items():
                share[person] = share.get(person, 0.0) + value / (len(column.values) * len(columns))
        shares[key] = [len(share) * np.array(list(share.values())) for _, share in sorted(by_crowd.items())]
    found: dict[Key, dict[str, Any]] = {}
    for keys, groups in _batches(shares):
        mean, (low, high) = sum(group.mean(axis=0) for group in groups), summed_interval(groups)
        found.update({k: {"mean": float(m), "ci95": [float(a), float(b)]} for k, m, a, b in zip(keys, mean, low, high)})
    return {key: found[key] for key in placed}


def _comparisons(placed: Placed, names: Mapping[Entry, str]) -> list[dict[str, Any]]:
    """All pairs that some person was tested with, with corrected p-values."""
    differences = {(a, b): _paired(placed[a], placed[b]) for a, b in combinations(placed, 2)}
    differences = {pair: columns for pair, columns in differences.items() if columns}
    within = _tested({(pair, c.id): [c] for pair, columns in differences.items() for c in columns})
    over = _tested(differences)
    found = []
    for (a, b), columns in differences.items():
        by_set = [{"column": c.id, **within[(a, b), c.id]} for c in columns]
        unlike = {"same_target_data": kinds_of(a.target_data) == kinds_of(b.target_data)}
        found.append({"a": names[a], "b": names[b], **unlike, **over[a, b], "sets": by_set})
    families: dict[str | None, list[dict[str, Any]]] = {None: found}
    for comparison in found:
        for one in comparison["sets"]:
            families.setdefault(one["column"], []).append(one)
    for family in families.values():
        for one, corrected in zip(family, holm([one["p"] for one in family])):
            one["p_holm"] = corrected
    return found


def _paired(ours: Sequence[_Column], theirs: Sequence[_Column]) -> list[_Column]:
    """Differences of those whom both have."""
    other = {column.id: column.values for column in theirs}
    found = [
        c._replace(values={p: v - other[c.id][p] for p, v in c.values.items() if p in other[c.id]}) for c in ours if c.id in other
    ]
    return [column for column in found if column.values]


def _tested(differences: Mapping[Key, Sequence[_Column]]) -> dict[Key, dict[str, Any]]:
    """Mean difference, effect size and test over the sets of each key."""
    crowds = {key: [_together(cs, crowd) for crowd in sorted({c.crowd for c in cs})] for key, cs in differences.items()}
    means, found = _over_sets(differences), {}
    for keys, groups in _batches(crowds):
        tails = [paired_tails(group) for group in groups]
        sizes = [len(group) for group in groups]
        for i, key in enumerate(keys):
            combined = combine([t[i] for t in tails], sizes)
            found[key] = {
                "people": sum(sizes),
                "difference": means[key]["mean"],
                "ci95": means[key]["ci95"],
                "effect": combine_effects([effect_size(group[:, i]) for group in groups], sizes),
                "test": combined.test,
                "p": combined.two_sided,
            }
    return found


def _together(columns: Sequence[_Column], crowd: str) -> Array:
    """(people,) mean difference of each person over the sets of their crowd."""
    by_person: dict[str, list[float]] = {}
    for column in columns:
        if column.crowd == crowd:
            for person, value in column.values.items():
                by_person.setdefault(person, []).append(value)
    return np.array([np.mean(by_person[person]) for person in sorted(by_person)])


def _ranking(placed: Placed, names: Mapping[Entry, str], sets: int, notes: list[str]) -> dict[str, Any] | None:
    """Over people whom every method was tested on; methods that lack a set are left out. Why there is none goes to the notes."""
    ranked = [entry for entry, columns in placed.items() if len(columns) == sets]
    if len(ranked) < 2:
        notes.append("No ranking: fewer than two methods were tested on every set.")
        return None
    blocks: dict[tuple[str, str], list[list[float]]] = {}
    for several in zip(*(placed[entry] for entry in ranked)):
        for person in set.intersection(*(set(column.values) for column in several)):
            blocks.setdefault((several[0].crowd, person), []).append([column.values[person] for column in several])
    if len(blocks) < 2:
        notes.append("No ranking: fewer than two people were tested with every method.")
        return None
    found = rank(np.array([np.mean(blocks[key], axis=0) for key in sorted(blocks)]))
    ids = [names[entry] for entry in ranked]
    return {
        "people": len(blocks),
        "ranks": {name: float(r) for name, r in zip(ids, found.ranks)},
        "friedman": found.statistic,
        "p": found.p,
        "critical_difference": found.critical_difference,
        "nemenyi": [[ids[i] for i in run] for run in found.nemenyi],
        "wilcoxon": [[ids[i] for i in run] for run in found.wilcoxon],
    }


def _notes(
    placed: Placed, names: Mapping[Entry, str], people: Mapping[str, set[str]], compared: Sequence[Mapping[str, Any]]
) -> list[str]:
    """What limits the comparisons."""
    notes = []
    if len(placed) == 1:
        notes.append("One method alone: nothing to compare.")
    alone = [column for column, known in people.items() if len(known) == 1]
    if alone:
        notes.append(f"One person alone in {', '.join(alone)}: the interval is the value itself, and no test can tell anything.")
    few = [column for column, known in people.items() if 1 < len(known) <= _TOO_FEW]
    if few:
        notes.append(f"Too few people in {', '.join(few)} for a difference within the set to become significant, whatever it is.")
    for column, known in people.items():
        own = {entry: next((c.values for c in columns if c.id == column), {}) for entry, columns in placed.items()}
        lacking = [f"{names[entry]} ({len(values)})" for entry, values in own.items() if 0 < len(values) < len(known)]
        if lacking:
            notes.append(f"Tested on some of the {len(known)} people of {column} only: {', '.join(lacking)}.")
    missing = [names[entry] for entry, columns in placed.items() if len(columns) < len(people)]
    if missing:
        notes.append(f"Not tested on every set, so without a mean over sets and a rank: {', '.join(missing)}.")
    crowds = {column.id: column.crowd for columns in placed.values() for column in columns}
    shared = [column for column, crowd in crowds.items() if list(crowds.values()).count(crowd) > 1]
    if shared:
        notes.append(f"Sets with the same people: {', '.join(shared)}. Where sets are put together a person counts once.")
    unlike = sum(not c["same_target_data"] for c in compared)
    if unlike:
        notes.append(f"In {unlike} of {len(compared)} comparisons one method saw a kind of target data that the other did not.")
    mixed = [names[entry] for entry in placed if OR in entry.target_data]
    if mixed:
        notes.append(f"Saw different data of different people or sets: {', '.join(mixed)}.")
    return notes
