"""The three tasks on AEMG's encoder: the outputs of Meta's networks, row for row, from tokens in place of their front ends.

Every 20 ms the stretch of EMG that ends there is a token (`aemg.neuromotor.sliding_tokens`), and a frame is the last token of a
sentence of such stretches laid end to end, as many as `sentence_tokens`. The pre-trained encoder reads each sentence just as it
read its own: no overlap, times from the sentence's begin, amplitudes of the whole stretch for the sentence's own token. An LSTM
follows the frames. So the look-back of the encoder is bounded, nothing looks ahead, and memory grows by no more than the outputs.

Letters: B items, T rows, F frames, W tokens of a sentence, D width of the encoder, H of the LSTM, S 16 slots.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from einops import rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional

from aemg.config import from_mapping, to_mapping
from aemg.datasets.formats.neuromotor_file import Task
from aemg.errors import AEMGError, ConfigError
from aemg.features import FEATURES
from aemg.model import AEMG, SIZES, AEMGConfig
from aemg.model.network import Encoder
from aemg.neuromotor.checkpoint import Checkpoint
from aemg.neuromotor.decoder import Decoder, check_positive, check_share
from aemg.neuromotor.lstm import LSTM
from aemg.neuromotor.sliding_tokens import RATE_HZ, SlidingTokens, levels
from aemg.topology import SLOTS

FRAME_ROWS = 40
_WRIST_SCALE = 1e-3
_SUMMARY = (1 + len(FEATURES)) * SLOTS


@dataclass(frozen=True)
class Layout:
    """Where a task's outputs lie: output k at row `left_context` + k `output_stride`, as in the task's own network.

    The LSTM makes a step every `frames_per_step` frames, and `outputs_per_step` outputs from it: those at the step's last row and
    until the next step.
    """

    outputs: int
    left_context: int
    output_stride: int
    frames_per_step: int = 1
    outputs_per_step: int = 1

    @property
    def step(self) -> int:
        """Rows from step to step."""
        return self.frames_per_step * FRAME_ROWS

    @property
    def skipped_steps(self) -> int:
        """Steps before the first output, which only warm the LSTM up."""
        return self.left_context // self.step

    @property
    def first_frame(self) -> int:
        """Row that the first frame ends with; negative where the first step begins before the signal."""
        return self.left_context % self.step - (self.step - FRAME_ROWS)

    @property
    def blank_frames(self) -> int:
        """Frames that end before the signal begins."""
        return max(0, -(self.first_frame // FRAME_ROWS))


LAYOUTS: Mapping[Task, Layout] = {
    "discrete_gestures": Layout(9, left_context=20, output_stride=10, outputs_per_step=4),
    "wrist": Layout(1, left_context=253, output_stride=40),
    "handwriting": Layout(100, left_context=19_853, output_stride=320, frames_per_step=8),
}


@dataclass(frozen=True)
class State:
    """What the next frames need of those before.

    Args:
        frames: (B, (W - 1) * spacing, D + 5 S), the tokens that coming sentences begin with.
        seen: frames so far.
        vectors: (B, fewer than a step's, D), of the step that is not complete.
        steps: LSTM steps so far.
        lstm: None before the first step.
    """

    frames: Tensor
    seen: int
    vectors: Tensor
    steps: int
    lstm: tuple[Tensor, Tensor] | None


class AEMGDecoder(Decoder):
    """AEMG's encoder as the backbone of one of the three tasks; `aemg_decoder` makes one from a pre-trained model.

    `forward` takes EMG (B, 16, T) at 2000 Hz as the task's own network does and gives outputs of the same form, rate and rows:
    gestures (B, 9, T') logits, wrist (B, 1, T') radians a step, handwriting (B, T', 100) log-probabilities. Before the signal's
    begin the encoder sees nothing: tokens that would lie there are left out, those that reach there are silent so far.

    Args:
        task: discrete_gestures, wrist or handwriting.
        model: plain values of the `AEMGConfig`; None for the default space and the `tiny` network.
        window_ms: length of a token.
        sentence_tokens: W, 1 for frames without context other than the LSTM's.
        lstm_hidden, lstm_layers, dropout: of the part after the encoder.
        freeze: leave the encoder as it is, in training too.
        outputs: width of the head; None for the task's.

    Raises:
        ConfigError: an unknown task, or settings that do not fit each other.
    """

    HEAD: ClassVar[str] = "projection"
    OUTPUTS: ClassVar[str] = "outputs"

    def __init__(
        self,
        task: Task,
        model: Mapping[str, Any] | None = None,
        window_ms: float = 200.0,
        sentence_tokens: int = 8,
        lstm_hidden: int = 128,
        lstm_layers: int = 2,
        dropout: float = 0.1,
        freeze: bool = False,
        outputs: int | None = None,
    ) -> None:
        super().__init__()
        if task not in LAYOUTS:
            raise ConfigError(f"task must be one of {', '.join(LAYOUTS)}, got {task!r}")
        self.outputs = LAYOUTS[task].outputs if outputs is None else outputs
        check_positive(sentence_tokens=sentence_tokens, lstm_hidden=lstm_hidden, lstm_layers=lstm_layers, outputs=self.outputs)
        check_share(dropout=dropout)
        config = AEMGConfig(network=SIZES["tiny"]) if model is None else from_mapping(AEMGConfig, dict(model))
        self.task, self.model, self.layout = task, to_mapping(config), LAYOUTS[task]
        self.window_ms, self.sentence_tokens, self.freeze = window_ms, sentence_tokens, freeze
        self.lstm_hidden, self.lstm_layers, self.dropout = lstm_hidden, lstm_layers, dropout
        self.channels, self.rate_hz = SLOTS, float(RATE_HZ)
        self.left_context, self.output_stride = self.layout.left_context, self.layout.output_stride
        self.time_axis = 1 if task == "handwriting" else 2
        width = config.network.width
        self.tokens = SlidingTokens(config, window_ms, FRAME_ROWS)
        self.frame_context, self.frame_stride = self.tokens.rows - 1, FRAME_ROWS
        self.lead = self.frame_context - self.layout.first_frame  # zeros before the signal that the first frame needs
        self.spacing = -(-self.tokens.window // FRAME_ROWS)  # frames from token to token of a sentence
        self.encoder = Encoder(config)
        self.drop = nn.Dropout(dropout)
        between = dropout if lstm_layers > 1 else 0.0
        self.lstm = LSTM(self.layout.frames_per_step * width, lstm_hidden, lstm_layers, between)
        self.norm = nn.LayerNorm(lstm_hidden)
        per_step = self.layout.outputs_per_step
        self.spread = nn.Linear(lstm_hidden, per_step * lstm_hidden) if per_step > 1 else None
        self.projection = nn.Linear(lstm_hidden, self.outputs)
        if task == "wrist":  # radians a step are small numbers
            nn.init.normal_(self.projection.weight, std=_WRIST_SCALE)
            nn.init.zeros_(self.projection.bias)
        self.encoder.requires_grad_(not freeze)
        self.encoder.mask_token.requires_grad_(False)  # nothing is masked here
        self.train(self.training)

    def train(self, mode: bool = True) -> AEMGDecoder:
        """Training or evaluation; a frozen encoder stays in evaluation."""
        super().train(mode)
        if self.freeze:
            self.encoder.eval()
        return self

    def get_config(self) -> dict[str, Any]:
        """Every setting of the constructor, in plain values fit for JSON."""
        return {**super().get_config(), "model": self.model}

    def front_end(self, x: Tensor) -> Tensor:
        """Every token for itself and its levels: (B, S, R) -> (B, F, D + 5 S)."""
        with torch.no_grad():
            tokens = self.tokens(x)
        with self._encoding():
            embedded = self.encoder.embed(tokens)
        return torch.cat([embedded, levels(tokens.sigma, tokens.features)], dim=-1)

    def encode(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Frames (B, F, D + 5 S) as features (B, N, H) of the outputs that they complete, and the state after them."""
        state = state or self._fresh(frames)
        with self._encoding():
            vectors = torch.cat([state.vectors, self._relate(frames, state)], dim=1)
        k = self.layout.frames_per_step
        steps = vectors.shape[1] // k
        features, lstm = self._steps(rearrange(vectors[:, : steps * k], "b (n k) d -> b n (k d)", k=k), state)
        keep = (self.sentence_tokens - 1) * self.spacing
        known = torch.cat([state.frames, frames], dim=1)
        after = State(
            known[:, known.shape[1] - keep :], state.seen + frames.shape[1], vectors[:, steps * k :], state.steps + steps, lstm
        )
        return features, after

    def head(self, features: Tensor) -> Tensor:
        """Features (B, N, H) as outputs in the task's form."""
        y = torch.as_tensor(self.projection(features))
        return y.log_softmax(dim=-1) if self.task == "handwriting" else y.transpose(1, 2)

    def stream(self, **options: Any) -> Any:
        """The task's stream of `aemg.neuromotor.streaming`.

        A push that completes a frame of gestures brings the outputs until the next frame, too: up to three (15 ms) of rows yet to
        come.
        """
        from aemg.neuromotor.streaming import GestureStream, HandwritingStream, WristStream

        streams = {"discrete_gestures": GestureStream, "handwriting": HandwritingStream, "wrist": WristStream}
        return streams[self.task](self, **options)

    @classmethod
    def settings_of(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """There are no released networks of this kind.

        Raises:
            AEMGError: always.
        """
        raise AEMGError("Lightning checkpoints hold one of the released networks; a decoder on AEMG is read by from_pretrained")

    def _relate(self, frames: Tensor, state: State) -> Tensor:
        """Every frame in its sentence: (B, F, D + 5 S) -> (B, F, D)."""
        n, w, device = frames.shape[1], self.sentence_tokens, frames.device
        earlier = state.frames.shape[1]
        rows = torch.arange(n, device=device)[:, None] + torch.arange(w, device=device) * self.spacing  # (F, W)
        valid = rows + (state.seen - earlier) >= self.layout.blank_frames
        sentences = rearrange(torch.cat([state.frames, frames], dim=1)[:, rows], "b f w d -> (b f) w d")
        valid = repeat(valid, "f w -> (b f) w", b=len(frames))
        tokens, level = sentences[..., :-_SUMMARY], sentences[..., -_SUMMARY:]
        summary = (level * valid[..., None]).sum(1) / valid.sum(1, keepdim=True).clamp(min=1)
        start_s = (torch.arange(w, device=device) * (self.spacing * FRAME_ROWS / RATE_HZ)).to(tokens.dtype)
        related, _ = self.encoder.relate(tokens, start_s.expand(len(tokens), w), valid, summary)
        return torch.as_tensor(rearrange(related[:, -1], "(b f) d -> b f d", f=n))

    def _steps(self, x: Tensor, state: State) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
        """LSTM steps (B, N', frames D) as features (B, N, H), without those before the first output."""
        skipped = min(x.shape[1], max(0, self.layout.skipped_steps - state.steps))
        if not x.shape[1]:
            return x.new_zeros(len(x), 0, self.lstm_hidden), state.lstm
        y, lstm = self.lstm(self.drop(x), state.lstm)
        y = self.drop(self.norm(y[:, skipped:]))
        if self.spread is not None:  # (B, N', outputs H) -> (B, N' outputs, H)
            y = rearrange(functional.gelu(self.spread(y)), "b n (k h) -> b (n k) h", h=self.lstm_hidden)
        return y, lstm

    def _fresh(self, frames: Tensor) -> State:
        b, width = len(frames), frames.shape[-1]
        earlier = (self.sentence_tokens - 1) * self.spacing
        return State(frames.new_zeros(b, earlier, width), 0, frames.new_zeros(b, 0, width - _SUMMARY), 0, None)

    def _encoding(self) -> Any:
        return torch.no_grad() if self.freeze else nullcontext()


def aemg_decoder(
    task: Task,
    encoder: AEMG | str | Path | None = None,
    *,
    size: str = "tiny",
    freeze: bool = False,
    **settings: Any,
) -> AEMGDecoder:
    """A decoder on AEMG's encoder.

    Args:
        task: discrete_gestures, wrist or handwriting.
        encoder: a pre-trained model or the folder of one, whose encoder is copied; None for fresh weights of `size`.
        size: tiny, base or large, without a model.
        freeze: train the rest alone.
        settings: of `AEMGDecoder`.

    Raises:
        DataFileError: no model in that folder.
        ConfigError: unknown or impossible settings.
    """
    if size not in SIZES:
        raise ConfigError(f"size must be one of {', '.join(SIZES)}, got {size!r}")
    source = AEMG.from_pretrained(encoder) if isinstance(encoder, str | Path) else encoder
    config = AEMGConfig(network=SIZES[size]) if source is None else source.config
    decoder = AEMGDecoder.from_config({"task": task, "model": to_mapping(config), "freeze": freeze, **settings})
    if source is not None:
        decoder.encoder.load_state_dict(source.encoder.state_dict())
    return decoder
