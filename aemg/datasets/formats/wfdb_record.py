"""WFDB records of one segment in format 16, read without trust and at the disk's speed.

The sets hold nothing but format 16 (little-endian 16-bit numbers, one sample of every signal after the other), which numpy
reads about ten times faster than `wfdb.rdrecord`; the tests hold both to the same numbers.
Format: https://wfdb.io/spec/header-files.html and https://wfdb.io/spec/signal-files.html
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.files import read_bytes
from aemg.errors import DataFileError

_LARGEST_HEADER_BYTES: Final = 1 << 20
_MOST_SIGNALS: Final = 4096
_ROWS: Final = 256  # turned at once, so that source and target stay in the processor's cache
_MISSING: Final = -32768
_DEFAULT_GAIN: Final = 200.0
_NUMBER: Final = r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,4})?"
_GAIN: Final = re.compile(rf"({_NUMBER})(?:\(([-+]?\d{{1,10}})\))?(?:/(\S+))?")


@dataclass(frozen=True)
class WfdbSignal:
    """A signal as the header describes it: physical value = (stored - baseline) / gain, in `unit`."""

    name: str
    gain: float
    baseline: int
    unit: str


@dataclass(frozen=True)
class WfdbHeader:
    """A record's header: `samples` of every signal, interleaved in the file `samples_file`."""

    samples_file: str
    rate_hz: float
    samples: int
    signals: tuple[WfdbSignal, ...]


@dataclass(frozen=True)
class WfdbRecord:
    """Some signals of a record.

    Args:
        values: (C, T) float32 in the signals' own units; NaN where the file marks a sample as missing.
        signals: what the header says of each.
        sha256: of the file of samples.
    """

    values: NDArray[np.float32]
    rate_hz: float
    signals: tuple[WfdbSignal, ...]
    sha256: str


def read_record(path: Path, names: Sequence[str] | None = None) -> WfdbRecord:
    """The record whose header is `path`, the signals of these names in this order, or all as they are stored.

    Raises:
        DataFileError: not a record of one segment in format 16, one of the signals is missing or there twice, or the file of
            samples is not exactly as long as the header says.
    """
    if (length := _size(path)) > _LARGEST_HEADER_BYTES:
        raise DataFileError(path, f"a header of at most {_LARGEST_HEADER_BYTES} bytes", f"{length}")
    header = parse_header(path, read_bytes(path))
    chosen = _choose(path, header, names)
    samples_path = path.parent / header.samples_file
    size = 2 * header.samples * len(header.signals)
    if (length := _size(samples_path)) != size:
        raise DataFileError(samples_path, f"{size} bytes, as {path.name} says", f"{length}")
    data = read_bytes(samples_path)
    signals = tuple(header.signals[index] for index in chosen)
    stored = np.frombuffer(data, "<i2").reshape(header.samples, len(header.signals))
    return WfdbRecord(_physical(stored, chosen, header.signals), header.rate_hz, signals, hashlib.sha256(data).hexdigest())


def parse_header(path: Path, data: bytes) -> WfdbHeader:
    """What the header file `path` with the content `data` says.

    Raises:
        DataFileError: damaged, of several segments or files, in another format than 16, or without rate or length.
    """
    lines = [line.split() for line in data.decode("latin-1").splitlines() if line.strip() and not line.startswith("#")]
    first = lines[0] if lines else []
    if first and "/" in first[0]:
        raise DataFileError(path, "a record of one segment", f"{first[0][:40]!r}")
    if len(first) < 4 or not first[1].isdecimal() or not first[3].isdecimal() or len(first[1]) > 4 or len(first[3]) > 12:
        raise DataFileError(path, "name, number of signals, rate and number of samples", " ".join(first)[:80] or "nothing")
    count, samples = int(first[1]), int(first[3])
    rate_hz = _number(path, "a rate", first[2].split("/")[0])
    if not 0 < count <= _MOST_SIGNALS or samples < 1 or not 0 < rate_hz < 1e9:
        raise DataFileError(path, f"1 to {_MOST_SIGNALS} signals, samples and a rate", " ".join(first)[:80])
    if len(lines) - 1 != count:
        raise DataFileError(path, f"{count} lines of signals", f"{len(lines) - 1}")
    files = {line[0] for line in lines[1:]}
    formats = {line[1] if len(line) > 1 else "" for line in lines[1:]}
    if formats != {"16"}:
        raise DataFileError(path, "signals in format 16", ", ".join(sorted(formats))[:80])
    name = next(iter(files))
    if len(files) != 1 or Path(name).name != name or "\\" in name or name in (".", ".."):
        raise DataFileError(path, "one file of samples beside the header", ", ".join(sorted(files))[:80])
    return WfdbHeader(name, rate_hz, samples, tuple(_signal(path, line) for line in lines[1:]))


def _signal(path: Path, line: list[str]) -> WfdbSignal:
    """A signal's line: file, format, gain(baseline)/unit, resolution, zero, first value, checksum, block size, name."""
    match = _GAIN.fullmatch(line[2]) if len(line) > 2 else _GAIN.fullmatch("0")
    if match is None:
        raise DataFileError(path, "gain(baseline)/unit", line[2][:40])
    gain = float(match[1]) or _DEFAULT_GAIN
    zero = line[4] if len(line) > 4 else "0"
    baseline = match[2] if match[2] is not None else zero
    if not math.isfinite(gain) or not re.fullmatch(r"[-+]?\d{1,10}", baseline):
        raise DataFileError(path, "a finite gain and a whole baseline", f"{line[2][:40]} {zero[:40]}")
    return WfdbSignal(" ".join(line[8:]), gain, int(baseline), match[3] or "mV")


def _choose(path: Path, header: WfdbHeader, names: Sequence[str] | None) -> list[int]:
    """Where the named signals are stored."""
    if names is None:
        return list(range(len(header.signals)))
    at: dict[str, int] = {}
    for index, signal in enumerate(header.signals):
        if at.setdefault(signal.name, index) != index and signal.name in names:
            raise DataFileError(path, f"one signal {signal.name}", "two")
    missing = [name for name in names if name not in at]
    if missing:
        raise DataFileError(path, f"the signals {', '.join(names)}"[:200], f"no {', '.join(missing)}"[:200])
    return [at[name] for name in names]


def _physical(
    stored: NDArray[np.int16], chosen: list[int], signals: Sequence[WfdbSignal]
) -> NDArray[np.float32]:
    """(T, all) stored numbers to (C, T) physical values, `signals` being all of them."""
    baselines = np.array([signal.baseline for signal in signals], np.float64)
    exact = bool((np.abs(baselines) < 1 << 23).all())  # float32 holds the differences without loss
    work = np.float32 if exact else np.float64
    zeros, gains = baselines.astype(work), np.array([signal.gain for signal in signals]).astype(work)
    values = np.empty((len(chosen), len(stored)), np.float32)
    missing = bool(stored.min() == _MISSING)
    with np.errstate(all="ignore"):  # a gain next to nothing gives infinity
        for start in range(0, len(stored), _ROWS):
            block = stored[start : start + _ROWS]
            part: NDArray[Any] = block.astype(work)  # (rows, all)
            part -= zeros
            part /= gains
            if missing:
                part[block == _MISSING] = np.nan
            values[:, start : start + _ROWS] = part.T[chosen]  # (rows, all) -> (C, rows)
    return values


def _number(path: Path, what: str, text: str) -> float:
    if not re.fullmatch(_NUMBER, text):
        raise DataFileError(path, what, text[:40])
    return float(text)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError) as error:
        raise DataFileError(path, "a readable file", getattr(error, "strerror", None) or type(error).__name__) from error
