"""What can be checked: prepared sets, native sets, files of the neuromotor interface, plain text tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from aemg import datasets
from aemg.corpus import Corpus
from aemg.datasets.formats.neuromotor_file import CHANNELS, RATE_HZ, GesturePrompt, NeuromotorFile, parse_name
from aemg.errors import AEMGError, DataFileError
from aemg.quality.stamps import Stamps
from aemg.quality.text_table import SUFFIXES, intervals_of_codes, read_text_table, require_rate
from aemg.signals import Interval, Montage, Provenance, Recording, ring

Window = Callable[[int, int], NDArray[np.float32]]
_NEUROMOTOR: Final = "neuromotor file"


@dataclass(frozen=True, eq=False)
class Item:
    """A recording under check, its samples not read yet.

    Args:
        window: (first sample, one past the last) -> (C, n) float32.
        number: of the recording within its unit of work.
        Others as in `Recording`.
    """

    dataset: str
    subject: str
    session: str
    file: str
    number: int
    shape: tuple[int, int]
    rate_hz: float
    montage: Montage
    window: Window
    unit: Literal["V", "arbitrary"] = "arbitrary"
    kind: Literal["raw", "envelope"] = "raw"
    band_hz: tuple[float, float] | None = None
    intervals: tuple[Interval, ...] = ()
    stamps: Stamps | None = None

    @property
    def duration_s(self) -> float:
        """Length by number of samples."""
        return self.shape[1] / self.rate_hz

    def part(self, first: int, stop: int) -> Recording:
        """Samples [first, stop) as a recording without labels."""
        return Recording(
            signal=np.ascontiguousarray(self.window(first, stop), dtype=np.float32), rate_hz=self.rate_hz, montage=self.montage,
            subject=self.subject, session=self.session, provenance=Provenance(self.dataset, self.file, "", ""), unit=self.unit,
            kind=self.kind, band_hz=self.band_hz,
        )  # fmt: skip


class Material(Protocol):
    """Recordings in units of work; light to send to another process."""

    def units(self) -> int:
        """How many units there are."""

    def name(self, unit: int) -> str:
        """What a unit is called in messages."""

    def items(self, unit: int) -> Iterator[Item]:
        """The recordings of a unit.

        Raises:
            AEMGError: it cannot be read.
        """


@dataclass(frozen=True)
class Prepared:
    """A corpus: path of a folder, of a set's file, or remote. A unit is a recording."""

    path: str

    def units(self) -> int:
        """Number of recordings."""
        return len(_corpus(self.path))

    def name(self, unit: int) -> str:
        """The native file."""
        entry = _corpus(self.path).recordings[unit]
        return f"{entry.dataset}: {entry.file}"

    def items(self, unit: int) -> Iterator[Item]:
        """The recording, read by window."""
        corpus = _corpus(self.path)
        e = corpus.recordings[unit]
        yield Item(
            e.dataset, e.subject, e.session, e.file, 0, (e.n_channels, e.n_samples), e.rate_hz, e.montage,
            lambda first, stop: corpus.window(unit, first, stop - first), e.unit, e.kind, e.band_hz, e.intervals,
        )  # fmt: skip


@dataclass(frozen=True)
class Native:
    """A known set in its own layout. A unit is a source."""

    set_name: str
    root: str

    def units(self) -> int:
        """Number of sources."""
        return len(_reader(self.set_name, self.root).sources)

    def name(self, unit: int) -> str:
        """The source."""
        return f"{self.set_name}: {_reader(self.set_name, self.root).sources[unit]}"

    def items(self, unit: int) -> Iterator[Item]:
        """The recordings of the source as the set's reader gives them."""
        reader = _reader(self.set_name, self.root)
        for number, r in enumerate(reader.read(reader.sources[unit])):
            yield item_of(r, number)


@dataclass(frozen=True)
class NeuromotorFiles:
    """Files of the neuromotor interface as they are, with their stamps. A unit is a file."""

    paths: tuple[str, ...]

    def units(self) -> int:
        """Number of files."""
        return len(self.paths)

    def name(self, unit: int) -> str:
        """The file."""
        return self.paths[unit]

    def items(self, unit: int) -> Iterator[Item]:
        """The recording; stages are not judged as labels, for they overlap by design."""
        path = Path(self.paths[unit])
        with NeuromotorFile(path) as file:
            try:
                user = parse_name(path).user
            except DataFileError:
                user = path.stem
            stamps = file.stamps()
            yield Item(
                _NEUROMOTOR, user, "1", str(path), 0, (CHANNELS, file.rows), RATE_HZ, ring("neuromotor", CHANNELS),
                lambda first, stop: file.emg(first, stop, allow_nan=True).T, intervals=_prompts(file, float(stamps[0])),
                stamps=Stamps(stamps, RATE_HZ),
            )  # fmt: skip


