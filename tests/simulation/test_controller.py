"""The controller: muscle formulas are MuJoCo's, hands follow, rest is quiet; tables of joint angles are read with care."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError

mujoco = pytest.importorskip("mujoco", reason="needs the extra aemg[simulation]")
pytest.importorskip("myo_sim", reason="needs the extra aemg[simulation]")

from aemg.simulation.anatomy import MUSCLE_NAMES, sample_person  # noqa: E402
from aemg.simulation.hand.capture import TIME, drive, example_angles, forearm_excitation, read_angles  # noqa: E402
from aemg.simulation.hand.controller import StaticOptimiser  # noqa: E402
from aemg.simulation.hand.muscle import active_force, excitation_for, passive_force  # noqa: E402
from aemg.simulation.hand.people import sample_hand_person  # noqa: E402
from aemg.simulation.hand.physics import Hands  # noqa: E402

PARAMETERS = np.array([0.75, 1.05, 163.0, 200.0, 0.5, 1.6, 1.5, 1.3, 1.2, 0.0])
RANGE = np.array([0.25, 0.28])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(st.floats(0.15, 0.45), st.floats(-1.0, 1.0))
def test_forces_are_mujocos(length: float, velocity: float) -> None:
    gain = mujoco.mju_muscleGain(length, velocity, RANGE, 1.0, PARAMETERS[:9])
    bias = mujoco.mju_muscleBias(length, RANGE, 1.0, PARAMETERS[:9])
    assert active_force(length, velocity, *RANGE, PARAMETERS) == pytest.approx(-gain, rel=1e-12, abs=1e-12)
    assert passive_force(length, *RANGE, PARAMETERS) == pytest.approx(-bias, rel=1e-12, abs=1e-12)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.floats(0, 1), st.floats(0, 1))
def test_excitation_brings_activation_there_or_as_near_as_it_gets(now: float, wanted: float) -> None:
    u, reached = excitation_for(now, wanted, 0.01, 0.04, 0.004, 4), now
    for _ in range(4):
        reached += 0.004 * mujoco.mju_muscleDynamics(u, reached, np.array([0.01, 0.04, 0.0]))
    assert 0 <= u <= 1
    if 0 < u < 1:
        assert abs(reached - wanted) <= 0.15 * abs(wanted - now) + 1e-9
    else:
        assert abs(reached - wanted) <= abs(now - wanted) + 1e-9


def sines(hand: Any, hands: Hands, times: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(T, N, nq) five sines of 0.1 to 0.5 Hz, dealt to the fingers at random, over 80 % of the flexions' range."""
    rng = np.random.default_rng(seed)
    q = np.zeros((len(times), hands.environments, len(hand.joints)))
    for n in range(hands.environments):
        for finger, rate in zip(hand.fingers, rng.permutation([0.1, 0.2, 0.3, 0.4, 0.5])):
            level = 0.5 + 0.4 * np.sin(2 * np.pi * (rate * times + rng.random()))
            for j in hand.finger_joints(finger):
                ends = (hand.upper[j], hand.lower[j]) if finger == "thumb" else (hand.lower[j], hand.upper[j])
                q[:, n, j] = ends[0] + level * (ends[1] - ends[0])
    return q, np.gradient(q, times[1] - times[0], axis=0)


def test_fingers_follow_five_sines(hand: Any) -> None:
    hands, step_s = Hands(hand, 4), 0.016
    q, qd = sines(hand, hands, np.arange(0, 10, step_s))
    hands.reset(q=q[0])
    optimiser, errors = StaticOptimiser(hands), []
    for wanted, speed in zip(q[1:], qd[1:]):
        hands.step(optimiser.excitations(wanted, speed), 4)
        errors.append(np.linalg.norm(hands.tips - hands.forward_tips(wanted), axis=-1).mean())
    assert np.mean(errors) < {"fixed": 0.0065, "free": 0.009}[hand.wrist]
    assert np.isfinite(hands.q).all()


def test_joints_left_free_are_quiet_and_hands_do_not_see_each_other(fixed_hand: Any) -> None:
    hands, alone = Hands(fixed_hand, 2), Hands(fixed_hand, 1)
    target = np.full(hands.q.shape, np.nan)
    target[1] = 0.4 * fixed_hand.upper
    both, one = StaticOptimiser(hands), StaticOptimiser(alone)
    for _ in range(20):
        excitation = both.excitations(target)
        hands.step(excitation, 4)
        alone.step(one.excitations(target[1:]), 4)
        assert (excitation[0] == 0).all() and (excitation[1] > 0).any()
    np.testing.assert_array_equal(hands.q[1], alone.q[0])


def test_holding_the_posture_of_rest_takes_next_to_nothing(hand: Any) -> None:
    hands = Hands(hand, 1)
    for _ in range(300):
        hands.step(np.zeros((1, len(hand.muscles))), 4)
    optimiser, rest = StaticOptimiser(hands), hands.q.copy()
    total = []
    for _ in range(60):
        total.append(optimiser.excitations(rest))
        hands.step(total[-1], 4)
    assert np.mean(total) < 0.005
    np.testing.assert_allclose(hands.q, rest, atol=0.03)


