"""The page of a trained decoder: gestures, handwriting or wrist.

A report is plain JSON. Any key may be missing, which leaves its part out; numbers that are not finite count as missing.

    {
      "task": "discrete_gestures" | "handwriting" | "wrist",
      "title": str,
      "model": {fact: value, ...},     what was tested, shown as given: name, parameters, backbone, init, device ...
      "data": {fact: value, ...},      what it was tested on, shown as given: root, split, users, datasets, hours ...
      "metrics": {...},                over all test data, keys by task as below
      "validation": {...},             the same keys on the validation data, shown beside as far as they are headlines
      "users": {user: {...}, ...},     the same keys for each test user, and any of "datasets", "intervals", "minutes"
      "examples": [{...}, ...],        excerpts by task as below, each with "user" and "dataset"
      "history": [{"epoch": int, "loss": float, "lr": float, "val_loss": float, ... }, ...],
                                       a row an epoch; every other number in it is a validation metric and gets a curve
      "selected_epoch": int,           the epoch whose weights were tested
      "selected_by": str,              the history key it was selected by
      "notes": [str, ...],             what a reader must know: limits, warnings
      "command": str, "config": {...}, "versions": {name: version}, "seconds": float, "seeds": [int, ...]
    }

Metrics and excerpts of discrete_gestures:

    "cler": float                      share, 0 to 1; mean over test intervals
    "misses_per_min", "false_positives_per_min", "median_latency_s": float
    "labels", "events", "misses", "false_positives", "ruled_out": int
    "minutes": float                   of test data
    "classes": {name: {"labels", "correct", "confused", "missed", "false_positives", "ruled_out": int}}
    "confusion": {"labels": [row names], "predicted": [column names], "counts": [[int, ...], ...]}
                                       rows: what was prompted; a last column "missed" and a last row "no label" are told
                                       apart by name; in "metrics" only
    "settings": {"threshold": float, "debounce_s": float, ...}
    example: {"user", "dataset", "start_s": float,      of the excerpt, from the start of the recording
              "times_s": [n], "probabilities": [[n], ...],   a row a class in the order of the nine; seconds as start_s
              "labels": [[name, time_s], ...], "events": [[name, time_s], ...]}

Metrics and excerpts of handwriting:

    "cer": float                       percent of the target's characters
    "insertions", "deletions", "substitutions": float   percent; an insertion is a character that the decoder wrote and
                                       the target does not have, a deletion one that it left out
    "characters", "prompts": int
    example: {"user", "dataset", "target": str, "prediction": str}

Metrics and excerpts of wrist:

    "mae_deg_s": float                 mean absolute error of the angular velocity, degrees a second
    "zero_mae_deg_s": float            that of a decoder that always says "at rest", on the same data
    "correlation": float               of decoded and measured velocity
    "minutes": float
    example: {"user", "dataset", "times_s": [n], "angle_deg": [n],   measured; any offset
              "velocity_deg_s": [n], "decoded_deg_s": [n]}           at the same times
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aemg.neuromotor.error_rate import alignment, edit_counts
from aemg.report.decoder_plots import event_plot, history_plot, users_plot, wrist_plot
from aemg.report.evidence import run_section
from aemg.report.methods import finite, part
from aemg.report.page import facts, figure, number, page, table, text, write_page
from aemg.report.tables import confusion_table


@dataclass(frozen=True)
class _Metric:
    """How a figure is shown: its key, name, unit, digits and scale."""

    key: str
    name: str
    unit: str = ""
    digits: int = 1
    scale: float = 1.0

    def shown(self, values: Mapping[str, Any], *, unit: bool = False) -> str:
        value = finite(values.get(self.key))
        if value is None:
            return "–"
        said = f"{value * self.scale:,.{self.digits}f}".replace("-", "−")
        return f"{said} {self.unit}" if unit and self.unit else said

    @property
    def head(self) -> str:
        return f"{self.name}, {self.unit}" if self.unit else self.name


@dataclass(frozen=True)
class _Task:
    """What is said of a task; the first metric is its headline."""

    title: str
    metrics: tuple[_Metric, ...]
    meaning: str


_MINUTES: Final = _Metric("minutes", "Test data", "min", 1)
_TASKS: Final = {
    "discrete_gestures": _Task(
        "Gesture decoder",
        (
            _Metric("cler", "CLER", "%", 2, 100.0),
            _Metric("misses_per_min", "Misses a minute", "", 2),
            _Metric("false_positives_per_min", "False positives a minute", "", 2),
            _Metric("labels", "Prompts", "", 0),
            _Metric("events", "Events", "", 0),
            _Metric("median_latency_s", "Median latency", "ms", 0, 1000.0),
            _MINUTES,
        ),
        "CLER, the classification error rate, is the share of prompts answered by another gesture, averaged over the "
        "gestures. It counts neither prompts without an answer (misses) nor events without a prompt (false positives): a "
        "decoder that says nothing has a CLER of 0. Read the three figures together.",
    ),
    "handwriting": _Task(
        "Handwriting decoder",
        (
            _Metric("cer", "CER", "%", 2),
            _Metric("insertions", "Insertions", "%", 2),
            _Metric("deletions", "Deletions", "%", 2),
            _Metric("substitutions", "Substitutions", "%", 2),
            _Metric("characters", "Characters", "", 0),
            _Metric("prompts", "Prompts", "", 0),
        ),
        "CER, the character error rate, is the number of edits between what was prompted and what was read, in percent of "
        "the prompted characters, over all prompts together. Insertions were read but not prompted, deletions prompted but "
        "not read. Greedy decoding without a language model.",
    ),
    "wrist": _Task(
        "Wrist decoder",
        (
            _Metric("mae_deg_s", "Error", "°/s", 2),
            _Metric("zero_mae_deg_s", 'Always "at rest"', "°/s", 2),
            _Metric("correlation", "Correlation", "", 3),
            _MINUTES,
        ),
        "Error: mean absolute difference of decoded and measured angular velocity of flexion and extension, a mean over "
        'the test intervals. A decoder that always says "at rest" has the error in the second place on the same data.',
    ),
}
_PLAIN: Final = _Task("Decoder", (), "")
_CONFUSION: Final = (
    "Rows: what was prompted; columns: what was decoded for it. Percent of each row, empty where never; last column: how "
    "many. Blue: right; orange: all else. The row \"no label\": events without a prompt."
)
_RULED_OUT: Final = (
    "Ruled out: releases that do not fit what was prompted last. CLER drops them before it counts, and the loss does not "
    "train against them; without prompts, the option pair_releases drops releases that do not follow their own press."
)
_EVENTS: Final = (
    "Colour: probability of each gesture over time. Hollow triangles: prompts; filled ones: decoded events. Networks are "
    "trained to answer about 0.1 s after the prompt's time."
)
_WRIST: Final = (
    "The network decodes velocity alone: an angle summed up from it drifts, which is no part of the reported error."
)
_DIFFS: Final = (
    "Each column is a character of the prompt, above what was read for it. Below: S another character was read "
    "(substitution), D the character was left out (deletion), I a character was read that was not prompted (insertion). "
    "␣ is a space."
)
_Example = Callable[[Mapping[str, Any], Mapping[str, Any]], str]
_MARKS: Final = {"equal": "", "substitute": "S", "delete": "D", "insert": "I"}


def write_decoder_html(report: Mapping[str, Any], path: str | Path) -> None:
    """Writes the page of a decoder's report.

    Args:
        report: as described above.
        path: of the page; its folder is made if missing.

    Raises:
        OSError: the page cannot be written.
    """
    write_page(path, render_decoder(report))


def render_decoder(report: Mapping[str, Any]) -> str:
    """The page as text."""
    task = _TASKS.get(str(report.get("task")), _PLAIN)
    title = str(report.get("title") or task.title)
    return page(title, _parts(report, task, title))


def _parts(report: Mapping[str, Any], task: _Task, title: str) -> Iterator[str]:
    metrics, users = part(report, "metrics"), part(report, "users")
    yield f"<h1>{text(title)}</h1>"
    yield f'<p class="lead">{text(_lead(report, task))}</p>'
    yield from (f'<blockquote class="warning">{text(remark)}</blockquote>' for remark in _remarks(report, metrics))
    yield _headlines(task, metrics, part(report, "validation"))
    yield f'<p class="note">{text(task.meaning)}</p>' if metrics and task.meaning else ""
    yield _users(task, metrics, users)
    yield _classes(part(metrics, "classes"))
    yield _confusion(part(metrics, "confusion"))
    yield _examples(report, task)
    yield _history(report)
    yield _what(report)
    yield run_section(report)


def _lead(report: Mapping[str, Any], task: _Task) -> str:
    words = [task.title if report.get("title") else "", str(part(report, "model").get("name") or "")]
    users = len(part(report, "users"))
    tested = f"tested on {users} {'user' if users == 1 else 'users'}" if users else "no test results"
    split = part(report, "data").get("split")
    return ", ".join([w for w in words if w] + [tested + (f" of the split {split!r}" if split and users else "")]) + "."


def _remarks(report: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[str]:
    """The report's own notes, and what a reader could be misled by."""
    notes = report.get("notes") or []
    said = [str(n) for n in ([notes] if isinstance(notes, str) else notes)]
    error, zero = finite(metrics.get("mae_deg_s")), finite(metrics.get("zero_mae_deg_s"))
    if error is not None and zero is not None and error >= zero:
        said.append('This decoder is not better than one that always says "at rest".')
    if metrics.get("events") == 0 and finite(metrics.get("cler")) is not None:
        said.append("This decoder found no event at all: its CLER says nothing.")
    cer = finite(metrics.get("cer"))
    if cer is not None and cer >= 100:
        said.append("As many edits as characters or more: an empty text would have had 100 %.")
    return list(dict.fromkeys(said))


