"""A prepared set as EMG-BIDS and back: the same labels, times, rates, montages and targets, samples within half a step."""

from __future__ import annotations

import errno
import json
import os
import runpy
from collections.abc import Sequence
from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg import datasets
from aemg.corpus import Corpus, CorpusWriter, prepare
from aemg.corpus.bids import export_bids
from aemg.corpus.bids.samples import quantised, write_bdf
from aemg.datasets.base import DatasetInfo
from aemg.datasets.formats.edf import read_header, read_samples
from aemg.errors import AEMGError
from aemg.signals import (
    Electrode,
    ElectrodeGroup,
    Event,
    Interval,
    Montage,
    Provenance,
    Recording,
    Target,
    grid,
    ring,
)

INFO = DatasetInfo(
    name="some-set", title="Some set, two gestures", subjects=2, channels=8, rate_hz=200.0, unit="arbitrary", kind="raw",
    labels=("rest", "hand_close", "own_word"), device="a band", montage="ring", licence="CC-BY-4.0", permissive=True,
    citation="A. B., 2020", homepage="https://example.org/set", notes=("A trap.",), own_labels=("0", "fist", "own"),
)  # fmt: skip
MUSCLES = Montage(
    "mixed",
    (
        ElectrodeGroup("ring", tuple(Electrode(f"{i}", 60.0 * i + 7.5, 0.3) for i in range(6)), 60.0),
        ElectrodeGroup("targeted", (Electrode("FDS", 91.3, 0.4, "flexor digitorum superficialis"), Electrode("b", 270.0)), 90.0),
    ),
    angle_known=True,
    arm="left",
)


def recording(**changes: object) -> Recording:
    rng = np.random.default_rng(3)
    facts: dict[str, object] = {
        "signal": rng.standard_normal((8, 5003)).astype(np.float32) * 1e-4, "rate_hz": 200.0, "montage": ring("myo", 8),
        "subject": "a b", "session": "day 1", "provenance": Provenance("some-set", "x/1.txt", "0" * 64, "CC-BY-4.0"),
        "intervals": (Interval(0.1, 1.1, "hand_close", 4), Interval(1.1, 2.3, "rest", 4)), "events": (Event(0.75, "tap"),),
    }  # fmt: skip
    return Recording(**(facts | changes))  # type: ignore[arg-type]


def written(folder: Path, recordings: Sequence[Recording], info: DatasetInfo = INFO) -> Corpus:
    with CorpusWriter(folder / f"{info.name}.h5", info) as writer:
        writer.append(recordings, source="all")
    return Corpus(folder)


def there_and_back(folder: Path, recordings: Sequence[Recording]) -> list[Recording]:
    export_bids(written(folder, recordings), "some-set", folder / "bids")
    return list(datasets.open("emg-bids", folder / "bids" / "some-set"))


def steps_of(root: Path, found: Recording) -> np.ndarray:
    sidecar = root / found.provenance.file.replace("_emg.bdf", "_emg.json")
    return np.array(json.loads(sidecar.read_text())["AEMG"]["steps"])[:, None]


CASES = {
    "ring": recording(),
    "volts": recording(unit="V"),
    "counts": recording(signal=(np.arange(8 * 777).reshape(8, 777) % 256 - 128).astype(np.float32)),
    "known muscles": recording(montage=MUSCLES, session="2"),
    "grid": recording(montage=grid("g", 2, 4, column_deg=12.5, row_positions=(0.2, 0.3), first_deg=40)),
    "odd rate": recording(rate_hz=1925.925925925926),
    "rate of powers of two": recording(rate_hz=2048.0),
    "flat channel": recording(signal=np.zeros((8, 50), np.float32), intervals=(), events=()),
    "envelope": recording(kind="envelope", band_hz=(0.0, 5.5)),
    "target": recording(
        targets=(Target("index angle", np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32), 8.0, "rad"),)
    ),
    "two targets": recording(targets=tuple(Target(n, np.full((1, 9), 0.1, np.float32), 2.0, "N") for n in ("force", "other"))),
    "no labels": recording(intervals=(), events=()),
}


