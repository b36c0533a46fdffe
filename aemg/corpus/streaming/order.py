"""In which order a stream gives its windows: pure functions of what there is, seed, epoch and world.

Windows of one shape are a pool, numbered from 0 set by set. An epoch cuts them into blocks of neighbours, which are read at
once, puts the blocks in random order, and deals that sequence to the ranks in equal spans. A span is given out in groups, each
a few blocks of every pool, whose windows are shuffled. Only blocks are held in memory, never windows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError

Numbers = NDArray[np.int64]
_BLOCKS, _WINDOWS, _BATCHES = 1, 2, 3  # what is drawn, each from random numbers of its own


@dataclass(frozen=True)
class Pool:
    """Windows of one shape.

    Args:
        windows: of each set; a set's are numbered after those of the sets before it.
        weights: of each set: an epoch gives round(weight * windows) of them, as whole passes and a random rest.
        block: windows that are read at once.
    """

    windows: tuple[int, ...]
    weights: tuple[float, ...]
    block: int

    @property
    def epoch_windows(self) -> int:
        """Windows that an epoch gives."""
        return sum(round(weight * windows) for weight, windows in zip(self.weights, self.windows))


def ranges(first: Numbers, count: Numbers) -> Numbers:
    """first[0], first[0] + 1, ... (count[0] of them), first[1], ..."""
    before = np.cumsum(count) - count
    return np.repeat(first - before, count) + np.arange(count.sum())


class Blocks:
    """An epoch's blocks of a pool in random order: stretches of neighbouring windows, one after the other.

    Held are four bytes a block, its number: the sets' blocks are numbered one after the other, and after all of them come those
    that are cut shorter for the rest of a weight, one a set.
    """

    def __init__(self, pool: Pool, chance: np.random.Generator) -> None:
        windows = np.array(pool.windows, np.int64)
        blocks = -(-windows // pool.block)
        base, first = np.cumsum(blocks) - blocks, np.cumsum(windows) - windows
        cut_first, cut_end, numbers = np.zeros_like(first), np.zeros_like(first), []
        for s, weight in enumerate(pool.weights):
            passes = math.floor(weight)
            every = np.arange(base[s], base[s] + blocks[s], dtype=np.uint32)
            numbers += [every] * passes
            rest = round(weight * pool.windows[s]) - passes * pool.windows[s]
            if rest:
                chance.shuffle(every)
                begin = (every - base[s]).astype(np.int64) * pool.block
                count = np.minimum(pool.block, windows[s] - begin)
                whole = int(np.searchsorted(np.cumsum(count), rest))  # and a part of the block after them
                left = rest - int(count[:whole].sum())
                cut_first[s] = first[s] + begin[whole] + chance.integers(count[whole] - left + 1)
                cut_end[s] = cut_first[s] + left
                numbers += [every[:whole], np.array([blocks.sum() + s], np.uint32)]
        self._block = pool.block
        self._base = np.append(base, blocks.sum() + np.arange(len(windows)))
        self._first, self._end = np.append(first, cut_first), np.append(first + windows, cut_end)
        self._order = np.concatenate([np.zeros(0, np.uint32), *numbers])
        del numbers
        chance.shuffle(self._order)
        last = np.append(base + blocks - 1, blocks.sum() + np.arange(len(windows)))  # what may be shorter than the others
        self._short = np.sort(np.concatenate([np.flatnonzero(self._order == number) for number in np.unique(last)]))
        self._missing = np.cumsum(self._block - self._at(self._short)[1])

    def between(self, start: int, stop: int) -> Numbers:
        """Numbers of the windows at places [start, stop) of the sequence, block by block in order of the numbers."""
        low, high = self._place(start), self._place(stop - 1) + 1
        first, count = self._at(np.arange(low, high))
        ends = self._before(low) + np.cumsum(count)
        begins = ends - count
        first, count = first + np.maximum(start - begins, 0), np.minimum(ends, stop) - np.maximum(begins, start)
        by_number = np.argsort(first, kind="stable")
        return ranges(first[by_number], count[by_number])

    def _at(self, places: Numbers) -> tuple[Numbers, Numbers]:
        """Number of the first window, and how many windows, of the blocks at some places."""
        number = self._order[places].astype(np.int64)
        row = np.searchsorted(self._base, number, "right") - 1
        first = self._first[row] + (number - self._base[row]) * self._block
        return first, np.minimum(self._block, self._end[row] - first)

    def _before(self, place: int) -> int:
        """How many windows come before a block."""
        short = int(np.searchsorted(self._short, place))
        return place * self._block - (int(self._missing[short - 1]) if short else 0)

    def _place(self, window: int) -> int:
        """The block that a place of the windows' sequence lies in."""
        ends = (self._short + 1) * self._block - self._missing
        short = int(np.searchsorted(ends, window, "right"))
        return (window + (int(self._missing[short - 1]) if short else 0)) // self._block


