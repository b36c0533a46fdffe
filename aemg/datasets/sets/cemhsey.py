"""CEMHSEY: 320 electrodes on the forearm for eleven days in a row; grasps with their force, and gestures."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout, sha256_of
from aemg.datasets.files import numeric
from aemg.datasets.formats.mat import open_mat
from aemg.errors import DataFileError
from aemg.signals import Electrode, ElectrodeGroup, Interval, Montage, Provenance, Recording, Target

_GRASP: Final = re.compile(r"S(\d+)_Day(\d+)_Session(\d+)_Task(\d+)_Trial(\d+)\.mat")
_GESTURE: Final = re.compile(r"S(\d+)_Day(\d+)_Trial(\d+)\.mat")
_FAILED: Final = {
    "S4_Day1_Session1_Task1_Trial1.mat", "S2_Day3_Trial3.mat", "S3_Day6_Trial2.mat", "S3_Day10_Trial5.mat",
}  # fmt: skip
_V: Final = 1e-3
_CHANNELS: Final = 320
_FORCE_HZ: Final = 200.0
_TRIALS_A_TASK: Final = 100
_GRASPS: Final = ("power_grip", *(f"cemhsey_grasp_{grasp}" for grasp in range(2, 8)))

# Where the channels 1 to 64 of the two kinds of grid lie, row by row as the manufacturer draws them; 0 is the corner that
# GR08MM1305 lacks.
_GR10MM0808: Final = tuple(tuple(8 * column + 8 - row for column in range(8)) for row in range(8))
_GR08MM1305: Final = (
    (4, 5, 11, 10, 24, 32, 34, 39, 40, 49, 50, 62, 61),
    (3, 6, 12, 9, 23, 31, 33, 38, 48, 41, 51, 63, 60),
    (2, 7, 13, 17, 22, 30, 27, 37, 47, 42, 52, 64, 59),
    (1, 8, 14, 18, 21, 29, 26, 36, 46, 43, 53, 56, 58),
    (0, 16, 15, 19, 20, 28, 25, 35, 45, 44, 54, 55, 57),
)
_FOREARM_MM: Final = 250.0  # round it and along it


def _group(name: str, drawing: tuple[tuple[int, ...], ...], step_mm: float, first_deg: float, position: float) -> ElectrodeGroup:
    """A grid with its columns along the limb's turn, electrodes in the order of their channels."""
    step_deg = 360.0 * step_mm / _FOREARM_MM
    places = {
        channel: Electrode(f"{name}r{row + 1}c{column + 1}", (first_deg + column * step_deg) % 360.0,
                           position + row * step_mm / _FOREARM_MM)
        for row, line in enumerate(drawing)
        for column, channel in enumerate(line)
        if channel
    }  # fmt: skip
    return ElectrodeGroup("grid", tuple(places[channel] for channel in sorted(places)), step_deg)


_MONTAGE: Final = Montage(
    "cemhsey",
    (
        *(_group(f"a{k + 1}", _GR10MM0808, 10.0, 120.0 * k, 0.2) for k in range(3)),
        *(_group(f"b{k + 1}", _GR08MM1305, 8.0, 180.0 * k, 0.65) for k in range(2)),
    ),
)

INFO_GRASP: Final = DatasetInfo(
    name="cemhsey-grasp",
    title="CEMHSEY GRASP, 7 grasps at 3 forces",
    subjects=13,
    channels=_CHANNELS,
    rate_hz=2048.0,
    unit="V",
    kind="raw",
    labels=_GRASPS,
    own_labels=("Session 1 (cylindrical)", *(f"Session {grasp}" for grasp in range(2, 8))),
    device="OT Bioelettronica grids GR10MM0808 and GR08MM1305, 2048 Hz",
    montage="three grids of 8 x 8 electrodes 10 mm apart, then two of 5 x 13 with a corner missing, 8 mm apart, on the forearm",
    licence="CC-BY-4.0",
    permissive=True,
    citation="Yang S., Chen C., Li D., Zhu X., A Consecutive Multi-Day High-Density Surface Electromyography Dataset "
    "Comprising 7 Grasps and 11 Gestures, Scientific Data, 2025, doi:10.1038/s41597-025-05733-y",
    homepage="https://zenodo.org/records/15077957",
    people="cemhsey",
    notes=(
        "The files hold millivolts, which are turned into volts; rows 1-192 are the 8 x 8 grids, 193-320 the others.",
        "Electrodes are placed in their grid as the manufacturer numbers them; where the grids sit on the forearm is drawn in "
        "the paper alone, and their places here only keep them apart.",
        "Four recordings that the authors call failed are left out: S4_Day1_Session1_Task1_Trial1, S2_Day3_Trial3, "
        "S3_Day6_Trial2 and S3_Day10_Trial5.",
        "The sessions in names of files are the grasps, tasks the three forces; a session here is a day. Only the first "
        "grasp's name is known to the reader, the others are cemhsey_grasp_2 to cemhsey_grasp_7.",
        "A grasp's interval goes from the first to the last instant with more than half the trial's greatest force; there is "
        "no rest. The target force has 200 values a second, in units of the files.",
    ),
)
INFO_GESTURE: Final = replace(
    INFO_GRASP,
    name="cemhsey-gesture",
    title="CEMHSEY GESTURE, 11 gestures",
    subjects=6,
    labels=(),
    own_labels=(),
    homepage="https://zenodo.org/records/15070187",
    notes=(
        *INFO_GRASP.notes[:3],
        "When which gesture is made is not told by the names of files, so that there are no labelled intervals and no rest; "
        "a session is a day.",
        "S4 is another person than the S4 of GRASP, and called S4-gesture here; whether the others are the same people is not "
        "known, and they are treated as such.",
        "The archives are packed with deflate64, which Python cannot unpack: use 7z or unzip.",
    ),
)


