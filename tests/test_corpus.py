"""Laws of the corpus: what goes in comes out bit for bit, however it was stopped, resumed, parallel or damaged."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import signal
import subprocess
import sys
import textwrap
import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aemg.corpus import Corpus, CorpusWriter, codes, prepare, verify, writer
from aemg.datasets.base import DatasetInfo, DatasetReader
from aemg.errors import AEMGError, DataFileError
from aemg.signals import (
    Electrode,
    ElectrodeGroup,
    Event,
    Interval,
    Montage,
    Provenance,
    Recording,
    Target,
    ring,
)

INFO = DatasetInfo(
    name="tiny", title="Tiny", subjects=2, channels=3, rate_hz=200.0, unit="V", kind="raw", labels=("rest", "fist"),
    device="none", montage="ring", licence="CC0-1.0", permissive=True, citation="none", homepage="none",
)
STEP = np.float32(3.05e-6)
LARGEST = float(np.finfo(np.float32).max)


def recording(
    seed: int = 0, *, channels: int = 3, samples: int = 1000, form: str = "counts", subject: str = "1"
) -> Recording:
    rng = np.random.default_rng(seed)
    counts = rng.integers(-200, 200, (channels, samples)).astype(np.float32)
    signal = {
        "counts": counts * STEP,
        "palette": np.float32(1) / (np.abs(counts) % 40 + 3),
        "floats": rng.normal(size=(channels, samples)).astype(np.float32),
    }[form]
    return Recording(
        signal=signal,
        rate_hz=200.0,
        montage=ring("tiny", channels),
        subject=subject,
        session="a",
        provenance=Provenance("tiny", f"{seed}.csv", "00", "CC0-1.0"),
        unit="V",
        intervals=(Interval(0.0, 1.5, "fist", seed),),
        events=(Event(0.25, "go"),),
    )


def same(one: Recording, other: Recording) -> bool:
    def bits(values: np.ndarray) -> tuple[object, ...]:
        return values.dtype, values.shape, values.tobytes()

    none = np.zeros((one.montage.n_channels, 0), np.float32)
    bare = [
        replace(r, signal=none, targets=tuple(replace(t, values=none[:0]) for t in r.targets)) for r in (one, other)
    ]
    values = [[bits(r.signal), *(bits(t.values) for t in r.targets)] for r in (one, other)]
    return values[0] == values[1] and [str(bare[0])] == [str(bare[1])]


def write(path: Path, recordings: list[Recording], **options: object) -> Path:
    with CorpusWriter(path, INFO, **options) as out:
        for number, item in enumerate(recordings):
            out.append([item], source=f"{number}")
    return path


floats32 = hnp.arrays(
    np.float32, st.tuples(st.integers(1, 7), st.integers(0, 40)), elements=st.floats(width=32, allow_nan=False)
)
finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(max_size=8)


@st.composite
def recordings(draw: st.DrawFn) -> Recording:
    signal = draw(floats32)
    angles = draw(st.lists(finite, min_size=len(signal), max_size=len(signal)))
    electrodes = tuple(Electrode(f"{i}", a, muscle=draw(st.none() | names)) for i, a in enumerate(angles))
    cut = draw(st.integers(1, len(electrodes)))
    parts = [part for part in (electrodes[:cut], electrodes[cut:]) if part]
    groups = tuple(ElectrodeGroup(draw(st.sampled_from(["ring", "grid"])), part, 45.0) for part in parts)
    return Recording(
        signal=signal,
        rate_hz=draw(st.floats(1e-3, 1e6)),
        montage=Montage(draw(names), groups, draw(st.booleans()), draw(st.sampled_from([None, "left"]))),
        subject=draw(names),
        session=draw(names),
        provenance=Provenance("tiny", draw(names), draw(names), draw(names)),
        unit=draw(st.sampled_from(["V", "arbitrary"])),
        kind=draw(st.sampled_from(["raw", "envelope"])),
        band_hz=draw(st.none() | st.tuples(finite, finite)),
        intervals=tuple(draw(st.lists(st.builds(Interval, finite, finite, names, st.integers(0, 99)), max_size=3))),
        events=tuple(draw(st.lists(st.builds(Event, finite, names), max_size=3))),
        targets=tuple(draw(st.lists(st.builds(Target, names, floats32, finite, names), max_size=2))),
    )


@given(items=st.lists(recordings(), max_size=4), compression=st.sampled_from([None, "lzf"]))
@settings(max_examples=60, deadline=None)
def test_recordings_come_back_bit_for_bit(items: list[Recording], compression: str | None) -> None:
    with TemporaryDirectory() as folder:
        corpus = Corpus(write(Path(folder) / "tiny.h5", items, compression=compression))
        assert all(same(corpus.load(i), item) for i, item in enumerate(items))
        assert len(corpus) == len(items)
        assert corpus.verify() == []
        assert corpus.infos == (INFO,)
        corpus.close()


@pytest.mark.parametrize("values", [[LARGEST], [LARGEST, 1.0], [-LARGEST, 0.0]])
def test_the_largest_values_come_back(tmp_path: Path, values: list[float]) -> None:
    item = replace(recording(channels=1), signal=np.array([values], np.float32))
    corpus = Corpus(write(tmp_path / "tiny.h5", [item]))
    assert np.array_equal(corpus.load(0).signal, item.signal)
    corpus.close()


@pytest.mark.parametrize("form", ["counts", "palette", "floats"])
@pytest.mark.parametrize("channels", [1, 3, 64])
def test_a_window_is_a_slice_of_the_recording(tmp_path: Path, form: str, channels: int) -> None:
    items = [recording(seed, channels=channels, form=form) for seed in range(3)]
    corpus = Corpus(write(tmp_path / "tiny.h5", items))
    rng = np.random.default_rng(1)
    for _ in range(30):
        i, (first, last) = int(rng.integers(3)), sorted(rng.integers(0, 1001, 2).tolist())
        window = corpus.window(i, first, last - first)
        assert window.flags.c_contiguous and window.dtype == np.float32
        assert np.array_equal(window, items[i].signal[:, first:last])
        assert np.array_equal(window, corpus.load(i).signal[:, first:last])
    corpus.close()


@pytest.mark.parametrize("window", [(-1, 10), (991, 10), (0, -1), (0, 1001)])
def test_a_window_beyond_the_recording_is_refused(tmp_path: Path, window: tuple[int, int]) -> None:
    corpus = Corpus(write(tmp_path / "tiny.h5", [recording()]))
    with pytest.raises(AEMGError, match="does not lie within the 1000 samples"):
        corpus.window(0, *window)


@given(
    step=st.floats(1e-9, 1e3), low=st.integers(-32000, 0), high=st.integers(0, 32000), seed=st.integers(0, 9),
    in_32_bit=st.booleans(),
)
@example(step=0.008, low=-125, high=0, seed=0, in_32_bit=True)
@settings(max_examples=80, deadline=None)
def test_adc_counts_are_found_whatever_their_step(
    step: float, low: int, high: int, seed: int, in_32_bit: bool
) -> None:
    counts = np.random.default_rng(seed).integers(low, high, (2, 3000), endpoint=True)
    signal = counts.astype(np.float32) * np.float32(step) if in_32_bit else (counts * step).astype(np.float32)
    coded = codes.encode(signal)
    assert coded is not None and coded.key.shape == (2, 2)
    assert np.array_equal(codes.decode(coded.codes.T, coded.key), signal)


def test_channels_may_have_steps_of_their_own() -> None:
    counts = np.random.default_rng(0).integers(-200, 200, (3, 1000))
    steps = np.array([[1.0], [0.21], [0.037]], np.float32)
    coded = codes.encode(counts.astype(np.float32) * steps)
    assert coded is not None and coded.key[:, 0] == pytest.approx(steps[:, 0])
    assert np.array_equal(coded.codes, counts)


@pytest.mark.parametrize("form", ["counts", "palette"])
def test_coded_samples_take_half_the_space(tmp_path: Path, form: str) -> None:
    long = recording(samples=400_000, form=form)
    assert write(tmp_path / "tiny.h5", [long]).stat().st_size < long.signal.nbytes / 2 + 300_000


def test_entries_tell_what_recordings_hold(tmp_path: Path) -> None:
    item = recording()
    (entry,) = Corpus(write(tmp_path / "tiny.h5", [item])).recordings
    assert (entry.dataset, entry.n_channels, entry.n_samples, entry.file) == ("tiny", 3, 1000, "0.csv")
    for name in ("subject", "session", "rate_hz", "unit", "kind", "band_hz", "intervals", "montage", "duration_s"):
        assert getattr(entry, name) == getattr(item, name)


def test_selecting_keeps_order_and_content(tmp_path: Path) -> None:
    items = [recording(seed, subject=f"{seed % 3}") for seed in range(9)]
    corpus = Corpus(write(tmp_path / "tiny.h5", items))
    chosen = corpus.select(subjects={"0", "2"}, datasets=["tiny"])
    expected = [item for item in items if item.subject != "1"]
    assert len(chosen) == 6 and all(same(chosen.load(i), item) for i, item in enumerate(expected))
    with pytest.raises(AEMGError, match="no subject 7 in the corpus; it holds 0, 1, 2"):
        corpus.select(subjects=["7"])


def test_a_folder_of_sets_is_one_corpus(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    for name in ("b", "a"):
        with CorpusWriter(tmp_path / f"{name}.h5", replace(INFO, name=name)) as out:
            out.append([recording(subject=name)], source="0")
    assert [entry.subject for entry in Corpus(tmp_path).recordings] == ["a", "b"]
    assert [entry.subject for entry in Corpus([tmp_path / "b.h5"]).recordings] == ["b"]
    with pytest.raises(AEMGError, match="given 2 times"):
        Corpus([tmp_path, tmp_path / "a.h5"])
    with pytest.raises(AEMGError, match="no prepared set"):
        Corpus(empty)


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
from test_corpus import CorpusWriter, INFO, Path, recording
with CorpusWriter(Path({path!r}), INFO) as out:
    for number in range(len(out.sources), 100000):
        out.append([recording(number, samples=5000)], source=str(number))
        print(number, flush=True)
"""


