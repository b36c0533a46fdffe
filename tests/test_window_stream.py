"""Laws of the window stream: what it gives is the corpus, once, in one order, whoever reads; and what happens to bad data."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
import time
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.corpus import Corpus, CorpusWriter, WindowBatch, WindowStream, prepare
from aemg.datasets.base import DatasetInfo, DatasetReader
from aemg.errors import AEMGError
from aemg.signals import Interval, Provenance, Recording, ring

INFO = DatasetInfo(
    name="alpha", title="Alpha", subjects=2, channels=3, rate_hz=200.0, unit="V", kind="raw", labels=("rest", "fist"),
    device="none", montage="ring", licence="CC0-1.0", permissive=True, citation="none", homepage="none",
)  # fmt: skip
CUT = {"window_samples": 20, "hop_samples": 15, "block_mb": 0.002, "group_mb": 0.02}


def recording(dataset: str, seed: int, channels: int, samples: int, form: str = "counts") -> Recording:
    rng = np.random.default_rng(seed)
    counts = rng.integers(-200, 200, (channels, samples)).astype(np.float32)
    counts[0] += 70_000 * (seed % 2)  # beyond 16 bits
    if form == "mixed":
        form = "palette" if seed % 2 else "counts"
    signal = {
        "counts": counts * np.float32(3e-6),
        "palette": np.float32(1) / (np.abs(counts) % 40 + 3),
        "floats": rng.normal(size=counts.shape).astype(np.float32),
    }[form]
    intervals = (Interval(0.5, 1.5, "fist"), Interval(2.0, 4.0, "rest"))
    return Recording(
        signal=signal, rate_hz=200.0, montage=ring(f"ring{channels}", channels), subject=f"{seed}", session="1",
        provenance=Provenance(dataset, f"{seed}.csv", "00", "CC0-1.0"), unit="V", intervals=intervals,
    )  # fmt: skip


def write(folder: Path, name: str, shapes: list[tuple[int, int]], form: str = "counts") -> None:
    with CorpusWriter(folder / f"{name}.h5", replace(INFO, name=name)) as out:
        for seed, (channels, samples) in enumerate(shapes):
            out.append([recording(name, seed, channels, samples, form)], source=f"{seed}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three sets, a recording that is too short; of the shapes two are of codes alone."""
    path = tmp_path_factory.mktemp("corpus")
    write(path, "alpha", [(3, 5000), (3, 19), (5, 777), (4, 1500), (3, 20), (5, 1234)])
    write(path, "beta", [(4, 2000), (3, 3001)], "floats")
    write(path, "gamma", [(6, 500), (6, 700), (6, 300), (6, 210)], "mixed")
    return path


def places(batches: Iterator[WindowBatch] | WindowStream) -> list[tuple[int, int]]:
    """Recording and first sample of every window, in order."""
    return [pair for batch in batches for pair in zip(batch.recording.tolist(), batch.start_sample.tolist())]


def all_places(corpus: Corpus, window: int = 20, hop: int = 15) -> list[tuple[int, int]]:
    lengths = [entry.n_samples for entry in corpus.recordings]
    return [(i, start) for i, n in enumerate(lengths) for start in range(0, n - window + 1, hop)]


def test_a_batch_holds_the_samples_of_its_windows(folder: Path) -> None:
    corpus = Corpus(folder)
    assert {entry.n_channels for i, entry in enumerate(corpus.recordings) if not corpus.has_codes(i)} == {3, 4}
    with WindowStream(corpus, batch=7, labels=True, **CUT) as stream:
        for batch in stream:
            assert batch.signal.dtype == np.float32 and batch.signal.flags.c_contiguous
            assert batch.interval is not None
            for window, i, start, interval in zip(batch.signal, batch.recording, batch.start_sample, batch.interval):
                assert window.tobytes() == corpus.window(int(i), int(start), 20).tobytes()
                spans = [(round(200 * x.start_s), round(200 * x.end_s)) for x in corpus.recordings[i].intervals]
                assert interval == next((k for k, (a, b) in enumerate(spans) if a <= start and start + 20 <= b), -1)


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(1, 4), st.integers(2, 40), st.integers(0, 2), st.sampled_from([0.002, 0.005, 0.1]), st.integers(0, 2))
def test_each_window_once_an_epoch_over_all_ranks(
    folder: Path, world: int, batch: int, seed: int, group_mb: float, epoch: int
) -> None:
    corpus = Corpus(folder)
    options = {**CUT, "group_mb": group_mb, "batch": batch, "seed": seed, "world": world}
    streams = [WindowStream(corpus, rank=rank, **options) for rank in range(world)]
    shapes, found = [], []
    for stream in streams:
        stream.set_epoch(epoch)
        batches = list(stream)
        assert len(batches) == len(stream)
        shapes.append([batch.signal.shape[1] for batch in batches])
        found += places(iter(batches))
    assert sorted(found) == all_places(corpus)
    assert all(other == shapes[0] for other in shapes)  # the ranks go through the shapes together


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.data(), st.integers(1, 3), st.integers(5, 60))
def test_a_stream_goes_on_at_the_very_batch(folder: Path, data: st.DataObject, world: int, batch: int) -> None:
    options = {**CUT, "batch": batch, "world": world, "rank": world - 1, "weights": {"beta": 1.4}}
    whole = WindowStream(folder, **options)
    epochs = [[b.signal.tobytes() for b in whole] for _ in range(2)]
    given_before = data.draw(st.integers(0, 2 * len(whole) - 1))
    first = WindowStream(folder, **options)
    done = []
    while len(done) < given_before:
        for b in first:
            done.append(b.signal.tobytes())
            if len(done) == given_before:
                break
    state = json.loads(json.dumps(first.state_dict()))
    second = WindowStream(folder, **options)
    second.load_state_dict(state)
    second.set_epoch(second.epoch)  # as a loop over epochs says it, again
    rest = [b.signal.tobytes() for b in second]
    if given_before < len(whole):
        rest += [b.signal.tobytes() for b in second]
    assert done + rest == epochs[0] + epochs[1]


