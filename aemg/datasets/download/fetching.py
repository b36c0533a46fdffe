"""A planned download, done: files fetched, several at a time, held against their checksums, unpacked, noted."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Final

from aemg.datasets.download.hosts import HostFile
from aemg.datasets.download.ledger import Ledger, Record, digests
from aemg.datasets.download.places import require_inside
from aemg.datasets.download.plan import Item, Plan, fits, ledger_of
from aemg.datasets.download.transfer import Progress, fetch
from aemg.datasets.download.unpack import Layout, unpack
from aemg.datasets.download.web import PATIENT, Patience, UnreachableError
from aemg.errors import AEMGError, DataFileError

_PAGE: Final = (b"<!doctype html", b"<html")


class _StoppedError(Exception):
    """Another thread failed, or the user stopped the program."""


def download(
    plan: Plan, *, keep_archive: bool = False, jobs: int = 4, progress: Progress | None = None, patience: Patience = PATIENT
) -> list[Path]:  # fmt: skip
    """Fetches, checks and unpacks what a plan lacks; stopped at any time, the next run goes on from there.

    Args:
        keep_archive: do not delete archives when they are unpacked.
        jobs: files that are fetched at a time.
        progress: called with what is done, bytes done and bytes in all; by one thread at a time.

    Returns:
        The files that are ready for use, sorted.

    Raises:
        UnreachableError: the connection broke again and again; what arrived is kept.
        DataFileError: a file is not what it should be.
        AEMGError: not enough disk, a refusing server, or a place that cannot be written.
    """
    plan.require_space()
    plan.make_root()
    ledger = ledger_of(plan.root, plan.name)
    report = progress or (lambda what, done, total: None)
    missing = [item for item in plan.items if not item.ready]
    found: set[Path] = set()
    try:
        arrived = _together(plan, missing, ledger, jobs, report, patience) if min(jobs, len(missing)) > 1 else {}
        for item in plan.items:
            record = arrived.get(item.file.path) or _arrived(plan.root, item, ledger, report, patience)
            found |= _unpacked(plan, item, record, ledger, keep_archive, report)
    except UnreachableError as error:
        raise UnreachableError(f"{error}. What arrived is kept: the same command goes on from there") from error
    except OSError as error:
        raise AEMGError(
            f"{error.filename or plan.root}: {error.strerror or error}; what arrived is kept, and the same command goes on "
            "from there"
        ) from error
    return sorted(found)


def _together(
    plan: Plan, items: Sequence[Item], ledger: Ledger, jobs: int, progress: Progress, patience: Patience
) -> dict[str, Record]:  # fmt: skip
    """Fetches files in several threads, telling the bytes of all of them together; the first failure stops the others."""
    stop, lock = threading.Event(), threading.Lock()
    total = sum(item.file.size_bytes or 0 for item in items)
    done: dict[str, int] = {}
    arrived = 0

    def report(what: str, bytes_done: int, _: int) -> None:
        nonlocal arrived
        if stop.is_set():
            raise _StoppedError
        if not what.startswith("checking "):
            with lock:
                arrived += bytes_done - done.get(what, 0)
                done[what] = bytes_done
                progress(f"downloading {plan.name}", arrived, max(arrived, total))

    def pause(seconds: float) -> None:
        if stop.wait(seconds):
            raise _StoppedError

    def work(item: Item) -> Record:
        try:
            if stop.is_set():
                raise _StoppedError
            return _arrived(plan.root, item, ledger, report, replace(patience, pause=pause))
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [pool.submit(work, item) for item in items]
            failures = [error for error in (future.exception() for future in futures) if error is not None]
        except BaseException:
            stop.set()
            raise
    for error in sorted(failures, key=lambda error: isinstance(error, _StoppedError)):
        raise error
    return {item.file.path: future.result() for item, future in zip(items, futures)}


def _arrived(root: Path, item: Item, ledger: Ledger, progress: Progress, patience: Patience) -> Record:
    """The record of an item's file, which is here and sound, or was and is unpacked."""
    target, file = item.target, item.file
    record = ledger.get(file.path)
    if record is not None and item.ready and not (file.layout and target.is_file()):
        return record
    require_inside(root, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_file() and (record is None or fits(record, file)):
        return _checked(target, file, record, ledger, progress, "delete it and run the same command again")
    return _fetched(item, ledger, progress, patience)


def _unpacked(
    plan: Plan, item: Item, record: Record, ledger: Ledger, keep_archive: bool, progress: Progress
) -> set[Path]:  # fmt: skip
    """The files that an item gives."""
    layout, folder = _apart(plan, item, ledger), item.target.parent
    if layout is None:
        return {item.target}
    if not item.ready:
        record = replace(record, files=unpack(item.target, folder, progress, layout))
        ledger.add(record)
        if not keep_archive:
            item.target.unlink()
    return {folder / name for name in record.files}


def _apart(plan: Plan, item: Item, ledger: Ledger) -> Layout | None:
    """The layout of an item, such that it will not be unpacked onto what another one of the plan gave."""
    if item.file.layout != Layout():
        return item.file.layout
    place = PurePosixPath(item.file.path).parent
    taken = ledger.taken(item.file.path, [other.file.path for other in plan.items])
    return Layout(taken=frozenset(path.relative_to(place) for path in taken if path.is_relative_to(place)))


def _fetched(item: Item, ledger: Ledger, progress: Progress, patience: Patience) -> Record:
    """The record of a file that is fetched now; one that arrives damaged is fetched once more."""
    for again in (True, False):
        remote = fetch(item.file.url, item.target, progress, patience)
        file = item.file
        if file.size_bytes is None:  # of which nothing was known before
            said = f"md5:{remote.md5}" if remote.md5 and not file.checksum else file.checksum
            file = replace(file, checksum=said, version=file.version or remote.validator)
        try:
            return _checked(item.target, file, None, ledger, progress, "it was fetched twice, and deleted")
        except DataFileError:
            item.target.unlink()
            if not again:
                raise
    raise AssertionError


def _checked(
    target: Path, file: HostFile, known: Record | None, ledger: Ledger, progress: Progress, advice: str
) -> Record:  # fmt: skip
    """The record of a file that is here in whole.

    Raises:
        DataFileError: other content than was recorded, or than the host states, or a page in place of data.
    """
    found, size = digests(target, progress), target.stat().st_size
    if known is not None and known.sha256 != found["sha256"]:
        raise DataFileError(target, f"sha256 {known.sha256} as when it was downloaded", f"{found['sha256']}; {advice}")
    if file.size_bytes not in (None, size):
        raise DataFileError(target, f"{file.size_bytes:,} bytes as the host states", f"{size:,}; {advice}")
    kind, _, digits = file.checksum.partition(":")
    if digits and found[kind] != digits:
        raise DataFileError(target, f"{kind} {digits} as the host states", f"{found[kind]}; {advice}")
    if not file.path.lower().endswith((".html", ".htm")):
        with target.open("rb") as opened:
            if opened.read(200).lstrip().lower().startswith(_PAGE):
                raise DataFileError(target, "data", f"a web page, such as one to log in; {advice}")
    if known is not None:
        return known
    record = Record(file.path, file.url, size, file.checksum, file.version, found["sha256"])
    ledger.add(record)
    return record
