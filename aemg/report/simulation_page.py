"""The page on simulated EMG: is it like people's, number by number, and what it looks like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aemg.report.methods import finite
from aemg.report.page import details, facts, figure, number, page, table, text, write_page
from aemg.report.simulation_plots import (
    compared_spectra_plot,
    force_plot,
    pattern_plot,
    raster_plot,
    rates_plot,
    ring_plot,
    spectra_plot,
    traces_plot,
)
from aemg.simulation.realism import Example

_GESTURES: Final = ("wrist_flexion", "wrist_extension", "hand_close", "hand_open")
_SIGNS: Final = {"in range": ("good", "in range"), "partly": ("", "partly"), "out of range": ("bad", "out of range")}
_LITERATURE: Final = (
    "Measured: median, below it the 5th and 95th percentile over what is named. In range: both percentiles lie within the "
    "published range; partly: only the median does. A range is what a study reports of other muscles and people, no law."
)
_RECORDINGS: Final = (
    "Median over people, with the 5th and 95th percentile, measured by the same program on simulated people who wear a device "
    "of as many channels at the same rate and make the same gestures. In range: the simulated median lies between the real "
    "people's percentiles. Likeness is the correlation of two patterns of log-amplitude over the channels."
)
_TITLE: Final = "How real is the simulated EMG?"


def write_simulation_html(measured: Mapping[str, Any], shown: Example | None, path: str | Path) -> None:
    """Writes the page.

    Args:
        measured: `Realism.as_json()`; "command" and "seconds" are shown where they are there.
        shown: the contraction to draw, if any.
        path: of the page; its folder is made if missing.

    Raises:
        OSError: the page cannot be written.
    """
    write_page(path, page(_TITLE, _parts(measured, shown)))


def realism_markdown(measured: Mapping[str, Any]) -> str:
    """Both tables as Markdown."""
    lines = [f"# {_TITLE}", "", f"{measured['people']} simulated people, seed {measured['seed']}.", ""]
    if measured.get("command"):
        lines += [f"    {measured['command']}", ""]
    lines += ["| quantity | measured (5 to 95 %) | published | verdict | source |", "|---|---|---|---|---|"]
    for row in measured["findings"]:
        known = row["range"]
        limits = f"{_short(known['low'])} to {_short(known['high'])} {known['unit']}".strip()
        cells = [f"{row['section']}: {known['quantity']}", _spread(row["measured"]), limits, row["verdict"]]
        lines.append(f"| {' | '.join(cells)} | {known['source']}, {known['doi']} |")
    if measured["comparisons"]:
        lines += ["", "| quantity | real set | real (5 to 95 %) | simulated | verdict |", "|---|---|---|---|---|"]
    for row in measured["comparisons"]:
        unit = f", {row['unit']}" if row["unit"] else ""
        simulated = f"{_spread(row['simulated'])}, {row['device']}"
        cells = [f"{row['quantity']}{unit}", row["real_set"], _spread(row["real"]), simulated, row["verdict"]]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", *(f"- {note}" for note in measured["notes"])]
    return "\n".join(lines).rstrip() + "\n"


def _parts(measured: Mapping[str, Any], shown: Example | None) -> Iterator[str]:
    findings, comparisons, curves = measured["findings"], measured["comparisons"], measured["curves"]
    yield f"<h1>{text(_TITLE)}</h1>"
    yield '<p class="lead">Simulated people measured like real ones, beside published ranges and beside recordings.</p>'
    yield facts(
        [
            (str(measured["people"]), f"simulated people, seed {measured['seed']}"),
            (_share(findings), "quantities in their published range"),
            (_share(comparisons), "medians among the real people's") if comparisons else ("–", "no recordings given"),
        ]
    )
    yield f"<h2>Beside the literature</h2>{_findings(findings)}<p class='note'>{_LITERATURE}</p>"
    if comparisons:
        yield f"<h2>Beside recordings</h2>{_comparisons(comparisons)}<p class='note'>{_RECORDINGS}</p>"
    yield from (f'<p class="note">{text(note)}</p>' for note in measured["notes"])
    if shown is not None:
        yield from _example(shown)
    yield "<h2>Drive, rate and amplitude</h2>"
    pair = figure(rates_plot(curves["rates"]), "Mean over people and muscles; a unit below its threshold counts as 0.")
    pair += figure(force_plot(curves["rms"]), "Strongest channel of an armband, all muscles at the same drive.")
    yield f'<div class="row">{pair}</div>'
    yield "<h2>Around the limb</h2>"
    pair = figure(ring_plot(curves["ring"]), "One superficial muscle alone; median over muscles and people. Dotted: 5 %.")
    pair += figure(compared_spectra_plot(curves["spectra"]), "Strongest quarter of the channels, mean over people.")
    yield f'<div class="row">{pair}</div>'
    yield "<h2>People</h2>"
    yield figure(
        pattern_plot(curves["patterns"], _GESTURES),
        "A row a person, a column a channel, as worn: bands at an unknown turn shift a row sideways. Orange: weaker than the "
        "mean of the channels; blue: stronger.",
    )
    if measured.get("command"):
        yield details("How it was made", f"<pre>{text(measured['command'])}</pre>")


def _example(shown: Example) -> Iterator[str]:
    yield "<h2>One contraction</h2>"
    yield (
        f"<p>A power grip that rises for {shown.held_s[0]:g} s, is held and let go; one person (seed {shown.seed}) wearing "
        f"{text(shown.device)}.</p>"
    )
    yield figure(
        raster_plot(shown), "Each tick a discharge; within a muscle the first recruited unit lies lowest and discharges fastest."
    )
    yield figure(traces_plot(shown), "All channels to one scale.")
    held = f"Held part, {shown.held_s[0]:g} to {shown.held_s[1]:g} s."
    yield figure(spectra_plot(shown), f"{held} The published medians are of limb muscles under usual electrodes.")


def _findings(findings: Sequence[Mapping[str, Any]]) -> str:
    heads = ["Quantity", "Measured", "Published", "", "Source"]
    rows = []
    for row in findings:
        known, measured = row["range"], row["measured"]
        below = f"<small>{_short(measured['low'])} to {_short(measured['high'])}, {measured['n']:,} {text(row['of'])}</small>"
        limits = text(f"{_short(known['low'])} to {_short(known['high'])} {known['unit']}".strip())
        rows.append(
            [
                f"{text(known['quantity'])}<small>{text(row['section'])}</small>",
                f"{_short(measured['median'])} {text(known['unit'])}{below}",
                limits,
                _verdict(row["verdict"]),
                f"{text(known['source'])}<small>{_link(known['doi'])}</small>",
            ]
        )
    return f'<div class="half">{table(heads, rows)}</div>'


def _comparisons(comparisons: Sequence[Mapping[str, Any]]) -> str:
    heads = ["Quantity", "Real set", "Real", "Simulated", ""]
    rows, before = [], ""
    for row in comparisons:
        unit = f"<small>{text(row['unit'])}</small>" if row["unit"] else ""
        name = f"{text(row['quantity'])}{unit}" if row["quantity"] != before else ""
        before = row["quantity"]
        pair = (row["real"], row["simulated"])
        cells = [f"{_short(s['median'])}<small>{_short(s['low'])} to {_short(s['high'])}</small>" for s in pair]
        rows.append([name, f"{text(row['real_set'])}<small>{text(row['device'])}</small>", *cells, _verdict(row["verdict"])])
    return f'<div class="half">{table(heads, rows)}</div>'


def _verdict(verdict: str) -> str:
    kind, said = _SIGNS[verdict]
    return f'<span class="{kind}">{said}</span>' if kind else said


def _share(rows: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(row['verdict'] == 'in range' for row in rows)} of {len(rows)}"


def _link(doi: str) -> str:
    return f'<a href="https://doi.org/{text(doi)}">{text(doi)}</a>' if doi.startswith("10.") else text(doi)


def _spread(summary: Mapping[str, Any]) -> str:
    return f"{_short(summary['median'])} ({_short(summary['low'])} to {_short(summary['high'])})"


def _short(value: object) -> str:
    """Two or three significant digits."""
    known = finite(value)
    if known is None:
        return "–"
    size = abs(known)
    return number(known, 0 if size >= 100 else 1 if size >= 10 else 2)
