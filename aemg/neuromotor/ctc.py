"""Connectionist temporal classification: greedy decoding and the loss, with FastEmit as an option.

Sources: Graves et al., ICML 2006, doi:10.1145/1143844.1143891; FastEmit: Yu et al., ICASSP 2021,
doi:10.1109/ICASSP39728.2021.9413803.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from aemg.errors import AEMGError
from aemg.neuromotor.text import BLANK

_NEVER = -1e30  # log-probability of the impossible: finite, so that no gradient is NaN


def greedy_ctc(log_probabilities: Tensor | NDArray[Any], blank: int = BLANK) -> list[int]:
    """Label ids of the best class per step, repetitions and blanks taken out.

    Args:
        log_probabilities: (T, classes) of one item; of equal values the first counts.
        blank: id of the blank.

    Raises:
        AEMGError: for another shape or NaN.
    """
    return GreedyCTC(blank).push(log_probabilities)


class GreedyCTC:
    """Greedy decoding of a stream: pieces of any length give the labels of the whole.

    Args:
        blank: id of the blank.
    """

    def __init__(self, blank: int = BLANK) -> None:
        self._blank = blank
        self.reset()

    def reset(self) -> None:
        """Start anew: no label before, step 0."""
        self._previous = self._blank
        self._step = 0

    def push(self, log_probabilities: Tensor | NDArray[Any]) -> list[int]:
        """Labels that the next (T, classes) log-probabilities bring; T may be 0. Errors as `greedy_ctc`."""
        return [label for label, _ in self.push_timed(log_probabilities)]

    def push_timed(self, log_probabilities: Tensor | NDArray[Any]) -> list[tuple[int, int]]:
        """As `push`, each label with its step, counted from the last reset."""
        values = torch.as_tensor(log_probabilities)
        if values.ndim != 2 or not 0 <= self._blank < values.shape[1]:
            raise AEMGError(
                f"log-probabilities must be (T, classes) with the blank {self._blank} among the classes, "
                f"found shape {tuple(values.shape)}"
            )
        if values.isnan().any():
            raise AEMGError("log-probabilities must be numbers, found NaN")
        emitted = []
        for label in values.argmax(1).tolist():
            if label not in (self._blank, self._previous):
                emitted.append((label, self._step))
            self._previous = label
            self._step += 1
        return emitted


def ctc_loss(
    log_probabilities: Tensor,
    emission_lengths: Tensor,
    targets: Tensor,
    target_lengths: Tensor,
    fastemit: float = 0.0,
    blank: int = BLANK,
) -> Tensor:
    """Mean over items of each item's loss divided by its target length; an item that cannot be aligned counts as 0.

    FastEmit multiplies, in the gradient alone, the emission of a label by 1 + fastemit and leaves the blank's as it
    is. What a transducer emits once, CTC may repeat, so the factor stands at the one step of each path where the label
    is entered: were repetitions favoured too, the rule would be the same backwards in time, and labels would grow
    longer rather than come earlier. With e_c(t) the posterior probability of entering class c at step t, the
    derivative by log p_c(t) is that of the plain loss minus fastemit * e_c(t). The value is the plain loss.

    Args:
        log_probabilities: (B, T, classes), normalised.
        emission_lengths: (B,) steps that count, 1 to T.
        targets: (B, L) label ids; what stands beyond an item's target length does not matter.
        target_lengths: (B,) 0 to L.
        fastemit: strength, at least 0; usual are 0.001 to 0.01.
        blank: id of the blank.

    Returns:
        A scalar on the device of the log-probabilities. On Apple's MPS, which has no CTC, it is computed on the CPU.

    Raises:
        AEMGError: for shapes, lengths, labels or a strength out of range.
    """
    _check(log_probabilities, emission_lengths, targets, target_lengths, fastemit, blank)
    device = log_probabilities.device
    here = torch.device("cpu") if device.type == "mps" else device
    values = log_probabilities.to(here)
    values = values if values.dtype == torch.float64 else values.float()
    steps, labels, lengths = (x.to(here, torch.int64) for x in (emission_lengths, targets, target_lengths))
    labels = labels.where(_counted(labels, lengths), 0)
    if fastemit:
        losses = _lattice_losses(values, steps, labels, lengths, fastemit, blank)
    else:
        losses = F.ctc_loss(values.transpose(0, 1), labels, steps, lengths, blank=blank, reduction="none", zero_infinity=True)
    return (losses / lengths.clamp(min=1)).mean().to(device)


def _lattice_losses(values: Tensor, steps: Tensor, labels: Tensor, lengths: Tensor, fastemit: float, blank: int) -> Tensor:
    """(B,) plain losses by the forward recursion, with FastEmit in their gradient."""
    items, length = labels.shape
    states = labels.new_full((items, 2 * length + 1), blank)  # blanks between and around the labels
    states[:, 1::2] = labels
    is_label = torch.arange(2 * length + 1, device=values.device) % 2 == 1
    leaps = is_label & (states != F.pad(states[:, :-2], (2, 0), value=blank))  # label to label, over the blank
    stay = values.gather(2, states[:, None].expand(-1, values.shape[1], -1)).clamp(min=_NEVER)  # (B, T, S)
    enter = stay + fastemit * is_label * (stay - stay.detach())
    alpha = torch.full_like(stay[:, 0], _NEVER)
    alpha = torch.cat([stay[:, 0, :1], enter[:, 0, 1:2], alpha[:, 2:]], 1)
    for t in range(1, int(steps.max())):
        by_one = F.pad(alpha[:, :-1], (1, 0), value=_NEVER)
        by_two = F.pad(alpha[:, :-2], (2, 0), value=_NEVER)[:, : alpha.shape[1]].where(leaps, _NEVER)
        entered = torch.logaddexp(by_one, by_two) + enter[:, t]
        alpha = torch.logaddexp(alpha + stay[:, t], entered).where((t < steps)[:, None], alpha)
    last = 2 * lengths[:, None]
    at_blank = alpha.gather(1, last)
    at_label = alpha.gather(1, (last - 1).clamp(min=0)).where(last > 0, _NEVER)
    losses = -torch.logaddexp(at_blank, at_label)[:, 0]
    return losses.where(losses < -_NEVER / 2, 0.0)


def _counted(labels: Tensor, lengths: Tensor) -> Tensor:
    """(B, L) true within each item's length."""
    return torch.arange(labels.shape[1], device=labels.device) < lengths[:, None]