def test_weaker_muscles_are_driven_harder(fixed_hand: Any) -> None:
    people = [sample_hand_person(np.random.default_rng(0), fixed_hand, dict.fromkeys(fixed_hand.muscles, s)) for s in (1.0, 0.5)]
    hands = Hands(fixed_hand, 2, people=people)
    optimiser, target = StaticOptimiser(hands), np.tile(0.5 * fixed_hand.upper, (2, 1))
    for _ in range(60):
        excitation = optimiser.excitations(target)
        hands.step(excitation, 4)
    assert excitation[1].sum() > 1.3 * excitation[0].sum()
    with pytest.raises(AEMGError, match="targets must be"):
        optimiser.excitations(target[:1])
    with pytest.raises(AEMGError, match="substeps"):
        StaticOptimiser(hands, substeps=0)


def write_csv(path: Path, table: dict[str, np.ndarray]) -> Path:
    np.savetxt(path, np.stack(list(table.values()), 1), delimiter=",", header=",".join(table), comments="")
    return path


def test_a_recording_is_driven_and_heard_on_the_forearm(fixed_hand: Any, tmp_path: Path) -> None:
    table = example_angles(fixed_hand, 6.0)
    angles = read_angles(write_csv(tmp_path / "a.csv", table), fixed_hand)
    radians = {name: values if name == TIME else np.radians(values) for name, values in table.items()}
    del radians[TIME]
    np.savez(tmp_path / "b.npz", **{f"{name}_r": values for name, values in radians.items()})
    same = read_angles(tmp_path / "b.npz", fixed_hand, unit="radians", rate_hz=100.0)
    np.testing.assert_allclose(same.q, angles.q, atol=1e-12)
    short = type(angles)(angles.times_s[:300], angles.q[:300], {})
    whole, part = drive(fixed_hand, [angles, short])
    assert whole.excitation.shape == (len(whole.target), 31) and len(part.target) < len(whole.target)
    assert whole.tip_error_m.mean() < 0.006
    half = len(part.target) // 2
    np.testing.assert_allclose(whole.excitation[:half], part.excitation[:half], atol=1e-9)
    person = sample_person(np.random.default_rng(0))
    forearm = forearm_excitation(whole, fixed_hand, person)
    assert forearm.shape[0] == len(MUSCLE_NAMES) and forearm.min() == person.tone
    assert forearm[MUSCLE_NAMES.index("FDP3")].max() > 5 * person.tone


def test_tables_with_mistakes_are_named(fixed_hand: Any, tmp_path: Path) -> None:
    table = example_angles(fixed_hand, 1.0)

    def refused(match: str, **changed: Any) -> None:
        with pytest.raises(AEMGError, match=match):
            read_angles(write_csv(tmp_path / "a.csv", {**table, **changed}), fixed_hand)

    holes = table["pm2_flexion"].copy()
    holes[[3, 7]] = np.nan
    refused("pm2_flexion has 2 values that are no numbers, the first in row 4", pm2_flexion=holes)
    refused("must grow", time=table[TIME][::-1])
    refused("is 'time' in seconds", time=1000 * table[TIME])
    wide = read_angles(write_csv(tmp_path / "a.csv", {**table, "pm3_flexion": np.full(100, 120.0)}), fixed_hand)
    assert wide.clipped == {"pm3_flexion": pytest.approx(np.radians(30), abs=1e-4)}
    for missing in ("md2_flexion", TIME):
        rest = {name: values for name, values in table.items() if name != missing}
        with pytest.raises(AEMGError, match=f"no column (for md2_flexion|'{TIME}')"):
            read_angles(write_csv(tmp_path / "a.csv", rest), fixed_hand)
    rest = {name: values for name, values in table.items() if name != "md2_flexion"}
    joint = fixed_hand.joints.index("md2_flexion")
    assert np.isnan(read_angles(write_csv(tmp_path / "a.csv", rest), fixed_hand, missing="free").q[:, joint]).all()
    assert (read_angles(tmp_path / "a.csv", fixed_hand, missing="neutral").q[:, joint] == 0).all()
    for name, text, match in (("c.csv", "", "not a table"), ("d.txt", "", "csv or .npz"), ("e.npz", "x", "not a table")):
        (tmp_path / name).write_text(text)
        with pytest.raises(AEMGError, match=match):
            read_angles(tmp_path / name, fixed_hand)
    with pytest.raises(AEMGError, match="no such file"):
        read_angles(tmp_path / "f.csv", fixed_hand)


def test_the_command_writes_an_example_and_follows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main = runpy.run_path(str(Path(__file__).parents[2] / "simulate" / "excitations.py"))["main"]
    table = tmp_path / "angles.csv"
    assert main(["--example", str(table), "--wrist", "fixed"]) == 0
    rows = [line.split(",") for line in table.read_text().splitlines()[:150]]
    for row in rows[1:]:
        row[rows[0].index("mcp2_abduction")] = "30"
    table.write_text("\n".join(map(",".join, rows)) + "\n")
    arguments = ["--angles", str(table), "--wrist", "fixed", "--device", "myo", "--person", "3"]
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert "fingertips off by" in shown.out and "clipped to the range of the joints: mcp2_abduction by 15.0 deg" in shown.err
    with np.load(tmp_path / "out" / "angles.npz") as made:
        assert made["excitation"].shape[1] == len(made["muscles"]) == 31
        assert made["emg"].shape[0] == 8 and made["emg"].shape[1] == pytest.approx(1.49 * 200, abs=4)
        assert np.abs(made["angles_rad"] - made["angles_wanted_rad"]).mean() < 0.5
    assert main(arguments) == 2 and main([*arguments, "--rate-hz", "100", "--wrist", "free", "--out", str(tmp_path)]) == 2
    shown = capsys.readouterr()
    assert "error: give --angles" in shown.err and "no column for pro_sup, deviation, flexion" in shown.err
