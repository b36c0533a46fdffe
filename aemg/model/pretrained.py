"""Weights by name: those that the package carries, and those of a release file."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from aemg.datasets.base import sha256_of
from aemg.errors import AEMGError, DataFileError

VARIABLE = "AEMG_WEIGHTS"
PACKAGED = Path(__file__).resolve().parent.parent / "weights"
CONFIG, SEEN, WEIGHTS, TRAINING, CARD = "config.json", "seen.json", "model.safetensors", "training.json", "README.md"
FILES = (CARD, CONFIG, WEIGHTS, SEEN, TRAINING)
KNOWN = {  # what each is, and the recipe that makes it
    "aemg-tiny": ("carried by the package", "permissive-tiny"),
    "aemg-base": ("a release file, not carried by the package", "permissive-base"),
}
_BEGAN = (1980, 1, 1, 0, 0, 0)  # the time of every file in a release: equal files, equal archive


def weights_folder(name: str | Path) -> Path:
    """The folder of a model that is given by folder, by release file or by name; no network is asked.

    A folder with a model in it wins over a name. A release file X.zip is unpacked beside itself into X the first time. A name
    is looked for in the package, then in the folder that AEMG_WEIGHTS names: as the folder NAME, else as the one release file
    NAME-VERSION.zip.

    Raises:
        AEMGError: an unknown name; or a known one of which there are no weights here: what makes them, and where they go.
        DataFileError: a release file is damaged.
    """
    path = Path(name)
    if (path / CONFIG).is_file():
        return path
    if path.suffix == ".zip":
        return unpacked(path)
    if str(name) in KNOWN:
        return _known(str(name))
    if len(path.parts) == 1 and not path.exists():
        known = ", ".join(f"{known} ({what})" for known, (what, _) in KNOWN.items())
        raise AEMGError(f"no folder {str(name)!r}, and no weights of that name; known names: {known}")
    return path


def packed(folder: Path, name: str, archive: Path) -> str:
    """Writes a model's folder as a release file, whose content depends on the files alone, and its sha256 beside it.

    Returns:
        The sha256.

    Raises:
        OSError: a file cannot be read or written.
    """
    partial = archive.with_name(f"{archive.name}.partial-{os.getpid()}")
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as out:
        for file in sorted(path for path in folder.iterdir() if path.name in FILES):
            out.writestr(zipfile.ZipInfo(f"{name}/{file.name}", _BEGAN), file.read_bytes())
    digest = sha256_of(partial)
    os.replace(partial, archive)
    _digest_file(archive).write_text(f"{digest}  {archive.name}\n")
    return digest


def unpacked(archive: Path) -> Path:
    """The folder beside a release file with its content, made if it is not there; only a model's own files are written.

    Raises:
        DataFileError: missing, damaged, or not a release file.
        AEMGError: the folder cannot be written.
    """
    folder = archive.with_suffix("")
    if (folder / CONFIG).is_file():
        return folder
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    try:
        found = _content(archive)
        partial.mkdir(exist_ok=True)
        for name, data in found.items():
            (partial / name).write_bytes(data)
        os.replace(partial, folder)
    except OSError as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not (folder / CONFIG).is_file():  # else another process was faster
            raise AEMGError(f"cannot unpack {archive}: {error}; unpack it elsewhere and give that folder") from error
    return folder


def _known(name: str) -> Path:
    named = os.environ.get(VARIABLE)
    places = [PACKAGED, *([Path(named).expanduser()] if named else [])]
    for place in places:
        if (place / name / CONFIG).is_file():
            return place / name
        releases = sorted(place.glob(f"{name}-*.zip"))
        if len(releases) > 1:
            raise AEMGError(f"{place} holds {', '.join(r.name for r in releases)}: give the path of the one that is meant")
        if releases:
            return unpacked(releases[0])
    what, recipe = KNOWN[name]
    raise AEMGError(
        f"{name} is {what}, and it is not here. Put {name}-VERSION.zip into the folder that {VARIABLE} names (now "
        f"{named or 'not set'}), or give the file's path instead of the name. In the project's repository the file is made by: "
        f"python pretrain/release.py --recipe configs/recipes/{recipe}.yaml --corpus CORPUS --out runs/{name}"
    )


def _content(archive: Path) -> dict[str, bytes]:
    """A release file's files, none larger than the archive itself."""
    with _told(archive):
        expected = _digest_file(archive)
        if expected.is_file() and expected.read_text().split()[:1] != [sha256_of(archive)]:
            raise DataFileError(archive, f"the sha256 in {expected.name}", "another one")
        with zipfile.ZipFile(archive) as found:
            members = {PurePosixPath(m.filename).name: m for m in found.infolist()}
            if not {CONFIG, SEEN, WEIGHTS} <= set(members):
                raise DataFileError(archive, f"{CONFIG}, {SEEN} and {WEIGHTS}", ", ".join(sorted(members)) or "nothing")
            if any(m.compress_type != zipfile.ZIP_STORED for m in members.values()):
                raise DataFileError(archive, "files that are stored as they are", "compressed ones")
            return {name: found.read(members[name]) for name in FILES if name in members}


@contextmanager
def _told(archive: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise DataFileError(archive, "a release file", "no such file") from error
    except (zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError, IndexError, UnicodeError) as error:
        raise DataFileError(archive, "a release file", f"{type(error).__name__}: {error}") from error


def _digest_file(archive: Path) -> Path:
    return archive.with_name(f"{archive.name}.sha256")
