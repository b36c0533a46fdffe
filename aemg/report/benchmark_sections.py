"""The parts of a benchmark's page that tell one protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aemg.report.benchmark_group import PRIMARY, Compared, Row, metric_name, name_of
from aemg.report.benchmark_plots import forest_plot, p_equals, p_text, people_plot
from aemg.report.critical_difference import critical_difference_plot
from aemg.report.methods import part
from aemg.report.page import details, figure, number, percent, table, text
from aemg.report.tables import SIGNIFICANT

LEGEND: Final = (
    "Percent, mean over people; below it the 95 % bootstrap interval over people. Bold: best of a column. "
    '<span class="good">▲</span> the first row is better, <span class="bad">▼</span> it is worse than this one, p &lt; '
    f"{SIGNIFICANT} after Holm's correction over all pairs of the column; no mark: no difference shown. Columns marked "
    "<b>user-dependent</b> are of models trained on the very person that they are tested on: no cross-user results, not compared "
    "with the others."
)
_DEPENDENT: Final = 'style="border-left: 2px solid var(--s5); padding-left: .5rem; color: var(--muted)"'


def glance_table(groups: Sequence[Compared], protocols: Mapping[str, Any]) -> str:
    """A row a protocol: the reference's mean, the best other method's, and what the test says of the two."""
    rows = []
    for group in _headlines(groups):
        own = next((e for e in group.entries if e["id"] == group.reference), None)
        other = next((e for e in group.by_mean if e["id"] != group.reference and e["mean"] is not None), None)
        versus = group.versus(str(own["id"]), str(other["id"])) if own and other else {}
        known = part(protocols, group.protocol)
        mark = "<small><b>user-dependent</b></small>" if group.user_dependent else ""
        title = f"<small>{text(known['title'])}</small>" if known.get("title") else ""
        title += "" if group.title == metric_name(PRIMARY) else f"<small>{text(group.title)}</small>"
        rows.append(
            [
                f'<a href="#{text(group.protocol)}">{text(group.protocol)}</a>{mark}{title}',
                str(len(group.columns)),
                str(group.people_of()),
                f"{percent(own['mean'])}<small>{text(own['id'])}</small>" if own else "–",
                f"{percent(other['mean'])}<small>{text(other['id'])}</small>" if other else "–",
                number(versus.get("difference"), 1, 100.0),
                number(versus.get("effect"), 2),
                p_text(versus["p_holm"]) if versus else "–",
            ]
        )
    heads = ["Protocol", "Sets", "People", "Own method", "Best other method", "Difference", "Effect", "p (Holm)"]
    said = (
        "Window accuracy in percent where nothing else is said, mean over sets. Best other method: of the largest mean among "
        "those tested on every set."
    )
    return f'{table(heads, rows)}<p class="note">{said}</p>'


def _headlines(groups: Sequence[Compared]) -> list[Compared]:
    """Of each protocol the group of window accuracy by single windows, or what comes nearest."""
    nearest = sorted(groups, key=lambda group: (group.metric != PRIMARY, group.context != "window"))
    first = {(g.protocol, g.version, g.user_dependent): g for g in reversed(nearest)}
    return [group for group in groups if group in first.values()]


def protocol_section(
    groups: Sequence[Compared], protocol: Row, dependent: Sequence[Compared], *, folded: bool
) -> Iterator[str]:
    """One protocol: the headline first, other metrics folded away, then people, differences and ranks.

    Args:
        groups: all metrics and contexts of it.
        dependent: user-dependent groups of other protocols, whose means stand beside.
        folded: all but the description is folded away.
    """
    name = groups[0].protocol
    yield f'<h2 id="{text(name)}">{text(protocol.get("title") or name)}</h2>'
    yield f"<p><code>{text(name)}</code>, version {text(groups[0].version)}. {text(protocol.get('description') or '')}</p>"
    if protocol.get("target_data"):
        yield f'<p class="note">Target data that a method may see: {text(protocol["target_data"])}.</p>'
    content = "\n".join(_content(groups, dependent))
    yield details("Tables, people, differences and ranks", content) if folded else content


def _content(groups: Sequence[Compared], dependent: Sequence[Compared]) -> Iterator[str]:
    shown = [g for g in groups if g.metric == PRIMARY] or list(groups[:1])
    for group in shown:
        if group.user_dependent:
            yield '<blockquote class="warning">User-dependent: trained on the very person that is tested.</blockquote>'
        version = f", version {group.version}" if group.version != groups[0].version else ""
        yield f"<h3>{text(group.title + version)}</h3>"
        beside = [g for g in dependent if not group.user_dependent and g.metric == group.metric and g.context == group.context]
        yield headline(group, beside)
        yield _notes(group)
    for group in groups:
        if group not in shown:
            mark = " (user-dependent)" if group.user_dependent else ""
            yield details(f"{group.title}{mark}", headline(group, ()) + _notes(group))
    yield from _evidence(shown[0])


def _notes(group: Compared) -> str:
    return f'<p class="note">{text(" ".join(group.notes))}</p>' if group.notes else ""


def _evidence(group: Compared) -> Iterator[str]:
    yield "<h3>Every person</h3>"
    yield figure(
        people_plot(group),
        f"{text(group.title)}; a dot a person (mean over seeds), the bar the mean with its 95 % interval. Behind a set's name: "
        "its people.",
    )
    if group.reference and len(group.entries) > 1 and group.comparisons:
        yield f"<h3>Paired differences from {text(group.reference)}</h3>"
        yield figure(
            forest_plot(group, group.reference),
            "Square: mean over sets of the paired differences, with its 95 % bootstrap interval; small rings: each set. At the "
            "right: effect size (standardised mean difference), p after Holm's correction, people. ≠: one of the two saw a kind "
            "of target data that the other did not.",
        )
        yield details("Set by set", _by_set(group, group.reference))
    if group.ranking:
        yield "<h3>Ranks</h3>"
        yield figure(critical_difference_plot(group.ranking, group.reference), _ranks_in_words(group.ranking))


def _by_set(group: Compared, reference: str) -> str:
    """Differences from the reference within each set, with their p before and after correction."""
    columns = [str(column["id"]) for column in group.columns]
    others = [str(entry["id"]) for entry in group.entries if entry["id"] != reference]
    found = {other: [group.versus_in(reference, other, column) for column in columns] for other in others}
    rows = [[text(other), *map(_difference, comparisons)] for other, comparisons in found.items()]
    return table([f"{text(reference)} less", *map(text, columns)], rows)


def _difference(comparison: Row) -> str:
    if not comparison:
        return "–"
    p = f"p {p_equals(comparison['p'])}; Holm {p_equals(comparison['p_holm'])}"
    return f"{number(comparison['difference'], 1, 100.0)}<small>{text(p)}</small>"


def _ranks_in_words(ranking: Row) -> str:
    people = f"Average ranks over {ranking['people']} people."
    if ranking["friedman"] is None:
        tested = "Friedman's test needs three methods that are not all equal."
    else:
        tested = f"Friedman's test: χ² = {number(ranking['friedman'], 1)}, p {p_equals(ranking['p'])}."
        if ranking["p"] >= SIGNIFICANT:
            tested += " It shows no difference among the methods, so no two are told apart."
    bars = (
        "Upper bars: no two methods under one lie as far apart as the critical difference (CD, Nemenyi). Blue bars: no two under "
        "one differ by Wilcoxon's test with Holm's correction, which does not depend on the other methods."
    )
    return text(f"{people} {tested} {bars}")


def headline(group: Compared, dependent: Sequence[Compared]) -> str:
    """Methods by sets, with what each saw of the target; user-dependent means apart at the right.

    Args:
        dependent: groups of the same metric.
    """
    columns = [str(column["id"]) for column in group.columns]
    best = {c: max(group.cell(str(e["id"]), c).get("mean", -1.0) for e in group.entries) for c in columns}
    best_mean = max((e["mean"] for e in group.entries if e["mean"] is not None), default=None)
    heads = ["Method<small>and what it saw of the tested person</small>", *map(_head, group.columns)]
    if len(columns) > 1:
        heads.append(f"Mean over {len(columns)} sets")
    sets = list(dict.fromkeys(str(column["set"]) for column in group.columns))
    beside = [other for other in dependent if any(_over(other, name_of(e), sets) is not None for e in group.entries)]
    heads += [f"<div {_DEPENDENT}>user-dependent<small>{text(o.protocol)}, mean over these sets</small></div>" for o in beside]
    rows = []
    for entry in group.ordered:
        name = str(entry["id"])
        cells = [_cell(group.cell(name, c), best[c], _mark(group, group.versus_in, name, c)) for c in columns]
        if len(columns) > 1:
            cells.append(_cell(entry, best_mean, _mark(group, group.versus, name)))
        cells += [f"<div {_DEPENDENT}>{percent(_over(other, name_of(entry), sets))}</div>" for other in beside]
        rows.append([_method(entry), *cells])
    return table(heads, rows, own=0 if group.reference else None)


def _over(group: Compared, name: str, sets: Sequence[str]) -> float | None:
    """A method's plain mean over some sets; None where it lacks one."""
    entry = next((str(e["id"]) for e in group.entries if name_of(e) == name), "")
    means = {c["set"]: group.cell(entry, str(c["id"])).get("mean") for c in group.columns}
    known = [means.get(one) for one in sets]
    return sum(m for m in known if m is not None) / len(known) if known and None not in known else None