def test_a_killed_writer_leaves_no_corpus_and_can_be_resumed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "tiny.h5"
    script = KILLED.format(folder=str(Path(__file__).parent), path=str(path))
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
    assert all(same(corpus.load(i), recording(i, samples=5000)) for i in range(0, done, 50))


def test_a_damaged_partial_file_is_begun_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "tiny.h5"
    with pytest.raises(KeyboardInterrupt), CorpusWriter(path, INFO) as out:
        out.append([recording()], source="0")
        raise KeyboardInterrupt
    out.partial.write_bytes(out.partial.read_bytes()[:3000])
    with CorpusWriter(path, INFO) as out:
        assert out.sources == ()
    assert "is of no use, begun anew" in caplog.text


def test_a_full_disk_is_told_and_what_was_done_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tiny.h5"
    with pytest.raises(AEMGError, match="disk full"), CorpusWriter(path, INFO) as out:
        out.append([recording()], source="0")
        out._commit()
        monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: SimpleNamespace(free=1 << 20))
        for number in range(1, 9):
            out.append([recording(samples=900_000)], source=f"{number}")
    monkeypatch.undo()
    with CorpusWriter(path, INFO) as out:
        assert out.sources == ("0",)


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


def test_a_flipped_byte_is_found_and_named(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.h5", [recording(seed) for seed in range(5)])
    content = bytearray(path.read_bytes())
    with h5py.File(path) as file:
        start = file["codes"].id.get_chunk_info(0).byte_offset
    content[start + 2 * (2 * 3000 + 77)] ^= 1
    path.write_bytes(content)
    (problem,) = verify(path)
    assert problem.recording == "recording 2 (2.csv)" and str(path) in str(problem)
    assert Corpus(path).verify() == [problem]


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


# Workers and memory


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_read_the_same(tmp_path: Path, start: str) -> None:
    corpus = Corpus(write(tmp_path / "tiny.h5", [recording(seed, form="palette") for seed in range(6)]))
    corpus.window(0, 0, 10)
    assert pickle.loads(pickle.dumps(corpus)).recordings == corpus.recordings
    context = multiprocessing.get_context(start)
    with context.Pool(2) as pool:
        loaded = pool.starmap(corpus.window, [(i, 7, 100) for i in range(6)])
        pool.close()
        pool.join()
    assert all(np.array_equal(window, corpus.window(i, 7, 100)) for i, window in enumerate(loaded))


def test_data_loader_workers_read_the_same(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    corpus = Corpus(write(tmp_path / "tiny.h5", [recording(seed) for seed in range(6)]))
    here = [corpus.window(i, 7, 100) for i in range(6)]
    loader = torch.utils.data.DataLoader(_Windows(corpus), num_workers=2, multiprocessing_context="fork")
    assert all(np.array_equal(window[0], expected) for window, expected in zip(loader, here, strict=True))


class _Windows:
    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus

    def __len__(self) -> int:
        return len(self.corpus)

    def __getitem__(self, i: int) -> np.ndarray:
        return self.corpus.window(i, 7, 100)


def test_memory_stays_flat_however_much_is_appended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_COMMIT_S", 1e9)
    monkeypatch.setattr(writer, "_COMMIT_BYTES", 1 << 20)
    item, peaks = recording(samples=20_000), []
    with CorpusWriter(tmp_path / "tiny.h5", INFO) as out:
        tracemalloc.start()
        for number in range(200):
            out.append([item], source=f"{number}")
            if number in (49, 199):
                peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + (1 << 19) < 8 << 20


# Preparing

READERS = """
import numpy as np
from pathlib import Path
from aemg.errors import DataFileError
from aemg.signals import Interval, Provenance, Recording, ring

def read(root, source):
    path = Path(root) / source
    seed = int(path.read_text() or -1)
    if seed < 0:
        raise DataFileError(path, "a number", "none")
    signal = np.random.default_rng(seed).normal(0, 50, (3, 1000 + seed)).round().astype(np.float32)
    origin = Provenance("tiny", source, "00", "CC0-1.0")
    return [Recording(signal, 200.0, ring("tiny", 3), f"{seed % 2}", "a", origin) for _ in range(2)]
"""


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetReader:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "tiny_reader.py").write_text(textwrap.dedent(READERS))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    monkeypatch.delitem(sys.modules, "tiny_reader", raising=False)
    import tiny_reader

    root = tmp_path / "native"
    root.mkdir()
    for seed in range(9):
        (root / f"{seed}.txt").write_text(f"{seed}")
    return DatasetReader(INFO, root, tuple(f"{seed}.txt" for seed in range(9)), tiny_reader.read)


def test_content_does_not_depend_on_the_number_of_jobs(tmp_path: Path, reader: DatasetReader) -> None:
    steps: list[tuple[int, int]] = []
    results = [prepare(reader, tmp_path / f"{jobs}", jobs=jobs, progress=lambda *s: steps.append(s)) for jobs in (1, 2)]
    one, two = (Corpus(result.path) for result in results)
    assert one.digests == two.digests and len(one) == 18
    assert steps == 2 * [(done, 9) for done in range(1, 10)]
    assert (results[0].recordings, results[0].subjects, results[0].sources_read) == (18, 2, 9)
    assert results[0].hours == pytest.approx(2 * (9 * 1000 + 36) / 200 / 3600)
    again = prepare(reader, tmp_path / "1")
    assert again.sources_read == 0 and again.size_bytes == results[0].size_bytes
    assert prepare(reader, tmp_path / "1", jobs=1, overwrite=True).sources_read == 9


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_file_stops_it_and_what_was_done_is_kept(tmp_path: Path, reader: DatasetReader, jobs: int) -> None:
    (reader.root / "5.txt").write_text("")
    with pytest.raises(DataFileError, match=r"5\.txt: expected a number"):
        prepare(reader, tmp_path / "out", jobs=jobs)
    assert not (tmp_path / "out" / "tiny.h5").exists()
    (reader.root / "5.txt").write_text("5")
    resumed = prepare(reader, tmp_path / "out", jobs=jobs)
    assert resumed.sources_read == 4
    assert Corpus(resumed.path).digests == Corpus(prepare(reader, tmp_path / "whole", jobs=1).path).digests


def test_bad_files_can_be_skipped_and_are_noted(tmp_path: Path, reader: DatasetReader) -> None:
    (reader.root / "5.txt").write_text("")
    result = prepare(reader, tmp_path / "out", jobs=1, skip_bad=True)
    (bad,) = result.skipped
    assert bad.source == "5.txt" and bad.file.endswith("5.txt") and "expected a number" in bad.error
    assert result.recordings == 16 and Corpus(result.path).skipped == (bad,)
    (reader.root / "5.txt").write_text("5")
    assert prepare(reader, tmp_path / "out", jobs=1).recordings == 18


def test_a_partial_file_of_other_sources_is_begun_anew(tmp_path: Path, reader: DatasetReader) -> None:
    (reader.root / "5.txt").write_text("")
    with pytest.raises(DataFileError):
        prepare(reader, tmp_path, jobs=1)
    fewer = replace(reader, sources=("0.txt", "2.txt"))
    assert prepare(fewer, tmp_path, jobs=1).recordings == 4


def test_two_at_once_are_refused(tmp_path: Path, reader: DatasetReader) -> None:
    with CorpusWriter(tmp_path / "tiny.h5", INFO), pytest.raises(AEMGError, match="is writing here"):
        prepare(reader, tmp_path, jobs=1)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, reader: DatasetReader) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AEMGError, match="cannot write to"):
        prepare(reader, tmp_path / "file", jobs=1)
    with pytest.raises(AEMGError, match="jobs must be at least 1"):
        prepare(reader, tmp_path, jobs=0)
