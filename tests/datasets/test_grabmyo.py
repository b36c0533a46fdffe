"""GRABMyo: signals by name, volts, days and trials."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from native import grabmyo as native

from aemg import datasets
from aemg.errors import DataFileError

GESTURES = {
    1: "side_grip", 2: "thumb_adduction", 3: "thumb_little_opposition", 4: "thumb_index_opposition",
    5: "thumb_index_extension", 6: "thumb_little_extension", 7: "two_fingers", 8: "little_extension", 9: "index_extension",
    10: "thumb_extension", 11: "wrist_extension", 12: "wrist_flexion", 13: "supination", 14: "pronation", 15: "hand_open",
    16: "hand_close", 17: "rest",
}  # fmt: skip


def expected(name: str, rows: int, start: int) -> np.ndarray:
    stored = start + np.arange(rows) + 100 * native.NAMES.index(name)
    return (stored - native.BASELINES[name]) / native.GAINS[name] * 1e-3


def test_samples_in_volts_by_the_names_of_the_signals(tmp_path: Path) -> None:
    native.write_trial(tmp_path, trial=3)
    (recording,) = datasets.open("grabmyo", tmp_path)
    names = [electrode.name for electrode in recording.montage.electrodes]
    assert names == [*(f"F{i}" for i in range(1, 17)), *(f"W{i}" for i in range(1, 13))]
    for channel, name in enumerate(names):
        assert np.allclose(recording.signal[channel], expected(name, 256, 3000), rtol=1e-6)
    assert recording.rate_hz == 2048 and recording.unit == "V" and recording.signal.shape == (28, 256)


def test_four_rings(tmp_path: Path) -> None:
    native.write_trial(tmp_path)
    (recording,) = datasets.open("grabmyo", tmp_path)
    groups = recording.montage.groups
    assert [(g.kind, len(g.electrodes), g.spacing_deg) for g in groups] == [("ring", 8, 45.0)] * 2 + [("ring", 6, 60.0)] * 2
    assert not recording.montage.angle_known


def test_columns_in_another_order_give_the_same_recording(tmp_path: Path) -> None:
    order = np.random.default_rng(0).permutation(32)
    values = native.stored()
    native.write_trial(tmp_path / "a", values=values)
    native.write_trial(tmp_path / "b", values=values[:, order], names=tuple(native.NAMES[i] for i in order))
    (a,), (b,) = datasets.open("grabmyo", tmp_path / "a"), datasets.open("grabmyo", tmp_path / "b")
    assert np.array_equal(a.signal, b.signal) and a.montage == b.montage


def test_labels_sessions_and_trials(tmp_path: Path) -> None:
    for gesture in GESTURES:
        for trial in (1, 7):
            native.write_trial(tmp_path, 3, 43, gesture, trial, rows=16)
    reader = datasets.open("grabmyo", tmp_path)
    assert reader.sources == ("Session3/session3_participant43",)
    recordings = list(reader)
    assert {(r.subject, r.session) for r in recordings} == {("43", "3")}
    found = [(i.label, i.trial, i.start_s, i.end_s) for r in recordings for i in r.intervals]
    assert found == [(label, trial, 0.0, 16 / 2048) for label in GESTURES.values() for trial in (0, 6)]
    assert tuple(GESTURES.values()) == reader.info.labels


def test_the_whole_small_set(tmp_path: Path) -> None:
    reader = datasets.open("grabmyo", native.write_set(tmp_path))
    assert len(reader.sources) == 4 and len(list(reader)) == 16
    assert {r.provenance.file for r in reader.read(reader.sources[0])} == {
        f"Session1/session1_participant1/session1_participant1_gesture{g}_trial{t}.dat" for g in (1, 17) for t in (1, 2)
    }


def test_refused(tmp_path: Path) -> None:
    def fails(match: str, **over) -> None:
        root = tmp_path / match[:5]
        path = native.write_trial(root, **over)
        reader = datasets.open("grabmyo", root)
        with pytest.raises(DataFileError, match=match) as caught:
            list(reader)
        assert path.stem in str(caught.value)

    fails("mV|millivolts", unit="V")
    fails("at 2000 Hz", rate_hz=2000)
    fails("a gesture from 1 to 17", gesture=18)
    fails("no W12", names=tuple("X1" if name == "W12" else name for name in native.NAMES))
    lost = native.stored()
    lost[3, 0] = -32768
    fails("without NaN", values=lost)


def test_a_record_in_the_wrong_folder_is_refused(tmp_path: Path) -> None:
    path = native.write_trial(tmp_path, 1, 1)
    for suffix in (".hea", ".dat"):
        other = path.with_suffix(suffix)
        other.rename(other.with_name(other.name.replace("participant1", "participant2")))
    with pytest.raises(DataFileError, match="a record of Session1/session1_participant1"):
        list(datasets.open("grabmyo", tmp_path))


def test_a_cut_record_is_refused(tmp_path: Path) -> None:
    path = native.write_trial(tmp_path).with_suffix(".dat")
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DataFileError, match=r"bytes, as session1_participant1_gesture1_trial1\.hea says"):
        list(datasets.open("grabmyo", tmp_path))
