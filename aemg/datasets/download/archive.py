"""What an archive holds, looked at with suspicion: zip (also with deflate64) and tar, plain or compressed."""

from __future__ import annotations

import calendar
import errno
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from lzma import LZMAError
from pathlib import Path
from typing import IO, Final

from aemg.datasets.download.transfer import Progress
from aemg.errors import AEMGError, DataFileError

SUFFIXES: Final = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
"""Of what can be unpacked."""

BY_HAND: Final = {".7z": "7z x", ".rar": "unrar x"}
"""Of what a person has to unpack, with the program that does."""

_BLOCK: Final = 1 << 20
_MOST_MEMBERS: Final = 1_000_000
_LARGEST_RATIO: Final = 200  # bytes unpacked from each of the archive; recordings, even as text, stay below 30
_HARMLESS: Final = 256 << 20  # bytes unpacked, up to which no ratio is too large
_DAMAGE: Final = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, LZMAError, struct.error, NotImplementedError, ValueError,
    OverflowError, IndexError, MemoryError,
)  # fmt: skip
_LONGEST_HEADER: Final = 1 << 20  # bytes of a tar member's name or attributes
_HEADERS: Final = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip
_DEFLATE64: Final = 9
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, _DEFLATE64, zipfile.ZIP_BZIP2)
_LATEST_S: Final = 1 << 33  # that file systems can hold, seconds since 1970
_SENT: Final = 4096  # bytes given to the decompressor at once, of which it may make 100 MB


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Args:
        name: as it stands there.
        size_bytes: unpacked.
        time_s: since 1970.
        blocks: gives its content.
    """

    name: str
    size_bytes: int
    time_s: int
    blocks: Callable[[], Iterator[bytes]]


@contextmanager
def opened(archive: Path, progress: Progress | None = None) -> Iterator[list[Member]]:
    """The files of an archive, in its order, while it is open.

    Args:
        progress: told how far a compressed tar is looked through, which has no list of what is in it.

    Raises:
        DataFileError: no archive of a known kind, damaged, encrypted, with a member that is neither file nor folder, or
            one that grows too much.
        AEMGError: what it takes to unpack it is not installed.
    """
    try:
        if archive.name.lower().endswith(".zip"):
            with zipfile.ZipFile(archive) as packed:
                yield _bounded(archive, _of_zip(archive, packed))
        else:
            with archive.open("rb") as file, tarfile.open(fileobj=file, tarinfo=_TarInfo) as tar:
                yield _bounded(archive, _told(archive, file, _of_tar(archive, tar), progress))
    except AEMGError:
        raise
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # what a damaged place in a zip gives
            raise
        kind = "zip" if archive.name.lower().endswith(".zip") else "tar"
        raise DataFileError(archive, f"a whole {kind} archive", f"one that does not read ({error})") from error


def _told(archive: Path, file: IO[bytes], members: Iterator[Member], progress: Progress | None) -> Iterator[Member]:
    size = archive.stat().st_size
    for member in members:
        if progress is not None:
            progress(f"looking through {archive.name}", file.tell(), size)
        yield member


def _bounded(archive: Path, members: Iterator[Member]) -> list[Member]:
    found, total, packed = [], 0, archive.stat().st_size
    for member in members:
        found.append(member)
        total += member.size_bytes
        if total > max(_HARMLESS, packed * _LARGEST_RATIO) or len(found) > _MOST_MEMBERS:
            raise DataFileError(
                archive, f"recordings, which do not grow {_LARGEST_RATIO}-fold when unpacked",
                f"{packed:,} bytes that say to hold {total:,} or more in {len(found):,} files; nothing was written",
            )  # fmt: skip
    return found


class _TarInfo(tarfile.TarInfo):
    """A header that does not read a name or attributes of any size into memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _HEADERS and self.size > _LONGEST_HEADER:
            raise tarfile.ReadError("a header that is too long")
        return super()._proc_member(tar)  # type: ignore[misc,no-any-return]


def _of_tar(archive: Path, tar: tarfile.TarFile) -> Iterator[Member]:
    for member in tar:
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            kind = "a link" if member.issym() or member.islnk() else "a device or pipe"
            kind = "a file with holes" if member.issparse() else kind
            raise DataFileError(archive, "files and folders only", f"{kind}, {member.name!r}; nothing was written")
        time_s = int(member.mtime) if 0 <= member.mtime < _LATEST_S else 0
        yield Member(member.name, member.size, time_s, partial(_tar_blocks, tar, member))


def _tar_blocks(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[bytes]:
    source = tar.extractfile(member)
    assert source is not None  # a file, as checked
    with source:
        yield from iter(lambda: source.read(_BLOCK), b"")


def _of_zip(archive: Path, packed: zipfile.ZipFile) -> Iterator[Member]:
    for member in packed.infolist():
        if member.is_dir():
            continue
        kind = member.external_attr >> 16 & 0o170000
        if kind not in (0, 0o100000):
            what = "a link" if kind == 0o120000 else "a device or pipe"
            raise DataFileError(archive, "files and folders only", f"{what}, {member.filename!r}; nothing was written")
        if member.flag_bits & 1:
            raise DataFileError(archive, "files that anyone can read", f"{member.filename!r}, which is encrypted")
        if member.compress_type not in _METHODS:  # lzma's header says how much memory it takes
            raise zipfile.BadZipFile(f"{member.filename!r} is packed by method {member.compress_type}")
        if member.compress_type == _DEFLATE64:
            _require_inflate64(archive)
            blocks = partial(_deflate64_blocks, archive, member)
        else:
            blocks = partial(_zip_blocks, packed, member)
        yield Member(member.filename, member.file_size, _zip_time(member), blocks)


def _zip_blocks(packed: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    with packed.open(member) as source:
        yield from iter(lambda: source.read(_BLOCK), b"")


def _zip_time(member: zipfile.ZipInfo) -> int:
    """The time that stands in a zip, which names no zone, as if of UTC; what is no date as the format's first day."""
    try:
        return max(315532800, calendar.timegm((*member.date_time, 0, 0, 0)))
    except (ValueError, OverflowError):
        return 315532800


def _require_inflate64(archive: Path) -> None:
    try:
        import inflate64  # noqa: F401  # an extra that few sets need
    except ImportError as error:
        raise AEMGError(
            f"{archive}: packed by deflate64, which Python does not unpack; pip install 'aemg[deflate64]' and run the same "
            f"command again, or unpack it yourself: 7z x {archive.name}"
        ) from error


def _deflate64_blocks(archive: Path, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member packed by method 9 of the zip format (PKWARE APPNOTE 4.4.5), held against its checksum."""
    import inflate64

    inflater, found = inflate64.Inflater(), 0
    with archive.open("rb") as file:
        file.seek(member.header_offset)
        head = file.read(30)
        if len(head) < 30 or head[:4] != b"PK\x03\x04":
            raise zipfile.BadZipFile(f"no header before {member.filename!r}")
        file.seek(sum(struct.unpack("<HH", head[26:])), 1)
        left = member.compress_size
        while left:
            data = file.read(min(_SENT, left))
            if not data:
                raise zipfile.BadZipFile(f"{member.filename!r} is cut short")
            left -= len(data)
            try:
                block = inflater.inflate(data)
            except (ValueError, RuntimeError, MemoryError) as error:
                raise zipfile.BadZipFile(f"{member.filename!r} is damaged ({error})") from error
            found = zlib.crc32(block, found)
            yield block
    if found != member.CRC:
        raise zipfile.BadZipFile(f"bad CRC-32 of {member.filename!r}")
