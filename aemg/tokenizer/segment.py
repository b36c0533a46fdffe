"""From frame energies to the spans of tokens; frames may come all at once or a few at a time, with the same result."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aemg.tokenizer.config import FrameGrid
from aemg.tokenizer.sentence import PHASES

_ONSET, _PLATEAU, _OFFSET, _WHOLE = range(len(PHASES))
_STRETCH = 4096  # blocks summed at once, so that their float64 copy stays in the cache
_RESOLUTION = 1e-12  # share of the raw power below which float32 samples show rounding, not signal


def block_sums(signal: NDArray[np.float32], hop: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums and sums of squares of whole blocks of `hop` samples of (C, T): two arrays (C, T // hop)."""
    n = signal.shape[1] // hop
    sums, squares = np.zeros((2, signal.shape[0], n))
    for start in range(0, n, _STRETCH):
        stop = min(n, start + _STRETCH)
        stretch = np.ascontiguousarray(signal[:, start * hop : stop * hop], np.float64)
        blocks = stretch.reshape(signal.shape[0], stop - start, hop)
        np.einsum("cnh->cn", blocks, out=sums[:, start:stop])
        np.einsum("cnh,cnh->cn", blocks, blocks, out=squares[:, start:stop])
    return sums, squares


def frame_energy(sums: NDArray[np.float64], squares: NDArray[np.float64], grid: FrameGrid) -> NDArray[np.float64]:
    """Energy of each frame and channel about the frame's own mean, (C, n_blocks - blocks + 1): the window energy
    E_w of the method with the offset that raw recordings carry taken out."""
    return _about_mean(_moving_sum(squares, grid.blocks), _moving_sum(sums, grid.blocks) ** 2, grid)


def total_energy(sums: NDArray[np.float64], squares: NDArray[np.float64], grid: FrameGrid) -> NDArray[np.float64]:
    """`frame_energy` summed over the channels, (n_blocks - blocks + 1,), in less time."""
    raw = _over_channels(_moving_sum(squares, grid.blocks))
    return _about_mean(raw, _over_channels(_moving_sum(sums, grid.blocks) ** 2), grid)


def _about_mean(
    squares: NDArray[np.float64], squared_sums: NDArray[np.float64], grid: FrameGrid
) -> NDArray[np.float64]:
    """Mean square about the mean, zero where float32 cannot tell it from a constant."""
    samples = grid.blocks * grid.hop
    energy = (squares - squared_sums / samples) / samples
    energy[energy * samples < _RESOLUTION * squares] = 0.0
    return energy


def _over_channels(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(C, n) -> (n,). Channel after channel: numpy's sum takes another order for a single column, so that a stream's
    energies would differ in the last bit."""
    if values.shape[1] <= _STRETCH:
        return np.asarray(np.add.accumulate(values)[-1])
    total = np.zeros(values.shape[1])
    for channel in values:
        total += channel
    return total


def _moving_sum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    n = max(0, values.shape[-1] - width + 1)
    total = values[..., :n].copy()
    for k in range(1, width):
        total += values[..., k : k + n]
    return total


class Segmenter:
    """Hysteresis, gap closing, minimum duration and cutting of long contractions, over frames that arrive in order.

    The state is the energies of the contraction under way since its last cut. A token is given out at the latest when
    the frames of one longest token, one shortest token and one gap to close are known from its start.

    Args:
        theta_on, theta_off: thresholds on the frame energy, summed over channels.
    """

    def __init__(self, grid: FrameGrid, theta_on: float, theta_off: float) -> None:
        self._grid, self._on, self._off = grid, theta_on, theta_off
        self._pending = np.zeros(0)
        self._base = 0  # index of the first pending frame
        self._active = False  # hysteresis before the first pending frame
        self._inside: int | None = None  # frames that the contraction under way has given out, None outside one

    @property
    def earliest_sample(self) -> int:
        """First sample that a coming token may begin at."""
        return (self._base + self._grid.lead) * self._grid.hop

    @property
    def under_way(self) -> bool:
        """Whether the end of the signal would end a contraction."""
        return len(self._pending) > 0

    def push(self, energy: NDArray[np.float64], final: bool = False) -> NDArray[np.int64]:
        """Spans that are complete once these frames are known.

        Args:
            energy: (n,) of the next frames.
            final: no frame follows; what is under way ends here.

        Returns:
            (m, 3): first sample, last sample (exclusive) and phase of each token.
        """
        self._pending = np.concatenate([self._pending, energy])
        active = self._hysteresis()
        starts, stops = self._contractions(active)
        tokens: list[tuple[int, int, int]] = []
        n, keep = len(active), len(active)
        for start, stop in zip(starts, stops):
            closed = final or n - stop > self._grid.close_gap
            rest = self._tokens_of(start, stop, closed, tokens)
            if not closed:
                keep = rest
        self._forget(keep, active)
        return np.array(tokens, dtype=np.int64).reshape(-1, 3)

    def _hysteresis(self) -> NDArray[np.bool_]:
        """Whether each pending frame is active: the last threshold crossed before it decides."""
        crossing = np.where(self._pending > self._on, 1, np.where(self._pending <= self._off, -1, 0))
        last = np.maximum.accumulate(np.where(crossing != 0, np.arange(len(crossing)), -1))
        return np.where(last >= 0, crossing[last] > 0, self._active) if len(last) else np.zeros(0, bool)

    def _contractions(self, active: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        """First and last frame (exclusive) of every contraction among the pending frames, short gaps closed."""
        edges = np.flatnonzero(np.diff(np.concatenate([[False], active, [False]]).astype(np.int8)))
        starts, stops = edges[0::2], edges[1::2]
        apart = starts[1:] - stops[:-1] > self._grid.close_gap
        starts = starts[np.concatenate([[True], apart])] if len(starts) else starts
        stops = stops[np.concatenate([apart, [True]])] if len(stops) else stops
        if self._inside is not None and len(starts):
            starts[0] = 0
        return starts.tolist(), stops.tolist()

    def _tokens_of(self, start: int, stop: int, closed: bool, tokens: list[tuple[int, int, int]]) -> int:
        """Appends the tokens of one contraction that are certain; returns the frame at which the rest begins."""
        grid, energy = self._grid, self._pending
        given = self._inside or 0
        if closed and given + stop - start < grid.min_event:
            self._inside = None
            return stop
        earliest = max(grid.max_token // 2, grid.min_token)
        certain = max(grid.max_token + grid.min_token, grid.min_event - given)
        while (left := stop - start) > grid.max_token and (closed or left >= certain):
            latest = min(grid.max_token, left - grid.min_token)
            frames = earliest + int(energy[start + earliest : start + latest + 1].argmin())
            tokens.append(self._span(start, frames, _PLATEAU if given else _ONSET))
            start, given = start + frames, given + frames
        if closed:
            tokens.append(self._span(start, stop - start, _OFFSET if given else _WHOLE))
        self._inside = None if closed else given
        return start

    def _span(self, start: int, frames: int, phase: int) -> tuple[int, int, int]:
        first = (self._base + start + self._grid.lead) * self._grid.hop
        return first, first + frames * self._grid.hop, phase

    def _forget(self, keep: int, active: NDArray[np.bool_]) -> None:
        if keep > 0:
            self._active = bool(active[keep - 1])
        self._pending = self._pending[keep:]
        self._base += keep
