"""UCI 481, EMG data for gestures: a Myo stream polled and held, brought back to an even 200 Hz by its time stamps."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets import myo
from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, parse_table, provenance, read_bytes, runs
from aemg.errors import DataFileError
from aemg.signals import Event, Interval, Recording

_CLASSES: Final = (
    "unmarked", "rest", "hand_close", "wrist_flexion", "wrist_extension", "radial_deviation", "ulnar_deviation",
    "hand_open",
)
_FILE: Final = re.compile(r"[12]_raw_data_.*\.txt")
_COLUMNS: Final = 10
_LONG_GAP_MS: Final = 100.0

INFO: Final = DatasetInfo(
    name="uci-gestures",
    title="EMG data for gestures (UCI 481)",
    subjects=36,
    channels=8,
    rate_hz=myo.RATE_HZ,
    unit="V",
    kind="raw",
    labels=_CLASSES[1:7],
    device=myo.DEVICE,
    montage=myo.MONTAGE,
    licence="CC-BY-4.0",
    permissive=True,
    citation="Lobov S., Krilova N., Kastalskiy I., Kazantsev V., Makarov V.A., Latent Factors Limiting the Performance "
    "of sEMG-Interfaces, Sensors 18(4):1122, 2018, doi:10.3390/s18041122",
    homepage="https://archive.ics.uci.edu/dataset/481/emg+data+for+gestures",
    notes=(
        "Rows come about 967 a second, but samples change only about 100 times a second: a 200 Hz stream was polled "
        "and held, and half of it never seen; the reader keeps the changes, interpolates them onto 200 Hz and declares "
        "a band of 0-50 Hz.",
        f"Holds of more than {_LONG_GAP_MS:.0f} ms are bridged like others and marked by events gap_start and gap_end.",
        "A last line that was cut off is dropped.",
        "hand_open (class 7) was performed by few subjects and is not part of the default task.",
        "The licence is that of the UCI page; the files state none.",
    ),
    tested="real files",
    hours=1.2,
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a subject's folder, one recording a series.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(
        root, "[0-9][0-9]/[12]_raw_data_*.txt", name=INFO.name, hint="<subject>/<series>_raw_data_<time>.txt"
    )
    sources = sorted({path.parent.name for path in base.glob("[0-9][0-9]/[12]_raw_data_*.txt")})
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The series of a subject: (8, T) volts at 200 Hz; trials are counted per class over both series.

    Raises:
        DataFileError: a line but the last does not hold 10 finite numbers, or times or classes make no sense.
    """
    trials: Counter[str] = Counter()
    files = sorted(path for path in (root / source).glob("*.txt") if _FILE.fullmatch(path.name))
    return [_read_series(root, path, source, trials) for path in files]


def _read_series(root: Path, path: Path, subject: str, trials: Counter[str]) -> Recording:
    data = read_bytes(path)
    table = parse_table(path, _body(path, data), _COLUMNS, separator="\t", first_line=2)
    table = _forward(path, table)
    time_ms, classes = table[:, 0] - table[0, 0], table[:, 9]
    signal, gaps = _unhold(time_ms, table[:, 1:9])
    return Recording(
        signal=signal,
        rate_hz=myo.RATE_HZ,
        montage=myo.RING,
        subject=subject,
        session="1",
        provenance=provenance(INFO, root, path, data),
        unit="V",
        band_hz=(0.0, 50.0),
        intervals=_intervals(path, time_ms, classes, trials),
        events=gaps,
    )


def _body(path: Path, data: bytes) -> bytes:
    """The lines below the header, without a last one that was cut off."""
    header, _, body = data.partition(b"\n")
    if len(header.split(b"\t")) != _COLUMNS or not header.startswith(b"time"):
        raise DataFileError(path, "a header line of 10 tab-separated names from time to class", repr(header[:60]))
    body = body.rstrip(b"\r\n")
    start = body.rfind(b"\n") + 1
    last = body[start:].split(b"\t")
    if len(last) < _COLUMNS or not last[-1].strip():
        body = body[: max(start - 1, 0)]
    if not body:
        raise DataFileError(path, "lines of samples below the header", "none")
    return body


def _forward(path: Path, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rows whose time stamp lies beyond all earlier ones, so that duplicate and backward stamps are left out."""
    time_ms = table[:, 0]
    latest = np.concatenate(([-np.inf], np.maximum.accumulate(time_ms)[:-1]))
    kept = table[time_ms > latest]
    span = kept[-1, 0] - kept[0, 0]
    if span < 1000.0 / myo.RATE_HZ or span > 1000.0 + 10.0 * len(table) or 2 * len(kept) < len(table):
        found = f"{len(table)} rows, {len(kept)} of them growing, over {span:g} ms"
        raise DataFileError(path, "growing time stamps about a millisecond apart", found)
    return kept


def _unhold(time_ms: NDArray[np.float64], held: NDArray[np.float64]) -> tuple[NDArray[np.float32], tuple[Event, ...]]:
    """(8, T) samples on an even 200 Hz grid from (rows, 8) held ones, and an event at both ends of every long hold."""
    changed = np.concatenate(([True], (np.diff(held, axis=0) != 0).any(axis=1)))
    at, samples = time_ms[changed], held[changed]
    step = 1000.0 / myo.RATE_HZ
    grid = np.arange(int(time_ms[-1] / step) + 1) * step
    signal = np.stack([np.interp(grid, at, samples[:, channel]) for channel in range(samples.shape[1])], axis=1)
    until = np.append(at[1:], time_ms[-1])
    long = np.flatnonzero(until - at > _LONG_GAP_MS)
    ends = [(at[i], "gap_start") for i in long] + [(until[i], "gap_end") for i in long]
    return channels_first(signal), tuple(Event(float(t) / 1000.0, name) for t, name in sorted(ends))


def _intervals(
    path: Path, time_ms: NDArray[np.float64], classes: NDArray[np.float64], trials: Counter[str]
) -> tuple[Interval, ...]:
    known = np.isin(classes, np.arange(len(_CLASSES)))
    if not known.all():
        raise DataFileError(path, f"classes 0 to {len(_CLASSES) - 1}", f"class {classes[~known][0]:g}")
    found = []
    for first, stop, code in runs(classes):
        start, end = float(time_ms[first]) / 1000.0, float(time_ms[min(stop, len(time_ms) - 1)]) / 1000.0
        if code and end > start:
            label = _CLASSES[code]
            found.append(Interval(start, end, label, trials[label]))
            trials[label] += 1
    return tuple(found)


ORIGIN: Final = Origin("url", "https://archive.ics.uci.edu/static/public/481/emg+data+for+gestures.zip", 0.02)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
