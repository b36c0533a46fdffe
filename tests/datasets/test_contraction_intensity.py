"""Contraction intensity: efforts, motions by their numbers, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import contraction_intensity as native

from aemg import datasets
from aemg.errors import DataFileError

NAME = "contraction-intensity"


def test_samples_rate_and_placement(tmp_path: Path) -> None:
    path = native.write_repetition(tmp_path, 3, "50P", 6, 2)
    (recording,) = datasets.open(NAME, tmp_path)
    assert np.allclose(recording.signal, native.samples().T, rtol=1e-4) and recording.rate_hz == 1000
    assert (recording.subject, recording.unit, recording.montage.arm) == ("3", "arbitrary", "right")
    assert recording.provenance.file == path.relative_to(tmp_path).as_posix()
    assert recording.bandwidth_hz == (0.0, 450.0) and not recording.montage.angle_known
    (interval,) = recording.intervals
    assert (interval.start_s, interval.end_s, interval.label) == (0.0, 0.04, "chuck_grip")


def test_motions_are_numbered_from_one_in_the_order_of_the_sets_info(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    found = {r.provenance.file: r.intervals[0].label for r in datasets.open(NAME, tmp_path)}
    labels = [found[f"S1/S1_80P_C{motion}_R1.csv"] for motion in range(1, 8)]
    assert labels == list(datasets.info(NAME).labels)
    assert labels == ["rest", "wrist_flexion", "wrist_extension", "pronation", "supination", "chuck_grip", "hand_open"]
    assert set(found.values()) == set(datasets.info(NAME).labels)


def test_trials_are_apart_by_effort_and_repetition_and_shared_by_motions(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    trials: dict[int, set[str]] = {}
    for recording in datasets.open(NAME, tmp_path):
        if recording.subject == "1":
            name = recording.provenance.file
            trials.setdefault(recording.intervals[0].trial, set()).add(f"{name.split('_')[1]} {name.split('_')[3]}")
    assert all(len(kinds) == 1 for kinds in trials.values()) and len(trials) == 3 * 2


def test_subjects_of_two_digits_are_their_own(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    reader = datasets.open(NAME, tmp_path)
    assert reader.sources == ("S1", "S10")
    assert {r.subject for r in reader.read("S1")} == {"1"} and len(reader.read("S1")) == 3 * 7 * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "an empty file"), ("1,2,3,4,5,6,7\n", "8 numbers"), ("1,2,3,4,5,6,7,x\n", "8 numbers"),
        ("1,2,3,4,5,6,7,nan\n", "8 numbers"),
    ],
)  # fmt: skip
def test_damage_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = native.write_repetition(tmp_path)
    path.write_text(content)
    with pytest.raises(DataFileError, match=rf"{path.name}.*{message}"):
        list(datasets.open(NAME, tmp_path))


def test_an_unknown_motion_and_a_file_of_someone_else_are_refused(tmp_path: Path) -> None:
    path = native.write_repetition(tmp_path, motion=8)
    with pytest.raises(DataFileError, match="a motion from 1 to 7"):
        list(datasets.open(NAME, tmp_path))
    path.rename(path.with_name("S2_20P_C1_R1.csv"))
    with pytest.raises(DataFileError, match="files of S1"):
        list(datasets.open(NAME, tmp_path))
