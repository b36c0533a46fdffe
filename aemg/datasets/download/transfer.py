"""A file over HTTP, in as many pieces as the connection needs: resumed where it broke, begun anew where it changed."""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final

from aemg.datasets.download.web import PATIENT, BrokenError, NoSuchRangeError, Patience, RefusedError, opened, patiently, request

Progress = Callable[[str, int, int], None]  # what is done, bytes done, bytes in all

_BLOCK: Final = 1 << 20


@dataclass(frozen=True)
class Remote:
    """A file as a server describes it; `etag` and `modified` are its own words, empty where it says nothing.

    Args:
        size_bytes: None where the server does not say.
        md5: of the content, hexadecimal, where the server is known to state it, else empty.
    """

    url: str
    size_bytes: int | None
    etag: str
    modified: str
    md5: str = ""

    @property
    def validator(self) -> str:
        """What a server can tell this version of the file by; empty if nothing."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified


def look(url: str, patience: Patience = PATIENT) -> Remote:
    """What a server says of a file, without fetching it.

    Raises:
        UnreachableError: no answer.
        AEMGError: it refuses.
    """

    def ask() -> Remote:
        try:
            with opened(request(url, "HEAD"), patience) as response:
                return _described(url, response.headers)
        except RefusedError as error:
            if error.state not in (http.client.METHOD_NOT_ALLOWED, http.client.NOT_IMPLEMENTED):
                raise
            return Remote(url, None, "", "")  # a server that does not tell before

    return patiently(url, ask, lambda: 0, patience)


def fetch(url: str, target: Path, progress: Progress, patience: Patience = PATIENT) -> Remote:
    """Downloads a file; what a broken attempt left beside `target` is gone on from, in this run or a later one.

    The bytes gather in `<target>.partial`, with the file's description in `<target>.partial.json`. A file that has changed
    at its source since, or that cannot be told from another version of it, is begun anew.

    Returns:
        The description of what was downloaded.

    Raises:
        UnreachableError: no answer, or the connection broke again and again.
        AEMGError: the server refuses.
        OSError: the file cannot be written.
    """
    partial = target.with_name(f"{target.name}.partial")
    notes = target.with_name(f"{partial.name}.json")
    for path in (partial, notes):
        if path.is_symlink():
            path.unlink()
    with partial.open("ab") as file:
        remote = patiently(url, lambda: _receive(url, file, notes, progress, patience), file.tell, patience)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, target)
    notes.unlink()
    return remote


def waiting_bytes(target: Path) -> int:
    """How much of a download of `target` is here already."""
    partial = target.with_name(f"{target.name}.partial")
    return partial.stat().st_size if partial.is_file() else 0


def _receive(url: str, file: IO[bytes], notes: Path, progress: Progress, patience: Patience) -> Remote:
    """One attempt: whatever arrives is kept."""
    known = _noted(notes)
    size = known.size_bytes if known is not None and known.validator and known.url == url else None
    if size is None or file.tell() > size:
        _empty(file)
        known = None
    asked = request(url)
    if known is not None and file.tell():
        if file.tell() == size:
            return known
        asked.add_header("Range", f"bytes={file.tell()}-")
        asked.add_header("If-Range", known.validator)
    try:
        response = opened(asked, patience)
    except NoSuchRangeError:
        _empty(file)
        raise
    with response:
        remote = known if known is not None and response.status == http.client.PARTIAL_CONTENT else None
        if remote is None:
            remote = _described(url, response.headers)
            _empty(file)
            notes.write_text(json.dumps(asdict(remote)))
        elif not _goes_on(response.headers, file.tell(), remote):
            _empty(file)
            raise BrokenError("the server sends another part of the file than was asked for")
        progress(file.name, file.tell(), remote.size_bytes or file.tell())
        for block in iter(lambda: response.read1(_BLOCK), b""):
            file.write(block)
            progress(file.name, file.tell(), remote.size_bytes or file.tell())
    if remote.size_bytes not in (None, file.tell()):
        raise BrokenError(f"the connection ended after {file.tell():,} of {remote.size_bytes:,} bytes")
    return remote


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _described(url: str, headers: Any) -> Remote:
    said = headers.get("Content-Length", "")
    etag = headers.get("ETag", "")
    plain = re.fullmatch(r'"([0-9a-f]{32})"', etag)  # of several parts: "...-N", and then no digest of the content
    stored_plainly = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    md5 = plain[1] if plain and headers.get("Server") == "AmazonS3" and stored_plainly else ""
    size = int(said) if said.isdigit() else None
    return Remote(url, size, etag, headers.get("Last-Modified", ""), md5)


def _goes_on(headers: Any, start: int, known: Remote) -> bool:
    """Whether an answer is the rest of the known file from `start` on."""
    size = known.size_bytes
    if size is None or headers.get("Content-Range") != f"bytes {start}-{size - 1}/{size}":
        return False
    etag = headers.get("ETag")
    return etag is None or etag == known.etag


def _noted(notes: Path) -> Remote | None:
    try:
        return Remote(**json.loads(notes.read_text()))
    except (OSError, ValueError, TypeError):
        return None
