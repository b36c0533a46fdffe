"""The three tasks on AEMG's encoder: the rows of the published networks, nothing from the future, the encoder as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.features import cut_windows, time_domain
from aemg.model import AEMG, AEMGConfig, NetworkConfig
from aemg.model.config import SpaceConfig
from aemg.neuromotor import decoder as decoder_module
from aemg.neuromotor.backbone import LAYOUTS, AEMGDecoder, aemg_decoder
from aemg.neuromotor.ctc import greedy_ctc
from aemg.neuromotor.sliding_tokens import RATE_HZ, RunningScale, SlidingTokens, antialias, source
from aemg.topology import UNIFIED

TASKS = tuple(LAYOUTS)
ATOL = 1e-5
SMALL = NetworkConfig(
    width=32, layers=2, heads=2, head_width=16, mlp_width=64, decoder_layers=1, codes=16, code_width=8, dropout=0.1
)


def small(task: str, **settings: object) -> AEMGDecoder:
    torch.manual_seed(0)
    return aemg_decoder(task, AEMG(AEMGConfig(network=SMALL)), **{"lstm_hidden": 16, "lstm_layers": 1, **settings})  # type: ignore[arg-type]


def emg(rows: int, items: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(items, 16, rows, generator=generator) * torch.linspace(1, 4, 16)[:, None]


def along_time(task: str, output: Tensor) -> Tensor:
    """(B, T', outputs) whatever the task's form."""
    return output if task == "handwriting" else output.transpose(1, 2)


@torch.no_grad()
def decode(decoder: AEMGDecoder, x: Tensor) -> Tensor:
    return along_time(decoder.task, decoder(x))


@pytest.fixture(scope="module", params=TASKS)
def decoder(request: pytest.FixtureRequest) -> AEMGDecoder:
    made = small(request.param)
    made(emg(made.left_context + 4000, 2))  # the running scale has seen something
    return made.eval()


@pytest.mark.parametrize(
    ("task", "shortest", "step", "classes"),
    [("discrete_gestures", 21, 10, 9), ("wrist", 254, 40, 1), ("handwriting", 19_854, 320, 100)],
)
def test_as_many_outputs_as_the_published_network(task: str, shortest: int, step: int, classes: int) -> None:
    made = small(task).eval()
    for rows in (shortest, shortest + step - 1, shortest + step, shortest + 7 * step + 3):
        expected = (rows - shortest) // step + 1
        output = decode(made, emg(rows))
        assert output.shape == (1, expected, classes) and output.isfinite().all()
        assert made.compute_output_lengths(rows) == expected
    assert made.compute_output_lengths(torch.tensor([0, shortest - 1, shortest])).tolist() == [0, 0, 1]


def test_handwriting_gives_log_probabilities() -> None:
    output = decode(small("handwriting").eval(), emg(20_000))
    torch.testing.assert_close(output.exp().sum(-1), torch.ones(output.shape[:2]))


def test_the_future_changes_nothing_and_the_present_something(decoder: AEMGDecoder) -> None:
    k, rows = 9, decoder.left_context + 14 * decoder.output_stride + 1
    last = decoder.left_context + k * decoder.output_stride  # row that output k stands for
    x = emg(rows)
    changed = x.clone()
    changed[..., last + 1 :] += 5.0
    before, after = decode(decoder, x), decode(decoder, changed)
    torch.testing.assert_close(after[:, : k + 1], before[:, : k + 1], atol=0, rtol=0)
    changed[..., last - 40 : last + 1] += 5.0 * torch.randn(41)
    assert (decode(decoder, changed)[:, k] - before[:, k]).abs().max() > 1e-2 * before.abs().max()


def test_an_item_alone_is_the_item_in_a_batch(decoder: AEMGDecoder) -> None:
    x = emg(decoder.left_context + 2000, 3)
    torch.testing.assert_close(decode(decoder, x)[1:2], decode(decoder, x[1:2]), atol=ATOL, rtol=1e-4)


def test_pieces_change_nothing(decoder: AEMGDecoder, monkeypatch: pytest.MonkeyPatch) -> None:
    x = emg(decoder.left_context + 4000)
    whole = decode(decoder, x)
    for at_once_s in (0.1, 1.0):
        monkeypatch.setattr(decoder_module, "_AT_ONCE_S", at_once_s)
        torch.testing.assert_close(decode(decoder, x), whole, atol=ATOL, rtol=1e-4)


@pytest.mark.parametrize("chunk", [37, 400, 5000])
def test_a_stream_gives_the_outputs_of_the_whole(decoder: AEMGDecoder, chunk: int) -> None:
    x = emg(decoder.left_context + 6000)
    stream = decoder.stream()
    results = [stream.push(part) for part in x[0].split(chunk, dim=1)]
    found = along_time(decoder.task, torch.cat([r.output for r in results], 0 if decoder.task == "handwriting" else 1)[None])
    whole = decode(decoder, x)
    assert 0 <= found.shape[1] - whole.shape[1] < decoder.layout.outputs_per_step
    torch.testing.assert_close(found[:, : whole.shape[1]], whole, atol=1e-4, rtol=0)
    rows = np.concatenate([r.rows for r in results])
    assert rows[0] == decoder.left_context and (np.diff(rows) == decoder.output_stride).all()


def test_what_lies_before_the_signal_is_left_out() -> None:
    """A frame whose sentence reaches back before the signal is what the encoder makes of the tokens that there are."""
    made = small("wrist").eval()
    x = emg(made.left_context + 12_000)
    with torch.no_grad():
        frames = made.front_end(functional.pad(x, (made.lead, 0)))
        found, _ = made.encode(frames)
        tokens = frames[:, : 2 * made.spacing + 1 : made.spacing, : SMALL.width]
        summary = frames[:, : 2 * made.spacing + 1 : made.spacing, SMALL.width :].mean(1)
        first = made.sentence_tokens - 3
        start_s = (torch.arange(3) + first) * made.spacing * 0.02
        related, _ = made.encoder.relate(tokens, start_s[None], torch.ones(1, 3, dtype=torch.bool), summary)
        ours = made._relate(frames, made._fresh(frames))[:, 2 * made.spacing]
    assert found.isfinite().all()
    torch.testing.assert_close(ours, related[:, -1], atol=ATOL, rtol=0)


def test_a_frame_is_the_encoders_word_for_it() -> None:
    """Frame n is the last vector that the encoder itself gives for the sentence of back-to-back tokens ending there."""
    made = small("discrete_gestures").eval()
    w, spacing = made.sentence_tokens, made.spacing
    rows = made.tokens.rows + (w - 1) * spacing * 40
    x = emg(rows)
    one = SlidingTokens(AEMGConfig(network=SMALL), made.window_ms, spacing * 40).eval()
    with torch.no_grad():
        batch = one(x)
        assert batch.waves.shape[1] == w
        expected = made.encoder(batch)[0][:, -1]
        frames = made.front_end(x)
        found = made._relate(frames, made._fresh(frames))[:, -1]
    torch.testing.assert_close(found, expected, atol=ATOL, rtol=0)


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0, 2000.0])
def test_tokens_are_causal_standardised_and_complete(rate_hz: float) -> None:
    config = AEMGConfig(space=SpaceConfig(rate_hz=rate_hz), network=SMALL)
    tokens = SlidingTokens(config, 150.0, 40).eval()
    x = emg(tokens.rows + 10 * 40 + 39)
    batch = tokens(x)
    length = round(0.15 * rate_hz)
    assert batch.waves.shape == (1, 11, 16, config.token_samples) and (batch.lengths == length).all()
    assert not batch.waves[..., length:].any()
    waves = batch.waves[..., :length]
    torch.testing.assert_close(waves.mean(-1), torch.zeros(1, 11, 16), atol=1e-5, rtol=0)
    torch.testing.assert_close(waves.square().mean(-1), torch.ones(1, 11, 16), atol=1e-2, rtol=0)
    cut = x[..., : tokens.rows + 4 * 40]
    for name in ("waves", "sigma", "features", "source"):  # the first five tokens end with the cut's last row
        torch.testing.assert_close(getattr(tokens(cut), name), getattr(batch, name)[:, :5], atol=1e-5, rtol=0)


def test_features_are_those_of_the_sessions_with_rest_at_the_noise_level() -> None:
    tokens = SlidingTokens(AEMGConfig(network=SMALL), 200.0, 40).eval()
    x = emg(tokens.rows + 5 * 40)
    windows = cut_windows(x[0, :, tokens.rows - tokens.window :].numpy(), 400, 40)
    expected = torch.from_numpy(time_domain(windows, np.ones(16)))[None]
    batch = tokens(x)
    torch.testing.assert_close(batch.sigma, expected[..., 0], atol=1e-5, rtol=0)
    untrained = tokens.scale(expected.flatten(-2)).unflatten(-1, (16, 4))
    torch.testing.assert_close(batch.features, untrained, atol=1e-5, rtol=0)


def test_source_points_at_the_loudest_slot() -> None:
    sigma = torch.full((1, 16, 16), -1.0)
    sigma[0].fill_diagonal_(4.0)
    cosine, sine, strength = source(sigma)[0].unbind(-1)
    angle = torch.deg2rad(torch.tensor([e.angle_deg for e in UNIFIED.electrodes]))
    torch.testing.assert_close(torch.stack([cosine, sine]) / strength, torch.stack([angle.cos(), angle.sin()]), atol=0.01, rtol=0)
    assert (strength > 0.9).all()


@pytest.mark.parametrize("rate_hz", [200.0, 400.0, 1000.0])
def test_the_antialias_filter_passes_what_the_rate_can_carry_alone(rate_hz: float) -> None:
    taps = antialias(rate_hz)[::-1]
    gain = np.abs(np.fft.rfft(taps, 1 << 14))
    hz = np.linspace(0, RATE_HZ / 2, len(gain))
    np.testing.assert_allclose(gain[hz < 0.25 * rate_hz], 1.0, atol=0.02)
    assert gain[hz > 0.5 * rate_hz].max() < 0.011
    delay_s = (np.arange(len(taps)) * taps**2).sum() / (taps**2).sum() / RATE_HZ
    assert delay_s < 0.003 + 3.0 / rate_hz


@settings(derandomize=True, max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 99))
def test_the_running_scale_is_that_of_all_it_has_seen(sizes: list[int], seed: int) -> None:
    torch.manual_seed(seed)
    scale, seen = RunningScale(3), [torch.randn(1, n, 3) * 2 + torch.tensor([0.0, 1.0, -3.0]) for n in sizes]
    for part in seen:
        scale(part)
    whole = torch.cat(seen, 1)[0]
    scale.eval()
    expected = (whole - whole.mean(0)) / (whole.std(0, correction=0) + 1e-3)
    torch.testing.assert_close(scale(whole), expected, atol=1e-2, rtol=1e-2)


def test_before_training_the_running_scale_is_none() -> None:
    x = torch.randn(2, 5, 3)
    torch.testing.assert_close(RunningScale(3).eval()(x), x, atol=1e-2, rtol=1e-2)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(7)
    folder = tmp_path_factory.mktemp("pretrained")
    AEMG(AEMGConfig(network=SMALL)).save_pretrained(folder)
    return folder


def test_pretrained_weights_are_used_and_copied(pretrained: Path) -> None:
    model = AEMG.from_pretrained(pretrained)
    for given_model in (pretrained, str(pretrained), model):
        made = aemg_decoder("wrist", given_model)
        assert made.model["network"]["width"] == SMALL.width
        for ours, theirs in zip(made.encoder.parameters(), model.encoder.parameters(), strict=True):
            assert torch.equal(ours, theirs) and ours.data_ptr() != theirs.data_ptr()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("freeze", [False, True])
def test_gradient_reaches_the_encoder_unless_frozen(task: str, freeze: bool) -> None:
    made = small(task, freeze=freeze).train()
    assert made.encoder.training is not freeze
    before = {name: p.detach().clone() for name, p in made.named_parameters()}
    optimiser = torch.optim.AdamW([p for p in made.parameters() if p.requires_grad], lr=1e-2)
    made(emg(made.left_context + 1500, 2)).square().mean().backward()
    assert all((p.grad is not None) is p.requires_grad for p in made.parameters())  # as training on several processes needs
    optimiser.step()
    moved = {name for name, p in made.named_parameters() if name.startswith("encoder") and not torch.equal(p, before[name])}
    unused = {"encoder.mask_token"}
    expected = set() if freeze else {name for name in before if name.startswith("encoder")} - unused
    assert moved == expected
    assert not torch.equal(made.projection.weight, before["projection.weight"])


@pytest.mark.parametrize("task", TASKS)
def test_saved_and_read_back(task: str, tmp_path: Path) -> None:
    made = small(task, sentence_tokens=3, window_ms=120.0, freeze=True)
    x = emg(made.left_context + 1000)
    made(x)  # the running scale is part of what is saved
    made.eval().save_pretrained(tmp_path)
    read = AEMGDecoder.from_pretrained(tmp_path)
    assert read.get_config() == made.get_config() and not read.training
    torch.testing.assert_close(decode(read, x), decode(made, x), atol=0, rtol=0)
    wider = AEMGDecoder.from_pretrained(tmp_path, n_outputs=5)
    assert decode(wider, x).shape[-1] == 5
    with torch.no_grad():
        assert torch.equal(wider(x, return_features=True)["features"], read(x, return_features=True)["features"])


@pytest.mark.parametrize(
    "change",
    [
        {"task": "typing"},
        {"size": "huge"},
        {"window_ms": 300.0},
        {"window_ms": 20.0},
        {"sentence_tokens": 0},
        {"lstm_layers": 0},
        {"dropout": 1.0},
        {"outputs": 0},
        {"colour": "red"},
        {"encoder": replace(AEMGConfig(network=SMALL), space=SpaceConfig(rate_hz=300.0))},
        {"encoder": replace(AEMGConfig(network=SMALL), space=SpaceConfig(highpass_hz=60.0))},
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object]) -> None:
    values = {"task": "wrist", **change}
    if isinstance(config := values.get("encoder"), AEMGConfig):
        values["encoder"] = AEMG(config)
    with pytest.raises(ConfigError):
        aemg_decoder(**values)  # type: ignore[arg-type]


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"no config\.json"):
        aemg_decoder("wrist", tmp_path)


def test_bad_signals_are_refused(decoder: AEMGDecoder) -> None:
    rows = decoder.left_context + 100
    with pytest.raises(AEMGError, match="16"):
        decoder(torch.zeros(1, 8, rows))
    with pytest.raises(AEMGError, match=str(decoder.left_context + 1)):
        decoder(torch.zeros(1, 16, decoder.left_context))
    broken = emg(rows)
    broken[0, 3, 50] = float("nan")
    with pytest.raises(AEMGError):
        decoder(broken)


def test_silence_and_huge_values_stay_finite(decoder: AEMGDecoder) -> None:
    x = emg(decoder.left_context + 1000, 2)
    x[0], x[1] = 0.0, x[1] * 1e4
    assert decode(decoder, x).isfinite().all()


def bursts(items: int, rows: int, seed: int) -> tuple[Tensor, Tensor]:
    """Noise with a burst of 60 ms in slot 3 or slot 11 now and then: (B, 16, T), and the 0/1 envelopes (B, 2, T)."""
    rng = np.random.default_rng(seed)
    on = np.zeros((items, 2, rows), np.float32)
    for item in range(items):
        for first in range(600, rows - 400, 800):
            on[item, rng.integers(2), first + rng.integers(300) :][:120] = 1.0
    x = rng.standard_normal((items, 16, rows)).astype(np.float32)
    x[:, [3, 11]] *= 1.0 + 9.0 * on
    return torch.from_numpy(x), torch.from_numpy(on)


def fit(made: AEMGDecoder, x: Tensor, loss_of: Callable[[Tensor], Tensor], steps: int) -> float:
    """Loss after some steps of training."""
    optimiser = torch.optim.Adam(made.parameters(), lr=5e-3)
    for _ in range(steps):
        loss = loss_of(made(x))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimiser.step()
    return loss.item()


def learner(task: str) -> AEMGDecoder:
    return small(task, dropout=0.0, window_ms=100.0, sentence_tokens=2)


def test_gestures_can_be_learnt() -> None:
    """Which slot had a burst, from 80 to 180 ms after its begin; `constant` is what shares of time alone would give."""
    made = learner("discrete_gestures")
    x, on = bursts(2, 3000, 0)
    late = functional.max_pool1d(functional.pad(on, (239, 0)), 80, 1)[..., :3000]
    target = torch.zeros(2, 9, made.compute_output_lengths(3000))
    target[:, [0, 4]] = late[:, :, 20::10]
    share = target.mean((0, 2), keepdim=True).expand_as(target)
    constant = functional.binary_cross_entropy(share, target).item()
    last = fit(made, x, lambda y: functional.binary_cross_entropy_with_logits(y, target), 120)
    assert last < 0.3 * constant


def test_wrist_can_be_learnt() -> None:
    """Turns of 0.02 radians a step, to or fro after the slot of the last burst; always 0 would be no better than `silent`."""
    made = learner("wrist")
    x, on = bursts(2, 3000, 1)
    rows = torch.arange(1, 3001)
    last_burst = (on * rows).cummax(dim=-1).values  # (B, 2, T), row of each slot's last burst
    target = 0.02 * (last_burst[:, :1] - last_burst[:, 1:]).sign()[..., 253::40]
    silent = target.abs().mean().item()
    last = fit(made, x, lambda y: (y - target).abs().mean(), 80)
    assert last < 0.5 * silent


def test_handwriting_can_be_learnt() -> None:
    """CTC over outputs whose lengths are the published network's."""
    made = learner("handwriting")
    x, _ = bursts(2, 19_854 + 12 * 320, 2)
    lengths = made.compute_output_lengths(torch.tensor([x.shape[2], x.shape[2] - 640]))
    labels = torch.tensor([[7, 8, 9], [8, 7, 0]])

    def loss(y: Tensor) -> Tensor:
        return functional.ctc_loss(y.transpose(0, 1), labels, lengths, torch.tensor([3, 2]), blank=99)

    fit(made, x, loss, 50)
    output = decode(made.eval(), x)
    assert [greedy_ctc(y[:n]) for y, n in zip(output, lengths.tolist())] == [[7, 8, 9], [8, 7]]


def test_memory_does_not_grow_with_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    """The most frames in hand at once are those of a piece, however long the recording."""
    monkeypatch.setattr(decoder_module, "_AT_ONCE_S", 1.0)
    made, sizes = small("discrete_gestures").eval(), []
    relate = made._relate
    monkeypatch.setattr(made, "_relate", lambda frames, state: sizes.append(frames.shape[1]) or relate(frames, state))
    decode(made, emg(20_000))
    assert len(sizes) == 10 and max(sizes) == 50
