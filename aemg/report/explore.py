"""A recording as a picture or a page: what was asked, what was measured, and what is amiss."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import h5py
from matplotlib.figure import SubFigure

from aemg.errors import AEMGError
from aemg.neuromotor.events import GESTURES
from aemg.report.draw import INK, MUTED, canvas, drawable, png, svg
from aemg.report.excerpt import DEFAULT_S, View, clock, view_of_file, view_of_recording
from aemg.report.page import details, facts, figure, number, page, table, text, write_page
from aemg.report.recording_plots import WIDTH_IN, draw_excerpt, draw_overview, excerpt_height, overview_height
from aemg.signals import Interval

_LISTED_STAGES: Final = 44  # in a picture
_STAGE_COLUMNS: Final = 3
_STAGE_LETTERS: Final = 50


def draw_recording(
    file: str | Path, out: str | Path | None = None, *, start_s: float | None = None, seconds: float = DEFAULT_S,
    recording: int = 0,
) -> Path:  # fmt: skip
    """Draws a recording: all of it as amplitudes, and the samples of a part.

    Args:
        file: a .hdf5 file of the generic neuromotor interface, or the .h5 file of a prepared set.
        out: a .html page or a .png picture; None for a page named like the file, in the current folder.
        start_s: where the part begins, from the recording's first sample; None for a little before the first prompt.
        seconds: length of the part, at most 600.
        recording: number of the one of a prepared set.

    Returns:
        Where it was written.

    Raises:
        DataFileError: the file is damaged.
        AEMGError: another kind of file, a part outside the recording, or a place that cannot be written.
    """
    path = Path(file).expanduser()
    target = Path(out).expanduser() if out is not None else Path(f"{path.stem}.html")
    if target.suffix.lower() not in (".html", ".png"):
        raise AEMGError(f"{target}: expected a name that ends in .html or .png")
    view = _view(path, start_s, seconds, recording)
    try:
        if target.suffix.lower() == ".html":
            write_page(target, render_page(view))
        else:
            _write_picture(target, render_picture(view))
    except OSError as error:
        raise AEMGError(f"{target}: {error.strerror or error}") from error
    return target


def _view(path: Path, start_s: float | None, seconds: float, recording: int) -> View:
    """Which reader knows the file."""
    if not path.is_file():
        raise AEMGError(f"{path}: expected a file, found {'a folder' if path.is_dir() else 'none'}")
    kind = _kind(path)
    if kind == "neuromotor":
        return view_of_file(path, start_s, seconds)
    if kind == "prepared":
        return view_of_recording(path, recording, start_s, seconds)
    raise AEMGError(
        f"{path}: expected a .hdf5 file of the generic neuromotor interface, or the .h5 file of a prepared set (python "
        "datasets prepare NAME makes one of any known set)"
    )


def _kind(path: Path) -> str:
    try:
        with h5py.File(path, "r", locking=False) as file:
            if "data" in file:
                return "neuromotor"
            return "prepared" if "index" in file else ""
    except (OSError, RuntimeError, ValueError, KeyError):
        return {".hdf5": "neuromotor", ".h5": "prepared"}.get(path.suffix.lower(), "")  # whose reader says what is wrong


def _write_picture(target: Path, picture: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    partial.write_bytes(picture)
    os.replace(partial, target)


def render_picture(view: View) -> bytes:
    """The recording as PNG: its title and facts, all of it, the part, and the names of its stages."""
    said = "   ".join(f"{name}: {value}" for name, value in view.facts[:4])
    heights = [0.75 + 0.2 * len(view.remarks), overview_height(view), excerpt_height(view), 0.17 * _stage_lines(view) + 0.1]
    whole = canvas(WIDTH_IN + 0.8, sum(heights))
    places: Any = whole.subfigures(4, 1, height_ratios=heights)
    head, above, below, foot = places
    _lines(head, [(drawable(view.title), 12.0, INK), (drawable(said), 9.0, MUTED)] + [(r, 9.0, INK) for r in view.remarks])
    draw_overview(above, view)
    draw_excerpt(below, view)
    _named_stages(foot, view)
    return png(whole)


def _lines(place: SubFigure, lines: Sequence[tuple[str, float, str]]) -> None:
    """Lines of text from the upper left."""
    for i, (said, size, colour) in enumerate(lines):
        place.text(0.012, 1 - (i + 0.5) / len(lines), said, fontsize=size, color=colour, va="center")


def _named_stages(place: SubFigure, view: View) -> None:
    """Numbers and names of the stages, in columns."""
    named = [f"{i}  {drawable(s.label)}" for i, s in enumerate(view.stages[:_LISTED_STAGES], 1)]
    more = len(view.stages) - _LISTED_STAGES
    named += [f"and {more} more"] if more > 0 else []
    for i, said in enumerate(named):
        column, line = i % _STAGE_COLUMNS, i // _STAGE_COLUMNS
        short = said if len(said) <= _STAGE_LETTERS else f"{said[: _STAGE_LETTERS - 1]}…"
        at = (0.012 + column / _STAGE_COLUMNS, 1 - (line + 0.5) / _stage_lines(view))
        place.text(*at, short, fontsize=8, color=MUTED, va="center")


def _stage_lines(view: View) -> int:
    return -(-min(len(view.stages), _LISTED_STAGES + 1) // _STAGE_COLUMNS)


def render_page(view: View) -> str:
    """The recording as a self-contained page."""
    return page(
        view.title,
        [
            f"<h1>{text(view.title)}</h1>",
            f'<p class="lead">{text(_lead(view))}</p>',
            *(f'<blockquote class="warning">{text(remark)}</blockquote>' for remark in view.remarks),
            facts(_headlines(view)),
            "<h2>All of it</h2>",
            figure(_picture(view, whole=True), text(_overview_caption(view))),
            "<h2>A part</h2>",
            figure(_picture(view, whole=False), text(_excerpt_caption(view))),
            _texts(view),
            _counts(view),
            _stages(view),
            f'<h2>Facts</h2><div class="card"><dl>{_listed(view.facts)}</dl></div>',
        ],
    )


def _listed(values: tuple[tuple[str, str], ...]) -> str:
    return "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in values)


def _lead(view: View) -> str:
    extent = f"{clock(view.duration_s)} of {len(view.excerpt.emg)} channels"
    return f"{extent}; {len(view.stages)} stages, {len(view.events) + len(view.texts):,} prompts."


def _headlines(view: View) -> list[tuple[str, str]]:
    wanted = ("task", "user", "set", "subject", "duration", "rate over all", "rate", "prompts")
    known = dict(view.facts)
    shown = [(known[name].partition(";")[0].replace("_", " "), name) for name in wanted if name in known]
    return [*shown, (str(len(view.stages)), "stages")]


def _picture(view: View, *, whole: bool) -> str:
    height = overview_height(view) if whole else excerpt_height(view)
    drawn = canvas(WIDTH_IN, height)
    (draw_overview if whole else draw_excerpt)(drawn, view)
    return svg(drawn, f"{'Overview' if whole else 'Part'} of {view.title}")


def _overview_caption(view: View) -> str:
    step = number(view.overview.step_s, 2)
    said = f"Colour: standard deviation of each channel in steps of {step} s; blank where there are no samples or all are equal."
    if view.angles:
        said += " Angles: from their smallest to their largest value in each step."
    return f"{said} Framed: the part below."


def _excerpt_caption(view: View) -> str:
    part = view.excerpt
    return (
        f"{part.start_s:.2f} s to {part.end_s:.2f} s, {len(part.times_s):,} samples at their time stamps. All channels are to "
        "the same scale; where samples lie closer than the picture can show, their range is drawn."
    )


def _texts(view: View) -> str:
    """What was to be written: in the part, and folded away in all."""
    if not view.texts:
        return ""

    def rows_of(chosen: list[int]) -> list[list[str]]:
        return [
            [text(f"{i + 1}.  {view.texts[i].label}"), number(view.texts[i].start_s, 2), number(_length(view.texts[i]), 2)]
            for i in chosen
        ]

    heads = ["Text", "Start, s", "Length, s"]
    part = view.excerpt
    within = [i for i, t in enumerate(view.texts) if t.end_s > part.start_s and t.start_s < part.end_s]
    shown = f"<h3>Texts in this part</h3>{table(heads, rows_of(within))}" if within else ""
    every = list(range(len(view.texts)))
    whole = table(heads, rows_of(every))
    return shown + (details(f"All {len(every):,} texts", whole) if len(every) > len(within) else "")


def _length(span: Interval) -> float:
    return span.end_s - span.start_s


def _counts(view: View) -> str:
    if not view.events:
        return ""
    counted = Counter(e.name for e in view.events)
    order = [*(g for g in GESTURES if g in counted), *sorted(n for n in counted if n not in GESTURES)]
    return f"<h2>Prompts by name</h2>{table(['Name', 'Prompts'], [[text(n), f'{counted[n]:,}'] for n in order])}"


def _stages(view: View) -> str:
    if not view.stages:
        return ""
    moments = [e.time_s for e in view.events] + [t.start_s for t in view.texts]
    noted = any(view.stage_notes)
    rows = []
    for i, (stage, note) in enumerate(zip(view.stages, view.stage_notes), 1):
        row = [f"{i}.  {text(stage.label)}", number(stage.start_s, 2), number(_length(stage), 2)]
        row += [text(note)] if noted else []
        row += [f"{sum(stage.start_s <= m < stage.end_s for m in moments):,}"] if moments else []
        rows.append(row)
    heads = ["Stage", "Start, s", "Length, s", *(["Note"] if noted else []), *(["Prompts"] if moments else [])]
    return f"<h2>Stages</h2>{table(heads, rows)}"
