"""What each decoder minimises and is validated by, in sums over items, so that processes add up exactly."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from aemg.neuromotor.angles import degrees_per_second, wrist_loss
from aemg.neuromotor.ctc import ctc_loss, greedy_ctc
from aemg.neuromotor.error_rate import EditCounts, edit_counts
from aemg.neuromotor.events import GESTURES
from aemg.neuromotor.gesture_targets import ValidationAccuracy, loss_mask, masked_bce, network_targets
from aemg.neuromotor.text import labels_to_text
from aemg.neuromotor.training.batches import DecoderBatch
from aemg.neuromotor.training.config import DecoderConfig

Sums = dict[str, Tensor]


class DecoderTask(nn.Module, ABC):
    """A network with its loss: `forward` gives the sums that the loop trains on, `validate` those of the validation.

    Args:
        network: a decoder, with `compute_output_lengths`, `left_context` and `output_stride` in samples.
    """

    SUMS: ClassVar[dict[str, tuple[int, ...]]]  # names and shapes of what `validate` gives besides loss and count

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, batch: DecoderBatch) -> Sums:
        """Sums over this process's items: loss, and the count that it is divided by."""
        return self._loss(batch, self.network(batch.tensors["emg"]))

    @torch.no_grad()
    def validate(self, batch: DecoderBatch) -> Sums:
        """Sums over a batch of the validation data, float64 on the CPU."""
        output = self.network(batch.tensors["emg"])
        found = {**self._loss(batch, output), **self._count(batch, output)}
        return {name: value.cpu().double() for name, value in found.items()}

    def nothing(self) -> Sums:
        """What `validate` gives of no item."""
        shapes: dict[str, tuple[int, ...]] = {"loss": (), "count": (), **self.SUMS}
        return {name: torch.zeros(shape, dtype=torch.float64) for name, shape in shapes.items()}

    @abstractmethod
    def figures(self, sums: Sums) -> dict[str, float]:
        """The validation's figures, from sums over all its batches."""

    @abstractmethod
    def _loss(self, batch: DecoderBatch, output: Tensor) -> Sums: ...

    def _count(self, batch: DecoderBatch, output: Tensor) -> Sums:
        return {}


class GesturesTask(DecoderTask):
    """Binary cross-entropy under the mask of the finger states; validated by the accuracy about true onsets.

    Args:
        fake_pair: see `ValidationAccuracy`.
    """

    SUMS: ClassVar[dict[str, tuple[int, ...]]] = {"pairs": (len(GESTURES), len(GESTURES))}

    def __init__(self, network: nn.Module, *, fake_pair: bool = False) -> None:
        super().__init__(network)
        self._fake_pair = fake_pair

    def figures(self, sums: Sums) -> dict[str, float]:
        """val_loss; val_accuracy in [0, 1], NaN without any onset."""
        accuracy = ValidationAccuracy()
        accuracy.counts = sums["pairs"].long()
        return {"val_loss": _mean(sums), "val_accuracy": accuracy.compute()}

    def _targets(self, batch: DecoderBatch) -> Tensor:
        return network_targets(batch.tensors["targets"], self.network.left_context, self.network.output_stride)

    def _loss(self, batch: DecoderBatch, output: Tensor) -> Sums:
        targets = self._targets(batch)
        count = loss_mask(targets).sum()
        return {"loss": masked_bce(output.float(), targets) * count, "count": count}

    def _count(self, batch: DecoderBatch, output: Tensor) -> Sums:
        accuracy = ValidationAccuracy(self._fake_pair)
        accuracy.update(output.float(), self._targets(batch))
        return {"pairs": accuracy.counts}


class WristTask(DecoderTask):
    """Mean absolute error of the angle's steps."""

    SUMS: ClassVar[dict[str, tuple[int, ...]]] = {}

    def figures(self, sums: Sums) -> dict[str, float]:
        """val_loss in radians a step, val_mae_deg_s in degrees a second."""
        loss = _mean(sums)
        return {"val_loss": loss, "val_mae_deg_s": degrees_per_second(loss, self.network.output_stride)}

    def _loss(self, batch: DecoderBatch, output: Tensor) -> Sums:
        loss = wrist_loss(output.float(), batch.tensors["wrist_angles"], self.network.left_context, self.network.output_stride)
        count = loss.new_tensor(output[..., 1:].numel())
        return {"loss": loss * count, "count": count}


class HandwritingTask(DecoderTask):
    """Connectionist temporal classification; validated by the character error rate of the greedy text.

    Args:
        fastemit: see `ctc_loss`.
    """

    SUMS: ClassVar[dict[str, tuple[int, ...]]] = dict.fromkeys(
        ("insertions", "deletions", "substitutions", "characters"), ()
    )

    def __init__(self, network: nn.Module, *, fastemit: float = 0.0) -> None:
        super().__init__(network)
        self._fastemit = fastemit

    def figures(self, sums: Sums) -> dict[str, float]:
        """val_loss; val_cer and its parts in percent of the targets' characters."""
        characters = float(sums["characters"]) or float("nan")
        parts = {f"val_{name}": 100 * float(sums[name]) / characters for name in list(self.SUMS)[:3]}
        return {"val_loss": _mean(sums), "val_cer": sum(parts.values()), **parts}

    def _loss(self, batch: DecoderBatch, output: Tensor) -> Sums:
        tensors = batch.tensors
        steps = self.network.compute_output_lengths(tensors["emg_lengths"])
        loss = ctc_loss(output.float(), steps, tensors["prompts"], tensors["prompt_lengths"], self._fastemit)
        count = loss.new_tensor(len(output))
        return {"loss": loss * count, "count": count}

    def _count(self, batch: DecoderBatch, output: Tensor) -> Sums:
        tensors = batch.tensors
        edits = EditCounts()
        steps = self.network.compute_output_lengths(tensors["emg_lengths"]).tolist()
        for item, emitted, labels, length in zip(output, steps, tensors["prompts"].tolist(), tensors["prompt_lengths"].tolist()):
            edits += edit_counts(labels_to_text(greedy_ctc(item[:emitted])), labels_to_text(labels[:length]))
        counts = (edits.insertions, edits.deletions, edits.substitutions, edits.target_characters)
        return {name: torch.tensor(count) for name, count in zip(self.SUMS, counts)}


def make_task(config: DecoderConfig, network: nn.Module) -> DecoderTask:
    """The task of a configuration."""
    if config.task == "discrete_gestures":
        return GesturesTask(network, fake_pair=config.test.fake_pair)
    if config.task == "handwriting":
        return HandwritingTask(network, fastemit=config.loss.fastemit)
    return WristTask(network)


def _mean(sums: Sums) -> float:
    count = float(sums["count"])
    return float(sums["loss"]) / count if count else float("nan")
