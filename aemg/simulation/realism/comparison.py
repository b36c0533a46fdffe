"""Simulated people beside those of real sets, by the same program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from aemg.datasets import crowd_of
from aemg.datasets.base import DatasetInfo
from aemg.signals import Recording
from aemg.simulation.corpus import simulate_set
from aemg.simulation.devices import DEVICES
from aemg.simulation.realism.patterns import QUANTITIES, Patterns, measured, patterns_of
from aemg.simulation.realism.results import Comparison, Summary, Verdict

RealSet = tuple[DatasetInfo, Iterable[Recording]]

GESTURES = (
    "wrist_flexion", "wrist_extension", "radial_deviation", "ulnar_deviation", "pronation", "supination", "hand_close",
    "hand_open",
)  # fmt: skip
COMPARED = ("myo", "armband10", "quad4")


def simulated(device: str, people: int, seed: int) -> Patterns:
    """The patterns of simulated people who make `GESTURES` twice."""
    reader = simulate_set(
        f"realism-{device}", device=device, people=people, seed=seed, gestures=("rest", *GESTURES), repetitions=2, hold_s=2.5,
        rest_s=0.5,
    )  # fmt: skip
    made = patterns_of("simulated", reader, GESTURES)
    assert made is not None
    return made


def against(
    real: Sequence[RealSet], sets: dict[str, Patterns], curves: dict[str, Any], report: Callable[[int], None]
) -> tuple[list[Comparison], list[str]]:
    """Each real set with the simulated people who wear a device like it and make the same gestures."""
    rows: list[Comparison] = []
    notes, seen = [], set()
    for i, (info, recordings) in enumerate(real, 1):
        device = next(
            (n for n in COMPARED if (DEVICES[n].montage.n_channels, DEVICES[n].rate_hz) == (info.channels, info.rate_hz)), None
        )
        people = (crowd_of(info.name, {info.name: info}), device)
        found = None
        if info.kind != "raw":
            notes.append(f"{info.name} was not compared: it holds envelopes.")
        elif device is None:
            notes.append(f"{info.name} was not compared: no simulated device has its channels and rate.")
        elif people in seen:
            notes.append(f"{info.name} was not compared: a set of the same people and device was.")
        else:
            found = patterns_of(info.name, recordings, GESTURES)
        if found is not None and device is not None:
            seen.add(people)
            rows += _compare(device, _restricted(sets[device], found.gestures), found)
            curves["patterns"].append(pattern_map(found, info.name))
            if len(found.frequency):
                curves["spectra"].append(curve(found, info.name))
        elif info.kind == "raw" and device is not None and people not in seen:
            notes.append(f"{info.name} was not compared: too few people with the gestures.")
        report(i)
    order = list(QUANTITIES)
    return sorted(rows, key=lambda row: order.index(row.key)), notes


def _compare(device: str, simulated: Patterns, real: Patterns) -> list[Comparison]:
    own, other = measured(simulated), measured(real)
    rows = []
    for key, (quantity, unit) in QUANTITIES.items():
        if key in own and key in other:
            a, b = Summary.of(own[key]), Summary.of(other[key])
            inside: Verdict = "in range" if b.low <= a.median <= b.high else "out of range"
            rows.append(Comparison(key, quantity, unit, device, real.name, a, b, inside))
    return rows


def _restricted(patterns: Patterns, gestures: Sequence[str]) -> Patterns:
    """The same people with some of their gestures."""
    at = [patterns.gestures.index(g) for g in gestures]
    return replace(patterns, gestures=tuple(gestures), values=patterns.values[:, at])


def pattern_map(patterns: Patterns, name: str) -> dict[str, Any]:
    """Patterns in decibels, a row a person, for pictures."""
    db = 20 / np.log(10) * patterns.values.mean(2)
    return {"name": name, "gestures": list(patterns.gestures), "people": list(patterns.people), "db": np.round(db, 2).tolist()}


def curve(patterns: Patterns, name: str) -> dict[str, Any]:
    """The mean spectrum in decibels below its peak, for pictures."""
    db = 10 * np.log10(np.maximum(patterns.densities.mean(0), 1e-12))
    return {"name": name, "hz": patterns.frequency.tolist(), "db": np.round(db - db.max(), 2).tolist()}
