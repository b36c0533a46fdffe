"""What a download will do: the files of a set at its host, held against what is here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from aemg import datasets
from aemg.datasets.base import Origin
from aemg.datasets.download.archive import BY_HAND
from aemg.datasets.download.hosts import HostFile
from aemg.datasets.download.ledger import Ledger, Record
from aemg.datasets.download.listing import files_of
from aemg.datasets.download.meta import MIRROR_VARIABLE, TASKS, meta_files
from aemg.datasets.download.transfer import waiting_bytes
from aemg.datasets.download.unpack import free_bytes, missing_bytes, require_space
from aemg.datasets.download.web import Patience, UnreachableError
from aemg.errors import AEMGError, DataFileError

_CHECK: Final = "Check the connection, or the proxy in HTTPS_PROXY"
_QUICK: Final = Patience(attempts=3, timeout_s=20.0)


@dataclass(frozen=True)
class Item:
    """A file to be downloaded.

    Args:
        file: as its host lists it.
        target: where to; an archive goes when it is unpacked, unless it is to be kept.
        ready: nothing is left to be done.
        needed_bytes: disk that fetching and unpacking will take, as far as known.
    """

    file: HostFile
    target: Path
    ready: bool
    needed_bytes: int

    @property
    def waiting_bytes(self) -> int:
        """How much of it was fetched in an earlier attempt."""
        return waiting_bytes(self.target)


@dataclass(frozen=True)
class Plan:
    """What a download will do.

    Args:
        name: of the set.
        root: the folder of its files.
        items: its files.
    """

    name: str
    root: Path
    items: tuple[Item, ...]

    @property
    def ready(self) -> bool:
        """Whether everything is here."""
        return all(item.ready for item in self.items)

    @property
    def needed_bytes(self) -> int:
        """Disk that it takes at its peak, with the archives not yet deleted."""
        return sum(item.needed_bytes for item in self.items)

    @property
    def free_bytes(self) -> int:
        """Free disk at the root."""
        return free_bytes(self.root)

    @property
    def by_hand(self) -> dict[Path, str]:
        """Archives that a person has to unpack, with the command that does."""
        found = {item.target: BY_HAND.get(item.target.suffix.lower(), "") for item in self.items}
        return {path: f"{program} {path.name}" for path, program in found.items() if program}

    def require_space(self) -> None:
        """Raises AEMGError where the disk is too small."""
        if not self.ready:
            require_space(self.root, self.needed_bytes, f"download and unpack {self.name}")

    def make_root(self) -> None:
        """Makes the root if missing; raises AEMGError where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AEMGError(f"{self.root}: {error.strerror}") from error
        if not os.access(self.root, os.W_OK):
            raise AEMGError(f"{self.root}: no permission to write there")


def plan_download(
    name: str, root: str | Path, *, host: str | None = None, only: Sequence[str] = (), small_subset: bool = False,
    checkpoints: bool = False, mirror: str | None = None, patience: Patience = _QUICK,
) -> Plan:  # fmt: skip
    """Asks the host what a download would fetch, and looks what of it is here.

    Args:
        name: of a known set.
        root: folder for the files: of Meta's sets, those of all tasks side by side; of any other, in a folder of its name
            (of the first known set, where several are published together).
        host: as `origin_of` takes it.
        only: patterns of the host's files to be fetched, with "*" also for "/"; empty for all.
        small_subset, checkpoints, mirror: of Meta's sets alone, as in `meta_files`.

    Raises:
        UnreachableError: no answer from the host, with what can be done.
        AEMGError: unknown name, a set that cannot be fetched by a program, or the host refuses.
        DataFileError: a file that is here is not the host's.
    """
    folder = folder_of(name, root)
    if folder.exists() and not folder.is_dir():
        raise AEMGError(f"{folder}: expected a folder, found a file")
    if name in TASKS:
        if host or only:
            raise AEMGError(f"{name}: expected no choice of a host or of files; a part of it is its small subset")
        files = meta_files(name, patience, small_subset=small_subset, checkpoints=checkpoints, mirror=mirror)
    else:
        if small_subset or checkpoints or mirror:
            raise AEMGError(f"{name}: a small subset, checkpoints and mirrors are known of {', '.join(TASKS)} alone")
        origin = origin_of(name, host)
        if origin is None or origin.host == "form":
            raise AEMGError(f"{name}: no program can fetch it; `python datasets download {name}` says how a person can")
        try:
            files = files_of(origin, patience, only=tuple(only))
        except UnreachableError as error:
            raise UnreachableError(f"{error}. {_CHECK}{_elsewhere(name, origin)}") from error
    ledger = ledger_of(folder, name)
    items = [(_item(folder, file, ledger.get(file.path)), file.problem) for file in files]
    if lacking := [item for item, problem in items if problem and not (item.ready or item.target.exists())]:
        mirror_too = f", or name a mirror with --mirror or {MIRROR_VARIABLE}" if name in TASKS else ""
        saved = "; ".join(f"{item.file.url} as {item.target}" for item in lacking)
        raise UnreachableError(
            f"{lacking[0].file.problem}. {_CHECK}{mirror_too}. Without a network: download elsewhere, save {saved}, and run the "
            "same command again"
        )
    return Plan(name, folder, tuple(item for item, _ in items))


