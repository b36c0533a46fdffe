"""Corpus tables, windows, prompts, batches and augmentation, against the published pipeline and by their laws."""

from __future__ import annotations

import json
import logging
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from aemg.datasets.formats.neuromotor_file import TASKS, GesturePrompt, NeuromotorFile, Stage, TextPrompt
from aemg.errors import AEMGError, DataFileError
from aemg.neuromotor.data.augment import Roll, item_rng
from aemg.neuromotor.data.collate import collate_prompts, collate_windows
from aemg.neuromotor.data.corpus import MINI, Partition, Split, corpus_file, read_corpus
from aemg.neuromotor.data.prompts import PADDING, PromptDataset, merged
from aemg.neuromotor.data.windows import WindowDataset

ROWS = 1000
START = 1.7e9
TIMES = START + np.arange(ROWS) / 2000
RAMP = (np.arange(ROWS)[:, None] + np.arange(16) / 16).astype(np.float32)  # row of a sample and its channel
Write = Callable[..., Path]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, write_neuromotor_file: Write) -> Path:
    """Two files of every task whose samples tell their row and channel."""
    folder = tmp_path_factory.mktemp("anything")
    stages = [Stage("a", TIMES[0], TIMES[399], "p"), Stage("b", TIMES[400], TIMES[999], "p")]
    spans = [(100, 300), (320, 390), (500, 800), (990, 998)]
    texts = [TextPrompt(text, TIMES[a], TIMES[b]) for text, (a, b) in zip("wxyz", spans)]
    gestures = [GesturePrompt(name, TIMES[row]) for name, row in (("thumb_in", 50), ("index_press", 400), ("thumb_up", 990))]
    angles = np.column_stack([np.arange(ROWS), -np.arange(ROWS)])
    for user in range(2):
        for task, prompts in (("discrete_gestures", gestures), ("handwriting", texts), ("wrist", None)):
            path = folder / f"{task}_user_{user:03d}_dataset_000.hdf5"
            write_neuromotor_file(path, task, RAMP, TIMES, stages, prompts, angles if task == "wrist" else None)
    return folder


def files(task: str, *spans: tuple[float | None, float | None], user: int = 0) -> list[Partition]:
    whole = Partition(f"{task}_user_{user:03d}_dataset_000")
    return [replace(whole, start=start, end=end) for start, end in spans or ((None, None),)]


# The published pipeline ------------------------------------------------------------------------------------------------


