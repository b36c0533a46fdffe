"""Sessions of Meta's research wristband as emg2qwerty and emg2pose publish them: a row a sample, 16 channels, 2000 Hz.

One HDF5 group holds a table `timeseries` with a stamp in every row, and attributes that tell who and what.
Sources: Sivakumar et al., arXiv:2410.20081; Salter et al., arXiv:2412.02725.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.files import read_bytes
from aemg.datasets.formats.hdf5_file import dataset, open_hdf5, row_blocks
from aemg.datasets.formats.pandas_table import attribute
from aemg.errors import DataFileError
from aemg.signals import Event, Montage, ring

CHANNELS: Final = 16
RATE_HZ: Final = 2000.0
GAP_S: Final = 0.1
RING: Final[Montage] = ring("meta-wristband", CHANNELS, position=0.95)
_MOST_TABLE_BYTES: Final = 64 << 20


@dataclass(frozen=True)
class WristbandSession:
    """What a file holds.

    Args:
        times: unix seconds (T,), never falling.
        values: by field, (D, T).
        attributes: of the group, numbers and texts.
    """

    times: NDArray[np.float64]
    values: Mapping[str, NDArray[np.float32]]
    attributes: Mapping[str, int | float | str]

    def events(self, named: list[tuple[float, str]]) -> tuple[Event, ...]:
        """Instants in unix seconds, each at its row so that they stay with the signal across gaps, and the gaps themselves.

        Those before the first row or after the last are left out.
        """
        inside = [(at, name) for at, name in named if self.times[0] <= at <= self.times[-1]]
        rows = np.searchsorted(self.times, [at for at, _ in inside])
        found = [(int(row), name) for row, (_, name) in zip(rows, inside)]
        found += [(int(row) + 1, "gap") for row in np.flatnonzero(np.diff(self.times) > GAP_S)]
        return tuple(Event(row / RATE_HZ, _sound(name)) for row, name in sorted(found))


def read_session(path: Path, group: str, fields: Mapping[str, int], content: bytes | None = None) -> WristbandSession:
    """The fields of `/<group>/timeseries`, each of as many numbers a row as told, read block by block.

    Args:
        content: the file's bytes where it lies in an archive; `path` is then only for messages.

    Raises:
        DataFileError: damaged, of another layout or rate, or with falling stamps.
    """
    with open_hdf5(path, content) as file:
        table = dataset(path, file, f"{group}/timeseries")
        _check_layout(path, table, fields)
        attributes = _attributes(file[group])
        times = np.empty(len(table))
        values = {field: np.empty((width, len(table)), np.float32) for field, width in fields.items()}
        for place, rows in row_blocks(table):
            times[place] = rows["time"]
            for field in fields:
                values[field][:, place] = rows[field].T  # (n, D) -> (D, n)
    for name in ("sample_rate", "daq_sample_rate"):
        if attributes.get(name, RATE_HZ) not in (RATE_HZ, "2000.0", "2000"):
            raise DataFileError(path, f"{name} {RATE_HZ:g} Hz", f"{attributes[name]}"[:50])
    if not np.isfinite(times).all() or (times[1:] < times[:-1]).any():
        raise DataFileError(path, "finite time stamps that never fall", "others")
    return WristbandSession(times, values, attributes)


def _check_layout(path: Path, table: Any, fields: Mapping[str, int]) -> None:
    names = table.dtype.names or ()
    if table.ndim != 1 or len(table) == 0 or "time" not in names or table.dtype["time"].kind != "f":
        raise DataFileError(path, "a table timeseries with a stamp in every row", f"{table.dtype}"[:200])
    for field, width in fields.items():
        found = table.dtype[field] if field in names else None
        if found is None or found.shape != (width,) or found.base.kind not in "fi":
            raise DataFileError(path, f"{width} numbers {field} in every row", f"{found}"[:200])


def _attributes(group: Any) -> dict[str, int | float | str]:
    found = {name: attribute(group, name) for name in group.attrs}
    return {name: _sound(value) if isinstance(value, str) else value for name, value in found.items() if value is not None}


def _sound(text: str) -> str:
    """The text with `?` for halves of characters, which could not be written again."""
    return text.encode("utf-8", "replace").decode("utf-8")


def user_of(path: Path, session: WristbandSession, tables: tuple[Path, ...], column: str, key: str) -> str:
    """Who wore the band: as the file says, which the set's table must confirm where there is one.

    Args:
        tables: where the table may lie; the first that is there counts.
        column, key: the row of this file is the one with `key` in `column`.

    Raises:
        DataFileError: nobody is named, or the two name different people.
    """
    own = session.attributes.get("user")
    table = next((place for place in tables if place.is_file()), None)
    if table is None:
        told = None
    else:
        told = _users(table, column, table.stat().st_mtime_ns).get(key)
    user = told if own is None else str(own)
    if not user:
        raise DataFileError(path, "an attribute user, or a line in the set's table", "neither")
    if told is not None and told != user:
        raise DataFileError(path, f"the user {told!r} of {table}", repr(user)[:100])
    return user


@lru_cache(maxsize=4)
def _users(table: Path, column: str, _changed_ns: int) -> dict[str, str]:
    """The column `user` of a table by another column, without the ending of file names."""
    if table.stat().st_size > _MOST_TABLE_BYTES:
        raise DataFileError(table, f"a table of at most {_MOST_TABLE_BYTES} bytes", f"{table.stat().st_size}")
    text = read_bytes(table).decode("utf-8", errors="replace")
    try:
        rows = csv.DictReader(io.StringIO(text), strict=True)
        missing = {"user", column} - set(rows.fieldnames or ())
        if missing:
            raise DataFileError(table, f"the columns user and {column}", f"no {', '.join(sorted(missing))}")
        return {str(row[column]).removesuffix(".hdf5"): str(row["user"]) for row in rows}
    except csv.Error as error:
        raise DataFileError(table, "a table of comma-separated values", str(error)[:100]) from error