@pytest.mark.parametrize("case", CASES)
def test_there_and_back(tmp_path: Path, case: str) -> None:
    sent = CASES[case]
    (found,) = there_and_back(tmp_path, [sent])
    assert found.rate_hz == sent.rate_hz and found.signal.shape == sent.signal.shape
    steps = steps_of(tmp_path / "bids" / "some-set", found)
    assert (np.abs(found.signal - sent.signal) <= 0.5 * steps + np.spacing(np.abs(sent.signal))).all()
    assert (steps <= np.abs(sent.signal).max() * 1e-6).all() or case in ("counts", "flat channel")
    assert found.montage == sent.montage
    assert (found.subject, found.session, found.unit, found.kind) == (sent.subject, sent.session, sent.unit, sent.kind)
    assert found.band_hz == sent.band_hz and found.events == sent.events
    assert [(i.label, i.trial) for i in found.intervals] == [(i.label, i.trial) for i in sent.intervals]
    times = [(i.start_s, i.end_s) for i in sent.intervals]
    assert np.allclose([(i.start_s, i.end_s) for i in found.intervals], times, rtol=0, atol=1e-9)
    assert [(t.name, t.rate_hz, t.unit) for t in found.targets] == [(t.name, t.rate_hz, t.unit) for t in sent.targets]
    assert all(np.array_equal(a.values, b.values) for a, b in zip(found.targets, sent.targets))


def test_counts_stay_what_they_are(tmp_path: Path) -> None:
    (found,) = there_and_back(tmp_path, [CASES["counts"]])
    assert np.array_equal(found.signal, CASES["counts"].signal)


def test_corpus_to_bids_to_corpus(tmp_path: Path) -> None:
    corpus = written(tmp_path, [recording(), recording(subject="c", unit="arbitrary")])
    export_bids(corpus, "some-set", tmp_path / "bids")
    prepare(datasets.open("emg-bids", tmp_path / "bids"), tmp_path / "again", jobs=1)
    again = Corpus(tmp_path / "again")
    assert [(e.subject, e.session, e.rate_hz, e.montage) for e in again.recordings] == [
        (e.subject, e.session, e.rate_hz, e.montage) for e in corpus.recordings
    ]
    (info,) = again.infos
    assert (info.name, info.title, info.licence, info.permissive) == ("emg-bids-some-set", INFO.title, "CC-BY-4.0", True)
    assert info.crowd == "some-set" and info.labels == INFO.labels  # the same people: a split keeps them together


def test_names_that_look_alike_as_labels_stay_apart(tmp_path: Path) -> None:
    people = ["a-b", "ab", "A B", "ä", "ö"]
    found = there_and_back(tmp_path, [recording(subject=person) for person in people])
    assert sorted(r.subject for r in found) == sorted(people)
    folders = [path.name for path in (tmp_path / "bids" / "some-set").glob("sub-*")]
    assert len({name.lower() for name in folders}) == 5 and all(name[4:].isascii() and name[4:].isalnum() for name in folders)


def test_runs_keep_their_order_and_montages_that_differ_their_own(tmp_path: Path) -> None:
    sent = [recording(montage=ring("myo", 8, first_deg=i), intervals=(Interval(0, 1, f"l{i}", i),)) for i in range(11)]
    found = there_and_back(tmp_path, sent)
    assert [r.intervals[0].label for r in found] == [f"l{i}" for i in range(11)]
    assert [r.montage for r in found] == [r.montage for r in sent]


def test_the_folder_says_what_bids_asks_for(tmp_path: Path) -> None:
    export_bids(written(tmp_path, [CASES["known muscles"]]), "some-set", tmp_path)
    root = tmp_path / "some-set"
    described = json.loads((root / "dataset_description.json").read_text())
    assert described["License"] == "CC-BY-4.0" and described["GeneratedBy"][0]["Name"] == "AEMG"
    assert (root / "participants.tsv").read_text() == "participant_id\nsub-ab\n"
    assert "more than half" in (root / "README.md").read_text() and "1.0.0" in (root / "CHANGES").read_text()
    levels = json.loads((root / "task-someset_events.json").read_text())["trial_type"]["Levels"]
    assert levels == {"rest": "0", "hand_close": "fist", "own_word": "own"}
    emg = root / "sub-ab" / "ses-2" / "emg"
    names = {path.name for path in emg.iterdir()}
    assert names == {
        "sub-ab_ses-2_electrodes.tsv", "sub-ab_ses-2_space-forearm_coordsystem.json",
        *(f"sub-ab_ses-2_task-someset_run-1_{end}" for end in ("channels.tsv", "emg.bdf", "emg.json", "events.tsv")),
    }  # fmt: skip
    rows = [line.split("\t") for line in (emg / "sub-ab_ses-2_task-someset_run-1_channels.tsv").read_text().splitlines()]
    assert rows[0][:3] == ["name", "type", "units"] and rows[7][-1] == "flexor digitorum superficialis"
    assert {row[1] for row in rows[1:]} == {"EMG"}


