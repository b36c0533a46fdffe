"""Samples as a BDF+ file: 24-bit numbers, each channel in steps of its own that are said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import edfio
import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError

_TOP: Final = 8388607  # 2**23 - 1; the range is symmetric, so that zero stays zero
_DIGITS: Final = 7  # characters of a number in the header, one more being the sign
_RECORDS_S: Final = (1.0, 0.5, 0.25, 0.2, 0.125, 0.1, 0.05, 0.04, 0.025, 0.02, 0.01)


@dataclass(frozen=True)
class Quantised:
    """Samples (C, T) as 24-bit numbers in int32; a number is `tops / 8388607` of what is stored, times `scale` in the unit.

    Args:
        tops: the largest value of each channel, in microvolts or in units of `scale`.
        scale: of stored values, in the recording's unit; 1e-6 for volts.
    """

    numbers: NDArray[np.int32]
    tops: tuple[float, ...]
    scale: float

    @property
    def steps(self) -> tuple[float, ...]:
        """Of each channel, in the recording's unit: no sample is moved by more than half of it."""
        return tuple(top * self.scale / _TOP for top in self.tops)


def quantised(signal: NDArray[np.float32], unit: str) -> Quantised:
    """A signal (C, T) in 24 bits: counts stay what they are, others get steps by their channel's largest value.

    Raises:
        AEMGError: a sample that is not finite, or more than 9.9 V.
    """
    peaks = np.abs(signal).max(axis=1, initial=0.0).astype(np.float64)
    if not np.isfinite(peaks).all():
        raise AEMGError("samples that are not finite cannot be written as BDF")
    if unit != "V" and peaks.max() <= _TOP and np.array_equal(signal, np.rint(signal)):
        return Quantised(signal.astype(np.int32), (float(_TOP),) * len(peaks), 1.0)
    scale = 1e-6 if unit == "V" else 10.0 ** math.floor(math.log10(peaks.max() or 1.0))
    tops = tuple(_rounded_up(peak / scale) for peak in peaks.tolist())
    numbers = np.empty(signal.shape, np.int32)
    for row, values, top in zip(numbers, signal, tops):
        row[:] = np.clip(np.rint(values.astype(np.float64) * (_TOP / (top * scale))), -_TOP, _TOP)
    return Quantised(numbers, tops, scale)


def write_bdf(path: Path, stored: Quantised, rate_hz: float, names: list[str], dimension: str) -> None:
    """A BDF+ file of signals in a dimension; the last data record is filled up with zeros where the length needs it."""
    length, record_s = _record(rate_hz, stored.numbers.shape[1])
    filled = np.pad(stored.numbers, ((0, 0), (0, -stored.numbers.shape[1] % length)))
    signals = [
        edfio.BdfSignal.from_digital(
            numbers, length / record_s, label=name, physical_dimension=dimension, physical_range=(-top, top),
            digital_range=(-_TOP, _TOP),
        )
        for numbers, name, top in zip(filled, names, stored.tops)
    ]  # fmt: skip
    edfio.Bdf(signals, data_record_duration=record_s, annotations=()).write(path)


def _record(rate_hz: float, samples: int) -> tuple[int, float]:
    """Samples and seconds of a data record: the longest that fits the length, else the shortest."""
    fitting = [(round(rate_hz * s), s) for s in _RECORDS_S if abs(rate_hz * s - round(rate_hz * s)) < 1e-9 and rate_hz * s >= 1]
    if not fitting:
        length = max(round(rate_hz), 1)
        return length, float(f"{length / rate_hz:.6f}"[:8])
    return next((record for record in fitting if samples % record[0] == 0), fitting[-1])


def _rounded_up(peak: float) -> float:
    """The least multiple of 1/32 or a larger power of two that a header's field holds and that is not below `peak`, if not 0.

    Such numbers pass exactly through the rounding of decimals with which edfio fills the field.
    """
    for halvings in range(5, -1, -1):
        top = max(math.ceil(peak * (1 << halvings)), 1) / (1 << halvings)
        if len(f"{top:.5f}".rstrip("0").rstrip(".")) <= _DIGITS:
            return top
    raise AEMGError(f"a sample of {peak:g} microvolts cannot be written as BDF; at most 9999999")
