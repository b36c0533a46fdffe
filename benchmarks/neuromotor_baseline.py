"""The three neuromotor decoders written down formula by formula in plain torch: what the fast forms are held against.

Nothing here is rearranged for speed. State dicts have the names and shapes of `aemg.neuromotor`'s networks, so that both
sides of a comparison hold the same weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BANDS_HZ = ((0, 50), (30, 100), (100, 225), (225, 375), (375, 700), (700, 1000))
RATE_HZ = 2000.0


class LiteralMPF(nn.Module):
    """(B, C, T) to (B, bands, C, C, J)."""

    def __init__(self, window: int = 160, stride: int = 40, n_fft: int = 64, fft_stride: int = 10) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, fft_stride
        self.group, self.step = window // fft_stride, stride // fft_stride
        frequency_hz = torch.arange(n_fft // 2 + 1) * RATE_HZ / n_fft
        masks = torch.stack([(frequency_hz > low) & (frequency_hz <= high) for low, high in BANDS_HZ]).to(torch.uint8)
        self.register_buffer("window", torch.hann_window(n_fft, periodic=False))
        self.register_buffer("freq_masks", masks[None, None, :, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        frames = x.unfold(-1, self.n_fft, self.hop)  # B C M n
        spectra = torch.fft.rfft(frames * self.window / self.window.norm())  # B C M F
        groups = spectra.unfold(2, self.group, self.step)  # B C J F K
        groups = groups.permute(0, 2, 3, 1, 4).contiguous()  # B J F C K
        cross = groups @ groups.mH / self.group  # B J F C C
        power = cross.abs().pow(2)
        means = []
        for mask in self.freq_masks[0, 0]:  # F 1 1
            means.append((power * mask).sum(2) / mask.sum())  # B J C C
        values, vectors = torch.linalg.eigh(torch.stack(means, 1))  # B bands J C C
        logarithms = values.log()
        logarithms = torch.where(logarithms.isnan() | logarithms.isneginf(), 0.0, logarithms)
        features = vectors @ torch.diag_embed(logarithms) @ vectors.mT
        return features.permute(0, 1, 3, 4, 2)


class LiteralRotationMLP(nn.Module):
    """(B, bands, C, C, J) to (B, hidden, J)."""

    def __init__(self, channels: int, bands: int, hidden: int, adjacent: int, offsets: tuple[int, ...] = (-1, 0, 1)) -> None:
        super().__init__()
        self.offsets = offsets
        pairs = [(i, k) for i in range(channels) for k in range(i, channels)]
        pairs = [(i, k) for i, k in pairs if min(k - i, channels - (k - i)) <= adjacent]
        self.rows, self.columns = [i for i, _ in pairs], [k for _, k in pairs]
        self.fully_connected_layers = nn.ModuleList([nn.Linear(bands * len(pairs), hidden)])

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for offset in self.offsets:
            turned = x.roll((offset, offset), dims=(2, 3))
            y = turned[:, :, self.rows, self.columns].flatten(1, 2).transpose(1, 2)  # B J features
            for layer in self.fully_connected_layers:
                y = F.leaky_relu(layer(y), 0.01)
            outputs.append(y)
        return torch.stack(outputs).mean(0).transpose(1, 2)


class LiteralAttention(nn.Module):
    """Each step attends to the W rows that its window of W steps gives when it is read out channel after channel."""

    def __init__(self, width: int, heads: int, window: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.window, self.heads = window, heads
        rows = torch.arange(window)
        self.register_buffer("attn_mask", rows[None, :] <= window - 2 - rows[:, None])
        self.op = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        batch, steps, width = x.shape
        past = F.pad(x, (0, 0, self.window - 1, 0)).unfold(1, self.window, 1)  # B T D W
        rows = past.reshape(batch * steps, self.window, width)  # the D x W window read out in W rows of D
        forbidden = self.attn_mask[torch.arange(steps).clamp(max=self.window - 1)]  # T W
        forbidden = forbidden[None, :, None].expand(batch, -1, self.heads, -1).reshape(-1, 1, self.window)
        y, _ = self.op(x.reshape(batch * steps, 1, width), rows, rows, attn_mask=forbidden)
        return y.reshape(batch, steps, width)


class LiteralDepthwise(nn.Module):
    """Convolution over time of (B, T, D), every channel by itself."""

    def __init__(self, width: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.net = nn.Conv1d(width, width, kernel, stride, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x.transpose(1, 2)).transpose(1, 2)


class LiteralBranch(nn.Module):
    """One branch of a block beside its skip connection, both with a weight."""

    def __init__(self, *child: nn.Module) -> None:
        super().__init__()
        self.child = nn.Sequential(*child)


class LiteralBlock(nn.Module):
    """A conformer block, (B, T, D) to (B, T', D)."""

    def __init__(self, width: int, inner: int, heads: int, kernel: int, stride: int, window: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

        def feed_forward() -> LiteralBranch:
            return LiteralBranch(
                nn.LayerNorm(width),
                nn.Linear(width, inner),
                nn.SiLU(),
                nn.Dropout(dropout),
                nn.Linear(inner, width),
                nn.Dropout(dropout),
            )

        self.ff_block1 = feed_forward()
        self.attn_block = LiteralBranch(
            nn.LayerNorm(width), nn.Identity(), LiteralAttention(width, heads, window, dropout), nn.Dropout(dropout)
        )
        self.conv_block = LiteralBranch(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.GLU(),
            LiteralDepthwise(width, kernel, stride),
            nn.LayerNorm(width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.Dropout(dropout),
        )
        self.ff_block2 = feed_forward()
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.ff_block1.child(x) + 0.5 * x
        x = self.attn_block.child(x) + x
        x = self.conv_block.child(x) + x[:, self.kernel - 1 :: self.stride]
        x = self.ff_block2.child(x) + 0.5 * x
        return self.layer_norm(x)


class LiteralHandwriting(nn.Module):
    """(B, 16, T) to log-probabilities (B, T_out, 100)."""

    def __init__(self, channels: int = 16, width: int = 64, inner: int = 128, heads: int = 4, classes: int = 100) -> None:
        super().__init__()
        self.featurizer = LiteralMPF()
        self.rotation_invariant_mlp = LiteralRotationMLP(channels, len(BANDS_HZ), width, channels // 2)
        blocks = [LiteralBlock(width, inner, heads, 8, 2 if b in (4, 9) else 1, 16 if b < 10 else 8) for b in range(15)]
        self.conformer = nn.Sequential(
            nn.Identity(), nn.Linear(2 * width, width), nn.Sequential(*blocks), nn.Linear(width, classes), nn.LogSoftmax(-1)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.rotation_invariant_mlp(self.featurizer(x)).transpose(1, 2)  # B J D
        y = y[:, : y.shape[1] // 2 * 2]
        return self.conformer(y.reshape(y.shape[0], -1, 2 * y.shape[2]))


class LiteralWrist(nn.Module):
    """(B, 16, T) to angular velocity (B, 1, T')."""

    def __init__(self, channels: int = 16, hidden: int = 512, lstm_hidden: int = 512, lstm_layers: int = 2) -> None:
        super().__init__()
        self.mpf_featurizer = LiteralMPF(window=200)
        self.rotation_invariant_mlp = LiteralRotationMLP(channels, len(BANDS_HZ), hidden, 3)
        self.lstm = nn.LSTM(hidden, lstm_hidden, lstm_layers, batch_first=True)
        self.linear_out = nn.Linear(lstm_hidden, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.rotation_invariant_mlp(self.mpf_featurizer(x)).transpose(1, 2)  # B J H
        y, _ = self.lstm(y)
        return self.linear_out(F.leaky_relu(y, 0.01)).transpose(1, 2)


class LiteralDiscreteGestures(nn.Module):
    """(B, 16, T) to logits (B, 9, T')."""

    def __init__(
        self, channels: int = 16, conv_channels: int = 512, lstm_hidden: int = 512, lstm_layers: int = 3, classes: int = 9
    ) -> None:
        super().__init__()
        self.conv_layer = nn.Conv1d(channels, conv_channels, 21, 10)
        self.dropout = nn.Dropout(0.1)
        self.post_conv_layer_norm = nn.LayerNorm(conv_channels)
        self.lstm = nn.LSTM(conv_channels, lstm_hidden, lstm_layers, batch_first=True, dropout=0.1)
        self.post_lstm_layer_norm = nn.LayerNorm(lstm_hidden)
        self.projection = nn.Linear(lstm_hidden, classes)

    def forward(self, x: Tensor) -> Tensor:
        y = self.dropout(self.conv_layer(64 * x / (32 + x.abs())).relu()).transpose(1, 2)  # B T' C
        y, _ = self.lstm(self.post_conv_layer_norm(y))
        return self.projection(self.post_lstm_layer_norm(y)).transpose(1, 2)
