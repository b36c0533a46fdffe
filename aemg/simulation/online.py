"""EMG while it happens: the running sum of action potentials, step by step, for many environments at once."""

from __future__ import annotations

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray
from torch import Tensor

from aemg.errors import AEMGError
from aemg.simulation.firings import Firings

Array = NDArray[np.float32]
Ints = NDArray[np.int64]


class OnlineEMG:
    """Adds a unit's action potential at each of its discharges and gives out what is complete.

    The sum over all steps is what `FiringHistory.render` makes of the same discharges.

    Args:
        waves: (M, K, L) in volts at `rate_hz`: `muap.bank`, or `muap.isolated` with an axis added, waves[:, None]. Where
            people differ, (P, M, K, L).
        channels: (M, K), the channels that the K waves of a unit go to; None where they are all channels in order.
        n_channels: C; None where `channels` is None.
        environments: N.
        people: (N,), whose waves an environment has, where there are those of several people.
        device: of torch; on "cpu" a compiled kernel takes the place of torch's operations.
        compiled: whether to use the kernel; by default where the device is the CPU.

    Raises:
        AEMGError: shapes that do not fit.
    """

    def __init__(
        self, waves: NDArray[np.float32], channels: NDArray[np.integer] | None, n_channels: int | None,
        environments: int, rate_hz: float, *, people: NDArray[np.integer] | None = None,
        device: str | torch.device = "cpu", compiled: bool | None = None,
    ) -> None:  # fmt: skip
        several = waves[None] if waves.ndim == 3 else waves  # (P, M, K, L)
        person = np.zeros(environments, dtype=np.int64) if people is None else np.asarray(people, dtype=np.int64)
        units, k = several.shape[1:3]
        if channels is None:
            channels, n_channels = np.tile(np.arange(k), (units, 1)), k
        if n_channels is None or channels.shape != (units, k) or not 0 <= channels.min() <= channels.max() < n_channels:
            raise AEMGError(f"expected channels {(units, k)} below their number {n_channels}, got shape {channels.shape}")
        if person.shape != (environments,) or not 0 <= person.min() <= person.max() < len(several):
            raise AEMGError(f"expected {environments} numbers of people below {len(several)}, got {people}")
        self.rate_hz, self.n_channels, self.environments = rate_hz, n_channels, environments
        self.device = torch.device(device)
        self._compiled = self.device.type == "cpu" if compiled is None else compiled
        self._waves = np.ascontiguousarray(several, dtype=np.float32)
        self._channels, self._person = np.ascontiguousarray(channels, dtype=np.int64), person
        self._tail = np.zeros((environments, n_channels, several.shape[3]), dtype=np.float32)
        if not self._compiled:
            self._waves_t = torch.from_numpy(self._waves).to(self.device)
            self._channels_t = torch.from_numpy(self._channels).to(self.device)
            self._person_t = torch.from_numpy(person).to(self.device)
            self._tail_t = torch.from_numpy(self._tail).to(self.device)

    def push(self, firings: Firings, duration_s: float) -> NDArray[np.float32] | Tensor:
        """Takes the discharges of a step and gives its EMG.

        Args:
            duration_s: of the step; a whole number of samples.

        Returns:
            (N, C, S) in volts, S = duration_s * rate_hz: of numpy, or a tensor where torch's form is in use.

        Raises:
            AEMGError: a step that is no whole number of samples.
        """
        samples = round(duration_s * self.rate_hz)
        if samples < 1 or abs(duration_s * self.rate_hz - samples) > 1e-6:
            raise AEMGError(f"a step must be a whole number of samples, got {duration_s:g} s at {self.rate_hz:g} Hz")
        if not self._compiled:
            return self._push_torch(firings, samples)
        plain = firings.numpy()
        emg = np.empty((self.environments, self.n_channels, samples), dtype=np.float32)
        _push(
            np.asarray(plain.environment), np.asarray(plain.unit), np.asarray(plain.time_s), self.rate_hz, self._waves,
            self._channels, self._person, self._tail, emg,
        )  # fmt: skip
        return emg

    def reset(self, environments: NDArray[np.integer | np.bool_] | None = None) -> None:
        """Forgets the potentials under way in some environments (indices or a mask) or all."""
        rows = np.arange(self.environments) if environments is None else np.arange(self.environments)[environments]
        if self._compiled:
            self._tail[rows] = 0
        else:
            self._tail_t[torch.from_numpy(rows).to(self.device)] = 0

    def state(self) -> NDArray[np.float32]:
        """A copy of the potentials under way, (N, C, L)."""
        return np.array(self._tail if self._compiled else self._tail_t.cpu().numpy())

    def restore(self, state: NDArray[np.float32]) -> None:
        """Takes back a copy made by `state`."""
        if self._compiled:
            self._tail[:] = state
        else:
            self._tail_t = torch.from_numpy(state.copy()).to(self.device)

    def _push_torch(self, firings: Firings, samples: int) -> Tensor:
        environment, unit, time_s = (
            torch.as_tensor(v, device=self.device) for v in (firings.environment, firings.unit, firings.time_s)
        )
        environment, unit = environment.long(), unit.long()
        length = self._tail_t.shape[2]
        total = torch.nn.functional.pad(self._tail_t, (0, samples))  # (N, C, L + S)
        first = torch.floor(time_s.double() * self.rate_hz + 0.5).long()
        row = environment[:, None] * self.n_channels + self._channels_t[unit]  # (F, K)
        at = (row * (length + samples) + first[:, None])[..., None] + torch.arange(length, device=self.device)  # (F, K, L)
        total.view(-1).index_add_(0, at.flatten(), self._waves_t[self._person_t[environment], unit].flatten())
        self._tail_t = total[..., samples:].contiguous()
        return total[..., :samples]


@njit(cache=True, nogil=True)
def _push(
    environment: NDArray[np.int32], unit: NDArray[np.int32], time_s: Array, rate_hz: float, waves: Array, channels: Ints,
    person: Ints, tail: Array, emg: Array,
) -> None:  # fmt: skip
    """Fills `emg` (N, C, S) and leaves in `tail` (N, C, L) what comes after it."""
    samples, length = emg.shape[2], tail.shape[2]
    kept = min(samples, length)
    for n in range(len(emg)):
        for c in range(emg.shape[1]):
            emg[n, c, :kept] = tail[n, c, :kept]
            emg[n, c, kept:] = 0
            rest = tail[n, c]
            for j in range(length - kept):
                rest[j] = rest[j + kept]
            rest[length - kept :] = 0
    for s in range(len(unit)):
        n, m = environment[s], unit[s]
        first = int(np.floor(time_s[s] * rate_hz + 0.5))
        within = min(max(samples - first, 0), length)
        for k in range(waves.shape[2]):
            wave, c = waves[person[n], m, k], channels[m, k]
            now = emg[n, c, first : first + within]
            for j in range(within):
                now[j] += wave[j]
            after = wave[within:]
            later = tail[n, c, first + within - samples : first + length - samples]
            for j in range(len(after)):
                later[j] += after[j]
