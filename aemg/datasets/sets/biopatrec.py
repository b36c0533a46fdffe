"""BioPatRec 10mov4chForearmUntargeted: ten movements, three cued contractions each, four electrodes of known place."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, Origin, find_layout
from aemg.datasets.files import channels_first, numeric, provenance, read_bytes
from aemg.datasets.formats.mat5 import Record, parse_mat
from aemg.errors import DataFileError
from aemg.signals import Interval, Montage, Provenance, Recording, ring

_GAIN: Final = 3548.0
_REACTION_S: Final = 0.5
_RELEASE_S: Final = 1.0
_EXTENSOR_CARPI_ULNARIS_DEG: Final = 330.0
_RING: Final[Montage] = ring("biopatrec", 4, first_deg=_EXTENSOR_CARPI_ULNARIS_DEG, position=0.2, angle_known=True)
_PATTERNS: Final = ("[0-9].mat", "[0-9][0-9].mat")
_LABELS: Final = {
    "Open Hand": "hand_open", "Close Hand": "hand_close", "Flex Hand": "wrist_flexion",
    "Extend Hand": "wrist_extension", "Pronation": "pronation", "Supination": "supination", "Side Grip": "side_grip",
    "Fine Grip": "fine_grip", "Agree": "thumb_up", "Pointer": "pointing",
}

INFO: Final = DatasetInfo(
    name="biopatrec-10mov",
    title="BioPatRec, 10 movements, 4 untargeted channels",
    subjects=20,
    channels=4,
    rate_hz=2000.0,
    unit="V",
    kind="raw",
    labels=(*_LABELS.values(), "rest"),
    device="MyoAmpF4F2, gain 71 dB, 20-400 Hz and 50 Hz notch, 4 bipolar Ag/AgCl electrodes",
    montage="4 evenly spaced round the proximal third of the forearm, the first on the extensor carpi ulnaris",
    licence="LGPL-3.0-or-later",
    permissive=False,
    citation="Ortiz-Catalan M., Branemark R., Hakansson B., BioPatRec: A modular research platform for the control of "
    "artificial limbs based on pattern recognition algorithms, Source Code for Biology and Medicine 8:11, 2013",
    homepage="https://github.com/biopatrec/biopatrec",
    notes=(
        "The files hold volts at the amplifier's output; they are divided by its gain of 3548.",
        f"Labels follow the cues: contraction from {_REACTION_S} s and rest from {_RELEASE_S:.0f} s after theirs.",
        "Which way round the channels are numbered is not documented; growing anatomical angle is assumed.",
        "The files' comments and the table of subjects are personal and never read.",
    ),
    tested="real files",
    hours=1.0,
)


def open_set(root: str | Path) -> DatasetReader:
    """The set at `root`; a source is a subject's file, one recording a movement.

    Raises:
        AEMGError: the layout is not found.
    """
    base = find_layout(root, _PATTERNS, name=INFO.name, hint="<subject>.mat")
    sources = sorted(path.name for pattern in _PATTERNS for path in base.glob(pattern))
    return DatasetReader(INFO, base, tuple(sources), read_source)


def read_source(root: Path, source: str) -> list[Recording]:
    """The movements of a subject: (4, 36000) volts at the electrode, 2000 Hz.

    Raises:
        DataFileError: not a sound recSession of this protocol.
    """
    path = root / source
    data = read_bytes(path)
    session = parse_mat(path, data, "recSession")["recSession"]
    if not isinstance(session, Record):
        raise DataFileError(path, "a struct recSession", type(session).__name__)
    movements, rows = _movements(path, session), round(INFO.rate_hz * session.number("sT"))
    samples = numeric(path, "tdata", session.get("tdata"), (rows, INFO.channels, len(movements)))
    origin = provenance(INFO, root, path, data)
    return [
        Recording(
            signal=channels_first(samples[:, :, index], 1.0 / _GAIN),
            rate_hz=INFO.rate_hz,
            montage=_RING,
            subject=path.stem,
            session="1",
            provenance=Provenance(origin.dataset, f"{origin.file}#{movement}", origin.sha256, origin.licence),
            unit="V",
            band_hz=(20.0, 400.0),
            intervals=_intervals(path, session, index, _LABELS[movement]),
        )
        for index, movement in enumerate(movements)
    ]


def _movements(path: Path, session: Record) -> list[str]:
    rate = session.number("sF")
    if rate != INFO.rate_hz:
        raise DataFileError(path, f"sF {INFO.rate_hz:g} Hz", f"{rate:g} Hz")
    movements = session.words("mov")
    strange = [movement for movement in movements if movement not in _LABELS]
    if strange or not movements or len(set(movements)) != len(movements):
        found = ", ".join(strange or movements) or "none"
        raise DataFileError(path, f"movements among {', '.join(_LABELS)}, each once", found)
    return movements


def _intervals(path: Path, session: Record, index: int, label: str) -> tuple[Interval, ...]:
    contraction_s, rest_s, total_s = (session.number(name) for name in ("cT", "rT", "sT"))
    repetitions = int(session.number("nR"))
    cycle_s = contraction_s + rest_s
    if abs(repetitions * cycle_s - total_s) > 1e-6 or contraction_s <= _REACTION_S or rest_s <= _RELEASE_S:
        expected = f"nR contractions and rests that fill {total_s:g} s"
        raise DataFileError(path, expected, f"{repetitions} of {cycle_s:g} s")
    found = []
    for repetition in range(repetitions):
        start = repetition * cycle_s
        relax = start + contraction_s
        found.append(Interval(start + _REACTION_S, relax, label, repetition))
        found.append(Interval(relax + _RELEASE_S, start + cycle_s, "rest", index * repetitions + repetition))
    return tuple(found)


ORIGIN: Final = Origin("github", "biopatrec/biopatrec@Data_Repository", files=("10mov4chForearmUntargeted/*.mat",))
ENTRIES: Final = (DatasetEntry(INFO, open_set, (ORIGIN,)),)
