"""Runs all checks over recordings, in parallel, and sums up what they find."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.quality.amplitude import check_jumps, check_scales, check_unit
from aemg.quality.channels import (
    check_clipped,
    check_duplicate_channels,
    check_finite,
    check_flat,
    check_offset,
    check_quiet,
)
from aemg.quality.content import check_baseline, check_empty_band, check_envelope, check_hold, check_interpolated, check_mains
from aemg.quality.finding import SEVERITIES, Finding, Severity, graded, joined, moved
from aemg.quality.labels import (
    check_label_effect,
    check_label_overlap,
    check_label_shift,
    check_label_spans,
    label_levels,
    silent_labels,
)
from aemg.quality.limits import STANDARD, Limits
from aemg.quality.material import Item, Material, item_of
from aemg.quality.piece import Piece
from aemg.quality.stamps import Stamps, check_stamps
from aemg.signals import Recording

Levels = dict[str, list[NDArray[np.float32]]]
PIECE_VALUES: Final = 4 << 20  # samples times channels that are checked at once
CHECKS: Final = (
    check_finite, check_flat, check_quiet, check_duplicate_channels, check_clipped, check_offset, check_hold, check_interpolated,
    check_empty_band, check_mains, check_baseline, check_unit, check_jumps,
)  # fmt: skip


@dataclass(frozen=True)
class Place:
    """Where a recording is found again: number of the material, of its unit, and of the recording within it."""

    material: int
    unit: int
    number: int


@dataclass(frozen=True)
class Checked:
    """What was found in a recording.

    Args:
        subject, session: "" where findings stand for a whole set or could not be told.
        level: median over channels of the RMS above 20 Hz; 0 where unknown.
    """

    dataset: str
    subject: str
    session: str
    file: str
    place: Place
    duration_s: float
    channels: int
    rate_hz: float
    findings: tuple[Finding, ...]
    level: float = 0.0

    @property
    def severity(self) -> Severity | None:
        """The worst of its findings."""
        return max((f.severity for f in self.findings), key=SEVERITIES.index, default=None)


@dataclass(frozen=True)
class QualityReport:
    """All recordings that were checked, in order of their places."""

    recordings: tuple[Checked, ...]

    @property
    def faults(self) -> int:
        """Recordings with a fault."""
        return sum(r.severity == "fault" for r in self.recordings)

    @property
    def sound(self) -> bool:
        """Whether no recording has a fault."""
        return self.faults == 0

    def of_set(self, dataset: str) -> QualityReport:
        """The recordings of one set."""
        return QualityReport(tuple(r for r in self.recordings if r.dataset == dataset))

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of the sets, in order."""
        return tuple(dict.fromkeys(r.dataset for r in self.recordings))


def check_recording(recording: Recording, limits: Limits = STANDARD, *, stamps: Stamps | None = None) -> tuple[Finding, ...]:
    """All that is amiss in one recording, in order of `KINDS`, at most one finding a kind."""
    checked, levels = _check_item(item_of(recording, stamps=stamps), Place(0, 0, 0), limits)
    return joined([*checked.findings, *check_label_effect(levels, limits)])


