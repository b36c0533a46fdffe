"""A benchmark's page and tables: everything on them, nothing pooled, nothing that breaks."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aemg.errors import AEMGError
from aemg.evaluation.statistics import statistics
from aemg.report.benchmark_group import Compared
from aemg.report.benchmark_page import write_benchmark
from aemg.report.benchmark_tables import OVER_SETS, latex, latex_tables
from aemg.report.critical_difference import critical_difference_plot

Check = Callable[[str], None]
METHODS = {"aemg": 0.84, "random-init": 0.7, "td_lda & <co>": 0.6, "mdd": 0.62}
SETS = {"set_a": 7, "set-b": 6}
FROM = {"loso-from-1": -0.2, "loso-from-4": -0.1, "loso-transductive": 0.0}
RISE = {"loso": 0.0, "fewshot-0": 0.0, "fewshot-20": 0.06, "fewshot-k1": -0.05, "user-dependent": 0.08}


def rows_of(protocol: str, rise: float, **more: Any) -> list[dict[str, Any]]:
    rng = np.random.default_rng(len(protocol))
    return [
        {
            "protocol": protocol, "version": 1, "set": dataset, "source": dataset, "method": method, "registered": False,
            "family": method if method in ("aemg", "random-init") else "baseline",
            "target_data": "unlabelled: registration; from the first 30 s" if method == "aemg" else "none",
            "user_dependent": protocol == "user-dependent", "person": f"{p:02d}", "session": None, "seed": 0,
            "metrics": {name: mean + rise + float(rng.normal(0, 0.02)) for name in ("window_accuracy", "trial_accuracy")},
            "trials": 88, "windows": 3400, "seconds": 1.2,
            "certificate": {"statement": f"Protocol {protocol}: nobody is on both sides."}, **more,
        }
        for dataset, people in SETS.items() for method, mean in METHODS.items() for p in range(people)
    ]  # fmt: skip


def devices() -> list[dict[str, Any]]:
    other = dict(zip(SETS, reversed(SETS)))
    cross = rows_of("cross-device", -0.04)
    return [*rows_of("same-device", 0.0), *({**row, "source": other[row["set"]]} for row in cross)]


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    rows = [row for name, rise in RISE.items() for row in rows_of(name, rise)] + devices()
    rows += [r for r in rows_of("loso", 0.05, context="trial") if r["family"] == "aemg"]
    protocols = {
        name: {"version": 1, "title": f"Title of {name}", "description": f"What {name} is.", "target_data": f"seen in {name}"}
        for name in RISE
    }
    return {
        "title": "A benchmark", "command": "finetune benchmark --config x.yaml", "config": {"jobs": 3},
        "versions": {"torch": "2.6"}, "protocols": protocols, "rows": rows, "statistics": statistics(rows),
        "skipped": [
            *({"protocol": "fewshot-20", "set": "set-b", "person": who, "reason": "too few trials"} for who in ("07", "08")),
            {"protocol": "cross-session", "set": "set_a", "person": None, "reason": "one session a person"},
        ],
        "warnings": ["adapted lies below"],
    }  # fmt: skip


@pytest.fixture(scope="module")
def folder(results: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_benchmark(results, tmp_path_factory.mktemp("benchmark") / "new").parent


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "benchmark.html").read_text(encoding="utf-8")


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def section(page: str, name: str) -> str:
    """The part of a protocol."""
    return page.split(f'<h2 id="{name}">')[1].split("<h2")[0]


def test_the_page_is_whole_and_in_order(page: str, check_page: Check) -> None:
    check_page(page)
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page)
    assert heads == [
        "At a glance", "Few-shot", "Cross-device", "How to read the tables", *(f"Title of {name}" for name in RISE),
        "same-device", "cross-device", "Not run", "Split certificates", "Run",
    ]  # fmt: skip
    said = words(page)
    for expected in ("finetune benchmark --config x.yaml", "torch 2.6", "What loso is.", "one session a person", "jobs",
                     "07, 08 too few trials",
                     "One warning adapted lies below",
                     "Protocol loso: nobody is on both sides.", "Wilcoxon", "Stouffer"):  # fmt: skip
        assert expected in said, expected


def test_every_protocol_shows_every_method_and_set_and_what_was_seen(page: str) -> None:
    for name in (*RISE, "same-device", "cross-device"):
        part = section(page, name)
        for expected in ("aemg", "random-init", "td_lda &amp; &lt;co&gt;", "mdd", "set_a", "set-b", "Friedman",
                         "sees unlabelled: registration; from the first 30 s", "sees none of it"):  # fmt: skip
            assert expected in part, (name, expected)
        assert part.count("<svg") == 3, name  # people, differences, ranks
    assert "trained on set-b" in section(page, "cross-device")


def test_headline_numbers_are_the_means_with_marks_and_intervals(results: dict[str, Any], page: str) -> None:
    table = section(page, "loso").split("</table>")[0]
    cells = re.findall(r"<tr[^>]*>(.*?)</tr>", table, re.DOTALL)[1:]
    for method, line in zip(METHODS, cells):
        for dataset in SETS:
            values = [
                row["metrics"]["window_accuracy"] for row in results["rows"]
                if (row["protocol"], row["method"], row["set"], row.get("context")) == ("loso", method, dataset, None)
            ]  # fmt: skip
            assert f"{100 * np.mean(values):.1f}" in line
    assert cells[0].count("class=best") == 3 and "▲" not in cells[0]
    assert all(line.count("▲") == 1 for line in cells[1:])  # over both sets; alone, six people cannot pass Holm's correction
    assert "aemg is better by" in cells[1]
    by_set = section(page, "loso").split("<summary>Set by set</summary>")[1].split("</table>")[0]
    assert by_set.count("<tr>") == len(METHODS) and by_set.count("Holm") == len(SETS) * (len(METHODS) - 1)


def test_every_protocol_is_seen_at_a_glance(tmp_path: Path, page: str) -> None:
    part = page.split("At a glance</h2>")[1].split("</table>")[0]
    assert re.findall(r'href="#([\w-]+)"', part) == [*RISE, "same-device", "cross-device"]
    rows = rows_of("published", 0.0, context="trial", metrics={"accuracy": 0.7})
    part = write_benchmark({"rows": rows}, tmp_path).read_text().split("At a glance</h2>")[1].split("</table>")[0]
    assert "Accuracy, context: trial" in part and "70.0" in part


def test_user_dependent_means_stand_apart_and_marked(page: str) -> None:
    table = section(page, "loso").split("</table>")[0]
    assert table.count("user-dependent") == 2  # the head and its protocol
    assert "User-dependent: trained on the very person" in section(page, "user-dependent")
    assert "User-dependent: trained" not in section(page, "loso")


def test_contexts_have_tables_of_their_own(page: str) -> None:
    assert "<h3>Window accuracy, context: trial</h3>" in section(page, "loso")
    assert "One method alone" in section(page, "loso")


def test_few_shot_curves_begin_at_the_zero_shot_point_and_tell_what_falls_below(page: str) -> None:
    part = page.split("<h2>Few-shot</h2>")[1].split("<h2")[0]
    percents, repetitions = part.split("<h3>By repetitions of every movement</h3>")
    assert "zero-shot" in percents and "20 %" in percents and "▼ " not in percents.split("</table>")[0]
    assert repetitions.split("</table>")[0].count("below the zero-shot point") == len(METHODS)
    assert part.count("<svg") == 2


def people_part(page: str) -> str:
    return page.split("<h2>People to train on</h2>")[1].split("<h2")[0]


def test_accuracy_stands_over_the_number_of_people_trained_on(tmp_path: Path, page: str, check_page: Check) -> None:
    rows = [row for name, rise in reversed(FROM.items()) for row in rows_of(name, rise)]
    made = write_benchmark({"rows": rows}, tmp_path).read_text()
    check_page(made)
    part = people_part(made)
    over_sets, by_set = part.split("</table>")[:2]
    assert re.findall(r"<th>(.*?)</th>", over_sets) == ["Mean over sets", "1 person", "4 people", "all others"]
    assert part.count("<svg") == 1 and "logarithmic" in part and "not of the same mean" not in part

    def mean(*wanted: str, sets: Iterable[str] = SETS) -> str:
        found = [
            [r["metrics"]["window_accuracy"] for r in rows if (r["protocol"], r["method"], r["set"]) == (*wanted, dataset)]
            for dataset in sets
        ]
        return f"{100 * np.mean([np.mean(values) for values in found]):.1f}"

    lines = re.findall(r"<tr[^>]*>(.*?)</tr>", over_sets.split("<tbody>")[1], re.DOTALL)
    for line, method in zip(lines, METHODS, strict=True):
        assert re.findall(r"<td[^>]*>([^<]*)</td>", line)[1:] == [mean(name, method) for name in FROM]
    for dataset in SETS:
        line = by_set.split(f">{dataset}<")[1].split("</tr>")[0]
        assert re.findall(r"<td>([^<]*)</td>", line) == [mean(name, "aemg", sets=[dataset]) for name in FROM]
    assert "Tables, people, differences and ranks" in section(made, "loso-from-1")
    assert "Tables, people, differences and ranks" not in section(made, "loso-transductive")
    assert "People to train on" not in page, "none of these protocols was run"


@pytest.mark.parametrize("kept", ["one number", "everyone alone", "a set too small"])
def test_numbers_of_people_that_were_not_run_do_not_appear(kept: str, tmp_path: Path, check_page: Check) -> None:
    rows = {
        "one number": rows_of("loso-from-2", 0.0),
        "everyone alone": rows_of("loso-transductive", 0.0),
        "a set too small": [*rows_of("loso-from-2", 0.0), *(r for r in rows_of("loso-from-4", 0.0) if r["set"] == "set_a")],
    }[kept]
    made = write_benchmark({"rows": rows}, tmp_path).read_text()
    check_page(made)
    if kept == "everyone alone":
        assert "People to train on" not in made
        return
    part = people_part(made)
    assert "2 people" in part and "1 person" not in part and "all others" not in part
    assert ("4 people (set-b)" in part) == (kept == "a set too small")


def test_devices_are_compared_person_by_person(results: dict[str, Any], page: str) -> None:
    part = page.split("<h2>Cross-device</h2>")[1].split("<h2")[0]
    assert "trained on set_a" in part and "trained on set-b" in part
    line = part.split("<tbody>")[1].split("</tr>")[0]
    value = {
        name: np.mean([r["metrics"]["window_accuracy"] for r in results["rows"]
                       if (r["protocol"], r["method"], r["set"]) == (name, "aemg", "set_a")])
        for name in ("same-device", "cross-device")
    }  # fmt: skip
    expected = f"{100 * (value['cross-device'] - value['same-device']):.1f}".replace("-", "−")
    assert f"{100 * value['same-device']:.1f}" in line and expected in line


def test_tidy_rows_and_summary_read_back(results: dict[str, Any], folder: Path) -> None:
    with (folder / "benchmark.csv").open(encoding="utf-8", newline="") as file:
        tidy = list(csv.DictReader(file))
    given = [(r, m, v) for r in results["rows"] for m, v in r["metrics"].items()]
    assert len(tidy) == len(given)
    for line, (row, metric, value) in zip(tidy, given):
        assert (line["method"], line["set"], line["person"], line["metric"]) == (row["method"], row["set"], row["person"], metric)
        assert float(line["value"]) == value and line["session"] == ""
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        summary = list(csv.DictReader(file))
    cells = [c for group in results["statistics"]["groups"] for c in group["cells"]]
    alone = [line for line in summary if line["set"] != OVER_SETS]
    assert [float(line["mean"]) for line in alone] == [cell["mean"] for cell in cells]
    own = next(line for line in summary if (line["method"], line["set"]) == ("mdd", OVER_SETS))
    assert own["people"] == str(sum(SETS.values())) and float(own["reference_less_method"]) > 0 and float(own["p_holm"]) < 0.05


def test_latex_is_escaped_balanced_and_marks_the_best(results: dict[str, Any], folder: Path) -> None:
    made = (folder / "tables.tex").read_text(encoding="utf-8")
    groups = results["statistics"]["groups"]
    for part in (r"\begin{table}", r"\end{table}", r"\begin{tabular}", r"\end{tabular}", r"\toprule", r"\bottomrule"):
        assert made.count(part) == len(groups), part
    assert r"td\_lda \& \textless{}co\textgreater{}" in made and r"set\_a" in made
    assert not re.search(r"(?<!\\)[%#]", made.split("\n", 1)[1]) and made.isascii()
    assert made.count("{") - made.count("\\{") == made.count("}") - made.count("\\}")
    first = made.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(first) == len(METHODS) and {line.count(" & ") for line in first} == {len(SETS) + 1}
    assert first[0].count(r"\textbf") == 3 and r"$^{*}$" in first[1]
    assert first[0].startswith("aemg$^{a}$") and first[1].strip().startswith("random-init$^{b}$")
    assert made.count("$^{b}$ Target data seen: none.") >= 1
    labels = re.findall(r"\\label\{(.*?)\}", made)
    assert len(set(labels)) == len(labels)


def test_every_special_letter_is_escaped() -> None:
    assert latex(r"\a_b%$#&{}~^") == (
        r"\textbackslash{}a\_b\%\$\#\&\{\}\textasciitilde{}\textasciicircum{}"
    )  # fmt: skip
    assert latex("a → b < c") == r"a $\rightarrow$ b \textless{} c"


def test_a_comparison_can_be_turned_round(results: dict[str, Any]) -> None:
    group = Compared(results["statistics"]["groups"][0])
    one, other = group.versus("aemg", "mdd"), group.versus("mdd", "aemg")
    assert one["difference"] == -other["difference"] and one["ci95"] == [-b for b in reversed(other["ci95"])]
    assert one["effect"] == -other["effect"] and one["p"] == other["p"]
    assert group.versus_in("mdd", "aemg", "set_a")["difference"] == -group.versus_in("aemg", "mdd", "set_a")["difference"]
    assert group.versus("aemg", "nobody") == {}


def test_the_diagram_names_every_method_and_holds_its_bars(results: dict[str, Any]) -> None:
    ranking = results["statistics"]["groups"][0]["ranking"]
    picture = critical_difference_plot(ranking, "aemg")
    assert all(name in picture for name in ("aemg", "random-init", "mdd", "CD = "))
    assert f"CD = {ranking['critical_difference']:.2f}" in picture
    many = {f"method-{i}": 1.0 + i for i in range(25)}
    assert "method-24" in critical_difference_plot({"ranks": many, "critical_difference": 40.0, "nemenyi": [], "wilcoxon": []})


@pytest.mark.parametrize("kept", ["nothing", "one person", "one method", "two methods", "no own method", "no metrics"])
def test_little_is_shown_for_what_it_is(kept: str, tmp_path: Path, check_page: Check) -> None:
    rows = rows_of("loso", 0.0)
    chosen = {
        "nothing": [],
        "one person": [r for r in rows if (r["person"], r["set"]) == ("00", "set_a")],
        "one method": [r for r in rows if r["method"] == "mdd"],
        "two methods": [r for r in rows if r["method"] in ("aemg", "mdd")],
        "no own method": [r for r in rows if r["family"] == "baseline"],
        "no metrics": [{**r, "metrics": {}} for r in rows],
    }[kept]
    target = write_benchmark({"rows": chosen}, tmp_path)
    page = target.read_text(encoding="utf-8")
    check_page(page)
    expected = {
        "nothing": "No rows: nothing was run", "one person": "One person alone", "one method": "One method alone",
        "two methods": "Friedman&#x27;s test needs three methods", "no own method": "Average ranks over 13 people",
        "no metrics": "No numbers",
    }  # fmt: skip
    assert expected[kept] in page
    assert {path.name for path in tmp_path.iterdir()} == {"benchmark.html", "benchmark.csv", "summary.csv", "tables.tex"}


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AEMGError, match="file"):
        write_benchmark({"rows": []}, tmp_path / "file")


def test_tables_of_nothing_are_empty() -> None:
    assert latex_tables([], {}).count("\n") == 1
