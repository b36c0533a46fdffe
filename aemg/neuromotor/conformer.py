"""Causal conformer with windowed attention, over whole sequences or in pieces with carried state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from aemg.errors import ConfigError
from aemg.neuromotor.activation import activation as activation_named


@dataclass(frozen=True)
class BlockState:
    """What a block keeps of a sequence that goes on.

    Args:
        past: normalised attention inputs (B, W-1, D), zeros before the start.
        seen: steps so far, counted up to W-1.
        gated, direct: inputs of the convolution and of the path beside it that later outputs still need, each (B, n, D).
        unused: coming steps between one output's inputs and the next one's, where the stride exceeds the kernel.
    """

    past: Tensor | None = None
    seen: int = 0
    gated: Tensor | None = None
    direct: Tensor | None = None
    unused: int = 0


class _Projections(nn.Module):
    """The weights of multi-head attention: queries, keys and values in one matrix, and the output's."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)


class WindowedAttention(nn.Module):
    """Attention of every step to W rows made of its last W steps.

    The W x D window is transposed to D x W and read out again as W rows of D: a row holds a few channels over all the
    times. At the first W-1 steps the first rows are forbidden. Key and value projections are applied to the query and
    to the context instead of to the rows, which gives the same numbers and leaves the windows a view.

    Args:
        width: D.
        heads: a divisor of D.
        window: W.
        dropout: of attention weights in training.

    Raises:
        ConfigError: heads do not divide the width, or a window below 1.
    """

    attn_mask: Tensor

    def __init__(self, width: int, heads: int, window: int, dropout: float = 0.1) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise ConfigError(f"heads must divide the width {width}, got {heads}")
        if window < 1:
            raise ConfigError(f"an attention window must be 1 or more steps, got {window}")
        self.width, self.heads, self.window, self.dropout = width, heads, window, dropout
        self.op = _Projections(width)
        self.register_buffer("attn_mask", torch.ones(window, window, dtype=torch.bool).triu(1).flip(1))

    def forward(self, z: Tensor, past: Tensor | None = None, seen: int = 0) -> Tensor:
        """(B, T, D) to (B, T, D).

        Args:
            past: the W-1 steps before z, zeros where there were none.
            seen: how many steps were before z.
        """
        items, steps, width = z.shape
        if not steps:
            return z
        before = self.window - 1
        if past is None:
            past = z.new_zeros(items, before, width)
        padded = torch.cat([past, z], 1)  # (B, W-1+T, D)
        stretch = padded.shape[1]
        per_head = (self.heads, width // self.heads, width)
        rows, element = self._rows(padded.flatten(0, 1))  # (N, D, W), N = B (W-1+T) - (W-1)
        query_weight, key_weight, value_weight = self.op.in_proj_weight.chunk(3)
        query_bias, _, value_bias = self.op.in_proj_bias.chunk(3)
        scale = (width // self.heads) ** -0.5
        query = functional.linear(padded.flatten(0, 1)[before:], query_weight * scale, query_bias * scale)  # (N, D)
        query = query.view(-1, *per_head[:2]).transpose(0, 1)  # (h, N, d)
        keys = query @ key_weight[:, element].view(per_head)  # (h, N, D)
        scores = torch.bmm(keys.transpose(0, 1), rows)  # (N, h, W)
        if seen < before:
            forbidden = self.attn_mask[seen : min(before, seen + steps)].T  # (W, n)
            scores.unfold(0, steps, stretch)[..., : forbidden.shape[1]].masked_fill_(forbidden, -torch.inf)
        weights = functional.dropout(scores.softmax(-1), self.dropout, self.training)
        context = torch.bmm(weights, rows.transpose(1, 2)).transpose(0, 1)  # (h, N, D)
        heads = context @ value_weight[:, element].view(per_head).transpose(1, 2)  # (h, N, d)
        bias = value_bias.view(self.heads, 1, -1)  # (h, 1, d)
        if self.training and self.dropout:
            bias = bias * weights.sum(-1).T.unsqueeze(-1)
        mixed = (heads + bias).transpose(0, 1).flatten(1)  # (N, D)
        mixed = mixed.unfold(0, steps, stretch).transpose(1, 2)  # (B, T, D): windows that straddle items fall out
        result: Tensor = self.op.out_proj(mixed)
        return result

    def _rows(self, padded: Tensor) -> tuple[Tensor, Tensor]:
        """Windows of (M, D) as (M-W+1, D, W), and which element of a row stands at each of the D places."""
        width, window = self.width, self.window
        element = torch.arange(width, device=padded.device)
        if width % window:
            windows = padded.unfold(0, window, 1)  # (N, D, W)
            return windows.reshape(-1, window, width).transpose(1, 2), element
        group = width // window  # channels a row
        by_row = padded.view(-1, window, group).transpose(1, 2).contiguous()  # (M, group, row)
        rows = by_row.unfold(0, window, 1).permute(0, 3, 1, 2)  # (N, time, group, row)
        return rows.flatten(1, 2), element.view(group, window).T.flatten()


class _Depthwise(nn.Module):
    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.net = nn.Conv1d(width, width, kernel, stride, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, D) to (B, floor((T-K)/s)+1, D)."""
        out: Tensor = self.net(x.transpose(1, 2)).transpose(1, 2)
        return out


class _FeedForward(nn.Module):
    def __init__(self, width: int, hidden: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.child = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, hidden),
            activation_named(activation),
            nn.Dropout(dropout),
            nn.Linear(hidden, width),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(self.child(x), x, alpha=0.5)  # the skip is halved, not the layers' output


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int, window: int, dropout: float) -> None:
        super().__init__()
        self.child = nn.ModuleDict({"0": nn.LayerNorm(width), "2": WindowedAttention(width, heads, window, dropout)})
        self.before, self.dropout = window - 1, dropout

    def forward(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """(B, T, D) to (B, T, D), with what later steps need."""
        z = self.child["0"](x)
        past = z.new_zeros(z.shape[0], self.before, z.shape[2]) if state.past is None else state.past
        mixed = functional.dropout(self.child["2"](z, past, state.seen), self.dropout, self.training)
        known = torch.cat([past, z], 1)
        seen = min(self.before, state.seen + z.shape[1])
        return mixed + x, replace(state, past=known[:, known.shape[1] - self.before :].clone(), seen=seen)


class _Convolution(nn.Module):
    def __init__(self, width: int, kernel: int, stride: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.child = nn.ModuleDict(
            {
                "0": nn.LayerNorm(width),
                "1": nn.Linear(width, 2 * width),
                "3": _Depthwise(width, kernel, stride),
                "4": nn.LayerNorm(width),
                "5": activation_named(activation),
                "6": nn.Linear(width, width),
            }
        )
        self.kernel, self.stride, self.dropout = kernel, stride, dropout

    def forward(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """(B, T, D) to (B, T', D), with what later outputs need."""
        unused = min(state.unused, x.shape[1])
        x = x[:, unused:]
        u = functional.glu(self.child["1"](self.child["0"](x)))
        if state.gated is not None and state.direct is not None:
            u, x = torch.cat([state.gated, u], 1), torch.cat([state.direct, x], 1)
        outputs = max(0, (x.shape[1] - self.kernel) // self.stride + 1)
        used = outputs * self.stride
        unused = state.unused - unused + max(0, used - x.shape[1])
        state = BlockState(state.past, state.seen, u[:, used:].clone(), x[:, used:].clone(), unused)
        if not outputs:
            return x[:, :0], state
        y = self.child["5"](self.child["4"](self.child["3"](u)))
        y = functional.dropout(self.child["6"](y), self.dropout, self.training)
        return y + x[:, self.kernel - 1 :: self.stride], state


class ConformerBlock(nn.Module):
    """Feed-forward, windowed attention, strided causal convolution, feed-forward, LayerNorm.

    Args:
        width: D.
        ffn: inner width of the feed-forward layers.
        heads: of attention.
        window: of attention, steps; 0 leaves attention out.
        kernel: of the convolution, steps; 0 leaves the convolution (and its stride) out.
        stride: of the convolution.
        dropout: in training.
        activation: one of `aemg.neuromotor.activation.NAMES`.
    """

    def __init__(
        self,
        width: int,
        ffn: int,
        heads: int,
        window: int,
        kernel: int,
        stride: int = 1,
        dropout: float = 0.1,
        activation: str = "SiLU",
    ) -> None:
        super().__init__()
        self.ff_block1 = _FeedForward(width, ffn, dropout, activation)
        self.attn_block = _Attention(width, heads, window, dropout) if window else None
        self.conv_block = _Convolution(width, kernel, stride, dropout, activation) if kernel else None
        self.ff_block2 = _FeedForward(width, ffn, dropout, activation)
        self.layer_norm = nn.LayerNorm(width)
        self.left_context = kernel - 1 if kernel else 0
        self.stride = stride if kernel else 1

    def forward(self, x: Tensor, state: BlockState | None = None) -> tuple[Tensor, BlockState]:
        """(B, T, D) to (B, T', D), T' = floor((T - kernel) / stride) + 1 from a fresh start, and the state to go on with."""
        state = state or BlockState()
        x = self.ff_block1(x)
        if self.attn_block is not None:
            x, state = self.attn_block(x, state)
        if self.conv_block is not None:
            x, state = self.conv_block(x, state)
        return self.layer_norm(self.ff_block2(x)), state


class Conformer(nn.ModuleList):
    """Blocks one after the other.

    Args:
        width, ffn, heads, dropout, activation: as a block's.
        windows, kernels, strides: one for every block.
    """

    def __init__(
        self,
        width: int,
        ffn: int,
        heads: int,
        windows: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        dropout: float = 0.1,
        activation: str = "SiLU",
    ) -> None:
        super().__init__(
            ConformerBlock(width, ffn, heads, window, kernel, stride, dropout, activation)
            for window, kernel, stride in zip(windows, kernels, strides, strict=True)
        )

    def forward(self, x: Tensor, states: Sequence[BlockState] | None = None) -> tuple[Tensor, list[BlockState]]:
        """(B, T, D) to (B, T', D) and the state of every block."""
        after = []
        for block, state in zip(self, states or [BlockState()] * len(self), strict=True):
            if x.shape[1]:
                x, state = block(x, state)
            after.append(state)
        return x, after


__all__ = ["BlockState", "Conformer", "ConformerBlock", "WindowedAttention"]
