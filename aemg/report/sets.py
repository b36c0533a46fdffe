"""The part of a report on one set, and the part on the codebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aemg.report.methods import OWN, finite, interval_of, mean_of, part, per_subject
from aemg.report.page import details, facts, figure, number, percent, text
from aemg.report.plots import accuracy_plot, codes_plot, few_shot_plot
from aemg.report.tables import confusion_table, few_shot_table, registration_table

Curve = dict[float, dict[str, Any]]
_FEW_SHOT = (
    "Accuracy after adaptation on the first part of the target's labelled repetitions; every point is tested on the "
    "same rest, 0 % is zero-shot. Bands: 95 % interval over subjects."
)
_CONFUSION = (
    "Rows: what was done; columns: what AEMG said. Percent of each row, empty where never; last column: how often it "
    "was done."
)


def set_section(name: str, one: Mapping[str, Any], controls: Sequence[str]) -> str:
    """Numbers, plots and tables of one set."""
    parts = [
        f"<h2>Set {text(name)}</h2>",
        _facts(one),
        _accuracy(one, controls),
        _few_shot(one),
        _side_by_side(_confusion(part(one, "confusion")), _registration(part(one, "registration"))),
    ]
    return "\n".join(p for p in parts if p)


def _facts(one: Mapping[str, Any]) -> str:
    shown = []
    metric = part(one, "zero_shot", "window_accuracy")
    if mean_of(metric) is not None:
        interval = interval_of(metric)
        more = f" (95 % interval {percent(interval[0])} – {percent(interval[1])})" if interval else ""
        shown.append((f"{percent(mean_of(metric))} %", f"AEMG, window accuracy{more}"))
    trial = part(one, "zero_shot", "trial_accuracy")
    if mean_of(trial) is not None:
        shown.append((f"{percent(mean_of(trial))} %", "AEMG, trial accuracy"))
    labels = one.get("labels") or []
    for value, what in ((one.get("subjects") or [], "subjects"), (labels, "movements")):
        if value:
            shown.append((str(len(value)), what))
    for key in ("trials", "windows"):
        if finite(one.get(key)) is not None:
            shown.append((f"{one[key]:,.0f}", key))
    return facts(shown) if shown else ""


def _accuracy(one: Mapping[str, Any], controls: Sequence[str]) -> str:
    own = per_subject(part(one, "zero_shot", "window_accuracy"))
    others = {c: per_subject(part(one, "controls", c, "window_accuracy")) for c in controls}
    others = {c: values for c, values in others.items() if values}
    if not own and not others:
        return ""
    labels = one.get("labels") or []
    guess = 1.0 / len(labels) if labels else None
    caption = "Window accuracy of every subject, sorted by AEMG's. Colour: family of methods; marker: variant."
    if guess:
        caption += f" Dotted: one over the number of movements ({percent(guess)} %)."
    return figure(accuracy_plot(own, others, guess), caption)


def _few_shot(one: Mapping[str, Any]) -> str:
    given = part(one, "few_shot")
    names = [name for name in given if name != "warning" and points(part(given, name))]
    curves = {OWN if name == "aemg" else name: points(part(given, name)) for name in names}
    warnings = given.get("warning") or []
    warnings = [warnings] if isinstance(warnings, str) else list(warnings)
    remarks = [*map(str, warnings), *_harm(curves)]
    notes = "".join(f'<blockquote class="warning">{text(r)}</blockquote>' for r in dict.fromkeys(remarks))
    if not curves:
        return f"<h3>Few-shot adaptation</h3>{notes}" if notes else ""
    numbers = "".join(
        f"<h3>{head}, %</h3>{few_shot_table(curves, metric)}"
        for metric, head in (("window_accuracy", "Window accuracy"), ("trial_accuracy", "Trial accuracy"))
        if any(metric in value for curve in curves.values() for value in curve.values())
    )
    head = f"<h3>Few-shot adaptation</h3>{notes}<p class=note>{_FEW_SHOT}</p>"
    curve = f"<div class=half>{few_shot_plot(curves)}</div>"
    return f'{head}<div class="row">{curve}<div class="half">{numbers}</div></div>'


def points(curve: Mapping[str, Any]) -> Curve:
    """A curve's metrics by fraction, in order."""
    found = {}
    for key, value in curve.items():
        try:
            fraction = float(key)
        except ValueError:
            continue
        if part(value):
            found[fraction] = part(value)
    return dict(sorted(found.items()))


def _harm(curves: Mapping[str, Curve]) -> list[str]:
    """Where adaptation makes the model worse, it is said."""
    curve = curves.get(OWN, {})
    start = mean_of(part(curve.get(0.0), "window_accuracy"))
    if start is None:
        return []
    after = {f: mean_of(part(m, "window_accuracy")) for f, m in curve.items() if f > 0}
    worse = [f"{100 * f:g} % ({percent(mean)} %)" for f, mean in after.items() if mean is not None and mean < start]
    if not worse:
        return []
    zero = f"the zero-shot point ({percent(start)} %)"
    return [f"Adaptation hurts: window accuracy lies below {zero} at {', '.join(worse)}."]


def _confusion(confusion: Mapping[str, Any]) -> str:
    labels, counts = confusion.get("labels") or [], confusion.get("counts") or []
    if not labels or len(counts) != len(labels):
        return ""
    shown = confusion_table([str(label) for label in labels], counts)
    return f"<h3>Confusion</h3><p class=note>{_CONFUSION}</p>{shown}"


def _side_by_side(*blocks: str) -> str:
    shown = "".join(f'<div class="half">{block}</div>' for block in blocks if block)
    return f'<div class="row">{shown}</div>' if shown else ""


def _registration(registration: Mapping[str, Any]) -> str:
    if not registration:
        return ""
    found = [part(value) for value in registration.values()]
    turned = sum(1 for f in found if f.get("mirror") or finite(f.get("turn_deg")) not in (None, 0.0))
    abstained = sum(1 for f in found if f.get("abstained") is True)
    note = (
        f"How each test person's band was found to be worn, without labels: {turned} of {len(found)} turned or "
        f"mirrored, {abstained} abstained (the evidence did not separate the ways; the most usual one was kept)."
    )
    head = f"<h3>Registration</h3><p class=note>{note}</p>"
    shown = registration_table(registration)
    return head + (shown if len(found) <= 12 else details(f"All {len(found)} subjects", shown))


def codebook_section(codebook: Mapping[str, Any]) -> str:
    """How the codes are used."""
    counts = codebook.get("counts") or []
    if not counts:
        return ""
    caption = f"Tokens by code, the most used first, of {len(counts)} codes (logarithmic scale)."
    shown = [
        (number(codebook.get("perplexity"), 0), "perplexity: as many codes, used evenly, say as much"),
        (f"{percent(codebook.get('used_share'))} %", "of the codes are used"),
        (f"{sum(counts):,.0f}", "tokens"),
    ]
    picture = codes_plot(counts, finite(codebook.get("perplexity")))
    return f"<h2>Codebook</h2>{facts(shown)}{figure(picture, caption)}"
