"""emg2qwerty: touch typing with a band at each wrist, every stroke of a key known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout, sha256_of
from aemg.datasets.files import numeric
from aemg.datasets.formats.wristband_file import CHANNELS, RATE_HZ, RING, WristbandSession, read_session, user_of
from aemg.errors import DataFileError
from aemg.signals import Provenance, Recording

_SIDES: Final[tuple[Literal["left", "right"], ...]] = ("left", "right")
_PATTERN: Final = "[0-9]*-keystrokes*.hdf5"
_TABLE: Final = "metadata.csv"

INFO: Final = DatasetInfo(
    name="emg2qwerty",
    title="emg2qwerty, touch typing from both wrists",
    subjects=108,
    channels=CHANNELS,
    rate_hz=RATE_HZ,
    unit="arbitrary",
    kind="raw",
    labels=(),
    device="sEMG research wristband (sEMG-RD) at each wrist, 16 bipolar channels, 2000 Hz, high-pass filtered",
    montage="ring of 16 bipolar channels around each wrist, evenly spaced, turned by an unknown angle",
    licence="CC-BY-NC-SA-4.0",
    permissive=False,
    citation="Sivakumar V. et al., emg2qwerty: A Large Dataset with Baselines for Touch Typing using Surface "
    "Electromyography, NeurIPS 2024 Datasets and Benchmarks, arXiv:2410.20081",
    homepage="https://github.com/facebookresearch/emg2qwerty",
    hours=346.0,
    notes=(
        "The scale of the samples is not documented.",
        "A session gives two recordings of 16 channels, left and right, with the same events; they were recorded at once, "
        "so that sessions that differ only in the hand belong together in a split.",
        "Strokes are events key_press and key_release, each followed by the key; with which finger is not known. Only where "
        "the first event is condition on_keyboard are they what was typed; elsewhere the prompts are: events prompt_start "
        "and prompt_end, each followed by the text.",
        "The licence file says CC-BY-NC-SA-4.0 and the authors' read-me CC-BY-NC-4.0.",
        "There are no labelled intervals and no rest.",
    ),
)  # fmt: skip


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a session's file, one recording a hand.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERN, name=INFO.name, hint="<date>-<time>-keystrokes-....hdf5")
    return DatasetReader(INFO, base, tuple(sorted(path.name for path in base.glob(_PATTERN))), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """Left and right of a session, each (16, T) at 2000 Hz.

    Raises:
        DataFileError: damaged, of another layout, with values that are not finite or falling time stamps.
    """
    path = root / source
    session = read_session(path, INFO.name, {f"emg_{side}": CHANNELS for side in _SIDES})
    name = str(session.attributes.get("session_name", path.stem))
    user, sha256 = user_of(path, session, (root / _TABLE,), "session", name), sha256_of(path)
    condition = [(session.times[0], f"condition {session.attributes.get('condition', 'unknown')}")]
    events = session.events(condition + _strokes(path, session) + _prompts(path, session))
    return [
        Recording(
            signal=numeric(path, f"emg_{side}", session.values[f"emg_{side}"], (CHANNELS, None)),
            rate_hz=RATE_HZ,
            montage=replace(RING, arm=side),
            subject=user,
            session=f"{name}_{side}",
            provenance=Provenance(INFO.name, f"{source}#{side}", sha256, INFO.licence),
            events=events,
        )
        for side in _SIDES
    ]


def _strokes(path: Path, session: WristbandSession) -> list[tuple[float, str]]:
    """Presses and releases of keys."""
    named = []
    for stroke in _listed(path, session, "keystrokes"):
        key = stroke.get("key")
        if not isinstance(key, str):
            raise DataFileError(path, "a key in every stroke of keystrokes", f"{stroke}"[:100])
        named.append((_time(path, stroke, "start"), f"key_press {key}"))
        if stroke.get("end") is not None:
            named.append((_time(path, stroke, "end"), f"key_release {key}"))
    return named


def _prompts(path: Path, session: WristbandSession) -> list[tuple[float, str]]:
    """Texts that were shown to be typed; other prompts hold none."""
    named = []
    for prompt in _listed(path, session, "prompts"):
        payload = prompt.get("payload")
        text = payload.get("text") if isinstance(payload, dict) else None
        if isinstance(text, str):
            named.append((_time(path, prompt, "start"), f"prompt_start {text}"))
            named.append((_time(path, prompt, "end"), f"prompt_end {text}"))
    return named


def _listed(path: Path, session: WristbandSession, name: str) -> list[dict[str, Any]]:
    """An attribute of JSON that lists objects."""
    try:
        found = json.loads(str(session.attributes.get(name, "nothing")))
    except (ValueError, RecursionError) as error:
        raise DataFileError(path, f"JSON in {name}", str(error)[:100]) from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise DataFileError(path, f"a list of objects in {name}", type(found).__name__)
    return found


def _time(path: Path, entry: dict[str, Any], name: str) -> float:
    value = entry.get(name)
    if not isinstance(value, int | float) or not abs(value) < 1e15:
        raise DataFileError(path, f"unix seconds in {name} of a stroke or prompt", f"{value}"[:50])
    return float(value)


ORIGIN: Final = Origin("url", "https://fb-ctrl-oss.s3.amazonaws.com/emg2qwerty/emg2qwerty-data-2021-08.tar.gz", 308.0)
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
