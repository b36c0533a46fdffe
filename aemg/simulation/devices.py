"""Devices: where their electrodes sit, and what their electronics make of the potentials under them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, resample_poly

from aemg.errors import AEMGError
from aemg.signals import Electrode, ElectrodeGroup, Montage, ring
from aemg.signals.montage import grid
from aemg.simulation.artefacts import Artefact, ElectrodeNoise, Mains, Wander, apply
from aemg.simulation.filter_kernel import zero_phase
from aemg.simulation.muap import RENDER_RATE_HZ, Electrodes

Array = NDArray[np.float32]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Device:
    """A device and its imperfections; voltages at the electrode.

    Args:
        montage: its nominal geometry. Where `angle_known`, it is put on by anatomy with a small error;
            else at any turn.
        band_hz: corners of the band-pass.
        step_v: one step of the converter.
        counts: largest count of the converter, either sign.
        noise_v: RMS of the noise of electrode and amplifier within the band.
        mains_v: largest amplitude of the mains' first harmonic.
        wander_v: RMS of the slow baseline before the band-pass.
        unit: "V", or "arbitrary" for counts.
        distance_m, size_m, tilt_deg: as of `muap.Electrodes`.
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
    tilt_deg: float = 0.0

    @property
    def position(self) -> float:
        """Of its first electrode, from elbow (0) to wrist (1)."""
        return self.montage.electrodes[0].position

    def electrodes(self, worn: Montage) -> Electrodes:
        """The electrodes as they truly sit."""
        positions = tuple(electrode.position for electrode in worn.electrodes)
        return Electrodes(worn.angles_deg, positions, self.distance_m, self.size_m, self.tilt_deg)


def _sites(sites: tuple[tuple[str, float, float], ...]) -> ElectrodeGroup:
    """Electrodes over single muscles, by name, angle and position."""
    electrodes = tuple(Electrode(site, angle, position, site) for site, angle, position in sites)
    return ElectrodeGroup("targeted", electrodes, 90.0)


_QUAD4 = _sites((("FCU", 33.0, 0.3), ("FCR", 110.0, 0.3), ("ECRL", 235.0, 0.3), ("EDC", 285.0, 0.3)))
# A ring below the elbow and the bellies of four muscles, as in the Ninapro sets, without their two on the upper arm.
_NINAPRO12 = (
    *ring("ninapro12", 8, position=0.2).groups,
    _sites((("FDS", 105.0, 0.4), ("EDC", 280.0, 0.4), ("FCU", 35.0, 0.5), ("APL", 245.0, 0.6))),
)
_BAND16 = Device(
    "band16", ring("band16", 16, position=0.87), 2000.0, (20.0, 850.0), 0.2e-6, 32767, 2.5e-6, distance_m=0.01, size_m=0.004
)
_GRID_POSITIONS = tuple(round(0.2 + 0.04 * row, 2) for row in range(8))  # 10 mm apart on a forearm of 25 cm

DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device("myo", ring("myo", 8), 200.0, (20.0, 95.0), 6e-6, 127, 4e-6, "arbitrary"),
        Device("armband10", ring("armband10", 10), 1000.0, (20.0, 450.0), 0.5e-6, 32767, 4e-6, distance_m=0.015),
        Device("quad4", Montage("quad4", (_QUAD4,), True), 2000.0, (10.0, 500.0), 0.2e-6, 32767, 3e-6, wander_v=100e-6),
        Device("quad4-1khz", Montage("quad4", (_QUAD4,), True), 1000.0, (10.0, 450.0), 0.2e-6, 32767, 3e-6, wander_v=100e-6),
        _BAND16,
        replace(_BAND16, name="band16-placed", montage=ring("band16-placed", 16, position=0.87, angle_known=True)),
        replace(_BAND16, name="wristband16", montage=ring("wristband16", 16, position=0.87)),
        Device("ninapro12", Montage("ninapro12", _NINAPRO12, True), 2000.0, (20.0, 450.0), 0.2e-6, 32767, 3e-6, distance_m=0.01),
        Device(
            "hdgrid", grid("hdgrid", 8, 8, first_deg=231.0, column_deg=14.0, row_positions=_GRID_POSITIONS, angle_known=True),
            2048.0, (10.0, 500.0), 0.25e-6, 32767, 3e-6, distance_m=0.01, size_m=0.003,
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


def acquire(
    clean: Array, device: Device, gains: Floats, rng: np.random.Generator, *, artefacts: Iterable[Artefact] = ()
) -> Array:
    """The device chain: contact, artefacts, noise, mains and baseline, band-pass without delay, rate, converter.

    Args:
        clean: (C, T) in volts at `muap.RENDER_RATE_HZ`.
        gains: (C,) of the contacts.
        artefacts: beside the device's own disturbances.

    Returns:
        (C, T') float32 at the device's rate: volts, or counts where its unit is arbitrary.
    """
    x = apply(clean * gains.astype(np.float32)[:, None], (*artefacts, *disturbances(device)), RENDER_RATE_HZ, rng)
    x = zero_phase(butter(2, device.band_hz, "bandpass", fs=RENDER_RATE_HZ, output="sos"), x)
    if device.rate_hz != RENDER_RATE_HZ:
        ratio = Fraction(device.rate_hz) / Fraction(RENDER_RATE_HZ)
        x = resample_poly(x, ratio.numerator, ratio.denominator, axis=1)
    x *= np.float32(1 / device.step_v)
    counts = np.clip(np.rint(x, out=x), -device.counts - 1, device.counts, out=x)
    if device.unit != "arbitrary":
        counts *= np.float32(device.step_v)
    return np.asarray(counts, dtype=np.float32)


def disturbances(device: Device) -> tuple[Artefact, ...]:
    """What every recording of a device holds: white noise, mains with its third harmonic and a slow baseline."""
    low, high = device.band_hz
    return ElectrodeNoise(device.noise_v, high - low), Mains(device.mains_v, device.mains_hz), Wander(device.wander_v)
