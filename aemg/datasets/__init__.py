"""Data sets in their native formats: a card, and a reader that gives recordings with their provenance.

>>> from aemg import datasets
>>> datasets.info("uci-gestures").channels
8
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from aemg.datasets import biopatrec, flexemg, kanoga, laval_3dc, laval_myo, meta, uci_gestures, unibo
from aemg.datasets.base import DatasetInfo, DatasetReader
from aemg.errors import AEMGError

__all__ = [
    "DatasetInfo",
    "DatasetReader",
    "crowd_of",
    "info",
    "names",
    "open",
]

_Opener = Callable[[str | Path], DatasetReader]

_SETS: Final[dict[str, tuple[DatasetInfo, _Opener]]] = {
    "uci-gestures": (uci_gestures.INFO, uci_gestures.open_set),
    "laval-3dc": (laval_3dc.INFO, laval_3dc.open_3dc),
    "laval-3dc-myo": (laval_3dc.INFO_MYO, laval_3dc.open_myo),
    "biopatrec-10mov": (biopatrec.INFO, biopatrec.open_set),
    "kanoga-myo": (kanoga.INFO, kanoga.open_8),
    "kanoga-myo-22": (kanoga.INFO_22, kanoga.open_22),
    "flexemg": (flexemg.INFO, flexemg.open_set),
    "laval-myo": (laval_myo.INFO, laval_myo.open_set),
    "unibo-inail": (unibo.INFO, unibo.open_set),
    "meta-gestures": (meta.INFO_GESTURES, meta.open_gestures),
    "meta-handwriting": (meta.INFO_HANDWRITING, meta.open_handwriting),
    "meta-wrist": (meta.INFO_WRIST, meta.open_wrist),
}


def names() -> tuple[str, ...]:
    """The names that `open` and `info` take."""
    return tuple(_SETS)


def info(name: str) -> DatasetInfo:
    """The card of a set.

    Raises:
        AEMGError: unknown name; the message lists the known ones.
    """
    return _entry(name)[0]


def open(name: str, root: str | Path) -> DatasetReader:
    """The reader of a set whose files lie at `root` or up to two levels below it.

    Raises:
        AEMGError: unknown name, or nothing there looks like the set.
    """
    return _entry(name)[1](root)


def _entry(name: str) -> tuple[DatasetInfo, _Opener]:
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
