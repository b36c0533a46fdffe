"""AEMG's encoder as a decoder of finger flexion: the project's backbone of frame-level decoders with five outputs.

Sixteen electrodes at 2000 Hz, an answer every 20 ms, which holds until the next. A transformer over every frame of every
environment costs a hundred times what the convolutional network does, so it serves few environments.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from aemg.errors import AEMGError
from aemg.model import AEMG
from aemg.neuromotor.backbone import AEMGDecoder, State, aemg_decoder
from aemg.neuromotor.sliding_tokens import RATE_HZ
from aemg.topology import SLOTS
from aemg.virtual_user.decoding import CONTROL_S, FINGERS, Floats, Integers

_REST_V = 5e-6  # the noise level that the backbone's unit stands for
_SILENCE_S = 3.0


class FingerBackbone(nn.Module):
    """EMG (B, 16, T) at 2000 Hz in volts to logits (B, T', 5) every 20 ms; `bins` tells which step of control each belongs to.

    Args:
        encoder: a pre-trained model or its folder; None for fresh weights of `size`.
        size: tiny, base or large, without a model.
        freeze: leave the encoder as it is.
        settings: of `AEMGDecoder`.

    Raises:
        DataFileError: no model in that folder.
        ConfigError: unknown or impossible settings.
    """

    takes = "emg"

    def __init__(
        self, encoder: AEMG | str | Path | None = None, size: str = "tiny", freeze: bool = False, **settings: Any
    ) -> None:
        super().__init__()
        chosen = {"sentence_tokens": 2, "lstm_layers": 1, **settings, "outputs": len(FINGERS)}
        self.decoder = aemg_decoder("wrist", encoder, size=size, freeze=freeze, **chosen)
        nn.init.xavier_uniform_(self.decoder.projection.weight)
        self.channels, self.rate_hz = SLOTS, float(RATE_HZ)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> FingerBackbone:
        """A network of the settings that `get_config` gave, with fresh weights.

        Raises:
            ConfigError: unknown or impossible settings.
        """
        network = cls()
        network.decoder = AEMGDecoder.from_config({key: value for key, value in config.items() if key != "kind"})
        return network

    def get_config(self) -> dict[str, Any]:
        """Settings of the decoder, and `kind`."""
        return {"kind": "aemg", **self.decoder.get_config()}

    def forward(self, emg: Tensor) -> Tensor:
        """(B, 16, T) in volts -> (B, T', 5)."""
        return torch.as_tensor(self.decoder(emg / _REST_V).transpose(1, 2))

    def bins(self, steps: int) -> Integers:
        """The step (T',) in which each output ends, for the EMG of so many steps of control."""
        samples = round(CONTROL_S * RATE_HZ)
        outputs = self.decoder.compute_output_lengths(steps * samples)
        rows = self.decoder.left_context + self.decoder.output_stride * np.arange(outputs)
        return np.asarray(rows // samples, dtype=np.int64)

    def online(self, environments: int) -> BackboneDecoder:
        """The decoder of so many environments with the weights of now; later training changes it, too."""
        return BackboneDecoder(self, environments)


class BackboneDecoder:
    """A `FingerBackbone` with the state of N environments.

    Args:
        network: evaluated as it is.
        environments: N.
    """

    def __init__(self, network: FingerBackbone, environments: int) -> None:
        self.channels, self.rate_hz, self.environments = network.channels, network.rate_hz, environments
        self._decoder = network.decoder.eval()
        self._state: State | None = None
        self._tail = torch.zeros(1, SLOTS, self._decoder.lead)
        self._last = torch.zeros(1, len(FINGERS))
        self._advance(torch.zeros(1, SLOTS, round(_SILENCE_S * RATE_HZ)))
        self._quiet = self._parts()
        self._tail = self._tail.repeat(environments, 1, 1)
        self._restore([part.repeat_interleave(environments, 0) for part in self._quiet])

    @torch.inference_mode()
    def reset(self, environments: Integers | None = None) -> None:
        """Forget the signal of these environments, None for all: as after a long silence."""
        rows = slice(None) if environments is None else torch.from_numpy(np.asarray(environments))
        parts = [part.clone() for part in self._parts()]
        for part, quiet in zip(parts, self._quiet):
            part[rows] = quiet
        self._tail[rows] = 0.0
        self._restore(parts)

    def push(self, emg: Floats) -> Floats:
        """The latest probabilities (N, 5) of flexion, once EMG (N, 16, S) in volts has been seen.

        Raises:
            AEMGError: another number of environments or channels.
        """
        if emg.ndim != 3 or emg.shape[:2] != (self.environments, self.channels):
            raise AEMGError(f"expected EMG of shape ({self.environments}, {self.channels}, samples), found {emg.shape}")
        self._advance(torch.from_numpy(np.asarray(emg, dtype=np.float32)) / _REST_V)
        return np.array(self._last.numpy())

    def state(self) -> dict[str, Any]:
        """A copy of what was heard, for `restore`."""
        return {"tail": self._tail.numpy().copy(), **{f"part{i}": part.numpy().copy() for i, part in enumerate(self._parts())}}

    def restore(self, state: dict[str, Any]) -> None:
        """Goes back to a state."""
        self._tail = torch.from_numpy(state["tail"].copy())
        self._restore([torch.from_numpy(state[f"part{i}"].copy()) for i in range(len(state) - 1)])

    @torch.inference_mode()
    def _advance(self, emg: Tensor) -> None:
        decoder = self._decoder
        signal = torch.cat([self._tail, emg], dim=-1)
        frames = max(0, (signal.shape[-1] - decoder.frame_context - 1) // decoder.frame_stride + 1)
        used = frames * decoder.frame_stride
        if frames:
            features, self._state = decoder.encode(decoder.front_end(signal[..., : used + decoder.frame_context]), self._state)
            if features.shape[1]:
                self._last = torch.as_tensor(decoder.head(features))[..., -1].sigmoid()
        self._tail = signal[..., used:].clone()

    def _parts(self) -> list[Tensor]:
        """What silence leaves behind, as tensors whose first axis is the environment."""
        state = self._state
        assert state is not None and state.lstm is not None
        return [self._last, state.frames, state.vectors, *(part.transpose(0, 1) for part in state.lstm)]

    def _restore(self, parts: list[Tensor]) -> None:
        state = self._state
        assert state is not None
        self._last, frames, vectors, hidden, cell = parts
        lstm = hidden.transpose(0, 1).contiguous(), cell.transpose(0, 1).contiguous()
        self._state = State(frames, state.seen, vectors, state.steps, lstm)
