"""Recipes: how released weights are made, from the sets to the stages, and the record of what came of it."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
import yaml

from aemg import datasets
from aemg.config import STRICT, to_mapping
from aemg.corpus import Corpus
from aemg.corpus.shards import set_files
from aemg.errors import AEMGError, ConfigError
from aemg.model import Seen

Setting = bool | int | float | str | list[str]
_PACKAGES = ("aemg", "torch", "numpy", "accelerate", "vector-quantize-pytorch")
_OF_THE_PLACE = ("output", "tokenizer", "stop_after_steps", "checkpoint_minutes", "tracking")
_OF_THE_DATA = ("corpus", "sessions", "workers")


@dataclass(frozen=True)
class StageRecipe:
    """One stage: a settings file of the repository, and what differs from it.

    Args:
        overrides: values by `key.sub`.
        command: folder of the command that runs it; None for the one of the stage's name.
    """

    __pydantic_config__ = STRICT
    config: Path
    overrides: dict[str, Any] = field(default_factory=dict)
    command: str | None = None


@dataclass(frozen=True)
class Recipe:
    """All that released weights are made from.

    Args:
        name, version: of the weights.
        sets: real sets, by name; those of the same people hold the same recordings, so that one of them is enough.
        simulated: by set, the options of `python simulate corpus` without their dashes.
        weights: of the mixture, as `TrainingDataConfig.weights`.
        stages: by name, in their order; each goes on with the model of the one before, the last one's is released.
        permissive_only: train on no set of which weights may not be given away freely. Weights of other recipes stay with
            who made them: they are not packed.
        dtype: that weights are stored in.
    """

    __pydantic_config__ = STRICT
    name: str
    version: str
    sets: tuple[str, ...]
    stages: dict[str, StageRecipe]
    simulated: dict[str, dict[str, Setting]] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    permissive_only: bool = True
    dtype: Literal["float32", "float16"] = "float16"

    def __post_init__(self) -> None:
        unknown = sorted(set(self.weights) - {*self.sets, *self.simulated})
        if unknown:
            raise ConfigError(f"weights: {', '.join(unknown)} is in neither sets nor simulated")
        if not self.stages:
            raise ConfigError("stages: a recipe needs one at least, e.g. tokenizer")

    def without(self, names: Collection[str]) -> Recipe:
        """The recipe without some of its real sets.

        Raises:
            ConfigError: nothing would be left.
        """
        sets = tuple(name for name in self.sets if name not in names)
        if not sets and not self.simulated:
            raise ConfigError(f"{self.name}: none of its sets is there")
        return replace(self, sets=sets, weights={n: w for n, w in self.weights.items() if n not in names})

    def simulation_options(self, name: str) -> list[str]:
        """Options of `python simulate corpus` for one of the simulated sets."""
        words = ["--name", name]
        for key, value in self.simulated[name].items():
            if value is not False:
                values = value if isinstance(value, list) else [] if value is True else [value]
                words += [f"--{key}", *(f"{v}" for v in values)]
        return words

    def stage_options(self, stage: str) -> list[str]:
        """Overrides of a stage's settings file: the recipe's data and what the stage says itself."""
        stated = {
            "data.sets": [*self.sets, *self.simulated],
            "data.weights": self.weights,
            "data.permissive_only": self.permissive_only,
            **self.stages[stage].overrides,
        }
        return [f"{key}={_in_one_line(value)}" for key, value in stated.items()]


def require_permissive(seen: Seen, recipe: Recipe) -> None:
    """Refuses weights that may not be given away freely.

    Raises:
        AEMGError: nothing seen, or a set under another licence, or one that the recipe does not name.
    """
    if not seen.people:
        raise AEMGError(f"{recipe.name}: the model does not tell what it was trained on, so it is not released")
    named = {*recipe.sets, *recipe.simulated}
    closed = {n for n in seen.people if n in datasets.names() and not datasets.info(n).permissive}
    closed |= set(seen.restricted)
    if closed:
        told = ", ".join(f"{name} ({seen.licences.get(name, 'licence not told')})" for name in sorted(closed))
        raise AEMGError(f"{recipe.name} was trained on {told}, whose licence it inherits: it is not released")
    if foreign := sorted(set(seen.people) - named):
        raise AEMGError(f"{recipe.name} was trained on {', '.join(foreign)}, which the recipe does not name: it is not released")


def training_record(recipe: Recipe, corpus: Path, runs: Mapping[str, Path], seen: Seen) -> dict[str, Any]:
    """What a model's card tells of its training, as plain values.

    Args:
        corpus: folder of the prepared sets, the simulated ones among them.
        runs: by stage, the folder of its run.
    """
    return {
        "name": recipe.name,
        "version": recipe.version,
        "recipe": to_mapping(recipe),
        "sets": [_set_record(recipe, Corpus(set_files(corpus, name)), people) for name, people in seen.people.items()],
        "stages": [_stage_record(name, folder) for name, folder in runs.items()],
        "versions": {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in _PACKAGES}},
        "machine": {
            "processor": platform.machine(),
            "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
    }


def _set_record(recipe: Recipe, corpus: Corpus, people: Sequence[str]) -> dict[str, Any]:
    info = corpus.infos[0]
    recordings = [r for r in corpus.recordings if r.kind == "raw" and r.subject in people]
    return {
        "name": info.name,
        "title": info.title,
        "simulated": info.name in recipe.simulated,
        "weight": recipe.weights.get(info.name, 1.0),
        "people": len(people),
        "recordings": len(recordings),
        "files": len({r.file_sha256 for r in recordings}),
        "hours": sum(r.n_samples / r.rate_hz for r in recordings) / 3600,
        "channels": sorted({r.n_channels for r in recordings}),
        "rates_hz": sorted({r.rate_hz for r in recordings}),
        "device": info.device,
        "montage": info.montage,
        "unit": info.unit,
        "licence": info.licence,
        "permissive": info.permissive,
        "citation": info.citation,
        "homepage": info.homepage,
    }


def _stage_record(name: str, folder: Path) -> dict[str, Any]:
    settings = yaml.safe_load((folder / "config.yaml").read_text())
    settings = {key: value for key, value in settings.items() if key not in _OF_THE_PLACE}
    if isinstance(settings.get("data"), dict):
        settings["data"] = {key: value for key, value in settings["data"].items() if key not in _OF_THE_DATA}
    steps, seconds = 0, 0.0
    for row in _rows(folder / "timing.csv"):
        seconds += (int(row["step"]) - steps) * float(row["step_s"])
        steps = int(row["step"])
    last = {**_last(folder / "metrics.csv"), **_last(folder / "epochs.csv")}
    return {"name": name, "steps": steps, "training_s": seconds, "figures": last, "settings": settings}


def _in_one_line(value: object) -> str:
    """A value as YAML."""
    return yaml.safe_dump(value, default_flow_style=True, width=2**31).strip().removesuffix("...").strip()


def _last(file: Path) -> dict[str, float]:
    rows = _rows(file)
    return {key: float(value) for key, value in rows[-1].items()} if rows else {}


def _rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines())) if file.exists() else []
