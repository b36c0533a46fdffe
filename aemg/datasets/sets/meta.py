"""Meta's generic neuromotor interface: discrete gestures, handwriting and wrist, from a wristband of 16 channels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, find_layout, sha256_of
from aemg.datasets.formats.neuromotor_file import (
    CHANNELS,
    GAP_S,
    RATE_HZ,
    GesturePrompt,
    NeuromotorFile,
    Stage,
    Task,
    TextPrompt,
    parse_name,
)
from aemg.errors import DataFileError
from aemg.signals import Event, Montage, Provenance, Recording, Target, ring

_RING: Final[Montage] = ring("meta-wristband", CHANNELS, position=0.95)
_NOTES: Final = (
    "Values are in units of the noise's standard deviation (about 2.46 uV), by all evidence, although the authors' notes "
    "say volts; they are already high-pass filtered at 40 Hz.",
    "Rows are taken as 2000 a second, as all who use the set do; clocks deviate slightly, and some files have gaps or "
    f"repeated time stamps: jumps of more than {GAP_S * 1000:.0f} ms are marked by events named gap.",
    "Times of events count rows, so that they stay with the signal across gaps.",
    "Files of all tasks lie in one folder; which users are for training, validation and test is said by the task's table.",
    "Texts in the files are Python pickles, which are not run but taken apart.",
)


def _info(name: str, title: str, subjects: int, labels: tuple[str, ...], *notes: str) -> DatasetInfo:
    return DatasetInfo(
        name=name,
        title=f"Generic neuromotor interface, {title}",
        subjects=subjects,
        channels=CHANNELS,
        rate_hz=RATE_HZ,
        unit="arbitrary",
        kind="raw",
        labels=labels,
        device="sEMG research wristband, 16 bipolar channels, 2000 Hz",
        montage="ring of 16 bipolar channels around the wrist, evenly spaced, channels 16 and 1 adjacent, turned by an "
        "unknown angle",
        licence="CC-BY-NC-4.0",
        permissive=False,
        citation="Kaifosh P., Reardon T.R., CTRL-labs at Reality Labs, A generic non-invasive neuromotor interface for "
        "human-computer interaction, Nature 645:702-711, 2025, doi:10.1038/s41586-025-09255-w",
        homepage="https://github.com/facebookresearch/generic-neuromotor-interface",
        notes=(*notes, *_NOTES),
        hours={"meta-gestures": 64.0, "meta-handwriting": 141.0, "meta-wrist": 77.0}[name],
    )


INFO_GESTURES: Final = _info(
    "meta-gestures", "discrete gestures", 100,
    ("index_press", "index_release", "middle_press", "middle_release", "thumb_click", "thumb_down", "thumb_in",
     "thumb_out", "thumb_up"),
    "Gestures are events without a duration, so that recordings have no labelled intervals and no rest.",
)  # fmt: skip
INFO_HANDWRITING: Final = _info(
    "meta-handwriting", "handwriting", 100, (),
    "What was written is told by events prompt_start and prompt_end, each followed by the text.",
)  # fmt: skip
INFO_WRIST: Final = _info(
    "meta-wrist", "wrist", 100, (),
    "The target wrist_angles holds flexion/extension (extension positive) and radial/ulnar deviation (radial positive).",
)  # fmt: skip
SETS: Final[dict[Task, str]] = {
    "discrete_gestures": INFO_GESTURES.name,
    "handwriting": INFO_HANDWRITING.name,
    "wrist": INFO_WRIST.name,
}
"""The set of each task."""


def open_gestures(root: str | Path) -> DatasetReader:
    """The files of discrete gestures at `root`; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_GESTURES, "discrete_gestures")


def open_handwriting(root: str | Path) -> DatasetReader:
    """The files of handwriting at `root`; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_HANDWRITING, "handwriting")


def open_wrist(root: str | Path) -> DatasetReader:
    """The files of the wrist at `root`; a source is a file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_WRIST, "wrist")


def _open(root: str | Path, info: DatasetInfo, task: Task) -> DatasetReader:
    pattern = f"{task}_user_[0-9]*_dataset_[0-9]*.hdf5"
    base = find_layout(root, pattern, name=info.name, hint=f"{task}_user_<user>_dataset_<dataset>.hdf5")
    sources = sorted(path.name for path in base.glob(pattern))
    return DatasetReader(info, base, tuple(sources), partial(read_source, info=info, task=task))


def read_source(root: Path, source: str, *, info: DatasetInfo, task: Task) -> list[Recording]:
    """A file's recording, (16, T) at 2000 Hz; stages, prompts and gaps are events, wrist angles a target.

    Raises:
        DataFileError: damaged, of another task or layout, with values that are not finite or falling time stamps.
    """
    path = root / source
    name = parse_name(path)
    with NeuromotorFile(path, task) as file:
        times = file.times()
        targets: tuple[Target, ...] = ()
        if task == "wrist":
            angles = np.ascontiguousarray(file.wrist_angles().T)  # (T, 2) -> (2, T)
            targets = (Target("wrist_angles", angles, RATE_HZ, "rad"),)
        recording = Recording(
            signal=file.channels(),
            rate_hz=RATE_HZ,
            montage=_RING,
            subject=name.user,
            session=name.dataset,
            provenance=Provenance(info.name, source, _sha256(path), info.licence),
            band_hz=(40.0, 850.0),
            events=_events(times, file.stages, file.prompts),
            targets=targets,
        )
    return [recording]


def _events(
    times: NDArray[np.float64], stages: Sequence[Stage], prompts: Sequence[GesturePrompt] | Sequence[TextPrompt]
) -> tuple[Event, ...]:
    """Stages, prompts and gaps in order of time, each at its row; those outside the file are left out."""
    named = [(at, f"{what} {stage.name}") for stage in stages for what, at in _ends("stage", stage.start, stage.end)]
    for prompt in prompts:
        if isinstance(prompt, GesturePrompt):
            named.append((prompt.time, prompt.name))
        else:
            named += [(at, f"{what} {prompt.prompt}") for what, at in _ends("prompt", prompt.start, prompt.end)]
    inside = [(at, name) for at, name in named if times[0] <= at <= times[-1]]
    rows = np.searchsorted(times, [at for at, _ in inside])
    found = [(int(row), name) for row, (_, name) in zip(rows, inside)]
    found += [(int(row) + 1, "gap") for row in np.flatnonzero(np.diff(times) > GAP_S)]
    return tuple(Event(row / RATE_HZ, name) for row, name in sorted(found))


def _ends(what: str, start: float, end: float) -> tuple[tuple[str, float], tuple[str, float]]:
    return (f"{what}_start", start), (f"{what}_end", end)


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise DataFileError(path, "a readable file", error.strerror or type(error).__name__) from error


ENTRIES: Final = (
    DatasetEntry(INFO_GESTURES, open_gestures),
    DatasetEntry(INFO_HANDWRITING, open_handwriting),
    DatasetEntry(INFO_WRIST, open_wrist),
)