def _elsewhere(name: str, asked: Origin) -> str:
    others = [origin for origin in datasets.origins(name) if origin != asked]
    return f"; the set is also here: {', '.join(f'--from {o.host} ({o.at})' for o in others)}" if others else ""


def origin_of(name: str, host: str | None = None) -> Origin | None:
    """Where a set is fetched from, None if no place is known.

    Args:
        host: a host, or a piece of an address, of one of the places where the set is published; None for the first.

    Raises:
        AEMGError: unknown set, or it is not there.
    """
    origins = datasets.origins(name)
    if host is None:
        return origins[0] if origins else None
    for origin in origins:
        if origin.host == host or host in origin.at:
            return origin
    places = ", ".join(f"{o.host} {o.at}" for o in origins)
    raise AEMGError(f"{name}: {host!r} is none of the places where it is known to be: {places or 'none'}")


def folder_of(name: str, root: str | Path) -> Path:
    """The folder of a set's files, when they are downloaded to `root`."""
    folder = Path(root).expanduser().absolute()
    return folder if name in TASKS else folder / datasets.home_of(name)


def ledger_of(folder: Path, name: str) -> Ledger:
    """The list of what was downloaded of a set, and of those that are published with it."""
    return Ledger(folder / f"{datasets.home_of(name)}.download.jsonl")


def _item(folder: Path, file: HostFile, record: Record | None) -> Item:
    target = folder / file.path
    if record is not None and fits(record, file) and _all_here(record, target, file):
        return Item(file, target, True, 0)
    here = target.is_file() and (record is None or fits(record, file))
    if here and record is None and file.size_bytes not in (None, target.stat().st_size):
        raise DataFileError(
            target, f"{file.size_bytes:,} bytes as at {file.url}", f"{target.stat().st_size:,}; delete it to download it"
        )
    if here and file.layout and target.name.lower().endswith((".zip", ".tar")):
        return Item(file, target, False, missing_bytes(target, target.parent, file.layout))
    if here:  # of a compressed tar it takes long to say more
        return Item(file, target, False, target.stat().st_size if file.layout else 0)
    if file.size_bytes is None:
        return Item(file, target, False, file.rough_bytes)
    fetched = max(0, file.size_bytes - waiting_bytes(target))
    return Item(file, target, False, fetched + (file.size_bytes if file.layout else 0))


def fits(record: Record, file: HostFile) -> bool:
    """Whether a record is of the file that the host has; by its checksum if known, else by size and word for the version."""
    if file.size_bytes not in (None, record.size_bytes):
        return False
    if file.checksum and record.checksum and file.checksum.split(":")[0] == record.checksum.split(":")[0]:
        return file.checksum == record.checksum
    other = record.url != file.url or not record.version or not file.version
    return other or record.version == file.version


def _all_here(record: Record, target: Path, file: HostFile) -> bool:
    if file.layout is None:
        return target.is_file() and target.stat().st_size == record.size_bytes
    sizes = {name: (target.parent / name).stat().st_size for name in record.files if (target.parent / name).is_file()}
    return bool(sizes) and sizes == dict(record.files)
