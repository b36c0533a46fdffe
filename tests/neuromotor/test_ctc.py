"""Greedy decoding, in one piece or many; the loss, and what FastEmit does to its gradient and to emission times."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aemg.errors import AEMGError
from aemg.neuromotor.ctc import GreedyCTC, ctc_loss, greedy_ctc
from aemg.neuromotor.text import labels_to_text

LAW = settings(derandomize=True, max_examples=50, deadline=None)


def problem(seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits (3, 7, 4) with blank 3, and lengths and targets with repetitions and an empty text."""
    logits = torch.randn(3, 7, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return logits, torch.tensor([7, 5, 4]), torch.tensor([[0, 0, 2], [1, 0, 0], [0, 0, 0]]), torch.tensor([3, 2, 0])


def loss_of_paths(stay: Tensor, enter: Tensor, target: list[int], blank: int) -> Tensor:
    """Minus the logarithm of the summed probabilities of all paths; the first step of a label reads `enter`."""
    scores = []
    for path in itertools.product(range(stay.shape[1]), repeat=len(stay)):
        starts = [k == 0 or path[k - 1] != label for k, label in enumerate(path)]
        if [label for label, start in zip(path, starts) if start and label != blank] == target:
            steps = [(enter if start and c != blank else stay)[t, c] for t, (c, start) in enumerate(zip(path, starts))]
            scores.append(torch.stack(steps).sum())
    return -torch.logsumexp(torch.stack(scores), 0)


def test_published_decoding(vectors: Path) -> None:
    arrays = np.load(vectors / "ctc_greedy.npz")
    expected = json.loads((vectors / "ctc_greedy.json").read_text())
    online = expected.pop("online_e1_split_at")
    for case, row in expected.items():
        for item, length in enumerate(arrays[f"len{case}"]):
            ids = greedy_ctc(arrays[f"e{case}"][:length, item])
            assert ids == row["decoded"][item]
            assert labels_to_text(ids) == row["text"][item]
    decoder, split = GreedyCTC(), online["split"]
    emissions = arrays["e1"][:, 0]
    timed = decoder.push_timed(emissions[:split]) + decoder.push_timed(emissions[split:])
    assert timed == list(zip(online["decoded"], online["timestamps"], strict=True))


def test_published_network_output(vectors: Path) -> None:
    arrays = np.load(vectors / "handwriting_io.npz")
    logp = torch.from_numpy(arrays["logp"])
    lengths, targets = torch.from_numpy(arrays["emission_lengths"]), torch.from_numpy(arrays["targets"])
    target_lengths = torch.from_numpy(arrays["target_lengths"])
    for item, length in enumerate(arrays["emission_lengths"]):
        assert greedy_ctc(logp[item, :length]) == arrays[f"decoded{item}"].tolist()
        alone = ctc_loss(logp[item, None], lengths[item, None], targets[item, None], target_lengths[item, None])
        per_item = arrays["ctc_loss_per_item"][item] / arrays["target_lengths"][item]
        assert float(alone) == pytest.approx(float(per_item), rel=1e-5)
    loss = ctc_loss(logp, lengths, targets, target_lengths)
    assert float(loss) == pytest.approx(float(arrays["ctc_loss"]), rel=1e-5)


@LAW
@given(st.lists(st.integers(0, 2), max_size=30), st.lists(st.integers(0, 30), max_size=4))
def test_pieces_give_the_labels_of_the_whole(path: list[int], cuts: list[int]) -> None:
    values = torch.log_softmax(torch.eye(3)[torch.tensor(path, dtype=torch.int64)], 1)
    decoder = GreedyCTC(blank=2)
    pieces = torch.tensor_split(values, sorted(cuts))
    assert [label for piece in pieces for label in decoder.push(piece)] == greedy_ctc(values, blank=2)
    assert greedy_ctc(values, blank=2) == [label for label, _ in itertools.groupby(path) if label != 2]
    decoder.reset()
    assert decoder.push(values) == greedy_ctc(values, blank=2)


@pytest.mark.parametrize("fastemit", [0.0, 1e-9, 0.7])
def test_the_value_is_that_of_all_paths(fastemit: float) -> None:
    logits, steps, targets, lengths = problem()
    values = logits.log_softmax(2)
    expected = [
        loss_of_paths(values[k, : steps[k]], values[k, : steps[k]], targets[k, : lengths[k]].tolist(), 3) / max(1, lengths[k])
        for k in range(3)
    ]
    loss = ctc_loss(values, steps, targets, lengths, fastemit, blank=3)
    assert float(loss) == pytest.approx(float(torch.stack(expected).mean()), rel=1e-12)


def test_both_ways_have_the_same_gradient_without_fastemit() -> None:
    gradients = []
    for fastemit in (0.0, 1e-12):
        logits, steps, targets, lengths = problem(1)
        logits.requires_grad_()
        ctc_loss(logits.log_softmax(2), steps, targets, lengths, fastemit, blank=3).backward()
        gradients.append(logits.grad)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-10)


