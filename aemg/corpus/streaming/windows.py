"""Where the windows of a corpus lie, counted and found by number; no window is held in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aemg.corpus.layout import RecordingEntry
from aemg.corpus.streaming.order import Numbers, Pool
from aemg.errors import AEMGError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WindowCut:
    """How long windows are and how far apart they begin, both in seconds or both in samples; no hop: end to end.

    Raises:
        AEMGError: both units, neither, or nothing positive.
    """

    window_s: float | None = None
    window_samples: int | None = None
    hop_s: float | None = None
    hop_samples: int | None = None

    def __post_init__(self) -> None:
        seconds, samples = (self.window_s, self.hop_s), (self.window_samples, self.hop_samples)
        if (self.window_s is None) == (self.window_samples is None):
            raise AEMGError("windows take window_s or window_samples, one of the two")
        if None not in (self.hop_s, self.window_samples) or None not in (self.hop_samples, self.window_s):
            raise AEMGError("window and hop are given both in seconds or both in samples")
        wrong = [value for value in (*seconds, *samples) if value is not None and not 0 < value < float("inf")]
        if wrong:
            raise AEMGError(f"window and hop must be positive, got {wrong[0]}")

    def at(self, rate_hz: float) -> tuple[int, int]:
        """Window and hop in samples, at least one."""
        if self.window_samples is not None:
            return self.window_samples, self.hop_samples or self.window_samples
        assert self.window_s is not None
        window = max(1, round(self.window_s * rate_hz))
        return window, window if self.hop_s is None else max(1, round(self.hop_s * rate_hz))


@dataclass(frozen=True)
class Parts:
    """What to read of a corpus into an array, (channels, columns) float32 or, as codes, (columns, channels) int16: rows (K, 4)
    of recording, first sample, samples and the column that the first goes to."""

    channels: int
    columns: int
    rows: Numbers
    coded: bool

    @property
    def n_bytes(self) -> int:
        """Of the array, in whole float64."""
        return -(-(2 if self.coded else 4) * self.channels * self.columns // 8) * 8


@dataclass(frozen=True)
class Shelf:
    """All windows of one shape, (channels, samples), numbered from 0 recording by recording.

    Args:
        hop: samples between the begins of two windows.
        recordings: (R,) their numbers in the corpus.
        ends: (R,) how many windows there are up to the end of each.
        sets: names of their sets, in order, with the number of windows of each.
        coded: whether all of them are stored as codes.
    """

    channels: int
    samples: int
    hop: int
    recordings: Numbers
    ends: Numbers
    sets: Mapping[str, int]
    coded: bool = False

    @property
    def window_bytes(self) -> int:
        """Of samples that a window adds to a block of neighbours."""
        return 4 * self.channels * self.hop

    def pool(self, weights: Mapping[str, float], block_bytes: int) -> Pool:
        """The windows as `Order` takes them; a set without a weight has weight 1."""
        weight = tuple(float(weights.get(name, 1.0)) for name in self.sets)
        return Pool(tuple(self.sets.values()), weight, max(1, block_bytes // self.window_bytes))

    def find(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Recording and first sample of windows (W,) by their numbers."""
        row = np.searchsorted(self.ends, numbers, "right")
        before = np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])
        return self.recordings[row], (numbers - before[row]) * self.hop

    def parts(self, numbers: Numbers) -> tuple[Parts, Numbers, Numbers]:
        """What to read for windows (W,): the parts, the part that each window is in, and the column where it begins."""
        recording, start = self.find(numbers)
        begins = np.ones(len(numbers), bool)
        begins[1:] = (np.diff(numbers) != 1) | (np.diff(recording) != 0)
        at = np.flatnonzero(begins)
        windows = np.diff(np.append(at, len(numbers)))
        samples = (windows - 1) * self.hop + self.samples
        column = np.cumsum(samples) - samples
        part = np.cumsum(begins) - 1
        rows = np.stack([recording[at], start[at], samples, column], axis=1)
        return Parts(self.channels, int(samples.sum()), rows, self.coded), part, column[part] + start - start[at][part]


def shelves_of(
    entries: Sequence[RecordingEntry], cut: WindowCut, hcoded: Callable[[int], bool] = lambda i: False
) -> tuple[Shelf, ...]:
    """The windows of recordings, told apart by shape and hop; what does not fill a window at a recording's end is left out.

    Args:
        hcoded: is a recording stored as codes?

    Raises:
        AEMGError: no recording is as long as a window.
    """
    shapes: dict[tuple[int, int, int], list[int]] = {}
    short = 0
    for i, entry in enumerate(entries):
        samples, hop = cut.at(entry.rate_hz)
        if entry.n_samples >= samples and entry.n_channels:
            shapes.setdefault((entry.n_channels, samples, hop), []).append(i)
        else:
            short += 1
    if not shapes:
        raise AEMGError(f"none of {len(entries)} recordings is as long as a window, {cut}")
    if short:
        logger.info("%d of %d recordings are shorter than a window and give none", short, len(entries))
    return tuple(
        replace(_shelf(entries, *shape, recordings), coded=all(map(hcoded, recordings)))
        for shape, recordings in sorted(shapes.items())
    )


def interval_edges(entry: RecordingEntry) -> NDArray[np.int64]:
    """First sample and last (exclusive) of each interval (I, 2), of samples that lie wholly in it."""
    edges = np.array([(i.start_s, i.end_s) for i in entry.intervals], np.float64).reshape(-1, 2) * entry.rate_hz
    return np.stack([np.ceil(edges[:, 0] - 1e-6), np.floor(edges[:, 1] + 1e-6)], axis=1).astype(np.int64)


def covering(edges: NDArray[np.int64], start: Numbers, samples: int) -> Numbers:
    """For windows (W,) by their first sample, the number of the interval (I, 2) that holds the whole window, or -1; of several
    the one that begins last."""
    found = np.full(len(start), -1, np.int64)
    near = np.flatnonzero((edges[:, 1] > start.min(initial=0)) & (edges[:, 0] <= start.max(initial=0)))
    for i in near[np.argsort(edges[near, 0], kind="stable")]:
        found[(edges[i, 0] <= start) & (start + samples <= edges[i, 1])] = i
    return found


def _shelf(
    entries: Sequence[RecordingEntry], channels: int, samples: int, hop: int, recordings: Sequence[int]
) -> Shelf:
    windows: NDArray[np.int64] = np.array([1 + (entries[i].n_samples - samples) // hop for i in recordings], np.int64)
    sets: dict[str, int] = {}
    for i, n in zip(recordings, windows.tolist()):
        sets[entries[i].dataset] = sets.get(entries[i].dataset, 0) + n
    return Shelf(channels, samples, hop, np.array(recordings, np.int64), np.cumsum(windows), sets)
