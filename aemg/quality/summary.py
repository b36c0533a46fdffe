"""A report in numbers: per set and kind for people, as text, and in full for programs, as JSON."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from aemg.config import to_mapping
from aemg.quality.finding import KINDS, SEVERITIES, Finding
from aemg.quality.limits import Limits
from aemg.quality.run import Checked, QualityReport

FORMAT: Final = 1
_SUBJECTS_TOLD: Final = 4


@dataclass(frozen=True)
class KindCount:
    """One kind of problem in a set.

    Args:
        counts: recordings with it as a note, a warning and a fault.
        subjects: with it as a warning or fault (as a note where there is neither), and in how many recordings, most first.
        worst: the worst finding and its recording.
    """

    kind: str
    counts: tuple[int, int, int]
    subjects: tuple[tuple[str, int], ...]
    worst: tuple[Checked, Finding]

    @property
    def serious(self) -> int:
        """Recordings with it as a warning or fault."""
        return self.counts[1] + self.counts[2]


@dataclass(frozen=True)
class SetSummary:
    """A set in numbers: `graded` counts recordings by the worst of their findings: note, warning, fault."""

    name: str
    recordings: int
    subjects: int
    hours: float
    graded: tuple[int, int, int]
    kinds: tuple[KindCount, ...]


def summary_of(report: QualityReport, name: str) -> SetSummary:
    """The numbers of one set, its kinds from the most to the least serious."""
    found = report.of_set(name).recordings
    grades = Counter(r.severity for r in found)
    kinds = [_kind_count(kind, found) for kind in KINDS if any(f.kind == kind for r in found for f in r.findings)]
    kinds.sort(key=lambda k: (k.counts[2], k.counts[1], k.counts[0]), reverse=True)
    return SetSummary(
        name, len(found), len({r.subject for r in found if r.subject}), sum(r.duration_s for r in found) / 3600,
        (grades["note"], grades["warning"], grades["fault"]), tuple(kinds),
    )  # fmt: skip


def report_text(report: QualityReport) -> str:
    """A paragraph a set: its numbers, and a line a kind with the worst case and the subjects that have most of it."""
    parts = []
    for name in report.sets:
        s = summary_of(report, name)
        notes, warnings, faults = s.graded
        lines = [
            f"{name}: {s.recordings:,} recordings of {s.subjects} subjects, {s.hours:.2f} h: {faults:,} with faults, "
            f"{warnings:,} with warnings, {notes:,} with notes"
        ]
        width = max((len(KINDS[k.kind]) for k in s.kinds), default=0)
        for k in s.kinds:
            counts = "  ".join(f"{n:>6,} {severity}" for severity, n in zip(reversed(SEVERITIES), reversed(k.counts)) if n)
            recording, finding = k.worst
            worst = f"worst {measured(finding)} in {recording.file}"
            lines.append(f"  {KINDS[k.kind]:<{width}}  {counts}; {worst}; subjects {subjects_text(k)}")
        parts.append("\n".join(lines))
    return "\n".join(parts)


def subjects_text(kind: KindCount) -> str:
    """The subjects with most of a kind, and in how many recordings."""
    told = ", ".join(f"{subject or '?'} ({n})" for subject, n in kind.subjects[:_SUBJECTS_TOLD])
    more = len(kind.subjects) - _SUBJECTS_TOLD
    return f"{told} and {more} more" if more > 0 else told


def measured(finding: Finding) -> str:
    """The value with its unit, short."""
    value = finding.value
    shown = f"{value:.3g}" if value and not 0.01 <= abs(value) < 1e5 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"
    return f"{shown} {finding.unit}"


def channels_text(channels: Sequence[int]) -> str:
    """Numbers of channels, runs of them joined: "0-3, 7"; "all" or "" where none is named."""
    runs: list[list[int]] = []
    for c in channels:
        if runs and c == runs[-1][-1] + 1:
            runs[-1].append(c)
        else:
            runs.append([c])
    return ", ".join(f"{r[0]}-{r[-1]}" if len(r) > 2 else ", ".join(map(str, r)) for r in runs)


def report_json(report: QualityReport, limits: Limits) -> str:
    """The whole report: limits, numbers per set, and every recording that has a finding, as JSON."""
    sets = {}
    for name in report.sets:
        s = summary_of(report, name)
        sets[name] = {
            "recordings": s.recordings, "subjects": s.subjects, "hours": s.hours, "graded": dict(zip(SEVERITIES, s.graded)),
            "kinds": {k.kind: {"graded": dict(zip(SEVERITIES, k.counts)), "subjects": dict(k.subjects)} for k in s.kinds},
        }  # fmt: skip
    whole = {
        "format": FORMAT, "sound": report.sound, "limits": to_mapping(limits), "sets": sets,
        "recordings": [_recording_json(r) for r in report.recordings if r.findings],
    }  # fmt: skip
    return json.dumps(_plain(whole), indent=1, ensure_ascii=False)


def _kind_count(kind: str, recordings: Sequence[Checked]) -> KindCount:
    having = [(r, f) for r in recordings for f in r.findings if f.kind == kind]
    counts = Counter(f.severity for _, f in having)
    serious = [pair for pair in having if pair[1].rank] or having
    subjects = Counter(r.subject for r, _ in serious)
    worst = max(having, key=lambda pair: (pair[1].rank, pair[1].excess))
    return KindCount(
        kind, (counts["note"], counts["warning"], counts["fault"]), tuple(subjects.most_common()), worst
    )


def _recording_json(r: Checked) -> dict[str, Any]:
    facts = {key: getattr(r, key) for key in ("dataset", "subject", "session", "file", "duration_s", "channels", "rate_hz")}
    return {**facts, "findings": [asdict(f) for f in r.findings]}


def _plain(value: Any) -> Any:
    """Numbers that JSON does not know as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value
