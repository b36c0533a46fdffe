"""The encoder for one sentence at a time, compiled: a network this narrow takes less time than PyTorch takes to call its parts.

Letters: N tokens, S slots, L samples, H half the width, D width, K taps.
"""

from __future__ import annotations

import copy
from typing import NamedTuple, Protocol, cast

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from aemg.features import FEATURES
from aemg.model.aemg import AEMG
from aemg.model.batch import SentenceBatch
from aemg.model.exponential import exponential
from aemg.model.network import Encoder
from aemg.topology import SLOTS

Array = NDArray[np.float32]
_f = np.float32
_ANY_ORDER = {"reassoc", "contract", "nsz"}
_AGREES = 1e-4  # largest difference from the encoder itself
_WIDEST = 256  # beyond it PyTorch's own products are as fast


class Sentences(Protocol):
    """Takes batches to tokens (B, N, D) and sentences (B, D), as `Encoder` does."""

    def __call__(self, batch: SentenceBatch) -> tuple[Tensor, Tensor]:
        """Encodes."""
        ...


def encoder_for_streams(model: AEMG) -> Sentences:
    """A copy of the model's encoder for batches of one sentence on the CPU: compiled where `PlainEncoder.fits`."""
    encoder = copy.deepcopy(model.encoder).eval().requires_grad_(False).to("cpu", torch.float32)
    if PlainEncoder.fits(encoder, model.config.token_samples):
        return PlainEncoder(encoder)
    return cast(Sentences, torch.inference_mode()(encoder.forward))


class Weights(NamedTuple):
    """Parameters, matrices as (inputs, outputs); J layers. Norms are gain and bias."""

    taps: Array  # (S K, H)
    taps_bias: Array
    group_norm: Array  # (2, H)
    mix: Array  # (H 5, D)
    mix_bias: Array
    pooled: Array  # (2 D, D)
    pooled_bias: Array
    spatial: Array
    spatial_bias: Array
    phases: Array
    frequencies: Array
    time: Array
    time_bias: Array
    summary: Array
    summary_bias: Array
    norm_in: Array  # (2, D)
    sentence: Array  # (D,)
    norms: Array  # (J, 2, 2, D), before attention and before the MLP
    qkv: Array  # (J, D, 3 inner)
    out: Array  # (J, inner, D)
    out_bias: Array
    up: Array  # (J, D, M)
    up_bias: Array
    down: Array  # (J, M, D)
    down_bias: Array
    norm_out: Array  # (2, D)


class PlainEncoder:
    """An encoder's weights as they are now; takes batches of one sentence."""

    def __init__(self, encoder: Encoder) -> None:
        values = {name: value.detach().numpy() for name, value in encoder.state_dict().items()}
        layers = range(len(encoder.blocks))

        def matrix(name: str) -> Array:
            weight: Array = values[f"{name}.weight"]
            return np.ascontiguousarray(weight.reshape(len(weight), -1).T, np.float32)

        def norm(name: str) -> Array:
            return np.stack([values[f"{name}.weight"], values[f"{name}.bias"]])

        def stack(name: str) -> Array:
            return np.stack([matrix(f"blocks.{i}.{name}") for i in layers])

        def biases(name: str) -> Array:
            return np.stack([values[f"blocks.{i}.{name}.bias"] for i in layers])

        front, conditions = encoder.front_end, encoder.conditions
        self._sizes = np.array(
            [front.conv.kernel_size[0], front.stride, front.norm.num_groups, encoder.blocks[0].heads]
        )
        self._keep = np.float32(conditions.sigma_condition)
        self._weights = Weights(
            taps=matrix("front_end.conv"), taps_bias=values["front_end.conv.bias"], group_norm=norm("front_end.norm"),
            mix=matrix("front_end.mix"), mix_bias=values["front_end.mix.bias"],
            pooled=matrix("front_end.out"), pooled_bias=values["front_end.out.bias"],
            spatial=matrix("conditions.spatial"), spatial_bias=values["conditions.spatial.bias"],
            phases=values["conditions.phase.weight"], frequencies=conditions.frequencies.numpy(),
            time=matrix("conditions.time"), time_bias=values["conditions.time.bias"],
            summary=matrix("conditions.summary"), summary_bias=values["conditions.summary.bias"],
            norm_in=norm("norm_in"), sentence=values["sentence_token"],
            norms=np.stack([[norm(f"blocks.{i}.norm_attention"), norm(f"blocks.{i}.mlp.0")] for i in layers]),
            qkv=stack("qkv"), out=stack("out"), out_bias=biases("out"),
            up=stack("mlp.1"), up_bias=biases("mlp.1"), down=stack("mlp.4"), down_bias=biases("mlp.4"),
            norm_out=norm("norm_out"),
        )  # fmt: skip

    @classmethod
    def fits(cls, encoder: Encoder, samples: int) -> bool:
        """Whether the encoder is made of these parts, and no wider than pays; tried on a made-up sentence.

        Args:
            samples: length of the longest token.
        """
        if len(encoder.sentence_token) > _WIDEST:
            return False
        try:
            plain = cls(encoder)
        except (AttributeError, KeyError, IndexError, ValueError):  # other parts
            return False
        for tokens in (0, 3):
            batch = made_up_sentence(tokens, samples)
            with torch.inference_mode():
                (a, b), (c, d) = encoder(batch), plain(batch)
            apart = torch.cat([(a - c)[batch.valid], b - d]) if a.shape == c.shape else torch.ones(1)
            if not apart.abs().max() <= _AGREES:
                return False
        return True

    def __call__(self, batch: SentenceBatch) -> tuple[Tensor, Tensor]:
        """As the encoder, for a batch of one: (1, N, D) and (1, D); rows of padding are zero."""
        valid = batch.valid.numpy()[0]
        n, keep = int(np.count_nonzero(valid)), self._keep
        sigma, features, source = batch.sigma.numpy()[0], batch.features.numpy()[0], batch.source.numpy()[0]
        spatial = np.empty((n, self._weights.spatial.shape[0]), np.float32)
        s = sigma.shape[1]
        np.multiply(sigma[:n], keep, out=spatial[:, :s])
        np.multiply(features[:n].reshape(n, 4 * s), keep, out=spatial[:, s : 5 * s])
        spatial[:, 5 * s : 6 * s] = batch.slots.numpy()
        np.multiply(source[:n], keep, out=spatial[:, 6 * s :])
        related = _encode(
            self._weights, self._sizes, batch.waves.numpy()[0, :n], batch.lengths.numpy()[0, :n], spatial,
            batch.phase.numpy()[0, :n], batch.start_s.numpy()[0, :n], keep * batch.summary.numpy(),
        )  # fmt: skip
        tokens = np.zeros((1, len(valid), related.shape[1]), np.float32)
        tokens[0, :n] = related[1:]
        return torch.from_numpy(tokens), torch.from_numpy(related[:1])


