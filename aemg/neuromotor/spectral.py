"""The front end that wrist and handwriting share: power-frequency features, then rotation-invariant layers."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from aemg.errors import DataFileError
from aemg.neuromotor.checkpoint import Checkpoint, attribute, child, expect, number
from aemg.neuromotor.mpf import MPF
from aemg.neuromotor.rotation import RotationInvariantMLP, entries
from aemg.neuromotor.spec_augment import SpecAugment

_FEATURES = {"window_length": "mpf_window", "stride": "mpf_stride", "fft_stride": "fft_stride", "fs": "rate_hz"}


def spectral_frames(mpf: MPF, mlp: RotationInvariantMLP, x: Tensor, augment: SpecAugment | None = None) -> Tensor:
    """Signal (B, C, T) as rotation-invariant features (B, J, H)."""
    features = mpf.compact(x)
    return mlp.forward_compact(augment(features) if augment else features).transpose(1, 2)


def spectral_settings(checkpoint: Checkpoint, featurizer: str) -> dict[str, Any]:
    """Settings of that front end, as far as a checkpoint tells them.

    Args:
        featurizer: name of the module that computes the features.

    Raises:
        DataFileError: no rotation-invariant layer, or one that does not fit the features.
    """
    stored = child(checkpoint.network, featurizer)
    told = {ours: number(stored, theirs) for theirs, ours in _FEATURES.items()}
    told["bands_hz"] = _bands(attribute(stored, "frequency_bins"))
    told["offsets"] = _offsets(attribute(child(checkpoint.network, "rotation_invariant_mlp"), "offsets"))
    window, masks = (
        next((checkpoint.tensors[f"{featurizer}.{name}"] for name in names if f"{featurizer}.{name}" in checkpoint.tensors), None)
        for names in (("window", "stft.window"), ("freq_masks", "band_averager.freq_masks"))
    )
    told["n_fft"] = None if window is None else len(window)
    bands = 6 if masks is None or masks.ndim != 6 else masks.shape[2]
    channels = min(number(checkpoint.network, "num_channels") or 16, 1024)
    layer = "rotation_invariant_mlp.fully_connected_layers.0.weight"
    _, inputs = expect(checkpoint, layer, None, None)
    fitting = [near for near in range(channels // 2 + 1) if bands * entries(channels, near) == inputs]
    if not fitting:
        raise DataFileError(checkpoint.path, f"{layer} for {bands} bands of {channels} channels", f"{inputs} inputs")
    settings = {name: value for name, value in told.items() if value is not None}
    return {**settings, "channels": channels, "adjacent": fitting[0]}


def mlp_widths(checkpoint: Checkpoint) -> tuple[int, ...]:
    """Widths of the rotation-invariant layers of a checkpoint, at least one.

    Raises:
        DataFileError: no layer, or layers that do not fit each other.
    """
    name = "rotation_invariant_mlp.fully_connected_layers.{}.weight"
    widths = [expect(checkpoint, name.format(0), None, None)[0]]
    while name.format(len(widths)) in checkpoint.tensors:
        widths.append(expect(checkpoint, name.format(len(widths)), None, widths[-1])[0])
    return tuple(widths)


def _bands(value: Any) -> tuple[tuple[float, float], ...] | None:
    pairs = value if isinstance(value, list | tuple) else ()
    sound = all(isinstance(pair, list | tuple) and len(pair) == 2 and _numbers(pair) for pair in pairs)
    return tuple((float(low), float(high)) for low, high in pairs) if pairs and sound else None


def _offsets(value: Any) -> tuple[int, ...] | None:
    return tuple(int(offset) for offset in value) if isinstance(value, list | tuple) and value and _numbers(value) else None


def _numbers(values: Any) -> bool:
    return all(isinstance(value, int | float) and abs(value) < 2**31 for value in values)


__all__ = ["mlp_widths", "spectral_frames", "spectral_settings"]
