"""A long short-term memory with the parameters of `torch.nn.LSTM` that reads long recordings in parallel, with equal results.

One step of a recurrent network at batch 1 is a matrix-vector product: the processor waits for the weights, not for the
arithmetic. But an LSTM forgets: two runs over the same input from different states soon run into each other. So a recording
is cut into chunks that run side by side as a batch, each from a guessed state, and what was guessed is then verified: every
chunk is run again from the state in which its predecessor really ended, until it meets its earlier run; from there on the
earlier run was right. A chunk that does not meet it by its end hands its new end state on to its successor. A network that
does not forget thus fails the verification, never the result: its chunks are run one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

try:
    from aemg.neuromotor.lstm_kernel import run_steps
except ImportError:  # without numba PyTorch does it, more slowly
    run_steps = None  # type: ignore[assignment]

State = tuple[Tensor, Tensor]

TOLERANCE = 1e-6
"""Two runs have met when no entry of their states differs by more than this, or this part of the entry where it exceeds 1."""

LONGEST_CALL = 32_768
"""Steps given to PyTorch's kernels at once; cuDNN refuses more than 65 535."""

ROWS = 32
"""Chunks side by side, over all items of the batch; with more, the arithmetic is the limit."""

BLOCK = 16
"""Steps between two looks at whether runs have met."""

SHORTEST_CHUNK, LONGEST_CHUNK = 4 * BLOCK, 8 * BLOCK
"""Steps of a chunk; the longest bounds the memory for gates (ROWS x LONGEST_CHUNK x 4 hidden numbers)."""

FORGETTING = 0.1
"""Going on side by side pays while most errors at the start of a chunk shrink to this part of them, or less, by its end."""

SHUT = 1e4
"""Gates set to minus and plus this are exactly 0 and 1."""


