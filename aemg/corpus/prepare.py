"""Reads a set's native files in parallel and writes them as a corpus."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aemg.corpus.corpus import Corpus
from aemg.corpus.layout import Packed, SkippedSource, pack
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
        path: the set's file, of `size_bytes`.
        recordings, subjects, hours: in it, hours of all channels at once.
        seconds: it took.
        sources_read: this time; those of an interrupted run before are not read again. 0 if all was there already.
    """

    dataset: str
    path: Path
    recordings: int
    subjects: int
    hours: float
    size_bytes: int
    seconds: float
    sources_read: int
    skipped: tuple[SkippedSource, ...]


def prepare(
    reader: DatasetReader,
    out_dir: str | Path,
    *,
    jobs: int = 2,
    skip_bad: bool = False,
    overwrite: bool = False,
    compression: Literal["lzf", "gzip"] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PrepareResult:
    """Writes the recordings of a set to `out_dir`/<name>.h5; the content does not depend on `jobs`.

    An interrupted run is gone on with at its first unfinished source; a set that is there already is left alone.

    Args:
        jobs: processes that read; 1 reads in this one.
        skip_bad: leave out sources with a damaged file and note them in the corpus, instead of stopping.
        overwrite: begin anew, whatever is there.
        progress: called with the number of finished sources and of all.

    Raises:
        DataFileError: a file is damaged and `skip_bad` is off; what was read before it is kept.
        AEMGError: another process prepares the same set there, the disk is full, or a reading process died.
    """
    if jobs < 1:
        raise AEMGError(f"jobs must be at least 1, got {jobs}")
    started_s = time.monotonic()
    path = Path(out_dir).expanduser() / f"{reader.info.name}.h5"
    sources_read = 0
    if overwrite or not _is_ready(path, reader):
        with CorpusWriter(path, reader.info, compression=compression) as writer:
            sources_read = _fill(writer, reader, jobs, skip_bad, overwrite, progress)
    return _result(path, time.monotonic() - started_s, sources_read)


def _is_ready(path: Path, reader: DatasetReader) -> bool:
    if not path.exists():
        return False
    try:
        corpus = Corpus(path)
    except AEMGError as error:
        logger.warning("%s; prepared again", error)
        return False
    with closing(corpus):
        return not corpus.skipped and corpus.infos == (reader.info,) and corpus.sources == reader.sources


def _fill(
    writer: CorpusWriter,
    reader: DatasetReader,
    jobs: int,
    skip_bad: bool,
    overwrite: bool,
    progress: Callable[[int, int], None] | None,
) -> int:
    done = len(writer.sources)
    if overwrite or writer.sources != reader.sources[:done] or (writer.skipped and not skip_bad):
        writer.restart()
        done = 0
    todo = reader.sources[done:]
    with closing(_read_all(reader, todo, jobs)) as results:
        for number, (source, outcome) in enumerate(zip(todo, results), start=done + 1):
            if isinstance(outcome, list):
                writer.append(outcome, source=source)
            elif skip_bad:
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
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_parent)
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


def _end_with_parent() -> None:
    """Leaves stopping to the parent, and keeps a worker from waiting for ever when its parent was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


    def wait() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _result(path: Path, seconds: float, sources_read: int) -> PrepareResult:
    corpus = Corpus(path)
    corpus.close()
    entries = corpus.recordings
    return PrepareResult(
        dataset=corpus.infos[0].name,
        path=path,
        recordings=len(entries),
        subjects=len({entry.subject for entry in entries}),
        hours=sum(entry.duration_s for entry in entries) / 3600,
        size_bytes=path.stat().st_size,
        seconds=seconds,
        sources_read=sources_read,
        skipped=corpus.skipped,
    )
