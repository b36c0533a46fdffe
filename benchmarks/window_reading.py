"""How fast shuffled windows come out of a corpus, beside the obvious other ways to read the same recordings.

    python benchmarks/window_reading.py --hours 0.1 --seconds 2            # a first look
    python benchmarks/window_reading.py --cold --out results/window-reading

Windows of 16 channels x 0.2 s at 2 kHz, float32, end to end, in random order, as batches:

aemg                WindowStream
corpus, sample      a torch DataLoader that asks Corpus.window for one window after the other
h5py, sample        the same with h5py alone: one slice of the file's codes, times the step
datasets, indices   Hugging Face datasets: Arrow rows of one window each, shuffled by an indices mapping
datasets, buffer    its IterableDataset: shards in random order and a buffer of 2,560 windows
webdataset          tar shards in random order, a .npy each window, and a buffer of 2,560 windows

The last three keep float32, twice the bytes of a corpus; datasets and webdataset are optional (pip install datasets webdataset)
and are left out where they are missing. Told are MB/s of float32 by the clock from the first batch on, and per second of
processor time of all processes, which says more where a machine is busy. --cold drops the files from the page cache first,
and reads one epoch at most.
"""

from __future__ import annotations

import argparse
import functools
import gc
import io
import itertools
import json
import os
import platform
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import psutil
import torch
from torch.utils.data import DataLoader, Dataset

from aemg.corpus import Corpus, CorpusWriter, WindowStream
from aemg.datasets.base import DatasetInfo
from aemg.signals import Provenance, Recording, ring

CHANNELS, RATE_HZ, SAMPLES = 16, 2000, 400
RECORDING_S = 600
BUFFER, SHARD = 2560, 1000  # windows
STEP = 1e-6
INFO = DatasetInfo(
    name="windows", title="Noise", subjects=1, channels=CHANNELS, rate_hz=RATE_HZ, unit="V", kind="raw", labels=(), device="none",
    montage="ring", licence="CC0-1.0", permissive=True, citation="none", homepage="none",
)  # fmt: skip


class Missing(Exception):
    """What a way of reading needs is not installed."""


@dataclass(frozen=True)
class Row:
    """One measurement; MB are 10^6 bytes of float32 windows."""

    name: str
    cache: str
    batch: int
    workers: int
    windows: int
    seconds: float
    mb_per_s: float
    mb_per_cpu_s: float


# Ways of reading: each a context that gives the batches of as many epochs as are asked for, (B, 16, 400) float32.


@contextmanager
def aemg(folder: Path, batch: int, workers: int) -> Iterator[Iterator[torch.Tensor]]:
    with WindowStream(folder / "corpus", window_samples=SAMPLES, batch=batch, workers=workers) as stream:
        yield (torch.from_numpy(given.signal) for given in endless(stream))


@contextmanager
def corpus_samples(folder: Path, batch: int, workers: int) -> Iterator[Iterator[torch.Tensor]]:
    yield endless(loader(Samples(folder, read_by_corpus), batch, workers, shuffle=True))


@contextmanager
def h5py_samples(folder: Path, batch: int, workers: int) -> Iterator[Iterator[torch.Tensor]]:
    yield endless(loader(Samples(folder, read_by_h5py), batch, workers, shuffle=True))


class Samples(Dataset[np.ndarray]):
    """One window after the other."""

    def __init__(self, folder: Path, read: Callable[[Path, int, int], np.ndarray]) -> None:
        self.folder, self.read = folder / "corpus", read
        lengths = [entry.n_samples for entry in Corpus(self.folder).recordings]
        self.places = np.array([(i, start) for i, n in enumerate(lengths) for start in range(0, n - SAMPLES + 1, SAMPLES)])

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, at: int) -> np.ndarray:
        return self.read(self.folder, *self.places[at].tolist())


@functools.lru_cache
def corpus_of(folder: Path, _process: int) -> Corpus:
    return Corpus(folder)


def read_by_corpus(folder: Path, recording: int, start: int) -> np.ndarray:
    return corpus_of(folder, os.getpid()).window(recording, start, SAMPLES)


@functools.lru_cache
def tables_of(folder: Path, _process: int) -> tuple[h5py.Dataset, list[int]]:
    file = h5py.File(next(folder.glob("*.h5")), "r", locking=False)
    return file["codes"], file["index"]["signal"].tolist()


def read_by_h5py(folder: Path, recording: int, start: int) -> np.ndarray:
    codes, begins = tables_of(folder, os.getpid())
    first = begins[recording] + start * CHANNELS
    counts = codes[first : first + SAMPLES * CHANNELS].reshape(SAMPLES, CHANNELS)
    return np.multiply(counts.T, np.float32(STEP), dtype=np.float32, order="C")


