"""Laval's first Myo set: seven gestures, four repetitions a block, interleaved little-endian int16."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, provenance, read_bytes
from aemg.errors import DataFileError
from aemg.signals import Interval, Recording

_PERSON: Final = re.compile(r"(Female|Male)\d+")
_FILE: Final = re.compile(r"(training0|Test0|Test1)/classe_(\d+)\.dat")
_BLOCKS: Final = ("training0", "Test0", "Test1")
_REPETITIONS: Final = 4
_SHORTEST: Final = 40

INFO: Final = DatasetInfo(
    name="laval-myo",
    title="Myo armband dataset, 7 gestures (Laval)",
    subjects=40,
    channels=8,
    rate_hz=myo.RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=(
        "rest", "radial_deviation", "wrist_flexion", "ulnar_deviation", "wrist_extension", "hand_close", "hand_open",
    ),
    device=myo.DEVICE,
    montage=myo.MONTAGE,
    licence="GPL-3.0",
    permissive=False,
    citation="Cote-Allard U. et al., Deep Learning for Electromyographic Hand Gesture Signal Classification Using "
    "Transfer Learning, IEEE Transactions on Neural Systems and Rehabilitation Engineering 27(4):760-771, 2019",
    homepage="https://github.com/UlysseCoteAllard/MyoArmbandDataset",
    notes=(
        "Subjects are counted as recordings; in the paper they are fewer people.",
        "People of the evaluation part bear names of the pre-training part; theirs are prefixed evaluation_.",
        "Same laboratory as laval-3dc: whether people are in both is not known.",
    ),
    tested="real files",
    hours=3.0,
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root` (both parts, or one); a source is a person's folder, one recording a file.

    Raises:
        AEMGError: the layout is not found.
    """
    parts = ("PreTrainingDataset/*/*/classe_*.dat", "EvaluationDataset/*/*/classe_*.dat")
    below = ("Female[0-9]*/*/classe_*.dat", "Male[0-9]*/*/classe_*.dat")
    base = find_layout(root, (*parts, *below), name=INFO.name, hint="<part>/<Female|Male><n>/<block>/classe_<i>.dat")
    people = {path.parents[1] for pattern in (*parts, *below) for path in base.glob(pattern)}
    sources = sorted(person.relative_to(base).as_posix() for person in people if _PERSON.fullmatch(person.name))
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The files of a person, each (8, T) counts at 200 Hz with one interval over the whole file.

    Raises:
        DataFileError: the length is no whole number of samples, fewer than 40 samples, or counts beyond int8.
    """
    folder = root / source
    evaluation = folder.parent.name.startswith("Evaluation")
    subject = f"evaluation_{folder.name}" if evaluation else folder.name
    found = []
    for path in folder.glob("*/classe_*.dat"):
        if match := _FILE.fullmatch(path.relative_to(folder).as_posix()):
            found.append((_BLOCKS.index(match[1]), int(match[2]), path))
    return [_read_file(root, path, subject, block, index) for block, index, path in sorted(found)]


def _read_file(root: Path, path: Path, subject: str, block: int, index: int) -> Recording:
    data = read_bytes(path)
    frame = 2 * INFO.channels
    if len(data) % frame or len(data) < _SHORTEST * frame:
        raise DataFileError(path, f"at least {_SHORTEST} samples of {frame} bytes, none cut", f"{len(data)} bytes")
    counts = np.frombuffer(data, "<i2").reshape(-1, INFO.channels)
    if counts.min() < -128 or counts.max() > 127:
        raise DataFileError(path, "counts from -128 to 127", f"{counts.min()} to {counts.max()}")
    repetition, gesture = divmod(index, len(INFO.labels))
    label = Interval(0.0, len(counts) / INFO.rate_hz, INFO.labels[gesture], block * _REPETITIONS + repetition)
    return Recording(
        signal=channels_first(counts),
        rate_hz=INFO.rate_hz,
        montage=myo.RING,
        subject=subject,
        session="1",
        provenance=provenance(INFO, root, path, data),
        intervals=(label,),
    )


ORIGIN: Final = Origin("github", "UlysseCoteAllard/MyoArmbandDataset@4de3efe", files=("*/classe_*.dat",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
