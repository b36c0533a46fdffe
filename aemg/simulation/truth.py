"""The truth behind a written corpus, one file a recording beside the set's own.

    CORPUS/sim.h5                   the set, as any other
    CORPUS/sim.truth/settings.txt   what it was made with
    CORPUS/sim.truth/P01/1/1.npz    person / session / repetition, the name that the recording's provenance has

A file is a NumPy archive, readable without AEMG: `excitations` (muscles, T'), `slip_deg` (T',), `onsets_s`, `angles_rad`
(2, T') where the task has them, `spike_times_s` and `spike_units` where they were kept, `strength` (muscles,), the motor
units as `units_muscle`, `units_rank`, ... (M,), and `facts`, a JSON text of all that is no array.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Recording
from aemg.simulation.anatomy import MUSCLE_NAMES, MotorUnits, Person
from aemg.simulation.conditions import Condition
from aemg.simulation.corpus import spec_of
from aemg.simulation.devices import device
from aemg.simulation.pool import CONTROL_RATE_HZ, Spikes
from aemg.simulation.session import CorpusSpec, SimulatedRecording, Truth, simulate

_PERSON = ("arm", "handed", "radius_m", "fat_m", "forearm_m", "tone", "velocity_m_s")


def keep_truth(reader: DatasetReader, corpus: str | Path, *, spikes: bool = False) -> DatasetReader:
    """The reader of a simulated set that also writes the truth of every source it reads.

    Truth of the same set with other settings is thrown away.

    Args:
        corpus: the folder into which the set is prepared.
        spikes: keep every discharge, too.

    Raises:
        AEMGError: the set is not simulated.
    """
    spec = spec_of(reader)
    folder = _folder(corpus, spec.name)
    settings, told = folder / "settings.txt", f"{spec!r}\nspikes={spikes}\n"
    if settings.exists() and settings.read_text() != told:
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings.write_text(told)
    return replace(reader, read_source=partial(_read_and_keep, spec, folder, spikes))


def complete_truth(reader: DatasetReader) -> int:
    """Makes the truth anew that is missing beside a prepared set; returns of how many sources."""
    spec, folder = spec_of(reader), reader.read_source.args[1]  # type: ignore[attr-defined]
    bare = [source for source in spec.sources if not all((folder / f"{file}.npz").exists() for file in spec.files(source))]
    for source in bare:
        reader.read(source)
    return len(bare)


def read_truth(corpus: str | Path, dataset: str, file: str) -> Truth:
    """The truth behind a recording of a prepared corpus.

    Args:
        corpus: folder of the prepared set.
        dataset, file: as an entry of the corpus tells them, or a recording's provenance.

    Raises:
        AEMGError: there is none.
        DataFileError: it is damaged.
    """
    path = _folder(corpus, dataset) / f"{file}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = dict(archive)
        return _truth(json.loads(arrays["facts"].item()), arrays)
    except FileNotFoundError:
        raise AEMGError(f"no truth at {path}; a set made by `python simulate corpus` has it") from None
    except (OSError, BadZipFile, KeyError, ValueError, TypeError) as error:
        raise DataFileError(path, "the truth of a simulated recording", str(error)) from error


def _folder(corpus: str | Path, dataset: str) -> Path:
    return Path(corpus).expanduser() / f"{dataset}.truth"


def _read_and_keep(spec: CorpusSpec, folder: Path, spikes: bool, root: Path, source: str) -> list[Recording]:
    del root  # nothing is on disk
    found = simulate(spec, source)
    for simulated in found:
        _save(folder / f"{simulated.recording.provenance.file}.npz", simulated, spikes)
    return [simulated.recording for simulated in found]


def _save(path: Path, simulated: SimulatedRecording, spikes: bool) -> None:
    truth, person = simulated.truth, simulated.truth.person
    arrays: dict[str, Any] = {
        "excitations": truth.excitations,
        "slip_deg": truth.slip_deg,
        "onsets_s": np.array(truth.onsets_s),
        "strength": person.strength,
        **{f"units_{name}": getattr(person.units, name) for name in MotorUnits.__dataclass_fields__},
    }
    if truth.angles_rad is not None:
        arrays["angles_rad"] = truth.angles_rad
    if spikes and truth.spikes is not None:
        arrays |= {"spike_times_s": truth.spikes.times_s, "spike_units": truth.spikes.units}
    facts = {
        "turn_deg": truth.turn_deg,
        "mirror": truth.mirror,
        "device": truth.device,
        "control_rate_hz": CONTROL_RATE_HZ,
        "muscles": MUSCLE_NAMES,
        "person": {name: getattr(person, name) for name in _PERSON},
        "condition": asdict(person.condition),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial_file = path.with_name(f"{path.name}.partial")
    with partial_file.open("wb") as file:
        np.savez_compressed(file, facts=np.array(json.dumps(facts)), **arrays)
    os.replace(partial_file, path)


def _truth(facts: dict[str, Any], arrays: dict[str, Any]) -> Truth:
    units = MotorUnits(**{name: arrays[f"units_{name}"] for name in MotorUnits.__dataclass_fields__})
    fingers = tuple(facts["condition"].pop("missing_fingers"))
    condition = Condition(**facts["condition"], missing_fingers=fingers)
    kept = "spike_times_s" in arrays
    return Truth(
        device=facts["device"],
        turn_deg=facts["turn_deg"],
        mirror=facts["mirror"],
        montage=replace(device(facts["device"]).montage.turned(facts["turn_deg"], facts["mirror"]), angle_known=True),
        slip_deg=arrays["slip_deg"],
        onsets_s=tuple(arrays["onsets_s"].tolist()),
        excitations=arrays["excitations"],
        spikes=Spikes(arrays["spike_times_s"], arrays["spike_units"]) if kept else None,
        person=Person(**facts["person"], strength=arrays["strength"], units=units, condition=condition),
        angles_rad=arrays.get("angles_rad"),
    )
