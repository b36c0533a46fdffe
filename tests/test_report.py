"""Reports as pages: complete, honest about the protocol, self-contained."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from aemg.report import plots, render, write_html

Check = Callable[[str], None]
SUBJECTS = ["1", "2", "Anna", "3"]


def metrics(mean: float) -> dict[str, Any]:
    values = {s: mean + 0.02 * i for i, s in enumerate(SUBJECTS)}
    one = {"mean": mean, "ci95": [mean - 0.05, mean + 0.05], "per_subject": values}
    names = ("window_accuracy", "trial_accuracy", "window_accuracy_isolated")
    return {**dict.fromkeys(names, one), "calibration": {"ece": 0.1}}


def control(mean: float, p: float | None, **more: str) -> dict[str, Any]:
    versus = {"window_accuracy": {"difference": 0.1, "p_value": p}}
    return {**metrics(mean), "target_data": "none", "context": "window", **more, "versus": versus}


@pytest.fixture
def report() -> dict[str, Any]:
    few_shot = {str(f): metrics(0.8 + d) for f, d in ((0, 0.0), (0.05, -0.05), (0.4, 0.08))}
    one = {
        "labels": ["rest", "hand_open"],
        "subjects": SUBJECTS,
        "trials": 40,
        "windows": 4000,
        "zero_shot": metrics(0.8),
        "controls": {
            "random-init": control(0.6, 0.01),
            "td-lda-z": control(0.9, 0.01, target_data="unlabelled"),
            "my own method": control(0.7, None, context="trial"),
        },
        "few_shot": {"aemg": few_shot, "random-init": few_shot, "warning": ["subject 3 is short"]},
        "confusion": {"labels": ["rest", "hand_open"], "counts": [[30, 10], [0, 0]]},
        "registration": {"1": {"turn_deg": 22.5, "mirror": True, "abstained": False, "probability": 0.97}},
    }
    pretraining = {"encoder": "runs/x/model", "saw_subject": False, "saw_file": True, "details": {"files": 3}}
    certificate = {
        "loso": True, "user_disjoint": True, "session_disjoint": True, "shared_windows": 0, "shared_trials": 2,
        "target_unlabelled": "registration", "target_labelled": [0.05, 0.4], "pretraining": pretraining,
        "statement": "LOSO on two sets.",
    }  # fmt: skip
    return {
        "protocol": "loso", "title": "A run", "certificate": certificate,
        "sets": {"one": one, "two": copy.deepcopy(one)},
        "codebook": {"counts": [5, 0, 100, 3], "perplexity": 1.8, "used_share": 0.75},
        "mean_over_sets": {"window_accuracy": 0.8}, "config": {"optim": {"lr": 1e-4}}, "versions": {"torch": "2.6"},
        "command": "python finetune protocol=loso", "seconds": 12.5, "seeds": [0, 1],
    }  # fmt: skip


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_a_full_report_shows_everything_in_order(report: dict[str, Any], tmp_path: Path, check_page: Check) -> None:
    target = tmp_path / "new" / "report.html"
    write_html(report, target)
    page = target.read_text(encoding="utf-8")
    check_page(page)
    heads = re.findall(r"<h2>(.*?)</h2>", page)
    assert heads == [
        "Window accuracy", "Trial accuracy", "Accuracy on isolated windows", "Split certificate", "Set one", "Set two",
        "Codebook", "Run",
    ]  # fmt: skip
    said = words(page)
    for expected in ("my own method", "context: trial", "sees unlabelled target", "subject 3 is short", "22.5°", "0.97",
                     "lr", "2.6", "12.5 s", "runs/x/model", "2 shared", "few-shot, 5 %, 40 %"):  # fmt: skip
        assert expected in said, expected
    assert page.count("<svg") == 5


def test_marks_follow_the_means_and_p_values(report: dict[str, Any]) -> None:
    page = render({"sets": {"one": report["sets"]["one"]}})
    cells = dict(re.findall(r"<tr><td>([\w -]+)(?:<small>.*?)?</td><td>(.*?)</td></tr>", page.split("</table>")[0]))
    assert "AEMG is better by 20.0 points, p = 0.0100" in cells["random-init"]
    assert "▼" in cells["td-lda-z"] and "AEMG is worse by 10.0 points" in cells["td-lda-z"]
    assert "▲" not in cells["my own method"] and "▼" not in cells["my own method"]


def test_many_methods_make_a_long_table_and_not_a_wide_one(report: dict[str, Any]) -> None:
    controls = report["sets"]["one"]["controls"]
    controls.update({f"method-{i}": control(0.5, 0.5) for i in range(12)})
    table = render(report).split("<table>")[1]
    assert table.split("</tr>")[0].count("<th>") == 1 + 2 + 1  # method, two sets, their mean
    assert table.split("</tbody>")[0].count("<tr>") == 1 + 1 + len(controls)


def test_a_legend_of_many_methods_stays_within_its_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Any] = []
    monkeypatch.setattr(plots, "svg", lambda figure, label: drawn.append(figure) or "")
    names = [f"td-lda-registered-self-trained-{i}" for i in range(12)]
    plots.accuracy_plot({"1": 0.5, "2": 0.6}, {name: {"1": 0.4, "2": 0.3} for name in names}, 0.1)
    plots.few_shot_plot({name: {0.0: metrics(0.5), 0.4: metrics(0.6)} for name in names[:6]})
    for figure in drawn:
        FigureCanvasAgg(figure).draw()
        (made,) = figure.legends
        box = made.get_window_extent()
        assert box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 + 1
        assert figure.axes[0].get_window_extent().y1 < box.y0 + 1


def test_adaptation_that_hurts_is_said(report: dict[str, Any]) -> None:
    said = "Adaptation hurts: window accuracy lies below the zero-shot point (80.0 %) at 5 % (75.0 %)."
    assert said in render(report)


def test_the_word_loso_needs_the_certificate(report: dict[str, Any], check_page: Check) -> None:
    assert "LOSO" in words(render(report))
    report["title"] = "LOSO and leave-one-subject-out"
    report["config"]["loso_fold"] = "loso-3"
    for value in (False, None, "yes", 1):
        report["certificate"]["loso"] = value
        page = render(report).lower()
        assert "loso" not in page and "leave-one" not in page
        check_page(page)
    del report["certificate"]
    page = render(report)
    assert "loso" not in page.lower() and "no split certificate" in page


def test_other_words_are_left_alone(report: dict[str, Any]) -> None:
    report["certificate"]["loso"] = False
    report["title"] = "A philosophy"
    assert "A philosophy" in render(report)


def without(report: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    made = copy.deepcopy(report)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return made


@pytest.mark.parametrize(
    "path",
    [
        ("protocol",), ("title",), ("certificate",), ("sets",), ("codebook",), ("config",), ("seeds",),
        ("certificate", "pretraining"), ("certificate", "target_labelled"), ("sets", "one", "zero_shot"),
        ("sets", "one", "controls"), ("sets", "one", "few_shot"), ("sets", "one", "few_shot", "aemg"),
        ("sets", "one", "few_shot", "aemg", "0"), ("sets", "one", "labels"), ("sets", "one", "confusion"),
        ("sets", "one", "zero_shot", "window_accuracy", "per_subject"),
        ("sets", "one", "controls", "random-init", "window_accuracy"),
    ],
    ids=".".join,
)  # fmt: skip
def test_any_key_may_be_missing(report: dict[str, Any], path: tuple[str, ...], check_page: Check) -> None:
    report["sets"].pop("two")
    check_page(render(without(report, path)))


@pytest.mark.parametrize("value", [None, float("nan"), {}, "odd"])
def test_values_without_a_number_are_dashes(report: dict[str, Any], value: object, check_page: Check) -> None:
    report["sets"] = {"one": {"zero_shot": {"window_accuracy": {"mean": value, "ci95": [value, 0.5]}}}}
    page = render(report)
    check_page(page)
    assert "<td class=own>–</td>" in page and "nan" not in page


def test_nothing_at_all_is_still_a_page(check_page: Check) -> None:
    check_page(render({}))
    check_page(render({"sets": {"one": {}}}))


def test_text_is_escaped(report: dict[str, Any], check_page: Check) -> None:
    bad = '<b onclick="x">$a_1$ & co</b>'
    one = report["sets"].pop("two")
    one["labels"] = one["confusion"]["labels"] = [bad, "rest"]
    one["subjects"] = [bad]
    one["zero_shot"]["window_accuracy"]["per_subject"] = {bad: 0.5}
    one["registration"] = {bad: {"turn_deg": 0.0}}
    one["controls"][bad] = control(0.5, 0.5)
    one["few_shot"]["warning"] = [bad]
    report.update(sets={bad: one}, title=bad, command=bad, config={bad: bad}, versions={bad: bad}, protocol=bad)
    report["certificate"]["statement"] = bad
    page = render(report)
    assert "<b onclick" not in page
    assert "&lt;b onclick" in page
    check_page(page)


def test_the_same_report_makes_the_same_page(report: dict[str, Any]) -> None:
    assert render(report) == render(copy.deepcopy(report))
