"""The texts of an EMG-BIDS folder: what stands in its tables and JSON files."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, Final

from aemg import __version__
from aemg.datasets.base import DatasetInfo
from aemg.datasets.formats import limb_frame
from aemg.datasets.formats.bids import MISSING
from aemg.datasets.labels import EVENTS, GESTURES
from aemg.datasets.sets.emg_bids import OWN_KEY
from aemg.signals import Montage, Recording

BIDS_VERSION: Final = "1.11.0"


def json_text(content: dict[str, Any]) -> str:
    """JSON as BIDS folders have it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def table_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Words between tabs under a heading; None and NaN become n/a."""
    lines = ["\t".join(columns), *("\t".join(_word(value) for value in row) for row in rows)]
    return "\n".join(lines) + "\n"


def description(info: DatasetInfo, digest: str | None) -> str:
    """dataset_description.json of a prepared set; `digest` tells two contents apart."""
    return json_text({
        "Name": info.title,
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "raw",
        "License": info.licence,
        "HowToAcknowledge": info.citation,
        "ReferencesAndLinks": [info.homepage],
        "GeneratedBy": [{"Name": "AEMG", "Version": __version__, "Description": "python datasets export --bids"}],
        "SourceDatasets": [{"URL": info.homepage}],
        OWN_KEY: {
            "set": info.name.removeprefix("emg-bids-"), "people": info.crowd, "kind": info.kind, "digest": digest,
        },
    })  # fmt: skip


def readme(info: DatasetInfo) -> str:
    """README.md: what the set is, its traps, how it was stored."""
    notes = "\n".join(f"- {note}" for note in info.notes)
    unit = "microvolts" if info.unit == "V" else "the set's own unit, whose scale is not documented"
    return f"""# {info.title}

{info.device}. {info.montage}.

Licence: {info.licence}. Cite: {info.citation}. Source: {info.homepage}

Written by AEMG {__version__} from its prepared set `{info.name}`. Samples are BDF+ of 24 bits in {unit}:
every channel of every file has a step of its own, which stands under "{OWN_KEY}" as `steps` in the sidecar *_emg.json, and no
sample was moved by more than half of it; counts are stored as they are. Where a length needs it, zeros fill up the last
data record: `samples` is the true length, and `scale` what a stored value of 1 is in the unit of `steps`.

Events of a duration are labelled stretches of time; `trial` numbers the repetition that they belong to.

{notes}
"""


def changes(today: datetime.date) -> str:
    """CHANGES of a first version."""
    return f"1.0.0 {today.isoformat()}\n  - Written by AEMG {__version__}.\n"


def task_sidecar(info: DatasetInfo, task: str) -> str:
    """What all *_emg.json share."""
    return json_text({
        "TaskName": task,
        "TaskDescription": info.title,
        "ManufacturersModelName": info.device,
        "EMGReference": MISSING,
        "PowerLineFrequency": MISSING,
        "SoftwareFilters": MISSING,
        "HardwareFilters": MISSING,
        "RecordingType": "continuous",
        "EMGPlacementSchemeDescription": info.montage,
    })  # fmt: skip


def events_sidecar(labels: dict[str, str]) -> str:
    """What *_events.tsv hold; `labels` with what each means."""
    return json_text({
        "trial_type": {"Description": "Movement, prompt or event", "Levels": labels},
        "trial": {"Description": "Number of the repetition, unique in a session; n/a for events of no duration"},
    })  # fmt: skip


def levels(info: DatasetInfo, others: Iterable[str]) -> dict[str, str]:
    """What each label means, as the set calls it or the vocabulary explains it."""
    own = dict(zip(info.labels, info.own_labels)) if info.own_labels else {}
    names = dict.fromkeys([*info.labels, *sorted(others)])
    return {name: own.get(name) or GESTURES.get(name) or EVENTS.get(name) or name for name in names}


def sidecar(recording: Recording, steps: Sequence[float], scale: float) -> str:
    """*_emg.json of one recording."""
    montage, origin = recording.montage, recording.provenance
    return json_text({
        "SamplingFrequency": recording.rate_hz,
        "EMGChannelCount": montage.n_channels,
        "RecordingDuration": recording.duration_s,
        "EMGPlacementScheme": "Measured" if montage.angle_known else "Other",
        OWN_KEY: {
            "subject": recording.subject,
            "session": recording.session,
            "samples": recording.signal.shape[1],
            "steps": list(steps),
            "scale": scale,
            "kind": recording.kind,
            "band_hz": recording.band_hz,
            "montage": montage.name,
            "angle_known": montage.angle_known,
            "arm": montage.arm,
            "groups": [[group.kind, group.spacing_deg] for group in montage.groups],
            "source": {"set": origin.dataset, "file": origin.file, "sha256": origin.sha256},
        },
    })  # fmt: skip


def channels(montage: Montage, names: Sequence[str], unit: str) -> str:
    """*_channels.tsv."""
    heading = ("name", "type", "units", "signal_electrode", "reference", "group", "target_muscle")
    units = "uV" if unit == "V" else MISSING
    members = [(group, e) for group, members in _groups(montage) for e in members.electrodes]
    rows = [(name, "EMG", units, e.name, MISSING, group, e.muscle) for name, (group, e) in zip(names, members)]
    return table_text(heading, rows)


def electrodes(montage: Montage) -> str:
    """*_electrodes.tsv in the frame of a forearm."""
    space = limb_frame.SPACE if montage.angle_known else limb_frame.TURNED_SPACE
    rows = [
        (e.name, *limb_frame.coordinates(e.angle_deg, e.position), space, group)
        for group, members in _groups(montage)
        for e in members.electrodes
    ]
    return table_text(("name", "x", "y", "z", "coordinate_system", "group"), rows)


def events(recording: Recording) -> str:
    """*_events.tsv, in order of onset."""
    rows: list[tuple[float, float, str, int | None]] = [
        *((i.start_s, i.end_s - i.start_s, i.label, i.trial) for i in recording.intervals),
        *((e.time_s, 0.0, e.name, None) for e in recording.events),
    ]
    return table_text(("onset", "duration", "trial_type", "trial"), sorted(rows, key=lambda row: (row[0], row[1])))


def _groups(montage: Montage) -> list[tuple[str, Any]]:
    return [(f"{group.kind}{number}", group) for number, group in enumerate(montage.groups, start=1)]


def _word(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    return " ".join(str(value).split())
