"""Targets, loss and validation accuracy of the discrete gestures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aemg.errors import AEMGError
from aemg.neuromotor.events import GESTURES, Event

LEFT_CONTEXT, STRIDE = 20, 10
_PULSE_S = (0.08, 0.12)
_PULSE_STEPS = 8  # length of a pulse at the rate of the network's outputs
_WINDOW_STEPS = (10, 30)  # outputs before and after an onset in which validation looks for the largest
_FINGERS = (("index_press", "index_release"), ("middle_press", "middle_release"))


def pulse_targets(prompts: Sequence[Event], times_s: NDArray[np.float64]) -> NDArray[np.float32]:
    """Target rows of an item: a pulse of 40 ms, 80 to 120 ms after every prompt.

    Args:
        prompts: (name, time in seconds); names outside `GESTURES` and times outside the item are left out, and so is
            a prompt on the item's very first row.
        times_s: (N,) non-decreasing times of the item's rows, in seconds.

    Returns:
        (9, N), 1 within pulses and 0 elsewhere; pulses end at the item's edges.

    Raises:
        AEMGError: for times that are empty, decrease or span no time.
    """
    times = np.asarray(times_s, np.float64)
    if times.ndim != 1 or len(times) < 2 or not times[-1] > times[0] or (np.diff(times) < 0).any():
        raise AEMGError("pulses need the times of at least two rows, non-decreasing and not all equal")
    rate_hz = int(len(times) / (times[-1] - times[0]))
    begin, end = (int(offset_s * rate_hz) for offset_s in _PULSE_S)
    targets = np.zeros((len(GESTURES), len(times)), np.float32)
    for name, time_s in prompts:
        row = int(np.searchsorted(times, time_s))
        if name in GESTURES and 0 < row < len(times):
            targets[GESTURES.index(name), row + begin : row + end] = 1.0
    return targets


def network_targets(targets: Tensor, left_context: int = LEFT_CONTEXT, stride: int = STRIDE) -> Tensor:
    """Targets (..., T) at the rows of the network's outputs, (..., T')."""
    return targets[..., left_context::stride]


def finger_state_mask(targets: Tensor) -> Tensor:
    """Where index and middle finger are held, from press to the end of the release.

    Args:
        targets: (B, 9, T') at the rate of the outputs.

    Returns:
        (B, 2, T') of the targets' type, index first: 1 from the onset of every press until 8 steps after the next
        onset of the finger's release, or to the end where none follows. All 0 for a finger that an item does not both
        press and release.
    """
    _check_classes(targets, "targets")
    steps = targets.shape[-1]
    onset = targets.diff(dim=-1, prepend=torch.zeros_like(targets[..., :1])) > 0  # (B, 9, T')
    press, release = (onset[:, [GESTURES.index(pair[k]) for pair in _FINGERS]] for k in (0, 1))  # (B, 2, T')
    position = torch.arange(steps, device=targets.device)
    release_at = torch.where(release, position, steps - 1)
    ahead = release_at.flip(-1).cummin(-1).values.flip(-1)  # first release at or after each step
    following = F.pad(ahead[..., 1:], (0, 1), value=steps - 1)
    held_until = torch.where(press, following + _PULSE_STEPS, 0).cummax(-1).values
    both = press.any(-1, keepdim=True) & release.any(-1, keepdim=True)
    return ((position < held_until) & both).to(targets.dtype)


def loss_mask(targets: Tensor) -> Tensor:
    """(B, 9, T') weights of the loss: 1, except on the releases, which count only within their `finger_state_mask`."""
    held = finger_state_mask(targets)
    mask = torch.ones_like(targets)
    for finger, (_, release) in enumerate(_FINGERS):
        mask[:, GESTURES.index(release)] = held[:, finger]
    return mask


def masked_bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy, averaged where `loss_mask` is 1.

    Args:
        logits: (B, 9, T').
        targets: (B, 9, T') at the rate of the outputs, see `network_targets`.

    Returns:
        A scalar.

    Raises:
        AEMGError: for shapes that differ or are not of nine classes.
    """
    _check_same(logits, targets)
    mask = loss_mask(targets)
    losses = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    return (losses * mask).sum() / mask.sum()


class ValidationAccuracy:
    """Accuracy of the largest output about each onset, averaged over gestures; gathers batches of an epoch.

    Of equally large outputs the earliest counts, and of those the first class. A gesture that was guessed but never
    true counts as 0, one neither true nor guessed is left out. It selects checkpoints and is not the published metric.

    Args:
        fake_pair: count one right guess of class 0 for every batch without an onset, as the released training does;
            off by default, since it rates what was never seen.

    Attributes:
        counts: (9, 9) int64, rows true, columns guessed; sums of those of several processes are those of all.
    """

    def __init__(self, fake_pair: bool = False) -> None:
        self._fake_pair = fake_pair
        self.counts = torch.zeros(len(GESTURES), len(GESTURES), dtype=torch.int64)

    def reset(self) -> None:
        """Start an epoch."""
        self.counts.zero_()

    @torch.no_grad()
    def update(self, logits: Tensor, targets: Tensor) -> None:
        """Add a batch.

        Args:
            logits, targets: (B, 9, T') as in `masked_bce`.

        Raises:
            AEMGError: as `masked_bce`.
        """
        _check_same(logits, targets)
        item, true, step = ((targets[..., :-1] == 0) & (targets[..., 1:] == 1)).nonzero(as_tuple=True)
        if len(true):
            before, after = _WINDOW_STEPS
            padded = F.pad(torch.sigmoid(logits), (before, after - 1), value=-1.0)
            windows = padded.unfold(-1, before + after, 1)[item, :, step]  # (onsets, 9, 40): of [t - 10, t + 30)
            guessed = windows.mT.flatten(1).argmax(1) % len(GESTURES)
            pairs = (true * len(GESTURES) + guessed).cpu()
            self.counts += torch.bincount(pairs, minlength=self.counts.numel()).view_as(self.counts)
        elif self._fake_pair:
            self.counts[0, 0] += 1

    def compute(self) -> float:
        """Accuracy in [0, 1]; NaN where no onset was seen."""
        right, true, guessed = self.counts.diagonal(), self.counts.sum(1), self.counts.sum(0)
        seen = (true + guessed) > 0
        return float((right[seen] / true[seen].clamp(min=1)).mean())


def _check_classes(values: Tensor, what: str) -> None:
    if values.ndim != 3 or values.shape[1] != len(GESTURES):
        raise AEMGError(f"{what} must be (B, {len(GESTURES)}, T'), found {tuple(values.shape)}")


def _check_same(logits: Tensor, targets: Tensor) -> None:
    _check_classes(logits, "logits")
    if logits.shape != targets.shape:
        raise AEMGError(f"targets must be of the logits' shape {tuple(logits.shape)}, found {tuple(targets.shape)}")