def test_three_loops_are_three_epochs_and_an_epoch_can_be_asked_for(folder: Path) -> None:
    stream = WindowStream(folder, batch=32, **CUT)
    epochs = [places(stream) for _ in range(3)]
    assert stream.epoch == 3
    assert len({tuple(epoch) for epoch in epochs}) == 3
    stream.set_epoch(1)
    assert places(stream) == epochs[1]
    assert places(WindowStream(Corpus(folder), batch=32, **CUT)) == epochs[0]
    assert places(WindowStream(folder, batch=32, seed=1, **CUT)) != epochs[0]


def test_weights_mix_the_sets(folder: Path) -> None:
    corpus = Corpus(folder)
    stream = WindowStream(corpus, batch=32, weights={"alpha": 2.0, "beta": 0.5}, **CUT)
    times = Counter(places(stream))
    for place in all_places(corpus):
        assert times[place] in {"alpha": (2,), "beta": (0, 1), "gamma": (1,)}[corpus.recordings[place[0]].dataset]
    beta = [place for place in all_places(corpus) if corpus.recordings[place[0]].dataset == "beta"]
    assert sum(times[place] for place in beta) == pytest.approx(len(beta) / 2, abs=2)
    only = WindowStream(corpus, batch=32, weights={"alpha": 0, "gamma": 0}, **CUT)
    assert {corpus.recordings[i].dataset for i, _ in places(only)} == {"beta"}


def test_the_order_is_the_same_with_workers_and_without(folder: Path) -> None:
    alone = WindowStream(folder, batch=32, labels=True, **CUT)
    with WindowStream(folder, batch=32, labels=True, workers=2, **CUT) as stream:
        for _ in range(2):
            for one, other in zip(alone, stream, strict=True):
                assert pickle.dumps(one) == pickle.dumps(other)
        for _ in stream:
            break  # left in the middle of an epoch, with groups under way
        state = stream.state_dict()
        rest = places(stream)
        alone.load_state_dict(state)
        assert places(alone) == rest


def test_a_worker_that_is_killed_is_told_of(folder: Path) -> None:
    before = set(psutil.Process().children())
    with WindowStream(folder, batch=4, workers=2, **CUT) as stream:
        batches = iter(stream)
        next(batches)
        given_before = stream.state_dict()["batches_given"]
        workers = [p for p in set(psutil.Process().children()) - before if "spawn_main" in " ".join(p.cmdline())]
        assert len(workers) == 2
        for worker in workers:
            worker.kill()
        with pytest.raises(AEMGError, match="reading processes died"):
            list(batches)
        assert stream.state_dict()["batches_given"] >= given_before
        assert list(stream)  # goes on with new processes