def made_up_sentence(tokens: int, samples: int) -> SentenceBatch:
    """A batch of one sentence of noise.

    Args:
        tokens: their number; with none there is one row of padding.
        samples: length of the longest token.
    """
    rng = np.random.default_rng(0)
    rows = max(1, tokens)

    def noise(*shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    lengths = torch.linspace(samples / 5, samples, rows).round().to(torch.int64)[None]
    beyond = torch.arange(samples) >= lengths[..., None]  # (1, N, L)
    return SentenceBatch(
        noise(1, rows, SLOTS, samples).masked_fill(beyond[:, :, None], 0.0),
        lengths,
        noise(1, rows, SLOTS),
        noise(1, rows, SLOTS, len(FEATURES)),
        noise(1, (1 + len(FEATURES)) * SLOTS),
        noise(1, rows, 3),
        torch.arange(rows)[None] % 4,
        torch.arange(rows)[None] * 0.2,
        torch.arange(SLOTS)[None] > 1,
        (torch.arange(rows) < tokens)[None],
    )


@njit(cache=True, fastmath=_ANY_ORDER)
def _product(x: Array, weight: Array, bias: Array) -> Array:
    y: Array = np.dot(x, weight)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += bias[j]
    return y


@njit(cache=True, fastmath=_ANY_ORDER)
def _normed(x: Array, norm: Array) -> Array:
    """Layer norm of every row."""
    y = np.empty_like(x)
    d = x.shape[1]
    for i in range(x.shape[0]):
        total, square = _f(0.0), _f(0.0)
        for j in range(d):
            total += x[i, j]
        mean = total / _f(d)
        for j in range(d):
            square += (x[i, j] - mean) ** 2
        scale = _f(1.0) / np.sqrt(square / _f(d) + _f(1e-5))
        for j in range(d):
            y[i, j] = (x[i, j] - mean) * scale * norm[0, j] + norm[1, j]
    return y


@njit(cache=True, fastmath=_ANY_ORDER)
def _gelu(x: Array) -> None:
    """GELU in place; the error function by Abramowitz and Stegun 7.1.26, to 1.5e-7."""
    flat = x.reshape(-1)
    for i in range(len(flat)):
        z = abs(flat[i]) * _f(0.70710678)
        t = _f(1.0) / (_f(1.0) + _f(0.3275911) * z)
        p = _f(1.061405429) * t + _f(-1.453152027)
        p = p * t + _f(1.421413741)
        p = p * t + _f(-0.284496736)
        p = (p * t + _f(0.254829592)) * t
        tail = _f(0.5) * p * exponential(-z * z)  # of the normal distribution beyond |x|
        flat[i] *= tail if flat[i] < _f(0.0) else _f(1.0) - tail


@njit(cache=True, fastmath=_ANY_ORDER)
def _front_end(w: Weights, sizes: NDArray[np.int64], wave: Array, length: int, pooled: Array) -> None:
    """One token's wave (S, L) to mean and maximum over its own length (2 D,)."""
    kernel, stride, groups = sizes[0], sizes[1], sizes[2]
    slots, samples = wave.shape
    steps = (samples + 2 * (kernel // 2) - kernel) // stride + 1
    patches = np.zeros((steps, slots * kernel), np.float32)
    for t in range(steps):
        for s in range(slots):
            for k in range(kernel):
                at = t * stride + k - kernel // 2
                if 0 <= at < samples:
                    patches[t, s * kernel + k] = wave[s, at]
    x = _product(patches, w.taps, w.taps_bias)  # (steps, H)
    half = x.shape[1]
    size = half // groups
    for g in range(groups):
        total, square, n = _f(0.0), _f(0.0), _f(steps * size)
        for t in range(steps):
            for h in range(g * size, (g + 1) * size):
                total += x[t, h]
        mean = total / n
        for t in range(steps):
            for h in range(g * size, (g + 1) * size):
                square += (x[t, h] - mean) ** 2
        scale = _f(1.0) / np.sqrt(square / n + _f(1e-5))
        for t in range(steps):
            for h in range(g * size, (g + 1) * size):
                x[t, h] = (x[t, h] - mean) * scale * w.group_norm[0, h] + w.group_norm[1, h]
    _gelu(x)
    inside = min((steps - 1) // 2 + 1, (length - 1) // (2 * stride) + 1)
    mixed = np.zeros((inside, half * 5), np.float32)
    for t in range(inside):
        for k in range(5):
            at = 2 * t + k - 2
            if 0 <= at < steps:
                for h in range(half):
                    mixed[t, h * 5 + k] = x[at, h]
    y = _product(mixed, w.mix, w.mix_bias)  # (inside, D)
    _gelu(y)
    d = y.shape[1]
    for j in range(d):
        pooled[j], pooled[d + j] = y[0, j], y[0, j]
    for t in range(1, inside):
        for j in range(d):
            pooled[j] += y[t, j]
            pooled[d + j] = max(pooled[d + j], y[t, j])
    for j in range(d):
        pooled[j] /= _f(inside)


@njit(cache=True, fastmath=_ANY_ORDER)
def _attended(qkv: Array, heads: int) -> Array:
    """(R, 3 inner) -> (R, inner)."""
    rows, inner = qkv.shape[0], qkv.shape[1] // 3
    width = inner // heads
    y = np.zeros((rows, inner), np.float32)
    scale = _f(1.0) / np.sqrt(_f(width))
    scores = np.empty(rows, np.float32)
    for h in range(heads):
        q, k, v = h * width, inner + h * width, 2 * inner + h * width
        for i in range(rows):
            largest = _f(-np.inf)
            for j in range(rows):
                dot = _f(0.0)
                for c in range(width):
                    dot += qkv[i, q + c] * qkv[j, k + c]
                scores[j] = dot * scale
                largest = max(largest, scores[j])
            total = _f(0.0)
            for j in range(rows):
                scores[j] = exponential(scores[j] - largest)
                total += scores[j]
            for j in range(rows):
                share = scores[j] / total
                for c in range(width):
                    y[i, q + c] += share * qkv[j, v + c]
    return y


@njit(cache=True, nogil=True)
def _encode(
    w: Weights, sizes: NDArray[np.int64], waves: Array, lengths: NDArray[np.int64], spatial: Array,
    phase: NDArray[np.int64], start_s: Array, summary: Array,
) -> Array:  # fmt: skip
    """One sentence: its own vector, then its N tokens', (1 + N, D)."""
    n, d, periods = len(waves), len(w.sentence), len(w.frequencies)
    x = np.empty((1 + n, d), np.float32)
    x[0] = w.sentence + _product(summary, w.summary, w.summary_bias)[0]
    if n:
        pooled = np.empty((n, 2 * d), np.float32)
        times = np.empty((n, 2 * periods), np.float32)
        for i in range(n):
            _front_end(w, sizes, waves[i], lengths[i], pooled[i])
            for f in range(periods):
                angle = start_s[i] * w.frequencies[f]
                times[i, f], times[i, periods + f] = np.sin(angle), np.cos(angle)
        tokens = _product(pooled, w.pooled, w.pooled_bias) + _product(spatial, w.spatial, w.spatial_bias)
        for i in range(n):
            tokens[i] += w.phases[phase[i]]
        x[1:] = _normed(tokens, w.norm_in) + _product(times, w.time, w.time_bias)
    for j in range(len(w.qkv)):
        qkv = np.dot(_normed(x, w.norms[j, 0]), w.qkv[j])
        x += _product(_attended(qkv, sizes[3]), w.out[j], w.out_bias[j])
        hidden = _product(_normed(x, w.norms[j, 1]), w.up[j], w.up_bias[j])
        _gelu(hidden)
        x += _product(hidden, w.down[j], w.down_bias[j])
    return _normed(x, w.norm_out)