def expected(vectors: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((vectors / "pipeline_on_mock.json").read_text())
    return found


def same_sums(values: torch.Tensor, total: float, absolute: float | None = None) -> None:
    values = values.double()
    assert float(values.sum()) == pytest.approx(total, rel=1e-6, abs=1e-6)
    if absolute is not None:
        assert float(values.abs().sum()) == pytest.approx(absolute, rel=1e-6)


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("task", ["discrete_gestures", "wrist"])
def test_windows_of_the_published_pipeline(task: str, renamed: bool, mock: Path, vectors: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(mock / task, tmp_path / "data") if renamed else mock / task
    cases = {key: value for key, value in expected(vectors).items() if key.startswith(task)}
    assert cases
    for key, wanted in cases.items():
        _, part, *numbers = key.split("/")
        window, stride = (None if number == "None" else int(number) for number in numbers)
        partitions = read_corpus(corpus_file(folder, task), task).part(part)
        if "error" in wanted:
            with pytest.raises(AEMGError, match="as long as a window"):
                WindowDataset(folder, partitions, task, window=window, stride=stride)
            continue
        items = WindowDataset(folder, partitions, task, window=window, stride=stride)
        assert (len(items), len(items.skipped)) == (wanted["n"], wanted["skipped"])
        for number, (item, told) in enumerate(zip(items, wanted["items"], strict=True)):
            span = items.span_of(number)
            assert span.start_row == told["start_idx"] + told["index"] * (stride or 0)
            assert list(item["emg"].shape) == told["shape"] and item["emg"][:3, 0].tolist() == told["first"]
            same_sums(item["emg"], told["emg_sum"], told["emg_abs_sum"])
            aux = item["targets" if task == "discrete_gestures" else "wrist_angles"]
            assert list(aux.shape) == told["aux_shape"] and item["emg"].dtype == aux.dtype == torch.float32
            same_sums(aux, told["aux_sum"])
            for row, total in zip(aux, told["aux_row_sums"], strict=True):
                same_sums(row, total)
            keys = {"timestamps": "times"}
            assert set(item) - {"user", "dataset"} == {keys.get(key, key) for key in told["keys"]}


def test_prompts_of_the_published_pipeline(mock: Path, vectors: Path) -> None:
    folder = mock / "handwriting"
    split = read_corpus(corpus_file(folder, "handwriting"), "handwriting")
    cases = {key: value for key, value in expected(vectors).items() if key.startswith("handwriting")}
    assert cases
    for key, wanted in cases.items():
        _, part, concatenated, seconds, padding = key.split("/")
        assert padding == f"pad={PADDING[0]},{PADDING[1]}"
        merge_s = float(seconds) if concatenated == "concat=True" else 0.0
        items = PromptDataset(folder, split.part(part), merge_s=merge_s)
        *told_items, batch = wanted
        for item, told in zip(items, told_items, strict=True):
            assert list(item["emg"].shape) == told["shape"] and item["prompts"].tolist() == told["labels"]
            same_sums(item["emg"], told["emg_sum"], told["emg_abs_sum"])
            filled = torch.nonzero(item["emg"].abs().sum(dim=1)).flatten()
            assert int(filled[0]) == told["leading_zero_rows"]
            assert len(item["emg"]) - 1 - int(filled[-1]) == told["trailing_zero_rows"]
        collated = collate_prompts(list(items))
        assert list(collated["emg"].shape) == batch["collated_emg"]
        assert list(collated["prompts"].shape) == batch["collated_prompts"]
        for name in ("emg_lengths", "prompt_lengths"):
            assert collated[name].tolist() == batch[name] and collated[name].dtype == torch.int32


# The corpus table ------------------------------------------------------------------------------------------------------

HEAD = "dataset,start,end,split\n"


def table(tmp_path: Path, *lines: str, head: str = HEAD) -> Path:
    path = tmp_path / "corpus.csv"
    path.write_text(head + "".join(f"{line}\n" for line in lines))
    return path


def test_rows_are_pooled_kept_or_dropped_by_task(tmp_path: Path) -> None:
    def lines(task: str) -> list[str]:
        second, first = (f"{task}_user_00{user}_dataset_000" for user in (7, 2))
        return [
            f"{second},10.5,20.25,train", f"{first},3,4,test", f"{second},30,40,train", f"{first},1,2,test",
            f"{first},5,6,val",
        ]

    for task in TASKS:
        split = read_corpus(table(tmp_path, *lines(task)), task)
        first, second = Partition(f"{task}_user_002_dataset_000"), Partition(f"{task}_user_007_dataset_000")
        apart = (replace(second, start=10.5, end=20.25), replace(second, start=30.0, end=40.0))
        test = (replace(first, start=3.0, end=4.0), replace(first, start=1.0, end=2.0))
        pooled = (replace(first, start=1.0, end=4.0),)
        assert split.train == ((second,) if task == "handwriting" else apart)
        assert split.test == {"handwriting": (first,), "wrist": test, "discrete_gestures": pooled}[task]
        assert split.users("train") == ("user_007",) and split.users("val") == ("user_002",)


def test_times_are_rounded_correctly_and_may_be_left_out(tmp_path: Path) -> None:
    text = "1680000014.2250001"
    lines = (f"wrist_user_000_dataset_000,{text},,train", "wrist_user_000_dataset_001,,9,val")
    split = read_corpus(table(tmp_path, *lines, head="\ufeffdataset , start,end,split,note\n"), "wrist")
    assert split.train[0].start == float(text) and split.train[0].end is None and split.val[0].start is None


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["wrist_user_000_dataset_000,1,2,all"], "split in line 2, found 'all'"),
        (["wrist_user_000_dataset_000,1,2"], "split in line 2, found ''"),
        (["wrist_user_000_dataset_000,1,2,val", "handwriting_user_000_dataset_000,1,2,val"], "a dataset like wrist_.* line 3"),
        (["wrist_x,1,2,val"], "expected .*found"),
        (["wrist_user_000_dataset_000,1,two,val"], "end in line 2, found 'two'"),
        (["wrist_user_000_dataset_000,nan,2,val"], "start in line 2, found 'nan'"),
        (["wrist_user_000_dataset_000,2,2,val"], r"line 2, found 2\.0 and 2\.0"),
        ([], "no lines"),
    ],
)
def test_lines_that_make_no_sense_are_named(lines: Sequence[str], message: str, tmp_path: Path) -> None:
    path = table(tmp_path, *lines)
    with pytest.raises(DataFileError, match=message) as caught:
        read_corpus(path, "wrist")
    assert "wrist_x" in caught.value.file or caught.value.file == str(path)


