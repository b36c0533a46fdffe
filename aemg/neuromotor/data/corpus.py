"""Which stretches of which files belong to training, validation and test."""

from __future__ import annotations

import csv
import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from aemg.datasets.formats.neuromotor_file import Task, parse_name
from aemg.errors import AEMGError, DataFileError

logger = logging.getLogger(__name__)

SplitName = Literal["train", "val", "test"]
SPLITS: Final[tuple[SplitName, ...]] = ("train", "val", "test")
_COLUMNS: Final = ("dataset", "start", "end", "split")


@dataclass(frozen=True)
class Partition:
    """A stretch of a file, start <= stamp < end in unix seconds; None for the file's own start or end.

    Args:
        dataset: the file's name without `.hdf5`.
    """

    dataset: str
    start: float | None = None
    end: float | None = None

    @property
    def user(self) -> str:
        """Whose file it is, e.g. `user_000`."""
        return parse_name(self.dataset).user


@dataclass(frozen=True)
class Split:
    """The partitions of training, validation and test, in order."""

    train: tuple[Partition, ...]
    val: tuple[Partition, ...]
    test: tuple[Partition, ...]

    def part(self, name: SplitName) -> tuple[Partition, ...]:
        """The partitions of one part."""
        return {"train": self.train, "val": self.val, "test": self.test}[name]

    def users(self, name: SplitName) -> tuple[str, ...]:
        """The users of one part, in order of first appearance."""
        return tuple(dict.fromkeys(partition.user for partition in self.part(name)))

    def of_users(self, users: Collection[str], *names: SplitName) -> Split:
        """The same split with only these users in the named parts; in all of them if none is named.

        Raises:
            AEMGError: a user who is in none of these parts.
        """
        names = names or SPLITS
        known = {user for name in names for user in self.users(name)}
        if unknown := sorted(set(users) - known):
            raise AEMGError(f"no user {', '.join(unknown)} in {', '.join(names)}; there are {', '.join(sorted(known))}")
        kept = {name: tuple(p for p in self.part(name) if p.user in users) for name in names}
        return replace(self, **kept)

    def found_at(self, root: str | Path, *, missing: Literal["error", "skip"] = "error") -> Split:
        """The partitions whose files lie in a folder.

        Args:
            missing: "error" to refuse a split with files missing, "skip" to leave those out with a logged warning.

        Raises:
            AEMGError: files are missing and `missing` is "error", or all of them are; the message lists them.
        """
        root = Path(root)
        datasets = list(dict.fromkeys(p.dataset for name in SPLITS for p in self.part(name)))
        absent = {dataset for dataset in datasets if not file_of(root, dataset).is_file()}
        if absent and (missing == "error" or len(absent) == len(datasets)):
            raise AEMGError(f"{root}: {len(absent)} of {len(datasets)} files are missing: {_listed(datasets, absent)}")
        if absent:
            logger.warning("%s: left out %d of %d files: %s", root, len(absent), len(datasets), _listed(datasets, absent))
        kept = {name: tuple(p for p in self.part(name) if p.dataset not in absent) for name in SPLITS}
        return replace(self, **kept)


def _mini(task: Task, *spans: tuple[float, float] | None) -> Split:
    names = (f"{task}_user_{user:03d}_dataset_000" for user in range(3))
    parts = [(Partition(name, *(span or ())),) for name, span in zip(names, spans)]
    return Split(*parts)


MINI: Final[dict[Task, Split]] = {
    "discrete_gestures": _mini(
        "discrete_gestures", (1633017385.77766, 1633017566.046355), (1649270219.168156, 1649270399.179029),
        (1634051788.822377, 1634052128.179899),
    ),
    "handwriting": _mini("handwriting", None, None, None),
    "wrist": _mini(
        "wrist", (1713365989.8384678, 1713366145.8079252), (1713377024.464835, 1713377181.58583),
        (1713966045.6641605, 1713966207.9896057),
    ),
}
"""A first try on the three users of the small subset: one partition a part."""


def file_of(root: Path, dataset: str) -> Path:
    """The file of a dataset."""
    return root / f"{dataset}.hdf5"


def corpus_file(root: str | Path, task: Task) -> Path:
    """Where a folder of released files keeps its table."""
    return Path(root) / f"{task}_corpus.csv"


def read_corpus(path: str | Path, task: Task) -> Split:
    """The split that a table says.

    Datasets come in order of first appearance, their rows in the table's order. Test rows of a dataset of gestures are
    pooled into one partition from the first start to the last end; of handwriting whole files are used, once each.
    Times are rounded correctly, which pandas 2 did not: it may differ in the last bit, about 2.4e-7 s.

    Args:
        path: CSV with at least the columns dataset, start, end (unix seconds, or empty for the whole file) and split.

    Raises:
        DataFileError: missing, without these columns, or with a line that makes no sense.
    """
    path = Path(path)
    rows: dict[str, dict[str, list[Partition]]] = {name: {} for name in SPLITS}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            columns = [column.strip() for column in reader.fieldnames or ()]
            if missing := [column for column in _COLUMNS if column not in columns]:
                raise DataFileError(path, f"the columns {', '.join(_COLUMNS)}", f"no {', '.join(missing)}")
            reader.fieldnames = columns
            for row in reader:
                split, partition = _parsed(path, reader.line_num, row, task)
                rows[split].setdefault(partition.dataset, []).append(partition)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataFileError(path, "a readable table of the corpus", str(error)) from error
    if not any(rows.values()):
        raise DataFileError(path, "a line a stretch", "no lines")
    return Split(*(_partitions(rows[name], name, task) for name in SPLITS))


def _parsed(path: Path, line: int, row: dict[str, str | None], task: Task) -> tuple[str, Partition]:
    values = {column: (row[column] or "").strip() for column in _COLUMNS}
    if values["split"] not in SPLITS:
        raise DataFileError(path, f"one of {', '.join(SPLITS)} as split in line {line}", repr(values["split"]))
    name = parse_name(values["dataset"]) if values["dataset"].startswith(task) else None
    if name is None or name.task != task:
        raise DataFileError(path, f"a dataset like {task}_user_000_dataset_000 in line {line}", repr(values["dataset"]))
    start, end = (_time(path, line, column, values[column]) for column in ("start", "end"))
    if start is not None and end is not None and not start < end:
        raise DataFileError(path, f"a start before the end in line {line}", f"{start!r} and {end!r}")
    return values["split"], Partition(values["dataset"], start, end)


def _time(path: Path, line: int, column: str, text: str) -> float | None:
    if not text:
        return None
    try:
        time = float(text)
    except ValueError:
        time = math.nan
    if not math.isfinite(time):
        raise DataFileError(path, f"unix seconds as {column} in line {line}", repr(text))
    return time


def _partitions(datasets: dict[str, list[Partition]], split: SplitName, task: Task) -> tuple[Partition, ...]:
    if task == "handwriting":
        return tuple(Partition(dataset) for dataset in datasets)
    if task == "discrete_gestures" and split == "test":
        return tuple(_pooled(rows) for rows in datasets.values())
    return tuple(row for rows in datasets.values() for row in rows)


def _pooled(rows: list[Partition]) -> Partition:
    starts, ends = [row.start for row in rows], [row.end for row in rows]
    first = None if None in starts else min(start for start in starts if start is not None)
    last = None if None in ends else max(end for end in ends if end is not None)
    return Partition(rows[0].dataset, first, last)


def _listed(datasets: list[str], chosen: set[str]) -> str:
    names = [f"{dataset}.hdf5" for dataset in datasets if dataset in chosen]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
