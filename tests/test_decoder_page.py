"""Pages of decoders: complete, self-contained, and honest about what a figure leaves out."""

from __future__ import annotations

import copy
import html
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.neuromotor.events import GESTURES
from aemg.report.decoder_page import render_decoder, write_decoder_html

Check = Callable[[str], None]
USERS = ("user_007", "user_01$", "user_002")
TASKS = ("discrete_gestures", "handwriting", "wrist")


def gesture_figures(cler: float) -> dict[str, Any]:
    classes = {g: {"labels": 4, "correct": 2, "confused": 1, "missed": 1, "false_positives": 3, "ruled_out": 1} for g in GESTURES}
    return {"cler": cler, "misses_per_min": 1.25, "false_positives_per_min": 0.5, "labels": 36, "events": 40,
            "median_latency_s": 0.081, "minutes": 12.0, "classes": classes}  # fmt: skip


def figures(task: str, value: float) -> dict[str, Any]:
    if task == "discrete_gestures":
        return gesture_figures(value / 100)
    if task == "handwriting":
        return {"cer": value, "insertions": 1.0, "deletions": 2.0, "substitutions": 3.0, "characters": 1400, "prompts": 70}
    return {"mae_deg_s": value, "zero_mae_deg_s": 99.0, "correlation": 0.8, "minutes": 3.5}


def example(task: str) -> dict[str, Any]:
    origin = {"user": "user_007", "dataset": "dataset_001"}
    times = [60 + 0.005 * i for i in range(100)]
    if task == "discrete_gestures":
        strip = [[0.5 if i == k else 0.0 for i in range(100)] for k in range(9)]
        return {**origin, "start_s": 60.0, "times_s": times, "probabilities": strip,
                "labels": [["thumb_up", 60.1], ["other", 60.2]], "events": [["thumb_in", 60.2]]}  # fmt: skip
    if task == "handwriting":
        return {**origin, "target": "as well <b>", "prediction": "a wall🤏 <b"}
    wave = [float(i % 7) for i in range(100)]
    return {**origin, "times_s": times, "angle_deg": wave, "velocity_deg_s": wave, "decoded_deg_s": wave}


def report_of(task: str) -> dict[str, Any]:
    extra: dict[str, Any] = {}
    if task == "discrete_gestures":
        names = [*GESTURES, "no label"]
        counts = [[3 if i == j else 1 for j in range(10)] for i in range(10)]
        extra = {"confusion": {"labels": names, "predicted": [*GESTURES, "missed"], "counts": counts}}
    return {
        "task": task, "title": "A run", "model": {"name": "Net", "parameters": 1234567, "frozen": True},
        "data": {"split": "test", "root": "DIR"}, "metrics": {**figures(task, 20.0), **extra, "settings": {"threshold": 0.35}},
        "validation": figures(task, 15.0), "users": {u: figures(task, 10.0 + 7 * i) for i, u in enumerate(USERS)},
        "examples": [example(task)], "selected_epoch": 2, "selected_by": "val_loss", "notes": ["A limit."],
        "history": [{"step": 9, "epoch": e, "loss": 1 / e, "val_loss": 2 / e, "lr": 1e-3, "val_x_y": None} for e in (1, 2, 3)],
        "command": "finetune decoder", "config": {"seed": 0}, "versions": {"torch": "2"}, "seconds": 3.0, "seeds": [0],
    }  # fmt: skip


def words(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.mark.parametrize(("task", "headline"), list(zip(TASKS, ("20.00 %", "20.00 %", "20.00 °/s"))))
def test_a_full_report_shows_everything(task: str, headline: str, tmp_path: Path, check_page: Check) -> None:
    write_decoder_html(report_of(task), tmp_path / "new" / "page.html")
    page = (tmp_path / "new" / "page.html").read_text(encoding="utf-8")
    check_page(page)
    said = words(page)
    for expected in (headline, "A limit.", "1,234,567", "finetune decoder", "All 3 users", *USERS, "3 epochs", "val_loss"):
        assert expected in said, expected
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    gestures = ["Gestures", "Confusion"] if task == "discrete_gestures" else []
    assert heads == ["Users", *gestures, "Excerpts", "Training", "What was tested", "Run"]
    assert page.count("<svg") == (2 if task == "handwriting" else 3)
    assert "validation x y" not in page  # no curve of nothing


@pytest.mark.parametrize("task", TASKS)
def test_users_stand_from_best_to_worst(task: str) -> None:
    report = report_of(task)
    report["users"] = dict(reversed(report["users"].items()))
    table = re.search(r"<tbody>(.*?)</tbody>", render_decoder(report), re.DOTALL)
    assert table is not None
    assert re.findall(r"<td>(user_[^<]*)</td>", table[1]) == list(USERS)


@pytest.mark.parametrize("task", TASKS)
def test_any_key_may_be_missing(task: str, check_page: Check) -> None:
    whole = report_of(task)
    paths = [(key,) for key in whole] + [("metrics", key) for key in whole["metrics"]] + [
        ("examples", 0, key) for key in whole["examples"][0]
    ]  # fmt: skip
    for path in paths:
        report = copy.deepcopy(whole)
        inner: Any = report
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]
        plots: dict[str, Any] = {"history": [], "users": {}, "examples": []}  # they take time
        report.update({key: nothing for key, nothing in plots.items() if key != path[0]})
        check_page(render_decoder(report))
    check_page(render_decoder({"task": task}))


