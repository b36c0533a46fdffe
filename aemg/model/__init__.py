"""The network: neuro-syntax transformer, neural codebook, and AEMG that joins them."""

from aemg.model.aemg import AEMG, CanonicalForearm, ModelCard, NeuralTokenizer, Seen
from aemg.model.batch import SentenceBatch, Stretch, collate, stretch_of, windows_within
from aemg.model.config import SIZES, AEMGConfig, NetworkConfig
from aemg.model.pretrained import weights_folder

__all__ = [
    "AEMG", "SIZES", "AEMGConfig", "CanonicalForearm", "ModelCard", "NetworkConfig", "NeuralTokenizer", "Seen", "SentenceBatch",
    "Stretch", "collate", "stretch_of", "weights_folder", "windows_within",
]
