"""Files of a corpus that lie elsewhere (s3://, http://, memory:// and all that fsspec knows): each is copied here once."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from fsspec.core import url_to_fs

from aemg.errors import AEMGError

logger = logging.getLogger(__name__)

CACHE_VARIABLE = "AEMG_CACHE"
# A scheme of two letters or more, which no drive is; a Path has lost one of the slashes.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/{1,3}(?=[^/])", re.IGNORECASE)
_STAMPS = ("size", "ETag", "etag", "mtime", "LastModified", "last_modified", "updated", "created", "md5Hash")


def address_of(path: str | Path) -> str | None:
    """The address that a path is, or None for a local path."""
    match = _ADDRESS.match(str(path))
    if match is None:
        return None
    local = match[1].lower() == "file"
    return f"{match[1].lower()}://{'/' if local else ''}{str(path)[match.end() :].rstrip('/')}"


def files_at(address: str) -> list[str]:
    """Addresses of the .h5 files in a folder, sorted.

    Raises:
        AEMGError: it cannot be listed.
    """
    try:
        system, path = url_to_fs(address)
        return sorted(system.unstrip_protocol(name) for name in system.ls(path, detail=False) if name.endswith(".h5"))
    except Exception as error:  # every store raises errors of its own
        raise _unreachable(address, error) from error


def local_copy(address: str) -> Path:
    """A copy of a file in the folder that AEMG_CACHE names (~/.cache/aemg), fetched whole where it is missing or outdated.

    Raises:
        AEMGError: it cannot be fetched, or the disk is full.
    """
    folder = Path(os.environ.get(CACHE_VARIABLE) or "~/.cache/aemg").expanduser()
    try:
        system, path = url_to_fs(address)
        facts = system.info(path)
        stamp = hashlib.sha256(repr([address, *(str(facts.get(key)) for key in _STAMPS)]).encode()).hexdigest()[:16]
        target = folder / stamp / address.rsplit("/", 1)[-1]
        if not target.exists():
            _fetch(system, path, target)
        return target
    except FileNotFoundError:
        raise AEMGError(f"no corpus at {address}") from None
    except Exception as error:
        raise _unreachable(address, error) from error


def _fetch(system: Any, path: str, target: Path) -> None:
    """Copies beside the target and renames, so that processes may fetch the same file at once and be killed."""
    logger.info("fetching %s", path)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{uuid.uuid4().hex}")
    try:
        system.get_file(path, str(draft))
        os.replace(draft, target)
    finally:
        with suppress(FileNotFoundError):
            draft.unlink()


def _unreachable(address: str, error: Exception) -> AEMGError:
    return AEMGError(f"{address} cannot be read ({type(error).__name__}: {error})")
