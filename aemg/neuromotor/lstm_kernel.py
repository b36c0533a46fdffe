"""The steps of an LSTM layer for one sequence, compiled: what one step costs is reading the recurrent weights, nothing else.

The rows of the weights are read upwards in one step and downwards in the next: what the cache still holds of them is used
first. Exponentials are Cephes' polynomials for float32, in plain arithmetic that the compiler turns into vectors.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aemg.model.exponential import exponential

Array = NDArray[np.float32]
_f = np.float32
_ANY_ORDER = {"reassoc", "contract", "nsz"}


@njit(inline="always")
def _sigmoid(x: Any) -> Any:
    return _f(1.0) / (_f(1.0) + exponential(-x))


@njit(inline="always")
def _tanh(x: Any) -> Any:
    e = exponential(_f(-2.0) * abs(x))
    return math.copysign((_f(1.0) - e) / (_f(1.0) + e), x)


@njit(cache=True, fastmath=_ANY_ORDER)
def _add_product(weight: Array, vector: Array, into: Array, downwards: bool) -> None:
    """into += weight @ vector, four rows at a time; the number of rows is a multiple of four."""
    quarter = weight.shape[0] // 4
    for k in range(quarter):
        r = 4 * (quarter - 1 - k if downwards else k)
        a, b, c, d = _f(0.0), _f(0.0), _f(0.0), _f(0.0)
        for j in range(weight.shape[1]):
            x = vector[j]
            a += weight[r, j] * x
            b += weight[r + 1, j] * x
            c += weight[r + 2, j] * x
            d += weight[r + 3, j] * x
        into[r] += a
        into[r + 1] += b
        into[r + 2] += c
        into[r + 3] += d


@njit(cache=True, error_model="numpy", nogil=True)
def run_steps(weight: Array, gates: Array, hidden: Array, cell: Array, outputs: Array) -> None:
    """Run one sequence.

    Args:
        weight: (4 hidden, hidden), recurrent; gates in the order input, forget, candidate, output.
        gates: (steps, 4 hidden), what the inputs give to them; overwritten.
        hidden, cell: (hidden,) before the first step; overwritten with those after the last.
        outputs: (steps, hidden), filled with the hidden states.
    """
    size = len(hidden)
    for step in range(len(gates)):
        g = gates[step]
        _add_product(weight, hidden, g, step % 2 == 1)
        for k in range(size):
            cell[k] = _sigmoid(g[size + k]) * cell[k] + _sigmoid(g[k]) * _tanh(g[2 * size + k])
            hidden[k] = _sigmoid(g[3 * size + k]) * _tanh(cell[k])
        outputs[step] = hidden
