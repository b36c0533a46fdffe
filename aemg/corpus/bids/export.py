"""A prepared set as an EMG-BIDS folder, which can be stopped at any time and goes on where it stopped.

>>> export_bids(Corpus("corpus"), "kanoga-myo", "shared")  # doctest: +SKIP
"""

from __future__ import annotations

import datetime
import gzip
import io
import os
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aemg.corpus.bids import texts
from aemg.corpus.bids.samples import quantised, write_bdf
from aemg.corpus.corpus import Corpus
from aemg.corpus.layout import RecordingEntry
from aemg.corpus.lock import locked
from aemg.datasets.base import DatasetInfo
from aemg.datasets.formats import limb_frame
from aemg.datasets.formats.bids import MISSING, read_json
from aemg.datasets.sets.emg_bids import OWN_KEY
from aemg.errors import AEMGError
from aemg.signals import Recording, Target


@dataclass(frozen=True)
class BidsExport:
    """A set that was written: where, how many recordings it has, and how many of them were written just now."""

    dataset: str
    path: Path
    recordings: int
    written: int


@dataclass(frozen=True)
class _Place:
    """Where a recording goes: its folder, the start of its files' names, and that of its electrodes' file."""

    folder: Path
    session: str
    stem: str
    electrodes: str


def export_bids(
    corpus: Corpus, name: str, out: str | Path, *, progress: Callable[[int, int], None] | None = None
) -> BidsExport:
    """Writes a set of a corpus as the EMG-BIDS folder `out`/`name`; recordings that are there are left alone.

    Reading the folder again gives the same labels, times, rates, montages and targets, and samples within half a step.

    Raises:
        AEMGError: the set is not in the corpus, the folder holds something else, the disk is full, or another process
            writes there.
    """
    chosen = corpus.select(datasets={name})
    root = Path(out).expanduser() / name
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locked(root / ".export.lock"):
            written = _export(chosen, name, root, progress)
    except OSError as error:
        raise AEMGError(f"cannot write {error.filename or root}: {error.strerror or error}") from error
    return BidsExport(name, root, len(chosen), written)


def _export(corpus: Corpus, name: str, root: Path, progress: Callable[[int, int], None] | None) -> int:
    info = next(info for info in corpus.infos if info.name == name)
    digest = corpus.digests[name]
    _require_same(root, digest)
    places = _places(corpus.recordings, root, task := _label(info.name))
    _write_heads(root, info, digest, task, corpus.recordings, places)
    written = 0
    for number, place in enumerate(places):
        if not (place.folder / f"{place.stem}_emg.bdf").exists():
            _write_recording(corpus.load(number), place)
            written += 1
        if progress is not None:
            progress(number + 1, len(places))
    return written


def _require_same(root: Path, digest: str | None) -> None:
    path = root / "dataset_description.json"
    if not path.exists():
        if any(not child.name.startswith(".") for child in root.iterdir()):
            raise AEMGError(f"{root} holds other files; give an empty or new folder")
        return
    own = read_json(path).get(OWN_KEY)
    if digest is None or not isinstance(own, dict) or own.get("digest") != digest:
        raise AEMGError(f"{root} holds another export; delete it, or give another folder")


def _places(entries: Sequence[RecordingEntry], root: Path, task: str) -> list[_Place]:
    """Where every recording goes: subjects and sessions under labels of letters and digits, runs numbered in order."""
    subjects = _labels(entry.subject for entry in entries)
    worn: dict[str, list[str]] = {}
    montages: dict[tuple[str, str], set[object]] = {}
    runs: dict[tuple[str, str], int] = {}
    for entry in entries:
        worn.setdefault(entry.subject, []).append(entry.session)
        montages.setdefault((entry.subject, entry.session), set()).add(entry.montage)
    sessions = {subject: _labels(names) for subject, names in worn.items()}
    digits = len(str(len(entries)))
    places = []
    for entry in entries:
        key = (entry.subject, entry.session)
        runs[key] = runs.get(key, 0) + 1
        sub, ses = f"sub-{subjects[entry.subject]}", f"ses-{sessions[entry.subject][entry.session]}"
        session, run = f"{sub}_{ses}", f"run-{runs[key]:0{digits}d}"
        alike = len(montages[key]) == 1
        places.append(
            _Place(
                root / sub / ses / "emg", session, f"{session}_task-{task}_{run}",
                session if alike else f"{session}_task-{task}_{run}",
            )
        )  # fmt: skip
    return places


