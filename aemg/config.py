"""Configuration: frozen dataclasses, filled from YAML and `key.sub=value` overrides, checked once at the boundary."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from aemg.errors import ConfigError

T = TypeVar("T")
STRICT = ConfigDict(extra="forbid")


def load_config(schema: type[T], path: str | Path | None, overrides: list[str] | None = None) -> T:
    """Reads a configuration: the schema's defaults, under the YAML file, under the overrides.

    Args:
        schema: a frozen dataclass with `__pydantic_config__ = STRICT`.
        path: a YAML file, or None for the defaults alone.
        overrides: `key.sub=value`, the value in YAML notation: `optim.lr=1e-4`, `data.sets=[a, b]`.

    Raises:
        ConfigError: a file that is missing or not a mapping, an override of another form, or unknown keys and
            wrong values, all of them named at once.
    """
    values = _read_mapping(Path(path)) if path is not None else {}
    for override in overrides or []:
        _apply(values, override)
    return from_mapping(schema, values, source=str(path) if path else "the configuration")


def from_mapping(schema: type[T], values: dict[str, Any], *, source: str = "the configuration") -> T:
    """Builds a configuration from plain values, e.g. those stored in a checkpoint.

    Raises:
        ConfigError: unknown keys or wrong values.
    """
    try:
        return TypeAdapter(schema).validate_python(values)
    except ValidationError as error:
        problems = []
        for e in error.errors():
            where = ".".join(str(part) for part in e["loc"]) or "(top)"
            what = "no such key" if e["type"] == "unexpected_keyword_argument" else e["msg"]
            problems.append(f"  {where}: {what} (got {e.get('input')!r})")
        raise ConfigError(f"{source} does not fit {schema.__name__}:\n" + "\n".join(problems)) from None


def to_mapping(config: object) -> dict[str, Any]:
    """Plain values (str, int, float, list, dict) of a configuration, fit for YAML, JSON and checkpoints."""
    values: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return values


def save_config(config: object, path: str | Path) -> None:
    """Writes a configuration as YAML that `load_config` reads back to an equal object."""
    Path(path).write_text(yaml.safe_dump(to_mapping(config), sort_keys=False))


def _read_mapping(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"no configuration file {path}; the ready ones are in configs/")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected a mapping of keys to values, found {type(values).__name__}")
    return values


def _apply(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"an override reads key.sub=value, got {override!r}")
    *parents, leaf = key.split(".")
    node = values
    for parent in parents:
        child = node.get(parent)
        if child is None:
            child = node[parent] = {}
        if not isinstance(child, dict):
            raise ConfigError(f"{override!r}: {parent!r} holds {child!r}, not a group of keys")
        node = child
    try:
        node[leaf] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{override!r}: the value is not valid YAML: {error}") from None
