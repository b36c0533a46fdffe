"""R(.): any montage to sixteen slots, 22.5 degrees apart, slot 0 over the ulna (see `aemg.signals.montage`).

The weights depend on geometry alone. An electrode of a ring speaks for the skin up to its neighbour on either side,
with a weight that falls linearly; a slot's weights are scaled to unit power, because what neighbouring
electrodes record is nearly uncorrelated and a plain mean would make interpolated slots look weaker than they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.signals import Montage, Recording, ring
from aemg.signals.filters import highpass, notch, resample

SLOTS = 16
SLOT_DEG = 360.0 / SLOTS
UNIFIED = ring("unified", SLOTS, angle_known=True)
_COVERED = 0.49  # least sum of weights for a slot to carry signal: half the way to the next electrode


@dataclass(frozen=True)
class Unified:
    """A recording in the unified space.

    Args:
        recording: 16 channels at the unified rate; slots without signal are zero.
        mask: (16,) bool, True for the slots that carry signal.
    """

    recording: Recording
    mask: NDArray[np.bool_]


def slot_weights(montage: Montage) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The linear map from a montage's channels to the slots.

    Returns:
        weights (16, C), each row of unit sum of squares or zero, and mask (16,).
    """
    slots_deg = np.arange(SLOTS) * SLOT_DEG
    columns = []
    for group in montage.groups:
        angles = np.array([e.angle_deg for e in group.electrodes])
        distance = np.abs((slots_deg[:, None] - angles[None, :] + 180.0) % 360.0 - 180.0)  # (16, C_group)
        if group.kind == "targeted":
            columns.append((distance <= SLOT_DEG / 2 + 1e-9).astype(float))  # both slots where it lies between two
        else:
            columns.append(np.maximum(0.0, 1.0 - distance / max(group.spacing_deg, SLOT_DEG)))
        columns[-1][:, [e.position < 0 for e in group.electrodes]] = 0.0  # the upper arm is no part of the forearm
    weights = np.concatenate(columns, axis=1)
    weights[weights < 1e-9] = 0.0
    mask = weights.sum(axis=1) >= _COVERED
    norm = np.sqrt((weights**2).sum(axis=1, keepdims=True))
    return np.where(mask[:, None], weights / np.maximum(norm, 1e-12), 0.0), mask


def unify(
    recording: Recording,
    rate_hz: float = 200.0,
    *,
    highpass_hz: float | None = 20.0,
    mains_hz: float | None = None,
    turn_deg: float = 0.0,
    mirror: bool = False,
) -> Unified:
    """Brings a recording to sixteen slots at one rate.

    Args:
        rate_hz: of the unified space. A slower source is resampled and keeps its narrower `band_hz`.
        highpass_hz: causal high-pass at the source's rate, None for none.
        mains_hz: 50 or 60 for notches at it and its harmonics, None for none.
        turn_deg, mirror: how the band was worn, from registration.

    Raises:
        AEMGError: an envelope recording, which has lost what the filters and the tokenizer work on.
    """
    if recording.kind != "raw":
        raise AEMGError(
            f"{recording.provenance.dataset} {recording.provenance.file} is an {recording.kind} recording, not raw "
            "EMG: rectified and smoothed signals cannot be brought into the unified space or used for pre-training"
        )
    signal = clean(recording.signal, recording.rate_hz, highpass_hz, mains_hz)
    signal = resample(signal, recording.rate_hz, rate_hz)
    weights, mask = slot_weights(recording.montage.turned(turn_deg, mirror))
    low, high = recording.bandwidth_hz
    unified = replace(
        recording,
        signal=np.ascontiguousarray(weights.astype(np.float32) @ signal),
        rate_hz=rate_hz,
        montage=UNIFIED,
        band_hz=(max(low, highpass_hz or 0.0), min(high, rate_hz / 2)),
    )
    return Unified(unified, mask)


def clean(
    signal: NDArray[np.float32], rate_hz: float, highpass_hz: float | None, mains_hz: float | None
) -> NDArray[np.float32]:
    """High-pass and mains notches, where asked for, of (C, T)."""
    if highpass_hz is not None:
        signal = highpass(signal, rate_hz, highpass_hz)
    if mains_hz is not None:
        signal = notch(signal, rate_hz, mains_hz)
    return signal
