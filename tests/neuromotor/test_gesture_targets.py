"""Pulses, the finger-state mask, the masked loss and the validation accuracy."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from aemg.errors import AEMGError
from aemg.neuromotor.events import GESTURES
from aemg.neuromotor.gesture_targets import (
    ValidationAccuracy,
    finger_state_mask,
    loss_mask,
    masked_bce,
    network_targets,
    pulse_targets,
)

LAW = settings(derandomize=True, max_examples=60, deadline=None)


def plain_mask(targets: np.ndarray) -> np.ndarray:
    """Item by item, finger by finger, press by press."""
    items, _, steps = targets.shape
    mask = np.zeros((items, 2, steps), np.float32)
    for item in range(items):
        for finger in (0, 1):
            press, release = (np.flatnonzero(np.diff(targets[item, 2 * finger + k], prepend=0) > 0) for k in (0, 1))
            for onset in press if len(release) else ():
                after = release[release > onset]
                mask[item, finger, onset : (after[0] if len(after) else steps - 1) + 8] = 1
    return mask


def random_targets(seed: int, items: int, steps: int) -> np.ndarray:
    """Sparse spans of random length."""
    rng = np.random.default_rng(seed)
    targets = np.zeros((items, 9, steps), np.float32)
    for _ in range(rng.integers(0, 8 * items)):
        start = rng.integers(0, steps)
        targets[rng.integers(items), rng.integers(4 if rng.random() < 0.7 else 9), start : start + rng.integers(1, 12)] = 1
    return targets


def published(vectors: Path, name: str) -> Tensor:
    return torch.from_numpy(np.load(vectors / "discrete_small.npz")[name])


def test_published_targets_and_loss(vectors: Path) -> None:
    arrays = np.load(vectors / "discrete_small.npz")
    times = float(arrays["t0"]) + np.arange(arrays["x"].shape[-1]) / 2000
    for item in range(2):
        prompts = [(GESTURES[name], time) for name, time in zip(arrays[f"ev_name{item}"], arrays[f"ev_time{item}"])]
        targets = network_targets(torch.from_numpy(pulse_targets(prompts, times)))
        assert torch.equal(targets, published(vectors, "targets_200hz")[item])
    targets, logits = published(vectors, "targets_200hz"), published(vectors, "logits")
    assert torch.equal(finger_state_mask(targets), published(vectors, "finger_mask"))
    assert torch.equal(loss_mask(targets), published(vectors, "mask"))
    assert float(masked_bce(logits, targets)) == pytest.approx(float(arrays["loss"]), abs=1e-6)


@pytest.mark.parametrize("fake_pair", [False, True])
def test_published_masks_and_accuracies(vectors: Path, fake_pair: bool) -> None:
    arrays = np.load(vectors / "finger_mask_val_accuracy.npz")
    for case in range(sum(name.startswith("targets") for name in arrays.files)):
        targets, logits = (torch.from_numpy(arrays[f"{name}{case}"]) for name in ("targets", "logits"))
        assert np.array_equal(finger_state_mask(targets).numpy(), arrays[f"fmask{case}"])
        accuracy = ValidationAccuracy(fake_pair)
        accuracy.update(logits, targets)
        assert accuracy.compute() == pytest.approx(float(arrays[f"val_accuracy{case}"]), abs=1e-6)


def test_a_pulse_is_40_ms_long_and_80_ms_late() -> None:
    times = 1.6e9 + np.arange(4000) / 2000
    targets = pulse_targets([("thumb_in", times[1000])], times)
    assert targets.dtype == np.float32
    assert np.array_equal(np.flatnonzero(targets[6]), np.arange(1160, 1240))
    assert targets.sum() == 80
    assert network_targets(torch.from_numpy(targets)).sum() == 8


def test_a_slow_clock_shortens_the_delay() -> None:
    times = np.arange(4000) / 1998.9  # 4000 rows in 2.0006 s: 1999 rows a second, cut to a whole number
    assert np.flatnonzero(pulse_targets([("thumb_in", times[1000])], times)[6])[0] == 1159


@LAW
@given(st.lists(st.tuples(st.sampled_from((*GESTURES, "rest")), st.floats(-0.5, 1.5)), max_size=12))
def test_pulses_merge_and_each_prompt_stands_for_itself(prompts: list[tuple[str, float]]) -> None:
    times = np.arange(2000) / 2000
    whole = pulse_targets(prompts, times)
    each = [pulse_targets([prompt], times) for prompt in prompts]
    assert np.array_equal(whole, np.max([np.zeros_like(whole), *each], axis=0))
    for (name, time), one in zip(prompts, each, strict=True):
        drawn = name in GESTURES and 0 < time <= times[-1] and time + 0.08 < times[-1]
        assert one.any() == drawn or abs(time + 0.08 - times[-1]) < 2e-3
        assert one.sum() <= 80


def test_prompts_on_the_first_row_and_outside_are_left_out() -> None:
    times = np.arange(2000) / 2000
    prompts = [("thumb_in", times[0]), ("thumb_in", -0.05), ("thumb_in", 1.0), ("ring_pinch", 0.3)]
    assert not pulse_targets(prompts, times).any()


@LAW
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(1, 60))
def test_the_mask_is_that_of_the_plain_loops(seed: int, items: int, steps: int) -> None:
    targets = random_targets(seed, items, steps)
    assert np.array_equal(finger_state_mask(torch.from_numpy(targets)).numpy(), plain_mask(targets))


def test_outside_the_mask_releases_do_not_count() -> None:
    targets = torch.from_numpy(random_targets(3, 2, 80))
    mask = loss_mask(targets)
    logits = torch.randn(2, 9, 80, generator=torch.Generator().manual_seed(0), requires_grad=True)
    masked_bce(logits, targets).backward()
    assert torch.equal(logits.grad != 0, mask == 1)
    assert (mask[:, [0, 2, 4, 5, 6, 7, 8]] == 1).all()
    assert not mask[:, [1, 3]].all()


def test_accuracy_gathers_batches_and_looks_about_the_onset_alone() -> None:
    targets = torch.zeros(1, 9, 100)
    targets[0, 4, 50:58] = 1  # onset at 49: outputs 39 to 78 count
    accuracy = ValidationAccuracy()
    for step, guess in ((39, 4), (78, 7), (38, 5), (79, 5)):
        logits = torch.full((1, 9, 100), -5.0)
        logits[0, 0, 60] = 0.0  # what is found where the peak lies outside
        logits[0, guess, step] = 3.0
        accuracy.update(logits, targets)
    assert accuracy.counts[4].tolist() == [2, 0, 0, 0, 1, 0, 0, 1, 0]
    assert accuracy.compute() == pytest.approx(0.25 / 3)  # classes 0 and 7 were guessed and never true
    accuracy.reset()
    assert math.isnan(accuracy.compute())


def test_of_equal_outputs_the_earliest_counts() -> None:
    targets, logits = torch.zeros(1, 9, 60), torch.zeros(1, 9, 60)
    targets[0, 3, 20:28] = 1
    logits[0, 3, 25] = logits[0, 8, 24] = logits[0, 6, 24] = 2.0
    accuracy = ValidationAccuracy()
    accuracy.update(logits, targets)
    assert accuracy.counts[3].tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0]


def test_a_batch_without_onsets_counts_only_on_request() -> None:
    empty = torch.zeros(2, 9, 30)
    plain, released = ValidationAccuracy(), ValidationAccuracy(fake_pair=True)
    for accuracy in (plain, released):
        accuracy.update(empty, empty)
    assert plain.counts.sum() == 0
    assert released.compute() == 1.0


@pytest.mark.parametrize("times", [[], [1.0], [1.0, 1.0], [0.0, 2.0, 1.0]])
def test_bad_times_are_named(times: list[float]) -> None:
    with pytest.raises(AEMGError, match="at least two rows"):
        pulse_targets([], np.array(times))


def test_bad_shapes_are_named() -> None:
    with pytest.raises(AEMGError, match=r"\(B, 9, T'\), found \(2, 8, 5\)"):
        finger_state_mask(torch.zeros(2, 8, 5))
    with pytest.raises(AEMGError, match=r"\(2, 9, 5\), found \(2, 9, 4\)"):
        masked_bce(torch.zeros(2, 9, 5), torch.zeros(2, 9, 4))
    with pytest.raises(AEMGError, match=r"\(2, 9, 5\), found \(1, 9, 5\)"):
        ValidationAccuracy().update(torch.zeros(2, 9, 5), torch.zeros(1, 9, 5))
