"""Downloads of the three data sets of the generic neuromotor interface, and of the networks trained on them.

    plan = plan_download("meta-wrist", "DIR", small_subset=True)   # asks the server, fetches nothing
    download(plan)

What is here already is not fetched again. Beside every downloaded file lies `<file>.json`, which says where it is from,
its sha256, and the files that were unpacked from it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Final

from aemg.datasets.transfer import Patience, Progress, Remote, UnreachableError, fetch, look, waiting_bytes
from aemg.datasets.unpack import missing_bytes, unpack
from aemg.errors import AEMGError, DataFileError

HOST: Final = "https://fb-ctrl-oss.s3.amazonaws.com/neuromotor-data"
MIRROR_VARIABLE: Final = "AEMG_META_MIRROR"
LICENCE: Final = "CC BY-NC 4.0 (attribution, not for commercial use): https://creativecommons.org/licenses/by-nc/4.0/"
TASKS: Final = {"meta-gestures": "discrete_gestures", "meta-handwriting": "handwriting", "meta-wrist": "wrist"}

_CORPUS_COLUMNS: Final = ("dataset", "start", "end", "split")
_RESERVE_BYTES: Final = 64 << 20  # left free on the disk
_BLOCK: Final = 1 << 20
_QUICK: Final = Patience(attempts=3, timeout_s=20.0)
_LONG: Final = Patience()


@dataclass(frozen=True)
class Item:
    """A file to be downloaded.

    Args:
        url: where from.
        target: where to; an archive goes when it is unpacked, unless it is to be kept.
        folder: into which it is unpacked; None for what is no archive.
        remote: what the server says of it; None where it does not answer and the file is here already.
        ready: nothing is left to be done.
        needed_bytes: disk that fetching and unpacking will take.
    """

    url: str
    target: Path
    folder: Path | None
    remote: Remote | None
    ready: bool
    needed_bytes: int

    @property
    def waiting_bytes(self) -> int:
        """How much of it was fetched in an earlier attempt."""
        return waiting_bytes(self.target)


@dataclass(frozen=True)
class Plan:
    """What a download will do."""

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
        return _free_bytes(self.root)

    def require_space(self) -> None:
        """Raises AEMGError where the disk is too small."""
        if not self.ready:
            _require_space(self.root, self.needed_bytes, f"download and unpack {self.name}")

    def make_root(self) -> None:
        """Makes the root if missing; raises AEMGError where it cannot be written."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise AEMGError(f"{self.root}: {error.strerror}") from error
        if not os.access(self.root, os.W_OK):
            raise AEMGError(f"{self.root}: no permission to write there")


def in_words(size_bytes: int) -> str:
    """A size in words."""
    unit, one = next((u, n) for u, n in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)) if size_bytes >= n or u == "kB")
    return f"{size_bytes / one:.1f} {unit}"


def plan_download(
    name: str, root: str | Path, *, small_subset: bool = False, checkpoints: bool = False, mirror: str | None = None,
    patience: Patience = _QUICK,
) -> Plan:  # fmt: skip
    """Asks the server what a download would fetch, and looks what of it is here.

    Args:
        name: a key of `TASKS`.
        root: folder for the files of all tasks, side by side; trained networks go to `root`/checkpoints/<task>.
        small_subset: three people in place of a hundred.
        checkpoints: the trained network; alone, or with `small_subset` beside the recordings.
        mirror: address in place of `HOST`, with the same files below it; None for that of the environment variable
            AEMG_META_MIRROR, where it is set.

    Raises:
        UnreachableError: no answer from the server, with what can be done.
        AEMGError: unknown name, or the server refuses.
        DataFileError: a file that is here is not the server's.
    """
    if name not in TASKS:
        raise AEMGError(f"{name!r} cannot be downloaded; what can: {', '.join(TASKS)}")
    task, folder = TASKS[name], Path(root).expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise AEMGError(f"{folder}: expected a folder, found a file")
    host = (mirror or os.environ.get(MIRROR_VARIABLE) or HOST).rstrip("/")
    wanted: list[_Wanted] = []
    if small_subset or not checkpoints:
        part = "small_subset" if small_subset else "full_data"
        corpus = f"{task}_corpus.csv"
        wanted.append(_Wanted(f"{host}/data/{task}/{corpus}", folder / corpus, None))
        wanted.append(_Wanted(f"{host}/data/{task}/{part}.tar", folder / f"{task}_{part}.tar", folder))
    if checkpoints:
        place = folder / "checkpoints" / task
        wanted.append(_Wanted(f"{host}/checkpoints/{task}/{task}.tar", place / f"{task}.tar", place))
    try:
        return Plan(name, folder, tuple(_item(one, patience) for one in wanted))
    except UnreachableError as error:
        lacking = "; ".join(f"{one.url} as {one.target}" for one in wanted if not one.target.exists())
        raise UnreachableError(
            f"{error}. Check the connection, or the proxy in HTTPS_PROXY, or name a mirror with --mirror or "
            f"{MIRROR_VARIABLE}. Without a network: download elsewhere, save {lacking}, and run the same command again"
        ) from error


def download(
    plan: Plan, *, keep_archive: bool = False, progress: Progress | None = None, patience: Patience = _LONG
) -> list[Path]:
    """Fetches, checks and unpacks what a plan lacks; stopped at any time, the next run goes on from there.

    Args:
        keep_archive: do not delete archives when they are unpacked.
        progress: called with what is done, bytes done and bytes in all.

    Returns:
        The files that are ready for use, sorted.

    Raises:
        UnreachableError: the connection broke again and again; what arrived is kept.
        DataFileError: a file is not what it should be.
        AEMGError: not enough disk, a refusing server, or a place that cannot be written.
    """
    plan.require_space()
    plan.make_root()
    report = progress or (lambda what, done, total: None)
    found: set[Path] = set()
    try:
        for item in plan.items:
            found |= _complete(item, keep_archive, report, patience)
    except UnreachableError as error:
        raise UnreachableError(f"{error}. What arrived is kept: the same command goes on from there") from error
    except OSError as error:
        raise AEMGError(f"{error.filename or plan.root}: {error.strerror or error}") from error
    return sorted(found)


