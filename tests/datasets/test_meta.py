"""The three sets of the generic neuromotor interface as recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aemg import datasets
from aemg.corpus import Corpus, prepare, verify
from aemg.datasets.formats.neuromotor_file import GesturePrompt, NeuromotorFile, Stage, TextPrompt
from aemg.errors import DataFileError
from aemg.signals import Event, Recording

MOCK = Path(__file__).resolve().parents[3] / "shared" / "data" / "meta_mock"
SETS = {"meta-gestures": "discrete_gestures", "meta-handwriting": "handwriting", "meta-wrist": "wrist"}
ROWS = 2000
TIMES = 1.7e9 + np.arange(ROWS) / 2000
EMG = np.arange(ROWS * 16, dtype=np.float32).reshape(ROWS, 16)
ANGLES = np.column_stack([np.linspace(-1, 1, ROWS), np.linspace(1, 0, ROWS)]).astype(np.float32)


def only(name: str, folder: Path) -> Recording:
    (recording,) = datasets.open(name, folder)
    return recording


def test_gestures_are_events_at_their_row(tmp_path: Path, write_neuromotor_file) -> None:
    times = TIMES.copy()
    times[1000:] += 0.5
    stages = [Stage("tapping", times[0], times[1500]), Stage("elsewhere", times[-1] + 5, times[-1] + 9)]
    prompts = [GesturePrompt("thumb_in", times[1200]), GesturePrompt("thumb_up", times[100] - 1e-5), GesturePrompt("x", 0.0)]
    path = tmp_path / "discrete_gestures_user_007_dataset_002.hdf5"
    write_neuromotor_file(path, "discrete_gestures", EMG, times, stages, prompts)
    recording = only("meta-gestures", tmp_path)
    assert np.array_equal(recording.signal, EMG.T) and recording.rate_hz == 2000
    assert (recording.subject, recording.session, recording.unit) == ("user_007", "dataset_002", "arbitrary")
    assert recording.events == (
        Event(0.0, "stage_start tapping"), Event(0.05, "thumb_up"), Event(0.5, "gap"), Event(0.6, "thumb_in"),
        Event(0.75, "stage_end tapping"),
    )
    (group,) = recording.montage.groups
    assert (group.kind, recording.montage.n_channels, recording.montage.angle_known) == ("ring", 16, False)
    assert np.allclose(np.diff(recording.montage.angles_deg), 22.5)


def test_texts_and_wrist_angles(tmp_path: Path, write_neuromotor_file) -> None:
    texts = [TextPrompt("hi🤏", TIMES[10], TIMES[30])]
    stages = [Stage("words", TIMES[5], TIMES[40], "standing")]
    write_neuromotor_file(tmp_path / "handwriting_user_000_dataset_000.hdf5", "handwriting", EMG, TIMES, stages, texts)
    assert [(event.time_s * 2000, event.name) for event in only("meta-handwriting", tmp_path).events] == [
        (5, "stage_start words"), (10, "prompt_start hi🤏"), (30, "prompt_end hi🤏"), (40, "stage_end words"),
    ]
    write_neuromotor_file(tmp_path / "wrist_user_000_dataset_000.hdf5", "wrist", EMG, TIMES, stages, None, ANGLES)
    (target,) = only("meta-wrist", tmp_path).targets
    assert (target.name, target.rate_hz, target.unit) == ("wrist_angles", 2000, "rad")
    assert np.array_equal(target.values, ANGLES.T)


def test_values_that_are_no_numbers_are_refused(tmp_path: Path, write_neuromotor_file) -> None:
    path = tmp_path / "wrist_user_000_dataset_000.hdf5"
    for emg, angles in ((EMG * np.where(EMG == 99, np.nan, 1), ANGLES), (EMG, ANGLES * np.nan)):
        write_neuromotor_file(path, "wrist", emg, TIMES, [], None, angles)
        with pytest.raises(DataFileError, match="finite numbers in"):
            only("meta-wrist", tmp_path)


@pytest.mark.parametrize("name", SETS)
def test_the_released_layout_becomes_a_corpus(name: str, tmp_path: Path) -> None:
    if not MOCK.is_dir():
        pytest.skip("no folder meta_mock beside the project")
    reader = datasets.open(name, MOCK)
    assert len(reader.sources) == 3 and reader.root == MOCK / SETS[name]
    result = prepare(reader, tmp_path, jobs=1)
    assert (result.recordings, result.subjects) == (3, 3) and verify(result.path) == []
    corpus = Corpus(tmp_path)
    for number, source in enumerate(reader.sources):
        recording = corpus.load(number)
        with NeuromotorFile(MOCK / SETS[name] / source) as file:
            assert np.array_equal(recording.signal, file.emg().T)
            assert len(recording.events) >= len(file.stages)
            assert len(recording.targets) == (name == "meta-wrist")
