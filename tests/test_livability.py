"""Livability: activations, false ones an hour, latency, rejection, calibration; whole runs on simulated people."""

from __future__ import annotations

import json
import math
import runpy
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aemg.corpus import Corpus, CorpusWriter
from aemg.errors import AEMGError, ConfigError
from aemg.evaluation.config import EvaluationDataConfig, FinetuneConfig
from aemg.evaluation.livability import (
    Activation,
    ActivationConfig,
    DecisionStream,
    Judged,
    LivabilityConfig,
    Truth,
    TruthConfig,
    activations_of,
    brier,
    calibration_error,
    event_curve,
    event_livability,
    events_of,
    fit_temperature,
    judge,
    latencies,
    latency_summary,
    livability,
    log_loss,
    regions_of,
    rejection_curve,
    reliability,
    tempered,
)
from aemg.evaluation.livability.decoding import gated, known_s, open_windows, resampling_delay_s, truths_of
from aemg.evaluation.livability.rejection import point_at
from aemg.evaluation.livability.summary import rate
from aemg.model import AEMG, AEMGConfig, NetworkConfig
from aemg.neuromotor import decode_events
from aemg.neuromotor.events import GESTURES
from aemg.report.livability_page import render_livability, summary_lines
from aemg.sessions import Session
from aemg.signals import Interval
from aemg.tokenizer import ContractionTokenizer
from aemg.topology import SpaceConfig, unify

ROOT = Path(__file__).parent.parent
LAWS = settings(deadline=None, max_examples=60, derandomize=True)
HOP_S = 0.125
LABELS = ("rest", "fist", "open")
ACTIVATION, TRUTH = ActivationConfig(), TruthConfig()


def stream(said: Sequence[tuple[str, float]], start_s: float = 0.25) -> DecisionStream:
    """A decision every 125 ms: a class and its probability; the others share what is left."""
    proba = np.array([[p if label == name else (1 - p) / 2 for label in LABELS] for name, p in said]).reshape(-1, 3)
    return DecisionStream(start_s + HOP_S * np.arange(len(said)), np.log(proba).astype(np.float32), LABELS)


def saying(duration_s: float, *spans: tuple[float, float, str, float]) -> DecisionStream:
    """Rest, with other decisions in spans [start, end)."""
    said = []
    for i in range(int((duration_s - 0.25) / HOP_S) + 1):
        at = 0.25 + HOP_S * i
        said.append(next(((name, p) for start, end, name, p in spans if start <= at < end), ("rest", 0.9)))
    return stream(said)


random_streams = st.lists(
    st.tuples(st.sampled_from(LABELS), st.floats(0.4, 0.99)), min_size=1, max_size=80
).map(stream)


# Activations.


def test_an_activation_fires_when_a_class_was_held() -> None:
    found = activations_of(saying(10, (2.0, 4.0, "fist", 0.8), (6.0, 6.25, "open", 0.9)), ACTIVATION)
    assert found == [Activation("fist", 2.25)], "two decisions of open last 125 ms, not 250"
    at_once = activations_of(saying(10, (2.0, 4.0, "fist", 0.8), (6.0, 6.25, "open", 0.9)), ActivationConfig(hold_s=0))
    assert at_once == [Activation("fist", 2.0), Activation("open", 6.0)]


def test_an_activation_fires_again_only_after_a_release() -> None:
    short = saying(10, (2.0, 3.0, "fist", 0.8), (3.25, 4.0, "fist", 0.8))
    assert activations_of(short, ACTIVATION) == [Activation("fist", 2.25)]
    assert len(activations_of(short, ActivationConfig(release_s=0.2))) == 2
    unsure = saying(10, (2.0, 3.0, "fist", 0.8), (3.0, 5.0, "fist", 0.45), (5.0, 6.0, "fist", 0.9))
    assert activations_of(unsure, ACTIVATION) == [Activation("fist", 2.25)], "it was decided all the time"


