"""A stack of narrow conformer blocks step by step, compiled: for streams, where a step costs less than calling PyTorch for it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float32]
_f = np.float32
_ANY_ORDER = {"reassoc", "contract", "nsz"}


class Weights(NamedTuple):
    """Parameters of all N blocks, in float32 but for the sizes; those of a part that a block lacks are not read.

    Widths: D of the blocks, F inside their feed-forward layers, K of the longest convolution.

    Args:
        windows, kernels, strides: (N,) int64; 0 for a part that is missing.
        heads: (1,) int64.
        norms: (N, 6, 2, D), gains and biases before the first feed-forward layers, attention and convolution, inside the latter,
            before the second feed-forward layers and at the end.
        up, up_bias, down, down_bias: of both feed-forward parts, (N, 2, F, D), (N, 2, F), (N, 2, D, F) and (N, 2, D).
        attend, attend_bias: projections of queries, keys, values and output, (N, 4, D, D) and (N, 4, D).
        gate, gate_bias: (N, 2 D, D) and (N, 2 D).
        taps, taps_bias: of the depthwise convolution, (N, K, D), a kernel of k in the first k rows, and (N, D).
        mix, mix_bias: (N, D, D) and (N, D).
    """

    windows: NDArray[np.int64]
    kernels: NDArray[np.int64]
    strides: NDArray[np.int64]
    heads: NDArray[np.int64]
    norms: Array
    up: Array
    up_bias: Array
    down: Array
    down_bias: Array
    attend: Array
    attend_bias: Array
    gate: Array
    gate_bias: Array
    taps: Array
    taps_bias: Array
    mix: Array
    mix_bias: Array


@njit(cache=True, fastmath=_ANY_ORDER)
def _affine(weight: Array, bias: Array, x: Array, out: Array) -> None:
    for r in range(weight.shape[0]):
        total = bias[r]
        for j in range(weight.shape[1]):
            total += weight[r, j] * x[j]
        out[r] = total


@njit(cache=True, fastmath=_ANY_ORDER)
def _normalise(x: Array, gain_bias: Array, out: Array) -> None:
    mean, square = _f(0.0), _f(0.0)
    for value in x:
        mean += value
    mean /= _f(len(x))
    for value in x:
        square += (value - mean) * (value - mean)
    scale = _f(1.0) / np.sqrt(square / _f(len(x)) + _f(1e-5))
    for d in range(len(x)):
        out[d] = (x[d] - mean) * scale * gain_bias[0, d] + gain_bias[1, d]


@njit(cache=True)
def _silu(x: Array) -> None:
    for d in range(len(x)):
        x[d] /= _f(1.0) + np.exp(-x[d])


@njit(cache=True)
def _feed_forward(w: Weights, block: int, part: int, norm: int, x: Array) -> None:
    z, inner = np.empty_like(x), np.empty_like(w.up_bias[block, part])
    _normalise(x, w.norms[block, norm], z)
    _affine(w.up[block, part], w.up_bias[block, part], z, inner)
    _silu(inner)
    _affine(w.down[block, part], w.down_bias[block, part], inner, z)
    for d in range(len(x)):
        x[d] = z[d] + _f(0.5) * x[d]


@njit(cache=True, fastmath=_ANY_ORDER)
def _attention(w: Weights, block: int, past: Array, seen: int, x: Array) -> None:
    """Adds attention to x; `past` (window, D) holds the normalised inputs, the newest last, and is moved on."""
    width, window, heads = len(x), w.windows[block], w.heads[0]
    size = width // heads
    for t in range(window - 1):
        past[t] = past[t + 1]
    _normalise(x, w.norms[block, 1], past[window - 1])
    rows = np.empty((window, width), dtype=np.float32)  # the window transposed and read out again in rows
    for w_ in range(window):
        for d in range(width):
            place = w_ * width + d
            rows[w_, d] = past[place % window, place // window]
    query, mixed, out = np.empty_like(x), np.empty_like(x), np.empty_like(x)
    _affine(w.attend[block, 0], w.attend_bias[block, 0], past[window - 1], query)
    key, context = np.empty_like(x), np.empty_like(x)
    first = max(0, window - 1 - seen)
    scores = np.empty(window, dtype=np.float32)
    for h in range(heads):
        key[:], context[:] = _f(0.0), _f(0.0)
        for r in range(h * size, (h + 1) * size):
            for d in range(width):
                key[d] += w.attend[block, 1, r, d] * query[r]
        largest = _f(-np.inf)
        for w_ in range(first, window):
            total = _f(0.0)
            for d in range(width):
                total += key[d] * rows[w_, d]
            scores[w_] = total / np.sqrt(_f(size))
            largest = max(largest, scores[w_])
        whole = _f(0.0)
        for w_ in range(first, window):
            scores[w_] = np.exp(scores[w_] - largest)
            whole += scores[w_]
        for w_ in range(first, window):
            for d in range(width):
                context[d] += scores[w_] / whole * rows[w_, d]
        part = slice(h * size, (h + 1) * size)
        _affine(w.attend[block, 2, part], w.attend_bias[block, 2, part], context, mixed[part])
    _affine(w.attend[block, 3], w.attend_bias[block, 3], mixed, out)
    for d in range(width):
        x[d] += out[d]


@njit(cache=True, fastmath=_ANY_ORDER)
def _convolution(w: Weights, block: int, gated: Array, x: Array, complete: bool) -> None:
    """Moves `gated` (kernel, D), the inputs of the convolution, on; where they are complete, adds its output to x."""
    width, kernel = len(x), w.kernels[block]
    z, both = np.empty_like(x), np.empty_like(w.gate_bias[block])
    _normalise(x, w.norms[block, 2], z)
    _affine(w.gate[block], w.gate_bias[block], z, both)
    for t in range(kernel - 1):
        gated[t] = gated[t + 1]
    for d in range(width):
        gated[kernel - 1, d] = both[d] / (_f(1.0) + np.exp(-both[width + d]))
    if complete:
        out = w.taps_bias[block].copy()
        for t in range(kernel):
            for d in range(width):
                out[d] += w.taps[block, t, d] * gated[t, d]
        _normalise(out, w.norms[block, 3], z)
        _silu(z)
        _affine(w.mix[block], w.mix_bias[block], z, out)
        for d in range(width):
            x[d] += out[d]


@njit(cache=True, error_model="numpy", nogil=True)
def run_blocks(w: Weights, past: Array, gated: Array, seen: NDArray[np.int64], inputs: Array, outputs: Array) -> int:
    """Put steps through all blocks, each as far as it goes; returns the number of outputs.

    Args:
        past: (N, longest window, D), normalised inputs of attention, a window of n in the first n rows; moved on.
        gated: (N, K, D), inputs of the convolutions, likewise.
        seen: (N,) steps that each block has seen; moved on.
        inputs: (n, D).
        outputs: (n, D) or more rows, filled from the first on.
    """
    count = 0
    for step in range(len(inputs)):
        x, arrives = inputs[step].copy(), True
        for block in range(len(w.windows)):
            _feed_forward(w, block, 0, 0, x)
            if w.windows[block]:
                _attention(w, block, past[block], seen[block], x)
            kernel = w.kernels[block]
            if kernel:
                late = seen[block] - (kernel - 1)
                arrives = late >= 0 and late % w.strides[block] == 0
                _convolution(w, block, gated[block], x, arrives)
            seen[block] += 1
            if not arrives:
                break
            _feed_forward(w, block, 1, 4, x)
            _normalise(x, w.norms[block, 5], x)
        if arrives:
            outputs[count] = x
            count += 1
    return count


__all__ = ["Weights", "run_blocks"]
