"""Wrist: multivariate power-frequency features and LSTM, angular velocity 50 times a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from aemg.neuromotor.checkpoint import Checkpoint, expect
from aemg.neuromotor.decoder import Decoder, State, check_positive, check_share, lstm_settings
from aemg.neuromotor.lstm import LSTM
from aemg.neuromotor.mpf import BANDS_HZ, MPF
from aemg.neuromotor.rotation import RotationInvariantMLP
from aemg.neuromotor.spectral import mlp_widths, spectral_frames, spectral_settings


class Wrist(Decoder):
    """EMG (B, C, T) to (B, outputs, T'), radians per output step; as released an output every 20 ms from sample 253 on.

    Args:
        channels: of EMG, C, around the wrist.
        hidden: width of the rotation-invariant layer; a sequence for several.
        lstm_hidden, lstm_layers: of the LSTM.
        outputs: width of the head.
        offsets: rotations that the rotation-invariant layers average over, in channels.
        adjacent: largest distance of channels around the ring whose cross-spectra are used.
        lstm_dropout: between LSTM layers.
        mpf_window, mpf_stride, n_fft, fft_stride, bands_hz, rate_hz, mpf_floor: see `aemg.neuromotor.mpf.MPF`.

    Raises:
        ConfigError: a setting that does not fit.
    """

    HEAD = "linear_out"
    OUTPUTS = "outputs"
    IGNORED = frozenset({"mpf_featurizer.window_normalization_factor"})

    def __init__(
        self,
        channels: int = 16,
        hidden: int | Sequence[int] = 512,
        lstm_hidden: int = 512,
        lstm_layers: int = 2,
        outputs: int = 1,
        offsets: Sequence[int] = (-1, 0, 1),
        adjacent: int = 3,
        lstm_dropout: float = 0.0,
        mpf_window: int = 200,
        mpf_stride: int = 40,
        n_fft: int = 64,
        fft_stride: int = 10,
        bands_hz: Sequence[tuple[float, float]] | None = BANDS_HZ,
        rate_hz: float = 2000.0,
        mpf_floor: float | None = None,
    ) -> None:
        super().__init__()
        check_positive(channels=channels, lstm_hidden=lstm_hidden, lstm_layers=lstm_layers, outputs=outputs)
        check_share(lstm_dropout=lstm_dropout)
        self.channels, self.hidden = channels, hidden
        self.lstm_hidden, self.lstm_layers, self.outputs = lstm_hidden, lstm_layers, outputs
        self.offsets, self.adjacent, self.lstm_dropout = offsets, adjacent, lstm_dropout
        self.mpf_window, self.mpf_stride, self.n_fft, self.fft_stride = mpf_window, mpf_stride, n_fft, fft_stride
        self.bands_hz, self.rate_hz, self.mpf_floor = bands_hz, rate_hz, mpf_floor
        widths = (hidden,) if isinstance(hidden, int) else tuple(hidden)
        self.mpf_featurizer = MPF(mpf_window, mpf_stride, n_fft, fft_stride, bands_hz, rate_hz, mpf_floor)
        self.rotation_invariant_mlp = RotationInvariantMLP(channels, self.mpf_featurizer.bands, widths, offsets, adjacent)
        between = lstm_dropout if lstm_layers > 1 else 0.0
        self.lstm = LSTM(widths[-1], lstm_hidden, lstm_layers, dropout=between)
        self.linear_out = nn.Linear(lstm_hidden, outputs)
        self.frame_context = self.left_context = self.mpf_featurizer.left_context
        self.frame_stride = self.output_stride = mpf_stride

    def front_end(self, x: Tensor) -> Tensor:
        """Signal (B, C, T) as rotation-invariant features (B, J, hidden)."""
        return spectral_frames(self.mpf_featurizer, self.rotation_invariant_mlp, x)

    def encode(self, frames: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Frames (B, J, hidden) as features (B, J, lstm_hidden); the state is the LSTM's."""
        hidden, state = self.lstm(frames, state)
        return functional.leaky_relu(hidden), state

    def head(self, features: Tensor) -> Tensor:
        """Features (B, N, lstm_hidden) as outputs (B, outputs, N)."""
        return self.linear_out(features).transpose(1, 2)  # type: ignore[no-any-return]

    def stream(self, **options: Any) -> Any:
        """An `aemg.neuromotor.streaming.WristStream`."""
        from aemg.neuromotor.streaming import WristStream

        return WristStream(self, **options)

    @classmethod
    def settings_of(cls, checkpoint: Checkpoint) -> dict[str, Any]:
        """Sizes from the shapes; features, offsets and dropout from the stored network, where there is one."""
        widths = mlp_widths(checkpoint)
        sizes = lstm_settings(checkpoint, widths[-1])
        outputs, _ = expect(checkpoint, "linear_out.weight", None, sizes["lstm_hidden"])
        return {
            **spectral_settings(checkpoint, "mpf_featurizer"),
            "hidden": widths[0] if len(widths) == 1 else widths,
            "outputs": outputs,
            **sizes,
        }


__all__ = ["Wrist"]
