"""Decoding while the signal comes in: chunks of any length give the outputs of the whole, with a state of bounded size.

    stream = decoder.stream()
    for chunk in source:  # (channels, n) samples
        for name, time_s in stream.push(chunk).events:
            ...

Nothing is held back: an output comes with the push that brings its last sample. So the delay is what a chunk takes to fill and
to compute, beside what the decoder itself has learned to wait for. Until the left context of the first output has passed there
are no outputs. Streams run on the CPU in float32, one signal each.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from aemg.errors import AEMGError, ConfigError
from aemg.neuromotor.conformer import Conformer
from aemg.neuromotor.ctc import GreedyCTC
from aemg.neuromotor.decoder import Decoder, count_outputs
from aemg.neuromotor.events import DEBOUNCE_S, GESTURES, THRESHOLD, Debounce, Event, PairedReleases, crossings
from aemg.neuromotor.lstm import PackedLSTM
from aemg.neuromotor.mpf import check_finite
from aemg.neuromotor.text import CHARACTERS

try:
    from aemg.neuromotor.packed_conformer import PackedConformer
except ImportError:  # without numba the blocks run as offline
    PackedConformer = None  # type: ignore[assignment, misc]

PROMPT_PADDING = 19_014
"""Samples before a prompt that the handwriting decoder is scored with."""

_AT_ONCE_S = 20.0  # of signal that is computed in one piece, however long the chunk


@dataclass(frozen=True)
class StreamResult:
    """The n outputs that one push completes; n may be 0.

    Args:
        rows: (n,) the sample that each output ends with, counted from the first one pushed.
        times_s: (n,) its time.
        output: what the decoder's `forward` returns for them, without the batch axis.
    """

    rows: NDArray[np.int64]
    times_s: NDArray[np.float64]
    output: Tensor


@dataclass(frozen=True)
class GestureResult(StreamResult):
    """Gestures; `output` are the logits (classes, n).

    Args:
        probabilities: (classes, n).
        events: (name, time in seconds) of the gestures that begin here, in order of time.
    """

    probabilities: Tensor
    events: tuple[Event, ...]


@dataclass(frozen=True)
class HandwritingResult(StreamResult):
    """Handwriting; `output` are the log-probabilities (n, classes).

    Args:
        text: the characters written here.
        characters: each of them with its time in seconds.
    """

    text: str
    characters: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class WristResult(StreamResult):
    """Wrist; `output` (angles, n) is in radians a step.

    Args:
        velocity_deg_s: (angles, n).
        angle_deg: (angles, n) relative to the first output: the sum of the steps since.
    """

    velocity_deg_s: Tensor
    angle_deg: Tensor


R = TypeVar("R", bound=StreamResult)


@dataclass(frozen=True)
class _State:
    """What coming outputs need of the past.

    Args:
        tail: (channels, m), the samples from the next frame's first on.
        skip: coming samples that lie between frames.
        encoder: state of the decoder's `encode`.
    """

    tail: Tensor
    skip: int = 0
    encoder: Any = None


class Stream(ABC, Generic[R]):
    """One signal through a decoder.

    Args:
        decoder: its weights as they are now; later training has no effect on the stream.
        start_s: time of the first sample.

    Raises:
        ConfigError: a time that is not finite.
    """

    _row: int  # that the decoder started with
    _outputs: int  # since then

    def __init__(self, decoder: Decoder, start_s: float = 0.0) -> None:
        if not math.isfinite(start_s):
            raise ConfigError(f"start_s must be a finite time in seconds, got {start_s}")
        self.channels, self.rate_hz, self.start_s = decoder.channels, decoder.rate_hz, start_s
        self._decoder = _frozen(decoder)
        self.reset()
        with torch.inference_mode():  # one frame compiles what the first chunk should not wait for
            self._encode(torch.zeros(self.channels, decoder.frame_context + 1))

    def reset(self) -> None:
        """Forget everything, as if nothing had been pushed."""
        self._begin(0)

    def push(self, chunk: Tensor | NDArray[Any]) -> R:
        """Decode the next samples (channels, n), n >= 0, high-passed and in units of the noise level.

        Raises:
            AEMGError: another shape, complex numbers, or values that are not finite; the stream is then as it was before.
        """
        return self._decode(self._checked(chunk))

    def _decode(self, x: Tensor) -> R:
        with torch.inference_mode():
            features, state = self._encode(x)
            output = self._decoder.head(features)[0]
        outputs = np.arange(self._outputs, self._outputs + features.shape[1])
        rows = self._row + self._decoder.left_context + outputs * self._decoder.output_stride
        self._state, self._outputs = state, self._outputs + len(outputs)
        return self._result(rows, self.start_s + rows / self.rate_hz, output)

    @abstractmethod
    def _result(self, rows: NDArray[np.int64], times_s: NDArray[np.float64], output: Tensor) -> R:
        """The result of outputs that are the next ones for sure."""

    def _begin(self, row: int) -> None:
        """Start the decoder afresh on a signal whose first sample is `row`."""
        self._state = _State(torch.zeros(self.channels, self._decoder.lead))
        self._row, self._outputs = row, 0

    def _checked(self, chunk: Tensor | NDArray[Any]) -> Tensor:
        x = chunk if isinstance(chunk, Tensor) else torch.from_numpy(np.array(chunk))
        if x.ndim != 2 or x.shape[0] != self.channels or x.is_complex():
            raise AEMGError(f"expected a chunk of real numbers ({self.channels}, samples), found {x.dtype} {tuple(x.shape)}")
        x = x.detach().to("cpu", torch.float32)
        check_finite(x[None])
        return x

    def _encode(self, x: Tensor) -> tuple[Tensor, _State]:
        """Features (1, n, H) that samples (channels, any number) complete, and the state after them."""
        state, pieces = self._state, []
        for piece in x.split(int(_AT_ONCE_S * self.rate_hz), dim=1):  # type: ignore[no-untyped-call]
            features, state = self._encode_piece(piece, state)
            pieces.append(features)
        return torch.cat(pieces, 1), state

    def _encode_piece(self, x: Tensor, state: _State) -> tuple[Tensor, _State]:
        decoder = self._decoder
        skipped = min(state.skip, x.shape[1])
        signal = torch.cat([state.tail, x[:, skipped:]], 1)
        frames = count_outputs(signal.shape[1], decoder.frame_context, decoder.frame_stride)
        used = frames * decoder.frame_stride
        tail, skip = signal[:, used:].clone(), state.skip - skipped + max(0, used - signal.shape[1])
        if not frames:
            head = decoder.get_submodule(decoder.HEAD)
            assert isinstance(head, nn.Linear)
            return signal.new_zeros(1, 0, head.in_features), _State(tail, skip, state.encoder)
        needed = used - decoder.frame_stride + decoder.frame_context + 1
        features, encoder = decoder.encode(decoder.front_end(signal[None, :, :needed]), state.encoder)
        return features, _State(tail, skip, encoder)


class GestureStream(Stream[GestureResult]):
    """Gestures and their events, as `aemg.neuromotor.events.decode_events` finds them in the whole.

    Args:
        decoder, start_s: see `Stream`.
        threshold: probability at which a gesture begins.
        debounce_s: see `aemg.neuromotor.events.Debounce`; None for no debouncing.
        pair_releases: drop releases that do not follow their own press, see `aemg.neuromotor.events.PairedReleases`.
        names: of the decoder's classes.

    Raises:
        ConfigError: a threshold that is no number, or another number of names than classes.
    """

    def __init__(
        self,
        decoder: Decoder,
        start_s: float = 0.0,
        threshold: float = THRESHOLD,
        debounce_s: float | None = DEBOUNCE_S,
        pair_releases: bool = False,
        names: Sequence[str] = GESTURES,
    ) -> None:
        if not math.isfinite(threshold):
            raise ConfigError(f"threshold must be a finite number, got {threshold}")
        if len(names) != decoder.n_outputs:
            raise ConfigError(f"names must be {decoder.n_outputs}, one for every class of the decoder, got {len(names)}")
        self.threshold, self.names = threshold, tuple(names)
        self._debounce, self._pairs = Debounce(debounce_s), PairedReleases() if pair_releases else None
        super().__init__(decoder, start_s)

    def reset(self) -> None:
        """Forget everything, as if nothing had been pushed."""
        super().reset()
        self._debounce.reset()
        if self._pairs is not None:
            self._pairs.reset()
        self._above = np.zeros(len(self.names), dtype=np.bool_)

    def _result(self, rows: NDArray[np.int64], times_s: NDArray[np.float64], output: Tensor) -> GestureResult:
        probabilities = output.sigmoid()
        values = probabilities.numpy()
        begun = np.argwhere(crossings(values, self.threshold, self._above).T)  # (step, class), steps first
        if values.shape[1]:
            self._above = values[:, -1] >= values.dtype.type(self.threshold)
        found = ((self.names[kind], float(times_s[step])) for step, kind in begun)
        debounced = ((name, time_s) for name, time_s in found if self._debounce.keep(name, time_s))
        events = tuple((name, time_s) for name, time_s in debounced if self._pairs is None or self._pairs.keep(name))
        return GestureResult(rows, times_s, output, probabilities, events)


class HandwritingStream(Stream[HandwritingResult]):
    """Characters by greedy decoding, with the last label carried from push to push.

    Left alone the stream runs on: it gives what the decoder gives for the whole signal. The decoder's scores however are of
    prompts that start cold, each from its own padding: `restart` does just that where a prompt begins.

    Args:
        decoder, start_s: see `Stream`.
        characters: of the labels; the blank comes after the last one.
        padding: samples before a restart that belong to what follows, zeros where there were none.

    Raises:
        ConfigError: more characters than the decoder has labels, or a negative padding.
    """

    def __init__(
        self,
        decoder: Decoder,
        start_s: float = 0.0,
        characters: Sequence[str] = CHARACTERS,
        padding: int = PROMPT_PADDING,
    ) -> None:
        if len(characters) + 1 != decoder.n_outputs:
            wanted = f"{decoder.n_outputs - 1}, one for every label of the decoder but the blank"
            raise ConfigError(f"characters must be {wanted}, got {len(characters)}")
        if padding < 0:
            raise ConfigError(f"padding must be 0 or more samples, got {padding}")
        self.characters, self.padding = tuple(characters), padding
        self._greedy = GreedyCTC(blank=len(characters))
        super().__init__(decoder, start_s)

    def reset(self) -> None:
        """Forget everything, as if nothing had been pushed."""
        super().reset()
        self._greedy.reset()
        self._past = _Past(self.channels, self.padding)

    def push(self, chunk: Tensor | NDArray[Any]) -> HandwritingResult:
        """As `Stream.push`."""
        x = self._checked(chunk)
        result = self._decode(x)
        self._past.add(x)
        return result

    def restart(self) -> HandwritingResult:
        """Begin a prompt with the sample that comes next: start cold from the padding before it, with no label before.

        Computing the padding takes as long as pushing it. Returns what it brings, which is nothing unless it is longer than the
        left context of an output. Rows and times go on.
        """
        self._greedy.reset()
        self._begin(self._past.seen - self.padding)
        return self._decode(self._past.samples())

    def _result(self, rows: NDArray[np.int64], times_s: NDArray[np.float64], output: Tensor) -> HandwritingResult:
        before = self._outputs - len(rows)
        labels = self._greedy.push_timed(output)
        written = tuple((self.characters[label], float(times_s[step - before])) for label, step in labels)
        return HandwritingResult(rows, times_s, output, "".join(character for character, _ in written), written)


class WristStream(Stream[WristResult]):
    """Angular velocity, and the angle since the first output; options as of `Stream`."""

    def reset(self) -> None:
        """Forget everything, as if nothing had been pushed."""
        super().reset()
        self._angle_deg = torch.zeros(self._decoder.n_outputs, 1, dtype=torch.float64)

    def _result(self, rows: NDArray[np.int64], times_s: NDArray[np.float64], output: Tensor) -> WristResult:
        steps_deg = output.double().rad2deg()
        velocity_deg_s = steps_deg * (self.rate_hz / self._decoder.output_stride)
        if self._outputs == len(rows):
            steps_deg[:, :1] = 0  # the step to the first output ends where the angle counts from
        angle_deg = self._angle_deg + steps_deg.cumsum(1)
        self._angle_deg = torch.cat([self._angle_deg, angle_deg], 1)[:, -1:]
        return WristResult(rows, times_s, output, velocity_deg_s, angle_deg)


class _Past:
    """The last `size` of the samples added, in a ring."""

    def __init__(self, channels: int, size: int) -> None:
        self._ring = torch.zeros(channels, size)
        self.seen = 0

    def add(self, x: Tensor) -> None:
        """Samples (channels, n), the newest last."""
        size = self._ring.shape[1]
        self.seen += x.shape[1]
        kept = min(size, x.shape[1])
        if kept:
            self._ring[:, torch.arange(self.seen - kept, self.seen) % size] = x[:, -kept:]

    def samples(self) -> Tensor:
        """(channels, size), zeros before the first."""
        return self._ring.roll(-self.seen, 1)


def _frozen(decoder: Decoder) -> Decoder:
    """A copy for inference on the CPU in float32."""
    network = copy.deepcopy(decoder).eval().requires_grad_(False).to("cpu", torch.float32)
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.LSTM):
                parent._modules[name] = PackedLSTM(child)
            elif isinstance(child, Conformer) and PackedConformer is not None and PackedConformer.fits(child):
                parent._modules[name] = PackedConformer(child)
    return network
