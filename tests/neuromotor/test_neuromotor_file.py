"""Reading sessions of the neuromotor interface, sound ones of every layout and bad ones."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.datasets.formats.neuromotor_file import (
    TASKS,
    FileFacts,
    GesturePrompt,
    NeuromotorFile,
    OpenFiles,
    Stage,
    TextPrompt,
    inspect_file,
    parse_name,
)
from aemg.datasets.formats.pandas_table import read_frame, unpickle_strings
from aemg.errors import DataFileError

ROWS = 500
TIMES = 1.7e9 + np.arange(ROWS) / 2000
EMG = np.random.default_rng(0).standard_normal((ROWS, 16)).astype(np.float32)
ANGLES = np.random.default_rng(1).standard_normal((ROWS, 2)).astype(np.float32)
STAGES = [Stage("one", TIMES[3], TIMES[90], "seated"), Stage("two – ü", TIMES[100], TIMES[400], "standing")]
TEXTS = [TextPrompt("a→b 🤏", TIMES[5], TIMES[50]), TextPrompt("", TIMES[50], TIMES[80]), TextPrompt("c", TIMES[90], TIMES[99])]
GESTURES = [GesturePrompt("thumb_up", TIMES[7]), GesturePrompt("index_press", TIMES[300])]
PROMPTS = {"discrete_gestures": GESTURES, "handwriting": TEXTS, "wrist": None}
Write = Callable[..., Path]


def written(write: Write, folder: Path, task: str = "handwriting", **other: object) -> Path:
    angles = ANGLES if task == "wrist" else None
    given = {"emg": EMG, "times": TIMES, "stages": STAGES, "prompts": PROMPTS[task], "wrist_angles": angles, **other}
    return write(folder / f"{task}_user_001_dataset_002.hdf5", task, **given)


def everything(path: Path) -> list[object]:
    with NeuromotorFile(path) as file:
        angles = file.wrist_angles() if file.task == "wrist" else None
        return [file.task, file.rows, file.times(), file.emg(), angles, file.stages, file.prompts]


@pytest.mark.parametrize("fields", [("emg", "time", "wrist_angles"), ("time", "wrist_angles", "emg")])
@pytest.mark.parametrize("layout", ["pandas2", "pandas3", "bytes"])
@pytest.mark.parametrize("task", TASKS)
def test_reads_back_what_was_written(task: str, layout: str, fields, tmp_path: Path, write_neuromotor_file: Write) -> None:
    path = written(write_neuromotor_file, tmp_path, task, string_layout=layout, fields=fields, compression="gzip")
    found, rows, times, emg, angles, stages, prompts = everything(path)
    assert (found, rows) == (task, ROWS)
    assert np.array_equal(times, TIMES) and times.dtype == np.float64
    assert np.array_equal(emg, EMG) and emg.dtype == np.float32 and emg.flags["C_CONTIGUOUS"]
    postures = [stage.posture if task == "handwriting" else "" for stage in STAGES]
    assert stages == [Stage(s.name, s.start, s.end, posture) for s, posture in zip(STAGES, postures)]
    assert prompts == (PROMPTS[task] or [])
    if task == "wrist":
        assert np.array_equal(angles, ANGLES)


def test_slices_and_rows(tmp_path: Path, write_neuromotor_file: Write) -> None:
    times = np.repeat(TIMES[::2], 2)  # every stamp twice
    with NeuromotorFile(written(write_neuromotor_file, tmp_path, "wrist", times=times)) as file:
        assert np.array_equal(file.emg(3, 9), EMG[3:9]) and np.array_equal(file.channels(3, 9), EMG[3:9].T)
        assert np.array_equal(file.wrist_angles(3, 9), ANGLES[3:9]) and np.array_equal(file.times(3, 9), times[3:9])
        assert file.emg(4, 4).shape == (0, 16)
        assert file.rows_between(times[2], times[6]) == (2, 6)
        assert file.rows_between(times[3] + 1e-6, times[7] + 1e-6) == (4, 8)
        assert file.rows_between(-np.inf, np.inf) == (0, ROWS) and file.rows_between(0.0, 1.0) == (0, 0)
        assert np.shares_memory(file.times(), file.times()) and not file.times().flags.writeable  # read once
        for start, stop in ((-1, 3), (5, 4), (0, ROWS + 1)):
            with pytest.raises(DataFileError, match=rf"rows \[{start}, {stop}\).* {ROWS} rows"):
                file.emg(start, stop)


def test_reference_pipeline_files_are_read(mock: Path) -> None:
    for task in TASKS:
        for path in sorted((mock / task).glob("*.hdf5")):
            with NeuromotorFile(path, task) as file:
                assert file.rows == len(file.times()) and file.stages and bool(file.prompts) != (task == "wrist")
    with NeuromotorFile(mock / "handwriting" / "handwriting_user_000_dataset_000.hdf5") as file:
        assert [prompt.prompt for prompt in file.text_prompts()][1:7] == ["a→b", "42", "← no", "x🤏", "it’s", "Café!"]
        assert [(s.name, s.posture) for s in file.stages] == [
            ("words_with_backspace", "seated-on-surface"), ("three_digit_numbers", "standing-on-leg"),
        ]


def test_a_read_only_folder_is_enough(tmp_path: Path, write_neuromotor_file: Write) -> None:
    path = written(write_neuromotor_file, tmp_path / "media")
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        with h5py.File(path, "r"), NeuromotorFile(path) as file:  # nor does another reader matter
            assert file.rows == ROWS
    finally:
        path.parent.chmod(0o755)


def _of_child(file: NeuromotorFile, queue: multiprocessing.Queue) -> None:
    queue.put((file.emg(5, 8), file._pid == os.getpid()))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_open_for_themselves(method: str, tmp_path: Path, write_neuromotor_file: Write) -> None:
    file = NeuromotorFile(written(write_neuromotor_file, tmp_path))
    file.emg(0, 1)  # open here
    if method == "spawn":  # what a spawned worker gets
        copy = pickle.loads(pickle.dumps(file))
        assert copy._file is None and np.array_equal(copy.emg(5, 8), EMG[5:8])
        copy.close()
    else:
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        child = context.Process(target=_of_child, args=(file, queue))
        child.start()
        emg, own = queue.get(timeout=60)
        child.join()
        assert own and np.array_equal(emg, EMG[5:8])
    assert np.array_equal(file.emg(5, 8), EMG[5:8])
    file.close()


def test_open_files_stay_few(tmp_path: Path, write_neuromotor_file: Write) -> None:
    paths = [written(write_neuromotor_file, tmp_path / str(n)) for n in range(4)]
    files = OpenFiles("handwriting", most=2)
    first = files[paths[0]]
    assert first is files[paths[0]] and first.rows == ROWS
    for path in paths:
        assert files[path].rows == ROWS
    assert first._file is None and len(files._files) == 2
    assert len(pickle.loads(pickle.dumps(files))._files) == 0
    files.close()


def damaged(path: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)


def replaced(name: str, value: np.ndarray) -> Callable[[h5py.File], None]:
    """`/data` with a field of another kind, or without it."""

    def change(file: h5py.File) -> None:
        old = file["data"][()]
        kept = [key for key in old.dtype.names if key != name]
        dtype = [(key, old.dtype[key]) for key in kept] + ([(name, value.dtype, value.shape[1:])] if value.size else [])
        new = np.zeros(len(old), dtype)
        task = file["data"].attrs["task"]
        del file["data"]
        file.create_dataset("data", data=new).attrs["task"] = task

    return change


def moved(name: str, row: int, value: float) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        rows = file["data"][()]
        rows[name][row] = value
        file["data"][...] = rows

    return change


def without(name: str) -> Callable[[h5py.File], None]:
    return lambda file: file.__delitem__(name)


def with_task(value: object) -> Callable[[h5py.File], None]:
    return lambda file: file["data"].attrs.__setitem__("task", value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("data"), "expected a table /data, found none"),
        (without("stages"), "expected a table /stages, found none"),
        (without("prompts"), "expected a table /prompts, found none"),
        (without("prompts/axis0"), r"expected axis0 in /prompts, found nothing"),
        (without("prompts/block1_values"), r"expected block1_values in /prompts, found nothing"),
        (with_task("juggling"), "the task discrete_gestures or handwriting or wrist.* found 'juggling'"),
        (with_task(3), "the task .* found 3"),
        (lambda file: file["data"].attrs.__delitem__("task"), "the task .* found none"),
        (with_task("wrist"), r"a field wrist_angles .* found none"),
        (replaced("emg", np.zeros((ROWS, 8), "f4")), r"a field emg of .*16.* found .*8"),
        (replaced("emg", np.zeros((ROWS, 16), "f8")), "a field emg of .*f4.* found .*f8"),
        (replaced("time", np.zeros(ROWS, "f4")), "a field time of float64 .* found float32"),
        (replaced("time", np.zeros(0)), "a field time of float64 .* found none"),
        (moved("time", 70, TIMES[68]), r"time stamps that never fall, found .* in row 70"),
        (moved("time", 71, np.nan), r"finite time stamps, found nan in row 71"),
        (moved("emg", 72, np.nan), r"finite numbers in emg, found \[nan, .* in row 72"),
        (lambda file: file["prompts/block0_values"].write_direct(np.array([[1.0, np.nan]] * 3)), "finite numbers in end"),
        (lambda file: file["prompts/block0_values"].write_direct(np.array([[9.0, 8.0]] * 3)), "prompt 0 to end after"),
    ],
)
def test_bad_content_is_named(change, message: str, tmp_path: Path, write_neuromotor_file: Write) -> None:
    path = written(write_neuromotor_file, tmp_path)
    damaged(path, change)
    with pytest.raises(DataFileError, match=message) as caught:
        everything(path)
    assert caught.value.file == str(path)


def test_files_that_are_no_files(tmp_path: Path, write_neuromotor_file: Write) -> None:
    path = written(write_neuromotor_file, tmp_path)
    whole = path.read_bytes()
    for content in (b"", b"no HDF5", whole[: len(whole) // 2], whole[:-100]):
        path.write_bytes(content)
        with pytest.raises(DataFileError, match="a whole HDF5 file") as caught:
            everything(path)
        assert caught.value.file == str(path)
    path.unlink()
    with pytest.raises(DataFileError, match="expected a file, found none"):
        NeuromotorFile(path).rows  # noqa: B018


def test_another_task_is_refused(tmp_path: Path, write_neuromotor_file: Write) -> None:
    path = written(write_neuromotor_file, tmp_path)
    with NeuromotorFile(path, "wrist") as file, pytest.raises(DataFileError, match=r"the task wrist .* 'handwriting'"):
        file.emg()
    with NeuromotorFile(path) as file, pytest.raises(DataFileError, match="wrist angles"):
        file.wrist_angles()


def test_a_damaged_heap_is_refused(tmp_path: Path, write_neuromotor_file: Write) -> None:
    """An object of no length, after which the HDF5 library would look for the next one for ever."""
    path = written(write_neuromotor_file, tmp_path)
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL")
    (size,) = struct.unpack_from("<Q", content, heap + 24)  # of the first object
    free = heap + 32 + size + -size % 8
    while int.from_bytes(content[free : free + 2], "little"):
        (size,) = struct.unpack_from("<Q", content, free + 8)
        free += 16 + size + -size % 8
    struct.pack_into("<Q", content, free + 8, 0)
    path.write_bytes(bytes(content))
    with pytest.raises(DataFileError, match="global heap"):
        everything(path)


class Harm:
    """What a malicious pickle would run on loading; the folder must not come to be."""

    def __init__(self, target: Callable[..., object], *args: object) -> None:
        self.call = target, args

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


def harmful(folder: Path) -> dict[str, bytes]:
    name = str(folder).encode()
    strings = np.array([["a"]], dtype=object)
    hidden = np.array([["a"], [Harm(os.mkdir, str(folder))]], dtype=object)
    hostile = io.BytesIO()
    pickle.Pickler(hostile, 2).dump(Harm(eval, f"__import__('os').mkdir({str(folder)!r})"))
    whole = pickle.dumps(strings, protocol=5)
    return {
        "a call": pickle.dumps(Harm(os.mkdir, str(folder))),
        "an expression": hostile.getvalue(),
        "a call among the cells": pickle.dumps(hidden),
        "text protocol": b"cos\nmkdir\n(S'" + name + b"'\ntR.",
        "a class": b"(S'" + name + b"'\nios\nmkdir\n.",
        "an attribute of an allowed module": b"cnumpy\nload\n(V" + name + b"\ntR.",
        "a name below an allowed one": b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.",
        "a persistent object": b"Pos.mkdir\n.",
        "an extension": b"\x80\x02\x82\x01.",
        "a huge place in memory": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "more cells than it holds": pickle.dumps(strings).replace(b"K\x01K\x01\x86", b"K\x01K\x09\x86"),
        "a negative shape": pickle.dumps(strings).replace(b"K\x01K\x01\x86", b"J\xff\xff\xff\xffJ\xff\xff\xff\xff\x86"),
        "another kind of array": pickle.dumps(np.arange(3)),
        "objects as numbers": whole.replace(b"\x8c\x02O8", b"\x8c\x02f8"),
        "cells that are no text": pickle.dumps(np.array([[1, 2]], dtype=object)),
        "no array": pickle.dumps("text"),
        "a cut pickle": whole[:-5],
        "nothing": b"",
    }


@pytest.mark.parametrize("kind", harmful(Path("x")))
def test_malicious_pickles_do_not_run(kind: str, tmp_path: Path, write_neuromotor_file: Write) -> None:
    folder = tmp_path / "harm"
    data = harmful(folder)[kind]
    with pytest.raises(DataFileError, match="expected a pickled array of strings"):
        unpickle_strings(Path("file"), data)
    path = written(write_neuromotor_file, tmp_path)

    def change(file: h5py.File) -> None:
        file["prompts/block1_values"][0] = np.frombuffer(data, np.uint8)

    if data:
        damaged(path, change)
        with pytest.raises(DataFileError) as caught:
            everything(path)
        assert caught.value.file == str(path)
    assert not folder.exists()


CELLS = st.lists(st.one_of(st.text(max_size=5), st.none(), st.just(float("nan"))), min_size=1, max_size=8)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(CELLS, st.integers(1, 3), st.integers(3, 5), st.booleans())
def test_any_array_of_strings_is_taken_apart_as_numpy_would(cells, columns: int, protocol: int, turned: bool) -> None:
    array = np.empty((len(cells), columns), dtype=object)
    for row, cell in enumerate(cells):
        array[row] = [cell] * columns
    array = array.T if turned else array
    found = unpickle_strings(Path("file"), pickle.dumps(array, protocol=protocol))
    assert found.shape == array.shape
    assert all(a is b or a == b or a != a for a, b in zip(found.ravel().tolist(), array.ravel().tolist()))


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=4))
def test_changed_pickles_give_strings_or_an_error(changes: list[tuple[int, int]]) -> None:
    content = bytearray(pickle.dumps(np.array([["press", "→"], ["up", None]], dtype=object), protocol=5))
    for place, value in changes:
        content[place % len(content)] = value
    try:
        found = unpickle_strings(Path("file"), bytes(content))
    except DataFileError:
        return
    assert all(cell is None or isinstance(cell, str | float) for cell in found.ravel())


def test_tables_that_pandas_would_write_otherwise(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "table.h5", "w") as file:
        group = file.create_group("empty")  # pandas keeps a placeholder of one value and tells the shape apart
        group.attrs["pandas_type"], group.attrs["nblocks"] = np.bytes_("frame"), 1
        group["axis0"] = group["block0_items"] = np.array(["time"], dtype="S")
        group["axis1"], group["block0_values"] = np.zeros(1), np.zeros((1, 1))
        for name, shape in (("axis1", "(I0\ntp0\n."), ("block0_values", "(I1\nI0\ntp0\n.")):
            group[name].attrs["shape"] = np.bytes_(shape)
        assert {key: len(value) for key, value in read_frame(Path("f"), group).items()} == {"time": 0}
        lying = file.create_group("lying")  # a block that was not turned: columns by rows
        lying.attrs["pandas_type"], lying.attrs["nblocks"] = "frame", np.int64(1)
        lying["axis0"] = lying["block0_items"] = np.array(["start", "end"], dtype="S")
        lying["axis1"], lying["block0_values"] = np.arange(3), np.arange(6.0).reshape(2, 3)
        lying["block0_values"].attrs["transposed"] = 0
        assert read_frame(Path("f"), lying)["end"].tolist() == [3.0, 4.0, 5.0]
        lying["block0_values"].attrs["transposed"] = 1
        with pytest.raises(DataFileError, match=r"3 rows of 2 columns .* 2 x 3"):
            read_frame(Path("f"), lying)
        lying["block0_values"].attrs["transposed"] = 0
        for change in ({"nblocks": 10**9}, {"pandas_type": "series"}, {"nblocks": 0}):
            for key, value in change.items():
                lying.attrs[key] = value
            with pytest.raises(DataFileError):
                read_frame(Path("f"), lying)


def test_facts_of_a_file(tmp_path: Path, write_neuromotor_file: Write) -> None:
    times, emg = TIMES.copy(), EMG.copy()
    times[100:] += 0.25
    times[200:210] = times[200]
    emg[:, 3] = 1.5
    emg[17, 4:6] = np.nan
    facts = inspect_file(written(write_neuromotor_file, tmp_path, times=times, emg=emg))
    assert isinstance(facts, FileFacts)
    assert (facts.task, facts.rows, facts.duplicate_stamps, facts.falling_stamps) == ("handwriting", ROWS, 9, 0)
    assert [gap.row for gap in facts.gaps] == [99] and facts.gaps[0].duration_s == pytest.approx(0.2505, abs=1e-6)
    assert (facts.nan_values, facts.nan_rows, facts.flat_channels) == (2, 1, (3,))
    assert facts.rate_hz == pytest.approx((ROWS - 1) / ((ROWS - 1) / 2000 + 0.25))
    assert facts.step_rate_hz == pytest.approx(2000, rel=1e-3)
    assert facts.channel_std == pytest.approx(np.nanstd(emg.astype(np.float64), axis=0).tolist())
    times[50] = times[40]
    assert inspect_file(written(write_neuromotor_file, tmp_path, times=times)).falling_stamps == 1


def test_names() -> None:
    name = parse_name(Path("/x/discrete_gestures_user_012_dataset_003.hdf5"))
    assert (name.task, name.user, name.dataset) == ("discrete_gestures", "user_012", "dataset_003")
    with pytest.raises(DataFileError, match="a name like"):
        parse_name("juggling_user_012_dataset_003")


def test_other_folders_do_not_matter(tmp_path: Path, mock: Path) -> None:
    source = mock / "wrist" / "wrist_user_001_dataset_000.hdf5"
    copy = tmp_path / "renamed" / "anything.hdf5"
    copy.parent.mkdir()
    shutil.copy(source, copy)
    with NeuromotorFile(copy) as file, NeuromotorFile(source) as first:
        assert file.task == "wrist" and np.array_equal(file.emg(10, 20), first.emg(10, 20))