def test_rest_and_what_is_unsure_do_not_activate() -> None:
    assert not activations_of(saying(10), ActivationConfig(threshold=0.0, hold_s=0.0))
    assert not activations_of(saying(10, (2.0, 4.0, "fist", 0.49)), ACTIVATION)
    assert activations_of(saying(10, (2.0, 3.0, "fist", 0.45), (3.0, 4.0, "fist", 0.6)), ACTIVATION) == [Activation("fist", 3.25)]


@given(random_streams, st.floats(0, 1), st.floats(0, 1), st.sampled_from((0.0, 0.25, 0.5)), st.sampled_from((0.0, 0.3, 1.0)))
@LAWS
def test_a_higher_threshold_never_gives_more_activations(
    decisions: DecisionStream, first: float, second: float, hold_s: float, release_s: float
) -> None:
    low, high = (activations_of(decisions, ActivationConfig(t, hold_s, release_s)) for t in sorted((first, second)))
    assert len(high) <= len(low)
    for label in LABELS:
        of_low, of_high = ([a.time_s for a in found if a.label == label] for found in (low, high))
        assert len(of_high) <= len(of_low)
        assert all(any(early <= late for early in of_low) for late in of_high), "never earlier either"


@given(random_streams, st.sampled_from((0.0, 0.25, 0.5)))
@LAWS
def test_a_longer_hold_never_gives_more_activations(decisions: DecisionStream, hold_s: float) -> None:
    counts = [len(activations_of(decisions, ActivationConfig(hold_s=h))) for h in (hold_s, hold_s + 0.25)]
    assert counts[1] <= counts[0]


@pytest.mark.parametrize(
    "times, rows",
    [([0.0, 1.0], [[0.0, 0.0]]), ([0.0, 0.0], [[0.0, 0.0]] * 2), ([1.0, 0.5], [[0.0, 0.0]] * 2), ([0.0], [[np.nan, 0.0]])],
)
def test_streams_that_make_no_sense_are_refused(times: list[float], rows: list[list[float]]) -> None:
    with pytest.raises(AEMGError):
        DecisionStream(np.array(times), np.array(rows, np.float32), ("rest", "fist"))


