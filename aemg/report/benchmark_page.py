"""A benchmark as one self-contained page, with its tables as CSV and LaTeX beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aemg.errors import AEMGError
from aemg.evaluation.statistics import statistics
from aemg.report.benchmark_group import PRIMARY, Compared, Row
from aemg.report.benchmark_sections import LEGEND, glance_table, protocol_section
from aemg.report.benchmark_series import device_section, few_shot_section, is_point, people_section
from aemg.report.benchmark_tables import latex_tables, summary_csv, tidy_csv
from aemg.report.evidence import run_section
from aemg.report.methods import part
from aemg.report.page import details, facts, page, table, text, write_page

PAGE: Final = "benchmark.html"


def write_benchmark(results: Mapping[str, Any], folder: Path) -> Path:
    """Writes benchmark.html, benchmark.csv (tidy rows), summary.csv and tables.tex (for the package booktabs).

    Args:
        results: as in benchmark.json: title, command, config, versions, protocols, rows, skipped, warnings; statistics are made
            where missing.
        folder: made if missing.

    Returns:
        The page.

    Raises:
        AEMGError: the folder cannot be written.
    """
    rows: Sequence[Row] = results.get("rows") or ()
    found = results.get("statistics") or statistics(rows)
    groups = [Compared(values) for values in found["groups"]]
    try:
        write_page(folder / "benchmark.csv", tidy_csv(rows))
        write_page(folder / "summary.csv", summary_csv(groups))
        write_page(folder / "tables.tex", latex_tables(groups, part(results, "protocols")))
        write_page(folder / PAGE, page(_title(results), _parts(results, rows, groups, part(found, "method"))))
    except OSError as error:
        raise AEMGError(f"{folder}: {error.strerror or error}") from error
    return folder / PAGE


def _title(results: Row) -> str:
    return str(results.get("title") or "AEMG benchmark")


def _parts(results: Row, rows: Sequence[Row], groups: Sequence[Compared], method: Row) -> Iterator[str]:
    protocols = part(results, "protocols")
    yield f"<h1>{text(_title(results))}</h1>"
    yield f'<p class="lead">{text(_lead(rows, groups))}</p>'
    if groups:
        yield facts(_facts(rows))
        yield f"<h2>At a glance</h2>{glance_table(groups, protocols)}"
        yield _warnings(results.get("warnings") or ())
        dependent = [g for g in groups if g.user_dependent and g.metric == PRIMARY and g.context == "window"]
        yield people_section([g for g in groups if g.metric == PRIMARY])
        yield few_shot_section([g for g in groups if g.metric == PRIMARY])
        yield device_section([g for g in groups if g.metric == PRIMARY])
        yield f"<h2>How to read the tables</h2><p>{LEGEND}</p>"
        for name in dict.fromkeys(group.protocol for group in groups):
            own = [group for group in groups if group.protocol == name]
            beside = [g for g in dependent if g.protocol != name]
            yield from protocol_section(own, part(protocols, name), beside, folded=is_point(name))
    yield _skipped(results.get("skipped") or ())
    yield _certificates(rows)
    yield _how(method)
    yield run_section({key: value for key, value in results.items() if key != "seeds"})


def _lead(rows: Sequence[Row], groups: Sequence[Compared]) -> str:
    if not rows:
        return "No rows: nothing was run, or nothing is done yet."
    if not groups:
        return "No numbers: none of the rows has a finite metric."
    return (
        "Methods tested on people, protocol by protocol. Every row of a table says what data of the tested person the method "
        "saw; methods are compared only within a protocol, metric and context, on the same people."
    )


def _facts(rows: Sequence[Row]) -> list[tuple[str, str]]:
    counted = {
        "protocols": {row["protocol"] for row in rows},
        "sets tested": {row["set"] for row in rows},
        "people, set by set": {(row["set"], row["person"]) for row in rows},
        "methods": {(row["method"], bool(row.get("registered"))) for row in rows},
        "seeds": {row.get("seed", 0) for row in rows},
        "results": range(len(rows)),
    }
    return [(f"{len(found):,}", what) for what, found in counted.items()]


def _warnings(warnings: Sequence[object]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{text(warning)}</li>" for warning in warnings)
    listed = details(f"{len(warnings)} warnings" if len(warnings) > 1 else "One warning", f"<ul>{items}</ul>")
    return f'<blockquote class="warning">{listed}</blockquote>'


def _skipped(entries: Sequence[Row]) -> str:
    """What there is no row of, and why; people with the same reason in one line."""
    people: dict[tuple[str, str, str], list[str]] = {}
    for entry in entries:
        key = (str(entry["protocol"]), str(entry["set"]), str(entry["reason"]))
        people.setdefault(key, []).append("all" if entry.get("person") is None else str(entry["person"]))
    if not people:
        return ""
    rows = [[text(protocol), text(name), _wide(", ".join(who)), _wide(why)] for (protocol, name, why), who in people.items()]
    return "<h2>Not run</h2>" + table(["Protocol", "Set", _left("People"), _left("Why")], rows)


def _certificates(rows: Sequence[Row]) -> str:
    """A line for every different statement, with how many rows it stands for."""
    stated: dict[tuple[str, str, str], int] = {}
    for row in rows:
        found = part(row, "certificate")
        said = str(found.get("statement") or "no certificate: nothing is known about leaks")
        key = (str(row["protocol"]), str(row["method"]), said)
        stated[key] = stated.get(key, 0) + 1
    if not stated:
        return ""
    by_said: dict[tuple[str, str], tuple[list[str], int]] = {}
    for (protocol, method, said), count in stated.items():
        methods, total = by_said.get((protocol, said), ([], 0))
        by_said[protocol, said] = ([*methods, method], total + count)
    lines = [
        [text(protocol), text(f"{count:,}"), _wide(", ".join(methods)), _wide(said)]
        for (protocol, said), (methods, count) in by_said.items()
    ]
    head = "<h2>Split certificates</h2><p class=note>Computed from the data that were used, for every row by itself.</p>"
    return head + table(["Protocol", "Rows", _left("Methods"), _left("What their certificates say")], lines)


def _wide(value: str) -> str:
    return f'<div style="white-space: normal; min-width: 14rem; max-width: 30rem; text-align: left">{text(value)}</div>'


def _left(head: str) -> str:
    return f'<div style="text-align: left">{text(head)}</div>'


def _how(method: Row) -> str:
    items = "".join(f"<dt>{text(str(key).capitalize())}</dt><dd>{text(value)}</dd>" for key, value in method.items())
    return details("How the numbers are made", f'<div class="card"><dl>{items}</dl></div>') if items else ""
