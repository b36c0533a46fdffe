"""From excitation to discharges: pools of leaky integrate-and-fire motor units, for many environments at once.

A unit's voltage v follows tau dv/dt = I - v; at 1 it discharges, rests for the refractory period and starts again from 0.
The drive I is constant within a step, so that the time of the crossing is a logarithm: discharges have exact times however
long the step is. I rises steeply with excitation up to a knee just above the unit's threshold and saturates beyond it, as
the discharge of human units does (Binder, Powers and Heckman 2020, Physiology 35:31). Thresholds grow
geometrically over a muscle's units (size principle; Fuglevand, Winter and Patla 1993, doi 10.1152/jn.1993.70.6.2470) and the
first recruited reach the highest rates (onion skin; De Luca and Erim 1994). A slow independent noise multiplies the drive,
whence intervals vary by a tenth to three tenths of their mean.

All chance is a hash of (seed, environment, unit, step): results depend on no batch size, shard or device.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aemg.errors import AEMGError
from aemg.simulation import anatomy
from aemg.simulation.firings import FiringHistory, Firings
from aemg.simulation.motor_units_kernel import (
    Constants,
    start_units,
    step_keys,
    step_units,
    torch_hash,
    torch_normal,
    torch_step,
)

LONGEST_STEP_S = 0.02
_CHUNK = 2**20
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True)
class IntegrateAndFire:
    """Settings of the model.

    Args:
        tau_s, refractory_s: of the membrane, and after each discharge.
        first_threshold, last_threshold: excitation at which a muscle's first and last units begin to discharge.
        knee: drive at the knee, 1 being what a unit just discharges at; the rate there is the lowest steady one.
        first_peak, last_peak: drive that a muscle's first and last units tend to far above their threshold.
        range: excitation above the knee at which half of the rest of that is reached.
        noise: standard deviation of the factor on the drive.
        noise_tau_s: its time constant.
    """

    tau_s: float = 0.05
    refractory_s: float = 0.009
    first_threshold: float = 0.01
    last_threshold: float = 0.6
    knee: float = 1.15
    first_peak: float = 3.0
    last_peak: float = 2.2
    range: float = 0.2
    noise: float = 0.13
    noise_tau_s: float = 0.02

    def __post_init__(self) -> None:
        if min(self.tau_s, self.refractory_s, self.first_threshold, self.range, self.noise_tau_s) <= 0 or self.noise < 0:
            raise AEMGError(f"time constants, thresholds and range must be above 0 and noise at least 0, got {self}")
        if not self.first_threshold <= self.last_threshold <= 1 or not 1 <= self.knee <= min(self.first_peak, self.last_peak):
            raise AEMGError(f"expected first_threshold <= last_threshold <= 1 and 1 <= knee <= both peaks, got {self}")

    def thresholds(self, rank: Floats) -> Floats:
        """Excitation (M,) at which units of a rank (M,) begin to discharge."""
        return np.asarray(self.first_threshold * (self.last_threshold / self.first_threshold) ** rank)

    def rates(self, rank: Floats, excitation: Floats) -> Floats:
        """Steady rates in Hz without noise: (M, T) for ranks (M,) and excitations (M, T); 0 where not recruited."""
        slope, knee, above = (row[:, None] for row in self.gains(rank))
        over = np.maximum(excitation - knee, 0)
        drive = np.minimum(excitation * slope, self.knee + above * over / (over + self.range))
        with np.errstate(divide="ignore"):
            interval_s = self.refractory_s - self.tau_s * np.log1p(-1 / np.maximum(drive, 1))
        return np.asarray(1 / interval_s)

    def gains(self, rank: Floats) -> Floats:
        """(3, M): the slope of the drive below the knee, the excitation at the knee, and the range of drive above it."""
        thresholds = self.thresholds(rank)
        peak = self.first_peak + (self.last_peak - self.first_peak) * rank
        return np.stack([1 / thresholds, self.knee * thresholds, peak - self.knee])


@dataclass(frozen=True, eq=False)
class Pool:
    """Motor units by what their discharges depend on.

    Args:
        muscle: (M,) index of the muscle whose excitation drives each.
        rank: (M,) from 0 for a muscle's first recruited unit to 1 for its last.
    """

    muscle: Ints
    rank: Floats

    @staticmethod
    def of(units: anatomy.MotorUnits) -> Pool:
        """The units of a person."""
        return Pool(units.muscle, units.rank)

    def __len__(self) -> int:
        return len(self.muscle)


def pool_of(muscles: int, units: int) -> Pool:
    """So many units for each of so many muscles, muscle by muscle from the first to the last recruited."""
    if min(muscles, units) < 1:
        raise AEMGError(f"expected a muscle and a unit at least, got {muscles} muscles and {units} units")
    return Pool(np.repeat(np.arange(muscles), units), np.tile(np.linspace(0, 1, units), muscles))


class MotorUnits:
    """The motor units of N environments (people, or episodes of one), advanced together step by step.

    Args:
        pool: units of every environment.
        environments: N.
        seed: of all chance.
        device: of torch; on "cpu" a compiled kernel takes the place of torch's operations.
        first: number of environment 0, for a part of a larger batch to come out as it does within the whole.
        compiled: whether to use the kernel; by default where the device is the CPU.
    """

    def __init__(
        self, pool: Pool, environments: int, *, seed: int, settings: IntegrateAndFire | None = None,
        device: str | torch.device = "cpu", first: int = 0, compiled: bool | None = None,
    ) -> None:  # fmt: skip
        if environments < 1 or first < 0:
            raise AEMGError(f"expected an environment at least and first not below 0, got {environments} and {first}")
        self.pool, self.environments, self.seed, self.first = pool, environments, seed, first
        self.settings = settings or IntegrateAndFire()
        self.device = torch.device(device)
        self._compiled = self.device.type == "cpu" if compiled is None else compiled
        self._steps = 0
        self._muscles = int(pool.muscle.max()) + 1
        shape = (environments, len(pool))
        self._state, self._slow = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
        self._muscle = np.ascontiguousarray(pool.muscle, dtype=np.int64)
        self._gains = self.settings.gains(pool.rank).astype(np.float32)
        if not self._compiled:
            counter = np.arange(first * shape[1], (first + environments) * shape[1]).reshape(shape) & 0xFFFFFFFF
            self._counter_t = torch.from_numpy(counter).to(self.device)
            self._gains_t = torch.from_numpy(self._gains).to(self.device)
            self._muscle_t = torch.from_numpy(self._muscle).to(self.device)
            self._state_t = torch.zeros(shape, device=self.device)
            self._slow_t = torch.zeros(shape, device=self.device)
        self.reset()

    def reset(self, environments: NDArray[np.integer | np.bool_] | None = None) -> None:
        """Starts some environments (indices or a mask) or all anew; the noise goes on, so that no two starts are alike."""
        rows = np.arange(self.environments) if environments is None else np.arange(self.environments)[environments]
        keys = np.concatenate([step_keys(self.seed, self._steps, 1, stream) for stream in (1, 2)])
        if self._compiled:
            start_units(self._state, self._slow, rows, self.first, keys)
            return
        at = torch.from_numpy(rows).to(self.device)
        self._state_t[at] = (torch_hash(self._counter_t[at], keys[0]) >> 8).to(torch.float32) * 2.0**-24
        self._slow_t[at] = torch_normal(torch_hash(self._counter_t[at], keys[1]))

    def step(self, excitation: NDArray[np.floating] | Tensor, duration_s: float) -> Firings:
        """One step under a constant excitation.

        Args:
            excitation: (N, muscles) between 0 and 1; beyond that it counts as 0 or 1.
            duration_s: at most 20 ms, in which no unit discharges twice.

        Returns:
            The discharges, by environment and unit.

        Raises:
            AEMGError: an excitation of another shape, or a step that is too long.
        """
        self._check(tuple(excitation.shape), duration_s)
        if self._compiled:
            drive = np.asarray(excitation.detach().cpu() if isinstance(excitation, Tensor) else excitation)
            return self._run(drive[None], duration_s)[1]
        keys = step_keys(self.seed, self._steps, 1, 0)[0]
        self._steps += 1
        drive_t = torch.as_tensor(excitation, dtype=torch.float32, device=self.device).clamp(0, 1)[:, self._muscle_t]
        constants = _constants(self.settings, duration_s)
        self._state_t, self._slow_t, reached = torch_step(
            drive_t, self._gains_t, self._state_t, self._slow_t, self._counter_t, keys, constants
        )
        at = torch.nonzero(reached)
        time = float(constants.tau_s) * torch.log(reached[at[:, 0], at[:, 1]])
        return Firings(at[:, 0].to(torch.int32), at[:, 1].to(torch.int32), time)

    def run(self, excitation: NDArray[np.floating], step_s: float) -> FiringHistory:
        """Many steps at once: what `step` gives for each of the rows of a course of excitation.

        Args:
            excitation: (T, N, muscles).
            step_s: length of a step; at most 20 ms.

        Raises:
            AEMGError: as `step`.
        """
        self._check(excitation.shape[1:], step_s)
        history, rows = FiringHistory(), max(_CHUNK // (self.environments * len(self.pool)), 1)
        for start in range(0, len(excitation), rows):
            part = excitation[start : start + rows]
            if self._compiled:
                step, firings = self._run(np.asarray(part), step_s)
                history.extend(step, firings, len(part), step_s)
            else:
                for row in part:
                    history.append(self.step(row, step_s), step_s)
        return history

    def state(self) -> dict[str, NDArray[np.generic]]:
        """A copy of all that the next step depends on."""
        voltage, slow = (self._state, self._slow) if self._compiled else (self._state_t.cpu().numpy(), self._slow_t.cpu().numpy())
        return {"voltage": voltage.copy(), "slow": slow.copy(), "steps": np.array(self._steps)}

    def restore(self, state: dict[str, NDArray[np.generic]]) -> None:
        """Takes back a copy made by `state`."""
        self._steps = int(state["steps"])
        if self._compiled:
            self._state[:], self._slow[:] = state["voltage"], state["slow"]
        else:
            self._state_t, self._slow_t = (torch.from_numpy(state[k].copy()).to(self.device) for k in ("voltage", "slow"))

    def _run(self, excitation: NDArray[np.floating], duration_s: float) -> tuple[NDArray[np.int32], Firings]:
        keys = step_keys(self.seed, self._steps, len(excitation), 0)
        self._steps += len(excitation)
        most = len(excitation) * self._state.size
        step, environment, unit = (np.empty(most, dtype=np.int32) for _ in range(3))
        time_s = np.empty(most, dtype=np.float32)
        found = step_units(
            np.ascontiguousarray(excitation, dtype=np.float32), self._muscle, self._gains, self._state, self._slow,
            self.first, keys, _constants(self.settings, duration_s), step, environment, unit, time_s,
        )  # fmt: skip
        return step[:found].copy(), Firings(environment[:found].copy(), unit[:found].copy(), time_s[:found].copy())

    def _check(self, shape: tuple[int, ...], duration_s: float) -> None:
        if len(shape) != 2 or shape[0] != self.environments or shape[1] < self._muscles:
            raise AEMGError(f"expected excitations ({self.environments}, {self._muscles} or more), got {shape}")
        if not 0 < duration_s <= LONGEST_STEP_S:
            raise AEMGError(f"a step lasts above 0 and up to {1000 * LONGEST_STEP_S:g} ms, got {1000 * duration_s:g} ms")


@lru_cache(maxsize=64)
def _constants(settings: IntegrateAndFire, duration_s: float) -> Constants:
    keep = math.exp(-duration_s / settings.noise_tau_s)
    decay = math.exp(-duration_s / settings.tau_s)
    rest = decay * math.exp(settings.refractory_s / settings.tau_s)
    values = (decay, rest, keep, math.sqrt(1 - keep**2), settings.noise, settings.knee, settings.range, settings.tau_s)
    return Constants(*(np.float32(value) for value in values))
