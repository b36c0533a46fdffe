"""The labelled stretches of a session that are learnt from and classified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from aemg.model.batch import windows_within
from aemg.sessions import Session
from aemg.signals import Interval

_SHORTEST_S = 0.25


@dataclass(frozen=True)
class LabelledStretch:
    """A labelled interval of one of the session's recordings, with first and last (exclusive) of the session's windows that
    lie wholly in it."""

    recording: int
    interval: Interval
    windows: tuple[int, int]


def labelled_stretches(session: Session, labels: Collection[str] | None = None) -> list[LabelledStretch]:
    """The intervals of 0.25 s or more that hold a window, in the session's order.

    A label with more of them than any other (rest between all movements, say) is thinned evenly to the second-largest count,
    so that the movements weigh alike.

    Args:
        labels: others are left out; None for all.
    """
    found = []
    for r, recording in enumerate(session.recordings):
        for interval in recording.intervals:
            if (labels is not None and interval.label not in labels) or interval.end_s - interval.start_s < _SHORTEST_S:
                continue
            windows = windows_within(session, r, interval.start_s, interval.end_s)
            if windows[1] > windows[0]:
                found.append(LabelledStretch(r, interval, windows))
    return [found[i] for i in thinned([stretch.interval.label for stretch in found])]


def thinned(labels: Sequence[Hashable]) -> list[int]:
    """Which items stay where the commonest label is thinned evenly to the count of the second; one label alone stays whole."""
    counts = Counter(labels).most_common(2)
    if len(counts) < 2:
        return list(range(len(labels)))
    (most, _), (_, limit) = counts
    of_most = [i for i, label in enumerate(labels) if label == most]
    kept = {of_most[k] for k in np.linspace(0, len(of_most) - 1, limit).round().astype(int)}
    return [i for i, label in enumerate(labels) if label != most or i in kept]
