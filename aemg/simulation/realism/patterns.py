"""How people differ: the pattern of amplitudes around the arm, measured alike on simulated and on real recordings.

A pattern is the logarithm of each channel's RMS over a repetition, less its mean over the channels, so that neither
gain nor unit enters. Whatever is measured of a set is measured for each of its people.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from aemg.signals import Recording
from aemg.simulation.realism.measures import median_frequency, slope_db_per_octave, spectrum, strongest

Floats = NDArray[np.float64]
SAME = {"power_grip": "hand_close", "pointing": "index_point", "pinch_grip": "pinch"}
MOST_REPETITIONS = 4
_SETTLED_S, _SHORTEST_S = 0.5, 0.5
_LOWEST_HZ = 20.0
_SLOPE_HZ = (150.0, 400.0)
_LOW_RATE_HZ = 500.0

QUANTITIES: dict[str, tuple[str, str]] = {
    "ring_ratio_db": ("Strongest channel over weakest, in a gesture", "dB"),
    "contrast_db": ("Strongest quarter of the channels over their own rest", "dB"),
    "kurtosis": ("Kurtosis of the samples, strongest quarter of the channels (3 for many units)", ""),
    "neighbour_correlation": ("Correlation of neighbouring channels, absolute", ""),
    "repeat": ("Likeness of patterns: repetitions of one person", ""),
    "between_worn": ("Likeness of patterns: a gesture across people, as worn", ""),
    "between_turned": ("The same after the best turn and mirror of each pair", ""),
    "between_gestures": ("Likeness of patterns: different gestures of one person", ""),
    "median_frequency_hz": ("Median frequency, strongest quarter of the channels", "Hz"),
    "slope_db_octave": ("Slope of the spectrum, 150 to 400 Hz", "dB/octave"),
}


@dataclass(frozen=True, eq=False)
class Patterns:
    """The patterns of a set.

    Args:
        name: of the set.
        ring: whether channels go around the limb at equal angles.
        people, gestures: names of the axes.
        values: (people, gestures, repetitions, C).
        scalars: by name of `QUANTITIES`, what is measured within recordings, (people,).
        frequency, densities: spectrum of each person's strongest channels, (F,) and (people, F), each with the sum 1; empty
            where the rate is below 500 Hz.
    """

    name: str
    ring: bool
    people: tuple[str, ...]
    gestures: tuple[str, ...]
    values: Floats
    scalars: dict[str, Floats]
    frequency: Floats
    densities: Floats


def patterns_of(name: str, recordings: Iterable[Recording], gestures: Sequence[str]) -> Patterns | None:
    """The patterns of a set's people, as many repetitions as all of them have of every gesture (four at most).

    Args:
        gestures: the names to look for; "rest" always counts as the reference. `SAME` names the synonyms.

    Returns:
        None where fewer than three people have two repetitions of at least three of the gestures.
    """
    found: dict[str, _Person] = {}
    for recording in recordings:
        found.setdefault(recording.subject, _Person()).add(recording, set(gestures))
    counts = {g: [len(p.rows.get(g, ())) for p in found.values()] for g in gestures}
    shared = tuple(g for g in gestures if counts[g] and sum(n >= 2 for n in counts[g]) > 0.8 * len(found))
    people = tuple(sorted(s for s, p in found.items() if all(len(p.rows.get(g, ())) >= 2 for g in shared)))
    if len(people) < 3 or len(shared) < 3:
        return None
    repetitions = min(len(found[s].rows[g]) for s in people for g in shared)
    values = np.array([[found[s].rows[g][:repetitions] for g in shared] for s in people])
    scalars = {key: np.array([found[s].scalar(key) for s in people]) for key in found[people[0]].measured}
    first = found[people[0]]
    densities = np.array([found[s].density for s in people])
    return Patterns(name, first.ring, people, shared, values, scalars, first.frequency, densities)


def likeness(patterns: Patterns) -> dict[str, Floats]:
    """How alike patterns are, for each person: correlations over channels, (people,) each.

    "repeat": repetitions of a gesture. "between_gestures": means of different gestures. "between_worn": means of the same
    gesture with each other person's. "between_turned": likewise after the turn by whole channels and the mirror that suit the
    pair best, for rings only; as many ways are tried as there are, so that chance alone gives more than 0.
    """
    unit = _unit(patterns.values)
    n_repetitions = unit.shape[2]
    above = np.triu_indices(n_repetitions, 1)
    repeat = np.einsum("sgac,sgbc->sgab", unit, unit)[:, :, above[0], above[1]].mean((1, 2))
    mean = _unit(patterns.values.mean(2))  # (S, G, C)
    off = np.triu_indices(mean.shape[1], 1)
    gestures = np.einsum("sgc,shc->sgh", mean, mean)[:, off[0], off[1]].mean(1)
    made = {"repeat": repeat, "between_gestures": gestures, "between_worn": _others(np.einsum("sgc,tgc->st", mean, mean), mean)}
    if patterns.ring:
        ways = [np.roll(way, k, axis=2) for way in (mean, mean[:, :, ::-1]) for k in range(mean.shape[2])]
        made["between_turned"] = _others(np.max([np.einsum("sgc,tgc->st", mean, way) for way in ways], axis=0), mean)
    return made


def measured(patterns: Patterns) -> dict[str, Floats]:
    """All of `QUANTITIES` that the set allows, (people,) each."""
    ratio = 20 / np.log(10) * np.ptp(patterns.values, axis=3).mean((1, 2))
    return {"ring_ratio_db": ratio, **patterns.scalars, **likeness(patterns)}


def _unit(values: Floats) -> Floats:
    """Mean 0 and length 1 over the last axis, so that products are correlations."""
    centred = values - values.mean(-1, keepdims=True)
    return np.asarray(centred / np.maximum(np.linalg.norm(centred, axis=-1, keepdims=True), 1e-12))


def _others(products: Floats, mean: Floats) -> Floats:
    """Mean over the other people of (S, S) sums over gestures."""
    n = len(products)
    return np.asarray((products.sum(1) - np.diag(products)) / (n - 1) / mean.shape[1])


class _Person:
    """What the recordings of one person add up to."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Floats]] = {}
        self.rest: list[Floats] = []
        self.loud: list[Floats] = []
        self.measured: dict[str, list[float]] = {}
        self.densities: list[Floats] = []
        self.frequency: Floats = np.zeros(0)
        self.ring = False

    def add(self, recording: Recording, gestures: set[str]) -> None:
        """Every labelled interval without its first half second, band-passed from 20 Hz to 0.45 of the rate."""
        rate = recording.rate_hz
        x = recording.signal.astype(np.float64)
        x -= x.mean(1, keepdims=True)
        x = sosfiltfilt(butter(2, (_LOWEST_HZ, 0.45 * rate), "bandpass", fs=rate, output="sos"), x, axis=1)
        self.ring = all(group.kind == "ring" for group in recording.montage.groups)
        for interval in recording.intervals:
            name = SAME.get(interval.label, interval.label)
            part = x[:, round((interval.start_s + _SETTLED_S) * rate) : round(interval.end_s * rate)]
            if (name not in gestures and name != "rest") or part.shape[1] < _SHORTEST_S * rate:
                continue
            rms = np.sqrt(np.mean(part**2, axis=1)) + 1e-12 * np.abs(x).max() + 1e-30
            if name == "rest":
                self.rest.append(rms)
            if name in gestures and len(self.rows.setdefault(name, [])) < MOST_REPETITIONS:
                self.rows[name].append(np.log(rms) - np.log(rms).mean())
                self._within(part, rms, rate)

    def _within(self, part: Floats, rms: Floats, rate_hz: float) -> None:
        self.loud.append(rms)
        self._note("kurtosis", float(np.mean((part[strongest(rms)] / rms[strongest(rms), None]) ** 4)))
        around: Any = np.corrcoef(np.vstack([part, part[:1]] if self.ring else [part]))
        self._note("neighbour_correlation", float(np.mean(np.abs(np.diag(around, 1)))))
        if rate_hz < _LOW_RATE_HZ:
            return
        self.frequency, density = spectrum(part, rate_hz)
        best = density[strongest(rms)]
        self._note("median_frequency_hz", float(median_frequency(self.frequency, best).mean()))
        mean = best.mean(0)
        self.densities.append(mean / mean.sum())
        self._note("slope_db_octave", slope_db_per_octave(self.frequency, mean, *_SLOPE_HZ))

    def _note(self, name: str, value: float) -> None:
        self.measured.setdefault(name, []).append(value)
        self.measured.setdefault("contrast_db", [])

    def scalar(self, name: str) -> float:
        """The mean of a quantity over the person's repetitions; NaN where there is none."""
        if name == "contrast_db":
            if not self.rest:
                return float("nan")
            rest = np.median(self.rest, axis=0)
            return float(np.mean([20 * np.log10(r[strongest(r)] / rest[strongest(r)]).mean() for r in self.loud]))
        return float(np.mean(self.measured[name]))

    @property
    def density(self) -> Floats:
        """Mean spectrum of the person, (F,)."""
        return np.asarray(np.mean(self.densities, axis=0)) if self.densities else np.zeros(0)
