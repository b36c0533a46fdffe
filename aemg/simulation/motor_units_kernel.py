"""One step of leaky integrate-and-fire units in two forms: compiled for the CPU, and of torch operations for any device.

Both do the same float32 additions, multiplications and divisions in the same order, so that they agree bit by bit in which
unit discharges; only the logarithm that tells when may differ in its last digit. See `motor_units` for the model.

The state of a unit is one number: its voltage where that is 0 or more, else the refractoriness that is left, 1 - exp(rest / tau)
with `rest` the time until it ends. A unit at rest for another `rest` seconds under the drive I is then a unit whose voltage is
I (1 - exp(rest / tau)) now, and exp(time of the crossing / tau) is a ratio of voltages, so that no step takes an exponential.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float32]
_f, _u = np.float32, np.uint32
_ZERO, _ONE = np.float32(0), np.float32(1)
_BYTE_MEAN, _BYTE_SCALE = np.int32(510), np.float32((4 * (256**2 - 1) / 12) ** -0.5)
_FIRST, _SECOND, _MASK = 0x7FEB352D, 0x846CA68B, 0xFFFFFFFF


class Constants(NamedTuple):
    """What a step of one length needs, all float32: `decay` of the voltage, `rest` times that of a refractory period, the
    `keep` and `fresh` shares of the slow noise, its size, the drive at the knee, the range above it, and the time constant."""

    decay: np.float32
    rest: np.float32
    keep: np.float32
    fresh: np.float32
    noise: np.float32
    knee: np.float32
    range: np.float32
    tau_s: np.float32


def step_keys(seed: int, first: int, steps: int, stream: int) -> NDArray[np.uint32]:
    """Two keys (steps, 2) for the hash of every step, by splitmix64 of seed, stream and number of the step."""
    with np.errstate(over="ignore"):
        start = _splitmix(_splitmix(np.array([seed % 2**64], dtype=np.uint64)) ^ np.uint64(stream))
        mixed = _splitmix(np.arange(first, first + steps, dtype=np.uint64) + start)
    return np.stack([mixed >> np.uint64(32), mixed & np.uint64(_MASK)], axis=1).astype(np.uint32)


def _splitmix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


@njit(inline="always")
def _mix(x: Any) -> Any:
    x = _u(x ^ (x >> _u(16)))
    x = _u(x * _u(_FIRST))
    x = _u(x ^ (x >> _u(15)))
    x = _u(x * _u(_SECOND))
    return _u(x ^ (x >> _u(16)))


@njit(inline="always")
def _hash(counter: Any, key0: Any, key1: Any) -> Any:
    return _mix(_u(_mix(_u(counter ^ key0)) + key1))


@njit(inline="always")
def _normal(h: Any) -> Any:
    """Mean 0 and variance 1 from the sum of the four bytes of a hash."""
    total = np.int32(h & _u(255)) + np.int32((h >> _u(8)) & _u(255))
    total = np.int32(total + np.int32((h >> _u(16)) & _u(255)) + np.int32(h >> _u(24)))
    return _f(np.int32(total - _BYTE_MEAN)) * _BYTE_SCALE


@njit(cache=True, nogil=True, error_model="numpy")
def start_units(state: Array, slow: Array, rows: NDArray[np.int64], first: int, keys: NDArray[np.uint32]) -> None:
    """Voltages drawn evenly from 0 to 1 and slow noise from its steady state, for some environments."""
    units = state.shape[1]
    for row in rows:
        for u in range(units):
            counter = _u((first + row) * units + u)
            state[row, u] = _f(_hash(counter, keys[0, 0], keys[0, 1]) >> _u(8)) * _f(2.0**-24)
            slow[row, u] = _normal(_hash(counter, keys[1, 0], keys[1, 1]))


@njit(cache=True, nogil=True, error_model="numpy")
def _advance(
    drive: Array, gains: Array, state: Array, slow: Array, ratio: Array, counter: np.uint32, key0: np.uint32, key1: np.uint32,
    c: Constants,
) -> None:  # fmt: skip
    """One environment; leaves exp(time of the crossing / tau) in `ratio` for units that discharge, else 0."""
    for u in range(len(state)):
        above = max(drive[u] - gains[1, u], _ZERO)
        upper = c.knee + gains[2, u] * (above / (above + c.range))
        wave = c.keep * slow[u] + c.fresh * _normal(_hash(_u(counter + _u(u)), key0, key1))
        slow[u] = wave
        level = min(drive[u] * gains[0, u], upper) * max(_ONE + c.noise * wave, _ZERO)
        before = state[u]
        left = (_ONE - before) * c.decay
        voltage = level * before if before < _ZERO else before
        after = level + (voltage - level) * c.decay
        crossed = after >= _ONE
        reached = (level - voltage) / (level - _ONE)
        rest = c.rest * reached
        reset = _ONE - rest
        reset = level * reset if reset > _ZERO else reset
        waiting = (before < _ZERO) & (left > _ONE)
        state[u] = _ONE - left if waiting else (reset if crossed else after)
        ratio[u] = reached if crossed & (not waiting) else _ZERO


@njit(cache=True, nogil=True, error_model="numpy")
def step_units(
    excitation: Array, muscle: NDArray[np.int64], gains: Array, state: Array, slow: Array, first: int,
    keys: NDArray[np.uint32], c: Constants, step: NDArray[np.int32], environment: NDArray[np.int32], unit: NDArray[np.int32],
    time_s: Array,
) -> int:  # fmt: skip
    """Every unit of every environment through one or more steps.

    Args:
        excitation: (steps, N, muscles); what lies outside 0 .. 1 counts as the nearer of them.
        gains: (3, M): the slope below the knee, the excitation at the knee, and the range of drive above it.
        state, slow: (N, M), changed.
        first: number of environment 0.
        keys: (steps, 2), from `step_keys`.
        step, environment, unit, time_s: filled with the discharges, time from the start of their step; steps * N * M
            are enough.

    Returns:
        How many there are.
    """
    found, units = 0, state.shape[1]
    drive, ratio = np.empty(units, dtype=np.float32), np.empty(units, dtype=np.float32)
    for t in range(len(excitation)):
        for n in range(len(state)):
            for u in range(units):
                drive[u] = min(max(excitation[t, n, muscle[u]], _ZERO), _ONE)
            _advance(drive, gains, state[n], slow[n], ratio, _u((first + n) * units), keys[t, 0], keys[t, 1], c)
            for u in range(units):
                if ratio[u] > _ZERO:
                    step[found], environment[found], unit[found] = t, n, u
                    time_s[found] = c.tau_s * _f(math.log(ratio[u]))
                    found += 1
    return found


def torch_normal(h: Tensor) -> Tensor:
    """The torch form of the noise: hashes (...) int64 to mean 0 and variance 1, float32."""
    total = (h & 255) + ((h >> 8) & 255) + ((h >> 16) & 255) + (h >> 24)
    return (total - int(_BYTE_MEAN)).to(torch.float32) * float(_BYTE_SCALE)


def torch_hash(counter: Tensor, keys: NDArray[np.uint32]) -> Tensor:
    """The torch form of the hash: counters (...) int64 below 2^32 to int64 below 2^32."""
    return _torch_mix((_torch_mix(counter ^ int(keys[0])) + int(keys[1])) & _MASK)


def _torch_mix(x: Tensor) -> Tensor:
    x = x ^ (x >> 16)
    x = (x * _FIRST) & _MASK
    x = x ^ (x >> 15)
    x = (x * _SECOND) & _MASK
    return x ^ (x >> 16)


def torch_step(
    drive: Tensor, gains: Tensor, state: Tensor, slow: Tensor, counter: Tensor, keys: NDArray[np.uint32], c: Constants
) -> tuple[Tensor, Tensor, Tensor]:
    """The torch form of a step: drive (N, M) between 0 and 1; see `step_units` for the others.

    Returns:
        The new state, the new slow noise, and exp(time of the crossing / tau) where a unit discharges, else 0; all (N, M).
    """
    decay, rest, keep, fresh, noise, knee, span, _ = (float(value) for value in c)
    above = (drive - gains[1]).clamp(min=0)
    upper = knee + gains[2] * (above / (above + span))
    slow = keep * slow + fresh * torch_normal(torch_hash(counter, keys))
    level = torch.minimum(drive * gains[0], upper) * (1 + noise * slow).clamp(min=0)
    left = (1 - state) * decay
    voltage = torch.where(state < 0, level * state, state)
    after = level + (voltage - level) * decay
    reached = (level - voltage) / (level - 1)
    reset = 1 - rest * reached
    reset = torch.where(reset > 0, level * reset, reset)
    waiting = (state < 0) & (left > 1)
    crossed = (after >= 1) & ~waiting
    state = torch.where(waiting, 1 - left, torch.where(crossed, reset, after))
    return state, slow, torch.where(crossed, reached, torch.zeros_like(reached))
