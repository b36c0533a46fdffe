"""Simulated people at the three tasks of a neuromotor wristband, written in the layout of the public recordings."""

from __future__ import annotations

import csv
import os
import zlib
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from aemg.datasets.formats.neuromotor_file import RATE_HZ, GesturePrompt, Stage, Task, TextPrompt
from aemg.datasets.formats.neuromotor_write import write_neuromotor_file
from aemg.errors import AEMGError
from aemg.simulation.anatomy import sample_person
from aemg.simulation.devices import device
from aemg.simulation.movements import STREAMS, Movement
from aemg.simulation.pool import CONTROL_RATE_HZ, discharge
from aemg.simulation.wearing import Wear, put_on

NOISE_V = 2.46e-6  # the unit of the public recordings
_HIGHPASS_HZ = 40.0
_FIRST_DAY_S = 1_700_000_000.0
_WEAR = Wear(placement_deg=8.0)
_MOVEMENTS = {"discrete_gestures": STREAMS["events"], "wrist": STREAMS["wrist"], "handwriting": STREAMS["handwriting"]}
_STAGES = {"discrete_gestures": "static_arm_in_lap", "wrist": "smooth_reaches", "handwriting": "words"}


def simulate_neuromotor(
    task: Task,
    out: str | Path,
    *,
    people: int,
    minutes: float,
    seed: int = 0,
    validation: int = 1,
    test: int = 1,
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Path]:
    """Writes one recording a person, and the table of splits; people that are there already are left alone.

    Args:
        task: as in the public recordings.
        out: folder, made if missing.
        minutes: of each recording.
        validation, test: how many of the people, the last ones, are for validation and test.
        jobs: processes.

    Returns:
        The files of signals, in order of people.

    Raises:
        AEMGError: an unknown task, fewer people than the splits need, or recordings under ten seconds.
    """
    if task not in _MOVEMENTS:
        raise AEMGError(f"no task {task!r}; there are {', '.join(_MOVEMENTS)}")
    if people < validation + test + 1 or min(validation, test) < 1:
        raise AEMGError(f"{people} people cannot give one or more for training, {validation} for validation and {test} for test")
    if minutes * 60 < 10:
        raise AEMGError(f"a recording must last 10 s at least, got {minutes * 60:g} s")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    splits = ["train"] * (people - validation - test) + ["val"] * validation + ["test"] * test
    files = [folder / f"{task}_user_{number:03d}_dataset_000.hdf5" for number in range(people)]
    missing = [number for number, file in enumerate(files) if not file.exists()]
    make = partial(_write_person, task, folder, seed, 60 * minutes)
    if jobs > 1 and len(missing) > 1:
        with get_context("spawn").Pool(min(jobs, len(missing))) as pool:
            for done, _ in enumerate(pool.imap_unordered(make, missing), start=1):
                progress(done, len(missing))
    else:
        for done, number in enumerate(missing, start=1):
            make(number)
            progress(done, len(missing))
    with (folder / f"{task}_corpus.csv").open("w", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["dataset", "start", "end", "split"])
        for number, (file, split) in enumerate(zip(files, splits)):
            start = _start_s(number)
            writer.writerow([file.stem, start, start + 60 * minutes, split])
    return files


def _start_s(number: int) -> float:
    return _FIRST_DAY_S + 86_400.0 * number


def _write_person(task: Task, folder: Path, seed: int, duration_s: float, number: int) -> None:
    chances = [_chance(task, seed, number, what) for what in range(6)]
    person = sample_person(chances[0])
    movement: Movement = _MOVEMENTS[task](duration_s, person.tone, chances[1], chances[2])
    worn = put_on(person, device("band16-placed"), _WEAR, chances[3])
    volts = worn.read(discharge(person.units, movement.excitation, chances[4]), duration_s, chances[5])
    highpass = butter(4, _HIGHPASS_HZ, "highpass", fs=RATE_HZ, output="sos")
    emg = np.asarray(sosfilt(highpass, volts / NOISE_V, axis=1).T, dtype=np.float32)
    start = _start_s(number)
    times = start + np.arange(len(emg)) / RATE_HZ
    stages = [Stage(_STAGES[task], start, float(times[-1]), "seated-on-surface" if task == "handwriting" else "")]
    gestures = [GesturePrompt(name, start + at) for name, at in movement.events]
    texts = [TextPrompt(text, start + first, start + last) for text, first, last in movement.intervals]
    prompts = gestures if task == "discrete_gestures" else texts if task == "handwriting" else []
    file = folder / f"{task}_user_{number:03d}_dataset_000.hdf5"
    partial_file = file.with_name(f"{file.name}.partial-{os.getpid()}")
    write_neuromotor_file(partial_file, task, emg, times, stages, prompts, _at_rate(movement, len(emg)))
    os.replace(partial_file, file)


def _at_rate(movement: Movement, rows: int) -> NDArray[np.float32] | None:
    """Angles of the wrist at the rate of the signal, (rows, 2), where the movement has any."""
    if movement.angles_rad is None:
        return None
    at = np.arange(rows) / RATE_HZ
    known = (np.arange(movement.angles_rad.shape[1]) + 0.5) / CONTROL_RATE_HZ
    return np.stack([np.interp(at, known, angle) for angle in movement.angles_rad], axis=1).astype(np.float32)


def _chance(task: str, seed: int, number: int, what: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(task.encode()), number, what)))
