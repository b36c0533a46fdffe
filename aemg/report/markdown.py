"""Tables and figures in Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def markdown_table(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A table; a bar within a cell is kept from ending it."""

    def line(cells: Sequence[object]) -> str:
        return f"| {' | '.join(' '.join(str(cell).split()).replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(heads), f"|{'---|' * len(heads)}", *(line(row) for row in rows)])


def plain(value: object, digits: int = 3) -> str:
    """A number in as many figures as it needs, large ones whole; a dash for what is none, text as it is."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int) or abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"
