"""Simulated people at the wristband's three tasks: files that the reader takes, and signals that tell what was done."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from aemg.datasets.formats.neuromotor_file import TASKS, NeuromotorFile, Task
from aemg.errors import AEMGError
from aemg.simulation.movements import CHARACTERS, WORDS
from aemg.simulation.neuromotor import simulate_neuromotor

MINUTES = 0.25


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[Task, list[Path]]:
    root = tmp_path_factory.mktemp("simulated")
    return {task: simulate_neuromotor(task, root / task, people=3, minutes=MINUTES) for task in TASKS}


@pytest.mark.parametrize("task", TASKS)
def test_the_reader_takes_what_is_written(made: dict[Task, list[Path]], task: Task) -> None:
    for path in made[task]:
        with NeuromotorFile(path, task) as file:
            assert file.rows == MINUTES * 60 * 2000
            times = file.times()
            (stage,) = file.stages
            assert (stage.start, stage.end) == (times[0], times[-1])
            moments = [getattr(p, "time", None) or p.start for p in file.prompts]
            assert bool(moments) == (task != "wrist")
            assert moments == sorted(moments)
            assert all(times[0] < t < times[-1] for t in moments)


def test_the_table_of_splits_covers_every_file(made: dict[Task, list[Path]]) -> None:
    for task, paths in made.items():
        rows = list(csv.DictReader((paths[0].parent / f"{task}_corpus.csv").read_text().splitlines()))
        assert [row["dataset"] for row in rows] == [path.stem for path in paths]
        assert [row["split"] for row in rows] == ["train", "val", "test"]


def test_activity_rises_at_presses(made: dict[Task, list[Path]]) -> None:
    for path in made["discrete_gestures"]:
        with NeuromotorFile(path) as file:
            power = (file.emg(0, file.rows) ** 2).mean(axis=1)
            quiet = np.median(power)
            rows = [int(np.searchsorted(file.times(), p.time)) for p in file.prompts]
        assert np.median([power[row - 60 : row + 200].mean() for row in rows]) > 3 * quiet


def test_extension_and_flexion_use_different_channels(made: dict[Task, list[Path]]) -> None:
    with NeuromotorFile(made["wrist"][0]) as file:
        emg, angle = file.emg(0, file.rows), file.wrist_angles(0, file.rows)[:, 0]
    power = np.log((emg.reshape(-1, 500, 16) ** 2).mean(axis=1))
    level = angle.reshape(-1, 500).mean(axis=1)
    with_angle = [np.corrcoef(channel, level)[0, 1] for channel in power.T]
    assert max(with_angle) - min(with_angle) > 0.5


def test_a_person_comes_out_the_same_alone_or_among_others(made: dict[Task, list[Path]], tmp_path: Path) -> None:
    paths = simulate_neuromotor("wrist", tmp_path, people=3, minutes=MINUTES)
    with NeuromotorFile(paths[2]) as again, NeuromotorFile(made["wrist"][2]) as before:
        np.testing.assert_array_equal(again.emg(0, again.rows), before.emg(0, before.rows))
    with NeuromotorFile(paths[1]) as other, NeuromotorFile(paths[2]) as again:
        assert not np.array_equal(other.emg(0, 2000), again.emg(0, 2000))


def test_what_is_there_is_left_alone(made: dict[Task, list[Path]]) -> None:
    path = made["wrist"][0]
    before = path.stat().st_mtime_ns
    simulate_neuromotor("wrist", path.parent, people=3, minutes=MINUTES)
    assert path.stat().st_mtime_ns == before


def test_every_character_has_strokes_of_its_own() -> None:
    assert len(set(CHARACTERS.values())) == len(CHARACTERS)
    assert set("".join(WORDS)) <= set(CHARACTERS)


@pytest.mark.parametrize(
    ("change", "said"), [({"people": 2}, "2 people"), ({"minutes": 0.1}, "10 s"), ({"task": "typing"}, "typing")]
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, change: dict[str, object], said: str) -> None:
    with pytest.raises(AEMGError, match=said):
        simulate_neuromotor(**{"task": "wrist", "out": tmp_path, "people": 3, "minutes": 1.0, **change})  # type: ignore[arg-type]


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["neuromotor", "--task", "wrist", "--people", "3", "--minutes", "0.2", "--out", str(tmp_path), "--jobs", "1"]
    monkeypatch.setattr(sys, "argv", ["simulate", *words, "--validation", "1", "--test", "1"])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(Path(__file__).parent.parent / "simulate"), run_name="__main__")
    assert done.value.code == 0
    assert "3 recordings" in capsys.readouterr().out
    assert len(list(tmp_path.glob("*.hdf5"))) == 3
