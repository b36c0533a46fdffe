"""Wrist angles as the decoder's targets: steps per output, their loss and the error in degrees per second."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from aemg.errors import AEMGError

LEFT_CONTEXT, STRIDE, RATE_HZ = 253, 40, 2000.0


def wrist_labels(angles: Tensor, left_context: int = LEFT_CONTEXT, stride: int = STRIDE) -> Tensor:
    """Change of the angle from each output of the decoder to the next.

    Args:
        angles: (..., T) radians at the rate of the EMG.
        left_context: row of the first output.
        stride: rows between outputs.

    Returns:
        (..., T' - 1) radians per step, T' the decoder's outputs for T rows.

    Raises:
        AEMGError: where fewer than two outputs fit.
    """
    decimated = angles[..., left_context::stride]
    if decimated.shape[-1] < 2:
        raise AEMGError(f"wrist labels need at least {left_context + stride + 1} rows, found {angles.shape[-1]}")
    return decimated.diff(dim=-1)


def wrist_loss(outputs: Tensor, angles: Tensor, left_context: int = LEFT_CONTEXT, stride: int = STRIDE) -> Tensor:
    """Mean absolute error of the decoded steps; the first output, which has no step before it, does not count.

    Args:
        outputs: (B, 1, T') radians per step.
        angles: (B, 1, T) radians at the rate of the EMG.
        left_context, stride: as in `wrist_labels`.

    Returns:
        A scalar, radians per step.

    Raises:
        AEMGError: where outputs and angles are not of the same stretch.
    """
    labels = wrist_labels(angles, left_context, stride)
    decoded = outputs[..., 1:]
    if decoded.shape != labels.shape:
        expected = (*labels.shape[:-1], labels.shape[-1] + 1)
        raise AEMGError(f"outputs must be of shape {expected} for these angles, found {tuple(outputs.shape)}")
    return (decoded - labels).abs().mean()


def degrees_per_second(radians_per_step: float, stride: int = STRIDE, rate_hz: float = RATE_HZ) -> float:
    """A step of one output as a velocity; of `wrist_loss` it gives the mean absolute error that is reported."""
    return math.degrees(radians_per_step) * rate_hz / stride


def wrist_error_deg_s(
    outputs: Tensor,
    angles: Tensor,
    left_context: int = LEFT_CONTEXT,
    stride: int = STRIDE,
    rate_hz: float = RATE_HZ,
) -> float:
    """Mean absolute error of the decoded velocity in degrees per second; arguments and errors as `wrist_loss`."""
    with torch.no_grad():
        loss = wrist_loss(outputs, angles, left_context, stride)
    return degrees_per_second(float(loss), stride, rate_hz)
