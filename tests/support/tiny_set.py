"""A set of made-up recordings, and a reader of it whose sources are small files that say what happens when they are read."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from aemg.corpus import CorpusWriter
from aemg.datasets.base import DatasetInfo, DatasetReader
from aemg.errors import DataFileError
from aemg.signals import Event, Interval, Provenance, Recording, ring

INFO = DatasetInfo(
    name="tiny", title="Tiny", subjects=2, channels=3, rate_hz=200.0, unit="V", kind="raw", labels=("rest", "fist"),
    device="none", montage="ring", licence="CC0-1.0", permissive=True, citation="none", homepage="none",
)  # fmt: skip
STEP = np.float32(3.05e-6)


def recording(
    seed: int = 0, *, channels: int = 3, samples: int = 1000, form: str = "counts", subject: str = "1"
) -> Recording:
    """A recording whose samples are stored as ADC counts, by a palette or as floats."""
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


def write(path: Path, recordings: list[Recording], **options: object) -> Path:
    """A prepared set with one recording a source."""
    with CorpusWriter(path, INFO, **options) as out:
        for number, item in enumerate(recordings):
            out.append([item], source=f"{number}")
    return path


def write_native(root: Path, sources: int = 9) -> DatasetReader:
    """Files 0.txt, 1.txt, ... that hold a seed each, and their reader."""
    root.mkdir()
    names = [f"{seed:03}.txt" for seed in range(sources)]
    for seed, name in enumerate(names):
        (root / name).write_text(f"{seed}")
    return DatasetReader(INFO, root, tuple(names), read)


def read(root: Path, source: str) -> list[Recording]:
    """Two recordings of the seed in the file.

    An empty file is damaged; `die` ends the process, once; `sleep` takes its time.
    """
    path = root / source
    seed, *words = path.read_text().split() or ["-1"]
    if "die" in words:
        path.write_text(seed)
        os.kill(os.getpid(), signal.SIGKILL)
    if "sleep" in words:
        time.sleep(0.05)
    if int(seed) < 0:
        raise DataFileError(path, "a number", "none")
    return [recording(int(seed), samples=1000 + int(seed), subject=f"{int(seed) % 2}") for _ in range(2)]
