"""EDF and BDF files, read without trust: every number of the header is held against the file's size before it is used.

The formats: Kemp et al. 1992, doi:10.1016/0013-4694(92)90009-7; EDF+ 2003, doi:10.1016/S1388-2457(03)00123-8; BDF is
BioSemi's with 24 bits a sample. `edfio` writes them; it takes headers on trust and holds a BDF file several times over,
so that reading is done here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.errors import DataFileError

_FIXED: Final = 256
_FIELDS: Final = (
    ("label", 16), ("transducer", 80), ("unit", 8), ("physical_min", 8), ("physical_max", 8), ("digital_min", 8),
    ("digital_max", 8), ("prefiltering", 80), ("samples", 8), ("reserved", 32),
)  # fmt: skip
_MAGIC: Final = {b"0       ": ("EDF", 2), b"\xffBIOSEMI": ("BDF", 3)}
_MOST_SIGNALS: Final = 4096


@dataclass(frozen=True)
class EdfSignal:
    """One signal of a file: value = gain * number + offset in `unit`; `samples` a data record from sample `first` of it."""

    label: str
    unit: str
    gain: float
    offset: float
    samples: int
    first: int

    @property
    def is_annotation(self) -> bool:
        """Texts and times in place of samples."""
        return self.label in ("EDF Annotations", "BDF Annotations")


@dataclass(frozen=True)
class EdfHeader:
    """What a file holds: `records` data records of `record_s` seconds, each with the samples of all signals in turn."""

    bytes_a_sample: int
    records: int
    record_s: float
    signals: tuple[EdfSignal, ...]

    @property
    def start_bytes(self) -> int:
        """Where the first data record begins."""
        return _FIXED * (len(self.signals) + 1)

    def rate_hz(self, signal: EdfSignal) -> float:
        """Samples a second of a signal."""
        return signal.samples / self.record_s


def read_header(path: Path) -> EdfHeader:
    """The header of a file.

    Raises:
        DataFileError: unreadable, not EDF or BDF, interrupted (EDF+D), or a header that the file's size does not bear out.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            fixed = file.read(_FIXED)
            form, width = _MAGIC.get(fixed[:8], ("", 0))
            if not form or len(fixed) < _FIXED:
                raise DataFileError(path, "an EDF or BDF file", "another header" if size else "an empty file")
            count = _integer(path, fixed[252:256], "number of signals", 1, _MOST_SIGNALS)
            variable = file.read(_FIXED * count)
    except OSError as error:
        raise DataFileError(path, "a readable file", error.strerror or type(error).__name__) from error
    if len(variable) < _FIXED * count:
        raise DataFileError(path, f"headers of {count} signals", f"{len(variable)} bytes of them")
    if (stated := _integer(path, fixed[184:192], "length of the header", 0, 1 << 30)) != _FIXED * (count + 1):
        raise DataFileError(path, f"a header of {_FIXED * (count + 1)} bytes", f"{stated}")
    if fixed[192:197] in (b"EDF+D", b"BDF+D"):
        raise DataFileError(path, "a continuous recording", f"an interrupted one ({form}+D)")
    record_s = _number(path, fixed[244:252], "duration of a data record")
    if not record_s > 0:
        raise DataFileError(path, "data records of some duration", f"{record_s:g} s")
    signals = _signals(path, variable, count)
    record_bytes = sum(signal.samples for signal in signals) * width
    held = size - _FIXED * (count + 1)
    records = _integer(path, fixed[236:244], "number of data records", -1, 1 << 40)
    if records == -1:  # unknown to the recorder when it wrote the header
        records = held // record_bytes
    if held != records * record_bytes or not records:
        raise DataFileError(path, f"{records} data records of {record_bytes} bytes", f"{held} bytes")
    return EdfHeader(width, records, record_s, signals)


def read_samples(path: Path, header: EdfHeader, chosen: list[EdfSignal], scales: list[float]) -> NDArray[np.float32]:
    """Samples (C, T) of signals with equally many, each in its unit times its scale.

    Raises:
        DataFileError: the file is no longer as long as it was, or a value is too large for float32.
    """
    a_record = sum(signal.samples for signal in header.signals)
    width, length = header.bytes_a_sample, chosen[0].samples
    try:
        raw = np.memmap(path, np.uint8, "r", offset=header.start_bytes, shape=(header.records, a_record * width))
    except (OSError, ValueError) as error:
        raise DataFileError(path, f"{header.records} data records", str(error)[:100]) from error
    result = np.empty((len(chosen), header.records * length), np.float32)
    for row, signal, scale in zip(result, chosen, scales):
        own = np.ascontiguousarray(raw[:, signal.first * width : (signal.first + length) * width])
        numbers = own.view("<i2").ravel() if width == 2 else _of_24_bits(own.reshape(-1, 3))
        with np.errstate(all="ignore"):
            row[:] = numbers * (signal.gain * scale) + signal.offset * scale
    if not np.isfinite(result).all():
        raise DataFileError(path, "values that a recording can hold", "larger ones")
    return result


def _of_24_bits(parts: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Little-endian signed numbers of three bytes, (N, 3) to (N,)."""
    wide = np.zeros((len(parts), 4), np.uint8)
    wide[:, 1:] = parts
    return wide.view("<i4").ravel() >> 8


def _signals(path: Path, text: bytes, count: int) -> tuple[EdfSignal, ...]:
    columns, at = {}, 0
    for name, width in _FIELDS:
        columns[name] = [text[at + i * width : at + (i + 1) * width] for i in range(count)]
        at += count * width
    found: list[EdfSignal] = []
    first = 0
    for i in range(count):
        label = columns["label"][i].decode("latin-1").strip()
        samples = _integer(path, columns["samples"][i], f"samples a record of {label!r}", 1, 1 << 32)
        low, high = (_number(path, columns[f"digital_{end}"][i], f"digital range of {label!r}") for end in ("min", "max"))
        bottom, top = (_number(path, columns[f"physical_{end}"][i], f"range of {label!r}") for end in ("min", "max"))
        if not low < high or bottom == top:
            raise DataFileError(path, f"a range of {label!r}", f"{bottom:g} to {top:g} for {low:g} to {high:g}")
        gain = (top - bottom) / (high - low)
        unit = columns["unit"][i].decode("latin-1").strip()
        found.append(EdfSignal(label, unit, gain, top - gain * high, samples, first))
        first += samples
    return tuple(found)


def _number(path: Path, text: bytes, what: str) -> float:
    try:
        value = float(text.decode("ascii").strip().replace("_", "?"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataFileError(path, f"a number as {what}", repr(text.decode("latin-1").strip()))
    return value


def _integer(path: Path, text: bytes, what: str, least: int, most: int) -> int:
    value = _number(path, text, what)
    if value != int(value) or not least <= value <= most:
        raise DataFileError(path, f"a {what} from {least} to {most}", f"{value:g}")
    return int(value)