def _headlines(task: _Task, metrics: Mapping[str, Any], validation: Mapping[str, Any]) -> str:
    shown = [(m.shown(metrics, unit=True), m.name) for m in task.metrics if finite(metrics.get(m.key)) is not None]
    shown += [
        (m.shown(validation, unit=True), f"{m.name}, validation")
        for m in task.metrics[:1]
        if finite(validation.get(m.key)) is not None
    ]
    return facts(shown) if shown else ""


def _users(task: _Task, metrics: Mapping[str, Any], users: Mapping[str, Any]) -> str:
    """A table of users, the best first, and a plot where there are several."""
    if not users or not task.metrics:
        return ""
    headline = task.metrics[0]
    values = {user: finite(part(one).get(headline.key)) for user, one in users.items()}
    known = {user: value * headline.scale for user, value in values.items() if value is not None}
    order = sorted(users, key=lambda user: (known.get(user, float("inf")), user))
    shown = [m for m in task.metrics if any(finite(part(one).get(m.key)) is not None for one in users.values())]
    rows = [[text(user), *(m.shown(part(users[user])) for m in shown)] for user in order]
    if len(users) > 1 and metrics:
        rows.append([f"All {len(users)} users", *(m.shown(metrics) for m in shown)])
    plot = ""
    if len(known) > 1:
        whole = finite(metrics.get(headline.key))
        zero = {u: z for u, one in users.items() if (z := finite(part(one).get("zero_mae_deg_s"))) is not None}
        drawn = users_plot(known, headline.head, None if whole is None else whole * headline.scale, zero)
        plot = figure(drawn, f"{text(headline.name)} of every user, from the best to the worst.")
    return f"<h2>Users</h2>{plot}{table(['User', *(text(m.head) for m in shown)], rows)}"


