"""Laws of the checks: what does not matter to them, what adds up, and that stamps tell what was done to them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import welch

from aemg.quality import KINDS, SEVERITIES, Finding, Stamps, check_recording, check_stamps
from aemg.quality.finding import MOST_SPANS, graded, joined, joined_spans, moved, spans_of
from aemg.quality.material import item_of
from aemg.quality.piece import Piece
from aemg.quality.run import pieces
from aemg.quality.summary import channels_text
from aemg.signals import Interval, Provenance, Recording, ring

RATE_HZ = 500.0
quick = settings(derandomize=True, max_examples=25, deadline=None)
slow = settings(derandomize=True, max_examples=10, deadline=None)
spans = st.lists(st.tuples(st.integers(0, 400), st.integers(1, 40)).map(lambda s: (float(s[0]), float(sum(s)))), max_size=30)


def faulty(seed: int, faults: frozenset[str]) -> Recording:
    """Six channels of band-limited noise, with faults of several kinds in some of them."""
    rng = np.random.default_rng(seed)
    x = np.diff(rng.standard_normal((6, 4001)), axis=1).astype(np.float32)
    t = np.arange(4000) / RATE_HZ
    if "mains" in faults:
        x[1] += (3 * np.sin(2 * np.pi * 50 * t)).astype(np.float32)
    if "flat" in faults:
        x[2, 1000:2000] = 0.25
    if "jump" in faults:
        x[3, 3000] += 200
    if "clipped" in faults:
        x[4] = np.clip(x[4], -2, 2)
    if "duplicate-channel" in faults:
        x[5] = x[0]
    return Recording(x, RATE_HZ, ring("r", 6), "1", "1", Provenance("laws", "f", "", ""))


sets_of_faults = st.frozensets(st.sampled_from(["mains", "flat", "jump", "clipped", "duplicate-channel"]))


@slow
@given(seed=st.integers(0, 99), faults=sets_of_faults)
def test_what_was_put_in_is_what_is_found(seed: int, faults: frozenset[str]) -> None:
    assert {f.kind for f in check_recording(faulty(seed, faults))} == set(faults)


@slow
@given(seed=st.integers(0, 99), faults=sets_of_faults, order=st.permutations(range(6)))
def test_the_order_of_channels_does_not_matter(seed: int, faults: frozenset[str], order: list[int]) -> None:
    recording = faulty(seed, faults)
    turned = replace(recording, signal=np.ascontiguousarray(recording.signal[order]))
    for before, after in zip(check_recording(recording), check_recording(turned), strict=True):
        assert (before.kind, before.severity, before.where) == (after.kind, after.severity, after.where)
        assert set(before.channels) == {order[c] for c in after.channels}
        assert after.value == pytest.approx(before.value, rel=1e-4)


@slow
@given(seed=st.integers(0, 99), faults=sets_of_faults, power=st.integers(-40, 40), sign=st.sampled_from([-1.0, 1.0]))
def test_an_arbitrary_unit_has_no_scale_and_no_sign(seed: int, faults: frozenset[str], power: int, sign: float) -> None:
    recording = faulty(seed, faults)
    scaled = replace(recording, signal=recording.signal * np.float32(sign * 2.0**power))
    for before, after in zip(check_recording(recording), check_recording(scaled), strict=True):
        assert (before.kind, before.severity, before.channels) == (after.kind, after.severity, after.channels)
        assert after.value == pytest.approx(before.value, rel=1e-3)


@slow
@given(seed=st.integers(0, 99), faults=sets_of_faults)
def test_an_offset_hides_nothing(seed: int, faults: frozenset[str]) -> None:
    recording = faulty(seed, faults)
    lifted = replace(recording, signal=recording.signal + np.float32(64.0))
    assert {f.kind for f in check_recording(lifted)} == {f.kind for f in check_recording(recording)} | {"offset"}


@quick
@given(length=st.integers(8, 400), size=st.integers(8, 64), seed=st.integers(0, 9))
def test_spectra_are_those_of_welch(length: int, size: int, seed: int) -> None:
    x = np.random.default_rng(seed).standard_normal((2, length)).astype(np.float32)
    recording = Recording(x, float(size), ring("r", 2), "1", "1", Provenance("laws", "f", "", ""))
    size = min(size, length)
    overlap = 0 if length > 60 * size else size - max(size // 2, 1)
    frequency, density = welch(x.astype(np.float64), fs=recording.rate_hz, nperseg=size, noverlap=overlap)
    found = Piece(recording).spectrum
    np.testing.assert_allclose(found[0], frequency)
    np.testing.assert_allclose(found[1], density, rtol=1e-4, atol=1e-6 * density.max())


@quick
@given(channels=st.integers(1, 40), samples=st.integers(1, 5000), values=st.integers(1, 3000))
def test_pieces_cover_every_sample_once(channels: int, samples: int, values: int) -> None:
    recording = Recording(np.zeros((channels, samples), np.float32), 1.0, ring("r", channels), "", "", Provenance("", "", "", ""))
    cut = list(pieces(item_of(recording), values))
    assert [a for a, _ in cut] == [0, *(b for _, b in cut[:-1])] and cut[-1][1] == samples
    assert max(b - a for a, b in cut) <= max(-(-values // channels), 1)


@quick
@given(spans=spans)
def test_joined_spans_cover_what_they_are_made_of(spans: list[tuple[float, float]]) -> None:
    covered = {s for a, b in spans for s in range(int(a), int(b))}
    made = joined_spans(spans)
    assert {s for a, b in made for s in range(int(a), int(b))} == covered
    assert joined_spans(made) == made and all(a[1] < b[0] for a, b in pairwise(made))


def test_of_very_many_spans_the_longest_are_told() -> None:
    many = [(10.0 * i, 10.0 * i + 1 + i % 5) for i in range(200)]
    made = joined_spans(many)
    assert len(made) == MOST_SPANS and {b - a for a, b in made} == {5.0}


@quick
@given(mask=st.lists(st.booleans(), max_size=80), shortest=st.integers(1, 4))
def test_spans_of_a_mask(mask: list[bool], shortest: int) -> None:
    made = spans_of(np.array(mask, dtype=bool), 1.0, shortest)
    back = np.zeros(len(mask), dtype=bool)
    for a, b in made:
        back[int(a) : int(b)] = True
        assert b - a >= shortest
    assert not (back & ~np.array(mask, dtype=bool)).any()
    assert shortest > 1 or back.tolist() == mask


findings = st.builds(
    Finding, kind=st.sampled_from(list(KINDS)), severity=st.sampled_from(SEVERITIES), value=st.floats(0, 9), limit=st.just(1.0),
    channels=st.lists(st.integers(0, 5), max_size=3).map(tuple), where=spans.map(lambda s: tuple(s[:3])),
    unit=st.just("u"), advice=st.just("a"),
)  # fmt: skip


@quick
@given(found=st.lists(findings, max_size=12), by_s=st.integers(0, 100))
def test_joining_keeps_the_worst_and_loses_no_channel(found: list[Finding], by_s: int) -> None:
    made = joined(found)
    assert [f.kind for f in made] == [k for k in KINDS if any(f.kind == k for f in found)]
    for f in made:
        alike = [g for g in found if g.kind == f.kind]
        assert f.rank == max(g.rank for g in alike)
        assert set(f.channels) == {c for g in alike for c in g.channels}
    assert [(f.kind, f.where) for f in joined(list(moved(found, by_s)))] == [(f.kind, f.where) for f in moved(made, by_s)]


@quick
@given(value=st.floats(-10, 10), limits=st.lists(st.floats(-10, 10), min_size=3, max_size=3).map(sorted))
def test_grades_rise_with_the_value(value: float, limits: list[float]) -> None:
    note, warning, fault = limits
    found = graded(value, (note, warning, fault))
    assert (found is None) == (value < note)
    assert found is None or found[0] == SEVERITIES[(value >= warning) + (value >= fault)]


@quick
@given(channels=st.sets(st.integers(0, 40)))
def test_channels_in_words(channels: set[int]) -> None:
    told: set[int] = set()
    for part in filter(None, channels_text(sorted(channels)).split(", ")):
        first, _, last = part.partition("-")
        told |= set(range(int(first), int(last or first) + 1))
    assert told == channels


@quick
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(0, 700)), rate_hz=st.sampled_from([1.0, 20.0, 100.0, 250.5, 1925.93]),
    seed=st.integers(0, 99), size=st.sampled_from([0.0, 1e-38, 1e-12, 1.0, 1e14, 3e38]), unit=st.sampled_from(["V", "arbitrary"]),
    wrong=st.sampled_from([0.0, 0.01, 1.0]), steps=st.sampled_from([0, 1, 3]),
)  # fmt: skip
def test_whatever_a_recording_holds_it_can_be_judged(
    shape: tuple[int, int], rate_hz: float, seed: int, size: float, unit: str, wrong: float, steps: int
) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape)
    x = np.clip((np.rint(x * steps) / steps if steps else x) * size, -3e38, 3e38).astype(np.float32)
    x[rng.random(shape) < wrong] = rng.choice([np.nan, np.inf, -np.inf])
    intervals = (Interval(0.0, 1.0, "rest"), Interval(1.0, 2.5, "a"), Interval(-1.0, 0.5, "b"), Interval(2.0, 1.0, "a"))
    recording = Recording(
        x, rate_hz, ring("r", shape[0]), "1", "1", Provenance("laws", "f", "", ""), unit=unit, intervals=intervals  # type: ignore[arg-type]
    )
    found = check_recording(recording)
    assert all(np.isfinite(f.value) and all(0 <= c < shape[0] for c in f.channels) for f in found)
    told = {f.kind for f in found}
    assert ("not-finite" in told) == bool((~np.isfinite(x) | (np.abs(x) > 1e15)).any())


# stamps


@quick
@given(rate_hz=st.floats(50, 5000), start_s=st.floats(0, 1.7e9), rows=st.integers(3, 3000))
def test_even_stamps_are_sound(rate_hz: float, start_s: float, rows: int) -> None:
    assert check_stamps(Stamps(start_s + np.arange(rows) / rate_hz, rate_hz)) == ()


@quick
@given(at=st.integers(1, 1998), gap_s=st.floats(0.03, 30), rate_hz=st.sampled_from([200.0, 1000.0, 2000.0]))
def test_a_gap_is_found_at_its_place_and_with_its_length(at: int, gap_s: float, rate_hz: float) -> None:
    times = np.arange(2000) / rate_hz
    times[at:] += gap_s
    found = {f.kind: f for f in check_stamps(Stamps(times, rate_hz))}
    assert set(found) == {"gap"}
    gap, step_s = found["gap"], gap_s + 1 / rate_hz
    assert gap.value == pytest.approx(1000 * step_s) and gap.where[0][0] == pytest.approx((at - 1) / rate_hz)
    assert gap.severity == ("fault" if step_s > 0.2 * times[-1] else "warning" if step_s >= 0.1 else "note")


@quick
@given(packet=st.integers(2, 10), rate_hz=st.sampled_from([200.0, 2000.0]))
def test_packets_that_share_a_stamp_are_repetitions_and_not_gaps(packet: int, rate_hz: float) -> None:
    times = (np.arange(2000) // packet) * packet / rate_hz
    assert {f.kind for f in check_stamps(Stamps(times, rate_hz))} == {"duplicate-stamps"}


@quick
@given(error=st.floats(-0.5, 1.0).filter(lambda e: abs(e) > 0.003), rate_hz=st.sampled_from([200.0, 1000.0]))
def test_a_wrong_rate_is_told(error: float, rate_hz: float) -> None:
    found = check_stamps(Stamps(np.arange(5000) / (rate_hz * (1 + error)), rate_hz))
    assert [f.kind for f in found] == ["rate"] and found[0].value == pytest.approx(rate_hz * (1 + error), rel=1e-6)
    limits = (0.002, 0.01, 0.05)
    assert found[0].severity == SEVERITIES[sum(abs(error) >= limit for limit in limits) - 1]


@pytest.mark.parametrize("what", ["falls", "nan", "first"])
def test_stamps_that_fall_or_are_none(what: str) -> None:
    times = np.arange(2000) / 1000
    if what == "falls":
        times[1000:] -= 0.5
    else:
        times[0 if what == "first" else 1000] = np.nan
    assert "falling-stamps" in {f.kind for f in check_stamps(Stamps(times, 1000.0)) if f.severity == "fault"}


def test_uneven_stamps() -> None:
    steps = np.random.default_rng(0).uniform(0.2e-3, 1.8e-3, 4000)
    found = {f.kind: f.severity for f in check_stamps(Stamps(np.cumsum(steps), 1000.0))}
    assert found.get("irregular-stamps") == "note" and "gap" not in found


@pytest.mark.parametrize("times", [[], [0.0], [0.0, 0.0, 0.0], [np.nan] * 5, [3.0, 2.0, 1.0]])
def test_stamps_that_tell_nothing_do_no_harm(times: list[float]) -> None:
    found = check_stamps(Stamps(np.array(times), 100.0))
    assert {f.kind for f in found} <= {"falling-stamps", "duplicate-stamps"}
