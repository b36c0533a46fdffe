"""A stream gives what the whole gives, the encoder's own vectors for what is known by then, with a state that does not grow."""

from __future__ import annotations

import importlib.util
import json
import pickle
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import upfirdn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.features import FeatureBuffer, time_domain_between
from aemg.model import AEMG, SIZES, AEMGConfig, NetworkConfig, collate, stretch_of
from aemg.model.calibration import Calibration
from aemg.model.plain import PlainEncoder, made_up_sentence
from aemg.model.stream import Embedded, EmbeddingStream, StreamConfig
from aemg.sessions import RestLevels, SessionKey, standardised_by, tokenise_session
from aemg.signals import Provenance, Recording, ring
from aemg.signals.filters import CausalFilter, CausalResampler, causal_antialias, highpass, highpass_sections, resample
from aemg.tokenizer import TokenizerConfig
from aemg.topology import Registered, SpaceConfig, Worn

KEY = SessionKey("made", "1", "1")
SMALL = NetworkConfig(width=32, layers=2, heads=2, head_width=16, mlp_width=64, codes=32, code_width=8, dropout=0.0)


def bursts(channels: int, rate_hz: float, seconds: float, seed: int = 0) -> Recording:
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    loud = np.where(np.sin(np.arange(n) / rate_hz * 2.8 + seed) > 0.2, 12.0, 1.0)
    signal = rng.normal(size=(channels, n)) * loud * rng.uniform(0.3, 1.3, (channels, 1)) * 1e-5 + 2e-5
    source = Provenance("made", "bursts", "0" * 64, "none")
    return Recording(signal.astype(np.float32), rate_hz, ring("band", channels), "1", "1", source)


@cache
def model_of(**network: object) -> AEMG:
    torch.manual_seed(3)
    model = AEMG(AEMGConfig(network=replace(SMALL, **network))).eval()
    with torch.no_grad():  # gains and biases that start as ones and zeros would hide mistakes
        for parameter in model.encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


@cache
def calibrated(channels: int, rate_hz: float) -> tuple[Recording, Calibration]:
    recording = bursts(channels, rate_hz, 6.0)
    return recording, Calibration.of([recording], model_of().config, Worn(3, True))


def joined(parts: list[Embedded]) -> Embedded:
    return Embedded(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Embedded)))


STREAMS = st.sampled_from(
    [
        StreamConfig(),
        StreamConfig(context_s=1.0, contraction_context_s=2.0),
        StreamConfig(contraction_context_s=1.0, follow_s=5.0),
    ]
)


@given(
    device=st.sampled_from([(8, 200.0), (5, 500.0), (16, 2000.0), (8, 100.0)]),
    config=STREAMS,
    chunks=st.lists(st.floats(0.0, 1.2), min_size=1, max_size=8),
)
@settings(derandomize=True, max_examples=12, deadline=None)
def test_chunks_of_any_length_give_what_the_whole_gives(
    device: tuple[int, float], config: StreamConfig, chunks: list[float]
) -> None:
    recording, calibration = calibrated(*device)
    stream = EmbeddingStream(model_of(), calibration, config)
    whole = stream.push(recording.signal)
    stream.reset()
    parts, at = [], 0
    for k in range(10_000):
        size = 1 + round(chunks[k % len(chunks)] * recording.rate_hz)
        parts.append(stream.push(recording.signal[:, at : at + size]))
        at += size
        if at >= recording.signal.shape[1]:
            break
    for field, got in zip(fields(Embedded), vars(joined(parts)).values()):
        np.testing.assert_array_equal(got, getattr(whole, field.name), err_msg=field.name)
    assert len(whole.windows) > 40 and np.isfinite(whole.windows).all()
    assert (len(whole.contractions) > 3) == (config.contraction_context_s is not None)


