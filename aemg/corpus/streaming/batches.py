"""From stretches of samples to batches of windows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from aemg.corpus.streaming.order import Group, Numbers
from aemg.corpus.streaming.windows import Parts, Shelf, covering

Key = NDArray[np.float64] | NDArray[np.float32]


@dataclass(frozen=True)
class WindowBatch:
    """Windows of one shape.

    Args:
        signal: (B, C, T) float32, samples as `Corpus.window` gives them.
        recording, start_sample: (B,) where each window begins.
        interval: (B,) number of the recording's interval that holds the whole window, or -1; None where it was not asked for.
    """

    signal: NDArray[np.float32]
    recording: Numbers
    start_sample: Numbers
    interval: Numbers | None = None

    def __len__(self) -> int:
        return len(self.signal)


class Plan:
    """What is to be read for a group, and its batches once that is done.

    Args:
        key: of a recording that is read as codes.
        edges: the intervals of a recording as `covering` takes them; None where batches do not tell of them.
    """

    def __init__(
        self,
        shelves: Sequence[Shelf],
        group: Group,
        key: Callable[[int], Key],
        edges: Callable[[int], NDArray[np.int64]] | None = None,
    ) -> None:
        found = [shelf.parts(numbers) for shelf, numbers in zip(shelves, group.windows)]
        self.task: tuple[Parts, ...] = tuple(parts for parts, _, _ in found)
        self._part, self._column = [part for _, part, _ in found], [column for _, _, column in found]
        self._shelves, self._group, self._key = shelves, group, key
        self._keys: list[dict[int, Key]] = [{} for _ in shelves]
        self._tables: dict[int, tuple[Any, ...]] = {}
        self._intervals = None if edges is None else [self._covering(pool, edges) for pool in range(len(shelves))]

    def __len__(self) -> int:
        return len(self._group.batches)

    def windows_of(self, pool: int, part: int) -> int:
        """How many windows of the group lie in a part."""
        return int(np.count_nonzero(self._part[pool] == part))

    def batch(self, at: int, arrays: Sequence[NDArray[Any]], unread: Collection[tuple[int, int]] = ()) -> WindowBatch:
        """A batch of the group, copied from the arrays that its task was read into.

        Args:
            unread: pools and parts that could not be read; their windows are left out.
        """
        pool, rows = self._group.batches[at]
        lost = [part for other, part in unread if other == pool]
        if lost:
            rows = rows[~np.isin(self._part[pool][rows], lost)]
        shelf = self._shelves[pool]
        recording, start = shelf.find(self._group.windows[pool][rows])
        interval = None if self._intervals is None else self._intervals[pool][rows]
        column = self._column[pool][rows]
        if shelf.coded:
            return WindowBatch(self._decoded(pool, arrays[pool], column, recording), recording, start, interval)
        windows = sliding_window_view(arrays[pool], shelf.samples, axis=1).transpose(1, 0, 2)  # (begins, C, T)
        return WindowBatch(windows[column], recording, start, interval)

    def _decoded(self, pool: int, codes: NDArray[np.int16], column: Numbers, recording: Numbers) -> NDArray[np.float32]:
        from aemg.corpus.streaming.kernel import decode_windows  # not for the processes that read

        shelf, keys = self._shelves[pool], self._keys[pool]
        unknown = set(recording.tolist()) - keys.keys()
        if unknown:
            keys.update({i: self._key(i) for i in unknown})
            self._tables[pool] = key_tables(keys, shelf.channels)
        known, scale, palette, values = self._tables[pool]
        windows = np.empty((len(column), shelf.channels, shelf.samples), np.float32)
        decode_windows(codes, column, np.searchsorted(known, recording), scale, palette, values, windows)
        return windows

    def _covering(self, pool: int, edges: Callable[[int], NDArray[np.int64]]) -> Numbers:
        """The interval of each window of a pool; the windows of a recording stand together."""
        recording, start = self._shelves[pool].find(self._group.windows[pool])
        at = np.flatnonzero(np.diff(recording, prepend=-1)).tolist()
        stretches = [slice(first, last) for first, last in zip(at, [*at[1:], len(start)])]
        found = [covering(edges(int(recording[s.start])), start[s], self._shelves[pool].samples) for s in stretches]
        return np.concatenate([np.zeros(0, np.int64), *found])


def key_tables(
    keys: Mapping[int, Key], channels: int
) -> tuple[Numbers, NDArray[np.float64], NDArray[np.int64], NDArray[np.float32]]:
    """The keys of recordings as `decode_windows` takes them: their numbers (R,), in order, and its tables."""
    known = sorted(keys)
    scale, palettes = np.zeros((len(keys), channels, 2)), [np.zeros(0, np.float32)] * len(keys)
    for at, i in enumerate(known):
        if keys[i].ndim == 2:
            scale[at] = keys[i]
        else:
            palettes[at] = np.asarray(keys[i], np.float32)
    ends = np.cumsum([0, *map(len, palettes)])
    values = np.concatenate([np.zeros(0, np.float32), *palettes])
    return np.array(known, np.int64), scale, np.stack([ends[:-1], ends[1:]], axis=1), values
