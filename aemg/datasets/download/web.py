"""Questions to web servers: asked again after a break, at the pace a server asks for, with a token where one is set.

Tokens come from environment variables (`TOKENS`), go to the host that they are for and to no other, not even when it sends
us on to one, and appear in no message.
"""

from __future__ import annotations

import errno
import http.client
import json
import os
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import IO, Any, Final, TypeVar

from aemg import __version__
from aemg.errors import AEMGError

TOKENS: Final[dict[str, tuple[str, str, str]]] = {
    "https://api.figshare.com": ("FIGSHARE_TOKEN", "Authorization", "token "),
    "https://api.github.com": ("GITHUB_TOKEN", "Authorization", "Bearer "),
    "https://codeload.github.com": ("GITHUB_TOKEN", "Authorization", "Bearer "),
    "https://dataverse.harvard.edu": ("DATAVERSE_TOKEN", "X-Dataverse-key", ""),
    "https://huggingface.co": ("HF_TOKEN", "Authorization", "Bearer "),
    "https://raw.githubusercontent.com": ("GITHUB_TOKEN", "Authorization", "Bearer "),
    "https://zenodo.org": ("ZENODO_TOKEN", "Authorization", "Bearer "),
}
"""By host: the environment variable of its token, the header that carries it, and what stands before it there."""

_LONGEST_BACKOFF_S: Final = 60.0
_LONGEST_WAIT_S: Final = 900.0
_LARGEST_ANSWER: Final = 64 << 20  # bytes of a list of files
_PASSING: Final = {408, 425, 429, 500, 502, 503, 504}  # states of a server that may be over when asked again
_NO_WAY: Final = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}
_T = TypeVar("_T")


class UnreachableError(AEMGError):
    """No answer from a server, however often it was asked."""


class RefusedError(AEMGError):
    """A server's no, with the number that it gives as `state`."""

    def __init__(self, said: str, state: int) -> None:
        super().__init__(said)
        self.state = state


class BrokenError(Exception):
    """An answer that ended early or does not fit what was asked; worth asking again after `wait_s`."""

    def __init__(self, said: str, wait_s: float = 0.0) -> None:
        super().__init__(said)
        self.wait_s = wait_s


class NoSuchRangeError(BrokenError):
    """The server's file is shorter than what is here of it."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for a server.

    Args:
        attempts: failures in a row, without a byte between them, after which to give up.
        wait_s: before the second attempt; it doubles with each, up to a minute. A server that says how long to wait is
            believed, up to a quarter of an hour.
        timeout_s: without a byte, after which an attempt has failed.
        pause: waits so many seconds.
    """

    attempts: int = 8
    wait_s: float = 1.0
    timeout_s: float = 60.0
    pause: Callable[[float], object] = time.sleep


PATIENT: Final = Patience()
"""For what takes long anyway."""


def request(url: str, method: str = "GET") -> urllib.request.Request:
    """A request to an address, with its host's token.

    Raises:
        AEMGError: no address of the web, or the token holds what no token can.
    """
    if not re.match(r"https?://[^/\s]", url):
        raise AEMGError(f"{url}: expected an address that begins with http:// or https://")
    made = urllib.request.Request(url, headers={"User-Agent": f"aemg/{__version__}"}, method=method)
    _authorize(made)
    return made


