"""Published protocols as recipes: which people, which movements, which stretch of every repetition.

A recipe turns the native files of a set into people. What is classified is marked as the intervals of their recordings, so that
classical features and tokenised sessions are made of the same stretches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample

from aemg import datasets
from aemg.datasets import DatasetReader
from aemg.datasets.formats.mat import open_mat
from aemg.datasets.sets.ninapro_cards import DB4
from aemg.datasets.sets.ninapro_format import numbering, read_codes
from aemg.datasets.sets.ninapro_movements import FINGERS, HAND_AND_WRIST
from aemg.errors import AEMGError, ConfigError
from aemg.evaluation.benchmark.published_signals import Filters, envelope
from aemg.signals import Interval, Recording

_DB4_CODES: Final = {1: (12,), 2: (2, 5, 6, 10, 12, 13, 14, 15, 16)}
_DB4_LABELS: Final = (
    tuple(FINGERS)[11], *(tuple(HAND_AND_WRIST)[code - 1] for code in _DB4_CODES[2])
)  # fmt: skip
_DB4_S, _TORO_S = 5.0, 0.5
_EPN_SAMPLES, _EPN_LAST_USER, _EPN_USERS, _EPN_RATE_HZ = 900, 104, 100, 1000.0
_TORO_PEOPLE = 8
_REST_FROM: Final = 100  # samples of a noGesture recording before what is taken
_REST_SAMPLES: Final = 300  # and how many are, where a person has no marked gesture


@dataclass(frozen=True)
class Person:
    """One person: recordings whose intervals are what is classified, and the side of a fixed split, "" without one."""

    name: str
    recordings: tuple[Recording, ...]
    side: Literal["", "train", "test"] = ""


@dataclass(frozen=True)
class Recipe:
    """One published protocol.

    Args:
        dataset: the set it needs, in native files.
        labels: what is told apart, in the published order.
        people: how many the publication had.
        read: the people of a set, in the published order.
        signal: a recording as the features see it, (C, T') and its rate.
        filters: in which ways it is filtered.
        features: "nine" of Colot et al. or "hudgins" of LibEMG.
        window_s, hop_s: windows within an interval; None where the interval is the window.
        split: "loso", or "halves" where the files fix who trains and who is tested.
        source: citation.
    """

    name: str
    version: int
    title: str
    description: str
    dataset: str
    labels: tuple[str, ...]
    people: int
    read: Callable[[DatasetReader], Iterator[Person]]
    signal: Callable[[Recording, Filters], tuple[NDArray[np.float64], float]]
    filters: tuple[Filters, ...]
    features: Literal["nine", "hudgins"]
    split: Literal["loso", "halves"]
    source: str
    window_s: float | None = None
    hop_s: float | None = None

    def protocol(self, filters: Filters) -> str:
        """The name that rows carry: the recipe's, with "-corrected" where the filters are."""
        return f"{self.name}-corrected" if filters == "corrected" else self.name


def people_of(recipe: Recipe, root: str | Path) -> Iterator[Person]:
    """The recipe's people from the native files at `root`, read one at a time.

    Raises:
        AEMGError: the set is not there, or not enough of it; the message says how to get it.
    """
    sides: list[str] = []
    try:
        for person in recipe.read(datasets.open(recipe.dataset, root)):
            sides.append(person.side)
            yield person
    except AEMGError as error:
        raise AEMGError(f"{recipe.name} needs {recipe.dataset}: {error}. {_how(recipe, root)}") from error
    if len(sides) < 2 or (recipe.split == "halves" and len(set(sides)) < 2):
        wanted = "people of both halves" if recipe.split == "halves" else "at least two people"
        raise AEMGError(f"{recipe.name} needs {wanted} of {recipe.dataset} at {root}, got {len(sides)}. {_how(recipe, root)}")


def _how(recipe: Recipe, root: str | Path) -> str:
    return f"To get it: python datasets download {recipe.dataset} --root {root}"


def _db4(reader: DatasetReader) -> Iterator[Person]:
    """Ten people by number; a window begins where the cue (`stimulus`, not the relabelled code) leaves rest."""
    files: dict[str, dict[int, str]] = {}
    for source in reader.sources:
        match = DB4.file.fullmatch(Path(source).name)
        if match is not None and int(match["exercise"]) in _DB4_CODES:
            files.setdefault(match["subject"], {})[int(match["exercise"])] = source
    for subject in sorted(files, key=int):
        if len(files[subject]) < len(_DB4_CODES):
            raise AEMGError(f"exercises 1 and 2 of subject {subject} are not both there")
        recordings = [_cued(reader, exercise, source) for exercise, source in sorted(files[subject].items())]
        yield Person(subject, tuple(recordings))


def _cued(reader: DatasetReader, exercise: int, source: str) -> Recording:
    (recording,) = reader.read(source)
    path, rate, rows = reader.root / source, recording.rate_hz, recording.signal.shape[1]
    with open_mat(path) as file:
        codes = read_codes(path, file, "stimulus", rows, rate)
    table = numbering(path, codes, DB4.exercises[exercise])
    length = round(_DB4_S * rate)
    onsets = np.flatnonzero((codes[1:] > 0) & (codes[:-1] == 0)) + 1
    counted: dict[str, int] = {}
    found = []
    for onset in onsets[onsets + length < rows]:
        label = table[int(codes[onset])]
        if label in (_DB4_LABELS[:1] if exercise == 1 else _DB4_LABELS[1:]):
            counted[label] = counted.get(label, 0) + 1
            found.append(Interval(onset / rate, (onset + length) / rate, label, counted[label]))
    return replace(recording, intervals=tuple(found), targets=())


def _epn_first_hundred(reader: DatasetReader) -> Iterator[Person]:
    """The first hundred of training users 1 to 104 who have any of their 150 trainingSamples with 900 samples or more."""
    taken = 0
    for source in _epn_users(reader, "training"):
        if taken == _EPN_USERS or _epn_number(source) > _EPN_LAST_USER:
            return
        recordings = tuple(
            _first_samples(r)
            for r in reader.read(source)
            if "#trainingSamples." in r.provenance.file and r.intervals and r.signal.shape[1] >= _EPN_SAMPLES
        )
        if recordings:
            taken += 1
            yield Person(recordings[0].subject, recordings)


def _epn_halves(reader: DatasetReader) -> Iterator[Person]:
    """All people, of whom the training half trains with both parts of its files and the testing half is tested on the labelled
    one. Gestures are what the authors marked; of noGesture, as much as a gesture of the person lasts."""
    sides: tuple[tuple[str, Literal["train", "test"]], ...] = (("training", "train"), ("testing", "test"))
    for half, side in sides:
        for source in _epn_users(reader, half):
            labelled = [r for r in reader.read(source) if r.intervals]
            marked = [i.end_s - i.start_s for r in labelled for i in r.intervals if i.label != "rest"]
            rest_s = float(np.median(marked)) if marked else _REST_SAMPLES / 200.0
            if labelled:
                yield Person(labelled[0].subject, tuple(_rest_cropped(r, rest_s) for r in labelled), side)


def _epn_users(reader: DatasetReader, half: str) -> list[str]:
    """Sources of one half in the order of their numbers."""
    of_half = [source for source in reader.sources if source.startswith(f"{half}JSON/")]
    return sorted(of_half, key=_epn_number)


def _epn_number(source: str) -> int:
    return int(Path(source).stem.removeprefix("user"))


def _first_samples(recording: Recording) -> Recording:
    (interval,) = recording.intervals
    whole = replace(interval, start_s=0.0, end_s=_EPN_SAMPLES / recording.rate_hz)
    return replace(recording, signal=recording.signal[:, :_EPN_SAMPLES], intervals=(whole,))


def _rest_cropped(recording: Recording, length_s: float) -> Recording:
    (interval,) = recording.intervals
    if interval.label != "rest":
        return recording
    start_s = min(_REST_FROM / recording.rate_hz, max(0.0, recording.duration_s - length_s))
    end_s = min(start_s + length_s, recording.duration_s)
    return replace(recording, intervals=(replace(interval, start_s=start_s, end_s=end_s),))


def _toro(reader: DatasetReader) -> Iterator[Person]:
    """Subjects 1 to 8; every file is cut into windows from its start, and one that would end with the file is not taken."""
    for source in sorted(reader.sources, key=lambda name: int(name.rpartition(" ")[2]))[:_TORO_PEOPLE]:
        recordings = []
        for recording in reader.read(source):
            length = round(_TORO_S * recording.rate_hz)
            starts = range(0, recording.signal.shape[1] - length, length)
            label, rate = recording.intervals[0].label, recording.rate_hz
            cut = (Interval(a / rate, (a + length) / rate, label, k) for k, a in enumerate(starts))
            recordings.append(replace(recording, intervals=tuple(cut)))
        yield Person(recordings[0].subject, tuple(recordings))


def _filtered(recording: Recording, filters: Filters) -> tuple[NDArray[np.float64], float]:
    return envelope(recording.signal, recording.rate_hz, filters), recording.rate_hz


def _epn_filtered(recording: Recording, filters: Filters) -> tuple[NDArray[np.float64], float]:
    """Brought from 200 to 1000 Hz by its spectrum, as published, which wraps the ends; notches at 50 and 100 Hz only."""
    samples = round(recording.signal.shape[1] * _EPN_RATE_HZ / recording.rate_hz)
    raised = resample(recording.signal.astype(np.float64), samples, axis=1)
    return envelope(raised, _EPN_RATE_HZ, filters, last_notch_hz=100.0), _EPN_RATE_HZ


_COLOT: Final = (
    "Colot M. et al., Linear Non-conservative Unsupervised Domain Adaptation Applied In Cross-Subject EMG Gesture Recognition; "
    "protocol as in its code, github.com/MColot/LDA-KM-DA"
)
_BOTH: Final[tuple[Filters, ...]] = ("literal", "corrected")
RECIPES: Final[dict[str, Recipe]] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "colot-db4", 1, "Ninapro DB4 as in the published table",
            "10 people, 10 movements (exercise 1: 12; exercise 2: 2, 5, 6, 10, 12 to 16), one window of 5 s from every cue; "
            "leave-one-subject-out",
            "ninapro-db4", _DB4_LABELS, 10, _db4, _filtered, _BOTH, "nine", "loso", _COLOT,
        ),
        Recipe(
            "colot-epn-612", 1, "EMG-EPN-612 as in the published table",
            "the first 100 people of the training half with recordings, 5 gestures and rest, the first 4.5 s of every "
            "recording; leave-one-subject-out",
            "emg-epn-612", datasets.info("emg-epn-612").labels, 100, _epn_first_hundred, _epn_filtered, _BOTH, "nine", "loso",
            _COLOT,
        ),
        Recipe(
            "colot-toro-ossaba", 1, "Toro-Ossaba as in the published table",
            "8 people, 5 classes of one file each, windows of 0.5 s without overlap; leave-one-subject-out",
            "toro-ossaba", datasets.info("toro-ossaba").labels, 8, _toro, _filtered, _BOTH, "nine", "loso", _COLOT,
        ),
        Recipe(
            "libemg-epn-612", 1, "EMG-EPN-612, 306 people train and 306 others are tested",
            "all people of the training half train (50 repetitions of 5 gestures and rest), all of the testing half are tested "
            "(25 repetitions); windows of 200 ms every 50 ms in the marked gestures, unfiltered",
            "emg-epn-612", datasets.info("emg-epn-612").labels, 612, _epn_halves, _filtered, ("none",), "hudgins", "halves",
            "Split, windows and accuracy by window: LibEMG, EMGEPN_UserIndependent and evaluate_crossuser, github.com/LibEMG. "
            "Accuracy by gesture: Eddy E. et al., Frontiers in Bioengineering and Biotechnology 12:1463377, 2024, "
            "doi:10.3389/fbioe.2024.1463377",
            0.2, 0.05,
        ),
    )
}  # fmt: skip
"""All published protocols by name."""


def recipe_named(name: str) -> Recipe:
    """The recipe of a published protocol.

    Raises:
        ConfigError: no such protocol.
    """
    if name not in RECIPES:
        raise ConfigError(f"no published protocol {name!r}; known are {', '.join(RECIPES)}")
    return RECIPES[name]