@pytest.mark.parametrize("context_s", [0.25, 1.5])
@pytest.mark.parametrize("gating", ["energy", "none"])
def test_a_window_is_what_the_encoder_says_of_the_recording_cut_off_there(context_s: float, gating: str) -> None:
    config = replace(model_of().config, tokenizer=TokenizerConfig(gating=gating))  # type: ignore[arg-type]
    model = AEMG(config).eval()
    recording = bursts(8, 200.0, 5.0)
    calibration = Calibration.of([recording], config, Worn(5, False))
    found = EmbeddingStream(model, calibration, StreamConfig(context_s, contraction_context_s=3.0)).push(recording.signal)
    levels = RestLevels(calibration.rest, np.ones(8), calibration.rest_rms)
    contractions = 0
    for k, end_s in enumerate(found.windows_end_s.tolist()):
        cut = replace(recording, signal=recording.signal[:, : 50 + 25 * k])
        session = tokenise_session(KEY, [cut], config.space, config.tokenizer, levels)
        session = standardised_by(session, calibration.feature_mean, calibration.feature_std)
        with torch.no_grad():
            wanted = model.encoder(collate([stretch_of(session, 0, end_s - context_s, end_s)], [calibration.worn]))[1][0]
            batch = collate([stretch_of(session, 0, end_s - 3.0, end_s)], [calibration.worn])
            tokens = model.encoder(batch)[0][0].numpy()
        np.testing.assert_allclose(found.windows[k], wanted.numpy(), atol=1e-5)
        starts = batch.start_s[0].numpy() + end_s - 3.0
        for i in np.flatnonzero(found.known_s == end_s):
            row = int(np.abs(starts - found.contractions_s[i, 0]).argmin())
            np.testing.assert_allclose(found.contractions[i], tokens[row], atol=1e-5)
            contractions += 1
    assert contractions == len(found.contractions) > 3
    assert (found.contractions_s[:, 1] <= found.known_s + 1e-9).all()


@given(tokens=st.integers(0, 12), sigma=st.booleans(), layers=st.integers(1, 3))
@settings(derandomize=True, max_examples=15, deadline=None)
def test_the_compiled_encoder_gives_the_numbers_of_the_encoder(tokens: int, sigma: bool, layers: int) -> None:
    model = model_of(sigma_condition=sigma, layers=layers)
    batch = made_up_sentence(tokens, model.config.token_samples)
    with torch.inference_mode():
        wanted, got = model.encoder(batch), PlainEncoder(model.encoder)(batch)
    torch.testing.assert_close(got[0][batch.valid], wanted[0][batch.valid], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(got[1], wanted[1], atol=1e-5, rtol=1e-5)


def test_the_tiny_encoder_is_compiled_and_one_of_other_parts_is_not() -> None:
    tiny = AEMG(AEMGConfig(network=SIZES["tiny"]))
    assert isinstance(EmbeddingStream(tiny, calibrated(8, 200.0)[1]).encoder, PlainEncoder)
    recording, calibration = calibrated(8, 200.0)
    other = AEMG(model_of().config).eval()
    other.encoder.norm_out = torch.nn.Sequential(other.encoder.norm_out, torch.nn.Tanh())  # type: ignore[assignment]
    stream = EmbeddingStream(other, calibration)
    assert not isinstance(stream.encoder, PlainEncoder)
    assert np.abs(stream.push(recording.signal).windows).max() < 1.0
    doubled = AEMG(model_of().config).eval()
    doubled.encoder.norm_out.register_forward_hook(lambda module, given, result: 2 * result)
    assert not PlainEncoder.fits(doubled.encoder, doubled.config.token_samples)


def test_weights_are_those_of_when_the_stream_was_made() -> None:
    recording, calibration = calibrated(8, 200.0)
    model = AEMG(model_of().config).eval()
    stream = EmbeddingStream(model, calibration)
    before = stream.push(recording.signal).windows
    with torch.no_grad():
        model.encoder.sentence_token.add_(1.0)
    stream.reset()
    np.testing.assert_array_equal(stream.push(recording.signal).windows, before)


def test_the_state_does_not_grow() -> None:
    _, calibration = calibrated(8, 500.0)
    stream = EmbeddingStream(model_of(), calibration, StreamConfig(context_s=2.0, contraction_context_s=5.0))
    signal, sizes = bursts(8, 500.0, 40.0).signal, []
    for at in range(0, signal.shape[1], 250):
        stream.push(signal[:, at : at + 250])
        state = {name: value for name, value in vars(stream).items() if name not in ("encoder", "_calibration")}
        sizes.append(len(pickle.dumps(state)))
    assert max(sizes[60:]) <= 1.05 * max(sizes[20:60])


@pytest.mark.parametrize(
    "chunk", [np.zeros((7, 4)), np.zeros(8), np.full((8, 3), np.nan), np.full((8, 3), 1e300), np.zeros((8, 3), complex)]
)
def test_a_refused_chunk_leaves_the_stream_as_it_was(chunk: np.ndarray) -> None:
    recording, calibration = calibrated(8, 200.0)
    stream = EmbeddingStream(model_of(), calibration)
    whole = stream.push(recording.signal).windows
    stream.reset()
    first = stream.push(recording.signal[:, :333]).windows
    with pytest.raises(AEMGError, match="a chunk must"):
        stream.push(chunk)
    rest = stream.push(torch.from_numpy(recording.signal[:, 333:])).windows  # type: ignore[arg-type]
    np.testing.assert_array_equal(np.concatenate([first, rest]), whole)


def test_the_scale_follows_a_louder_signal_where_it_may() -> None:
    recording, calibration = calibrated(8, 200.0)
    fixed, following = (EmbeddingStream(model_of(), calibration, StreamConfig(follow_s=f)) for f in (None, 2.0))
    for stream in (fixed, following):
        stream.push(4.0 * recording.signal)
    np.testing.assert_array_equal(fixed.calibration.feature_mean, calibration.feature_mean)
    risen = (following.calibration.feature_mean - calibration.feature_mean)[:, 0]
    assert 0.5 * np.log(4.0) < risen.mean() < 1.5 * np.log(4.0)


def test_a_calibration_comes_back_from_its_file(tmp_path: Path) -> None:
    recording, calibration = calibrated(16, 2000.0)
    calibration.save(tmp_path / "worn.json")
    back = Calibration.load(tmp_path / "worn.json")
    for f in fields(Calibration):
        np.testing.assert_equal(getattr(back, f.name), getattr(calibration, f.name))
    part = recording.signal[:, :4000]
    streams = [EmbeddingStream(model_of(), c).push(part).windows for c in (back, calibration)]
    np.testing.assert_array_equal(*streams)


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 2}, {"rest_rms": [1.0]}, {"feature_std": None}, {"rate_hz": -1.0}, {"montage": {"name": "x"}},
        {"threshold": [-1.0] * 16}, {"space": {"rate_hz": "fast"}}, {"unknown": 1},
    ],
)  # fmt: skip
def test_a_damaged_calibration_is_told(tmp_path: Path, damage: dict[str, object]) -> None:
    file = tmp_path / "worn.json"
    calibrated(8, 200.0)[1].save(file)
    file.write_text(json.dumps(json.loads(file.read_text()) | damage))
    with pytest.raises(DataFileError, match="a calibration"):
        Calibration.load(file)
    file.write_text("{")
    with pytest.raises(DataFileError, match="a calibration"):
        Calibration.load(file)


