"""WFDB records in format 16, as PhysioNet's sets lay them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WRITERS: dict[str, Callable[[Path], Path]] = {}


def write_record(
    path: Path,
    stored: NDArray[np.int16],
    names: Sequence[str],
    *,
    rate_hz: float = 2048,
    unit: str = "mV",
    gain: float | Sequence[float] = 1000.0,
    baseline: int | Sequence[int] = 0,
) -> Path:
    """Writes the (T, C) numbers as PATH.hea and PATH.dat; gives the path of the header."""
    samples, count = stored.shape
    gains = [gain] * count if isinstance(gain, (int, float)) else gain
    baselines = [baseline] * count if isinstance(baseline, int) else baseline
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{path.name} {count} {rate_hz:g} {samples}"]
    for index, name in enumerate(names):
        column = stored[:, index].astype(np.int64)
        checksum = (int(column.sum()) + 32768) % 65536 - 32768
        scale = f"{gains[index]!r}({baselines[index]})/{unit}"
        lines.append(f"{path.name}.dat 16 {scale} 16 0 {column[0]} {checksum} 0 {name}")
    header = path.with_name(path.name + ".hea")
    header.write_text("\n".join(lines) + "\n")
    path.with_name(path.name + ".dat").write_bytes(stored.astype("<i2").tobytes())
    return header
