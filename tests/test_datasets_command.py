"""The command `python datasets` as it is typed."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from aemg import datasets
from aemg.config import load_config
from aemg.corpus import Corpus
from aemg.training import RunConfig

REPOSITORY = Path(__file__).parents[1]
Main = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def main() -> Main:
    command: Main = runpy.run_path(str(REPOSITORY / "datasets"), run_name="command")["main"]
    return command


@pytest.fixture
def native(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for subject in (1, 2):
        folder = tmp_path / "native" / "data" / f"sub{subject}"
        folder.mkdir(parents=True)
        for motion in (1, 2):
            for trial in (1, 2):
                values = rng.integers(-128, 128, (1000, 8)) / 128
                np.savetxt(folder / f"M{motion}T{trial}.csv", values, fmt="%.7g", delimiter=",")
    return tmp_path / "native"


def test_list_shows_every_set(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    heading, *lines = capsys.readouterr().out.splitlines()
    assert heading.split() == [
        "name", "subjects", "channels", "rate_hz", "hours", "classes", "unit", "kind", "licence", "permissive", "tested",
    ]
    assert [line.split()[0] for line in lines] == list(datasets.names())
    assert main(["list", "--markdown"]) == 0
    rows = capsys.readouterr().out
    assert rows in (REPOSITORY / "README.md").read_text(), "put the output of `python datasets list --markdown` there"


def test_info_shows_the_card(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "kanoga-myo"]) == 0
    said = capsys.readouterr().out
    info = datasets.info("kanoga-myo")
    assert said.startswith(f"kanoga-myo: {info.title}\n") and info.homepage in said and "notes:" in said


def test_commands_are_listed_and_explained(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    commands = [line.split()[0] for line in said.partition("commands:\n")[2].partition("\n\n")[0].splitlines()]
    assert commands and {f"{c}.py" for c in commands} == {p.name for p in (REPOSITORY / "datasets").glob("[!_]*.py")}
    for command in commands:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert (stopped.value.code == 0 and "example" in capsys.readouterr().out) or command == "list"
    assert main(["frobnicate"]) == 2
    assert "no command 'frobnicate'" in capsys.readouterr().err


def test_labels_of_some_sets(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "kanoga-myo-22", "emg-epn-612"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "rest nothing, the hand relaxed: kanoga-myo-22, emg-epn-612 (noGesture)" in said
    assert "in all of them rest, wrist_flexion, wrist_extension, hand_close" in said
    assert "kanoga-myo-22 alone two_dof_9, two_dof_10" in said and "emg-epn-612 alone" not in said


def test_native_files_are_held_against_their_card(main: Main, native: Path, tmp_path: Path, capsys) -> None:
    verify = ["verify", "kanoga-myo", "--root", str(native), "--jobs", "1", "--out", str(tmp_path / "found.json")]
    assert main(verify) == 0
    said = capsys.readouterr().out
    assert "kanoga-myo: 2 sources, 8 recordings, 2 subjects" in said and "2 of 25 subjects are here" in said
    assert json.loads((tmp_path / "found.json").read_text())["recordings"] == 8
    next(native.rglob("M1T1.csv")).write_text("1,2\n")
    assert main(verify) == 1
    assert "PROBLEM" in capsys.readouterr().out


def test_overlap_is_told_with_what_to_leave_out(main: Main, native: Path, tmp_path: Path, capsys) -> None:
    assert main(["prepare", "kanoga-myo", "--root", str(native), "--out", str(tmp_path / "c"), "--jobs", "1"]) == 0
    capsys.readouterr()
    assert main(["overlap", str(tmp_path / "c"), str(tmp_path / "c" / "kanoga-myo.h5")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("2 of 2 people and 8 of 8 files were seen") and 'data.exclude_people={kanoga-myo: ["1", "2"]}' in said
    override = said.partition("'")[2].partition("'")[0]
    assert load_config(RunConfig, None, [override]).data.exclude_people == {"kanoga-myo": ("1", "2")}


def test_prepare_then_verify(main: Main, native: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare = ["prepare", "kanoga-myo", "--root", str(native), "--out", str(tmp_path / "corpus"), "--jobs", "1"]
    assert main(prepare) == 0
    assert "kanoga-myo: 8 recordings, 2 subjects, 0.01 h" in capsys.readouterr().out
    assert main(prepare) == 0
    assert "was ready" in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "corpus")]) == 0
    assert capsys.readouterr().out == "kanoga-myo: OK\n"
    assert len(Corpus(tmp_path / "corpus").select(subjects=["1"])) == 4


def test_verify_names_the_damage(main: Main, native: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["prepare", "kanoga-myo", "--root", str(native), "--out", str(tmp_path), "--jobs", "1"])
    path = tmp_path / "kanoga-myo.h5"
    path.write_bytes(path.read_bytes()[:-5000])
    (tmp_path / "other.h5").write_text("nothing")
    capsys.readouterr()
    assert main(["verify", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    assert "kanoga-myo: 1 problem(s)" in said and "other: 1 problem(s)" in said and "truncated" in said


def test_shards_are_prepared_and_a_missing_one_is_told(
    main: Main, native: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "corpus"
    prepare = ["prepare", "kanoga-myo", "--root", str(native), "--out", str(out), "--jobs", "1"]
    assert main([*prepare, "--shards", "2"]) == 0
    assert "8 recordings" in (said := capsys.readouterr().out) and "kanoga-myo-00000-of-00002.h5 (2 shards)" in said
    assert main(["verify", str(out)]) == 0
    capsys.readouterr()
    (out / "kanoga-myo-00001-of-00002.h5").unlink()
    assert main(["verify", str(out)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "kanoga-myo-00001-of-00002.h5: missing"
    assert main([*prepare, "--shards", "0"]) == 2
    assert "shards must be at least 1, got 0" in capsys.readouterr().err


def test_all_takes_what_is_found(main: Main, native: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "all", "--root", str(native), "--out", str(tmp_path / "corpus"), "--jobs", "1"]) == 0
    said = capsys.readouterr().out
    assert "kanoga-myo: 8 recordings" in said and "not found, left out: flexemg: " in said
    assert (tmp_path / "corpus" / "kanoga-myo.h5").exists()


def test_bad_files_stop_it_or_are_skipped(
    main: Main, native: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (native / "data" / "sub2" / "M1T1.csv").write_text("1,2\n")
    prepare = ["prepare", "kanoga-myo", "--root", str(native), "--out", str(tmp_path / "corpus"), "--jobs", "1"]
    assert main(prepare) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and "M1T1.csv" in said.err and said.err.count("\n") == 1
    assert main([*prepare, "--skip-bad"]) == 0
    said = capsys.readouterr()
    assert "kanoga-myo: 4 recordings, 1 subjects" in said.out and "skipped " in said.out


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("info nonsense", "unknown data set 'nonsense'"),
        ("prepare nonsense --root . --out {out}", "unknown data set 'nonsense'"),
        ("prepare kanoga-myo --root {out}/missing --out {out}", "no folder"),
        ("prepare all --root {out} --out {out}", "no known set"),
        ("verify {out}", "no prepared set"),
    ],
)
def test_mistakes_are_one_line(
    main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, message: str
) -> None:
    assert main(line.format(out=tmp_path).split()) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and message in said and said.count("\n") == 1


def test_as_typed_with_two_jobs(native: Path, tmp_path: Path) -> None:
    typed = [sys.executable, "datasets", "prepare", "kanoga-myo", "--root", str(native), "--out", str(tmp_path / "c")]
    done = subprocess.run(typed, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "kanoga-myo: 8 recordings" in done.stdout
    usage = subprocess.run([*typed[:2], "prepare"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert usage.returncode == 2 and "Traceback" not in usage.stderr