def _check(values: Tensor, steps: Tensor, labels: Tensor, lengths: Tensor, fastemit: float, blank: int) -> None:
    if values.ndim != 3 or labels.ndim != 2 or not steps.shape == lengths.shape == values.shape[:1] == labels.shape[:1]:
        raise AEMGError(
            "CTC needs log-probabilities (B, T, classes), targets (B, L) and two lengths (B,), found shapes "
            f"{tuple(values.shape)}, {tuple(labels.shape)}, {tuple(steps.shape)} and {tuple(lengths.shape)}"
        )
    classes = values.shape[2]
    if not 0 <= blank < classes:
        raise AEMGError(f"the blank must be one of {classes} classes, found {blank}")
    if not 0 <= fastemit < float("inf"):
        raise AEMGError(f"fastemit must be at least 0, found {fastemit}")
    for name, given, low, high in (
        ("emission lengths", steps, 1, values.shape[1]),
        ("target lengths", lengths, 0, labels.shape[1]),
    ):
        if len(given) and not low <= int(given.min()) <= int(given.max()) <= high:
            raise AEMGError(f"{name} must lie in {low}..{high}, found {given.tolist()}")
    counted = labels[_counted(labels, lengths.to(labels.device))]
    if len(counted) and not (0 <= int(counted.min()) <= int(counted.max()) < classes and (counted != blank).all()):
        raise AEMGError(f"targets must be labels in 0..{classes - 1} other than the blank {blank}")