@pytest.mark.parametrize("wrong", [{"threshold": 1.1}, {"hold_s": -1.0}, {"release_s": -0.1}])
def test_wrong_settings_are_told(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ActivationConfig(**wrong)


# The truth.

DAY = Truth(
    20.0,
    tuple(
        Interval(start_s, end_s, label, 1)
        for start_s, end_s, label in ((1.0, 5.0, "rest"), (6.0, 9.0, "fist"), (9.0, 14.0, "rest"), (15.0, 20.0, "open"))
    ),
    {0: 5.5},
)


def test_time_is_divided_into_rest_transition_and_movement() -> None:
    regions = regions_of(DAY, TRUTH)
    seconds = {name: 3600 * regions.hours(name) for name in ("rest", "movement", "transition")}
    assert seconds == pytest.approx({"rest": 3 + 4, "movement": 2 + 4.5, "transition": 6.5}), "open is cut, not ended"
    where = {0.5: "transition", 1.2: "transition", 3.0: "rest", 5.5: "transition", 7.0: "movement", 8.7: "transition",
             9.2: "transition", 12.0: "rest", 19.9: "movement", 25.0: "movement"}  # fmt: skip
    assert {at: regions.at(at) for at in where} == where


@st.composite
def truths(draw: st.DrawFn) -> Truth:
    """Intervals one after the other, some touching, some with gaps."""
    at, intervals = draw(st.sampled_from((0.0, 0.7))), []
    for i in range(draw(st.integers(0, 6))):
        length = draw(st.floats(0.1, 4.0))
        intervals.append(Interval(at, at + length, draw(st.sampled_from(LABELS)), i))
        at += length + draw(st.sampled_from((0.0, 0.3, 3.0)))
    return Truth(at + draw(st.floats(0.1, 2.0)), tuple(intervals))


@given(truths(), st.sampled_from((0.0, 0.5, 2.0)))
@LAWS
def test_the_regions_fill_the_recording(truth: Truth, edge_s: float) -> None:
    regions = regions_of(truth, TruthConfig(edge_s=edge_s))
    assert sum(regions.hours(r) for r in ("rest", "transition", "movement")) == pytest.approx(truth.duration_s / 3600)
    assert (np.diff(regions.bounds_s) > 0).all()
    labelled = sum(i.end_s - i.start_s for i in truth.intervals if i.label == "rest") / 3600
    assert regions.hours("rest") <= labelled + 1e-9
    if edge_s == 0:
        assert regions.hours("rest") == pytest.approx(labelled, abs=1e-4)


# Right and false, early and late.


def judged(*spans: tuple[float, float, str, float], truth: Truth = DAY) -> Judged:
    return judge(activations_of(saying(truth.duration_s, *spans), ACTIVATION), truth, TRUTH)


def test_known_activations_are_judged_as_known() -> None:
    found = judged(
        (2.0, 3.0, "open", 0.9),  # at rest
        (6.0, 9.0, "fist", 0.9),  # right, 0.25 s after the label, 0.75 s after the muscle
        (11.0, 12.0, "fist", 0.9),  # at rest again
        (14.25, 15.0, "fist", 0.9),  # before open, of the wrong class
        (16.0, 17.0, "fist", 0.9),  # while open
        (18.0, 20.0, "open", 0.9),  # right, late
    )
    assert found.false == {"rest": 2, "transition": 1, "movement": 1}
    assert found.right == 2 and found.repeated == 0
    assert found.per_hour("rest") == pytest.approx(2 / (7 / 3600))
    fist, open_ = found.detections
    assert (fist.noticed_s, fist.named_s, fist.emg_onset_s) == (6.25, 6.25, 5.5)
    assert (open_.noticed_s, open_.named_s) == (14.5, 18.25)
    assert latencies(found.detections, "named", "label") == pytest.approx([0.25, 3.25])
    assert latencies(found.detections, "noticed", "label") == pytest.approx([0.25, -0.5])
    assert latencies(found.detections, "named", "emg") == pytest.approx([0.75])


def test_a_second_activation_of_a_movement_is_repeated_not_false() -> None:
    found = judged((6.0, 7.0, "fist", 0.9), (8.0, 9.0, "fist", 0.9))
    assert (found.right, found.repeated, sum(found.false.values())) == (1, 1, 0)


def test_a_movement_may_begin_before_its_label_but_not_in_the_interval_before() -> None:
    assert judged((5.0, 6.0, "fist", 0.9)).right == 1
    early = judged((3.0, 4.6, "fist", 0.9))
    assert early.right == 0 and early.false["rest"] == 1
    going_on = judged((3.0, 9.0, "fist", 0.9))
    assert going_on.detections[0].noticed_s is None, "it began before, and says nothing new"
    assert judged((9.0, 9.5, "fist", 0.9)).right == 1 and judged((9.5, 10.5, "fist", 0.9)).right == 0


def test_missed_movements_are_counted_and_their_latency_is_not() -> None:
    found = latency_summary(latencies(judged((6.5, 9.0, "fist", 0.9)).detections, "named", "label"))
    assert found == {"count": 2, "missed_share": 0.5, "median_s": 0.75, "p90_s": 0.75}
    assert latency_summary([]) == {"count": 0, "missed_share": None, "median_s": None, "p90_s": None}
    assert latency_summary([0.0, 1.0, 2.0, None])["p90_s"] == pytest.approx(1.8)


@given(random_streams, st.integers(-4, 30))
@LAWS
def test_shifting_decisions_shifts_their_latency(decisions: DecisionStream, steps: int) -> None:
    d = steps * HOP_S
    wide = Truth(60.0, (Interval(10.0, 40.0, "fist", 1),))
    config = TruthConfig(early_s=10.0, late_s=10.0)
    at = [
        judge(activations_of(replace(decisions, time_s=decisions.time_s + 5 + shift), ACTIVATION), wide, config)
        for shift in (0.0, d)
    ]
    for event in ("noticed", "named"):
        before, after = (latencies(x.detections, event, "label")[0] for x in at)
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert after - before == pytest.approx(d)


@given(random_streams, truths())
@LAWS
def test_every_activation_is_right_repeated_or_false(decisions: DecisionStream, truth: Truth) -> None:
    activations = activations_of(decisions, ACTIVATION)
    found = judge(activations, truth, TRUTH)
    assert found.activations == len(activations)
    assert found.right == sum(d.named_s is not None for d in found.detections) <= len(truth.movements)
    both = found + found
    assert both.activations == 2 * len(activations) and both.hours["rest"] == 2 * found.hours["rest"]
    for d in found.detections:
        assert d.named_s is None or (d.noticed_s is not None and d.noticed_s <= d.named_s)


def test_rates_are_pooled_over_people() -> None:
    people = {"a": [{"false": {"rest": 6}, "hours": {"rest": 1.0}}], "b": [{"false": {"rest": 0}, "hours": {"rest": 2.0}}]}
    found = rate(people, "rest")
    assert found["mean"] == pytest.approx(2.0) and found["ci95"][0] == 0.0 and found["ci95"][1] == pytest.approx(6.0)
    assert rate({"a": [{"false": {"rest": 0}, "hours": {"rest": 0.0}}]}, "rest")["mean"] is None


# Rejection.


def test_a_known_rejection_curve() -> None:
    curve = rejection_curve(np.array([0.9, 0.5, 0.7, 0.5]), np.array([True, False, True, True]))
    assert curve.threshold.tolist() == [0.9, 0.7, 0.5] and curve.coverage.tolist() == [0.25, 0.5, 1.0]
    assert curve.accuracy.tolist() == [1.0, 1.0, 0.75] and curve.area == pytest.approx(0.875)
    assert curve.at_coverage(np.array([0.1, 0.5, 0.6, 1.0])).tolist() == [1.0, 1.0, 0.75, 0.75]
    assert point_at(np.array([0.9, 0.5]), np.array([True, False]), 0.6) == (0.5, 1.0)
    assert point_at(np.array([0.9]), np.array([True]), 0.95) == (0.0, None)
    with pytest.raises(AEMGError):
        rejection_curve(np.zeros(0), np.zeros(0, bool))


decisions_of = st.lists(st.tuples(st.sampled_from(np.linspace(0.2, 1, 17).tolist()), st.booleans()), min_size=1, max_size=60).map(
    lambda rows: (np.array([r[0] for r in rows]), np.array([r[1] for r in rows]))
)


@given(decisions_of)
@LAWS
def test_coverage_falls_as_the_threshold_rises(decisions: tuple[NDArray[np.float64], NDArray[np.bool_]]) -> None:
    confidence, correct = decisions
    curve = rejection_curve(confidence, correct)
    assert (np.diff(curve.threshold) < 0).all() and (np.diff(curve.coverage) > 0).all() and curve.coverage[-1] == 1.0
    assert curve.accuracy[-1] == pytest.approx(correct.mean()) and 0 <= curve.area <= 1 + 1e-9
    for threshold, coverage, accuracy in zip(curve.threshold, curve.coverage, curve.accuracy):
        assert point_at(confidence, correct, threshold) == pytest.approx((coverage, accuracy))
    rank = np.argsort(np.argsort(correct, kind="stable")) + 1.0
    best, worst = rejection_curve(rank, correct).area, rejection_curve(1 / rank, correct).area
    assert worst - 1e-9 <= curve.area <= best + 1e-9


# Calibration.


def made(n: int, sharpness: float, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Log-probabilities whose truth is drawn from them, then sharpened: the right temperature is `sharpness`."""
    rng = np.random.default_rng(seed)
    log_proba = tempered(rng.normal(0, 2, (n, 4)), 1.0)
    labels = (np.exp(log_proba).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=3)
    return (log_proba * sharpness).astype(np.float32), labels.astype(np.int64)


def confidence_of(log_proba: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    rows = tempered(log_proba, 1.0)
    return np.exp(rows).max(axis=1), rows.argmax(axis=1) == labels


def test_a_calibrated_stream_has_no_calibration_error_and_a_sharpened_one_has() -> None:
    for by in ("width", "mass"):
        right, sharp = (
            calibration_error(reliability(*confidence_of(*made(20_000, s)), by=by))  # type: ignore[arg-type]
            for s in (1.0, 4.0)
        )
        assert right < 0.015 < 0.1 < sharp


def test_a_known_calibration_error() -> None:
    confidence, correct = np.array([0.9, 0.9, 0.6, 0.6]), np.array([True, False, True, True])
    bins = reliability(confidence, correct, bins=2, by="mass")
    assert [(b.count, b.accuracy) for b in bins] == [(2, 1.0), (2, 0.5)]
    assert calibration_error(bins) == pytest.approx(0.4)
    assert calibration_error(reliability(confidence, correct, bins=2)) == pytest.approx(0.0), "all in one half"
    assert math.isnan(calibration_error([]))
    assert reliability(np.array([1.0]), np.array([True]), bins=3)[0].count == 1
    sure = np.log(np.array([[0.98, 0.01, 0.01]]))
    assert brier(sure, np.array([0])) == pytest.approx(0.02**2 + 2 * 0.01**2)
    assert brier(sure, np.array([1])) == pytest.approx(0.98**2 + 0.99**2 + 0.01**2)
    assert log_loss(sure, np.array([0])) == pytest.approx(-math.log(0.98))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 3.0])
def test_the_temperature_undoes_sharpening(sharpness: float) -> None:
    log_proba, labels = made(5000, sharpness)
    temperature = fit_temperature(log_proba, labels)
    assert temperature == pytest.approx(sharpness, rel=0.08)
    assert log_loss(tempered(log_proba, temperature), labels) <= log_loss(log_proba, labels) + 1e-9
    with pytest.raises(AEMGError):
        fit_temperature(log_proba[:0], labels[:0])


@given(random_streams, st.floats(0.1, 10))
@LAWS
def test_a_temperature_changes_no_decision(decisions: DecisionStream, temperature: float) -> None:
    other = decisions.tempered(temperature)
    clear = np.diff(np.sort(decisions.log_proba, axis=1)[:, -2:], axis=1)[:, 0] > 1e-3
    assert (other.decision == decisions.decision)[clear].all()
    assert np.exp(other.log_proba).sum(axis=1) == pytest.approx(1.0, abs=1e-5)
    if temperature > 1:
        assert (other.confidence <= decisions.confidence + 1e-6).all()


@given(decisions_of, st.integers(1, 20), st.sampled_from(("width", "mass")))
@LAWS
def test_bins_hold_every_decision(decisions: tuple[NDArray[np.float64], NDArray[np.bool_]], bins: int, by: Any) -> None:
    found = reliability(*decisions, bins=bins, by=by)
    assert sum(b.count for b in found) == len(decisions[0]) and len(found) <= bins
    assert sum(b.count * b.accuracy for b in found) == pytest.approx(decisions[1].sum())
    assert 0 <= calibration_error(found) <= 1


# Discrete events.


def test_events_of_a_known_decoder() -> None:
    labels = [("thumb_up", 10.0), ("thumb_up", 20.0), ("thumb_in", 30.0), ("thumb_in", 40.0)]
    events = [("thumb_up", 10.1), ("thumb_in", 20.2), ("thumb_in", 30.05), ("thumb_up", 50.0)]
    found = event_livability(events, labels, (0.0, 360.0))
    assert (found.events, found.labels, found.hours) == (4, 4, pytest.approx(0.1))
    assert found.false_per_hour == pytest.approx(10.0) and found.missed_share == pytest.approx(0.25)
    assert found.wrong_share == pytest.approx(1 / 3) and found.cler == pytest.approx(0.25)
    assert found.median_s == pytest.approx(0.1) and found.p90_s == pytest.approx(0.18)
    silent = event_livability([], labels, (0.0, 360.0))
    assert (silent.false_per_hour, silent.missed_share, silent.wrong_share, silent.median_s) == (0.0, 1.0, None, None)


def test_a_curve_over_thresholds_of_a_gesture_network() -> None:
    times = np.arange(0, 60, 0.005)
    proba = np.zeros((9, len(times)))
    for at, height in ((10.1, 0.9), (30.1, 0.6), (50.0, 0.5)):
        proba[GESTURES.index("thumb_up"), (times >= at) & (times < at + 0.2)] = height
    labels = [("thumb_up", 10.0), ("thumb_up", 30.0)]
    curve = event_curve(lambda t: decode_events(proba, times, t), (0.3, 0.55, 0.8), labels, (0.0, 60.0))
    assert [p.false_per_hour for p in curve] == pytest.approx([60.0, 0.0, 0.0])
    assert [p.missed_share for p in curve] == [0.0, 0.0, 0.5] and curve[0].median_s == pytest.approx(0.1)


def test_a_stream_of_gestures_can_be_read_as_events() -> None:
    found = events_of(saying(10, (2.0, 4.0, "fist", 0.8)), ACTIVATION)
    assert found == [("fist", 2.25)]
    assert event_livability(found, [("fist", 2.1)], (0.0, 10.0)).median_s == pytest.approx(0.15)


# What is known when.


def test_a_token_is_given_out_when_it_is_said_to_be_known(corpus: Path, sessions: list[Session]) -> None:
    """A stream that gets 10 ms at a time gives out every token at the latest when `known_s` says, and none long before."""
    config, session = AEMGConfig(), sessions[0]
    recording = unify(Corpus(corpus).load(0), config.space.rate_hz, highpass_hz=config.space.highpass_hz).recording
    tokenizer = ContractionTokenizer(config.tokenizer).fit_threshold([recording], use_labels=False)
    known = known_s(session, config.tokenizer, config.space.rate_hz)[slice(*session.recordings[0].tokens)]
    rows = session.tokens[slice(*session.recordings[0].tokens)]
    running, given = tokenizer.stream(), {}
    for first in range(0, recording.signal.shape[1], 2):
        for token in running.push(recording.signal[:, first : first + 2]):
            given[round(token.start_s, 4)] = (first + 2) / recording.rate_hz
    starts = [round(float(start), 4) for start in rows["start_s"]]
    late = np.array([given[start] - k for start, k in zip(starts, known) if start in given])
    assert len(late) > 0.9 * len(rows), "the others wait for the end of the recording"
    assert late.max() < 1e-6 and late.min() > -0.2 and np.median(late) > -0.07
    assert (known > rows["end_s"]).all()
    assert (known_s(session, config.tokenizer, 200.0, 0.16)[: len(known)] - known == pytest.approx(0.16))


def test_resampling_looks_ahead_only_where_rates_differ() -> None:
    assert resampling_delay_s(200.0, 200.0) == 0.0 and resampling_delay_s(2000.0, 200.0) == pytest.approx(0.16)


def test_the_gate_is_open_in_movements_and_closed_between_them(sessions: list[Session]) -> None:
    config, session = AEMGConfig(), sessions[0]
    is_open = open_windows(session, config.tokenizer, 200.0)
    recording = session.recordings[0]
    at = session.window_start_s[slice(*recording.windows)]
    inside = np.zeros(len(at), bool)
    for i in recording.intervals:
        inside |= (at >= i.start_s + 0.3) & (at + 0.25 <= i.end_s - 0.1)
    assert is_open[slice(*recording.windows)][inside].mean() > 0.9
    rows = gated(np.log(np.full((2, 4), 0.25, np.float32)), np.array([True, False]))
    assert rows.shape == (2, 5) and rows[0].argmax() != 4 and rows[1].argmax() == 4
    assert not open_windows(replace(session, tokens=session.tokens[:0], recordings=tuple(
        replace(r, tokens=(0, 0)) for r in session.recordings)), config.tokenizer, 200.0).any()  # fmt: skip


def test_contractions_give_the_onsets_of_movements(sessions: list[Session]) -> None:
    (truth,) = truths_of(replace(sessions[0], recordings=sessions[0].recordings[:1]), TRUTH)
    lag = [onset - truth.movements[m].start_s for m, onset in truth.emg_onset_s.items()]
    assert len(lag) > 0.7 * len(truth.movements) and abs(float(np.median(lag))) < 0.4


# Whole runs.


def settings_of(root: Path, output: Path, encoder: Path, **other: Any) -> LivabilityConfig:
    data = other.pop("data", EvaluationDataConfig(sets=("sim-myo",), root=root))
    values: dict[str, Any] = {"finetune": FinetuneConfig(epochs=3), "max_folds": 1, "jobs": 1, "thresholds": (0.0, 0.5, 0.9)}
    return LivabilityConfig(output=output, data=data, encoder=encoder, **{**values, **other})


@pytest.fixture(scope="module")
def encoder(tiny: NetworkConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of the smallest size."""
    folder = tmp_path_factory.mktemp("encoder")
    AEMG(AEMGConfig(network=tiny)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def worn_twice(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three people with rest as a label, each with two donnings: as recorded, and turned by three electrodes."""
    folder = tmp_path_factory.mktemp("twice")
    given = Corpus(corpus)
    (info,) = given.infos
    card = replace(info, name="sim-twice", labels=("rest", *info.labels))
    with CorpusWriter(folder / "sim-twice.h5", card) as out:
        for n, i in enumerate([i for i, e in enumerate(given.recordings) if e.subject in ("P01", "P02", "P03")]):
            one = given.load(i)
            ends = [0.0, *(x.end_s for x in one.intervals)]
            starts = [*(x.start_s for x in one.intervals), one.duration_s]
            rest = [Interval(a + 0.1, b - 0.1, "rest", k) for k, (a, b) in enumerate(zip(ends, starts)) if b - a > 0.5]
            intervals = tuple(sorted([*one.intervals, *rest], key=lambda x: x.start_s))
            for session, turn in (("1", 0), ("2", 3)):
                origin = replace(one.provenance, dataset="sim-twice", sha256=f"{n}{session}".ljust(64, "0"))
                worn = replace(
                    one, signal=np.roll(one.signal, turn, axis=0), session=session, intervals=intervals, provenance=origin
                )
                out.append([worn], source=f"{n}-{session}")
    return folder


@pytest.fixture(scope="module")
def gate_report(corpus: Path, encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[LivabilityConfig, dict[str, Any]]:
    """A set without rest, two people tested."""
    config = settings_of(corpus, tmp_path_factory.mktemp("gate"), encoder, max_folds=2)
    return config, livability(config)


def test_a_report_says_all(gate_report: tuple[LivabilityConfig, dict[str, Any]]) -> None:
    config, report = gate_report
    assert json.loads((config.output / "report.json").read_text()) == json.loads(json.dumps(report))
    assert report["certificate"]["loso"] and report["protocol"] == "livability"
    one = report["sets"]["sim-myo"]
    assert one["subjects"] == ["P01", "P02"] and one["rest"] == "gate" and set(one["methods"]) == {"aemg", "td-lda-registered"}
    for found in one["methods"].values():
        assert found["false_per_hour"]["rest"]["mean"] is None, "no rest is labelled"
        hours = sum(found["false_per_hour"][r]["hours"] for r in ("rest", "transition", "movement"))
        assert hours == pytest.approx(one["decoded_hours"], rel=1e-6)
        shares = [row["noticed_share"] for row in found["by_threshold"]]
        assert len(shares) == 3 and all(0 <= s <= 1 for s in shares)
        assert 0 < found["rejection"]["area"]["mean"] <= 1 and found["calibration"]["temperature"]["mean"] > 0
        assert found["latency"]["named_label"]["count"] == found["movements"] == 24
        assert 0 < found["gate_closed_share"] < 0.8
        assert found["donnings"] is None and set(found["per_subject"]) == {"P01", "P02"}
        before, after = (found["calibration"][when] for when in ("before", "after"))
        assert sum(b["count"] for b in before["bins"]) == sum(b["count"] for b in after["bins"]) > 100


def test_finished_folds_are_kept(gate_report: tuple[LivabilityConfig, dict[str, Any]]) -> None:
    config, report = gate_report
    file = config.output / "folds" / "sim-myo_P01_0.json"
    before = file.stat().st_mtime_ns
    again = livability(config)
    assert file.stat().st_mtime_ns == before and again["sets"] == report["sets"]
    with pytest.raises(ConfigError, match="another configuration"):
        livability(replace(config, truth=TruthConfig(edge_s=1.0)))


def test_the_page_shows_what_was_found(
    gate_report: tuple[LivabilityConfig, dict[str, Any]], check_page: Callable[[str], None]
) -> None:
    report = gate_report[1]
    page = render_livability(report)
    check_page(page)
    assert all(word in page for word in ("False an hour", "Rejection area", "energy gate", "Reliability diagram", "P02", "edge"))
    assert "Putting the band on again" not in page and "no rest signal" in page
    assert len(summary_lines(report)) == 1 + 1 + 2
    check_page(render_livability({}))
    check_page(render_livability({"sets": {"<a>": {"methods": {"aemg": {}}}}}))


def test_donnings_are_compared(
    worn_twice: Path, encoder: Path, tmp_path: Path, check_page: Callable[[str], None]
) -> None:
    data = EvaluationDataConfig(sets=("sim-twice",), root=worn_twice)
    edges = TruthConfig(edge_s=0.1)
    config = settings_of(worn_twice, tmp_path, encoder, data=data, methods=("td-lda-registered",), truth=edges)
    report = livability(config)
    one = report["sets"]["sim-twice"]
    found = one["methods"]["td-lda-registered"]
    assert one["rest"] == "class" and found["gate_closed_share"] == 0.0 and one["donnings"] == 2
    assert found["false_per_hour"]["rest"]["hours"] > 0 and found["false_per_hour"]["rest"]["mean"] is not None
    donnings = found["donnings"]
    assert donnings["subjects"] == ["P01"] and donnings["later"] == 1
    first, anew, kept = (donnings[k]["window_accuracy"]["mean"] for k in ("first", "anew", "as_first"))
    assert anew == pytest.approx(first, abs=0.1), "found again, a turned band is as good"
    assert kept < anew - 0.15, "and worse where it is taken for the first"
    page = render_livability(report)
    check_page(page)
    assert "Putting the band on again" in page


def test_the_command(corpus: Path, encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(ROOT / "finetune" / "__main__.py"), run_name="finetune")["main"]
    words = [
        "livability", "--config", str(ROOT / "configs/finetune/livability.yaml"), "data.sets=[sim-myo]", f"data.root={corpus}",
        f"encoder={encoder}", f"output={tmp_path}", "methods=[td-lda-registered]", "max_folds=1", "jobs=1",
    ]  # fmt: skip
    assert main(words) == 0
    assert "false an hour" in capsys.readouterr().out and (tmp_path / "report.html").exists()
    assert main([*words, "activation.threshold=2"]) == 2
    assert "threshold" in capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong", [{"thresholds": ()}, {"thresholds": (0.5, 0.2)}, {"thresholds": (0.5, 1.5)}, {"methods": ()}, {"seeds": ()}]
)
def test_wrong_evaluations_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        LivabilityConfig(**wrong)


def test_a_set_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"data\.sets"):
        livability(LivabilityConfig(output=tmp_path))


def test_the_space_of_the_settings_is_the_default() -> None:
    assert LivabilityConfig().space == SpaceConfig()
