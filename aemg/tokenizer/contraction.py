"""The neural contraction tokenizer: from a signal to a sentence of contractions, offline or chunk by chunk."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Montage, Recording
from aemg.tokenizer.config import FrameGrid, TokenizerConfig
from aemg.tokenizer.segment import Segmenter, block_sums, frame_energy, total_energy
from aemg.tokenizer.sentence import PHASES, Sentence, Token, build_sentence, scale, spread_floor

REST = "rest"
_SMOOTHING_S = 0.25  # span of the moving mean that finds quiet stretches
_ROUNDING = 1e-6  # frames; times in seconds are not exact
_NOTHING = np.zeros(0)


@dataclass(frozen=True)
class RestLevel:
    """What the threshold was fitted to.

    Args:
        mean_square: (C,) of the signal at rest.
        rate_hz, montage: of the recordings it was fitted to.
        tokens_per_s: what the energy gate found there; the count that `gating: none` keeps.
        source: `labelled` rest or the quietest `percentile` of the frames.
    """

    mean_square: NDArray[np.float64]
    rate_hz: float
    montage: Montage
    tokens_per_s: float
    source: str

    @property
    def rms(self) -> NDArray[np.float64]:
        """(C,) root mean square at rest."""
        return np.sqrt(self.mean_square)


class ContractionTokenizer:
    """Cuts recordings into contractions.

    Works at the recording's own rate and channels, so it takes unified and native recordings alike. Signals should
    have no slow drift (`aemg.topology.unify` high-passes); an offset does no harm.

    >>> tokenizer = ContractionTokenizer()                        # doctest: +SKIP
    >>> sentence = tokenizer.fit_threshold(recording).encode(recording)   # doctest: +SKIP
    """

    def __init__(self, config: TokenizerConfig | None = None, rest: RestLevel | None = None) -> None:
        self.config = config or TokenizerConfig()
        self.rest = rest

    def fit_threshold(
        self, recordings: Recording | Iterable[Recording], *, use_labels: bool = True
    ) -> ContractionTokenizer:
        """Measures the rest level of a person and donning, and sets the thresholds from it; returns itself.

        Args:
            recordings: one or all recordings of one donning.
            use_labels: take intervals labelled `rest` where there are any; False for a target user whose labels must
                not be seen. Else the quietest `rest_percentile` of the frames counts as rest.

        Raises:
            AEMGError: no recording, or all shorter than one frame, or of differing rates or montages.
        """
        given = [recordings] if isinstance(recordings, Recording) else list(recordings)
        first = _same_device(given)
        grid = FrameGrid.of(self.config, first.rate_hz)
        energies = [_frames(r.signal, grid) for r in given]
        labelled = [_rest_frames(r, e, grid) for r, e in zip(given, energies)] if use_labels else []
        quiet = [e for e in labelled if e.shape[1]]
        if quiet:
            mean_square, source = np.median(np.concatenate(quiet, axis=1), axis=1), "labelled"
        else:
            mean_square, source = _quietest(energies, grid, self.config.rest_percentile), "percentile"
        rest = RestLevel(mean_square, first.rate_hz, first.montage, 0.0, source)
        tokens = sum(len(_segment(self.config, rest, grid, e.sum(axis=0))) for e in energies)
        seconds = sum(r.duration_s for r in given)
        self.rest = replace(rest, tokens_per_s=tokens / seconds)
        return self

    def encode(self, recording: Recording) -> Sentence:
        """The sentence of a whole recording; the threshold is fitted to it first where none has been.

        Raises:
            AEMGError: the recording's rate or channel count is not that of the fitted threshold.
        """
        if self.rest is None:
            self.fit_threshold(recording)
        rest = self._rest_for(recording.rate_hz, recording.montage)
        grid = FrameGrid.of(self.config, recording.rate_hz)
        if self.config.gating == "none":
            spans = _blind_spans(rest.tokens_per_s, grid, 0, recording.signal.shape[1])
        else:
            spans = _segment(self.config, rest, grid, total_energy(*block_sums(recording.signal, grid.hop), grid))
        return _sentence(rest, grid, recording.signal, spans, rows=self.config.sentence_tokens)

    def stream(self) -> TokenStream:
        """A causal tokenizer for chunks of the device that the threshold was fitted to.

        Raises:
            AEMGError: no threshold has been fitted.
        """
        if self.rest is None:
            raise AEMGError("fit_threshold has to see a recording of this person and device before a stream can start")
        return TokenStream(self.config, self.rest)

    def _rest_for(self, rate_hz: float, montage: Montage) -> RestLevel:
        assert self.rest is not None
        if rate_hz != self.rest.rate_hz or montage.n_channels != self.rest.montage.n_channels:
            raise AEMGError(
                f"the threshold was fitted at {self.rest.rate_hz:g} Hz with {self.rest.montage.n_channels} channels, "
                f"this recording has {rate_hz:g} Hz and {montage.n_channels}: call fit_threshold for this device"
            )
        return self.rest


class TokenStream:
    """Takes chunks of any length and gives the tokens that `encode` gives for the whole, as soon as they are certain.

    Memory is bounded: only samples that a coming token may use are kept.
    """

    def __init__(self, config: TokenizerConfig, rest: RestLevel) -> None:
        self._config, self._rest = config, rest
        self._grid = FrameGrid.of(config, rest.rate_hz)
        channels = rest.montage.n_channels
        self._samples = np.zeros((channels, 0), np.float32)
        self._origin = 0  # index of the first kept sample
        self._sums = np.zeros((channels, 0))
        self._squares = np.zeros((channels, 0))
        self._summed = 0  # samples whose blocks have been summed
        self._segmenter = _segmenter(config, rest, self._grid)
        self._next_blind = 0
        self._floor = spread_floor(rest.rms)

    def push(self, chunk: NDArray[np.float32]) -> list[Token]:
        """Tokens that are complete with this chunk.

        Args:
            chunk: (C, t), the next samples.

        Raises:
            AEMGError: another number of channels.
        """
        if chunk.ndim != 2 or chunk.shape[0] != self._samples.shape[0]:
            raise AEMGError(f"a chunk must be ({self._samples.shape[0]}, t), got {chunk.shape}")
        self._samples = np.concatenate([self._samples, np.asarray(chunk, np.float32)], axis=1)
        return self._emit(final=False)

    def flush(self) -> list[Token]:
        """The tokens that the end of the signal completes; the stream is spent then."""
        return self._emit(final=True)

    def push_open(self, chunk: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32], int]:
        """`push`, and what `flush` would give if the signal ended here; the stream goes on.

        Args:
            chunk: (C, t), the next samples.

        Returns:
            first sample, last sample (exclusive) and phase (n, 3) and z-scored values (n, C, L) of the tokens that are complete
            and then of the contraction under way; and how many are complete.
        """
        self._samples = np.concatenate([self._samples, chunk], axis=1)
        if self._config.gating == "none":
            spans = self._blind()
            complete = len(spans)
        else:
            spans = self._segmenter.push(self._energies())
            complete = len(spans)
            if self._segmenter.under_way:
                spans = np.concatenate([spans, copy.copy(self._segmenter).push(_NOTHING, final=True)])
        values = np.zeros((len(spans), len(self._samples), self._grid.max_samples), np.float32)
        for token, (first, last, _) in zip(values, (spans - (self._origin, self._origin, 0)).tolist()):
            piece = self._samples[None, :, first:last].copy()
            scale(piece, self._floor)
            token[:, : last - first] = piece[0]
        self._forget()
        return spans, values, complete

    def _emit(self, final: bool) -> list[Token]:
        spans = self._blind() if self._config.gating == "none" else self._segmenter.push(self._energies(), final)
        if not len(spans):
            self._forget()
            return []
        sentence = _sentence(self._rest, self._grid, self._samples, spans, rows=1, origin=self._origin)
        self._forget()
        return [sentence[i] for i in range(len(sentence))]

    def _energies(self) -> NDArray[np.float64]:
        sums, squares = block_sums(self._samples[:, self._summed - self._origin :], self._grid.hop)
        self._summed += sums.shape[1] * self._grid.hop
        self._sums = np.concatenate([self._sums, sums], axis=1)
        self._squares = np.concatenate([self._squares, squares], axis=1)
        energy = total_energy(self._sums, self._squares, self._grid)
        self._sums, self._squares = self._sums[:, len(energy) :], self._squares[:, len(energy) :]
        return energy

    def _blind(self) -> NDArray[np.int64]:
        spans = _blind_spans(
            self._rest.tokens_per_s, self._grid, self._next_blind, self._origin + self._samples.shape[1]
        )
        self._next_blind += len(spans)
        return spans

    def _forget(self) -> None:
        """Drops the samples before the earliest that a coming token may begin at."""
        if self._config.gating == "none":
            first = _blind_start(self._rest.tokens_per_s, self._grid, self._next_blind)
        else:
            first = min(self._segmenter.earliest_sample, self._summed)
        drop = min(max(0, first - self._origin), self._samples.shape[1])
        self._samples = self._samples[:, drop:].copy()
        self._origin += drop


def _same_device(recordings: list[Recording]) -> Recording:
    if not recordings:
        raise AEMGError("no recording to fit the threshold to")
    first = recordings[0]
    for other in recordings[1:]:
        if other.rate_hz != first.rate_hz or other.montage != first.montage:
            raise AEMGError("one threshold is fitted to one device: the recordings differ in rate or montage")
    return first


def _frames(signal: NDArray[np.float32], grid: FrameGrid) -> NDArray[np.float64]:
    return frame_energy(*block_sums(signal, grid.hop), grid)


def _rest_frames(recording: Recording, energy: NDArray[np.float64], grid: FrameGrid) -> NDArray[np.float64]:
    """Columns of the frames that lie wholly inside an interval labelled rest and hold any signal."""
    per_s = grid.rate_hz / grid.hop
    inside = np.zeros(energy.shape[1], bool)
    for interval in recording.intervals:
        if interval.label == REST:
            first = math.ceil(interval.start_s * per_s - _ROUNDING)
            stop = math.floor(interval.end_s * per_s + _ROUNDING) - grid.blocks + 1
            inside[max(0, first) : max(0, stop)] = True
    return energy[:, inside & (energy.sum(axis=0) > 0)]


def _quietest(energies: list[NDArray[np.float64]], grid: FrameGrid, percentile: float) -> NDArray[np.float64]:
    """Mean energy by channel of the frames whose neighbourhood is quietest."""
    span = max(1, round(_SMOOTHING_S * grid.rate_hz / grid.hop))
    columns, levels = [], []
    for energy in energies:
        width = min(span, energy.shape[1])
        if not width:
            continue
        running = np.cumsum(np.concatenate([[0.0], energy.sum(axis=0)]))
        level = (running[width:] - running[:-width]) / width
        columns.append(energy[:, width // 2 : width // 2 + len(level)])
        levels.append(level)
    if not levels:
        raise AEMGError("the recordings are shorter than one energy window: nothing to fit the threshold to")
    level, column = np.concatenate(levels), np.concatenate(columns, axis=1)
    if (sends := level > 0).any():  # padding and lost packets are no rest
        level, column = level[sends], column[:, sends]
    return np.asarray(column[:, level <= np.percentile(level, percentile)].mean(axis=1))


def _segmenter(config: TokenizerConfig, rest: RestLevel, grid: FrameGrid) -> Segmenter:
    theta = float(rest.mean_square.sum())
    return Segmenter(grid, config.on_factor * theta, config.off_factor * theta)


def _segment(
    config: TokenizerConfig, rest: RestLevel, grid: FrameGrid, energy: NDArray[np.float64]
) -> NDArray[np.int64]:
    return _segmenter(config, rest, grid).push(energy, final=True)


def _blind_start(tokens_per_s: float, grid: FrameGrid, index: int) -> int:
    return round(index * grid.rate_hz / tokens_per_s) if tokens_per_s > 0 else 1 << 62


def _blind_spans(tokens_per_s: float, grid: FrameGrid, first: int, samples: int) -> NDArray[np.int64]:
    """Windows from number `first` on that fit into `samples`: as long as the longest token, or as the stride where
    that is shorter, so that none overlap."""
    plateau, spans = PHASES.index("plateau"), []
    length = min(grid.max_samples, int(grid.rate_hz / tokens_per_s)) if tokens_per_s > 0 else grid.max_samples
    while (start := _blind_start(tokens_per_s, grid, first)) + length <= samples:
        spans.append((start, start + length, plateau))
        first += 1
    return np.array(spans, dtype=np.int64).reshape(-1, 3)


def _sentence(
    rest: RestLevel,
    grid: FrameGrid,
    signal: NDArray[np.float32],
    spans: NDArray[np.int64],
    *,
    rows: int,
    origin: int = 0,
) -> Sentence:
    return build_sentence(
        signal,
        spans,
        origin=origin,
        rate_hz=grid.rate_hz,
        rest_rms=rest.rms,
        angles_deg=np.asarray(rest.montage.angles_deg),
        max_samples=grid.max_samples,
        rows=rows,
    )
