"""From files to the page: prepared and native sets, neuromotor files, plain tables; exit status, JSON and pictures."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aemg.corpus import prepare
from aemg.datasets.base import DatasetReader
from aemg.datasets.formats.neuromotor_file import GesturePrompt, Stage, TextPrompt
from aemg.errors import AEMGError, DataFileError
from aemg.quality import KINDS, QualityReport, check_all, material_of
from aemg.quality.material import Prepared
from aemg.quality.run import PIECE_VALUES
from aemg.quality.summary import report_json, report_text
from aemg.quality.text_table import read_text_table
from aemg.report.quality_page import MEANING, render_quality_page
from aemg.signals import Recording
from aemg.simulation import simulate_set

Main = Callable[[list[str]], int]
Write = Callable[..., Path]
REPOSITORY = Path(__file__).parents[2]
T0, ROWS = 1_700_000_000.0, 12_000


@pytest.fixture(scope="module")
def main() -> Main:
    command: Main = runpy.run_path(str(REPOSITORY / "datasets"), run_name="command")["main"]
    return command


def read_with_faults(reader: DatasetReader, root: Path, source: str) -> list[Recording]:
    """P01 is sound; P02 has a flat channel in one recording, and is rectified in the other."""
    recordings = reader.read_source(root, source)
    if source == "P02":
        flat, rectified = recordings[0].signal.copy(), np.abs(recordings[1].signal)
        flat[3] = 0
        recordings[:2] = [replace(recordings[0], signal=flat), replace(recordings[1], signal=rectified)]
    return recordings


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    gestures = ("rest", "wrist_flexion", "hand_close")
    made = simulate_set("sim-q", device="armband10", people=2, seed=2, gestures=gestures, repetitions=2, hold_s=1.5, rest_s=0.7)
    folder = tmp_path_factory.mktemp("quality")
    prepare(replace(made, read_source=partial(read_with_faults, made)), folder, jobs=1)
    return folder


@pytest.fixture(scope="module")
def report(corpus: Path) -> QualityReport:
    return check_all([Prepared(str(corpus))])


def found(report: QualityReport) -> set[tuple[str, str, str]]:
    return {(r.subject, f.kind, f.severity) for r in report.recordings for f in r.findings}


def test_a_corpus(report: QualityReport) -> None:
    assert found(report) == {("P02", "flat", "fault"), ("P02", "envelope", "fault")}
    assert len(report.recordings) == 4 and report.faults == 2 and not report.sound
    assert "2 with faults" in report_text(report) and "P02 (1)" in report_text(report)


def test_the_report_does_not_depend_on_processes(corpus: Path, report: QualityReport) -> None:
    seen: list[tuple[int, int]] = []
    assert check_all([Prepared(str(corpus))], jobs=2, progress=lambda done, total: seen.append((done, total))) == report
    assert seen == [(i, 4) for i in range(1, 5)]
    with pytest.raises(AEMGError, match="jobs"):
        check_all([], jobs=0)


def test_long_recordings_are_checked_in_pieces(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing larger than a piece is ever read, and what is found stays at its place."""
    assert PIECE_VALUES * 4 < 32e6
    material = Prepared(str(corpus))
    item = next(material.items(0))
    largest = 0
    signal = item.window(0, item.shape[1]).copy()
    signal[5, 4321] += 1.0

    def window(first: int, stop: int) -> np.ndarray:
        nonlocal largest
        largest = max(largest, (stop - first) * item.shape[0])
        return signal[:, first:stop]

    class One:
        def units(self) -> int:
            return 1

        def name(self, unit: int) -> str:
            return "one"

        def items(self, unit: int) -> object:
            return iter([replace(item, window=window)])

    whole = check_all([One()])  # type: ignore[list-item]
    monkeypatch.setattr("aemg.quality.run.pieces", partial(pieces_of, values=20_000))
    largest = 0
    parts = check_all([One()])  # type: ignore[list-item]
    assert largest <= 20_000
    jumps = [next(f for f in r.recordings[0].findings if f.kind == "jump") for r in (whole, parts)]
    assert jumps[0].channels == jumps[1].channels == (5,) and jumps[0].where[0] == pytest.approx(jumps[1].where[0])


