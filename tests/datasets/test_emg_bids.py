"""EMG-BIDS folders of other people: EDF and BDF, units, channel types, inheritance, events, geometry, and what is refused."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native import emg_bids as native

from aemg import datasets
from aemg.datasets.formats import limb_frame
from aemg.datasets.formats.bids import BidsFolder, entities
from aemg.datasets.formats.edf import read_header
from aemg.errors import AEMGError, DataFileError
from aemg.signals import Event, Recording

DATA = "sub-01/emg/sub-01_task-t_emg.edf"


def only(root: Path) -> Recording:
    (recording,) = datasets.open("emg-bids", root)
    return recording


@pytest.mark.parametrize("form", ["edf", "bdf"])
@pytest.mark.parametrize(("unit", "volts"), [("uV", 1e-6), ("mV", 1e-3), ("V", 1.0), ("nV", 1e-9)])
def test_samples_come_in_volts(tmp_path: Path, form: str, unit: str, volts: float) -> None:
    numbers = native.counts(3, 1000, start=-400)
    native.write_signals(tmp_path / DATA.replace("edf", form), numbers, units=[unit] * 3, step=0.25)
    recording = only(tmp_path)
    assert np.allclose(recording.signal, numbers * 0.25 * volts, rtol=1e-6, atol=1e-7 * volts)
    assert (recording.unit, recording.rate_hz, recording.subject, recording.session) == ("V", 500.0, "01", "1")


def test_all_numbers_of_24_bits_are_read_with_their_sign(tmp_path: Path) -> None:
    numbers = np.array([[-8000000, -65537, -257, -1, 0, 1, 255, 256, 65536, 8000000]]).repeat(500, axis=1)[:, :5000]
    native.write_signals(tmp_path / DATA.replace("edf", "bdf"), numbers, step=1.0, units=["n/a"])
    recording = only(tmp_path)
    assert np.array_equal(recording.signal, numbers.astype(np.float32)) and recording.unit == "arbitrary"


def test_the_card_is_made_from_the_folder(tmp_path: Path) -> None:
    info = datasets.open("emg-bids", native.write_small_set(tmp_path / "anything")).info
    assert (info.name, info.title, info.subjects, info.channels) == ("emg-bids-grips-of-two", "Grips of two", 2, 8)
    assert (info.rate_hz, info.unit, info.licence, info.permissive) == (500.0, "V", "CC0", True)
    assert info.labels == ("beep", "hand_close", "rest") and info.device == "Maker"
    assert info.citation.startswith("A. B., C. D.") and info.homepage == "https://doi.org/10.1234/ds.42"
    assert info.hours == round(4 / 3600, 3)
    assert datasets.info("emg-bids").subjects == 0


def test_a_folder_without_description_is_named_like_its_folder_and_not_permissive(tmp_path: Path) -> None:
    native.write_signals(tmp_path / "study" / DATA, native.counts(2, 500))
    info = datasets.open("emg-bids", tmp_path / "study").info
    assert (info.name, info.licence, info.permissive) == ("emg-bids-study", "none stated", False)


def test_other_channels_are_left_out_and_annotations_are_no_channel(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    for recording in datasets.open("emg-bids", tmp_path):
        assert recording.signal.shape == (8, 1000)
        assert [e.name for e in recording.montage.electrodes] == [f"EMG{i}" for i in range(8)]


def test_events_of_a_duration_are_intervals(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    recording = next(iter(datasets.open("emg-bids", tmp_path)))
    found = [(i.start_s, round(i.end_s, 9), i.label) for i in recording.intervals]
    assert found == [(0.2, 0.7, "hand_close"), (1.0, 1.4, "rest"), (1.9, 2.0, "hand_close")]
    assert recording.events == (Event(0.8, "beep"), Event(1.5, "beep"))


def test_trials_go_on_over_the_files_of_a_session(tmp_path: Path) -> None:
    for run in (1, 2):
        native.write_signals(tmp_path / DATA.replace("task-t", f"task-t_run-{run}"), native.counts(2, 500))
    native.table(
        tmp_path / "sub-01/emg/sub-01_task-t_events.tsv", ["onset", "duration", "trial_type"], [0, 0.1, "a"], [0.5, 0.1, "a"]
    )
    trials = [i.trial for r in datasets.open("emg-bids", tmp_path) for i in r.intervals]
    assert len(trials) == len(set(trials)) == 4


def test_anatomical_angles_and_positions(tmp_path: Path) -> None:
    native.write_small_set(tmp_path)
    montage = next(iter(datasets.open("emg-bids", tmp_path))).montage
    assert montage.angle_known and np.allclose(montage.angles_deg, np.arange(8) * 45 + 10)
    assert {e.position for e in montage.electrodes} == {0.2} and montage.groups[0].kind == "ring"
    assert montage.groups[0].spacing_deg == pytest.approx(45)


def test_without_coordinates_the_ring_is_even_and_its_angle_unknown(tmp_path: Path) -> None:
    native.write_signals(tmp_path / DATA, native.counts(5, 500))
    montage = only(tmp_path).montage
    assert not montage.angle_known and np.allclose(montage.angles_deg, np.arange(5) * 72)


@pytest.mark.parametrize(("kind", "unit"), [("ring", "mm"), ("ring", "cm"), ("grid", "mm")])
def test_lengths_on_a_circle_are_a_ring_and_others_a_grid(tmp_path: Path, kind: str, unit: str) -> None:
    native.write_signals(tmp_path / DATA, native.counts(16, 500))
    native.sidecar(
        tmp_path / "sub-01/emg/sub-01_space-g_coordsystem.json",
        {"EMGCoordinateSystem": "Other", "EMGCoordinateUnits": unit, "EMGCoordinateSystemDescription": "of the device"},
    )
    turns = np.radians(np.arange(16) * 22.5)
    ring = np.column_stack([7 + 40 * np.cos(turns), -3 + 40 * np.sin(turns)])
    grid = np.array([[10 * (i % 4), 10 * (i // 4)] for i in range(16)])
    rows = [[f"EMG{i}", *xy, "g"] for i, xy in enumerate((ring if kind == "ring" else grid).tolist())]
    native.table(tmp_path / "sub-01/emg/sub-01_electrodes.tsv", ["name", "x", "y", "coordinate_system"], *rows)
    montage = only(tmp_path).montage
    assert montage.groups[0].kind == kind and not montage.angle_known
    if kind == "ring":
        assert np.allclose(montage.angles_deg, np.arange(16) * 22.5, atol=1e-4)
    else:
        columns = np.array(montage.angles_deg).reshape(4, 4)
        assert np.allclose(columns, columns[0]) and (np.diff(columns[0]) > 5).all()


def test_two_sides_are_two_recordings(tmp_path: Path) -> None:
    native.write_signals(tmp_path / DATA, native.counts(6, 500))
    rows = [[f"EMG{i}", "EMG", "uV", "left-band" if i < 3 else "right-band"] for i in range(6)]
    native.table(tmp_path / "sub-01/emg/sub-01_task-t_channels.tsv", ["name", "type", "units", "group"], *rows)
    reader = datasets.open("emg-bids", tmp_path)
    left, right = reader
    assert (left.montage.arm, right.montage.arm, reader.info.channels) == ("left", "right", 3)
    assert np.array_equal(np.vstack([left.signal, right.signal]).round(9), (native.counts(6, 500) * 5e-7).astype("f4").round(9))
    assert left.provenance.file == f"{DATA}#left"


def test_sides_come_from_coordinate_systems_too(tmp_path: Path) -> None:
    native.write_signals(tmp_path / DATA, native.counts(6, 500))
    native.sidecar(tmp_path / "space-leftForearm_coordsystem.json", native.ANATOMICAL)
    native.sidecar(tmp_path / "sub-01/emg/sub-01_space-rightForearm_coordsystem.json", native.ANATOMICAL)
    spaces = ["leftForearm"] * 3 + ["rightForearm"] * 3
    rows = [[f"EMG{i}", x, y, 10, space, space] for i, (space, x, y) in enumerate(zip(spaces, [0, 50, 100] * 2, [50, 0, 50] * 2))]
    heading = ["name", "x", "y", "z", "coordinate_system", "group"]
    native.table(tmp_path / "sub-01/emg/sub-01_electrodes.tsv", heading, *rows)
    kinds = [[f"EMG{i}", "EMG", "uV", space] for i, space in enumerate(spaces)]
    native.table(tmp_path / "sub-01/emg/sub-01_task-t_channels.tsv", ["name", "type", "units", "group"], *kinds)
    left, right = datasets.open("emg-bids", tmp_path)
    for recording, arm in ((left, "left"), (right, "right")):
        assert recording.montage.arm == arm and recording.montage.angle_known
        assert recording.montage.angles_deg == (180.0, 270.0, 0.0)
        assert {e.position for e in recording.montage.electrodes} == {0.9}


def test_the_nearest_sidecar_holds_and_foreign_ones_do_not(tmp_path: Path) -> None:
    native.write_signals(tmp_path / DATA, native.counts(2, 500))
    native.sidecar(tmp_path / "emg.json", {"a": 0, "b": 0})
    native.sidecar(tmp_path / "task-t_emg.json", {"a": 1, "b": 1, "c": 1})
    native.sidecar(tmp_path / "task-other_emg.json", {"a": 2, "c": 2})
    native.sidecar(tmp_path / "sub-01/emg/sub-01_task-t_emg.json", {"a": 3})
    native.sidecar(tmp_path / "sub-01/emg/sub-01_task-t_run-2_emg.json", {"a": 4})
    assert BidsFolder(tmp_path).json(tmp_path / DATA, "emg") == {"a": 3, "b": 1, "c": 1}
    assert entities(Path(DATA)) == {"sub": "01", "task": "t"}


def test_several_rates_over_files_are_read_and_said(tmp_path: Path) -> None:
    for person, rate in (("1", 500), ("2", 1000), ("3", 1000)):
        path = tmp_path / DATA.replace("01", person)
        native.write_signals(path, native.counts(2, 2 * rate), rates_hz=[rate] * 2)
    reader = datasets.open("emg-bids", tmp_path)
    assert [r.rate_hz for r in reader] == [500, 1000, 1000] and reader.info.rate_hz == 1000
    assert "Rates: 1000 Hz (2 files), 500 Hz (1 files)." in reader.info.notes


def test_several_rates_in_a_file_are_refused_for_emg_and_read_around_otherwise(tmp_path: Path) -> None:
    import edfio

    rows = [edfio.EdfSignal.from_digital(np.arange(n, dtype=np.int16), n, label=f"EMG{i}") for i, n in enumerate((500, 500, 20))]
    path = tmp_path / DATA
    path.parent.mkdir(parents=True)
    edfio.Edf(rows).write(path)
    with pytest.raises(DataFileError, match=r"one rate of all EMG channels.*20 and 500 Hz"):
        only(tmp_path)
    kinds = [[f"EMG{i}", kind, "n/a"] for i, kind in enumerate(("EMG", "EMG", "MISC"))]
    native.table(path.with_name("sub-01_task-t_channels.tsv"), ["name", "type", "units"], *kinds)
    assert np.array_equal(only(tmp_path).signal, np.tile(np.arange(500), (2, 1)))


def test_a_rate_that_the_sidecar_contradicts_is_refused(tmp_path: Path) -> None:
    native.write_signals(tmp_path / DATA, native.counts(2, 500))
    native.sidecar(tmp_path / "task-t_emg.json", {"SamplingFrequency": 512})
    with pytest.raises(DataFileError, match=r"SamplingFrequency 512 Hz.*500 Hz in its header"):
        only(tmp_path)


def test_other_signals_are_targets(tmp_path: Path) -> None:
    native.write_signals(tmp_path / DATA, native.counts(2, 500))
    folder = (tmp_path / DATA).parent
    native.sidecar(
        folder / "sub-01_task-t_recording-force_physio.json",
        {
            "SamplingFrequency": 50, "StartTime": 0, "Columns": ["index", "middle"], "index": {"Units": "N"},
            "middle": {"Units": "N"},
        },
    )  # fmt: skip
    values = np.arange(100).reshape(50, 2) / 4
    text = "".join(f"{a}\t{b}\n" for a, b in values.tolist()).replace("0.25", "n/a", 1)
    (folder / "sub-01_task-t_recording-force_physio.tsv.gz").write_bytes(gzip.compress(text.encode()))
    (target,) = only(tmp_path).targets
    assert (target.name, target.rate_hz, target.unit) == ("force", 50.0, "N") and np.isnan(target.values[1, 0])
    assert np.array_equal(target.values[0], values[:, 0].astype(np.float32))


def test_several_folders_are_not_chosen_from(tmp_path: Path) -> None:
    for name in ("a", "b"):
        native.write_signals(tmp_path / name / DATA, native.counts(2, 500))
    with pytest.raises(AEMGError, match=r"several folders at .*: a, b; give one of them"):
        datasets.open("emg-bids", tmp_path)


def damaged(path: Path, at: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[at : at + len(content)] = content
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("at", "content", "message"),
    [
        (0, b"1", "another header"), (184, b"99999999", "a header of"), (192, b"EDF+D", "interrupted"),
        (236, b"99999999", "99999999 data records"), (236, b"0       ", "0 data records"), (244, b"0       ", "some duration"),
        (244, b"nan     ", "a number as duration"), (252, b"9999", "number of signals"),
        (252, b"4000", "headers of 4000"), (252, b"-1  ", "number of signals"), (252, b"1e9 ", "number of signals"),
    ],
)  # fmt: skip
def test_a_header_that_the_size_does_not_bear_out_is_refused(tmp_path: Path, at: int, content: bytes, message: str) -> None:
    path = native.write_signals(tmp_path / DATA, native.counts(2, 500))
    damaged(path, at, content)
    with pytest.raises(DataFileError, match=message):
        only(tmp_path)


def test_a_cut_file_is_refused_and_an_unknown_number_of_records_counted(tmp_path: Path) -> None:
    path = native.write_signals(tmp_path / DATA, native.counts(2, 1500))
    damaged(path, 236, b"-1      ")
    assert only(tmp_path).signal.shape == (2, 1500) and read_header(path).records == 3
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(DataFileError, match="2 data records of 2000 bytes"):
        only(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("task-t_emg.json", b"{", "JSON"), ("task-t_emg.json", b"[" * 100000, "JSON"), ("task-t_emg.json", b"3", "a JSON object"),
        ("task-t_emg.json", b'{"AEMG": {"groups": [["ring", -1]]}}', "kind and spacing"),
        ("task-t_emg.json", b'{"AEMG": {"scale": "x"}}', "a positive scale"),
        ("sub-01/emg/sub-01_task-t_channels.tsv", b"name\ttype\nx\tEMG\n", "a row for each of 2 signals"),
        ("sub-01/emg/sub-01_task-t_channels.tsv", b"name\ttype\nEMG0\tEEG\nEMG1\tTRIG\n", "channels of type EMG"),
        ("sub-01/emg/sub-01_task-t_channels.tsv", b"", "the columns name, type"),
        ("sub-01/emg/sub-01_task-t_events.tsv", b"onset\tduration\n1\t2\n", "the columns trial_type"),
        ("sub-01/emg/sub-01_task-t_events.tsv", b"onset\tduration\ttrial_type\nnow\t2\ta\n", "times in seconds"),
        ("sub-01/emg/sub-01_task-t_events.tsv", b"onset\tduration\ttrial_type\n0\t2\ta\tb\tc\n", "3 columns, found 5 in line 2"),
        ("sub-01/emg/sub-01_task-t_events.tsv", b"onset\tonset\n", "columns of different names"),
        ("sub-01/emg/sub-01_task-t_events.tsv", b"onset\xff\tonset\n", "does not parse"),
        ("sub-01/emg/sub-01_task-t_physio.tsv.gz", b"no archive", "readable file"),
    ],
)  # fmt: skip
def test_a_damaged_sidecar_is_named(tmp_path: Path, file: str, content: bytes, message: str) -> None:
    native.write_signals(tmp_path / DATA, native.counts(2, 500))
    (tmp_path / file).write_bytes(content)
    with pytest.raises(DataFileError, match=message) as caught:
        only(tmp_path)
    assert Path(caught.value.file).name in (Path(file).name, Path(DATA).name, "sub-01_task-t_physio.json")


@settings(derandomize=True, max_examples=60, deadline=None)
@given(data=st.data())
def test_damage_anywhere_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.mktemp("bids")
    native.write_small_set(root)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, min(len(content), 3000) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        for source in (reader := datasets.open("emg-bids", root)).sources:
            for recording in reader.read(source):
                assert np.isfinite(recording.signal).all()
    except AEMGError:
        pass
    finally:
        shutil.rmtree(root)


@settings(derandomize=True)
@given(angle=st.integers(0, 3599).map(lambda a: a / 10), position=st.integers(0, 100).map(lambda p: p / 100), known=st.booleans())
def test_the_frame_of_a_forearm_gives_angles_and_positions_back(angle: float, position: float, known: bool) -> None:
    system = limb_frame.coordinate_system(known)
    assert limb_frame.is_anatomical(system) == known
    xyz = np.array([limb_frame.coordinates(angle, position)])
    placed = limb_frame.places(xyz, limb_frame.units_of(system))
    assert placed is not None and placed[1][0] == angle and placed[2][0] == position
