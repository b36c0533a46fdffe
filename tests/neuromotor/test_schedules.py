"""Learning rates of the recipes, epoch by epoch."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch

from aemg.neuromotor.schedules import constant_factor, gestures_factor, handwriting_factor, paper_factor


def rates(base: float, factor: Callable[[int], float], epochs: int) -> list[float]:
    """What an optimiser really gets at the start of every epoch."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=base)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    found = []
    for _ in range(epochs):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize(
    ("name", "base", "factor"),
    [("handwriting_per_epoch", 6e-4, handwriting_factor), ("discrete_gestures_per_epoch", 5e-4, gestures_factor)],
)
def test_published_rates(vectors: Path, name: str, base: float, factor: Callable[[int], float]) -> None:
    expected = json.loads((vectors / "lr_schedules.json").read_text())[name]
    assert rates(base, factor, len(expected)) == pytest.approx(expected, abs=1e-12, rel=0)


def test_the_wrist_keeps_its_rate() -> None:
    assert set(rates(1e-3, constant_factor, 5)) == {1e-3}


def test_the_paper_warms_up_and_falls_to_nothing() -> None:
    factor = partial(paper_factor, steps=2500)
    found = [factor(step) for step in range(2501)]
    assert (found[0], found[1500], found[2000]) == pytest.approx((0, 1, 0.5))
    assert found[2500] == pytest.approx(0, abs=1e-12)
    assert found[:1501] == sorted(found[:1501])
    assert found[1500:] == sorted(found[1500:], reverse=True)
    assert paper_factor(10, steps=20, warmup=0) == pytest.approx(0.5)


def test_settings_of_the_recipes_can_be_changed() -> None:
    assert [gestures_factor(epoch, warmup=2, start=0.5, milestone=3, decay=0.1) for epoch in range(4)] == [0.5, 0.75, 1, 0.1]
    assert [handwriting_factor(epoch, warmup=0, period=4) for epoch in (0, 2, 4, 9)] == pytest.approx([1, 0.5, 0, 0])
