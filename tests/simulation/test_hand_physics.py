"""Laws of many hands: threads and neighbours change nothing, tips are MuJoCo's, people differ as they should."""

from typing import Any

import numpy as np
import pytest

from aemg.errors import AEMGError

mujoco = pytest.importorskip("mujoco", reason="needs the extra aemg[simulation]")
pytest.importorskip("myo_sim", reason="needs the extra aemg[simulation]")

from aemg.simulation.hand.model import TIP_SITES  # noqa: E402
from aemg.simulation.hand.people import HandPerson, sample_hand_person  # noqa: E402
from aemg.simulation.hand.physics import Hands  # noqa: E402


def wander(hands: Hands, steps: int = 15, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        hands.step(0.5 * rng.random(hands.excitation.shape), 4)


def random_q(hand: Any, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(hand.lower, hand.upper, (n, len(hand.joints)))


def test_threads_change_nothing(fixed_hand: Any) -> None:
    one, two = Hands(fixed_hand, 5), Hands(fixed_hand, 5, threads=2)
    for hands in (one, two):
        hands.reset(q=random_q(fixed_hand, 5))
        wander(hands)
    np.testing.assert_array_equal(one.state(), two.state())
    np.testing.assert_array_equal(one.tips, two.tips)


def test_steps_and_tips_are_mujocos_for_every_person(hand: Any) -> None:
    people = [HandPerson.of(hand), *(sample_hand_person(np.random.default_rng(i), hand) for i in range(2))]
    hands = Hands(hand, 3, people=people)
    hands.reset(q=random_q(hand, 3), activation=0.2)
    models = [hands.batch.get_model(i) for i in range(3)]
    data = [hands.batch.get_data(i) for i in range(3)]
    rng = np.random.default_rng(1)
    for _ in range(10):
        excitation = rng.random(hands.excitation.shape)
        hands.step(excitation, 3)
        for model, datum, drive in zip(models, data, excitation):
            datum.ctrl[:] = drive
            mujoco.mj_step(model, datum, 3)
    for i, (model, datum) in enumerate(zip(models, data)):
        np.testing.assert_array_equal(hands.q[i], datum.qpos)
        mujoco.mj_forward(model, datum)
        np.testing.assert_allclose(hands.tips[i], [datum.site(name).xpos for name in TIP_SITES], atol=1e-12)
        for tip, name in zip(hands.tip_velocities[i], TIP_SITES):
            jacobian = np.zeros((3, model.nv))
            mujoco.mj_jacSite(model, datum, jacobian, None, model.site(name).id)
            np.testing.assert_allclose(tip, jacobian @ datum.qvel, atol=1e-12)


def test_reset_touches_only_its_hands_and_restore_goes_on_as_before(fixed_hand: Any) -> None:
    hands = Hands(fixed_hand, 4)
    wander(hands)
    before = hands.state()
    q = random_q(fixed_hand, 2)
    hands.reset(np.array([1, 3]), q, qd=0.1, activation=0.3)
    np.testing.assert_array_equal(hands.state()[[0, 2]], before[[0, 2]])
    np.testing.assert_array_equal(hands.q[[1, 3]], q)
    np.testing.assert_array_equal(hands.activation[[1, 3]], 0.3)
    np.testing.assert_allclose(hands.tips[[1, 3]], hands.forward_tips(q), atol=1e-15)
    hands.restore(before)
    wander(hands, seed=1)
    other = Hands(fixed_hand, 4)
    other.restore(before)
    wander(other, seed=1)
    np.testing.assert_array_equal(other.state(), hands.state())
    np.testing.assert_array_equal(other.tip_velocities, hands.tip_velocities)


def test_activation_follows_excitation_with_the_persons_time_constants(fixed_hand: Any) -> None:
    own = HandPerson.of(fixed_hand)
    slow = HandPerson(own.strength, own.slack, activation_s=0.02)
    hands = Hands(fixed_hand, 2, people=[own, slow])
    hands.step(np.ones(hands.excitation.shape), 1)
    np.testing.assert_allclose(hands.activation[0], 0.004 / (0.01 * 0.5), rtol=1e-12)
    np.testing.assert_allclose(hands.activation[1], 0.004 / (0.02 * 0.5), rtol=1e-12)
    hands.step(np.full(hands.excitation.shape, 7.0), 50)
    assert hands.excitation.max() == 1.0 and (np.abs(hands.activation - 1) < 5e-3).all()


def test_a_weak_flexor_flexes_less_and_a_large_hand_is_large(fixed_hand: Any) -> None:
    own = HandPerson.of(fixed_hand)
    flexors = ("FDS2", "FDP2")
    weak = own.weakened(fixed_hand, dict.fromkeys(flexors, 0.3))
    large = HandPerson(own.strength, own.slack, scale=1.1)
    hands = Hands(fixed_hand, 3, people=[own, weak, large])
    np.testing.assert_allclose(hands.tips[2], 1.1 * hands.tips[0], atol=1e-12)
    excitation = np.zeros(hands.excitation.shape)
    excitation[:, [fixed_hand.muscles.index(name) for name in flexors]] = 0.1
    for _ in range(10):
        hands.step(excitation, 4)
    joints = fixed_hand.finger_joints("index")
    assert hands.q[1, joints].sum() < 0.7 * hands.q[0, joints].sum()


def test_the_sampler_is_one_person_in_both_variants_and_keeps_given_strengths() -> None:
    from aemg.simulation.hand import hand_model

    fixed, free = hand_model("fixed"), hand_model("free")
    a, b = (sample_hand_person(np.random.default_rng(5), hand, {"FDP2": 1.7}) for hand in (fixed, free))
    assert a.scale == b.scale and a.damping == b.damping
    np.testing.assert_array_equal(a.strength, b.strength[[free.muscles.index(name) for name in fixed.muscles]])
    assert a.strength[fixed.muscles.index("FDP2")] == 1.7 and np.delete(a.strength, 15).min() > 0.4


def test_mistakes_are_named(fixed_hand: Any) -> None:
    with pytest.raises(AEMGError, match="environments and threads must be 1 or more"):
        Hands(fixed_hand, 0)
    with pytest.raises(AEMGError, match="one for each of the 2 hands, got 1"):
        Hands(fixed_hand, 2, people=[HandPerson.of(fixed_hand)])
    with pytest.raises(AEMGError, match="no muscle 'BICEPS'"):
        HandPerson.of(fixed_hand).weakened(fixed_hand, {"BICEPS": 0.5})
    with pytest.raises(AEMGError, match="state of these hands"):
        Hands(fixed_hand, 2).restore(Hands(fixed_hand, 3).state())
