"""EMG-BIDS folders as other people write them: EDF or BDF by edfio, sidecars at several levels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import edfio
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 500
ANATOMICAL = {
    "EMGCoordinateSystem": "Other",
    "EMGCoordinateUnits": "percent",
    "EMGCoordinateSystemDescription": "X: RSP → USP; Y: Right-hand rule (limits: Olecranon Process → Cubital Fossa); "
    "Z: midpoint RSP-USP → LHE; Radial Styloid Process (RSP); Ulnar Styloid Process (USP)",
}


def counts(channels: int, samples: int, start: int = 0) -> NDArray[np.int64]:
    """Sample t of channel c is t - 3 c + start."""
    return np.arange(samples) - 3 * np.arange(channels)[:, None] + start


def write_signals(
    path: Path,
    numbers: NDArray[np.int64],
    *,
    names: Sequence[str] = (),
    units: Sequence[str] = (),
    rates_hz: Sequence[float] = (),
    step: float = 0.5,
    annotations: bool = False,
) -> Path:
    """A data file, EDF or BDF by its name; a count is `step` of its channel's unit (default uV)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wide = path.suffix == ".bdf"
    form, signal = (edfio.Bdf, edfio.BdfSignal) if wide else (edfio.Edf, edfio.EdfSignal)
    kind, top = (np.int32, 8000000) if wide else (np.int16, 32000)
    rows = [
        signal.from_digital(
            row.astype(kind),
            rates_hz[i] if rates_hz else RATE_HZ,
            label=names[i] if names else f"EMG{i}",
            physical_dimension=units[i] if units else "uV",
            physical_range=(-top * step, top * step),
            digital_range=(-top, top),
        )
        for i, row in enumerate(numbers)
    ]
    form(rows, annotations=[edfio.EdfAnnotation(0.1, None, "start")] if annotations else None).write(path)
    return path


def table(path: Path, *rows: Sequence[object]) -> Path:
    """Rows of words between tabs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return path


def sidecar(path: Path, content: object) -> Path:
    """A JSON file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_head(root: Path, **other: object) -> Path:
    """The files of the whole folder."""
    described = {
        "Name": "Grips of two", "BIDSVersion": "1.11.0", "DatasetType": "raw", "License": "CC0", "Authors": ["A. B.", "C. D."],
        "DatasetDOI": "doi:10.1234/ds.42", **other,
    }  # fmt: skip
    sidecar(root / "dataset_description.json", described)
    table(root / "participants.tsv", ["participant_id", "age"], ["sub-01", "n/a"], ["sub-02", 30])
    return root


def write_small_set(root: Path) -> Path:
    """Two people, one with sessions; a ring of eight by percent, a trigger channel, events of both kinds."""
    write_head(root)
    common = {
        "SamplingFrequency": RATE_HZ, "TaskName": "grips", "EMGPlacementScheme": "Measured", "EMGReference": "Bipolar",
        "PowerLineFrequency": 50, "SoftwareFilters": "n/a", "RecordingType": "continuous", "Manufacturer": "Maker",
    }  # fmt: skip
    sidecar(root / "task-grips_emg.json", common)
    sidecar(root / "space-forearm_coordsystem.json", ANATOMICAL)
    angles = np.radians(np.arange(8) * 45 + 10)
    rows = [[f"EMG{i}", 50 + 50 * np.cos(a), 50 + 50 * np.sin(a), 80, "forearm"] for i, a in enumerate(angles.tolist())]
    for person, session, form in (("01", "", "edf"), ("02", "ses-a", "bdf")):
        folder = root / f"sub-{person}" / session / "emg"
        stem = "_".join(filter(None, (f"sub-{person}", session, "task-grips")))
        names = [*(f"EMG{i}" for i in range(8)), "TRIG"]
        write_signals(folder / f"{stem}_emg.{form}", counts(9, 2 * RATE_HZ), names=names, annotations=form == "edf")
        table(
            folder / f"{stem}_channels.tsv", ["name", "type", "units"], *([f"EMG{i}", "EMG", "uV"] for i in range(8)),
            ["TRIG", "TRIG", "V"],
        )  # fmt: skip
        table(folder / f"{'_'.join(filter(None, (f'sub-{person}', session)))}_electrodes.tsv",
              ["name", "x", "y", "z", "coordinate_system"], *rows)  # fmt: skip
        table(
            folder / f"{stem}_events.tsv", ["onset", "duration", "trial_type"],
            [0.2, 0.5, "hand_close"], [0.8, 0, "beep"], [1.0, 0.4, "rest"], [1.5, "n/a", "beep"], [1.9, 5, "hand_close"],
            [3.5, 1, "hand_close"],
        )  # fmt: skip
    return root


WRITERS = {"emg-bids": write_small_set}
