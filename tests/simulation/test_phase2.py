"""The second phase and co-adaptation: where users start from, how they are scored, that a stopped run goes on, what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from aemg.errors import AEMGError
from aemg.report.phase2 import coadaptation_plot, coadaptation_table, phase2_plot, phase2_table
from aemg.virtual_user.coadaptation import CoadaptationSettings, coadapt
from aemg.virtual_user.decoder_training import TrainSettings
from aemg.virtual_user.emg import EMGSettings
from aemg.virtual_user.networks import FingerNetwork, fresh_network, save_network
from aemg.virtual_user.phase2 import _changed_within, environments, evaluate, run, settings_for, user_of
from aemg.virtual_user.policy import Policy, PolicySettings
from aemg.virtual_user.ppo import PPOSettings

EMG = EMGSettings()
TINY = replace(
    settings_for(1), environments=4, minutes=2e-4, test_environments=2, test_seconds=0.1, test_warm_up_s=0.05,
    policy=PolicySettings(hidden=(8,)), ppo=PPOSettings(horizon=4, epochs=1, minibatches=1),
)  # fmt: skip


@pytest.fixture(scope="module")
def network() -> FingerNetwork:
    torch.manual_seed(0)
    made = fresh_network("tcn", 31, 1000.0, width=4)
    made.floor.fill_(1e-6)  # type: ignore[union-attr, operator]
    return made.eval()


@pytest.fixture(scope="module")
def start(network: FingerNetwork) -> Policy:
    torch.manual_seed(1)
    env = environments(network, EMG, TINY, 1, seed=0)
    return Policy(env.single_observation_space.shape[0], 31, TINY.policy)  # type: ignore[index]


def test_condition_1_goes_on_with_the_behaviour_of_the_first_phase(network: FingerNetwork, start: Policy) -> None:
    env = environments(network, EMG, TINY, 3, seed=0)
    seen, _ = env.reset()
    one = user_of(1, start, env, TINY, seed=4)
    expected, *_ = start.act(torch.from_numpy(seen), deterministic=True)
    found, *_ = one.act(torch.from_numpy(seen), deterministic=True)
    torch.testing.assert_close(found, expected)
    np.testing.assert_allclose(one.log_deviation.detach().exp(), TINY.deviation, rtol=1e-5)
    two, other = (user_of(2, start, env, TINY, seed=seed) for seed in (4, 5))
    assert not torch.allclose(two.act(torch.from_numpy(seen), deterministic=True)[0], expected)
    assert not torch.equal(two.actor[0].weight, other.actor[0].weight)
    with pytest.raises(AEMGError, match="first phase"):
        user_of(1, None, env, TINY, seed=4)
    with pytest.raises(AEMGError, match="muscles"):
        user_of(1, Policy(start.observations, 7), env, TINY, seed=4)


def test_condition_3_alone_sees_the_decoder(network: FingerNetwork, start: Policy, tmp_path: Path) -> None:
    sizes = []
    for condition in (1, 2, 3):
        run(condition, 0, tmp_path / str(condition), start=start, network=network, emg=EMG, settings=TINY)  # type: ignore[arg-type]
        sizes.append(Policy.load(tmp_path / str(condition) / "policy.safetensors").observations)
    assert sizes[0] == sizes[1] == sizes[2] - 5


def test_a_label_that_changed_within_the_window_is_told_apart() -> None:
    wanted = np.zeros((12, 1, 1), bool)
    wanted[5:] = True
    np.testing.assert_array_equal(np.flatnonzero(_changed_within(wanted, 3)[:, 0, 0]), [2, 3, 4, 5, 6, 7])


def test_scores_are_shares_and_the_same_for_a_seed(network: FingerNetwork, start: Policy) -> None:
    env = partial(environments, network, EMG, TINY, 4, seed=9)
    one, two = (evaluate(start, env(), seconds=0.2, warm_up_s=0.1, deterministic=False, seed=2) for _ in range(2))
    assert one == two
    assert one.accuracy == pytest.approx(np.mean(one.fingers))
    assert 0 <= one.near <= 1 and 0 < one.effort < 1
    assert evaluate(start, env(), seconds=0.2, warm_up_s=0.1, seed=2) != one


def test_a_finished_run_is_read_and_settings_are_not_mixed(network: FingerNetwork, start: Policy, tmp_path: Path) -> None:
    told: list[float] = []
    first = run(1, 3, tmp_path, start=start, network=network, emg=EMG, settings=TINY, share=told.append)
    assert told and told == sorted(told) and told[-1] == 1.0
    assert first["steps"] == first["curve"][-1]["steps"] > 0
    assert first == json.loads((tmp_path / "result.json").read_text())
    assert run(1, 3, tmp_path, start=start, network=network, emg=EMG, settings=TINY) == first
    with pytest.raises(AEMGError, match="other settings"):
        run(1, 3, tmp_path, start=start, network=network, emg=EMG, settings=replace(TINY, environments=8))
    (tmp_path / "result.json").unlink()  # stopped before the end: what was learned is kept
    assert run(1, 3, tmp_path, start=start, network=network, emg=EMG, settings=TINY)["steps"] == first["steps"]


def result(condition: int, best: float) -> dict[str, object]:
    """A made-up run whose accuracy rises from a half."""
    curve = [{"steps": 1e5 * i, "accuracy": 0.5 + (best - 0.5) * min(1.0, i / 10), "effort": 0.1} for i in range(1, 21)]
    score = {"accuracy": best, "settled": best, "effort": 0.1}
    both = {"deterministic": score, "stochastic": score}
    return {"condition": condition, "curve": curve, "before": both, "after": both, "steps": 2e6, "cpu_s": 60.0}


def test_the_table_and_the_picture_stand_beside_the_paper() -> None:
    results = [result(1, 0.96), result(1, 0.98), result(3, 0.9)]
    table = phase2_table(results).splitlines()
    assert len(table) == 4
    assert "97.00 ± 1.00 %" in table[2] and "97.33 %" in table[2] and "97.82 %" in table[3]
    assert phase2_plot(results).startswith(b"\x89PNG")


def test_user_and_decoder_adapt_in_rounds(network: FingerNetwork, start: Policy, tmp_path: Path) -> None:
    save_network(network, EMG, tmp_path / "decoder")
    settings = CoadaptationSettings(
        rounds=1, environments=4, seconds=0.4, tuning=TrainSettings(batch=2, crop_steps=40, epochs=1), user=TINY
    )
    found = [
        coadapt(way, 0, tmp_path / way, start=start, decoder=tmp_path / "decoder", settings=settings)  # type: ignore[arg-type]
        for way in ("user", "decoder", "both")
    ]
    assert found[0]["rounds"][0] == found[1]["rounds"][0] == found[2]["rounds"][0]
    weights = {way: (tmp_path / way / "round-1" / "decoder.safetensors").read_bytes() for way in ("user", "decoder", "both")}
    frozen = (tmp_path / "decoder" / "decoder.safetensors").read_bytes()
    assert weights["user"] == frozen and frozen not in (weights["decoder"], weights["both"])
    users = {way: Policy.load(tmp_path / way / "round-1" / "policy.safetensors").actor[0].weight for way in weights}
    assert torch.equal(users["decoder"], start.actor[0].weight) and not torch.equal(users["user"], start.actor[0].weight)
    assert coadapt("both", 0, tmp_path / "both", start=start, decoder=tmp_path / "decoder", settings=settings) == found[2]
    assert len(coadaptation_table(found).splitlines()) == 5
    assert coadaptation_plot(found).startswith(b"\x89PNG")
