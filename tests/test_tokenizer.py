"""Laws of the contraction tokenizer: the same sentence however the signal arrives, whatever its scale or offset."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Interval, Provenance, Recording, ring
from aemg.simulation import bursts
from aemg.tokenizer import PHASES, ContractionTokenizer, Sentence, Token, TokenizerConfig
from aemg.tokenizer.config import FrameGrid
from aemg.tokenizer.segment import Segmenter

LAWS = settings(deadline=None, max_examples=40, derandomize=True)
REST_V = 5e-6
CONFIGS = (
    TokenizerConfig(),
    TokenizerConfig(gating="none"),
    TokenizerConfig(window_ms=10.0, close_gap_ms=0.0, min_event_ms=10.0),
    TokenizerConfig(min_event_ms=500.0),
    TokenizerConfig(window_ms=45.0, hop_ms=15.0, min_token_ms=30.0, max_token_ms=60.0, sentence_tokens=7),
)
configs = st.sampled_from(CONFIGS)


def recording(signal: NDArray[np.floating], rate_hz: float = 200.0, **changes: object) -> Recording:
    source = Provenance("set", "file", "0" * 64, "CC0-1.0")
    whole = Recording(signal.astype(np.float32), rate_hz, ring("band", len(signal)), "s1", "1", source)
    return replace(whole, **changes)  # type: ignore[arg-type]


def activity(seed: int, channels: int = 8, seconds: float = 20.0, rate_hz: float = 200.0) -> Recording:
    """Noise whose level changes at random: rest, weak and strong, pauses and contractions of all lengths."""
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    edges = np.cumsum(np.maximum(1, rng.exponential(0.3 * rate_hz, size=n)).astype(int))
    level = rng.choice([1.0, 1.0, 1.4, 3.0, 8.0], size=n)[np.searchsorted(edges, np.arange(n), side="right")]
    return recording(REST_V * level * rng.standard_normal((channels, n)), rate_hz)


def streamed(tokenizer: ContractionTokenizer, signal: NDArray[np.float32], chunks: list[int]) -> list[Token]:
    stream, tokens, first = tokenizer.stream(), [], 0
    while first < signal.shape[1]:
        for size in chunks:
            tokens += stream.push(signal[:, first : first + size])
            first += size
    return tokens + stream.flush()


def assert_tokens_equal(found: list[Token], sentence: Sentence) -> None:
    assert len(found) == len(sentence)
    for i, token in enumerate(found):
        for f in fields(Token):
            np.testing.assert_array_equal(getattr(token, f.name), getattr(sentence[i], f.name), err_msg=f.name)


def spans(sentence: Sentence) -> list[tuple[float, float, str]]:
    tokens = [sentence[i] for i in range(len(sentence))]
    return [(t.start_s, t.end_s, t.phase) for t in tokens]


def segmented(energy: list[float], **changes: int) -> list[tuple[int, int, str]]:
    """Spans in frames, of a grid on which a frame is a sample; contractions begin above 2 and end at 1 or below."""
    plain = {"min_event": 1, "close_gap": 0, "min_token": 2, "max_token": 10}
    grid = FrameGrid(100.0, 1, 1, **{**plain, **changes})
    found = Segmenter(grid, 2.0, 1.0).push(np.array(energy, float), final=True)
    return [(int(a), int(b), PHASES[p]) for a, b, p in found]


# --- the same sentence however it arrives


@given(
    seed=st.integers(0, 2**32 - 1),
    channels=st.sampled_from([1, 3, 8, 16]),
    rate_hz=st.sampled_from([200.0, 1000.0]),
    config=configs,
    chunks=st.lists(st.integers(0, 700), min_size=1, max_size=8).filter(any),
)
@LAWS
def test_a_stream_gives_exactly_the_tokens_of_the_whole(
    seed: int, channels: int, rate_hz: float, config: TokenizerConfig, chunks: list[int]
) -> None:
    whole = activity(seed, channels, seconds=8.0, rate_hz=rate_hz)
    tokenizer = ContractionTokenizer(config).fit_threshold(whole)
    assert_tokens_equal(streamed(tokenizer, whole.signal, chunks), tokenizer.encode(whole))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("chunk", [1, 2])
def test_sample_by_sample_is_no_different(config: TokenizerConfig, chunk: int) -> None:
    whole = activity(5, seconds=6.0)
    tokenizer = ContractionTokenizer(config).fit_threshold(whole)
    assert_tokens_equal(streamed(tokenizer, whole.signal, [chunk]), tokenizer.encode(whole))


@given(seed=st.integers(0, 2**32 - 1), chunk=st.integers(1, 300))
@LAWS
def test_the_layout_in_memory_does_not_matter(seed: int, chunk: int) -> None:
    whole = activity(seed, seconds=8.0)
    columns = replace(whole, signal=np.asfortranarray(whole.signal))
    tokenizer = ContractionTokenizer().fit_threshold(columns)
    assert_tokens_equal(streamed(tokenizer, columns.signal, [chunk]), tokenizer.encode(whole))


def test_a_token_does_not_wait_for_the_end() -> None:
    """One longest token, one shortest, one gap to close and one window after its start a token is out at the latest."""
    whole = activity(3)
    config = TokenizerConfig()
    tokenizer = ContractionTokenizer(config).fit_threshold(whole)
    stream, wait_s = tokenizer.stream(), 0.0
    for first in range(0, whole.signal.shape[1], 2):
        for token in stream.push(whole.signal[:, first : first + 2]):
            wait_s = max(wait_s, (first + 2) / 200.0 - token.start_s)
    bound_ms = config.max_token_ms + config.min_token_ms + config.close_gap_ms + config.window_ms + 2 * config.hop_ms
    assert wait_s <= bound_ms / 1000


@pytest.mark.parametrize("config", [CONFIGS[0], CONFIGS[1], CONFIGS[3]])
@pytest.mark.parametrize("level", [1.0, 20.0])
def test_a_stream_keeps_no_more_after_ten_minutes_than_after_one(config: TokenizerConfig, level: float) -> None:
    tokenizer = ContractionTokenizer(config).fit_threshold(activity(1))
    stream, rng, kept = tokenizer.stream(), np.random.default_rng(0), []
    for _ in range(600):
        stream.push((level * REST_V * rng.standard_normal((8, 200))).astype(np.float32))
        arrays = [v for v in (*vars(stream).values(), *vars(stream._segmenter).values()) if isinstance(v, np.ndarray)]
        kept.append(sum(array.nbytes for array in arrays))
        assert stream._samples.base is None  # a view would keep the whole chunk
    assert max(kept) < 40_000
    assert max(kept[60:]) <= 1.5 * max(kept[:60])


def test_a_streamed_token_holds_on_to_nothing_but_its_own_samples() -> None:
    whole = activity(3)
    tokenizer = ContractionTokenizer().fit_threshold(whole)
    for token in streamed(tokenizer, whole.signal, [40]):
        base = token.values if token.values.base is None else token.values.base
        assert base.nbytes <= 4 * 8 * 50 * 4


# --- the shape of a sentence


@given(seed=st.integers(0, 2**32 - 1), config=configs, channels=st.sampled_from([1, 4, 8]))
@LAWS
def test_tokens_come_in_time_order_without_overlap(seed: int, config: TokenizerConfig, channels: int) -> None:
    whole = activity(seed, channels, seconds=10.0)
    sentence = ContractionTokenizer(config).fit_threshold(whole).encode(whole)
    n, real = len(sentence), ~sentence.padding_mask
    longest = FrameGrid.of(config, 200.0).max_samples
    assert sentence.tokens.shape == (len(real), channels, longest)
    assert len(real) % config.sentence_tokens == 0
    assert real[:n].all() and not real[n:].any()
    start, stop = sentence.start_s[:n], sentence.end_s[:n]
    assert (start[1:] >= stop[:-1] - 1e-9).all()
    assert (start >= 0).all() and (stop <= whole.duration_s + 1e-9).all()
    assert ((sentence.lengths[:n] > 0) & (sentence.lengths[:n] <= longest)).all()
    np.testing.assert_allclose((stop - start) * 200.0, sentence.lengths[:n], atol=1e-6)
    for rows in (sentence.tokens, sentence.lengths, sentence.start_s, sentence.end_s, sentence.conditions.log_sigma):
        assert not rows[n:].any()


@given(seed=st.integers(0, 2**32 - 1), config=configs)
@LAWS
def test_every_channel_of_a_token_is_standardised(seed: int, config: TokenizerConfig) -> None:
    whole = activity(seed, seconds=10.0)
    sentence = ContractionTokenizer(config).fit_threshold(whole).encode(whole)
    for i in range(len(sentence)):
        token = sentence[i]
        own = whole.signal[:, round(token.start_s * 200) : round(token.end_s * 200)]
        centred = own - own.mean(axis=1, keepdims=True)
        np.testing.assert_allclose(token.values.mean(axis=1), 0.0, atol=1e-5)
        loud = own.std(axis=1) > 0.2 * REST_V  # far below rest the floor shows
        np.testing.assert_allclose(token.values[loud].std(axis=1), 1.0, atol=1e-3)
        np.testing.assert_allclose(token.values * own.std(axis=1, keepdims=True), centred, atol=1e-3 * REST_V)
        assert not sentence.tokens[i, :, sentence.lengths[i] :].any()


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("signal", [np.zeros((8, 0)), np.zeros((8, 3)), np.zeros((8, 900)), np.full((8, 900), 0.3)])
def test_without_a_contraction_the_sentence_is_empty_with_the_same_shapes(
    config: TokenizerConfig, signal: NDArray[np.float64]
) -> None:
    tokenizer = ContractionTokenizer(config).fit_threshold(activity(2))
    full = tokenizer.encode(activity(2, seconds=5.0))
    tokenizer = ContractionTokenizer(replace(config, gating="energy"), tokenizer.rest)
    empty = tokenizer.encode(recording(signal))
    assert len(empty) == 0 and empty.padding_mask.all()
    assert empty.tokens.shape == (config.sentence_tokens, *full.tokens.shape[1:])
    assert empty.conditions.log_sigma.shape == (config.sentence_tokens, 8)
    assert streamed(tokenizer, recording(signal).signal, [7]) == []


@pytest.mark.parametrize("signal", [np.zeros((8, 900)), np.full((8, 900), 0.3), np.full((8, 900), -1e3)])
def test_a_dead_recording_is_its_own_rest(signal: NDArray[np.float64]) -> None:
    for gating in ("energy", "none"):
        assert len(ContractionTokenizer(TokenizerConfig(gating=gating)).encode(recording(signal))) == 0  # type: ignore[arg-type]


def test_more_tokens_than_a_sentence_holds_take_a_second_one() -> None:
    whole = activity(4)
    sentence = ContractionTokenizer(TokenizerConfig(sentence_tokens=16)).encode(whole)
    assert len(sentence) > 16
    assert len(sentence.padding_mask) == 16 * -(-len(sentence) // 16)
    with pytest.raises(IndexError):
        sentence[len(sentence)]


# --- scale, offset, conditions


@given(seed=st.integers(0, 2**32 - 1), power=st.integers(-40, 40), config=configs)
@LAWS
def test_the_unit_of_the_signal_does_not_matter(seed: int, power: int, config: TokenizerConfig) -> None:
    whole = activity(seed, seconds=10.0)
    scaled = replace(whole, signal=whole.signal * np.float32(2.0**power))
    a, b = (ContractionTokenizer(config).encode(r) for r in (whole, scaled))
    assert spans(a) == spans(b)
    np.testing.assert_allclose(b.tokens, a.tokens, atol=1e-5)
    np.testing.assert_allclose(b.conditions.log_sigma, a.conditions.log_sigma, atol=1e-5)


@pytest.mark.parametrize("factor", [1e-6, 1e6, -1.0])
def test_volts_and_microvolts_give_the_same_sentence(factor: float) -> None:
    whole = activity(7)
    scaled = replace(whole, signal=whole.signal * np.float32(factor))
    a, b = (ContractionTokenizer().encode(r) for r in (whole, scaled))
    assert spans(a) == spans(b)
    np.testing.assert_allclose(b.tokens, np.sign(factor) * a.tokens, atol=1e-4)
    np.testing.assert_allclose(b.conditions.log_sigma, a.conditions.log_sigma, atol=1e-4)


@pytest.mark.parametrize("offset_v", [5e-6, 1e-3, -2e-2])
def test_an_offset_by_channel_does_no_harm(offset_v: float) -> None:
    whole = activity(8)
    lifted = replace(whole, signal=(whole.signal + offset_v * np.linspace(0.5, 1, 8)[:, None]).astype(np.float32))
    a, b = (ContractionTokenizer().encode(r) for r in (whole, lifted))
    assert spans(a) == spans(b)
    np.testing.assert_allclose(b.tokens, a.tokens, atol=2e-3)
    np.testing.assert_allclose(b.conditions.log_sigma, a.conditions.log_sigma, atol=2e-3)


def test_log_sigma_is_relative_to_rest_channel_by_channel() -> None:
    rng = np.random.default_rng(0)
    gain = np.array([1.0, 10.0, 100.0, 0.1])
    level = np.array([1.0, 4.0, 8.0, 16.0])
    signal = gain[:, None] * REST_V * rng.standard_normal((4, 8000))
    signal[:, 4000:4600] *= level[:, None]
    sentence = ContractionTokenizer(TokenizerConfig(rest_percentile=80)).encode(recording(signal))
    middle = sentence.conditions.log_sigma[1 : len(sentence) - 1]
    np.testing.assert_allclose(np.median(middle, axis=0), np.log(level), atol=0.15)


def test_a_slot_without_signal_has_neutral_conditions() -> None:
    whole = activity(9)
    signal = whole.signal.copy()
    signal[[2, 5]] = 0.0
    sentence = ContractionTokenizer().encode(replace(whole, signal=signal))
    assert len(sentence)
    assert not sentence.tokens[:, [2, 5]].any() and not sentence.conditions.log_sigma[:, [2, 5]].any()
    assert np.isfinite(sentence.tokens).all()


@pytest.mark.parametrize("channel", range(8))
def test_the_source_is_where_the_energy_sits(channel: int) -> None:
    signal = REST_V * np.random.default_rng(channel).standard_normal((8, 4000))
    signal[channel, 2000:2400] *= 60
    sentence = ContractionTokenizer().encode(recording(signal))
    token = sentence[1]
    assert abs((token.source_deg - 45.0 * channel + 180) % 360 - 180) < 2
    assert token.source_strength > 0.95
    everywhere = np.concatenate([signal[:, :1000], 20 * signal[:, :1000]], axis=1)
    assert ContractionTokenizer().encode(recording(everywhere))[1].source_strength < 0.4


# --- hysteresis, gaps, durations, cuts


def test_a_contraction_begins_above_one_threshold_and_ends_below_the_other() -> None:
    assert segmented([0, 1.5, 3, 1.5, 1.5, 0, 1.5, 0]) == [(2, 5, "whole")]
    assert segmented([0, 1.5, 1.9, 2.0, 0]) == []
    assert segmented([3, 3]) == [(0, 2, "whole")]


def test_an_energy_at_the_threshold_neither_begins_nor_keeps_a_contraction() -> None:
    assert segmented([2, 3, 1, 2]) == [(1, 2, "whole")]


@pytest.mark.parametrize(("gap", "wanted"), [(2, 1), (3, 2)])
def test_a_pause_up_to_the_gap_is_closed(gap: int, wanted: int) -> None:
    assert len(segmented([3] * 3 + [0] * gap + [3] * 3, close_gap=2)) == wanted


@pytest.mark.parametrize(("length", "wanted"), [(3, 0), (4, 1)])
def test_shorter_than_the_least_duration_is_dropped(length: int, wanted: int) -> None:
    assert len(segmented([0] + [3] * length + [0], min_event=4)) == wanted


def test_gaps_are_closed_before_durations_are_judged() -> None:
    assert segmented([0, 3, 3, 0, 3, 3, 0, 0], min_event=5, close_gap=1) == [(1, 6, "whole")]


def test_a_long_contraction_is_cut_where_its_energy_is_least() -> None:
    energy = [9.0] * 26
    energy[7], energy[15] = 3.0, 4.0
    wanted = [(1, 8, "onset"), (8, 16, "plateau"), (16, 21, "plateau"), (21, 27, "offset")]
    assert segmented([0, *energy, 0]) == wanted


@given(energy=st.lists(st.floats(0, 6), max_size=120), cuts=st.lists(st.integers(0, 120), max_size=6))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_any_energies_give_lawful_spans_in_any_pieces(energy: list[float], cuts: list[int]) -> None:
    grid = FrameGrid(100.0, 3, 4, min_event=14, close_gap=2, min_token=2, max_token=10)
    values = np.array(energy, float)
    whole = Segmenter(grid, 2.0, 1.0).push(values, final=True)
    pieces, segmenter = [], Segmenter(grid, 2.0, 1.0)
    for piece in np.split(values, sorted(min(c, len(values)) for c in cuts)):
        pieces.append(segmenter.push(piece))
    pieces.append(segmenter.push(np.zeros(0), final=True))
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    length = (whole[:, 1] - whole[:, 0]) / grid.hop
    assert ((length >= grid.min_token) & (length <= grid.max_token)).all()
    assert (whole[1:, 0] >= whole[:-1, 1]).all()
    begins, goes_on = np.isin(whole[:, 2], [0, 3]), np.isin(whole[:, 2], [1, 2])
    assert (begins | goes_on).all() and begins[:1].all()
    np.testing.assert_array_equal(whole[1:, 0][goes_on[1:]], whole[:-1, 1][goes_on[1:]])  # pieces of one touch


def test_long_contractions_fall_into_pieces_with_phases() -> None:
    rng = np.random.default_rng(1)
    signal = REST_V * rng.standard_normal((8, 4000))
    signal[:, 1000:1400] *= 6
    phases = [phase for *_, phase in spans(ContractionTokenizer().encode(recording(signal)))]
    assert phases[0] == "onset" and phases[-1] == "offset" and set(phases[1:-1]) == {"plateau"}
    assert 8 <= len(phases) <= 16


# --- the ablation


@given(seed=st.integers(0, 2**32 - 1), config=configs, parts=st.integers(1, 4))
@LAWS
def test_blind_windows_are_as_many_as_contractions(seed: int, config: TokenizerConfig, parts: int) -> None:
    config = replace(config, gating="energy")
    given_ = [activity(seed + i, seconds=10.0) for i in range(parts)]
    energy = ContractionTokenizer(config).fit_threshold(given_)
    blind = ContractionTokenizer(replace(config, gating="none")).fit_threshold(given_)
    counts = np.array([[len(t.encode(r)) for r in given_] for t in (energy, blind)])
    assert abs(counts[0].sum() - counts[1].sum()) <= parts


def test_blind_windows_keep_one_stride_and_one_length() -> None:
    whole = activity(11)
    sentence = ContractionTokenizer(TokenizerConfig(gating="none")).encode(whole)
    n = len(sentence)
    assert len(set(sentence.lengths[:n])) == 1
    assert np.ptp(np.diff(sentence.start_s[:n])) <= 1 / 200 + 1e-9


# --- the threshold


def with_rest(label: str) -> Recording:
    """Ten seconds at the level 2 that are called rest, among quieter and louder ones."""
    rng = np.random.default_rng(3)
    level = np.repeat([1.0, 2.0, 12.0], 2000)
    return recording(
        REST_V * level * rng.standard_normal((8, 6000)),
        intervals=(Interval(10.0, 20.0, label), Interval(20.0, 30.0, "fist")),
    )


@pytest.mark.parametrize(
    ("label", "use_labels", "source", "level"),
    [("rest", True, "labelled", 2.0), ("rest", False, "percentile", 1.0), ("idle", True, "percentile", 1.0)],
)
def test_rest_is_labelled_rest_or_else_the_quietest_share(
    label: str, use_labels: bool, source: str, level: float
) -> None:
    tokenizer = ContractionTokenizer().fit_threshold(with_rest(label), use_labels=use_labels)
    assert tokenizer.rest is not None
    assert tokenizer.rest.source == source
    np.testing.assert_allclose(tokenizer.rest.rms, level * REST_V, rtol=0.15)


def test_rest_labels_shorter_than_a_frame_do_not_count() -> None:
    whole = replace(with_rest("fist"), intervals=(Interval(1.0, 1.03, "rest"),))
    rest = ContractionTokenizer().fit_threshold(whole).rest
    assert rest is not None and rest.source == "percentile"


def test_the_quietest_share_need_not_come_first() -> None:
    whole = with_rest("idle")
    first, last = ContractionTokenizer().fit_threshold(whole).rest, None
    last = ContractionTokenizer().fit_threshold(replace(whole, signal=whole.signal[:, ::-1].copy())).rest
    assert first is not None and last is not None
    np.testing.assert_allclose(first.rms, last.rms, rtol=0.02)


def test_padding_with_zeros_is_no_rest() -> None:
    whole = activity(6)
    padded = replace(whole, signal=np.pad(whole.signal, ((0, 0), (0, 4000))))
    a, b = (ContractionTokenizer().encode(r) for r in (whole, padded))
    assert abs(len(a) - len(b)) <= 0.1 * len(a) + 2
    assert b.end_s.max() <= whole.duration_s + 0.05


def test_one_threshold_serves_all_recordings_of_a_donning() -> None:
    tokenizer = ContractionTokenizer().fit_threshold([activity(1), activity(2)])
    before = tokenizer.rest
    tokenizer.encode(activity(3))
    assert tokenizer.rest is before


def test_mistakes_are_named() -> None:
    tokenizer = ContractionTokenizer()
    with pytest.raises(AEMGError, match="fit_threshold has to see"):
        tokenizer.stream()
    with pytest.raises(AEMGError, match="no recording"):
        tokenizer.fit_threshold([])
    with pytest.raises(AEMGError, match="differ in rate or montage"):
        tokenizer.fit_threshold([activity(1), activity(1, channels=4)])
    with pytest.raises(AEMGError, match="differ in rate or montage"):
        tokenizer.fit_threshold([activity(1), activity(1, rate_hz=1000.0)])
    with pytest.raises(AEMGError, match="shorter than one energy window"):
        tokenizer.fit_threshold(recording(np.zeros((8, 5))))
    tokenizer.fit_threshold(activity(1))
    with pytest.raises(AEMGError, match="200 Hz with 8 channels, this recording has 1000 Hz and 8"):
        tokenizer.encode(activity(1, rate_hz=1000.0))
    with pytest.raises(AEMGError, match="this recording has 200 Hz and 4"):
        tokenizer.encode(activity(1, channels=4))
    with pytest.raises(AEMGError, match=r"must be \(8, t\), got \(4, 10\)"):
        tokenizer.stream().push(np.zeros((4, 10), np.float32))
    with pytest.raises(AEMGError, match="less than one sample at 20"):
        ContractionTokenizer().encode(recording(np.zeros((8, 100)), 20.0))


# --- onsets


@pytest.mark.parametrize(("rate_hz", "channels"), [(200.0, 8), (1000.0, 8), (2000.0, 8), (2000.0, 16)])
def test_onsets_at_10_db_are_found_to_20_ms(rate_hz: float, channels: int) -> None:
    rng = np.random.default_rng(7)
    onsets = np.cumsum(rng.uniform(1.0, 2.0, 60))
    whole = bursts(onsets, rng.uniform(0.2, 0.6, 60), onsets[-1] + 2, rate_hz, channels, 10.0, seed=1)
    found = np.array([a for a, _, phase in spans(ContractionTokenizer().encode(whole)) if phase in ("onset", "whole")])
    error_s = np.abs(found[None] - onsets[:, None]).min(axis=1)
    assert np.median(error_s) <= 0.020
    assert error_s.max() < 0.1
    assert len(found) <= 1.05 * len(onsets)
