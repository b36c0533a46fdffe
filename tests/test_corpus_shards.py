"""A set in several files is the set in one file, however it was cut, spread, killed or found in pieces."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_set import INFO, read, write_native

from aemg.corpus import Corpus, prepare, verify
from aemg.corpus.shards import deal, holds, set_files, shard_of
from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError, DataFileError

NAMES = [f"tiny-{number:05}-of-00003.h5" for number in range(3)]


@pytest.fixture
def reader(tmp_path: Path) -> DatasetReader:
    return write_native(tmp_path / "native")


@pytest.fixture
def whole(tmp_path: Path, reader: DatasetReader) -> Corpus:
    return Corpus(prepare(reader, tmp_path / "whole", jobs=1, shards=1).path)


@given(sizes=st.lists(st.integers(0, 1000), min_size=1, max_size=40), shards=st.none() | st.integers(1, 50))
@settings(derandomize=True, deadline=None)
def test_every_source_is_dealt_once_in_order_and_about_evenly(sizes: list[int], shards: int | None) -> None:
    mb = [size << 20 for size in sizes]
    names = tuple(f"{number}" for number in range(len(mb)))
    reader = DatasetReader(INFO, Path(), names, read, source_bytes=lambda _, source: mb[int(source)])
    parts = deal(reader, shards, 100)
    assert tuple(source for part in parts for source in part.sources) == names and all(part.sources for part in parts)
    assert len(parts) == (min(shards, len(mb)) if shards else min(max(-(-sum(sizes) // 100), 1), len(mb)))
    held = [sum(sizes[int(source)] for source in part.sources) for part in parts]
    if shards is None:
        assert max(held) <= 100 + max(sizes) + 1 or len(parts) == len(mb)
    else:
        assert max(held) <= sum(sizes) / len(parts) + max(sizes) + 1


def test_native_sizes_are_those_of_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").write_bytes(b"x" * 70)
    (tmp_path / "d").write_bytes(b"x" * 30)
    reader = DatasetReader(INFO, tmp_path, ("a", "d", "no file"), read)
    assert [reader.size_of(source) for source in reader.sources] == [70, 30, 0]


@pytest.mark.parametrize("jobs", [1, 2])
def test_shards_are_joined_to_the_same_set(tmp_path: Path, reader: DatasetReader, whole: Corpus, jobs: int) -> None:
    steps: list[tuple[int, int]] = []
    result = prepare(reader, tmp_path / "out", jobs=jobs, shards=3, progress=lambda *step: steps.append(step))
    assert [path.name for path in result.paths] == NAMES and steps == [(3, 9), (6, 9), (9, 9)]
    assert (result.recordings, result.sources_read) == (18, 9)
    joined = Corpus(tmp_path / "out")
    assert joined.digests == whole.digests and joined.recordings == whole.recordings
    assert joined.sources == whole.sources and joined.infos == whole.infos and joined.verify() == []
    assert joined.licences == {"tiny": "CC0-1.0"}
    again = pickle.loads(pickle.dumps(joined))
    for i in (0, 5, 6, 17, -1):
        assert np.array_equal(again.window(i, 7, 100), whole.window(i, 7, 100))
    subjects = joined.select(subjects={"1"})
    assert all(np.array_equal(subjects.load(i).signal, whole.select(subjects={"1"}).load(i).signal) for i in range(8))


def test_a_ready_set_is_left_alone_however_it_is_cut(tmp_path: Path, reader: DatasetReader) -> None:
    prepare(reader, tmp_path, jobs=1, shards=3)
    again = prepare(reader, tmp_path, jobs=1)
    assert again.sources_read == 0 and len(again.paths) == 3
    assert prepare(reader, tmp_path, jobs=1, shards=3).sources_read == 0


def test_another_number_of_shards_replaces_the_one_before(tmp_path: Path, reader: DatasetReader, whole: Corpus) -> None:
    prepare(reader, tmp_path, jobs=1, shards=3)
    result = prepare(reader, tmp_path, jobs=1, shards=2)
    assert result.sources_read == 9 and sorted(tmp_path.glob("*.h5*")) == list(result.paths)
    assert Corpus(tmp_path).digests == whole.digests


def test_while_it_is_cut_anew_the_whole_one_is_read(tmp_path: Path, reader: DatasetReader, whole: Corpus) -> None:
    prepare(reader, tmp_path, jobs=1, shards=3)
    (reader.root / "008.txt").write_text("")
    with pytest.raises(DataFileError):
        prepare(reader, tmp_path, jobs=1, shards=2)
    assert len(list(tmp_path.glob("*.h5"))) == 4
    assert Corpus(tmp_path).digests == whole.digests


def test_a_missing_shard_is_named(
    tmp_path: Path, reader: DatasetReader, whole: Corpus, caplog: pytest.LogCaptureFixture
) -> None:
    prepare(reader, tmp_path / "out", jobs=1, shards=3)
    (tmp_path / "out" / NAMES[1]).unlink()
    for read_set in (Corpus, lambda folder: set_files(folder, "tiny")):
        with pytest.raises(AEMGError, match=f"shard {NAMES[1]} is missing"):
            read_set(tmp_path / "out")
    assert not holds(tmp_path / "out", "tiny") and holds(tmp_path / "whole", "tiny")
    left = Corpus(tmp_path / "out", skip_damaged=True)
    assert left.recordings == whole.recordings[:6] + whole.recordings[12:] and NAMES[1] in caplog.text
    assert left.digests != whole.digests
    assert Corpus(tmp_path / "out" / NAMES[2]).recordings == whole.recordings[12:]
    assert prepare(reader, tmp_path / "out", jobs=1, shards=3).sources_read == 3


def test_shards_of_different_cards_are_refused(tmp_path: Path, reader: DatasetReader) -> None:
    prepare(reader, tmp_path / "a", jobs=1, shards=3)
    prepare(replace(reader, info=replace(INFO, title="Other")), tmp_path / "b", jobs=1, shards=3)
    (tmp_path / "b" / NAMES[0]).replace(tmp_path / "a" / NAMES[0])
    with pytest.raises(AEMGError, match="the card differs"):
        Corpus(tmp_path / "a")
    with pytest.raises(AEMGError, match="given 2 times"):
        Corpus([tmp_path / "a" / NAMES[1], tmp_path / "b" / NAMES[1]])


def test_a_bad_file_stops_its_shard_alone(tmp_path: Path, reader: DatasetReader, whole: Corpus) -> None:
    (reader.root / "004.txt").write_text("")
    with pytest.raises(DataFileError, match=r"004\.txt: expected a number"):
        prepare(reader, tmp_path / "out", jobs=1, shards=3)
    assert [path.name for path in sorted((tmp_path / "out").glob("*.h5"))] == [NAMES[0], NAMES[2]]
    skipping = prepare(reader, tmp_path / "bad", jobs=1, shards=3, skip_bad=True)
    assert [bad.source for bad in skipping.skipped] == ["004.txt"] and skipping.recordings == 16
    (reader.root / "004.txt").write_text("4")
    assert prepare(reader, tmp_path / "out", jobs=1, shards=3).sources_read == 2
    assert Corpus(tmp_path / "out").digests == whole.digests


def test_more_files_than_may_be_open(tmp_path: Path, reader: DatasetReader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aemg.corpus.corpus._FILES_OPEN", 2)
    prepare(reader, tmp_path / "out", jobs=1, shards=9)
    corpus = Corpus(tmp_path / "out")
    assert not any(store.is_open for store in corpus._stores)
    windows = [[corpus.window(i, 0, 50) for i in range(18)] for _ in range(2)]
    assert np.array_equal(*windows) and sum(store.is_open for store in corpus._stores) <= 2


@pytest.mark.parametrize("value", [{"shards": 0}, {"shard_mb": 0}])
def test_settings_out_of_range_are_refused(tmp_path: Path, reader: DatasetReader, value: dict[str, int]) -> None:
    with pytest.raises(AEMGError, match="must be at least 1, got 0"):
        prepare(reader, tmp_path, **value)


# Killed


def test_a_worker_that_dies_is_told_and_what_was_done_is_kept(
    tmp_path: Path, reader: DatasetReader, whole: Corpus
) -> None:
    (reader.root / "007.txt").write_text("7 die")
    with pytest.raises(AEMGError, match="a preparing process died"):
        prepare(reader, tmp_path / "out", jobs=2, shards=3)
    assert prepare(reader, tmp_path / "out", jobs=2, shards=3).recordings == 18
    assert Corpus(tmp_path / "out").digests == whole.digests


RUN = """
import sys; sys.path.insert(0, {support!r})
from pathlib import Path
from tiny_set import INFO, read
from aemg.corpus import prepare
from aemg.datasets.base import DatasetReader
root = Path({root!r})
reader = DatasetReader(INFO, root, tuple(sorted(path.name for path in root.iterdir())), read)
prepare(reader, {out!r}, jobs=2, shards=3)
"""


def until(path: Path, done: subprocess.Popen[bytes]) -> Iterator[None]:
    """Waits for a file matching a pattern, for half a minute at most."""
    for _ in range(600):
        if any(path.parent.glob(path.name)) or done.poll() is not None:
            break
        time.sleep(0.05)
    yield


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_content(tmp_path: Path) -> None:
    reader = write_native(tmp_path / "native", sources=90)
    whole = Corpus(prepare(reader, tmp_path / "whole", jobs=1, shards=1).path)
    for seed, source in enumerate(reader.sources):
        (reader.root / source).write_text(f"{seed} sleep")
    out = tmp_path / "out"
    script = RUN.format(support=str(Path(__file__).parent / "support"), root=str(reader.root), out=str(out))
    for sign, wait_s in (("*.partial", 0.0), ("*.partial", 0.8), ("*-of-00003.h5", 0.0)):
        with subprocess.Popen([sys.executable, "-c", script]) as process:
            next(until(out / sign, process))
            time.sleep(wait_s)
            process.send_signal(signal.SIGKILL)
        for _ in range(200):  # its workers end with it, and leave their locks to the next
            if not any(alive(lock) for lock in out.glob("*.lock")):
                break
            time.sleep(0.05)
    result = prepare(reader, out, jobs=1, shards=3)
    assert result.sources_read < 90 and result.recordings == 180
    assert Corpus(out).digests == whole.digests and not any(verify(path) for path in result.paths)


def alive(lock: Path) -> bool:
    import json

    import psutil

    try:
        return psutil.pid_exists(json.loads(lock.read_text())[1])
    except (FileNotFoundError, ValueError):
        return False


# Over several machines


def test_dask_gives_the_same_content_also_when_a_worker_dies(
    tmp_path: Path, reader: DatasetReader, whole: Corpus
) -> None:
    distributed = pytest.importorskip("distributed")
    (reader.root / "007.txt").write_text("7 die")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        result = prepare(reader, tmp_path / "out", shards=3)
    assert result.sources_read <= 9 and len(result.paths) == 3  # what the dead one had finished is not read again
    assert Corpus(tmp_path / "out").digests == whole.digests


def test_names_tell_shards() -> None:
    assert shard_of("s3://bucket/a-b-00003-of-00012.h5") == ("a-b", 3, 12)
    assert shard_of(Path("corpus") / "a-b.h5") == ("a-b", 0, 1)
    assert [shard_of(name).file for name in NAMES] == NAMES
    assert all(a < b for a, b in pairwise(shard_of(name) for name in NAMES))
