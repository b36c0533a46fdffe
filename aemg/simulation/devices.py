"""Devices: where their electrodes sit, and what their electronics make of the potentials under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly, sosfiltfilt

from aemg.errors import AEMGError
from aemg.signals import Electrode, ElectrodeGroup, Montage, ring
from aemg.simulation.muap import RENDER_RATE_HZ, Electrodes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Device:
    """A device and its imperfections; voltages at the electrode.

    Args:
        montage: its nominal geometry, on one ring. Where `angle_known`, it is put on by anatomy with a small error;
            else at any turn.
        band_hz: corners of the band-pass.
        step_v: one step of the converter.
        counts: largest count of the converter, either sign.
        noise_v: RMS of the noise of electrode and amplifier within the band.
        mains_v: largest amplitude of the mains' first harmonic.
        wander_v: RMS of the slow baseline before the band-pass.
        unit: "V", or "arbitrary" for counts.
        distance_m, size_m: between the poles of a channel, and of a pole.
    """

    name: str
    montage: Montage
    rate_hz: float
    band_hz: tuple[float, float]
    step_v: float
    counts: int
    noise_v: float
    unit: Literal["V", "arbitrary"] = "V"
    mains_v: float = 3e-6
    mains_hz: float = 50.0
    wander_v: float = 50e-6
    distance_m: float = 0.02
    size_m: float = 0.008

    @property
    def position(self) -> float:
        """Of its ring, from elbow (0) to wrist (1)."""
        return self.montage.electrodes[0].position

    def electrodes(self, worn: Montage) -> Electrodes:
        """The electrodes as they truly sit."""
        return Electrodes(worn.angles_deg, self.position, self.distance_m, self.size_m)


def _quad4() -> Montage:
    sites = (("FCU", 33.0), ("FCR", 110.0), ("ECRL", 235.0), ("EDC", 285.0))
    electrodes = tuple(Electrode(name, angle, 0.3, name) for name, angle in sites)
    return Montage("quad4", (ElectrodeGroup("targeted", electrodes, 90.0),), angle_known=True)


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("myo", ring("myo", 8), 200.0, (20.0, 95.0), 6e-6, 127, 4e-6, "arbitrary"),
        Device("armband10", ring("armband10", 10), 1000.0, (20.0, 450.0), 0.5e-6, 32767, 4e-6, distance_m=0.015),
        Device("quad4", _quad4(), 2000.0, (10.0, 500.0), 0.2e-6, 32767, 3e-6, wander_v=100e-6),
        Device(
            "band16", ring("band16", 16, position=0.87), 2000.0, (20.0, 850.0), 0.2e-6, 32767, 2.5e-6,
            distance_m=0.01, size_m=0.004,
        ),
        Device(
            "band16-placed", ring("band16-placed", 16, position=0.87, angle_known=True), 2000.0, (20.0, 850.0),
            0.2e-6, 32767, 2.5e-6, distance_m=0.01, size_m=0.004,
        ),
    )
}  # fmt: skip


def device(name: str) -> Device:
    """A preset by name.

    Raises:
        AEMGError: there is no such preset.
    """
    if name not in DEVICES:
        raise AEMGError(f"no simulated device {name!r}; there are {', '.join(sorted(DEVICES))}")
    return DEVICES[name]


def acquire(clean: NDArray[np.float32], device: Device, gains: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """The device chain: contact, noise, mains and baseline, band-pass without delay, rate, converter.

    Args:
        clean: (C, T) in volts at `muap.RENDER_RATE_HZ`.
        gains: (C,) of the contacts.

    Returns:
        (C, T') float32 at the device's rate: volts, or counts where its unit is arbitrary.
    """
    x = clean * gains[:, None] + disturbances(clean.shape[0], clean.shape[1], device, rng)
    low, high = device.band_hz
    x = sosfiltfilt(butter(2, (low, high), "bandpass", fs=RENDER_RATE_HZ, output="sos"), x, axis=1)
    if device.rate_hz != RENDER_RATE_HZ:
        x = resample_poly(x, round(device.rate_hz), round(RENDER_RATE_HZ), axis=1)
    counts = np.clip(np.round(x / device.step_v), -device.counts - 1, device.counts)
    return np.asarray(counts if device.unit == "arbitrary" else counts * device.step_v, dtype=np.float32)


def disturbances(channels: int, samples: int, device: Device, rng: np.random.Generator) -> Floats:
    """White noise, mains with its third harmonic and a slow baseline: (C, T) in volts, before the band-pass."""
    times = np.arange(samples) / RENDER_RATE_HZ
    density = device.noise_v * np.sqrt(RENDER_RATE_HZ / 2 / (device.band_hz[1] - device.band_hz[0]))
    x = rng.standard_normal((channels, samples)) * density
    mains = 2 * np.pi * (device.mains_hz * times + rng.random())
    level = device.mains_v * rng.random((channels, 1))
    x += level * (np.sin(mains) + 0.3 * np.sin(3 * mains))
    knots = np.linspace(0, times[-1], max(round(times[-1] * 2), 4))
    for row in x:
        row += np.interp(times, knots, rng.standard_normal(len(knots)) * device.wander_v)
    return np.asarray(x)
