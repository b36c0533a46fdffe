"""One recording: samples with everything that is needed to use them rightly."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals.montage import Montage


@dataclass(frozen=True)
class Interval:
    """A labelled stretch of time in seconds from the recording's first sample.

    Args:
        trial: number of the repetition it belongs to, unique in its recording's subject and session.
    """

    start_s: float
    end_s: float
    label: str
    trial: int = 0


@dataclass(frozen=True)
class Event:
    """A labelled instant, in seconds from the recording's first sample."""

    time_s: float
    name: str


@dataclass(frozen=True)
class Target:
    """A continuous target: values (D, T') at `rate_hz`, e.g. joint angles in radians."""

    name: str
    values: NDArray[np.float32]
    rate_hz: float
    unit: str


@dataclass(frozen=True)
class Provenance:
    """Where samples come from: set, file (relative to the set's root), its sha256, licence (SPDX if there is one)."""

    dataset: str
    file: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Recording:
    """A stretch of EMG of one person, device and donning.

    Args:
        signal: (C, T) float32, in volts at the electrode where `unit` is "V".
        rate_hz: samples a second.
        montage: geometry of the C channels.
        subject: unique within the set.
        session: a donning, unique within the subject.
        unit: "V", or "arbitrary" where the scale is not documented.
        kind: "raw", or "envelope" for rectified and smoothed signals, which are not fit for pre-training.
        band_hz: lower and upper edge of what the samples can carry; None means up to rate_hz / 2.
    """

    signal: NDArray[np.float32]
    rate_hz: float
    montage: Montage
    subject: str
    session: str
    provenance: Provenance
    unit: Literal["V", "arbitrary"] = "arbitrary"
    kind: Literal["raw", "envelope"] = "raw"
    band_hz: tuple[float, float] | None = None
    intervals: tuple[Interval, ...] = ()
    events: tuple[Event, ...] = ()
    targets: tuple[Target, ...] = ()

    def __post_init__(self) -> None:
        if self.signal.ndim != 2:
            raise AEMGError(f"signal must be (C, T), got shape {self.signal.shape}")
        if self.signal.dtype != np.float32:
            raise AEMGError(f"signal must be float32, got {self.signal.dtype}")
        if self.signal.shape[0] != self.montage.n_channels:
            raise AEMGError(
                f"signal has {self.signal.shape[0]} channels, montage {self.montage.name!r} {self.montage.n_channels}"
            )
        if not self.rate_hz > 0:
            raise AEMGError(f"rate_hz must be positive, got {self.rate_hz}")

    @property
    def duration_s(self) -> float:
        """Length of the signal."""
        return float(self.signal.shape[1] / self.rate_hz)

    @property
    def bandwidth_hz(self) -> tuple[float, float]:
        """Lower and upper edge of the samples' content."""
        return self.band_hz if self.band_hz is not None else (0.0, self.rate_hz / 2)

    def cut(self, start_s: float, end_s: float) -> Recording:
        """The part between two times; intervals and events move along, those outside are dropped.

        Raises:
            AEMGError: the part holds no sample.
        """
        first, last = (min(max(round(t * self.rate_hz), 0), self.signal.shape[1]) for t in (start_s, end_s))
        if last <= first:
            raise AEMGError(f"nothing lies between {start_s} s and {end_s} s of a {self.duration_s:.3f} s recording")
        origin, stop = first / self.rate_hz, last / self.rate_hz
        intervals = tuple(
            replace(i, start_s=max(i.start_s, origin) - origin, end_s=min(i.end_s, stop) - origin)
            for i in self.intervals
            if i.end_s > origin and i.start_s < stop
        )
        events = tuple(replace(e, time_s=e.time_s - origin) for e in self.events if origin <= e.time_s < stop)
        targets = tuple(
            replace(t, values=t.values[:, round(origin * t.rate_hz) : round(stop * t.rate_hz)]) for t in self.targets
        )
        return replace(self, signal=self.signal[:, first:last], intervals=intervals, events=events, targets=targets)
