"""Shares of the people of a corpus, for keeping some of them from training."""

from __future__ import annotations

from aemg.corpus.corpus import Corpus


def share_of_people(corpus: Corpus, share: int, shares: int) -> dict[str, list[str]]:
    """Every `shares`-th person from number `share` on, by set; sets with the same people give the same ones.

    Args:
        share: from 0 to `shares` - 1; the shares together hold everyone once.

    Returns:
        Subjects by set, sets whose share is empty left out.
    """
    crowd_of = {info.name: info.crowd for info in corpus.infos}
    crowds: dict[str, set[str]] = {}
    for entry in corpus.recordings:
        crowds.setdefault(crowd_of[entry.dataset], set()).add(entry.subject)
    chosen = {crowd: sorted(people)[share::shares] for crowd, people in crowds.items()}
    return {name: chosen[crowd] for name, crowd in crowd_of.items() if chosen.get(crowd)}
