"""What disturbs EMG besides muscles: electrodes, mains, a wandering baseline, the heart, motion, lost contact, saturation.

Every disturbance is a frozen dataclass that is called with potentials (C, T) in volts at the electrodes, their rate and a source
of chance, and returns what the amplifier sees instead; its input is left as it was. They are applied one after the other.
Shapes and sizes follow De Luca et al. 2010 (doi 10.1016/j.jbiomech.2010.01.027) for motion and the baseline, Clancy, Morin and
Merletti 2002 (doi 10.1016/S1050-6411(01)00033-5) for noise and mains, and McSharry et al. 2003 (doi 10.1109/TBME.2003.808805)
for the heartbeat as a sum of Gaussians.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aemg.errors import AEMGError

Array = NDArray[np.float32]
# P, Q, R, S and T of a heartbeat: seconds after R, width in seconds, height as a share of R's.
_HEARTBEAT = ((-0.17, 0.025, 0.12), (-0.028, 0.010, -0.15), (0.0, 0.011, 1.0), (0.030, 0.012, -0.25), (0.27, 0.05, 0.28))


class Artefact(Protocol):
    """A disturbance of potentials at the electrodes."""

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """(C, T) in volts at `rate_hz`, with the disturbance in it."""


def apply(x: Array, artefacts: Iterable[Artefact], rate_hz: float, rng: np.random.Generator) -> Array:
    """The disturbances one after the other."""
    for artefact in artefacts:
        x = artefact(x, rate_hz, rng)
    return x


@dataclass(frozen=True)
class ElectrodeNoise:
    """White noise of electrodes and amplifier, its RMS told within a band of `bandwidth_hz`, None for half the rate."""

    rms_v: float = 3e-6
    bandwidth_hz: float | None = None

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Adds it."""
        half = rate_hz / 2
        noise = rng.standard_normal(x.shape, dtype=np.float32)
        noise *= np.float32(self.rms_v * np.sqrt(half / (self.bandwidth_hz or half)))
        noise += x
        return noise


@dataclass(frozen=True)
class Mains:
    """Pick-up of the mains, one phase for all channels and a strength of each, from 0 to `amplitude_v`.

    Args:
        harmonics: amplitudes of the first, second, third ... harmonic as shares; those above half the rate are left out.
    """

    amplitude_v: float = 3e-6
    frequency_hz: float = 50.0
    harmonics: tuple[float, ...] = (1.0, 0.0, 0.3)

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Adds it."""
        wave = _hum(self.frequency_hz, self.harmonics, x.shape[1], rate_hz, rng)
        y = (self.amplitude_v * rng.random((len(x), 1))).astype(np.float32) * wave
        y += x
        return np.asarray(y)


@dataclass(frozen=True)
class Wander:
    """A slow baseline of every channel: lines between normal values, two a second."""

    rms_v: float = 50e-6

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Adds it."""
        knots = self.rms_v * rng.standard_normal((len(x), max(round(2 * x.shape[1] / rate_hz), 4)))
        return np.asarray(_add_lines(x, knots))


@dataclass(frozen=True)
class ECG:
    """Heartbeats, the same on all channels up to a strength of each.

    Args:
        peak_v: of R at the median channel; some microvolts on a forearm, more towards the trunk.
        beats_per_min, variation: mean rate, and standard deviation of the intervals as a share of their mean.
        spread: standard deviation of the logarithm of the channels' strengths.
    """

    peak_v: float = 10e-6
    beats_per_min: float = 70.0
    variation: float = 0.04
    spread: float = 0.3

    def __post_init__(self) -> None:
        if not 20 <= self.beats_per_min <= 250:
            raise AEMGError(f"a heart beats 20 to 250 times a minute, got {self.beats_per_min:g}")

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Adds them."""
        duration_s, mean_s = x.shape[1] / rate_hz, 60 / self.beats_per_min
        intervals = mean_s * (1 + self.variation * rng.standard_normal(int(duration_s / mean_s * 1.5) + 4))
        beats = np.cumsum(np.maximum(intervals, mean_s / 2)) - mean_s * (1 + rng.random())
        course = np.zeros(x.shape[1], dtype=np.float32)
        lags = np.arange(-round(0.3 * rate_hz), round(0.5 * rate_hz))
        for beat in beats[beats < duration_s + 0.3]:
            first = round(beat * rate_hz)
            at = first + lags
            inside = at[(at >= 0) & (at < len(course))]
            since = inside / rate_hz - beat
            course[inside] += sum(h * np.exp(-(((since - t) / w) ** 2) / 2) for t, w, h in _HEARTBEAT)
        level = (self.peak_v * np.exp(self.spread * rng.standard_normal((len(x), 1)))).astype(np.float32)
        return np.asarray(x + level * course)


@dataclass(frozen=True)
class MotionArtefact:
    """Bursts below 20 Hz when the skin moves under the electrodes: damped swings, each channel its own mixture of two.

    Args:
        per_min: mean number of bursts.
        peak_v: standard deviation of the swings of a channel.
        decay_s: time constant of a burst.
    """

    per_min: float = 6.0
    peak_v: float = 300e-6
    decay_s: float = 0.15

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Adds them."""
        y, samples = x.copy(), x.shape[1]
        length = round(6 * self.decay_s * rate_hz)
        since = np.arange(length) / rate_hz
        envelope = (since / self.decay_s) * np.exp(1 - since / self.decay_s)
        for first in rng.integers(0, samples, rng.poisson(self.per_min * samples / rate_hz / 60)):
            swing = 2 * np.pi * rng.uniform(1, 8) * since
            mixture = self.peak_v * rng.standard_normal((2, len(x), 1))
            burst = envelope * (mixture[0] * np.sin(swing) + mixture[1] * np.cos(swing))
            y[:, first : first + length] += burst[:, : samples - first].astype(np.float32)
        return y


