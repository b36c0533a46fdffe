"""Writes one set's HDF5 file, source by source, so that it can be stopped at any time and gone on with."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from aemg.corpus import layout
from aemg.corpus.layout import Packed, SkippedSource
from aemg.corpus.lock import locked
from aemg.corpus.store import Store, open_tables
from aemg.datasets.base import DatasetInfo
from aemg.errors import AEMGError
from aemg.signals import Recording

logger = logging.getLogger(__name__)

# Rows of a chunk. 64 KiB of codes are 20 s of an 8-channel band at 200 Hz, 0.5 s of a 64-channel grid at 1 kHz.
_CHUNK_ROWS = {"codes": 32768, "values": 16384, "scale": 1024, "text": 65536, "index": 512, "sources": 16384}
_LIBVER = ("v108", "v110")  # no marks of an open writer, which a killed one would leave behind
_COMMIT_BYTES = 8 << 20
_COMMIT_S = 0.5
_SPARE_BYTES = 2 << 20  # for the chunks of small tables and for HDF5's own records


class CorpusWriter:
    """Writes `path` by way of `path`.partial, which is renamed when the `with` block ends without an error.

    When it ends with one, or the process dies, the partial file stays, and the next writer goes on after the last of
    its finished `sources`. A partial file that is damaged or of another card is begun anew, with a logged warning.

    Args:
        path: the set's file, `<name>.h5`.
        info: the set's card, kept in the file.
        compression: of the samples; "lzf" takes about half the space and three times the time to read a window.

    Raises:
        AEMGError: on entering, when another process writes to `path`.
    """

    def __init__(
        self, path: str | Path, info: DatasetInfo, *, compression: Literal["lzf", "gzip"] | None = None
    ) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + ".partial")
        self.info = info
        self.compression = compression
        self.skipped: tuple[SkippedSource, ...] = ()
        self._broken = False
        self._info_text = layout.info_text(info)
        self._lock = locked(self.path.with_name(self.path.name + ".lock"))

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the finished sources, in the order in which they were written."""
        return tuple(self._finished)

    def __enter__(self) -> CorpusWriter:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.__enter__()
        except OSError as error:
            raise AEMGError(f"cannot write to {self.path.parent}: {error}") from error
        try:
            self._resume()
        except BaseException as error:
            self._lock.__exit__(None, None, None)
            if isinstance(error, OSError | RuntimeError):
                raise AEMGError(f"cannot write {self.partial}: {error}") from error
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
            else:
                with suppress(AEMGError):
                    self._commit()
        finally:
            with suppress(OSError, RuntimeError):
                self._file.close()
            self._lock.__exit__(None, None, None)

    def append(self, recordings: Iterable[Recording | Packed], *, source: str) -> None:
        """Adds all recordings of one source and marks it finished; after an interruption it is there whole or not.

        Raises:
            AEMGError: the source is there already, a recording cannot be stored, or the disk is full.
        """
        if source in self._finished:
            raise AEMGError(f"{self.path}: source {source!r} is there already")
        packed = [item if isinstance(item, Packed) else layout.pack(item) for item in recordings]
        for item in packed:
            self._add(item)
        self._mark(source, layout.source_line(source, len(packed)))

    def skip(self, source: str, *, file: str, error: str) -> None:
        """Marks a source finished that could not be read, with the damaged file and what is wrong with it."""
        bad = SkippedSource(source, file, error)
        self.skipped += (bad,)
        self._mark(source, layout.source_line(source, 0, bad))

    def restart(self) -> None:
        """Throws away what was written."""
        self._file.close()
        self._create()

    def _add(self, item: Packed) -> None:
        row = np.zeros(1, layout.INDEX)
        row["form"] = item.form
        row["channels"], row["samples"] = item.shape
        row["signal"] = self._put("values" if item.form == layout.FLOATS else "codes", item.samples)
        row["key"] = self._put("scale" if item.form == layout.COUNTS else "values", item.key)
        row["key_rows"] = len(item.key)
        row["targets"], row["target_values"] = self._put("values", item.targets), len(item.targets)
        row["text"], row["text_bytes"] = self._put("text", _bytes(item.text)), len(item.text)
        if item.montage not in self._montages:
            self._montages[item.montage] = self._put("text", _bytes(item.montage))
        row["montage"], row["montage_bytes"] = self._montages[item.montage], len(item.montage)
        row["sha256"] = _bytes(item.sha256)
        self._put("index", row)

    def _put(self, table: str, rows: NDArray[Any]) -> int:
        """Queues rows for a table; returns where they will start."""
        start = self._ends[table]
        if len(rows):
            self._pending[table].append(rows)
            self._ends[table] += len(rows)
        self._pending_bytes += rows.nbytes
        return start

    def _mark(self, source: str, line: bytes) -> None:
        self._finished[source] = None
        self._put("sources", _bytes(line))
        if self._pending_bytes >= _COMMIT_BYTES or time.monotonic() - self._committed_s >= _COMMIT_S:
            self._commit()

    def _commit(self) -> None:
        if self._broken or not self._pending["sources"]:
            return
        self._reserve(self._pending_bytes + _SPARE_BYTES, self._file.id.get_filesize())
        try:
            for name, table in self._tables.items():  # /sources is last: what it names is there
                if self._pending[name]:
                    block = np.concatenate(self._pending[name])
                    table.resize(self._ends[name], axis=0)
                    table[-len(block) :] = block
            self._file.flush()
        except (OSError, RuntimeError) as error:
            self._broken = True
            raise AEMGError(f"cannot write {self.partial}: {error}") from error
        self._clear()

    def _reserve(self, size_bytes: int, end: int) -> None:
        """Takes disk space behind the file's end: HDF5 that cannot write leaves a file of no use.

        Raises:
            AEMGError: the disk is full; the file is as it was.
        """
        free = shutil.disk_usage(self.path.parent).free
        try:
            if free < size_bytes:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if hasattr(os, "posix_fallocate"):
                with self.partial.open("rb+") as file:
                    os.posix_fallocate(file.fileno(), end, size_bytes)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot reserve
                return
            raise AEMGError(
                f"{self.path.parent}: disk full ({error.strerror}, {free >> 20} MiB left); free some space and run it again"
            ) from error

    def _clear(self) -> None:
        self._pending: dict[str, list[NDArray[Any]]] = {name: [] for name in layout.TABLES}
        self._pending_bytes = 0
        self._committed_s = time.monotonic()

    def _finish(self) -> None:
        self._commit()
        try:
            sources = self._tables["sources"][:].tobytes()
            digest = layout.digest_of(self._info_text, sources, self._tables["index"]["sha256"])
            self._reserve(_SPARE_BYTES, self._file.id.get_filesize())
            self._file.attrs["digest"] = np.bytes_(digest)
            self._file.close()
            h5py.File(self.partial, "r+", libver=_LIBVER).close()  # gives back what was reserved and not used
            with self.partial.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(self.partial, self.path)
        except (OSError, RuntimeError) as error:
            raise AEMGError(f"cannot write {self.path}: {error}") from error

    def _create(self) -> None:
        self.partial.touch()
        try:
            self._reserve(_SPARE_BYTES, 0)
        except AEMGError:
            self.partial.unlink()
            raise
        self._file = h5py.File(self.partial, "w", libver=_LIBVER)
        self._file.attrs["format_version"] = layout.FORMAT_VERSION
        self._file.attrs["info"] = np.bytes_(self._info_text)
        for name, dtype in layout.TABLES.items():
            columns = (2,) if name == "scale" else ()
            self._file.create_dataset(
                name,
                shape=(0, *columns),
                maxshape=(None, *columns),
                chunks=(_CHUNK_ROWS[name], *columns),
                dtype=dtype,
                compression=self.compression if name in ("codes", "values") else None,
                shuffle=self.compression is not None and name in ("codes", "values"),
                fletcher32=True,
            )
        self._file.flush()
        self._begin({})
        self.skipped = ()

    def _begin(self, finished: dict[str, None]) -> None:
        self._tables = {name: self._file[name] for name in layout.TABLES}
        self._ends = {name: len(table) for name, table in self._tables.items()}
        self._finished = finished
        self._montages: dict[bytes, int] = {}
        self._broken = False
        self._clear()

    def _resume(self) -> None:
        if self.partial.exists():
            try:
                self._reopen()
            except (AEMGError, OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
                logger.warning("%s is of no use, begun anew: %s", self.partial, error)
            else:
                return
        self._create()

    def _reopen(self) -> None:
        """Opens what an interrupted writer left, cut to its finished sources.

        Raises:
            AEMGError, OSError, RuntimeError, ValueError, KeyError, TypeError: damaged, or of another card or version.
        """
        self._cut()
        store = Store(self.partial)
        try:
            if layout.info_text(store.info) != self._info_text:
                raise AEMGError("it was begun with another card of the set")
            for problem in store.problems():
                raise AEMGError(f"damaged: {problem}")
            montages = store.montage_texts()
        finally:
            store.close()
        self._file = h5py.File(self.partial, "r+", libver=_LIBVER)
        self._begin(dict.fromkeys(store.sources))
        self.skipped = store.skipped
        self._montages = montages

    def _cut(self) -> None:
        with h5py.File(self.partial, "r+", libver=_LIBVER) as file:
            tables = open_tables(file, self.partial)
            lines = tables["sources"][:].tobytes().splitlines()
            index = tables["index"][: sum(json.loads(line)[1] for line in lines)]
            tables["index"].resize(len(index), axis=0)
            for name, end in layout.ends(index).items():
                if end > len(tables[name]):
                    raise AEMGError(f"table {name} is cut short")
                tables[name].resize(end, axis=0)


def _bytes(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)
