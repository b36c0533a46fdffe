"""How recordings lie in a set's HDF5 file; everything that a reader and a writer have to agree on.

    /codes    (N,)    int16    coded samples, sample by sample, all channels of a sample (see `codes.py`)
    /values   (N,)    float32  samples that have no codes, in the same order, palettes, and the values of targets
    /scale    (N, 2)  float64  step and zero of each channel of recordings coded as counts
    /text     (N,)    uint8    JSON of each recording and of each distinct montage
    /index    (R,)    INDEX    one row a recording: where its parts start, and its sha256
    /sources  (N,)    uint8    one JSON line a finished source: its name, its recordings, its error if it was skipped

Attributes of the root: format_version, info (the card, JSON) and, once complete, digest. Texts have a fixed length:
those of variable length lie in HDF5's global heap, in which one wrong byte can make the library loop for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aemg.corpus.codes import encode
from aemg.datasets.base import DatasetInfo
from aemg.errors import AEMGError
from aemg.signals import Electrode, ElectrodeGroup, Event, Interval, Montage, Provenance, Recording, Target

FORMAT_VERSION = 1
FLOATS, COUNTS, PALETTE = 0, 1, 2
INDEX = np.dtype([
    ("form", "u1"),
    ("channels", "<i4"), ("samples", "<i8"),
    ("signal", "<i8"), ("key", "<i8"), ("key_rows", "<i8"),  # where each part starts
    ("targets", "<i8"), ("target_values", "<i8"),
    ("text", "<i8"), ("text_bytes", "<i8"), ("montage", "<i8"), ("montage_bytes", "<i8"),
    ("sha256", "u1", (32,)),
])
TABLES: dict[str, Any] = {
    "codes": "<i2", "values": "<f4", "scale": "<f8", "text": "u1", "index": INDEX, "sources": "u1",
}


@dataclass(frozen=True)
class RecordingEntry:
    """What is known of a recording without reading its samples; fields as in `Recording`.

    Args:
        dataset: name of its set.
        n_channels, n_samples: shape (C, T) of its signal.
        file, file_sha256: native file, relative to the set's root, and its sha256.
        sha256: hexadecimal, of its samples, targets, montage and labels.
    """

    dataset: str
    subject: str
    session: str
    n_channels: int
    n_samples: int
    rate_hz: float
    unit: Literal["V", "arbitrary"]
    kind: Literal["raw", "envelope"]
    band_hz: tuple[float, float] | None
    intervals: tuple[Interval, ...]
    montage: Montage
    file: str
    file_sha256: str
    sha256: str

    @property
    def duration_s(self) -> float:
        """Length of the signal."""
        return self.n_samples / self.rate_hz


@dataclass(frozen=True)
class SkippedSource:
    """A source that could not be read, the damaged file and what is wrong with it."""

    source: str
    file: str
    error: str


@dataclass(frozen=True)
class Packed:
    """A recording ready to be written: samples (T * C,) int16 or float32, key as in `Coded` or empty, texts as JSON."""

    shape: tuple[int, int]
    samples: NDArray[np.int16] | NDArray[np.float32]
    key: NDArray[np.float64] | NDArray[np.float32]
    targets: NDArray[np.float32]
    text: bytes
    montage: bytes
    sha256: bytes

    @property
    def form(self) -> int:
        """How the samples are stored: FLOATS, COUNTS or PALETTE."""
        if self.samples.dtype == np.float32:
            return FLOATS
        return COUNTS if self.key.ndim == 2 else PALETTE


def pack(recording: Recording) -> Packed:
    """A recording in its smallest lossless form.

    Raises:
        AEMGError: a target is not float32.
    """
    for target in recording.targets:
        if target.values.dtype != np.float32:
            raise AEMGError(f"target {target.name!r} must be float32, got {target.values.dtype}")
    signal = np.ascontiguousarray(recording.signal)
    targets = np.concatenate([np.zeros(0, np.float32), *(t.values.ravel() for t in recording.targets)])
    text, montage = _text(recording), _montage_text(recording.montage)
    coded = encode(signal)
    return Packed(
        shape=(signal.shape[0], signal.shape[1]),
        samples=(signal if coded is None else coded.codes).T.ravel(),  # (C, T) -> (T * C,), which codes are in memory
        key=np.zeros(0, np.float32) if coded is None else coded.key,
        targets=targets,
        text=text,
        montage=montage,
        sha256=checksum(text, montage, signal, targets),
    )


def checksum(text: bytes, montage: bytes, signal: NDArray[np.float32], targets: NDArray[np.float32]) -> bytes:
    """sha256 of everything in a recording, the signal (C, T) as float32 whichever way it is stored."""
    digest = hashlib.sha256(montage)
    digest.update(text)
    digest.update(str(signal.shape).encode())
    for values in (signal, targets):
        digest.update(np.ascontiguousarray(values).data)
    return digest.digest()


def unpack(
    text: dict[str, Any], signal: NDArray[np.float32], targets: NDArray[np.float32], montage: Montage
) -> Recording:
    """The recording of a stored text, its signal (C, T) and the values (N,) of all its targets."""
    return Recording(
        signal=signal,
        montage=montage,
        rate_hz=text["rate_hz"],
        subject=text["subject"],
        session=text["session"],
        provenance=Provenance(*text["provenance"]),
        unit=text["unit"],
        kind=text["kind"],
        band_hz=band_of(text),
        intervals=intervals_of(text),
        events=tuple(Event(*event) for event in text["events"]),
        targets=tuple(_targets(text["targets"], targets)),
    )


def ends(index: NDArray[np.void]) -> dict[str, int]:
    """How many rows of each table the recordings of an index take."""
    floats, counts = index["form"] == FLOATS, index["form"] == COUNTS
    signal, key = index["signal"] + index["samples"] * index["channels"], index["key"] + index["key_rows"]
    parts = {
        "codes": signal[~floats],
        "values": np.concatenate([signal[floats], key[~counts], index["targets"] + index["target_values"]]),
        "scale": key[counts],
        "text": np.maximum(index["text"] + index["text_bytes"], index["montage"] + index["montage_bytes"]),
    }
    return {name: int(last.max(initial=0)) for name, last in parts.items()}


def intervals_of(text: dict[str, Any]) -> tuple[Interval, ...]:
    """The intervals of a recording's stored text."""
    return tuple(Interval(*interval) for interval in text["intervals"])