def test_tables_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="no end, split"):
        read_corpus(table(tmp_path, "a,1", head="dataset,start\n"), "wrist")
    with pytest.raises(DataFileError, match="No such file"):
        read_corpus(tmp_path / "none.csv", "wrist")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\0")
    with pytest.raises(DataFileError, match="readable table"):
        read_corpus(tmp_path / "binary.csv", "wrist")


def test_missing_files_are_listed_or_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    there, gone = files("wrist"), files("wrist", user=8)
    split = Split(tuple(there + gone), tuple(there), tuple(gone))
    with pytest.raises(AEMGError, match=r"1 of 2 files are missing: wrist_user_008_dataset_000.hdf5"):
        split.found_at(root)
    with caplog.at_level(logging.WARNING):
        assert split.found_at(root, missing="skip") == Split(tuple(there), tuple(there), ())
    assert "wrist_user_008_dataset_000.hdf5" in caplog.text
    with pytest.raises(AEMGError, match="1 of 1 files"):
        Split(tuple(gone), (), ()).found_at(root, missing="skip")


def test_users_can_be_chosen() -> None:
    one, two = files("wrist"), files("wrist", user=1)
    split = Split(tuple(one + two), tuple(two), tuple(one))
    assert split.of_users(["user_001"], "train") == replace(split, train=tuple(two))
    assert split.of_users(["user_001"]) == Split(tuple(two), tuple(two), ())
    with pytest.raises(AEMGError, match="no user user_009 in train; there are user_000, user_001"):
        split.of_users(["user_009"], "train")


def test_mini_splits_are_three_users_apart() -> None:
    for task in TASKS:
        parts = [MINI[task].part(name) for name in ("train", "val", "test")]
        assert [part[0].dataset for part in parts] == [f"{task}_user_00{user}_dataset_000" for user in range(3)]
        assert all(len(part) == 1 for part in parts)
        assert all((part[0].start is None) == (task == "handwriting") for part in parts)


# Windows ---------------------------------------------------------------------------------------------------------------


