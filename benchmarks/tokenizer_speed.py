"""How much faster than real time an hour is tokenised, beside the same method written window by window.

    python benchmarks/tokenizer_speed.py --rate-hz 200 --channels 8

Both run in this process on one thread, take the same recording and threshold, and must agree on every token.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from threadpoolctl import threadpool_limits

from aemg.signals import Recording
from aemg.simulation import bursts
from aemg.tokenizer import ContractionTokenizer, RestLevel, TokenizerConfig
from aemg.tokenizer.config import FrameGrid

Result = TypeVar("Result")


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    recording = hour(args.seconds, args.rate_hz, args.channels)
    tokenizer = ContractionTokenizer().fit_threshold(recording)
    fast_s, sentence = timed(lambda: tokenizer.encode(recording), args.repeats)
    assert tokenizer.rest is not None
    rest = tokenizer.rest
    plain_s, tokens = timed(lambda: plain_tokens(recording, rest, TokenizerConfig()), 1)
    same = len(tokens) == len(sentence) and all(
        start == sentence.start_s[i] and np.allclose(wave, sentence[i].values, atol=1e-3)
        for i, (start, wave) in enumerate(tokens)
    )
    print(f"{args.seconds:g} s of {args.channels} channels at {args.rate_hz:g} Hz, {len(sentence)} tokens, one thread")
    print(f"aemg.tokenizer  {fast_s:9.3f} s  {args.seconds / fast_s:9.0f} x real time (median of {args.repeats})")
    print(f"window by window{plain_s:9.3f} s  {args.seconds / plain_s:9.0f} x real time")
    print(f"ratio {plain_s / fast_s:.0f}; the same tokens: {'yes' if same else 'NO'}")
    return 0 if same else 1


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python benchmarks/tokenizer_speed.py", description=__doc__)
    top.add_argument("--seconds", type=float, default=3600.0, help="of simulated signal (default %(default)s)")
    top.add_argument("--rate-hz", type=float, default=200.0)
    top.add_argument("--channels", type=int, default=8)
    top.add_argument("--repeats", type=int, default=5, help="of the fast form (default %(default)s)")
    return top


def hour(seconds: float, rate_hz: float, channels: int) -> Recording:
    """A contraction of 0.2 to 1.5 s every three seconds, 10 dB above rest."""
    onsets = np.arange(1.0, seconds - 2.0, 3.0)
    durations = np.random.default_rng(0).uniform(0.2, 1.5, len(onsets))
    return bursts(onsets.tolist(), durations.tolist(), seconds, rate_hz, channels, 10.0, 0)


def timed(run: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """Median time in seconds, and the result."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def plain_tokens(recording: Recording, rest: RestLevel, config: TokenizerConfig) -> list[tuple[float, np.ndarray]]:
    """Start in seconds and z-scored wave of every token, one window after the other."""
    grid = FrameGrid.of(config, recording.rate_hz)
    energy = plain_energies(recording.signal, grid)
    theta = float(rest.mean_square.sum())
    tokens = []
    for start, stop in plain_contractions(energy, config.on_factor * theta, config.off_factor * theta, grid):
        for first, last in plain_pieces(energy, start, stop, grid):
            a, b = (first + grid.lead) * grid.hop, (last + grid.lead) * grid.hop
            wave = recording.signal[:, a:b]
            mean, spread = wave.mean(axis=1, keepdims=True), wave.std(axis=1, keepdims=True)
            tokens.append((a / recording.rate_hz, (wave - mean) / (spread + 1e-4 * rest.rms[:, None])))
    return tokens


def plain_energies(signal: np.ndarray, grid: FrameGrid) -> list[float]:
    width = grid.blocks * grid.hop
    energies = []
    for first in range(0, signal.shape[1] // grid.hop * grid.hop - width + 1, grid.hop):
        window = signal[:, first : first + width].astype(np.float64)
        centred = window - window.mean(axis=1, keepdims=True)
        energies.append(float((centred**2).sum() / width))
    return energies


def plain_contractions(energy: list[float], on: float, off: float, grid: FrameGrid) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    start = None
    for i, value in enumerate([*energy, 0.0]):
        if start is None and value > on:
            start = i
        elif start is not None and value <= off:
            found.append((start, i))
            start = None
    closed: list[tuple[int, int]] = []
    for start_, stop in found:
        if closed and start_ - closed[-1][1] <= grid.close_gap:
            closed[-1] = (closed[-1][0], stop)
        else:
            closed.append((start_, stop))
    return [(a, b) for a, b in closed if b - a >= grid.min_event]


def plain_pieces(energy: list[float], start: int, stop: int, grid: FrameGrid) -> list[tuple[int, int]]:
    pieces = []
    while stop - start > grid.max_token:
        earliest = start + max(grid.max_token // 2, grid.min_token)
        latest = min(start + grid.max_token, stop - grid.min_token)
        cut = min(range(earliest, latest + 1), key=lambda i: energy[i])
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, stop)]


if __name__ == "__main__":
    with threadpool_limits(1):
        sys.exit(main())
