"""A file over HTTP, in as many pieces as the connection needs: resumed where it broke, begun anew where it changed."""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Final, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from aemg.errors import AEMGError

Progress = Callable[[str, int, int], None]  # what is done, bytes done, bytes in all

_BLOCK: Final = 1 << 20
_LONGEST_WAIT_S: Final = 60.0
_PASSING: Final = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be over when asked again
_NO_WAY: Final = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
_T = TypeVar("_T")


class UnreachableError(AEMGError):
    """No answer from a server, however often it was asked."""


class _BrokenError(Exception):
    """An answer that ended early or does not fit what was asked."""


class _NoSuchRangeError(_BrokenError):
    """The server's file is shorter than what is here of it."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Args:
        attempts: failures in a row, without a byte between them, after which to give up.
        wait_s: before the second attempt; it doubles with each, up to a minute.
        timeout_s: without a byte, after which an attempt has failed.
    """

    attempts: int = 8
    wait_s: float = 1.0
    timeout_s: float = 60.0


@dataclass(frozen=True)
class Remote:
    """A file as a server describes it; `etag` and `modified` are its own words, empty where it says nothing.

    Args:
        md5: of the content, hexadecimal, where the server is known to state it, else empty.
    """

    url: str
    size_bytes: int
    etag: str
    modified: str
    md5: str = ""

    @property
    def validator(self) -> str:
        """What a server can tell this version of the file by; empty if nothing."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def same(self, other: Remote) -> bool:
        """Whether two descriptions are of the same content, wherever it lies."""
        return (self.size_bytes, self.validator) == (other.size_bytes, other.validator)


def look(url: str, patience: Patience = Patience()) -> Remote:
    """What a server says of a file, without fetching it.

    Raises:
        UnreachableError: no answer.
        AEMGError: it refuses, or does not say how large the file is.
    """

    def ask() -> Remote:
        with _open(_request(url, "HEAD"), patience) as response:
            return _described(url, response.headers)

    return _patiently(url, ask, lambda: 0, patience)


def fetch(url: str, target: Path, progress: Progress, patience: Patience = Patience()) -> Remote:
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
    with partial.open("ab") as file:
        remote = _patiently(url, lambda: _receive(url, file, notes, progress, patience), file.tell, patience)
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
    if known is None or not known.validator or file.tell() > known.size_bytes:
        _empty(file)
        known = None
    request = _request(url, "GET")
    if known is not None and file.tell():
        if file.tell() == known.size_bytes:
            return known
        request.add_header("Range", f"bytes={file.tell()}-")
        request.add_header("If-Range", known.validator)
    try:
        response = _open(request, patience)
    except _NoSuchRangeError:
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
            raise _BrokenError("the server sends another part of the file than was asked for")
        progress(file.name, file.tell(), remote.size_bytes)
        for block in iter(lambda: response.read1(_BLOCK), b""):
            file.write(block)
            progress(file.name, file.tell(), remote.size_bytes)
    if file.tell() != remote.size_bytes:
        raise _BrokenError(f"the connection ended after {file.tell():,} of {remote.size_bytes:,} bytes")
    return remote


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


def _request(url: str, method: str) -> Request:
    if not re.match(r"https?://", url):
        raise AEMGError(f"{url}: expected an address that begins with http:// or https://")
    return Request(url, method=method)


def _open(request: Request, patience: Patience) -> Any:
    try:
        return urlopen(request, timeout=patience.timeout_s)
    except HTTPError as error:
        error.close()
        said = f"the server answers {error.code} {error.reason}"
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise _NoSuchRangeError(said) from error
        if error.code in _PASSING:
            raise _BrokenError(said) from error
        raise AEMGError(f"{request.full_url}: {said}; the file may have moved or be withdrawn") from error
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise AEMGError(
                f"{request.full_url}: the server's certificate is not trusted ({error.reason.verify_message}); behind a "
                "proxy that inspects traffic, name its certificate in SSL_CERT_FILE"
            ) from error
        raise


def _described(url: str, headers: http.client.HTTPMessage) -> Remote:
    size = headers.get("Content-Length", "")
    if not size.isdigit():
        raise AEMGError(f"{url}: expected a server that says how large the file is, found no Content-Length")
    etag = headers.get("ETag", "")
    plain = re.fullmatch(r'"([0-9a-f]{32})"', etag)  # of several parts: "...-N", and then no digest of the content
    stored_plainly = headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    md5 = plain[1] if plain and headers.get("Server") == "AmazonS3" and stored_plainly else ""
    return Remote(url, int(size), etag, headers.get("Last-Modified", ""), md5)


def _goes_on(headers: http.client.HTTPMessage, start: int, known: Remote) -> bool:
    """Whether an answer is the rest of the known file from `start` on."""
    if headers.get("Content-Range") != f"bytes {start}-{known.size_bytes - 1}/{known.size_bytes}":
        return False
    etag = headers.get("ETag")
    return etag is None or etag == known.etag


def _noted(notes: Path) -> Remote | None:
    try:
        return Remote(**json.loads(notes.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _patiently(url: str, attempt: Callable[[], _T], received: Callable[[], int], patience: Patience) -> _T:
    """Tries until it succeeds or has failed so often without a byte more."""
    failures = 0
    while True:
        before = received()
        try:
            return attempt()
        except (OSError, http.client.HTTPException, _BrokenError) as error:
            if not _passing(error):
                raise
            failures = 1 if received() > before else failures + 1
            if failures >= patience.attempts:
                reason = error.reason if isinstance(error, URLError) else error
                raise UnreachableError(f"{url}: {reason or type(error).__name__}") from error
            time.sleep(min(_LONGEST_WAIT_S, patience.wait_s * 2 ** (failures - 1)))


def _passing(error: Exception) -> bool:
    """Whether an error is of the connection, and may be over at the next attempt, and not of this machine's files."""
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        return True
    kinds = (_BrokenError, http.client.HTTPException, URLError, TimeoutError, ConnectionError, ssl.SSLError)
    return isinstance(error, kinds)
