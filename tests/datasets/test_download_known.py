"""Every known set, published as its host publishes it: what a download leaves is what the set's reader finds."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pytest
from native import WRITERS
from web_hosts import HOSTS, zip_of
from web_site import Site, serving

from aemg import datasets
from aemg.datasets import DatasetEntry, Origin
from aemg.datasets.download import Patience, download, plan_download
from aemg.datasets.download.hosts import ADDRESSES

QUICK = Patience(attempts=1, timeout_s=10.0)
KNOWN = [name for name in datasets.names() if any(o.host != "form" for o in datasets.origins(name)) and name in WRITERS]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as made:
        for host in ADDRESSES:
            monkeypatch.setitem(ADDRESSES, host, made.url)
        yield made


def tar_of(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def as_published(origin: Origin, files: dict[str, bytes]) -> dict[str, bytes]:
    """Files as they lie at an origin: packed, if that is what it asks for; else so that its patterns find them."""
    asked = origin.files or ((origin.at.rpartition("/")[2],) if origin.host == "url" else ("*.zip",))
    if asked[0].endswith(".zip"):
        return {asked[0].replace("*", "1"): zip_of(files)}
    if ".tar" in asked[0]:
        return {asked[0]: tar_of(files)}
    if not any(fnmatchcase(name, pattern) for name in files for pattern in asked):
        above = asked[0].split("/")[0]
        files = {f"{above}/{name}": content for name, content in files.items()}
    return files


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_downloaded_is_found(name: str, site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native = tmp_path / "native"
    native.mkdir()
    WRITERS[name](native)
    files = {path.relative_to(native).as_posix(): path.read_bytes() for path in native.rglob("*") if path.is_file()}
    origin = next(o for o in datasets.origins(name) if o.host != "form")
    published = as_published(origin, files)
    played = HOSTS[origin.host](site, published)
    names = tuple(published) if origin.host == "url" else origin.files
    entry = datasets._SETS[name]
    here = replace(played, files=names, packed=origin.packed)
    monkeypatch.setitem(datasets._SETS, name, DatasetEntry(entry.info, entry.open, (here,)))
    root = tmp_path / "downloaded"
    download(plan_download(name, root, patience=QUICK), patience=QUICK)
    reader, expected = datasets.open(name, root), datasets.open(name, native)
    assert len(reader.sources) == len(expected.sources)
    for mine, theirs in zip(reader.read(reader.sources[0]), expected.read(expected.sources[0]), strict=True):
        assert mine.subject == theirs.subject and np.array_equal(mine.signal, theirs.signal)