def opened(asked: urllib.request.Request, patience: Patience) -> Any:
    """The answer to a request.

    Raises:
        BrokenError: the server cannot answer now.
        RefusedError: it refuses.
        AEMGError: its certificate is not trusted, or it sends us on to where we do not go.
        OSError, http.client.HTTPException: the connection failed.
    """
    try:
        return urllib.request.build_opener(_Redirects).open(asked, timeout=patience.timeout_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise _refusal(asked.full_url, error) from error
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise AEMGError(
                f"{asked.full_url}: the server's certificate is not trusted ({error.reason.verify_message}); behind a "
                "proxy that inspects traffic, name its certificate in SSL_CERT_FILE"
            ) from error
        raise


def get_text(url: str, patience: Patience = PATIENT, *, accept: str = "*/*") -> tuple[str, Message]:
    """The text at an address, and the headers that came with it.

    Raises:
        UnreachableError: no answer.
        AEMGError: refused, too long, or no text.
    """

    def ask() -> tuple[str, Message]:
        asked = request(url)
        asked.add_header("Accept", accept)
        with opened(asked, patience) as response:
            data: bytes = response.read(_LARGEST_ANSWER + 1)
            if len(data) > _LARGEST_ANSWER:
                raise AEMGError(f"{url}: expected an answer of at most {_LARGEST_ANSWER >> 20} MiB")
            return data.decode("utf-8"), response.headers

    try:
        return patiently(url, ask, lambda: 0, patience)
    except UnicodeDecodeError as error:
        raise AEMGError(f"{url}: expected text, found bytes that are none") from error


def get_json(url: str, patience: Patience = PATIENT, *, accept: str = "application/json") -> tuple[Any, Message]:
    """The JSON at an address, and the headers that came with it.

    Raises:
        UnreachableError: no answer.
        AEMGError: refused, too long, or no JSON.
    """
    text, headers = get_text(url, patience, accept=accept)
    try:
        return json.loads(text), headers
    except (ValueError, RecursionError) as error:
        raise AEMGError(f"{url}: expected JSON, found {text[:60]!r}") from error


def patiently(url: str, attempt: Callable[[], _T], received: Callable[[], int], patience: Patience) -> _T:
    """Tries until it succeeds or has failed so often without a byte more than `received` told before.

    Raises:
        UnreachableError: given up.
        Exception: what `attempt` raises that another attempt cannot mend.
    """
    failures = 0
    while True:
        before = received()
        try:
            return attempt()
        except (OSError, http.client.HTTPException, BrokenError) as error:
            if not _passing(error):
                raise
            failures = 1 if received() > before else failures + 1
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            asked_s = error.wait_s if isinstance(error, BrokenError) else 0.0
            if failures >= patience.attempts or asked_s > _LONGEST_WAIT_S:
                later = f"; it asks to come back in {asked_s / 60:.0f} minutes" if asked_s > _LONGEST_WAIT_S else ""
                raise UnreachableError(f"{url}: {reason or type(error).__name__}{later}") from error
            patience.pause(max(asked_s, min(_LONGEST_BACKOFF_S, patience.wait_s * 2 ** (failures - 1))))


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Goes where a server sends us on the web, never from https to http; a token is for the host that it belongs to."""

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request:  # fmt: skip
        if not newurl.startswith("https://" if req.full_url.startswith("https://") else ("http://", "https://")):
            raise AEMGError(f"{req.full_url}: the server sends us on to {newurl!r}, which is not as safe")
        made = urllib.request.Request(newurl, headers=req.headers, method=req.get_method(), unverifiable=True)
        _authorize(made)
        return made

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


def _authorize(asked: urllib.request.Request) -> None:
    parts = urllib.parse.urlsplit(asked.full_url)
    variable, header, before = TOKENS.get(f"{parts.scheme}://{parts.netloc}", ("", "", ""))
    token = os.environ.get(variable, "").strip() if variable else ""
    if not re.fullmatch(r"[!-~]*", token):
        raise AEMGError(f"{variable} holds characters that no token has")
    if token:
        asked.add_unredirected_header(header, before + token)


def _refusal(url: str, error: urllib.error.HTTPError) -> Exception:
    said = f"the server answers {error.code} {error.reason}"
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        return NoSuchRangeError(said)
    too_many = error.code == http.client.FORBIDDEN and error.headers.get("X-RateLimit-Remaining") == "0"
    if error.code in _PASSING or too_many:
        return BrokenError(said, _asked_wait_s(error.headers))
    parts = urllib.parse.urlsplit(url)
    variable = TOKENS.get(f"{parts.scheme}://{parts.netloc}", ("",))[0]
    hint = f"; if a login is needed, put a token into {variable}" if variable and error.code in (401, 403, 404) else ""
    return RefusedError(f"{url}: {said}; the file may have moved or be withdrawn{hint}", error.code)


def _asked_wait_s(headers: Message) -> float:
    """How long a server asks to wait, by Retry-After (seconds or a date) or the end of its limit's period."""
    said = headers.get("Retry-After", "")
    if re.fullmatch(r"\d{1,9}", said):
        return float(said)
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        pass
    reset = headers.get("X-RateLimit-Reset", "")
    return max(0.0, float(reset) - time.time()) if re.fullmatch(r"\d{10}", reset) else 0.0


def _passing(error: Exception) -> bool:
    """Whether an error is of the connection, and may be over at the next attempt, and not of this machine's files."""
    if isinstance(error, OSError) and error.errno in _NO_WAY:
        return True
    kinds = (BrokenError, http.client.HTTPException, urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError)
    return isinstance(error, kinds)
