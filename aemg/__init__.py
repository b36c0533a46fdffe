"""AEMG: self-supervised EMG foundation models, from native recordings to leak-proof reports."""

from aemg.signals import Montage, Recording

__version__ = "0.1.0"
__all__ = ["Montage", "Recording"]
