"""Ninapro's readers: samples, labels and times of files of known content, and every trap of the databases."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import ninapro
from native.ninapro import LAG, MOVE, REPETITIONS, REST, write_exercise
from scipy.io import loadmat, savemat

from aemg import datasets
from aemg.datasets.labels import unmapped
from aemg.datasets.sets.ninapro_format import UNKNOWN, intervals
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Recording
from aemg.topology.unify import slot_weights

NUMBERS = tuple(ninapro.COLUMNS)
KEPT = {6: [*range(8), *range(10, 16)]}
CYCLE = MOVE + REST


def only(number: int, path: Path) -> Recording:
    """The one recording of a file."""
    reader = datasets.open(f"ninapro-db{number}", path.parent)
    (recording,) = reader.read(path.relative_to(reader.root).as_posix())
    return recording


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All databases beside each other."""
    root = tmp_path_factory.mktemp("ninapro")
    for name, write in ninapro.WRITERS.items():
        write(root / name)
    return root


@pytest.mark.parametrize("number", NUMBERS)
def test_samples_unit_rate_and_order_of_channels(number: int, small: Path) -> None:
    for recording in datasets.open(f"ninapro-db{number}", small):
        if recording.provenance.file.endswith("#2"):
            continue
        stored = ninapro.emg(number, recording.signal.shape[1]).astype(np.float32)
        np.testing.assert_array_equal(recording.signal, stored[:, KEPT.get(number, slice(None))].T)
        card = datasets.info(f"ninapro-db{number}")
        assert (recording.rate_hz, recording.unit, recording.kind) == (card.rate_hz, card.unit, card.kind)
        assert recording.montage.n_channels == card.channels
        assert len(recording.provenance.sha256) == 64


@pytest.mark.parametrize("number", [n for n in NUMBERS if n != 10])
def test_movements_and_rests_lie_where_the_relabelled_codes_have_them(number: int, small: Path) -> None:
    recording = next(iter(datasets.open(f"ninapro-db{number}", small)))
    rate, label = recording.rate_hz, datasets.info(f"ninapro-db{number}").labels[1]
    told = [(i.start_s * rate, i.end_s * rate, i.label, i.trial) for i in recording.intervals[:5]]
    expected = [
        (0, REST, "rest", 1),
        (REST, REST + MOVE, label, 1),
        (REST + MOVE, REST + CYCLE, "rest", 1),
        (REST + CYCLE, REST + CYCLE + MOVE, label, 2),
        (REST + CYCLE + MOVE, REST + 2 * CYCLE, "rest", 2),
    ]
    assert [(round(a), round(b), c, d) for a, b, c, d in told] == expected
    assert LAG > 0  # so that the cue would have given other times


@pytest.mark.parametrize("number", NUMBERS)
def test_card_tells_what_is_read(number: int, small: Path) -> None:
    reader = datasets.open(f"ninapro-db{number}", small)
    recordings = list(reader)
    found = dict.fromkeys(i.label for r in recordings for i in r.intervals)
    assert tuple(found) == reader.info.labels
    assert len(reader.info.own_labels) == len(reader.info.labels) == len(set(reader.info.own_labels))
    assert {r.subject for r in recordings} == ({"010", "011"} if number == 10 else {"1", "2"})
    assert reader.info.permissive is False


def test_only_codes_without_names_and_to_and_fro_movements_stay_unmapped() -> None:
    left = {number: unmapped(datasets.info(f"ninapro-db{number}")) for number in NUMBERS}
    assert {number for number, labels in left.items() if labels} == {6, 8}
    assert len(left[6]) == 7 and all(label.endswith(("_extension", "_adduction")) for label in left[8])
    assert left[6][3] == "ninapro_db6_grasp_6" and datasets.info("ninapro-db6").own_labels[4] == "6"


@pytest.mark.parametrize(
    ("number", "exercise", "stored_from"), [(1, 2, 1), (1, 2, 13), (5, 3, 30), (2, 2, 18), (2, 2, 1), (2, 3, 1), (7, 2, 1)]
)
def test_movements_may_be_numbered_on_or_from_one(number: int, exercise: int, stored_from: int, tmp_path: Path) -> None:
    codes = ninapro.CODES[number][exercise]
    restimulus, _ = ninapro.labels(range(stored_from, stored_from + len(codes)))
    here = only(number, write_exercise(tmp_path / f"db{number}" / "a", number, 1, exercise, restimulus=restimulus))
    assert here.intervals == only(number, write_exercise(tmp_path / f"db{number}" / "b", number, 1, exercise)).intervals


