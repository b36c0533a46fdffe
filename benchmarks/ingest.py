"""How fast native files are read and prepared, beside other parsers and beside the disk.

    python benchmarks/ingest.py --mb 2 --rounds 2               # a first look
    python benchmarks/ingest.py --out results/ingest.json

Files of six sets' formats are written with made-up samples, about --mb of each, of the sizes that the sets' own files have.

text     Their tables through `parse_table`, numpy.loadtxt and pandas.read_csv (C engine), and joined to one table.
binary   A source through its reader, checksum and float32 samples included, beside plain reads of the same files: from the page
         cache, and from the disk after the cache was told to forget them.
prepare  All of a set to a corpus on the disk, in this process alone.

Told are MB of native files a second: the median of rounds in which all ways take turns in this process. --threads 1 holds the
parser to one thread; without it it takes one a processor.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import h5py
import numpy as np
import pandas as pd
from scipy.io import savemat

Way = Callable[[], object]
MOVEMENTS = ("Open Hand", "Close Hand", "Flex Hand", "Extend Hand", "Pronation", "Supination", "Side Grip", "Fine Grip")
TEXTS = {"uci-gestures": "\t", "kanoga-myo": ",", "laval-3dc": ","}


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.threads:
        os.environ["POLARS_MAX_THREADS"] = str(args.threads)  # read when polars is imported
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        rows = measure(Path(folder), args.mb, args.rounds)
    print(table(rows))
    if args.out:
        command = " ".join(["python benchmarks/ingest.py", *(sys.argv[1:] if argv is None else argv)])
        machine = f"{platform.machine()}, {os.cpu_count()} processors"
        versions = {name: sys.modules[name].__version__ for name in ("numpy", "pandas", "polars", "h5py")}
        report = {"command": command, "machine": machine, "versions": versions, "rows": rows}
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python benchmarks/ingest.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    top.add_argument("--mb", type=float, default=30.0, help="of each set's files (default %(default)s)")
    top.add_argument("--rounds", type=int, default=7, help="medians are over so many (default %(default)s)")
    top.add_argument("--threads", type=int, help="of the text parser")
    top.add_argument("--folder", type=Path, help="for the files, on the disk to be measured")
    top.add_argument("--out", type=Path, help="a JSON file for the table")
    return top


def measure(folder: Path, mb: float, rounds: int) -> list[dict[str, Any]]:
    """The rows of the table: what was read, how many MB in how many files, and MB/s of each way."""
    from aemg import datasets
    from aemg.corpus import prepare

    rows = []
    for name, write in WRITERS.items():
        root = folder / name
        files = write(root, mb)
        os.sync()
        size_mb = sum(file.stat().st_size for file in files) / 1e6
        reader = datasets.open(name, root)
        tasks: dict[str, dict[str, Way]] = {"reader": {"reader": lambda r=reader: [len(r.read(s)) for s in r.sources]}}
        tasks["reader"] |= {"cached": lambda f=files: [len(file.read_bytes()) for file in f], "disk": lambda f=files: cold(f)}
        if name in TEXTS:
            tables = [body(name, file) for file in files]
            tasks["text, a file each"] = text_ways(tables, TEXTS[name])
            tasks["text, joined"] = text_ways([b"".join(tables)], TEXTS[name])
        out = folder / "corpus"
        tasks["prepare"] = {"prepare": lambda r=reader, o=out: prepare(r, o, jobs=1, overwrite=True)}
        for task, ways in tasks.items():
            rates = {way: size_mb / seconds for way, seconds in in_turns(ways, rounds).items()}
            rows.append({"set": name, "task": task, "files": len(files), "mb": round(size_mb, 2), "mb_per_s": rates})
    return rows


def in_turns(ways: dict[str, Way], rounds: int) -> dict[str, float]:
    """Median seconds of each way; each is run once before."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, run in ways.items():
            start = time.perf_counter()
            run()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in times.items()}


def text_ways(tables: list[bytes], separator: str) -> dict[str, Way]:
    """Ways to read tables without header."""
    from aemg.datasets.files import parse_table

    columns = tables[0].partition(b"\n")[0].count(separator.encode()) + 1
    options: dict[str, Any] = {"sep": separator, "header": None, "dtype": np.float64, "engine": "c"}
    return {
        "aemg": lambda: [parse_table(Path("table"), table, columns, separator=separator) for table in tables],
        "loadtxt": lambda: [np.loadtxt(io.BytesIO(table), delimiter=separator) for table in tables],
        "pandas": lambda: [pd.read_csv(io.BytesIO(table), **options).to_numpy() for table in tables],
    }


def cold(files: list[Path]) -> None:
    """Reads files that the page cache has forgotten, where the operating system can be told so."""
    for path in files:
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.read()


def body(name: str, file: Path) -> bytes:
    """The lines of numbers."""
    data = file.read_bytes()
    return data.partition(b"\n")[2] if name == "uci-gestures" else data


def table(rows: list[dict[str, Any]]) -> str:
    """The rows, as text."""
    lines = [f"{'set':<16}{'task':<20}{'files':>6}{'MB':>8}   MB/s"]
    for row in rows:
        rates = row["mb_per_s"]
        first = next(iter(rates))
        told = [f"{first} {rates[first]:.0f}"]
        told += [f"{way} {rate:.0f} ({rates[first] / rate:.2f}x)" for way, rate in rates.items() if way != first]
        lines.append(f"{row['set']:<16}{row['task']:<20}{row['files']:>6}{row['mb']:>8.1f}   {', '.join(told)}")
    return "\n".join(lines)


