"""A network over a recording that is read piece by piece, so that memory does not grow with its length."""

from __future__ import annotations

from collections.abc import Callable, Iterator

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
    wanted = int(network.compute_output_lengths(length))
    at_once = max(1, int(piece_s * network.rate_hz / network.frame_stride))
    spans = network.spans(length, at_once) if wanted else ()
    for features in network.features_of((_read(network, rows, start, stop) for start, stop in spans), wanted):
        if features.shape[1]:
            yield network.head(features)


def _read(network: Decoder, rows: Rows, start: int, stop: int) -> Tensor:
    """EMG (1, 16, n) of rows [start, stop), zeros for those before the first, where the network is."""
    read = np.zeros((stop - start, network.channels), np.float32)
    read[max(0, -start) :] = rows(max(0, start), stop)
    return torch.from_numpy(read.T[None]).to(next(network.parameters()).device)
