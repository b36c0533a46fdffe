"""References: where they reach, that tips are those of the angles, and that chance belongs to an environment."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.simulation.hand import Hands, hand_model
from aemg.simulation.hand.people import sample_hand_person
from aemg.virtual_user.references import RANGE_USED, RATES_HZ, References, Shape, templates

HAND = hand_model("fixed")
FREE = hand_model("free")


@pytest.mark.parametrize("shape", ["sine", "square"])
def test_templates_repeat_at_their_rates_and_reach_from_0_to_1(shape: Shape) -> None:
    waves = templates(shape, 0.004)
    assert waves.shape == (5, 2500)
    np.testing.assert_allclose(waves.min(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(waves.max(axis=1), 1, atol=1e-12)
    for wave, rate_hz in zip(waves, RATES_HZ):
        crossings = (np.diff(np.concatenate([wave, wave[:1]]) > 0.5) != 0).sum()
        assert crossings == 2 * round(10 * rate_hz)
        spectrum = np.abs(np.fft.rfft(wave - wave.mean()))
        assert np.argmax(spectrum) == round(10 * rate_hz)


def test_the_square_template_is_a_zero_phase_low_pass_of_the_sines_sign() -> None:
    """Second order, forwards and backwards: amplitude 1/2 at the cut-off, and no shift."""
    sine, square = templates("sine", 0.004), templates("square", 0.004)
    ideal = np.sign(sine - 0.5)
    frequency = np.fft.rfftfreq(2500, 0.004)
    for wave, sign in zip(square, ideal):
        strong = np.abs(np.fft.rfft(sign)) > 100
        strong[0] = False
        ratio = np.fft.rfft(wave)[strong] / np.fft.rfft(sign)[strong]
        low_pass = 1 / (1 + frequency[strong] ** 4)
        gain = ratio.real[0] / low_pass[0]
        np.testing.assert_allclose(ratio.real, gain * low_pass, atol=0.02 * gain)
        np.testing.assert_allclose(ratio.imag, 0, atol=0.02 * gain)


def test_a_step_that_does_not_divide_the_period_and_unknown_names_are_refused() -> None:
    with pytest.raises(AEMGError, match="divide"):
        templates("sine", 0.003)
    with pytest.raises(AEMGError, match="sine or square"):
        templates("saw", 0.004)  # type: ignore[arg-type]
    for moving in (["toe"], [], ["index", "index"]):
        with pytest.raises(AEMGError, match="fingers are some of"):
            References(Hands(HAND, 1), moving=moving)


@pytest.mark.parametrize("hand", [HAND, FREE], ids=["fixed", "free"])
@pytest.mark.parametrize("shape", ["sine", "square"])
def test_tips_and_velocities_are_those_of_the_angles(hand: object, shape: Shape) -> None:
    """Fingers at different rates and phases: each tip depends on its own finger's joints alone."""
    hands = Hands(hand, 16)  # type: ignore[arg-type]
    references = References(hands, shape=shape, seed=3)
    step = np.random.default_rng(0).integers(0, 5000, 16)
    target = references.at(step)
    np.testing.assert_allclose(target.tips, hands.forward_tips(target.q), atol=1e-12)
    hands.reset(None, target.q, target.qd)
    np.testing.assert_allclose(target.tip_velocities, hands.tip_velocities, atol=2e-4)
    before, after = references.at(step - 1), references.at(step + 1)
    np.testing.assert_allclose(target.qd, (after.q - before.q) / 0.008, atol=1e-9)


def test_tips_are_those_of_each_persons_hand() -> None:
    rng = np.random.default_rng(0)
    hands = Hands(HAND, 4, people=[sample_hand_person(rng, HAND) for _ in range(4)])
    references = References(hands, seed=1)
    some = np.array([2, 0])
    target = references.at(np.array([10, 700]), some)
    hands.reset(some, target.q, target.qd)
    np.testing.assert_allclose(hands.tips[some], target.tips, atol=1e-12)
    assert len(set(hands.scale)) == 4


def test_flexion_is_80_percent_of_the_range_and_the_thumbs_is_towards_the_lower_end() -> None:
    hands = Hands(HAND, 64)
    references = References(hands, seed=5)
    reach = np.stack([references.at(np.full(64, t)).q for t in range(0, 2500, 25)])  # (T, N, joints)
    span = (reach.max(axis=(0, 1)) - reach.min(axis=(0, 1))) / (HAND.upper - HAND.lower)
    flexions = np.array([name.endswith("flexion") for name in HAND.joints])
    np.testing.assert_allclose(span[flexions], RANGE_USED, atol=1e-3)
    assert (span[~flexions] == 0).all()
    target = references.at(np.zeros(64, int))
    level = (target.q - HAND.lower) / (HAND.upper - HAND.lower)
    for joint, name in enumerate(HAND.joints):
        if name.endswith("flexion"):
            finger = references.joints.finger[joint]
            beyond = level[:, joint] < 0.5 if finger == 0 else level[:, joint] > 0.5
            np.testing.assert_array_equal(beyond, target.flexed[:, finger])
    assert 0 < target.flexed.mean() < 1


@settings(max_examples=10, derandomize=True, deadline=None)
@given(
    moving=st.lists(st.sampled_from(HAND.fingers), min_size=1, max_size=5, unique=True),
    seed=st.integers(0, 99),
    cut=st.integers(1, 5),
)
def test_a_shard_is_dealt_what_it_would_be_as_part_of_all(moving: list[str], seed: int, cut: int) -> None:
    whole = References(Hands(HAND, 6), seed=seed, moving=moving)
    parts = [References(Hands(HAND, n), seed=seed, first=f, moving=moving) for n, f in ((cut, 0), (6 - cut, cut))]
    if cut > 1:
        whole.resample(np.array([cut - 1]))
        parts[0].resample(np.array([cut - 1]))
    for name in ("template", "phase"):
        np.testing.assert_array_equal(getattr(whole, name), np.concatenate([getattr(part, name) for part in parts]))
    still = [i for i, finger in enumerate(HAND.fingers) if finger not in moving]
    at_rest, later = whole.at(np.zeros(6, int)), whole.at(np.full(6, 321))
    np.testing.assert_array_equal(at_rest.tips[:, still], later.tips[:, still])
    assert not at_rest.flexed[:, still].any()
    for row in whole.template[:, whole.moving]:
        assert len(set(row)) == len(moving) and row.max() < len(RATES_HZ)


def test_all_rates_and_many_phases_are_dealt() -> None:
    references = References(Hands(HAND, 200), seed=0)
    assert (np.sort(references.template, axis=1) == np.arange(5)).all()
    counts = np.bincount(references.template[:, 1], minlength=5)
    assert counts.min() > 20
    assert len(np.unique(references.phase)) > 500


def test_a_state_is_gone_back_to() -> None:
    references = References(Hands(HAND, 5), seed=2)
    state, before = references.state(), references.at(np.arange(5))
    references.resample()
    assert (references.at(np.arange(5)).q != before.q).any()
    references.restore(state)
    np.testing.assert_array_equal(references.at(np.arange(5)).q, before.q)
    references.resample(np.array([1]))
    again = References(Hands(HAND, 5), seed=2)
    again.resample(np.array([1]))
    np.testing.assert_array_equal(references.phase, again.phase)