@dataclass(frozen=True)
class LiftOff:
    """An electrode that loses the skin for a while: the muscle is gone, the baseline jumps, mains and noise come in.

    Args:
        channels: that may lift; None for all.
        per_min: mean number of times, each of one channel.
        mean_s: mean length, from an exponential distribution.
        mains_v, mains_hz: amplitude of what an open electrode picks up, and its frequency.
        noise_v: RMS of its noise.
        jump_v: standard deviation of its baseline.

    Raises:
        AEMGError: when called, for a channel that is not there.
    """

    channels: tuple[int, ...] | None = None
    per_min: float = 2.0
    mean_s: float = 2.0
    mains_v: float = 200e-6
    mains_hz: float = 50.0
    noise_v: float = 20e-6
    jump_v: float = 1e-3

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Takes the place of the potentials while a channel has no contact."""
        channels = tuple(range(len(x))) if self.channels is None else self.channels
        if not all(0 <= channel < len(x) for channel in channels):
            raise AEMGError(f"expected channels from 0 to {len(x) - 1} to lift off, got {self.channels}")
        y, samples = x.copy(), x.shape[1]
        for _ in range(rng.poisson(self.per_min * samples / rate_hz / 60) if channels else 0):
            channel, first = rng.choice(channels), int(rng.integers(samples))
            length = min(max(round(rng.exponential(self.mean_s) * rate_hz), 1), samples - first)
            hum = self.mains_v * _hum(self.mains_hz, (1.0, 0.0, 0.3), length, rate_hz, rng)
            noise = self.noise_v * rng.standard_normal(length, dtype=np.float32)
            y[channel, first : first + length] = np.float32(self.jump_v * rng.standard_normal()) + hum + noise
        return y


@dataclass(frozen=True)
class Saturation:
    """An amplifier that ends at `limit_v` of either sign."""

    limit_v: float = 1e-3

    def __post_init__(self) -> None:
        if self.limit_v <= 0:
            raise AEMGError(f"an amplifier's limit must be above 0 V, got {self.limit_v:g}")

    def __call__(self, x: Array, rate_hz: float, rng: np.random.Generator) -> Array:
        """Cuts at the limit."""
        return np.clip(x, np.float32(-self.limit_v), np.float32(self.limit_v))


ARTEFACTS: dict[str, Artefact] = {
    "noise": ElectrodeNoise(),
    "mains": Mains(20e-6),
    "wander": Wander(),
    "ecg": ECG(),
    "motion": MotionArtefact(),
    "lift-off": LiftOff(),
    "saturation": Saturation(),
}


@njit(cache=True, nogil=True)
def _add_lines(x: Array, knots: NDArray[np.float64]) -> Array:
    """x (C, T) with lines between knots (C, K), the first and last of which are at its ends."""
    y, last = np.empty_like(x), knots.shape[1] - 1
    step = last / max(x.shape[1] - 1, 1)
    for c in range(len(x)):
        for t in range(x.shape[1]):
            place = t * step
            before = min(int(place), last - 1)
            y[c, t] = x[c, t] + knots[c, before] + (place - before) * (knots[c, before + 1] - knots[c, before])
    return y


def _hum(
    frequency_hz: float, harmonics: tuple[float, ...], samples: int, rate_hz: float, rng: np.random.Generator
) -> Array:
    """(T,) at a random phase."""
    turns = frequency_hz / rate_hz * np.arange(samples) + rng.random()
    wave = np.zeros(samples)
    for k, share in enumerate(harmonics, start=1):
        if share and k * frequency_hz < rate_hz / 2:
            wave += share * np.sin(2 * np.pi * k * turns)
    return wave.astype(np.float32)
