"""Compiled form of the MPF features for one recording on a CPU, in float64, eight matrices at a time.

Transforms are products with a windowed basis that holds only the bins which bands use; overlapping frames share the
cross-spectra of the samples they share; the logarithm is by Householder tridiagonalisation and implicit QL (Golub and
Van Loan, Matrix Computations, 8.3), each lane with its own block and shift.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from aemg.neuromotor.lanes import (
    LANES,
    absolute,
    largest,
    load,
    logarithm,
    smallest,
    splat,
    square_root,
    store,
    where_less,
)

Array = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])
FRAMES = 16  # computed together: their transforms stay in the second-level cache
EPSILON = float(np.finfo(np.float64).eps)


def compiled(function: Function) -> Function:
    """The function as machine code, kept on disk between runs where that is possible."""
    try:
        return numba.njit(function, cache=True, nogil=True, error_model="numpy")  # type: ignore[no-any-return]
    except RuntimeError:  # no folder that can be written to
        return numba.njit(function, nogil=True, error_model="numpy")  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Plan:
    """What the kernel needs of the settings.

    basis: (2 * vectors * n_fft, LANES), the windowed cosines and sines of the used bins, one column of lanes after another.
    bins: positions among the used bins, band after band; band n takes bins[edges[n] : edges[n + 1]].
    """

    basis: Array
    bins: NDArray[np.uint64]
    edges: NDArray[np.int64]
    n_fft: int
    hop: int
    transforms: int
    shared: int
    stride: int
    floor: float


@lru_cache(maxsize=16)
def plan(window: bytes, masks: bytes, n_fft: int, hop: int, transforms: int, stride: int, floor: float) -> Plan:
    """The plan of a float64 window of n_fft samples and uint8 masks (bands, n_fft // 2 + 1).

    `hop` and `stride` are in samples, `transforms` counts per frame; `floor` is 0 for none.
    """
    shape = np.frombuffer(window)
    mask = np.frombuffer(masks, np.uint8).reshape(-1, n_fft // 2 + 1) > 0
    used = np.flatnonzero(mask.any(0))
    vectors = -(-len(used) // LANES)
    angle = 2 * np.pi / n_fft * (np.arange(n_fft)[:, None] * used % n_fft)
    basis = aligned(2 * vectors * n_fft).reshape(2, vectors, n_fft, LANES)
    for part, wave in zip(basis, (np.cos(angle), np.sin(angle))):
        padded = np.zeros((n_fft, vectors * LANES))
        padded[:, : len(used)] = wave * (shape / np.linalg.norm(shape))[:, None]
        part[:] = padded.reshape(n_fft, vectors, LANES).swapaxes(0, 1)
    position = np.cumsum(mask.any(0)) - 1
    return Plan(
        basis=basis.reshape(-1, LANES),
        bins=np.concatenate([position[row] for row in mask]).astype(np.uint64),
        edges=np.concatenate(([0], np.cumsum(mask.sum(1)))).astype(np.int64),
        n_fft=n_fft,
        hop=hop,
        transforms=transforms,
        shared=int(np.gcd(transforms, stride // hop)),
        stride=stride // hop,
        floor=floor,
    )


def aligned(rows: int) -> Array:
    """An array (rows, LANES) that starts on a cache line."""
    raw = np.empty((rows + 1) * LANES)
    skip = -raw.ctypes.data % (8 * LANES) // 8
    return raw[skip : skip + rows * LANES].reshape(rows, LANES)


def features(x: Array, p: Plan, out: NDArray[Any], first: int = 0) -> None:
    """Write the logarithms of a signal's frames to `out`, from its frame `first` on.

    Args:
        x: (C, T) in C order, of at least one frame.
        p: the settings.
        out: (bands, C (C + 1) / 2, J), float32 or float64: the entries i <= k by row.
    """
    channels, samples = x.shape
    frames = ((samples - p.n_fft) // p.hop + 1 - p.transforms) // p.stride + 1
    together = min(FRAMES, frames)
    transforms = (together - 1) * p.stride + p.transforms
    columns = p.basis.shape[0] // p.n_fft
    spectra = aligned(channels * transforms * columns)
    blocks = aligned((transforms // p.shared + 1) * columns)
    matrices = aligned(-(-(len(p.edges) - 1) * together // LANES) * channels**2)
    matrices.fill(0.0)
    work = aligned(channels**2 + 4 * channels)
    for start in range(0, frames, FRAMES):
        count = min(FRAMES, frames - start)
        used = (count - 1) * p.stride + p.transforms
        _transform(x, start * p.stride * p.hop, used, p.basis, p.n_fft, p.hop, spectra)
        _band_matrices(
            spectra, used, columns, channels, p.transforms, p.shared, p.stride, p.bins, p.edges, count, blocks, matrices
        )
        _logarithms(matrices[: -(-(len(p.edges) - 1) * count // LANES) * channels**2], work, channels, p.floor)
        _unpack(matrices, channels, out[:, :, first + start : first + start + count])


@compiled
def _logarithms(matrices: Array, work: Array, channels: int, floor: float) -> None:
    size = channels * channels
    for group in range(matrices.shape[0] // size):
        _logarithm(matrices[group * size : (group + 1) * size], work[:size], work[size:], channels, floor)


@compiled
def _unpack(matrices: Array, channels: int, out: NDArray[Any]) -> None:
    """Write matrix band * J + frame from its lane to out[band, :, frame]."""
    bands, _, frames = out.shape
    for band in range(bands):
        entry = 0
        for i in range(channels):
            for k in range(i, channels):
                for frame in range(frames):
                    place = band * frames + frame
                    out[band, entry, frame] = matrices[(place // LANES * channels + i) * channels + k, place % LANES]
                entry += 1


@compiled
def _transform(x: Array, start: int, count: int, basis: Array, n_fft: int, hop: int, spectra: Array) -> None:
    """spectra[(channel * count + m) * columns + column] for `count` transforms of every channel from sample `start` on."""
    columns = basis.shape[0] // n_fft
    for channel in range(x.shape[0]):
        for column in range(0, columns, 2):
            real, imaginary = column * n_fft, (column + 1) * n_fft
            for m in range(0, count // 4 * 4, 4):
                at = start + m * hop
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = splat(0.0)
                for n in range(n_fft):
                    u, v = load(basis, real + n), load(basis, imaginary + n)
                    y = splat(x[channel, at + n])
                    a0, b0 = a0 + u * y, b0 + v * y
                    y = splat(x[channel, at + hop + n])
                    a1, b1 = a1 + u * y, b1 + v * y
                    y = splat(x[channel, at + 2 * hop + n])
                    a2, b2 = a2 + u * y, b2 + v * y
                    y = splat(x[channel, at + 3 * hop + n])
                    a3, b3 = a3 + u * y, b3 + v * y
                place = (channel * count + m) * columns + column
                store(spectra, place, a0)
                store(spectra, place + 1, b0)
                store(spectra, place + columns, a1)
                store(spectra, place + columns + 1, b1)
                store(spectra, place + 2 * columns, a2)
                store(spectra, place + 2 * columns + 1, b2)
                store(spectra, place + 3 * columns, a3)
                store(spectra, place + 3 * columns + 1, b3)
            for m in range(count // 4 * 4, count):
                a0 = b0 = splat(0.0)
                for n in range(n_fft):
                    y = splat(x[channel, start + m * hop + n])
                    a0, b0 = a0 + load(basis, real + n) * y, b0 + load(basis, imaginary + n) * y
                place = (channel * count + m) * columns + column
                store(spectra, place, a0)
                store(spectra, place + 1, b0)


@compiled
def _band_matrices(
    spectra: Array,
    count: int,
    columns: int,
    channels: int,
    transforms: int,
    shared: int,
    stride: int,
    bins: NDArray[np.uint64],
    edges: NDArray[np.int64],
    frames: int,
    blocks: Array,
    matrices: Array,
) -> None:
    """Upper triangles of the band means, matrix band * frames + frame in its lane of matrices[group * C * C + i * C + k].

    `blocks` takes the cross-spectra of one pair of channels, summed over `shared` transforms.
    """
    half = columns // 2
    summed = count // shared
    per_frame, step = transforms // shared, stride // shared
    power = blocks[summed * columns : (summed + 1) * columns]
    flat = power.reshape(-1)
    weights = 1.0 / (np.diff(edges) * float(transforms * transforms))
    for i in range(channels):
        for k in range(i, channels):
            for block in range(summed):
                one = (i * count + block * shared) * columns
                other = (k * count + block * shared) * columns
                for v in range(half):
                    real = imaginary = splat(0.0)
                    for m in range(shared):
                        a, b = load(spectra, one + m * columns + v), load(spectra, one + m * columns + half + v)
                        c, d = load(spectra, other + m * columns + v), load(spectra, other + m * columns + half + v)
                        real = real + a * c + b * d
                        imaginary = imaginary + b * c - a * d
                    store(blocks, block * columns + v, real)
                    store(blocks, block * columns + half + v, imaginary)
            for frame in range(frames):
                for v in range(half):
                    real = imaginary = splat(0.0)
                    for block in range(frame * step, frame * step + per_frame):
                        real = real + load(blocks, block * columns + v)
                        imaginary = imaginary + load(blocks, block * columns + half + v)
                    store(power, v, real * real + imaginary * imaginary)
                for band in range(len(edges) - 1):
                    total = 0.0
                    for q in range(edges[band], edges[band + 1]):
                        total += flat[bins[q]]
                    place = band * frames + frame
                    matrices[(place // LANES * channels + i) * channels + k, place % LANES] = total * weights[band]


@compiled
def _logarithm(a: Array, vectors: Array, work: Array, n: int, floor: float) -> None:
    """Replace the upper triangles a[i * n + k] of LANES matrices by those of their logarithms; `work` has 4 n rows."""
    diagonal, beside, scales, spare = work[:n], work[n : 2 * n], work[2 * n : 3 * n], work[3 * n : 4 * n]
    zero, one = splat(0.0), splat(1.0)
    trace = zero
    for i in range(n):
        trace = trace + load(a, i * n + i)
    normal = one / where_less(zero, trace, trace, one)
    for i in range(n):
        for k in range(i, n):
            store(a, i * n + k, load(a, i * n + k) * normal)
    _tridiagonalise(a, diagonal, beside, scales, spare, n)
    _accumulate(a, scales, vectors, n)
    _diagonalise(diagonal, beside, vectors, n)
    offset = logarithm(where_less(zero, trace, trace, one))
    residue, least = splat(n * EPSILON), splat(floor)
    for i in range(n):
        value = load(diagonal, i)
        value = where_less(value, least, least, value)
        value = where_less(residue, value, logarithm(where_less(residue, value, value, one)) + offset, zero)
        store(diagonal, i, where_less(zero, trace, value, zero))
    _recompose(diagonal, vectors, a, n)


@compiled
def _tridiagonalise(a: Array, diagonal: Array, beside: Array, scales: Array, w: Array, n: int) -> None:
    """Householder reduction of upper triangles; row k of `a` keeps reflector k from column k + 1 on, scales[k] its factor."""
    zero, half, two = splat(0.0), splat(0.5), splat(2.0)
    for k in range(n - 2):
        row = k * n
        below = zero
        for i in range(k + 2, n):
            x = load(a, row + i)
            below = below + x * x
        x = load(a, row + k + 1)
        norm = square_root(x * x + below)
        norm = where_less(zero, x, zero - norm, norm)
        head = x - norm
        scale = where_less(zero, below, two / (head * head + below), zero)
        store(beside, k, where_less(zero, below, norm, x))
        store(a, row + k + 1, head)
        store(scales, k, scale)
        store(diagonal, k, load(a, row + k))
        for i in range(k + 1, n):
            store(w, i, zero)
        dot = zero
        for i in range(k + 1, n):
            v = load(a, row + i)
            product = load(w, i) + load(a, i * n + i) * v
            for j in range(i + 1, n):
                x = load(a, i * n + j)
                product = product + x * load(a, row + j)
                store(w, j, load(w, j) + x * v)
            product = product * scale
            store(w, i, product)
            dot = dot + product * v
        dot = dot * scale * half
        for i in range(k + 1, n):
            store(w, i, load(w, i) - dot * load(a, row + i))
        for i in range(k + 1, n):
            v, u = load(a, row + i), load(w, i)
            for j in range(i, n):
                store(a, i * n + j, load(a, i * n + j) - v * load(w, j) - u * load(a, row + j))
    for i in range(max(n - 2, 0), n):
        store(diagonal, i, load(a, i * n + i))
    if n > 1:
        store(beside, n - 2, load(a, (n - 2) * n + n - 1))


@compiled
def _accumulate(a: Array, scales: Array, vectors: Array, n: int) -> None:
    """The product of the reflectors, its columns one after another."""
    zero, one = splat(0.0), splat(1.0)
    for i in range(n):
        for j in range(n):
            store(vectors, i * n + j, zero)
        store(vectors, i * n + i, one)
    for k in range(n - 3, -1, -1):
        row = k * n
        scale = load(scales, k)
        for column in range(k + 1, n):
            dot = zero
            for i in range(k + 1, n):
                dot = dot + load(a, row + i) * load(vectors, column * n + i)
            dot = dot * scale
            for i in range(k + 1, n):
                store(vectors, column * n + i, load(vectors, column * n + i) - dot * load(a, row + i))


@compiled
def _diagonalise(diagonal: Array, beside: Array, vectors: Array, n: int) -> None:
    """Implicit QL on tridiagonal matrices of trace 1: `diagonal` becomes eigenvalues, `vectors` their vectors.

    Every lane works on its own topmost unreduced block [start, end]; a sweep passes the rows of all of them, and lanes
    whose block does not hold a row leave it as it is.
    """
    zero, one, two, outside = splat(0.0), splat(1.0), splat(2.0), splat(-1.0)
    relative, least = splat(0.5 * EPSILON), splat(1e-18)
    for _ in range(30 * n):
        start, end, low_edge = splat(float(n)), outside, splat(n - 1.0)
        below = corner = load(diagonal, n - 1)
        d0 = d1 = bottom = zero
        e0 = one
        for i in range(n - 2, -1, -1):
            e, d, here = load(beside, i), load(diagonal, i), splat(float(i))
            size, limit = absolute(e), relative * (absolute(d) + absolute(below)) + least
            store(beside, i, where_less(limit, size, e, zero))
            start = where_less(limit, size, here, start)
            d0 = where_less(limit, size, d, d0)
            d1 = where_less(limit, size, below, d1)
            e0 = where_less(limit, size, e, e0)
            low_edge = where_less(limit, size, low_edge, here)
            corner = where_less(limit, size, corner, d)
            end = where_less(limit, size, low_edge, end)
            bottom = where_less(limit, size, corner, bottom)
            below = d
        high = int(largest(end))
        if high < 0:
            break
        ratio = (d1 - d0) / (two * e0)
        root = square_root(ratio * ratio + one)
        g = bottom - d0 + e0 / (ratio + where_less(ratio, zero, zero - root, root))
        s = c = one
        p = zero
        for i in range(high - 1, int(smallest(start)) - 1, -1):
            here, after = splat(float(i)), splat(i + 1.0)
            e, d, next_d, next_e = load(beside, i), load(diagonal, i), load(diagonal, i + 1), load(beside, i + 1)
            f, b = s * e, c * e
            square = f * f + g * g
            radius = square_root(square)
            inverse = radius * (one / square)
            new_s = where_less(zero, square, f * inverse, zero)
            new_c = where_less(zero, square, g * inverse, one)
            shifted = next_d - p
            t = where_less(zero, square, ((d - shifted) * f + two * g * b) * inverse, two * b)
            new_p = new_s * t
            new_g = new_c * t - b
            store(beside, i + 1, where_less(start, after, where_less(after, end, radius, next_e), next_e))
            store(diagonal, i + 1, where_less(start, after, where_less(here, end, shifted + new_p, next_d), next_d))
            g = where_less(start, after, where_less(here, end, new_g, g), g)
            p = where_less(start, after, where_less(here, end, new_p, p), p)
            s = where_less(start, after, where_less(here, end, new_s, s), s)
            c = where_less(start, after, where_less(here, end, new_c, c), c)
            at_start = where_less(here, start, zero, where_less(start, here, zero, where_less(here, end, one, zero)))
            store(diagonal, i, where_less(zero, at_start, d - p, d))
            store(beside, i, where_less(zero, at_start, g, e))
            cosine = where_less(start, after, where_less(here, end, new_c, one), one)
            sine = where_less(start, after, where_less(here, end, new_s, zero), zero)
            for row in range(n):
                x, y = load(vectors, i * n + n + row), load(vectors, i * n + row)
                store(vectors, i * n + n + row, sine * y + cosine * x)
                store(vectors, i * n + row, cosine * y - sine * x)


@compiled
def _recompose(values: Array, vectors: Array, a: Array, n: int) -> None:
    """Upper triangles of vectors diag(values) vectors^T."""
    for i in range(n):
        for k in range(i, n):
            store(a, i * n + k, splat(0.0))
    for j in range(0, n // 4 * 4, 4):
        q = j * n
        for i in range(n):
            w0, w1 = load(values, j) * load(vectors, q + i), load(values, j + 1) * load(vectors, q + n + i)
            w2, w3 = load(values, j + 2) * load(vectors, q + 2 * n + i), load(values, j + 3) * load(vectors, q + 3 * n + i)
            for k in range(i, n):
                total = load(a, i * n + k) + w0 * load(vectors, q + k) + w1 * load(vectors, q + n + k)
                total = total + w2 * load(vectors, q + 2 * n + k) + w3 * load(vectors, q + 3 * n + k)
                store(a, i * n + k, total)
    for j in range(n // 4 * 4, n):
        for i in range(n):
            w0 = load(values, j) * load(vectors, j * n + i)
            for k in range(i, n):
                store(a, i * n + k, load(a, i * n + k) + w0 * load(vectors, j * n + k))
