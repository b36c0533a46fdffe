"""3DC armband and Myo worn together (Laval): two sets of the same contractions, 11 gestures, 8 repetitions."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, parse_tables, provenance, read_bytes
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Recording, ring

_JUMP: Final = 5000
_SHORTEST_S: Final = 0.2
_CYCLES: Final = 4
_RING: Final[Montage] = ring("3dc", 10, position=0.25)

INFO: Final = DatasetInfo(
    name="laval-3dc",
    title="3DC armband, 11 gestures (Laval)",
    subjects=22,
    channels=10,
    rate_hz=1000.0,
    unit="arbitrary",
    kind="raw",
    labels=(
        "rest", "radial_deviation", "wrist_flexion", "ulnar_deviation", "wrist_extension", "supination", "pronation",
        "power_grip", "hand_open", "chuck_grip", "pinch_grip",
    ),
    device="3DC armband, 10 dry channels, 1000 Hz, 16-bit counts, high-pass 20 Hz",
    montage="ring of 10, evenly spaced, turned by an unknown angle",
    licence="AGPL-3.0",
    permissive=False,
    citation="Cote-Allard U., Gagnon-Turcotte G., Laviolette F., Gosselin B., A Low-Cost, Wireless, 3-D-Printed Custom "
    "Armband for sEMG Hand Gesture Recognition, Sensors 19(12):2811, 2019, doi:10.3390/s19122811",
    homepage="https://github.com/UlysseCoteAllard/3DC-Armband",
    people="laval-3dc",
    notes=(
        "laval-3dc and laval-3dc-myo are the same people and contractions: split both alike, or people leak.",
        "LibEMG's 3DCDataset is the same recording.",
        f"Samples of the 3DC more than {_JUMP} counts from their channel's median are link faults and interpolated.",
        "Repetitions 0-3 are the train folder, 4-7 the test folder, recorded after a break in the same donning.",
        f"Lengths vary widely; files shorter than {_SHORTEST_S} s are refused.",
    ),
    tested="real files",
    hours=2.7,
)
INFO_MYO: Final = replace(
    INFO, name="laval-3dc-myo", title="Myo worn beside the 3DC armband, 11 gestures (Laval)", channels=8,
    rate_hz=myo.RATE_HZ, device=myo.DEVICE, montage=myo.MONTAGE,
)


def open_3dc(root: str | Path) -> DatasetReader:
    """The 3DC armband's recordings at `root`; a source is a participant's folder, one recording a gesture file.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO, "3dc/EMG/3dc_EMG_gesture_")


def open_myo(root: str | Path) -> DatasetReader:
    """The Myo's recordings at `root`; a source is a participant's folder, one recording a gesture file.

    Raises:
        AEMGError: the layout is not found.
    """
    return _open(root, INFO_MYO, "MyoArmband/EMG/Myo_EMG_gesture_")


def _open(root: str | Path, info: DatasetInfo, prefix: str) -> DatasetReader:
    pattern = f"Participant*/*/{prefix}*.txt"
    base = find_layout(root, pattern, name=info.name, hint=f"Participant<n>/<train|test>/{prefix}<cycle>_<gesture>.txt")
    sources = sorted({path.relative_to(base).parts[0] for path in base.glob(pattern)})
    return DatasetReader(info, base, tuple(sources), partial(read_source, info=info, prefix=prefix))


def read_source(root: Path, source: str, *, info: DatasetInfo, prefix: str) -> list[Recording]:
    """The gesture files of a participant, each (channels, T) counts with one interval over the whole file.

    Raises:
        DataFileError: a line does not hold one count a channel, counts beyond the device's range, or too few lines.
    """
    pattern = re.compile(rf"(train|test)/{prefix}(\d+)_(\d+)\.txt")
    found = []
    for path in (root / source).glob(f"*/{prefix}*.txt"):
        if match := pattern.fullmatch(path.relative_to(root / source).as_posix()):
            block, cycle, gesture = match.groups()
            found.append((int(cycle) + (_CYCLES if block == "test" else 0), int(gesture), path))
    files = [(path, read_bytes(path)) for _, _, path in sorted(found)]
    tables = parse_tables(files, info.channels)
    return [
        _gesture(root, path, data, counts, source, trial, gesture, info)
        for (trial, gesture, _), (path, data), counts in zip(sorted(found), files, tables)
    ]


def _gesture(
    root: Path, path: Path, data: bytes, counts: NDArray[np.float64], source: str, trial: int, gesture: int, info: DatasetInfo
) -> Recording:
    if gesture >= len(info.labels):
        raise DataFileError(path, f"a gesture from 0 to {len(info.labels) - 1} in the name", str(gesture))
    if len(counts) < _SHORTEST_S * info.rate_hz:
        raise DataFileError(path, f"at least {_SHORTEST_S * info.rate_hz:.0f} lines", f"{len(counts)}")
    limit = 32768 if info.channels == _RING.n_channels else 128
    if counts.min() < -limit or counts.max() >= limit:
        raise DataFileError(path, f"counts from {-limit} to {limit - 1}", f"{counts.min():g} to {counts.max():g}")
    signal = channels_first(_without_jumps(path, counts))
    return Recording(
        signal=signal,
        rate_hz=info.rate_hz,
        montage=_RING if info.channels == _RING.n_channels else myo.RING,
        subject=source.removeprefix("Participant"),
        session="1",
        provenance=provenance(info, root, path, data),
        intervals=(Interval(0.0, signal.shape[1] / info.rate_hz, info.labels[gesture], trial),),
    )


def _without_jumps(path: Path, counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(T, C) counts with samples far from their channel's median replaced by their neighbours' line."""
    if np.ptp(counts, axis=0).max() <= _JUMP:
        return counts
    jumps = np.abs(counts - np.median(counts, axis=0)) > _JUMP
    time = np.arange(len(counts))
    for channel in np.flatnonzero(jumps.any(axis=0)):
        bad = jumps[:, channel]
        if bad.mean() > 0.5:
            raise DataFileError(path, "few jumps of the link", f"{bad.mean():.0%} of channel {channel + 1} are jumps")
        counts[bad, channel] = np.interp(time[bad], time[~bad], counts[~bad, channel])
    return counts


ORIGIN: Final = Origin("github", "UlysseCoteAllard/3DC-Armband@2a3f3bf", files=("Source_code_plus_dataset/Dataset/*/*/*/EMG/*",))
ENTRIES: Final = (DatasetEntry(INFO, open_3dc, (ORIGIN,)), DatasetEntry(INFO_MYO, open_myo, (ORIGIN,)))
