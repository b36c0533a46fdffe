"""Laws of conditions: what they do to the drive of which muscle, and that they do nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError
from aemg.simulation.anatomy import MUSCLE_NAMES
from aemg.simulation.conditions import FINGER_MUSCLES, HEALTHY, Condition

RATE_HZ = 200.0
TIMES = np.arange(2000) / RATE_HZ
STEADY = np.full((len(TIMES), len(MUSCLE_NAMES)), 0.4)
HAND = ("ECRL", "FCR", "FDS2", "FDP5", "EDC4", "EDM", "EIP", "EPL", "FPL", "OP", "RI2", "LU_RB3", "UI_UB4", "RI5")


def drive(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random((*shape, len(MUSCLE_NAMES)))


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 99), st.floats(0, 1), st.floats(0, 1), st.floats(4, 6))
def test_the_drive_stays_between_0_and_1_and_rows_are_apart(seed: int, left: float, depth: float, hz: float) -> None:
    condition = Condition(left, hz, depth, ("ring",))
    rows, times = drive(seed, 3, 5), np.random.default_rng(seed + 1).uniform(0, 9, (3, 5))
    found = condition.apply(rows, MUSCLE_NAMES, times)
    assert found.min() >= 0 and found.max() <= 1
    np.testing.assert_allclose(found[1, 2], condition.apply(rows[1, 2], MUSCLE_NAMES, times[1, 2]), rtol=1e-12)


def test_health_changes_nothing() -> None:
    np.testing.assert_array_equal(HEALTHY.apply(drive(0, 7), MUSCLE_NAMES, 0.3), drive(0, 7))


@settings(derandomize=True, deadline=None)
@given(st.floats(0, 1))
def test_weakness_scales_the_drive(left: float) -> None:
    np.testing.assert_allclose(Condition(left).apply(drive(1, 4), MUSCLE_NAMES, 0.0), left * drive(1, 4))


def test_weakness_of_a_group_is_that_of_its_muscles() -> None:
    factors = dict(zip(MUSCLE_NAMES, Condition({"EDC": 0.3, "ECU": 0.5, "FDS2": 0.0}).factors(MUSCLE_NAMES)))
    expected = {**dict.fromkeys(MUSCLE_NAMES, 1.0), **{f"EDC{finger}": 0.3 for finger in (2, 3, 4, 5)}, "ECU": 0.5, "FDS2": 0.0}
    assert factors == expected


@pytest.mark.parametrize("hz", [4.0, 5.5])
@pytest.mark.parametrize("depth", [0.2, 0.9])
def test_tremor_has_its_frequency_and_depth(hz: float, depth: float) -> None:
    found = Condition(tremor_hz=hz, tremor_depth=depth).apply(STEADY, MUSCLE_NAMES, TIMES)
    spectrum = np.abs(np.fft.rfft(found, axis=0)) / len(TIMES)
    frequency = np.fft.rfftfreq(len(TIMES), 1 / RATE_HZ)
    assert np.all(frequency[1 + spectrum[1:].argmax(axis=0)] == hz)
    np.testing.assert_allclose(2 * spectrum[frequency == hz][0], 0.4 * depth, rtol=1e-6)
    np.testing.assert_allclose(found.mean(axis=0), 0.4, rtol=1e-6)


def test_tremor_alternates_between_flexors_and_extensors_and_rests_with_them() -> None:
    trembling = Condition(tremor_depth=0.5)
    found = trembling.apply(STEADY, MUSCLE_NAMES, TIMES) - 0.4
    flexor, extensor = found[:, MUSCLE_NAMES.index("FCR")], found[:, MUSCLE_NAMES.index("ECRB")]
    np.testing.assert_allclose(flexor, -extensor, atol=1e-12)
    assert not trembling.apply(np.zeros_like(STEADY), MUSCLE_NAMES, TIMES).any()


@pytest.mark.parametrize("names", [MUSCLE_NAMES, HAND])
@pytest.mark.parametrize("finger", list(FINGER_MUSCLES))
def test_a_missing_finger_silences_its_muscles_alone(names: tuple[str, ...], finger: str) -> None:
    found = Condition(missing_fingers=(finger,)).apply(np.ones(len(names)), names, 0.0)
    silent = {name for name, left in zip(names, found) if left == 0}
    assert silent == set(FINGER_MUSCLES[finger]) & set(names)
    assert silent
    assert set(found) == {0.0, 1.0}


def test_fingers_have_no_muscle_in_common() -> None:
    owned = [muscle for muscles in FINGER_MUSCLES.values() for muscle in muscles]
    assert len(owned) == len(set(owned))
    assert set(MUSCLE_NAMES) & set(owned) == {
        name for name in MUSCLE_NAMES if name.startswith(("FDS", "FDP", "EDC", "EDM", "EIP", "EP", "FPL", "APL"))
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"weakness": 1.2}, "weakness"),
        ({"weakness": {"EDC": -0.1}}, "weakness"),
        ({"tremor_hz": 0.0}, "tremor_hz"),
        ({"tremor_depth": 1.5}, "tremor_depth"),
        ({"missing_fingers": ("toe",)}, "toe"),
    ],
)
def test_impossible_conditions_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(AEMGError, match=said):
        Condition(**wrong)  # type: ignore[arg-type]


def test_an_unknown_muscle_cannot_be_weak() -> None:
    with pytest.raises(AEMGError, match="biceps"):
        Condition({"biceps": 0.5}).factors(MUSCLE_NAMES)
