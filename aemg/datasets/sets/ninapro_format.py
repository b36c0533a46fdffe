"""What Ninapro's databases share: where the files lie, a column an electrode, a code and a repetition a sample.

A subject's exercise is one file. Its relabelled codes (`restimulus`, `rerepetition`) are used; 0 is rest. The EMG says how
long a file is: codes that end before it leave its end without label, and those beyond it are cut off.
Source: https://ninapro.hevs.ch, Atzori et al., Scientific Data 1:140053 (2014), doi:10.1038/sdata.2014.53.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.files import runs
from aemg.datasets.formats.mat import MatFile
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Interval, Target

UNKNOWN: Final = -(1 << 15)
"""The code of samples that none was stored for."""

_TARGET_RATE_HZ: Final = 100.0
_LARGEST: Final = 1e15
_MOST_RUNS: Final = 20_000
_LEVELS: Final = 3
_BYTES_A_NUMBER: Final = 9  # and some more rows than the EMG
_DATABASE: Final = re.compile(r"(?:^|[^a-z0-9])db[-_ ]?(\d+)(?![a-z0-9])", re.IGNORECASE)
_SUBJECT_FOLDER: Final = re.compile(r"(db\d+_)?s(ubject_)?\d+(_[0ab])?", re.IGNORECASE)


def find_files(root: str | Path, name: str, pattern: re.Pattern[str], hint: str) -> tuple[Path, tuple[str, ...]]:
    """Where a database's files lie: their common folder, and their sorted names relative to it.

    Several databases name their files alike. Files in a folder named after another database (db2, DB3_s1, ninapro-db5)
    are passed over; the nearest such name counts, and without one the files are taken for what is asked for.

    Raises:
        AEMGError: no folder, no file of the name at it or three levels below, or a file of one name in two places.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise AEMGError(f"{name}: no folder {root}")
    number, found = name.rpartition("db")[2], dict[str, Path]()
    for folder, below, files in os.walk(root, followlinks=True):
        place = Path(folder).relative_to(root)
        below[:] = sorted(below) if len(place.parts) < _LEVELS else []
        named = [m[1] for part in (root.name, *place.parts) for m in _DATABASE.finditer(part)]
        if named and named[-1] != number:
            continue
        for file in filter(pattern.fullmatch, files):
            if file in found:
                raise AEMGError(f"{name}: {file} lies both in {found[file].parent} and in {folder}")
            found[file] = Path(folder) / file
    if not found:
        raise AEMGError(f"{name}: nothing at {root} or {_LEVELS} levels below it looks like {hint}")
    base = Path(os.path.commonpath([_above(path.parent, root) for path in found.values()]))
    return base, tuple(sorted(path.relative_to(base).as_posix() for path in found.values()))


def _above(folder: Path, root: Path) -> Path:
    return folder.parent if folder != root and _SUBJECT_FOLDER.fullmatch(folder.name) else folder


def read_emg(
    path: Path, file: MatFile, columns: Sequence[int], widths: Sequence[int]
) -> tuple[NDArray[np.float32], set[int]]:
    """The columns that hold electrodes, of an `emg` that has one of `widths` columns.

    Returns:
        signal (C, T), and which of `columns` (indices into it) are missing or hold nothing but zeros or NaN.

    Raises:
        DataFileError: not such an array, nothing in any column, some NaN or infinity in one, or samples in others.
    """
    values = file.get("emg")
    expected = f"emg of samples x {' or '.join(map(str, widths))} numbers"
    if not isinstance(values, np.ndarray):
        raise DataFileError(path, expected, f"a {type(values).__name__}")
    if values.ndim != 2 or not len(values) or values.shape[1] not in widths or values.dtype.kind not in "iuf":
        raise DataFileError(path, expected, f"{values.dtype.name} {' x '.join(map(str, values.shape))}")
    if filled := [c + 1 for c in range(values.shape[1]) if c not in columns and not _is_empty(values[:, c])]:
        raise DataFileError(path, "nothing in the columns of emg without an electrode", f"samples in {filled}")
    absent = {i for i, column in enumerate(columns) if column >= values.shape[1] or _is_empty(values[:, column])}
    present = [column for i, column in enumerate(columns) if i not in absent]
    if not present:
        raise DataFileError(path, "a column of emg with samples", "zeros only")
    signal = np.empty((len(present), len(values)), np.float32)
    for row, column in zip(signal, present):
        samples = values[:, column]
        if wrong := int(np.count_nonzero(~(np.abs(samples) < _LARGEST))):
            raise DataFileError(path, "emg without NaN or infinity", f"{wrong} of them in column {column + 1}")
        row[:] = samples
    return signal, absent


def _is_empty(column: NDArray[Any]) -> bool:
    return not column.any() or bool(np.isnan(column).all())


