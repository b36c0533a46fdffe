"""The errors that AEMG raises for what a user can mend: every message says what was wrong and what was expected."""

from __future__ import annotations

import sys
from collections.abc import Callable


class AEMGError(ValueError):
    """Base of all errors that name a mistake in the input, a file or a configuration."""


class DataFileError(AEMGError):
    """A recording's file is damaged, truncated or not of the layout its reader knows.

    Args:
        file: the file's path.
        expected: what a sound file holds, in words.
        found: what this file holds, in words.
    """

    def __init__(self, file: object, expected: str, found: str) -> None:
        super().__init__(f"{file}: expected {expected}, found {found}")
        self.file, self.expected, self.found = str(file), expected, found

    def __reduce__(self) -> tuple[type[DataFileError], tuple[str, str, str]]:
        return DataFileError, (self.file, self.expected, self.found)


class ConfigError(AEMGError):
    """A configuration that does not fit its schema."""


class LeakError(AEMGError):
    """A split or a checkpoint that would let test data into training."""


def told(run: Callable[[], int | None], stopped: str = "the same command goes on from here") -> int:
    """Runs a command and says in one line on stderr what a user can mend, or that it was stopped, and what then.

    Returns:
        The exit status: what `run` gives, 0 for None; 2 for an `AEMGError`, 130 for an interrupt.
    """
    try:
        return run() or 0
    except AEMGError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped; {stopped}\n")
        return 130