def test_the_gradient_is_that_of_the_entered_labels_weighed_more() -> None:
    """Finite differences of the plain loss plus, times the strength, the loss in which only entries vary."""
    fastemit, step = 0.6, 1e-5
    logits, steps, targets, lengths = (x[:1] for x in problem(2))
    logits, steps = logits[:, :5], steps.clamp(max=5)
    frozen, target = logits[0].log_softmax(1), targets[0].tolist()

    def objective(values: Tensor) -> float:
        moved = values.log_softmax(1)
        return float(loss_of_paths(moved, moved, target, 3) + fastemit * loss_of_paths(frozen, moved, target, 3)) / 3

    expected = torch.zeros_like(logits[0])
    for index in itertools.product(range(5), range(4)):
        up, down = logits[0].clone(), logits[0].clone()
        up[index] += step
        down[index] -= step
        expected[index] = (objective(up) - objective(down)) / (2 * step)
    logits.requires_grad_()
    ctc_loss(logits.log_softmax(2), steps, targets, lengths, fastemit, blank=3).backward()
    torch.testing.assert_close(logits.grad[0], expected, rtol=0, atol=1e-8)


def test_labels_come_earlier_the_stronger_fastemit_is() -> None:
    onsets = []
    for fastemit in (0.0, 0.3, 1.0):
        logits = torch.zeros(1, 12, 3, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([logits], lr=1.0)
        for _ in range(60):
            optimizer.zero_grad()
            values = logits.log_softmax(2)
            ctc_loss(values, torch.tensor([12]), torch.tensor([[0, 1]]), torch.tensor([2]), fastemit, 2).backward()
            optimizer.step()
        emitted = GreedyCTC(2).push_timed(logits.detach()[0])
        assert [label for label, _ in emitted] == [0, 1]
        onsets.append([step for _, step in emitted])
    assert onsets[0] > onsets[1] > onsets[2]


@pytest.mark.parametrize("fastemit", [0.0, 0.01])
def test_what_cannot_be_aligned_counts_as_nothing(fastemit: float) -> None:
    logits = torch.zeros(2, 3, 3, requires_grad=True)
    targets, lengths = torch.tensor([[0, 0], [1, -7]]), torch.tensor([2, 1])
    steps = torch.tensor([2, 3])  # two equal labels need three steps
    loss = ctc_loss(logits.log_softmax(2), steps, targets, lengths, fastemit, blank=2)
    loss.backward()
    alone = ctc_loss(logits[1:].log_softmax(2), steps[1:], targets[1:, :1], lengths[1:], fastemit, blank=2)
    assert loss.item() == pytest.approx(alone.item() / 2)
    assert torch.isfinite(logits.grad).all()
    assert not logits.grad[0].any()


def test_impossible_emissions_leave_no_nan() -> None:
    values = torch.full((1, 2, 3), -math.inf)
    values[..., 2] = 0.0
    values.requires_grad_()
    loss = ctc_loss(values, torch.tensor([2]), torch.tensor([[0]]), torch.tensor([1]), 0.5, blank=2)
    loss.backward()
    assert loss == 0
    assert torch.isfinite(values.grad).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"emission_lengths": torch.tensor([8, 5, 4])}, r"emission lengths must lie in 1\.\.7"),
        ({"emission_lengths": torch.tensor([0, 5, 4])}, "emission lengths"),
        ({"target_lengths": torch.tensor([4, 2, 0])}, "target lengths"),
        ({"targets": torch.tensor([[0, 3, 2], [1, 0, 0], [0, 0, 0]])}, "other than the blank 3"),
        ({"targets": torch.tensor([[0, 4, 2], [1, 0, 0], [0, 0, 0]])}, r"labels in 0\.\.3"),
        ({"log_probabilities": torch.zeros(7, 4)}, r"\(7, 4\)"),
        ({"fastemit": -0.1}, "fastemit"),
        ({"blank": 4}, "blank"),
    ],
)
def test_bad_input_of_the_loss_is_named(change: dict[str, object], message: str) -> None:
    logits, steps, targets, lengths = problem()
    arguments = {"log_probabilities": logits, "emission_lengths": steps, "targets": targets, "target_lengths": lengths}
    with pytest.raises(AEMGError, match=message):
        ctc_loss(**{**arguments, "blank": 3, **change})


@pytest.mark.parametrize("values", [np.zeros((3, 1, 100)), np.zeros((3, 99)), np.full((2, 100), np.nan)])
def test_bad_input_of_decoding_is_named(values: np.ndarray) -> None:
    with pytest.raises(AEMGError, match="log-probabilities"):
        greedy_ctc(values)
