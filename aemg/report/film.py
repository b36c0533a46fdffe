"""A film of a virtual user: the hand, where its fingers are wanted, the EMG passing by, and what a decoder makes of it.

Drawn without a display; GIF by Pillow, MP4 where ffmpeg is installed.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image

from aemg.errors import AEMGError

if TYPE_CHECKING:
    from aemg.virtual_user.take import Take

Frame = NDArray[np.uint8]
SUFFIXES: Final = (".gif", ".mp4", ".png")

_SIZE_IN: Final = (9.0, 4.5)
_DOTS: Final = 80
_COLOURS: Final = ("#c8590a", "#1f6fd0", "#1a8757", "#7d4fc4", "#b02a6b")  # thumb to little finger
_INK, _MUTED, _SKIN, _TRACE = "#1b1f24", "#5d6670", "#e3c9b4", "#33618f"
_BONE_WIDTHS: Final = (13.0, 12.0, 10.5, 9.0)
_WINDOW_S: Final = 1.5
_TRACE_STEPS: Final = 400
_MOST_CHANNELS: Final = 16
_GIF_COLOURS: Final = 48
_VIEW: Final = {"elev": 14.0, "azim": 68.0, "vertical_axis": "x"}  # the palm, fingers up


def write_film(take: Take, path: str | Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Draws every frame and writes them.

    Args:
        path: ends in .gif, .mp4 (needs ffmpeg) or .png (the middle frame alone); its folder is made if missing.

    Raises:
        AEMGError: another ending, or no ffmpeg.
    """
    target = Path(path)
    kind = target.suffix.lower()
    check_film(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.stem}.partial-{os.getpid()}{kind}")
    rate = 1 / float(np.diff(take.frame_s).mean()) if len(take.frame_s) > 1 else 10.0
    if kind == ".png":
        Image.fromarray(next(frames(take, [len(take.frame_s) // 2]))).save(partial)
    elif kind == ".gif":
        _gif(partial, _told(frames(take), len(take.frame_s), progress), rate)
    else:
        _mp4(partial, _told(frames(take), len(take.frame_s), progress), rate)
    os.replace(partial, target)
    return target


def check_film(path: str | Path) -> None:
    """Whether a film of that name can be written.

    Raises:
        AEMGError: another ending than .gif, .mp4 and .png, or .mp4 without ffmpeg.
    """
    kind = Path(path).suffix.lower()
    if kind not in SUFFIXES:
        raise AEMGError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)}")
    if kind == ".mp4" and shutil.which("ffmpeg") is None:
        raise AEMGError(f"{path}: MP4 needs ffmpeg, which is not installed; a name that ends in .gif needs nothing")


def frames(take: Take, chosen: list[int] | None = None) -> Iterator[Frame]:
    """Pictures (height, width, 3) of a take's frames, all or the chosen ones."""
    figure = Figure(figsize=_SIZE_IN, dpi=_DOTS, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    hand, signal, states = _Hand(figure, take), _Signal(figure, take), _States(figure, take)
    for frame in range(len(take.frame_s)) if chosen is None else chosen:
        for part in (hand, signal, states):
            part.show(frame)
        canvas.draw()
        yield np.asarray(canvas.buffer_rgba())[..., :3].copy()


class _Hand:
    """Bones as thick lines with round ends; filled dots the tips, hollow ones where they are wanted."""

    def __init__(self, figure: Figure, take: Take) -> None:
        self.take = take
        axes: Any = figure.add_axes((0.0, 0.0, 0.47, 0.93), projection="3d", computed_zorder=False)
        axes.set_axis_off()
        axes.view_init(**_VIEW)
        everything = np.concatenate([take.chains.reshape(-1, 3), take.wanted.reshape(-1, 3)])
        middle, half = (everything.max(0) + everything.min(0)) / 2, np.ptp(everything, axis=0) / 2
        for axis, centre, reach in zip("xyz", middle, half):
            getattr(axes, f"set_{axis}lim")(centre - reach, centre + reach)
        axes.set_box_aspect(half, zoom=1.2)
        self.palm = Poly3DCollection([self._palm(0)], facecolor=_SKIN, edgecolor=_SKIN, lw=8, joinstyle="round", zorder=0)
        axes.add_collection3d(self.palm)
        style: Any = {"solid_capstyle": "round", "zorder": 1}
        self.bones = [
            [axes.plot([], [], [], color=_SKIN, lw=width, **style)[0] for width in _BONE_WIDTHS] for _ in take.fingers
        ]
        self.lines = [axes.plot([], [], [], color=c, lw=2.0, **style)[0] for c in _COLOURS]
        self.tips = [axes.plot([], [], [], "o", color=c, ms=7, zorder=3)[0] for c in _COLOURS]
        self.wanted = [axes.plot([], [], [], "o", mfc="none", mec=c, ms=13, mew=1.6, zorder=3)[0] for c in _COLOURS]
        said = f"filled: fingertips   hollow: wanted   mean distance {1e3 * take.tip_error_m:.1f} mm"
        figure.text(0.235, 0.035, said, ha="center", fontsize=8, color=_MUTED)
        self.clock = figure.text(0.02, 0.95, "", fontsize=10, color=_INK)

    def show(self, frame: int) -> None:
        """Moves everything to a frame."""
        take = self.take
        self.palm.set_verts([self._palm(frame)])
        for finger, chain in enumerate(take.chains[frame]):
            for k, bone in enumerate(self.bones[finger]):
                bone.set_data_3d(*chain[k : k + 2].T)
            self.lines[finger].set_data_3d(*chain.T)
            self.tips[finger].set_data_3d(*chain[-1:].T)
            self.wanted[finger].set_data_3d(*take.wanted[frame, finger : finger + 1].T)
        self.clock.set_text(f"{take.frame_s[frame]:.1f} s")

    def _palm(self, frame: int) -> NDArray[np.float64]:
        chain = self.take.chains[frame]
        return np.asarray([chain[0, 0], chain[0, 1], *chain[1:, 1]])


class _Signal:
    """The channels below each other; the newest sample at the right."""

    def __init__(self, figure: Figure, take: Take) -> None:
        self.take = take
        loud = np.sort(np.argsort(take.emg.std(axis=1), kind="stable")[-_MOST_CHANNELS:])
        self.emg = take.emg[loud].astype(np.float64)
        scale = 1.3 * float(np.percentile(np.abs(self.emg), 99.8)) or 1.0
        self.emg /= scale
        axes = figure.add_axes((0.56, 0.24, 0.42, 0.68))
        axes.set_xlim(-_WINDOW_S, 0)
        axes.set_ylim(-len(loud) + 0.3, 0.8)
        axes.set_yticks(-np.arange(len(loud)), [take.channels[c] for c in loud], fontsize=7, color=_INK)
        axes.tick_params(length=0, labelsize=7, colors=_MUTED)
        axes.set_xlabel("seconds before now", fontsize=8, color=_MUTED, labelpad=1)
        axes.set_title(f"EMG, {1e6 * scale:.0f} µV from line to line", fontsize=9, color=_INK, loc="left", pad=3)
        for side in ("top", "right", "left", "bottom"):
            axes.spines[side].set_visible(False)
        self.lines = [axes.plot([], [], color=_TRACE, lw=0.6)[0] for _ in loud]

    def show(self, frame: int) -> None:
        """Draws the samples up to a frame, each step as its least and largest value."""
        rate = self.take.rate_hz
        end = round(self.take.frame_s[frame] * rate)
        block = max(1, round(_WINDOW_S * rate / _TRACE_STEPS))
        start = max(0, end - round(_WINDOW_S * rate))
        start = end - (end - start) // block * block
        parts = self.emg[:, start:end].reshape(len(self.emg), -1, block)
        pair = np.stack([parts.min(axis=2, initial=np.inf), parts.max(axis=2, initial=-np.inf)], axis=2)
        at = np.repeat((np.arange(start, end, block) - end) / rate, 2)
        for row, line in enumerate(self.lines):
            line.set_data(at, pair[row].ravel() - row)


class _States:
    """A square a finger: its border says what is wanted, its filling what the decoder understood."""

    def __init__(self, figure: Figure, take: Take) -> None:
        self.take = take
        axes = figure.add_axes((0.56, 0.02, 0.42, 0.12))
        axes.set_xlim(-0.6, 4.6)
        axes.set_ylim(-0.75, 0.75)
        axes.set_axis_off()
        self.wanted = [axes.plot([i], [0.25], "s", ms=17, mew=2.2, mfc="none")[0] for i in range(5)]
        self.answers = [axes.plot([i], [0.25], "s", ms=11, mew=0)[0] for i in range(5)]
        for i, name in enumerate(take.fingers):
            axes.text(i, -0.62, name, ha="center", fontsize=8, color=_INK)
        said = "finger wanted flexed" if take.answers is None else "border: wanted flexed   filling: decoded"
        figure.text(0.56, 0.145, said, fontsize=8, color=_MUTED)

    def show(self, frame: int) -> None:
        """Colours the squares."""
        take = self.take
        for i, colour in enumerate(_COLOURS):
            flexed = bool(take.flexed[frame, i])
            self.wanted[i].set_markeredgecolor(colour if flexed else "#d9dde2")
            level = float(flexed) if take.answers is None else float(take.answers[frame, i])
            self.answers[i].set_markerfacecolor(colour)
            self.answers[i].set_alpha(0.05 + 0.95 * level)


def _told(made: Iterator[Frame], total: int, progress: Callable[[int, int], None]) -> Iterator[Frame]:
    for i, frame in enumerate(made, 1):
        yield frame
        progress(i, total)


def _gif(path: Path, made: Iterator[Frame], rate_hz: float) -> None:
    """One palette for all frames, so that what stands still costs nothing."""
    pictures = [Image.fromarray(frame) for frame in made]
    palette = pictures[len(pictures) // 2].quantize(_GIF_COLOURS)
    small = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    small[0].save(path, save_all=True, append_images=small[1:], duration=round(1000 / rate_hz), loop=0, optimize=True)


def _mp4(path: Path, made: Iterator[Frame], rate_hz: float) -> None:
    pictures = io.BytesIO()
    for frame in made:
        Image.fromarray(frame).save(pictures, format="png")
    words = ["ffmpeg", "-y", "-loglevel", "error", "-f", "image2pipe", "-framerate", f"{rate_hz:g}", "-i", "-"]
    words += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    done = subprocess.run(words, input=pictures.getvalue(), capture_output=True)
    if done.returncode:
        raise AEMGError(f"ffmpeg could not write {path}: {done.stderr.decode(errors='replace').strip()}")
