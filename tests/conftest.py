"""A few simulated people, prepared, tokenised and pre-trained on once a session."""

from __future__ import annotations

import os

os.environ["ACCELERATE_USE_CPU"] = "true"  # bit for bit, whatever GPU is there

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from hypothesis import settings
from native.neuromotor import write_neuromotor_file

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
settings.register_profile("repeatable", derandomize=True, database=None)  # the same examples in every run
settings.load_profile("repeatable")


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


@pytest.fixture(scope="session", name="write_neuromotor_file")
def _write_neuromotor_file() -> Callable[..., Path]:
    """Writes a session in the layout of Meta's neuromotor files; see `native.neuromotor`."""
    return write_neuromotor_file


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