@pytest.mark.parametrize("value", [None, float("nan"), "odd", {}])
def test_values_without_a_number_are_left_out(value: object, check_page: Check) -> None:
    for task in TASKS:
        report = report_of(task)
        headline = next(iter(report["metrics"]))
        report["metrics"][headline] = report["users"]["user_007"][headline] = value
        report["history"] = [{"epoch": 1, "loss": value}]
        page = render_decoder(report)
        check_page(page)
        assert "nan" not in words(page) and "Training" not in page


def test_nothing_at_all_is_still_a_page(check_page: Check) -> None:
    check_page(render_decoder({}))
    check_page(render_decoder({"task": "unheard of", "metrics": {"cler": 1.0}, "examples": [{}, 3]}))


@pytest.mark.parametrize(
    ("task", "change", "remark"),
    [
        ("wrist", {"zero_mae_deg_s": 20.0}, "not better than one that always says"),
        ("discrete_gestures", {"events": 0, "cler": 0.0}, "found no event at all"),
        ("handwriting", {"cer": 130.0}, "an empty text would have had 100 %"),
    ],
)
def test_a_useless_decoder_is_called_so(task: str, change: dict[str, float], remark: str) -> None:
    report = {**report_of(task), "users": {}, "examples": [], "history": []}
    assert remark not in words(render_decoder(report))
    report["metrics"].update(change)
    assert remark in words(render_decoder(report))


def test_what_cler_leaves_out_is_beside_it() -> None:
    said = words(render_decoder(report_of("discrete_gestures")))
    assert "1.25 Misses a minute" in said and "0.50 False positives a minute" in said
    assert "a decoder that says nothing has a CLER of 0" in said


LETTERS = st.text("ab <&\"'é←🤏", max_size=12)


@settings(derandomize=True, max_examples=40, deadline=None)
@given(target=LETTERS, prediction=LETTERS)
def test_a_diff_holds_both_texts_and_tells_every_edit(target: str, prediction: str) -> None:
    made = render_decoder({"task": "handwriting", "examples": [{"user": "u", "target": target, "prediction": prediction}]})
    pattern = r'<span class="(\w+)"><b>(.*?)</b><b>(.*?)</b><i>(.?)</i></span>'
    columns = [tuple(map(html.unescape, found)) for found in re.findall(pattern, made)]
    assert "".join(c[1] for c in columns).replace("␣", " ") == target
    assert "".join(c[2] for c in columns).replace("␣", " ") == prediction
    marks = {"equal": "", "substitute": "S", "delete": "D", "insert": "I"}
    assert all(mark == marks[kind] for kind, _, _, mark in columns)  # without colour too
    edits = sum(kind != "equal" for kind, *_ in columns)
    assert f"u: {edits} edit" in made
    assert all((above == below) == (kind == "equal") for kind, above, below, _ in columns)


def test_all_text_is_escaped(check_page: Check) -> None:
    bad = '<b onclick="x">$a_1$ & co</b>'
    for task in TASKS:
        report = report_of(task)
        report.update(title=bad, notes=[bad], command=bad, selected_by=bad, model={bad: bad}, data={"split": bad})
        report["users"] = {bad: figures(task, 1.0), "b": figures(task, 2.0)}
        report["examples"][0].update(user=bad, dataset=bad)
        report["history"][0][bad] = 1.0
        page = render_decoder(report)
        assert "<b onclick" not in page and "&lt;b onclick" in page
        check_page(page)