def loader(dataset: Any, batch: int | None, workers: int, **options: Any) -> DataLoader[Any]:
    seeded = torch.Generator().manual_seed(0)
    return DataLoader(dataset, batch, num_workers=workers, persistent_workers=workers > 0, generator=seeded, **options)


def endless(epoch: Iterable[Any]) -> Iterator[Any]:
    while True:
        yield from epoch


@contextmanager
def arrow_indices(folder: Path, batch: int, workers: int) -> Iterator[Iterator[torch.Tensor]]:
    rows = arrow(folder).shuffle(seed=0).with_format("torch")
    given = endless(loader(rows, batch, workers))
    yield (item["signal"].view(-1, CHANNELS, SAMPLES) for item in given)


@contextmanager
def arrow_buffer(folder: Path, batch: int, workers: int) -> Iterator[Iterator[torch.Tensor]]:
    rows = arrow(folder).to_iterable_dataset(num_shards=16).shuffle(seed=0, buffer_size=BUFFER).with_format("torch")
    given = endless(loader(rows, batch, workers))
    yield (item["signal"].view(-1, CHANNELS, SAMPLES) for item in given)


@contextmanager
def tar_buffer(folder: Path, batch: int, workers: int) -> Iterator[Iterator[torch.Tensor]]:
    wds = optional("webdataset", "WebDataset")
    shards = sorted(str(path) for path in (folder / "tar").glob("*.tar"))
    if not shards:
        shards = write_tars(folder)
    samples = wds.WebDataset(shards, shardshuffle=len(shards), seed=0).shuffle(BUFFER).to_tuple("npy").map_tuple(npy)
    yield (item[0] for item in endless(loader(samples.batched(batch, collation_fn=stacked), None, workers)))


WAYS: dict[str, tuple[Callable[..., Any], str]] = {  # how, and the folder of its files
    "aemg": (aemg, "corpus"),
    "corpus, sample": (corpus_samples, "corpus"),
    "h5py, sample": (h5py_samples, "corpus"),
    "datasets, indices": (arrow_indices, "arrow"),
    "datasets, buffer": (arrow_buffer, "arrow"),
    "webdataset": (tar_buffer, "tar"),
}


def npy(data: bytes) -> np.ndarray:
    """The window of a .npy file whose header is known."""
    return np.frombuffer(data, np.float32, offset=len(data) - 4 * CHANNELS * SAMPLES).reshape(CHANNELS, SAMPLES)


def stacked(samples: Sequence[tuple[np.ndarray]]) -> tuple[torch.Tensor]:
    return (torch.from_numpy(np.stack([window for (window,) in samples])),)


# The same recordings in each form.


def write_corpus(folder: Path, hours: float) -> None:
    rng = np.random.default_rng(0)
    with CorpusWriter(folder / "corpus" / "windows.h5", INFO) as out:
        for number in range(max(1, round(3600 * hours / RECORDING_S))):
            counts = rng.normal(0, 200, (CHANNELS, RECORDING_S * RATE_HZ)).round() + 0.0  # without -0.0, which is no count
            item = Recording(
                (counts * STEP).astype(np.float32), RATE_HZ, ring("ring", CHANNELS), "1", f"{number}",
                Provenance("windows", f"{number}", "00", "CC0-1.0"), "V",
            )  # fmt: skip
            out.append([item], source=f"{number}")


def windows_of(folder: Path) -> Iterator[np.ndarray]:
    samples = Samples(folder, read_by_corpus)
    return (samples[i] for i in range(len(samples)))


def arrow(folder: Path) -> Any:
    hf = optional("datasets", "Dataset")
    hf.disable_progress_bars()
    if not (folder / "arrow").exists():
        features = hf.Features({"signal": hf.Sequence(hf.Value("float32"), length=CHANNELS * SAMPLES)})
        rows = hf.Dataset.from_generator(
            arrow_rows, features=features, gen_kwargs={"folder": folder}, cache_dir=str(folder / "cache")
        )
        rows.save_to_disk(str(folder / "arrow"))
    return hf.load_from_disk(str(folder / "arrow"))


def arrow_rows(folder: Path) -> Iterator[dict[str, np.ndarray]]:
    return ({"signal": window.ravel()} for window in windows_of(folder))


def write_tars(folder: Path) -> list[str]:
    (folder / "tar").mkdir()
    shards, number = [], 0
    windows = windows_of(folder)
    while group := list(itertools.islice(windows, SHARD)):
        shards.append(str(folder / "tar" / f"{len(shards):05d}.tar"))
        with tarfile.open(shards[-1], "w") as tar:
            for window in group:
                data = io.BytesIO()
                np.save(data, window)
                entry = tarfile.TarInfo(f"{number:08d}.npy")
                entry.size = data.tell()
                data.seek(0)
                tar.addfile(entry, data)
                number += 1
    return shards


