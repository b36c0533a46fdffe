"""Any EMG-BIDS folder (EDF or BDF with sidecars); its card is made from what the folder says of itself."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from aemg.datasets.base import DatasetEntry, DatasetInfo, DatasetReader, find_layout, sha256_of
from aemg.datasets.formats.bids import BidsFolder, entities, read_json
from aemg.datasets.formats.edf import EdfHeader, read_header, read_samples
from aemg.datasets.formats.emg_bids_tables import TRIALS_A_FILE, channels_of, marks_of, montage_of, targets_of
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Provenance, Recording

OWN_KEY: Final = "AEMG"  # of what the standard has no place for, in the sidecars of folders that AEMG wrote
_PATTERNS: Final = ("sub-*/emg/*_emg.[eb]df", "sub-*/ses-*/emg/*_emg.[eb]df")
_PERMISSIVE: Final = {
    "CC0", "CC0-1.0", "PDDL", "PDDL-1.0", "CC-BY", "CC-BY-3.0", "CC-BY-4.0", "ODC-BY", "ODC-BY-1.0", "MIT", "APACHE-2.0",
    "BSD-2-CLAUSE", "BSD-3-CLAUSE",
}  # fmt: skip
_SHARP: Final = 1e-3  # by how much the rates in the header, a number of eight characters, and in the sidecar may differ

INFO: Final = DatasetInfo(
    name="emg-bids",
    title="Any EMG-BIDS folder",
    subjects=0,
    channels=0,
    rate_hz=0.0,
    unit="V",
    kind="raw",
    labels=(),
    device="as the folder says",
    montage="by the folder's electrodes and coordinate systems",
    licence="as the folder says",
    permissive=False,
    citation="Gorgolewski K.J. et al., The brain imaging data structure, Scientific Data 3:160044, 2016, "
    "doi:10.1038/sdata.2016.44; its extension for EMG is part of BIDS since version 1.11",
    homepage="https://bids-specification.readthedocs.io",
    notes=(
        "This card is for any folder; an opened one has a card of its own, named emg-bids-NAME, made from what it says.",
        "Channels of other types than EMG are left out; EMG of several rates in one file is refused, over several files read.",
        "Events of a duration are intervals, those of none or an unknown one events; trials are numbered in their order "
        "where there is no column `trial`.",
        "Angles are taken from electrodes.tsv: in percent between the styloid processes and from olecranon to cubital fossa "
        "they are anatomical, otherwise relative. Without coordinates channels are set evenly round the limb at an "
        "unknown angle.",
        "Channels that channels.tsv calls bad are read like the others, and epochs joined in one file as one recording.",
        "Channels of a left and a right group become two recordings.",
        "Labels are the folder's own words: they mean what the shared vocabulary says only where its authors meant that.",
    ),
)  # fmt: skip


def open_set(root: str | Path) -> DatasetReader:
    """The EMG-BIDS folder at `root`; a source is a data file, one recording a file and side of the body.

    Raises:
        AEMGError: none there, or several.
        DataFileError: its dataset_description.json is damaged.
    """
    base = find_layout(root, _PATTERNS, name=INFO.name, hint="sub-<label>/[ses-<label>/]emg/*_emg.edf or .bdf")
    others = [] if base == Path(root).expanduser() else [path for path in base.parent.iterdir() if _found(path)]
    if len(others) > 1:
        raise AEMGError(f"{INFO.name}: several folders at {root}: {', '.join(sorted(p.name for p in others))}; give one of them")
    sources = tuple(sorted(path.relative_to(base).as_posix() for path in _found(base)))
    info = _card(base, sources)
    return DatasetReader(info, base, sources, partial(read_source, info=info))


def read_source(root: Path, source: str, *, info: DatasetInfo) -> list[Recording]:
    """The EMG of a data file: (C, T) in volts where units are stated, with its intervals, events and targets.

    Raises:
        DataFileError: the file or one of its sidecars is damaged, or they contradict each other.
    """
    path, folder = root / source, BidsFolder(root)
    header = read_header(path)
    sidecar = folder.json(path, "emg")
    own = _own(sidecar)
    channels = channels_of(folder, path, header)
    rate = _rate(path, header.rate_hz(channels[0].signal), sidecar)
    volts = [channel.volts for channel in channels]
    known = all(scale is not None for scale in volts)
    scale = own.get("scale", 1.0)
    if not isinstance(scale, int | float) or not 0 < scale < 1e30:
        raise DataFileError(path, f"a positive scale in {OWN_KEY}", repr(scale)[:40])
    scales = [v or 1.0 for v in volts] if known else [float(scale)] * len(volts)
    signal = read_samples(path, header, [channel.signal for channel in channels], scales)
    length = own.get("samples")
    if isinstance(length, int) and 0 < signal.shape[1] - length < channels[0].signal.samples:
        signal = signal[:, :length].copy()  # what fills the last data record up is no signal
    montage, sides = montage_of(folder, path, channels, _device(sidecar, own), _told(path, own))
    if own:
        montage = replace(montage, angle_known=own.get("angle_known") is True, arm=_arm(own))
    intervals, events = marks_of(folder, path, signal.shape[1] / rate, _first_trial(path))
    named = entities(path)
    whole = Recording(
        signal=signal,
        rate_hz=rate,
        montage=montage,
        subject=str(own.get("subject", named.get("sub", ""))),
        session=str(own.get("session", named.get("ses", "1"))),
        provenance=Provenance(info.name, source, sha256_of(path), info.licence),
        unit="V" if known else "arbitrary",
        kind="envelope" if own.get("kind") == "envelope" else "raw",
        band_hz=_band(own.get("band_hz")),
        intervals=tuple(intervals),
        events=tuple(events),
        targets=tuple(targets_of(folder, path)),
    )
    return [whole] if own or None in sides or len(set(sides)) == 1 else [_side(whole, sides, s) for s in ("left", "right")]


def _side(whole: Recording, sides: tuple[str | None, ...], side: Literal["left", "right"]) -> Recording:
    kept = [i for i, found in enumerate(sides) if found == side]
    montage = replace(whole.montage.without(set(range(len(sides))) - set(kept)), arm=side)
    origin = replace(whole.provenance, file=f"{whole.provenance.file}#{side}")
    return replace(whole, signal=whole.signal[kept], montage=montage, provenance=origin)


def _found(folder: Path) -> list[Path]:
    return [path for pattern in _PATTERNS for path in folder.glob(pattern)]


def _first_trial(path: Path) -> int:
    """Trials are counted on over the files of a folder, so that no two of a session share a number."""
    files = sorted(other.name for other in path.parent.glob("*_emg.[eb]df"))
    return files.index(path.name) * TRIALS_A_FILE if path.name in files else 0


def _rate(path: Path, stored_hz: float, sidecar: dict[str, Any]) -> float:
    stated = sidecar.get("SamplingFrequency")
    if not isinstance(stated, int | float) or not math.isfinite(stated) or stated <= 0:
        return stored_hz
    if abs(stated / stored_hz - 1) > _SHARP:
        raise DataFileError(path, f"SamplingFrequency {stated:g} Hz of its sidecar", f"{stored_hz:g} Hz in its header")
    return float(stated)


def _own(sidecar: dict[str, Any]) -> dict[str, Any]:
    own = sidecar.get(OWN_KEY)
    return own if isinstance(own, dict) else {}


def _told(path: Path, own: dict[str, Any]) -> list[tuple[str, float]]:
    groups = own.get("groups", [])
    try:
        told = [(str(kind), float(spacing)) for kind, spacing in groups]
    except (TypeError, ValueError):
        told = [("", 0.0)]
    if any(kind not in ("ring", "grid", "targeted") or not 0 < spacing <= 360 for kind, spacing in told):
        raise DataFileError(path, f"kind and spacing of each group in {OWN_KEY}", repr(groups)[:80])
    return told


def _arm(own: dict[str, Any]) -> Literal["left", "right"] | None:
    arm = own.get("arm")
    return "left" if arm == "left" else "right" if arm == "right" else None


def _band(edges: object) -> tuple[float, float] | None:
    if isinstance(edges, list) and len(edges) == 2 and all(isinstance(edge, int | float) for edge in edges):
        return float(edges[0]), float(edges[1])
    return None


def _device(sidecar: dict[str, Any], own: dict[str, Any]) -> str:
    return str(own.get("montage") or sidecar.get("ManufacturersModelName") or INFO.name)[:80]


def _card(root: Path, sources: tuple[str, ...]) -> DatasetInfo:
    described = read_json(root / "dataset_description.json") if (root / "dataset_description.json").is_file() else {}
    own, folder = _own(described), BidsFolder(root)
    title = str(described.get("Name") or root.resolve().name)[:200]
    licence = str(described.get("License") or "none stated")[:200]
    files = [(root / source, header) for source in sources if (header := _header(root / source)) is not None]
    rates, counts, known, sidecar = _facts(folder, files)
    notes = [*INFO.notes[1:]]
    if len(rates) > 1:
        notes.append("Rates: " + ", ".join(f"{rate:g} Hz ({n} files)" for rate, n in rates.most_common()) + ".")
    return replace(
        INFO,
        name=f"{INFO.name}-{_slug(str(own.get('set', title)))}",
        title=title,
        subjects=len({source.split("/", 1)[0] for source in sources}),
        channels=counts.most_common(1)[0][0] if counts else 0,
        rate_hz=rates.most_common(1)[0][0] if rates else 0.0,
        unit="V" if known else "arbitrary",
        kind="envelope" if own.get("kind") == "envelope" else "raw",
        labels=_labels(folder, sources),
        device=" ".join(str(sidecar[key]) for key in ("Manufacturer", "ManufacturersModelName") if key in sidecar)[:200]
        or "not stated",
        montage=str(sidecar.get("EMGPlacementSchemeDescription") or sidecar.get("EMGPlacementScheme") or INFO.montage)[:500],
        licence=licence,
        permissive=re.sub(r"[\s_]+", "-", licence.strip()).upper() in _PERMISSIVE,
        citation=_citation(described, title),
        homepage=_homepage(described),
        people=str(own["people"]) if isinstance(own.get("people"), str) else "",
        hours=round(sum(header.records * header.record_s for _, header in files) / 3600, 3),
        notes=tuple(notes),
    )


def _facts(
    folder: BidsFolder, files: list[tuple[Path, EdfHeader]]
) -> tuple[Counter[float], Counter[int], bool, dict[str, Any]]:
    """Rates and numbers of channels by how many files have them, whether units are known, and the first file's sidecar."""
    rates: Counter[float] = Counter()
    counts: Counter[int] = Counter()
    first: dict[str, Any] = {}
    known = False
    for path, header in files:
        try:
            channels = channels_of(folder, path, header)
            sidecar = folder.json(path, "emg")
            _, sides = montage_of(folder, path, channels, INFO.name, [])
            rates[_rate(path, header.rate_hz(channels[0].signal), sidecar)] += 1
        except DataFileError:
            continue  # it is told of when the file is read
        split = not _own(sidecar) and {"left", "right"} == set(sides)
        counts[len(channels) // (2 if split else 1)] += 1
        if not first:
            first, known = sidecar, all(channel.volts is not None for channel in channels)
    return rates, counts, known, first


def _header(path: Path) -> EdfHeader | None:
    try:
        return read_header(path)
    except DataFileError:
        return None


def _labels(folder: BidsFolder, sources: tuple[str, ...]) -> tuple[str, ...]:
    """The levels of trial_type where the sidecars name them, else every label that occurs."""
    found: dict[str, None] = {}
    for source in sources:
        try:
            path = folder.root / source
            levels = folder.json(path, "events").get("trial_type", {})
            levels = levels.get("Levels", {}) if isinstance(levels, dict) else {}
            if isinstance(levels, dict | list) and levels:
                found |= {str(level): None for level in levels}
            else:
                marks, events = marks_of(folder, path, math.inf, 0)
                found |= dict.fromkeys(sorted({i.label for i in marks} | {e.name for e in events}))
        except DataFileError:
            continue
    return tuple(found)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:60].strip("-") or "unnamed"


def _citation(described: dict[str, Any], title: str) -> str:
    if told := described.get("HowToAcknowledge"):
        return str(told)[:1000]
    authors = described.get("Authors")
    names = ", ".join(str(author) for author in authors) if isinstance(authors, list) else ""
    return ", ".join(part for part in (names, title, str(described.get("DatasetDOI", ""))) if part)[:1000]


def _homepage(described: dict[str, Any]) -> str:
    doi = re.search(r"10\.\d{4,}/\S+", str(described.get("DatasetDOI", "")))
    links = described.get("ReferencesAndLinks")
    addresses = [str(link) for link in links if str(link).startswith("https://")] if isinstance(links, list) else []
    return f"https://doi.org/{doi[0]}" if doi else (addresses or [INFO.homepage])[0]


ENTRIES: Final = (DatasetEntry(INFO, open_set),)
