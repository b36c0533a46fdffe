"""A conformer with its weights laid out for a stream's steps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from aemg.neuromotor.conformer import Conformer, ConformerBlock, WindowedAttention
from aemg.neuromotor.conformer_kernel import Weights, run_blocks

WIDEST = 128
"""Up to this width a step costs less than calling PyTorch for it."""


@dataclass(frozen=True)
class StackState:
    """What the blocks keep: see `aemg.neuromotor.conformer_kernel.run_blocks`."""

    past: NDArray[np.float32]
    gated: NDArray[np.float32]
    seen: NDArray[np.int64]


class PackedConformer(nn.Module):
    """A `Conformer` in inference on one item, step by step.

    Args:
        conformer: in float32 on the CPU; later changes of its parameters have no effect here.
    """

    @staticmethod
    def fits(conformer: Conformer) -> bool:
        """Whether the compiled steps are for such a network: narrow, with SiLU."""
        narrow = conformer[0].layer_norm.weight.numel() <= WIDEST  # type: ignore[union-attr, operator]
        return narrow and any(isinstance(module, nn.SiLU) for module in conformer.modules())

    def __init__(self, conformer: Conformer) -> None:
        super().__init__()
        self._weights = _pack([block for block in conformer if isinstance(block, ConformerBlock)])

    def forward(self, x: Tensor, state: StackState | None = None) -> tuple[Tensor, StackState]:
        """(1, T, D) to (1, T', D) and the state in which the blocks go on."""
        w = self._weights
        blocks, longest, width = w.taps.shape
        if state is None:
            past = np.zeros((blocks, int(w.windows.max()), width), np.float32)
            after = StackState(past, np.zeros((blocks, longest, width), np.float32), np.zeros(blocks, np.int64))
        else:
            after = StackState(state.past.copy(), state.gated.copy(), state.seen.copy())
        outputs = torch.empty(x.shape[1], width)
        count = run_blocks(w, after.past, after.gated, after.seen, x[0].contiguous().numpy(), outputs.numpy())
        return outputs[None, :count], after


def _pack(blocks: list[ConformerBlock]) -> Weights:
    attentions = [module for block in blocks for module in block.modules() if isinstance(module, WindowedAttention)]
    longest = max(block.left_context for block in blocks) + 1
    packed = [_pack_block(block.state_dict(), longest) for block in blocks]
    return Weights(
        windows=np.array([block.attn_block.before + 1 if block.attn_block is not None else 0 for block in blocks]),
        kernels=np.array([block.conv_block.kernel if block.conv_block is not None else 0 for block in blocks]),
        strides=np.array([block.stride for block in blocks]),
        heads=np.array([attentions[0].heads if attentions else 1]),
        **{name: torch.stack([tensors[name] for tensors in packed]).numpy() for name in packed[0]},
    )


def _pack_block(p: dict[str, Tensor], longest: int) -> dict[str, Tensor]:
    """The float arrays of `Weights` of one block from its parameters; zeros for parts that it lacks."""
    width = len(p["layer_norm.weight"])

    def take(name: str, *shape: int) -> Tensor:
        return p[name] if name in p else torch.zeros(shape)

    norms = ("ff_block1.child.0", "attn_block.child.0", "conv_block.child.0", "conv_block.child.4", "ff_block2.child.0")
    attention, convolution = "attn_block.child.2.op", "conv_block.child"
    kernel = take(f"{convolution}.3.net.weight", width, 1, 0)  # (D, 1, k)
    in_weight, in_bias = take(f"{attention}.in_proj_weight", 3 * width, width), take(f"{attention}.in_proj_bias", 3 * width)
    out_weight, out_bias = take(f"{attention}.out_proj.weight", width, width), take(f"{attention}.out_proj.bias", width)
    return {
        "norms": torch.stack(
            [torch.stack([take(f"{name}.{kind}", width) for kind in ("weight", "bias")]) for name in (*norms, "layer_norm")]
        ),
        "up": torch.stack([p[f"ff_block{k}.child.1.weight"] for k in (1, 2)]),
        "up_bias": torch.stack([p[f"ff_block{k}.child.1.bias"] for k in (1, 2)]),
        "down": torch.stack([p[f"ff_block{k}.child.4.weight"] for k in (1, 2)]),
        "down_bias": torch.stack([p[f"ff_block{k}.child.4.bias"] for k in (1, 2)]),
        "attend": torch.cat([in_weight, out_weight]).view(4, width, width),
        "attend_bias": torch.cat([in_bias, out_bias]).view(4, width),
        "gate": take(f"{convolution}.1.weight", 2 * width, width),
        "gate_bias": take(f"{convolution}.1.bias", 2 * width),
        "taps": functional.pad(kernel[:, 0].T, (0, 0, 0, longest - kernel.shape[2])),
        "taps_bias": take(f"{convolution}.3.net.bias", width),
        "mix": take(f"{convolution}.6.weight", width, width),
        "mix_bias": take(f"{convolution}.6.bias", width),
    }