def test_codes_of_another_exercise_are_refused(tmp_path: Path) -> None:
    restimulus, _ = ninapro.labels([*range(18, 40), 99])
    path = write_exercise(tmp_path, 2, 1, 2, restimulus=restimulus)
    with pytest.raises(DataFileError, match=r"codes of movements from 18 to 40 or 1 to 23.*99"):
        only(2, path)


def test_names_rule_over_the_numbers_inside(tmp_path: Path) -> None:
    path = write_exercise(tmp_path, 4, 1, 1, subject=np.uint8(7))
    assert loadmat(path)["exercise"].item() == 2
    recording = only(4, path)
    assert recording.subject == "1" and recording.intervals[1].label == "index_flexion"
    assert recording.montage.arm == "right"
    assert only(7, write_exercise(tmp_path / "db7", 7, 22, subject=np.uint8(2))).subject == "22"


@settings(max_examples=25, deadline=None, derandomize=True)
@given(lacking=st.integers(-40, 40), repetitions_too=st.booleans())
def test_labels_of_other_length_leave_the_end_unlabelled_and_invent_no_rest(
    lacking: int, repetitions_too: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    codes, repetitions = ninapro.labels(range(41, 50))
    rows = len(codes)

    def resized(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values, np.full((max(-lacking, 0), 1), 5, np.int8)])[: rows - lacking]

    over = {"restimulus": resized(codes), **({"rerepetition": resized(repetitions)} if repetitions_too else {})}
    path = write_exercise(tmp_path_factory.mktemp("db2"), 2, 1, 3, **over)
    recording = only(2, path)
    assert recording.signal.shape[1] == rows
    last = rows - max(lacking, 0)
    covered = np.zeros(rows, int)
    for i in recording.intervals:
        covered[round(i.start_s * 2000) : round(i.end_s * 2000)] += 1
    assert (covered[:last] == 1).all() and not covered[last:].any()


def test_labels_of_quite_another_length_are_refused(tmp_path: Path) -> None:
    path = write_exercise(tmp_path, 1, restimulus=np.zeros((500, 1), np.int8))
    with pytest.raises(DataFileError, match="about 730 rows in restimulus, as in emg, found 500"):
        only(1, path)
    halves = ninapro.labels(range(1, 13))[0] / 2
    with pytest.raises(DataFileError, match="whole numbers from -999 to 999 in restimulus"):
        only(1, write_exercise(tmp_path, 1, restimulus=halves))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 0, 1, 2, UNKNOWN]), st.sampled_from([-2, 0, 1, 2, 3, UNKNOWN]), st.integers(1, 5)),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_every_sample_has_the_label_of_its_code_or_none(parts: list[tuple[int, int, int]]) -> None:
    codes = np.concatenate([np.full(n, code, np.int16) for code, _, n in parts])
    told = np.concatenate([np.full(n, repetition, np.int16) for _, repetition, n in parts])
    found = intervals(Path("x.mat"), codes, told, {1: "a", 2: "b"}, 1.0)
    seen = np.full(len(codes), "", object)
    before = 0.0
    for i in found:
        assert before <= i.start_s < i.end_s and i.trial > 0
        before = i.end_s
        seen[round(i.start_s) : round(i.end_s)] = i.label
        mine = told[round(i.start_s) : round(i.end_s)]
        assert i.label == "rest" or set(mine[mine > 0].tolist()) <= {i.trial}
    names = {0: "rest", 1: "a", 2: "b", UNKNOWN: ""}
    assert all(name in (names[code], "") for name, code in zip(seen, codes))
    assert (seen[codes == 0] == "rest").all()
    positive = told > 0
    assert (seen[(codes > 0) & positive] != "").all()


def test_a_movement_without_a_repetition_stays_without_label(tmp_path: Path) -> None:
    _, repetitions = ninapro.labels(range(1, 13))
    repetitions[REST : REST + MOVE] = 0  # all of the first
    repetitions[REST + CYCLE : REST + CYCLE + 3] = 0  # the begin of the second
    found = only(1, write_exercise(tmp_path, 1, rerepetition=repetitions)).intervals
    assert [(i.label, i.trial) for i in found[:4]] == [("rest", 2), ("rest", 2), ("index_flexion", 2), ("rest", 2)]
    assert found[2].end_s - found[2].start_s == pytest.approx(MOVE / 100)


