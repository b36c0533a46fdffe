"""Numbers on a codebook: how evenly it is used, what its codes say about movements, how far context decides.

Letters: M tokens, K codes, G movements.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from aemg.model.codebook import perplexity
from aemg.report.tally import CodeUse, Sample

_SHUFFLES = 5
_CLOSEST = 0.1  # share of the neighbour pairs that counts as most alike
_BINS = 8


@dataclass(frozen=True)
class Use:
    """How evenly codes are used by some tokens.

    Args:
        counts: (K,).
        perplexity: as many codes, used evenly, would carry the same entropy.
    """

    counts: NDArray[np.int64]
    perplexity: float

    @staticmethod
    def of(codes: NDArray[np.int64], size: int) -> Use:
        """From the codes (M,) of tokens and the codebook's size."""
        counts = np.bincount(codes, minlength=size)
        return Use(counts, perplexity(torch.from_numpy(counts)))

    @property
    def used(self) -> int:
        """Codes with a token at least."""
        return int((self.counts > 0).sum())


@dataclass(frozen=True)
class Information:
    """What a token's code says about the movement.

    Args:
        bits: plug-in mutual information.
        by_chance: the same with labels shuffled within each set; what many codes and few tokens give for nothing.
        entropy: of the movements, the most there is to say.
    """

    bits: float
    by_chance: float
    entropy: float
    tokens: int


def information(use: CodeUse, chosen: NDArray[np.bool_] | None = None) -> Information | None:
    """Mutual information between code and movement over labelled tokens; None without two movements."""
    labelled = (use.tokens.label >= 0) & (True if chosen is None else chosen)
    code, label, dataset = (v[labelled] for v in (use.tokens.code, use.tokens.label, use.tokens.dataset))
    if len(np.unique(label)) < 2:
        return None
    rng = np.random.default_rng(0)
    chance = []
    for _ in range(_SHUFFLES):
        shuffled = label.copy()
        for one in np.unique(dataset):
            shuffled[dataset == one] = rng.permutation(label[dataset == one])
        chance.append(_mutual(code, shuffled))
    return Information(_mutual(code, label), float(np.mean(chance)), _entropy(np.bincount(label)), len(code))


def _mutual(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
    joint = np.unique(a * (int(b.max()) + 1) + b, return_counts=True)[1]
    return _entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(joint)


def _entropy(counts: NDArray[np.int64]) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())


def cross_table(code: NDArray[np.int64], other: NDArray[np.int64], shape: tuple[int, int]) -> NDArray[np.int64]:
    """How often each code meets each of another variable's values; values below 0 are left out."""
    known = other >= 0
    flat = np.bincount(code[known] * shape[1] + other[known], minlength=shape[0] * shape[1])
    return flat.reshape(shape)


@dataclass(frozen=True)
class Meaning:
    """A movement that a code stands for: share of the code's labelled tokens, and that share over the movement's share
    of all labelled tokens."""

    label: str
    share: float
    lift: float


def meanings(row: NDArray[np.int64], base: NDArray[np.int64], labels: Sequence[str], most: int = 3) -> list[Meaning]:
    """The movements of most of a code's tokens: row (G,) of the code, base (G,) of all codes."""
    total = int(row.sum())
    order = [int(g) for g in np.argsort(-row, kind="stable")[:most] if row[g]]
    return [Meaning(labels[g], row[g] / total, float(row[g] / total / (base[g] / base.sum()))) for g in order]


@dataclass(frozen=True)
class Context:
    """How far a token's surroundings decide on its code.

    Args:
        changed_unaccompanied, changed_alone: share of sampled tokens whose code changes without the sentence's other
            tokens, and also without its time and overall amplitudes.
        moved, changed_moved: tokens put as they are into another sentence, and the share whose code changes.
        pairs, pairs_distance, pairs_differ: the most alike pairs of tokens of different sentences, their mean distance
            over that of random pairs, and the share with unequal codes.
        random_differ: the same share for random pairs.
        pairs_cosine, random_cosine: mean cosine between the codes of such pairs.
        distance, differ: (bins,) from the closest neighbour pairs to the farthest: mean distance over that of random
            pairs, and share with unequal codes.
    """

    tokens: int
    moved: int
    changed_moved: float
    changed_unaccompanied: float
    changed_alone: float
    pairs: int
    pairs_distance: float
    pairs_differ: float
    random_differ: float
    pairs_cosine: float
    random_cosine: float
    distance: NDArray[np.float64]
    differ: NDArray[np.float64]


def context(sample: Sample, entries: NDArray[np.float32]) -> Context | None:
    """Measures context dependence on a sample; None where it has no two sentences.

    Args:
        entries: (K, code width) of unit length.
    """
    found = _neighbours(sample)
    if found is None:
        return None
    first, second, distance, usual = found
    order = np.argsort(distance, kind="stable")
    close = order[: max(1, round(_CLOSEST * len(order)))]
    rng = np.random.default_rng(0)
    other = rng.permutation(len(sample.code))
    differs = sample.code[first] != sample.code[second]

    def cosine(a: NDArray[np.int64], b: NDArray[np.int64]) -> float:
        return float((entries[sample.code[a]] * entries[sample.code[b]]).sum(axis=1).mean())

    bins = np.array_split(order, min(_BINS, len(order)))
    return Context(
        len(sample.code),
        len(sample.moved),
        float(sample.moved.mean()) if len(sample.moved) else float("nan"),
        float((sample.unaccompanied != sample.code).mean()),
        float((sample.alone != sample.code).mean()),
        len(close),
        float(distance[close].mean() / usual),
        float(differs[close].mean()),
        float((sample.code != sample.code[other]).mean()),
        cosine(first[close], second[close]),
        cosine(np.arange(len(other)), other),
        np.array([distance[part].mean() / usual for part in bins]),
        np.array([differs[part].mean() for part in bins]),
    )


def _neighbours(
    sample: Sample,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], float] | None:
    """Each token, its nearest one in another sentence and at another position, how far it is, and random pairs are."""
    if len(np.unique(sample.sentence)) < 2:
        return None
    scaled = sample.descriptor / (sample.descriptor.std(axis=0) + 1e-3)
    distance = cdist(scaled, scaled).astype(np.float32)
    usual = float(np.median(distance)) or 1.0
    barred = (sample.sentence[:, None] == sample.sentence) | (sample.position[:, None] == sample.position)
    distance[barred] = np.inf
    nearest = distance.argmin(axis=1)
    least = distance[np.arange(len(nearest)), nearest]
    first = np.flatnonzero(np.isfinite(least))
    if not len(first):
        return None
    return first, nearest[first], least[first].astype(np.float64), usual


def nearest_codes(
    code: int, entries: NDArray[np.float32], counts: NDArray[np.int64], most: int = 3
) -> list[tuple[int, float]]:
    """The used codes with the largest cosine to one, and the cosine."""
    cosine = entries @ entries[code]
    cosine[(counts == 0) | (np.arange(len(counts)) == code)] = -np.inf
    order = np.argsort(-cosine, kind="stable")[:most]
    return [(int(k), float(cosine[k])) for k in order if np.isfinite(cosine[k])]


def plane(entries: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Principal components of codes (n, width): places (n, 2) and the share of variance of each of the two."""
    centred = entries - entries.mean(axis=0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    places, shares = np.zeros((len(entries), 2)), np.zeros(2)
    n = min(2, len(values))
    places[:, :n] = left[:, :n] * values[:n]
    shares[:n] = values[:n] ** 2 / max(float((values**2).sum()), 1e-12)
    return places, shares
