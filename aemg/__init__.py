"""AEMG: self-supervised EMG foundation models, from native recordings to leak-proof reports."""

from typing import TYPE_CHECKING, Any

from aemg import datasets, tokenizer
from aemg.signals import Montage, Recording

if TYPE_CHECKING:
    from aemg.model import AEMG

__version__ = "0.1.0"
__all__ = ["AEMG", "Montage", "Recording", "datasets", "tokenizer"]


def __getattr__(name: str) -> Any:
    """Loads the model, and with it torch, when it is first asked for."""
    if name == "AEMG":
        from aemg.model import AEMG

        return AEMG
    raise AttributeError(f"module 'aemg' has no attribute {name!r}")
