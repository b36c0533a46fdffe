"""Recordings of virtual users and decoders trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from aemg.errors import AEMGError, DataFileError
from aemg.virtual_user.dataset import FingerData, behaviour, collect
from aemg.virtual_user.decoder_training import TrainSettings, measure_decoder, train_decoder
from aemg.virtual_user.emg import EMGSettings
from aemg.virtual_user.networks import fresh_network
from aemg.virtual_user.policy import Policy


def separable(environments: int = 24, steps: int = 500, seed: int = 0) -> FingerData:
    """Five channels, each loud while its finger is flexed, with noise."""
    rng = np.random.default_rng(seed)
    flexed = np.repeat(rng.random((environments, steps // 50, 5)) < 0.5, 50, axis=1)
    level = np.where(flexed, 1e-4, 1e-6) * np.exp(rng.normal(0, 0.3, flexed.shape))
    return FingerData(level.astype(np.float32), flexed)


def test_a_decoder_learns_what_can_be_learned_and_is_judged_on_environments_it_never_saw() -> None:
    torch.manual_seed(0)
    data = separable()
    net = fresh_network("tcn", 5, 1000.0, width=32)
    before = measure_decoder(net, data).mean()
    result = train_decoder(net, data, TrainSettings(batch=8, epochs=8, rate=1e-2))
    held_out = np.array(result.held_out)
    assert len(held_out) == 1
    np.testing.assert_allclose(result.accuracy, measure_decoder(net, data.of(held_out)), atol=1e-6)
    assert before < 0.7 < 0.95 < np.mean(result.accuracy)
    fresh = measure_decoder(net, separable(seed=1))
    assert fresh.mean() > 0.95


def test_without_relation_between_signal_and_fingers_it_stays_at_chance() -> None:
    torch.manual_seed(0)
    data = separable(40)
    shuffled = FingerData(data.amplitudes, np.roll(data.flexed, 1, axis=0))
    net = fresh_network("tcn", 5, 1000.0, width=8)
    result = train_decoder(net, shuffled, TrainSettings(batch=8, epochs=2, held_out=0.2))
    assert abs(np.mean(result.accuracy) - 0.5) < 0.1


def test_training_is_the_same_for_a_seed() -> None:
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        net = fresh_network("tcn", 5, 1000.0, width=4)
        found.append(train_decoder(net, separable(10, 300), TrainSettings(epochs=1, batch=4), seed=5).watched)
    assert found[0] == found[1]


def test_the_scale_is_kept_where_a_decoder_is_tuned() -> None:
    data = separable(10, 300)
    net = fresh_network("tcn", 5, 1000.0, width=4)
    train_decoder(net, data, TrainSettings(epochs=1, batch=4))
    mean = net.mean.clone()
    louder = FingerData(10 * data.amplitudes, data.flexed)
    train_decoder(net, louder, TrainSettings(epochs=1, batch=4), keep_scale=True)
    assert torch.equal(net.mean, mean)
    train_decoder(net, louder, TrainSettings(epochs=1, batch=4))
    torch.testing.assert_close(net.mean, mean + np.log(10), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("environments", "steps"), [(2, 500), (24, 100)])
def test_too_little_data_is_refused(environments: int, steps: int) -> None:
    with pytest.raises(AEMGError):
        train_decoder(fresh_network("tcn", 5, 1000.0), separable(environments, steps))


def test_the_backbone_needs_the_emg_itself() -> None:
    with pytest.raises(AEMGError, match="without"):
        measure_decoder(fresh_network("aemg", 16, 2000.0), separable(1, 300))


def policy() -> Policy:
    from aemg.simulation.hand import hand_model
    from aemg.virtual_user.tracking import FingerTracking

    torch.manual_seed(0)
    env = FingerTracking(hand_model("fixed"), 1)
    return Policy(env.single_observation_space.shape[0], env.single_action_space.shape[0])  # type: ignore[index]


def test_blocks_equal_the_whole_and_are_made_once(tmp_path: Path) -> None:
    emg = EMGSettings(montage="ring", rate_hz=2000.0)
    block = behaviour(policy(), emg, seconds=0.4, seed=2, keep_emg=True)
    whole = block(0, 3)
    assert whole.amplitudes.shape == (3, 50, 16)
    assert whole.flexed.shape == (3, 50, 5)
    assert whole.emg is not None and whole.emg.shape == (3, 16, 800)
    calls = []

    def counted(first: int, environments: int) -> FingerData:
        calls.append(first)
        return block(first, environments)

    seen = []
    joined = collect(counted, tmp_path, environments=3, at_once=2, threads=2, progress=lambda *told: seen.append(told))
    again = collect(counted, tmp_path, environments=3, at_once=2)
    assert sorted(calls) == [0, 2] and seen == [(1, 2), (2, 2)]
    for data in joined, again:
        np.testing.assert_array_equal(data.flexed, whole.flexed)
        np.testing.assert_allclose(data.amplitudes, whole.amplitudes, rtol=1e-4, atol=1e-9)
    signal = joined.signal("emg", 1, 10, 20)
    assert signal.shape == (16, 320)
    rms = np.sqrt((signal.reshape(16, 20, 16) ** 2).mean(axis=2)).T
    np.testing.assert_allclose(rms, joined.signal("amplitudes", 1, 10, 20), rtol=2e-2, atol=1e-7)
    (tmp_path / "environments-0000.npz").write_bytes(b"damaged")
    with pytest.raises(DataFileError):
        collect(counted, tmp_path, environments=3, at_once=2)


def test_white_noise_is_as_loud_as_asked_for_and_the_same_for_a_seed() -> None:
    quiet, noisy, again = (
        behaviour(policy(), EMGSettings(noise_v=noise), seconds=0.8, seed=2)(0, 2).amplitudes for noise in (0.0, 1e-3, 1e-3)
    )
    np.testing.assert_array_equal(noisy, again)
    added = np.sqrt((noisy.astype(float) ** 2).mean() - (quiet.astype(float) ** 2).mean())
    assert added == pytest.approx(1e-3, rel=0.02)


def test_the_controller_flexes_the_fingers_as_wanted() -> None:
    data = behaviour(None, EMGSettings(), seconds=1.0, seed=0)(0, 2)
    assert np.isfinite(data.amplitudes).all()
    assert data.amplitudes.max() > 1e-6
