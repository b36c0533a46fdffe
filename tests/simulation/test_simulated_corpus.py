"""`python simulate corpus`: the same whatever way it is made, read like any prepared set, and its truth true."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aemg.corpus import Corpus, prepare
from aemg.errors import AEMGError, DataFileError
from aemg.evaluation.trials import trials_of
from aemg.model import AEMGConfig
from aemg.sessions import SessionStore
from aemg.simulation import CorpusSpec, simulate
from aemg.simulation.anatomy import MUSCLE_INDEX
from aemg.simulation.conditions import Condition
from aemg.simulation.corpus import set_of
from aemg.simulation.movements import EVENTS
from aemg.simulation.pool import CONTROL_RATE_HZ
from aemg.simulation.truth import complete_truth, keep_truth, read_truth
from aemg.simulation.wearing import Wear

GRASPS = ("hand_close", "hand_open", "rest")
WEAR = Wear(slips_per_min=30.0, slip_deg=4.0)
SPEC = CorpusSpec("sim", "myo", 2, 7, GRASPS, 2, 0.6, 0.3, sessions=2, wear=WEAR)
WORDS = (
    "corpus --device myo --people 2 --seed 7 --gestures hand_close hand_open rest --repetitions 2 --hold 0.6 --rest 0.3 "
    "--sessions 2 --slips-per-min 30 --slip 4 --name sim --jobs 1 --spikes"
)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command() -> Callable[..., int]:
    """Runs `python simulate` as typed; gives the exit status."""

    def run(*words: str) -> int:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as done:
            patch.setattr(sys, "argv", ["simulate", *words])
            runpy.run_path(str(ROOT / "simulate"), run_name="__main__")
        return int(done.value.code or 0)

    return run


@pytest.fixture(scope="module")
def made(command: Callable[..., int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    assert command(*WORDS.split(), "--out", str(folder)) == 0
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.npz"))}


def same(a: Any, b: Any) -> None:
    """Equal, dataclasses and arrays by their parts."""
    if hasattr(a, "__dataclass_fields__"):
        for field in fields(a):
            same(getattr(a, field.name), getattr(b, field.name))
    else:
        np.testing.assert_array_equal(a, b)


def test_the_corpus_holds_every_session_and_repetition(made: Path) -> None:
    corpus = Corpus(made)
    assert [entry.file for entry in corpus.recordings] == [f for source in SPEC.sources for f in SPEC.files(source)]
    assert [entry.session for entry in corpus.recordings] == ["1", "1", "2", "2"] * 2
    assert not corpus.verify()
    for entry in corpus.recordings:
        assert sorted(i.label for i in entry.intervals) == list(GRASPS)
        assert {i.trial for i in entry.intervals} == {int(entry.file[-1])}
        assert entry.duration_s == pytest.approx(SPEC.recording_s)


def test_written_truth_is_the_truth_of_the_set(made: Path) -> None:
    corpus = Corpus(made)
    for source in SPEC.sources:
        for simulated in simulate(SPEC, source):
            origin = simulated.recording.provenance
            same(read_truth(made, origin.dataset, origin.file), simulated.truth)
    loaded, expected = corpus.load(len(corpus) - 1), simulated.recording
    np.testing.assert_array_equal(loaded.signal, expected.signal)
    assert (loaded.intervals, loaded.montage) == (expected.intervals, expected.montage)


def test_truth_tells_onsets_and_every_turn(made: Path) -> None:
    turns: dict[tuple[str, str], list[float]] = {}
    for entry in Corpus(made).recordings:
        truth = read_truth(made, entry.dataset, entry.file)
        assert truth.onsets_s == tuple(i.start_s for i in entry.intervals)
        assert truth.excitations.shape[1] == len(truth.slip_deg) == round(entry.duration_s * CONTROL_RATE_HZ)
        assert truth.slip_deg[0] == 0
        assert entry.montage.turned(truth.turn_deg, truth.mirror).angles_deg == truth.montage.angles_deg
        turns.setdefault((entry.subject, entry.session), []).append(truth.turn_deg)
        turns[entry.subject, entry.session].append(truth.turn_deg + truth.slip_deg[-1])
    for course in turns.values():
        assert course[2] == pytest.approx(course[1]), "a recording starts where the one before it ended"
    assert len({course[0] for course in turns.values()}) == 4
    assert any(len(set(course)) > 1 for course in turns.values())


def test_neither_processes_nor_interruptions_change_a_byte(made: Path, tmp_path: Path) -> None:
    reader = keep_truth(set_of(SPEC), tmp_path, spikes=True)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(reader, tmp_path, jobs=1, progress=stop)
    assert not (tmp_path / "sim.h5").exists()
    (tmp_path / "sim.truth" / "P02" / "1").mkdir(parents=True, exist_ok=True)
    (tmp_path / "sim.truth" / "P02" / "1" / "1.npz").write_bytes(b"half")
    result = prepare(keep_truth(set_of(SPEC), tmp_path, spikes=True), tmp_path, jobs=2)
    assert result.sources_read == 1
    assert Corpus(tmp_path).digests == Corpus(made).digests
    assert contents(tmp_path) == contents(made)


def test_what_is_ready_is_left_alone_and_missing_truth_is_made_again(
    made: Path, command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(made)
    lost = made / "sim.truth" / "P02" / "2" / "1.npz"
    lost.unlink()
    assert command(*WORDS.split(), "--out", str(made)) == 0
    assert "was ready" in capsys.readouterr().out
    assert contents(made) == before
    assert complete_truth(keep_truth(set_of(SPEC), made, spikes=True)) == 0


def test_other_settings_throw_the_old_truth_away(tmp_path: Path) -> None:
    keep_truth(set_of(SPEC), tmp_path)
    stale = tmp_path / "sim.truth" / "P09.npz"
    stale.write_bytes(b"")
    keep_truth(set_of(SPEC), tmp_path)
    assert stale.exists()
    keep_truth(set_of(replace(SPEC, seed=8)), tmp_path)
    assert not stale.exists()
    assert set_of(replace(SPEC, seed=8)).info != set_of(SPEC).info, "hence the set itself is made anew, too"


def test_missing_and_damaged_truth_is_told(made: Path, tmp_path: Path) -> None:
    with pytest.raises(AEMGError, match="no truth"):
        read_truth(made, "sim", "P07/1/1")
    (tmp_path / "sim.truth").mkdir()
    (tmp_path / "sim.truth" / "a.npz").write_bytes(b"PK nonsense")
    with pytest.raises(DataFileError):
        read_truth(tmp_path, "sim", "a")


def test_sessions_and_trials_are_found_in_it(made: Path) -> None:
    config = AEMGConfig()
    store = SessionStore(made, config.space, config.tokenizer)
    sessions = [store.load(key) for key in store.ensure(jobs=1)]
    assert [(s.key.subject, s.key.session) for s in sessions] == [("P01", "1"), ("P01", "2"), ("P02", "1"), ("P02", "2")]
    trials = trials_of(sessions, Corpus(made).infos[0].labels)
    assert np.bincount([t.label for t in trials]).tolist() == [8, 8, 8]


@pytest.fixture(scope="module")
def stream() -> Callable[[str], Any]:
    made: dict[str, Any] = {}

    def of(task: str) -> Any:
        if task not in made:
            made[task] = simulate(CorpusSpec("s", "myo", 1, 1, task=task, stream_s=20.0, repetitions=1), "P01")[0]
        return made[task]

    return of


def test_events_have_labels_and_onsets(stream: Callable[[str], Any]) -> None:
    recording, truth = stream("events").recording, stream("events").truth
    assert len(recording.events) == len(recording.intervals) == len(truth.onsets_s) > 5
    assert {i.label for i in recording.intervals} <= set(EVENTS)
    for event, interval, onset in zip(recording.events, recording.intervals, truth.onsets_s):
        assert event.name == interval.label
        assert interval.start_s == onset < event.time_s < interval.end_s <= onset + 0.4
        mover = max(EVENTS[event.name], key=EVENTS[event.name].__getitem__)
        drive = truth.excitations[MUSCLE_INDEX[mover]]
        assert drive[round(event.time_s * CONTROL_RATE_HZ)] > 3 * np.median(drive)
    assert len({i.trial for i in recording.intervals}) == len(recording.intervals)


def test_the_wrist_goes_where_its_muscles_pull(stream: Callable[[str], Any]) -> None:
    recording, truth = stream("wrist").recording, stream("wrist").truth
    (target,) = recording.targets
    np.testing.assert_array_equal(target.values, truth.angles_rad)
    assert (target.rate_hz, target.unit) == (CONTROL_RATE_HZ, "rad")
    extension = truth.excitations[MUSCLE_INDEX["ECRB"]] - truth.excitations[MUSCLE_INDEX["FCR"]]
    assert np.corrcoef(extension, truth.angles_rad[0])[0, 1] > 0.7
    for interval in recording.intervals:
        first, last = (min(round(t * CONTROL_RATE_HZ), len(extension) - 1) for t in (interval.start_s, interval.end_s))
        gone = truth.angles_rad[0, last] - truth.angles_rad[0, first]
        assert (gone > 0) == (interval.label == "wrist_extension")


def test_handwriting_tells_texts_and_strokes_on_the_writing_arm(stream: Callable[[str], Any]) -> None:
    recording, truth = stream("handwriting").recording, stream("handwriting").truth
    assert {event.name for event in recording.events} <= {"down", "up", "left", "right"}
    assert truth.onsets_s == tuple(event.time_s for event in recording.events)
    assert truth.person.arm == truth.person.handed
    for interval in recording.intervals:
        assert interval.label == interval.label.lower().strip() != ""
        assert any(interval.start_s < event.time_s < interval.end_s for event in recording.events)


def test_conditions_show_in_the_truth_and_in_the_signal() -> None:
    base = CorpusSpec("s", "myo", 1, 1, ("hand_open",), 1, 2.0, 0.5)
    (well,) = simulate(base, "P01")
    (weak,) = simulate(replace(base, condition=Condition(0.2)), "P01")
    np.testing.assert_allclose(weak.truth.excitations, 0.2 * well.truth.excitations, rtol=1e-5)
    assert weak.truth.onsets_s == well.truth.onsets_s
    assert weak.recording.montage == well.recording.montage and weak.truth.turn_deg == well.truth.turn_deg
    power = [np.mean(s.recording.signal[:, 150:450].astype(float) ** 2) for s in (well, weak)]
    assert power[1] < 0.5 * power[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--people 0", "at least 1"),
        ("--minutes 0.1 --task wrist", "10 s"),
        ("--weakness biceps=0.5", "biceps"),
        ("--tremor-depth 2", "tremor_depth"),
        ("--slip -3", "at least 0"),
    ],
)
def test_mistakes_are_told_in_a_line(
    words: str, said: str, command: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("corpus", "--device", "myo", "--out", str(tmp_path), *words.split()) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_demo_draws_from_the_same_generator(tmp_path: Path) -> None:
    demo = runpy.run_path(str(ROOT / "finetune" / "demo.py"))
    for reader in demo["simulated"](tmp_path):
        spec = reader.read_source.args[0]
        assert isinstance(spec, CorpusSpec) and reader.info == set_of(spec).info