def test_mistakes_are_told() -> None:
    recording, calibration = calibrated(8, 200.0)
    with pytest.raises(AEMGError, match="two windows"):
        Calibration.of([replace(recording, signal=recording.signal[:, :60])], model_of().config)
    with pytest.raises(AEMGError, match="envelope"):
        Calibration.of([replace(recording, kind="envelope")], model_of().config)
    other = AEMG(AEMGConfig(space=SpaceConfig(highpass_hz=None), network=SMALL))
    with pytest.raises(ConfigError, match="other settings"):
        EmbeddingStream(other, calibration)
    for wrong in ({"context_s": 0.1}, {"contraction_context_s": 0.5}, {"follow_s": float("nan")}):
        with pytest.raises(ConfigError, match="must lie between"):
            StreamConfig(**wrong)  # type: ignore[arg-type]


def test_a_judge_finds_how_the_band_is_worn_unless_the_angles_are_known() -> None:
    class Judge:
        def register(self, features: np.ndarray) -> Registered:
            assert features.shape[1:] == (16, 4) and abs(features.mean()) < 1e-3
            return Registered(Worn(7, True), np.ones(32) / 32, False)

    recording, _ = calibrated(8, 200.0)
    assert Calibration.of([recording], model_of().config, judge=Judge()).worn == Worn(7, True)  # type: ignore[arg-type]
    known = replace(recording, montage=ring("band", 8, angle_known=True))
    assert Calibration.of([known], model_of().config, judge=Judge()).worn == Worn()  # type: ignore[arg-type]


