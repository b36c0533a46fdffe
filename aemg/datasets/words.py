"""Plain text for terminals."""

from __future__ import annotations

import textwrap


def wrapped(head: str, text: str) -> str:
    """A paragraph behind a head, its further lines set in as far as the head is long."""
    later = " " * len(head)  # paths and names stay whole, to be copied
    return textwrap.fill(
        text, width=110, initial_indent=head, subsequent_indent=later, break_on_hyphens=False, break_long_words=False
    )
