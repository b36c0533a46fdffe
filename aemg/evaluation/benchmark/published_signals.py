"""Signal processing and features of the published protocols.

Filters and the nine features are those of Colot et al. (code at github.com/MColot/LDA-KM-DA), Hudgins' four those of LibEMG.

Letters: W windows, C channels, T samples of a recording, L of a window.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, filtfilt, iirnotch, sosfiltfilt

Filters = Literal["literal", "corrected", "none"]
"""How a recording is filtered: with the cut-offs that the published code has in effect, with those that it names, or not."""

BAND_HZ: Final = (1.0, 150.0)
ENVELOPE_HZ: Final = 75.0
NOTCH_HZ: Final = 50.0
_ORDER, _QUALITY = 4, 30.0
_ROUNDS, _TOLERANCE = 50, 1e-9


def envelope(
    signal: NDArray[np.floating], rate_hz: float, filters: Filters, last_notch_hz: float = 400.0
) -> NDArray[np.float64]:
    """Band-passed, freed of the mains, rectified and smoothed signal (C, T); all filters run forth and back.

    The published code divides cut-offs by the rate where half the rate is meant: what it calls 1 to 150 Hz is 0.5 to 75 Hz, and
    its envelope is cut at 37.5 Hz, not 75. `literal` does that too, `corrected` does what was meant. The notches, at 50 Hz
    and its multiples up to `last_notch_hz`, are right there and the same in both.
    """
    found = np.asarray(signal, dtype=np.float64)
    if filters == "none":
        return found
    scale = 0.5 if filters == "literal" else 1.0
    found = _butterworth(found, BAND_HZ[1] * scale, "lowpass", rate_hz)
    found = _butterworth(found, BAND_HZ[0] * scale, "highpass", rate_hz)
    for mains_hz in np.arange(NOTCH_HZ, last_notch_hz + 1.0, NOTCH_HZ):
        found = filtfilt(*iirnotch(mains_hz, _QUALITY, fs=rate_hz), found)
    return _butterworth(np.abs(found), ENVELOPE_HZ * scale, "lowpass", rate_hz)


def _butterworth(signal: NDArray[np.float64], cutoff_hz: float, kind: str, rate_hz: float) -> NDArray[np.float64]:
    return np.asarray(sosfiltfilt(butter(_ORDER, cutoff_hz, kind, fs=rate_hz, output="sos"), signal))


def nine_features(windows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(W, C, L) -> (W, 9 C): mean absolute value, RMS, largest amplitude, waveform length, balances of zero crossings, of slope
    sign changes and of Willison's amplitude (the sum of signs, as published, where counts are usual), logarithm of the fractal
    length, kurtosis. A channel that stands still has the finite limits of the last two."""
    step = np.diff(windows, axis=-1)
    centred = windows - windows.mean(axis=-1, keepdims=True)
    spread = windows.std(axis=-1, keepdims=True)
    found = [
        np.abs(windows).mean(-1),
        np.sqrt((windows**2).mean(-1)),
        np.abs(windows).max(-1),
        np.abs(step).sum(-1),
        np.sign(windows[..., 1:] * windows[..., :-1]).sum(-1),
        np.sign(step[..., 1:] * step[..., :-1]).sum(-1),
        np.sign(np.abs(step) - spread).sum(-1),
        0.5 * np.log(np.maximum((step**2).sum(-1), 1e-300)),
        ((centred / np.where(spread > 0, spread, 1.0)) ** 4).mean(-1),
    ]
    return np.concatenate(found, axis=1)


def hudgins(windows: NDArray[np.floating]) -> NDArray[np.float64]:
    """(W, C, L) -> (W, 4 C): mean absolute value, zero crossings, slope sign changes and waveform length, without thresholds
    (Hudgins et al. 1993, doi 10.1109/10.204774)."""
    step = np.diff(windows, axis=-1)
    crossings = (windows[..., 1:] * windows[..., :-1] < 0).sum(-1)
    changes = (step[..., 1:] * step[..., :-1] < 0).sum(-1)
    return np.concatenate([np.abs(windows).mean(-1), crossings, changes, np.abs(step).sum(-1)], axis=1)


def normalise(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """The published normalisation of one person's features (W, F): every window to unit length, then every feature to zero
    mean and unit variance; constant ones to zero."""
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.where(length > 0, length, 1.0)
    spread = unit.std(axis=0)
    return np.asarray((unit - unit.mean(axis=0)) / np.where(spread > 1e-12, spread, 1.0))


def riemannian_mean(matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """The affine-invariant mean (C, C) of positive definite matrices (W, C, C): the point from which their tangent vectors add
    up to zero (Moakher 2005, doi 10.1137/S0895479803436937), by descent along them."""
    mean: NDArray[np.float64] = matrices.mean(axis=0)
    pace, last = 1.0, np.inf
    for _ in range(_ROUNDS):
        root, inverse = _power(mean, 0.5), _power(mean, -0.5)
        pull = _apply(np.log, inverse @ matrices @ inverse).mean(axis=0)
        size = float(np.linalg.norm(pull))
        if size < _TOLERANCE:
            break
        pace = pace if size < last else pace / 2
        last = min(last, size)
        mean = np.asarray(root @ _apply(np.exp, pace * pull) @ root)
    return mean


def tangent(matrices: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tangent vectors (W, C (C + 1) / 2) of positive definite matrices (W, C, C) at a point (C, C); a vector's length is the
    affine-invariant distance (Barachant et al. 2013, doi 10.1016/j.neucom.2012.12.039)."""
    inverse = _power(at, -0.5)
    logs = _apply(np.log, inverse @ matrices @ inverse)
    rows, columns = np.triu_indices(at.shape[0])
    return np.asarray(logs[:, rows, columns] * np.where(rows == columns, 1.0, np.sqrt(2.0)))


def _power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    return _apply(lambda values: values**exponent, matrix)


def _apply(
    function: Callable[[NDArray[np.float64]], NDArray[np.float64]], matrices: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A function of the eigenvalues of symmetric matrices (..., C, C)."""
    values, vectors = np.linalg.eigh((matrices + np.swapaxes(matrices, -1, -2)) / 2)
    return np.asarray((vectors * function(values)[..., None, :]) @ np.swapaxes(vectors, -1, -2))
