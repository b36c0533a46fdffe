"""What is computed once and kept between runs: one folder per user, safe when several processes fill it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

VARIABLE = "AEMG_CACHE"


def cache_folder() -> Path:
    """The folder of kept results: `$AEMG_CACHE`, else `$XDG_CACHE_HOME/aemg`, else `~/.cache/aemg`."""
    given = os.environ.get(VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aemg"


def cached_file(name: str, write: Callable[[Path], None]) -> Path:
    """A file of the cache folder, written when it is missing.

    The file is written beside its place and moved there in one step, so that a reader never sees a part of it and
    processes that race write the same content twice at worst.

    Args:
        name: of the file; its key, so whatever changes the content is part of it.
        write: writes the content to the path it is given.
    """
    path = cache_folder() / name
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        try:
            write(Path(part))
            os.replace(part, path)
        finally:
            Path(part).unlink(missing_ok=True)
    return path
