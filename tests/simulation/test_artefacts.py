"""Every disturbance does what it says and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import find_peaks, welch

from aemg.errors import AEMGError
from aemg.simulation.artefacts import (
    ARTEFACTS,
    ECG,
    Artefact,
    ElectrodeNoise,
    LiftOff,
    Mains,
    MotionArtefact,
    Saturation,
    Wander,
    apply,
)

RATE_HZ = 2000.0


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def emg(channels: int = 4, seconds: float = 10.0) -> np.ndarray:
    return (1e-4 * chance(9).standard_normal((channels, round(seconds * RATE_HZ)))).astype(np.float32)


def added(artefact: Artefact, seconds: float = 10.0, channels: int = 4, seed: int = 0) -> np.ndarray:
    return artefact(np.zeros((channels, round(seconds * RATE_HZ)), dtype=np.float32), RATE_HZ, chance(seed)).astype(float)


@pytest.mark.parametrize("name", sorted(ARTEFACTS))
@pytest.mark.parametrize("rate_hz", [200.0, 2000.0])
def test_artefacts_are_determined_by_their_chance(name: str, rate_hz: float) -> None:
    artefact, x = ARTEFACTS[name], emg(seconds=60.0)
    before = x.copy()
    once, again, other = (artefact(x, rate_hz, chance(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(x, before, err_msg="the input is left alone")
    np.testing.assert_array_equal(once, again)
    assert once.dtype == np.float32
    assert once.shape == x.shape
    if name != "saturation":
        assert not np.array_equal(once, x)
        assert not np.array_equal(once, other)


@pytest.mark.parametrize("name", ["noise", "mains", "wander", "ecg", "motion"])
def test_what_is_added_does_not_depend_on_the_signal(name: str) -> None:
    x = emg()
    with_signal = ARTEFACTS[name](x, RATE_HZ, chance())
    np.testing.assert_allclose(with_signal - x, added(ARTEFACTS[name]), atol=1e-9)


def test_artefacts_are_applied_in_order() -> None:
    x, rng = emg(), chance()
    chain = (Mains(1e-3), Saturation(2e-4))
    np.testing.assert_array_equal(apply(x, chain, RATE_HZ, chance()), chain[1](chain[0](x, RATE_HZ, rng), RATE_HZ, rng))
    np.testing.assert_array_equal(apply(x, (), RATE_HZ, chance()), x)


def test_noise_is_white_and_of_its_size() -> None:
    noise = added(ElectrodeNoise(5e-6))
    np.testing.assert_allclose(noise.std(axis=1), 5e-6, rtol=0.03)
    assert abs(np.corrcoef(noise[:, 1:].ravel(), noise[:, :-1].ravel())[0, 1]) < 0.02
    _, power = welch(added(ElectrodeNoise(5e-6, 400.0)), RATE_HZ, nperseg=500)
    np.testing.assert_allclose(power.mean() * 400, 25e-12, rtol=0.05)


def test_mains_are_lines_at_their_harmonics() -> None:
    hum = added(Mains(20e-6, 60.0, (1.0, 0.5, 0.25)))
    spectrum = np.abs(np.fft.rfft(hum, axis=1)) / hum.shape[1] * 2
    lines = [600, 1200, 1800]
    np.testing.assert_allclose(spectrum[:, lines] / spectrum[:, [600]], np.tile([1.0, 0.5, 0.25], (4, 1)), rtol=1e-3)
    assert np.all(spectrum[:, 600] <= 20e-6)
    assert np.delete(spectrum, lines, axis=1).max() < 1e-9
    slow = Mains(20e-6, 60.0, (0.0, 1.0))(np.zeros((1, 200), dtype=np.float32), 200.0, chance())
    assert not slow.any(), "what the rate cannot carry is left out"


def test_wander_is_slow() -> None:
    wander = added(Wander(50e-6), seconds=60.0)
    power = np.abs(np.fft.rfft(wander - wander.mean(axis=1, keepdims=True), axis=1)) ** 2
    assert power[:, : 60 * 3].sum() > 0.98 * power.sum()
    assert 30e-6 < wander.std() < 50e-6


@pytest.mark.parametrize("beats_per_min", [50.0, 70.0, 120.0])
def test_the_heart_beats_at_its_rate_on_all_channels(beats_per_min: float) -> None:
    ecg = added(ECG(20e-6, beats_per_min, spread=0.5), seconds=60.0)
    peaks, _ = find_peaks(ecg[0], height=0.7 * ecg[0].max())
    assert len(peaks) == pytest.approx(beats_per_min, abs=4)
    intervals = np.diff(peaks)
    assert 0.02 < intervals.std() / intervals.mean() < 0.07
    assert np.linalg.matrix_rank(ecg, tol=1e-4 * np.linalg.norm(ecg)) == 1
    assert len(set(np.round(ecg.max(axis=1) * 1e9))) == 4


def test_motion_is_below_20_hz_and_comes_in_bursts() -> None:
    motion = added(MotionArtefact(per_min=20.0), seconds=120.0)
    frequency = np.fft.rfftfreq(motion.shape[1], 1 / RATE_HZ)
    power = np.abs(np.fft.rfft(motion, axis=1)) ** 2
    assert power[:, frequency < 20].sum() > 0.99 * power.sum()
    still = np.abs(motion) < 1e-9
    assert 0.2 < still.mean() < 0.9
    assert not added(MotionArtefact(per_min=0.0)).any()


def test_lifting_off_touches_its_channels_only() -> None:
    x = emg(5, 60.0)
    y = LiftOff(channels=(1, 3), per_min=10.0)(x, RATE_HZ, chance())
    np.testing.assert_array_equal(y[[0, 2, 4]], x[[0, 2, 4]])
    off = y != x
    assert off[1].any()
    assert off[3].any()
    assert off[[1, 3]].mean() < 0.6
    silent = LiftOff(channels=(1, 3), per_min=10.0)(np.zeros_like(x), RATE_HZ, chance())
    np.testing.assert_array_equal(silent[off], y[off], err_msg="a lifted electrode reads no muscle")
    np.testing.assert_array_equal(LiftOff(per_min=0.0)(x, RATE_HZ, chance()), x)
    np.testing.assert_array_equal(LiftOff(channels=())(x, RATE_HZ, chance()), x)
    with pytest.raises(AEMGError, match="0 to 4"):
        LiftOff(channels=(5,))(x, RATE_HZ, chance())


def test_saturation_cuts_at_the_limit_and_nowhere_else() -> None:
    x = emg()
    y = Saturation(1.5e-4)(x, RATE_HZ, chance())
    inside = np.abs(x) <= np.float32(1.5e-4)
    np.testing.assert_array_equal(y[inside], x[inside])
    np.testing.assert_array_equal(y[~inside], np.sign(x[~inside]) * np.float32(1.5e-4))
    assert not inside.all()


def test_impossible_artefacts_are_refused() -> None:
    with pytest.raises(AEMGError, match="beats"):
        ECG(beats_per_min=5.0)
    with pytest.raises(AEMGError, match="limit"):
        Saturation(0.0)
