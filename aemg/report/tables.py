"""The tables of a report: accuracies over sets, registration, few-shot points, confusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aemg.report.methods import OWN, controls_of, finite, interval_of, mean_of, part
from aemg.report.page import number, percent, table, text

SIGNIFICANT = 0.05
LEGEND = (
    "Accuracy in percent, mean over subjects; below it the 95 % bootstrap interval over subjects. Bold: best of a column. "
    '<span class="good">▲</span> AEMG is better, <span class="bad">▼</span> AEMG is worse than this control '
    f"(paired Wilcoxon test over subjects, p &lt; {SIGNIFICANT}, not corrected for the number of comparisons); "
    "no mark: no difference shown, or too few subjects for the test."
)


def headline_table(name: str, metric: str, sets: Mapping[str, Any], over_sets: Mapping[str, Any]) -> str:
    """Methods by sets for one metric; empty where no set has it."""
    names = [s for s, one in sets.items() if part(one, "zero_shot", metric) or _controls_with(one, metric)]
    if not names:
        return ""
    controls = [c for c in controls_of(sets) if any(part(sets[s], "controls", c, metric) for s in names)]
    columns = [_column(s, sets[s], controls, metric) for s in names]
    if len(names) > 1:
        columns.append(_mean_column(names, sets, controls, metric, over_sets))
    methods = [OWN, *(_control_head(c, sets) for c in controls)]
    heads = ["Method", *(column[0] for column in columns)]
    rows = [[method, *(column[i] for column in columns)] for i, method in enumerate(methods, 1)]
    return f"<h2>{text(name)}</h2>\n{table(heads, rows, own=0)}"


def _controls_with(one: Any, metric: str) -> bool:
    return any(metric in part(control) for control in part(one, "controls").values())


def _control_head(control: str, sets: Mapping[str, Any]) -> str:
    """Name of a control and what it was given beyond the window."""
    used = [part(one, "controls", control) for one in sets.values() if control in part(one, "controls")]
    given = []
    if any(u.get("target_data") == "unlabelled" for u in used):
        given.append("sees unlabelled target")
    elif any(u.get("target_data") not in (None, "none") for u in used):
        given.append(f"sees {used[0].get('target_data')} target")
    if any(u.get("context") == "trial" for u in used):
        given.append("context: trial")
    return text(control) + "".join(f"<small>{text(g)}</small>" for g in given)


def _column(name: str, one: Mapping[str, Any], controls: Sequence[str], metric: str) -> list[str]:
    """A set's name and the cells of AEMG and of the controls."""
    own = part(one, "zero_shot", metric)
    others = [part(one, "controls", c, metric) for c in controls]
    means = [mean_of(m) for m in (own, *others)]
    best = max((m for m in means if m is not None), default=None)
    subjects = one.get("subjects") or []
    head = text(name) + (f"<small>{len(subjects)} subjects</small>" if subjects else "")
    cells = [_cell(own, best, "")]
    for control, other in zip(controls, others):
        cells.append(_cell(other, best, _mark(own, other, part(one, "controls", control, "versus", metric))))
    return [head, *cells]


def _cell(metric: Mapping[str, Any], best: float | None, mark: str) -> str:
    mean = mean_of(metric)
    if mean is None:
        return "–"
    interval = interval_of(metric)
    below = f"<small>{percent(interval[0])} – {percent(interval[1])}</small>" if interval else ""
    shown = f"<span class=best>{percent(mean)}</span>" if mean == best else percent(mean)
    return f"{mark}{shown}{below}"


def _mark(own: Mapping[str, Any], other: Mapping[str, Any], versus: Mapping[str, Any]) -> str:
    """The direction comes from the means, so that it cannot disagree with what the table shows."""
    p, a, b = finite(versus.get("p_value")), mean_of(own), mean_of(other)
    if p is None or a is None or b is None or p >= SIGNIFICANT or a == b:
        return ""
    kind, sign, word = ("good", "▲", "better") if a > b else ("bad", "▼", "worse")
    why = f"AEMG is {word} by {percent(abs(a - b))} points, p = {number(p, 4)}"
    return f'<span class="{kind}" title="{text(why)}">{sign}</span> '


def _mean_column(
    names: Sequence[str], sets: Mapping[str, Any], controls: Sequence[str], metric: str, over_sets: Mapping[str, Any]
) -> list[str]:
    """Plain means over the sets; a method that lacks a set has none."""

    def over(metrics: Sequence[Mapping[str, Any]]) -> float | None:
        means = [mean_of(m) for m in metrics]
        known = [m for m in means if m is not None]
        return sum(known) / len(known) if len(known) == len(means) else None

    own = finite(over_sets.get(metric))
    means = [own if own is not None else over([part(sets[s], "zero_shot", metric) for s in names])]
    means += [over([part(sets[s], "controls", c, metric) for s in names]) for c in controls]
    best = max((m for m in means if m is not None), default=None)
    return [f"Mean over {len(names)} sets", *(_cell({"mean": m}, best, "") for m in means)]


def registration_table(registration: Mapping[str, Any]) -> str:
    """How each subject's band was found to be worn."""
    rows = []
    for subject, value in registration.items():
        found = part(value)
        rows.append(
            [
                text(subject),
                number(found.get("turn_deg"), 1) + "°",
                _yes_no(found.get("mirror")),
                _yes_no(found.get("abstained")),
                number(found.get("probability"), 2),
            ]
        )
    return table(["Subject", "Turn", "Mirrored", "Abstained", "Probability"], rows)


def few_shot_table(curves: Mapping[str, Mapping[float, dict[str, Any]]], metric: str) -> str:
    """Methods by fractions."""
    fractions = sorted({f for curve in curves.values() for f in curve})
    rows = []
    for name, curve in curves.items():
        rows.append([text(name), *(_cell(part(curve.get(f), metric), None, "") for f in fractions)])
    return table(["Labelled data", *(f"{100 * f:g} %" for f in fractions)], rows)


def confusion_table(
    labels: Sequence[str], counts: Sequence[Sequence[float]], predicted: Sequence[str] | None = None
) -> str:
    """True movements by predicted ones, in percent of each row; the stronger the colour, the larger the share.

    Args:
        labels: names of the rows.
        counts: a row a label.
        predicted: names of the columns; None for those of the rows. Right is what has the row's name.
    """
    columns = labels if predicted is None else predicted
    heads = "".join(f'<th class="turned">{text(name)}</th>' for name in columns)
    body = []
    for label, row in zip(labels, counts):
        total = sum(row)
        cells = [_confusion_cell(value, total, name == label) for name, value in zip(columns, row)]
        body.append(f"<tr><th>{text(label)}</th>{''.join(cells)}<td>{total:.0f}</td></tr>")
    head = f'<thead><tr><th></th>{heads}<th class="turned">count</th></tr></thead>'
    return f'<div class="scroll"><table class="matrix">{head}<tbody>{"".join(body)}</tbody></table></div>'


def _confusion_cell(value: float, total: float, right: bool) -> str:
    share = value / total if total else 0.0
    colour = "--s0" if right else "--s1"
    shade = f"background: color-mix(in srgb, var({colour}) {60 * share + (5 if value else 0):.0f}%, var(--panel))"
    return f'<td style="{shade}" title="{value:.0f} of {total:.0f}">{f"{100 * share:.0f}" if value else ""}</td>'


def _yes_no(value: object) -> str:
    return {True: "yes", False: "no"}.get(value, "–") if isinstance(value, bool) else "–"
