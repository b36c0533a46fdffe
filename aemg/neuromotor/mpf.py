"""Multivariate power-frequency features: the matrix logarithm of squared cross-spectra between channels, per band.

Method: Kaifosh et al., Nature 645:702-711 (2025), doi:10.1038/s41586-025-09255-w.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from aemg.errors import AEMGError, ConfigError

kernel: ModuleType | None
try:
    from aemg.neuromotor import mpf_kernel as kernel
except ImportError:  # no numba for this Python
    kernel = None

BANDS_HZ = ((0.0, 50.0), (30.0, 100.0), (100.0, 225.0), (225.0, 375.0), (375.0, 700.0), (700.0, 1000.0))
ENTRIES_PER_CHUNK = 1 << 22
FRAMES_PER_PIECE = 256


class MPF(nn.Module):
    """Symmetric matrices (channels x channels) per band and frame, from raw signal.

    Each frame averages the cross-spectra of `window // fft_stride` short Hann-windowed transforms, squares their
    magnitude, averages it over the bins of each band and takes the matrix logarithm. Scaling the signal by a adds
    4 ln a to the diagonals; silence gives exactly zero. Everything is computed in float64 where the device has it, so
    a frame's values depend neither on the batch, nor on where a recording is cut, nor on the number of threads.

    Without a floor, directions without energy (a dead channel) count as zero, as silence does. They make the logarithm
    jump; `floor` lifts every eigenvalue to that share of the matrix's trace instead.

    Args:
        window: samples of signal per frame, at least `n_fft`.
        stride: samples between frames, a multiple of `fft_stride`.
        n_fft: samples per short transform.
        fft_stride: samples between short transforms, at most `n_fft`.
        bands_hz: (low, high] limits in Hz, which may overlap; None keeps every bin as a band of its own.
        rate_hz: sampling rate.
        floor: smallest eigenvalue as a share of the trace (1e-6 is sound for new models); None for none.

    Raises:
        ConfigError: for sizes that do not fit each other, or a band that holds no bin.
    """

    window: Tensor
    freq_masks: Tensor

    def __init__(
        self,
        window: int = 160,
        stride: int = 40,
        n_fft: int = 64,
        fft_stride: int = 10,
        bands_hz: Sequence[tuple[float, float]] | None = BANDS_HZ,
        rate_hz: float = 2000.0,
        floor: float | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(window, stride, n_fft, fft_stride, rate_hz, floor)
        self.stride, self.n_fft, self.fft_stride, self.rate_hz, self.floor = stride, n_fft, fft_stride, rate_hz, floor
        self.transforms = window // fft_stride
        masks = band_masks(bands_hz, n_fft, rate_hz)
        self.register_buffer("window", torch.hann_window(n_fft, periodic=False))
        self.register_buffer("freq_masks", masks[None, None, :, :, None, None])

    @property
    def bands(self) -> int:
        """Number of bands."""
        return int(self.freq_masks.shape[2])

    @property
    def left_context(self) -> int:
        """Samples that a frame needs before its last one."""
        return (self.transforms - 1) * self.fft_stride + self.n_fft - 1

    def output_length(self, samples: int) -> int:
        """Number of frames from that many samples; frame j ends at sample left_context + j * stride."""
        return max(0, (samples - self.left_context - 1) // self.stride + 1)

    def forward(self, x: Tensor) -> Tensor:
        """Features of every frame.

        Args:
            x: signal (B, C, T), floating point.

        Returns:
            (B, bands, C, C, J) of the dtype of `x`.

        Raises:
            AEMGError: for another shape, a signal shorter than one frame, or values that are not finite.
        """
        return expand(self.compact(x), x.shape[1])

    def compact(self, x: Tensor) -> Tensor:
        """Entries i <= k of every matrix, row by row: (B, bands, C (C + 1) / 2, J); otherwise as `forward`."""
        self._check_signal(x)
        if kernel is not None and x.device.type == "cpu" and not (x.requires_grad and torch.is_grad_enabled()):
            return self._compiled(x)
        return torch.cat([upper(self._logarithm(part)) for part in self._band_matrices(x)], -1).to(x.dtype)

    def _compiled(self, x: Tensor) -> Tensor:
        """`compact` by the kernel, piece by piece; pieces run side by side where torch may use several threads."""
        assert kernel is not None
        plan = kernel.plan(
            self.window.double().numpy().tobytes(),
            self.freq_masks.numpy().tobytes(),
            self.n_fft,
            self.fft_stride,
            self.transforms,
            self.stride,
            self.floor or 0.0,
        )
        frames, channels = self.output_length(x.shape[-1]), x.shape[1]
        dtype = x.dtype if x.dtype in (torch.float32, torch.float64) else torch.float32
        out = torch.empty(x.shape[0], self.bands, channels * (channels + 1) // 2, frames, dtype=dtype)
        signal, target = x.detach(), out.numpy()

        def piece(place: tuple[int, int]) -> None:
            item, first = place
            last = min(first + FRAMES_PER_PIECE, frames) - 1
            samples = signal[item, :, first * self.stride : last * self.stride + self.left_context + 1]
            kernel.features(samples.double().contiguous().numpy(), plan, target[item], first)

        places = list(product(range(x.shape[0]), range(0, frames, FRAMES_PER_PIECE)))
        threads = min(torch.get_num_threads(), len(places))
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(piece, places))
        else:
            for place in places:
                piece(place)
        return out.to(x.dtype)

    def spectra(self, x: Tensor) -> Tensor:
        """Short transforms (B, C, n_fft // 2 + 1, M), complex: of unit gain for noise of unit variance."""
        frames = x.to(_precision(x)).unfold(-1, self.n_fft, self.fft_stride)  # B C M n
        window = self.window.to(frames)
        transforms: Tensor = torch.fft.rfft(frames * (window / window.norm()))
        return transforms.transpose(-1, -2)

    def band_matrices(self, x: Tensor) -> Tensor:
        """The matrices before the logarithm, (B, bands, C, C, J), in float64 where the device has it."""
        self._check_signal(x)
        return torch.cat(list(self._band_matrices(x)), 2).movedim(2, -1)

    def _band_matrices(self, x: Tensor) -> list[Tensor]:
        """(B, bands, frames, C, C) of consecutive pieces of the signal, each of bounded size."""
        frames = self.output_length(x.shape[-1])
        per_frame = x.shape[0] * x.shape[1] ** 2 * self.freq_masks.shape[3] * self.stride // self.fft_stride
        step = max(1, ENTRIES_PER_CHUNK // per_frame)
        pieces = []
        for first in range(0, frames, step):
            last = min(first + step, frames) - 1
            piece = x[..., first * self.stride : last * self.stride + self.left_context + 1]
            pieces.append(self._piece_matrices(piece))
        return pieces

    def _piece_matrices(self, x: Tensor) -> Tensor:
        spectra = self.spectra(x).permute(0, 2, 3, 1)  # B F M C
        per_stride = self.stride // self.fft_stride
        shared = math.gcd(self.transforms, per_stride)  # transforms whose sum overlapping frames share
        batch, bins, count, channels = spectra.shape
        blocks = spectra[:, :, : count // shared * shared].reshape(batch, bins, -1, shared, channels).mT  # B F blocks C shared
        cross = blocks @ blocks.mH  # B F blocks C C
        sums = cross.unfold(2, self.transforms // shared, per_stride // shared).sum(-1)  # B F J C C
        power = sums.real.square() + sums.imag.square()
        masks = self.freq_masks[0, 0, :, :, 0, 0].to(power)
        weights = masks / (masks.sum(1, keepdim=True) * self.transforms**2)
        return torch.einsum("nf,bfjik->bnjik", weights, power)

    def _logarithm(self, matrices: Tensor) -> Tensor:
        return MatrixLogarithm.apply(matrices, self.floor)  # type: ignore[no-any-return,no-untyped-call]

    def _check_signal(self, x: Tensor) -> None:
        if x.dim() != 3 or not all(x.shape[:2]) or not x.is_floating_point():
            raise AEMGError(f"the signal must be floating point (batch, channels, samples), not {x.dtype} {tuple(x.shape)}")
        if x.shape[-1] <= self.left_context:
            raise AEMGError(f"a frame needs {self.left_context + 1} samples, the signal has {x.shape[-1]}")
        check_finite(x)

    def _apply(self, fn: Any, recurse: bool = True) -> MPF:
        """The window never falls below float32: rounded further it would no longer be the same window."""
        window = self.window
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        if self.window.dtype.itemsize < 4:
            self.window = window.to(self.window.device)
        return self

    def extra_repr(self) -> str:
        """Settings, as printing the module shows them."""
        return f"stride={self.stride}, n_fft={self.n_fft}, fft_stride={self.fft_stride}, bands={self.bands}, floor={self.floor}"


class MPFStream:
    """Features of one running signal, pushed in chunks of any length; the same frames as offline.

    The state is the last samples that a coming frame needs: fewer than `left_context + stride` of each channel.

    Args:
        mpf: the settings.
        channels: number of channels of the signal.
    """

    def __init__(self, mpf: MPF, channels: int = 16) -> None:
        self.mpf, self.channels = mpf, channels
        self.reset()

    def reset(self) -> None:
        """Forget what was pushed."""
        self._tail = torch.zeros(self.channels, 0)

    def copy(self) -> MPFStream:
        """A stream in the same state that runs on by itself."""
        other = MPFStream(self.mpf, self.channels)
        other._tail = self._tail
        return other

    @torch.inference_mode()
    def push(self, chunk: Tensor) -> Tensor:
        """Frames (bands, C (C + 1) / 2, j) that this chunk (C, n) completes; j may be zero.

        Raises:
            AEMGError: for another number of channels, or values that are not finite; the state is then as before.
        """
        if chunk.dim() != 2 or chunk.shape[0] != self.channels or not chunk.is_floating_point():
            raise AEMGError(f"a chunk must be floating point ({self.channels}, n), not {chunk.dtype} {tuple(chunk.shape)}")
        check_finite(chunk[None])
        signal = torch.cat((self._tail.to(chunk), chunk), -1)
        frames = self.mpf.output_length(signal.shape[-1])
        self._tail = signal[:, frames * self.mpf.stride :].clone()
        if frames:
            return self.mpf.compact(signal[None])[0]
        return chunk.new_zeros(self.mpf.bands, self.channels * (self.channels + 1) // 2, 0)


class MatrixLogarithm(torch.autograd.Function):
    """Logarithm of symmetric positive semidefinite matrices (..., C, C); differentiable at equal eigenvalues too.

    Eigenvalues of at most C epsilon of the trace are rounding residues of zero and count as one. The derivative is the
    Daleckii-Krein formula (Higham, Functions of Matrices, theorem 3.11).
    """

    @staticmethod
    def forward(ctx: Any, matrices: Tensor, floor: float | None) -> Tensor:
        """Logarithms of matrices (..., C, C), eigenvalues lifted to `floor` times the trace where it is given."""
        values, vectors = torch.linalg.eigh(matrices)
        trace = matrices.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True)
        lifted = values.clamp_min(trace * floor) if floor is not None else values
        kept = lifted > trace * matrices.shape[-1] * torch.finfo(values.dtype).eps
        lifted = torch.where(kept, lifted, 1.0)
        ctx.save_for_backward(values, vectors, lifted, kept & (lifted != values), trace)
        logarithm: Tensor = (vectors * lifted.log()[..., None, :]) @ vectors.mT
        return logarithm

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Gradient of the matrices (..., C, C) from that of their logarithms."""
        values, vectors, lifted, floored, trace = ctx.saved_tensors
        inner = vectors.mT @ ((gradient + gradient.mT) / 2) @ vectors
        gap = values[..., :, None] - values[..., None, :]
        moving = values == lifted
        both = moving[..., :, None] & moving[..., None, :]
        ratio = gap / lifted[..., None, :]
        smooth = torch.where(ratio.abs() > 1e-8, torch.log1p(ratio) / ratio, 1.0) / lifted[..., None, :]
        step = (lifted[..., :, None] / lifted[..., None, :]).log() / gap
        apart = gap.abs() > trace[..., None] * torch.finfo(values.dtype).eps
        slopes = torch.where(both, smooth, torch.where(apart, step, 0.0))
        through_trace = torch.where(floored, inner.diagonal(dim1=-2, dim2=-1) / trace, 0.0).sum(-1)
        identity = torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
        return vectors @ (slopes * inner) @ vectors.mT + through_trace[..., None, None] * identity, None


def upper(matrices: Tensor) -> Tensor:
    """Matrices (B, bands, J, C, C) as their entries i <= k, row by row: (B, bands, C (C + 1) / 2, J)."""
    rows, columns = torch.triu_indices(matrices.shape[-1], matrices.shape[-1], device=matrices.device)
    return matrices[..., rows, columns].transpose(-1, -2)


def expand(compact: Tensor, channels: int) -> Tensor:
    """Entries (B, bands, C (C + 1) / 2, J) as symmetric matrices (B, bands, C, C, J)."""
    rows, columns = torch.triu_indices(channels, channels, device=compact.device)
    position = torch.zeros(channels, channels, dtype=torch.long, device=compact.device)
    position[rows, columns] = position[columns, rows] = torch.arange(len(rows), device=compact.device)
    full = compact.index_select(2, position.flatten())
    return full.reshape(*compact.shape[:2], channels, channels, compact.shape[-1])


def band_masks(bands_hz: Sequence[tuple[float, float]] | None, n_fft: int, rate_hz: float) -> Tensor:
    """1 where a bin of the transform lies in a band, (bands, n_fft // 2 + 1) uint8.

    Raises:
        ConfigError: for a band without a bin.
    """
    bins = n_fft // 2 + 1
    if bands_hz is None:
        return torch.eye(bins, dtype=torch.uint8)
    if not len(bands_hz):
        raise ConfigError("bands_hz is empty; expected at least one band (low, high), or None for every bin")
    frequencies = torch.arange(bins, dtype=torch.float64) * rate_hz / n_fft
    masks = torch.stack([(frequencies > low) & (frequencies <= high) for low, high in bands_hz])
    for band, mask in zip(bands_hz, masks):
        if not mask.any():
            raise ConfigError(f"no bin of the transform lies in the band {tuple(band)} Hz: bins are {rate_hz / n_fft:g} Hz apart")
    return masks.to(torch.uint8)


def check_finite(x: Tensor) -> None:
    """Refuse a signal (B, C, T) with NaN or infinity, naming the first place (AEMGError)."""
    if math.isfinite(float(x.detach().sum())):
        return
    bad = (~x.isfinite()).nonzero()
    if len(bad):
        item, channel, _ = first = bad[bad[:, 2].argmin()].tolist()
        value = float(x[tuple(first)])
        raise AEMGError(f"item {item}, channel {channel}, sample {first[2]} is {value}: expected finite values")


def _precision(x: Tensor) -> torch.dtype:
    return torch.float32 if x.device.type == "mps" else torch.float64


def _check_sizes(window: int, stride: int, n_fft: int, fft_stride: int, rate_hz: float, floor: float | None) -> None:
    if not 1 < n_fft <= window:
        raise ConfigError(f"n_fft is {n_fft}; expected at least 2 and at most the window of {window} samples")
    if not 0 < fft_stride <= min(n_fft, stride):
        raise ConfigError(f"fft_stride is {fft_stride}; expected 1 to {min(n_fft, stride)} (n_fft {n_fft}, stride {stride})")
    if stride % fft_stride:
        raise ConfigError(f"stride is {stride}; expected a multiple of fft_stride ({fft_stride})")
    if not rate_hz > 0:
        raise ConfigError(f"rate_hz is {rate_hz}; expected a positive rate")
    if floor is not None and not 0 < floor < 1:
        raise ConfigError(f"floor is {floor}; expected a share of the trace between 0 and 1, or None")
