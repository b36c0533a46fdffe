"""A benchmark's rows as scores by person, sorted into what may be compared with each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

OR: Final = " | "
"""Between what a method saw of some people and what of others."""


class Place(NamedTuple):
    """Where methods are tested: a column of a table."""

    set: str
    source: str


class Entry(NamedTuple):
    """A method as it is told from others: a row of a table."""

    method: str
    registered: bool
    family: str
    target_data: str


class Group(NamedTuple):
    """What may be compared with each other."""

    protocol: str
    version: int | str
    metric: str
    context: str
    user_dependent: bool


Scores = dict[Place, dict[Entry, dict[str, float]]]


def scores_of(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[Group, Scores], dict[Group, int]]:
    """Each person's value, mean over seeds, then over sessions; and how many values there were twice.

    Values that are missing or not finite are left out. Where a person was tested twice with one method that saw different data
    of them, these are two methods; where what it saw only differs between sets or people, it is one, and names all of it.
    """
    found: dict[Group, dict[Place, dict[Entry, dict[str, dict[str, dict[Any, list[float]]]]]]] = {}
    repeated: dict[Group, int] = {}
    for group, entries in _sorted(rows).items():
        for entry, tests in entries.items():
            for place, person, session, seed, value in tests:
                by_person = found.setdefault(group, {}).setdefault(place, {}).setdefault(entry, {})
                values = by_person.setdefault(person, {}).setdefault(session, {}).setdefault(seed, [])
                values.append(value)
                repeated[group] = repeated.get(group, 0) + (len(values) > 1)
    return {
        group: {place: {e: _by_person(people) for e, people in entries.items()} for place, entries in places.items()}
        for group, places in found.items()
    }, repeated


class _Test(NamedTuple):
    place: Place
    person: str
    session: str
    seed: Any
    value: float


def _sorted(rows: Iterable[Mapping[str, Any]]) -> dict[Group, dict[Entry, list[_Test]]]:
    """Tests by group and method."""
    found: dict[Group, dict[Entry, list[_Test]]] = {}
    for row in rows:
        entry = Entry(
            str(row["method"]), bool(row.get("registered")), str(row.get("family", "")), str(row.get("target_data") or "none")
        )
        place = Place(str(row["set"]), str(row.get("source") or row["set"]))
        where = (place, str(row["person"]), str(row.get("session")), row.get("seed", 0))
        context, dependent = str(row.get("context") or "window"), bool(row.get("user_dependent"))
        for metric, value in row["metrics"].items():
            if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
                group = Group(str(row["protocol"]), row.get("version", 1), str(metric), context, dependent)
                found.setdefault(group, {}).setdefault(entry, []).append(_Test(*where, float(value)))
    return {group: _merged(entries) for group, entries in found.items()}


def _merged(entries: Mapping[Entry, list[_Test]]) -> dict[Entry, list[_Test]]:
    """One entry for a method that saw different data of different people."""
    alike: dict[Entry, list[Entry]] = {}
    for entry in entries:
        alike.setdefault(entry._replace(target_data=""), []).append(entry)
    merged: dict[Entry, list[_Test]] = {}
    for entry, several in alike.items():
        tested = [{test[:4] for test in entries[one]} for one in several]
        if len(set().union(*tested)) == sum(map(len, tested)):
            said = OR.join(one.target_data for one in several)
            merged[entry._replace(target_data=said)] = [test for one in several for test in entries[one]]
        else:
            merged.update({one: entries[one] for one in several})
    return merged


def kinds_of(target_data: str) -> frozenset[str]:
    """Whether it names data with labels and data without, whatever they were used for."""
    parts = (part for one in target_data.split(OR) for part in one.split("; "))
    return frozenset(part.split(":")[0] for part in parts if ":" in part)


def _by_person(people: Mapping[str, Mapping[str, Mapping[Any, Sequence[float]]]]) -> dict[str, float]:
    """Sorted by person."""
    return {
        person: float(np.mean([np.mean([np.mean(v) for v in seeds.values()]) for seeds in people[person].values()]))
        for person in sorted(people)
    }


def entry_names(entries: Sequence[Entry]) -> dict[Entry, str]:
    """A method's name, with what it takes to tell it from the others."""
    both = {e.method for e in entries if e.registered} & {e.method for e in entries if not e.registered}

    def parts(entry: Entry) -> list[str]:
        said = entry.registered and (entry.method in both or entry.family == "baseline") and "regist" not in entry.method
        return [entry.method + (" + registration" if said else ""), f"[{entry.target_data}]", f"({entry.family})"]

    for taken in (1, 2, 3):
        names = {e: " ".join(parts(e)[:taken]) for e in entries}
        if len(set(names.values())) == len(entries):
            break
    return names


def column_names(places: Sequence[Place]) -> dict[Place, str]:
    """The set, with the training sets where it was tested after several trainings."""
    sets = [place.set for place in places]
    return {p: p.set if sets.count(p.set) == 1 else f"{p.source} → {p.set}" for p in places}
