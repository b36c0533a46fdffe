"""Filters and resampling: nothing folds over, nothing wraps, offsets leave no transient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals.filters import highpass, notch, resample

LAWS = settings(deadline=None, max_examples=40, derandomize=True)
RATES = [(200.0, 1000.0), (1000.0, 200.0), (2000.0, 200.0), (2048.0, 200.0), (1926.0, 1000.0), (200.0, 2000.0)]


def tone(frequency_hz: float, rate_hz: float, seconds: float = 4.0) -> NDArray[np.float32]:
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * frequency_hz * t + 0.3)[None].astype(np.float32)


def middle_rms(signal: NDArray[np.float32]) -> float:
    quarter = signal.shape[1] // 4
    return float(np.sqrt(np.mean(np.square(signal[:, quarter:-quarter], dtype=np.float64))))


@pytest.mark.parametrize(("rate_hz", "new_rate_hz"), [r for r in RATES if r[0] > r[1]])
@pytest.mark.parametrize("above", [1.02, 1.1, 1.5, 1.9])
def test_what_the_new_rate_cannot_carry_is_60_db_down(rate_hz: float, new_rate_hz: float, above: float) -> None:
    frequency_hz = above * new_rate_hz / 2
    if frequency_hz >= rate_hz / 2:
        pytest.skip("the source cannot hold this tone")
    source = tone(frequency_hz, rate_hz)
    assert 20 * np.log10(middle_rms(resample(source, rate_hz, new_rate_hz)) / middle_rms(source)) < -60


@pytest.mark.parametrize(("rate_hz", "new_rate_hz"), RATES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_what_both_rates_can_carry_stays(rate_hz: float, new_rate_hz: float, share: float) -> None:
    frequency_hz = share * min(rate_hz, new_rate_hz) / 2
    new = resample(tone(frequency_hz, rate_hz), rate_hz, new_rate_hz)
    quarter = new.shape[1] // 4
    wanted = tone(frequency_hz, new_rate_hz)[:, : new.shape[1]]
    np.testing.assert_allclose(new[:, quarter:-quarter], wanted[:, quarter : new.shape[1] - quarter], atol=5e-3)


@pytest.mark.parametrize(("rate_hz", "new_rate_hz"), RATES)
def test_the_end_never_reaches_the_beginning(rate_hz: float, new_rate_hz: float) -> None:
    """A step at the end is invisible at the start, and an even slope stays even up to both ends."""
    n = round(2 * rate_hz)
    step = np.zeros((1, n), np.float32)
    step[:, -n // 8 :] = 1.0
    new = resample(step, rate_hz, new_rate_hz)
    assert np.abs(new[:, : new.shape[1] // 4]).max() < 1e-3
    slope = np.linspace(-1, 1, n, dtype=np.float32)[None]
    t = np.arange(resample(slope, rate_hz, new_rate_hz).shape[1]) / new_rate_hz
    inside = t <= (n - 1) / rate_hz
    line = -1 + 2 * t * rate_hz / (n - 1)
    np.testing.assert_allclose(resample(slope, rate_hz, new_rate_hz)[0, inside], line[inside], atol=5e-3)


@given(n=st.integers(0, 500), rates=st.sampled_from(RATES), offset=st.floats(-1, 1, width=32))
@LAWS
def test_length_type_and_offset_hold_for_any_length(n: int, rates: tuple[float, float], offset: float) -> None:
    flat = np.full((2, n), offset, np.float32)
    new = resample(flat, *rates)
    assert new.shape == (2, -(-n * round(rates[1]) // round(rates[0])))
    assert new.dtype == np.float32
    np.testing.assert_allclose(new, offset, atol=2e-3)


@given(scale=st.floats(1e-6, 1e3), rates=st.sampled_from(RATES), seed=st.integers(0, 99))
@LAWS
def test_resampling_is_linear(scale: float, rates: tuple[float, float], seed: int) -> None:
    a, b = np.random.default_rng(seed).standard_normal((2, 3, 200)).astype(np.float32)
    both = resample(np.float32(scale) * a + b, *rates)
    apart = scale * resample(a, *rates) + resample(b, *rates)
    np.testing.assert_allclose(both, apart, atol=1e-4 * (1 + scale))


def test_equal_rates_change_nothing() -> None:
    source = tone(20, 200)
    assert resample(source, 200.0, 200.0) is source


def test_rates_without_a_common_measure_are_refused() -> None:
    with pytest.raises(AEMGError, match="cannot resample"):
        resample(tone(20, 200), 200.0, 199.9871)


@given(offset=st.floats(-1e3, 1e3, width=32), cutoff_hz=st.sampled_from([1.0, 10.0, 20.0, 99.0]))
@LAWS
def test_a_highpass_makes_nothing_of_an_offset(offset: float, cutoff_hz: float) -> None:
    still = highpass(np.full((3, 400), offset, np.float32), 200.0, cutoff_hz)
    assert np.abs(still).max() <= 1e-6 * max(1.0, abs(offset))


@pytest.mark.parametrize(("frequency_hz", "low_db", "high_db"), [(2, -200, -60), (20, -3.2, -2.8), (60, -0.2, 0.1)])
def test_a_highpass_passes_what_lies_above(frequency_hz: float, low_db: float, high_db: float) -> None:
    source = tone(frequency_hz, 1000, 8)
    gain_db = 20 * np.log10(middle_rms(highpass(source, 1000.0, 20.0)) / middle_rms(source))
    assert low_db <= gain_db <= high_db


@given(cut=st.integers(1, 300), seed=st.integers(0, 99))
@LAWS
def test_filters_do_not_look_ahead(cut: int, seed: int) -> None:
    signal = np.random.default_rng(seed).standard_normal((2, 300)).astype(np.float32)
    for run in (lambda x: highpass(x, 200.0, 20.0), lambda x: notch(x, 200.0, 50.0)):
        np.testing.assert_array_equal(run(signal)[:, :cut], run(signal[:, :cut]))


@pytest.mark.parametrize("cutoff_hz", [0.0, -1.0, 100.0, 150.0])
def test_a_cutoff_that_the_rate_does_not_hold_is_refused(cutoff_hz: float) -> None:
    with pytest.raises(AEMGError, match=r"\(0, 100\) Hz at 200 Hz"):
        highpass(tone(20, 200), 200.0, cutoff_hz)


@pytest.mark.parametrize("mains_hz", [50.0, 60.0])
def test_a_notch_takes_the_mains_and_its_harmonics_only(mains_hz: float) -> None:
    for k in (1, 2, 3, 4):
        hum = tone(k * mains_hz, 2000, 8)
        assert middle_rms(notch(hum, 2000.0, mains_hz)) < 0.05 * middle_rms(hum)
    between = tone(1.5 * mains_hz, 2000, 8)
    assert middle_rms(notch(between, 2000.0, mains_hz)) > 0.98 * middle_rms(between)


def test_harmonics_that_the_rate_does_not_hold_are_left_out() -> None:
    source = tone(70, 200)
    assert middle_rms(notch(source, 200.0, 50.0)) > 0.95 * middle_rms(source)
    none = tone(20, 90)
    np.testing.assert_array_equal(notch(none, 90.0, 50.0), none)


def test_filters_take_a_signal_without_samples() -> None:
    empty = np.zeros((2, 0), np.float32)
    assert highpass(empty, 200.0, 20.0).shape == notch(empty, 200.0, 50.0).shape == (2, 0)
