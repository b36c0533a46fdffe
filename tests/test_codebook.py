"""Laws of the neural codebook: what it gives, what reaches the encoder through it, how its entries move."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from aemg.model import AEMGConfig, NetworkConfig, NeuralTokenizer, SentenceBatch, collate, stretch_of
from aemg.model.codebook import Codebook, perplexity
from aemg.sessions import Session
from aemg.topology import Worn
from aemg.training.config import LossConfig
from aemg.training.data import TrainingBatch
from aemg.training.tasks import ReconstructionTask

CLUSTERS = 8


def clustered(config: NetworkConfig, seed: int = 0, tokens: int = 512) -> Tensor:
    """(1, N, code width) unit vectors around a few directions."""
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(CLUSTERS, config.code_width, generator=torch.Generator().manual_seed(99))
    which = torch.arange(tokens) % CLUSTERS
    noise = 0.05 * torch.randn(tokens, config.code_width, generator=generator)
    return functional.normalize(functional.normalize(directions, dim=-1)[which] + noise, dim=-1)[None]


def all_valid(projected: Tensor) -> Tensor:
    return torch.ones(projected.shape[:2], dtype=torch.bool)


@pytest.fixture
def codebook(tiny: NetworkConfig) -> Codebook:
    """Started and in training."""
    torch.manual_seed(0)
    made = Codebook(tiny).train()
    projected = clustered(tiny)
    made.quantise(projected, all_valid(projected))
    assert made.started
    return made


@pytest.fixture(scope="module")
def batch(sessions: list[Session]) -> SentenceBatch:
    stretches = [stretch_of(s, 0, 0.0, end_s) for s, end_s in zip(sessions, (4.0, 9.0, 6.0))]
    made = collate(stretches, [Worn()] * len(stretches))
    assert made.valid.any() and not made.valid.all()
    return made


def test_the_start_is_at_the_data(tiny: NetworkConfig) -> None:
    torch.manual_seed(0)
    codebook = Codebook(tiny).train()
    assert not codebook.started
    projected = clustered(tiny)
    found = codebook.quantise(projected, all_valid(projected))
    assert codebook.started
    near = (codebook.entries[found.codes[0]] * projected[0]).sum(-1)
    assert (near > 0.9).float().mean() > 0.8
    torch.testing.assert_close(codebook.entries.norm(dim=-1), torch.ones(tiny.codes), atol=1e-4, rtol=0)


def test_codes_are_the_nearest_entries_and_padding_has_none(codebook: Codebook, tiny: NetworkConfig) -> None:
    codebook.eval()
    projected = clustered(tiny, seed=1, tokens=20).reshape(2, 10, -1)
    valid = torch.ones(2, 10, dtype=torch.bool)
    valid[1, 4:] = False
    found = codebook.quantise(projected, valid)
    assert found.codes.shape == valid.shape and found.codes.dtype == torch.int64
    assert (found.codes[~valid] == -1).all()
    assert ((found.codes[valid] >= 0) & (found.codes[valid] < tiny.codes)).all()
    nearest = (projected @ codebook.entries.T).argmax(-1)
    torch.testing.assert_close(found.codes[valid], nearest[valid])
    torch.testing.assert_close(found.vectors[valid], codebook.entries[nearest[valid]], atol=1e-5, rtol=0)


def test_what_padding_holds_moves_nothing(codebook: Codebook, tiny: NetworkConfig) -> None:
    state = {name: value.clone() for name, value in codebook.state_dict().items()}
    projected = clustered(tiny, seed=1, tokens=20)
    valid = torch.arange(20)[None] < 12
    results = []
    for rubbish in (1.0, -1.0):
        codebook.load_state_dict(state)
        padded = torch.where(valid[..., None], projected, rubbish * projected.flip(1))
        found = codebook.quantise(padded, valid)
        results.append((found.codes, found.commitment, codebook.entries.clone()))
    for a, b in zip(*results):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


def test_the_gradient_goes_straight_through(codebook: Codebook, tiny: NetworkConfig) -> None:
    projected = clustered(tiny, seed=1, tokens=20).requires_grad_()
    vectors = codebook.quantise(projected, all_valid(projected), freeze=True).vectors
    wanted = torch.randn(vectors.shape, generator=torch.Generator().manual_seed(0))
    (vectors * wanted).sum().backward()
    assert projected.grad is not None
    along = (projected.detach() * projected.grad).sum(-1, keepdim=True)
    tangent = wanted - (projected.detach() * wanted).sum(-1, keepdim=True) * projected.detach()
    torch.testing.assert_close(projected.grad - along * projected.detach(), tangent, atol=1e-4, rtol=1e-4)


def test_the_reconstruction_reaches_the_encoder(tiny: NetworkConfig, batch: SentenceBatch) -> None:
    torch.manual_seed(0)
    task = ReconstructionTask(NeuralTokenizer(AEMGConfig(network=tiny)), LossConfig()).train()
    training = TrainingBatch(batch, torch.zeros_like(batch.valid), torch.arange(len(batch)))
    task.start_codebook(training, step_tokens=float(batch.valid.sum()))
    assert task.tokenizer.codebook.started
    assert task.gradient_reach(training) == pytest.approx(1.0, abs=0.3)
    task(training)["loss"].backward()
    for name, parameter in task.tokenizer.encoder.front_end.named_parameters():
        assert parameter.grad is not None and parameter.grad.norm() > 0, name


def test_looking_at_the_gradient_moves_no_entry(tiny: NetworkConfig, batch: SentenceBatch) -> None:
    torch.manual_seed(0)
    task = ReconstructionTask(NeuralTokenizer(AEMGConfig(network=tiny)), LossConfig()).train()
    training = TrainingBatch(batch, torch.zeros_like(batch.valid), torch.arange(len(batch)))
    task.start_codebook(training, step_tokens=float(batch.valid.sum()))
    before = {name: value.clone() for name, value in task.state_dict().items()}
    task.gradient_reach(training)
    for name, value in task.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_entries_follow_the_data_in_training_only(codebook: Codebook, tiny: NetworkConfig) -> None:
    projected = -clustered(tiny, seed=2)
    codebook.eval()
    before = codebook.entries.clone()
    codebook.quantise(projected, all_valid(projected))
    assert torch.equal(codebook.entries, before)
    codebook.train()
    codebook.quantise(projected, all_valid(projected), freeze=True)
    assert torch.equal(codebook.entries, before)
    distances = []
    for _ in range(30):
        codes = codebook.quantise(projected, all_valid(projected)).codes
        distances.append(1 - (codebook.entries[codes[0]] * projected[0]).sum(-1).mean())
    assert not torch.equal(codebook.entries, before)
    assert distances[-1] < distances[0]


@pytest.mark.parametrize(("restart_below", "restarts"), [(0.5, True), (0.0, False)])
def test_codes_that_nobody_uses_are_restarted(tiny: NetworkConfig, restart_below: float, restarts: bool) -> None:
    torch.manual_seed(0)
    config = replace(tiny, restart_below=restart_below, decay=0.5)
    codebook = Codebook(config).train()
    start = clustered(config)
    codebook.quantise(start, all_valid(start))
    narrow = functional.normalize(-start[:, :8] + 0.3 * torch.randn(1, 8, config.code_width), dim=-1)
    for _ in range(20):
        codebook.quantise(narrow, all_valid(narrow))
    assert (codebook.restarts > 0) == restarts
    if restarts:
        closest = (codebook.entries @ narrow[0].T).amax(-1)
        assert (closest > 0.9).float().mean() > 0.5, "restarted codes lie at the data"


def test_counts_of_the_start_are_brought_to_a_step(codebook: Codebook, tiny: NetworkConfig) -> None:
    """Scaling the counts changes how fast the entries move, not where they are."""
    before = codebook.entries.clone()
    codebook.scale_counts(0.1)
    assert torch.equal(codebook.entries, before)
    assert codebook.started


@given(st.integers(1, 300), st.integers(1, 50))
@settings(deadline=None, derandomize=True)
def test_perplexity_counts_codes_in_even_use(codes: int, each: int) -> None:
    counts = torch.full((codes,), each)
    assert perplexity(counts) == pytest.approx(codes, rel=1e-6)
    assert perplexity(torch.cat([counts, torch.zeros(7, dtype=counts.dtype)])) == pytest.approx(codes, rel=1e-6)
    assert perplexity(torch.tensor([each, 0, 0])) == pytest.approx(1.0)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50))
@settings(deadline=None, derandomize=True)
def test_perplexity_lies_between_one_and_the_codes_in_use(counts: list[int]) -> None:
    used = max(1, sum(count > 0 for count in counts))
    assert 1 - 1e-9 <= perplexity(torch.tensor(counts)) <= used * (1 + 1e-9)
