"""The neural contraction tokenizer (NCT): signals to sentences of contractions."""

from aemg.tokenizer.config import TokenizerConfig
from aemg.tokenizer.contraction import ContractionTokenizer, RestLevel, TokenStream
from aemg.tokenizer.sentence import PHASES, Conditions, Sentence, Token

__all__ = [
    "PHASES", "Conditions", "ContractionTokenizer", "RestLevel", "Sentence", "Token", "TokenStream", "TokenizerConfig",
]
