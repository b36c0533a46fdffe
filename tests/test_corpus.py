"""Laws of the corpus: what goes in comes out bit for bit, however it was stopped, resumed, parallel or damaged."""

from __future__ import annotations

import multiprocessing
import pickle
import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tiny_set import INFO, recording, write, write_native

from aemg.corpus import Corpus, CorpusWriter, codes, prepare, writer
from aemg.datasets.base import DatasetReader
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
)

LARGEST = float(np.finfo(np.float32).max)


def same(one: Recording, other: Recording) -> bool:
    def bits(values: np.ndarray) -> tuple[object, ...]:
        return values.dtype, values.shape, values.tobytes()

    none = np.zeros((one.montage.n_channels, 0), np.float32)
    bare = [
        replace(r, signal=none, targets=tuple(replace(t, values=none[:0]) for t in r.targets)) for r in (one, other)
    ]
    values = [[bits(r.signal), *(bits(t.values) for t in r.targets)] for r in (one, other)]
    return values[0] == values[1] and [str(bare[0])] == [str(bare[1])]


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


@given(
    step=st.floats(1e-7, 1e3), zero=st.integers(-(10**6), 10**6), rare=st.integers(1, 997), many=st.integers(1, 60),
    seed=st.integers(0, 9),
)  # fmt: skip
@settings(derandomize=True, max_examples=60, deadline=None)
def test_a_step_that_a_sample_of_the_values_hides_is_found(
    step: float, zero: int, rare: int, many: int, seed: int
) -> None:
    """Nearly all counts are multiples of `many`; the few others decide."""
    counts = many * np.random.default_rng(seed).integers(-500, 500, (2, 3000)) + zero
    counts[:, rare] += 1
    signal = (counts * step).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codes, "_SAMPLE", 64)
        patch.setattr(codes, "_SORTED", 500)
        patch.setattr(codes, "_BLOCK", 1000)
        sampled = codes.encode(signal)
        assert sampled is not None and np.array_equal(codes.decode(sampled.codes.T, sampled.key), signal)
    assert (sampled.key.ndim == 2) >= (codes.encode(signal).key.ndim == 2)  # counts wherever all values give counts


@pytest.mark.parametrize("kind", ["floats", "-0.0", "nan", "inf", "beyond 16 bits"])
def test_long_signals_without_counts_come_back(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    signal = rng.integers(-200, 200, (2, 150_000)).astype(np.float32)
    if kind == "floats":
        signal += rng.random(signal.shape, dtype=np.float32)
    elif kind == "beyond 16 bits":
        signal *= rng.integers(1, 400, signal.shape).astype(np.float32)
    else:
        signal[1, 70_001] = float(kind)
    item = replace(recording(channels=2), signal=signal)
    corpus = Corpus(write(tmp_path / "tiny.h5", [item]))
    assert same(corpus.load(0), item)


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

@pytest.fixture
def reader(tmp_path: Path) -> DatasetReader:
    return write_native(tmp_path / "native")


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
    (reader.root / "005.txt").write_text("")
    with pytest.raises(DataFileError, match=r"005\.txt: expected a number"):
        prepare(reader, tmp_path / "out", jobs=jobs)
    assert not (tmp_path / "out" / "tiny.h5").exists()
    (reader.root / "005.txt").write_text("5")
    resumed = prepare(reader, tmp_path / "out", jobs=jobs)
    assert resumed.sources_read == 4
    assert Corpus(resumed.path).digests == Corpus(prepare(reader, tmp_path / "whole", jobs=1).path).digests


def test_bad_files_can_be_skipped_and_are_noted(tmp_path: Path, reader: DatasetReader) -> None:
    (reader.root / "005.txt").write_text("")
    result = prepare(reader, tmp_path / "out", jobs=1, skip_bad=True)
    (bad,) = result.skipped
    assert bad.source == "005.txt" and bad.file.endswith("005.txt") and "expected a number" in bad.error
    assert result.recordings == 16 and Corpus(result.path).skipped == (bad,)
    (reader.root / "005.txt").write_text("5")
    assert prepare(reader, tmp_path / "out", jobs=1).recordings == 18


def test_a_partial_file_of_other_sources_is_begun_anew(tmp_path: Path, reader: DatasetReader) -> None:
    (reader.root / "005.txt").write_text("")
    with pytest.raises(DataFileError):
        prepare(reader, tmp_path, jobs=1)
    fewer = replace(reader, sources=("000.txt", "002.txt"))
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
