"""Laws of registration: what a way of wearing is, and that the simulated ways are found again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.features import standardise
from aemg.sessions import Session, SessionKey, labelled_windows, tokenise_session
from aemg.simulation import SimulatedRecording
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SLOT_DEG, SLOTS, WAYS, SpaceConfig, TurnJudge, Worn, label_patterns, register_jointly
from aemg.topology.registration import turn_log_prior
from aemg.training import register_sessions

LAWS = settings(deadline=None, max_examples=60, derandomize=True)
ways = st.sampled_from(WAYS)
MOVEMENTS = ("a", "b", "c", "d")


def worn_as(patterns: NDArray[np.float64], way: Worn) -> NDArray[np.float64]:
    """What a band shows that has to be registered by `way` to give (..., S, F)."""
    back = np.empty_like(patterns)
    back[..., way.order, :] = patterns
    return back


def patterns_of(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.standard_normal((len(MOVEMENTS), SLOTS, 3))


def common(found: Sequence[Worn], wanted: Sequence[Worn]) -> Worn | None:
    """The way that, after each found one, gives the wanted one."""
    return next((g for g in WAYS if all(f.then(g) == w for f, w in zip(found, wanted))), None)


@given(ways, ways, ways)
@LAWS
def test_ways_of_wearing_are_a_group(a: Worn, b: Worn, c: Worn) -> None:
    values = np.arange(SLOTS)
    np.testing.assert_array_equal(values[a.order][b.order], values[a.then(b).order])
    assert a.then(b) in WAYS
    assert a.then(b).then(c) == a.then(b.then(c))
    assert a.then(Worn()) == a == Worn().then(a)
    assert sum(a.then(inverse) == Worn() for inverse in WAYS) == 1


def test_there_are_thirty_two_ways() -> None:
    assert len(set(WAYS)) == 2 * SLOTS
    assert len({tuple(way.order) for way in WAYS}) == 2 * SLOTS


@given(st.lists(ways, min_size=2, max_size=5), st.integers(0, 99))
@LAWS
def test_random_turns_are_found_up_to_a_common_one(truth: list[Worn], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = patterns_of(rng)
    noisy = {i: worn_as(shared + 0.2 * rng.standard_normal(shared.shape), way) for i, way in enumerate(truth)}
    joint = register_jointly(noisy, MOVEMENTS)
    assert common([joint.worn[i] for i in noisy], truth) is not None


@given(st.lists(ways, min_size=4, max_size=4), st.integers(0, 99))
@LAWS
def test_a_session_may_lack_movements(truth: list[Worn], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = patterns_of(rng)
    made = {i: worn_as(shared + 0.1 * rng.standard_normal(shared.shape), way) for i, way in enumerate(truth)}
    for lacking in made:
        made[lacking][lacking % len(MOVEMENTS)] = np.nan
    joint = register_jointly(made, MOVEMENTS)
    assert common([joint.worn[i] for i in made], truth) is not None
    assert np.isfinite(joint.patterns).all()


def test_a_movement_that_nobody_makes_stays_unknown() -> None:
    shared = patterns_of(np.random.default_rng(0))
    shared[2] = np.nan
    joint = register_jointly({0: shared, 1: shared.copy()}, MOVEMENTS)
    assert np.isnan(joint.patterns[2]).all() and np.isfinite(joint.patterns[[0, 1, 3]]).all()


@given(st.lists(ways, min_size=2, max_size=4), st.integers(0, 99))
@LAWS
def test_sessions_with_known_angles_stay_and_set_the_frame(truth: list[Worn], seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = patterns_of(rng)
    truth = [Worn(), *truth]
    made = {i: worn_as(shared + 0.1 * rng.standard_normal(shared.shape), way) for i, way in enumerate(truth)}
    joint = register_jointly(made, MOVEMENTS, fixed=frozenset({0}))
    assert [joint.worn[i] for i in made] == truth
    anchored = register_jointly(made, MOVEMENTS, worn_as(shared, WAYS[5]), frozenset({0}))
    assert anchored.worn[0] == Worn(), "an anchor does not turn what is known"


@given(st.lists(ways, min_size=2, max_size=4), ways, st.integers(0, 99))
@LAWS
def test_an_anchor_sets_the_frame(truth: list[Worn], frame: Worn, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared = patterns_of(rng)
    made = {i: worn_as(shared, way) for i, way in enumerate(truth)}
    anchor = shared[:, frame.order].copy()
    anchor[1] = np.nan  # it need not know every movement
    joint = register_jointly(made, MOVEMENTS, anchor)
    assert [joint.worn[i] for i in made] == [way.then(frame) for way in truth]
    np.testing.assert_allclose(joint.patterns, shared[:, frame.order], atol=1e-9)


def test_nothing_to_register_is_refused() -> None:
    with pytest.raises(AEMGError, match="no session"):
        register_jointly({}, MOVEMENTS)


def test_patterns_are_means_by_movement() -> None:
    rng = np.random.default_rng(0)
    features = rng.standard_normal((10, SLOTS, 2)).astype(np.float32)
    labels = np.array(["a"] * 4 + ["b"] * 6)
    patterns = label_patterns(features, labels, ("b", "x", "a"))
    np.testing.assert_allclose(patterns[0], features[4:].mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(patterns[2], features[:4].mean(axis=0), atol=1e-6)
    assert np.isnan(patterns[1]).all()


@given(st.lists(ways, max_size=8))
@LAWS
def test_the_prior_is_a_distribution_that_rules_nothing_out(sources: list[Worn]) -> None:
    prior = np.exp(turn_log_prior(sources))
    assert prior.shape == (len(WAYS),)
    assert prior.sum() == pytest.approx(1) and (prior > 0).all()


# The simulated people: the truth is known.


@pytest.fixture(scope="module")
def worn_sessions(people: list[list[SimulatedRecording]]) -> list[Session]:
    found = []
    for number, recordings in enumerate(people):
        key = SessionKey("sim-worn", f"P{number + 1:02d}", "1")
        found.append(tokenise_session(key, [r.recording for r in recordings], SpaceConfig(), TokenizerConfig()))
    return found


def errors_slots(found: Sequence[Worn], people: Sequence[list[SimulatedRecording]], frame: Worn) -> NDArray[np.float64]:
    """How far each found way, brought to `frame`, is from the truth; half a turn where it is mirrored."""
    errors = []
    for way, recordings in zip(found, people):
        truth, brought = recordings[0].truth, way.then(frame)
        away = abs((brought.turn_deg - truth.turn_deg + 180) % 360 - 180) / SLOT_DEG
        errors.append(away if brought.mirror == truth.mirror else SLOTS / 2)
    return np.array(errors)


def best_frame(found: Sequence[Worn], people: Sequence[list[SimulatedRecording]]) -> Worn:
    return min(WAYS, key=lambda frame: np.minimum(errors_slots(found, people, frame), 3).sum())


def judge_of(sessions: Sequence[Session], worn: Sequence[Worn]) -> TurnJudge:
    features = np.concatenate([standardise(s.slot_features)[:, w.order] for s, w in zip(sessions, worn)])
    labels = np.concatenate([labelled_windows(s)[0] for s in sessions])
    return TurnJudge(features[labels != ""], labels[labels != ""], worn)


def test_simulated_people_are_registered_by_their_labels(
    worn_sessions: list[Session], people: list[list[SimulatedRecording]]
) -> None:
    joint = register_sessions(worn_sessions)
    found = [joint.worn[s.key] for s in worn_sessions]
    assert np.sum(errors_slots(found, people, best_frame(found, people)) <= 1.5) >= len(people) - 1


def test_a_new_person_is_registered_without_labels(
    worn_sessions: list[Session], people: list[list[SimulatedRecording]]
) -> None:
    right = 0
    for new in range(len(people)):
        others = [i for i in range(len(people)) if i != new]
        joint = register_sessions([worn_sessions[i] for i in others])
        worn = [joint.worn[worn_sessions[i].key] for i in others]
        judge = judge_of([worn_sessions[i] for i in others], worn)
        found = judge.register(standardise(worn_sessions[new].slot_features))
        frame = best_frame(worn, [people[i] for i in others])
        right += bool(errors_slots([found.worn], [people[new]], frame)[0] <= 1.5)
        assert found.posterior.sum() == pytest.approx(1)
    assert right >= 0.7 * len(people), f"{right} of {len(people)}"


def test_signals_without_a_direction_leave_the_favourite_of_the_prior(worn_sessions: list[Session]) -> None:
    judge = judge_of(worn_sessions, [Worn(3)] * len(worn_sessions))
    noise = np.random.default_rng(0).standard_normal((200, 1, 4)).astype(np.float32)
    found = judge.register(np.repeat(noise, SLOTS, axis=1))  # alike all around
    assert found.worn == Worn(3)
    np.testing.assert_allclose(np.log(found.posterior), turn_log_prior([Worn(3)] * len(worn_sessions)), atol=1e-3)


def test_recordings_of_noise_leave_the_favourite_of_the_prior(
    worn_sessions: list[Session], people: list[list[SimulatedRecording]]
) -> None:
    judge = judge_of(worn_sessions, [Worn(3)] * len(worn_sessions))
    kept = 0
    for seed in range(8):
        signal = np.random.default_rng(seed).standard_normal(people[0][0].recording.signal.shape).astype(np.float32)
        recording = replace(people[0][0].recording, signal=signal, intervals=())
        session = tokenise_session(worn_sessions[0].key, [recording], SpaceConfig(), TokenizerConfig())
        kept += judge.register(standardise(session.slot_features)).worn == Worn(3)
    assert kept == 8, f"{kept} of 8"


def test_a_narrow_lead_is_no_lead(worn_sessions: list[Session]) -> None:
    """With a margin that nothing reaches, the favourite is kept and the judge says that it abstained."""
    joint = register_sessions(worn_sessions)
    worn = [joint.worn[s.key] for s in worn_sessions]
    features = np.concatenate([standardise(s.slot_features)[:, w.order] for s, w in zip(worn_sessions, worn)])
    labels = np.concatenate([labelled_windows(s)[0] for s in worn_sessions])
    strict = TurnJudge(features, labels, [Worn(9, True)] * 3, margin=np.inf)
    found = strict.register(features)  # registered features: the evidence is for no turn at all
    assert found.abstained and found.worn == Worn(9, True)
    sure = TurnJudge(features, labels, [Worn()] * 3, margin=np.inf).register(features)
    assert sure.worn == Worn() and not sure.abstained


def test_labels_of_a_new_person_are_not_read(
    worn_sessions: list[Session], people: list[list[SimulatedRecording]]
) -> None:
    """Without labels a session has the same features, and registration sees nothing else."""
    bare = [replace(r.recording, intervals=()) for r in people[0]]
    unlabelled = tokenise_session(worn_sessions[0].key, bare, SpaceConfig(), TokenizerConfig())
    np.testing.assert_array_equal(unlabelled.slot_features, worn_sessions[0].slot_features)
    np.testing.assert_array_equal(unlabelled.tokens, worn_sessions[0].tokens)
    np.testing.assert_array_equal(unlabelled.slot_tangent, worn_sessions[0].slot_tangent)


def test_sessions_without_labels_are_left_out_of_joint_registration(worn_sessions: list[Session]) -> None:
    bare = replace(worn_sessions[0], recordings=tuple(replace(r, intervals=()) for r in worn_sessions[0].recordings))
    joint = register_sessions([bare, *worn_sessions[1:]])
    assert set(joint.worn) == {s.key for s in worn_sessions[1:]}
    with pytest.raises(AEMGError, match="no session"):
        register_sessions([bare])