@given(
    ratio=st.sampled_from([(2000, 200), (500, 200), (100, 200), (200, 1000), (1111, 200)]),
    cuts=st.lists(st.integers(0, 600), max_size=6),
)
@settings(derandomize=True, max_examples=15, deadline=None)
def test_resampling_in_chunks_is_the_filter_over_the_whole_and_keeps_time(ratio: tuple[int, int], cuts: list[int]) -> None:
    rate, new = ratio
    t = np.arange(600) / rate
    signal = np.stack([np.sin(2 * np.pi * 20.0 * t), np.cos(2 * np.pi * 11.0 * t)]).astype(np.float32)
    resampler = CausalResampler(rate, new)
    parts = [resampler.push(piece) for piece in np.split(signal, sorted(cuts), axis=1)]
    got = np.concatenate(parts, axis=1)
    at = np.arange(got.shape[1]) / new
    assert at[-1] < t[-1] + 1 / rate - resampler.delay_s + 1e-9
    settled = at > 24 / min(rate, new)
    np.testing.assert_allclose(got[0][settled], np.sin(2 * np.pi * 20.0 * at)[settled], atol=0.1)
    np.testing.assert_allclose(got[1][settled], resample(signal, rate, new)[1][: len(at)][settled], atol=0.1)
    up, down = new // np.gcd(rate, new), rate // np.gcd(rate, new)
    literal = upfirdn(causal_antialias(up, down) * up, signal, up)[:, round(resampler.delay_s * rate * up) :: down]
    np.testing.assert_allclose(got[:, settled], literal[:, : len(at)][:, settled], atol=3e-3)  # its past is zero


def test_filters_in_chunks_are_the_filter_over_the_whole() -> None:
    signal = bursts(4, 500.0, 2.0).signal
    causal = CausalFilter(highpass_sections(500.0, 20.0))
    parts = [causal.push(piece) for piece in np.split(signal, [1, 1, 40, 700], axis=1)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), highpass(signal, 500.0, 20.0))


@given(st.lists(st.integers(0, 200), min_size=1, max_size=12), st.integers(0, 1000))
@settings(derandomize=True, max_examples=30, deadline=None)
def test_features_of_a_stretch_are_those_of_the_whole_signal(chunks: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    total = sum(chunks) + 10
    signal, rest = rng.normal(size=(3, total)).astype(np.float32), rng.uniform(0.1, 2.0, 3)
    buffer, at = FeatureBuffer(rest, 150), 0
    for size in [10, *chunks]:
        buffer.push(signal[:, at : at + size])
        at += size
    oldest = max(0, total - 150)
    start = rng.integers(oldest, total - 2, 5)
    stop = np.minimum(start + rng.integers(3, 100, 5), total)
    np.testing.assert_allclose(buffer.between(start, stop), time_domain_between(signal, start, stop, rest), atol=1e-5)
    if oldest:
        with pytest.raises(AEMGError, match="stretches"):
            buffer.between(np.array([oldest - 1]), np.array([total]))


def script(name: str) -> ModuleType:
    file = Path(__file__).parents[1] / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_benchmark_measures_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "speed.json"
    threads = torch.get_num_threads()
    assert script("embedding_stream").main(["--seconds", "3.5", "--out", str(out)]) == 0
    torch.set_num_threads(threads)
    report = json.loads(out.read_text())
    assert report["compiled"] and report["machine"].startswith("one core")
    assert len(report["stream"]) == 12 and all(row["times_real_time"] > 1 and row["windows"] > 8 for row in report["stream"])
    assert all(row["largest_difference"] < 1e-5 for row in report["encoder"])
    assert "x real time" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_flops_by_formula_are_those_that_torch_counts(mode: str) -> None:
    benchmark, config = script("base_gpu"), AEMGConfig(network=SMALL)
    step = benchmark.made_step(config, mode, 3, 8, "cpu", None)
    step()  # what only the first does
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:  # the only attention that it counts on the CPU
        step()
    counted = benchmark.training_flops(config, 3, 8) if mode == "training" else benchmark.inference_flops(config, 3, 8)
    assert counter.get_total_flops() == counted


@pytest.mark.skipif(torch.cuda.is_available(), reason="tells what happens without a GPU")
def test_without_a_gpu_only_flops_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchmark = script("base_gpu")
    assert benchmark.main(["--out", str(tmp_path / "gpu.json")]) == 0
    told = capsys.readouterr().out
    assert "no CUDA device" in told and "large" in told and not (tmp_path / "gpu.json").exists()
    assert benchmark.peak("NVIDIA H100 80GB HBM3", "bf16") == 989.0 and benchmark.peak("NVIDIA A100-SXM4", "fp32") == 19.5
