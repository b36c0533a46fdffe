"""What public recordings are known to suffer from is found in them, and little else."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from aemg import datasets
from aemg.quality import check_all, check_recording, material_of

pytestmark = pytest.mark.real
SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a real set: under AEMG_REAL_DATA where that is set, else unpacked from ../shared/data."""

    def folder(name: str) -> Path:
        ready = os.environ.get("AEMG_REAL_DATA")
        place = Path(ready) if ready else tmp_path_factory.getbasetemp() / "real-quality"
        if not ready and (SHARED / f"{name}.tar.xz").is_file():
            subprocess.run([sys.executable, SHARED / "unpack.py", place, name], check=True, capture_output=True)
        if not (place / name).is_dir():
            pytest.skip(f"no {name} in {place}")
        return place / name

    return folder


def test_an_envelope_that_is_said_to_be_raw(real: Callable[[str], Path]) -> None:
    (recording,) = datasets.open("unibo-inail", real("unibo_inail_ENVELOPE"))
    assert {f.kind: f.severity for f in check_recording(replace(recording, kind="raw"))}.get("envelope") == "fault"
    assert check_recording(recording) == ()


def test_uci_as_published_holds_its_samples_and_the_reader_mends_it(real: Callable[[str], Path]) -> None:
    root = real("uci_gestures_myo")
    file = min(root.rglob("01/1_raw_data_*.txt"))
    found = {f.kind: f for f in check_all([material_of(str(file), rate_hz=1000.0)]).recordings[0].findings}
    assert found["hold"].severity == "fault" and 85 < found["hold"].value < 93
    assert 940 < found["rate"].value < 990
    reader = datasets.open("uci-gestures", root)
    assert all(f.severity == "note" for r in reader.read(reader.sources[0]) for f in check_recording(r))


def test_flexemg_has_a_broken_packet_on_all_channels(real: Callable[[str], Path]) -> None:
    reader = datasets.open("flexemg", real("flexemg_64ch"))
    recording = next(r for r in reader if r.provenance.file.endswith("002-Session1Train/002-001.mat"))
    jump = next(f for f in check_recording(recording) if f.kind == "jump")
    assert len(jump.channels) == 64 and jump.where[0][0] == pytest.approx(0.05, abs=0.01)
