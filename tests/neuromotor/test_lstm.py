"""The LSTM gives what `torch.nn.LSTM` gives, however it comes by it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from aemg.neuromotor import lstm as module
from aemg.neuromotor.lstm import LSTM, PackedLSTM

laws = settings(derandomize=True, deadline=None, max_examples=12)


def pair(inputs: int, hidden: int, layers: int, seed: int = 0) -> tuple[LSTM, nn.LSTM]:
    """Ours and PyTorch's, with the same weights."""
    torch.manual_seed(seed)
    ours = LSTM(inputs, hidden, layers).eval()
    theirs = nn.LSTM(inputs, hidden, layers, batch_first=True).eval()
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def assert_same(found: tuple, expected: tuple, atol: float = 5e-6) -> None:
    for a, b in zip((found[0], *found[1]), (expected[0], *expected[1]), strict=True):
        torch.testing.assert_close(a, b, atol=atol, rtol=atol)


@laws
@given(
    batch=st.sampled_from([1, 2, 5, 20, 40]),
    steps=st.integers(1, 700),
    layers=st.integers(1, 3),
    hidden=st.sampled_from([5, 16]),
    carried=st.booleans(),
)
def test_every_length_and_batch_equals_the_plain_run(batch: int, steps: int, layers: int, hidden: int, carried: bool) -> None:
    ours, theirs = pair(7, hidden, layers)
    x = torch.randn(batch, steps, 7)
    state = (torch.randn(layers, batch, hidden), torch.randn(layers, batch, hidden)) if carried else None
    with torch.no_grad():
        expected = theirs(x, state)
        assert_same(ours(x, state), expected)
        assert_same(PackedLSTM(ours)(x, state), expected)


@pytest.mark.parametrize("forget", [0.0, 2.0, 4.0, 10.0])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_network_that_hardly_forgets_is_run_in_turn(forget: float, batch: int) -> None:
    ours, _ = pair(4, 12, 2)
    with torch.no_grad():
        for k in range(2):
            getattr(ours, f"bias_ih_l{k}")[12:24] += forget
        theirs = nn.LSTM(4, 12, 2, batch_first=True)
        theirs.load_state_dict(ours.state_dict())
        x = 0.3 * torch.randn(batch, 1500, 4)
        (found, _), (plain, _) = ours(x), theirs(x)
        exact, _ = theirs.double()(x.double())  # such cells grow into the hundreds, and rounding with them
    assert (found - exact).abs().max() <= 3 * (plain - exact).abs().max() + 5e-6


def test_an_input_long_ago_is_remembered() -> None:
    """One unit is set by a first pulse and holds it: all chunks but the first are guessed wrongly, yet come out right."""
    ours = LSTM(1, 1).eval()
    with torch.no_grad():
        for p in ours.parameters():
            p.zero_()
        ours.weight_ih_l0[:, 0] = torch.tensor([20.0, 0.0, 20.0, 0.0])  # open the input gate, candidate 1
        ours.bias_ih_l0[:] = torch.tensor([-10.0, 20.0, 0.0, 20.0])  # shut, keep, -, show
        x = torch.zeros(1, 3000, 1)
        x[0, 3] = 1.0
        y, (_, cell) = ours(x)
    assert y[0, -1, 0] == pytest.approx(np.tanh(1.0), abs=1e-3)
    assert cell[0, 0, 0] == pytest.approx(1.0, abs=1e-3)


def test_no_work_is_wasted_on_a_network_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, _ = pair(4, 12, 1)
    steps = 0
    original = module.Layer._steps

    def counted(self, gates, rows, hidden, cell):  # type: ignore[no-untyped-def]
        nonlocal steps
        steps += gates.shape[1]
        return original(self, gates, rows, hidden, cell)

    monkeypatch.setattr(module.Layer, "_steps", counted)
    with torch.no_grad():
        ours(torch.randn(1, 4096, 4))
    assert steps <= 2 * 4096 // module.ROWS


def test_without_numba_the_results_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pair(4, 12, 2)
    monkeypatch.setattr(module, "run_steps", None)
    x = torch.randn(1, 40, 4)
    with torch.no_grad():
        assert_same(PackedLSTM(ours)(x), theirs(x))


def test_gates_saturate_and_nan_stays_nan() -> None:
    ours, theirs = pair(3, 8, 1)
    with torch.no_grad():
        x = 1e4 * torch.randn(1, 300, 3)
        assert_same(ours(x), theirs(x))
        assert_same(PackedLSTM(ours)(x[:, :9]), theirs(x[:, :9]))
        x[0, 150] = torch.nan
        y, _ = ours(x)
    assert y[0, :150].isfinite().all() and y[0, 150:].isnan().all()


def test_training_is_that_of_pytorch() -> None:
    ours, theirs = pair(4, 6, 2)
    x = torch.randn(2, 300, 4)
    ours(x)[0].square().sum().backward()
    theirs(x)[0].square().sum().backward()
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert ours.state_dict().keys() == theirs.state_dict().keys()


def test_long_sequences_go_to_pytorch_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = pair(2, 3, 1)
    monkeypatch.setattr(module, "LONGEST_CALL", 50)
    x = torch.randn(1, 210, 2, requires_grad=True)
    assert_same(ours(x), theirs(x))


def test_other_precisions_fall_back() -> None:
    ours, theirs = pair(3, 4, 1)
    x = torch.randn(1, 400, 3, dtype=torch.float64)
    with torch.no_grad():
        assert_same(ours.double()(x), theirs.double()(x), atol=1e-12)
