"""Character error rate, and the edits behind it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError

Operation = Literal["equal", "insert", "delete", "substitute"]


@dataclass(frozen=True)
class EditCounts:
    """Edits that turn targets into predictions; those of several texts add up.

    The names are the usual ones of speech recognition. The released pipeline counts the edits that turn the prediction
    into the target: its insertions are `deletions` here, and the other way round.

    Attributes:
        insertions: characters in the predictions that the targets do not have.
        deletions: characters of the targets that the predictions lack.
        substitutions: characters replaced by others.
        target_characters: characters of all targets.
    """

    insertions: int = 0
    deletions: int = 0
    substitutions: int = 0
    target_characters: int = 0

    @property
    def edits(self) -> int:
        """All edits."""
        return self.insertions + self.deletions + self.substitutions

    def __add__(self, other: EditCounts) -> EditCounts:
        return EditCounts(
            self.insertions + other.insertions,
            self.deletions + other.deletions,
            self.substitutions + other.substitutions,
            self.target_characters + other.target_characters,
        )


@dataclass(frozen=True)
class Edit:
    """One step of an alignment: characters of the prediction and of the target, empty where one has none."""

    operation: Operation
    prediction: str
    target: str


def character_error_rate(pairs: Iterable[tuple[str, str]]) -> float:
    """Edits per target character over all pairs together, in percent; above 100 where predictions run too long.

    Args:
        pairs: (prediction, target).

    Raises:
        AEMGError: where the targets hold no character.
    """
    edits = characters = 0
    for prediction, target in pairs:
        edits += edit_distance(prediction, target)
        characters += len(target)
    if not characters:
        raise AEMGError("a character error rate needs at least one target character, found none")
    return 100 * edits / characters


def edit_distance(prediction: str, target: str) -> int:
    """Levenshtein distance of two texts, in code points."""
    row = np.arange(len(target) + 1)
    for character in _codes(prediction):
        row = _next_row(row, character, _codes(target))
    return int(row[-1])


def edit_counts(prediction: str, target: str) -> EditCounts:
    """The edits of `alignment`, counted; several shortest ways may exist, their sum is the same."""
    steps = [edit.operation for edit in alignment(prediction, target)]
    return EditCounts(steps.count("insert"), steps.count("delete"), steps.count("substitute"), len(target))


def alignment(prediction: str, target: str) -> list[Edit]:
    """A shortest way from target to prediction, character by character.

    Where several are equally short, going back from the end, a substitution or equal pair gives way to a missing
    character, and that to a superfluous one.
    """
    codes = _codes(target)
    rows = [np.arange(len(target) + 1)]
    for character in _codes(prediction):
        rows.append(_next_row(rows[-1], character, codes))
    i, j = len(prediction), len(target)
    edits: list[Edit] = []
    while i or j:
        cost = rows[i][j]
        if i and rows[i - 1][j] + 1 == cost:
            i -= 1
            edits.append(Edit("insert", prediction[i], ""))
        elif j and rows[i][j - 1] + 1 == cost:
            j -= 1
            edits.append(Edit("delete", "", target[j]))
        else:
            i, j = i - 1, j - 1
            same = prediction[i] == target[j]
            edits.append(Edit("equal" if same else "substitute", prediction[i], target[j]))
    return edits[::-1]


def _next_row(row: NDArray[np.int64], character: np.uint32, target: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Distances of one more character of the prediction to every beginning of the target."""
    best = row + 1
    np.minimum(best[1:], row[:-1] + (target != character), out=best[1:])
    # best[j] = min over j' <= j of best[j'] + (j - j'): characters of the target left out from j' to j
    steps = np.arange(len(row))
    return np.minimum.accumulate(best - steps) + steps


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
