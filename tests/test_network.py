"""Laws of the neuro-syntax transformer: what may change its output and what must not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from aemg.errors import ConfigError
from aemg.model import SIZES, AEMGConfig, NetworkConfig, NeuralTokenizer, SentenceBatch, Stretch, collate, stretch_of
from aemg.model.network import Encoder
from aemg.sessions import Session, SessionKey, tokenise_session
from aemg.signals import Provenance, Recording, ring
from aemg.topology import SLOTS, SpaceConfig, Worn

ATOL = 2e-5
SEEN = {"start_s", "slots", "valid"}  # what a masked token does not hide


def stretch(session: Session, first: int, last: int) -> Stretch:
    rows = session.tokens[slice(*session.recordings[0].tokens)]
    return stretch_of(session, 0, float(rows["start_s"][first]), float(rows["end_s"][last - 1]))


def batch_of(stretches: Iterable[Stretch]) -> SentenceBatch:
    stretches = list(stretches)
    return collate(stretches, [Worn()] * len(stretches))


def per_token(batch: SentenceBatch) -> list[str]:
    """The fields with one row a token."""
    return [f.name for f in fields(batch) if getattr(batch, f.name).shape[:2] == batch.valid.shape]


def with_content(batch: SentenceBatch, at: Tensor, keep: set[str]) -> SentenceBatch:
    """Other values in the tokens `at` (B, N), save for the fields to keep."""
    changed = {}
    for name in set(per_token(batch)) - keep:
        values = getattr(batch, name).clone()
        if values.dtype.is_floating_point:
            values[at] = values[at].flip(0) * 3 + 1.7
        elif name == "lengths":
            values[at] = batch.waves.shape[-1]
        elif values.dtype == torch.int64:
            values[at] = (values[at] + 1) % 3
        changed[name] = values
    return replace(batch, **changed)


@pytest.fixture(scope="module")
def batch(sessions: list[Session]) -> SentenceBatch:
    made = batch_of([stretch(sessions[0], 0, 7), stretch(sessions[1], 2, 14), stretch(sessions[2], 0, 1)])
    assert made.valid.sum(1).tolist() == [7, 12, 1]
    return made


@pytest.fixture(scope="module")
def encoder(tiny: NetworkConfig) -> Encoder:
    torch.manual_seed(0)
    return Encoder(AEMGConfig(network=tiny)).eval()


@torch.no_grad()
def encode(encoder: Encoder, batch: SentenceBatch, masked: Tensor | None = None) -> tuple[Tensor, Tensor]:
    tokens, sentence = encoder(batch, masked)
    return tokens, sentence


@pytest.mark.parametrize(("size", "millions"), [("base", 6.6), ("large", 51.0)])
def test_the_published_sizes(size: str, millions: float) -> None:
    with torch.device("meta"):
        encoder = Encoder(AEMGConfig(network=SIZES[size]))
    assert sum(p.numel() for p in encoder.parameters()) / 1e6 == pytest.approx(millions, rel=0.05)


def test_tiny_is_smaller_by_far() -> None:
    assert sum(p.numel() for p in Encoder(AEMGConfig(network=SIZES["tiny"])).parameters()) < 1e6


@pytest.mark.parametrize("change", [{"width": 30}, {"dropout": 1.0}])
def test_impossible_networks_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        NetworkConfig(**change)  # type: ignore[arg-type]


def test_shapes(encoder: Encoder, batch: SentenceBatch, tiny: NetworkConfig) -> None:
    tokens, sentence = encode(encoder, batch)
    assert tokens.shape == (*batch.valid.shape, tiny.width) and sentence.shape == (len(batch), tiny.width)
    assert torch.isfinite(tokens).all() and torch.isfinite(sentence).all()


def test_other_sentences_and_padding_change_nothing(
    encoder: Encoder, sessions: list[Session], batch: SentenceBatch
) -> None:
    together, sentences = encode(encoder, batch)
    for b, alone in enumerate((stretch(sessions[0], 0, 7), stretch(sessions[1], 2, 14), stretch(sessions[2], 0, 1))):
        tokens, sentence = encode(encoder, batch_of([alone]))
        torch.testing.assert_close(together[b, : tokens.shape[1]], tokens[0], atol=ATOL, rtol=0)
        torch.testing.assert_close(sentences[b], sentence[0], atol=ATOL, rtol=0)


def test_what_padding_holds_changes_nothing(encoder: Encoder, batch: SentenceBatch) -> None:
    rubbish = with_content(batch, ~batch.valid, {"valid"})
    assert not torch.equal(rubbish.waves, batch.waves)
    for a, b in zip(encode(encoder, rubbish), encode(encoder, batch)):
        keep = batch.valid if a.ndim == 3 else slice(None)
        torch.testing.assert_close(a[keep], b[keep], atol=ATOL, rtol=0)


def test_samples_beyond_a_tokens_length_are_empty_and_the_rest_counts(encoder: Encoder, batch: SentenceBatch) -> None:
    samples = torch.arange(batch.waves.shape[-1])
    beyond = (samples >= batch.lengths[..., None])[:, :, None].expand(batch.waves.shape)
    assert not batch.waves[beyond].any()
    louder = replace(batch, waves=-batch.waves)
    assert not torch.allclose(encode(encoder, louder)[0], encode(encoder, batch)[0], atol=1e-3)


def test_the_order_of_tokens_is_in_their_time_alone(encoder: Encoder, batch: SentenceBatch) -> None:
    order = torch.randperm(batch.valid.shape[1], generator=torch.Generator().manual_seed(0))
    shuffled = replace(batch, **{name: getattr(batch, name)[:, order] for name in per_token(batch)})
    tokens, sentence = encode(encoder, batch)
    moved, same = encode(encoder, shuffled)
    valid = shuffled.valid
    torch.testing.assert_close(moved[valid], tokens[:, order][valid], atol=ATOL, rtol=0)
    torch.testing.assert_close(same, sentence, atol=ATOL, rtol=0)
    later = replace(batch, start_s=batch.start_s * 1.5)
    assert not torch.allclose(encode(encoder, later)[0], tokens, atol=1e-3)


def test_a_mask_hides_what_a_token_holds(encoder: Encoder, batch: SentenceBatch) -> None:
    masked = torch.zeros_like(batch.valid)
    masked[0, 2:5] = masked[1, ::2] = True
    masked &= batch.valid
    plain = encode(encoder, batch, masked)
    other = with_content(batch, masked, SEEN)
    other = replace(other, summary=other.summary + 5.0)
    changed = encode(encoder, other, masked)
    torch.testing.assert_close(changed[0][batch.valid], plain[0][batch.valid], atol=ATOL, rtol=0)
    torch.testing.assert_close(changed[1], plain[1], atol=ATOL, rtol=0)
    shown = encode(encoder, other)
    assert not torch.allclose(shown[0][batch.valid], encode(encoder, batch)[0][batch.valid], atol=1e-3)


def test_a_masked_token_still_sees_the_others(encoder: Encoder, batch: SentenceBatch) -> None:
    masked = torch.zeros_like(batch.valid)
    masked[0, 2] = True
    others = torch.zeros_like(batch.valid)
    others[0, [0, 5]] = True
    plain, changed = (encode(encoder, b, masked)[0][0, 2] for b in (batch, with_content(batch, others, SEEN)))
    assert (plain - changed).abs().max() > 1e-3


@pytest.mark.parametrize("condition", [True, False])
def test_amplitudes_are_seen_only_where_asked_for(tiny: NetworkConfig, batch: SentenceBatch, condition: bool) -> None:
    torch.manual_seed(0)
    encoder = Encoder(AEMGConfig(network=replace(tiny, sigma_condition=condition))).eval()
    amplitudes = set(per_token(batch)) - {"waves", "lengths", "phase"} - SEEN
    other = with_content(batch, batch.valid, set(per_token(batch)) - amplitudes)
    other = replace(other, summary=other.summary + 5.0)
    same = [torch.allclose(a, b, atol=ATOL) for a, b in zip(encode(encoder, other), encode(encoder, batch))]
    assert same == [not condition] * 2


@pytest.mark.parametrize("rate_hz", [200.0, 1000.0, 2000.0])
def test_any_unified_rate(tiny: NetworkConfig, rate_hz: float) -> None:
    """From a batch at the rate to the reconstruction, with gradients to every part that a codebook lets through."""
    config = AEMGConfig(space=SpaceConfig(rate_hz=rate_hz), network=tiny)
    model = NeuralTokenizer(config)
    batch = noise(config)
    vectors = model.codebook.normalised(model.encoder(batch)[0])
    waves, *rest = model.decoder(vectors, model.encoder.conditions.at(batch.start_s), batch.valid)
    assert waves.shape == (*batch.valid.shape, SLOTS, config.token_samples)
    (waves.square().mean() + sum(r.square().mean() for r in rest)).backward()
    assert all(p.grad is not None for p in model.encoder.front_end.parameters())


def noise(config: AEMGConfig) -> SentenceBatch:
    """A batch of two sentences, 3 and 5 tokens, of one still session at a rate."""
    rng = np.random.default_rng(0)
    rate_hz = config.space.rate_hz
    t = np.arange(round(4 * rate_hz)) / rate_hz
    signal = (rng.standard_normal((8, len(t))) * (0.05 + ((t % 1.0) > 0.5))).astype(np.float32)
    recording = Recording(signal, rate_hz, ring("myo", 8), "s", "1", Provenance("set", "f", "0" * 64, "CC0-1.0"))
    session = tokenise_session(SessionKey("set", "s", "1"), [recording], config.space, config.tokenizer)
    return batch_of([stretch(session, 0, 3), stretch(session, 0, 5)])


def test_a_sentence_without_tokens_is_decoded_without_nan(tiny: NetworkConfig, sessions: list[Session]) -> None:
    model = NeuralTokenizer(AEMGConfig(network=tiny))
    batch = batch_of([stretch_of(sessions[0], 0, -2.0, -1.0), stretch(sessions[1], 0, 4)])
    assert not batch.valid[0].any()
    tokens, sentence = model.encoder(batch)
    vectors = model.codebook.normalised(tokens)
    decoded = model.decoder(vectors, model.encoder.conditions.at(batch.start_s), batch.valid)
    assert all(torch.isfinite(part).all() for part in (tokens, sentence, *decoded))


def test_no_dropout_when_evaluated_and_some_when_trained(tiny: NetworkConfig, batch: SentenceBatch) -> None:
    encoder = Encoder(AEMGConfig(network=replace(tiny, dropout=0.3)))
    encoder.eval()
    assert torch.equal(encode(encoder, batch)[1], encode(encoder, batch)[1])
    encoder.train()
    assert not torch.equal(encode(encoder, batch)[1], encode(encoder, batch)[1])
