"""A corpus: the prepared recordings of one set or several, as one sequence."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aemg.corpus.layout import RecordingEntry, SkippedSource
from aemg.corpus.shards import missing, set_files
from aemg.corpus.store import Problem, Store, digest_of
from aemg.datasets.base import DatasetInfo
from aemg.errors import AEMGError
from aemg.signals import Recording

logger = logging.getLogger(__name__)

_FILES_OPEN = 256


class Corpus:
    """Recordings of prepared sets, indexed from 0, set by set in order of their names, each in its sources' order.

    Only the index is read at the start. Files are opened when first needed and once a process, so that a corpus can be
    pickled and used by the workers of a `DataLoader`, forked or spawned.

    A set may lie in several shards, `<name>-00003-of-00012.h5`, which are joined. Addresses that fsspec knows (s3://,
    http://) are taken like paths; a file from there is copied once, whole, to the folder that AEMG_CACHE names
    (~/.cache/aemg).

    Args:
        paths: a set's .h5 file, a folder of them, or several of either. A folder must hold all shards of its sets; single
            files are taken as they are given.
        skip_damaged: read all files through, and leave out, with a logged warning, those that are damaged or missing.

    Raises:
        AEMGError: nothing there, not a corpus, of another format version, damaged, a shard missing, or a set given twice.
    """

    def __init__(self, paths: str | Path | Iterable[str | Path], *, skip_damaged: bool = False) -> None:
        self._stores = opened([paths] if isinstance(paths, str | Path) else list(paths), skip_damaged)
        self._in_use: deque[Store] = deque()
        self._rows = tuple((at, row) for at, store in enumerate(self._stores) for row in range(len(store.entries)))
        self._recordings = self._entries()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def recordings(self) -> tuple[RecordingEntry, ...]:
        """What is known of each recording without reading samples, in the order of the corpus."""
        return self._recordings

    @property
    def infos(self) -> tuple[DatasetInfo, ...]:
        """The cards of the sets."""
        return tuple(stores[0].info for stores in self._sets())

    @property
    def licences(self) -> dict[str, str]:
        """The licence of each set by its name."""
        return {info.name: info.licence for info in self.infos}

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of what the sets were read from, skipped ones among them."""
        return tuple(source for store in self._stores for source in store.sources)

    @property
    def skipped(self) -> tuple[SkippedSource, ...]:
        """Sources that were left out because they could not be read."""
        return tuple(source for store in self._stores for source in store.skipped)

    @property
    def digests(self) -> dict[str, str | None]:
        """Hexadecimal sha256 of each set's content by its name: equal digests, equal recordings in equal order."""
        return {
            stores[0].info.name: None if any(store.digest is None for store in stores) else digest_of(stores)
            for stores in self._sets()
        }

    def load(self, i: int) -> Recording:
        """Recording `i`, exactly as it was appended."""
        store, row = self._at(i)
        return store.load(row)

    def window(
        self, i: int, start_sample: int, n_samples: int, out: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Samples [start_sample, start_sample + n_samples) of recording `i` as (C, n_samples) float32.

        Args:
            out: an array (C, n_samples) float32 to write them to; a new one where there is none.

        Raises:
            AEMGError: the window reaches beyond the recording.
        """
        store, row = self._at(i)
        length = store.entries[row].n_samples
        if not 0 <= start_sample <= start_sample + n_samples <= length:
            raise AEMGError(
                f"window [{start_sample}, {start_sample + n_samples}) does not lie within the {length} samples "
                f"of recording {i} ({store.entries[row].file})"
            )
        return store.window(row, start_sample, n_samples, out)

    def has_codes(self, i: int) -> bool:
        """Whether recording `i` is stored as 16-bit codes, from which every sample comes back bit for bit."""
        store, row = self._at(i)
        return store.has_codes(row)

    def codes(self, i: int, start_sample: int, out: NDArray[np.int16]) -> None:
        """Fills `out` (n, C) with the codes of samples [start_sample, start_sample + n) of a recording that has codes.

        Raises:
            AEMGError: damaged, the codes or their key.
        """
        store, row = self._at(i)
        store.codes(row, start_sample, out)

    def key(self, i: int) -> NDArray[np.float64] | NDArray[np.float32]:
        """What a recording's codes mean, as `Coded` has it: step and zero of each channel (C, 2), or a palette (U,).

        Raises:
            AEMGError: damaged.
        """
        store, row = self._at(i)
        return store.key(row)

    def select(
        self, *, datasets: Collection[str] | None = None, subjects: Collection[str] | None = None
    ) -> Corpus:
        """The recordings of some sets and subjects, in the same order; None takes all.

        Raises:
            AEMGError: a name that the corpus does not hold.
        """
        _known(datasets, {entry.dataset for entry in self._recordings}, "set")
        _known(subjects, {entry.subject for entry in self._recordings}, "subject")
        chosen = Corpus.__new__(Corpus)
        chosen._stores, chosen._in_use = self._stores, deque()
        chosen._rows = tuple(
            row
            for row, entry in zip(self._rows, self._recordings)
            if (datasets is None or entry.dataset in datasets) and (subjects is None or entry.subject in subjects)
        )
        chosen._recordings = chosen._entries()
        return chosen

    def verify(self) -> list[Problem]:
        """Reads every recording of the sets' files and compares it with its checksum; empty if all are sound."""
        return [problem for store in self._stores for problem in store.problems()]

    def close(self) -> None:
        """Closes the files; reading opens them again."""
        for store in self._stores:
            store.close()

    def _sets(self) -> list[list[Store]]:
        return [list(group) for _, group in groupby(self._stores, key=lambda store: store.info.name)]

    def _entries(self) -> tuple[RecordingEntry, ...]:
        return tuple(self._stores[at].entries[row] for at, row in self._rows)

    def _at(self, i: int) -> tuple[Store, int]:
        if not -len(self) <= i < len(self):
            raise IndexError(f"recording {i} of a corpus of {len(self)}")
        at, row = self._rows[i]
        store = self._stores[at]
        if not store.is_open:
            self._in_use.append(store)
            if len(self._in_use) > _FILES_OPEN:
                self._in_use.popleft().close()
        return store, row


def opened(paths: Sequence[str | Path], skip_damaged: bool) -> list[Store]:
    """The files at these paths, set by set and shard by shard.

    Raises:
        AEMGError: as `Corpus` says.
    """
    stores = []
    for path in paths:
        files = set_files(path, whole=not skip_damaged)
        for name in () if str(path).endswith(".h5") else missing(files):
            logger.warning("left out: %s: shard %s is missing", path, name)
        for file in files:
            try:
                stores.append(Store(file))
                if skip_damaged and (problem := stores[-1].damage()) is not None:
                    stores.pop()
                    raise AEMGError(str(problem))
            except AEMGError as error:
                _tell(str(error), skip_damaged)
    if not stores:
        raise AEMGError(f"no sound prepared set in {', '.join(map(str, paths))}")
    stores.sort(key=lambda store: (store.info.name, store.shard))
    for name, group in groupby(stores, key=lambda store: store.info.name):
        _of_one_set(name, list(group))
    return stores


def _of_one_set(name: str, stores: list[Store]) -> None:
    cuts = {(store.shard.name, store.shard.of) for store in stores}
    numbers = {store.shard.number for store in stores}
    if len(cuts) > 1 or len(numbers) < len(stores):
        raise AEMGError(f"set {name!r} is given {max(len(cuts), 2)} times: {', '.join(str(s.path) for s in stores)}")
    for store in stores:
        if store.info != stores[0].info:
            raise AEMGError(f"{store.path}: the card differs from that of {stores[0].path}; prepare the set again")


def _tell(problem: str, skip_damaged: bool) -> None:
    if not skip_damaged:
        raise AEMGError(problem)
    logger.warning("left out: %s", problem)


def _known(wanted: Collection[str] | None, known: set[str], what: str) -> None:
    missing = sorted(set(wanted or ()) - known)
    if missing:
        raise AEMGError(f"no {what} {', '.join(missing)} in the corpus; it holds {', '.join(sorted(known))}")
