"""Archives into a folder: nothing outside it is ever written, and what is there already is left alone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from aemg.datasets.download.archive import Member, opened
from aemg.datasets.download.places import hidden, require_apart, require_inside, safe_path
from aemg.datasets.download.transfer import Progress
from aemg.errors import AEMGError, DataFileError

RESERVE_BYTES: Final = 64 << 20  # left free on the disk

_TIME_STEP_S: Final = 2  # of the coarsest file system


@dataclass(frozen=True)
class Layout:
    """How the files of an archive lie when they are unpacked.

    Args:
        flat: without the folders that they lie in there.
        without_top: without the one folder that all of them lie in there.
        files, only: patterns of those that are wanted, "*" also for "/"; each empty for all.
        taken: where something of another archive lies; what would lie there goes below a folder named like its archive.
    """

    flat: bool = False
    without_top: bool = False
    files: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    taken: frozenset[PurePosixPath] = frozenset()


def unpack(archive: Path, folder: Path, progress: Progress, layout: Layout = Layout()) -> dict[str, int]:
    """Writes the files of an archive into `folder`; hidden ones stay where they are.

    The whole archive's list is checked before anything is written. A file that `folder` holds with the archive's size and
    time is kept, so that a run that was stopped goes on; each file appears under its name only when it is complete.

    Returns:
        Size in bytes of each file, by its path in `folder`, with "/" between.

    Raises:
        DataFileError: no zip or tar archive, damaged, encrypted, without files, swollen, or with a member that is no plain
            file in a plain place (absolute, above the archive's root, a link, a device, two that differ by case alone).
        AEMGError: the disk is too small, or a program is missing.
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with opened(archive, progress) as members:
        wanted = _placed(archive, members, layout)
        missing = sum(m.size_bytes for path, m in wanted.items() if not _here(folder / path, m))
        require_space(folder, missing, f"unpack {archive}")
        total, done = sum(m.size_bytes for m in wanted.values()), 0
        for path, member in wanted.items():
            if not _here(folder / path, member):
                for written in _write(archive, folder, member, folder / path):
                    progress(f"unpacking {archive.name}", done + written, total)
            done += member.size_bytes
            progress(f"unpacking {archive.name}", done, total)
    return {path.as_posix(): member.size_bytes for path, member in wanted.items()}


def missing_bytes(archive: Path, folder: Path, layout: Layout = Layout()) -> int:
    """How much `unpack` would write.

    Raises:
        DataFileError, AEMGError: as `unpack`.
    """
    with opened(archive) as members:
        wanted = _placed(archive, members, layout)
        return sum(m.size_bytes for path, m in wanted.items() if not _here(folder / path, m))


def require_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    """Raises AEMGError where the disk has not so many bytes free beside a reserve."""
    free = free_bytes(folder)
    if needed_bytes + RESERVE_BYTES > free:
        raise AEMGError(f"{folder}: {in_words(needed_bytes)} of disk needed to {purpose}, {in_words(free)} free")


def free_bytes(folder: Path) -> int:
    """Free disk where a folder is or will be."""
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free


def in_words(size_bytes: int) -> str:
    """A size in words."""
    unit, one = next((u, n) for u, n in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if size_bytes >= n or u == "kB")
    return f"{size_bytes / one:.1f} {unit}"


def wanted_by(patterns: tuple[str, ...], path: PurePosixPath | str) -> bool:
    """Whether a path is among those that patterns tell; without any, all are."""
    return not patterns or any(fnmatchcase(str(path), pattern) for pattern in patterns)


def _placed(archive: Path, members: list[Member], layout: Layout) -> dict[Path, Member]:
    """The members that are wanted, by their path in the folder."""
    found: list[tuple[PurePosixPath, Member]] = []
    for member in members:
        path = safe_path(archive, member.name)
        if layout.without_top:
            path = PurePosixPath(*path.parts[1:])
        wanted = wanted_by(layout.files, path) and wanted_by(layout.only, path)
        if path.parts and not hidden(path) and wanted:
            path = PurePosixPath(path.name) if layout.flat else path
            found.append((PurePosixPath(archive.name.split(".")[0]) / path if path in layout.taken else path, member))
    if not found:
        raise DataFileError(archive, "an archive with files", "none that is wanted")
    require_apart(archive, (path for path, _ in found))
    return {Path(path): member for path, member in found}


def _here(path: Path, member: Member) -> bool:
    """Whether a file was unpacked before."""
    if path.is_symlink() or not path.is_file():
        return False
    found = path.stat()
    return found.st_size == member.size_bytes and abs(found.st_mtime - member.time_s) <= _TIME_STEP_S


def _write(archive: Path, folder: Path, member: Member, path: Path) -> Iterator[int]:
    """Writes a member to `path`, giving the bytes that are written so far."""
    require_inside(folder, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    partial.unlink(missing_ok=True)
    with partial.open("xb") as file:
        for block in member.blocks():
            if file.tell() + len(block) > member.size_bytes:
                raise DataFileError(archive, f"{member.size_bytes:,} bytes of {member.name!r}", "more")
            file.write(block)
            yield file.tell()
        written = file.tell()
    if written != member.size_bytes:
        raise DataFileError(archive, f"{member.size_bytes:,} bytes of {member.name!r}", f"{written:,}")
    os.utime(partial, (member.time_s, member.time_s))
    os.replace(partial, path)
