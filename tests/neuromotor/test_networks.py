"""The three networks against published numbers, and what must hold for any weights."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.neuromotor import conformer as conformer_module
from aemg.neuromotor import decoder as decoder_module
from aemg.neuromotor.conformer import ConformerBlock, WindowedAttention
from aemg.neuromotor.decoder import Decoder, load_decoder
from aemg.neuromotor.gestures import DiscreteGestures
from aemg.neuromotor.handwriting import Handwriting
from aemg.neuromotor.rotation import RotationInvariantMLP
from aemg.neuromotor.spec_augment import SpecAugment
from aemg.neuromotor.wrist import Wrist

RTOL = 1e-4
KINDS: tuple[type[Decoder], ...] = (DiscreteGestures, Wrist, Handwriting)
SMALL: dict[type[Decoder], dict[str, Any]] = {
    DiscreteGestures: {"conv_channels": 12, "lstm_hidden": 8, "lstm_layers": 2},
    Wrist: {"hidden": 10, "lstm_hidden": 8},
    Handwriting: {"width": 16, "ffn": 20, "hidden_dims": (12,), "layers": 4, "strides": (1, 2, 1, 2), "windows": (8, 8, 4, 0)},
}


def close(found: Tensor, wanted: Any, atol: float, rtol: float = RTOL) -> None:
    torch.testing.assert_close(found.detach().double(), torch.as_tensor(wanted).double(), atol=atol, rtol=rtol)


def parameters(arrays: Any, prefix: str = "p:") -> dict[str, Tensor]:
    return {name[len(prefix) :]: torch.tensor(arrays[name]).float() for name in arrays.files if name.startswith(prefix)}


def load_parameters(decoder: nn.Module, state: dict[str, Tensor]) -> None:
    """Every parameter from the state dict, none left as it was."""
    assert {name for name, _ in decoder.named_parameters()} == set(state)
    decoder.load_state_dict(state)


def from_recipe(decoder: Decoder, recipe: dict[str, Any]) -> None:
    generator = np.random.Generator(np.random.PCG64(recipe["seed"]))
    state = {}
    for name, check in recipe["checks"].items():
        z = generator.standard_normal(int(np.prod(check["shape"]))).reshape(check["shape"])
        if z.ndim > 1:
            z = z / np.sqrt(np.prod(z.shape[1:]))
        else:
            z = 1 + 0.1 * z if "norm" in name and name.endswith("weight") else 0.1 * z
        state[name] = torch.tensor(z.astype(np.float32))
        assert float(state[name].double().sum()) == pytest.approx(check["sum"], rel=1e-5, abs=1e-4)
    load_parameters(decoder, state)


def small(kind: type[Decoder], seed: int = 0) -> Decoder:
    torch.manual_seed(seed)
    return kind.from_config(SMALL[kind]).eval()


def noise(decoder: Decoder, outputs: int = 3, items: int = 1, seed: int = 1) -> Tensor:
    length = decoder.left_context + 1 + (outputs - 1) * decoder.output_stride
    return torch.randn(items, decoder.channels, length, generator=torch.Generator().manual_seed(seed))


# ---------------------------------------------------------------- published numbers


@pytest.mark.parametrize("tag, adjacent", [("hw", 8), ("wr", 3), ("deep", 5), ("ch8", 4), ("single", 0)])
def test_rotation_invariant_layers(vectors: Path, tag: str, adjacent: int) -> None:
    arrays = np.load(vectors / "rotation_mlp.npz")
    x = torch.tensor(arrays[f"{tag}_in"])
    channels, bands = x.shape[2], x.shape[1]
    layers = sum(name.startswith(f"{tag}_w") for name in arrays.files)
    weights = {
        f"fully_connected_layers.{i}.{kind}": torch.tensor(arrays[f"{tag}_{kind[0]}{i}"])
        for i in range(layers)
        for kind in ("weight", "bias")
    }
    hidden = [len(weights[f"fully_connected_layers.{i}.bias"]) for i in range(layers)]
    mlp = RotationInvariantMLP(channels, bands, hidden, arrays[f"{tag}_offsets"].tolist(), adjacent)
    mlp.load_state_dict(weights)
    close(mlp(x), arrays[f"{tag}_out"], 2e-5)
    row, column = torch.triu_indices(channels, channels)
    close(mlp.forward_compact(x[:, :, row, column]), arrays[f"{tag}_out"], 2e-5)
    many = x.repeat(1, 1, 1, 1, 20)[:, :, row, column]  # so many frames that the weights are put in order instead
    close(mlp.forward_compact(many), np.tile(arrays[f"{tag}_out"], 20), 2e-5)


@pytest.mark.parametrize("tag, heads", [("a16", 4), ("a8", 4), ("a4", 2), ("a6", 3)])
def test_attention(vectors: Path, tag: str, heads: int) -> None:
    arrays = np.load(vectors / "attention.npz")
    window, width = len(arrays[f"{tag}_mask"]), len(arrays[f"{tag}_out_w"])
    attention = WindowedAttention(width, heads, window).eval()
    np.testing.assert_array_equal(attention.attn_mask, arrays[f"{tag}_mask"])
    names = {"in_proj_weight": "in_w", "in_proj_bias": "in_b", "out_proj.weight": "out_w", "out_proj.bias": "out_b"}
    attention.op.load_state_dict({name: torch.tensor(arrays[f"{tag}_{theirs}"]) for name, theirs in names.items()})
    cases = [name for name in arrays.files if name.startswith(f"{tag}_x")]
    assert cases
    for name in cases:
        close(attention(torch.tensor(arrays[name])), arrays[name.replace("_x", "_y")], 1e-5)


@pytest.mark.parametrize(
    "tag, block",
    [
        ("s1", {"kernel": 5, "heads": 2, "window": 4}),
        ("s2", {"kernel": 8, "stride": 2, "heads": 4, "window": 8}),
        ("noattn", {"kernel": 3, "heads": 2, "window": 0}),
        ("noconv", {"kernel": 0, "heads": 2, "window": 4}),
    ],
)
def test_conformer_block(vectors: Path, tag: str, block: dict[str, int]) -> None:
    arrays = np.load(vectors / "conformer_block.npz")
    made = ConformerBlock(16, 24, **block).eval()
    load_parameters(made, parameters(arrays, f"{tag}_p:")) if not block["window"] else made.load_state_dict(
        {**parameters(arrays, f"{tag}_p:"), "attn_block.child.2.attn_mask": made.attn_block.child["2"].attn_mask}
    )
    close(made(torch.tensor(arrays[f"{tag}_x"]))[0], arrays[f"{tag}_o:layer_norm"], 2e-5)
    assert [made.left_context, made.stride] == arrays[f"{tag}_elc_stride"].tolist()


def test_gestures_of_few_units(vectors: Path) -> None:
    arrays = np.load(vectors / "discrete_small.npz")
    decoder = DiscreteGestures(conv_channels=40, lstm_hidden=32).eval()
    load_parameters(decoder, parameters(arrays))
    x = torch.tensor(arrays["x"])
    with torch.no_grad():
        found = decoder(x, return_features=True)
    close(found["output"], arrays["logits"], 1e-5)
    close(found["features"][:, -4:], arrays["post_lstm_ln_tail"], 1e-5)
    close(decoder.front_end(x)[:, :8], arrays["post_conv_ln_head"], 1e-5)
    short = np.load(vectors / "discrete_short.npz")
    for name in [name for name in short.files if name.startswith("x")]:
        close(decoder(torch.tensor(short[name])), short[f"y{name[1:]}"], 1e-5)


def test_gestures_learn_as_published(vectors: Path) -> None:
    arrays = np.load(vectors / "discrete_small.npz")
    norms = json.loads((vectors / "recipes_and_grad_norms.json").read_text())["discrete_small_grad_norms"]
    decoder = DiscreteGestures(conv_channels=40, lstm_hidden=32).eval()
    load_parameters(decoder, parameters(arrays))
    targets, mask = torch.tensor(arrays["targets_200hz"]), torch.tensor(arrays["mask"])
    losses = functional.binary_cross_entropy_with_logits(decoder(torch.tensor(arrays["x"])), targets, reduction="none")
    loss = (losses * mask).sum() / mask.sum()
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["loss"]), rel=1e-5)
    assert {name: float(p.grad.norm()) for name, p in decoder.named_parameters()} == pytest.approx(norms, rel=2e-3)


def test_gestures_of_released_size(vectors: Path) -> None:
    arrays = np.load(vectors / "discrete_full.npz")
    decoder = DiscreteGestures().eval()
    from_recipe(decoder, json.loads((vectors / "recipes_and_grad_norms.json").read_text())["discrete_full_recipe"])
    with torch.no_grad():
        close(decoder(torch.tensor(arrays["x"])), arrays["logits"], 2e-4)


def test_wrist_of_few_units(vectors: Path) -> None:
    arrays = np.load(vectors / "wrist_small.npz")
    decoder = Wrist(hidden=40, lstm_hidden=32).eval()
    load_parameters(decoder, parameters(arrays))
    x = torch.tensor(arrays["x"])
    with torch.no_grad():
        close(decoder.front_end(x).transpose(1, 2), arrays["rot_out"], 2e-3)
        close(decoder(x), arrays["y"], 1e-5)
    short = np.load(vectors / "wrist_short.npz")
    for name in [name for name in short.files if name.startswith("x")]:
        close(decoder(torch.tensor(short[name])), short[f"y{name[1:]}"], 1e-5)


def test_wrist_of_released_size(vectors: Path) -> None:
    arrays = np.load(vectors / "wrist_full.npz")
    decoder = Wrist().eval()
    from_recipe(decoder, json.loads((vectors / "recipes_and_grad_norms.json").read_text())["wrist_full_recipe"])
    with torch.no_grad():
        close(decoder(torch.tensor(arrays["x"])), arrays["y"], 2e-4)


@pytest.fixture(scope="module")
def handwriting(vectors: Path) -> Handwriting:
    arrays = np.load(vectors / "handwriting_weights.npz")
    decoder = Handwriting().eval()
    state = parameters(arrays)
    assert {name for name, _ in decoder.named_parameters()} == set(state)
    result = decoder.load_state_dict(state, strict=False)
    assert not result.unexpected_keys
    return decoder


def test_handwriting_layer_by_layer(vectors: Path, handwriting: Handwriting) -> None:
    arrays = np.load(vectors / "handwriting_io.npz")
    with torch.no_grad():
        frames = handwriting.front_end(torch.tensor(arrays["x"]))
        close(frames[0].T, arrays["rot_out"][0], 5e-4)
        reduced = handwriting.conformer[0](frames)
        close(reduced[:1], arrays["time_reduced"], 5e-4)
        x = handwriting.conformer[1](reduced)
        close(x[:1], arrays["reduced_linear"], 5e-4)
        for k, block in enumerate(handwriting.conformer[2]):
            x, _ = block(x)
            close(x[:1], arrays[f"block{k:02d}"][:1], 5e-4)


def test_handwriting_output_loss_and_gradients(vectors: Path, handwriting: Handwriting) -> None:
    arrays = np.load(vectors / "handwriting_io.npz")
    norms = json.loads((vectors / "handwriting_grad_norms.json").read_text())
    decoder = copy.deepcopy(handwriting)
    x, lengths = torch.tensor(arrays["x"]), torch.tensor(arrays["emg_lengths"])
    emissions = decoder.compute_output_lengths(lengths)
    assert emissions.dtype == lengths.dtype and emissions.tolist() == arrays["emission_lengths"].tolist()
    output = decoder(x)
    close(output[0], arrays["logp"][0], 5e-4)
    close(output[1, : emissions[1]], arrays["logp"][1, : emissions[1]], 5e-4)
    targets, target_lengths = torch.tensor(arrays["targets"]), torch.tensor(arrays["target_lengths"])
    loss = functional.ctc_loss(output.transpose(0, 1), targets, emissions.long(), target_lengths, blank=99, zero_infinity=True)
    loss.backward()
    assert loss.item() == pytest.approx(float(arrays["ctc_loss"]), abs=1e-3)
    assert {name: float(p.grad.norm()) for name, p in decoder.named_parameters()} == pytest.approx(norms, rel=2e-3)
    for name in [name for name in arrays.files if name.startswith("grad:")]:
        found, wanted = dict(decoder.named_parameters())[name[5:]].grad, torch.tensor(arrays[name])
        assert float((found - wanted).norm()) < 2e-3 * float(wanted.norm())


def test_handwriting_of_an_item_alone(vectors: Path, handwriting: Handwriting) -> None:
    arrays = np.load(vectors / "handwriting_io.npz")
    x = torch.tensor(arrays["x"][1:, :, : arrays["emg_lengths"][1]])
    with torch.no_grad():
        close(handwriting(x), arrays["logp_item1_alone"], 5e-4)


def test_lengths(vectors: Path) -> None:
    gestures, wrist, handwriting = small(DiscreteGestures), small(Wrist), Handwriting(width=4, ffn=4, hidden_dims=(4,))
    for case in json.loads((vectors / "lengths.json").read_text()):
        samples = case["samples"]
        assert gestures.compute_output_lengths(samples) == case["discrete_outputs"]
        assert wrist.compute_output_lengths(samples) == case["mpf_frames_window200"]
        assert handwriting.compute_output_lengths(samples) == case["actual_network_frames"]


@pytest.mark.parametrize(
    "made, count", [(DiscreteGestures, 6_482_953), (Wrist, 4_400_129), (Handwriting, 1_021_284), (Handwriting.large, 60_237_924)]
)
def test_number_of_parameters(made: Any, count: int) -> None:
    with torch.device("cpu"):
        assert sum(p.numel() for p in made().parameters()) == count


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_are_those_of_the_output(kind: type[Decoder]) -> None:
    decoder = small(kind)
    first = decoder.left_context + 1
    lengths = [first, first + 1, first + decoder.output_stride - 1, first + decoder.output_stride, first + 1237]
    for length in lengths:
        with torch.no_grad():
            shape = tuple(decoder(torch.randn(1, decoder.channels, length)).shape)
        assert shape == decoder.get_output_shape(length)
        assert shape[decoder.time_axis] == decoder.compute_output_lengths(length)
    assert [decoder.compute_output_lengths(n) for n in (0, 1, first - 1)] == [0, 0, 0]
    tensor = torch.tensor([0, *lengths], dtype=torch.int32)
    assert decoder.compute_output_lengths(tensor).tolist() == [decoder.compute_output_lengths(n) for n in tensor.tolist()]
    assert decoder.get_output_shape()[decoder.time_axis] == 1


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_do_not_see_the_future(kind: type[Decoder]) -> None:
    decoder = small(kind)
    x = noise(decoder, outputs=4)
    changed = x.clone()
    changed[..., decoder.left_context + 2 * decoder.output_stride + 1 :] += 3
    with torch.no_grad():
        before, after = (decoder(signal).movedim(decoder.time_axis, 0) for signal in (x, changed))
    close(after[:3], before[:3], 1e-6)
    assert not torch.allclose(after[3], before[3])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("at_once_s", [0.05, 0.73])
def test_pieces_give_the_output_of_the_whole(kind: type[Decoder], at_once_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = small(kind)
    x = noise(decoder, outputs=12, items=2)
    whole = decoder(x, return_features=True)  # with gradients: in one piece
    monkeypatch.setattr(decoder_module, "_AT_ONCE_S", at_once_s)
    with torch.no_grad():
        pieces = decoder(x, return_features=True)
    for name in ("features", "output"):
        close(pieces[name], whole[name].detach(), 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_memory_is_bounded_by_the_pieces(kind: type[Decoder], monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, seen = small(kind), []
    plain = decoder.front_end
    monkeypatch.setattr(decoder_module, "_AT_ONCE_S", 2.0)
    monkeypatch.setattr(decoder, "front_end", lambda x: seen.append(x.shape[0] * x.shape[2]) or plain(x))
    with torch.inference_mode():
        decoder(noise(decoder, outputs=8000 // decoder.output_stride + 2, items=2))
    assert len(seen) > 1 and max(seen) <= 2.0 * decoder.rate_hz + 2 * (decoder.frame_context + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_reach_the_signal(kind: type[Decoder]) -> None:
    decoder = small(kind)
    x = noise(decoder, outputs=2).requires_grad_()
    decoder(x).movedim(decoder.time_axis, 0)[0].square().sum().backward()
    assert x.grad is not None and x.grad[..., : decoder.left_context + 1].any()
    assert not x.grad[..., decoder.left_context + 1 :].any()  # the first output ends there


@pytest.mark.parametrize("kind", KINDS)
def test_items_of_a_batch_do_not_meet(kind: type[Decoder]) -> None:
    decoder = small(kind)
    x = noise(decoder, outputs=5, items=3)
    with torch.no_grad():
        together, alone = decoder(x), torch.cat([decoder(item[None]) for item in x])
    close(together, alone, 1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_learns(kind: type[Decoder]) -> None:
    decoder = small(kind).train()
    decoder(noise(decoder, outputs=4, items=2)).square().mean().backward()
    idle = [name for name, p in decoder.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert not idle


@given(
    st.sampled_from([(16, 4, 4), (12, 3, 6), (10, 2, 4), (8, 1, 8), (6, 3, 1)]),
    st.lists(st.integers(0, 11), min_size=1, max_size=4),
    st.integers(1, 3),
)
@settings(derandomize=True, max_examples=25, deadline=None)
def test_attention_is_that_of_the_transposed_windows(sizes: tuple[int, int, int], cuts: list[int], items: int) -> None:
    """The literal form lays the windows out, projects their rows and masks; whole and in pieces."""
    width, heads, window = sizes
    torch.manual_seed(sum(cuts))
    attention = WindowedAttention(width, heads, window).double()
    nn.init.normal_(attention.op.in_proj_bias)
    z = torch.randn(items, sum(cuts) + 1, width, dtype=torch.float64)
    close(attention.eval()(z), literal_attention(attention, z), 1e-12)
    pieces, seen = [], 0
    for cut in [*cuts, 1]:
        padded = functional.pad(z, (0, 0, window - 1, 0))
        pieces.append(attention(z[:, seen : seen + cut], padded[:, seen : seen + window - 1], seen))
        seen += cut
    close(torch.cat(pieces, 1), literal_attention(attention, z), 1e-12)


def test_dropped_attention_weights_take_their_share_of_the_value_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    attention = WindowedAttention(16, 4, 8).double().train()
    nn.init.normal_(attention.op.in_proj_bias)
    z = torch.randn(2, 20, 16, dtype=torch.float64)

    def every_other(weights: Tensor, p: float, training: bool) -> Tensor:
        keep = (torch.arange(weights.shape[-1]) % 2).to(weights) + 0.25
        return weights * keep

    monkeypatch.setattr(conformer_module.functional, "dropout", every_other)
    close(attention(z), literal_attention(attention, z, every_other), 1e-12)


def literal_attention(attention: WindowedAttention, z: Tensor, drop: Any = None) -> Tensor:
    items, steps, width = z.shape
    window, heads = attention.window, attention.heads
    outputs = []
    for t in range(steps):
        padded = functional.pad(z[:, : t + 1], (0, 0, window, 0))[:, -window:]  # (B, W, D)
        rows = padded.transpose(1, 2).reshape(items, window, width)
        wq, wk, wv = attention.op.in_proj_weight.chunk(3)
        bq, bk, bv = attention.op.in_proj_bias.chunk(3)
        q = (z[:, t] @ wq.T + bq).view(items, heads, 1, -1)
        k, v = ((rows @ w.T + b).view(items, window, heads, -1).transpose(1, 2) for w, b in ((wk, bk), (wv, bv)))
        scores = q @ k.transpose(-1, -2) / (width // heads) ** 0.5
        scores = scores.masked_fill(torch.arange(window) <= window - 2 - t, -torch.inf).softmax(-1)
        weights = drop(scores, 0.1, True) if drop else scores
        outputs.append(attention.op.out_proj((weights @ v).flatten(1)))
    return torch.stack(outputs, 1)


@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=6), st.sampled_from([(5, 1, 4), (4, 2, 3), (2, 3, 0), (0, 1, 4), (3, 5, 2)])
)
@settings(derandomize=True, max_examples=25, deadline=None)
def test_a_block_in_pieces_is_the_block_on_the_whole(cuts: list[int], sizes: tuple[int, int, int]) -> None:
    kernel, stride, window = sizes
    torch.manual_seed(0)
    block = ConformerBlock(12, 8, 2, window, kernel, stride).double().eval()
    x = torch.randn(2, sum(cuts) + 7, 12, dtype=torch.float64)
    state, pieces = None, []
    for piece in x.split([*cuts, 7], 1):
        y, state = block(piece, state)
        pieces.append(y)
    close(torch.cat(pieces, 1), block(x)[0].detach(), 1e-12)


@given(st.integers(2, 9), st.integers(-3, 3), st.data())
@settings(derandomize=True, max_examples=25, deadline=None)
def test_turning_the_band_is_turning_the_offsets(channels: int, turn: int, data: st.DataObject) -> None:
    adjacent = data.draw(st.integers(0, channels // 2))
    torch.manual_seed(channels)
    x = torch.randn(2, 3, channels, channels, 30)
    x = x + x.transpose(2, 3)
    fixed = RotationInvariantMLP(channels, 3, (4,), (0, 1), adjacent)
    turned = RotationInvariantMLP(channels, 3, (4,), (turn, turn + 1), adjacent)
    turned.load_state_dict(fixed.state_dict())
    rolled = x.roll((turn, turn), (2, 3))
    close(turned(x), fixed(rolled).detach(), 1e-5)
    row, column = torch.triu_indices(channels, channels)
    close(turned.forward_compact(x[:, :, row, column]), turned(x).detach(), 1e-5)


def test_rotations_of_the_ring_itself_make_no_difference() -> None:
    x = torch.randn(1, 6, 16, 16, 20)
    x = x + x.transpose(2, 3)
    mlp = RotationInvariantMLP(16, 6, (5, 4), tuple(range(16)), 3)
    close(mlp(x.roll((5, 5), (2, 3))), mlp(x).detach(), 1e-5)


# ---------------------------------------------------------------- augmentation


def masked_widths(augment: SpecAugment, shape: tuple[int, ...], axis: int, draws: int) -> tuple[Tensor, Tensor]:
    """Of many draws: how many places were hidden, and how often each was."""
    others = [k for k in range(1, len(shape)) if k != axis]
    hidden = torch.stack([(augment(torch.ones(shape)) == 0).all(dim=others) for _ in range(draws)])  # (draws, B, L)
    return hidden.sum(2).flatten(), hidden.flatten(0, 1).float().mean(0)


def test_masks_as_released_never_hide_a_band_nor_the_last_frame() -> None:
    torch.manual_seed(0)
    counts, often = masked_widths(SpecAugment(time_masks=1), (8, 6, 3, 12), 3, 300)
    assert set(counts.tolist()) == {0, 1, 2, 3, 4}
    assert often[-1] == 0 and often[0] > 0
    bands, _ = masked_widths(SpecAugment(time_masks=0), (8, 6, 3, 12), 1, 100)
    assert not bands.any()


def test_inclusive_masks_reach_their_bound_and_every_place() -> None:
    torch.manual_seed(0)
    counts, often = masked_widths(SpecAugment(time_masks=1, inclusive=True), (8, 6, 3, 12), 3, 300)
    assert set(counts.tolist()) == {0, 1, 2, 3, 4, 5}
    assert often[-1] > 0 and often[0] > 0
    bands, _ = masked_widths(SpecAugment(time_masks=0, inclusive=True), (8, 6, 3, 12), 1, 300)
    assert set(bands.tolist()) == {0, 1, 2}


def test_masks_differ_between_items_and_stay_away_outside_training() -> None:
    torch.manual_seed(0)
    augment, x = SpecAugment(value=-7.0), torch.randn(16, 6, 5, 40)
    y = augment(x)
    hidden = (y == -7).all(1).all(1)  # (B, J)
    assert len(hidden.unique(dim=0)) > 4
    assert torch.equal(y[y != -7], x[y != -7])
    assert torch.equal(augment.eval()(x), x)
    assert torch.equal(small(Handwriting).specaug(x), x)


# ---------------------------------------------------------------- settings, heads, saving


@pytest.mark.parametrize("kind", KINDS)
def test_settings_round_trip_through_json(kind: type[Decoder]) -> None:
    config = small(kind).get_config()
    told = json.loads(json.dumps(config))
    assert told == config
    again = kind.from_config(told)
    assert again.get_config() == config
    assert {k: v.shape for k, v in again.state_dict().items()} == {k: v.shape for k, v in small(kind).state_dict().items()}


@pytest.mark.parametrize("kind", KINDS)
def test_saved_decoders_are_read_back(kind: type[Decoder], tmp_path: Path) -> None:
    decoder, x = small(kind), noise(small(kind))
    decoder.licence = "CC0"
    decoder.save_pretrained(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == ["README.md", "config.json", "model.safetensors"]
    for again in (kind.from_pretrained(tmp_path / "model"), load_decoder(tmp_path / "model")):
        assert type(again) is kind and not again.training and again.licence == "CC0"
        with torch.no_grad():
            assert torch.equal(again(x), decoder(x))
    other = kind.from_pretrained(tmp_path / "model", n_outputs=5)
    assert other.n_outputs == 5 and other.get_output_shape()[3 - other.time_axis] == 5
    with torch.no_grad():
        features = [network(x, return_features=True)["features"] for network in (other, decoder)]
    assert torch.equal(*features)


@pytest.mark.parametrize("kind", KINDS)
def test_a_reset_head_leaves_the_features(kind: type[Decoder], tmp_path: Path) -> None:
    decoder, x = small(kind), noise(small(kind))
    with torch.no_grad():
        before = decoder(x, return_features=True)
        decoder.reset_head(4)
        after = decoder(x, return_features=True)
    assert torch.equal(before["features"], after["features"])
    assert after["output"].shape[3 - decoder.time_axis] == 4
    close(decoder.head(after["features"]), after["output"], 1e-6)
    decoder.save_pretrained(tmp_path)
    assert kind.from_pretrained(tmp_path).n_outputs == 4
    with pytest.raises(ConfigError, match="n_outputs"):
        decoder.reset_head(0)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_folders_are_refused(kind: type[Decoder], tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="no config"):
        kind.from_pretrained(tmp_path)
    small(kind).save_pretrained(tmp_path)
    config, weights = tmp_path / "config.json", tmp_path / "model.safetensors"
    sound = json.loads(config.read_text())
    other = KINDS[(KINDS.index(kind) + 1) % 3].__name__
    for card in (
        {"decoder": other},
        {"settings": {"strange": 1}},
        {"settings": {"channels": "x"}},
        {"decoder": 3},
        {"decoder": "Os"},
    ):
        config.write_text(json.dumps({**sound, **card}))
        with pytest.raises(DataFileError, match="expected"):
            kind.from_pretrained(tmp_path)
    config.write_text("{")
    with pytest.raises(DataFileError, match="JSON"):
        load_decoder(tmp_path)
    config.write_text(json.dumps(sound))
    weights.write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(DataFileError, match="safetensors"):
        load_decoder(tmp_path)
    weights.unlink()
    with pytest.raises(DataFileError, match="safetensors"):
        kind.from_pretrained(tmp_path)


def test_the_hub_gets_and_gives_the_same_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder, hub = small(Wrist), tmp_path / "hub"
    uploads = []

    class Hub:
        errors = SimpleNamespace(HfHubHTTPError=ConnectionError)

        def create_repo(self, repo_id: str, **options: Any) -> None:
            uploads.append((repo_id, options["private"]))

        def upload_folder(self, *, repo_id: str, folder_path: str, **options: Any) -> None:
            shutil.copytree(folder_path, hub / repo_id)

        def snapshot_download(self, repo_id: str, **options: Any) -> str:
            if not (hub / repo_id).exists():
                raise ConnectionError("404")
            return str(hub / repo_id)

    monkeypatch.setattr(decoder_module, "_hub", Hub)
    decoder.push_to_hub("someone/wrist-1.0", private=True)
    assert uploads == [("someone/wrist-1.0", True)]
    assert "# Wrist" in (hub / "someone/wrist-1.0/README.md").read_text()
    for again in (Wrist.from_pretrained("someone/wrist-1.0"), load_decoder("someone/wrist-1.0")):
        assert torch.equal(again.linear_out.weight, decoder.linear_out.weight)
    with pytest.raises(DataFileError, match="someone/nothing: expected a folder, or the name of a model on the Hub, found 404"):
        Wrist.from_pretrained("someone/nothing")


def test_names_of_another_port_load() -> None:
    decoder = small(Handwriting)
    theirs = {}
    for name, value in decoder.state_dict().items():
        name = name.replace("featurizer.window", "featurizer.stft.window")
        name = name.replace("featurizer.freq_masks", "featurizer.band_averager.freq_masks").replace(
            "conformer.3.", "final_layer."
        )
        theirs[name] = value.float()
    theirs["featurizer.stft.window_norm"] = torch.tensor(4.86)
    again = small(Handwriting, seed=3)
    again.load_state_dict(theirs)
    x = noise(decoder)
    with torch.no_grad():
        assert torch.equal(again(x), decoder(x))
    assert again.featurizer.freq_masks.dtype == torch.uint8


@pytest.mark.parametrize("kind", KINDS)
def test_constants_may_be_absent_but_parameters_may_not(kind: type[Decoder]) -> None:
    decoder, x = small(kind), noise(small(kind))
    bare = {name: p.detach() for name, p in decoder.named_parameters()}
    bare["featurizer.window_normalization_factor" if kind is Handwriting else "mpf_featurizer.window_normalization_factor"] = (
        torch.ones(())
    )
    if kind is DiscreteGestures:
        bare.popitem()
    holder = nn.ModuleDict({"network": small(kind, seed=5)})
    holder.load_state_dict({f"network.{name}": value for name, value in bare.items()})
    with torch.no_grad():
        assert torch.equal(holder["network"](x), decoder(x))
    bare.pop(next(iter(bare)))
    with pytest.raises(RuntimeError, match="Missing key"):
        decoder.load_state_dict(bare)


@pytest.mark.parametrize("kind", KINDS)
def test_copies_are_whole(kind: type[Decoder]) -> None:
    decoder, x = small(kind), noise(small(kind))
    twin = copy.deepcopy(decoder)
    twin.load_state_dict(small(kind, seed=9).state_dict())
    with torch.no_grad():
        assert not torch.equal(twin(x), decoder(x))
        assert torch.equal(twin(x), small(kind, seed=9)(x))


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize("kind", KINDS)
def test_bad_signals_are_refused(kind: type[Decoder]) -> None:
    decoder = small(kind)
    x = noise(decoder)
    with pytest.raises(AEMGError, match=rf"\(batch, 16, samples\), found \(1, 8, {x.shape[2]}\)"):
        decoder(x[:, :8])
    with pytest.raises(AEMGError, match=r"found \(16, "):
        decoder(x[0])
    with pytest.raises(AEMGError, match="found"):
        decoder(x[:0])
    with pytest.raises(
        AEMGError, match=f"{decoder.left_context + 1} samples or more for one output, found {decoder.left_context}"
    ):
        decoder(x[..., : decoder.left_context])
    for value in (np.nan, np.inf, -np.inf):
        bad = x.clone()
        bad[0, 3, 17] = value
        with pytest.raises(AEMGError, match="channel 3, sample 17"):
            decoder(bad)
    with pytest.raises(AEMGError, match="real"):
        decoder(x.to(torch.complex64))


@pytest.mark.parametrize("kind", KINDS)
def test_signals_of_other_number_types_are_taken(kind: type[Decoder]) -> None:
    decoder = small(kind)
    x = (8 * noise(decoder)).round()
    with torch.no_grad():
        wanted = decoder(x)
        assert torch.equal(decoder(x.double()), wanted) and torch.equal(decoder(x.short()), wanted)


@pytest.mark.parametrize(
    "kind, settings",
    [
        (DiscreteGestures, {"classes": 0}),
        (DiscreteGestures, {"kernel": 0}),
        (DiscreteGestures, {"dropout": 1.5}),
        (DiscreteGestures, {"stride": 2.5}),
        (Wrist, {"hidden": 0}),
        (Wrist, {"adjacent": 9}),
        (Wrist, {"offsets": ()}),
        (Wrist, {"fft_stride": 7}),
        (Handwriting, {"heads": 3}),
        (Handwriting, {"layers": 3}),
        (Handwriting, {"windows": (16,) * 14}),
        (Handwriting, {"strides": (0,) * 15}),
        (Handwriting, {"kernel": -1}),
        (Handwriting, {"hidden_dims": ()}),
        (Handwriting, {"activation": "Linear"}),
        (Handwriting, {"time_masks": -1}),
        (Handwriting, {"time_reduction": 0}),
        (Handwriting, {"width": "wide"}),
        (Handwriting, {"strange": 1}),
    ],
)
def test_settings_that_do_not_fit_are_refused(kind: type[Decoder], settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        kind.from_config(settings)


def test_one_number_stands_for_all_blocks_but_a_stride_for_the_last() -> None:
    decoder = Handwriting(layers=3, width=8, ffn=8, heads=2, hidden_dims=[8], kernel=4, windows=4, strides=3, time_reduction=1)
    assert [block.stride for block in decoder.conformer[2]] == [1, 1, 3]
    assert decoder.output_stride == 3 * 40
    assert decoder.left_context == 213 + 9 * 40
    plain = Handwriting(layers=2, width=8, ffn=8, heads=2, hidden_dims=[8], kernel=[0, 4], windows=0, strides=[2, 2])
    assert plain.output_stride == 2 * 2 * 40  # a block without convolution has no stride either
    assert plain(noise(plain)).shape == (1, 3, 100)