def band_of(text: dict[str, Any]) -> tuple[float, float] | None:
    """The band of a recording's stored text, in Hz."""
    return None if text["band_hz"] is None else (text["band_hz"][0], text["band_hz"][1])


def montage_of(text: bytes) -> Montage:
    """The montage of its stored text."""
    name, groups, angle_known, arm = json.loads(text)
    built = (
        ElectrodeGroup(kind, tuple(Electrode(*electrode) for electrode in electrodes), spacing_deg)
        for kind, electrodes, spacing_deg in groups
    )
    return Montage(name, tuple(built), angle_known=angle_known, arm=arm)


def info_text(info: DatasetInfo) -> str:
    """The card as stored text, which `info_of` reads back."""
    return json.dumps(asdict(info), default=_plain)


def info_of(text: str) -> DatasetInfo:
    """The card of its stored text; facts that this version of AEMG does not know are left out."""
    known = {field.name for field in fields(DatasetInfo)}
    facts = {key: _tuples(value) for key, value in json.loads(text).items() if key in known}
    return DatasetInfo(**facts)


def source_line(source: str, recordings: int, skipped: SkippedSource | None = None) -> bytes:
    """The line of /sources of one finished source."""
    problem = None if skipped is None else [skipped.file, skipped.error]
    return json.dumps([source, recordings, problem]).encode() + b"\n"


def digest_of(info: str, sources: bytes, checksums: NDArray[np.uint8]) -> str:
    """Hexadecimal sha256 of a whole set: its card, its sources and the checksums (R, 32) of its recordings."""
    digest = hashlib.sha256(info.encode())
    digest.update(sources)
    digest.update(np.ascontiguousarray(checksums).data)
    return digest.hexdigest()


def _text(recording: Recording) -> bytes:
    origin = recording.provenance
    facts = {
        "subject": recording.subject,
        "session": recording.session,
        "rate_hz": recording.rate_hz,
        "unit": recording.unit,
        "kind": recording.kind,
        "band_hz": recording.band_hz,
        "provenance": [origin.dataset, origin.file, origin.sha256, origin.licence],
        "intervals": [[i.start_s, i.end_s, i.label, i.trial] for i in recording.intervals],
        "events": [[e.time_s, e.name] for e in recording.events],
        "targets": [[t.name, t.values.shape, t.rate_hz, t.unit] for t in recording.targets],
    }
    return json.dumps(facts, default=_plain).encode()


def _montage_text(montage: Montage) -> bytes:
    groups = [
        [group.kind, [[e.name, e.angle_deg, e.position, e.muscle] for e in group.electrodes], group.spacing_deg]
        for group in montage.groups
    ]
    return json.dumps([montage.name, groups, montage.angle_known, montage.arm], default=_plain).encode()


def _targets(described: Sequence[Any], values: NDArray[np.float32]) -> list[Target]:
    targets, first = [], 0
    for name, shape, rate_hz, unit in described:
        size = int(np.prod(shape))
        targets.append(Target(name, values[first : first + size].reshape(shape), rate_hz, unit))
        first += size
    return targets


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise AEMGError(f"cannot store {value!r} of type {type(value).__name__} in a corpus")
