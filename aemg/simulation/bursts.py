"""Bursts with known onsets at an exact signal-to-noise ratio, for tests of onset detection.

They are noise within the band of surface EMG, switched on and off between two samples: amplitude modulation, no motor
units, because units would blur the onset.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Interval, Provenance, Recording, ring

_NOISE_V = 5e-6


def bursts(
    onsets_s: Sequence[float],
    durations_s: Sequence[float],
    duration_s: float,
    rate_hz: float,
    channels: int,
    snr_db: float,
    seed: int,
) -> Recording:
    """A recording of `duration_s` with a burst at each onset over white noise of 5 uV RMS.

    The power of the bursts alone (over the samples they cover) is exactly `snr_db` above that of the noise alone (over
    the whole recording), on every channel. The first sample of a burst is the first at or after its onset.

    Args:
        onsets_s, durations_s: of the bursts, in order, without overlap.

    Returns:
        Volts; one interval "burst" each, trials counted from 1.

    Raises:
        AEMGError: no channel or sample; bursts that overlap, are out of order, shorter than a sample or leave the
            recording.
    """
    if channels < 1 or duration_s * rate_hz < 1:
        raise AEMGError(f"expected a channel and a sample at least, got {channels} and {duration_s} s at {rate_hz} Hz")
    edges = _edges(onsets_s, durations_s, duration_s, rate_hz)
    n_samples = round(duration_s * rate_hz)
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    noise = rng.standard_normal((channels, n_samples))
    noise *= _NOISE_V / np.sqrt(np.mean(noise**2, axis=1, keepdims=True))
    active = np.zeros(n_samples, dtype=bool)
    for first, last in edges:
        active[first:last] = True
    signal = noise.copy()
    if edges:
        carrier = _in_band(rng.standard_normal((channels, n_samples)), rate_hz)[:, active]
        level = _NOISE_V * 10 ** (snr_db / 20)
        signal[:, active] += carrier * level / np.sqrt(np.mean(carrier**2, axis=1, keepdims=True))
    samples = signal.astype(np.float32)
    digest = hashlib.sha256(samples.tobytes()).hexdigest()
    return Recording(
        signal=samples,
        rate_hz=rate_hz,
        montage=ring("bursts", channels),
        subject="bursts",
        session="1",
        provenance=Provenance("sim-bursts", f"seed {seed}", digest, "Apache-2.0"),
        unit="V",
        intervals=tuple(
            Interval(onset, onset + length, "burst", trial)
            for trial, (onset, length) in enumerate(zip(onsets_s, durations_s), start=1)
        ),
    )


def _edges(
    onsets_s: Sequence[float], durations_s: Sequence[float], duration_s: float, rate_hz: float
) -> list[tuple[int, int]]:
    if len(onsets_s) != len(durations_s):
        raise AEMGError(f"{len(onsets_s)} onsets, but {len(durations_s)} durations")
    edges, free_s = [], 0.0
    for onset, length in zip(onsets_s, durations_s):
        first, last = (int(np.ceil(round(t * rate_hz, 6))) for t in (onset, onset + length))
        if onset < free_s or last <= first or last > round(duration_s * rate_hz):
            raise AEMGError(
                f"a burst of {length} s at {onset} s: expected at least a sample, "
                f"within {duration_s} s and after {free_s} s"
            )
        edges.append((first, last))
        free_s = onset + length
    return edges


def _in_band(white: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Keeps 20 to 450 Hz, or what of it the rate can carry."""
    frequency = np.fft.rfftfreq(white.shape[1], 1 / rate_hz)
    keep = (frequency >= min(20.0, rate_hz / 10)) & (frequency <= 450.0)
    return np.asarray(np.fft.irfft(np.fft.rfft(white, axis=1) * keep, white.shape[1], axis=1))
