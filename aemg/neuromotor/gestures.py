"""Discrete gestures: convolution and LSTM, nine logits 200 times a second."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from aemg.neuromotor.checkpoint import Checkpoint, child, expect, number
from aemg.neuromotor.decoder import Decoder, State, check_positive, check_share, lstm_settings
from aemg.neuromotor.lstm import LSTM

RANGE, MIDPOINT = 64.0, 32.0  # of the compression, in units of the noise level


class DiscreteGestures(Decoder):
    """EMG (B, C, T) to logits (B, classes, T'); output k ends at sample kernel - 1 + k * stride, as released 20 + 10 k.

    Args:
        channels: of EMG, C.
        conv_channels, kernel, stride: of the convolution over time.
        lstm_hidden, lstm_layers: of the LSTM.
        classes: width of the head; the nine events are `aemg.neuromotor.events.GESTURES`.
        dropout, lstm_dropout: after the convolution, and between LSTM layers.
        rate_hz: sampling rate.

    Raises:
        ConfigError: a size below 1, or a dropout outside [0, 1).
    """

    HEAD = "projection"
    OUTPUTS = "classes"

    def __init__(
        self,
        channels: int = 16,
        conv_channels: int = 512,
        kernel: int = 21,
        stride: int = 10,
        lstm_hidden: int = 512,
        lstm_layers: int = 3,
        classes: int = 9,
        dropout: float = 0.1,
        lstm_dropout: float = 0.1,
        rate_hz: float = 2000.0,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, conv_channels=conv_channels, kernel=kernel, stride=stride)
        check_positive(lstm_hidden=lstm_hidden, lstm_layers=lstm_layers, classes=classes)
        check_share(dropout=dropout, lstm_dropout=lstm_dropout)
        self.channels, self.conv_channels, self.kernel, self.stride = channels, conv_channels, kernel, stride
        self.lstm_hidden, self.lstm_layers, self.classes = lstm_hidden, lstm_layers, classes
        self.dropout, self.lstm_dropout, self.rate_hz = dropout, lstm_dropout, rate_hz
        self.frame_context = self.left_context = kernel - 1
        self.frame_stride = self.output_stride = stride
        self.conv_layer = nn.Conv1d(channels, conv_channels, kernel, stride)
        self.post_conv_layer_norm = nn.LayerNorm(conv_channels)
        between = lstm_dropout if lstm_layers > 1 else 0.0
        self.lstm = LSTM(conv_channels, lstm_hidden, lstm_layers, dropout=between)
        self.post_lstm_layer_norm = nn.LayerNorm(lstm_hidden)
        self.projection = nn.Linear(lstm_hidden, classes)

    def front_end(self, x: Tensor) -> Tensor:
        """Signal (B, C, T), range compressed, through the convolution: (B, T', conv_channels)."""
        compressed = RANGE * x / (MIDPOINT + x.abs())
        fields = compressed.unfold(2, self.kernel, self.stride).transpose(1, 2).flatten(2)  # (B, T', C kernel)
        rows = functional.linear(fields, self.conv_layer.weight.flatten(1), self.conv_layer.bias)
        normed: Tensor = self.post_conv_layer_norm(functional.dropout(rows.relu_(), self.dropout, self.training))
        return normed

    def encode(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Frames (B, J, conv_channels) as features (B, J, lstm_hidden); the state is the LSTM's."""
        hidden, state = self.lstm(frames, state)
        return self.post_lstm_layer_norm(hidden), state

    def head(self, features: Tensor) -> Tensor:
        """Features (B, N, lstm_hidden) as logits (B, classes, N)."""
        return self.projection(features).transpose(1, 2)  # type: ignore[no-any-return]

    def stream(self, **options: Any) -> Any:
        """An `aemg.neuromotor.streaming.GestureStream`."""
        from aemg.neuromotor.streaming import GestureStream

        return GestureStream(self, **options)

    @classmethod
    def settings_of(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """Sizes from the shapes; stride and dropouts from the stored network, where there is one."""
        conv_channels, channels, kernel = expect(checkpoint, "conv_layer.weight", None, None, None)
        stored = {
            "stride": number(child(checkpoint.network, "conv_layer"), "stride"),
            "dropout": number(child(checkpoint.network, "dropout"), "p"),
        }
        sizes = lstm_settings(checkpoint, conv_channels)
        classes, _ = expect(checkpoint, "projection.weight", None, sizes["lstm_hidden"])
        return {
            "channels": channels,
            "conv_channels": conv_channels,
            "kernel": kernel,
            "classes": classes,
            **sizes,
            **{name: value for name, value in stored.items() if value is not None},
        }


__all__ = ["DiscreteGestures"]
