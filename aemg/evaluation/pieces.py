"""A long evaluation in pieces: a folder for one configuration, pieces spread over processes, each kept when it is done."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from aemg.config import save_config, to_mapping
from aemg.datasets.base import sha256_of
from aemg.errors import ConfigError, DataFileError
from aemg.evaluation.config import CommonConfig
from aemg.model import weights_folder

_PACKAGES = ("aemg", "torch", "numpy", "scipy", "scikit-learn", "accelerate", "vector-quantize-pytorch", "h5py")

Piece = TypeVar("Piece")


def claim(config: CommonConfig, folder: Path, free: Sequence[str], **more: Any) -> None:
    """Refuses to mix pieces of different configurations in one folder.

    Args:
        folder: of the pieces, made if missing.
        free: settings that may differ.
        more: what else tells configurations apart.

    Raises:
        ConfigError: the folder holds pieces of another configuration.
        DataFileError: an encoder's folder without weights.
    """
    settings = {k: v for k, v in to_mapping(config).items() if k not in free} | more
    encoders = [weights_folder(path) for path in config.encoders]
    for path in encoders:
        if not (path / "model.safetensors").is_file():
            raise DataFileError(path, "an encoder's folder (or encoder=none)", "no model.safetensors there")
    settings["weights"] = [sha256_of(path / "model.safetensors") for path in encoders]
    kept = folder / "settings.json"
    if kept.exists() and json.loads(kept.read_text()) != settings:
        raise ConfigError(
            f"{config.output} holds {folder.name} of another configuration: choose another output, or remove {folder}"
        )
    folder.mkdir(exist_ok=True)
    write_json(kept, settings)
    save_config(config, config.output / "config.yaml")


def spread(pieces: Sequence[Piece], jobs: int, work: Callable[..., object], *arguments: Any) -> Iterator[None]:
    """Calls work(piece, *arguments) for every piece, on several processes where there are several; yields after each."""
    if jobs <= 1 or len(pieces) <= 1:
        for piece in pieces:
            work(piece, *arguments)
            yield
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(work, piece, *arguments) for piece in pieces]
        try:
            for future in as_completed(futures):
                future.result()
                yield
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def write_json(path: Path, values: Mapping[str, Any], indent: int | None = 1) -> None:
    """Writes a file in one step: it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
    partial.write_text(json.dumps(values, indent=indent))
    os.replace(partial, path)


def versions() -> dict[str, str]:
    """Of Python and the packages that results depend on."""
    return {"python": platform.python_version(), **{package: _version(package) for package in _PACKAGES}}


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
