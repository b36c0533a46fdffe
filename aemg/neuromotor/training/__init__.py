"""Training and evaluation of the decoders: the recipes, personalisation, and the curve over training users."""

from aemg.neuromotor.training.config import DecoderConfig
from aemg.neuromotor.training.protocols import decode
from aemg.neuromotor.training.run import DecoderRun, train_decoder

__all__ = ["DecoderConfig", "DecoderRun", "decode", "train_decoder"]
