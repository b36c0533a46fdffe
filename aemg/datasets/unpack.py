"""Archives into one flat folder: nothing outside it is ever written, and what is there already is left alone."""

from __future__ import annotations

import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from aemg.datasets.transfer import Progress
from aemg.errors import DataFileError

_BLOCK: Final = 1 << 20
_TIME_STEP_S: Final = 2  # of the coarsest file system


def unpack(archive: Path, folder: Path, progress: Progress) -> dict[str, int]:
    """Writes the files of a tar archive into `folder`, without the folders they lie in there.

    The whole archive is checked before anything is written. A file that `folder` holds with the archive's size and time
    is kept, so that a run that was stopped goes on; each file appears under its name only when it is complete.

    Returns:
        Size in bytes of each file, by its name in `folder`.

    Raises:
        DataFileError: no tar archive, damaged, without files, or with a member that is no plain file in a plain place
            (absolute, above the archive's root, a link, a device, the same name twice).
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _opened(archive) as tar:
        members = _members(archive, tar)
        total, done = sum(m.size for m in members.values()), 0
        for name, member in members.items():
            if not _here(folder / name, member):
                for written in _write(archive, tar, member, folder / name):
                    progress(f"unpacking {name}", done + written, total)
            done += member.size
            progress(f"unpacking {name}", done, total)
    return {name: member.size for name, member in members.items()}


def missing_bytes(archive: Path, folder: Path) -> int:
    """How much `unpack` would write.

    Raises:
        DataFileError: as `unpack`.
    """
    with _opened(archive) as tar:
        return sum(m.size for name, m in _members(archive, tar).items() if not _here(folder / name, m))


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive) as tar:
            yield tar
    except (tarfile.TarError, EOFError, zlib.error, LZMAError) as error:
        raise DataFileError(archive, "a whole tar archive", f"one that does not read ({error})") from error


def _members(archive: Path, tar: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The files of an archive by their name in a flat folder."""
    found: dict[str, tarfile.TarInfo] = {}
    for member in tar:
        name = _safe_name(archive, member)
        if member.isdir() or name.startswith("."):  # hidden files are what macOS puts beside those that are meant
            continue
        if name in found:
            raise DataFileError(archive, "every file name once", f"{found[name].name!r} and {member.name!r}")
        found[name] = member
    if not found:
        raise DataFileError(archive, "an archive with files", "none")
    return found


def _safe_name(archive: Path, member: tarfile.TarInfo) -> str:
    """The last part of a member's path.

    Raises:
        DataFileError: it leads out of the archive's root, or is neither file nor folder.
    """
    path, elsewhere = PurePosixPath(member.name), PureWindowsPath(member.name)
    outside = path.is_absolute() or elsewhere.drive or "\\" in member.name or ".." in path.parts
    if outside or not (path.name or member.isdir()) or not member.name.isprintable():
        raise DataFileError(archive, "members below the archive's own root", f"{member.name!r}; nothing was unpacked")
    if not (member.isreg() or member.isdir()):
        kind = "a link" if member.issym() or member.islnk() else "a device or pipe"
        raise DataFileError(archive, "files and folders only", f"{kind}, {member.name!r}; nothing was unpacked")
    return path.name


def _here(path: Path, member: tarfile.TarInfo) -> bool:
    """Whether a file was unpacked before."""
    if path.is_symlink() or not path.is_file():
        return False
    found = path.stat()
    return found.st_size == member.size and abs(found.st_mtime - member.mtime) <= _TIME_STEP_S


def _write(archive: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> Iterator[int]:
    """Writes a member to `path`, giving the bytes that are written so far."""
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    source = tar.extractfile(member)
    assert source is not None  # a file, as checked
    with source, partial.open("xb") as file:
        for block in iter(lambda: source.read(_BLOCK), b""):
            file.write(block)
            yield file.tell()
        written = file.tell()
    if written != member.size:
        raise DataFileError(archive, f"{member.size:,} bytes of {member.name!r}", f"{written:,}")
    os.utime(partial, (member.mtime, member.mtime))
    os.replace(partial, path)
