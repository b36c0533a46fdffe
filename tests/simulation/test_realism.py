"""Measurements of realism: what each measure says of signals whose answer is known, and the table as a whole."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.datasets.base import DatasetInfo
from aemg.errors import AEMGError
from aemg.signals import Interval, Montage, Provenance, Recording, ring
from aemg.simulation.anatomy import sample_person
from aemg.simulation.realism import Realism, Summary, judge, measure
from aemg.simulation.realism import literature as known
from aemg.simulation.realism.literature import Range
from aemg.simulation.realism.measures import (
    delay_s,
    interval_statistics,
    line_fit,
    median_frequency,
    rank_correlation,
    slope_db_per_octave,
    spectrum,
    strongest,
)
from aemg.simulation.realism.patterns import Patterns, likeness, patterns_of
from aemg.simulation.realism.units import force
from aemg.simulation.realism.volume import around, reach_deg, with_fat, with_muscles
from aemg.simulation.render import Spikes


@given(rate=st.floats(5, 40), jitter=st.floats(0.02, 0.3), seed=st.integers(0, 99))
@settings(derandomize=True, max_examples=8, deadline=None)
def test_rate_and_variation_of_intervals_are_those_they_were_drawn_with(rate: float, jitter: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    intervals = rng.gamma(1 / jitter**2, jitter**2 / rate, 4000)
    times = np.cumsum(intervals)
    rates, variations = interval_statistics(Spikes(times, np.ones(len(times), np.intp)), 3)
    assert rates[1] == pytest.approx(rate, rel=0.05)
    assert variations[1] == pytest.approx(jitter, rel=0.1)
    assert np.isnan(rates[[0, 2]]).all() and np.isnan(variations[[0, 2]]).all()


@given(delay_ms=st.floats(-8, 8), seed=st.integers(0, 99))
@settings(derandomize=True, max_examples=20, deadline=None)
def test_a_delay_is_found_to_a_part_of_a_sample(delay_ms: float, seed: int) -> None:
    rate, n = 2000.0, 4000
    shape = np.fft.rfft(np.random.default_rng(seed).standard_normal(n))
    frequency = np.fft.rfftfreq(n, 1 / rate)
    shape[(frequency < 20) | (frequency > 200)] = 0
    later = np.fft.irfft(shape * np.exp(-2j * np.pi * frequency * delay_ms * 1e-3), n)
    assert delay_s(np.fft.irfft(shape, n), later, rate) == pytest.approx(delay_ms * 1e-3, abs=0.1 / rate)


@given(power=st.floats(0.3, 2), scale=st.floats(1e-6, 1e3))
@settings(derandomize=True, max_examples=20, deadline=None)
def test_a_power_law_gives_its_exponent_at_any_scale(power: float, scale: float) -> None:
    x = np.linspace(0.05, 1, 9)
    explained, exponent = line_fit(x, scale * x**power)
    assert exponent == pytest.approx(power)
    assert 0.8 < explained <= 1 + 1e-12


def test_spectral_measures_of_a_spectrum_that_is_known() -> None:
    frequency = np.arange(1.0, 501.0)
    flat = np.where((frequency >= 100) & (frequency <= 200), 1.0, 0.0)
    assert median_frequency(frequency, flat[None])[0] == pytest.approx(150, abs=1)
    assert slope_db_per_octave(frequency, frequency**-2.0, 50, 400) == pytest.approx(-6.02, abs=0.01)
    tone = np.sin(2 * np.pi * 80 * np.arange(4000) / 1000)[None]
    at, density = spectrum(tone, 1000.0)
    assert at[np.argmax(density[0])] == pytest.approx(80)
    assert density[0].sum() * (at[1] - at[0]) == pytest.approx(0.5, rel=0.02)


def test_the_strongest_quarter_and_ranks() -> None:
    assert strongest(np.array([3.0, 1.0, 9.0, 5.0, 2.0, 4.0, 8.0, 7.0])).tolist() == [6, 2]
    assert strongest(np.array([1.0, 2.0])).tolist() == [1]
    assert rank_correlation([1, 2, 3, 4], [1, 8, 27, 64]) == pytest.approx(1)
    assert rank_correlation([1, 2, 3, 4], [9, 7, 5, 1]) == pytest.approx(-1)
    assert math.isnan(rank_correlation([1, 2, 3], [1, 2, 3]))


def test_verdicts() -> None:
    inside, tail, off = Summary(5, 2, 8, 9), Summary(5, 2, 12, 9), Summary(11, 9, 12, 9)
    assert judge(inside, 1, 10) == "in range"
    assert judge(tail, 1, 10) == "partly"
    assert judge(off, 1, 10) == "out of range"
    assert judge(Summary.of([]), 1, 10) == "out of range"
    assert Summary.of([1.0, math.nan, 3.0]).n == 2


def test_every_range_is_a_range_with_a_source() -> None:
    ranges = [value for value in vars(known).values() if isinstance(value, Range)]
    assert len(ranges) >= 15
    for one in ranges:
        assert one.low < one.high and one.quantity and one.source and any(c.isdigit() for c in one.source)
        assert one.doi.startswith("10.") or any(c.isdigit() for c in one.doi)
    assert len({one.quantity for one in ranges}) == len(ranges)


def test_force_grows_with_rate_and_saturates() -> None:
    person = sample_person(np.random.default_rng(0))
    rates = np.outer([5.0, 10.0, 20.0, 40.0, 200.0, 400.0], np.ones(len(person.units.rank)))
    made = force(person, rates)
    assert (np.diff(made) >= 0).all() and made[3] > 3 * made[0]
    assert made[5] / made[4] < 1.01
    assert force(person, np.full((1, len(person.units.rank)), np.nan))[0] == 0


def test_a_muscle_fades_around_the_limb_and_farther_under_fat() -> None:
    person = sample_person(np.random.default_rng(1))
    assert set(with_muscles(person, "FCU").units.muscle) == {3}
    thin, thick = (around(with_fat(person, fat), ("FCU",))[0] for fat in (0.002, 0.008))
    assert thick[1].max() < thin[1].max()
    assert reach_deg(*thick) > reach_deg(*thin) > 0
    above, opposite = thin[1][np.argmin(thin[0])], thin[1][np.argmax(thin[0])]
    assert opposite < 0.1 * above


def patterns(values: np.ndarray, circular: bool = True) -> Patterns:
    people, gestures = (tuple(f"{k}{i}" for i in range(n)) for k, n in (("p", len(values)), ("g", values.shape[1])))
    return Patterns("x", circular, people, gestures, values, {}, np.zeros(0), np.zeros((len(values), 0)))


def test_turned_people_are_alike_only_after_turning() -> None:
    rng = np.random.default_rng(3)
    base = rng.standard_normal((4, 1, 8)).repeat(3, axis=1)
    people = np.array([np.roll(base[:, :, :: -1 if i % 2 else 1], i * 3, axis=2) for i in range(4)])
    found = likeness(patterns(people))
    assert found["repeat"] == pytest.approx(np.ones(4))
    assert found["between_turned"] == pytest.approx(np.ones(4))
    assert (found["between_worn"] < 0.6).all()
    assert "between_turned" not in likeness(patterns(people, circular=False))


def recording(subject: str, gain: float, montage: Montage) -> Recording:
    """Three gestures, each loud on channels of its own, twice, with rest between; white noise."""
    rng = np.random.default_rng(sum(subject.encode()))
    signal = 0.1 * rng.standard_normal((8, 14000))
    intervals = []
    for i in range(7):
        label = "rest" if i == 6 else ("hand_open", "power_grip", "wrist_flexion")[i % 3]
        intervals.append(Interval(2.0 * i, 2.0 * i + 2, label, i))
        if label != "rest":
            signal[2 * (i % 3) : 2 * (i % 3) + 2, 2000 * i : 2000 * i + 2000] *= 10
    return Recording(
        (gain * signal).astype(np.float32), 1000.0, montage, subject, "1", Provenance("x", subject, "", ""),
        intervals=tuple(intervals),
    )  # fmt: skip


def test_patterns_know_neither_gain_nor_synonyms() -> None:
    names = ("hand_open", "hand_close", "wrist_flexion", "pronation")
    one = patterns_of("x", [recording(s, 1.0, ring("r", 8)) for s in "abc"], names)
    other = patterns_of("x", [recording(s, 250.0, ring("r", 8)) for s in "abc"], names)
    assert one is not None and other is not None
    assert one.gestures == ("hand_open", "hand_close", "wrist_flexion") and one.values.shape == (3, 3, 2, 8)
    assert one.values == pytest.approx(other.values, abs=1e-3)
    assert one.values.mean(axis=3) == pytest.approx(np.zeros((3, 3, 2)), abs=1e-9)
    assert one.scalars["contrast_db"] == pytest.approx(np.full(3, 20.0), abs=1)
    assert one.scalars["kurtosis"] == pytest.approx(np.full(3, 3.0), abs=0.3)
    assert one.scalars["median_frequency_hz"] == pytest.approx(np.full(3, 235.0), abs=15)
    assert (likeness(one)["repeat"] > 0.95).all()
    assert patterns_of("x", [recording(s, 1.0, ring("r", 8)) for s in "ab"], names) is None


def card(name: str, channels: int, rate_hz: float, kind: str = "raw") -> DatasetInfo:
    values = {field.name: "" for field in fields(DatasetInfo)}
    return DatasetInfo(**{**values, "name": name, "channels": channels, "rate_hz": rate_hz, "kind": kind, "labels": ()})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def table() -> Realism:
    myo = [replace(recording(s, 1.0, ring("r", 8)), rate_hz=200.0, intervals=()) for s in "abc"]
    real = [(card("few", 8, 200.0), myo), (card("odd", 5, 200.0), []), (card("soft", 8, 200.0, "envelope"), [])]
    return measure(3, 7, real)


def test_the_table_is_whole_and_physiology_holds(table: Realism) -> None:
    by_name = {finding.range.quantity: finding for finding in table.findings}
    assert len(by_name) == len(table.findings) >= 17
    assert all(finding.measured.n > 0 for finding in table.findings)
    for sound in (known.SIZE, known.ONION_SKIN, known.NOISE):
        assert by_name[sound.quantity].verdict == "in range", sound.quantity
    assert by_name[known.RATE.quantity].measured.median == pytest.approx(20, abs=6)
    assert by_name[known.VELOCITY.quantity].measured.median == pytest.approx(4.1, abs=0.5)


def test_real_sets_that_cannot_be_compared_are_named(table: Realism) -> None:
    notes = " ".join(table.notes)
    assert "few" in notes and "odd" in notes and "soft" in notes
    assert table.comparisons == ()


def test_the_table_is_plain_json_without_nan(table: Realism) -> None:
    def leaves(value: object) -> list[object]:
        if isinstance(value, dict):
            return [leaf for part in value.values() for leaf in leaves(part)]
        return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list) else [value]

    found = leaves(table.as_json())
    assert all(leaf is None or isinstance(leaf, str | int) or (isinstance(leaf, float) and math.isfinite(leaf)) for leaf in found)


def test_too_few_people_are_refused() -> None:
    with pytest.raises(AEMGError, match="at least 3 people"):
        measure(2)


def test_no_path_of_a_machine_is_in_the_part() -> None:
    folder = Path(known.__file__).parent
    assert not [p for p in folder.glob("*.py") if "/work" in p.read_text()]
