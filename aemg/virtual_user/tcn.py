"""A temporal convolutional network on the log amplitude of 8 ms bins, which looks back 31 bins (248 ms).

Convolutions are valid (unpadded) and dilated by 1, 2, 4 and 8, with residual connections (Bai, Kolter and Koltun 2018,
arXiv:1803.01271). So the answer to a window is a function of that window alone, and what `TCNDecoder` computes, one new column
of every layer a step, equals it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.errors import AEMGError
from aemg.virtual_user.decoding import CONTROL_S, FINGERS, Floats, Integers

DILATIONS = (1, 2, 4, 8)
KERNEL = 3
BINS = 1 + (KERNEL - 1) * sum(DILATIONS)
"""Of a window."""

_FLOOR = 0.05  # of a channel's amplitude over the training data: quieter bins look alike


class FingerTCN(nn.Module):
    """Amplitudes of bins (B, T, C) in volts to logits (B, T - 30, 5) of flexion.

    Args:
        channels: C.
        width: of the layers.
        dropout: of whole features of a sequence, in training.
        rate_hz: of the EMG that the bins are cut from.

    Raises:
        AEMGError: a bin is no whole number of samples.
    """

    takes = "amplitudes"
    floor: Tensor
    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int, width: int = 64, dropout: float = 0.1, rate_hz: float = 1000.0) -> None:
        super().__init__()
        self.bin = round(rate_hz * CONTROL_S)
        if self.bin < 1 or abs(self.bin - rate_hz * CONTROL_S) > 1e-6:
            raise AEMGError(f"rate_hz must give a whole number of samples in {1000 * CONTROL_S:g} ms, got {rate_hz:g}")
        self.channels, self.width, self.rate_hz = channels, width, rate_hz
        inputs = (channels, *[width] * (len(DILATIONS) - 1))
        self.layers = nn.ModuleList(nn.Conv1d(n, width, KERNEL, dilation=d) for n, d in zip(inputs, DILATIONS))
        self.dropout = nn.Dropout1d(dropout)
        self.head = nn.Linear(width, len(FINGERS))
        self.register_buffer("floor", torch.full((channels,), 1e-6))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))

    def get_config(self) -> dict[str, Any]:
        """Settings of the constructor, and `kind`."""
        return {
            "kind": "tcn", "channels": self.channels, "width": self.width, "dropout": self.dropout.p, "rate_hz": self.rate_hz,
        }  # fmt: skip

    @torch.no_grad()
    def standardise(self, amplitudes: Tensor) -> None:
        """Takes the scale of the input from training data (..., C) in volts."""
        flat = amplitudes.reshape(-1, self.channels)
        self.floor.copy_((_FLOOR * flat.square().mean(0).sqrt()).clamp(min=1e-9))
        self.mean.zero_()
        self.spread.fill_(1.0)
        level = self.scaled(flat)
        self.mean.copy_(level.mean(0))
        self.spread.copy_(level.std(0).clamp(min=1e-3))

    def scaled(self, amplitudes: Tensor) -> Tensor:
        """Log amplitudes of zero mean and unit variance: (..., C) volts -> (..., C)."""
        return ((amplitudes + self.floor).log() - self.mean) / self.spread

    def forward(self, amplitudes: Tensor) -> Tensor:
        """(B, T, C) -> (B, T - 30, 5)."""
        x = self.scaled(amplitudes).transpose(1, 2)  # (B, C, T)
        for i, layer in enumerate(self.layers):
            y = self.dropout(functional.relu(layer(x)))
            x = y if i == 0 else y + x[..., x.shape[-1] - y.shape[-1] :]
        return torch.as_tensor(self.head(x.transpose(1, 2)))

    def bins(self, steps: int) -> Integers:
        """The bin (T - 30,) in which each output ends, for so many bins."""
        return np.arange(BINS - 1, steps)

    def online(self, environments: int) -> TCNDecoder:
        """The decoder of so many environments with the weights as they are now."""
        return TCNDecoder(self, environments)


class TCNDecoder:
    """A TCN with the last columns of every layer for N environments.

    Args:
        network: copied; later training has no effect.
        environments: N.
    """

    def __init__(self, network: FingerTCN, environments: int) -> None:
        self.channels, self.rate_hz, self.environments = network.channels, network.rate_hz, environments
        self._bin = network.bin
        state = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._floor, self._slope = state["floor"], 1.0 / state["spread"]
        self._shift = -state["mean"] * self._slope
        self._layers = [
            (state[f"layers.{i}.weight"].permute(2, 1, 0).contiguous(), state[f"layers.{i}.bias"]) for i in range(len(DILATIONS))
        ]  # taps, the oldest first, (3, inputs, width)
        self._head = state["head.weight"].T.contiguous(), state["head.bias"]
        widths = [taps.shape[1] for taps, _ in self._layers]
        self._lines = [torch.empty((KERNEL - 1) * d + 1, environments, w) for d, w in zip(DILATIONS, widths)]
        self._top = torch.empty(environments, network.width)
        self._input = torch.empty(environments, self.channels)
        self._step = 0
        self._silence = list(self._silent(network))
        self.reset()

    @torch.inference_mode()
    def reset(self, environments: Integers | None = None) -> None:
        """Forget the signal of these environments, None for all: as after a long silence."""
        rows = slice(None) if environments is None else torch.from_numpy(np.asarray(environments))
        for line, column in zip(self._lines, self._silence):
            line[:, rows] = column

    def push(self, emg: Floats) -> Floats:
        """The probabilities (N, 5) of flexion after the next bin of EMG (N, C, S) in volts.

        Raises:
            AEMGError: another shape than one bin's.
        """
        if emg.shape != (self.environments, self.channels, self._bin):
            raise AEMGError(f"expected EMG of shape {(self.environments, self.channels, self._bin)}, found {emg.shape}")
        return self.push_amplitudes(amplitude(emg))

    @torch.inference_mode()
    def push_amplitudes(self, amplitudes: Floats) -> Floats:
        """As `push`, from the RMS (N, C) of the next bin."""
        x = self._lines[0][self._step % len(self._lines[0])]
        torch.add(torch.from_numpy(amplitudes), self._floor, out=self._input)
        torch.addcmul(self._shift, self._input.log_(), self._slope, out=x)
        for i, ((taps, bias), line, d) in enumerate(zip(self._layers, self._lines, DILATIONS)):
            size = len(line)
            y = self._lines[i + 1][self._step % len(self._lines[i + 1])] if i + 1 < len(DILATIONS) else self._top
            torch.addmm(bias, x, taps[2], out=y)
            y.addmm_(line[(self._step - d) % size], taps[1]).addmm_(line[(self._step - 2 * d) % size], taps[0]).relu_()
            if i:
                y.add_(x)
            x = y
        self._step += 1
        weight, bias = self._head
        return np.asarray(torch.addmm(bias, x, weight).sigmoid_().numpy())

    def state(self) -> dict[str, Any]:
        """A copy of what was heard, for `restore`."""
        return {"step": np.array(self._step), **{f"line{i}": line.numpy().copy() for i, line in enumerate(self._lines)}}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a state."""
        self._step = int(state["step"])
        for i, line in enumerate(self._lines):
            line.copy_(torch.from_numpy(state[f"line{i}"]))

    @torch.inference_mode()
    def _silent(self, network: FingerTCN) -> Iterator[Tensor]:
        x = network.scaled(torch.zeros(self.channels))
        for i, (taps, bias) in enumerate(self._layers):
            yield x
            y = (x @ taps.sum(0) + bias).relu()
            x = y + x if i else y


def amplitude(emg: Floats) -> Floats:
    """RMS of each channel over a chunk: (N, C, S) -> (N, C), in the unit of the EMG."""
    return np.asarray(np.sqrt(np.einsum("ncs,ncs->nc", emg, emg) / emg.shape[-1]))
