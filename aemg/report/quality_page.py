"""The page of a quality check: what was found in which set, and the worst cases of each kind with a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aemg.config import to_mapping
from aemg.errors import AEMGError
from aemg.quality.finding import KINDS, Finding
from aemg.quality.limits import STANDARD, Limits
from aemg.quality.material import Item, Material
from aemg.quality.run import Checked, QualityReport
from aemg.quality.summary import KindCount, SetSummary, channels_text, measured, report_json, subjects_text, summary_of
from aemg.report.page import details, facts, figure, number, page, table, text, write_page
from aemg.report.quality_plots import problem_picture

PICTURES: Final = 24
_PER_KIND: Final = 3
_LISTED: Final = 200
_FILE_LETTERS: Final = 70
_WRAPPED: Final = "white-space: normal; max-width: 22rem"
Case = tuple[Checked, Finding]

MEANING: Final[dict[str, str]] = {
    "unreadable": "The file is damaged, cut short or of another layout.",
    "not-finite": "NaN or infinite values spread through every filter and loss they meet.",
    "short": "Below a second nothing can be said of the spectrum; below 0.2 s there is no window of features.",
    "falling-stamps": "Stamps must grow; where they fall, rows are out of order or the clock was set back.",
    "duplicate-stamps": "Several rows with one stamp: packets that share theirs, or rows that were written twice.",
    "gap": "Time without rows. Windows and filters that run across a gap see a signal that never was.",
    "irregular-stamps": "Steps between rows vary: the rows are not evenly spaced, or stamps tell when a packet came.",
    "rate": "Stamps tell another rate than the file, its card or the user, so that all frequencies and durations are off.",
    "hold": "The device gave fewer samples than there are rows; the rest repeats them or was drawn as lines between them.",
    "empty-band": "The spectrum ends in a wall far below half the rate: samples were taken at a lower rate and resampled.",
    "flat": "A channel that does not change holds no signal: an electrode off, a cable broken, a column left empty.",
    "quiet": "Noise alone, where the other channels hold a signal.",
    "duplicate-channel": "Two columns with one signal, also turned round or scaled: they count twice and carry nothing new.",
    "clipped": "More samples at the bound of the range than chance puts there: the amplifier or converter was at its end.",
    "mains": "Lines at 50 or 60 Hz and their multiples, measured in dB over the neighbouring frequencies.",
    "envelope": "Rectified or smoothed before it was stored: one-sided around its median, or without the band of EMG.",
    "unit": "An amplitude that no surface electrode gives: millivolts or counts taken for volts, a gain not divided out.",
    "scale": "One recording's amplitude is far from the rest of its set, as if in another unit or gain.",
    "offset": "A mean far from zero swamps amplitude features and rings through filters started at zero.",
    "baseline": "Power below 10 Hz, from movement of skin and cables; surface EMG begins at 10-20 Hz.",
    "jump": "Single steps far beyond all others: lost or damaged packets, cables that were touched.",
    "label-span": "Labels that begin before, end after the recording, or last no time.",
    "label-overlap": "Two labels hold at the same time.",
    "label-effect": "Under a label no channel is stronger than at rest.",
    "label-shift": "Labels fit the amplitude better when moved by more than people's reaction explains.",
}


def write_quality_page(
    path: str | Path, report: QualityReport, materials: Sequence[Material], limits: Limits = STANDARD, *,
    pictures: int = PICTURES,
) -> tuple[Path, Path]:  # fmt: skip
    """Writes the page, and the whole report as JSON beside it.

    Args:
        path: ends in .html.
        materials: what was checked, in the same order; recordings with a picture are read again.
        pictures: at most.

    Returns:
        The page and the JSON file.

    Raises:
        AEMGError: another kind of name, or a place that cannot be written.
    """
    target = Path(path).expanduser()
    if target.suffix.lower() != ".html":
        raise AEMGError(f"{target}: expected a name that ends in .html")
    beside = target.with_suffix(".json")
    try:
        write_page(beside, report_json(report, limits))
        write_page(target, render_quality_page(report, materials, limits, pictures=pictures))
    except OSError as error:
        raise AEMGError(f"{target}: {error.strerror or error}") from error
    return target, beside


def render_quality_page(
    report: QualityReport, materials: Sequence[Material], limits: Limits = STANDARD, *, pictures: int = PICTURES
) -> str:
    """The report as a self-contained page."""
    sets = [summary_of(report, name) for name in report.sets]
    found = [kind for kind in KINDS if any(k.kind == kind for s in sets for k in s.kinds)]
    found.sort(key=lambda kind: _weight(sets, kind), reverse=True)
    title = f"Quality of {', '.join(report.sets)}" if len(report.sets) < 4 else f"Quality of {len(report.sets)} sets"
    drawn = _share_out(report, found, pictures)
    return page(
        title,
        [
            f"<h1>{text(title)}</h1>",
            f'<p class="lead">{text(_lead(report))}</p>',
            facts(_headlines(report, sets)),
            "<h2>What was found where</h2>" if found else "",
            _matrix(sets, found),
            *(_section(report, sets, kind, drawn.get(kind, ()), materials) for kind in found),
            _fault_list(report),
            _limits(limits),
        ],
    )


def _lead(report: QualityReport) -> str:
    if report.sound:
        return "No recording has a fault; warnings want a look before use, notes are taken care of by usual processing."
    share = report.faults / len(report.recordings)
    return (
        f"{report.faults:,} of {len(report.recordings):,} recordings ({share:.1%}) are not fit for use as they are; warnings "
        "want a look, notes are taken care of by usual processing."
    )


def _headlines(report: QualityReport, sets: Sequence[SetSummary]) -> list[tuple[str, str]]:
    clean = sum(r.severity is None for r in report.recordings)
    grades = [sum(s.graded[i] for s in sets) for i in range(3)]
    return [
        (f"{len(report.recordings):,}", "recordings"), (f"{sum(s.hours for s in sets):.2f}", "hours"),
        (f"{grades[2]:,}", "with faults"), (f"{grades[1]:,}", "with warnings"), (f"{grades[0]:,}", "with notes only"),
        (f"{clean:,}", "without a finding"),
    ]  # fmt: skip


def _weight(sets: Sequence[SetSummary], kind: str) -> tuple[int, int, int]:
    counts = [k.counts for s in sets for k in s.kinds if k.kind == kind]
    return sum(c[2] for c in counts), sum(c[1] for c in counts), sum(c[0] for c in counts)


def _matrix(sets: Sequence[SetSummary], kinds: Sequence[str]) -> str:
    """A row a set, a column a kind: recordings with it as a fault, warning or note."""
    links = [f'<a href="#{kind}">{text(KINDS[kind])}</a>' for kind in kinds]
    heads = ["Set", "Recordings", "Subjects", "Hours", "Without a finding", *links]
    rows = []
    for s in sets:
        clean = s.recordings - sum(s.graded)
        row = [text(s.name), f"{s.recordings:,}", f"{s.subjects:,}", number(s.hours, 2), f"{clean:,}"]
        known = {k.kind: k for k in s.kinds}
        rows.append(row + [_cell(known.get(kind), s.recordings) for kind in kinds])
    note = (
        '<p class="note">Recordings with each problem: <span class="bad"><b>faults</b></span>, <b>warnings</b>, '
        "<small>notes</small>; the background tells their share of the set.</p>"
    )
    return table(heads, rows) + (note if kinds else "")


def _cell(count: KindCount | None, recordings: int) -> str:
    if count is None:
        return ""
    notes, warnings, faults = count.counts
    said = [f'<b class="bad">{faults:,}</b>'] if faults else []
    said += [f"<b>{warnings:,}</b>"] if warnings else []
    tone = "s1" if faults or warnings else "s7"
    depth = round(8 + 40 * (sum(count.counts) / max(recordings, 1)))
    shade = f"background: color-mix(in srgb, var(--{tone}) {depth}%, transparent); padding: .1rem .4rem; border-radius: 4px"
    return f'<div style="{shade}">{" · ".join(said)}{f"<small>{notes:,}</small>" if notes else ""}</div>'


def _share_out(report: QualityReport, kinds: Sequence[str], pictures: int) -> dict[str, list[Case]]:
    """The cases that get a picture: the worst of each kind first, each from another subject, until none is left to give."""
    worst = {kind: _worst(report, kind) for kind in kinds}
    drawn: dict[str, list[Case]] = {kind: [] for kind in kinds}
    for turn in range(_PER_KIND):
        for kind in kinds:
            if turn < len(worst[kind]) and sum(map(len, drawn.values())) < pictures:
                drawn[kind].append(worst[kind][turn])
    return drawn


def _worst(report: QualityReport, kind: str) -> list[Case]:
    """The worst case of each set and subject, sets taking turns."""
    cases = [(r, f) for r in report.recordings for f in r.findings if f.kind == kind]
    cases.sort(key=lambda case: (case[1].rank, case[1].excess), reverse=True)
    of_subject: dict[tuple[str, str], Case] = {}
    for case in cases:
        of_subject.setdefault((case[0].dataset, case[0].subject), case)
    turns: dict[str, int] = {}
    ranked: list[tuple[int, int, int, Case]] = []
    for (dataset, _), case in of_subject.items():
        turns[dataset] = turns.get(dataset, 0) + 1
        ranked.append((-case[1].rank, turns[dataset], len(ranked), case))
    return [case for *_, case in sorted(ranked, key=lambda entry: entry[:3])]


def _section(
    report: QualityReport, sets: Sequence[SetSummary], kind: str, drawn: Sequence[Case], materials: Sequence[Material]
) -> str:
    rows = []
    for s in sets:
        for k in s.kinds:
            if k.kind == kind:
                recording, finding = k.worst
                counts = [f"{n:,}" if n else "–" for n in reversed(k.counts)]
                worst = f"{text(measured(finding))}<small>{text(_short(recording.file))}</small>"
                rows.append([text(s.name), *counts, worst, f'<div style="{_WRAPPED}">{text(subjects_text(k))}</div>'])
    heads = ["Set", "Faults", "Warnings", "Notes", "Worst, in", "Subjects (recordings)"]
    cards = "".join(_card(case, materials) for case in drawn)
    title = KINDS[kind][:1].upper() + KINDS[kind][1:]
    return f'<h2 id="{kind}">{text(title)}</h2><p>{text(MEANING[kind])}</p>{table(heads, rows)}{cards}'


def _card(case: Case, materials: Sequence[Material]) -> str:
    """One case: where it is, what was measured, what to do, and its picture."""
    recording, finding = case
    channels = f", channels {channels_text(finding.channels)}" if finding.channels else ""
    where = ""
    if finding.where:
        spans = ", ".join(f"{a:.2f}-{b:.2f} s" if b - a >= 0.01 else f"{a:.3f} s" for a, b in finding.where[:4])
        where = f"; {spans}{f' and {len(finding.where) - 4} more' if len(finding.where) > 4 else ''}"
    who = " ".join(part for part in (f"subject {recording.subject}" if recording.subject else "", recording.file) if part)
    head = f"{recording.dataset}: {_short(who)}"
    mark = ' class="bad"' if finding.severity == "fault" else ""
    limit = f" (limit {finding.limit:g})" if finding.limit else ""
    caption = (
        f"<b{mark}>{text(finding.severity)}</b>: {text(measured(finding))}{text(limit)}{text(channels)}{text(where)}. "
        f"{text(finding.advice)}"
    )
    try:
        item = _item(materials, recording)
        picture = problem_picture(item, finding) if item is not None and finding.kind != "unreadable" else ""
    except (AEMGError, OSError) as error:
        picture, caption = "", f"{caption} No picture: {text(error)}"
    return f"<h3>{text(head)}</h3>{figure(picture, caption)}"


def _item(materials: Sequence[Material], recording: Checked) -> Item | None:
    """The recording again."""
    items = materials[recording.place.material].items(recording.place.unit)
    return next((item for item in items if item.number == recording.place.number), None)


def _fault_list(report: QualityReport) -> str:
    faulty = [r for r in report.recordings if r.severity == "fault"]
    if not faulty:
        return ""
    rows = [
        [text(r.dataset), text(r.subject), text(r.file), text("; ".join(f.title for f in r.findings if f.severity == "fault"))]
        for r in faulty[:_LISTED]
    ]
    more = f'<p class="note">and {len(faulty) - _LISTED:,} more, see the JSON file.</p>' if len(faulty) > _LISTED else ""
    return "<h2>Recordings with a fault</h2>" + details(
        f"{len(faulty):,} recordings", table(["Set", "Subject", "File", "Faults"], rows) + more
    )


def _limits(limits: Limits) -> str:
    rows = [[text(name), text(value)] for name, value in to_mapping(limits).items()]
    return "<h2>Limits</h2>" + details("What recordings were held against", table(["Limit", "Value"], rows))


def _short(file: str) -> str:
    return file if len(file) <= _FILE_LETTERS else f"…{file[1 - _FILE_LETTERS :]}"
