"""Writers of small files in every set's own format, with known content."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from native.earlier import (
    MOVEMENTS,
    arraymap,
    biopatrec,
    flexemg,
    kanoga,
    laval_3dc,
    laval_myo,
    text,
    uci,
    uci_rows,
    unibo,
    write,
)
from native.neuromotor import META_TASKS, meta

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def native() -> SimpleNamespace:
    """The writers."""
    return SimpleNamespace(
        text=text, write=write, uci_rows=uci_rows, uci=uci, laval_3dc=laval_3dc, biopatrec=biopatrec, kanoga=kanoga,
        arraymap=arraymap, flexemg=flexemg, laval_myo=laval_myo, unibo=unibo,
    )


@pytest.fixture(scope="session")
def write_all(native: SimpleNamespace) -> Callable[[Path], dict[str, Path]]:
    """Writes every set below a root, each in a folder of its own; gives one file of each."""

    def everything(root: Path) -> dict[str, Path]:
        return {
            "uci-gestures": native.uci(root / "uci"),
            "laval-3dc": native.laval_3dc(root / "laval", np.ones((250, 10), dtype=int)),
            "laval-3dc-myo": native.laval_3dc(root / "laval", np.ones((50, 8), dtype=int)),
            "biopatrec-10mov": native.biopatrec(root / "biopatrec", movements=MOVEMENTS[:1]),
            "kanoga-myo": native.kanoga(root / "kanoga", np.zeros((1000, 8))),
            "kanoga-myo-22": native.kanoga(root / "kanoga", np.zeros((1000, 8)), motion=22),
            "flexemg": native.flexemg(root / "flexemg"),
            "laval-myo": native.laval_myo(root / "laval_myo", np.ones((50, 8), dtype=int)),
            "unibo-inail": native.unibo(root / "unibo"),
            **{name: meta(root / "meta", task) for name, task in META_TASKS.items()},
        }

    return everything


@pytest.fixture(scope="session")
def real_set(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder that holds a real set: under AEMG_REAL_DATA where it is set, else unpacked from ../shared/data."""
    unpacked: list[Path] = []

    def folder(name: str) -> Path:
        ready = os.environ.get("AEMG_REAL_DATA")
        if ready:
            if not (Path(ready) / name).is_dir():
                pytest.skip(f"no {name} in AEMG_REAL_DATA ({ready})")
            return Path(ready) / name
        if not (SHARED / f"{name}.tar.xz").is_file():
            pytest.skip(f"no {name}.tar.xz in {SHARED}")
        if not unpacked:
            unpacked.append(tmp_path_factory.mktemp("real"))
        subprocess.run([sys.executable, SHARED / "unpack.py", unpacked[0], name], check=True, capture_output=True)
        return unpacked[0] / name

    return folder