@settings(max_examples=60, derandomize=True, deadline=None)
@given(window=st.integers(1, ROWS), stride=st.one_of(st.none(), st.integers(1, ROWS)), jitter=st.booleans())
def test_windows_lie_in_their_partition_a_stride_apart(root: Path, window: int, stride: int | None, jitter: bool) -> None:
    items = WindowDataset(root, files("wrist"), "wrist", window=window, stride=stride, jitter=jitter, seed=window)
    step = stride or window
    assert len(items) == (ROWS - window) // step + 1
    for number in {0, len(items) // 2, len(items) - 1}:
        item = items[number]
        start, leftover = int(item["emg"][0, 0]), ROWS - (number * step + window)
        assert torch.equal(item["emg"], torch.from_numpy(RAMP[start : start + window].T))
        assert item["wrist_angles"].tolist() == [list(range(start, start + window))]
        moved = start - number * step
        assert 0 <= moved < max(min(step, leftover), 1) and (jitter or moved == 0)


def test_partitions_come_one_after_the_other_with_short_ones_left_out(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    spans = [(TIMES[500], TIMES[700]), (TIMES[10], TIMES[60]), (TIMES[100], TIMES[340])]
    partitions = files("wrist", *spans) + files("wrist", spans[0], user=1)
    with caplog.at_level(logging.WARNING):
        items = WindowDataset(root, partitions, "wrist", window=100)
    assert [int(item["emg"][0, 0]) for item in items] == [500, 600, 100, 200, 500, 600]
    assert [item["user"] for item in items] == ["user_000"] * 4 + ["user_001"] * 2
    assert items[-1]["dataset"] == "wrist_user_001_dataset_000"
    assert items.skipped == (partitions[1],) and "has 50 rows, a window 100" in caplog.text
    with pytest.raises(AEMGError, match="has 50 rows, a window 100"):
        WindowDataset(root, partitions, "wrist", window=100, short="error")
    with pytest.raises(IndexError):
        items[6]


def test_a_partition_that_lacks_rows_is_left_out(tmp_path: Path, write_neuromotor_file: Write) -> None:
    """Long enough by its times, but with a gap: no index beyond the rows that are there."""
    times = TIMES.copy()
    times[100:] += 1.0
    path = tmp_path / "wrist_user_000_dataset_000.hdf5"
    write_neuromotor_file(path, "wrist", RAMP, times, [], None, np.zeros((ROWS, 2)))
    partitions = files("wrist", (START, START + 1.0), (times[100], times[600]))
    items = WindowDataset(tmp_path, partitions, "wrist", window=500)
    assert items.skipped == (partitions[0],) and len(items) == 1 and int(items[0]["emg"][0, 0]) == 100


def test_whole_partitions_have_prompts_and_times(root: Path) -> None:
    partition = files("discrete_gestures", (TIMES[200], TIMES[900]))
    (item,) = WindowDataset(root, partition, "discrete_gestures")
    assert item["prompts"] == [("thumb_in", TIMES[50]), ("index_press", TIMES[400]), ("thumb_up", TIMES[990])]
    assert item["times"].dtype == torch.float64 and np.array_equal(item["times"], TIMES[200:900])
    assert item["targets"].sum(dim=1).tolist() == [80.0] + [0.0] * 8
    (window,) = WindowDataset(root, partition, "discrete_gestures", window=700)
    assert set(window) == {"emg", "targets", "user", "dataset"}  # although it happens to be as long


@pytest.mark.parametrize("given", [{"window": 0}, {"window": 5, "stride": 0}])
def test_windows_need_a_length(given: dict[str, int], root: Path) -> None:
    with pytest.raises(AEMGError, match="at least 1 sample"):
        WindowDataset(root, files("wrist"), "wrist", **given)
    with pytest.raises(AEMGError, match="windows are for"):
        WindowDataset(root, files("handwriting"), "handwriting")


def test_bad_files_are_named(tmp_path: Path, write_neuromotor_file: Write) -> None:
    path = tmp_path / "wrist_user_000_dataset_000.hdf5"
    times = TIMES.copy()
    times[500] = TIMES[3]
    write_neuromotor_file(path, "wrist", RAMP, times, [], None, np.zeros((ROWS, 2)))
    with pytest.raises(DataFileError, match=r"never fall.* row 500"):
        WindowDataset(tmp_path, files("wrist"), "wrist", window=10)
    write_neuromotor_file(path, "handwriting", RAMP, TIMES, [], [])
    with pytest.raises(DataFileError, match="the task wrist"):
        WindowDataset(tmp_path, files("wrist"), "wrist", window=10)
    with pytest.raises(DataFileError, match="expected a file"):
        WindowDataset(tmp_path, files("wrist", user=3), "wrist", window=10)


def test_every_file_is_opened_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    read = NeuromotorFile.times

    def counted(file: NeuromotorFile, *rows: int) -> np.ndarray:
        if file._times is None and not rows:
            opened.append(file.path)
        return read(file, *rows)

    monkeypatch.setattr(NeuromotorFile, "times", counted)
    spans = [(TIMES[i], TIMES[i + 20]) for i in range(0, 900, 10)]
    items = WindowDataset(root, files("discrete_gestures", *spans), "discrete_gestures", window=15)
    assert len(items) == 90 and len(opened) == 1


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_give_the_same_items_and_follow_the_epochs(method: str, workers: int, root: Path) -> None:
    partitions = files("discrete_gestures") + files("discrete_gestures", user=1)
    options = {"window": 300, "stride": 150, "jitter": True, "augment": (Roll(2),), "seed": 5}
    items = WindowDataset(root, partitions, "discrete_gestures", **options)
    assert int(items[0]["emg"].shape[1]) == 300  # open here before there are workers
    loader = DataLoader(
        items, batch_size=5, num_workers=workers, multiprocessing_context=method, persistent_workers=True,
        collate_fn=collate_windows,
    )
    seen = []
    for epoch in range(2):
        items.set_epoch(epoch)
        batches = list(loader)
        here = [collate_windows([items[i] for i in range(first, first + 5)]) for first in range(0, len(items), 5)]
        for there, wanted in zip(batches, here, strict=True):
            assert torch.equal(there["emg"], wanted["emg"]) and torch.equal(there["targets"], wanted["targets"])
            assert there["user"] == wanted["user"]
        seen.append(torch.cat([batch["emg"] for batch in batches]))
        assert torch.equal(items.item(3, epoch)["emg"], items[3]["emg"])
    assert not torch.equal(*seen)
    again = pickle.loads(pickle.dumps(items))
    assert torch.equal(again.item(2, 1)["emg"], items.item(2, 1)["emg"])


# Augmentation and batches ----------------------------------------------------------------------------------------------


def test_rolling_turns_the_band_or_time() -> None:
    emg = RAMP[:50].T
    for along, axis in (("channels", 0), ("time", 1)):
        roll = Roll(2, along)
        offsets = set()
        for index in range(60):
            rolled = roll(emg, item_rng(0, 0, index))
            (offset,) = (o for o in range(-2, 3) if np.array_equal(rolled, np.roll(emg, o, axis=axis)))
            offsets.add(offset)
            assert np.array_equal(rolled, roll(emg, item_rng(0, 0, index)))
        assert offsets == {-2, -1, 0, 1, 2}
    assert Roll(1) == Roll(1, "channels")
    with pytest.raises(AEMGError, match="at most -1"):
        Roll(-1)


def test_chance_is_of_the_item_alone(root: Path) -> None:
    items = WindowDataset(root, files("wrist"), "wrist", window=50, augment=(Roll(3),), jitter=True, seed=1)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = items.item(4, 2)["emg"]
    items.item(5, 0)
    assert torch.equal(first, items.item(4, 2)["emg"])
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
    other = WindowDataset(root, files("wrist"), "wrist", window=50, augment=(Roll(3),), jitter=True, seed=2)
    assert any(not torch.equal(items.item(i, 0)["emg"], other.item(i, 0)["emg"]) for i in range(len(items)))


def test_batches_of_windows(root: Path) -> None:
    partitions = files("discrete_gestures", (TIMES[0], TIMES[100]), (TIMES[100], TIMES[300]))
    whole = list(WindowDataset(root, partitions, "discrete_gestures"))
    one = collate_windows(whole[:1])
    assert one["emg"].shape == (1, 16, 100) and one["targets"].shape == (1, 9, 100) and len(one["prompts"][0]) == 3
    assert one["prompts"][0] == whole[0]["prompts"] and torch.equal(one["times"][0], whole[0]["times"])
    with pytest.raises(AEMGError, match=r"windows of one length go into a batch, got \[100, 200\]"):
        collate_windows(whole)


# Prompts ---------------------------------------------------------------------------------------------------------------


def test_prompts_with_what_lies_around_them(root: Path) -> None:
    items = PromptDataset(root, files("handwriting"), padding=(150, 30))
    rows = [(100, 300), (320, 390), (500, 800), (990, 998)]
    assert [(text.text, text.start_row, text.stop_row) for text in items.texts] == [(c, *r) for c, r in zip("wxyz", rows)]
    for item, (first, stop) in zip(items, rows, strict=True):
        assert item["emg"].shape == (stop - first + 180, 16) and item["emg"].is_contiguous()
        wanted = np.zeros((stop - first + 180, 16), np.float32)
        inside = range(max(first - 150, 0), min(stop + 30, ROWS))
        for row in inside:
            wanted[row - (first - 150)] = RAMP[row]
        assert np.array_equal(item["emg"], wanted)
    assert [item["prompts"].tolist() for item in items] == [[22], [23], [24], [25]]
    assert items[0]["user"] == "user_000"


def test_prompts_of_part_of_a_file(root: Path) -> None:
    items = PromptDataset(root, files("handwriting", (TIMES[300], TIMES[900])), padding=(0, 0))
    assert [text.text for text in items.texts] == ["x", "y"]
    with pytest.raises(AEMGError, match="no prompts"):
        PromptDataset(root, files("handwriting", (TIMES[0], TIMES[50])))


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        ({"merge_s": 0.0}, ["w", "x", "y", "z"]),
        ({"merge_s": 0.12}, ["wx", "y", "z"]),
        ({"merge_s": 0.2}, ["wxy", "z"]),
        ({"merge_s": 9.0}, ["wxyz"]),
        ({"merge_s": 9.0, "separator": "→"}, ["w→x→y→z"]),
        ({"merge_s": 9.0, "respect_stages": True}, ["wx", "yz"]),
    ],
)
def test_prompts_are_joined_by_their_own_time(options: dict[str, object], texts: list[str], root: Path) -> None:
    items = PromptDataset(root, files("handwriting"), **options)
    assert [text.text for text in items.texts] == texts
    if len(texts) == 1:
        assert (items.texts[0].start_row, items.texts[0].stop_row) == (100, 998)


