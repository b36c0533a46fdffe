"""Text to labels and back: exact on what can be written, plain forms for the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.neuromotor.text import BACKSPACE, BLANK, CHARACTERS, clean_text, labels_to_text, normalize_text, text_to_labels

LAW = settings(derandomize=True, max_examples=100, deadline=None)


def test_the_published_table(vectors: Path) -> None:
    table = json.loads((vectors / "charset.json").read_text())
    assert list(CHARACTERS) == table["chars"]
    assert [ord(character) for character in CHARACTERS] == table["unicodes"]
    assert (table["null_class"], table["num_classes"]) == (BLANK, BLANK + 1)
    for text, expected in table["cases"].items():
        assert normalize_text(text) == expected["normalized"], text
        assert text_to_labels(text) == expected["labels"], text
        assert labels_to_text(expected["labels"]) == expected["back"], text
        assert clean_text(text) == expected["clean"], text


@LAW
@given(st.text(st.sampled_from(CHARACTERS)))
def test_what_the_decoder_prints_reads_back(text: str) -> None:
    assert clean_text(text, keep_backspace=True) == text
    assert clean_text(text) == text.replace(BACKSPACE, "")


@LAW
@given(st.lists(st.integers(0, BLANK - 1)))
def test_labels_come_back(labels: list[int]) -> None:
    assert text_to_labels(labels_to_text(labels), keep_backspace=True) == labels


@LAW
@given(st.text())
def test_any_text_gives_labels_and_cleaning_twice_changes_nothing(text: str) -> None:
    labels = text_to_labels(text)
    assert all(0 <= label < BLANK for label in labels)
    assert len(labels) <= len(text)
    assert normalize_text(normalize_text(text)) == normalize_text(text)
    clean = clean_text(text, keep_backspace=True)
    assert clean_text(clean, keep_backspace=True) == clean


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("‘a’–b", "'a'-b"),
        ("Łódź Ångström", "Lodz Angstrom"),
        ("\u00a0\u2003ｆｕｌｌ", "  full"),
        ("´¨", "'¨"),  # a lone accent is no space
        ("ẞæ…½", "ẞæ…½"),  # no single character stands for these
    ],
)
def test_plain_forms(text: str, plain: str) -> None:
    assert normalize_text(text) == plain


def test_the_backspace_symbol_is_kept_on_request() -> None:
    assert text_to_labels("a\b\u232b←") == [0, 94]
    assert text_to_labels("a\b\u232b←", keep_backspace=True) == [0, 94, 94, 94]


def test_labels_of_arrays_and_labels_without_a_character() -> None:
    assert labels_to_text(np.array([7, 8])) == "hi"
    for label in (99, -1):
        with pytest.raises(AEMGError, match=f"0..98, found {label}"):
            labels_to_text([0, label])