def counts(rows: int, channels: int, spread: float, seed: int) -> np.ndarray:
    return np.rint(np.random.default_rng(seed).normal(0, spread, (rows, channels))).astype(int)


def lines(values: np.ndarray, separator: str, form: Callable[[Any], str]) -> str:
    return "".join(separator.join(map(form, row)) + "\n" for row in values.tolist())


def write_uci(root: Path, mb: float) -> list[Path]:
    """Time in ms, eight channels in volts with few digits, a class: about 3 MB a file."""
    header = "\t".join(["time", *(f"channel{i}" for i in range(1, 9)), "class"]) + "\n"
    files = []
    for number in range(max(1, round(mb / 2.8))):
        rows = round(min(mb, 2.8) * 1e6 / 58)
        values = np.column_stack([np.arange(1, rows + 1), counts(rows, 8, 30, number) * 1e-5, np.arange(rows) // 3000 % 7])
        path = root / f"{number // 2 + 1:02}" / f"{number % 2 + 1}_raw_data_10-00_22.03.16.txt"
        files.append(saved(path, header + lines(values, "\t", "{:g}".format)))
    return files


def write_kanoga(root: Path, mb: float) -> list[Path]:
    """A thousand rows of int8 counts over 128: about 70 kB a file."""
    files = []
    for number in range(max(1, round(mb / 0.07))):
        values = np.clip(counts(1000, 8, 10, number), -128, 127) / 128
        path = root / "data" / f"sub{number // 40 + 1}" / f"M{number // 5 % 8 + 1}T{number % 5 + 1}.csv"
        files.append(saved(path, lines(values, ",", "{:.7g}".format)))
    return files


def write_laval_3dc(root: Path, mb: float) -> list[Path]:
    """Five thousand rows of ten whole numbers: about 170 kB a file."""
    files = []
    for number in range(max(1, round(mb / 0.17))):
        block, rest = ("train", "test")[number // 44 % 2], number % 44
        place = root / "Dataset" / f"Participant{number // 88}" / block / "3dc" / "EMG"
        path = place / f"3dc_EMG_gesture_{rest // 11}_{rest % 11}.txt"
        files.append(saved(path, lines(counts(5000, 10, 60, number), ",", str)))
    return files


def write_laval_myo(root: Path, mb: float) -> list[Path]:
    """int16 without a header; the set's own files are of 16 kB, these of 1 MB."""
    files = []
    for number in range(max(1, round(mb))):
        path = root / "PreTrainingDataset" / f"Male{number // 28}" / "training0" / f"classe_{number % 28}.dat"
        files.append(saved(path, np.clip(counts(62_500, 8, 20, number), -128, 127).astype("<i2").tobytes()))
    return files


def write_biopatrec(root: Path, mb: float) -> list[Path]:
    """MATLAB v5 without compression, float64: 9 MB a file."""
    files = []
    for number in range(max(1, round(mb / 9.2))):
        samples = counts(36_000, 4 * len(MOVEMENTS), 300, number).reshape(36_000, 4, len(MOVEMENTS)) / 3548
        session = {
            "sF": 2000, "sT": 18, "cT": 3, "rT": 3, "nM": len(MOVEMENTS), "nR": 3, "nCh": 4, "dev": "ADH",
            "mov": np.array([MOVEMENTS], dtype=object), "date": np.arange(6.0), "cmt": "", "tdata": samples,
        }  # fmt: skip
        path = root / "10mov4chForearmUntargeted" / f"{number + 1}.mat"
        path.parent.mkdir(parents=True, exist_ok=True)
        savemat(path, {"recSession": session})
        files.append(path)
    return files


def write_emg2qwerty(root: Path, mb: float) -> list[Path]:
    """HDF5 without compression: rows of two wrists with 16 float32 channels each, and a float64 time."""
    row = np.dtype([("emg_right", "<f4", (16,)), ("time", "<f8"), ("emg_left", "<f4", (16,))])
    rows = np.zeros(round(mb * 1e6 / row.itemsize), row)
    rows["time"] = 1.6e9 + np.arange(len(rows)) / 2000
    for seed, side in enumerate(("emg_left", "emg_right")):
        rows[side] = counts(len(rows), 16, 200, seed)
    name = "2021-06-02-1622679967-keystrokes-dca-study@1-0efbe614-9ae6-4131-9192-4398359b4f5f"
    told = {
        "session_name": name, "user": "1", "condition": "on_keyboard", "duration_mins": len(rows) / 120_000,
        "keystrokes": "[]", "prompts": "[]",
    }  # fmt: skip
    root.mkdir(parents=True)
    with h5py.File(root / f"{name}.hdf5", "w") as file:
        file.create_dataset("emg2qwerty/timeseries", data=rows)
        file["emg2qwerty"].attrs.update(told)
    return [root / f"{name}.hdf5"]


def saved(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


WRITERS: dict[str, Callable[[Path, float], list[Path]]] = {
    "uci-gestures": write_uci, "kanoga-myo": write_kanoga, "laval-3dc": write_laval_3dc, "laval-myo": write_laval_myo,
    "biopatrec-10mov": write_biopatrec, "emg2qwerty": write_emg2qwerty,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
