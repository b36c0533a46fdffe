"""A run's folder belongs to one run at a time, and to one configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from aemg.config import load_config, to_mapping
from aemg.corpus.lock import locked
from aemg.errors import AEMGError, ConfigError
from aemg.training.processes import joined_processes


class HasOutput(Protocol):
    """A configuration that names a run's folder."""

    @property
    def output(self) -> Path:
        """The folder."""


@contextmanager
def claimed(config: HasOutput, free: Sequence[str] = ()) -> Iterator[None]:
    """Holds the folder of a run, which may go on with the run that is there.

    Args:
        free: settings (or, ending in a dot, groups of them) that may differ from those of the run in the folder.

    Raises:
        AEMGError: as `alone`.
        ConfigError: the folder holds a run with other settings.
    """
    with alone(config.output, joined_processes().is_main_process):
        _require_same(config, free)
        yield


@contextmanager
def alone(folder: Path, main: bool = True) -> Iterator[None]:
    """Holds a folder, made if missing, for as long as the block lasts.

    Args:
        main: this process holds it for the others that were launched with it.

    Raises:
        AEMGError: another living run writes there, the folder cannot be written, or the disk is full.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock") if main else nullcontext():
            yield
    except OSError as error:
        told = f"cannot write to {folder}: {error}" if error.filename else f"{folder}: {error}"
        raise AEMGError(f"{told}; what is finished is kept, type the same command again") from error


def _require_same(config: HasOutput, free: Sequence[str]) -> None:
    """Refuses to go on with a run of other settings."""
    file = config.output / "config.yaml"
    if not file.exists() or not any((config.output / name).exists() for name in ("checkpoint", "checkpoint.old")):
        return
    there, here = (dict(leaves(to_mapping(c))) for c in (load_config(type(config), file), config))
    differing = [key for key in here if here[key] != there.get(key) and not key.startswith(tuple(free))]
    if differing:
        told = ", ".join(f"{key} is {there.get(key)!r} there and {here[key]!r} here" for key in differing)
        raise ConfigError(f"{config.output} holds a run with other settings: {told}. Give another output, or delete it")


def leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Settings of nested groups as `group.key`, value."""
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