def optional(name: str, holds: str) -> Any:
    """A package that need not be there; the folder `datasets` of this repository is none."""
    try:
        module = __import__(name)
    except ImportError as error:
        raise Missing(f"{name} is not installed") from error
    if not hasattr(module, holds):
        raise Missing(f"the {name} that Python finds is not the package; run this from another folder")
    return module


# Measuring.


def measure(name: str, folder: Path, batch: int, workers: int, seconds: float, *, cold: bool) -> Row:
    how, files = WAYS[name]
    drained(how, folder, batch, 0, 0.0)  # makes the files, the first time
    (forget if cold else touch)(folder / files)
    most = len(Samples(folder, read_by_corpus)) - batch if cold else None
    windows, wall_s, cpu_s = drained(how, folder, batch, workers, seconds, most)
    mb = windows * CHANNELS * SAMPLES * 4 / 1e6
    return Row(name, "cold" if cold else "warm", batch, workers, windows, wall_s, mb / wall_s, mb / cpu_s)


def drained(
    how: Callable[..., Any], folder: Path, batch: int, workers: int, seconds: float, most: int | None = None
) -> tuple[int, float, float]:
    """Windows, seconds and seconds of processor time from the first batch on, epoch after epoch, up to the most windows."""
    windows = 0
    with how(folder, batch, workers) as batches:
        next(batches)
        began_s, began_cpu_s = time.perf_counter(), cpu_s()
        while time.perf_counter() - began_s < seconds and (most is None or windows < most):
            item = next(batches)
            assert item.shape[1:] == (CHANNELS, SAMPLES) and item.dtype == torch.float32
            windows += len(item)
        spent = time.perf_counter() - began_s, cpu_s() - began_cpu_s
        batches.close()
    gc.collect()
    return windows, *spent


def cpu_s() -> float:
    """Processor time of this process and those it started, also of those that have ended."""
    me = psutil.Process()
    total = sum(me.cpu_times()[:4])  # of its own, and of ended children
    for process in me.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:2])
    return total


def touch(folder: Path) -> None:
    """Brings files into the page cache."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def forget(folder: Path) -> None:
    """Drops files from the page cache."""
    os.sync()
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def line(row: Row, base: dict[tuple[str, int, int], float]) -> str:
    ratio = row.mb_per_s / base.get((row.cache, row.batch, row.workers), float("nan"))
    return (
        f"| {row.name:17s} | {row.cache} | {row.batch:5d} | {row.workers:7d} | {row.mb_per_s:6.0f} | {row.mb_per_cpu_s:8.0f} "
        f"| {ratio:6.1f} |"
    )


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    torch.set_num_threads(1)
    folder = args.folder or Path(tempfile.mkdtemp(prefix="window-reading-"))
    if not (folder / "corpus").exists():
        write_corpus(folder, args.hours)
    print("| way               | cache | batch | workers |   MB/s | MB/cpu s | x h5py |")
    print("|-------------------|------|-------|---------|--------|----------|--------|")
    rows: list[Row] = []
    left_out: dict[str, str] = {}
    base: dict[tuple[str, int, int], float] = {}
    for cold, batch, workers in itertools.product([False, True] if args.cold else [False], args.batch, args.workers):
        for name in ["h5py, sample", *(name for name in args.ways if name != "h5py, sample")]:
            if name in left_out:
                continue
            try:
                row = measure(name, folder, batch, workers, args.seconds, cold=cold)
            except Missing as error:
                left_out[name] = str(error)
                print(f"| {name:17s} | left out: {error}")
                continue
            rows.append(row)
            if name == "h5py, sample":
                base[row.cache, row.batch, row.workers] = row.mb_per_s
            print(line(row, base), flush=True)
    if args.out:
        report = {
            "command": " ".join(["python", "benchmarks/window_reading.py", *(sys.argv[1:] if argv is None else argv)]),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
            "window": f"{CHANNELS} channels x {SAMPLES} samples float32", "hours": args.hours, "left_out": left_out,
            "rows": [asdict(row) for row in rows],
        }  # fmt: skip
        args.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/window_reading.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--hours", type=float, default=1.0, help="of recordings, 0.46 GB of float32 each (default %(default)s)")
    top.add_argument("--folder", type=Path, help="where the files are, made where they are missing (default: a temporary one)")
    top.add_argument("--batch", type=int, nargs="+", default=[64, 256], help="(default %(default)s)")
    top.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="(default %(default)s)")
    top.add_argument("--seconds", type=float, default=10.0, help="of a measurement (default %(default)s)")
    top.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS), metavar="WAY")
    top.add_argument("--cold", action="store_true", help="also with an empty page cache")
    top.add_argument("--out", type=Path, help="where the report goes, .json")
    return top


if __name__ == "__main__":
    sys.exit(main())
