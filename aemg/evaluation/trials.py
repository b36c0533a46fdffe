"""Trials: the labelled stretches that are classified, and how they are divided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.model.labelled import labelled_stretches
from aemg.sessions import Session
from aemg.topology import Worn


@dataclass(frozen=True)
class Trial:
    """One repetition of one movement.

    Args:
        session: index into the evaluation's sessions.
        repetition: number within subject, session and label, in time order.
        windows: first and last (exclusive) of the session's windows wholly inside.
        label: index into the set's labels.
        file: sha256 of the recording's file.
    """

    session: int
    recording: int
    start_s: float
    end_s: float
    repetition: int
    windows: tuple[int, int]
    label: int
    file: str


@dataclass(frozen=True)
class Examples:
    """Trials with what is needed to make sentences of them: sessions, and how each was worn."""

    sessions: Sequence[Session]
    worn: Sequence[Worn]
    trials: Sequence[Trial]

    def of(self, trials: Sequence[Trial]) -> Examples:
        """Other trials of the same sessions."""
        return Examples(self.sessions, self.worn, trials)


def trials_of(sessions: Sequence[Session], labels: Sequence[str]) -> list[Trial]:
    """All trials of a set's labels that hold a window, in the sessions' order; other labels are left out.

    They are thinned as `labelled_stretches` does, so that plain accuracy weighs the movements alike.

    Raises:
        AEMGError: no trial at all.
    """
    index = {label: k for k, label in enumerate(labels)}
    found = [
        Trial(
            s,
            stretch.recording,
            stretch.interval.start_s,
            stretch.interval.end_s,
            stretch.interval.trial,
            stretch.windows,
            index[stretch.interval.label],
            session.recordings[stretch.recording].sha256,
        )
        for s, session in enumerate(sessions)
        for stretch in labelled_stretches(session, index)
    ]
    if not found:
        raise AEMGError("no labelled trial of at least one window: nothing to evaluate")
    return found


@dataclass(frozen=True)
class FewShotSplit:
    """Indices of a target's trials: adaptation by fraction, test the same for all."""

    adaptation: dict[float, NDArray[np.int64]]
    test: NDArray[np.int64]


def few_shot_split(trials: Sequence[Trial], fractions: Sequence[float], test_share: float) -> FewShotSplit:
    """Whole repetitions in time order: the last ones are tested, the first ones adapt.

    Args:
        trials: of one subject.
        fractions: of all trials; at least one trial, and never more than what is not tested.

    Raises:
        AEMGError: a subject with fewer than two repetitions.
    """
    rank = repetition_ranks(trials)
    repetitions = int(rank.max()) + 1
    if repetitions < 2:
        raise AEMGError("few-shot needs at least two repetitions of a movement")
    first_tested = repetitions - max(1, round(test_share * repetitions))
    test = np.flatnonzero(rank >= first_tested)
    early = np.flatnonzero(rank < first_tested)
    labels = np.array([t.label for t in trials])
    early = early[np.lexsort((labels[early], rank[early]))]
    sizes = {f: min(len(early), max(1, round(f * len(trials)))) for f in fractions}
    return FewShotSplit({f: early[:n] for f, n in sizes.items()}, test)


def repetition_ranks(trials: Sequence[Trial]) -> NDArray[np.int64]:
    """(n,) the number of every trial among those of its movement, from 0 in time order."""
    rank = np.zeros(len(trials), dtype=np.int64)
    for label in {t.label for t in trials}:
        of_label = [i for i, t in enumerate(trials) if t.label == label]
        order = sorted(of_label, key=lambda i: (trials[i].session, trials[i].repetition))  # numbered by session
        rank[order] = np.arange(len(order))
    return rank
