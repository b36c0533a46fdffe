"""Training: the one loop and the three stages of pre-training."""

from aemg.training.config import MovementsConfig, OptimConfig, RunConfig, TrainingDataConfig
from aemg.training.loop import FitResult, fit
from aemg.training.stages import pretrain, register_sessions, train_tokenizer

__all__ = [
    "FitResult", "MovementsConfig", "OptimConfig", "RunConfig", "TrainingDataConfig", "fit", "pretrain", "register_sessions",
    "train_tokenizer",
]
