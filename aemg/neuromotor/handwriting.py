"""Handwriting: multivariate power-frequency features and a causal conformer, character log-probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.errors import ConfigError
from aemg.neuromotor.checkpoint import Checkpoint, child, expect, number
from aemg.neuromotor.conformer import Conformer
from aemg.neuromotor.decoder import Decoder, State, check_positive, check_share
from aemg.neuromotor.inert_pickle import Inert
from aemg.neuromotor.mpf import BANDS_HZ, MPF
from aemg.neuromotor.rotation import RotationInvariantMLP
from aemg.neuromotor.spec_augment import SpecAugment
from aemg.neuromotor.spectral import mlp_widths, spectral_frames, spectral_settings

STRIDES = (1, 1, 1, 1, 2) * 2 + (1,) * 5
WINDOWS = (16,) * 10 + (8,) * 5


class TimeReduction(nn.Module):
    """Frames in groups of `stride`, one after the other in a longer vector; the last incomplete group waits."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, frames: Tensor) -> Tensor:
        """(B, J, F) to (B, floor(J / stride), stride F)."""
        items, length, width = frames.shape
        groups = length // self.stride
        return frames[:, : groups * self.stride].reshape(items, groups, self.stride * width)


class Handwriting(Decoder):
    """EMG (B, C, T) to log-probabilities (B, T', vocabulary); as released an output every 160 ms from sample 19 853 on.

    Args:
        channels: of EMG, C, around the wrist.
        vocabulary: width of the head, blank included.
        width, ffn, heads: of the conformer; see `large` for those of the 60 M network.
        layers: blocks.
        kernel, windows: of a block's convolution and attention, steps; one number for all blocks or one for each.
            0 leaves the part out.
        strides: of the blocks' convolutions; one number is the last block's.
        dropout: in the conformer.
        hidden_dims: widths of the rotation-invariant layers.
        offsets: rotations that they average over, in channels.
        adjacent: largest distance of channels around the ring whose cross-spectra are used.
        time_reduction: frames joined before the conformer.
        log_softmax: False returns logits.
        activation, mlp_activation: of `aemg.neuromotor.activation.NAMES`.
        time_masks, time_width, band_masks, band_width, inclusive_masks, mask_value: see
            `aemg.neuromotor.spec_augment.SpecAugment`.
        mpf_window, mpf_stride, n_fft, fft_stride, bands_hz, rate_hz, mpf_floor: see `aemg.neuromotor.mpf.MPF`.

    Raises:
        ConfigError: a setting that does not fit.
    """

    HEAD = "conformer.3"
    OUTPUTS = "vocabulary"
    time_axis = 1
    RENAMED: ClassVar = {
        "featurizer.stft.": "featurizer.",
        "featurizer.band_averager.": "featurizer.",
        "final_layer.": "conformer.3.",
    }
    IGNORED = frozenset({"featurizer.window_norm", "featurizer.window_normalization_factor"})

    def __init__(
        self,
        channels: int = 16,
        vocabulary: int = 100,
        width: int = 64,
        ffn: int = 128,
        heads: int = 4,
        layers: int = 15,
        kernel: int | Sequence[int] = 8,
        strides: int | Sequence[int] = STRIDES,
        windows: int | Sequence[int] = WINDOWS,
        dropout: float = 0.1,
        hidden_dims: Sequence[int] = (64,),
        offsets: Sequence[int] = (-1, 0, 1),
        adjacent: int = 8,
        time_reduction: int = 2,
        log_softmax: bool = True,
        activation: str = "SiLU",
        mlp_activation: str = "LeakyReLU",
        time_masks: int = 3,
        time_width: int = 5,
        band_masks: int = 2,
        band_width: int = 1,
        inclusive_masks: bool = False,
        mask_value: float = 0.0,
        mpf_window: int = 160,
        mpf_stride: int = 40,
        n_fft: int = 64,
        fft_stride: int = 10,
        bands_hz: Sequence[tuple[float, float]] | None = BANDS_HZ,
        rate_hz: float = 2000.0,
        mpf_floor: float | None = None,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, vocabulary=vocabulary, width=width, ffn=ffn, heads=heads, layers=layers)
        check_positive(time_reduction=time_reduction)
        check_share(dropout=dropout)
        self.channels, self.vocabulary, self.width, self.ffn, self.heads = channels, vocabulary, width, ffn, heads
        self.layers, self.kernel, self.strides, self.windows = layers, kernel, strides, windows
        self.dropout, self.hidden_dims, self.offsets, self.adjacent = dropout, hidden_dims, offsets, adjacent
        self.time_reduction, self.log_softmax = time_reduction, log_softmax
        self.activation, self.mlp_activation = activation, mlp_activation
        self.time_masks, self.time_width, self.band_masks, self.band_width = time_masks, time_width, band_masks, band_width
        self.inclusive_masks, self.mask_value = inclusive_masks, mask_value
        self.mpf_window, self.mpf_stride, self.n_fft, self.fft_stride = mpf_window, mpf_stride, n_fft, fft_stride
        self.bands_hz, self.rate_hz, self.mpf_floor = bands_hz, rate_hz, mpf_floor
        kernels = _of_each("kernel", kernel, layers, 0)
        each_stride = _of_each("strides", (1,) * (layers - 1) + (strides,) if isinstance(strides, int) else strides, layers, 1)
        each_window = _of_each("windows", windows, layers, 0)
        self.featurizer = MPF(mpf_window, mpf_stride, n_fft, fft_stride, bands_hz, rate_hz, mpf_floor)
        self.specaug = SpecAugment(time_masks, time_width, band_masks, band_width, inclusive=inclusive_masks, value=mask_value)
        self.rotation_invariant_mlp = RotationInvariantMLP(
            channels, self.featurizer.bands, hidden_dims, offsets, adjacent, mlp_activation
        )
        self.conformer = nn.ModuleList(
            [
                TimeReduction(time_reduction),
                nn.Linear(hidden_dims[-1] * time_reduction, width),
                Conformer(width, ffn, heads, each_window, kernels, each_stride, dropout, activation),
                nn.Linear(width, vocabulary),
            ]
        )
        self.frame_context, self.frame_stride = self.featurizer.left_context, mpf_stride
        context, stride = time_reduction - 1, time_reduction  # in frames
        for size, step in zip(kernels, each_stride):
            context += max(0, size - 1) * stride
            stride *= step if size else 1
        self.left_context = self.frame_context + context * mpf_stride
        self.output_stride = stride * mpf_stride

    @classmethod
    def large(cls, **settings: Any) -> Handwriting:
        """The network of 60 M parameters, settings as of the constructor."""
        return cls(**{"width": 512, "ffn": 1024, "hidden_dims": (512,), **settings})

    def front_end(self, x: Tensor) -> Tensor:
        """Signal (B, C, T) as rotation-invariant features (B, J, hidden_dims[-1]), masked in training."""
        return spectral_frames(self.featurizer, self.rotation_invariant_mlp, x, self.specaug)

    def encode(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Frames (B, J, hidden_dims[-1]) as features (B, N, width); the state holds waiting frames and each block's state."""
        reduction, projection, blocks, _ = self.conformer
        waiting, states = state or (None, None)
        if waiting is not None:
            frames = torch.cat([waiting, frames], 1)
        reduced = reduction(frames)
        waiting = frames[:, reduced.shape[1] * self.time_reduction :]
        features, states = blocks(projection(reduced), states)
        return features, (waiting, states)

    def head(self, features: Tensor) -> Tensor:
        """Features (B, N, width) as log-probabilities (B, N, vocabulary), or logits without `log_softmax`."""
        logits: Tensor = self.conformer[3](features)
        return functional.log_softmax(logits, -1) if self.log_softmax else logits

    def stream(self, **options: Any) -> Any:
        """An `aemg.neuromotor.streaming.HandwritingStream`."""
        from aemg.neuromotor.streaming import HandwritingStream

        return HandwritingStream(self, **options)

    @classmethod
    def settings_of(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """Sizes from the shapes; strides, heads, features and dropout from the stored network, else as released."""
        tensors, blocks = checkpoint.tensors, child(checkpoint.network, "conformer", "2")
        hidden_dims = mlp_widths(checkpoint)
        width, joined = expect(checkpoint, "conformer.1.weight", None, None)
        ffn, _ = expect(checkpoint, "conformer.2.0.ff_block1.child.1.weight", None, width)
        head = next((name for name in ("final_layer.weight", "conformer.3.weight") if name in tensors), "conformer.3.weight")
        vocabulary, _ = expect(checkpoint, head, None, width)
        layers = len({name.split(".")[2] for name in tensors if name.startswith("conformer.2.")})
        dropout = number(child(blocks, "0", "ff_block1", "child", "3"), "p")
        each = [_block_settings(checkpoint, k, child(blocks, str(k))) for k in range(layers)]
        heads = {block["heads"] for block in each} - {None}
        return {
            **spectral_settings(checkpoint, "featurizer"),
            "vocabulary": vocabulary,
            "width": width,
            "ffn": ffn,
            "layers": layers,
            "hidden_dims": hidden_dims,
            "time_reduction": joined // hidden_dims[-1],
            **{name: [block[name] for block in each] for name in ("kernel", "strides", "windows")},
            **({"heads": heads.pop()} if len(heads) == 1 else {}),
            **({} if dropout is None else {"dropout": dropout}),
        }


def _block_settings(checkpoint: Checkpoint, block: int, stored: Inert | None) -> dict[str, Any]:
    """Kernel, stride, window and heads of a block; strides and windows that nothing tells are the released ones."""
    name = f"conformer.2.{block}"
    convolution = checkpoint.tensors.get(f"{name}.conv_block.child.3.net.weight")
    mask = checkpoint.tensors.get(f"{name}.attn_block.child.2.attn_mask")
    attends = f"{name}.attn_block.child.2.op.in_proj_weight" in checkpoint.tensors
    window = len(mask) if mask is not None and mask.ndim else WINDOWS[block] if block < len(WINDOWS) else WINDOWS[-1]
    stride = number(child(stored, "conv_block", "child", "3", "net"), "stride")
    return {
        "kernel": 0 if convolution is None else convolution.shape[-1],
        "windows": window if attends else 0,
        "strides": stride or (STRIDES[block] if block < len(STRIDES) else 1),
        "heads": number(child(stored, "attn_block", "child", "2", "op"), "num_heads"),
    }


def _of_each(name: str, values: int | Sequence[int], layers: int, least: int) -> tuple[int, ...]:
    each = (values,) * layers if isinstance(values, int) else tuple(values)
    if len(each) != layers:
        raise ConfigError(f"{name} must be one number or {layers}, one for every block, got {len(each)}")
    if min(each) < least:
        raise ConfigError(f"{name} must be {least} or more, got {each}")
    return each


__all__ = ["Handwriting"]
