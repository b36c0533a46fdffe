"""Data sets in their native formats: a card, and a reader that gives recordings with their provenance.

>>> from aemg import datasets
>>> datasets.info("uci-gestures").channels
8
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin
from aemg.datasets.sets import biopatrec, flexemg, kanoga, laval_3dc, laval_myo, meta, uci_gestures, unibo
from aemg.errors import AEMGError

__all__ = [
    "DatasetEntry",
    "DatasetInfo",
    "DatasetReader",
    "Origin",
    "crowd_of",
    "info",
    "names",
    "open",
    "origins",
]

_MODULES: Final = (
    uci_gestures, laval_3dc, biopatrec, kanoga, flexemg, laval_myo, unibo, meta,
)  # fmt: skip
_SETS: Final[dict[str, DatasetEntry]] = {entry.info.name: entry for module in _MODULES for entry in module.ENTRIES}


def names() -> tuple[str, ...]:
    """The names that `open` and `info` take."""
    return tuple(_SETS)


def info(name: str) -> DatasetInfo:
    """The card of a set.

    Raises:
        AEMGError: unknown name; the message lists the known ones.
    """
    return _entry(name).info


def open(name: str, root: str | Path) -> DatasetReader:
    """The reader of a set whose files lie at `root` or up to two levels below it.

    Raises:
        AEMGError: unknown name, or nothing there looks like the set.
    """
    return _entry(name).open(root)


def origins(name: str) -> tuple[Origin, ...]:
    """Where the files of a set are published; empty where that is not known.

    Raises:
        AEMGError: unknown name.
    """
    return _entry(name).origins


def _entry(name: str) -> DatasetEntry:
    if name not in _SETS:
        raise AEMGError(f"unknown data set {name!r}; known: {', '.join(_SETS)}")
    return _SETS[name]


def crowd_of(name: str, cards: Mapping[str, DatasetInfo]) -> str:
    """Whose people a set names: as known here, else from its card among those given, else itself.

    A corpus keeps the card of the day it was prepared, which may not know of a later set with the same people.
    """
    if name in names():
        return info(name).crowd
    return cards[name].crowd if name in cards else name
