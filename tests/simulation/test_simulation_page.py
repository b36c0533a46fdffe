"""The page on simulated EMG: self-contained, complete, and honest about what is missing."""

from __future__ import annotations

import json
import re
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aemg.report.simulation_page import realism_markdown, write_simulation_html
from aemg.simulation.realism import Comparison, Example, Finding, Realism, Summary, example, judge
from aemg.simulation.realism.literature import NOISE, RATE, VELOCITY

REPOSITORY = Path(__file__).parents[2]


def realism(with_real: bool = True) -> Realism:
    """Made up: one quantity of each verdict, two sets."""
    rng = np.random.default_rng(0)
    values = (Summary(20, 10, 29, 80), Summary(4.2, 2.0, 4.9, 12), Summary(9.0, 8.0, 10.0, 4))
    findings = tuple(
        Finding("Motor units", known, value, "units", judge(value, known.low, known.high))
        for known, value in zip((RATE, VELOCITY, NOISE), values)
    )
    people = [f"P{i}" for i in range(6)]
    maps = [
        {"name": name, "gestures": list(g), "people": people, "db": rng.normal(0, 5, (6, len(g), 8)).tolist()}
        for name, g in (("simulated", ("wrist_flexion", "hand_open")), ("a <set>", ("hand_open",)))
    ]
    hz = np.arange(0, 501, 2.0)
    curves = {
        "rates": {"drive": [0.1, 0.5], "rank": [0.0, 0.5, 1.0], "hz": [[10, 30], [0, 20], [0, 8]]},
        "rms": {"drive": [0.1, 0.5], "volts": [[1e-5, 1e-4]], "force": [[0.1, 1.0]]},
        "ring": {"degrees": [0.0, 60.0], "share": {"3": [1.0, 0.05], "9": [1.0, 0.1]}},
        "spectra": [{"name": n, "hz": hz.tolist(), "db": (-hz / 20).tolist()} for n in ("simulated", "a <set>")],
        "patterns": maps if with_real else maps[:1],
    }
    own, other = Summary(0.9, 0.8, 1, 6), Summary(0.95, 0.92, 1, 6)
    comparison = Comparison("repeat", "Likeness", "", "myo", "a <set>", own, other, "out of range")
    return Realism(6, 3, findings, (comparison,) if with_real else (), curves, ("b was not compared.",))


@pytest.fixture(scope="module")
def shown() -> Example:
    return example("myo", 5)


def test_the_example_is_the_same_again_and_obeys_recruitment(shown: Example) -> None:
    again = example("myo", 5)
    assert np.array_equal(shown.emg, again.emg) and np.array_equal(shown.spikes.times_s, again.spikes.times_s)
    for i in range(len(shown.muscles)):
        own = np.flatnonzero(shown.owners == i)
        first = [shown.spikes.times_s[shown.spikes.units == m].min(initial=np.inf) for m in own]
        early, late = np.mean(first[:3]), np.mean([t for t in first[-4:] if np.isfinite(t)] or [np.inf])
        assert early < late
    held = slice(*(round(t * shown.rate_hz) for t in shown.held_s))
    assert shown.emg[:, held].std() > 3 * shown.emg[:, : round(0.1 * shown.rate_hz)].std()


def test_the_page_stands_alone_and_tells_every_verdict(shown: Example, tmp_path: Path) -> None:
    report = {**realism().as_json(), "command": "python simulate realism --out x"}
    write_simulation_html(report, shown, tmp_path / "p" / "page.html")
    page = (tmp_path / "p" / "page.html").read_text()
    assert not re.search(r'(src|href)="(?!#|https://doi\.org/|data:)', page.replace('href="data:', ""))
    assert "<script" not in page and "<link" not in page
    for said in ("in range", "partly", "out of range", "10.1152/jn.01018.2009", "b was not compared.", "python simulate realism"):
        assert said in page
    assert "a &lt;set&gt;" in page and "a <set>" not in page
    assert page.count("<svg") == 8


def test_without_recordings_or_example_their_parts_are_left_out(tmp_path: Path) -> None:
    write_simulation_html(realism(with_real=False).as_json(), None, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "Beside recordings" not in page and "One contraction" not in page
    assert page.count("<svg") == 5


def test_markdown_has_a_row_a_quantity() -> None:
    lines = realism_markdown(realism().as_json()).splitlines()
    rows = [line for line in lines if line.startswith("| ") and not line.startswith("| quantity")]
    assert len(rows) == 4 and all(line.count("|") == 6 for line in rows)
    assert "| partly |" in rows[1] and rows[3].endswith("| out of range |")


def test_the_command_writes_table_and_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def quick(*args: Any, **named: Any) -> Realism:
        return realism()

    monkeypatch.setattr("aemg.simulation.realism.measure", quick)
    main: Callable[[list[str]], int] = runpy.run_path(str(REPOSITORY / "simulate" / "realism.py"))["main"]
    assert main(["--out", str(tmp_path / "out"), "--device", "myo"]) == 0
    report = json.loads((tmp_path / "out" / "realism.json").read_text())
    assert report["command"].startswith("python simulate realism --out") and len(report["findings"]) == 3
    assert (tmp_path / "out" / "realism.md").read_text().startswith("# How real")
    assert (tmp_path / "out" / "realism.html").is_file()
    capsys.readouterr()
    assert main(["--out", str(tmp_path), "--real", str(tmp_path / "missing")]) == 2
    assert "no such file" in capsys.readouterr().err
    assert main(["--out", str(tmp_path), "--real", str(tmp_path)]) == 2
