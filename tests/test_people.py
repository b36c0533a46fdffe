"""Shares of people: together everyone once, and the same people in sets that were recorded from the same crowd."""

from dataclasses import dataclass

import pytest

from aemg.corpus import share_of_people


@dataclass(frozen=True)
class Card:
    name: str
    crowd: str


@dataclass(frozen=True)
class Entry:
    dataset: str
    subject: str


class FakeCorpus:
    infos = (Card("ring", "ring"), Card("band", "lab"), Card("band-old", "lab"))
    recordings = tuple(
        [Entry("ring", f"{i:02d}") for i in range(7)]
        + [Entry("band", s) for s in "abcde"]
        + [Entry("band-old", s) for s in "abcde"]
    )


@pytest.mark.parametrize("shares", [2, 3, 5])
def test_the_shares_hold_everyone_once(shares: int) -> None:
    parts = [share_of_people(FakeCorpus(), k, shares) for k in range(shares)]  # type: ignore[arg-type]
    for name, expected in {"ring": 7, "band": 5, "band-old": 5}.items():
        people = [subject for part in parts for subject in part.get(name, [])]
        assert len(people) == len(set(people)) == expected


def test_sets_of_one_crowd_share_their_people() -> None:
    part = share_of_people(FakeCorpus(), 1, 3)  # type: ignore[arg-type]
    assert part["band"] == part["band-old"] == ["b", "e"]


def test_an_empty_share_names_no_set() -> None:
    assert share_of_people(FakeCorpus(), 6, 7) == {"ring": ["06"]}  # type: ignore[arg-type]
