"""The page of a livability report: how the decoders of gestures are to live with.

A report is the plain JSON of `aemg.evaluation.livability.livability`; what is missing in it leaves its part of the page out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aemg.report.evidence import certificate_section, run_section
from aemg.report.livability_plots import (
    Methods,
    false_plot,
    found_plot,
    latency_plot,
    names_of,
    rejection_plot,
    reliability_plot,
)
from aemg.report.livability_tables import (
    REGIONS,
    activation_table,
    confidence_table,
    donning_section,
    people_table,
    threshold_table,
)
from aemg.report.methods import finite, mean_of, part
from aemg.report.page import details, facts, figure, number, page, percent, text, write_page

_LITTLE_HOURS: Final = 0.5
_READING: Final = (
    "Activation: a class other than rest is decided without a break for {hold_s:g} s with a probability of {threshold:g} or "
    "more; it fires once until its class was not decided for {release_s:g} s. False: it answers no movement of its class, "
    "from {early_s:g} s before the label (but after the interval before) to {late_s:g} s after it. Rest and movement: "
    "labelled time without the first and last {edge_s:g} s of an interval; transition: these edges, and all unlabelled time. "
    "Noticed: the first activation of any class that belongs to no other movement; named: the first of the right class. "
    "Latency runs from the labelled start, or from the start of the contraction (EMG), to the time the activation is known."
)
_RATES: Final = (
    "False activations: counts over hours, all people together; below it the 95 % bootstrap interval over people. Latencies: "
    "milliseconds, median and (90th percentile) of what came."
)
_CONFIDENCE: Final = (
    "Of labelled windows. Area: mean accuracy over coverage when the least sure are rejected first. ECE: expected calibration "
    "error with bins of equal width, as given and with the temperature that fits people whom a classifier had not been trained "
    "on; adaptive: bins of equal mass, tempered. Means over people."
)


def write_livability_html(report: Mapping[str, Any], path: str | Path) -> None:
    """Writes the page of a report.

    Args:
        path: of the page; its folder is made if missing.

    Raises:
        OSError: the page cannot be written.
    """
    write_page(path, render_livability(report))


def render_livability(report: Mapping[str, Any]) -> str:
    """The page as text."""
    title = str(report.get("title") or "Livability")
    return page(title, _parts(report, title))


def _parts(report: Mapping[str, Any], title: str) -> Iterator[str]:
    sets, config = part(report, "sets"), part(report, "config")
    settings = {**part(config, "activation"), **part(config, "truth")}
    people = sum(len(one.get("subjects") or ()) for one in sets.values())
    yield f"<h1>{text(title)}</h1>"
    yield (
        f'<p class="lead">Whole recordings of {people} people, decoded window by window from what was known by then, by methods '
        "trained on other people.</p>"
    )
    if settings:
        yield f'<p class="note">{text(_READING.format(**settings))}</p>'
    yield f"<h2>Activations</h2><p class=note>{text(_RATES)}</p>{activation_table(sets)}"
    yield f"<h2>Confidence</h2><p class=note>{text(_CONFIDENCE)}</p>{confidence_table(sets)}"
    yield donning_section(sets)
    for name, one in sets.items():
        yield from _set(name, one, finite(settings.get("threshold")))
    yield certificate_section(report.get("certificate"))
    yield run_section(report)


def _set(name: str, one: Mapping[str, Any], threshold: float | None) -> Iterator[str]:
    methods: Methods = part(one, "methods")
    if not methods:
        return
    some = next(iter(methods.values()))
    yield f"<h2>Set {text(name)}</h2>"
    hours = [(_time(part(some, "false_per_hour", r).get("hours")), r) for r in REGIONS]
    counts = [(str(len(one.get("subjects") or ())), "people"), (number(some.get("movements"), 0), "movements")]
    yield facts([*counts, (_time(one.get("decoded_hours")), "decoded"), *hours])
    yield from (f'<blockquote class="warning">{text(said)}</blockquote>' for said in _remarks(one, some))
    plots = [
        (false_plot(methods, threshold), "False activations at rest (full) and in transition (dashed) over the threshold."),
        (found_plot(methods, threshold), "Movements noticed at all (dashed) and named rightly (full) over the threshold."),
        (latency_plot(methods, "label"), "Movements noticed (thick) and named rightly (thin) by a time from the label."),
        (latency_plot(methods, "emg"), "The same from the start of the contraction, where the recording shows it."),
        (rejection_plot(methods), "Accuracy of the surest windows: what rejecting the others gains."),
        (reliability_plot(methods), "Reliability: accuracy at each confidence; on the dotted line they agree."),
    ]
    yield f'<div class="row">{"".join(f"<div class=half>{figure(*plot)}</div>" for plot in plots)}</div>'
    for method, said in names_of(methods).items():
        yield details(f"Every person, {said}", people_table(methods[method]))
        yield details(f"Every threshold, {said}", threshold_table(methods[method]))


def _remarks(one: Mapping[str, Any], some: Mapping[str, Any]) -> Iterator[str]:
    """What a reader could be misled by."""
    for region in ("rest", "transition"):
        hours = finite(part(some, "false_per_hour", region).get("hours")) or 0.0
        if not hours:
            yield f"There is no {region} signal in this set: nothing is known of false activations there."
        elif hours < _LITTLE_HOURS:
            each = f"each false activation there counts as {1 / hours:.0f} an hour"
            yield f"Only {60 * hours:.1f} minutes of {region} signal: {each}."
    movements, begins = finite(some.get("movements")) or 0, finite(some.get("begins")) or 0
    if begins < movements:
        yield (
            f"{movements - begins:.0f} of {movements:.0f} movements begin with their recording: their latency counts from its "
            "first sample and says how long the decoder needs to start, not how soon it sees an onset."
        )
    if one.get("rest") == "gate":
        yield "Rest is no class of this set: windows in which the energy gate sees no contraction are decided to be rest."


def _time(hours: object) -> str:
    known = finite(hours)
    return f"{number(known, 1)} h" if known is not None and known >= 2 else f"{number(known, 1, 60.0)} min"


def summary_lines(report: Mapping[str, Any]) -> Sequence[str]:
    """The report in a few lines of plain text."""
    lines = [str(part(report, "certificate").get("statement", ""))]
    for name, one in part(report, "sets").items():
        lines.append(f"{name}: {len(one['subjects'])} people, {one['decoded_hours']:.2f} h decoded")
        for method, found in part(one, "methods").items():
            rates = ", ".join(f"{r} {number(part(found, 'false_per_hour', r).get('mean'), 0)}" for r in REGIONS)
            noticed, named = (part(found, "latency", f"{event}_label") for event in ("noticed", "named"))
            ece = part(found, "calibration", "after") or part(found, "calibration", "before")
            lines.append(
                f"  {method:20s} false an hour: {rates}; noticed after {number(noticed.get('median_s'), 2)} s, "
                f"missed {percent(noticed.get('missed_share'))} %, not named {percent(named.get('missed_share'))} %; "
                f"ECE {percent(mean_of(part(ece, 'ece')))} %"
            )
    return lines
