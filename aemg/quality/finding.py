"""Findings: what is amiss in a recording, where, how much of it, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

Severity = Literal["note", "warning", "fault"]
SEVERITIES: Final[tuple[Severity, ...]] = ("note", "warning", "fault")
Span = tuple[float, float]
MOST_SPANS: Final = 40  # that a finding names

KINDS: Final[dict[str, str]] = {
    "unreadable": "cannot be read",
    "not-finite": "NaN or infinity",
    "short": "too short",
    "falling-stamps": "time stamps that fall",
    "duplicate-stamps": "repeated time stamps",
    "gap": "gaps in time",
    "irregular-stamps": "irregular time stamps",
    "rate": "rate other than stated",
    "hold": "samples held or interpolated",
    "empty-band": "empty band: sampled at a lower rate",
    "flat": "flat channel",
    "quiet": "channel far weaker than the others",
    "duplicate-channel": "channels that repeat another",
    "clipped": "clipped or saturated",
    "mains": "mains hum",
    "envelope": "envelope instead of raw signal",
    "unit": "implausible unit or scale",
    "scale": "scale unlike the rest of the set",
    "offset": "DC offset",
    "baseline": "wandering baseline",
    "jump": "jumps and spikes",
    "label-span": "labels outside the recording or of no length",
    "label-overlap": "labels that overlap",
    "label-effect": "no signal under a label",
    "label-shift": "labels shifted against the signal",
}


@dataclass(frozen=True)
class Finding:
    """One problem of one recording.

    Args:
        kind: one of `KINDS`.
        severity: "note" (worth knowing; usual processing removes it), "warning" (look before use) or "fault" (not fit for
            use as it is).
        channels: that have it, counted from 0; empty for the recording as a whole.
        where: spans in seconds from the first sample, at most `MOST_SPANS`; empty for all over.
        value: the worst that was measured, in `unit`; limit: what it was held against.
        advice: what to do, in a sentence.
    """

    kind: str
    severity: Severity
    channels: tuple[int, ...]
    where: tuple[Span, ...]
    value: float
    unit: str
    limit: float
    advice: str

    @property
    def title(self) -> str:
        """The kind in words."""
        return KINDS[self.kind]

    @property
    def rank(self) -> int:
        """0 for a note, 1 for a warning, 2 for a fault."""
        return SEVERITIES.index(self.severity)

    @property
    def excess(self) -> float:
        """How far the value lies beyond its limit, as a ratio of at least 1; to compare findings of one kind."""
        low, high = sorted((abs(self.value), abs(self.limit)))
        return high / low if low > 0 else 1.0 + high


def graded(value: float, limits: tuple[float, float, float]) -> tuple[Severity, float] | None:
    """The severity of a value that is the worse the larger, with the limit it exceeds; None below the first.

    Args:
        limits: of note, warning and fault.
    """
    found = [(severity, limit) for severity, limit in zip(SEVERITIES, limits) if value >= limit]
    return found[-1] if found else None


def moved(findings: Iterable[Finding], by_s: float) -> tuple[Finding, ...]:
    """The same findings, their spans later by some seconds."""
    return tuple(replace(f, where=tuple((a + by_s, b + by_s) for a, b in f.where)) for f in findings)


def joined(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """One finding a kind, in order of `KINDS`: the worst one, with the channels and the spans of all."""
    found = []
    for kind in KINDS:
        alike = [f for f in findings if f.kind == kind]
        if not alike:
            continue
        worst = max(alike, key=lambda f: (f.rank, f.excess))
        channels = sorted({c for f in alike for c in f.channels})
        spans = joined_spans([span for f in alike for span in f.where])
        found.append(replace(worst, channels=tuple(channels), where=spans))
    return tuple(found)


def joined_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Spans in order, those that touch made one; of more than `MOST_SPANS` the longest."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1] + 1e-9:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    if len(merged) > MOST_SPANS:
        merged = sorted(sorted(merged, key=lambda span: span[0] - span[1])[:MOST_SPANS])
    return tuple(merged)


def spans_of(mask: NDArray[np.bool_], rate_hz: float, shortest: int = 1, bridge: int = 0) -> tuple[Span, ...]:
    """Stretches of a mask (T,) in seconds, at least `shortest` samples long, holes of up to `bridge` samples closed."""
    at = np.flatnonzero(mask)
    if not len(at):
        return ()
    cuts = np.flatnonzero(np.diff(at) > bridge + 1)
    first, last = np.r_[at[0], at[cuts + 1]], np.r_[at[cuts], at[-1]] + 1
    kept = last - first >= shortest
    return joined_spans(zip((first[kept] / rate_hz).tolist(), (last[kept] / rate_hz).tolist()))
