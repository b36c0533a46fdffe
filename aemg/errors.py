"""The errors that AEMG raises for what a user can mend: every message says what was wrong and what was expected."""


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

    def __reduce__(self) -> tuple[type["DataFileError"], tuple[str, str, str]]:
        return DataFileError, (self.file, self.expected, self.found)


class ConfigError(AEMGError):
    """A configuration that does not fit its schema."""


class LeakError(AEMGError):
    """A split or a checkpoint that would let test data into training."""