@pytest.mark.parametrize("name", ["restimulus", "rerepetition", "emg"])
def test_a_file_without_a_needed_variable_is_refused(name: str, tmp_path: Path) -> None:
    path = write_exercise(tmp_path, 2)
    variables = {key: value for key, value in loadmat(path).items() if not key.startswith("__") and key != name}
    savemat(path, variables)
    with pytest.raises(DataFileError, match=f"the variable {name}"):
        only(2, path)


def test_what_is_not_needed_is_not_decoded(tmp_path: Path) -> None:
    path = write_exercise(tmp_path, 2, acc=np.array([[1 + 2j]]))
    assert len(only(2, path).intervals) == 1 + 2 * 17 * REPETITIONS


def test_db1_is_an_envelope_of_100_hz(small: Path) -> None:
    card = datasets.info("ninapro-db1")
    assert (card.kind, card.rate_hz, card.unit) == ("envelope", 100.0, "arbitrary")


@pytest.mark.parametrize("lack", ["columns", "zeros", "nan"])
def test_db3_with_ten_electrodes(lack: str, tmp_path: Path) -> None:
    samples = ninapro.emg(3, len(ninapro.labels(range(1, 18))[0]))
    samples[:, 10:] = np.nan if lack == "nan" else 0.0
    path = write_exercise(tmp_path, 3, 6, emg=samples[:, :10] if lack == "columns" else samples)
    recording = only(3, path)
    assert recording.signal.shape[0] == 10
    assert [e.name for e in recording.montage.electrodes] == [*"12345678", "FDS", "EDC"]
    with pytest.raises(DataFileError, match="emg of samples x 12 numbers, found float32 1030 x 10"):
        only(2, write_exercise(tmp_path / "db2", 2, emg=samples[:, :10]))


def test_dryads_names_of_db3_files(tmp_path: Path) -> None:
    path = write_exercise(tmp_path, 3)
    dryad = tmp_path / "dryad" / "S1_A1_E1.mat"
    dryad.parent.mkdir()
    shutil.move(path, dryad)
    assert only(3, dryad).intervals[1].label == "thumb_up"


def test_samples_must_be_numbers(tmp_path: Path) -> None:
    samples = ninapro.emg(2, 1030)
    samples[5, 3] = np.nan
    with pytest.raises(DataFileError, match="1 of them in column 4"):
        only(2, write_exercise(tmp_path, 2, emg=samples))
    with pytest.raises(DataFileError, match="a column of emg with samples, found zeros only"):
        only(2, write_exercise(tmp_path, 2, emg=0 * ninapro.emg(2, 1030)))
    with pytest.raises(DataFileError, match="found float32 0 x 12"):
        only(2, write_exercise(tmp_path, 2, emg=samples[:0]))


def test_the_second_myo_of_db5_is_turned_by_half_a_gap(small: Path) -> None:
    recording = next(iter(datasets.open("ninapro-db5", small)))
    upper, lower = (np.array([e.angle_deg for e in group.electrodes]) for group in recording.montage.groups)
    assert len(upper) == len(lower) == 8
    np.testing.assert_allclose((upper - lower) % 360, 22.5)
    assert recording.montage.groups[0].electrodes[0].position < recording.montage.groups[1].electrodes[0].position


def test_db6_leaves_out_its_empty_columns_and_tells_days_and_times(tmp_path: Path) -> None:
    for day, time in ((1, 1), (1, 2), (5, 1)):
        ninapro.write_db6(tmp_path, 1, day, time)
    recordings = list(datasets.open("ninapro-db6", tmp_path))
    assert [r.session for r in recordings] == ["D1T1", "D1T2", "D5T1"]
    assert all(r.signal.shape[0] == 14 and r.signal.any(axis=1).all() for r in recordings)
    assert recordings[0].signal[8, 0] == pytest.approx(1100e-6)  # the eleventh column
    samples = ninapro.emg(6, recordings[0].signal.shape[1])
    samples[:, 8] = 1.0
    with pytest.raises(DataFileError, match=r"without an electrode, found samples in \[9\]"):
        only(6, ninapro.write_db6(tmp_path, emg=samples))


def test_db8_has_a_narrow_band_and_the_gloves_raw_values(tmp_path: Path) -> None:
    for acquisition in (1, 2, 3):
        ninapro.write_db8(tmp_path, 1, acquisition)
    first, second, third = datasets.open("ninapro-db8", tmp_path)
    assert first.rate_hz == 2000.0 and first.bandwidth_hz == (0.0, 555.0)
    assert [{i.trial for i in r.intervals} for r in (first, second, third)] == [{1, 2}, {11, 12}, {21, 22}]
    (glove,) = first.targets
    assert (glove.name, glove.rate_hz, glove.unit) == ("glove", 100.0, "arbitrary")
    expected = ninapro.glove(first.signal.shape[1], 18)[::20].T.copy()
    expected[:, 1] = np.nan  # row 20 of the file
    np.testing.assert_array_equal(glove.values, expected)


