"""Windows of a continuous recording."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aemg.errors import AEMGError
from aemg.features import cut_windows, window_starts
from aemg.sessions import HOP_S, WINDOW_S
from aemg.signals import Recording


@dataclass(frozen=True)
class Windows:
    """Windows of one recording, in time order.

    Args:
        X: (n, C, L) float32.
        y: (n,) label of each, empty where it lies in no labelled stretch or in more than one.
        trials: (n,) int64, the number of the labelled stretch that a window lies in, -1 outside; they overlap within a stretch,
            so that training and test must differ in stretches.
        start_s: (n,) from the recording's begin.
        rate_hz: of the samples.
    """

    X: NDArray[np.float32]
    y: NDArray[np.str_]
    trials: NDArray[np.int64]
    start_s: NDArray[np.float64]
    rate_hz: float

    def where(self, chosen: NDArray[np.bool_]) -> Windows:
        """Some of them."""
        return Windows(self.X[chosen], self.y[chosen], self.trials[chosen], self.start_s[chosen], self.rate_hz)

    @property
    def repetitions(self) -> NDArray[np.int64]:
        """(n,) how many stretches of the same label came before each window's own, -1 outside of any."""
        before = np.full(len(self.y), -1)
        for label in np.unique(self.y[self.trials >= 0]):
            of_label = (self.y == label) & (self.trials >= 0)
            before[of_label] = np.unique(self.trials[of_label], return_inverse=True)[1]
        return before

    @property
    def labelled(self) -> Windows:
        """Those that have a label."""
        return self.where(self.trials >= 0)


def windows_of(
    recording: Recording | ArrayLike,
    rate_hz: float | None = None,
    *,
    labels: ArrayLike | None = None,
    window_s: float = WINDOW_S,
    hop_s: float = HOP_S,
) -> Windows:
    """Cuts a recording into windows.

    Args:
        recording: one with its labelled intervals, or samples (C, T).
        rate_hz: of samples; a recording has its own.
        labels: (T,) of samples, one each, "" for none; every stretch of one label is a trial.
        window_s, hop_s: length of a window, and from one begin to the next.

    Raises:
        AEMGError: not (C, T), no rate, labels of another length, or a window of no sample.
    """
    if isinstance(recording, Recording):
        signal, rate = recording.signal, recording.rate_hz
        bounds = [(i.start_s * rate, i.end_s * rate, i.label) for i in recording.intervals]
    else:
        signal = np.asarray(recording, dtype=np.float32)
        if rate_hz is None or not rate_hz > 0:
            raise AEMGError(f"samples need their rate: give rate_hz above 0, got {rate_hz}")
        rate = float(rate_hz)
        if signal.ndim != 2:
            raise AEMGError(f"samples must be (channels, samples), got shape {signal.shape}")
        bounds = [] if labels is None else _stretches(np.asarray(labels).astype(str), signal.shape[1])
    length, hop = round(window_s * rate), round(hop_s * rate)
    if length < 1 or hop < 1:
        raise AEMGError(f"a window and its hop need a sample at least: {window_s} s and {hop_s} s at {rate:g} Hz")
    starts = window_starts(signal.shape[1], length, hop)
    y, trials = np.full(len(starts), "", dtype=object), np.full(len(starts), -1, dtype=np.int64)
    for number, (first, stop, label) in enumerate(bounds):
        inside = (starts >= first - 0.5) & (starts + length <= stop + 0.5)
        y[inside], trials[inside] = label, number if label else -1
    windows = np.ascontiguousarray(cut_windows(signal, length, hop))
    return Windows(windows, y.astype(str), trials, starts / rate, rate)


def _stretches(labels: NDArray[np.str_], samples: int) -> list[tuple[float, float, str]]:
    """First sample, last (exclusive) and label of every stretch of one label."""
    if labels.shape != (samples,):
        raise AEMGError(f"labels must be one a sample, ({samples},), got shape {labels.shape}")
    edges = [0, *(np.flatnonzero(labels[1:] != labels[:-1]) + 1).tolist(), samples]
    return [(first, stop, str(labels[first])) for first, stop in pairwise(edges) if stop > first]
