"""The devices that simulated people wear, and their chains."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from aemg.errors import AEMGError
from aemg.simulation.anatomy import sample_person
from aemg.simulation.artefacts import ARTEFACTS, LiftOff
from aemg.simulation.devices import DEVICES, acquire, device
from aemg.simulation.filter_kernel import zero_phase
from aemg.simulation.muap import bank

KNOWN = {
    "wristband16": (16, 2000.0),
    "myo": (8, 200.0),
    "ninapro12": (12, 2000.0),
    "quad4": (4, 2000.0),
    "quad4-1khz": (4, 1000.0),
    "hdgrid": (64, 2048.0),
}


def tone(channels: int, frequency_hz: float, seconds: float = 4.0) -> np.ndarray:
    times = np.arange(round(2000 * seconds)) / 2000
    return np.tile(1e-3 * np.sin(2 * np.pi * frequency_hz * times), (channels, 1)).astype(np.float32)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_presets(name: str) -> None:
    channels, rate_hz = KNOWN[name]
    worn = device(name)
    assert (worn.montage.n_channels, worn.rate_hz) == (channels, rate_hz)
    y = acquire(np.zeros((channels, 4000), dtype=np.float32), worn, np.ones(channels), np.random.default_rng(0))
    assert y.shape == (channels, round(2 * rate_hz))


def test_electrodes_sit_where_the_montage_says() -> None:
    grid = device("hdgrid")
    electrodes = grid.electrodes(grid.montage.turned(10.0))
    assert len(set(electrodes.positions)) == 8
    assert electrodes.angles_deg == grid.montage.turned(10.0).angles_deg
    forearm_m = 0.25
    assert np.diff(np.unique(electrodes.positions))[0] * forearm_m == pytest.approx(0.010)


def test_neighbours_on_a_grid_read_more_alike_than_ends() -> None:
    worn, person = device("hdgrid"), sample_person(np.random.default_rng(1))
    rms = np.sqrt((bank(person, worn.electrodes(worn.montage)).astype(float) ** 2).sum(axis=(0, 2))).reshape(8, 8)
    near = np.abs(np.log(rms[:, 1:] / rms[:, :-1])).mean(), np.abs(np.log(rms[1:] / rms[:-1])).mean()
    far = np.abs(np.log(rms[:, 4:] / rms[:, :4])).mean(), np.abs(np.log(rms[4:] / rms[:4])).mean()
    assert max(near) < min(far)


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_the_band_is_passed_and_the_rest_is_not(name: str) -> None:
    worn = device(name)
    channels = worn.montage.n_channels
    low, high = worn.band_hz
    middle = np.sqrt(low * high)
    made = {}
    for frequency in (middle, low / 10):
        y = acquire(tone(channels, frequency), worn, np.ones(channels), np.random.default_rng(0))
        volts = y * (worn.step_v if worn.unit == "arbitrary" else 1.0)
        made[frequency] = volts[:, volts.shape[1] // 4 : -volts.shape[1] // 4].std(axis=1)
    expected = min(1e-3, worn.counts * worn.step_v) / np.sqrt(2)
    np.testing.assert_allclose(made[middle], expected, rtol=0.2)
    assert np.all(made[low / 10] < 0.03 * expected)


def test_contacts_scale_channels() -> None:
    worn, x = device("wristband16"), tone(16, 100.0)
    gains = np.linspace(0.5, 2.0, 16)
    y = acquire(x, worn, gains, np.random.default_rng(0))
    np.testing.assert_allclose(y.std(axis=1) / x.std(axis=1), gains, rtol=0.02)


def test_artefacts_pass_the_chain() -> None:
    worn, x = device("wristband16"), tone(16, 100.0)
    plain, same = (acquire(x, worn, np.ones(16), np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(plain, same)
    lifted = acquire(x, worn, np.ones(16), np.random.default_rng(3), artefacts=(LiftOff((2,), per_min=60.0),))
    change = np.abs(lifted - plain).std(axis=1)
    assert change[2] > 10 * np.delete(change, 2).max()
    everything = acquire(x, worn, np.ones(16), np.random.default_rng(3), artefacts=ARTEFACTS.values())
    assert np.isfinite(everything).all()


def test_the_filter_is_that_of_scipy() -> None:
    x = np.random.default_rng(0).standard_normal((5, 700)).astype(np.float32)
    for order, band in ((2, (20, 850)), (4, (20, 450)), (1, (5, 300))):
        sos = butter(order, band, "bandpass", fs=2000, output="sos")
        np.testing.assert_allclose(zero_phase(sos, x), sosfiltfilt(sos, x, axis=1), atol=1e-5)
    with pytest.raises(AEMGError, match="samples"):
        zero_phase(sos, x[:, :5])


def test_unknown_devices_are_refused() -> None:
    with pytest.raises(AEMGError, match="hdgrid"):
        device("hdgrid2")