def _classes(classes: Mapping[str, Any]) -> str:
    if not classes:
        return ""
    keys = ("labels", "correct", "confused", "missed", "false_positives", "ruled_out")
    heads = ["Gesture", "Prompts", "Right", "Another gesture", "Missed", "Without a prompt", "of them ruled out"]
    rows = [[text(name), *(number(part(one).get(key), 0) for key in keys)] for name, one in classes.items()]
    return f"<h2>Gestures</h2>{table(heads, rows)}<p class=note>{text(_RULED_OUT)}</p>"


def _confusion(confusion: Mapping[str, Any]) -> str:
    labels, counts = confusion.get("labels") or [], confusion.get("counts") or []
    predicted = confusion.get("predicted") or labels
    if not labels or len(counts) != len(labels) or any(len(row) != len(predicted) for row in counts):
        return ""
    shown = confusion_table([str(label) for label in labels], counts, [str(name) for name in predicted])
    return f"<h2>Confusion</h2><p class=note>{text(_CONFUSION)}</p>{shown}"


def _examples(report: Mapping[str, Any], task: _Task) -> str:
    made: dict[str, _Example] = {"discrete_gestures": _gestures, "handwriting": _diff, "wrist": _wrist}
    make = made.get(str(report.get("task")))
    examples = [one for one in report.get("examples") or [] if isinstance(one, Mapping)]
    shown = [make(one, part(report, "metrics", "settings")) for one in examples] if make else []
    if not any(shown):
        return ""
    note = f"<p class=note>{text(_DIFFS)}</p>" if task is _TASKS["handwriting"] else ""
    return f"<h2>Excerpts</h2>{note}{''.join(shown)}"


