"""MATLAB sets: biopatrec, flexemg, unibo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from aemg import datasets
from aemg.datasets.formats import mat5
from aemg.datasets.sets import biopatrec
from aemg.errors import DataFileError


def refused(name: str, root: Path, match: str) -> None:
    with pytest.raises(DataFileError, match=match):
        list(datasets.open(name, root))


def test_biopatrec_volts_cues_and_trials(tmp_path: Path, native) -> None:
    native.biopatrec(tmp_path, repetitions=3)
    first, second = datasets.open("biopatrec-10mov", tmp_path)
    assert first.signal.shape == (4, 36000) and first.band_hz == (20.0, 400.0)
    np.testing.assert_allclose(second.signal[:, 0], np.array([11, 12, 13, 14]) / 3548, rtol=1e-6)
    opened = [(i.start_s, i.end_s, i.trial) for i in first.intervals if i.label == "hand_open"]
    assert opened == [(0.5, 3.0, 0), (6.5, 9.0, 1), (12.5, 15.0, 2)]
    rests = [(i.start_s, i.end_s, i.trial) for r in (first, second) for i in r.intervals if i.label == "rest"]
    assert rests == [(6 * (k % 3) + 4.0, 6 * (k % 3) + 6.0, k) for k in range(6)]
    assert second.provenance.file == "6.mat#Close Hand" and (second.subject, second.session) == ("6", "1")


def test_biopatrec_montage_is_anatomical() -> None:
    ring = biopatrec._RING
    assert ring.angle_known and ring.angles_deg == (330.0, 60.0, 150.0, 240.0)


def test_biopatrec_comment_is_never_touched(tmp_path: Path, native, monkeypatch: pytest.MonkeyPatch) -> None:
    native.biopatrec(tmp_path)
    asked, get = set(), mat5.Record.get
    monkeypatch.setattr(mat5.Record, "get", lambda record, name: asked.add(name) or get(record, name))
    recordings = list(datasets.open("biopatrec-10mov", tmp_path))
    assert {"tdata", "mov"} < asked and not asked & {"cmt", "date"} and "initials" not in repr(recordings)


def test_biopatrec_leaves_the_table_of_subjects_alone(tmp_path: Path, native) -> None:
    path = native.biopatrec(tmp_path)
    path.with_name("Subjects Info.xlsx").mkdir()  # opening it would fail
    assert len(list(datasets.open("biopatrec-10mov", tmp_path))) == 2


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"sF": 1000}, "sF 2000 Hz, found 1000 Hz"),
        ({"sF": np.zeros(3)}, "one positive number in sF"),
        ({"sF": "fast"}, "one positive number in sF"),
        ({"tdata": np.zeros((11999, 4, 2))}, "tdata of 12000 x 4 x 2 real numbers, found float64 11999 x 4 x 2"),
        ({"tdata": np.zeros((12000, 5, 2))}, "12000 x 5 x 2"),
        ({"tdata": np.full((12000, 4, 2), np.inf)}, "tdata without NaN or infinity, found 96000"),
        ({"tdata": "nothing"}, "tdata of 12000 x 4 x 2"),
        ({"tdata": np.ones((12000, 4, 2)) * 1j}, "complex"),
        ({"mov": np.array([["Open Hand", "Juggle"]], dtype=object)}, "found Juggle"),
        ({"mov": np.array([["Agree", "Agree"]], dtype=object)}, "each once"),
        ({"mov": np.zeros((1, 2))}, "cell array of strings in mov"),
        ({"sT": 1e305}, "one positive number in sT"),
        ({"tdata": np.full((12000, 4, 2), 1e300)}, "tdata without NaN"),
        ({"nR": 2}, "fill 6 s, found 2 of 6 s"),
        ({"rT": 1, "cT": 5}, "rests that fill"),
    ],
)
def test_biopatrec_damage(fields: dict[str, object], match: str, tmp_path: Path, native) -> None:
    native.biopatrec(tmp_path, **fields)
    refused("biopatrec-10mov", tmp_path, match)


def test_mat_without_the_variable_or_struct(tmp_path: Path, native) -> None:
    path = native.biopatrec(tmp_path)
    savemat(path, {"other": 1})
    refused("biopatrec-10mov", tmp_path, "the variables recSession, found no recSession")
    savemat(path, {"recSession": np.ones(3)})
    refused("biopatrec-10mov", tmp_path, "a struct recSession, found ndarray")
    savemat(path, {"recSession": {"sF": 2000}})
    refused("biopatrec-10mov", tmp_path, "expected the field mov, found the fields sF")


@pytest.mark.parametrize("name", ["biopatrec-10mov", "flexemg", "unibo-inail"])
@pytest.mark.parametrize("kept", [0.001, 0.3, 0.99])
def test_truncated_mat(name: str, kept: float, tmp_path: Path, write_all) -> None:
    path = write_all(tmp_path)[name]
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(DataFileError) as caught:
        list(datasets.open(name, tmp_path))
    assert caught.value.file == str(path)


def test_flexemg_order_is_read_and_offset_removed(tmp_path: Path, native) -> None:
    native.flexemg(tmp_path, sequence=(3, 4, 2, 1))
    native.flexemg(tmp_path, sequence=(1, 2, 4, 3), trial=2)
    native.flexemg(tmp_path, folder="001-Session1Test")
    test, first, second = datasets.open("flexemg", tmp_path)
    found = [(i.start_s, i.end_s, i.label) for i in first.intervals]
    assert found == [
        (0.0, 0.5, "rest"), (1.0, 1.5, "wrist_flexion"), (2.0, 2.5, "hand_open"), (3.0, 3.5, "wrist_extension"),
        (4.0, 4.5, "hand_close"),
    ]  # fmt: skip
    assert [i.label for i in second.intervals][1:] == ["hand_close", "wrist_extension", "hand_open", "wrist_flexion"]
    assert [r.intervals[0].trial for r in (test, first, second)] == [100, 0, 1]
    assert (first.subject, first.session, first.signal.shape) == ("001", "1", (64, 7500))
    np.testing.assert_allclose(first.signal[:, :4], [[0, 0, 3.0517578125e-6, 0]] * 64, rtol=1e-6)


def test_flexemg_full_length_gestures(tmp_path: Path, native) -> None:
    native.flexemg(tmp_path, rest=5000, gesture=5000)
    (recording,) = datasets.open("flexemg", tmp_path)
    assert recording.signal.shape == (64, 28000)
    assert [i.start_s for i in recording.intervals] == [0.0, 5.5, 10.5, 15.5, 20.5]


def test_flexemg_channels_follow_the_array_map(tmp_path: Path, native) -> None:
    placed = native.arraymap(tmp_path)
    raw = np.zeros((7500, 96), dtype=np.uint16)
    raw[0, :64] = np.arange(1, 65) * 10
    native.flexemg(tmp_path, raw=raw)
    (recording,) = datasets.open("flexemg", tmp_path)
    columns = np.round(recording.signal[:, 0] / 3.0517578125e-5).astype(int)
    for channel, electrode in enumerate(recording.montage.electrodes):
        along, around = divmod(channel, 16)
        assert columns[channel] == placed[around, along]
        assert electrode.angle_deg == around * 22.5 and electrode.name == f"r{along + 1}c{around + 1}"


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({"sequence": (1, 2, 3, 3)}, "once in p.sequence"),
        ({"sequence": (0, 1, 2, 3)}, "once in p.sequence"),
        ({"raw": np.zeros((7499, 96), dtype=np.uint16)}, "raw of 7500 x 96 real numbers, found uint16 7499 x 96"),
        ({"raw": np.zeros((7500, 64), dtype=np.uint16)}, "7500 x 64"),
        ({"raw": np.ones((7500, 96), dtype=np.uint16)}, "packets were lost"),
        ({"labelnames": np.array([["Fist", "Wave", "Lower", "Open"]], dtype=object)}, "Wave"),
        ({"timegest": -1}, "one positive number in timegest"),
        ({"lsbmV": np.nan}, "one positive number in lsbmV"),
    ],
)
def test_flexemg_damage(over: dict[str, object], match: str, tmp_path: Path, native) -> None:
    native.flexemg(tmp_path, **over)
    refused("flexemg", tmp_path, match)


def test_flexemg_array_map_damage(tmp_path: Path, native) -> None:
    native.flexemg(tmp_path)
    savemat(tmp_path / "arraymap.mat", {"arraymap": np.ones((16, 4))})
    refused("flexemg", tmp_path, "each of the columns 1 to 64 once")
    (tmp_path / "arraymap.mat").unlink()
    refused("flexemg", tmp_path, r"arraymap.mat: expected a readable file, found No such file")


def test_unibo_is_an_envelope_with_runs_of_codes(tmp_path: Path, native) -> None:
    native.unibo(tmp_path)
    native.unibo(tmp_path, posture=2)
    first, second = datasets.open("unibo-inail", tmp_path)
    assert first.kind == "envelope" and first.unit == "arbitrary" and first.montage.groups[0].kind == "targeted"
    assert [e.muscle for e in first.montage.electrodes] == ["ECU", "EDC", "FCR", "FCU"]
    np.testing.assert_array_equal(first.signal[:, 1], [4, 5, 6, 7])
    assert [(i.start_s, i.end_s, i.label, i.trial) for i in first.intervals[:4]] == [
        (0.0, 0.5, "rest", 0), (0.5, 1.0, "hand_open", 0), (1.0, 1.5, "rest", 1), (1.5, 2.0, "power_grip", 0),
    ]  # fmt: skip
    assert (second.subject, second.session, second.intervals[0].trial) == ("1", "2", 1000)


@pytest.mark.parametrize(
    ("over", "match"),
    [
        ({"emg": np.zeros((1500, 5))}, "emg of any x 4 real numbers, found float64 1500 x 5"),
        ({"emg": np.zeros((1499, 4))}, "relabel of 1499 x 1"),
        ({"emg": np.full((1500, 4), np.nan)}, "emg without NaN or infinity"),
        ({"relabel": np.full((1500, 1), 7.0)}, "codes 1 to 6 in relabel, found 7"),
        ({"relabel": np.full((1500, 1), 1.5)}, "found 1.5"),
    ],
)
def test_unibo_damage(over: dict[str, object], match: str, tmp_path: Path, native) -> None:
    native.unibo(tmp_path, **over)
    refused("unibo-inail", tmp_path, match)