def _head(column: Row) -> str:
    source = str(column["source"])
    others = "" if source == column["set"] else f"<small>trained on {text(source.replace('+', ', '))}</small>"
    people = f"<small>{column['people']} {'person' if column['people'] == 1 else 'people'}</small>"
    return f"{text(column['set'])}{people}{others}"


def _method(entry: Row) -> str:
    seen = f"sees {entry['target_data']}" if entry["target_data"] != "none" else "sees none of it"
    style = "white-space: normal; min-width: 11rem; max-width: 17rem"
    return f'<div style="{style}">{text(entry["id"])}<small>{text(seen)}</small></div>'


def _cell(values: Row, best: float | None, mark: str) -> str:
    if values.get("mean") is None:
        return "–"
    low, high = values["ci95"]
    shown = f"<span class=best>{percent(values['mean'])}</span>" if values["mean"] == best else percent(values["mean"])
    return f"{mark}{shown}<small>{percent(low)} – {percent(high)}</small>"


def _mark(group: Compared, versus: Any, name: str, *column: str) -> str:
    """Whether the reference is better or worse than a method, where the corrected test says so."""
    if group.reference is None or name == group.reference:
        return ""
    found = versus(group.reference, name, *column)
    if not found or found["p_holm"] >= SIGNIFICANT:
        return ""
    better = found["difference"] > 0
    kind, sign, word = ("good", "▲", "better") if better else ("bad", "▼", "worse")
    why = f"{group.reference} is {word} by {percent(abs(found['difference']))} points, p {p_equals(found['p_holm'])}"
    return f'<span class="{kind}" title="{text(why)}">{sign}</span> '
