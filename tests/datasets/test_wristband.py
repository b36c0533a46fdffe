"""emg2pose and emg2qwerty: samples, poses, strokes, people, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from native import emg2pose, emg2qwerty

from aemg import datasets
from aemg.datasets.base import DatasetReader
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Event, Recording

NAMES = {"emg2pose": emg2pose, "emg2qwerty": emg2qwerty}


def reader_of(name: str, root: Path) -> DatasetReader:
    return datasets.open(name, root)


def first(name: str, root: Path) -> Recording:
    reader = reader_of(name, root)
    return reader.read(reader.sources[0])[0]


def test_a_hand_and_its_pose(tmp_path: Path) -> None:
    emg2pose.write_file(tmp_path, emg2pose.rows(failed=(5, 6)))
    recording = first("emg2pose", tmp_path)
    data = emg2pose.rows()
    assert np.array_equal(recording.signal, data["emg"].T)
    assert (recording.rate_hz, recording.unit, recording.kind) == (2000, "arbitrary", "raw")
    assert (recording.subject, recording.montage.arm) == ("d387095792", "left")
    assert recording.session == f"{emg2pose.SESSION}-recording-1_left"
    (group,) = recording.montage.groups
    assert (group.kind, len(group.electrodes), recording.montage.angle_known) == ("ring", 16, False)
    (target,) = recording.targets
    assert (target.name, target.rate_hz, target.unit, target.values.shape) == ("joint_angles", 2000, "rad", (20, 400))
    assert np.flatnonzero(np.isnan(target.values).any(axis=0)).tolist() == [5, 6]
    assert np.isnan(target.values[:, 5:7]).all()
    assert np.array_equal(np.delete(target.values, (5, 6), axis=1), np.delete(data["joint_angles"].T, (5, 6), axis=1))
    assert recording.events == (Event(0.0, "stage_start FingerPinches1"), Event(399 / 2000, "stage_end FingerPinches1"))
    assert recording.intervals == () and reader_of("emg2pose", tmp_path).info.labels == ()


def test_a_pose_with_one_joint_at_zero_is_kept(tmp_path: Path) -> None:
    data = emg2pose.rows()
    data["joint_angles"][:, 3] = 0.0
    emg2pose.write_file(tmp_path, data)
    (target,) = first("emg2pose", tmp_path).targets
    assert np.isfinite(target.values).all() and not target.values[3].any()


def test_small_set_of_poses(tmp_path: Path) -> None:
    reader = reader_of("emg2pose", emg2pose.write_small_set(tmp_path))
    assert reader.sources == tuple(f"{emg2pose.name_of(*of)}.hdf5" for of in ((1, "left"), (1, "right"), (2, "left")))
    read = list(reader)
    assert [(r.subject, r.montage.arm) for r in read] == [("d387095792", "left"), ("d387095792", "right"), ("0a2b", "left")]
    assert len({(r.subject, r.session) for r in read}) == 3


def test_the_tar_is_read_in_place_as_its_files_are(tmp_path: Path) -> None:
    tar = emg2pose.write_tar(tmp_path)
    packed, unpacked = reader_of("emg2pose", tar.parent), reader_of("emg2pose", tmp_path / "unpacked")
    assert all(source.startswith(f"{tar.name}#emg2pose_dataset_mini/2022") for source in packed.sources)
    for one, other in zip(packed, unpacked, strict=True):
        assert np.array_equal(one.signal, other.signal) and one.events == other.events
        assert (one.subject, one.session, one.provenance.sha256) == (other.subject, other.session, other.provenance.sha256)
    sizes = [[reader.size_of(source) for source in reader.sources] for reader in (packed, unpacked)]
    assert sizes[0] == sizes[1] and all(sizes[0])


def test_a_cut_tar_or_a_compressed_one(tmp_path: Path) -> None:
    tar = emg2pose.write_tar(tmp_path / "a")
    tar.write_bytes(tar.read_bytes()[:5000])
    with pytest.raises(AEMGError, match=r"emg2pose"):
        list(reader_of("emg2pose", tar.parent))
    tar = emg2pose.write_tar(tmp_path / "b", "w:gz")
    with pytest.raises(DataFileError, match="uncompressed tar"):
        reader_of("emg2pose", tar.parent)


def test_both_hands_of_a_typist(tmp_path: Path) -> None:
    emg2qwerty.write_file(tmp_path)
    left, right = reader_of("emg2qwerty", tmp_path)
    data = emg2qwerty.rows()
    assert np.array_equal(left.signal, data["emg_left"].T) and np.array_equal(right.signal, data["emg_right"].T)
    assert (left.montage.arm, right.montage.arm) == ("left", "right")
    assert (left.session, right.session) == (f"{emg2qwerty.SESSION}_left", f"{emg2qwerty.SESSION}_right")
    assert left.subject == right.subject == "89335547"
    assert left.events == right.events
    assert [(round(event.time_s * 2000), event.name) for event in left.events] == [
        (0, "condition on_keyboard"), (20, "prompt_start hi there"),
        (100, "key_press h"), (120, "key_press Key.shift"), (150, "key_release h"),
        (300, "prompt_end hi there"),
    ]
    assert left.unit == "arbitrary" and left.intervals == ()


def test_a_gap_is_an_event_and_later_events_stay_with_their_rows(tmp_path: Path) -> None:
    strokes = [{"key": "x", "start": emg2qwerty.START + 0.5 + 150 / 2000, "end": None}]
    emg2qwerty.write_file(tmp_path, emg2qwerty.rows(gap_before=100), keystrokes=strokes, prompts=[])
    events = first("emg2qwerty", tmp_path).events
    assert events[1:] == (Event(0.05, "gap"), Event(0.075, "key_press x"))
    emg2pose.write_file(tmp_path, emg2pose.rows(gap_before=100))
    assert Event(0.05, "gap") in first("emg2pose", tmp_path).events


@pytest.mark.parametrize("name", NAMES)
def test_the_table_confirms_the_user(name: str, tmp_path: Path) -> None:
    native = NAMES[name]
    path = native.write_file(tmp_path)
    key = path.stem
    native.write_table(tmp_path, {key: "someone else"})
    with pytest.raises(DataFileError, match="the user 'someone else'"):
        first(name, tmp_path)
    native.write_file(tmp_path, user=None)
    assert first(name, tmp_path).subject == "someone else"
    (tmp_path / "metadata.csv").write_text("session,duration\na,1\n")
    with pytest.raises(DataFileError, match="columns user and"):
        first(name, tmp_path)
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(DataFileError, match="attribute user"):
        first(name, tmp_path)


def test_side_of_name_and_attribute_must_agree(tmp_path: Path) -> None:
    path = emg2pose.write_file(tmp_path)
    with h5py.File(path, "r+") as file:
        file["emg2pose"].attrs["side"] = "right"
    with pytest.raises(DataFileError, match="the side left"):
        first("emg2pose", tmp_path)


def falling(data: np.ndarray) -> None:
    data["time"][7] -= 1.0


def not_finite(data: np.ndarray) -> None:
    data[next(name for name in data.dtype.names if name.startswith("emg"))][3, 2] = np.nan


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("damage", "message"), [(falling, "never fall"), (not_finite, "without NaN")])
def test_wrong_values(name: str, damage: Callable[[np.ndarray], None], message: str, tmp_path: Path) -> None:
    data = NAMES[name].rows()
    damage(data)
    NAMES[name].write_file(tmp_path, data)
    with pytest.raises(DataFileError, match=message):
        first(name, tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_another_rate_layout_or_file(name: str, tmp_path: Path) -> None:
    native = NAMES[name]
    rate = {"emg2pose": "sample_rate", "emg2qwerty": "daq_sample_rate"}[name]
    path = native.write_file(tmp_path, **{rate: 1000.0})
    with pytest.raises(DataFileError, match=f"{rate} 2000 Hz, found 1000"):
        first(name, tmp_path)
    native.write_file(tmp_path, np.zeros(10, [("time", "<f8"), ("emg", "<f4", (8,))]))
    with pytest.raises(DataFileError, match="16 numbers emg"):
        first(name, tmp_path)
    native.write_file(tmp_path, native.rows(0))
    with pytest.raises(DataFileError, match="a stamp in every row"):
        first(name, tmp_path)
    with h5py.File(path, "w") as file:
        file.create_group(name)
    with pytest.raises(DataFileError, match="timeseries in the file, found nothing"):
        first(name, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(DataFileError, match="sound HDF5"):
        first(name, tmp_path)


@pytest.mark.parametrize(
    ("keystrokes", "message"),
    [("{", "JSON in keystrokes"), ("3", "list of objects"), ('[{"start": 1}]', "a key in every"),
     ('[{"key": "a", "start": "now"}]', "unix seconds in start"), ("[" * 100_000, "JSON in keystrokes")],
)  # fmt: skip
def test_wrong_strokes(keystrokes: str, message: str, tmp_path: Path) -> None:
    emg2qwerty.write_file(tmp_path, keystrokes=keystrokes)
    with pytest.raises(DataFileError, match=message):
        first("emg2qwerty", tmp_path)


def test_texts_with_half_characters_can_be_written_again(tmp_path: Path) -> None:
    emg2qwerty.write_file(tmp_path, keystrokes=json.dumps([{"key": "\ud83e", "start": emg2qwerty.START + 0.01}]), prompts=[])
    _, event = first("emg2qwerty", tmp_path).events
    assert event.name == "key_press ?" and event.name.encode()


def test_what_lies_outside_the_file_is_not_read(tmp_path: Path) -> None:
    path = emg2pose.write_file(tmp_path / "a")
    other = emg2pose.write_file(tmp_path / "b", recording=2)
    with h5py.File(path, "r+") as file:
        del file["emg2pose/timeseries"]
        file["emg2pose/timeseries"] = h5py.ExternalLink(str(other), "/emg2pose/timeseries")
    with pytest.raises(DataFileError, match="found a ExternalLink"):
        first("emg2pose", tmp_path / "a")


def test_a_declared_size_beyond_the_file_is_refused_unread(tmp_path: Path) -> None:
    path = emg2pose.write_file(tmp_path)
    with h5py.File(path, "r+") as file:
        attributes = dict(file["emg2pose"].attrs)
        del file["emg2pose/timeseries"]
        file["emg2pose"].create_dataset("timeseries", (1 << 40,), emg2pose.ROWS, chunks=(1024,), compression="gzip")
        file["emg2pose"].attrs.update(attributes)
    with pytest.raises(DataFileError, match="stored bytes can hold"):
        first("emg2pose", tmp_path)


def test_numbers_of_a_strange_kind_are_refused_unread(tmp_path: Path) -> None:
    path = emg2pose.write_file(tmp_path)
    strange = h5py.h5t.IEEE_F64LE.copy()
    strange.set_ebias(1000)
    with h5py.File(path, "r+") as file:
        attributes = dict(file["emg2pose"].attrs)
        del file["emg2pose/timeseries"]
        space = h5py.h5s.create_simple((10,))
        h5py.h5d.create(file["emg2pose"].id, b"timeseries", strange, space)
        file["emg2pose"].attrs.update(attributes)
    with pytest.raises(DataFileError, match="plain numbers in emg2pose/timeseries"):
        first("emg2pose", tmp_path)