def test_amputees_of_db8_lack_sensors(tmp_path: Path) -> None:
    samples = ninapro.emg(8, 550)
    samples[:, 13:] = 0.0
    recording = only(8, ninapro.write_db8(tmp_path, 11, emg=samples))
    assert recording.subject == "11" and recording.signal.shape[0] == 13
    assert [e.name for e in recording.montage.electrodes] == [str(i) for i in range(1, 14)]


def test_force_is_read_where_it_was_measured(small: Path) -> None:
    names = {r.provenance.file: [t.name for t in r.targets] for r in datasets.open("ninapro-db2", small)}
    assert names["DB2_s1/S1_E1_A1.mat"] == ["glove"] and names["DB2_s1/S1_E3_A1.mat"] == ["glove", "force"]


def test_distal_electrodes_of_db10_lie_in_every_other_gap(small: Path) -> None:
    angles = next(iter(datasets.open("ninapro-db10", small))).montage.angles_deg
    for place, angle in enumerate(angles[8:]):
        assert angle == pytest.approx((angles[2 * place] - 22.5) % 360) == pytest.approx((angles[2 * place + 1] + 22.5) % 360)


def test_db10_is_split_at_its_pauses(tmp_path: Path) -> None:
    path = ninapro.write_megane(tmp_path, pauses=(REST + 5, 400))
    reader = datasets.open("ninapro-db10", tmp_path)
    recordings = reader.read(path.name)
    assert reader.sources == ("S010_ex1.mat",)  # not the one without EMG
    rows = len(ninapro.megane()["emg"])
    assert [r.signal.shape[1] for r in recordings] == [400 - REST - 5, rows - 400]  # fifteen samples are too few
    whole = ninapro.emg(10, rows).T
    np.testing.assert_array_equal(recordings[1].signal, whole[:, 400:])
    assert recordings[0].rate_hz == 1926.0 and recordings[0].montage.angle_known
    assert (recordings[0].intervals[0].start_s, recordings[0].intervals[0].label) == (0.0, "grasp_medium_wrap")
    assert round(recordings[0].intervals[0].end_s * 1926) == MOVE - 5
    assert {i.trial for i in recordings[0].intervals} == {1, 2}
    assert {i.trial for i in recordings[1].intervals} == {1, 2, 25, 26}  # dynamic tasks come last
    assert all(i.end_s <= r.duration_s + 1e-9 for r in recordings for i in r.intervals)
    assert len({r.provenance.file for r in recordings}) == 2


def test_what_db10_shows_as_a_film_has_no_label(tmp_path: Path) -> None:
    repetition = ninapro.megane()["regrasprepetition"].copy()
    repetition[REST : REST + MOVE] = -5
    (recording,) = datasets.open("ninapro-db10", ninapro.write_megane(tmp_path, regrasprepetition=repetition).parent)
    assert [i.trial for i in recording.intervals if i.label == "grasp_medium_wrap"] == [2, 25, 26]


@pytest.mark.parametrize(
    ("subject", "columns", "names"),
    [
        (24, 11, [*"1234567", "9", "10", "11", "12"]),
        (39, 11, [*"1234567", "9", "10", "11", "12"]),
        (108, 8, [*"12345678"]),
        (115, 11, [*"1234567", "9", "10", "11", "12"]),
    ],
)
def test_people_of_db10_who_lacked_electrodes(subject: int, columns: int, names: list[str], tmp_path: Path) -> None:
    (recording,) = datasets.open("ninapro-db10", ninapro.write_megane(tmp_path, subject, columns=columns).parent)
    assert [e.name for e in recording.montage.electrodes] == names and recording.signal.shape[0] == columns
    assert recording.subject == f"{subject:03d}" and recording.montage.angle_known == (subject < 100)
    with pytest.raises(DataFileError, match=f"x {columns} numbers"):
        list(datasets.open("ninapro-db10", ninapro.write_megane(tmp_path, subject, columns=12).parent))


