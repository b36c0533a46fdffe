"""A network over a recording that is read piece by piece, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aemg.neuromotor.decoder import Decoder

# EMG (n, 16) of the rows [start, stop).
Rows = Callable[[int, int], NDArray[np.float32]]


@torch.no_grad()
def outputs_in_pieces(network: Decoder, rows: Rows, length: int, piece_s: float) -> Iterator[Tensor]:
    """What the network says of `length` rows, in consecutive pieces; joined over time they are its output of the whole.

    Args:
        network: in evaluation mode.
        rows: reads EMG.
        length: rows of the recording; too few for an output give no piece.
        piece_s: signal that goes through the network at once, in seconds.
    """
    lead, context, stride = getattr(network, "lead", 0), network.frame_context, network.frame_stride
    wanted = int(network.compute_output_lengths(length))
    device = next(network.parameters()).device
    frames = max(0, (length + lead - context - 1) // stride + 1) if wanted else 0
    step = max(1, int(piece_s * network.rate_hz / stride))
    state: Any = None
    for first in range(0, frames, step):
        last = min(first + step, frames) - 1
        start, stop = first * stride - lead, last * stride + context + 1 - lead
        read = np.zeros((stop - start, network.channels), np.float32)
        read[max(0, -start) :] = rows(max(0, start), stop)
        x = torch.from_numpy(read.T[None]).to(device)  # (1, 16, n)
        features, state = network.encode(network.front_end(x), state)
        features = features[:, :wanted]
        wanted -= features.shape[1]
        if features.shape[1]:
            yield network.head(features)
