"""A corpus that lies elsewhere is the corpus that lies here; each file is fetched once, whole."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from tiny_set import recording, write, write_native

from aemg.corpus import Corpus, prepare, verify
from aemg.corpus.remote import address_of
from aemg.errors import AEMGError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AEMG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    reader = write_native(tmp_path / "native", sources=6)
    prepare(reader, tmp_path / "here", jobs=1, shards=2)
    return tmp_path / "here"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def there(here: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the same folder elsewhere."""
    if request.param == "memory":
        fsspec.filesystem("memory").put(str(here), "/bucket/corpus", recursive=True)
        yield "memory://bucket/corpus"
        fsspec.filesystem("memory").rm("/bucket", recursive=True)
    elif request.param == "file":
        yield here.as_uri()
    else:
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(here))) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("there", ["memory", "file", "http"], indirect=True)
def test_elsewhere_is_as_here(here: Path, there: str) -> None:
    one, other = Corpus(here), Corpus(there)
    assert other.digests == one.digests and other.recordings == one.recordings and other.verify() == []
    assert all(np.array_equal(other.window(i, 3, 90), one.window(i, 3, 90)) for i in range(12))
    again = pickle.loads(pickle.dumps(other))
    assert np.array_equal(again.load(11).signal, one.load(11).signal)
    assert len(Corpus(f"{there}/tiny-00001-of-00002.h5")) == 6
    assert not verify(f"{there}/tiny-00000-of-00002.h5")


@pytest.mark.parametrize("there", ["memory"], indirect=True)
def test_files_are_fetched_once_and_anew_when_they_changed(
    there: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = fsspec.filesystem("memory")
    fetched: list[str] = []
    get_file = type(system).get_file
    monkeypatch.setattr(type(system), "get_file", lambda s, a, b, **k: (fetched.append(a), get_file(s, a, b, **k))[1])
    first = Corpus(there)
    assert len(fetched) == 2 == len(list(cache.rglob("*.h5")))
    assert Corpus(there).digests == first.digests and first.load(0).rate_hz == 200 and len(fetched) == 2
    name = "/bucket/corpus/tiny-00001-of-00002.h5"
    system.pipe(name, system.cat(name) + b"\0")
    assert Corpus(there).digests == first.digests and fetched[2:] == [name]
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".h5"]


@pytest.mark.parametrize("there", ["file"], indirect=True)
def test_workers_read_from_elsewhere(there: str, cache: Path) -> None:
    corpus = Corpus(there)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        window = pool.apply(corpus.window, (3, 7, 100))
        pool.close()
        pool.join()
    assert np.array_equal(window, corpus.window(3, 7, 100))
    for path in cache.rglob("*.h5"):  # a worker on another machine finds no copy, and fetches one
        path.unlink()
    assert np.array_equal(pickle.loads(pickle.dumps(corpus)).window(3, 7, 100), window)


@pytest.mark.parametrize("there", ["memory"], indirect=True)
def test_a_missing_shard_elsewhere_is_named(there: str, caplog: pytest.LogCaptureFixture) -> None:
    fsspec.filesystem("memory").rm("/bucket/corpus/tiny-00000-of-00002.h5")
    with pytest.raises(AEMGError, match=r"shard tiny-00000-of-00002\.h5 is missing"):
        Corpus(there)
    assert len(Corpus(there, skip_damaged=True)) == 6 and "tiny-00000-of-00002.h5 is missing" in caplog.text


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://nowhere/corpus", "memory://nowhere/corpus"), ("memory://nowhere/a.h5", "no corpus at"),
        ("nosuch://bucket/corpus", "nosuch://bucket/corpus"), ("http://127.0.0.1:9/corpus", "cannot be read"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told(address: str, message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        Corpus(address)


def test_damage_elsewhere_names_the_address(tmp_path: Path) -> None:
    content = write(tmp_path / "tiny.h5", [recording()]).read_bytes()
    fsspec.filesystem("memory").pipe("/cut/tiny.h5", content[:-3000])
    with pytest.raises(AEMGError, match=r"memory://cut/tiny\.h5: not a corpus or damaged"):
        Corpus("memory://cut/tiny.h5")
    fsspec.filesystem("memory").rm("/cut", recursive=True)


def test_addresses_are_told_from_paths() -> None:
    assert address_of("s3://bucket/corpus/") == "s3://bucket/corpus" == address_of(Path("s3://bucket/corpus"))
    assert address_of(Path("file:///home/a")) == "file:///home/a" == address_of("file:///home/a")
    for path in ("corpus", "/a/b:c", "C:/corpus", "C:\\corpus", "a/b://c", Path("corpus")):
        assert address_of(path) is None
