"""A corpus: the prepared recordings of one set or several, as one sequence."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aemg.corpus.layout import RecordingEntry, SkippedSource
from aemg.corpus.store import Problem, Store
from aemg.datasets.base import DatasetInfo
from aemg.errors import AEMGError
from aemg.signals import Recording


class Corpus:
    """Recordings of prepared sets, indexed from 0, set by set in order of their names, each in its sources' order.

    Only the index is read at the start. Files are opened when first needed and once a process, so that a corpus can be
    pickled and used by the workers of a `DataLoader`, forked or spawned.

    Args:
        paths: a set's .h5 file, a folder of them, or several of either.

    Raises:
        AEMGError: nothing there, not a corpus, of another format version, damaged, or a set given twice.
    """

    def __init__(self, paths: str | Path | Iterable[str | Path]) -> None:
        given = [paths] if isinstance(paths, str | Path) else list(paths)
        files = [file for path in given for file in set_files(path)]
        self._stores = sorted((Store(file) for file in files), key=lambda store: store.info.name)
        names = [store.info.name for store in self._stores]
        for name in names:
            if names.count(name) > 1:
                raise AEMGError(f"set {name!r} is given {names.count(name)} times")
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
        return tuple(store.info for store in self._stores)

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
        return {store.info.name: store.digest for store in self._stores}

    def load(self, i: int) -> Recording:
        """Recording `i`, exactly as it was appended."""
        store, row = self._at(i)
        return store.load(row)

    def window(self, i: int, start_sample: int, n_samples: int) -> NDArray[np.float32]:
        """Samples [start_sample, start_sample + n_samples) of recording `i` as (C, n_samples) float32.

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
        return store.window(row, start_sample, n_samples)

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
        chosen._stores = self._stores
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

    def _entries(self) -> tuple[RecordingEntry, ...]:
        return tuple(self._stores[at].entries[row] for at, row in self._rows)

    def _at(self, i: int) -> tuple[Store, int]:
        if not -len(self) <= i < len(self):
            raise IndexError(f"recording {i} of a corpus of {len(self)}")
        at, row = self._rows[i]
        return self._stores[at], row


def set_files(path: str | Path) -> list[Path]:
    """The sets' files at a path: itself, or the .h5 files in a folder, sorted.

    Raises:
        AEMGError: nothing there.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        return [path]
    files = sorted(path.glob("*.h5"))
    if not files:
        raise AEMGError(f"no prepared set (*.h5) in {path}; make one with: python datasets prepare NAME --root DIR")
    return files


def _known(wanted: Collection[str] | None, known: set[str], what: str) -> None:
    missing = sorted(set(wanted or ()) - known)
    if missing:
        raise AEMGError(f"no {what} {', '.join(missing)} in the corpus; it holds {', '.join(sorted(known))}")
