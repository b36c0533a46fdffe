"""A few simulated people, prepared, tokenised and pre-trained on once a session."""

from __future__ import annotations

import os

os.environ["ACCELERATE_USE_CPU"] = "true"  # bit for bit, whatever GPU is there

import pickle
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from aemg.corpus import prepare
from aemg.datasets.base import DatasetReader
from aemg.model import SIZES, AEMGConfig, NetworkConfig
from aemg.sessions import Session, SessionStore
from aemg.signals import Recording
from aemg.simulation import GESTURES, SimulatedRecording, simulate_set, with_truth
from aemg.training import OptimConfig, RunConfig, TrainingDataConfig, pretrain, train_tokenizer
from aemg.training.config import TrackingConfig

FOUR = ("wrist_flexion", "wrist_extension", "hand_close", "hand_open")
PEOPLE, REPETITIONS = 4, 3
VOID = {"meta", "br", "img", "link", "path", "use", "image", "rect"}

torch.set_num_threads(1)


def read_as_envelope(reader: DatasetReader, root: Path, source: str) -> list[Recording]:
    return [replace(r, kind="envelope") for r in reader.read_source(root, source)]


def renamed_as_envelope(reader: DatasetReader) -> DatasetReader:
    info = replace(reader.info, kind="envelope")
    return DatasetReader(info, reader.root, reader.sources, partial(read_as_envelope, reader))


def of_crowd(reader: DatasetReader, crowd: str) -> DatasetReader:
    return replace(reader, info=replace(reader.info, people=crowd))


@pytest.fixture(scope="session")
def tiny() -> NetworkConfig:
    """The smallest network that still has every part."""
    small = {"width": 32, "layers": 2, "heads": 2, "head_width": 16, "mlp_width": 64, "decoder_layers": 1}
    return replace(SIZES["tiny"], codes=32, code_width=8, **small)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sim-myo: four people, four gestures, three repetitions; sessions of the default setting are made."""
    folder = tmp_path_factory.mktemp("corpus")
    reader = simulate_set(
        "sim-myo", device="myo", people=PEOPLE, seed=3, gestures=FOUR, repetitions=REPETITIONS, hold_s=1.5, rest_s=0.7
    )
    prepare(reader, folder, jobs=1)
    default = AEMGConfig()
    SessionStore(folder, default.space, default.tokenizer).ensure(jobs=1)
    return folder


@pytest.fixture(scope="session")
def crowd_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sim-a and sim-b, two people each under the same names and of one crowd; sim-envelope holds no raw signal."""
    folder = tmp_path_factory.mktemp("crowd")
    two = {"people": 2, "gestures": FOUR[:2], "repetitions": 2}
    made = partial(simulate_set, device="myo", seed=5, hold_s=1.0, rest_s=0.5, **two)
    for name in ("sim-a", "sim-b"):
        prepare(of_crowd(made(name), "one-crowd"), folder, jobs=1)
    prepare(renamed_as_envelope(made("sim-envelope")), folder, jobs=1)
    default = AEMGConfig()
    SessionStore(folder, default.space, default.tokenizer).ensure(jobs=1)
    return folder


@pytest.fixture(scope="session")
def store(corpus: Path) -> SessionStore:
    default = AEMGConfig()
    return SessionStore(corpus, default.space, default.tokenizer)


@pytest.fixture(scope="session")
def sessions(store: SessionStore) -> list[Session]:
    return [store.load(key) for key in store.ensure(jobs=1)]


@pytest.fixture(scope="session")
def run_config(corpus: Path, tiny: NetworkConfig) -> Callable[..., RunConfig]:
    """Settings of a short run: `run_config(output, epochs=2, **other keys of RunConfig)`."""

    def made(output: Path, *, epochs: int = 2, batch: int = 8, lr: float = 2e-3, **other: object) -> RunConfig:
        values: dict[str, object] = {
            "data": TrainingDataConfig(corpus=corpus, sentence_tokens=8),
            "network": tiny,
            "optim": OptimConfig(epochs=epochs, batch=batch, lr=lr),
            "tracking": TrackingConfig(every_steps=1),
        }
        return RunConfig(output=output, **{**values, **other})  # type: ignore[arg-type]

    return made


