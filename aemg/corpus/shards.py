"""The files of a set, one or several shards: which source goes where, what they are called, and which are missing."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from aemg.corpus import remote
from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError

_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})")


class Shard(NamedTuple):
    """Number `number`, from 0, of the `of` files of a set."""

    name: str
    number: int
    of: int

    @property
    def file(self) -> str:
        """Its file name: `<name>.h5`, or `<name>-00003-of-00012.h5`."""
        return f"{self.name}.h5" if self.of == 1 else f"{self.name}-{self.number:05}-of-{self.of:05}.h5"


def shard_of(file: str | Path) -> Shard:
    """What a file's name tells."""
    stem = str(file).replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".h5")
    match = _SHARD.fullmatch(stem)
    if match is None or int(match[3]) < 2:
        return Shard(stem, 0, 1)
    return Shard(match[1], int(match[2]), int(match[3]))


def set_files(path: str | Path, name: str | None = None, *, whole: bool = True) -> list[str | Path]:
    """The files at a path or address: itself, or the .h5 files in a folder, those of the set `name` where it is given.

    A set that is being prepared anew with another number of shards has files of both kinds: those of the one that is whole
    are taken.

    Args:
        whole: refuse sets of which a shard is missing.

    Raises:
        AEMGError: nothing there, or a shard is missing.
    """
    address = remote.address_of(path)
    if address is not None:
        if address.endswith(".h5"):
            return [address]
        files: list[str | Path] = list(remote.files_at(address))
    else:
        path = Path(path).expanduser()
        if not path.is_dir():
            return [path]
        files = sorted(path.glob("*.h5"))
    if name is not None:
        files = [file for file in files if shard_of(file).name == name]
    if not files:
        wanted = f"{name or '*'}.h5"
        raise AEMGError(f"no prepared set ({wanted}) in {path}; make one with: python datasets prepare NAME --root DIR")
    ways: dict[str, dict[int, list[str | Path]]] = {}
    for file in files:
        ways.setdefault(shard_of(file).name, {}).setdefault(shard_of(file).of, []).append(file)
    chosen = [file for cut in ways.values() for file in _whole(cut)]
    if whole and (lacking := missing(chosen)):
        raise AEMGError(f"{path}: shard {lacking[0]} is missing ({len(lacking)} in all); copy it there, or prepare the set again")
    return chosen


def holds(folder: Path, name: str) -> bool:
    """Whether a folder holds a prepared set, in whatever number of shards."""
    try:
        return bool(set_files(folder, name)) if folder.is_dir() else False
    except AEMGError:
        return False


def missing(files: Sequence[str | Path]) -> list[str]:
    """Names of the shards that a list of files lacks."""
    shards = [shard_of(file) for file in files]
    counts = {(shard.name, shard.of) for shard in shards}
    wanted = {Shard(name, number, count) for name, count in counts for number in range(count)}
    return [shard.file for shard in sorted(wanted - set(shards))]


def deal(reader: DatasetReader, shards: int | None, shard_mb: int) -> list[DatasetReader]:
    """The reader cut to the consecutive sources of each shard, of about the same native size.

    Args:
        shards: how many, at most one a source; None: as many as it takes for about `shard_mb` each, one where sizes are not
            known.
    """
    count, sources = shards, reader.sources
    if count == 1 or len(sources) < 2:
        return [reader]
    sizes = [reader.size_of(source) for source in sources]
    if count is None:
        count = -(-sum(sizes) // (shard_mb << 20))
    count = max(1, min(count, len(sources)))
    ends = list(accumulate(max(size, 1) for size in sizes))
    cuts = [0]
    for number in range(1, count):
        share = ends[-1] * number / count
        after = bisect_left(ends, share)  # the source in which the cut would fall
        near = after + 1 if ends[after] - share < share - (ends[after - 1] if after else 0) else after
        cuts.append(min(max(near, cuts[-1] + 1), len(sources) - (count - number)))
    return [reader.part(sources[a:b]) for a, b in zip(cuts, [*cuts[1:], len(sources)])]


def _whole(cut: dict[int, list[str | Path]]) -> list[str | Path]:
    whole = [files for files in cut.values() if not missing(files)]
    return whole[0] if len(whole) == 1 else [file for files in cut.values() for file in files]
