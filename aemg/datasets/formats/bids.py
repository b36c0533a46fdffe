"""Files of a BIDS folder: names made of entities, sidecars by the inheritance principle, bounded tables and JSON.

The standard: Gorgolewski et al. 2016, doi:10.1038/sdata.2016.44; https://bids-specification.readthedocs.io
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aemg.errors import DataFileError

MISSING: Final = "n/a"
_LARGEST_JSON: Final = 1 << 24
_LARGEST_TABLE: Final = 1 << 26
_MOST_ENTITIES: Final = 10
_TELLS_APART: Final = {"coordsystem": "space", "physio": "recording"}
_Listing = dict[tuple[str, str], dict[frozenset[tuple[str, str]], list[Path]]]


def entities(path: Path) -> dict[str, str]:
    """The entities of a file's name.

    >>> entities(Path("sub-01_task-typing_emg.edf"))
    {'sub': '01', 'task': 'typing'}
    """
    parts = path.name.split(".")[0].split("_")[:-1]
    return dict(part.split("-", 1) for part in parts if "-" in part)


@dataclass(frozen=True)
class Table:
    """A table and where it lies: the names of its columns, and its lines as words by them."""

    path: Path
    columns: tuple[str, ...]
    rows: list[dict[str, str]]

    def require(self, *columns: str) -> None:
        """Checks that it has columns.

        Raises:
            DataFileError: it does not have them all.
        """
        if missing := [name for name in columns if name not in self.columns]:
            raise DataFileError(self.path, f"the columns {', '.join(missing)}", ", ".join(self.columns)[:100])


class BidsFolder:
    """A BIDS folder whose listings are read once, so that an object is of use as long as nobody writes there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: dict[Path, _Listing] = {}

    def sidecars(self, data: Path, suffix: str, extension: str) -> list[Path]:
        """Files of a suffix that hold for a data file, from the most general one to the nearest.

        Those count that lie in a folder above it and name no entity that it does not have, but for one that tells several
        of a kind apart (the space of a coordinate system, the recording of other signals).
        """
        own = tuple(sorted(entities(data).items()))[:_MOST_ENTITIES]
        parts = data.parent.relative_to(self.root).parts
        found: list[Path] = []
        for depth in range(len(parts) + 1):
            listed = self._listing(self.root.joinpath(*parts[:depth])).get((suffix, extension), {})
            for count in range(len(own) + 1):
                for some in itertools.combinations(own, count):
                    found += listed.get(frozenset(some), [])
        return found

    def json(self, data: Path, suffix: str) -> dict[str, Any]:
        """What the JSON sidecars of a data file say together, the nearest last.

        Raises:
            DataFileError: one of them is damaged.
        """
        merged: dict[str, Any] = {}
        for path in self.sidecars(data, suffix, ".json"):
            merged |= read_json(path)
        return merged

    def table(self, data: Path, suffix: str) -> Table | None:
        """The nearest table of a suffix that holds for a data file; None if there is none.

        Raises:
            DataFileError: it is damaged.
        """
        found = self.sidecars(data, suffix, ".tsv")
        return read_table(found[-1]) if found else None

    def _listing(self, folder: Path) -> _Listing:
        if folder not in self._listed:
            listing: _Listing = {}
            for path in sorted(folder.iterdir()) if folder.is_dir() else []:
                stem, dot, extension = path.name.partition(".")
                suffix = stem.rsplit("_", 1)[-1]
                told = {k: v for k, v in entities(path).items() if k != _TELLS_APART.get(suffix)}
                by_entities = listing.setdefault((suffix, dot + extension), {})
                by_entities.setdefault(frozenset(told.items()), []).append(path)
            self._listed[folder] = listing
        return self._listed[folder]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DataFileError: unreadable, too large, not JSON, or not an object.
    """
    data = _bounded(path, _LARGEST_JSON)
    try:
        content = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataFileError(path, "JSON", f"text that does not parse ({str(error)[:80]})") from error
    if not isinstance(content, dict):
        raise DataFileError(path, "a JSON object", type(content).__name__)
    return content


def read_table(path: Path) -> Table:
    """A table of words between tabs under a heading; words that a line lacks at its end are n/a.

    Raises:
        DataFileError: unreadable, too large, not text, a line longer than the heading, or a column named twice.
    """
    data = _bounded(path, _LARGEST_TABLE)
    try:
        heading, *lines = data.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataFileError(path, "a table with tabs", f"text that does not parse ({error.reason})") from error
    columns = tuple(word.strip() for word in heading.split("\t"))
    if len(set(columns)) < len(columns):
        raise DataFileError(path, "columns of different names", ", ".join(columns)[:100])
    rows = []
    for number, line in enumerate(lines, start=2):
        words = line.split("\t")
        if len(words) > len(columns):
            raise DataFileError(path, f"a table of {len(columns)} columns", f"{len(words)} in line {number}")
        if line:
            rows.append(dict(itertools.zip_longest(columns, (word.strip() for word in words), fillvalue=MISSING)))
    return Table(path, columns, rows)


def _bounded(path: Path, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise DataFileError(path, "a readable file", error.strerror or type(error).__name__) from error
    if len(data) > most:
        raise DataFileError(path, f"at most {most} bytes", "more")
    return data
