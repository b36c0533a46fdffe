"""What every set offers: a card of facts, its sources, and the recordings of each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from aemg.errors import AEMGError
from aemg.signals import Recording


@dataclass(frozen=True)
class DatasetInfo:
    """The card of a set.

    Args:
        name: as `aemg.datasets.open` takes it.
        title: in words.
        subjects, channels, rate_hz: of the whole public set, the rate as truly sampled.
        unit, kind: as in `Recording`.
        labels: of the default task, in order; rest, where there is one, is called "rest".
        device, montage: what was worn, and how its electrodes sit.
        licence: SPDX identifier or words; permissive: may weights trained on it be given away under Apache-2.0?
        citation, homepage: where it comes from and how to get it.
        notes: the traps, one sentence each.
        people: name shared by the sets that were recorded from the same people under the same subject names; empty for a
            set of its own.
        own_labels: what the set itself calls its `labels`, one for one; empty where they are not told apart.
        hours: of the whole public set, as far as known.
        tested: what the reader was tested on: recordings, or files of the same format that the tests write.
    """

    name: str
    title: str
    subjects: int
    channels: int
    rate_hz: float
    unit: Literal["V", "arbitrary"]
    kind: Literal["raw", "envelope"]
    labels: tuple[str, ...]
    device: str
    montage: str
    licence: str
    permissive: bool
    citation: str
    homepage: str
    notes: tuple[str, ...] = ()
    people: str = ""
    own_labels: tuple[str, ...] = ()
    hours: float | None = None
    tested: Literal["real files", "fixture"] = "fixture"

    @property
    def crowd(self) -> str:
        """Sets of the same crowd name the same people by the same subjects."""
        return self.people or self.name


@dataclass(frozen=True)
class DatasetReader:
    """A set at a place on disk; iterating gives its recordings in a fixed order, read one source at a time.

    Args:
        info: the card.
        root: the folder in which the set's own layout was found.
        sources: names of what is read at once (a file or a small group of files), sorted, relative to `root`.
        read_source: (root, source) -> its recordings; a module-level function, so that workers can be sent it.
        source_bytes: (root, source) -> its native size, where that is not the size of the file or folder it names.
    """

    info: DatasetInfo
    root: Path
    sources: tuple[str, ...]
    read_source: Callable[[Path, str], list[Recording]]
    source_bytes: Callable[[Path, str], int] | None = None

    def part(self, sources: tuple[str, ...]) -> DatasetReader:
        """The same set, some of its sources only."""
        return replace(self, sources=sources)

    def size_of(self, source: str) -> int:
        """Native bytes of a source; 0 where they are not known."""
        if self.source_bytes is not None:
            return self.source_bytes(self.root, source)
        path = self.root / source
        files = path.rglob("*") if path.is_dir() else [path]
        return sum(file.stat().st_size for file in files if file.is_file())

    def read(self, source: str) -> list[Recording]:
        """The recordings of one source.

        Raises:
            DataFileError: damaged or truncated; the message names file, what was expected and what was found.
            AEMGError: not one of `sources`.
        """
        if source not in self.sources:
            raise AEMGError(f"{self.info.name}: {source!r} is none of the {len(self.sources)} sources at {self.root}")
        return self.read_source(self.root, source)

    def __iter__(self) -> Iterator[Recording]:
        for source in self.sources:
            yield from self.read(source)


@dataclass(frozen=True)
class Origin:
    """One place where the files of a set are published.

    Args:
        host: "zenodo", "physionet", "dataverse", "figshare", "mendeley", "huggingface", "github", "url" for a plain address,
            or "form" where a person has to ask first.
        at: on that host: record number, project/version, DOI (of Harvard's Dataverse), article number, key/version,
            owner/name@revision (of the last two hosts with a name), or the address.
        size_gb: of what is to be fetched, roughly; None if not known.
        files: patterns of the files that are needed, of those that the host lists, with "*" also for "/"; empty for all. Of a
            plain address, which lists nothing: the names of the files below it; empty where it is the file itself.
        steps: what a person has to do, one sentence each, where `host` is "form".
        packed: whether the reader reads the archives as they are, so that they are not to be unpacked.
        more: the places of the other files, where this one has not all.
    """

    host: Literal[
        "zenodo", "physionet", "dataverse", "figshare", "mendeley", "huggingface", "github", "url", "form"
    ]  # fmt: skip
    at: str
    size_gb: float | None = None
    files: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    packed: bool = False
    more: tuple[Origin, ...] = ()


@dataclass(frozen=True)
class DatasetEntry:
    """A set as the list of known ones holds it: its card, how to open it, and where its files are, the best place first."""

    info: DatasetInfo
    open: Callable[[str | Path], DatasetReader]
    origins: tuple[Origin, ...] = ()


def find_layout(root: str | Path, pattern: str | tuple[str, ...], *, name: str, hint: str) -> Path:
    """The folder at `root`, or up to two levels below it, in which `pattern` (or one of several) matches a file.

    Raises:
        AEMGError: `root` is missing, or nothing below it has the layout.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise AEMGError(f"{name}: no folder {root}")
    patterns = (pattern,) if isinstance(pattern, str) else pattern
    levels = [[root]]
    for _ in range(2):
        levels.append([child for parent in levels[-1] for child in _folders(parent)])
    for folder in (folder for level in levels for folder in level):
        if any(next(folder.glob(p), None) is not None for p in patterns):
            return folder
    shown = " or ".join(repr(p) for p in patterns)
    raise AEMGError(f"{name}: nothing at {root} or two levels below it looks like {shown} ({hint})")


def _folders(parent: Path) -> list[Path]:
    """Folders in `parent`, sorted; none where it may not be listed."""
    try:
        return sorted(child for child in parent.iterdir() if child.is_dir())
    except OSError:
        return []


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _sha256(file)


def _sha256(file: object) -> str:
    digest = hashlib.sha256()
    for block in iter(lambda: file.read(1 << 20), b""):  # type: ignore[attr-defined]
        digest.update(block)
    return digest.hexdigest()
