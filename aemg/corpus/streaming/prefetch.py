"""Reads groups of stretches of a corpus, in this process or ahead of it in others that share memory with it."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import weakref
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.corpus.corpus import Corpus
from aemg.corpus.processes import end_with_parent
from aemg.corpus.streaming.windows import Parts
from aemg.errors import AEMGError

_SPARE = 1.25  # of memory that is asked for, since the next group may be larger
_UNREADABLE = (AEMGError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Unread:
    """A part that could not be read: row `part` of the parts at `place`, and what is wrong."""

    place: int
    part: int
    error: str


Loaded = tuple[list[NDArray[Any]], list[Unread]]


class Reader:
    """Reads in this process, when asked."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._memory = np.empty(0, np.uint8)

    def read(self, tasks: Iterable[Sequence[Parts]]) -> Generator[Loaded, None, None]:
        """Reads one task after the other: its arrays, which hold until the next is asked for, and what could not be read."""
        for task in tasks:
            if self._memory.nbytes < _size(task):
                self._memory = np.empty(int(_size(task) * _SPARE), np.uint8)
            arrays = _arrays(task, self._memory)
            yield arrays, _fill(self._corpus, task, arrays)

    def close(self) -> None:
        """Gives the memory back."""
        self._memory = np.empty(0, np.uint8)


class Readers:
    """Processes that read ahead; the arrays come in the order of the tasks, whichever process was first.

    Each reads one task at a time: as many tasks as processes are in memory, and the one in use. They are started when first
    needed, spawned, and end with this process however that ends.
    """

    def __init__(self, corpus: Corpus, workers: int) -> None:
        self._corpus, self._workers = corpus, workers
        self._pool: ProcessPoolExecutor | None = None
        self._slots: list[SharedMemory | None] = [None] * (workers + 1)
        self._given: list[NDArray[Any]] = []
        self._finalizer = weakref.finalize(self, _free, self._slots, self._given)

    def read(self, tasks: Iterable[Sequence[Parts]]) -> Generator[Loaded, None, None]:
        """As `Reader.read`; one reading at a time.

        Raises:
            AEMGError: a process died.
        """
        todo = iter(tasks)
        free = deque(range(self._workers + 1))
        running: deque[tuple[Sequence[Parts], int, Future[list[Unread]]]] = deque()
        try:
            for task in itertools.islice(todo, self._workers):
                running.append(self._submit(task, free.popleft()))
            while running:
                task, slot, future = running.popleft()
                unread = future.result()
                for following in itertools.islice(todo, 1):
                    running.append(self._submit(following, free.popleft()))
                self._given[:] = _arrays(task, _bytes(self._memory(slot, task)))
                yield self._given, unread
                self._given.clear()  # memory is given back only when no array looks at it
                free.append(slot)
        except BrokenProcessPool:
            running.clear()
            self._shut()
            raise AEMGError(
                f"one of {self._workers} reading processes died, maybe for want of memory or of shared memory (/dev/shm); "
                "go on with fewer workers or a smaller group_mb"
            ) from None
        finally:
            self._given.clear()
            for _, _, future in running:
                if not future.cancel():
                    future.exception()  # waits, so that nobody writes to memory that the next reading uses

    def close(self) -> None:
        """Ends the processes and gives their memory back."""
        self._shut()
        _free(self._slots, self._given)

    def _submit(self, task: Sequence[Parts], slot: int) -> tuple[Sequence[Parts], int, Future[list[Unread]]]:
        if self._pool is None:
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, context, initializer=_start, initargs=(self._corpus,))
        return task, slot, self._pool.submit(_read, slot, self._memory(slot, task).name, task)

    def _memory(self, slot: int, task: Sequence[Parts]) -> SharedMemory:
        """The memory of a slot, made anew where it is too small."""
        memory = self._slots[slot]
        if memory is None or memory.size < _size(task):
            _unlink(memory)
            memory = self._slots[slot] = SharedMemory(create=True, size=int(_size(task) * _SPARE) + 1)
        return memory

    def _shut(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


_corpus: Corpus | None = None  # of a reading process
_attached: dict[int, SharedMemory] = {}


def _start(corpus: Corpus) -> None:
    global _corpus
    _corpus = corpus
    end_with_parent()


def _read(slot: int, name: str, task: Sequence[Parts]) -> list[Unread]:
    assert _corpus is not None
    if slot not in _attached or _attached[slot].name != name:
        _attached[slot] = SharedMemory(name)
    return _fill(_corpus, task, _arrays(task, _bytes(_attached[slot])))


def _fill(corpus: Corpus, task: Sequence[Parts], arrays: Sequence[NDArray[Any]]) -> list[Unread]:
    unread = []
    for place, (parts, array) in enumerate(zip(task, arrays)):
        for part, (recording, first, samples, column) in enumerate(parts.rows.tolist()):
            try:
                if array.dtype == np.int16:
                    corpus.codes(recording, first, array[column : column + samples])
                else:
                    corpus.window(recording, first, samples, array[:, column : column + samples])
            except _UNREADABLE as error:
                unread.append(Unread(place, part, str(error)))
    return unread


def _arrays(task: Sequence[Parts], memory: NDArray[np.uint8]) -> list[NDArray[Any]]:
    ends = np.cumsum([0, *(parts.n_bytes for parts in task)]).tolist()
    return [
        np.ndarray((parts.columns, parts.channels), np.int16, memory, first)
        if parts.coded
        else np.ndarray((parts.channels, parts.columns), np.float32, memory, first)
        for first, parts in zip(ends, task)
    ]


def _bytes(memory: SharedMemory) -> NDArray[np.uint8]:
    assert memory.buf is not None
    return np.frombuffer(memory.buf, np.uint8)


def _size(task: Sequence[Parts]) -> int:
    return sum(parts.n_bytes for parts in task)


def _free(slots: list[SharedMemory | None], given: list[NDArray[Any]]) -> None:
    given.clear()
    for slot, memory in enumerate(slots):
        slots[slot] = None
        _unlink(memory)


def _unlink(memory: SharedMemory | None) -> None:
    if memory is not None:
        with contextlib.suppress(FileNotFoundError):
            memory.unlink()
        with contextlib.suppress(BufferError):
            memory.close()