def pieces_of(item: object, values: int) -> object:
    from aemg.quality.material import Item

    assert isinstance(item, Item)
    step = values // item.shape[0]
    return iter([(a, min(a + step, item.shape[1])) for a in range(0, item.shape[1], step)])


def test_the_page(corpus: Path, report: QualityReport, check_page: Callable[[str], None]) -> None:
    page = render_quality_page(report, [Prepared(str(corpus))])
    check_page(page)
    assert page.count("<svg") == 2 and "sim-q" in page and "channels 3" in page
    assert set(MEANING) == set(KINDS)
    assert render_quality_page(report, [Prepared(str(corpus))], pictures=1).count("<svg") == 1
    none = QualityReport(tuple(r for r in report.recordings if not r.findings))
    check_page(render_quality_page(none, [Prepared(str(corpus))]))
    assert "No recording has a fault" in render_quality_page(none, [Prepared(str(corpus))])


def test_the_command(corpus: Path, main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(corpus), "--out", str(tmp_path / "q.html"), "--jobs", "1", "--pictures", "2"]) == 1
    told = json.loads((tmp_path / "q.json").read_text())
    assert told["sound"] is False and told["sets"]["sim-q"]["graded"]["fault"] == 2
    assert {f["kind"] for r in told["recordings"] for f in r["findings"]} == {"flat", "envelope"}
    assert told["limits"]["flat_s"] == 1.0 and "Infinity" not in (tmp_path / "q.json").read_text()
    assert "2 with faults" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing-there"], "neither a file or folder nor a known set"),
        (["kanoga-myo"], "--root"),
        (["kanoga-myo", "--root", "/nowhere"], "no folder"),
        (["CORPUS", "--out", "q.pdf"], ".html"),
        (["CORPUS", "--rate", "-3"], "more than 0"),
    ],
)
def test_mistakes_are_told(
    corpus: Path, main: Main, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    arguments: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert main(["check", *(str(corpus) if a == "CORPUS" else a for a in arguments)]) == 2
    assert said in capsys.readouterr().err


# native sets


def test_a_native_set_and_a_damaged_file_of_it(tmp_path: Path, main: Main) -> None:
    rng = np.random.default_rng(0)
    for subject in ("sub1", "sub2"):
        for motion in range(1, 9):
            for trial in range(1, 6):
                level = 0.02 if motion == 1 else 0.1
                rows = np.rint(np.diff(rng.standard_normal((1001, 8)), axis=0) * level * 128) / 128
                file = tmp_path / "data" / subject / f"M{motion}T{trial}.csv"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("\n".join(",".join(f"{v:g}" for v in row) for row in rows))
    report = check_all([material_of("kanoga-myo", root=str(tmp_path))])
    assert report.sound and len(report.recordings) == 80 and not found(report)
    (tmp_path / "data" / "sub2" / "M3T2.csv").write_text("1,2\n")
    damaged = check_all([material_of("kanoga-myo", root=str(tmp_path))])
    assert ("", "unreadable", "fault") in found(damaged) and len(damaged.recordings) >= 40
    assert main(["check", "kanoga-myo", "--root", str(tmp_path), "--out", str(tmp_path / "k.html"), "--jobs", "1"]) == 1
    assert "M3T2.csv" in (tmp_path / "k.html").read_text()


# files of the neuromotor interface


def neuromotor(write: Write, path: Path, **over: object) -> Path:
    samples = np.random.default_rng(0).standard_normal((ROWS, 16)).astype(np.float32)
    stages, prompts = [Stage("s", T0, T0 + 5, "sitting")], [GesturePrompt("index_press", T0 + 3)]
    parts = {"emg": samples, "times": T0 + np.arange(ROWS) / 2000, "stages": stages, "prompts": prompts}
    return write(path / "discrete_gestures_user_004_dataset_000.hdf5", "discrete_gestures", **{**parts, **over})


def test_a_neuromotor_file(write_neuromotor_file: Write, tmp_path: Path, check_page: Callable[[str], None]) -> None:
    file = neuromotor(write_neuromotor_file, tmp_path)
    assert check_all([material_of(str(file))]).recordings[0].findings == ()
    times = T0 + np.arange(ROWS) / 2000
    times[6000:] += 0.5  # a gap of half a second after 3 s
    times[8000:9000] = np.repeat(times[8000:9000:10], 10)
    emg = np.random.default_rng(0).standard_normal((ROWS, 16)).astype(np.float32)
    emg[200, 4] = np.nan
    material = material_of(str(neuromotor(write_neuromotor_file, tmp_path, times=times, emg=emg)))
    report = check_all([material])
    assert found(report) == {
        ("user_004", "gap", "warning"), ("user_004", "duplicate-stamps", "warning"), ("user_004", "not-finite", "fault"),
    }  # fmt: skip
    gap = next(f for f in report.recordings[0].findings if f.kind == "gap")
    assert gap.value == pytest.approx(500.5, abs=0.01) and gap.where[0][0] == pytest.approx(3.0, abs=0.01)
    page = render_quality_page(report, [material])
    check_page(page)
    assert page.count("<svg") == 3


def test_stamps_that_fall_and_prompts_outside(write_neuromotor_file: Write, tmp_path: Path) -> None:
    times = T0 + np.arange(ROWS) / 2000
    times[9000:] -= 1.0
    prompts = [TextPrompt("a", T0 + 1, T0 + 2), TextPrompt("b", T0 + 5.5, T0 + 9)]
    file = write_neuromotor_file(
        tmp_path / "handwriting_user_001_dataset_000.hdf5", "handwriting",
        emg=np.random.default_rng(0).standard_normal((ROWS, 16)), times=times,
        stages=[Stage("s", T0, T0 + 5, "sitting")], prompts=prompts,
    )  # fmt: skip
    told = {(kind, severity) for _, kind, severity in found(check_all([material_of(str(tmp_path))]))}
    assert {("falling-stamps", "fault"), ("label-span", "fault")} <= told and file.exists()


def test_a_file_cut_short(write_neuromotor_file: Write, tmp_path: Path) -> None:
    file = neuromotor(write_neuromotor_file, tmp_path)
    file.write_bytes(file.read_bytes()[:4000])
    report = check_all([material_of(str(file))])
    assert [(f.kind, f.severity) for r in report.recordings for f in r.findings] == [("unreadable", "fault")]
    render_quality_page(report, [material_of(str(file))])


def test_a_corpus_with_a_wrong_byte_is_named(corpus: Path, tmp_path: Path) -> None:
    copy = tmp_path / "sim-q.h5"
    copy.write_bytes((corpus / "sim-q.h5").read_bytes())
    with h5py.File(copy, "r+") as file:
        del file["codes"]
    with pytest.raises(AEMGError):
        material_of(str(copy))


# plain tables


def write_rows(path: Path, x: np.ndarray, separator: str = ",", header: str = "", ending: str = "\n") -> Path:
    path.write_text(header + "\n".join(separator.join(f"{v:.9g}" for v in row) for row in x) + ending)
    return path


def noise(rows: int = 3000, channels: int = 4) -> np.ndarray:
    return np.diff(np.random.default_rng(1).standard_normal((rows + 1, channels)), axis=0)


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
def test_a_table_without_anything(tmp_path: Path, separator: str) -> None:
    file = write_rows(tmp_path / "a.csv", noise(), separator)
    table = read_text_table(file)
    np.testing.assert_allclose(table.signal, noise(), rtol=1e-6)
    assert table.times_s is None and table.codes is None
    with pytest.raises(AEMGError, match="--rate"):
        list(material_of(str(file)).items(0))
    assert check_all([material_of(str(file), rate_hz=1000.0)]).recordings[0].findings == ()


@pytest.mark.parametrize(("unit", "name"), [(1.0, "time"), (1e3, "Time (ms)"), (1e6, "timestamp_us"), (1e3, "")])
def test_a_column_of_time_in_any_unit(tmp_path: Path, unit: float, name: str) -> None:
    times = 5.0 + np.arange(3000) / 1000
    times[1500:] += 0.25
    header = f"{name},a,b,c,d\n" if name else ""
    file = write_rows(tmp_path / "a.csv", np.column_stack([times * unit, noise()]), header=header)
    report = check_all([material_of(str(file), rate_hz=1000.0)])
    assert report.recordings[0].channels == 4 and {k for _, k, _ in found(report)} == {"gap"}
    assert report.recordings[0].findings[0].value == pytest.approx(251, rel=1e-3)
    told = check_all([material_of(str(file))]).recordings[0]
    assert told.rate_hz == pytest.approx(1000, rel=1e-3)


def test_polled_and_held_rows_with_labels(tmp_path: Path, check_page: Callable[[str], None]) -> None:
    """As UCI 481 is published: a 200 Hz stream in rows of a millisecond, some left out, class in the last column, cut off."""
    rng = np.random.default_rng(0)
    times = np.cumsum(np.where(rng.random(6000) < 0.03, 2, 1))
    samples = np.rint(10 * noise(3000, 8))[times // 5]
    classes = (times // 1000) % 3
    header = "time\t" + "\t".join(f"channel{i}" for i in range(1, 9)) + "\tclass\n"
    file = write_rows(tmp_path / "a.txt", np.column_stack([times, samples, classes]), "\t", header, ending="\n6300\t1\t2")
    table = read_text_table(file)
    assert table.signal.shape == (6000, 8) and set(table.codes.tolist()) == {0, 1, 2}  # type: ignore[union-attr]
    material = material_of(str(file), rate_hz=1000.0)
    report = check_all([material])
    told = {f.kind: f for f in report.recordings[0].findings}
    assert told["hold"].severity == "fault" and "about 20" in told["hold"].advice
    assert told["rate"].value == pytest.approx(1000 / 1.03, rel=0.01)
    check_page(render_quality_page(report, [material]))


@pytest.mark.parametrize("content", ["", "a,b\nc,d\n", "\x00\x01\x02" * 50, "1\n"])
def test_what_is_no_table(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataFileError):
        read_text_table(tmp_path / "a.csv")
    report = check_all([material_of(str(tmp_path / "a.csv"), rate_hz=100.0)])
    assert found(report) == {("", "unreadable", "fault")}


def test_holes_in_a_table_are_not_finite_values(tmp_path: Path) -> None:
    lines = [",".join(f"{v:.6g}" for v in row) for row in noise(2000)]
    lines[700] = "1.0,,n/a,2.0"
    (tmp_path / "a.csv").write_text("\n".join(lines) + "\n")
    report = check_all([material_of(str(tmp_path / "a.csv"), rate_hz=500.0)])
    finding = next(f for f in report.recordings[0].findings if f.kind == "not-finite")
    assert finding.channels == (1, 2) and finding.where[0] == pytest.approx((1.4, 1.402))


def test_json_has_no_number_that_json_does_not_know(report: QualityReport) -> None:
    bad = replace(report.recordings[0], findings=(replace(report.recordings[2].findings[0], value=float("nan")),))
    from aemg.quality import Limits

    told = json.loads(report_json(QualityReport((bad,)), Limits()), parse_constant=lambda name: pytest.fail(name))
    assert told["recordings"][0]["findings"][0]["value"] is None


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=300)
    | st.text(alphabet="0123456789.,;-e \t\n\"naif", max_size=400).map(str.encode)
    | st.lists(st.lists(st.floats().map(repr), min_size=1, max_size=4).map(",".join), max_size=40).map("\n".join).map(str.encode)
)
def test_any_bytes_are_a_table_or_a_documented_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    report = check_all([material_of(str(tmp_path / "a.csv"), rate_hz=100.0)])
    assert len(report.recordings) == 1
