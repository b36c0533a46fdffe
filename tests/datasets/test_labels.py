"""The vocabulary: one name for one movement, and nobody's private name in two crowds."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from aemg import datasets
from aemg.datasets.labels import EVENTS, GESTURES, shared, unmapped

CARDS = [datasets.info(name) for name in datasets.names()]


def test_a_movement_stands_once() -> None:
    meanings = [" ".join(text.lower().split()) for text in GESTURES.values()]
    assert len(set(meanings)) == len(meanings)
    assert all(name == name.lower() and " " not in name for name in (*GESTURES, *EVENTS))


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_names_of_a_sets_own_belong_to_its_people_alone(card) -> None:
    others = {label for other in CARDS if other.crowd != card.crowd for label in other.labels}
    assert not set(unmapped(card)) & others


def test_most_labels_are_shared() -> None:
    labels, own = (sum(len(of(card)) for card in CARDS) for of in (lambda card: card.labels, unmapped))
    assert own < labels / 3


def test_sets_share_movements() -> None:
    pairs = [shared(pair) for pair in combinations([card for card in CARDS if len(card.labels) > 5], 2)]
    assert sum(len(pair) >= 3 for pair in pairs) > len(pairs) / 3
    one, two = datasets.info("uci-gestures"), datasets.info("laval-myo")
    assert set(shared([one, two])) == set(one.labels) & set(two.labels)
    assert shared([]) == () and "rest" in shared([one])


def test_what_does_not_map_is_listed_in_order() -> None:
    card = replace(datasets.info("uci-gestures"), labels=("wave_b", "rest", "wave_a"))
    assert unmapped(card) == ("wave_b", "wave_a")
