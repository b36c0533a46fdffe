"""Every fault that is put into a clean recording is found, at its place and in its channels; clean recordings stay clean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from aemg.quality import Finding, Limits, check_recording
from aemg.quality.amplitude import check_scales
from aemg.signals import Interval, Recording
from aemg.signals.filters import resample
from aemg.simulation import DEVICES, CorpusSpec, simulate

GESTURES = ("rest", "wrist_flexion", "wrist_extension", "hand_close")
Change = Callable[[np.ndarray, float], np.ndarray]


@cache
def clean(device: str = "quad4") -> Recording:
    """Rest and three gestures of 2 s, pauses of 1 s."""
    gestures = GESTURES if device != "hdgrid" else GESTURES[1:2]  # 64 channels take their time
    spec = CorpusSpec(f"clean-{device}", device, 1, 5, gestures=gestures, repetitions=1, hold_s=2.0, rest_s=1.0)
    return simulate(spec, spec.sources[0])[0].recording


def changed(recording: Recording, change: Change, **over: object) -> Recording:
    signal = np.ascontiguousarray(change(recording.signal.copy(), recording.rate_hz), dtype=np.float32)
    return replace(recording, signal=signal, **over)  # type: ignore[arg-type]


def kinds(findings: tuple[Finding, ...]) -> set[str]:
    return {f.kind for f in findings}


def one(recording: Recording, kind: str) -> Finding:
    found = [f for f in check_recording(recording) if f.kind == kind]
    assert len(found) == 1, check_recording(recording)
    return found[0]


@pytest.mark.parametrize("device", list(DEVICES))
def test_a_clean_recording_of_any_device_has_nothing_to_look_at(device: str) -> None:
    found = {f.kind: f.severity for f in check_recording(clean(device))}
    allowed = {"clipped"} if device == "myo" else set()  # eight bits are soon used up
    assert {kind for kind, severity in found.items() if severity != "note"} <= allowed
    assert "fault" not in found.values()
    assert set(found) <= allowed | {"mains", "short"}  # of a wristband, 3 uV of it


@pytest.mark.parametrize("task", ["events", "wrist", "handwriting"])
def test_quick_movements_are_no_jumps(task: str) -> None:
    spec = CorpusSpec("quick", "band16", 1, 2, task=task, stream_s=12.0, repetitions=2)
    for simulated in simulate(spec, spec.sources[0]):
        assert not {"jump", "flat", "envelope", "hold"} & kinds(check_recording(simulated.recording))


# channels


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_flat(share: float) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        x[2, : int(share * x.shape[1])] = 1e-4
        return x

    found = one(changed(clean(), change), "flat")
    assert found.channels == (2,) and found.severity == ("fault" if share == 1.0 else "warning")
    assert found.value == pytest.approx(100 * share, abs=0.5)
    assert share == 1.0 or found.where[0] == pytest.approx((0.0, share * clean().duration_s), abs=0.01)


@pytest.mark.parametrize("factor", [1.0, -1.0, 0.3])
def test_repeated_channels(factor: float) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        x[3] = factor * x[0]
        return x

    found = one(changed(clean(), change), "duplicate-channel")
    assert found.channels == (0, 3) and found.severity == "fault"


def test_a_channel_of_noise_among_others() -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        x[1] *= 0.002
        return x

    assert one(changed(clean(), change), "quiet").channels == (1,)


@pytest.mark.parametrize(("top", "severity"), [(97.0, "fault"), (99.5, "warning")])
def test_clipped(top: float, severity: str) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        limit = np.percentile(np.abs(x[1]), top)
        x[1] = np.clip(x[1], -limit, limit)
        return x

    found = one(changed(clean(), change), "clipped")
    assert found.channels == (1,) and found.severity in (severity, "warning")
    assert found.value == pytest.approx(100 - top, rel=0.1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("count", [1, 500])
def test_not_finite(value: float, count: int) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        x[0, 4000 : 4000 + count] = value
        return x

    recording = changed(clean(), change)
    found = one(recording, "not-finite")
    assert found.channels == (0,) and found.severity == "fault"
    assert found.where[0] == pytest.approx((2.0, 2.0 + count / 2000))
    assert kinds(check_recording(recording)) == {"not-finite"}  # the other checks look past it


@pytest.mark.parametrize(("times", "severity"), [(5, "note"), (1000, "warning")])
def test_offset(times: float, severity: str) -> None:
    amplitude = float(clean().signal[2].std())
    found = one(changed(clean(), lambda x, _: x + times * amplitude * np.eye(4)[2][:, None]), "offset")
    assert found.channels == (2,) and found.severity == severity
    assert found.value == pytest.approx(times, rel=0.3)


# jumps


@pytest.mark.parametrize("device", ["quad4", "armband10", "myo"])
@pytest.mark.parametrize("shape", ["spike", "step", "garbage"])
def test_jumps(device: str, shape: str) -> None:
    recording = clean(device)
    at = round(6.0 * recording.rate_hz)
    steps = np.abs(np.diff(recording.signal[1]))
    size = (80 if shape == "garbage" else 15) * np.percentile(steps, 99)

    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        if shape == "spike":
            x[1, at] = x[1, at - 1] + size
        elif shape == "step":
            x[1, at:] += size
        else:
            x[1, at : at + 8] = size * np.random.default_rng(0).choice([-1.0, 1.0], 8)
        return x

    found = one(changed(recording, change), "jump")
    assert found.channels == (1,) and found.severity == "warning"
    assert len(found.where) == 1 and found.where[0][0] == pytest.approx(6.0, abs=0.02)


# spectrum


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
@pytest.mark.parametrize(("share", "severity"), [(0.3, "note"), (1.0, "warning"), (10.0, "fault")])
def test_mains(mains_hz: float, share: float, severity: str) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        t = np.arange(x.shape[1]) / rate_hz
        hum = np.sin(2 * np.pi * mains_hz * t) + 0.4 * np.sin(2 * np.pi * 3 * mains_hz * t)
        x[:2] += share * x[:2].std(axis=1, keepdims=True) * hum
        return x

    found = one(changed(clean("ninapro12"), change), "mains")
    assert {0, 1} <= set(found.channels) and f"{mains_hz:g}" in found.advice
    assert found.severity in (severity, "warning")


@pytest.mark.parametrize(("low_hz", "high_hz"), [(1111, 2000), (1000, 2000), (500, 2000), (200, 2000), (200, 1000)])
@pytest.mark.parametrize("how", ["filtered", "linear", "hold"])
def test_a_rate_that_was_raised(low_hz: int, high_hz: int, how: str) -> None:
    recording = clean()
    x = resample(recording.signal, recording.rate_hz, low_hz)
    at = np.arange(int(x.shape[1] * high_hz / low_hz)) / high_hz
    if how == "filtered":
        y = resample(x, low_hz, high_hz)
    elif how == "linear":
        y = np.stack([np.interp(at, np.arange(x.shape[1]) / low_hz, c) for c in x]).astype(np.float32)
    else:
        y = x[:, np.minimum((at * low_hz + 1e-6).astype(int), x.shape[1] - 1)]
    raised = replace(recording, signal=np.ascontiguousarray(y), rate_hz=float(high_hz), band_hz=None)
    found = one(raised, "empty-band" if how == "filtered" else "hold")
    assert found.severity == ("fault" if how == "hold" else found.severity)
    if how == "hold":
        assert found.value == pytest.approx(100 * (1 - low_hz / high_hz), abs=2)
    if how == "linear" and low_hz == 1111:
        assert " 1111 a second" in found.advice
    declared = replace(raised, band_hz=(0.0, low_hz / 2))
    assert how == "hold" or "empty-band" not in kinds(check_recording(declared))


@pytest.mark.parametrize("device", ["myo", "armband10", "quad4"])
@pytest.mark.parametrize("smooth_s", [0.0, 0.1, 0.4])
def test_an_envelope(device: str, smooth_s: float) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        y = np.abs(x)
        size = max(round(smooth_s * rate_hz), 1)
        for _ in range(2 if smooth_s else 0):
            y = np.stack([np.convolve(c, np.full(size, 1 / size), mode="same") for c in y])
        return y

    rectified = changed(clean(device), change)
    assert one(rectified, "envelope").severity == "fault"
    assert not {"envelope", "baseline", "hold", "mains"} & kinds(check_recording(replace(rectified, kind="envelope")))


@pytest.mark.parametrize(("times", "severity"), [(2, "note"), (50, "warning")])
def test_a_wandering_baseline(times: float, severity: str) -> None:
    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        x[3] += times * x[3].std() * np.sin(2 * np.pi * 0.9 * np.arange(x.shape[1]) / rate_hz)
        return x

    found = one(changed(clean(), change), "baseline")
    assert found.channels == (3,) and found.severity == severity


# unit and scale


@pytest.mark.parametrize(("factor", "word"), [(1e3, "millivolts"), (1e6, "microvolts"), (1e-4, "Less than the noise")])
def test_a_wrong_unit(factor: float, word: str) -> None:
    recording = changed(clean(), lambda x, _: x * factor)
    found = one(recording, "unit")
    assert found.severity == "fault" and word in found.advice
    assert "unit" not in kinds(check_recording(replace(recording, unit="arbitrary")))


def test_counts_said_to_be_volts() -> None:
    found = one(changed(clean(), lambda x, _: np.rint(x / 0.2e-6)), "unit")
    assert "counts" in found.advice


def test_a_recording_unlike_its_set() -> None:
    found = check_scales([1.0, 2.0, 0.5, 3.0, 1000.0, 0.0, 1.5])
    assert [bool(f) for f in found] == [False, False, False, False, True, False, False]


# labels


@pytest.mark.parametrize(("beyond_s", "severity"), [(0.01, "note"), (0.2, "warning"), (5.0, "fault")])
def test_labels_outside(beyond_s: float, severity: str) -> None:
    end = clean().duration_s + beyond_s
    found = one(replace(clean(), intervals=(*clean().intervals, Interval(end - 6.0, end, "rest"))), "label-span")
    assert found.severity == severity and found.value == pytest.approx(beyond_s)


def test_labels_that_last_no_time_or_overlap() -> None:
    intervals = clean().intervals
    assert one(replace(clean(), intervals=(*intervals, Interval(3.0, 3.0, "rest"))), "label-span").severity == "fault"
    first, second = intervals[:2]
    doubled = replace(clean(), intervals=(replace(first, end_s=second.start_s + 0.5), *intervals[1:]))
    found = one(doubled, "label-overlap")
    assert found.severity == "warning" and found.where[0] == pytest.approx((second.start_s, second.start_s + 0.5))


def test_labels_without_a_signal() -> None:
    """Where the muscle of one gesture stays still, its name is told; where all do, it is a fault."""
    recording = clean()
    noise = 1e-6 * np.random.default_rng(0).standard_normal(recording.signal.shape).astype(np.float32)
    target = next(i for i in recording.intervals if i.label == "hand_close")

    def quiet(x: np.ndarray, rate_hz: float) -> np.ndarray:
        a, b = round((target.start_s - 0.3) * rate_hz), round((target.end_s + 0.3) * rate_hz)
        x[:, a:b] = noise[:, a:b]
        return x

    found = one(changed(recording, quiet), "label-effect")
    assert "hand_close" in found.advice and "wrist_flexion" not in found.advice and found.severity == "warning"
    assert one(replace(recording, signal=noise), "label-effect").severity == "fault"


@pytest.mark.parametrize("shift_s", [-1.6, 1.5, 2.4])
def test_labels_that_are_shifted(shift_s: float) -> None:
    spec = CorpusSpec("shifted", "quad4", 1, 5, gestures=GESTURES[1:], repetitions=1, hold_s=4.0, rest_s=3.5)
    recording = simulate(spec, spec.sources[0])[0].recording
    assert "label-shift" not in kinds(check_recording(recording))
    moved = tuple(replace(i, start_s=i.start_s - shift_s, end_s=i.end_s - shift_s) for i in recording.intervals)
    assert one(replace(recording, intervals=moved), "label-shift").value == pytest.approx(shift_s, abs=0.4)


# length and settings


@pytest.mark.parametrize(("length_s", "severity"), [(1.5, "note"), (0.5, "warning"), (0.1, "fault")])
def test_too_short(length_s: float, severity: str) -> None:
    assert one(clean().cut(2.0, 2.0 + length_s), "short").severity == severity


def test_a_recording_of_a_sample_is_too_short_and_no_more() -> None:
    assert kinds(check_recording(replace(clean(), signal=clean().signal[:, :1], intervals=()))) <= {"short", "flat"}


def test_limits_are_held() -> None:
    """What one laboratory calls a fault is nothing to another."""

    def change(x: np.ndarray, rate_hz: float) -> np.ndarray:
        return x + 5 * x.std(axis=1, keepdims=True)

    lenient = Limits(offset=(1e3, 1e4, 1e5))
    assert "offset" in kinds(check_recording(changed(clean(), change)))
    assert "offset" not in kinds(check_recording(changed(clean(), change), lenient))
