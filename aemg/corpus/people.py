"""Shares of the people of a corpus, for keeping some of them from training."""

from __future__ import annotations

from aemg.corpus.corpus import Corpus
from aemg.datasets import crowd_of


def share_of_people(corpus: Corpus, share: int, shares: int) -> dict[str, list[str]]:
    """Every `shares`-th person from number `share` on, by set; sets with the same people give the same ones.

    Args:
        share: from 0 to `shares` - 1; the shares together hold everyone once.

    Returns:
        Subjects by set, sets whose share is empty left out.
    """
    cards = {info.name: info for info in corpus.infos}
    crowd = {name: crowd_of(name, cards) for name in cards}
    crowds: dict[str, set[str]] = {}
    for entry in corpus.recordings:
        crowds.setdefault(crowd[entry.dataset], set()).add(entry.subject)
    chosen = {name: sorted(people)[share::shares] for name, people in crowds.items()}
    return {name: chosen[crowd[name]] for name in cards if chosen.get(crowd[name])}