class LSTM(nn.LSTM):
    """Unidirectional LSTM over (batch, steps, inputs), with the parameter names and results of `torch.nn.LSTM`.

    Training, other devices and short sequences use PyTorch's kernels. Long float32 sequences in inference on the CPU run in
    chunks side by side, as told above: at every seam the state agrees with that of a plain run within `TOLERANCE`. Sequences
    may be of any length; beside input and output the memory needed is bounded.

    Args:
        input_size, hidden_size, num_layers: as in `torch.nn.LSTM`.
        dropout: between the layers, in training.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int = 1, dropout: float = 0.0) -> None:
        super().__init__(input_size, hidden_size, num_layers, batch_first=True, dropout=dropout)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:  # type: ignore[override]
        """Outputs (batch, steps, hidden) and the state (hidden, cell), each (layers, batch, hidden), after the last step.

        Args:
            x: (batch, steps, inputs).
            state: to start from; zero where None.
        """
        if _chunks(x) > 1 and self._is_fast(x, state):
            return run_layers([Layer.of(self, k) for k in range(self.num_layers)], x, state)
        outputs = []
        for part in x.split(LONGEST_CALL, dim=1):  # type: ignore[no-untyped-call]
            output, state = super().forward(part, state)
            outputs.append(output)
        assert state is not None
        return torch.cat(outputs, dim=1) if len(outputs) > 1 else outputs[0], state

    def _is_fast(self, x: Tensor, state: State | None) -> bool:
        inputs = (x, *(state or ()), *self.parameters())
        needs_gradient = torch.is_grad_enabled() and any(v.requires_grad for v in inputs)
        drops = self.training and self.dropout > 0
        return not (needs_gradient or drops) and all(v.device.type == "cpu" and v.dtype == torch.float32 for v in inputs)


class PackedLSTM(nn.Module):
    """An LSTM in inference with its weights laid out once: for streams, whose calls are of a few steps.

    Args:
        lstm: in float32 on the CPU; later changes of its parameters have no effect here.
    """

    def __init__(self, lstm: nn.LSTM) -> None:
        super().__init__()
        frozen = copy.deepcopy(lstm)
        layers = [Layer.of(frozen, k) for k in range(lstm.num_layers)]
        self.layers = [replace(layer, inputs=layer.inputs.contiguous()) for layer in layers]

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """As `LSTM.forward`, without gradients."""
        return run_layers(self.layers, x, state)


@dataclass(frozen=True)
class Layer:
    """Weights of one layer, its gates in PyTorch's order: input, forget, candidate, output (hidden numbers each).

    Args:
        inputs: (inputs, 4 hidden).
        recurrent: (4 hidden, hidden) for one state, and (hidden, 4 hidden) for several.
        bias: (4 hidden,), the sum of both.
    """

    inputs: Tensor
    recurrent: tuple[Tensor, Tensor]
    bias: Tensor

    @classmethod
    def of(cls, lstm: nn.LSTM, k: int) -> Layer:
        """Layer `k` of a network."""
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        inputs, recurrent, bias, more_bias = (getattr(lstm, f"{name}_l{k}").detach() for name in names)
        return cls(inputs.t(), (recurrent.contiguous(), recurrent.t().contiguous()), bias + more_bias)

    def run(self, x: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (batch, steps, hidden) of a sequence x (batch, steps, inputs), and its final hidden and cell state."""
        batch, steps, _ = x.shape
        chunks = _chunks(x)
        if chunks == 1:
            outputs, cell = self._steps(self._project(x, steps), None, hidden, cell)
            return outputs, outputs[:, -1], cell
        length = -(-steps // (chunks * BLOCK)) * BLOCK  # of a chunk
        chunks = -(-steps // length)
        gates = self._project(x, chunks * length).view(batch * chunks, length, -1)
        starts = [v.new_zeros(batch, chunks, v.shape[1]) for v in (hidden, cell)]
        starts[0][:, 0], starts[1][:, 0] = hidden, cell
        outputs, cells = self._settle(gates, starts[0].flatten(0, 1), starts[1].flatten(0, 1), chunks)
        outputs, cells = (v.view(batch, -1, hidden.shape[1]) for v in (outputs, cells))  # an item's chunks one after the other
        return outputs[:, :steps], outputs[:, steps - 1].clone(), cells[:, -1].clone()

    def _project(self, x: Tensor, steps: int) -> Tensor:
        """What the inputs (batch, n, inputs) give to the gates (batch, steps, 4 hidden); steps after the n-th keep the cell."""
        batch, n, _ = x.shape
        gates = x.new_empty(batch, steps, len(self.bias))
        for item, into in zip(x, gates, strict=True):
            torch.addmm(self.bias, item, self.inputs, out=into[:n])
        if n < steps:
            take, keep, _, _ = gates[:, n:].zero_().chunk(4, dim=2)
            take.fill_(-SHUT)
            keep.fill_(SHUT)
        return gates

    def _settle(self, gates: Tensor, hidden: Tensor, cell: Tensor, chunks: int) -> tuple[Tensor, Tensor]:
        """Outputs (rows, steps, hidden), and cell states after each block (rows, blocks, hidden), of chunks put in a row.

        Args:
            gates: (rows, steps, 4 hidden), the chunks of an item in `chunks` consecutive rows.
            hidden, cell: (rows, hidden) at the start of every chunk: true for the first of an item, guessed for the others;
                overwritten.
            chunks: of an item.
        """
        rows, steps, _ = gates.shape
        outputs = gates.new_full((rows, steps, hidden.shape[1]), torch.nan)  # nothing meets a run that never was
        cells = gates.new_full((rows, steps // BLOCK, hidden.shape[1]), torch.nan)
        error = gates.new_full((rows,), torch.inf)  # of the start that a chunk last ran from
        pending = torch.ones(rows, dtype=torch.bool)
        forgets = True
        while pending.any():
            active = pending.nonzero().flatten()
            if not forgets:
                active = active[torch.diff(active // chunks, prepend=active.new_tensor([-1])) > 0]  # the first of each item
            pending[active] = False
            differing = self._rerun(gates, hidden, cell, active, outputs, cells)
            heirs = differing[(differing + 1) % chunks > 0] + 1
            pending[heirs] = True
            new, old = (outputs[heirs - 1, -1], cells[heirs - 1, -1]), (hidden[heirs], cell[heirs])
            before, error[heirs] = error[heirs], torch.maximum(*((a - b).abs().amax(1) for a, b in zip(new, old, strict=True)))
            forgets = forgets and bool((error[heirs] <= FORGETTING * before).float().mean() >= 0.5)
            hidden[heirs], cell[heirs] = new
        return outputs, cells

    def _rerun(self, gates: Tensor, hidden: Tensor, cell: Tensor, active: Tensor, outputs: Tensor, cells: Tensor) -> Tensor:
        """Run the `active` rows until they meet what `outputs` and `cells` hold of them; returns the rows that never do."""
        hidden, cell = hidden[active], cell[active]
        for block in range(cells.shape[1]):
            first, last = block * BLOCK, (block + 1) * BLOCK - 1
            run, cell = self._steps(gates[:, first : last + 1], active, hidden, cell)
            hidden = run[:, -1]
            met = _close(hidden, outputs[active, last]) & _close(cell, cells[active, block])
            outputs[active, first : last + 1], cells[active, block] = run, cell
            if met.any():
                active, hidden, cell = active[~met], hidden[~met], cell[~met]
            if not len(active):
                break
        return active

    def _steps(self, gates: Tensor, rows: Tensor | None, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden states (m, steps, hidden) of m `rows` of the gates (all rows, steps, 4 hidden), and their last cell state."""
        m, size = hidden.shape
        run = hidden.new_empty(m, gates.shape[1], size)
        cell = cell.clone()
        if m == 1 and run_steps is not None:
            its_gates = (gates if rows is None else gates[rows])[0].contiguous()
            run_steps(*(v.numpy() for v in (self.recurrent[0], its_gates, hidden[0].clone(), cell[0], run[0])))
            return run, cell
        work = hidden.new_empty(m, 4 * size)
        take_and_keep, (take, keep, candidate, show) = work[:, : 2 * size], work.chunk(4, dim=1)
        for step in range(gates.shape[1]):
            if rows is None:
                work.copy_(gates[:, step])
            else:
                torch.index_select(gates[:, step], 0, rows, out=work)
            work.addmm_(hidden, self.recurrent[1])
            take_and_keep.sigmoid_()
            show.sigmoid_()
            candidate.tanh_()
            cell.mul_(keep).addcmul_(take, candidate)
            hidden = torch.tanh(cell, out=run[:, step]).mul_(show)
        return run, cell


def run_layers(layers: Sequence[Layer], x: Tensor, state: State | None) -> tuple[Tensor, State]:
    """What `LSTM.forward` returns, in stretches of bounded length that pass through all layers one after the other."""
    batch, steps, _ = x.shape
    size = layers[0].recurrent[0].shape[1]
    zero = x.new_zeros(len(layers), batch, size)
    hidden, cell = (list(part) for part in state or (zero, zero))
    outputs = x.new_empty(batch, steps, size)
    stretch = _chunks(x) * LONGEST_CHUNK
    for first in range(0, steps, stretch):
        part = x[:, first : first + stretch]
        for k, layer in enumerate(layers):
            part, hidden[k], cell[k] = layer.run(part, hidden[k], cell[k])
        outputs[:, first : first + stretch] = part
    return outputs, (torch.stack(hidden), torch.stack(cell))


def _chunks(x: Tensor) -> int:
    """How many chunks of each item (batch, steps, inputs) to run side by side; two would not pay for running parts again."""
    chunks = min(ROWS // max(x.shape[0], 1), x.shape[1] // SHORTEST_CHUNK)
    return chunks if chunks > 2 else 1


def _close(a: Tensor, b: Tensor) -> Tensor:
    """Which rows are equal within the tolerance; NaN is not."""
    return ((a - b).abs() <= TOLERANCE * b.abs().clamp(min=1)).all(dim=1)
