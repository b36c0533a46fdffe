"""What stops a writer, and what damages its file: work that was done stays, damage is found, named, and can be left out."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from tiny_set import INFO, recording, write, write_native

from aemg.corpus import Corpus, CorpusWriter, prepare, verify, writer
from aemg.corpus.layout import TABLES
from aemg.errors import AEMGError

SUPPORT = str(Path(__file__).parent / "support")

# What stops a writer


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    items = [recording(seed, form=form) for seed, form in enumerate(["counts", "palette", "floats", "counts"])]
    whole = Corpus(write(tmp_path / "whole.h5", items))
    for number, item in enumerate(items):
        with pytest.raises(KeyboardInterrupt), CorpusWriter(tmp_path / "parts.h5", INFO) as out:
            assert out.sources == tuple(f"{n}" for n in range(number))
            out.append([item], source=f"{number}")
            raise KeyboardInterrupt
        assert not (tmp_path / "parts.h5").exists()
    with CorpusWriter(tmp_path / "parts.h5", INFO):
        pass
    parts = Corpus(tmp_path / "parts.h5")
    assert parts.digests == whole.digests and parts.recordings == whole.recordings
    whole.close()
    parts.close()
    with h5py.File(tmp_path / "whole.h5") as one, h5py.File(tmp_path / "parts.h5") as other:
        assert all(np.array_equal(one[name][:], other[name][:]) for name in one)


KILLED = """
import sys; sys.path.insert(0, {folder!r})
from pathlib import Path
from aemg.corpus import CorpusWriter
from tiny_set import INFO, recording
with CorpusWriter(Path({path!r}), INFO) as out:
    for number in range(len(out.sources), 100000):
        out.append([recording(number, samples=5000)], source=str(number))
        print(number, flush=True)
"""


def test_a_killed_writer_leaves_no_corpus_and_can_be_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tiny.h5"
    script = KILLED.format(folder=SUPPORT, path=str(path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 400:
                break
        with pytest.raises(AEMGError, match=f"process {process.pid} is writing here"), CorpusWriter(path, INFO):
            pass
        process.send_signal(signal.SIGKILL)
    assert not path.exists()
    with CorpusWriter(path, INFO) as out:
        done = len(out.sources)
    assert done > 0 or "begun anew" in caplog.text
    corpus = Corpus(path)
    assert corpus.verify() == [] and len(corpus) == done
    assert all(
        np.array_equal(corpus.load(i).signal, recording(i, samples=5000).signal) for i in range(0, done, 50)
    )


def test_a_damaged_partial_file_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tiny.h5"
    with pytest.raises(KeyboardInterrupt), CorpusWriter(path, INFO) as out:
        out.append([recording()], source="0")
        raise KeyboardInterrupt
    out.partial.write_bytes(out.partial.read_bytes()[:3000])
    with CorpusWriter(path, INFO) as out:
        assert out.sources == ()
    assert "is of no use, begun anew" in caplog.text


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("after", range(6))
def test_a_full_disk_is_told_and_what_was_done_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int, shards: int
) -> None:
    reader = write_native(tmp_path / "native")
    whole = Corpus(prepare(reader, tmp_path / "whole", jobs=1, shards=1).path)
    room = iter(range(after))

    def allocate(*_: int) -> None:
        if next(room, None) is None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(writer, "_COMMIT_S", 0.0)
        patch.setattr(writer.os, "posix_fallocate", allocate)
        with pytest.raises(AEMGError, match="disk full"):
            prepare(reader, tmp_path / "out", jobs=1, shards=shards)
    resumed = prepare(reader, tmp_path / "out", jobs=1, shards=shards)
    kept = min(max(after - 1, 0), 9 // shards)  # a file is begun with the first room, a source kept with each further one
    assert resumed.sources_read == 9 - kept
    assert Corpus(tmp_path / "out").digests == whole.digests and not any(verify(path) for path in resumed.paths)
    assert all(path.stat().st_size < 500_000 for path in resumed.paths)  # what was reserved in vain is given back


def test_little_room_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AEMGError, match="disk full"), CorpusWriter(tmp_path / "tiny.h5", INFO) as out:
        out.append([recording()], source="0")
        out._commit()
        monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
        for number in range(1, 9):
            out.append([recording(samples=900_000)], source=f"{number}")
    monkeypatch.undo()
    with CorpusWriter(tmp_path / "tiny.h5", INFO) as out:
        assert out.sources == ("0",)


LIMITED = """
import resource, sys; sys.path.insert(0, {folder!r})
from pathlib import Path
from aemg.corpus import CorpusWriter, writer
from aemg.errors import AEMGError
from tiny_set import INFO, recording
writer._COMMIT_S = 0.0
for limit in {limits}:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    path, number = Path({path!r}) / f"{{limit}}.h5", 0
    try:
        with CorpusWriter(path, INFO) as out:
            for number in range(100):
                out.append([recording(number, samples=50_000)], source=str(number))
    except AEMGError as error:
        print(limit, number, error)
