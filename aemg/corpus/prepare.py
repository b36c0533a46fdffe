"""Reads a set's native files in parallel and writes them as a corpus."""

from __future__ import annotations

import logging
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from joblib import Parallel, delayed
from joblib.parallel import get_active_backend

from aemg.corpus.corpus import Corpus
from aemg.corpus.layout import Packed, SkippedSource, pack
from aemg.corpus.processes import end_with, end_with_parent
from aemg.corpus.shards import Shard, deal, holds, set_files, shard_of
from aemg.corpus.writer import CorpusWriter
from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Recording

logger = logging.getLogger(__name__)

ReadSource = Callable[[Path, str], list[Recording]]


@dataclass(frozen=True)
class PrepareResult:
    """What `prepare` made.

    Args:
        paths: the set's files in their order, together of `size_bytes`.
        recordings, subjects, hours: in it, hours of all channels at once.
        seconds: it took.
        sources_read: this time; those of an interrupted run before are not read again. 0 if all was there already.
    """

    dataset: str
    paths: tuple[Path, ...]
    recordings: int
    subjects: int
    hours: float
    size_bytes: int
    seconds: float
    sources_read: int
    skipped: tuple[SkippedSource, ...]

    @property
    def path(self) -> Path:
        """The set's file, or the first of its shards."""
        return self.paths[0]


@dataclass(frozen=True)
class _Setting:
    skip_bad: bool
    overwrite: bool
    compression: Literal["lzf", "gzip"] | None


