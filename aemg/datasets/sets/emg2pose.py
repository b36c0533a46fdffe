"""emg2pose: 16 channels at the wrist with the hand's pose from motion capture, 29 kinds of movement."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout, sha256_of
from aemg.datasets.files import numeric, provenance
from aemg.datasets.formats.wristband_file import CHANNELS, RATE_HZ, RING, WristbandSession, read_session, user_of
from aemg.errors import DataFileError
from aemg.signals import Provenance, Recording, Target

_JOINTS: Final = 20
_SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")
_TABLES: Final = ("metadata.csv", "emg2pose_metadata.csv")
_MOST_MEMBER_BYTES: Final = 1 << 30

INFO: Final = DatasetInfo(
    name="emg2pose",
    title="emg2pose, hand pose from the wrist",
    subjects=193,
    channels=CHANNELS,
    rate_hz=RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=(),
    device="sEMG research wristband (sEMG-RD), 16 bipolar channels, 2000 Hz",
    montage="ring of 16 bipolar channels around the wrist, evenly spaced, turned by an unknown angle; one band a hand",
    licence="CC-BY-NC-SA-4.0",
    permissive=False,
    citation="Salter S. et al., emg2pose: A Large and Diverse Benchmark for Surface Electromyographic Hand Pose Estimation, "
    "NeurIPS 2024 Datasets and Benchmarks, arXiv:2412.02725",
    homepage="https://github.com/facebookresearch/emg2pose",
    hours=370.0,
    notes=(
        "The scale of the samples is not documented; the authors' own converter says that they appear to be microvolts.",
        "The target joint_angles holds 20 angles in radians. The files hold zeros in all of them where inverse kinematics "
        "failed; here those instants are NaN, so that they cannot be taken for a pose.",
        "What was done is told by events stage_start and stage_end, each followed by the stage's name; there are no labelled "
        "intervals and no rest.",
        "Both hands of a session were often recorded at once: sessions that differ only in the hand belong together, and "
        "the official split (columns split and generalization of the table) goes by user and stage.",
        "The archive is an uncompressed tar, which is read in place where it was not unpacked; files named ._* are left by "
        "a Mac and skipped. A part of 0.6 GB lies beside it as emg2pose_dataset_mini.tar.",
    ),
)  # fmt: skip


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`, unpacked or as its tar; a source is a file, or `<tar>#<member>`, one recording each.

    Raises:
        AEMGError: the layout is not found, or a tar cannot be listed or holds no recording.
    """
    hint = "<session>_<left|right>.hdf5 or emg2pose*.tar"
    patterns = ("*_left.hdf5", "*_right.hdf5", "emg2pose*.tar")
    base = find_layout(root, patterns, name=INFO.name, hint=hint)
    found = [path.name for pattern in patterns[:2] for path in base.glob(pattern) if _is_recording(path.name)]
    tars = [] if found else sorted(path for path in base.glob(patterns[2]) if not path.name.startswith("."))
    found += [f"{tar.name}#{member}" for tar in tars for member in _members(tar, tar.stat().st_mtime_ns)]
    if not found:
        raise DataFileError(tars[0] if tars else base, f"recordings ({hint})", "none")
    return DatasetReader(INFO, base, tuple(sorted(found)), read_source, _bytes)


def _bytes(root: Path, source: str) -> int:
    archive, _, member = source.partition("#")
    return _place(root / archive, member)[1] if member else (root / archive).stat().st_size


def read_source(root: Path, source: str) -> list[Recording]:
    """A file's recording, (16, T) at 2000 Hz, the joints' angles its target.

    Raises:
        DataFileError: damaged, of another layout, with values that are not finite or falling time stamps.
    """
    archive, _, member = source.partition("#")
    path = root / archive
    if member:
        content = _extracted(path, member)
        session = read_session(path / member, INFO.name, {"emg": CHANNELS, "joint_angles": _JOINTS}, content)
        origin = provenance(INFO, root, path, content, member)
        path = path / member
    else:
        session = read_session(path, INFO.name, {"emg": CHANNELS, "joint_angles": _JOINTS})
        origin = Provenance(INFO.name, source, sha256_of(path), INFO.licence)
    side = _side(path, session)
    user = user_of(path, session, tuple(root / name for name in _TABLES), "filename", path.stem)
    stage = str(session.attributes.get("stage", ""))
    named = [(session.times[0], f"stage_start {stage}"), (session.times[-1], f"stage_end {stage}")]
    return [
        Recording(
            signal=numeric(path, "emg", session.values["emg"], (CHANNELS, None)),
            rate_hz=RATE_HZ,
            montage=replace(RING, arm=side),
            subject=user,
            session=f"{session.attributes.get('session', path.stem)}_{side}",
            provenance=origin,
            events=session.events(named if stage else []),
            targets=(Target("joint_angles", _angles(path, session), RATE_HZ, "rad"),),
        )
    ]


def _side(path: Path, session: WristbandSession) -> Literal["left", "right"]:
    """The hand, which the file's name tells and an attribute confirms."""
    for side in _SIDES:
        if path.stem.endswith(f"_{side}"):
            if session.attributes.get("side", side) != side:
                raise DataFileError(path, f"the side {side} of its name", str(session.attributes["side"])[:50])
            return side
    raise DataFileError(path, "a name that ends in _left or _right", path.stem)


def _angles(path: Path, session: WristbandSession) -> NDArray[np.float32]:
    """Angles (20, T) in radians, NaN where all are zero: there inverse kinematics failed."""
    angles = session.values["joint_angles"]
    angles[:, np.isclose(angles, 0.0).all(axis=0)] = np.nan
    if np.isinf(angles).any():
        raise DataFileError(path, "joint_angles without infinity", f"{int(np.isinf(angles).sum())} of them")
    return angles


def _is_recording(name: str) -> bool:
    return name.endswith(("_left.hdf5", "_right.hdf5")) and not name.startswith(".")


@lru_cache(maxsize=4)
def _members(tar: Path, _changed_ns: int) -> dict[str, tuple[int, int]]:
    """Place and size of the recordings in an uncompressed tar, listed once a process."""
    try:
        with tarfile.open(tar, "r:") as archive:
            files = [info for info in archive if info.isreg() and not info.issparse()]
    except (tarfile.TarError, OSError, ValueError, EOFError, OverflowError) as error:
        raise DataFileError(tar, "an uncompressed tar", f"{type(error).__name__}: {error}"[:200]) from error
    size = tar.stat().st_size
    inside = [info for info in files if info.offset_data >= 0 and info.offset_data + info.size <= size]
    return {info.name: (info.offset_data, info.size) for info in inside if _is_recording(Path(info.name).name)}


def _place(tar: Path, member: str) -> tuple[int, int]:
    return _members(tar, tar.stat().st_mtime_ns).get(member, (0, 0))


def _extracted(tar: Path, member: str) -> bytes:
    """The bytes of a recording in a tar."""
    start, size = _place(tar, member)
    if not 0 < size <= _MOST_MEMBER_BYTES:
        raise DataFileError(tar, f"{member} of at most {_MOST_MEMBER_BYTES} bytes", f"{size} bytes")
    with tar.open("rb") as file:
        file.seek(start)
        return file.read(size)


ORIGIN: Final = Origin("url", "https://fb-ctrl-oss.s3.amazonaws.com/emg2pose/emg2pose_dataset.tar", 463.0, packed=True)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