def _origin(example: Mapping[str, Any]) -> str:
    return ", ".join(str(example[key]) for key in ("user", "dataset") if example.get(key))


def _whole(example: Mapping[str, Any], *keys: str) -> bool:
    """Whether an excerpt holds these series, as long as its times."""
    n = len(example.get("times_s") or [])
    return n > 1 and all(len(example.get(key) or []) == n for key in keys)


def _gestures(example: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    probabilities = example.get("probabilities") or []
    if not probabilities or any(len(row) != len(example.get("times_s") or []) for row in probabilities):
        return ""
    threshold = finite(settings.get("threshold"))
    caption = f"{_origin(example)}. {_EVENTS}"
    if threshold is not None:
        caption += f" An event is where a probability rises to {threshold:g} (line in the scale)."
    return figure(event_plot(example, threshold), text(caption))


def _wrist(example: Mapping[str, Any], _: Mapping[str, Any]) -> str:
    keys = [key for key in ("angle_deg", "velocity_deg_s", "decoded_deg_s") if example.get(key)]
    if not keys or not _whole(example, *keys):
        return ""
    return figure(wrist_plot(example), text(f"{_origin(example)}. {_WRIST}"))


def _diff(example: Mapping[str, Any], _: Mapping[str, Any]) -> str:
    """The prompt above what was read, character by character."""
    target, prediction = example.get("target"), example.get("prediction")
    if not isinstance(target, str) or not isinstance(prediction, str):
        return ""
    counts = edit_counts(prediction, target)
    rate = f", {100 * counts.edits / len(target):.0f} % of {len(target)} characters" if target else ""
    head = f"{_origin(example)}: {counts.edits} {'edit' if counts.edits == 1 else 'edits'}{rate}"
    columns = "".join(
        f'<span class="{edit.operation}"><b>{_seen(edit.target)}</b><b>{_seen(edit.prediction)}</b>'
        f"<i>{_MARKS[edit.operation]}</i></span>"
        for edit in alignment(prediction, target)
    )
    spoken = text(f"prompted: {target}; read: {prediction}")
    return f'<h3>{text(head)}</h3><div class="diff" role="img" aria-label="{spoken}">{columns}</div>'


def _seen(character: str) -> str:
    return {"": "", " ": "␣"}.get(character, text(character))


def _history(report: Mapping[str, Any]) -> str:
    history = [row for row in report.get("history") or [] if isinstance(row, Mapping)]
    if not any(finite(v) is not None for row in history for k, v in row.items() if k not in ("epoch", "step")):
        return ""
    picture = history_plot(history, report.get("selected_epoch"), report.get("selected_by"))
    caption = f"{len(history)} {'epoch' if len(history) == 1 else 'epochs'}."
    if finite(report.get("selected_epoch")) is not None:
        caption += f" Dotted: epoch {report['selected_epoch']}, whose weights were tested"
        caption += f", selected by {report['selected_by']}." if report.get("selected_by") else "."
    return f"<h2>Training</h2>{figure(picture, text(caption))}"


def _what(report: Mapping[str, Any]) -> str:
    """Cards of the network and of the data."""
    cards = [
        f'<div class="card half"><h3>{head}</h3><dl>{_listed(part(report, key))}</dl></div>'
        for key, head in (("model", "Network"), ("data", "Data"))
        if part(report, key)
    ]
    settings = part(report, "metrics", "settings")
    if settings:
        cards.append(f'<div class="card half"><h3>Decoding</h3><dl>{_listed(settings)}</dl></div>')
    return f'<h2>What was tested</h2><div class="row">{"".join(cards)}</div>' if cards else ""


def _listed(values: Mapping[str, Any]) -> str:
    return "".join(f"<dt>{text(name.replace('_', ' '))}</dt><dd>{text(_said(value))}</dd>" for name, value in values.items())


def _said(value: object) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(v)}" for key, v in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_said(v) for v in value)
    return str(value)
