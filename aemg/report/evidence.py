"""What was run and what its split certificate says, in plain statements; configuration, versions and command."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aemg.report.methods import finite, part
from aemg.report.page import details, number, percent, table, text

_PROTOCOLS = {
    "fewshot": "Few-shot adaptation: a model trained without the target person is adapted to the first part of that "
    "person's repetitions and tested on the same remaining ones for every fraction.",
    "cross-user": "Cross-user: models were trained on some people and tested on others.",
    "cross-session": "Cross-session: models were trained on some sessions of a person and tested on others.",
    "within-user": "Within-user: models were trained and tested on different repetitions of the same people.",
}
_CERTIFIED = (
    "Leave-one-subject-out (LOSO): for every person a fresh model was trained on the other people of the set and "
    "tested on that person."
)
_UNCERTIFIED = (
    "One person at a time was tested, but the split certificate does not grant that the models knew nothing of them."
)
_NO_CERTIFICATE = "<p>This report carries no split certificate: nothing is known about leaks.</p>"


def protocol_sentence(report: Mapping[str, Any], protocol: object) -> str:
    """One sentence on the protocol and one on its extent, as HTML."""
    if protocol == "loso":
        said = _CERTIFIED if part(report, "certificate").get("loso") is True else _UNCERTIFIED
    elif isinstance(protocol, str) and protocol in _PROTOCOLS:
        said = _PROTOCOLS[protocol]
    else:
        said = f"Protocol: {report.get('protocol') or 'not stated'}."
    return text(f"{said} {_extent(report)}".strip())


def _extent(report: Mapping[str, Any]) -> str:
    sets = [part(one) for one in part(report, "sets").values()]
    if not sets:
        return ""
    words = [_count(len(sets), "set"), _count(sum(len(s.get("subjects") or ()) for s in sets), "subject")]
    for key in ("trials", "windows"):
        total = sum(int(s.get(key) or 0) for s in sets)
        if total:
            words.append(f"{total:,} {key}")
    seeds = report.get("seeds")
    if isinstance(seeds, Sequence) and seeds and not isinstance(seeds, str):
        words.append(_count(len(seeds), "seed"))
    return f"Extent: {', '.join(words)}."


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n:,} {what}s"


def certificate_section(certificate: Any) -> str:
    """The split certificate as yes/no statements."""
    if not isinstance(certificate, Mapping):
        return f"<h2>Split certificate</h2>\n{_NO_CERTIFICATE}"
    pretraining = part(certificate, "pretraining")
    granted = certificate.get("loso") is True
    statements = [
        _statement("The test is leave-one-subject-out (LOSO)", True, True) if granted else "",
        _statement("Test people are absent from the training data", certificate.get("user_disjoint"), True),
        _statement("Test sessions are absent from the training data", certificate.get("session_disjoint"), True),
        _shared("windows", certificate.get("shared_windows")),
        _shared("repetitions", certificate.get("shared_trials")),
        _unlabelled(certificate),
        _labelled(certificate),
        _encoder(pretraining),
    ]
    if pretraining.get("encoder") is not None:
        statements.append(_statement("Pre-training saw a test person", pretraining.get("saw_subject"), False))
        statements.append(_statement("Pre-training saw a test file (by sha256)", pretraining.get("saw_file"), False))
    said = certificate.get("statement")
    return "\n".join(
        [
            "<h2>Split certificate</h2>",
            "<p class=note>Computed from the data that were used.</p>",
            f"<blockquote>{text(said)}</blockquote>" if said else "",
            f'<ul class="statements">{"".join(statements)}</ul>',
            details("Pre-training in detail", _json(pretraining["details"])) if pretraining.get("details") else "",
        ]
    )


def _statement(what: str, value: object, wanted: bool | None, more: str = "") -> str:
    """A statement with yes, no or "not stated"; `wanted` is the answer that speaks for the result, None for neither."""
    known = isinstance(value, bool)
    kind = "" if not known or wanted is None else ("good" if value is wanted else "bad")
    answer = ("yes" if value else "no") if known else "?"
    small = more or ("" if known else "not stated")
    after = f"<small>{text(small)}</small>" if small else ""
    return f'<li><b class="{kind}">{answer}</b><span>{text(what)}{after}</span></li>'


def _shared(what: str, count: object) -> str:
    known = finite(count)
    value = None if known is None else known > 0
    return _statement(f"Training and test share {what}", value, False, f"{known:.0f} shared" if value else "")


def _unlabelled(certificate: Mapping[str, Any]) -> str:
    what = "Unlabelled data of the test person are used"
    if "target_unlabelled" not in certificate:
        return _statement(what, None, None)
    use = certificate["target_unlabelled"]
    return _statement(what, bool(use), None, f"{use} (transductive)" if use else "")


def _labelled(certificate: Mapping[str, Any]) -> str:
    what = "Labelled data of the test person are used"
    if "target_labelled" not in certificate:
        return _statement(what, None, None)
    given = certificate["target_labelled"]
    listed = given if isinstance(given, list | tuple) else [given]
    shares = [f"{percent(f, 0)} %" for f in (finite(item) for item in listed) if f is not None and f > 0]
    return _statement(what, bool(given), None, f"few-shot, {', '.join(shares)} of their data" if shares else "")


def _encoder(pretraining: Mapping[str, Any]) -> str:
    if not pretraining:
        return _statement("The encoder was pre-trained", None, None)
    path = pretraining.get("encoder")
    return _statement("The encoder was pre-trained", path is not None, None, str(path) if path is not None else "")


def run_section(report: Mapping[str, Any]) -> str:
    """Configuration, versions, command, seeds and time."""
    parts = []
    if report.get("command"):
        parts.append(f"<h3>Command</h3><pre>{text(report['command'])}</pre>")
    facts = [f"{name} {version}" for name, version in part(report, "versions").items()]
    if facts:
        parts.append(f"<h3>Versions</h3><p>{text(', '.join(facts))}</p>")
    small = []
    if finite(report.get("seconds")) is not None:
        small.append(["Time", f"{number(report['seconds'], 1)} s"])
    if report.get("seeds"):
        small.append(["Seeds", text(", ".join(str(seed) for seed in report["seeds"]))])
    if small:
        parts.append(table(["Run", ""], small))
    if report.get("config"):
        parts.append(details("Configuration", _json(report["config"])))
    return "\n".join(["<h2>Run</h2>", *parts]) if parts else ""


def _json(value: object) -> str:
    return f"<pre>{text(json.dumps(value, indent=1, default=str, ensure_ascii=False))}</pre>"
