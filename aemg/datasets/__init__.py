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
from aemg.datasets.sets import (
    biopatrec,
    capgmyo,
    cemhsey,
    contraction_intensity,
    csl_hdemg,
    emg2pose,
    emg2qwerty,
    emg_bids,
    emg_epn_612,
    flexemg,
    flexwear_hd,
    fors_emg,
    grabmyo,
    hyser,
    kanoga,
    laval_3dc,
    laval_myo,
    meta,
    myo_readings,
    myoup,
    ninapro,
    ozdemir,
    putemg,
    toro_ossaba,
    uci_gestures,
    unibo,
)
from aemg.errors import AEMGError

__all__ = [
    "DatasetEntry",
    "DatasetInfo",
    "DatasetReader",
    "Origin",
    "crowd_of",
    "home_of",
    "info",
    "names",
    "open",
    "origins",
]

_MODULES: Final = (
    uci_gestures, laval_3dc, biopatrec, kanoga, flexemg, laval_myo, unibo, meta, emg_epn_612, grabmyo, emg2pose, emg2qwerty,
    putemg, contraction_intensity, myo_readings, myoup, emg_bids, ninapro, hyser, toro_ossaba, ozdemir, fors_emg,
    capgmyo, csl_hdemg, cemhsey, flexwear_hd,
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
    """The reader of a set whose files lie at `root`, in the folder there that a download makes, or up to two levels below.

    Raises:
        AEMGError: unknown name, or nothing there looks like the set.
    """
    entry, home = _entry(name), Path(root).expanduser() / home_of(name)
    if home.is_dir():
        try:
            return entry.open(home)
        except AEMGError:
            pass
    return entry.open(root)


def origins(name: str) -> tuple[Origin, ...]:
    """Where the files of a set are published, the best place first; empty where that is not known.

    Raises:
        AEMGError: unknown name.
    """
    return _entry(name).origins


def home_of(name: str) -> str:
    """The folder that a download of a set makes: its name, or that of the first known set that is published with it.

    Raises:
        AEMGError: unknown name.
    """
    places = _places(name)
    return next((other for other in names() if places & _places(other)), name)


def _places(name: str) -> set[tuple[str, str]]:
    parts = (part for origin in origins(name) for part in (origin, *origin.more))
    return {(part.host, part.at) for part in parts if part.host != "form"}


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
