"""Edit distances obey the laws of a metric; rates are those of the corpus."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.neuromotor.error_rate import EditCounts, alignment, character_error_rate, edit_counts, edit_distance

LAW = settings(derandomize=True, max_examples=80, deadline=None)
TEXT = st.text("abc🤏", max_size=8)


def plain_distance(one: str, other: str) -> int:
    if not one or not other:
        return len(one) + len(other)
    return min(
        plain_distance(one[1:], other) + 1,
        plain_distance(one, other[1:]) + 1,
        plain_distance(one[1:], other[1:]) + (one[0] != other[0]),
    )


def test_published_rates(vectors: Path) -> None:
    expected = json.loads((vectors / "cer.json").read_text())
    pairs = []
    for name, row in expected["pairs"].items():
        pairs.append((row["prediction"], row["target"]))
        assert character_error_rate(pairs[-1:]) == pytest.approx(row["CER"], abs=1e-9), name
        counts = edit_counts(*pairs[-1])  # the published names are those of turning the prediction into the target
        assert (counts.deletions, counts.insertions) == (row["insertions"], row["deletions"]), name
        assert (counts.substitutions, counts.target_characters) == (row["substitutions"], row["target_len"]), name
    assert character_error_rate(pairs) == pytest.approx(expected["corpus"]["CER"], abs=1e-9)
    total = sum((edit_counts(*pair) for pair in pairs), EditCounts())
    assert 100 * total.edits / total.target_characters == pytest.approx(expected["corpus"]["CER"], abs=1e-9)


@settings(LAW, max_examples=25)
@given(st.text("ab", max_size=4), st.text("ab", max_size=4))
def test_the_distance_is_the_plain_recursion(one: str, other: str) -> None:
    assert edit_distance(one, other) == plain_distance(one, other)


@LAW
@given(TEXT, TEXT, TEXT)
def test_the_distance_is_a_metric(one: str, other: str, third: str) -> None:
    distance = edit_distance(one, other)
    assert (distance == 0) == (one == other)
    assert distance == edit_distance(other, one)
    assert distance <= edit_distance(one, third) + edit_distance(third, other)
    assert abs(len(one) - len(other)) <= distance <= max(len(one), len(other))


@LAW
@given(TEXT, TEXT)
def test_an_alignment_spells_both_texts_in_the_fewest_edits(prediction: str, target: str) -> None:
    edits = alignment(prediction, target)
    assert "".join(edit.prediction for edit in edits) == prediction
    assert "".join(edit.target for edit in edits) == target
    assert all((edit.operation == "equal") == (edit.prediction == edit.target) for edit in edits)
    counts = edit_counts(prediction, target)
    assert counts.edits == edit_distance(prediction, target)
    assert counts.insertions - counts.deletions == len(prediction) - len(target)


@LAW
@given(st.lists(st.tuples(TEXT, TEXT), max_size=4), TEXT)
def test_the_rate_weighs_texts_by_their_length(pairs: list[tuple[str, str]], text: str) -> None:
    pairs = [*pairs, ("", "a"), (text, text)]
    counts = sum((edit_counts(*pair) for pair in pairs), EditCounts())
    assert character_error_rate(pairs) == pytest.approx(100 * counts.edits / counts.target_characters)


def test_usual_names() -> None:
    assert edit_counts("ab", "a") == EditCounts(insertions=1, target_characters=1)
    assert edit_counts("a", "ab") == EditCounts(deletions=1, target_characters=2)


@pytest.mark.parametrize("pairs", [[], [("abc", "")]])
def test_no_target_characters_is_an_error_with_a_name(pairs: list[tuple[str, str]]) -> None:
    with pytest.raises(AEMGError, match="at least one target character"):
        character_error_rate(pairs)
