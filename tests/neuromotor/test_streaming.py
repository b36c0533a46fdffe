"""Chunks of any length give what the whole gives."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aemg.errors import AEMGError, ConfigError
from aemg.neuromotor import streaming
from aemg.neuromotor.ctc import greedy_ctc
from aemg.neuromotor.decoder import Decoder
from aemg.neuromotor.events import GESTURES, decode_events, pair_releases
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.text import labels_to_text
from aemg.neuromotor.wrist import Wrist

laws = settings(derandomize=True, deadline=None, max_examples=8)
cuts = st.lists(st.integers(0, 900), min_size=1, max_size=6)
TIME_AXIS = {"gestures": 1, "wrist": 1, "handwriting": 0, "wide": 0, "gaps": 1}


@cache
def decoder(kind: str) -> Decoder:
    """Small networks with lively weights; `wide` has no compiled blocks, `gaps` has samples that no frame needs."""
    torch.manual_seed(3)
    blocks = {"layers": 4, "kernel": (5, 0, 3, 4), "windows": (4, 5, 0, 3), "strides": (2, 1, 1, 2), "hidden_dims": (12,)}
    made: Decoder = {
        "gestures": lambda: DiscreteGestures(conv_channels=16, lstm_hidden=12, lstm_layers=2),
        "gaps": lambda: DiscreteGestures(conv_channels=8, kernel=3, stride=10, lstm_hidden=8, lstm_layers=1),
        "wrist": lambda: Wrist(hidden=12, lstm_hidden=10),
        "handwriting": lambda: Handwriting(width=12, ffn=16, heads=3, **blocks),  # type: ignore[arg-type]
        "wide": lambda: Handwriting(width=144, ffn=16, heads=3, **blocks),  # type: ignore[arg-type]
    }[kind]()
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(torch.randn_like(p) * (0.5 if p.ndim == 1 else 2.0 * p[0].numel() ** -0.5))
        head = made.get_submodule(made.HEAD)
        features = made.eval()(signal(6000)[None], return_features=True)["features"]
        head.bias.copy_(-(features @ head.weight.T).mean((0, 1)))  # no class wins always
    return made


def signal(samples: int, seed: int = 0) -> Tensor:
    """(16, samples), noise of changing strength."""
    rng = np.random.default_rng(seed)
    strength = 1 + 4 * np.repeat(rng.random(samples // 200 + 1), 200)[:samples]
    return torch.from_numpy((rng.standard_normal((16, samples)) * strength).astype(np.float32))


def pieces(x: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """`x` in chunks of these lengths, over and over."""
    chunks, at, k = [], 0, 0
    lengths = [*lengths, 130]
    while at < x.shape[1]:
        chunks.append(x[:, at : at + lengths[k % len(lengths)]])
        at, k = at + chunks[-1].shape[1], k + 1
    return chunks


def whole(kind: str, x: Tensor) -> Tensor:
    with torch.no_grad():
        return decoder(kind)(x[None])[0]


@pytest.mark.parametrize("kind", list(TIME_AXIS))
@laws
@given(lengths=cuts)
def test_any_cut_gives_the_whole(kind: str, lengths: list[int]) -> None:
    x, axis = signal(3000), TIME_AXIS[kind]
    stream = decoder(kind).stream(start_s=5.0)
    results = [stream.push(chunk) for chunk in pieces(x, lengths)]
    found, expected = torch.cat([r.output for r in results], axis), whole(kind, x)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    rows = np.concatenate([r.rows for r in results])
    network = decoder(kind)
    assert rows.tolist() == [network.left_context + network.output_stride * k for k in range(expected.shape[axis])]
    np.testing.assert_allclose(np.concatenate([r.times_s for r in results]), 5.0 + rows / 2000.0, rtol=0, atol=1e-9)


def test_arrays_of_any_kind_are_taken() -> None:
    x = signal(500)
    turned = x.double().numpy().T.copy().T[:, ::-1][:, ::-1]
    turned.flags.writeable = False
    found = decoder("gestures").stream().push(turned)
    torch.testing.assert_close(found.output, whole("gestures", x), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["gestures", "wrist"])
def test_sample_by_sample(kind: str) -> None:
    x = signal(400)
    stream = decoder(kind).stream()
    found = torch.cat([stream.push(x[:, k : k + 1]).output for k in range(400)], 1)
    torch.testing.assert_close(found, whole(kind, x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", ["gestures", "wrist", "handwriting"])
def test_outputs_come_with_their_last_sample(kind: str) -> None:
    network, x = decoder(kind), signal(3000)
    stream = network.stream()
    assert stream.push(x[:, : network.left_context]).rows.tolist() == []
    assert stream.push(x[:, network.left_context : network.left_context + 1]).rows.tolist() == [network.left_context]


@pytest.mark.parametrize("kind", ["gestures", "wrist", "handwriting"])
def test_reset_begins_anew(kind: str) -> None:
    x = signal(2500)
    stream = decoder(kind).stream()
    first = stream.push(x)
    stream.push(signal(777, seed=1))
    stream.reset()
    again = stream.push(x)
    assert torch.equal(first.output, again.output) and first.rows.tolist() == again.rows.tolist()
    for name in ("events", "characters"):
        assert getattr(first, name, None) == getattr(again, name, None)
    if kind == "wrist":
        assert torch.equal(first.angle_deg, again.angle_deg)


@pytest.mark.parametrize("kind", ["gestures", "wrist", "handwriting"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.zeros(15, 40), r"\(16, samples\), found .*\(15, 40\)"),
        (torch.zeros(16), r"found .*\(16,\)"),
        (torch.zeros(16, 40, dtype=torch.complex64), "real numbers"),
        (torch.full((16, 40), torch.nan), "channel 0, sample 0 is nan"),
        (np.full((16, 40), np.inf), "is inf"),
    ],
)
def test_a_refused_chunk_leaves_no_trace(kind: str, bad: Any, message: str) -> None:
    x = signal(2600)
    stream, undisturbed = decoder(kind).stream(), decoder(kind).stream()
    for chunk in pieces(x[:, :1700], [333]):
        stream.push(chunk)
        undisturbed.push(chunk)
    with pytest.raises(AEMGError, match=message):
        stream.push(bad)
    assert torch.equal(stream.push(x[:, 1700:]).output, undisturbed.push(x[:, 1700:]).output)


def test_the_state_is_bounded_and_the_decoder_untouched() -> None:
    network = DiscreteGestures(conv_channels=8, lstm_hidden=8, lstm_layers=1).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    stream = network.stream()
    for _ in range(50):
        stream.push(signal(397))
        assert stream._state.tail.shape[1] <= network.left_context + network.output_stride
    assert network.training and all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(p.requires_grad for p in network.parameters())


@laws
@given(lengths=cuts, threshold=st.sampled_from([0.35, 0.5]), debounce_s=st.sampled_from([0.05, 0.2, None]))
def test_events_are_those_of_the_whole(lengths: list[int], threshold: float, debounce_s: float | None) -> None:
    x = signal(3000, seed=len(lengths))
    stream = decoder("gestures").stream(start_s=2.5, threshold=threshold, debounce_s=debounce_s)
    results = [stream.push(chunk) for chunk in pieces(x, lengths)]
    found = [event for r in results for event in r.events]
    probabilities = torch.cat([r.probabilities for r in results], 1)
    times_s = np.concatenate([r.times_s for r in results])
    assert found == decode_events(probabilities, times_s, threshold, debounce_s)
    assert len(found) > 1
    paired = decoder("gestures").stream(start_s=2.5, threshold=threshold, debounce_s=debounce_s, pair_releases=True)
    assert [event for chunk in pieces(x, lengths) for event in paired.push(chunk).events] == pair_releases(found)


def test_classes_that_begin_together_keep_their_order() -> None:
    stream = decoder("gestures").stream(debounce_s=None, threshold=0.0)
    events = stream.push(signal(21)).events
    assert [name for name, _ in events] == list(GESTURES)


@laws
@given(lengths=cuts)
def test_text_is_that_of_the_whole(lengths: list[int]) -> None:
    x = signal(6000)
    stream = decoder("handwriting").stream()
    results = [stream.push(chunk) for chunk in pieces(x, lengths)]
    expected = labels_to_text(greedy_ctc(whole("handwriting", x)))
    assert "".join(r.text for r in results) == expected
    assert len(expected) > 3
    steps = {row / 2000.0 for r in results for row in r.rows}
    assert all(time_s in steps for r in results for _, time_s in r.characters)


@pytest.mark.parametrize("seen", [300, 1400, 5000])
def test_a_restart_is_a_prompt_with_its_padding(seen: int) -> None:
    """Zeros stand for what lies before the first sample."""
    padding, x = 1000, signal(8000)
    stream = decoder("handwriting").stream(padding=padding, start_s=1.0)
    for chunk in pieces(x[:, :seen], [40, 700]):
        stream.push(chunk)
    results = [stream.restart(), *(stream.push(chunk) for chunk in pieces(x[:, seen:], [40, 700]))]
    prompt = torch.cat([torch.zeros(16, padding), x], 1)[:, seen:]  # the padding before row `seen`, then the rest
    expected = whole("handwriting", prompt)
    clear = 0 if seen >= padding else 40  # frames that straddle the zeros are ill-posed
    found = torch.cat([r.output for r in results])
    assert found.shape == expected.shape
    torch.testing.assert_close(found[clear:], expected[clear:], atol=1e-4, rtol=1e-4)
    network = decoder("handwriting")
    assert results[1].rows.size == 0 or results[1].rows[0] >= seen
    first = np.concatenate([r.rows for r in results])[0]
    assert first == seen - padding + network.left_context


def test_velocity_and_angle_add_up() -> None:
    x = signal(4000)
    steps_rad = whole("wrist", x)[0].double()
    stream = decoder("wrist").stream()
    results = [stream.push(chunk) for chunk in pieces(x, [90, 0, 500])]
    velocity = torch.cat([r.velocity_deg_s for r in results], 1)[0]
    angle = torch.cat([r.angle_deg for r in results], 1)[0]
    torch.testing.assert_close(velocity, steps_rad * 180 / torch.pi * 50, atol=1e-2, rtol=1e-4)
    assert angle[0] == 0
    torch.testing.assert_close(angle[1:], steps_rad[1:].cumsum(0) * 180 / torch.pi, atol=1e-2, rtol=1e-4)


def test_long_chunks_go_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_AT_ONCE_S", 0.1)
    x = signal(3000)
    torch.testing.assert_close(decoder("wrist").stream().push(x).output, whole("wrist", x), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("gestures", {"threshold": float("nan")}),
        ("gestures", {"names": ("one", "two")}),
        ("wrist", {"start_s": float("inf")}),
        ("handwriting", {"padding": -1}),
        ("handwriting", {"characters": "abc"}),
    ],
)
def test_options_that_cannot_be_are_refused(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        decoder(kind).stream(**options)


@pytest.mark.parametrize("kind", ["gestures", "handwriting"])
def test_without_numba_the_outputs_are_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = signal(3000)
    expected = decoder(kind).stream().push(x).output
    monkeypatch.setattr(streaming, "PackedConformer", None)
    monkeypatch.setattr("aemg.neuromotor.lstm.run_steps", None)
    stream = decoder(kind).stream()
    found = torch.cat([stream.push(chunk).output for chunk in pieces(x, [250])], TIME_AXIS[kind])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_released_sizes() -> None:
    torch.manual_seed(0)
    x = signal(21_500)
    for network in (DiscreteGestures(), Wrist(), Handwriting()):
        network.eval()
        samples = 21_500 if isinstance(network, Handwriting) else 3000
        stream = network.stream()
        results = [stream.push(chunk).output for chunk in pieces(x[:, :samples], [40, 700])]
        with torch.no_grad():
            expected = network(x[None, :, :samples])[0]
        found = torch.cat(results, 0 if isinstance(network, Handwriting) else 1)
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