def read_codes(path: Path, file: MatFile, name: str, rows: int, rate_hz: float) -> NDArray[np.int16]:
    """The codes (rows,) of a column of labels, `UNKNOWN` where it is shorter than the EMG of `rows` samples.

    Raises:
        DataFileError: not a column of small integers, or longer or shorter by more than a second and by over 1 %.
    """
    values = file.get(name, _BYTES_A_NUMBER * rows)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or values.size != max(values.shape):
        raise DataFileError(path, f"a column of codes {name}", getattr(values, "shape", type(values).__name__))
    codes = values.ravel()
    check_length(path, name, len(codes), rows, rate_hz)
    if not ((np.abs(codes) < 1000) & (codes == np.round(codes))).all():
        raise DataFileError(path, f"whole numbers from -999 to 999 in {name}", "others")
    padded = np.full(rows, UNKNOWN, np.int16)
    padded[: len(codes)] = codes[:rows]
    return padded


def check_length(path: Path, name: str, length: int, rows: int, rate_hz: float) -> None:
    """Refuses a variable that is not about as long as the EMG.

    Raises:
        DataFileError: longer or shorter by more than a second and by over 1 %.
    """
    if abs(length - rows) > max(rate_hz, rows / 100):
        raise DataFileError(path, f"about {rows} rows in {name}, as in emg", f"{length}")


def numbering(path: Path, codes: NDArray[np.int16], tables: Sequence[Mapping[int, str]]) -> Mapping[int, str]:
    """The first of several ways to number an exercise's movements in which all its codes are found.

    Raises:
        DataFileError: codes beyond all of them.
    """
    found = [int(code) for code in np.unique(codes) if code not in (0, UNKNOWN)]
    for table in tables:
        if all(code in table for code in found):
            return table
    expected = " or ".join(f"{min(table)} to {max(table)}" for table in tables)
    raise DataFileError(path, f"codes of movements from {expected}", f"{found}"[:120])


def intervals(
    path: Path,
    codes: NDArray[np.int16],
    repetitions: NDArray[np.int16],
    table: Mapping[int, str],
    rate_hz: float,
) -> tuple[Interval, ...]:
    """An interval a repetition of a movement and one a rest, in order.

    Rest belongs to the repetition before it, and rest before the first to that one. A movement whose repetition is not told by
    a positive number stays without label.

    Raises:
        DataFileError: codes that change more often than people move.
    """
    if np.count_nonzero(np.diff(codes)) + np.count_nonzero(np.diff(repetitions)) > _MOST_RUNS:
        raise DataFileError(path, f"at most {_MOST_RUNS} changes of the labels", "more")
    found: list[tuple[int, int, str, int]] = []
    trial = 0
    for first, stop, code in runs(codes):
        if code == 0:
            found.append((first, stop, "rest", trial))
        elif code != UNKNOWN:
            for start, end, trial in _repetitions(repetitions[first:stop]):
                found.append((first + start, first + end, table[code], trial))
    opening = next((trial for *_, label, trial in found if label != "rest"), 1)
    return tuple(Interval(a / rate_hz, b / rate_hz, label, trial or opening) for a, b, label, trial in found)


def _repetitions(told: NDArray[np.int16]) -> list[tuple[int, int, int]]:
    """Runs of one repetition; samples without a positive number go with those before them, else with those after."""
    known = np.flatnonzero(told > 0)
    if not len(known):
        return []
    last = np.searchsorted(known, np.arange(len(told)), side="right") - 1
    return runs(told[known[np.maximum(last, 0)]])


def read_targets(path: Path, file: MatFile, widths: Mapping[str, int], rows: int, rate_hz: float) -> tuple[Target, ...]:
    """What else was recorded, where a file has it in the documented width, at 100 Hz; NaN where nothing was.

    Raises:
        DataFileError: infinite values, or another length than the EMG's `rows`.
    """
    step = max(1, round(rate_hz / _TARGET_RATE_HZ))
    found = []
    for name in (name for name in widths if name in file.names):
        values = file.get(name, _BYTES_A_NUMBER * widths[name] * rows)
        if not isinstance(values, np.ndarray) or values.ndim != 2 or values.shape[1] != widths[name]:
            continue
        check_length(path, name, len(values), rows, rate_hz)
        kept = np.ascontiguousarray(values[:rows:step].T, dtype=np.float64)  # (T, D) -> (D, T / step)
        if (np.abs(kept) >= _LARGEST).any():
            raise DataFileError(path, f"finite values in {name}", "infinite ones")
        if np.nan_to_num(kept).any():
            found.append(Target(name, kept.astype(np.float32), rate_hz / step, "arbitrary"))
    return tuple(found)
