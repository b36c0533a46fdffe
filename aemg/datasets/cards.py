"""Sets in words: the table of them, a set's card, and the vocabulary with the sets that use it."""

from __future__ import annotations

from collections.abc import Sequence

from aemg.datasets.base import DatasetInfo
from aemg.datasets.download.texts import how_to_get
from aemg.datasets.labels import EVENTS, GESTURES, shared, unmapped
from aemg.datasets.words import wrapped

_COLUMNS = ("name", "subjects", "channels", "rate_hz", "hours", "classes", "unit", "kind", "licence", "permissive", "tested")
_NUMBERS = ("subjects", "channels", "rate_hz", "hours", "classes")


def table(infos: Sequence[DatasetInfo]) -> str:
    """One line a set under a heading."""
    rows = [_COLUMNS, *(_row(info) for info in infos)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, row, widths)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown_table(infos: Sequence[DatasetInfo]) -> str:
    """The same as a table in Markdown."""
    rule = ["---:" if name in _NUMBERS else "---" for name in _COLUMNS]
    return "\n".join(f"| {' | '.join(row)} |" for row in (_COLUMNS, rule, *(_row(info) for info in infos)))


def labels_text(infos: Sequence[DatasetInfo]) -> str:
    """The movements of the vocabulary with the sets that have them, under what name; then the labels it does not know."""
    lines = []
    for name, meaning in {**GESTURES, **EVENTS}.items():
        holders = [f"{info.name}{_own(info, name)}" for info in infos if name in info.labels]
        if holders:
            lines.append(wrapped(f"{name}  ", f"{meaning}: {', '.join(holders)}"))
    lines.append(wrapped("in all of them  ", ", ".join(shared(infos)) or "nothing"))
    for info in infos:
        if own := unmapped(info):
            lines.append(wrapped(f"{info.name} alone  ", ", ".join(f"{label}{_own(info, label)}" for label in own)))
    return "\n".join(lines)


def _own(info: DatasetInfo, label: str) -> str:
    """What a set itself calls a label, in brackets, where it is told and differs."""
    own = dict(zip(info.labels, info.own_labels)).get(label, label)
    return "" if own == label else f" ({own})"


def card(info: DatasetInfo) -> str:
    """All facts of a set, its traps and its citation."""
    facts = {
        "subjects": f"{info.subjects}",
        "channels": f"{info.channels} at {info.rate_hz:g} Hz, unit {info.unit}, {info.kind}",
        "labels": f"{len(info.labels)}: {', '.join(info.labels)}",
        "device": info.device,
        "montage": info.montage,
        "licence": f"{info.licence} ({'permissive' if info.permissive else 'not permissive'})",
        "cite": info.citation,
        "homepage": info.homepage,
        "get it": how_to_get(info.name),
    }
    lines = [f"{info.name}: {info.title}"]
    lines += [wrapped(f"  {name:<9} ", fact) for name, fact in facts.items()]
    if info.notes:
        lines += ["notes:", *(wrapped("  - ", note) for note in info.notes)]
    return "\n".join(lines)


def _row(info: DatasetInfo) -> tuple[str, ...]:
    return (
        info.name, f"{info.subjects or 'any'}", f"{info.channels or 'any'}", f"{info.rate_hz:g}" if info.rate_hz else "any",
        "" if info.hours is None else f"{info.hours:g}", str(len(info.labels) or ""), info.unit, info.kind, info.licence,
        "yes" if info.permissive else "no", info.tested,
    )  # fmt: skip
