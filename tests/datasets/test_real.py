"""The real files: counts, rates and labels as published."""

from __future__ import annotations

import numpy as np
import pytest

from aemg import datasets

pytestmark = pytest.mark.real


def test_unibo_is_slow_and_never_negative(real_set) -> None:
    (recording,) = datasets.open("unibo-inail", real_set("unibo_inail_ENVELOPE"))
    assert recording.signal.shape == (4, 158536) and recording.signal.min() == 0.0
    assert sum(i.label == "rest" for i in recording.intervals) == 51
    assert all(sum(i.label == label for i in recording.intervals) == 10 for label in recording_labels("unibo-inail"))


def recording_labels(name: str) -> tuple[str, ...]:
    return tuple(label for label in datasets.info(name).labels if label != "rest")


def test_flexemg_neighbours_on_the_array_are_alike(real_set) -> None:
    recordings = list(datasets.open("flexemg", real_set("flexemg_64ch")))
    assert len(recordings) == 8 and {r.subject for r in recordings} == {"001", "002"}
    assert all(r.signal.shape == (64, 28000) for r in recordings)
    orders = {tuple(i.label for i in r.intervals) for r in recordings}
    assert len(orders) == 2
    moves = np.diff(recordings[0].signal, axis=1)
    alike = np.corrcoef(moves - moves.mean(axis=0)).reshape(4, 16, 4, 16)
    rows, columns = np.indices((4, 16))
    near = alike[rows, columns, rows, (columns + 1) % 16].mean()
    assert near > alike[rows, columns, rows, (columns + 8) % 16].mean() + 0.3


def test_laval_myo_counts(real_set) -> None:
    reader = datasets.open("laval-myo", real_set("laval_myo_dat"))
    recordings = list(reader)
    assert len(recordings) == 22 * 28 and len({r.subject for r in recordings}) == 22
    assert all(np.abs(r.signal).max() <= 128 and 3.6 < r.duration_s < 5.2 for r in recordings)
    keys = {(r.subject, i.label, i.trial) for r in recordings for i in r.intervals}
    assert len(keys) == len(recordings)


def test_biopatrec_contraction_is_stronger_than_rest(real_set) -> None:
    reader = datasets.open("biopatrec-10mov", real_set("biopatrec_10mov4ch"))
    recordings = reader.read("6.mat")
    assert len(recordings) == 10 and recordings[0].duration_s == 18.0
    stronger = 0
    for recording in recordings:
        power = {True: [], False: []}
        for i in recording.intervals:
            power[i.label == "rest"].append(recording.cut(i.start_s, i.end_s).signal.std())
        stronger += np.mean(power[False]) > 1.5 * np.mean(power[True])
    assert stronger >= 8 and 1e-5 < recordings[0].signal.std() < 1e-3


def test_uci_series_have_twelve_trials_at_an_even_rate(real_set) -> None:
    recordings = list(datasets.open("uci-gestures", real_set("uci_gestures_myo")))
    assert len(recordings) == 46 and len({r.subject for r in recordings}) == 24
    for recording in recordings:
        assert len(recording.intervals) == 12 and 45 < recording.duration_s < 75
        assert {i.label for i in recording.intervals} == set(datasets.info("uci-gestures").labels)
        assert np.abs(recording.signal).max() <= np.float32(0.00128)
    keys = [(r.subject, i.label, i.trial) for r in recordings for i in r.intervals]
    assert len(set(keys)) == len(keys) and max(trial for *_, trial in keys) == 3


@pytest.mark.slow
def test_3dc_participant_has_eight_trials_without_jumps(real_set) -> None:
    root = real_set("laval_3dc_and_myo")
    for name in ("laval-3dc", "laval-3dc-myo"):
        recordings = datasets.open(name, root).read("Participant22")
        assert len(recordings) == 88
        assert {(r.intervals[0].label, r.intervals[0].trial) for r in recordings} == {
            (label, trial) for label in datasets.info(name).labels for trial in range(8)
        }
        assert max(np.abs(r.signal - np.median(r.signal, axis=1, keepdims=True)).max() for r in recordings) <= 5000