def rank_span(windows: int, rank: int, world: int) -> tuple[int, int]:
    """First and last (exclusive) place of a rank; no rank has over one more than another."""
    return rank * windows // world, (rank + 1) * windows // world


def batch_edges(windows: int, batches: int, batch: int, first: int, last: int) -> Numbers:
    """Where batches [first, last] of `batches` begin among a rank's windows: whole ones, and what is left over in the last.

    Where only full ones fit, they give up one window, so that ranks with one window less have as many batches as the others.
    """
    at = np.arange(first, last + 1)
    return np.minimum(at * batch, windows - (batches - at))


@dataclass(frozen=True)
class Group:
    """What is read at once: for each pool the numbers of its windows; and the batches made of them, as pool and rows of those."""

    windows: tuple[Numbers, ...]
    batches: tuple[tuple[int, Numbers], ...]


class Order:
    """The order of all epochs for one rank.

    Args:
        groups: that an epoch is divided into.
        drop_last: give full batches only, and leave the rest of each pool out, another one in each epoch.

    Raises:
        AEMGError: a setting out of its range, or windows too few to give every rank as many batches as the others.
    """

    def __init__(
        self,
        pools: Sequence[Pool],
        *,
        batch: int,
        groups: int = 1,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        drop_last: bool = False,
    ) -> None:
        if batch < 1:
            raise AEMGError(f"batch must be at least 1, got {batch}")
        if not 0 <= rank < world:
            raise AEMGError(f"rank must lie in 0 ... world - 1, got rank {rank} of {world}")
        if seed < 0:
            raise AEMGError(f"seed must not be negative, got {seed}")
        self._pools, self._batch, self._seed, self._drop_last = tuple(pools), batch, seed, drop_last
        totals = [pool.epoch_windows for pool in self._pools]
        few = min((total for total in totals if total), default=world)
        if not drop_last and (few < world or (batch == 1 and any(total % world for total in totals))):
            raise AEMGError(f"{few} windows do not give {world} ranks equally many batches of {batch}; take drop_last=True")
        self._rank = rank
        self._spans = [rank_span(total, rank, world) for total in totals]
        per_rank = [total // world if drop_last else -(-total // world) for total in totals]
        self._batches = np.array([n // batch if drop_last else -(-n // batch) for n in per_rank], np.int64)  # (pools,)
        if not self._batches.sum():
            raise AEMGError(f"{sum(totals)} windows give no batch of {batch} on each of {world} ranks")
        self._groups = min(max(1, groups), int(self._batches.sum()))
        self._ends = sum(n * np.arange(self._groups + 1) // self._groups for n in self._batches)  # (groups + 1,)
        self._blocks: tuple[int, list[Blocks]] = (-1, [])

    def __len__(self) -> int:
        return int(self._batches.sum())

    def place(self, batch: int) -> tuple[int, int]:
        """The group that a batch of the epoch is in, and its place in the group."""
        group = int(np.searchsorted(self._ends, batch, "right")) - 1
        return group, batch - int(self._ends[group])

    @property
    def groups(self) -> int:
        """Groups that an epoch is divided into."""
        return self._groups

    def group(self, epoch: int, group: int) -> Group:
        """A group of an epoch; the shapes of its batches are the same on all ranks."""
        blocks = self._epoch(epoch)
        windows: list[Numbers] = [np.zeros(0, np.int64)] * len(blocks)
        rows: list[list[Numbers]] = [[]] * len(blocks)
        for pool, (span, total) in enumerate(zip(self._spans, self._batches.tolist())):
            first, last = total * group // self._groups, total * (group + 1) // self._groups
            if first == last:
                continue
            given = total * self._batch if self._drop_last else span[1] - span[0]
            edges = batch_edges(given, total, self._batch, first, last)
            windows[pool] = blocks[pool].between(span[0] + int(edges[0]), span[0] + int(edges[-1]))
            drawn = self._chance(epoch, _WINDOWS, pool, self._rank, group).permutation(len(windows[pool]))
            rows[pool] = np.split(drawn, edges[1:-1] - edges[0])
        turn = np.repeat(np.arange(len(rows)), [len(batches) for batches in rows])
        self._chance(epoch, _BATCHES, group).shuffle(turn)
        left = [iter(batches) for batches in rows]
        return Group(tuple(windows), tuple((int(pool), next(left[pool])) for pool in turn))

    def _epoch(self, epoch: int) -> list[Blocks]:
        if self._blocks[0] != epoch:
            self._blocks = (-1, [])  # never two epochs at a time in memory
            blocks = [Blocks(pool, self._chance(epoch, _BLOCKS, p)) for p, pool in enumerate(self._pools)]
            self._blocks = (epoch, blocks)
        return self._blocks[1]

    def _chance(self, epoch: int, what: int, *at: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, epoch, what, *at, *[0] * (3 - len(at))])
