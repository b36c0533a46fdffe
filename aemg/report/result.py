"""A result file as one self-contained HTML page."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from aemg.report.evidence import certificate_section, protocol_sentence, run_section
from aemg.report.methods import METRICS, controls_of, part
from aemg.report.page import page, text, write_page
from aemg.report.sets import codebook_section, set_section
from aemg.report.tables import LEGEND, headline_table

_LOSO = re.compile(r"(?<![a-z])loso|leave[-_ ]one[-_ ](subject|user|person|participant)[-_ ]out", re.IGNORECASE)
WITHHELD = "[uncertified protocol]"


def write_html(report: dict[str, Any], path: str | Path) -> None:
    """Writes the page of a report; keys that are missing leave their part out.

    The name of the leave-one-subject-out protocol is shown only where the split certificate grants it
    (`certificate["loso"]` is true); else it is withheld wherever it stands, also in the command and the configuration.

    Args:
        report: as in a report.json: protocol, title, certificate, sets, mean_over_sets, codebook, config, versions,
            command, seconds, seeds.
        path: of the page; its folder is made if missing.

    Raises:
        OSError: the page cannot be written.
    """
    write_page(path, render(report))


def render(report: dict[str, Any]) -> str:
    """The page as text."""
    allowed = part(report, "certificate").get("loso") is True
    shown = report if allowed else _withheld(report)
    return page(_title(shown), _parts(shown, report.get("protocol")))


def _parts(report: dict[str, Any], protocol: object) -> Iterator[str]:
    sets = part(report, "sets")
    yield f"<h1>{text(_title(report))}</h1>"
    yield f'<p class="lead">{protocol_sentence(report, protocol)}</p>'
    yield from _headlines(sets, part(report, "mean_over_sets"))
    yield certificate_section(report.get("certificate"))
    controls = controls_of(sets)
    yield from (set_section(name, one, controls) for name, one in sets.items() if isinstance(one, Mapping))
    yield codebook_section(part(report, "codebook"))
    yield run_section(report)


def _headlines(sets: Mapping[str, Any], over_sets: Mapping[str, Any]) -> Iterator[str]:
    shown = [headline_table(name, metric, sets, over_sets) for metric, name in METRICS.items()]
    if any(shown):
        yield from (*shown, f'<p class="note">{LEGEND}</p>')


def _title(report: Mapping[str, Any]) -> str:
    return str(report.get("title") or "AEMG report")


def _withheld(value: Any) -> Any:
    """The same values without the protocol's name."""
    if isinstance(value, str):
        return _LOSO.sub(WITHHELD, value)
    if isinstance(value, Mapping):
        return {_withheld(key): (v if key == "loso" else _withheld(v)) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_withheld(item) for item in value]
    return value