@dataclass(frozen=True)
class TextFile:
    """A plain text table. It is one unit."""

    path: str
    rate_hz: float | None = None
    unit: Literal["V", "arbitrary"] = "arbitrary"

    def units(self) -> int:
        """One."""
        return 1

    def name(self, unit: int) -> str:
        """The file."""
        del unit
        return self.path

    def items(self, unit: int) -> Iterator[Item]:
        """The recording: all columns that are neither time nor labels."""
        del unit
        path = Path(self.path)
        table = read_text_table(path, self.rate_hz)
        rate_hz = require_rate(path, self.rate_hz, table.times_s)
        signal = table.signal
        intervals = () if table.codes is None else intervals_of_codes(table.codes, rate_hz)
        stamps = None if table.times_s is None else Stamps(table.times_s, rate_hz)
        yield Item(
            "text table", path.parent.name or "-", "1", str(path), 0, (signal.shape[1], signal.shape[0]), rate_hz,
            ring("text table", signal.shape[1]), lambda first, stop: signal[first:stop].T, self.unit, intervals=intervals,
            stamps=stamps,
        )  # fmt: skip


def item_of(recording: Recording, number: int = 0, stamps: Stamps | None = None) -> Item:
    """A recording in memory."""
    r, shape = recording, recording.signal.shape
    return Item(
        r.provenance.dataset, r.subject, r.session, r.provenance.file, number, (shape[0], shape[1]), r.rate_hz, r.montage,
        lambda first, stop: r.signal[:, first:stop], r.unit, r.kind, r.band_hz, r.intervals, stamps,
    )  # fmt: skip


def material_of(
    what: str, *, root: str | None = None, rate_hz: float | None = None, unit: Literal["V", "arbitrary"] = "arbitrary"
) -> Material:
    """What a name or path stands for.

    Args:
        what: a corpus's folder or file, an address of one, a neuromotor .hdf5 file or a folder of them, a text table, or the name
            of a known set whose native files lie at `root`.
        rate_hz: rows a second of a text table; unit: of its samples.

    Raises:
        AEMGError: nothing of the kind is there.
    """
    if rate_hz is not None and not rate_hz > 0:
        raise AEMGError(f"the rate must be more than 0 Hz, got {rate_hz:g}")
    if what in datasets.names():
        if root is None:
            raise AEMGError(f"say where the native files of {what} are: --root DIR (or give the path of a prepared corpus)")
        _reader(what, root)
        return Native(what, root)
    if "://" in what:
        return Prepared(what)
    path = Path(what).expanduser()
    if path.is_dir():
        files = sorted(path.rglob("*.hdf5"))
        if files and not any(path.glob("*.h5")):
            return NeuromotorFiles(tuple(map(str, files)))
        return _prepared(path)
    if not path.is_file():
        raise AEMGError(f"{what}: neither a file or folder nor a known set (python datasets list)")
    if path.suffix.lower() == ".hdf5":
        return NeuromotorFiles((str(path),))
    if path.suffix.lower() in SUFFIXES:
        return TextFile(str(path), rate_hz, unit)
    if path.suffix.lower() == ".h5":
        return _prepared(path)
    raise AEMGError(f"{what}: expected a .h5 corpus, a neuromotor .hdf5 file, or a table {', '.join(SUFFIXES)}")


def _prepared(path: Path) -> Prepared:
    _corpus(str(path))  # tells now what is wrong with it
    return Prepared(str(path))


@lru_cache(maxsize=8)
def _corpus(path: str) -> Corpus:
    return Corpus(path)


@lru_cache(maxsize=8)
def _reader(name: str, root: str) -> datasets.DatasetReader:
    return datasets.open(name, root)


def _prompts(file: NeuromotorFile, start: float) -> tuple[Interval, ...]:
    """Prompts that last, in seconds from the first row."""
    lasting = [p for p in file.prompts if not isinstance(p, GesturePrompt)]
    return tuple(Interval(p.start - start, p.end - start, p.prompt) for p in lasting)