def test_a_stopped_export_goes_on_and_whole_files_are_left_alone(tmp_path: Path) -> None:
    corpus = written(tmp_path, [recording(subject=str(i)) for i in range(4)])

    class Stop(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        export_bids(corpus, "some-set", tmp_path / "bids", progress=stop)
    (tmp_path / "bids/some-set/sub-2/ses-day1/emg").mkdir(parents=True)
    (tmp_path / "bids/some-set/sub-2/ses-day1/emg/.sub-2_ses-day1_task-someset_run-1.partial").write_bytes(b"cut")
    result = export_bids(corpus, "some-set", tmp_path / "bids")
    assert (result.recordings, result.written) == (4, 2) and not list((tmp_path / "bids").rglob(".*"))
    export_bids(corpus, "some-set", tmp_path / "once")
    files = {path.relative_to(tmp_path / "once"): path.read_bytes() for path in (tmp_path / "once").rglob("*.*")}
    assert files == {path.relative_to(tmp_path / "bids"): path.read_bytes() for path in (tmp_path / "bids").rglob("*.*")}
    assert export_bids(corpus, "some-set", tmp_path / "bids").written == 0


def test_a_full_disk_is_told_and_the_same_call_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = written(tmp_path, [recording(subject=str(i)) for i in range(3)])
    replace = os.replace

    def full(draft: Path, path: Path) -> None:
        if path.name.startswith("sub-1") and path.suffix == ".bdf":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        replace(draft, path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(AEMGError, match=r"cannot write .*sub-1.*No space left"):
            export_bids(corpus, "some-set", tmp_path / "bids")
    assert export_bids(corpus, "some-set", tmp_path / "bids").written == 2
    assert len(list(datasets.open("emg-bids", tmp_path / "bids"))) == 3


def test_another_export_and_other_files_are_not_written_into(tmp_path: Path) -> None:
    export_bids(written(tmp_path, [recording()]), "some-set", tmp_path / "bids")
    (tmp_path / "b").mkdir()
    other = written(tmp_path / "b", [recording(subject="z")])
    with pytest.raises(AEMGError, match="another export"):
        export_bids(other, "some-set", tmp_path / "bids")
    (tmp_path / "full" / "some-set").mkdir(parents=True)
    (tmp_path / "full" / "some-set" / "mine.txt").write_text("mine")
    with pytest.raises(AEMGError, match="holds other files"):
        export_bids(other, "some-set", tmp_path / "full")


def test_a_set_that_the_corpus_does_not_hold_is_named(tmp_path: Path) -> None:
    with pytest.raises(AEMGError, match="no set nothing in the corpus"):
        export_bids(written(tmp_path, [recording()]), "nothing", tmp_path / "bids")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(Path(__file__).parents[1] / "datasets"), run_name="command")["main"]
    (tmp_path / "corpus").mkdir()
    written(tmp_path / "corpus", [recording()])
    assert main(["export", str(tmp_path / "corpus"), "--bids", str(tmp_path / "bids")]) == 0
    assert "some-set: 1 recordings, 1 written" in capsys.readouterr().out
    assert main(["export", str(tmp_path / "corpus"), "--bids", str(tmp_path / "bids"), "--sets", "none"]) == 2
    assert "no set none" in capsys.readouterr().err


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    peak=st.floats(1e-12, 1e7), rate=st.sampled_from([100.0, 200.0, 985.0, 1111.0, 1925.93, 2048.0, 5120.0]),
    samples=st.integers(1, 5000), unit=st.sampled_from(["V", "arbitrary"]),
)  # fmt: skip
def test_other_software_reads_the_same_from_the_file(
    tmp_path_factory: pytest.TempPathFactory, peak: float, rate: float, samples: int, unit: str
) -> None:
    peak = min(peak, 9.0) if unit == "V" else peak
    rng = np.random.default_rng(samples)
    signal = (rng.uniform(-1, 1, (2, samples)) * np.array([[peak], [peak / 7]])).astype(np.float32)
    stored = quantised(signal, unit)
    path = tmp_path_factory.mktemp("bdf") / "x.bdf"
    write_bdf(path, stored, rate, ["one", "two"], "uV" if unit == "V" else "")
    header = read_header(path)
    chosen = [s for s in header.signals if not s.is_annotation]
    own = read_samples(path, header, chosen, [stored.scale] * 2)[:, :samples]
    theirs = np.stack([s.data for s in edfio.read_bdf(path).signals])[:, :samples] * stored.scale
    allowed = 0.5 * np.array(stored.steps)[:, None] + 2e-7 * np.abs(signal)
    assert (np.abs(own - signal) <= allowed).all() and (np.abs(theirs - signal) <= allowed * (1 + 1e-6)).all()
    assert header.rate_hz(chosen[0]) == pytest.approx(rate, rel=1e-6)
    path.unlink()


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(AEMGError, match="not finite"):
        quantised(np.array([[np.nan]], np.float32), "V")
    with pytest.raises(AEMGError, match="microvolts"):
        quantised(np.array([[11.0]], np.float32), "V")