def _write_heads(
    root: Path, info: DatasetInfo, digest: str | None, task: str, entries: Sequence[RecordingEntry], places: list[_Place]
) -> None:
    """The files of the whole folder; its description last, so that a folder without one is seen not to be begun."""
    used = {interval.label for entry in entries for interval in entry.intervals}
    people = sorted({place.folder.parts[-3] for place in places})
    heads = {
        "README.md": texts.readme(info),
        "participants.tsv": texts.table_text(("participant_id",), [(person,) for person in people]),
        f"task-{task}_emg.json": texts.task_sidecar(info, task),
        f"task-{task}_events.json": texts.events_sidecar(texts.levels(info, used - set(info.labels))),
    }
    if not (root / "CHANGES").exists():
        heads["CHANGES"] = texts.changes(datetime.datetime.now(tz=datetime.timezone.utc).date())
    _write(root / "dataset_description.json", texts.description(info, digest))
    for file, content in heads.items():
        _write(root / file, content)


def _write_recording(recording: Recording, place: _Place) -> None:
    """The files of a recording, its samples last: where they are, all is."""
    place.folder.mkdir(parents=True, exist_ok=True)
    montage, known = recording.montage, recording.montage.angle_known
    space = limb_frame.SPACE if known else limb_frame.TURNED_SPACE
    names = [f"EMG{number:03d}" for number in range(1, montage.n_channels + 1)]
    stored = quantised(recording.signal, recording.unit)
    scale = 1.0 if recording.unit == "V" else stored.scale
    _write(place.folder / f"{place.session}_space-{space}_coordsystem.json", texts.json_text(limb_frame.coordinate_system(known)))
    _write(place.folder / f"{place.electrodes}_electrodes.tsv", texts.electrodes(montage))
    start = place.folder / place.stem
    _write(start.with_name(f"{place.stem}_channels.tsv"), texts.channels(montage, names, recording.unit))
    _write(start.with_name(f"{place.stem}_events.tsv"), texts.events(recording))
    _write(start.with_name(f"{place.stem}_emg.json"), texts.sidecar(recording, stored.steps, scale))
    for label, target in zip(_labels(str(n) for n in range(1, len(recording.targets) + 1)).values(), recording.targets):
        _write_target(start.with_name(f"{place.stem}_recording-target{label}_physio.tsv.gz"), target)
    draft = start.with_name(f".{place.stem}.partial")
    write_bdf(draft, stored, recording.rate_hz, names, "uV" if recording.unit == "V" else "")
    _settle(draft, start.with_name(f"{place.stem}_emg.bdf"))


def _write_target(path: Path, target: Target) -> None:
    columns = [f"dimension{number}" for number in range(1, len(target.values) + 1)]
    described: dict[str, object] = {
        "SamplingFrequency": target.rate_hz, "StartTime": 0, "Columns": columns, "Description": target.name,
        **{column: {"Description": target.name, "Units": target.unit} for column in columns},
    }  # fmt: skip
    _write(path.with_name(path.name.replace(".tsv.gz", ".json")), texts.json_text(described))
    text = io.StringIO()
    np.savetxt(text, target.values.T, fmt="%.9g", delimiter="\t")  # (D, T) -> a line a sample
    _write(path, gzip.compress(text.getvalue().replace("nan", MISSING).encode(), compresslevel=6, mtime=0))


def _write(path: Path, content: str | bytes) -> None:
    """A file that is whole whenever it is there; one that says the same is left alone."""
    data = content.encode() if isinstance(content, str) else content
    with suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
    draft = path.with_name(f".{path.name}.partial")
    draft.write_bytes(data)
    _settle(draft, path)


def _settle(draft: Path, path: Path) -> None:
    with draft.open("rb+") as file:
        os.fsync(file.fileno())
    os.replace(draft, path)


def _labels(names: Iterable[str]) -> dict[str, str]:
    """Labels of letters and digits, none twice whatever the case, for names."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label, number = _label(name), 1
        while label.lower() in {other.lower() for other in found.values()}:
            number += 1
            label = f"{_label(name)}x{number}"
        found[name] = label
    return found


def _label(name: str) -> str:
    return re.sub(r"[^0-9A-Za-z]", "", name) or "x"
