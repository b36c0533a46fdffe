"""Every known set's real format, written small, read whole and held against its card."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from native import WRITERS

from aemg import datasets
from aemg.corpus.native import verify_native
from aemg.datasets.base import DatasetReader
from aemg.errors import DataFileError
from aemg.signals import Interval, Provenance, Recording, ring


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_a_set_in_its_own_format_agrees_with_its_card(name: str, tmp_path: Path) -> None:
    report = verify_native(datasets.open(name, WRITERS[name](tmp_path)))
    assert [problem for problem in report.problems if "the same bytes" not in problem] == []  # writers may repeat themselves
    assert report.recordings > 0 and report.hours > 0 and report.name.startswith(name)


INFO = replace(datasets.info("kanoga-myo"), subjects=1, rate_hz=200.0, channels=8, hours=1.0)


def good(root: Path, source: str) -> list[Recording]:
    signal = np.random.default_rng(int(source)).normal(size=(8, 400)).astype(np.float32)
    where = Provenance("kanoga-myo", f"{source}.csv", f"{source}", "Apache-2.0")
    return [Recording(signal, 200.0, ring("myo", 8), "1", "1", where, intervals=(Interval(0.0, 2.0, "hand_close"),))]


def changed(root: Path, source: str, **changes: object) -> list[Recording]:
    return [replace(recording, **changes) for recording in good(root, source)]  # type: ignore[arg-type]


def in_millivolts(root: Path, source: str) -> list[Recording]:
    return changed(root, source, unit="V")


def test_a_unit_that_no_emg_has_is_noted(tmp_path: Path) -> None:
    report = verify_native(DatasetReader(INFO, tmp_path, ("0",), in_millivolts))
    assert any("is the unit right?" in note for note in report.notes)


def of_another_rate(root: Path, source: str) -> list[Recording]:
    return changed(root, source, rate_hz=1000.0, intervals=())


def an_envelope(root: Path, source: str) -> list[Recording]:
    return changed(root, source, kind="envelope")


def with_a_label_too_late(root: Path, source: str) -> list[Recording]:
    return changed(root, source, intervals=(Interval(1.0, 2.5, "hand_close"),))


def with_an_unknown_label(root: Path, source: str) -> list[Recording]:
    return changed(root, source, intervals=(Interval(0.0, 1.0, "hand_wave"),))


def of_many_people(root: Path, source: str) -> list[Recording]:
    return changed(root, source, subject=source)


def the_same_bytes(root: Path, source: str) -> list[Recording]:
    return changed(root, source, provenance=Provenance("kanoga-myo", f"{source}.csv", "same", "Apache-2.0"))


def damaged(root: Path, source: str) -> list[Recording]:
    if source == "1":
        raise DataFileError("1.csv", "numbers", "letters")
    return good(root, source)


CASES = {
    of_another_rate: "at 1000 Hz, the card says 200", an_envelope: "of kind envelope",
    with_a_label_too_late: "outside of the signal", with_an_unknown_label: "not on the card: hand_wave",
    of_many_people: "2 subjects, the card says 1", the_same_bytes: "hold the same bytes", damaged: "expected numbers",
}  # fmt: skip


@pytest.mark.parametrize("read", CASES, ids=lambda read: read.__name__)
@pytest.mark.parametrize("jobs", [1, 2])
def test_what_contradicts_the_card_is_told(read, jobs: int, tmp_path: Path) -> None:
    if jobs == 2 and read is not damaged:
        pytest.skip("one case in processes is enough")
    sound = verify_native(DatasetReader(INFO, tmp_path, ("0", "1"), good))
    assert sound.problems == () and sound.recordings == 2 and any("hours" in n or " h, the card" in n for n in sound.notes)
    assert sound.labels == {"hand_close": 4.0} and sound.rates_hz == {200.0: 2} and sound.channels == {8: 2}
    told = []
    report = verify_native(
        DatasetReader(INFO, tmp_path, ("0", "1"), read), jobs=jobs, progress=lambda *step: told.append(step)
    )
    assert any(CASES[read] in problem for problem in report.problems), report.problems
    assert told == [(1, 2), (2, 2)]