@pytest.mark.parametrize(
    ("stamps", "message"),
    [
        (lambda ts: ts[::-1].copy(), "rising stamps"), (lambda ts: ts * 2, "stamps at 1926 Hz, found 963"),
        (lambda ts: ts[:-1], "ts of 730 x 1"), (lambda ts: np.where(ts == ts[3], np.nan, ts), "without NaN"),
    ],
)  # fmt: skip
def test_wrong_stamps_of_db10_are_refused(stamps, message: str, tmp_path: Path) -> None:
    variables = ninapro.megane()
    path = ninapro.write_megane(tmp_path, ts=stamps(variables["ts"]))
    with pytest.raises(DataFileError, match=message.replace("730", str(len(variables["ts"])))):
        list(datasets.open("ninapro-db10", path.parent))


def test_databases_beside_each_other_are_told_apart_by_their_folders(tmp_path: Path) -> None:
    write_exercise(tmp_path / "DB4", 4)
    write_exercise(tmp_path / "ninapro-db5", 5)
    write_exercise(tmp_path, 2, 3)
    write_exercise(tmp_path, 3, 3)
    assert datasets.open("ninapro-db4", tmp_path).sources == ("s1/S1_E1_A1.mat",)
    assert datasets.open("ninapro-db5", tmp_path).root.name == "ninapro-db5"
    assert datasets.open("ninapro-db2", tmp_path).sources == ("DB2_s3/S3_E1_A1.mat",)
    assert datasets.open("ninapro-db3", tmp_path / "DB3_s3").sources == ("S3_E1_A1.mat",)
    with pytest.raises(AEMGError, match="ninapro-db7: nothing at"):
        datasets.open("ninapro-db7", tmp_path)
    with pytest.raises(DataFileError, match=r"a file of ninapro-db2, found one of the sensor Double Myo"):
        only(2, write_exercise(tmp_path / "elsewhere", 5))
    with pytest.raises(DataFileError, match=r"the frequency 2000 of ninapro-db4, found 200"):
        only(4, write_exercise(tmp_path / "elsewhere", 4, frequency=np.uint16(200)))


def test_files_side_by_side_are_read_and_doubles_refused(tmp_path: Path) -> None:
    path = write_exercise(tmp_path / "a", 2)
    shutil.copy(path, tmp_path / "S1_E1_A1.mat")
    with pytest.raises(AEMGError, match=r"S1_E1_A1.mat lies both in"):
        datasets.open("ninapro-db2", tmp_path)
    shutil.rmtree(tmp_path / "a")
    assert datasets.open("ninapro-db2", tmp_path).sources == ("S1_E1_A1.mat",)


def test_folders_may_be_links_and_files_may_vanish(tmp_path: Path) -> None:
    path = write_exercise(tmp_path / "far", 2)
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "DB2").symlink_to(path.parent.parent)
    reader = datasets.open("ninapro-db2", tmp_path / "near")
    assert reader.sources == ("DB2_s1/S1_E1_A1.mat",)
    path.unlink()
    with pytest.raises(DataFileError, match="expected a readable file, found No such file"):
        reader.read(reader.sources[0])


def test_hdf5_files_give_the_same_recording(tmp_path: Path) -> None:
    path = write_exercise(tmp_path / "v5", 2)
    modern = tmp_path / "v73" / path.name
    modern.parent.mkdir()
    with h5py.File(modern, "w", userblock_size=512) as file:
        for name, values in loadmat(path).items():
            if not name.startswith("__"):
                file[name] = values.T
    with modern.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")
    old, new = only(2, path), only(2, modern)
    np.testing.assert_array_equal(old.signal, new.signal)
    assert old.intervals == new.intervals


@settings(max_examples=150, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=3), kept=st.floats(0, 1))
def test_damaged_files_give_a_recording_or_a_data_file_error(
    changes: list[tuple[float, int]], kept: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("db1")
    path = write_exercise(root, 1)
    data = bytearray(path.read_bytes())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    if not changes:
        data = data[: int(kept * (len(data) - 1))]
    path.write_bytes(bytes(data))
    try:
        recording = only(1, path)
        assert changes and np.isfinite(recording.signal).all()
    except DataFileError as error:
        assert error.file == str(path)


def test_electrodes_on_the_upper_arm_have_no_part_in_the_slots(small: Path) -> None:
    montage = next(iter(datasets.open("ninapro-db2", small))).montage
    weights, mask = slot_weights(montage)
    assert not weights[:, 10:].any() and mask.all()
    np.testing.assert_array_equal(weights, np.pad(slot_weights(montage.without({10, 11}))[0], ((0, 0), (0, 2))))
