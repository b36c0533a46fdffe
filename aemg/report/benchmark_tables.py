"""A benchmark's tables as files: tidy rows, a summary, and LaTeX."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aemg.report.benchmark_group import Compared, Row
from aemg.report.methods import part
from aemg.report.tables import SIGNIFICANT

TIDY: Final = (
    "protocol", "version", "set", "source", "method", "registered", "family", "target_data", "user_dependent", "context",
    "person", "session", "seed", "trials", "windows", "seconds",
)  # fmt: skip
SUMMARY: Final = (
    "protocol", "version", "metric", "context", "user_dependent", "method", "family", "registered", "target_data", "set",
    "people", "mean", "ci95_low", "ci95_high", "reference", "reference_less_method", "effect", "p", "p_holm",
)  # fmt: skip
OVER_SETS: Final = "mean over sets"
_LATEX: Final = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "→": r"$\rightarrow$", "–": "--", "−": "$-$", "<": r"\textless{}",
    ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip


def tidy_csv(rows: Iterable[Row]) -> str:
    """A line a row and metric: the keys of `TIDY`, then metric and value. What a row lacks is empty."""
    return _csv(
        (*TIDY, "metric", "value"),
        ([*(row.get(key) for key in TIDY), metric, value] for row in rows for metric, value in row["metrics"].items()),
    )


def summary_csv(groups: Iterable[Compared]) -> str:
    """A line a method and column of every group, and one for the mean over sets, with the comparison with the reference.

    Values are shares; differences are the reference's less the method's.
    """
    return _csv(SUMMARY, (line for group in groups for line in _summary(group)))


def _summary(group: Compared) -> Iterable[list[object]]:
    head = [group.protocol, group.version, group.metric, group.context, group.user_dependent]
    for entry in group.entries:
        method = [entry["id"], entry["family"], entry["registered"], entry["target_data"]]
        name = str(entry["id"])
        versus = group.versus(group.reference, name) if group.reference else {}
        for column in group.columns:
            cell = group.cell(name, str(column["id"]))
            if cell:
                within = group.versus_in(group.reference, name, str(column["id"])) if group.reference else {}
                people = len(cell["people"])
                yield [*head, *method, column["id"], people, cell["mean"], *cell["ci95"], group.reference, *_tested(within)]
        if entry["mean"] is not None and len(group.columns) > 1:
            values = [group.people_of(name), entry["mean"], *entry["ci95"]]
            yield [*head, *method, OVER_SETS, *values, group.reference, *_tested(versus)]


def _tested(comparison: Mapping[str, Any]) -> list[object]:
    return [comparison.get(key) for key in ("difference", "effect", "p", "p_holm")]


def _csv(heads: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(lines)
    return buffer.getvalue()


def latex(value: object) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(_LATEX.get(letter, letter) for letter in str(value))


def latex_tables(groups: Iterable[Compared], protocols: Mapping[str, Any]) -> str:
    """Every group as a table that needs the package booktabs."""
    return "% Needs \\usepackage{booktabs}.\n" + "\n".join(_latex_table(group, protocols) for group in groups)


def _latex_table(group: Compared, protocols: Mapping[str, Any]) -> str:
    over = len(group.columns) > 1
    columns = [str(column["id"]) for column in group.columns]
    best = {c: max((group.cell(str(e["id"]), c).get("mean", -1.0) for e in group.entries), default=None) for c in columns}
    best_mean = max((e["mean"] for e in group.entries if e["mean"] is not None), default=None)
    heads = ["Method", *(latex(c) for c in columns), *(["Mean over sets"] if over else [])]
    seen = list(dict.fromkeys(str(entry["target_data"]) for entry in group.ordered))
    lines = []
    for entry in group.ordered:
        name = str(entry["id"])
        cells = [_latex_cell(group.cell(name, c), best[c], _differs(group, name, c)) for c in columns]
        if over:
            cells.append(_latex_cell(entry, best_mean, _differs(group, name, None), spread=True))
        lines.append(" & ".join([f"{latex(name)}$^{{{_letter(seen.index(str(entry['target_data'])))}}}$", *cells]) + r" \\")
    label = re.sub(r"[^a-z0-9-]+", "-", f"{group.protocol}-v{group.version}-{group.metric}-{group.context}".lower())
    return "\n".join(
        [
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{_latex_caption(group, protocols)}}}",
            f"  \\label{{tab:{label}{'-user-dependent' if group.user_dependent else ''}}}",
            r"  \small",
            f"  \\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}",
            r"    \toprule",
            f"    {' & '.join(heads)} \\\\",
            r"    \midrule",
            *(f"    {line}" for line in lines),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"",
            *(f"  {{\\footnotesize $^{{{_letter(i)}}}$ Target data seen: {latex(said)}.\\par}}" for i, said in enumerate(seen)),
            r"\end{table}",
            "",
        ]
    )


def _letter(index: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[index] if index < 26 else str(index)


def _latex_caption(group: Compared, protocols: Mapping[str, Any]) -> str:
    title = part(protocols, group.protocol).get("title") or group.protocol
    people = "; ".join(f"{column['id']} {column['people']}" for column in group.columns)
    said = f"{title} ({group.protocol}, version {group.version}{', user-dependent' if group.user_dependent else ''}). "
    said += f"{group.title} in percent, mean over people ({people}); bold: best of a column."
    if group.columns[1:]:
        said += " In brackets the 95 % bootstrap interval over people."
    marks = r" $^{*}$: differs from " + latex(group.reference) + ", $p < " + f"{SIGNIFICANT}$ after Holm's correction."
    return latex(said) + (marks if group.reference and group.entries[1:] else "")


def _differs(group: Compared, name: str, column: str | None) -> bool:
    """Whether a method differs from the reference, over the sets or in one."""
    if group.reference is None or name == group.reference:
        return False
    found = group.versus(group.reference, name) if column is None else group.versus_in(group.reference, name, column)
    return bool(found) and found["p_holm"] < SIGNIFICANT


def _latex_cell(values: Mapping[str, Any], best: float | None, differs: bool, *, spread: bool = False) -> str:
    if values.get("mean") is None:
        return "--"
    shown = f"{100 * values['mean']:.1f}"
    shown = rf"\textbf{{{shown}}}" if values["mean"] == best else shown
    low, high = values["ci95"]
    after = f" [{100 * low:.1f}, {100 * high:.1f}]" if spread else ""
    return shown + ("$^{*}$" if differs else "") + after
