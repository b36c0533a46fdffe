"""Plain text tables of any laboratory: columns of numbers, perhaps with a header, a column of time and one of labels."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from aemg.datasets.files import runs
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Interval

SUFFIXES: Final = (".csv", ".tsv", ".txt")
_HEAD_LINES: Final = 60
_LONGEST_LINE: Final = 1 << 16
_CHUNK_VALUES: Final = 1 << 20
_MOST_COLUMNS: Final = 2048
_TIME: Final = re.compile(r"(unix_?|elapsed_?)?(time|timestamps?|stamps?|t)(\W.*|_m?u?n?s(ec.*)?)?", re.IGNORECASE)
_LABEL: Final = re.compile(r"(re)?(class|labels?|gestures?|stimulus|movement|activity)", re.IGNORECASE)
_TIME_UNITS: Final = (1.0, 1e-3, 1e-6, 1e-9)


@dataclass(frozen=True, eq=False)
class TextTable:
    """A table that was read.

    Args:
        signal: (T, C) float32, on disk while it is in use.
        times_s: (T,), None without a column of time.
        codes: (T,) of the column of labels, None without one.
        names: of the channels.
    """

    signal: NDArray[np.float32]
    times_s: NDArray[np.float64] | None
    codes: NDArray[np.int64] | None
    names: tuple[str, ...]


def read_text_table(path: Path, rate_hz: float | None = None) -> TextTable:
    """Reads a table a stretch at a time; its samples stay in a temporary file.

    Separator and header are found by looking at the first lines. A column is the time if its header says so or, as the first
    one, if it rises evenly through these lines; seconds, milli-, micro- or nanoseconds by what fits the rate best. A column is
    labels if its header says so. A last line that was cut off is left out; what is no number becomes NaN.

    Raises:
        DataFileError: missing, empty, or no table of numbers.
    """
    separator, skip, names, first = _look(path)
    columns = len(names)
    time = next((i for i, name in enumerate(names) if _TIME.fullmatch(name.strip())), 0 if _rises(first) else None)
    label = next((i for i, name in enumerate(names) if _LABEL.fullmatch(name.strip()) and i != time), None)
    kept = [i for i in range(columns) if i not in (time, label)]
    if not kept:
        raise DataFileError(path, "columns of samples", f"the columns {', '.join(names)}"[:200])
    stamps, codes = [], []
    rows = 0
    with tempfile.TemporaryFile() as store:  # stays on disk, without a name, as long as the array is in use
        try:
            for chunk in _chunks(path, separator, skip, columns):
                with np.errstate(over="ignore"):  # becomes infinite, and is found as such
                    np.ascontiguousarray(chunk[:, kept], dtype=np.float32).tofile(store)
                rows += len(chunk)
                if time is not None:
                    stamps.append(chunk[:, time].copy())
                if label is not None:
                    codes.append(chunk[:, label].copy())
        except (ValueError, OverflowError, UnicodeError) as error:
            raise DataFileError(path, f"{columns} numbers in every line", " ".join(str(error).split())[:160]) from error
        if rows < 2:
            raise DataFileError(path, "rows of numbers", f"{rows}")
        store.flush()
        signal: NDArray[np.float32] = np.memmap(store, np.float32, "r", shape=(rows, len(kept)))
    times = None if time is None else _seconds(np.concatenate(stamps), rate_hz)
    found = None if label is None else _whole(np.concatenate(codes))
    return TextTable(signal, times, found, tuple(names[i] for i in kept))


def intervals_of_codes(codes: NDArray[np.int64], rate_hz: float) -> tuple[Interval, ...]:
    """An interval for every run of a code but 0, called by its number."""
    if len(np.unique(codes)) > 200:
        return ()
    return tuple(Interval(a / rate_hz, b / rate_hz, str(code)) for a, b, code in runs(codes) if code)


def _look(path: Path) -> tuple[str, int, list[str], NDArray[np.float64]]:
    """Separator, lines to skip, names of the columns, and the first rows of numbers."""
    try:
        with path.open("rb") as file:
            head = [file.readline(_LONGEST_LINE).decode("utf-8", "replace").lstrip("\ufeff") for _ in range(_HEAD_LINES)]
    except OSError as error:
        raise DataFileError(path, "a readable file", error.strerror or type(error).__name__) from error
    lines = [line.rstrip("\r\n") for line in head]
    for separator in ("\t", ",", ";", r"\s+"):
        rows = [_numbers(line, separator) for line in lines]
        start = next((i for i, row in enumerate(rows) if row is not None), None)
        if start is None:
            continue
        first = [row for row in rows[start:] if row is not None and len(row) == len(rows[start] or ())]
        width = len(first[0])
        if width > _MOST_COLUMNS:
            raise DataFileError(path, f"at most {_MOST_COLUMNS} columns", f"{width}")
        if width < 2 and separator != r"\s+":
            continue
        titles = re.split(separator, lines[start - 1].strip()) if start else []
        names = [t.strip().strip('"') for t in titles] if len(titles) == width else [str(i) for i in range(width)]
        return separator, start, names, np.array(first[:-1] or first)
    raise DataFileError(path, "lines of numbers separated by tab, comma, semicolon or spaces", repr(lines[0][:80]))


def _numbers(line: str, separator: str) -> list[float] | None:
    """The numbers of a line, or None if it holds none or something else."""
    cells = re.split(separator, line.strip(" "))
    try:
        return [float(cell) if cell.strip() else float("nan") for cell in cells] if line.strip() else None
    except ValueError:
        return None


def _rises(first: NDArray[np.float64]) -> bool:
    """Whether the first column grows from row to row as a clock does."""
    if first.shape[1] < 2 or len(first) < 10:
        return False
    steps = np.diff(first[:, 0])
    return bool((steps >= 0).all() and (steps > 0).mean() > 0.5 and steps.max() < 1e3 * max(float(np.median(steps)), 1e-12))


def _chunks(path: Path, separator: str, skip: int, columns: int) -> Any:
    """(n, columns) float64 at a time."""
    frames = pd.read_csv(
        path, sep=separator, header=None, names=range(columns), skiprows=skip, engine="c",
        chunksize=max(_CHUNK_VALUES // columns, 1), encoding_errors="replace", index_col=False, on_bad_lines="error",
    )  # fmt: skip
    held: NDArray[np.float64] | None = None
    with frames:
        for frame in frames:
            values = frame.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
            if held is not None:
                yield held
            held = values
    if held is not None:
        cut_off = len(held) and np.isnan(held[-1, -1])
        yield held[:-1] if cut_off else held


def _seconds(stamps: NDArray[np.float64], rate_hz: float | None) -> NDArray[np.float64]:
    """Stamps in seconds: of the units, the one in which the usual step fits the rate; without a rate, one of 20-20000 Hz."""
    steps = np.diff(stamps)
    steps = steps[np.isfinite(steps) & (steps > 0)]
    if not len(steps):
        return stamps
    usual = float(np.median(steps))
    wanted = 1.0 / rate_hz if rate_hz else 1e-3
    unit = min(_TIME_UNITS, key=lambda size: abs(float(np.log(usual * size / wanted))))
    return np.asarray((stamps - stamps[0]) * unit)


def _whole(codes: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isfinite(codes), codes, 0).astype(np.int64)


def require_rate(path: Path, rate_hz: float | None, times_s: NDArray[np.float64] | None) -> float:
    """The rate: what was stated, or what stamps tell.

    Raises:
        AEMGError: neither is there.
    """
    if rate_hz is not None:
        return rate_hz
    if times_s is not None:
        steps = np.diff(times_s)
        rising = steps[np.isfinite(steps) & (steps > 0)]
        if len(rising):
            return float(1.0 / np.median(rising))
    raise AEMGError(f"{path}: no column of time, so say how many rows a second it holds: --rate HZ")
