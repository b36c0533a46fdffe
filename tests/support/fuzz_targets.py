"""What is fuzzed: every reader on its set's real format, and every loader of files that AEMG itself writes.

A target writes sound files once. An input is a string of bytes that says which of them is damaged and how; the files are then
read. Whatever is damaged, reading gives a result or an `AEMGError`, nothing else.
"""

from __future__ import annotations

import shutil
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from native import WRITERS

from aemg import datasets
from aemg.errors import AEMGError

LARGEST = 1 << 20  # a file that a change may grow to
WORDS = (
    b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"-1", b"nan", b"1e400", b"\n", b",", b"\t",
    b'"', b"{}", b"[", b"0", b"99999999999", b"../", b"\x80\x04\x95", b"PK\3\4", b"\x89HDF\r\n\x1a\n", b"MATLAB", b"\x1f\x8b",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One reader or loader.

    Args:
        write: writes sound files below a folder, and gives what `read` takes.
        read: reads it whole.
    """

    name: str
    write: Callable[[Path], Any]
    read: Callable[[Any], None]


@dataclass
class Bench:
    """A target with its sound files at hand."""

    target: Target
    folder: Path
    inputs: int = 0
    refused: int = 0
    place: Any = None
    sound: dict[Path, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.place = self.target.write(self.folder)
        self.target.read(self.place)  # what is sound is read
        self.sound = {path: path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}

    def run(self, data: bytes) -> None:
        """Damages a file by an input, reads all, and mends it."""
        chance = Tape(data)
        paths = list(self.sound)
        path = paths[chance.below(len(paths))]
        path.write_bytes(damaged(self.sound[path], chance))
        self.inputs += 1
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.target.read(self.place)
        except AEMGError:
            self.refused += 1
        finally:
            path.write_bytes(self.sound[path])


class Tape:
    """Numbers out of an input's bytes, zeros when they are used up."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, n: int) -> bytes:
        found = self._data[self._at : self._at + n]
        self._at += n
        return found

    def below(self, n: int) -> int:
        return int(struct.unpack("<I", self.take(4).ljust(4, b"\0"))[0]) % max(1, n)

    def left(self) -> bool:
        return self._at < len(self._data)


def damaged(sound: bytes, chance: Tape) -> bytes:
    """A file's bytes after up to eight changes; heads of files, where sizes and kinds stand, are hit more often."""
    data = bytearray(sound)
    for _ in range(8):
        kind, near = chance.below(8), chance.below(3)
        at = chance.below(min(len(data), 512) if near else len(data))
        if kind == 0:
            data[at : at + 1] = chance.take(1)
        elif kind == 1:
            del data[at:]
        elif kind == 2:
            del data[at : at + 1 + chance.below(16)]
        elif kind == 3:
            data[at:at] = WORDS[chance.below(len(WORDS))]
        elif kind == 4:
            word = WORDS[chance.below(len(WORDS))]
            data[at : at + len(word)] = word
        elif kind == 5:
            size = 1 + chance.below(64)
            data[at:at] = data[chance.below(len(data)) :][:size]
        elif kind == 6 and len(data):
            data[min(at, len(data) - 1)] ^= 1 << chance.below(8)
        else:
            new = chance.take(1 + chance.below(12))
            data[at : at + len(new)] = new
        if not chance.left() or len(data) > LARGEST:
            break
    return bytes(data[:LARGEST])


def read_set(name: str, root: Path) -> None:
    reader = datasets.open(name, root)
    for source in reader.sources:
        for recording in reader.read(source):
            assert recording.signal.dtype == np.float32


def write_corpus(root: Path) -> Path:
    from aemg.corpus import prepare

    prepare(datasets.open("kanoga-myo", WRITERS["kanoga-myo"](root / "native")), root / "corpus", jobs=1)
    shutil.rmtree(root / "native")
    return root / "corpus"


def read_corpus(folder: Path) -> None:
    from aemg.corpus import Corpus, verify

    for file in sorted(folder.glob("*.h5")):
        verify(file)
    corpus = Corpus(folder)
    try:
        for i in range(len(corpus)):
            corpus.load(i)
    finally:
        corpus.close()


def tiny() -> Any:
    from dataclasses import replace

    from aemg.model import SIZES, AEMGConfig

    small = {"width": 16, "layers": 1, "heads": 1, "head_width": 16, "mlp_width": 16, "decoder_layers": 1, "codes": 8}
    return AEMGConfig(network=replace(SIZES["tiny"], **small))


def write_model(root: Path) -> Path:
    from aemg.model import AEMG

    AEMG(tiny()).save_pretrained(root / "model")
    return root / "model"


def read_model(folder: Path) -> None:
    from aemg.model import AEMG

    AEMG.from_pretrained(folder)


def write_session(root: Path) -> Path:
    from aemg.sessions import SessionKey, save_session, tokenise_session
    from aemg.simulation import simulate_set
    from aemg.tokenizer import TokenizerConfig
    from aemg.topology import SpaceConfig

    reader = simulate_set("sim", device="myo", people=1, seed=1, gestures=("hand_close",), repetitions=1, hold_s=0.6, rest_s=0.3)
    recordings = reader.read(reader.sources[0])
    save_session(tokenise_session(SessionKey("sim", "1", "1"), recordings, SpaceConfig(), TokenizerConfig()), root / "session")
    return root / "session"


def read_session(folder: Path) -> None:
    from aemg.sessions import load_session

    load_session(folder)


def write_checkpoint(root: Path) -> Path:
    """A run's folder with the checkpoint of its only step."""
    from torch import nn

    run, task = fit_run(root)
    assert isinstance(task, nn.Module)
    run.resume()
    run.checkpoint(1)
    run.close()
    return root


def read_checkpoint(root: Path) -> None:
    run, _ = fit_run(root)
    try:
        run.resume()
    finally:
        if run._bar is not None:
            run.close()


def fit_run(root: Path) -> Any:
    import torch
    from accelerate import Accelerator

    from aemg.training.config import FitSettings
    from aemg.training.run import Run

    accelerator = Accelerator(cpu=True)
    task = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(task.parameters())
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1.0)
    task(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    task, optimizer = accelerator.prepare(task, optimizer)
    return Run(accelerator, FitSettings(root, 1, 1), 1, 1, schedule), task


def write_released(root: Path) -> Path:
    """A checkpoint as Lightning writes it."""
    import torch

    chance = torch.Generator().manual_seed(0)
    state = {f"network.{name}": torch.randn(3, 4, generator=chance) for name in ("conv.weight", "lstm.weight", "head.bias")}
    torch.save({"state_dict": state, "hyper_parameters": {"lr": 1e-3}, "epoch": 1}, root / "model.ckpt")
    return root / "model.ckpt"


def read_released(path: Path) -> None:
    from aemg.neuromotor.checkpoint import read_checkpoint as read

    read(path)


def write_settings(root: Path) -> Path:
    from aemg.config import save_config
    from aemg.training import RunConfig

    save_config(RunConfig(), root / "config.yaml")
    return root / "config.yaml"


def read_settings(path: Path) -> None:
    from aemg.config import load_config
    from aemg.training import RunConfig

    load_config(RunConfig, path)


def write_archive(root: Path, kind: str) -> Path:
    content = root / "content" / "set"
    content.mkdir(parents=True)
    for name in ("a.csv", "b.csv"):
        (content / name).write_text("1,2,3\n" * 40)
    shutil.make_archive(str(root / "archive"), kind, root / "content")
    shutil.rmtree(root / "content")
    return next(root.glob("archive.*"))


def read_archive(path: Path) -> None:
    """Unpacks into a folder of its own, and sees that nothing was written beside it."""
    from aemg.datasets.download.unpack import unpack

    folder, before = path.parent / "in" / "here", {p for p in path.parent.rglob("*") if p.is_file()}
    try:
        unpack(path, folder, lambda what, done, total: None)
    finally:
        after = {p for p in path.parent.rglob("*") if p.is_file() and folder not in p.parents}
        shutil.rmtree(path.parent / "in", ignore_errors=True)
        assert after == before, f"written outside of the folder: {after - before}"


LOADERS = (
    Target("corpus", write_corpus, read_corpus),
    Target("model", write_model, read_model),
    Target("session", write_session, read_session),
    Target("checkpoint", write_checkpoint, read_checkpoint),
    Target("released-checkpoint", write_released, read_released),
    Target("settings", write_settings, read_settings),
    *(Target(f"archive-{kind}", partial(write_archive, kind=kind), read_archive) for kind in ("zip", "tar", "gztar", "xztar")),
)
TARGETS = {
    target.name: target
    for target in (*(Target(name, write, partial(read_set, name)) for name, write in WRITERS.items()), *LOADERS)
}