PROMPTS = st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 30.0)), max_size=12)


@settings(max_examples=80, derandomize=True, deadline=None)
@given(PROMPTS, st.floats(0.01, 20.0), st.lists(st.floats(0.0, 100.0), max_size=4))
def test_joining_keeps_all_prompts_in_order(steps, merge_s: float, borders: list[float]) -> None:
    prompts, at = [], 0.0
    for gap, length in steps:
        prompts.append(TextPrompt("p", at + gap, at + gap + length))
        at += gap + length
    edges = [0.0, *sorted(borders), 1e9]
    stages = [Stage("s", a, b) for a, b in pairwise(edges)]

    def duration(group: Sequence[TextPrompt]) -> float:
        return sum((prompt.end - prompt.start for prompt in group), 0.0)

    groups = list(merged(prompts, merge_s))
    assert [prompt for group in groups for prompt in group] == prompts
    assert all(duration(group) >= merge_s for group in groups[:-1])
    assert all(duration(group[:-1]) < merge_s for group in groups)
    apart = list(merged(prompts, merge_s, stages))
    assert [prompt for group in apart for prompt in group] == prompts
    for group in apart:
        assert len({next(i for i, s in enumerate(stages) if s.start <= p.start < s.end) for p in group}) == 1


def test_batches_of_prompts_from_workers(root: Path) -> None:
    items = PromptDataset(root, files("handwriting"), padding=(10, 10), merge_s=0.09, augment=(Roll(1),))
    (batch,) = DataLoader(items, batch_size=8, num_workers=1, multiprocessing_context="fork", collate_fn=collate_prompts)
    here = [items[i] for i in range(len(items))]
    assert batch["emg"].shape == (3, 16, 500) and batch["emg_lengths"].tolist() == [len(item["emg"]) for item in here]
    for emg, prompts, item in zip(batch["emg"], batch["prompts"], here):
        assert torch.equal(emg[:, : len(item["emg"])], item["emg"].T) and not emg[:, len(item["emg"]) :].any()
        assert prompts[: len(item["prompts"])].tolist() == item["prompts"].tolist()
        assert not prompts[len(item["prompts"]) :].any()
    assert batch["user"] == ["user_000"] * 3


@pytest.mark.parametrize("options", [{"padding": (-1, 0)}, {"merge_s": -1.0}])
def test_prompts_take_no_negative_lengths(options: dict[str, object], root: Path) -> None:
    with pytest.raises(AEMGError, match="or more"):
        PromptDataset(root, files("handwriting"), **options)
