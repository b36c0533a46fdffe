"""Ninapro DB10, MeganePro: grasps in everyday tasks, with time stamps, as its first dataset stores them."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.datasets.base import DatasetEntry, DatasetReader, Origin, sha256_of
from aemg.datasets.files import numeric
from aemg.datasets.formats.mat import MatFile, open_mat
from aemg.datasets.sets.ninapro_cards import MEGANE, RADIO_HUMERAL_DEG, array, numbered
from aemg.datasets.sets.ninapro_format import find_files, intervals, numbering, read_codes, read_emg
from aemg.datasets.sets.ninapro_movements import MEGANE_GRASPS
from aemg.errors import DataFileError
from aemg.signals import Montage, Provenance, Recording

_FILE: Final = re.compile(r"S(?P<subject>\d{3})_ex1\.mat")
_STATIC_TRIALS: Final = 24
_GAP_STEPS: Final = 1.5
_RATE_TOLERANCE: Final = 0.005
_SHORTEST_S: Final = 0.1
_MONTAGE: Final = Montage(
    "ninapro-db10",
    (array(8, position=0.1), array(4, start_deg=RADIO_HUMERAL_DEG - 22.5, position=0.28, first=9)),
    angle_known=True,
    arm="right",
)
_LACKING: Final = {24: {7}, 39: {7}, 115: {7}, 108: {8, 9, 10, 11}}
_AMPUTEES_FROM: Final = 101


def open_megane(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a subject's file, one recording between two pauses.

    Raises:
        AEMGError: the layout is not found.
    """
    base, sources = find_files(root, MEGANE.name, _FILE, "S<subject>_ex1.mat")
    return DatasetReader(MEGANE, base, sources, read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """A subject's stretches without pause: (C, T) volts at 1926 Hz, C 12 or as many as were worn.

    Raises:
        DataFileError: damaged, with other columns than the subject wore, another rate, or stamps that fall.
    """
    path = root / source
    match = _FILE.fullmatch(path.name)
    if match is None:
        raise DataFileError(path, "a name S<subject>_ex1.mat", path.name)
    subject, rate_hz = int(match["subject"]), MEGANE.rate_hz
    montage = _MONTAGE.without(_LACKING.get(subject, set()))
    if subject >= _AMPUTEES_FROM:
        montage = replace(montage, angle_known=False, arm=None)
    with open_mat(path) as file:
        signal, absent = read_emg(path, file, range(montage.n_channels), (montage.n_channels,))
        rows = signal.shape[1]
        stretches = _stretches(path, numeric(path, "ts", file.get("ts"), (rows, 1)).ravel().astype(np.float64))
        codes = read_codes(path, file, "regrasp", rows, rate_hz)
        trials = _trials(path, file, rows)
    table, sha256 = numbering(path, codes, (numbered(MEGANE_GRASPS),)), sha256_of(path)
    return [
        Recording(
            signal=np.ascontiguousarray(signal[:, first:stop]),
            rate_hz=rate_hz,
            montage=montage.without(absent),
            subject=match["subject"],
            session="1",
            provenance=Provenance(MEGANE.name, f"{source}#{number}", sha256, MEGANE.licence),
            unit="V",
            intervals=intervals(path, codes[first:stop], trials[first:stop], table, rate_hz),
        )
        for number, (first, stop) in enumerate(stretches, start=1)
    ]


def _trials(path: Path, file: MatFile, rows: int) -> NDArray[np.int16]:
    """Repetitions, those of dynamic tasks counted on behind the static ones."""
    trials = read_codes(path, file, "regrasprepetition", rows, MEGANE.rate_hz)
    if "redynamic" not in file.names:
        return trials
    dynamic = read_codes(path, file, "redynamic", rows, MEGANE.rate_hz) == 1
    trials[dynamic & (trials > 0)] += _STATIC_TRIALS
    return trials


def _stretches(path: Path, stamps: NDArray[np.float64]) -> list[tuple[int, int]]:
    """First and one past last row of every stretch without a pause, those too short for anything left out."""
    steps = np.diff(stamps)
    if not len(steps) or not (steps > 0).all():
        raise DataFileError(path, "rising stamps in ts", f"{np.count_nonzero(steps <= 0)} that do not rise")
    step = float(np.median(steps))
    if abs(step * MEGANE.rate_hz - 1.0) > _RATE_TOLERANCE:
        raise DataFileError(path, f"stamps at {MEGANE.rate_hz:g} Hz", f"{1.0 / step:g} Hz")
    edges = [0, *(np.flatnonzero(steps > _GAP_STEPS * step) + 1).tolist(), len(stamps)]
    found = [(a, b) for a, b in pairwise(edges) if b - a >= _SHORTEST_S * MEGANE.rate_hz]
    if not found or len(found) > 10_000:
        raise DataFileError(path, "1 to 10000 stretches without a pause", f"{len(found)}")
    return found


ENTRY: Final = DatasetEntry(MEGANE, open_megane, (Origin("dataverse", "doi:10.7910/DVN/1Z3IOM", None, ("*_ex1.mat",)),))
