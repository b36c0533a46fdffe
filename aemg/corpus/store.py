"""One set's HDF5 file, opened for reading."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.corpus import layout, remote
from aemg.corpus.codes import decode
from aemg.corpus.layout import RecordingEntry, SkippedSource
from aemg.corpus.shards import shard_of
from aemg.datasets.base import DatasetInfo
from aemg.errors import AEMGError
from aemg.signals import Montage, Recording

# A forked child must neither use nor close what its parent opened, so handles of other processes are kept here.
_FOREIGN: list[Any] = []
_PALETTES_KEPT = 256
_ROWS_AT_ONCE = 1 << 20
# What h5py, json and numpy raise on a file with wrong bytes in it.
_DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError)


@dataclass(frozen=True)
class Problem:
    """Something wrong in a corpus: in which file, which recording (None: the file as a whole), and what."""

    path: str
    recording: str | None
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.recording + ': ' if self.recording else ''}{self.message}"


class Store:
    """The recordings of one set; can be pickled and used in forked and spawned workers.

    Args:
        path: the set's file or one of its shards, or its address, from which it is copied here once.

    Raises:
        AEMGError: missing, not a corpus, of another format version, or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.shard = shard_of(path)
        self._address = remote.address_of(path)
        self._local: Path | None = None if self._address else Path(path)
        self._file: Any = None
        self._tables: dict[str, Any] = {}
        self._palettes: dict[int, NDArray[np.float32]] = {}
        self._pid = 0
        try:
            self._read_index(self._open())
        except _DAMAGE as error:
            self.close()
            if isinstance(error, AEMGError):
                raise
            raise AEMGError(f"{self.path}: damaged corpus ({error}); prepare it again") from error
        self.close()

    def load(self, row: int) -> Recording:
        """The recording of a row, all of it.

        Raises:
            AEMGError: damaged.
        """
        try:
            text, montage, targets = self._parts(row)
            signal = self._window(row, 0, self.entries[row].n_samples)
            return layout.unpack(json.loads(text), signal, targets, layout.montage_of(montage))
        except _DAMAGE as error:
            raise self._damaged(row, error) from error

    def window(
        self, row: int, start_sample: int, n_samples: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Samples [start, start + n) of a row as (C, n) float32, in `out` if given; only the chunks that hold them are read.

        Raises:
            AEMGError: damaged.
        """
        try:
            return self._window(row, start_sample, n_samples, out)
        except _DAMAGE as error:
            raise self._damaged(row, error) from error

    def has_codes(self, row: int) -> bool:
        """Whether a row is stored as 16-bit codes."""
        return bool(self._index[row]["form"] != layout.FLOATS)

    def codes(self, row: int, start_sample: int, out: NDArray[np.int16]) -> None:
        """Fills `out` (n, C) with the codes of samples [start, start + n) of a row that has codes.

        Raises:
            AEMGError: damaged, the codes or their key.
        """
        first = int(self._index[row]["signal"]) + start_sample * out.shape[1]
        try:
            out[:] = self._open()["codes"][first : first + out.size].reshape(out.shape)
        except _DAMAGE as error:
            raise self._damaged(row, error) from error
        key = self.key(row)
        largest = int(out.max(initial=-(1 << 15))) + (1 << 15)
        if key.shape != (out.shape[1], 2) if key.ndim == 2 else largest >= len(key):
            raise self._damaged(row, ValueError("codes that their key does not know"))

    def key(self, row: int) -> NDArray[np.float64] | NDArray[np.float32]:
        """The key of a row's codes, as `Coded` has it.

        Raises:
            AEMGError: damaged.
        """
        try:
            return self._key(row)
        except _DAMAGE as error:
            raise self._damaged(row, error) from error

    def damage(self) -> Problem | None:
        """Reads the file through and gives the first thing that is wrong with it, recording by recording if it is old."""
        tables = self._open()
        if any(table.fletcher32 is False for table in tables.values()):
            return next(self.problems(), None)
        for name, table in tables.items():
            for start in range(0, len(table), _ROWS_AT_ONCE):
                try:
                    table[start : start + _ROWS_AT_ONCE]
                except _DAMAGE as error:
                    return Problem(str(self.path), None, f"table {name} cannot be read ({error})")
        return next(self._of_the_file(), None)

    def problems(self) -> Iterator[Problem]:
        """Reads every recording and compares it with its checksum."""
        for row, entry in enumerate(self.entries):
            try:
                with np.errstate(all="ignore"):
                    sound = self._checksum(row).hex() == entry.sha256
            except _DAMAGE as error:
                yield self._problem(row, f"cannot be read ({error})")
            else:
                if not sound:
                    yield self._problem(row, "its data do not match its sha256")
        yield from self._of_the_file()

    def _of_the_file(self) -> Iterator[Problem]:
        if self.digest is not None and self.digest != digest_of([self]):
            yield Problem(str(self.path), None, "its card, its sources or its index do not match the set's digest")

    def montage_texts(self) -> dict[bytes, int]:
        """Where in /text each distinct montage starts, by its stored text."""
        text = self._open()["text"]
        places = {(int(at["montage"]), int(at["montage_bytes"])) for at in self._index}
        return {text[start : start + size].tobytes(): start for start, size in sorted(places)}

    def close(self) -> None:
        """Closes the file if this process opened it; the next reading opens it again."""
        if self._file is not None and self._pid == os.getpid():
            self._file.close()
        self._file, self._tables = None, {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_tables": {}, "_palettes": {}}

    @property
    def is_open(self) -> bool:
        """Does this process have the file open?"""
        return self._file is not None and self._pid == os.getpid()

    def _open(self) -> dict[str, Any]:
        if self.is_open:
            return self._tables
        if self._file is not None:
            _FOREIGN.append((self._file, self._tables))
        try:
            if self._local is None or (self._address is not None and not self._local.exists()):
                self._local = remote.local_copy(self._address or "")
            self._file, self._pid = h5py.File(self._local, "r", locking=False), os.getpid()
        except FileNotFoundError:
            raise AEMGError(f"no corpus at {self.path}") from None
        except OSError as error:
            raise AEMGError(f"{self.path}: not a corpus or damaged ({error})") from error
        self._tables = open_tables(self._file, self.path)
        return self._tables

    def _read_index(self, tables: dict[str, Any]) -> None:
        self._info_text = bytes(self._file.attrs["info"]).decode()
        self.info: DatasetInfo = layout.info_of(self._info_text)
        digest = self._file.attrs.get("digest")
        self.digest: str | None = None if digest is None else bytes(digest).decode()
        self._sources_text = tables["sources"][:].tobytes()
        self._index: NDArray[np.void] = tables["index"][:]
        self._scale: NDArray[np.float64] = tables["scale"][:]
        lines = [json.loads(line) for line in self._sources_text.splitlines()]
        self.sources: tuple[str, ...] = tuple(source for source, _, _ in lines)
        self.skipped: tuple[SkippedSource, ...] = tuple(SkippedSource(s, *bad) for s, _, bad in lines if bad)
        text = tables["text"][:].tobytes()
        montages: dict[tuple[int, int], Montage] = {}
        self.entries = tuple(self._entry(at, text, montages) for at in self._index)
        if len(self.entries) != sum(count for _, count, _ in lines):
            raise ValueError("its index and its sources disagree")

    def _entry(self, at: Any, text: bytes, montages: dict[tuple[int, int], Montage]) -> RecordingEntry:
        place = (int(at["montage"]), int(at["montage_bytes"]))
        if place not in montages:
            montages[place] = layout.montage_of(text[place[0] : sum(place)])
        facts = json.loads(text[int(at["text"]) : int(at["text"]) + int(at["text_bytes"])])
        return RecordingEntry(
            dataset=self.info.name,
            subject=facts["subject"],
            session=facts["session"],
            n_channels=int(at["channels"]),
            n_samples=int(at["samples"]),
            rate_hz=facts["rate_hz"],
            unit=facts["unit"],
            kind=facts["kind"],
            band_hz=layout.band_of(facts),
            intervals=layout.intervals_of(facts),
            montage=montages[place],
            file=facts["provenance"][1],
            file_sha256=facts["provenance"][2],
            sha256=at["sha256"].tobytes().hex(),
        )

    def _window(
        self, row: int, start: int, n: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        channels = self.entries[row].n_channels
        tables, at = self._open(), self._index[row]
        first = int(at["signal"]) + start * channels
        table = tables["values" if at["form"] == layout.FLOATS else "codes"]
        samples = table[first : first + n * channels].reshape(n, channels)  # (n * C,) -> (n, C)
        if at["form"] != layout.FLOATS:
            return decode(samples, self._key(row), out)  # (n, C) -> (C, n)
        if out is None:
            return np.ascontiguousarray(samples.T)  # (n, C) -> (C, n)
        out[:] = samples.T
        return out

    def _key(self, row: int) -> NDArray[np.float64] | NDArray[np.float32]:
        at = self._index[row]
        rows = slice(int(at["key"]), int(at["key"]) + int(at["key_rows"]))
        if at["form"] == layout.COUNTS:
            return self._scale[rows]
        if row not in self._palettes:
            if len(self._palettes) >= _PALETTES_KEPT:
                self._palettes.clear()
            self._palettes[row] = self._open()["values"][rows]
        return self._palettes[row]

    def _parts(self, row: int) -> tuple[bytes, bytes, NDArray[np.float32]]:
        tables, at = self._open(), self._index[row]
        text, montage = (
            tables["text"][int(at[part]) : int(at[part]) + int(at[f"{part}_bytes"])].tobytes()
            for part in ("text", "montage")
        )
        first = int(at["targets"])
        return text, montage, tables["values"][first : first + int(at["target_values"])]

    def _checksum(self, row: int) -> bytes:
        text, montage, targets = self._parts(row)
        return layout.checksum(text, montage, self._window(row, 0, self.entries[row].n_samples), targets)

    def _damaged(self, row: int, error: BaseException) -> AEMGError:
        return error if isinstance(error, AEMGError) else AEMGError(f"{self._problem(row, f'cannot be read ({error})')}")

    def _problem(self, row: int, message: str) -> Problem:
        return Problem(str(self.path), f"recording {row} ({self.entries[row].file})", message)


def digest_of(stores: Sequence[Store]) -> str:
    """Hexadecimal sha256 of a set's content, which does not depend on how it is cut into these shards, in order."""
    sources = b"".join(store._sources_text for store in stores)
    return layout.digest_of(stores[0]._info_text, sources, np.concatenate([store._index["sha256"] for store in stores]))


def open_tables(file: Any, path: str | Path) -> dict[str, Any]:
    """The tables of an open file by name.

    Raises:
        AEMGError: not a corpus, or of a format version that this AEMG does not know.
    """
    version = file.attrs.get("format_version")
    if version is None:
        raise AEMGError(f"{path}: an HDF5 file, but not an AEMG corpus (no format_version)")
    if version != layout.FORMAT_VERSION:
        raise AEMGError(
            f"{path}: corpus format {version}, this AEMG reads format {layout.FORMAT_VERSION}; "
            "install the AEMG that wrote it, or prepare it again"
        )
    missing = [name for name in layout.TABLES if name not in file]
    if missing:
        raise AEMGError(f"{path}: damaged corpus (no table {', '.join(missing)}); prepare it again")
    return {name: file[name] for name in layout.TABLES}


def verify(path: str | Path) -> list[Problem]:
    """All that is wrong with one set's file, also that it cannot be opened; an empty list for a sound one."""
    try:
        store = Store(path)
    except AEMGError as error:
        return [Problem(str(path), None, str(error).removeprefix(f"{path}: "))]
    try:
        return list(store.problems())
    finally:
        store.close()