def check_all(
    materials: Sequence[Material],
    limits: Limits = STANDARD,
    *,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> QualityReport:
    """Checks every recording; the report does not depend on `jobs`.

    What cannot be read becomes a finding of its own. Memory holds a few pieces of `PIECE_VALUES` a process, and of native sets
    one source.

    Args:
        progress: called with the number of finished units and of all.

    Raises:
        AEMGError: `jobs` is below 1.
    """
    if jobs < 1:
        raise AEMGError(f"jobs must be at least 1, got {jobs}")
    units = [(m, u) for m, material in enumerate(materials) for u in range(material.units())]
    tasks = (delayed(_check_unit)(materials[m], m, u, limits) for m, u in units)
    outcomes: list[tuple[Checked, Levels]] = []
    pool = Parallel(n_jobs=min(jobs, max(len(units), 1)), return_as="generator", pre_dispatch="4 * n_jobs", batch_size="auto")
    for done, found in enumerate(pool(tasks), 1):
        outcomes += found
        if progress is not None:
            progress(done, len(units))
    return QualityReport(tuple(_with_set_findings(outcomes, limits)))


def pieces(item: Item, values: int = PIECE_VALUES) -> Iterator[tuple[int, int]]:
    """Even stretches [first, stop) of an item's samples that hold at most so many values each."""
    channels, samples = item.shape
    count = max(1, math.ceil(channels * samples / values))
    edges = [round(samples * i / count) for i in range(count + 1)]
    yield from ((a, b) for a, b in pairwise(edges) if b > a)


def _check_unit(material: Material, number: int, unit: int, limits: Limits) -> list[tuple[Checked, Levels]]:
    """All recordings of a unit; one that stands for it where it cannot be read."""
    found = []
    try:
        for item in material.items(unit):
            found.append(_check_item(item, Place(number, unit, item.number), limits))
    except (AEMGError, OSError) as error:
        dataset, _, file = material.name(unit).rpartition(": ")
        finding = Finding("unreadable", "fault", (), (), 1.0, "file", 0.0, f"Fetch it again or leave it out: {error}")
        place = Place(number, unit, len(found))
        found.append((Checked(dataset or "files", "", "", file, place, 0.0, 0, 0.0, (finding,)), {}))
    return found


def _check_item(item: Item, place: Place, limits: Limits) -> tuple[Checked, Levels]:
    findings = [*check_short(item, limits), *check_label_spans(item.intervals, item.duration_s, limits)]
    findings += check_label_overlap(item.intervals, limits)
    findings += check_stamps(item.stamps, limits) if item.stamps is not None else ()
    activity, levels = [], []
    for first, stop in pieces(item):
        piece = Piece(item.part(first, stop))
        envelope = check_envelope(piece, limits)
        if envelope:  # what holds for raw signals does not for this one
            piece = Piece(replace(piece.recording, kind="envelope"))
        found = [*envelope, *(f for check in CHECKS for f in check(piece, limits))]
        findings += moved(found, first / item.rate_hz)
        activity.append(piece.activity)
        levels.append(float(np.median(piece.fast[piece.live])) if len(piece.live) else 0.0)
    course = np.concatenate(activity, axis=1) if activity else np.zeros((item.shape[0], 0), np.float32)
    findings += check_label_shift(course, item.intervals, limits)
    level = float(np.median(levels)) if levels else 0.0
    checked = Checked(
        item.dataset, item.subject, item.session, item.file, place, item.duration_s, item.shape[0], item.rate_hz,
        joined(_over_all(findings, item.duration_s)), level,
    )  # fmt: skip
    return checked, label_levels(course, item.intervals)


def check_short(item: Item, limits: Limits = STANDARD) -> tuple[Finding, ...]:
    """Recordings too short for a spectrum, or even for a window of features."""
    grade = graded(-item.duration_s, tuple(-limit for limit in limits.shortest_s))  # type: ignore[arg-type]
    if grade is None:
        return ()
    advice = "Leave it out, or join it with its neighbours; spectrum, mains and band are not judged below 2-3 s."
    return (Finding("short", grade[0], (), (), item.duration_s, "s", -grade[1], advice),)


def _over_all(findings: Sequence[Finding], duration_s: float) -> list[Finding]:
    """Findings whose spans cover the whole recording have none."""
    return [replace(f, where=()) if f.where == ((0.0, duration_s),) else f for f in findings]


def _with_set_findings(outcomes: Sequence[tuple[Checked, Levels]], limits: Limits) -> list[Checked]:
    """Adds what only shows among the recordings of a set: its scales, and labels against rest of one donning."""
    added: dict[Place, list[Finding]] = defaultdict(list)
    by_set, donnings = defaultdict(list), defaultdict(list)
    for checked, levels in outcomes:
        by_set[checked.dataset].append(checked)
        if levels:
            donnings[checked.dataset, checked.subject, checked.session].append((checked, levels))
    for group in by_set.values():
        for checked, found in zip(group, check_scales([c.level for c in group], limits)):
            added[checked.place] += found
    for members in donnings.values():
        pooled = _pooled([levels for _, levels in members])
        silent = silent_labels(pooled, limits)
        holders = [checked for checked, levels in members if set(silent) & set(levels)]
        for finding in check_label_effect(pooled, limits):
            added[holders[0].place].append(finding)
    order = sorted(outcomes, key=lambda o: (o[0].place.material, o[0].place.unit, o[0].place.number))
    return [replace(c, findings=joined([*c.findings, *added[c.place]])) for c, _ in order]


def _pooled(levels: Sequence[Levels]) -> Levels:
    """Levels of one donning's recordings with the same number of channels as the first."""
    channels = len(next(iter(levels[0].values()))[0])
    pooled: Levels = defaultdict(list)
    for one in levels:
        for name, found in one.items():
            pooled[name] += [level for level in found if len(level) == channels]
    return {name: found for name, found in pooled.items() if found}
