"""Windows cut out of counts and decoded in one pass, compiled; imported where it is needed, since numba takes its time."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True)
def decode_windows(
    counts: NDArray[np.int16],
    begin: NDArray[np.int64],
    key: NDArray[np.int64],
    scale: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Fills windows as `codes.decode` would, to the bit.

    Args:
        counts: (N, C) in time order.
        begin, key: (B,) first row of each window, and its row of `scale`.
        scale: (R, C, 2) step and zero of each channel.
        out: (B, C, T) windows.
    """
    for b in range(out.shape[0]):
        window = counts[begin[b] : begin[b] + out.shape[2]]
        for c in range(out.shape[1]):
            step, zero = scale[key[b], c, 0], scale[key[b], c, 1]
            for t in range(out.shape[2]):
                out[b, c, t] = np.float32((window[t, c] + zero) * step)