def open_grasp(root: str | Path) -> DatasetReader:
    """The grasps at `root`; a source is a trial's file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_GRASP, ("S[0-9]*_Day[0-9]*_Session[0-9]*_Task[0-9]*_Trial[0-9]*.mat",), _GRASP)


def open_gesture(root: str | Path) -> DatasetReader:
    """The gestures at `root`; a source is a trial's file, one recording each.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_GESTURE, tuple(f"S[0-9]*_Day{day}_Trial[0-9]*.mat" for day in ("[0-9]", "[0-9][0-9]")), _GESTURE)


def _open(root: str | Path, info: DatasetInfo, names: tuple[str, ...], file: re.Pattern[str]) -> DatasetReader:
    folders = "S[0-9]*/D[0-9]*/", f"{info.name.split('-')[1].upper()}_S[0-9]*/S[0-9]*/D[0-9]*/", ""
    patterns = tuple(f"{folder}{name}" for folder in folders for name in names)
    hint = file.pattern.replace(r"(\d+)", "<n>").replace("\\", "")
    base = find_layout(root, patterns, name=info.name, hint=hint)
    found = {path for pattern in patterns for path in base.glob(pattern)}
    kept = [path for path in found if file.fullmatch(path.name) and path.name not in _FAILED]
    sources = sorted(path.relative_to(base).as_posix() for path in kept)
    return DatasetReader(info, base, tuple(sources), partial(read_source, info=info))


def read_source(root: Path, source: str, *, info: DatasetInfo) -> list[Recording]:
    """A trial: (320, T) volts at 2048 Hz; a grasp has its force and an interval where it is held.

    Raises:
        DataFileError: damaged, not 320 channels, or a grasp without force.
    """
    path = root / source
    grasps = info.name == INFO_GRASP.name
    match = (_GRASP if grasps else _GESTURE).fullmatch(path.name)
    if match is None or (grasps and not 1 <= int(match[3]) <= len(_GRASPS)):
        raise DataFileError(path, f"a name of a trial of 1 to {len(_GRASPS)} grasps", path.name)
    with open_mat(path) as file:
        signal = numeric(path, "data_sEMG", file.get("data_sEMG"), (_CHANNELS, None))
        force = _force(path, file.get("data_force")) if grasps else None
    recording = Recording(
        signal=np.ascontiguousarray(signal * _V, dtype=np.float32),
        rate_hz=info.rate_hz,
        montage=_MONTAGE,
        subject=f"S{match[1]}" + ("-gesture" if not grasps and match[1] == "4" else ""),
        session=f"day{match[2]}",
        provenance=Provenance(info.name, source, sha256_of(path), info.licence),
        unit="V",
    )
    if force is None:
        return [recording]
    trial = int(match[4]) * _TRIALS_A_TASK + int(match[5])
    start, end = _held(force)
    held = Interval(start, min(end, recording.duration_s), _GRASPS[int(match[3]) - 1], trial)
    target = Target("force", force[None], _FORCE_HZ, "arbitrary")
    return [replace(recording, targets=(target,), intervals=(held,) if held.start_s < held.end_s else ())]


def _force(path: Path, values: Any) -> NDArray[np.float32]:
    """A row or a column of numbers as one (T',)."""
    if isinstance(values, np.ndarray) and values.ndim == 2 and 1 in values.shape:
        values = values.ravel()
    return np.asarray(numeric(path, "data_force", values, (None,)), dtype=np.float32)


def _held(force: NDArray[np.float32]) -> tuple[float, float]:
    """From the first to the last second with more than half the force that there is between the least and the greatest."""
    strong = np.flatnonzero(force > (float(force.min()) + float(force.max())) / 2)
    return (float(strong[0] / _FORCE_HZ), float((strong[-1] + 1) / _FORCE_HZ)) if len(strong) else (0.0, 0.0)


_LAST_GRASPS: Final = Origin("zenodo", "15070187", files=("GRASP_S*.zip",))  # of the last three people
ENTRIES: Final = (
    DatasetEntry(INFO_GRASP, open_grasp, (Origin("zenodo", "15077957", 249.0, files=("GRASP_S*.zip",), more=(_LAST_GRASPS,)),)),
    DatasetEntry(INFO_GESTURE, open_gesture, (Origin("zenodo", "15070187", 83.0, files=("GESTURE_S*.zip",)),)),
)
