"""A perceptron on channel-by-channel features that averages over rotations of the armband."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.errors import AEMGError, ConfigError
from aemg.neuromotor.activation import activation as activation_named


class RotationInvariantMLP(nn.Module):
    """The same layers on the features of every rotation, then the mean over the rotations.

    Of each symmetric channel matrix the entries up to some distance around the ring are kept, row by row of the upper
    triangle, one band after the other.

    Args:
        channels: around the ring, C.
        bands: matrices per frame.
        hidden: width of every layer, the last is the output's.
        offsets: rotations in channels.
        adjacent: largest distance around the ring, at most C/2.
        activation: one of `aemg.neuromotor.activation.NAMES`, after every layer, the last too.

    Raises:
        ConfigError: no layer, no offset, or `adjacent` outside [0, C/2].
    """

    full_index: Tensor
    compact_index: Tensor
    kept: Tensor
    order: Tensor

    def __init__(
        self,
        channels: int = 16,
        bands: int = 6,
        hidden: Sequence[int] = (512,),
        offsets: Sequence[int] = (-1, 0, 1),
        adjacent: int = 3,
        activation: str = "LeakyReLU",
    ) -> None:
        super().__init__()
        if not hidden or min(hidden) < 1:
            raise ConfigError(f"the rotation-invariant layers need at least one width of 1 or more, got {tuple(hidden)}")
        if not offsets:
            raise ConfigError("the rotation-invariant layers need at least one offset, got none")
        if not 0 <= adjacent <= channels / 2:
            raise ConfigError(f"adjacent must lie in [0, {channels // 2}] with {channels} channels, got {adjacent}")
        self.channels, self.bands, self.rotations = channels, bands, len(offsets)
        row, column = torch.triu_indices(channels, channels)  # row-major
        distance = torch.minimum(column - row, channels - (column - row))
        near = distance <= adjacent
        row, column = row[near], column[near]
        turned = [((row - offset) % channels, (column - offset) % channels) for offset in offsets]
        position = torch.zeros(channels, channels, dtype=torch.long)
        position[torch.ones_like(position).triu().bool()] = torch.arange(channels * (channels + 1) // 2)
        kept = position[row, column]  # a rotation keeps distances: the same entries in another order
        compact = torch.stack([position[torch.minimum(r, c), torch.maximum(r, c)] for r, c in turned])
        self.register_buffer("full_index", torch.stack([r * channels + c for r, c in turned]), persistent=False)  # (R, E)
        self.register_buffer("compact_index", compact, persistent=False)  # (R, E)
        self.register_buffer("kept", kept, persistent=False)  # (E,)
        self.register_buffer("order", compact.argsort(dim=1), persistent=False)  # (R, E)
        widths = [bands * len(kept), *hidden]
        self.fully_connected_layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation_named(activation)

    @property
    def first(self) -> nn.Linear:
        """The layer that takes the entries."""
        layer = self.fully_connected_layers[0]
        assert isinstance(layer, nn.Linear)
        return layer

    def forward(self, mpf: Tensor) -> Tensor:
        """(B, bands, C, C, J) to (B, H, J).

        Raises:
            AEMGError: features of another shape.
        """
        if mpf.ndim != 5 or mpf.shape[1:4] != (self.bands, self.channels, self.channels):
            raise AEMGError(
                f"expected features of shape (batch, {self.bands}, {self.channels}, {self.channels}, frames), "
                f"found {tuple(mpf.shape)}"
            )
        return self._by_inputs(mpf.flatten(2, 3), self.full_index).transpose(1, 2)

    def forward_compact(self, mpf: Tensor) -> Tensor:
        """(B, bands, P, J), the P = C(C+1)/2 entries of the upper triangle row by row, to (B, H, J).

        Raises:
            AEMGError: features of another shape.
        """
        pairs = self.channels * (self.channels + 1) // 2
        if mpf.ndim != 4 or mpf.shape[1:3] != (self.bands, pairs):
            raise AEMGError(f"expected features of shape (batch, {self.bands}, {pairs}, frames), found {tuple(mpf.shape)}")
        if mpf.shape[0] * mpf.shape[3] < self.first.out_features:
            return self._by_inputs(mpf, self.compact_index).transpose(1, 2)
        return self._by_weights(mpf).transpose(1, 2)

    def _by_inputs(self, entries: Tensor, index: Tensor) -> Tensor:
        """Entries (B, bands, N, J) put into the order of every rotation: (B, J, H)."""
        ordered = entries[:, :, index]  # (B, bands, R, E, J)
        ordered = ordered.permute(0, 4, 2, 1, 3).flatten(3)  # (B, J, R, bands E)
        return self._rest(self.first(ordered))

    def _by_weights(self, entries: Tensor) -> Tensor:
        """Entries (B, bands, P, J) as they are, under weights in the order of every rotation: (B, J, H)."""
        first = self.first
        if len(self.kept) < entries.shape[2]:
            entries = entries.index_select(2, self.kept)  # (B, bands, E, J)
        weight = first.weight.view(-1, self.bands, len(self.kept))[:, :, self.order]  # (H, bands, R, E)
        weight = weight.permute(2, 0, 1, 3).reshape(-1, first.in_features)  # (R H, bands E)
        bias = first.bias.repeat(self.rotations)
        projected = functional.linear(entries.flatten(1, 2).transpose(1, 2), weight, bias)  # (B, J, R H)
        return self._rest(projected.view(*projected.shape[:2], self.rotations, -1))

    def _rest(self, projected: Tensor) -> Tensor:
        """The first layer's output (B, J, R, H1) through what follows: (B, J, H)."""
        hidden: Tensor = self.activation(projected)
        for layer in list(self.fully_connected_layers)[1:]:
            hidden = self.activation(layer(hidden))
        return hidden.mean(2)


def entries(channels: int, adjacent: int) -> int:
    """Entries of a symmetric matrix whose channels are at most `adjacent` apart around the ring."""
    return min(channels * (adjacent + 1), channels * (channels + 1) // 2)


__all__ = ["RotationInvariantMLP", "entries"]