"""


def test_a_real_limit_at_any_place_leaves_a_file_to_go_on_with(tmp_path: Path) -> None:
    """A file may not grow beyond so many bytes, which the operating system says in the middle of a write."""
    limits = [1, 300, 5000, *range(2_500_000, 6_000_000, 333_333)]
    script = LIMITED.format(folder=SUPPORT, limits=limits, path=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    said = done.stdout.splitlines()
    assert [int(line.split()[0]) for line in said] == limits and not done.stderr
    assert all(str(tmp_path) in line and ("disk full" in line or "cannot write" in line) for line in said)
    for line in said[3:]:
        limit, tried, _ = line.split(maxsplit=2)
        with CorpusWriter(tmp_path / f"{limit}.h5", INFO) as out:
            assert len(out.sources) == int(tried) > 0
        assert not verify(tmp_path / f"{limit}.h5")


def test_a_lock_of_a_dead_process_is_taken_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lock = tmp_path / "tiny.h5.lock"
    with CorpusWriter(tmp_path / "tiny.h5", INFO):
        held = json.loads(lock.read_text())
        with pytest.raises(AEMGError, match="is writing here"), CorpusWriter(tmp_path / "tiny.h5", INFO):
            pass
    assert not lock.exists()
    lock.write_text(json.dumps([held[0], held[1], held[2] - 1000]))
    write(tmp_path / "tiny.h5", [recording()])
    assert "is gone" in caplog.text and not lock.exists()
    lock.write_text(json.dumps(["elsewhere", 1, 0.0]))
    with pytest.raises(AEMGError, match="process 1 on elsewhere"), CorpusWriter(tmp_path / "tiny.h5", INFO):
        pass


# Damage


def flip(path: Path, table: str) -> None:
    """Changes one bit of the stored rows of a table."""
    with h5py.File(path) as file:
        chunk = file[table].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 5] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("table", list(TABLES))
def test_a_flipped_byte_is_found_named_and_can_be_left_out(
    tmp_path: Path, table: str, caplog: pytest.LogCaptureFixture
) -> None:
    items = [recording(0, form="floats"), recording(1, form="palette"), *(recording(seed) for seed in range(2, 6))]
    paths = [tmp_path / f"tiny-0000{number}-of-00003.h5" for number in range(3)]
    for number, path in enumerate(paths):
        with CorpusWriter(path, INFO) as out:
            out.append(items, source=f"{number}")
    sound = Corpus(tmp_path).recordings
    flip(paths[1], table)
    problems = verify(paths[1])
    assert problems and all(str(paths[1]) in str(problem) for problem in problems)
    assert not verify(paths[0])
    with pytest.raises(AEMGError) as caught:
        corpus = Corpus(tmp_path)
        for i in range(6, 12):
            corpus.load(i)
    assert str(paths[1]) in str(caught.value)
    if table in ("codes", "values"):
        assert "recording 0 (0.csv): cannot be read" in str(caught.value) or "recording 1 (1.csv)" in str(caught.value)
        assert any(problem.recording for problem in problems)
        with pytest.raises(AEMGError, match=r"tiny-00001-of-00003\.h5: recording . \(..csv\)"):
            corpus.window(6 if table == "values" else 8, 0, 10)
    left = Corpus(tmp_path, skip_damaged=True)
    assert left.recordings == sound[:6] + sound[12:]
    assert [record.levelname for record in caplog.records] == ["WARNING"] and paths[1].name in caplog.text
    assert all(np.array_equal(left.load(i).signal, items[i % 6].signal) for i in range(12))


def test_a_corpus_of_damage_alone_is_refused(tmp_path: Path) -> None:
    flip(write(tmp_path / "tiny.h5", [recording()]), "codes")
    with pytest.raises(AEMGError, match="no sound prepared set"):
        Corpus(tmp_path, skip_damaged=True)


def without_checksums(path: Path) -> Path:
    """The file as it was written before its chunks had checksums."""
    old = path.with_name("old.h5")
    with h5py.File(path) as file, h5py.File(old, "w", libver=("v108", "v110")) as other:
        for name, table in file.items():
            other.create_dataset(name, data=table[:], chunks=table.chunks, maxshape=table.maxshape)
        other.attrs.update(file.attrs)
    return old


def test_files_without_chunk_checksums_are_read_and_checked(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.h5", [recording(seed) for seed in range(5)])
    old, new = Corpus(without_checksums(path)), Corpus(path)
    assert old.digests == new.digests and old.recordings == new.recordings and old.verify() == []
    assert len(Corpus(tmp_path / "old.h5", skip_damaged=True)) == 5
    old.close()
    flip(tmp_path / "old.h5", "codes")
    (problem,) = verify(tmp_path / "old.h5")
    assert problem.recording == "recording 0 (0.csv)" and "do not match its sha256" in str(problem)
    with pytest.raises(AEMGError, match="no sound"):
        Corpus(tmp_path / "old.h5", skip_damaged=True)


def test_any_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.h5", [recording(seed) for seed in range(2)])
    content, sound = path.read_bytes(), Corpus(path)
    sound.close()
    rng = np.random.default_rng(0)
    with h5py.File(path) as file:
        places = [file[name].id.get_chunk_info(0).byte_offset for name in file if len(file[name])]
    places += rng.integers(0, len(content), 150).tolist() + list(range(0, 2000, 13))
    found = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        if verify(path):
            found += 1
        else:
            assert Corpus(path).digests == sound.digests and Corpus(path).recordings == sound.recordings
    assert found > 20


@pytest.mark.parametrize(
    ("change", "message"), [({"format_version": 99}, "corpus format 99"), ({}, "not an AEMG corpus")]
)
def test_other_files_and_versions_are_refused(tmp_path: Path, change: dict[str, int], message: str) -> None:
    path = write(tmp_path / "tiny.h5", [recording()])
    with h5py.File(path, "r+") as file:
        del file.attrs["format_version"]
        file.attrs.update(change)
    with pytest.raises(AEMGError, match=message):
        Corpus(path)
    with pytest.raises(AEMGError, match="no corpus at"):
        Corpus(tmp_path / "missing.h5")