@dataclass(frozen=True)
class _Record:
    """What is known of a file that was downloaded."""

    url: str
    size_bytes: int
    validator: str
    sha256: str
    files: Mapping[str, int] = field(default_factory=dict)

    def fits(self, remote: Remote | None) -> bool:
        """Whether it is the server's file; another server's word for a version says nothing, its size does."""
        if remote is None:
            return True
        other = not self.validator or self.url != remote.url
        return self.size_bytes == remote.size_bytes and (other or self.validator == remote.validator)


def _record_path(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def _recorded(target: Path) -> _Record | None:
    try:
        return _Record(**json.loads(_record_path(target).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _record(target: Path, record: _Record) -> None:
    path = _record_path(target)
    draft = path.with_name(f"{path.name}.partial")
    draft.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")
    os.replace(draft, path)


@dataclass(frozen=True)
class _Wanted:
    """Address, place, and folder to unpack into, if it is an archive."""

    url: str
    target: Path
    folder: Path | None


def _item(wanted: _Wanted, patience: Patience) -> Item:
    url, target, folder = wanted.url, wanted.target, wanted.folder
    record = _recorded(target)
    remote: Remote | None = None
    try:
        remote = look(url, patience)
    except UnreachableError:
        if not target.exists() and (record is None or not _all_here(record, target, folder)):
            raise
    if record is not None and record.fits(remote) and _all_here(record, target, folder):
        return Item(url, target, folder, remote, True, 0)
    if target.is_file() and record is None and remote is not None and target.stat().st_size != remote.size_bytes:
        raise DataFileError(
            target, f"{remote.size_bytes:,} bytes as at {url}", f"{target.stat().st_size:,}; delete it to download it"
        )
    if target.is_file() and (record is None or record.fits(remote)):
        return Item(url, target, folder, remote, False, missing_bytes(target, folder) if folder else 0)
    assert remote is not None
    fetched = max(0, remote.size_bytes - waiting_bytes(target))
    return Item(url, target, folder, remote, False, fetched + (remote.size_bytes if folder else 0))


def _all_here(record: _Record, target: Path, folder: Path | None) -> bool:
    if folder is None:
        return target.is_file()
    sizes = {name: (folder / name).stat().st_size if (folder / name).is_file() else -1 for name in record.files}
    return bool(sizes) and sizes == dict(record.files)


def _complete(item: Item, keep_archive: bool, progress: Progress, patience: Patience) -> set[Path]:
    """Whatever an item still needs; the files that it gives."""
    item.target.parent.mkdir(parents=True, exist_ok=True)
    record = _recorded(item.target)
    if item.target.is_file() and (record is None or record.fits(item.remote)):
        record = _checked(item, item.remote, record, progress)
    elif not item.ready:
        record = _checked(item, fetch(item.url, item.target, progress, patience), None, progress)
    assert record is not None
    if item.folder is None:
        return {item.target}
    if not item.ready:
        _require_space(item.folder, missing_bytes(item.target, item.folder), f"unpack {item.target}")
        record = replace(record, files=unpack(item.target, item.folder, progress))
        _record(item.target, record)
        if not keep_archive:
            item.target.unlink()
    return {item.folder / name for name in record.files}


def _checked(item: Item, remote: Remote | None, known: _Record | None, progress: Progress) -> _Record:
    """The record of a file that is here in whole.

    Raises:
        DataFileError: other content than was recorded, or than the server states, or no corpus table.
    """
    sha256, md5 = _digests(item.target, progress)
    delete = "delete it and run the same command again"
    if known is not None and known.sha256 != sha256:
        raise DataFileError(item.target, f"sha256 {known.sha256} as when it was downloaded", f"{sha256}; {delete}")
    if remote is not None and remote.md5 not in ("", md5):
        raise DataFileError(item.target, f"md5 {remote.md5} as the server states", f"{md5}; {delete}")
    if item.target.suffix == ".csv":
        _require_corpus(item.target, delete)
    if known is not None:
        return known
    record = _Record(item.url, item.target.stat().st_size, remote.validator if remote else "", sha256)
    _record(item.target, record)
    return record


def _digests(path: Path, progress: Progress) -> tuple[str, str]:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    size = path.stat().st_size
    with path.open("rb") as file:
        for block in iter(lambda: file.read(_BLOCK), b""):
            sha256.update(block)
            md5.update(block)
            progress(f"checking {path.name}", file.tell(), size)
    return sha256.hexdigest(), md5.hexdigest()


def _require_corpus(path: Path, advice: str) -> None:
    with path.open("rb") as file:
        head = file.readline(1000).decode("utf-8-sig", "replace").strip()
    if not set(_CORPUS_COLUMNS) <= set(head.split(",")):
        raise DataFileError(path, f"a table with columns {', '.join(_CORPUS_COLUMNS)}", f"{head[:80]!r}; {advice}")


def _require_space(folder: Path, needed_bytes: int, purpose: str) -> None:
    free_bytes = _free_bytes(folder)
    if needed_bytes + _RESERVE_BYTES > free_bytes:
        raise AEMGError(f"{folder}: {in_words(needed_bytes)} of disk needed to {purpose}, {in_words(free_bytes)} free")


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(next(p for p in (folder, *folder.parents) if p.exists())).free