def test_nothing_is_left_in_shared_memory(folder: Path) -> None:
    """Neither of a stream that is closed, nor of one that is not, nor of a process that is killed."""
    code = f"""
        import os, signal, sys
        from aemg.corpus import WindowStream
        if __name__ == "__main__":
            stream = WindowStream({str(folder)!r}, batch=4, workers=1, window_samples=20, block_mb=0.002, group_mb=0.02)
            next(iter(stream))
            print(*(memory.name for memory in stream._reader._slots if memory), flush=True)
            if sys.argv[1] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
    """
    script = folder / "reads.py"
    script.write_text(textwrap.dedent(code))
    for how in ("end", "kill"):
        done = subprocess.run([sys.executable, str(script), how], capture_output=True, text=True, timeout=60)
        names = done.stdout.split()
        assert names and (how == "kill" or not done.stderr)
        for _ in range(100):
            left = [name for name in names if Path("/dev/shm", name).exists()]
            if not left:
                break
            time.sleep(0.05)
        assert not left


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A corpus with one byte of the third recording flipped."""
    write(tmp_path, "alpha", [(3, 15_000)] * 4)
    with h5py.File(tmp_path / "alpha.h5", "r") as file:
        codes = file["codes"]
        first = int(file["index"]["signal"][2]) + 3 * 9_000
        chunk = codes.id.get_chunk_info_by_coord((first // codes.chunks[0] * codes.chunks[0],))
    place = chunk.byte_offset + 2 * (first - chunk.chunk_offset[0])
    content = bytearray((tmp_path / "alpha.h5").read_bytes())
    content[place] ^= 1
    (tmp_path / "alpha.h5").write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("workers", [0, 1])
def test_what_cannot_be_read_is_named_or_left_out(damaged: Path, workers: int, caplog: pytest.LogCaptureFixture) -> None:
    with (
        WindowStream(damaged, batch=16, **CUT) as stream,
        pytest.raises(AEMGError, match=r"recording \d \(alpha, \d\.csv\), samples \d+ to \d+: .*alpha\.h5.*skip_damaged"),
    ):
        list(stream)
    with WindowStream(damaged, batch=16, workers=workers, skip_damaged=True, **CUT) as stream:
        batches = list(stream)
        assert len(batches) <= len(stream)
        found, expected = places(iter(batches)), all_places(Corpus(damaged))
        assert len(found) == len(set(found)) and set(found) < set(expected)
        missing = set(expected) - set(found)
        assert (2, 9_000) in missing  # its chunk reaches into the recordings beside it
        assert len(missing) < len(expected) / 3
        assert {left.recording: left.windows for left in stream.left_out} == Counter(i for i, _ in missing)
        assert {left.file for left in stream.left_out} >= {"2.csv"}
    assert "2.csv" in caplog.text


def read_source(root: Path, source: str) -> list[Recording]:
    return [recording("alpha", int(source), 3, 700 + 13 * int(source))]


def test_shards_are_read_as_one_set_wherever_they_are(tmp_path: Path) -> None:
    reader = DatasetReader(INFO, tmp_path, tuple("01234567"), read_source)
    prepare(reader, tmp_path / "whole", jobs=1)
    prepare(reader, tmp_path / "cut", jobs=1, shards=3)
    assert len(list((tmp_path / "cut").glob("*.h5"))) == 3
    whole = [batch.signal.tobytes() for batch in WindowStream(tmp_path / "whole", batch=16, **CUT)]
    for place in (tmp_path / "cut", (tmp_path / "cut").as_uri()):
        with WindowStream(Corpus(str(place)), batch=16, **CUT) as stream:
            assert [batch.signal.tobytes() for batch in stream] == whole
    with WindowStream((tmp_path / "cut").as_uri(), batch=16, workers=1, **CUT) as stream:
        assert [batch.signal.tobytes() for batch in stream] == whole


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"workers": -1}, "workers"),
        ({"block_mb": 0.0}, "block_mb"),
        ({"block_mb": 3.0, "group_mb": 2.0}, "block_mb"),
        ({"weights": {"delta": 1.0}}, "delta"),
        ({"weights": {"alpha": -1.0}}, "alpha"),
        ({"weights": {"alpha": float("nan")}}, "alpha"),
        ({"weights": {"alpha": 0.0, "beta": 0.0, "gamma": 0.0}}, "no batch"),
        ({"window_samples": 6000}, "as long as a window"),
        ({"batch": 10**6, "drop_last": True}, "no batch"),
    ],
)
def test_settings_that_make_no_sense_are_refused(folder: Path, wrong: dict[str, object], message: str) -> None:
    with pytest.raises(AEMGError, match=message):
        WindowStream(folder, **{**CUT, **wrong})  # type: ignore[arg-type]


def test_a_state_of_another_order_is_refused(folder: Path) -> None:
    state = WindowStream(folder, batch=16, **CUT).state_dict()
    for wrong in ({"seed": 1}, {"world": 2}, {"batch": 8}, {"weights": {"beta": 2.0}}, {"window_samples": 21}):
        other = WindowStream(folder, **{**CUT, "batch": 16, **wrong})  # type: ignore[arg-type]
        with pytest.raises(AEMGError, match=next(iter(wrong))):
            other.load_state_dict(state)
    with pytest.raises(AEMGError, match="recordings"):
        WindowStream(Corpus(folder).select(datasets={"beta"}), batch=16, **CUT).load_state_dict(state)
    stream = WindowStream(folder, batch=16, **CUT)
    for bad in ({}, {**state, "batches_given": 10**9}, {**state, "epoch": -1}):
        with pytest.raises(AEMGError):
            stream.load_state_dict(bad)
    with pytest.raises(AEMGError, match="epoch"):
        stream.set_epoch(-1)


def test_memory_does_not_grow_with_the_corpus(tmp_path: Path) -> None:
    peaks = []
    for n in (1, 8):
        path = tmp_path / f"{n}"
        path.mkdir()
        write(path, "alpha", [(8, 60_000)] * n)
        with WindowStream(path, window_samples=40, batch=64, block_mb=0.1, group_mb=0.5) as stream:
            tracemalloc.start()
            for _ in stream:
                pass
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]
