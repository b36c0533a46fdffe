"""e^x in compiled loops, for networks that are written out for one signal at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

_f = np.float32


@njit(inline="always")
def exponential(x: Any) -> Any:
    """e^x to float32 precision; beyond +-87 as at +-87."""
    x = min(max(x, _f(-87.0)), _f(87.0))
    n = np.floor(x * _f(1.44269504) + _f(0.5))
    r = x - n * _f(0.693359375) - n * _f(-2.12194440e-4)  # x - n ln 2, in two parts
    p = _f(1.9875691500e-4)
    p = p * r + _f(1.3981999507e-3)
    p = p * r + _f(8.3334519073e-3)
    p = p * r + _f(4.1665795894e-2)
    p = p * r + _f(1.6666665459e-1)
    p = p * r + _f(5.0000001201e-1)
    p = p * r * r + r + _f(1.0)
    return p * np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)  # times 2^n
