"""Gestures as excitations of the forearm's muscles, and how a person varies them.

The numbers are hand-made from functional anatomy (prime movers 0.3-0.5, synergists 0.1-0.2, antagonists below 0.1 of
the maximum, wrist extensors holding the wrist against the finger flexors); they are not measured. They describe a firm
effort; trials use about half of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.anatomy import MUSCLE_INDEX, MUSCLES
from aemg.simulation.pool import CONTROL_RATE_HZ

Floats = NDArray[np.float64]
_GROUPS = {group: tuple(f"{group}{finger}" for finger in (2, 3, 4, 5)) for group in ("FDS", "FDP", "EDC")}
_STRATEGY, _HABIT_SPILL = 0.4, 0.08
_MUSCLE_TRIAL, _SPILL, _DRIVE = 0.35, 0.08, 0.2
_EFFORT, _EFFORT_SPREAD = 0.5, 0.25

TEMPLATES: dict[str, dict[str, float]] = {
    "rest": {},
    "wrist_flexion": {
        "FCR": 0.45, "FCU": 0.45, "PL": 0.35, "FDS": 0.12, "FDP": 0.06, "ECRB": 0.05, "ECU": 0.05, "EDC": 0.03,
    },
    "wrist_extension": {
        "ECRL": 0.40, "ECRB": 0.50, "ECU": 0.40, "EDC": 0.20, "EDM": 0.15, "FDS": 0.05, "FDP": 0.04, "FCU": 0.05,
    },
    "radial_deviation": {
        "ECRL": 0.45, "FCR": 0.35, "ECRB": 0.20, "APL": 0.30, "EPB": 0.20, "BR": 0.10, "FCU": 0.03,
    },
    "ulnar_deviation": {"ECU": 0.45, "FCU": 0.45, "EDM": 0.10, "EDC5": 0.10, "PL": 0.05},
    "pronation": {"PT": 0.50, "PQ": 0.50, "FCR": 0.15, "BR": 0.12, "PL": 0.05, "ECRL": 0.03},
    "supination": {"SUP": 0.50, "BR": 0.20, "ECRL": 0.06, "EPL": 0.10, "APL": 0.10, "ECU": 0.06},
    "hand_close": {
        "FDS": 0.40, "FDP": 0.40, "FPL": 0.35, "ECRB": 0.30, "ECRL": 0.20, "ECU": 0.20, "FCU": 0.15, "FCR": 0.10,
        "PL": 0.10, "EDC": 0.10,
    },
    "hand_open": {
        "EDC": 0.45, "EDM": 0.40, "EIP": 0.35, "EPL": 0.40, "EPB": 0.25, "APL": 0.30, "ECU": 0.12, "FCU": 0.10,
        "PL": 0.10, "FDS": 0.04,
    },
    "pinch": {
        "FDP2": 0.40, "FDS2": 0.35, "FPL": 0.45, "ECRB": 0.20, "ECRL": 0.12, "APL": 0.12, "FDS3": 0.10, "FDP3": 0.10,
        "EDC2": 0.05, "FCR": 0.05,
    },
    "index_point": {
        "EIP": 0.40, "EDC2": 0.40, "FDS3": 0.30, "FDS4": 0.30, "FDS5": 0.30, "FDP3": 0.35, "FDP4": 0.35,
        "FDP5": 0.35, "FPL": 0.25, "ECRB": 0.20, "ECU": 0.12,
    },
}  # fmt: skip
GESTURES: tuple[str, ...] = tuple(TEMPLATES)


def template(gesture: str) -> Floats:
    """Excitation of every muscle of `anatomy.MUSCLES`, (muscles,), between 0 and 1.

    Raises:
        AEMGError: a gesture that is not in `GESTURES`.
    """
    if gesture not in TEMPLATES:
        raise AEMGError(f"no gesture {gesture!r}; there are {', '.join(GESTURES)}")
    values = np.zeros(len(MUSCLES))
    for name, value in TEMPLATES[gesture].items():
        for muscle in _GROUPS.get(name, (name,)):
            values[MUSCLE_INDEX[muscle]] = value
    return values


_MOVEMENTS = np.stack([template(name) for name in GESTURES if name != "rest"])


def personal_templates(gestures: tuple[str, ...], rng: np.random.Generator) -> Floats:
    """How one person makes the gestures: (gestures, muscles), every excitation with a lognormal factor of its own."""
    made = {name: vary(template(name), _STRATEGY, _HABIT_SPILL, rng) for name in sorted(gestures)}
    return np.stack([made[name] for name in gestures])


def course(
    held: Floats, onsets_s: Floats, hold_s: float, duration_s: float, tone: float, rng: np.random.Generator
) -> Floats:
    """Excitation over time: each gesture rises from its onset, is held with wavering drive and is let go.

    Args:
        held: (trials, muscles), from `personal_templates`.
        onsets_s: (trials,); excitation is exactly `tone` before an onset and from its onset + hold_s on.

    Returns:
        (muscles, T) between 0 and 1 at `pool.CONTROL_RATE_HZ`.
    """
    times = (np.arange(round(duration_s * CONTROL_RATE_HZ)) + 0.5) / CONTROL_RATE_HZ
    excitation = np.full((held.shape[1], len(times)), tone)
    waver = np.exp(_DRIVE * slow_noise(rng, held.shape[1], len(times)))
    for values, onset in zip(held, onsets_s):
        made = _EFFORT * np.exp(rng.normal(0, _EFFORT_SPREAD)) * vary(values, _MUSCLE_TRIAL, _SPILL, rng)
        rise, fall = rng.uniform(0.08, 0.25), rng.uniform(0.1, 0.3)
        ramps = smoothstep((times - onset) / rise) * smoothstep((onset + hold_s - times) / fall)
        excitation += made[:, None] * ramps[None, :] * waver
    return np.asarray(np.clip(excitation, 0.0, 1.0))


def vary(values: Floats, spread: float, spill: float, rng: np.random.Generator) -> Floats:
    """A lognormal factor for every muscle and a little of every movement, as hands are not precise; rest stays."""
    shares = np.abs(rng.normal(0, spill, len(_MOVEMENTS)))
    factors = np.exp(rng.normal(0, spread, len(values)))
    return np.asarray(np.minimum(values * factors + shares @ _MOVEMENTS * values.any(), 1.0))


def slow_noise(rng: np.random.Generator, rows: int, steps: int) -> Floats:
    """Noise (rows, steps) of unit variance below about 2 Hz, as the common drive wavers."""
    width = max(round(CONTROL_RATE_HZ / 5), 1)
    kernel = np.hanning(2 * width + 3)[1:-1]
    white = rng.standard_normal((rows, steps + len(kernel) - 1))
    spectrum = np.fft.rfft(white, white.shape[1] + len(kernel)) * np.fft.rfft(kernel, white.shape[1] + len(kernel))
    smooth = np.fft.irfft(spectrum, white.shape[1] + len(kernel))[:, len(kernel) - 1 : len(kernel) - 1 + steps]
    return np.asarray(smooth / np.sqrt(np.sum(kernel**2)))


def smoothstep(x: Floats) -> Floats:
    """0 up to 0, 1 from 1 on, with a continuous slope between."""
    x = np.clip(x, 0.0, 1.0)
    return np.asarray(x * x * (3 - 2 * x))
