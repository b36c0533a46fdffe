"""The temporal convolutional network: what it looks at, and that streaming is the same network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError, DataFileError
from aemg.virtual_user.emg import EMGSettings
from aemg.virtual_user.networks import fresh_network, load_network, save_network
from aemg.virtual_user.tcn import BINS, FingerTCN, amplitude


def network(channels: int = 4, width: int = 8, seed: int = 0) -> tuple[FingerTCN, torch.Tensor]:
    """A network of random weights and amplitudes (2, 90, channels) in volts that its scale is taken from."""
    torch.manual_seed(seed)
    made = FingerTCN(channels, width).eval()
    amplitudes = torch.rand(2, 90, channels) * 1e-4
    made.standardise(amplitudes)
    return made, amplitudes


@torch.no_grad()
def test_an_answer_depends_on_the_last_248_ms_and_on_all_of_them() -> None:
    net, x = network()
    assert BINS * 8 == 248
    answer = net(x[:, :BINS])
    assert answer.shape == (2, 1, 5)
    for bins_ago in (0, BINS - 1):
        changed = x[:, :BINS].clone()
        changed[:, BINS - 1 - bins_ago] *= 3
        assert not torch.equal(net(changed), answer)
    longer = net(x[:, : BINS + 1])
    assert torch.allclose(longer[:, 0], answer[:, 0], atol=1e-6)  # the bin after it is not seen
    earlier = x[:, : BINS + 1].clone()
    earlier[:, 0] *= 3
    assert torch.allclose(net(earlier)[:, 1], longer[:, 1], atol=1e-6)  # nor the one before


@settings(derandomize=True, max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), channels=st.integers(1, 5), width=st.integers(1, 12))
def test_streaming_is_the_windowed_network(seed: int, channels: int, width: int) -> None:
    net, x = network(channels, width, seed)
    with torch.no_grad():
        expected = net(torch.cat([torch.zeros(2, 2 * BINS, channels), x], dim=1)).sigmoid()[:, BINS + 1 :]
    online = net.online(2)
    for t in range(x.shape[1]):
        np.testing.assert_allclose(online.push_amplitudes(x[:, t].numpy()), expected[:, t].numpy(), atol=1e-5)


def test_a_reset_is_a_long_silence_and_leaves_the_others_alone() -> None:
    net, x = network()
    once, again = net.online(2), net.online(2)
    for t in range(40):
        once.push_amplitudes(x[:, t].numpy())
        again.push_amplitudes(x[:, t].numpy())
    again.reset(np.array([1]))
    fresh = net.online(2)
    for t in range(40, 60):
        a, b, c = (decoder.push_amplitudes(x[:, t].numpy()) for decoder in (once, again, fresh))
        np.testing.assert_array_equal(a[0], b[0])
        np.testing.assert_allclose(b[1], c[1], atol=1e-6)
        assert not np.allclose(a[1], b[1], atol=1e-6)


def test_answers_are_those_of_the_amplitudes_of_the_chunks() -> None:
    net, _ = network()
    emg = np.random.default_rng(0).normal(0, 1e-4, (3, 4, 8)).astype(np.float32)
    np.testing.assert_allclose(amplitude(emg), emg.std(axis=2, mean=np.zeros((3, 4, 1), np.float32)), rtol=1e-5)
    one, other = net.online(3), net.online(3)
    np.testing.assert_array_equal(one.push(emg), other.push_amplitudes(amplitude(emg)))
    with pytest.raises(AEMGError, match=r"\(3, 4, 8\)"):
        one.push(emg[..., :7])


def test_a_saved_network_is_the_same_and_knows_its_emg(tmp_path: Path) -> None:
    net, x = network()
    emg = EMGSettings(montage="ring", electrodes=4, noise_v=1e-6)
    save_network(net, emg, tmp_path)
    loaded, how = load_network(tmp_path)
    assert how == emg
    with torch.no_grad():
        assert torch.equal(loaded(x), net(x))
    (tmp_path / "decoder.safetensors").write_bytes(b"short")
    with pytest.raises(DataFileError):
        load_network(tmp_path)
    with pytest.raises(DataFileError):
        load_network(tmp_path / "nowhere")


@pytest.mark.parametrize(("kind", "channels", "rate_hz"), [("gru", 31, 1000.0), ("aemg", 31, 2000.0), ("tcn", 31, 300.0)])
def test_what_a_network_cannot_take_is_refused(kind: str, channels: int, rate_hz: float) -> None:
    with pytest.raises(AEMGError):
        fresh_network(kind, channels, rate_hz)


def test_the_backbone_streams_as_it_reads_a_recording() -> None:
    torch.manual_seed(0)
    net = fresh_network("aemg", 16, 2000.0).eval()
    emg = np.random.default_rng(0).normal(0, 2e-5, (2, 16, 1600)).astype(np.float32)
    quiet = 6000
    with torch.no_grad():
        whole = net(torch.cat([torch.zeros(2, 16, quiet), torch.from_numpy(emg)], dim=-1)).sigmoid().numpy()
    bins = net.bins((quiet + 1600) // 16)
    assert whole.shape == (2, len(bins), 5)
    online = net.online(2)
    for t in range(100):
        answer = online.push(emg[..., 16 * t : 16 * (t + 1)])
        latest = np.flatnonzero(bins <= quiet // 16 + t)[-1]
        np.testing.assert_allclose(answer, whole[:, latest], atol=1e-5)
