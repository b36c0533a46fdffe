"""The 99 characters that handwriting knows, and text to labels and back."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable

from aemg.errors import AEMGError

BACKSPACE, ENTER, SHIFT, PINCH = "\u232b", "\u23ce", "\u21e7", "\U0001f90f"
CHARACTERS = (
    *string.ascii_lowercase,
    *string.ascii_uppercase,
    *string.digits,
    *string.punctuation,
    BACKSPACE,
    ENTER,
    " ",
    SHIFT,
    PINCH,
)
"""The character of every label id."""

BLANK = len(CHARACTERS)
"""Label id of the blank of CTC, 99, which has no character."""

_LEFT_ARROW, _RIGHT_ARROW = "\u2190", "\u2192"  # how prompts write a backspace and an explicit space
_LABELS = {
    **{character: label for label, character in enumerate(CHARACTERS) if character != BACKSPACE},
    _LEFT_ARROW: CHARACTERS.index(BACKSPACE),
    _RIGHT_ARROW: CHARACTERS.index("_"),
}
_LABELS_WITH_BACKSPACE = {**_LABELS, BACKSPACE: CHARACTERS.index(BACKSPACE)}
_TYPED = str.maketrans({"\n": ENTER, "\r": ENTER, "\b": BACKSPACE, "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "-"})
# What a decomposition does not bring to ASCII: dashes, quotes, letters with a stroke, signs with one plain likeness.
_ALIKE = {
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-"),
    **dict.fromkeys("\u2018\u201b\u2032\u02bc\u00b4", "'"),
    **dict.fromkeys("\u201f\u2033", '"'),
    **dict(zip("øØđĐðÐłŁħĦıŧŦ", "oOdDdDlLhHitT", strict=True)),
    **dict(zip("‚‹›×÷⁄∕∗•¡¿", ",<>x///**!?", strict=True)),
}


def text_to_labels(text: str, keep_backspace: bool = False) -> list[int]:
    """Label ids of a text.

    Line ends become the enter symbol, a left arrow is backspace and a right arrow the underscore that stands for an
    explicit space. Other characters are brought to ASCII where one character can stand for them, else dropped.

    Args:
        text: any text, case is kept.
        keep_backspace: also accept the backspace symbol U+232B and the control character. The released pipeline drops
            both, although it prints label 94 as that symbol, so that printed text does not read back; that is the
            default here.

    Returns:
        Ids in [0, 98].
    """
    known = _LABELS_WITH_BACKSPACE if keep_backspace else _LABELS
    return [known[character] for character in normalize_text(text) if character in known]


def labels_to_text(labels: Iterable[int]) -> str:
    """The characters of label ids, joined.

    Raises:
        AEMGError: for an id outside [0, 98]; the blank has no character.
    """
    ids = [int(label) for label in labels]
    for label in ids:
        if not 0 <= label < BLANK:
            raise AEMGError(f"labels must lie in 0..{BLANK - 1}, found {label}")
    return "".join(CHARACTERS[label] for label in ids)


def normalize_text(text: str) -> str:
    """Text with typographic characters in their plain form; what has none stays as it is."""
    return "".join(_plain(character) for character in text.translate(_TYPED))


def clean_text(text: str, keep_backspace: bool = False) -> str:
    """Text as the decoder would print it: `labels_to_text` of `text_to_labels`."""
    return labels_to_text(text_to_labels(text, keep_backspace))


def _plain(character: str) -> str:
    if character in _LABELS_WITH_BACKSPACE:
        return character
    if character in _ALIKE:
        return _ALIKE[character]
    # A lone accent decomposes into a space that carries it, and is no space.
    base, *marks = list(unicodedata.normalize("NFKD", character))
    combined = base != " " or not marks
    return base if combined and base in _LABELS and all(map(unicodedata.combining, marks)) else character
