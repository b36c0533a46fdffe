"""Windows cut out of codes and decoded in one pass, compiled; imported where it is needed, since numba takes its time."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ZERO_PLACE = 1 << 15  # place in a palette of code 0


@njit(cache=True, nogil=True)
def decode_windows(
    codes: NDArray[np.int16],
    begin: NDArray[np.int64],
    key: NDArray[np.int64],
    scale: NDArray[np.float64],
    palette: NDArray[np.int64],
    values: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Fills windows as `codes.decode` would, to the bit.

    Args:
        codes: (N, C) in time order.
        begin, key: (B,) first row of each window, and number of its recording among the R that follow.
        scale: (R, C, 2) step and zero of each channel.
        palette: (R, 2) first and last (exclusive) of a recording's palette in `values`; none: its codes are counts.
        values: of all palettes.
        out: (B, C, T) windows.

    Raises:
        IndexError: a code outside of its palette.
    """
    for b in range(out.shape[0]):
        window = codes[begin[b] : begin[b] + out.shape[2]]
        first, last = palette[key[b]]
        for c in range(out.shape[1]):
            if last > first:
                for t in range(out.shape[2]):
                    place = first + window[t, c] + _ZERO_PLACE
                    if place >= last:
                        raise IndexError("a code outside of its palette")
                    out[b, c, t] = values[place]
            else:
                step, zero = scale[key[b], c, 0], scale[key[b], c, 1]
                for t in range(out.shape[2]):
                    out[b, c, t] = np.float32((window[t, c] + zero) * step)
