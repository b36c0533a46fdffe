"""A web server of our own that can break, change, refuse, send elsewhere and lie."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Site:
    """What the server has, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # sent with every file
    tags: bool = True
    break_after: list[int] = field(default_factory=list)  # body bytes of the coming answers, one number an answer
    states: list[int] = field(default_factory=list)  # of the coming answers, before any content
    state_headers: dict[str, str] = field(default_factory=dict)  # sent with such an answer
    blind_to_ranges: bool = False
    pause_s: float = 0.0  # between blocks of 64 KiB
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range
    redirects: dict[str, str] = field(default_factory=dict)  # path to the address it sends on to
    page_headers: dict[str, dict[str, str]] = field(default_factory=dict)  # sent with one path alone
    sizeless: bool = False
    head_state: int | None = None  # of every answer to HEAD
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # path and headers of what was asked
    url: str = ""

    def tag(self, path: str) -> str:
        return f'"{hashlib.md5(self.files[path]).hexdigest()}"'


@contextmanager
def serving() -> Iterator[Site]:
    """A server on this machine, while it is needed."""
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        server_version = "AmazonS3"

        def version_string(self) -> str:
            return "AmazonS3"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def bare(self, state: int, headers: dict[str, str]) -> None:
            self.send_response(state)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def answer(self, body: bool) -> None:
            wanted = self.headers.get("Range")
            made.asked.append((self.command, self.path, wanted))
            made.seen.append((self.path, dict(self.headers.items())))
            if body and made.states:
                self.bare(made.states.pop(0), made.state_headers)
                return
            if not body and made.head_state:
                self.bare(made.head_state, {})
                return
            if self.path in made.redirects:
                self.bare(302, {"Location": made.redirects[self.path]})
                return
            if self.path not in made.files:
                self.send_error(404)
                return
            content, start = made.files[self.path], 0
            unchanged = self.headers.get("If-Range") in (None, made.tag(self.path))
            if wanted and unchanged and not made.blind_to_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            if not made.sizeless:
                self.send_header("Content-Length", str(len(content) - start))
            if made.tags:
                self.send_header("ETag", made.tag(self.path))
            for name, value in {**made.headers, **made.page_headers.get(self.path, {})}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                stop = start + made.break_after.pop(0) if made.break_after else len(content)
                for first in range(start, min(stop, len(content)), 65536):
                    self.wfile.write(content[first : min(first + 65536, stop)])
                    self.wfile.flush()
                    time.sleep(made.pause_s)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # a client that goes away is part of the test
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()
