"""One writer at a time: a lock file that names its process, and is taken over once that process is gone."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from aemg.errors import AEMGError

logger = logging.getLogger(__name__)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file at `path`.

    Raises:
        AEMGError: a living process holds it, or one on another machine.
    """
    mine = json.dumps([socket.gethostname(), os.getpid(), psutil.Process().create_time()])
    try:
        _create(path, mine)
    except FileExistsError:
        _take_over(path)
        try:
            _create(path, mine)
        except FileExistsError:
            raise AEMGError(f"another process is writing here just now ({path})") from None
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            if path.read_text() == mine:
                path.unlink()


def _create(path: Path, content: str) -> None:
    # Written apart and linked into place: a lock file is never seen empty, and only one process can link it.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(content)
    try:
        os.link(draft, path)
    finally:
        draft.unlink()


def _take_over(path: Path) -> None:
    try:
        host, pid, started = json.loads(path.read_text())
    except FileNotFoundError:
        return
    except ValueError:
        host, pid, started = socket.gethostname(), -1, 0.0
    if host != socket.gethostname():
        raise AEMGError(f"process {pid} on {host} is writing here; if it is gone, delete {path}")
    if _alive(pid, started):
        raise AEMGError(f"process {pid} is writing here; wait for it, or stop it ({path})")
    logger.warning("%s: its process %s is gone; going on from what it left", path, pid)
    with suppress(FileNotFoundError):
        path.unlink()


def _alive(pid: int, started: float) -> bool:
    try:
        return bool(abs(psutil.Process(pid).create_time() - started) < 1.0)
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied:
        return True
