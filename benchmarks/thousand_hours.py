"""Prepares many simulated hours as a sharded corpus and reads them as shuffled windows, with an eye on memory.

    python benchmarks/thousand_hours.py --hours 0.2 --wave-hours 0.1                              # a first look
    python benchmarks/thousand_hours.py --hours 10 --out results/hours-10
    python benchmarks/thousand_hours.py --hours 1000 --rolling --wave-hours 50 --out results/hours-1000

An hour of 16 channels at 2 kHz takes 0.23 GB. With --rolling the hours come in waves, each prepared, read once and deleted, all
in one process, so that 1,000 hours fit on a small disk; without it there is one wave of all. Ten minutes of noise with bursts,
in whole counts of 1 uV, are rendered once; every ten minutes of the corpus are those, turned round the arm, shifted in time and
amplified by factors of their own, so that no two are alike.

Each finished wave is a line of FOLDER/log.jsonl, and a run that was stopped goes on after the last of them. Memory is sampled
twice a second, of this process and all that it started: `rss` adds up their resident sets, shared memory counted in each, `pss`
counts it once.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
from joblib.externals.loky import get_reusable_executor

from aemg.corpus import Corpus, WindowStream, prepare
from aemg.datasets.base import DatasetInfo, DatasetReader
from aemg.signals import Provenance, Recording, ring

CHANNELS, RATE_HZ = 16, 2000
SOURCE_S = 600
STEP = np.float32(1e-6)
INFO = DatasetInfo(
    name="hours", title="Simulated hours", subjects=100, channels=CHANNELS, rate_hz=RATE_HZ, unit="V", kind="raw", labels=(),
    device="none", montage="ring", licence="CC0-1.0", permissive=True, citation="none", homepage="none",
)  # fmt: skip


@dataclass(frozen=True)
class Wave:
    """Some hours, prepared and read: `start_s` to the first batch, `read_s` from there on. MB are 10^6 bytes, of float32 samples
    where they are not of files."""

    number: int
    hours: float
    shards: int
    file_mb: float
    prepare_s: float
    prepare_mb_per_s: float
    prepare_peak_rss_mb: float
    prepare_peak_pss_mb: float
    start_s: float
    read_s: float
    windows: int
    read_mb_per_s: float
    read_peak_rss_mb: float
    read_peak_pss_mb: float


class Memory:
    """The most memory that this process and those it started held at once since the block began, in MB."""

    def __enter__(self) -> Memory:
        self.rss_mb = self.pss_mb = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while True:
            rss = pss = 0
            for process in [me, *me.children(recursive=True)]:
                try:
                    held = process.memory_full_info()
                except psutil.Error:
                    continue
                rss += held.rss
                pss += getattr(held, "pss", held.rss)
            self.rss_mb, self.pss_mb = max(self.rss_mb, rss / 1e6), max(self.pss_mb, pss / 1e6)
            if self._over.wait(0.5):
                return


def render(root: Path) -> None:
    """Ten minutes of counts, (16, 1,200,000) int16."""
    root.mkdir(parents=True, exist_ok=True)
    if (root / "base.npy").exists():
        return
    from aemg.simulation import bursts  # here, since spawned processes import this file, and need none of that

    rng = np.random.default_rng(0)
    onset_s = np.arange(1.0, SOURCE_S - 3.0, 3.0)
    noise = bursts(onset_s.tolist(), rng.uniform(0.2, 1.8, len(onset_s)).tolist(), SOURCE_S, RATE_HZ, CHANNELS, 15.0, 0)
    counts = np.rint(noise.signal / STEP).clip(-8000, 8000).astype(np.int16)
    np.save(root / "base.partial.npy", counts)
    (root / "base.partial.npy").rename(root / "base.npy")


def read_source(root: Path, source: str) -> list[Recording]:
    """Ten minutes of their own, by the number that is their name."""
    rng = np.random.default_rng(int(source))
    counts = np.load(root / "base.npy", mmap_mode="r")
    signal = np.empty(counts.shape, np.float32)
    turn, shift = int(rng.integers(CHANNELS)), int(rng.integers(counts.shape[1]))
    for channel, gain in enumerate(rng.uniform(0.5, 2.0, CHANNELS).astype(np.float32)):
        turned = np.roll(counts[(channel + turn) % CHANNELS], shift)
        signal[channel] = (np.rint(turned * gain) + np.float32(0)) * STEP  # without -0.0, which is no count
    subject = str(int(source) % INFO.subjects)
    origin = Provenance(INFO.name, source, f"{int(source):064x}", INFO.licence)
    return [Recording(signal, RATE_HZ, ring("ring", CHANNELS), subject, source, origin, "V")]


def source_bytes(root: Path, source: str) -> int:
    """Of ten minutes of 16-bit samples."""
    return 2 * CHANNELS * SOURCE_S * RATE_HZ


def run_wave(number: int, sources: Sequence[str], folder: Path, args: argparse.Namespace) -> Wave:
    """Prepares and reads some sources."""
    reader = DatasetReader(INFO, folder / "native", tuple(sources), read_source, source_bytes)
    corpus = folder / f"wave-{number:04d}"
    mb = len(sources) * SOURCE_S * RATE_HZ * CHANNELS * 4 / 1e6
    with Memory() as writing:
        began_s = time.perf_counter()
        prepare(reader, corpus, jobs=args.jobs, shards=max(1, round(mb / 2 / args.shard_mb)))
        prepare_s = time.perf_counter() - began_s
    get_reusable_executor().shutdown()  # joblib keeps its processes for a while
    files = sorted(corpus.glob("*.h5"))
    file_mb = sum(file.stat().st_size for file in files) / 1e6
    windows = 0
    with Memory() as reading:
        began_s = time.perf_counter()
        with WindowStream(Corpus(corpus), window_s=0.2, batch=args.batch, workers=args.workers, seed=number) as stream:
            batches = iter(stream)
            windows += len(next(batches))
            start_s = time.perf_counter() - began_s
            began_s = time.perf_counter()
            for batch in batches:
                windows += len(batch)
            read_s = time.perf_counter() - began_s
    expected = len(sources) * SOURCE_S * 5
    if windows != expected:
        raise SystemExit(f"error: {windows} windows were read of {expected}")
    if args.rolling:
        shutil.rmtree(corpus)
    return Wave(
        number, len(sources) * SOURCE_S / 3600, len(files), file_mb, prepare_s, mb / prepare_s, writing.rss_mb, writing.pss_mb,
        start_s, read_s, windows, mb / read_s, reading.rss_mb, reading.pss_mb,
    )  # fmt: skip


def summary(waves: Sequence[Wave]) -> dict[str, float]:
    hours, mb = sum(w.hours for w in waves), sum(w.prepare_mb_per_s * w.prepare_s for w in waves)
    prepare_s, read_s = sum(w.prepare_s for w in waves), sum(w.read_s for w in waves)
    return {
        "hours": hours,
        "windows": sum(w.windows for w in waves),
        "file_gb": sum(w.file_mb for w in waves) / 1e3,
        "prepare_mb_per_s": mb / prepare_s,
        "prepare_hours_per_hour": hours / (prepare_s / 3600),
        "prepare_peak_rss_mb": max(w.prepare_peak_rss_mb for w in waves),
        "prepare_peak_pss_mb": max(w.prepare_peak_pss_mb for w in waves),
        "read_mb_per_s": mb / read_s,
        "read_hours_per_hour": hours / (read_s / 3600),
        "read_peak_rss_mb": max(w.read_peak_rss_mb for w in waves),
        "read_peak_pss_mb": max(w.read_peak_pss_mb for w in waves),
    }


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    folder = args.folder or Path(tempfile.mkdtemp(prefix="thousand-hours-"))
    render(folder / "native")
    sources = [f"{number:06d}" for number in range(max(1, round(args.hours * 3600 / SOURCE_S)))]
    size = max(1, round(args.wave_hours * 3600 / SOURCE_S)) if args.rolling else len(sources)
    log = folder / "log.jsonl"
    waves = [Wave(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
    print(f"{args.hours:g} hours in {folder}" + (f", {len(waves)} waves are done" if waves else ""))
    for number in range(len(waves), -(-len(sources) // size)):
        wave = run_wave(number, sources[number * size : (number + 1) * size], folder, args)
        waves.append(wave)
        with log.open("a") as file:
            file.write(json.dumps(asdict(wave)) + "\n")
        print(
            f"wave {number}: {wave.hours:g} h, {wave.shards} shards, prepared at {wave.prepare_mb_per_s:.0f} MB/s in "
            f"{wave.prepare_peak_pss_mb:.0f} MB, read at {wave.read_mb_per_s:.0f} MB/s in {wave.read_peak_pss_mb:.0f} MB",
            flush=True,
        )
    result = summary(waves)
    print("\n".join(f"{name:24s}{value:14.1f}" for name, value in result.items()))
    if args.out:
        report = {
            "command": " ".join(["python", "benchmarks/thousand_hours.py", *(sys.argv[1:] if argv is None else argv)]),
            "machine": f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}",
            "summary": result,
            "waves": [asdict(wave) for wave in waves],
        }
        args.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/thousand_hours.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    top.add_argument("--hours", type=float, default=10.0, help="(default %(default)s)")
    top.add_argument("--rolling", action="store_true", help="in waves, each deleted once it was read")
    top.add_argument("--wave-hours", type=float, default=50.0, help="of a wave with --rolling (default %(default)s)")
    top.add_argument("--folder", type=Path, help="where everything is, to go on there (default: a temporary one)")
    top.add_argument("--jobs", type=int, default=2, help="processes that prepare (default %(default)s)")
    top.add_argument("--shard-mb", type=float, default=1024, help="of a shard's file (default %(default)s)")
    top.add_argument("--workers", type=int, default=2, help="processes that read ahead (default %(default)s)")
    top.add_argument("--batch", type=int, default=256, help="(default %(default)s)")
    top.add_argument("--out", type=Path, help="where the report goes, .json")
    return top


if __name__ == "__main__":
    sys.exit(main())
