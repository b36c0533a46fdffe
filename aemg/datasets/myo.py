"""The Thalmic Myo, worn in five of the sets."""

from __future__ import annotations

from typing import Final

from aemg.signals import Montage, ring

RATE_HZ: Final = 200.0
RING: Final[Montage] = ring("myo", 8, position=0.25)
DEVICE: Final = "Thalmic Myo armband, 8 dry bipolar channels, 200 Hz"
MONTAGE: Final = "ring of 8, evenly spaced, turned by an unknown angle"
