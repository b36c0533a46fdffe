"""Where files from elsewhere may be written: below one folder, under names that every system can hold, each once."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from aemg.errors import DataFileError

_LONGEST: Final = 255  # bytes of a name
_DEVICES: Final = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def safe_path(source: object, name: str) -> PurePosixPath:
    """A name as a path below some folder.

    Args:
        source: the archive or list that the name is from, for the message.

    Raises:
        DataFileError: it is empty, absolute, leads upwards, or holds what a file's name cannot hold everywhere.
    """
    path = PurePosixPath(name)
    outside = path.is_absolute() or PureWindowsPath(name).drive or "\\" in name or ".." in path.parts
    if outside or not path.parts or not name.isprintable():
        raise DataFileError(source, "names of files below its own root", f"{name[:200]!r}; nothing was written")
    for part in path.parts:
        if len(part.encode("utf-8", "surrogatepass")) > _LONGEST or part.split(".")[0].strip().lower() in _DEVICES:
            raise DataFileError(source, "names that a file can have", f"{name[:200]!r}; nothing was written")
    return path


def hidden(path: PurePosixPath) -> bool:
    """Whether a path is of what systems put beside the files that are meant."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def require_apart(source: object, paths: Iterable[PurePosixPath]) -> None:
    """Raises DataFileError where two paths would meet on a disk that tells no case, or one is a folder of the other."""
    seen: dict[str, PurePosixPath] = {}
    for path in paths:
        key = _key(path)
        if key in seen:
            raise DataFileError(source, "every file name once", f"{str(seen[key])!r} and {str(path)!r}")
        seen[key] = path
    folders: dict[str, PurePosixPath] = {}
    for path in seen.values():
        for folder in list(path.parents)[:-1]:
            key = _key(folder)
            if key in seen:
                raise DataFileError(source, "every file name once", f"{str(seen[key])!r} as a file and as a folder")
            if folders.setdefault(key, folder) != folder:
                found = f"folders {str(folders[key])!r} and {str(folder)!r}"
                raise DataFileError(source, "every file name once", found)


def require_inside(folder: Path, path: Path) -> None:
    """Raises DataFileError where a link in `folder` would lead `path`, which is to be written, out of it."""
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise DataFileError(path.parent, f"a folder inside {folder}", "a link out of it")


def _key(path: PurePosixPath) -> str:
    return unicodedata.normalize("NFC", str(path)).casefold()
