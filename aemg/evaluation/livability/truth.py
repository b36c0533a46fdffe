"""What a person really did over a recording, and the parts of its time: rest, transition, movement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aemg.config import STRICT
from aemg.errors import AEMGError, ConfigError
from aemg.signals import Interval
from aemg.tokenizer.contraction import REST

Region = Literal["rest", "transition", "movement"]
REGIONS: tuple[Region, ...] = ("rest", "transition", "movement")
_CUT_S = 0.05  # an interval so close to the recording's begin or end is cut there


@dataclass(frozen=True)
class TruthConfig:
    """How labelled intervals are read.

    Args:
        edge_s: at the start and the end of an interval, so much of it counts as transition; not where the recording itself
            begins or ends there, nor between touching intervals of one label.
        early_s: an activation may come so much before a movement's label starts, but not before the interval before it ends:
            labels often hold the steady part alone, and the movement began in the unlabelled time before.
        late_s: and so much after the label ends.
    """

    __pydantic_config__ = STRICT
    edge_s: float = 0.5
    early_s: float = 2.0
    late_s: float = 0.5

    def __post_init__(self) -> None:
        for name in ("edge_s", "early_s", "late_s"):
            if getattr(self, name) < 0:
                raise ConfigError(f"truth.{name} must not be negative, got {getattr(self, name)}")


@dataclass(frozen=True)
class Truth:
    """A recording's labels.

    Args:
        duration_s: of the recording.
        intervals: what was done when; movements and `rest`.
        emg_onset_s: by number among `movements`, where the muscle begins to work; those that are missing are not known.

    Raises:
        AEMGError: a duration that is not positive.
    """

    duration_s: float
    intervals: tuple[Interval, ...]
    emg_onset_s: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.duration_s > 0:
            raise AEMGError(f"a recording lasts some time, got {self.duration_s} s")

    @property
    def movements(self) -> list[Interval]:
        """The intervals that are not rest, in order of time."""
        return sorted((i for i in self.intervals if i.label != REST), key=lambda i: (i.start_s, i.end_s))

    def spans(self, config: TruthConfig) -> list[tuple[float, float]]:
        """From when to when each movement may be answered, seconds."""
        ends = np.sort([i.end_s for i in self.intervals])
        found = []
        for movement in self.movements:
            before = ends[ends <= movement.start_s + _CUT_S]
            earliest = float(before[-1]) if len(before) else 0.0
            first = min(movement.start_s, max(movement.start_s - config.early_s, earliest))
            found.append((first, movement.end_s + config.late_s))
        return found

    def begins(self, movement: Interval) -> bool:
        """Whether a movement's begin lies in the recording, which is not cut to its movement."""
        return movement.start_s > _CUT_S


@dataclass(frozen=True)
class Regions:
    """Time divided without gap or overlap: (n + 1,) bounds in seconds and (n,) indices into `REGIONS`."""

    bounds_s: NDArray[np.float64]
    kinds: NDArray[np.int64]

    def hours(self, region: Region) -> float:
        """Time that a region takes up."""
        return float(np.diff(self.bounds_s)[self.kinds == REGIONS.index(region)].sum() / 3600)

    def at(self, time_s: float) -> Region:
        """The region of a time; the last one's beyond the end."""
        place = int(np.searchsorted(self.bounds_s, time_s, side="right")) - 1
        return REGIONS[int(self.kinds[min(max(place, 0), len(self.kinds) - 1)])]


def regions_of(truth: Truth, config: TruthConfig) -> Regions:
    """Rest: intervals labelled rest without their edges. Movement: all other intervals without theirs. Transition: the edges,
    and all that has no label."""
    bounds, kinds = [0.0], []

    def until(time_s: float, region: Region) -> None:
        time_s = min(time_s, truth.duration_s)
        if time_s > bounds[-1]:
            bounds.append(time_s)
            kinds.append(REGIONS.index(region))

    for start_s, end_s, label in _joined(truth.intervals):
        inner = start_s if start_s <= _CUT_S else start_s + config.edge_s
        outer = end_s if end_s >= truth.duration_s - _CUT_S else end_s - config.edge_s
        if outer > inner:
            until(inner if start_s > _CUT_S else 0.0, "transition")
            until(outer if end_s < truth.duration_s - _CUT_S else truth.duration_s, "rest" if label == REST else "movement")
        until(end_s, "transition")
    until(truth.duration_s, "transition")
    return Regions(np.array(bounds), np.array(kinds, dtype=np.int64))


def _joined(intervals: Sequence[Interval]) -> list[tuple[float, float, str]]:
    """Intervals in order, touching ones of one label as one."""
    found: list[tuple[float, float, str]] = []
    for interval in sorted(intervals, key=lambda i: (i.start_s, i.end_s)):
        if found and found[-1][2] == interval.label and interval.start_s <= found[-1][1] + _CUT_S:
            found[-1] = (found[-1][0], max(found[-1][1], interval.end_s), interval.label)
        else:
            found.append((interval.start_s, interval.end_s, interval.label))
    return found
