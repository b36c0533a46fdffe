"""Shuffled windows of a corpus of any size, in batches: deterministic, shared out to ranks, and resumable at any batch."""

from __future__ import annotations

import hashlib
import logging
from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.corpus.corpus import Corpus
from aemg.corpus.streaming.batches import Plan, WindowBatch
from aemg.corpus.streaming.order import Order
from aemg.corpus.streaming.prefetch import Reader, Readers, Unread
from aemg.corpus.streaming.windows import Parts, WindowCut, interval_edges, shelves_of
from aemg.errors import AEMGError

logger = logging.getLogger(__name__)

_MB = 1_000_000
_EDGES_KEPT = 256


@dataclass(frozen=True)
class LeftOut:
    """Windows of a recording that were not given, since they could not be read: its number, how many, and the first error."""

    recording: int
    dataset: str
    file: str
    windows: int
    error: str


class WindowStream:
    """Windows of all recordings of a corpus in random order, batch by batch.

    Each window is given once an epoch over all ranks, in an order that hangs on (seed, epoch, world) alone. Iterating gives what
    is left of the epoch and goes on to the next one: three loops over a stream are three epochs. What was asked for last goes on;
    an iterator that was left before its end does not. A batch holds windows of one shape: recordings with other channels, or as
    many samples a window by another rate, come in batches of their own, mixed into the epoch in proportion.

    Args:
        corpus: or where it is, as `Corpus` takes it.
        window_s, window_samples: length of a window, in one of the two; what fills none at a recording's end is left out.
        hop_s, hop_samples: between the begins of windows, in the same unit; without it they lie end to end.
        batch: windows a batch of this rank; the last of each shape holds what is left over, or is dropped.
        weights: by set: one of weight w is given about w times in an epoch, 0 never. A set that is not named has weight 1.
        workers: processes that read ahead; 0 reads in this one. The order is the same.
        labels: tell which labelled interval holds each window.
        drop_last: full batches only.
        skip_damaged: go on without what cannot be read, tell of it in `left_out` and in the log; batches are smaller then.
        block_mb: neighbouring samples that are read at once, as float32: smaller ones mix better, larger ones are read faster.
        group_mb: of blocks whose windows are shuffled together. Memory is that of one group, and one for each worker.

    Raises:
        AEMGError: a setting out of range, a set that is not there, or no window at all.
    """

    def __init__(
        self,
        corpus: Corpus | str | Path,
        *,
        window_s: float | None = None,
        window_samples: int | None = None,
        hop_s: float | None = None,
        hop_samples: int | None = None,
        batch: int = 256,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        weights: Mapping[str, float] | None = None,
        workers: int = 0,
        labels: bool = False,
        drop_last: bool = False,
        skip_damaged: bool = False,
        block_mb: float = 1.0,
        group_mb: float = 64.0,
    ) -> None:
        if workers < 0:
            raise AEMGError(f"workers must be at least 0, got {workers}")
        if not 0 < block_mb <= group_mb:
            raise AEMGError(f"block_mb must be positive and at most group_mb, got {block_mb} and {group_mb}")
        self.corpus = corpus if isinstance(corpus, Corpus) else Corpus(corpus)
        cut = WindowCut(window_s, window_samples, hop_s, hop_samples)
        self._shelves = shelves_of(self.corpus.recordings, cut, self.corpus.has_codes)
        weights = _weights(weights, {info.name for info in self.corpus.infos})
        pools = [shelf.pool(weights, int(block_mb * _MB)) for shelf in self._shelves]
        size = sum(pool.epoch_windows * shelf.window_bytes for pool, shelf in zip(pools, self._shelves))
        groups = -(-size // max(1, int(world * group_mb * _MB)))
        self._order = Order(pools, batch=batch, groups=groups, seed=seed, rank=rank, world=world, drop_last=drop_last)
        self._settings: dict[str, Any] = {
            "seed": seed, "world": world, "batch": batch, "drop_last": drop_last, **asdict(cut), "weights": weights,
            "block_mb": float(block_mb), "group_mb": float(group_mb), "recordings": _fingerprint(self.corpus),
        }  # fmt: skip
        self._labels, self._skip_damaged = labels, skip_damaged
        self._edges: dict[int, NDArray[np.int64]] = {}
        self._left_out: dict[int, LeftOut] = {}
        self._reader = Readers(self.corpus, workers) if workers else Reader(self.corpus)
        self._iterator: Generator[WindowBatch, None, None] | None = None
        self._at = (0, 0)

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return len(self._order)

    def __iter__(self) -> Iterator[WindowBatch]:
        self._stop()
        self._iterator = self._batches()
        return self._iterator

    @property
    def epoch(self) -> int:
        """Number of the epoch that the next batch belongs to."""
        return self._at[0]

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """What could not be read and was left out so far, by recording."""
        return tuple(self._left_out[recording] for recording in sorted(self._left_out))

    def set_epoch(self, epoch: int) -> None:
        """Goes to the begin of an epoch, or stays where it is within that epoch."""
        if epoch < 0:
            raise AEMGError(f"epoch must not be negative, got {epoch}")
        if epoch != self._at[0]:
            self._stop()
            self._at = (epoch, 0)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is, and what its order hangs on; numbers, strings and dicts alone. The same for all ranks."""
        return {"epoch": self._at[0], "batches_given": self._at[1], **self._settings}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes to where a stream was: the next batch is the one that it would have given.

        Raises:
            AEMGError: the state is of a stream in another order: other recordings, seed, world or settings.
        """
        missing = [name for name in ("epoch", "batches_given", *self._settings) if name not in state]
        if missing:
            raise AEMGError(f"not the state of a window stream: no {', '.join(missing)}")
        for name, value in self._settings.items():
            if state[name] != value:
                raise AEMGError(f"the state is of a stream with {name} = {state[name]!r}, this one has {value!r}")
        at = (int(state["epoch"]), int(state["batches_given"]))
        if at[0] < 0 or not 0 <= at[1] < len(self):
            raise AEMGError(f"the state is at batch {at[1]} of epoch {at[0]}, an epoch has {len(self)}")
        self._stop()
        self._at = at

    def close(self) -> None:
        """Ends the processes that read ahead and closes the corpus' files; iterating opens them again."""
        self._stop()
        self._reader.close()
        self.corpus.close()

    def __enter__(self) -> WindowStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _stop(self) -> None:
        if self._iterator is not None:
            self._iterator.close()
            self._iterator = None

    def _batches(self) -> Generator[WindowBatch, None, None]:
        epoch, given = self._at
        group, skipped = self._order.place(given)
        with closing(self._loaded(epoch, group)) as loaded:
            for plan, arrays, unread in loaded:
                lost = self._lost(plan, unread)
                for at in range(skipped, len(plan)):
                    batch = plan.batch(at, arrays, lost)
                    given += 1
                    self._at = (epoch, given) if given < len(self) else (epoch + 1, 0)
                    if len(batch):
                        yield batch
                skipped = 0

    def _loaded(self, epoch: int, first: int) -> Generator[tuple[Plan, list[NDArray[Any]], list[Unread]], None, None]:
        """The groups of an epoch from one on."""
        plans: deque[Plan] = deque()

        def tasks() -> Iterator[tuple[Parts, ...]]:
            for group in range(first, self._order.groups):
                edges = self._edges_of if self._labels else None
                plans.append(Plan(self._shelves, self._order.group(epoch, group), self.corpus.key, edges))
                yield plans[-1].task

        with closing(self._reader.read(tasks())) as reading:
            for arrays, unread in reading:
                yield plans.popleft(), arrays, unread

    def _lost(self, plan: Plan, unread: list[Unread]) -> set[tuple[int, int]]:
        """Notes what could not be read.

        Raises:
            AEMGError: something could not, and nothing is to be left out.
        """
        for bad in unread:
            recording, first, samples, _ = plan.task[bad.place].rows[bad.part].tolist()
            entry, known = self.corpus.recordings[recording], self._left_out.get(recording)
            what = f"recording {recording} ({entry.dataset}, {entry.file}), samples {first} to {first + samples}: {bad.error}"
            if not self._skip_damaged:
                raise AEMGError(f"{what}; prepare the set again, or take skip_damaged=True to go on without")
            windows = plan.windows_of(bad.place, bad.part)
            if known is None:
                logger.warning("left out: %s", what)
                known = LeftOut(recording, entry.dataset, entry.file, 0, bad.error)
            self._left_out[recording] = replace(known, windows=known.windows + windows)
        return {(bad.place, bad.part) for bad in unread}

    def _edges_of(self, recording: int) -> NDArray[np.int64]:
        if recording not in self._edges:
            if len(self._edges) >= _EDGES_KEPT:
                self._edges.clear()
            self._edges[recording] = interval_edges(self.corpus.recordings[recording])
        return self._edges[recording]


def _weights(given: Mapping[str, float] | None, known: set[str]) -> dict[str, float]:
    weights = {name: float(weight) for name, weight in (given or {}).items()}
    for name, weight in weights.items():
        if name not in known:
            raise AEMGError(f"no set {name!r} to give a weight; the corpus holds {', '.join(sorted(known))}")
        if not 0 <= weight < float("inf"):
            raise AEMGError(f"the weight of {name} must be a number from 0 on, got {weight}")
    return weights


def _fingerprint(corpus: Corpus) -> str:
    """Hexadecimal sha256 of which recordings there are, in their order."""
    digest = hashlib.sha256()
    for entry in corpus.recordings:
        digest.update(f"{entry.dataset} {entry.n_channels} {entry.n_samples} {entry.sha256}\n".encode())
    return digest.hexdigest()
