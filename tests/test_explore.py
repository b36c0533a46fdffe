"""Recordings as pictures and pages: what is drawn is what is there, and what is amiss is said."""

from __future__ import annotations

import html
import re
import runpy
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from aemg.corpus import prepare
from aemg.datasets.formats.neuromotor_file import GesturePrompt, Stage, TextPrompt
from aemg.errors import AEMGError, DataFileError
from aemg.report import draw_recording
from aemg.report.draw import drawable
from aemg.report.excerpt import Excerpt, binned, clock, view_of_file
from aemg.report.explore import render_page
from aemg.report.recording_plots import _thinned
from aemg.simulation import simulate_set

Main = Callable[[list[str]], int]
Check = Callable[[str], None]
Write = Callable[..., Path]
T0, ROWS = 1_700_000_000.0, 12_000
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def main() -> Main:
    command: Main = runpy.run_path(str(REPOSITORY / "datasets"), run_name="command")["main"]
    return command


def samples(rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((rows, 16)).astype(np.float32)


def stamps(rows: int = ROWS) -> np.ndarray:
    return T0 + np.arange(rows) / 2000


@pytest.fixture
def session(write_neuromotor_file: Write, tmp_path: Path) -> Callable[..., Path]:
    """Writes six seconds of a task; what is given replaces the sound parts."""

    def write(task: str = "discrete_gestures", **over: object) -> Path:
        prompts = {
            "discrete_gestures": [GesturePrompt("thumb_up", T0 + 2.5), GesturePrompt("index_press", T0 + 3.0)],
            "handwriting": [TextPrompt("a $b$\n🤏", T0 + 2.5, T0 + 3.5), TextPrompt("<b>", T0 + 4, T0 + 5.5)],
            "wrist": None,
        }[task]
        stages = [Stage("warm <up>", T0 + 0.5, T0 + 2, "sitting"), Stage("work_$1$", T0 + 2, T0 + 5.5, "standing")]
        angles = np.column_stack([np.linspace(-0.5, 0.5, ROWS), np.zeros(ROWS)]) if task == "wrist" else None
        parts = {"emg": samples(), "times": stamps(), "stages": stages, "prompts": prompts, "wrist_angles": angles, **over}
        return write_neuromotor_file(tmp_path / f"{task}_user_004_dataset_000.hdf5", task, **parts)

    return write


def words(page: str) -> str:
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


# what is drawn


@settings(derandomize=True, max_examples=40, deadline=None)
@given(steps=st.lists(st.integers(0, 3), min_size=1, max_size=40), seed=st.integers(0, 9))
def test_bins_hold_their_own_rows(steps: list[int], seed: int) -> None:
    at = np.cumsum(steps)
    values = np.random.default_rng(seed).standard_normal((len(at), 3))
    found = binned(np.fmax, values, at, int(at[-1]) + 2)
    for i, row in enumerate(found):
        np.testing.assert_array_equal(row, values[at == i].max(axis=0) if (at == i).any() else np.full(3, np.nan))


@settings(derandomize=True, max_examples=12, deadline=None)
@given(rows=st.integers(1, 9000), gap=st.booleans(), seed=st.integers(0, 9))
def test_thinning_loses_no_extreme(rows: int, gap: bool, seed: int) -> None:
    times = np.arange(rows) / 2000
    times[rows // 2 :] += 1.0 if gap else 0.0
    values = np.random.default_rng(seed).standard_normal((2, rows)).astype(np.float32)
    part = Excerpt(0.0, float(times[-1]) + 0.0005, times, values, values[:0])
    at, low, high = _thinned(part, values)
    assert len(at) == low.shape[1] == high.shape[1] <= max(4000, 1500)
    if rows > 4000 or not gap:
        np.testing.assert_array_equal([np.nanmin(low), np.nanmax(high)], [values.min(), values.max()])
    if gap and rows > 1:
        inside = (at > times[rows // 2 - 1] + 0.1) & (at < times[rows // 2] - 0.1)
        assert np.isnan(low[:, inside]).all() and np.isnan(low).any()  # nothing is drawn across it


def test_the_overview_is_the_standard_deviation_of_each_step(session: Callable[..., Path]) -> None:
    emg, times = samples(), stamps()
    times[6000:] += 3.0
    emg[:, 5] *= 0
    view = view_of_file(session(emg=emg, times=times), None, 1.0)
    at = np.minimum(((times - T0) / view.overview.step_s).astype(int), view.overview.amplitude.shape[1] - 1)
    for step in (0, 17, at[-1]):
        np.testing.assert_allclose(view.overview.amplitude[:, step], emg[at == step].std(axis=0), rtol=1e-5, atol=1e-7)
    inside = np.setdiff1d(np.arange(at[-1]), at)
    assert len(inside) and np.isnan(view.overview.amplitude[:, inside]).all()
    assert view.overview.amplitude[5, at[0]] == 0


@pytest.mark.parametrize(
    ("start", "seconds", "rows"), [(None, 2.0, (3000, 7000)), (0.0, 6.0, (0, 12_000)), (5.5, 9.0, (11_000, 12_000))]
)
def test_the_part_holds_the_samples_asked_for(
    session: Callable[..., Path], start: float | None, seconds: float, rows: tuple[int, int]
) -> None:
    view = view_of_file(session(), start, seconds)  # by default from a second before the first prompt, at 2.5 s
    np.testing.assert_array_equal(view.excerpt.emg, samples()[slice(*rows)].T)
    np.testing.assert_allclose(view.excerpt.times_s, np.arange(*rows) / 2000, atol=1e-6)


# pages and pictures


@pytest.mark.parametrize("task", ["discrete_gestures", "handwriting", "wrist"])
def test_a_page_tells_what_is_there(session: Callable[..., Path], tmp_path: Path, check_page: Check, task: str) -> None:
    written = draw_recording(session(task), tmp_path / "new" / "page.html", seconds=3)
    page = written.read_text(encoding="utf-8")
    check_page(page)
    said = words(page)
    assert page.count("<svg") == 2
    for expected in (task, "004", "12,000 of 16 channels", "2000.00 Hz", "6.00 s", "1. warm <up>", "2. work_$1$"):
        assert expected in said, expected
    if task == "discrete_gestures":
        assert "index_press 1" in said and "thumb_up 1" in said
    if task == "handwriting":
        assert "1. a $b$ 🤏" in said and "2. <b>" in said and "standing" in said
    assert ("angle, °" in said) == (task == "wrist")
    assert "blockquote" not in page.split("</style>")[1]  # nothing is amiss


@pytest.mark.parametrize("task", ["handwriting", "wrist"])
def test_a_picture_is_a_picture(session: Callable[..., Path], tmp_path: Path, task: str) -> None:
    written = draw_recording(session(task), tmp_path / "out.PNG", seconds=0.5)
    with Image.open(written) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(np.int64)
    assert pixels.shape[0] > 600 and pixels.shape[1] > 1200
    shades, counts = np.unique(pixels @ (1 << 16, 1 << 8, 1), return_counts=True)
    assert shades[counts.argmax()] == 0xFFFFFF and 0x1F6FD0 in shades
    assert not (pixels.max(axis=-1) < 20).any()  # stand-in colours are nearly black; the palette is not


def test_what_is_amiss_is_said(session: Callable[..., Path], tmp_path: Path, check_page: Check) -> None:
    emg, times = samples(), stamps()
    emg[:, 3] = 1.0
    emg[7, 2] = np.nan
    times[100:120] = times[100]
    times[6000:] += 2.5
    prompts = [GesturePrompt("odd_one", T0 - 1.0), GesturePrompt("thumb_in", T0 + 3.0)]
    stages = [Stage("a", T0 + 1, T0 + 3), Stage("b", T0 + 2, T0 + 4)]
    path = session(emg=emg, times=times, prompts=prompts, stages=stages)
    page = render_page(view_of_file(path, None, 5.0))
    check_page(page)
    said = words(page)
    for remark in ("19 rows repeat", "Time without rows: 1, together 2.5 s", "1 values are not finite", "never change: 3.",
                   "1 prompts lie before the first", "Stages overlap"):  # fmt: skip
        assert remark in said, remark


def test_falling_stamps_are_drawn_by_row(session: Callable[..., Path]) -> None:
    times = stamps()
    times[5000] -= 1.0
    view = view_of_file(session(times=times), 2.0, 1.0)
    assert "In 1 rows the time stamp is smaller" in words(render_page(view))
    np.testing.assert_array_equal(view.excerpt.emg, samples()[4000:6000].T)


def test_no_stages_and_no_prompts(session: Callable[..., Path], check_page: Check) -> None:
    check_page(render_page(view_of_file(session(stages=[], prompts=[]), None, 1.0)))


def test_a_prepared_set_is_drawn_too(tmp_path: Path, check_page: Check) -> None:
    reader = simulate_set("sim-myo", device="myo", people=1, seed=3, gestures=("hand_close", "hand_open"), repetitions=1,
                          hold_s=1.0, rest_s=0.5)  # fmt: skip
    prepare(reader, tmp_path, jobs=1)
    page = draw_recording(tmp_path / "sim-myo.h5", tmp_path / "page.html").read_text(encoding="utf-8")
    check_page(page)
    assert "sim-myo" in words(page) and "hand_close" in words(page)
    with pytest.raises(AEMGError, match="expected the number of a recording, 0 to 0, found 7"):
        draw_recording(tmp_path / "sim-myo.h5", recording=7)


@pytest.mark.parametrize(
    ("text", "drawn"), [("a $x_1$", r"a \$x_1\$"), ("no🤏", "no(pinch)"), ("←é⌫", "←é⌫"), ("日", "□")]
)
def test_text_that_a_picture_can_show(text: str, drawn: str) -> None:
    assert drawable(text) == drawn


# mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": "x.pdf"}, r"x\.pdf: expected a name that ends in \.html or \.png"),
        ({"start_s": 6.5}, r"must start within the recording's 6\.00 s, got 6\.5 s"),
        ({"start_s": -1.0}, "must start within"),
        ({"seconds": 0.0}, "more than 0 and at most 600, got 0"),
        ({"seconds": 601.0}, "at most 600"),
        ({"seconds": float("nan")}, "at most 600"),
    ],
)
def test_mistakes_are_told(session: Callable[..., Path], options: dict[str, object], message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        draw_recording(session(), **options)  # type: ignore[arg-type]


def test_other_files_are_refused(tmp_path: Path, session: Callable[..., Path]) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["numbers"] = [1, 2]
    for name in ("notes.txt", "other.h5"):
        with pytest.raises(AEMGError, match=r"expected a \.hdf5 file of the generic neuromotor interface, or the \.h5"):
            draw_recording(tmp_path / name)
    with pytest.raises(AEMGError, match="found none"):
        draw_recording(tmp_path / "missing.hdf5")
    with pytest.raises(AEMGError, match="found a folder"):
        draw_recording(tmp_path)
    path = session()
    path.write_bytes(path.read_bytes()[:50_000])
    with pytest.raises(DataFileError, match="a whole HDF5 file"):
        draw_recording(path)
    (tmp_path / "wall").write_text("")
    with pytest.raises(AEMGError, match="wall"):
        draw_recording(session(), tmp_path / "wall" / "page.html")


def test_the_command(
    main: Main, session: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = session()
    monkeypatch.chdir(tmp_path)
    assert main(["explore", str(path), "--seconds", "1"]) == 0
    assert capsys.readouterr().out == "wrote discrete_gestures_user_004_dataset_000.html\n"
    assert (tmp_path / "discrete_gestures_user_004_dataset_000.html").is_file()
    assert main(["explore", str(path), "--start", "99"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and said.count("\n") == 1


def test_durations_carry_into_minutes() -> None:
    assert clock(239.9995) == "4 min 00.0 s"
    assert clock(75.25) == "1 min 15.2 s"
    assert clock(23.0) == "23.00 s"
