"""What was downloaded: a line of JSON a file in `<set>.download.jsonl`, written when the file is complete and checked.

A line that a crash cut short is passed over; of several on one file the last one counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from aemg.datasets.download.transfer import Progress

_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Record:
    """What is known of a file that was downloaded.

    Args:
        path: below the folder, with "/" between.
        url, size_bytes, checksum, version: as the host said then.
        sha256: of the file as it arrived.
        files: what was unpacked from it, size by path.
    """

    path: str
    url: str
    size_bytes: int
    checksum: str
    version: str
    sha256: str
    files: Mapping[str, int] = field(default_factory=dict)


class Ledger:
    """The records of a folder; several threads may add to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._records: dict[str, Record] = {}
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        for line in lines:
            try:
                record = Record(**json.loads(line))
            except (ValueError, TypeError):
                continue
            self._records[record.path] = record

    def get(self, path: str) -> Record | None:
        """The record of a file, if it was downloaded."""
        return self._records.get(path)

    def taken(self, path: str, among: Collection[str]) -> set[PurePosixPath]:
        """Where files of others lie, `among` those with these paths, that a file is not to be unpacked onto."""
        others = (self._records[other] for other in among if other != path and other in self._records)
        return {
            PurePosixPath(record.path).parent / name if record.files else PurePosixPath(name)
            for record in others
            for name in record.files or (record.path,)
        }

    def add(self, record: Record) -> None:
        """Notes a file; on the disk when this returns.

        Raises:
            OSError: the ledger cannot be written.
        """
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(f"\n{json.dumps(asdict(record))}" if file.tell() else json.dumps(asdict(record)))
            file.flush()
            os.fsync(file.fileno())
            self._records[record.path] = record


def digests(path: Path, progress: Progress) -> dict[str, str]:
    """Hexadecimal sha256, md5 and git's sha1 of a blob of a file, read once, in blocks."""
    size = path.stat().st_size
    found = {
        "sha256": hashlib.sha256(),
        "md5": hashlib.md5(usedforsecurity=False),
        "git": hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False),
    }
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            for digest in found.values():
                digest.update(block)
            progress(f"checking {path.name}", file.tell(), size)
    return {name: digest.hexdigest() for name, digest in found.items()}
