"""The order of windows: each one once over the ranks, weights, spans, groups; and where windows lie in recordings."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.corpus.layout import RecordingEntry
from aemg.corpus.streaming.order import Blocks, Numbers, Order, Pool, batch_edges, ranges, rank_span
from aemg.corpus.streaming.windows import WindowCut, covering, interval_edges, shelves_of
from aemg.errors import AEMGError
from aemg.signals import Interval, ring

once = st.builds(
    lambda windows, block: Pool(tuple(windows), (1.0,) * len(windows), block),
    st.lists(st.integers(1, 60), min_size=1, max_size=3),
    st.integers(1, 20),
)
pools = st.lists(once, min_size=1, max_size=3)


def given_windows(order: Order, epoch: int) -> list[tuple[int, Numbers]]:
    """Pool and window numbers of each batch of an epoch."""
    groups = [order.group(epoch, group) for group in range(order.groups)]
    return [(pool, group.windows[pool][rows]) for group in groups for pool, rows in group.batches]


@settings(derandomize=True, deadline=None)
@given(pools, st.integers(2, 9), st.integers(1, 4), st.integers(1, 9), st.integers(0, 3))
def test_each_window_once_over_all_ranks(pools: list[Pool], batch: int, world: int, groups: int, epoch: int) -> None:
    if min(pool.epoch_windows for pool in pools) < world:
        with pytest.raises(AEMGError, match="drop_last"):
            Order(pools, batch=batch, world=world)
        return
    orders = [Order(pools, batch=batch, groups=groups, seed=3, rank=rank, world=world) for rank in range(world)]
    batches = [given_windows(order, epoch) for order in orders]
    assert {len(order) for order in orders} == {len(given) for given in batches} == {len(orders[0])}
    assert all(1 <= len(numbers) <= batch for given in batches for _, numbers in given)
    for at_once in zip(*batches):
        assert len({pool for pool, _ in at_once}) == 1  # the ranks take batches of one shape together
    for at, pool in enumerate(pools):
        numbers = [n for given in batches for p, n in given if p == at]
        assert sorted(np.concatenate(numbers).tolist()) == list(range(pool.epoch_windows))
        per_rank = [sum(len(n) for p, n in given if p == at) for given in batches]
        assert max(per_rank) - min(per_rank) <= 1


@settings(derandomize=True, deadline=None)
@given(pools, st.integers(1, 9), st.integers(1, 4))
def test_full_batches_alone_are_given_where_the_last_are_dropped(pools: list[Pool], batch: int, world: int) -> None:
    if not sum(pool.epoch_windows // world // batch for pool in pools):
        with pytest.raises(AEMGError, match="no batch"):
            Order(pools, batch=batch, world=world, drop_last=True)
        return
    orders = [Order(pools, batch=batch, groups=3, rank=rank, world=world, drop_last=True) for rank in range(world)]
    batches = [given_windows(order, 0) for order in orders]
    assert {len(given) for given in batches} == {len(orders[0])}
    assert all(len(numbers) == batch for given in batches for _, numbers in given)
    for at in range(len(pools)):
        numbers = [*itertools.chain(*(n.tolist() for given in batches for p, n in given if p == at))]
        assert len(set(numbers)) == len(numbers)


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 50), st.floats(0, 3.5)), min_size=1, max_size=4),
    st.integers(1, 20),
    st.integers(0, 5),
)
def test_weights_give_whole_passes_and_a_random_rest(sets: list[tuple[int, float]], block: int, seed: int) -> None:
    pool = Pool(tuple(n for n, _ in sets), tuple(w for _, w in sets), block)
    blocks = Blocks(pool, np.random.default_rng(seed))
    total = pool.epoch_windows
    times = np.bincount(blocks.between(0, total), minlength=sum(pool.windows)) if total else np.zeros(sum(pool.windows))
    first = 0
    for n, weight in sets:
        of_set = times[first : first + n]
        assert of_set.sum() == round(weight * n)
        assert set(of_set.tolist()) <= {int(weight), int(weight) + 1}
        first += n


def test_the_rest_of_a_weight_is_another_in_each_epoch() -> None:
    order = Order([Pool((1000,), (0.2,), 10)], batch=10, groups=3, seed=1)
    given = [{int(n) for _, numbers in given_windows(order, epoch) for n in numbers} for epoch in range(2)]
    assert len(given[0]) == len(given[1]) == 200
    assert len(given[0] & given[1]) < 120


@settings(derandomize=True, deadline=None)
@given(pools, st.integers(2, 6), st.integers(1, 7))
def test_a_batch_is_found_in_its_group(pools: list[Pool], batch: int, groups: int) -> None:
    order = Order(pools, batch=batch, groups=groups)
    numbered = [(g, at) for g in range(order.groups) for at in range(len(order.group(0, g).batches))]
    assert [order.place(i) for i in range(len(order))] == numbered


def test_the_order_hangs_on_seed_and_epoch_and_is_mixed() -> None:
    pool = [Pool((4000,), (1.0,), 10)]
    def numbers(seed: int, epoch: int) -> Numbers:
        return np.concatenate([n for _, n in given_windows(Order(pool, batch=50, groups=4, seed=seed), epoch)])

    assert np.array_equal(numbers(1, 2), numbers(1, 2))
    for other in (numbers(1, 3), numbers(2, 2)):
        assert np.mean(other == numbers(1, 2)) < 0.01
    order = numbers(1, 2)
    assert abs(np.corrcoef(order, np.arange(len(order)))[0, 1]) < 0.1
    neighbours = np.mean(np.abs(np.diff(order)) == 1)
    assert neighbours < 0.02
    first = order[:50]
    assert len(np.unique(first // 10)) > 30  # one batch draws on many blocks


@given(st.integers(0, 10_000), st.integers(1, 70))
def test_spans_of_ranks_are_equal_and_leave_nothing(windows: int, world: int) -> None:
    spans = [rank_span(windows, rank, world) for rank in range(world)]
    assert spans[0][0] == 0 and spans[-1][1] == windows
    assert all(a[1] == b[0] for a, b in itertools.pairwise(spans))
    sizes = [last - first for first, last in spans]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 500), st.integers(2, 40), st.booleans())
def test_ranks_with_one_window_less_have_as_many_batches(windows: int, batch: int, less: bool) -> None:
    batches = -(-(windows + less) // batch)
    sizes = np.diff(batch_edges(windows, batches, batch, 0, batches))
    assert sizes.sum() == windows and len(sizes) == batches
    assert sizes.min() >= 1 and sizes.max() <= batch


def test_ranges() -> None:
    assert ranges(np.array([7, 3, 9]), np.array([2, 0, 3])).tolist() == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "batch"),
        ({"batch": 4, "rank": 2, "world": 2}, "rank 2 of 2"),
        ({"batch": 4, "seed": -1}, "seed"),
        ({"batch": 1, "world": 3}, "equally many batches"),
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        Order([Pool((10,), (1.0,), 3)], **wrong)  # type: ignore[arg-type]


def test_the_index_of_a_hundred_thousand_hours_stays_small() -> None:
    windows = 100_000 * 3600 * 5  # of 0.2 s
    tracemalloc.start()
    order = Order([Pool((windows,), (1.0,), 156)], batch=256, groups=90_000, world=8, rank=3)
    group = order.group(5, order.groups // 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(group.batches) > 2
    assert peak < 16 * windows // 156  # bytes: a few numbers a block while the order is drawn


def entry(channels: int = 4, samples: int = 1000, rate_hz: float = 200.0, **changes: object) -> RecordingEntry:
    plain = RecordingEntry(
        dataset="one", subject="s1", session="1", n_channels=channels, n_samples=samples, rate_hz=rate_hz, unit="V", kind="raw",
        band_hz=None, intervals=(), montage=ring("band", channels), file="f", sha256="00", file_sha256="00",
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 90), st.sampled_from([100.0, 200.0])), min_size=1, max_size=8),
    st.integers(1, 30),
    st.integers(1, 40),
)
def test_windows_are_found_by_number(shapes: list[tuple[int, int, float]], window: int, hop: int) -> None:
    entries = [entry(channels, samples, rate) for channels, samples, rate in shapes]
    expected = {
        (i, start)
        for i, e in enumerate(entries)
        for start in range(0, e.n_samples - window + 1, hop)
    }
    cut = WindowCut(window_samples=window, hop_samples=hop)
    if not expected:
        with pytest.raises(AEMGError, match="as long as a window"):
            shelves_of(entries, cut)
        return
    found = []
    for shelf in shelves_of(entries, cut):
        numbers = np.random.default_rng(0).permutation(int(shelf.ends[-1]))
        recording, start = shelf.find(numbers)
        assert {entries[i].n_channels for i in recording} == {shelf.channels}
        found += list(zip(recording.tolist(), start.tolist()))
        parts, part, column = shelf.parts(np.sort(numbers))
        for n, p, at in zip(*(array.tolist() for array in (np.sort(numbers), part, column))):
            i, first, samples, to = parts.rows[p].tolist()
            begin = first + at - to  # the window's first sample, by way of the array
            assert (i, begin) == tuple(int(x[0]) for x in shelf.find(np.array([n])))
            assert to <= at and at + window <= to + samples <= parts.columns
    assert len(found) == len(expected) and set(found) == expected


def test_a_window_in_seconds_follows_the_rate() -> None:
    cut = WindowCut(window_s=0.2, hop_s=0.05)
    assert cut.at(200.0) == (40, 10)
    assert cut.at(2000.0) == (400, 100)
    assert WindowCut(window_s=0.25).at(1000.0) == (250, 250)
    shelves = shelves_of([entry(4, 1000, 200.0), entry(4, 10_000, 2000.0), entry(8, 1000, 200.0)], WindowCut(window_s=0.2))
    assert [(s.channels, s.samples) for s in shelves] == [(4, 40), (4, 400), (8, 40)]


@pytest.mark.parametrize(
    "wrong",
    [{}, {"window_s": 0.2, "window_samples": 40}, {"window_s": 0.2, "hop_samples": 4}, {"window_samples": 4, "hop_s": 0.1},
     {"window_s": 0.0}, {"window_s": float("nan")}, {"window_samples": 40, "hop_samples": 0}],
)  # fmt: skip
def test_a_cut_that_says_nothing_or_two_things_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(AEMGError):
        WindowCut(**wrong)  # type: ignore[arg-type]


@settings(derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40)), max_size=6), st.integers(1, 10))
def test_the_interval_that_holds_a_window(spans: list[tuple[int, int]], samples: int) -> None:
    intervals = tuple(Interval(a / 200, (a + n) / 200, "x") for a, n in spans)
    start = np.arange(0, 90)
    found = covering(interval_edges(entry(intervals=intervals)), start, samples)
    for s, at in zip(start.tolist(), found.tolist()):
        holding = [i for i, (a, n) in enumerate(spans) if a <= s and s + samples <= a + n]
        assert (at == -1) == (not holding)
        if holding:
            assert at in holding and spans[at][0] == max(spans[i][0] for i in holding)
