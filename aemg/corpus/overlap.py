"""Contamination: whom and which files of an evaluation set a training corpus, or a model, has seen already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from aemg.corpus.corpus import Corpus
from aemg.datasets import crowd_of
from aemg.errors import AEMGError


@dataclass(frozen=True)
class Overlap:
    """What an evaluation set shares with what was trained on.

    Args:
        people: by evaluated set, the subjects who are known under this set's name or that of another set with the same people.
        files: native files of the evaluation set whose very bytes were trained on, as `set/file`.
        tested: how many people and files the evaluation set has.
    """

    people: Mapping[str, tuple[str, ...]]
    files: tuple[str, ...]
    tested: tuple[int, int]

    def __bool__(self) -> bool:
        return bool(self.files) or any(self.people.values())


def overlap(people: Mapping[str, Collection[str]], files: Collection[str], tested: Corpus) -> Overlap:
    """Compares what was trained on with an evaluation set, by subject and by the native files' sha256.

    The same recordings in other bytes (another export, another file format) are found only by their subjects' names.

    Args:
        people: by set, the subjects that were trained on.
        files: sha256 of the native files that were trained on.

    Raises:
        AEMGError: an evaluation set without recordings.
    """
    if not len(tested):
        raise AEMGError("the evaluation set holds no recording")
    cards, known = {info.name: info for info in tested.infos}, frozenset(files)
    crowds: dict[str, set[str]] = {}
    for name, subjects in people.items():
        crowds.setdefault(crowd_of(name, cards), set()).update(subjects)
    of_set = {name: sorted({e.subject for e in tested.recordings if e.dataset == name}) for name in cards}
    shared = {name: tuple(s for s in of_set[name] if s in crowds.get(crowd_of(name, cards), ())) for name in of_set}
    native = {(e.dataset, e.file.split("#")[0]): e.file_sha256 for e in tested.recordings}
    same = sorted(f"{name}/{file}" for (name, file), sha256 in native.items() if sha256 in known)
    return Overlap(shared, tuple(same), (sum(map(len, of_set.values())), len(native)))


def people_and_files(corpus: Corpus) -> tuple[dict[str, set[str]], set[str]]:
    """Whom a corpus holds, by set, and the sha256 of its native files, as `overlap` takes them."""
    people: dict[str, set[str]] = {}
    for entry in corpus.recordings:
        people.setdefault(entry.dataset, set()).add(entry.subject)
    return people, {entry.file_sha256 for entry in corpus.recordings}
