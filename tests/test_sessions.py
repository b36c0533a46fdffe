"""Sessions: made once, stored whole, the same every time."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch

from aemg.corpus import Corpus
from aemg.errors import AEMGError, DataFileError
from aemg.model import AEMG, AEMGConfig, NetworkConfig, collate, stretch_of, windows_within
from aemg.sessions import (
    HOP_S,
    WINDOW_S,
    Session,
    SessionKey,
    SessionStore,
    labelled_windows,
    load_session,
    save_session,
    sessions_of,
    tokenise_session,
)
from aemg.sessions import session as module
from aemg.signals import Interval, Provenance, Recording, ring
from aemg.signals.filters import highpass, resample
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SLOTS, SpaceConfig, Worn

SPACE, NCT = SpaceConfig(), TokenizerConfig()
KEY = SessionKey("set", "s1", "1")


def assert_equal(a: Session, b: Session) -> None:
    for field in fields(Session):
        first, second = getattr(a, field.name), getattr(b, field.name)
        if isinstance(first, np.ndarray):
            assert first.dtype == second.dtype and first.tobytes() == second.tobytes(), field.name
        else:
            assert first == second, field.name


def still(seconds: float = 2.0) -> Recording:
    """Nothing but an offset."""
    signal = np.full((8, round(200 * seconds)), 3.0, np.float32)
    rest, origin = (Interval(0.0, seconds, "rest", 1),), Provenance("set", "f", "0" * 64, "CC0-1.0")
    return Recording(signal, 200.0, ring("myo", 8), "s1", "1", origin, intervals=rest)


def bursts(rate_hz: float = 200.0, seconds: float = 6.0) -> Recording:
    rng = np.random.default_rng(0)
    t = np.arange(round(rate_hz * seconds)) / rate_hz
    loud = 1.0 + 20.0 * ((t % 2.0) > 1.0)
    signal = (rng.standard_normal((8, len(t))) * loud).astype(np.float32)
    return replace(still(), signal=signal, rate_hz=rate_hz, intervals=())


@pytest.fixture(scope="module")
def one(corpus: Path) -> list[Recording]:
    opened = Corpus(corpus)
    return [opened.load(i) for i in next(iter(sessions_of(opened).values()))]


def test_a_session_is_read_back_as_it_was(sessions: list[Session], tmp_path: Path) -> None:
    save_session(sessions[0], tmp_path / "s")
    assert_equal(load_session(tmp_path / "s"), sessions[0])
    assert [p.name for p in tmp_path.iterdir()] == ["s"], "nothing partial is left"


def test_tokenising_twice_gives_the_same(one: list[Recording], sessions: list[Session]) -> None:
    again = tokenise_session(sessions[0].key, one, SPACE, NCT)
    assert_equal(again, sessions[0])


def test_the_arrays_belong_together(sessions: list[Session]) -> None:
    for session in sessions:
        n = sum(r.tokens[1] - r.tokens[0] for r in session.recordings)
        w = sum(r.windows[1] - r.windows[0] for r in session.recordings)
        assert n == len(session.tokens) > 0 and w == len(session.window_start_s)
        assert session.slot_features.shape[:2] == (w, SLOTS) and session.native_features.shape[0] == w
        for recording in session.recordings:
            rows = session.tokens[slice(*recording.tokens)]
            assert (rows["start_s"] < rows["end_s"]).all() and (np.diff(rows["start_s"]) > 0).all()
            assert rows["end_s"].max() <= recording.duration_s + 0.01
            assert all(np.isfinite(rows[name]).all() for name in rows.dtype.names)


def test_labels_are_not_looked_at(one: list[Recording], sessions: list[Session]) -> None:
    bare = tokenise_session(sessions[0].key, [replace(r, intervals=()) for r in one], SPACE, NCT)
    bare = replace(bare, recordings=sessions[0].recordings)
    assert_equal(bare, sessions[0])


def test_tokens_do_not_depend_on_the_scale(one: list[Recording], sessions: list[Session]) -> None:
    quiet = [replace(r, signal=r.signal * np.float32(2.0**-20)) for r in one]
    session = tokenise_session(sessions[0].key, quiet, SPACE, NCT)
    np.testing.assert_array_equal(session.tokens["start_s"], sessions[0].tokens["start_s"])
    for name in session.tokens.dtype.names or ():
        np.testing.assert_allclose(session.tokens[name], sessions[0].tokens[name], atol=5e-3, err_msg=name)
    np.testing.assert_allclose(session.slot_features, sessions[0].slot_features, atol=1e-3)


def test_a_stretch_has_the_tokens_whose_centre_lies_in_it(sessions: list[Session]) -> None:
    session = sessions[0]
    rows = session.tokens[slice(*session.recordings[1].tokens)]
    centre = (rows["start_s"] + rows["end_s"]) / 2
    for start_s, end_s in ((1.0, 3.0), (0.0, 100.0), (2.5, 2.6), (50.0, 60.0)):
        stretch = stretch_of(session, 1, start_s, end_s)
        inside = (centre >= start_s) & (centre < end_s)
        np.testing.assert_array_equal(stretch.tokens["start_s"], rows["start_s"][inside])
    cut = float(centre[2])  # a token belongs to exactly one of two neighbouring stretches
    before, after = stretch_of(session, 1, 0.0, cut), stretch_of(session, 1, cut, 1e3)
    assert len(before.tokens) + len(after.tokens) == len(rows)


def test_windows_within_lie_wholly_in_the_stretch(sessions: list[Session]) -> None:
    session = sessions[0]
    for recording, start_s, end_s in ((0, 0.0, 2.0), (2, 1.0, 1.0 + WINDOW_S), (1, 1.01, 3.3), (1, 2.0, 2.1)):
        bounds = session.recordings[recording].windows
        first, last = windows_within(session, recording, start_s, end_s)
        starts = session.window_start_s[slice(*bounds)]
        inside = np.flatnonzero((starts >= start_s - 1e-6) & (starts + WINDOW_S <= end_s + 1e-6)) + bounds[0]
        assert list(range(first, last)) == list(inside)
    assert windows_within(session, 1, 1.0, 1.0 + WINDOW_S + HOP_S)[1] > windows_within(session, 1, 1.0, 1.1)[0]


def test_a_window_is_labelled_where_it_lies_wholly_in_one_interval(sessions: list[Session]) -> None:
    session = sessions[0]
    labels, trials = labelled_windows(session)
    assert ((trials >= 0) == (labels != "")).all() and (labels != "").any() and (labels == "").any()
    number = 0
    for recording in session.recordings:
        starts = session.window_start_s[slice(*recording.windows)]
        for interval in recording.intervals:
            own = np.flatnonzero(trials == number)
            assert (labels[own] == interval.label).all()
            inside = (starts >= interval.start_s - 1e-6) & (starts + WINDOW_S <= interval.end_s + 1e-6)
            assert list(own) == list(recording.windows[0] + np.flatnonzero(inside))
            number += 1


def test_devices_of_any_rate_are_comparable_at_the_unified_one() -> None:
    slow = bursts(200.0)
    noise = 8.0 * np.random.default_rng(1).standard_normal((8, round(1000 * slow.duration_s))).astype(np.float32)
    more = resample(slow.signal, 200.0, 1000.0)[:, : noise.shape[1]] + highpass(noise, 1000.0, 200.0)
    fast = replace(slow, rate_hz=1000.0, signal=more.astype(np.float32))  # the same, and what only a fast device hears
    one, other = (tokenise_session(KEY, [r], SPACE, NCT) for r in (slow, fast))
    for session in (one, other):
        assert session.unified_features.shape == session.slot_features.shape
        assert session.unified_tangent.shape == session.slot_tangent.shape
        at = session.at_unified_rate
        np.testing.assert_array_equal(at.slot_tangent, session.unified_tangent)
        np.testing.assert_allclose(at.feature_mean, session.unified_features.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(one.unified_features, one.slot_features, atol=1e-5)

    def apart(a: Session, b: Session) -> float:
        n = min(len(a.slot_features), len(b.slot_features))
        return float(np.abs(a.slot_features[:n] - b.slot_features[:n]).mean())

    assert apart(one, other) > 4 * apart(one.at_unified_rate, other.at_unified_rate)


def test_a_session_without_contractions_goes_all_the_way(tiny: NetworkConfig, tmp_path: Path) -> None:
    session = tokenise_session(KEY, [still()], SPACE, NCT)
    assert len(session.tokens) == 0
    assert np.isfinite(session.slot_features).all() and np.isfinite(session.slot_tangent).all()
    save_session(session, tmp_path / "still")
    assert_equal(load_session(tmp_path / "still"), session)
    batch = collate([stretch_of(session, 0, 0.0, 2.0)], [Worn()])
    assert not batch.valid.any()
    model = AEMG(AEMGConfig(network=tiny)).eval()
    with torch.no_grad():
        tokens, sentence = model.encoder(batch)
    assert torch.isfinite(sentence).all() and torch.isfinite(tokens).all()
    assert model.embed(still()).shape == (0, tiny.width)


def test_still_and_busy_recordings_share_a_session() -> None:
    session = tokenise_session(KEY, [still(), bursts(), still()], SPACE, NCT)
    counts = [r.tokens[1] - r.tokens[0] for r in session.recordings]
    assert counts[0] == counts[2] == 0 < counts[1]


def test_envelopes_and_nothing_are_refused() -> None:
    with pytest.raises(AEMGError, match="envelope"):
        tokenise_session(KEY, [replace(bursts(), kind="envelope")], SPACE, NCT)
    with pytest.raises(AEMGError, match="no recording"):
        tokenise_session(KEY, [], SPACE, NCT)


def test_envelope_recordings_of_a_corpus_are_left_out(crowd_corpus: Path) -> None:
    assert {key.dataset for key in sessions_of(Corpus(crowd_corpus))} == {"sim-a", "sim-b"}
    with pytest.raises(AEMGError, match="sim-envelope/P01/1"):
        SessionStore(crowd_corpus, SPACE, NCT).ensure([SessionKey("sim-envelope", "P01", "1")], jobs=1)


@pytest.fixture
def copied(crowd_corpus: Path, tmp_path: Path) -> Path:
    """A corpus of one set without stored sessions."""
    shutil.copy(crowd_corpus / "sim-a.h5", tmp_path / "sim-a.h5")
    return tmp_path


def folders(corpus: Path) -> list[Path]:
    return sorted(p.parent for p in corpus.rglob("session.json"))


def test_a_session_is_made_once(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = SessionStore(copied, SPACE, NCT)
    calls: list[tuple[int, int]] = []
    keys = store.ensure(jobs=1, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(0, 2), (1, 2), (2, 2)] and len(folders(copied)) == 2
    monkeypatch.setattr("aemg.sessions.store._make", lambda *_: pytest.fail("made again"))
    assert store.ensure(jobs=1) == keys == SessionStore(copied, SPACE, NCT).ensure(keys, jobs=1)


@pytest.mark.parametrize(
    ("space", "nct"),
    [(SpaceConfig(rate_hz=400.0), NCT), (SpaceConfig(mains_hz=50.0), NCT), (SPACE, TokenizerConfig(on_factor=4.0))],
)
def test_another_setting_is_another_store(copied: Path, space: SpaceConfig, nct: TokenizerConfig) -> None:
    key = SessionStore(copied, SPACE, NCT).ensure(jobs=1)[0]
    other = SessionStore(copied, space, nct)
    with pytest.raises(DataFileError, match="tokenised session"):
        other.load(key)
    before = folders(copied)
    other.ensure([key], jobs=1)
    assert len(folders(copied)) == len(before) + 1 and set(before) < set(folders(copied))


def test_another_content_of_the_set_is_another_store(crowd_corpus: Path, copied: Path) -> None:
    key = SessionStore(copied, SPACE, NCT).ensure(jobs=1)[0]
    assert Corpus(crowd_corpus).digests["sim-a"] != Corpus(crowd_corpus).digests["sim-b"]
    first = SessionStore(copied, SPACE, NCT)._folder(key)
    assert Corpus(copied).digests["sim-a"][:10] in str(first)  # type: ignore[index]


def test_what_a_killed_process_left_is_no_session(copied: Path) -> None:
    store = SessionStore(copied, SPACE, NCT)
    first, second = store.ensure(jobs=1)
    whole = store.load(first)
    folder = store._folder(first)
    os.replace(folder, folder.with_name(f"{folder.name}.partial-1"))  # killed before the rename
    assert store.ensure(jobs=1) == [first, second]
    assert_equal(store.load(first), whole)


def test_a_killed_process_in_the_middle_of_saving_leaves_nothing_to_load(
    sessions: list[Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_table", killed)
    with pytest.raises(KeyboardInterrupt):
        save_session(sessions[0], tmp_path / "s")
    assert not (tmp_path / "s").exists()
    monkeypatch.undo()
    save_session(sessions[0], tmp_path / "s")
    assert_equal(load_session(tmp_path / "s"), sessions[0])


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("name", ["tokens.npy", "windows.npy", "session.json"])
@pytest.mark.parametrize("damage", [truncated, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_damaged_session_says_so(
    sessions: list[Session], tmp_path: Path, name: str, damage: Callable[[Path], None]
) -> None:
    save_session(sessions[0], tmp_path / "s")
    damage(tmp_path / "s" / name)
    with pytest.raises(DataFileError, match="tokenised session"):
        load_session(tmp_path / "s")


def test_sessions_of_a_corpus_elsewhere_lie_in_a_folder_of_their_own(corpus: Path, tmp_path: Path) -> None:
    elsewhere = Path(f"file://{corpus}")
    with pytest.raises(AEMGError, match="name a folder for its tokenised sessions"):
        SessionStore(elsewhere, SPACE, NCT)
    store = SessionStore(elsewhere, SPACE, NCT, tmp_path)
    key = store.ensure([sorted(sessions_of(Corpus(corpus)), key=str)[0]], jobs=1)[0]
    assert_equal(store.load(key), SessionStore(corpus, SPACE, NCT).load(key))
    assert len(list(tmp_path.rglob("session.json"))) == 1


@pytest.mark.parametrize("backend", ["loky", "dask"])
def test_sessions_are_the_same_whoever_makes_them(corpus: Path, tmp_path: Path, backend: str) -> None:
    keys = sorted(sessions_of(Corpus(corpus)), key=str)[:2]
    store = SessionStore(corpus, SPACE, NCT, tmp_path)
    if backend == "dask":
        distributed = pytest.importorskip("distributed")
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
            distributed.Client(cluster),
            joblib.parallel_config(backend="dask"),
        ):
            store.ensure(keys, jobs=2)
    else:
        store.ensure(keys, jobs=2)
    for key in keys:
        assert_equal(store.load(key), SessionStore(corpus, SPACE, NCT).load(key))


@pytest.mark.parametrize("head", [b"{'descr': (", b"{'descr': '<f4'", b"\xff\xff"])
def test_an_array_with_a_damaged_head_says_so(sessions: list[Session], tmp_path: Path, head: bytes) -> None:
    save_session(sessions[0], tmp_path / "s")
    file = tmp_path / "s" / "windows.npy"
    data = file.read_bytes()
    file.write_bytes(data[:10] + head.ljust(len(head) + 4) + data[14 + len(head) :])
    with pytest.raises(DataFileError, match="tokenised session"):
        load_session(tmp_path / "s")