def prepare(
    reader: DatasetReader,
    out_dir: str | Path,
    *,
    jobs: int = 2,
    shards: int | None = None,
    shard_mb: int = 1024,
    skip_bad: bool = False,
    overwrite: bool = False,
    compression: Literal["lzf", "gzip"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PrepareResult:
    """Writes the recordings of a set to `out_dir`/<name>.h5, or to several shards; the content does not depend on `jobs`.

    An interrupted run is gone on with at its first unfinished source; a set that is there already is left alone. Sources of
    one file are read in parallel, several files written in parallel, by joblib: `joblib.parallel_config(backend="dask")`
    spreads them over machines that share the disk.

    Args:
        jobs: processes; 1 works in this one. The backend may know better how many there are.
        shards: files to write, at most one a source. None: as many as there are, or as native files of `shard_mb` MB for each
            make it.
        skip_bad: leave out sources with a damaged file and note them in the corpus, instead of stopping.
        overwrite: begin anew, whatever is there.
        progress: called with the number of finished sources and of all.

    Raises:
        DataFileError: a file is damaged and `skip_bad` is off; what else could be read is kept.
        AEMGError: another process prepares the same set there, the disk is full, or a process died.
    """
    for name, value in {"jobs": jobs, "shards": shards, "shard_mb": shard_mb}.items():
        if value is not None and value < 1:
            raise AEMGError(f"{name} must be at least 1, got {value}")
    started_s = time.monotonic()
    out = Path(out_dir).expanduser()
    ready = [] if overwrite or shards is not None else _ready_files(out, reader)
    if ready:
        return _result(ready, time.monotonic() - started_s, 0)
    parts = deal(reader, shards, shard_mb)
    paths = [out / Shard(reader.info.name, number, len(parts)).file for number in range(len(parts))]
    setting = _Setting(skip_bad, overwrite, compression)
    if len(parts) == 1:
        sources_read = _write(paths[0], reader, setting, jobs, progress)
    else:
        sources_read = _write_all(list(zip(paths, parts)), setting, jobs, progress)
    _remove_others(out, reader.info.name, paths)
    return _result(paths, time.monotonic() - started_s, sources_read)


def _ready_files(out: Path, reader: DatasetReader) -> list[Path]:
    """The finished files of the set, however it is cut."""
    if not holds(out, reader.info.name):
        return []
    files = [Path(file) for file in set_files(out, reader.info.name)]
    return files if _is_ready(files, reader) else []


def _is_ready(files: Sequence[Path], reader: DatasetReader) -> bool:
    try:
        corpus = Corpus(files)
    except AEMGError as error:
        logger.warning("%s; prepared again", error)
        return False
    with closing(corpus):
        return not corpus.skipped and corpus.infos == (reader.info,) and corpus.sources == reader.sources


def _write_all(
    shards: Sequence[tuple[Path, DatasetReader]],
    setting: _Setting,
    jobs: int,
    progress: Callable[[int, int], None] | None,
) -> int:
    """Writes each shard as one task; one that fails stops no other. Gives how many sources were read."""
    streams = getattr(get_active_backend()[0], "supports_return_generator", False)
    parallel = Parallel(n_jobs=jobs, batch_size=1, return_as="generator_unordered" if streams else "list")
    total, done, sources_read = sum(len(reader.sources) for _, reader in shards), 0, 0
    failed: dict[int, AEMGError] = {}
    tasks = (delayed(_shard)(number, *shard, setting, os.getpid()) for number, shard in enumerate(shards))
    try:
        for number, outcome in parallel(tasks):
            if isinstance(outcome, AEMGError):
                logger.warning("%s: %s", shards[number][0].name, outcome)
                failed[number] = outcome
                continue
            sources_read += outcome
            done += len(shards[number][1].sources)
            if progress is not None:
                progress(done, total)
    except BrokenExecutor as error:
        raise AEMGError("a preparing process died, maybe for want of memory; run it again, with fewer jobs") from error
    if failed:
        raise failed[min(failed)]
    return sources_read


def _shard(number: int, path: Path, reader: DatasetReader, setting: _Setting, caller: int) -> tuple[int, int | AEMGError]:
    end_with(caller)
    try:
        return number, _write(path, reader, setting)
    except AEMGError as error:
        return number, error


def _write(
    path: Path,
    reader: DatasetReader,
    setting: _Setting,
    jobs: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Writes one file where it is not ready; gives how many sources were read."""
    if not setting.overwrite and path.exists() and _is_ready([path], reader):
        return 0
    with CorpusWriter(path, reader.info, compression=setting.compression) as writer:
        return _fill(writer, reader, jobs, setting, progress)


def _remove_others(out: Path, name: str, paths: Sequence[Path]) -> None:
    """Removes what is left of the set as it was cut before."""
    for path in out.glob(f"{name}*.h5*"):
        file = path.with_name(path.name.removesuffix(".partial"))
        if file.suffix == ".h5" and shard_of(file).name == name and file not in paths:
            path.unlink()


def _fill(
    writer: CorpusWriter,
    reader: DatasetReader,
    jobs: int,
    setting: _Setting,
    progress: Callable[[int, int], None] | None,
) -> int:
    done = len(writer.sources)
    if setting.overwrite or writer.sources != reader.sources[:done] or (writer.skipped and not setting.skip_bad):
        writer.restart()
        done = 0
    todo = reader.sources[done:]
    with closing(_read_all(reader, todo, jobs)) as results:
        for number, (source, outcome) in enumerate(zip(todo, results), start=done + 1):
            if isinstance(outcome, list):
                writer.append(outcome, source=source)
            elif setting.skip_bad:
                writer.skip(source, file=outcome.file, error=str(outcome))
            else:
                raise outcome
            if progress is not None:
                progress(number, len(reader.sources))
    return len(todo)


def _read_all(
    reader: DatasetReader, sources: Sequence[str], jobs: int
) -> Generator[list[Packed] | DataFileError, None, None]:
    if jobs == 1 or len(sources) < 2:
        yield from (_read(reader.read_source, reader.root, source) for source in sources)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent)
    running: deque[Future[list[Packed] | DataFileError]] = deque()
    try:
        for source in sources:
            running.append(pool.submit(_read, reader.read_source, reader.root, source))
            if len(running) > 2 * jobs:  # bounds how many sources are in memory
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    except BrokenProcessPool:
        raise AEMGError("a reading process died, maybe for want of memory; run it again, with fewer jobs") from None
    finally:
        pool.shutdown(cancel_futures=True)


def _read(read_source: ReadSource, root: Path, source: str) -> list[Packed] | DataFileError:
    try:
        return [pack(recording) for recording in read_source(root, source)]
    except DataFileError as error:
        return error


def _result(paths: Sequence[Path], seconds: float, sources_read: int) -> PrepareResult:
    corpus = Corpus(paths)
    corpus.close()
    entries = corpus.recordings
    return PrepareResult(
        dataset=corpus.infos[0].name,
        paths=tuple(paths),
        recordings=len(entries),
        subjects=len({entry.subject for entry in entries}),
        hours=sum(entry.duration_s for entry in entries) / 3600,
        size_bytes=sum(path.stat().st_size for path in paths),
        seconds=seconds,
        sources_read=sources_read,
        skipped=corpus.skipped,
    )