@pytest.fixture(scope="session")
def runs(run_config: Callable[..., RunConfig], corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both stages, run without P01 and P02: <runs>/tokenizer and <runs>/pretrain."""
    folder = tmp_path_factory.mktemp("runs")
    data = TrainingDataConfig(corpus=corpus, sentence_tokens=8, exclude_people={"sim-myo": ("P01", "P02")})
    train_tokenizer(run_config(folder / "tokenizer", epochs=3, data=data))
    pretrain(run_config(folder / "pretrain", epochs=2, data=data, tokenizer=folder / "tokenizer"))
    return folder


@pytest.fixture(scope="session")
def people() -> list[list[SimulatedRecording]]:
    """Twelve people making all gestures under ten electrodes at 1000 Hz, with the truth of how the band was worn."""
    gestures = tuple(gesture for gesture in GESTURES if gesture != "rest")
    reader = simulate_set(
        "sim-worn", device="armband10", people=12, seed=3, gestures=gestures, repetitions=2, hold_s=1.0, rest_s=0.7
    )
    return [with_truth(reader, source) for source in reader.sources]


TEXT_COLUMNS = {"name", "prompt", "posture"}
COLUMNS = {
    ("discrete_gestures", "stages"): ("start", "end", "name"),
    ("handwriting", "stages"): ("start", "end", "name", "posture"),
    ("wrist", "stages"): ("start", "end", "name"),
    ("discrete_gestures", "prompts"): ("name", "time"),
    ("handwriting", "prompts"): ("prompt", "start", "end"),
}


def write_frame(file: h5py.File, name: str, columns: dict[str, list], layout: str = "pandas2") -> None:
    """A table as pandas writes it: text in one block of pickled objects (pandas2) or in a block a column (pandas3).

    "bytes" keeps text in plain arrays of fixed length instead.
    """
    kinds = {"pandas_type": "frame", "pandas_version": "0.15.2", "encoding": "UTF-8", "errors": "strict"}
    group = file.create_group(name)
    texts = [key for key in columns if key in TEXT_COLUMNS]
    numbers = [key for key in columns if key not in TEXT_COLUMNS]
    blocks = [numbers, *([[key] for key in texts] if layout == "pandas3" else [texts])]
    rows = len(columns[numbers[0]])
    for key, value in {**kinds, "CLASS": "GROUP"}.items():
        group.attrs[key] = np.bytes_(value)
    group.attrs["ndim"], group.attrs["nblocks"] = np.int64(2), np.int64(len(blocks))
    group["axis0"] = np.array(list(columns), dtype="S")
    put_array(group, "axis1", np.arange(rows, dtype=np.int64))
    for k, keys in enumerate(blocks):
        group[f"block{k}_items"] = np.array(keys, dtype="S")
        values = np.array([columns[key] for key in keys], dtype=object).T
        if keys == numbers:
            put_array(group, f"block{k}_values", values.astype(np.float64))
        elif layout == "bytes":
            put_array(group, f"block{k}_values", np.char.encode(values.astype(str), "utf-8"))
        else:
            pickled = pickle.dumps(values[:, 0] if layout == "pandas3" else values, protocol=5)
            kind = {"dtype": h5py.vlen_dtype(np.uint8), "chunks": (1,), "maxshape": (None,)}
            block = group.create_dataset(f"block{k}_values", (1,), **kind)
            block[0] = np.frombuffer(pickled, np.uint8)
            block.attrs["CLASS"], block.attrs["PSEUDOATOM"] = np.bytes_("VLARRAY"), np.bytes_("object")
            block.attrs["transposed"] = np.uint8(1)
            if layout == "pandas3":
                block.attrs["value_type"] = np.bytes_("str")


def put_array(group: h5py.Group, name: str, values: np.ndarray) -> None:
    """An array as PyTables writes it; of an empty one pandas keeps a placeholder and tells its shape apart."""
    group[name] = values if values.size else np.zeros((1,) * values.ndim)
    group[name].attrs["CLASS"], group[name].attrs["transposed"] = np.bytes_("ARRAY"), np.uint8(1)
    if not values.size:
        group[name].attrs["shape"] = np.bytes_(pickle.dumps(values.shape, protocol=0))


@pytest.fixture(scope="session")
def write_neuromotor_file() -> Callable[..., Path]:
    """Writes a session in the layout of Meta's neuromotor files.

    `write_neuromotor_file(path, task, emg, times, stages, prompts, wrist_angles=None, string_layout="pandas2",
    fields=("emg", "time", "wrist_angles"), compression=None)`: emg (n, 16), times (n,), wrist_angles (n, 2); stages and
    prompts are lists of the reader's dataclasses, or None for no such table. Gives `path`.
    """

    def write(
        path: Path, task: str, emg: np.ndarray, times: np.ndarray, stages: Sequence | None, prompts: Sequence | None,
        wrist_angles: np.ndarray | None = None, string_layout: str = "pandas2",
        fields: Sequence[str] = ("emg", "time", "wrist_angles"), compression: str | None = None,
    ) -> Path:  # fmt: skip
        values = {"emg": emg.astype("<f4"), "time": np.asarray(times, "<f8")}
        if wrist_angles is not None:
            values["wrist_angles"] = wrist_angles.astype("<f4")
        dtype = [(key, values[key].dtype, values[key].shape[1:]) for key in fields if key in values]
        rows = np.empty(len(times), dtype)
        for key, value in values.items():
            rows[key] = value
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=rows, compression=compression).attrs["task"] = task
            for name, table in (("stages", stages), ("prompts", prompts)):
                if table is not None:
                    lines = [asdict(line) for line in table]
                    columns = {key: [line[key] for line in lines] for key in COLUMNS[task, name]}
                    write_frame(file, name, columns, string_layout)
        return path

    return write


class Balance(HTMLParser):
    """Fails on tags that are not closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="session")
def check_page() -> Callable[[str], None]:
    """Fails on a page that is not well-formed, or that fetches anything."""

    def check(page: str) -> None:
        parser = Balance()
        parser.feed(page)
        parser.close()
        assert not parser.open
        assert not re.search(r"https?:|<script|<link|@import|src=(?!\"data:)", page)
        links = re.findall(r'href="([^"]*)"', page)
        assert all(link.startswith(("#", "data:")) for link in links)
        assert not re.findall(r"#0a0b\d\d", page)  # stand-in colours

    return check
