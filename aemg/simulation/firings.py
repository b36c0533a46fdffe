"""Discharges of many environments: those of a step, and a sparse history from which EMG is made again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aemg.simulation.render import Spikes, render

_BYTES = 16


@dataclass(frozen=True, eq=False)
class Firings:
    """Discharges within one step; arrays of numpy, or tensors on the device of the units.

    Args:
        environment, unit: (S,) int32.
        time_s: (S,) float32, since the start of the step.
    """

    environment: NDArray[np.int32] | Tensor
    unit: NDArray[np.int32] | Tensor
    time_s: NDArray[np.float32] | Tensor

    def __len__(self) -> int:
        return len(self.unit)

    def numpy(self) -> Firings:
        """The same as arrays of numpy."""
        return Firings(_plain(self.environment), _plain(self.unit), _plain(self.time_s))


def _plain(values: NDArray[Any] | Tensor) -> NDArray[Any]:
    return values.cpu().numpy() if isinstance(values, Tensor) else values


@dataclass(eq=False)
class FiringHistory:
    """All discharges since the beginning, 16 bytes each: an hour of 220 units at 10 Hz takes 127 MB."""

    duration_s: float = 0.0
    _parts: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = field(default_factory=list)

    def append(self, firings: Firings, duration_s: float) -> None:
        """Adds the discharges of a step of that length."""
        self.extend(np.zeros(len(firings), dtype=np.int32), firings, 1, duration_s)

    def extend(self, step: NDArray[np.int32], firings: Firings, steps: int, step_s: float) -> None:
        """Adds several steps of one length: `step` (S,) says in which of them each discharge fell."""
        plain = firings.numpy()
        time_s = np.asarray(plain.time_s, dtype=np.float64) + (self.duration_s + step * step_s)
        self._parts.append((_plain(plain.environment), _plain(plain.unit), time_s))
        self.duration_s += steps * step_s

    def __len__(self) -> int:
        return sum(len(time_s) for _, _, time_s in self._parts)

    @property
    def n_bytes(self) -> int:
        """Memory of the discharges."""
        return _BYTES * len(self)

    def spikes(self, environment: int) -> Spikes:
        """The discharges of one environment in time order, from the beginning of the history."""
        self._join()
        if not self._parts:
            return Spikes(np.empty(0), np.empty(0, dtype=np.intp))
        environments, units, times_s = self._parts[0]
        first, last = np.searchsorted(environments, [environment, environment + 1])
        order = np.argsort(times_s[first:last], kind="stable")
        return Spikes(times_s[first:last][order], units[first:last][order].astype(np.intp))

    def render(
        self, environment: int, waves: NDArray[np.float32], rate_hz: float, *,
        channels: NDArray[np.integer] | None = None, n_channels: int | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """The EMG (C, T) of one environment, as `OnlineEMG` gave it step by step; see `render.render`."""
        return render(
            self.spikes(environment), waves, self.duration_s, rate_hz=rate_hz, channels=channels, n_channels=n_channels
        )

    def _join(self) -> None:
        """Makes the parts one, sorted by environment."""
        if len(self._parts) < 2 and (not self._parts or np.all(np.diff(self._parts[0][0]) >= 0)):
            return
        joined = [np.concatenate(columns) for columns in zip(*self._parts)]
        order = np.argsort(joined[0], kind="stable")
        self._parts = [(joined[0][order], joined[1][order], joined[2][order])]
