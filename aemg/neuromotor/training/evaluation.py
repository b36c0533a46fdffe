"""Testing a decoder on whole intervals and prompts, one at a time and in bounded memory."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from tqdm import tqdm

from aemg.datasets.formats.neuromotor_file import NeuromotorFile
from aemg.errors import AEMGError
from aemg.neuromotor.angles import degrees_per_second
from aemg.neuromotor.cler import cler, event_counts
from aemg.neuromotor.ctc import greedy_ctc
from aemg.neuromotor.data.corpus import Partition
from aemg.neuromotor.data.prompts import PromptDataset
from aemg.neuromotor.data.windows import Span
from aemg.neuromotor.decoder import Decoder
from aemg.neuromotor.error_rate import edit_counts
from aemg.neuromotor.events import Event, decode_events, pair_releases
from aemg.neuromotor.text import labels_to_text
from aemg.neuromotor.training.batches import DecoderBatch, DecoderBatches
from aemg.neuromotor.training.config import DecoderConfig, DecodingConfig
from aemg.neuromotor.training.pieces import outputs_in_pieces
from aemg.neuromotor.training.results import GestureResult, Moments, Result, TextResult, WristResult
from aemg.neuromotor.training.sets import intervals_of, prompts_of
from aemg.neuromotor.training.tasks import DecoderTask
from aemg.training.data import first_of

logger = logging.getLogger(__name__)
_EXCERPT_S = {"gestures": 12.0, "wrist": 30.0}
_BLOCK_ROWS = 1 << 16


@dataclass
class _Reader:
    """EMG of a span, read piece by piece; pieces overlap, but a row is summed up once."""

    file: NeuromotorFile
    span: Span
    total: float = 0.0
    total_abs: float = 0.0
    summed: int = 0

    def __call__(self, start: int, stop: int) -> NDArray[np.float32]:
        emg = self.file.emg(self.span.start_row + start, self.span.start_row + stop)
        fresh = emg[max(0, self.summed - start) :]
        self.total += float(fresh.sum(dtype=np.float64))
        self.total_abs += float(np.abs(fresh).sum(dtype=np.float64))
        self.summed = max(self.summed, stop)
        return emg

    def finish(self) -> None:
        """Sums up the rows behind the last output as well."""
        for start in range(self.summed, self.span.rows, _BLOCK_ROWS):
            self(start, min(start + _BLOCK_ROWS, self.span.rows))

    def facts(self, outputs: int) -> dict[str, Any]:
        """The arguments of a `Stretch`."""
        self.finish()
        span = self.span
        return {
            "user": span.user,
            "dataset": span.dataset,
            "rows": (span.start_row, span.stop_row),
            "shape": (16, span.rows),
            "emg_sum": self.total,
            "emg_abs_sum": self.total_abs,
            "outputs": outputs,
        }


def score(
    accelerator: Accelerator, network: Decoder, config: DecoderConfig, partitions: Sequence[Partition], what: str = "test"
) -> list[Any]:
    """Results of all stretches of the partitions, in order, on every process; each stretch is scored by one of them.

    Stretches that are too short for an output are left out, with a logged warning.

    Raises:
        AEMGError: no stretch is long enough, or recordings cannot be read.
    """
    network.eval()
    scorers = _prompts(network, config, partitions) if config.task == "handwriting" else _intervals(network, config, partitions)
    mine = range(accelerator.process_index, len(scorers), accelerator.num_processes)
    bar = tqdm(mine, desc=what, unit="stretch", disable=not accelerator.is_main_process, leave=False)
    found = [(i, scorers[i]()) for i in bar]
    if accelerator.num_processes > 1:
        found = gather_object(found)
    return [result for _, result in sorted(found, key=lambda pair: pair[0])]


def _prompts(network: Decoder, config: DecoderConfig, partitions: Sequence[Partition]) -> list[Callable[[], Result]]:
    prompts = prompts_of(config, partitions)
    return [partial(score_prompt, network, prompts, i) for i in range(len(prompts))]


def _intervals(network: Decoder, config: DecoderConfig, partitions: Sequence[Partition]) -> list[Callable[[], Result]]:
    scorer: Any = score_gestures if config.task == "discrete_gestures" else score_wrist
    least = 1 if config.task == "discrete_gestures" else 2
    spans = intervals_of(config, partitions).spans
    long = [span for span in spans if network.compute_output_lengths(span.rows) >= least]
    if not long:
        raise AEMGError(f"none of the {len(spans)} intervals is long enough for {least} output(s) of the network")
    if len(long) < len(spans):
        logger.warning("left out %d of %d intervals, too short for an output", len(spans) - len(long), len(spans))
    return [partial(scorer, network, span, config.test) for span in long]


@torch.no_grad()
def score_gestures(network: Decoder, span: Span, config: DecodingConfig) -> GestureResult:
    """An interval of gestures: the events in it, against all prompts of its file."""
    with NeuromotorFile(span.path) as file:
        return _score_gestures(network, file, span, config)


def _score_gestures(network: Decoder, file: NeuromotorFile, span: Span, config: DecodingConfig) -> GestureResult:
    reader = _Reader(file, span)
    pieces = [torch.sigmoid(piece[0]).cpu().numpy() for piece in outputs_in_pieces(network, reader, span.rows, config.piece_s)]
    probabilities = np.concatenate([np.zeros((9, 0), np.float32), *pieces], axis=1)  # (9, T')
    times = file.times(span.start_row, span.stop_row)
    steps = times[network.left_context :: network.output_stride][: probabilities.shape[1]]
    labels: list[Event] = [(prompt.name, prompt.time) for prompt in file.gesture_prompts()]
    events = decode_events(probabilities, steps, config.threshold, config.debounce_s)
    events = pair_releases(events) if config.pair_releases else events
    begin, end = float(times[0]), float(np.nextafter(times[-1], np.inf))
    return GestureResult(
        **reader.facts(probabilities.shape[1]),
        cler=cler(events, labels, config.tolerance_s),
        counts=event_counts(events, labels, config.tolerance_s, (begin, end)),
        example=_gesture_example(span, float(file.times(0, 1)[0]), probabilities, steps, labels, events),
    )


@torch.no_grad()
def score_wrist(network: Decoder, span: Span, config: DecodingConfig) -> WristResult:
    """An interval of the wrist, from a state of zero; the first output does not count."""
    with NeuromotorFile(span.path) as file:
        return _score_wrist(network, file, span, config)


def _score_wrist(network: Decoder, file: NeuromotorFile, span: Span, config: DecodingConfig) -> WristResult:
    reader = _Reader(file, span)
    pieces = [piece[0, 0].float().cpu().numpy() for piece in outputs_in_pieces(network, reader, span.rows, config.piece_s)]
    decoded = np.concatenate([np.zeros(0, np.float32), *pieces])
    angles = _angles(file, span, network.left_context, network.output_stride)[: len(decoded)]
    said, true = decoded[1:], np.diff(angles)
    x, y = said.astype(np.float64), true.astype(np.float64)
    moments = (len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum())
    return WristResult(
        **reader.facts(len(decoded)),
        error=float(np.abs(said - true).mean()) if len(x) else float("nan"),
        zero_error=float(np.abs(true).mean()) if len(x) else float("nan"),
        stride=network.output_stride,
        minutes=len(x) * network.output_stride / network.rate_hz / 60,
        moments=Moments(tuple(float(value) for value in moments)),
        example=_wrist_example(network, span, said, true, angles[1:]),
    )


@torch.no_grad()
def score_prompt(network: Decoder, prompts: PromptDataset, index: int) -> TextResult:
    """A prompt of handwriting, by greedy decoding."""
    item, text = prompts.item(index), prompts.texts[index]
    emg = item["emg"].T[None]  # (T, 16) -> (1, 16, T)
    output = network(emg.to(next(network.parameters()).device))[0].float().cpu()
    prediction, target = labels_to_text(greedy_ctc(output)), labels_to_text(item["prompts"].tolist())
    before, after = prompts.padding
    return TextResult(
        text.user,
        text.dataset,
        (text.start_row - before, text.stop_row + after),
        (emg.shape[1], emg.shape[2]),
        float(emg.sum(dtype=torch.float64)),
        float(emg.abs().sum(dtype=torch.float64)),
        len(output),
        target=target,
        prediction=prediction,
        edits=edit_counts(prediction, target),
    )


def validate(accelerator: Accelerator, task: DecoderTask, batches: DecoderBatches, config: DecoderConfig) -> dict[str, float]:
    """The figures of the validation data, each process taking its part of the batches; leaves the task as it was."""
    training = task.training
    task.eval()
    sums = task.nothing()
    for batch in _in_order(accelerator, batches, config):
        with accelerator.autocast():
            found = task.validate(batch.to(accelerator.device))
        sums = {name: sums[name] + found[name] for name in sums}
    task.train(training)
    if accelerator.num_processes > 1:
        sums = {name: accelerator.reduce(value.to(accelerator.device), "sum").cpu() for name, value in sums.items()}
    return task.figures(sums)


def _in_order(accelerator: Accelerator, batches: DecoderBatches, config: DecoderConfig) -> Iterator[DecoderBatch]:
    size = config.optim.batch
    samples = [[(0, i) for i in range(at, min(at + size, len(batches)))] for at in range(0, len(batches), size)]
    loader: DataLoader[DecoderBatch] = DataLoader(
        batches,
        sampler=samples[accelerator.process_index :: accelerator.num_processes],
        batch_size=1,
        collate_fn=first_of,
        num_workers=config.data.workers,
        generator=torch.Generator().manual_seed(0),
    )
    return iter(tqdm(loader, desc="validation", unit="batch", disable=not accelerator.is_main_process, leave=False))


def _angles(file: NeuromotorFile, span: Span, first: int, stride: int) -> NDArray[np.float32]:
    """Flexion of every `stride`-th row from `first` on, radians."""
    found = [np.zeros(0, np.float32)]
    size = _BLOCK_ROWS // stride * stride
    for start in range(span.start_row + first, span.stop_row, size):
        found.append(file.wrist_angles(start, min(start + size, span.stop_row))[::stride, 0])
    return np.concatenate(found)


def _gesture_example(
    span: Span,
    zero_s: float,
    probabilities: NDArray[np.float32],
    times: NDArray[np.float64],
    labels: list[Event],
    events: list[Event],
) -> dict[str, Any]:
    """Some seconds from just before the first prompt within the interval."""
    if not len(times):
        return {}
    inside = [time for _, time in labels if times[0] <= time <= times[-1]]
    start = max(float(times[0]), (min(inside) if inside else float(times[0])) - 1.0)
    a, b = np.searchsorted(times, (start, start + _EXCERPT_S["gestures"]))

    def excerpt(entries: list[Event]) -> list[list[Any]]:
        return [[name, round(t - zero_s, 4)] for name, t in entries if start <= t < start + _EXCERPT_S["gestures"]]

    return {
        "user": span.user,
        "dataset": span.dataset,
        "start_s": round(start - zero_s, 4),
        "times_s": np.round(times[a:b] - zero_s, 4).tolist(),
        "probabilities": np.round(probabilities[:, a:b].astype(np.float64), 3).tolist(),
        "labels": excerpt(labels),
        "events": excerpt(events),
    }


def _wrist_example(
    network: Decoder, span: Span, said: NDArray[np.float32], true: NDArray[np.float32], angles: NDArray[np.float32]
) -> dict[str, Any]:
    """The first seconds."""
    n = min(len(said), int(_EXCERPT_S["wrist"] * network.rate_hz / network.output_stride))
    times = (network.left_context + network.output_stride * (1 + np.arange(n))) / network.rate_hz
    to_degrees = degrees_per_second(1.0, network.output_stride, network.rate_hz)
    return {
        "user": span.user,
        "dataset": span.dataset,
        "times_s": np.round(times, 4).tolist(),
        "angle_deg": np.round(np.degrees(angles[:n].astype(np.float64)), 3).tolist(),
        "velocity_deg_s": np.round(true[:n] * to_degrees, 2).tolist(),
        "decoded_deg_s": np.round(said[:n] * to_degrees, 2).tolist(),
    }


__all__ = ["score", "score_gestures", "score_prompt", "score_wrist", "validate"]
