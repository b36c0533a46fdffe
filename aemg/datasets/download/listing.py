"""The files of a set as its host lists them at this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Final
from xml.etree import ElementTree

from aemg.datasets.base import Origin
from aemg.datasets.download.archive import SUFFIXES
from aemg.datasets.download.hosts import HostFile, dataverse, figshare, mendeley, physionet, url, zenodo
from aemg.datasets.download.places import hidden, require_apart, safe_path
from aemg.datasets.download.repositories import github, github_archive, huggingface
from aemg.datasets.download.unpack import Layout, wanted_by
from aemg.datasets.download.web import PATIENT, Patience
from aemg.errors import AEMGError

_MOST_RAW: Final = 300  # files that are fetched one by one from GitHub; of more, the whole repository's archive is
_LISTS: Final[dict[str, Callable[[Origin, Patience], Iterator[HostFile]]]] = {
    "zenodo": zenodo,
    "physionet": physionet,
    "dataverse": dataverse,
    "figshare": figshare,
    "mendeley": mendeley,
    "huggingface": huggingface,
    "github": github,
    "url": url,
}


def files_of(origin: Origin, patience: Patience = PATIENT, *, only: tuple[str, ...] = ()) -> list[HostFile]:
    """The files of an origin that are needed, sorted by path.

    Args:
        only: patterns, with "*" also for "/", of those to be listed; empty for all.

    Raises:
        UnreachableError: no answer from the host.
        AEMGError: it refuses, its answer is not understood, or no file fits.
        DataFileError: it lists a file that cannot be written safely.
    """
    parts = (origin, *origin.more)
    listed = [_listed(part, patience) for part in parts]
    needed = [[file for file in files if _needed(part, file)] for part, files in zip(parts, listed)]
    for part, files, all_files in zip(parts, needed, listed):
        if not files:
            raise AEMGError(f"{_name(part)}: no file like {', '.join(part.files) or '*'} among {_some(all_files)}")
    found = [[file for file in files if wanted_by(only, file.path)] for files in needed]
    if not any(found):
        raise AEMGError(f"{_name(origin)}: no file like {', '.join(only)} among {_some([f for fs in needed for f in fs])}")
    files = [file for part, few, all_ in zip(parts, found, listed) for file in _fetchable(part, few, all_, only)]
    require_apart(_name(origin), (PurePosixPath(file.path) for file in files))
    return sorted(files, key=lambda file: file.path)


def _listed(origin: Origin, patience: Patience) -> list[HostFile]:
    try:
        return list(_LISTS[origin.host](origin, patience))
    except AEMGError:
        raise
    except (KeyError, TypeError, AttributeError, IndexError, ValueError, ElementTree.ParseError) as error:
        raise AEMGError(
            f"{_name(origin)}: the host's list of files is not understood ({type(error).__name__}: {error}); its interface may "
            "have changed"
        ) from error


def _needed(origin: Origin, file: HostFile) -> bool:
    """Whether a file is among those that a set needs; raises DataFileError where it is but cannot be written safely."""
    return wanted_by(origin.files, file.path) and not hidden(safe_path(_name(origin), file.path))


def _fetchable(origin: Origin, found: list[HostFile], listed: list[HostFile], only: tuple[str, ...]) -> list[HostFile]:
    """The files as they will be fetched: those that are archives to be unpacked, many of a repository as one archive."""
    if origin.host == "github" and len(found) > _MOST_RAW:
        return [github_archive(origin, listed, found, only)]
    unpacked = () if origin.packed else SUFFIXES
    return [replace(file, layout=Layout()) if file.path.lower().endswith(unpacked) else file for file in found]


def _name(origin: Origin) -> str:
    return f"{origin.host} {origin.at}"


def _some(files: list[HostFile]) -> str:
    shown = ", ".join(file.path for file in files[:5])
    return f"{len(files)}{f' ({shown}, ...)' if shown else ''}"
