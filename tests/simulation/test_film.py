"""Films: what is recorded of a user, and what is written of it."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from aemg.errors import AEMGError
from aemg.report.film import check_film, write_film

mujoco = pytest.importorskip("mujoco")
pytest.importorskip("myo_sim")

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def take() -> object:
    from aemg.virtual_user.take import film_take

    return film_take(seconds=0.8, frames_per_s=12.5, seed=3)


def test_a_take_fits_together(take) -> None:  # type: ignore[no-untyped-def]
    frames = len(take.frame_s)
    assert frames == 10 and np.diff(take.frame_s) == pytest.approx(np.full(9, 0.08))
    assert take.chains.shape == (frames, 5, 5, 3) and take.wanted.shape == (frames, 5, 3) and take.flexed.shape == (frames, 5)
    assert take.emg.shape == (len(take.channels), round(0.8 * take.rate_hz)) and take.emg.std() > 1e-6
    tips = np.linalg.norm(take.chains[:, :, -1] - take.wanted, axis=2)
    assert tips.mean() == pytest.approx(take.tip_error_m, rel=0.5) and tips.mean() < 0.03
    assert take.answers is None


def test_bones_keep_their_length_and_share_the_wrist(take) -> None:  # type: ignore[no-untyped-def]
    lengths = np.linalg.norm(np.diff(take.chains, axis=2), axis=3)  # (F, 5, 4)
    assert np.ptp(lengths[:, :, 1:], axis=0).max() < 1e-9
    assert (lengths > 0.005).all() and (lengths < 0.12).all()
    assert np.ptp(take.chains[:, :, 0], axis=(0, 1)).max() == 0


def test_a_gif_moves_and_is_small(take, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    seen: list[tuple[int, int]] = []
    path = write_film(take, tmp_path / "deep" / "hand.gif", lambda done, total: seen.append((done, total)))
    with Image.open(path) as film:
        assert film.n_frames == 10 and film.info["duration"] == 80
        first = np.asarray(film.convert("RGB"))
        film.seek(9)
        assert np.abs(first.astype(int) - np.asarray(film.convert("RGB"))).max() > 50
    assert path.stat().st_size < 500_000
    assert seen[-1] == (10, 10)
    assert [p.name for p in path.parent.iterdir()] == ["hand.gif"]


def test_endings_that_cannot_be_written_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AEMGError, match="ends in"):
        check_film("hand.avi")
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(AEMGError, match="ffmpeg"):
        check_film("hand.mp4")


def test_the_command_draws_the_electrodes_of_a_ring(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main: Callable[[list[str]], int] = runpy.run_path(str(REPOSITORY / "simulate" / "film.py"))["main"]
    assert main(["--out", str(tmp_path / "hand.png"), "--montage", "ring", "--seconds", "0.2"]) == 0
    assert "mm" in capsys.readouterr().out
    with Image.open(tmp_path / "hand.png") as picture:
        assert picture.size == (720, 360)
    assert main(["--out", str(tmp_path / "hand.gif"), "--policy", str(tmp_path / "none")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
