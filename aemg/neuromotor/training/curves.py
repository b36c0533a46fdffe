"""Curves of several runs: over the number of training users, and over the minutes of one's own data."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import PartialState

from aemg.config import to_mapping
from aemg.datasets.formats.neuromotor_file import NeuromotorFile
from aemg.errors import AEMGError, ConfigError, LeakError
from aemg.neuromotor.data.corpus import Partition, Split, file_of
from aemg.neuromotor.training.config import DecoderConfig
from aemg.neuromotor.training.networks import make_network
from aemg.neuromotor.training.results import HEADLINES
from aemg.neuromotor.training.run import Report, run_decoder, write_json, write_table
from aemg.neuromotor.training.sets import data_root, split_of, user_name

logger = logging.getLogger(__name__)


def scaling_curve(config: DecoderConfig) -> Report | None:
    """Trains a decoder for each number of training users and seed, and tests all on the same users.

    Of one seed, the users of a smaller number are among those of a larger one. Each run has its own folder in
    `config.output`, which also gets curve.json and curve.csv; finished runs are not done again.

    Returns:
        The curve, or None where a run was stopped early.

    Raises:
        ConfigError: more users than there are.
        AEMGError: as `train_decoder`.
    """
    split = split_of(replace(config, data=replace(config.data, train_users=None)))
    if not split.test:
        raise AEMGError("there are no test users: look at data.users")
    everyone = len(split.users("train"))
    points = []
    for seed in config.scaling.seeds:
        for number in config.scaling.users or doublings(everyone):
            data = replace(config.data, train_users=number)
            folder = config.output / f"seed-{seed}" / f"users-{number:03d}"
            one = replace(config, protocol="train", seed=seed, data=data, output=folder)
            report = _report_of(one, split_of(one))
            if report is None:
                return None
            points.append(_point(config, number, f"seed {seed}", report))
            _save(config, _curve(config, "users", points))
    return _curve(config, "users", points)


def personal_curve(config: DecoderConfig) -> Report | None:
    """Fine-tunes `config.init` on the first minutes of single users and tests on what comes after the longest of them.

    All points of a user are of the same test data, the first one of `init` as it is. Folders and files as of `scaling_curve`.

    Raises:
        ConfigError: no `init`.
        LeakError: `init` was trained on one of the users.
        AEMGError: a user's data are too short, or as `train_decoder`.
    """
    if config.init is None:
        raise ConfigError("personal needs init=CHECKPOINT, a trained decoder to start from")
    split = split_of(config)
    users = [user_name(user) for user in config.personal.users] if config.personal.users else list(split.users("test"))
    seen = make_network(config).trained_on
    if leaked := sorted(set(users) & set(seen.users)):
        raise LeakError(f"init={config.init} was trained on {', '.join(leaked)}: choose other users, or another init")
    points: list[dict[str, Any]] = []
    notes = [] if seen.complete else ["Whom the initial weights were trained on is not known."]
    for user in users:
        stretches = _stretches(config, split.of_users([user]))
        minutes = sum(_seconds(stretches)) / 60
        if minutes <= config.personal.minutes[-1]:
            told = f"{user} has {minutes:.1f} minutes, which leaves none to test on after {config.personal.minutes[-1]:g}"
            if config.personal.users:
                raise AEMGError(f"{told}: choose shorter personal.minutes")
            logger.warning("left out: %s", told)
            notes.append(f"Left out: {told}.")
            continue
        for budget in (0.0, *config.personal.minutes):
            report = _report_of(*_personal_run(config, user, stretches, budget))
            if report is None:
                return None
            points.append(_point(config, budget, user, report))
            _save(config, _curve(config, "minutes", points, notes))
    if not points:
        raise AEMGError(f"no user has more than {config.personal.minutes[-1]:g} minutes: choose shorter personal.minutes")
    return _curve(config, "minutes", points, notes)


def doublings(most: int) -> tuple[int, ...]:
    """1, 2, 4 ... and `most`."""
    return (*(2**k for k in range(max(0, most - 1).bit_length())), most)


def divided(
    stretches: Sequence[Partition], seconds: float, *, whole: bool = False
) -> tuple[list[Partition], list[Partition]]:
    """The first so many seconds of stretches, which all have a start and an end, and the rest.

    Args:
        whole: leave the stretch in which they end to the rest instead of cutting it in two.
    """
    first: list[Partition] = []
    left = seconds
    for number, (stretch, length) in enumerate(zip(stretches, _seconds(stretches))):
        if length > left:
            assert stretch.start is not None
            cut = stretch.start + left
            if whole or left <= 0:
                return first, list(stretches[number:])
            return [*first, replace(stretch, end=cut)], [replace(stretch, start=cut), *stretches[number + 1 :]]
        first.append(stretch)
        left -= length
    return first, []


def _personal_run(
    config: DecoderConfig, user: str, stretches: Sequence[Partition], minutes: float
) -> tuple[DecoderConfig, Split]:
    whole = config.task == "handwriting"
    train, _ = divided(stretches, 60 * minutes, whole=whole)
    _, rest = divided(stretches, 60 * config.personal.minutes[-1], whole=whole)
    one = replace(
        config,
        protocol="train",
        output=config.output / user / f"minutes-{minutes:g}",
        select=None,
        optim=replace(config.optim, epochs=config.optim.epochs if minutes else 0),
    )
    return one, Split(_joined(train) if whole else tuple(train), (), _joined(rest) if whole else tuple(rest))


def _stretches(config: DecoderConfig, split: Split) -> list[Partition]:
    """All stretches of a user in order of time, those of handwriting prompt by prompt."""
    partitions = [*split.train, *split.val, *split.test]
    found: list[Partition] = []
    for partition in partitions:
        with NeuromotorFile(file_of(data_root(config), partition.dataset)) as file:
            if config.task == "handwriting":
                found += [Partition(partition.dataset, prompt.start, prompt.end) for prompt in file.text_prompts()]
            else:
                times = file.times()
                start = float(times[0]) if partition.start is None else partition.start
                end = float(np.nextafter(times[-1], np.inf)) if partition.end is None else partition.end
                found.append(replace(partition, start=start, end=end))
    return sorted(found, key=lambda stretch: (stretch.start, stretch.end))


def _joined(stretches: Iterable[Partition]) -> tuple[Partition, ...]:
    """Consecutive stretches of one file as one."""
    found: list[Partition] = []
    for stretch in stretches:
        if found and found[-1].dataset == stretch.dataset:
            found[-1] = replace(found[-1], end=stretch.end)
        else:
            found.append(stretch)
    return tuple(found)


def _seconds(stretches: Iterable[Partition]) -> list[float]:
    return [(s.end or 0.0) - (s.start or 0.0) for s in stretches]


def _report_of(config: DecoderConfig, split: Split) -> Report | None:
    """The report of a run, done before or now; what its training needed is removed once it is finished."""
    file = config.output / "report.json"
    if file.exists():
        report: Report = json.loads(file.read_text())
        if report.get("config") == json.loads(json.dumps(to_mapping(config))):
            return report
    logger.info("%s", config.output)
    found = run_decoder(config, split).report
    if found is not None and PartialState().is_main_process:
        shutil.rmtree(config.output / "checkpoint", ignore_errors=True)
        (config.output / "best.safetensors").unlink(missing_ok=True)
    return found


def _point(config: DecoderConfig, x: float, group: str, report: Report) -> dict[str, Any]:
    metrics = {name: value for name, value in report["metrics"].items() if not isinstance(value, dict)}
    return {"x": x, "group": group, "value": metrics[HEADLINES[config.task]], "metrics": metrics}


def _curve(config: DecoderConfig, x: str, points: Sequence[dict[str, Any]], notes: Sequence[str] = ()) -> Report:
    summary = []
    for at in sorted({point["x"] for point in points}):
        values = np.array([point["value"] for point in points if point["x"] == at], float)
        spread = {"mean": float(values.mean()), "least": float(values.min()), "most": float(values.max())}
        summary.append({"x": at, **spread, "runs": len(values)})
    return {
        "task": config.task,
        "protocol": config.protocol,
        "title": config.output.name,
        "x": x,
        "metric": HEADLINES[config.task],
        "points": list(points),
        "summary": summary,
        "notes": list(notes),
        "config": to_mapping(config),
    }


def _save(config: DecoderConfig, curve: Report) -> None:
    if not PartialState().is_main_process:
        return
    rows = [{curve["x"]: point["x"], "group": point["group"], **point["metrics"]} for point in curve["points"]]
    write_table(Path(config.output) / "curve.csv", rows)
    write_json(Path(config.output) / "curve.json", curve)


__all__ = ["divided", "doublings", "personal_curve", "scaling_curve"]
