"""SpecAugment on multivariate power-frequency features: random stretches of time and bands set to a constant.

Source: Park et al. (2019), doi:10.21437/Interspeech.2019-2680.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aemg.errors import ConfigError


class SpecAugment(nn.Module):
    """Masks bands, then frames; does nothing outside training.

    The number of masks is drawn once a call, uniform from none to the most, and shared by the batch; width and start
    are drawn for every item.

    Args:
        time_masks, band_masks: the most masks along an axis.
        time_width, band_width: bound of a mask's width, frames and bands.
        inclusive: False (the default, how the released networks were trained): widths below the bound alone, so that
            a band width of 1 masks nothing and the last frame is never hidden. True: widths up to the bound, at every
            place with the same chance.
        value: what masked entries become.

    Raises:
        ConfigError: a negative setting.
    """

    def __init__(
        self,
        time_masks: int = 3,
        time_width: int = 5,
        band_masks: int = 2,
        band_width: int = 1,
        *,
        inclusive: bool = False,
        value: float = 0.0,
    ) -> None:
        super().__init__()
        settings = {"time_masks": time_masks, "time_width": time_width, "band_masks": band_masks, "band_width": band_width}
        for name, setting in settings.items():
            if setting < 0:
                raise ConfigError(f"{name} must not be negative, got {setting}")
        self.time_masks, self.time_width = time_masks, time_width
        self.band_masks, self.band_width = band_masks, band_width
        self.inclusive, self.value = inclusive, value

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, bands, ..., J), masked in training."""
        if not self.training:
            return features
        features = self._masked(features, 1, self.band_masks, self.band_width)
        return self._masked(features, features.ndim - 1, self.time_masks, self.time_width)

    def _masked(self, features: Tensor, axis: int, most: int, bound: int) -> Tensor:
        count = int(torch.randint(most + 1, ()))
        if not count:
            return features
        items, length = features.shape[0], features.shape[axis]
        draws = torch.rand(2, count, items, 1, device=features.device)
        if self.inclusive:
            width = (draws[0] * (min(bound, length) + 1)).floor()
            start = (draws[1] * (length - width + 1)).floor()
        else:
            width = (draws[0] * bound).floor()
            start = (draws[1] * (length - draws[0] * bound)).floor()
        place = torch.arange(length, device=features.device)
        hidden = ((place >= start) & (place < start + width)).any(0)  # (B, length)
        shape = [1] * features.ndim
        shape[0], shape[axis] = items, length
        return features.masked_fill(hidden.view(shape), self.value)


__all__ = ["SpecAugment"]
