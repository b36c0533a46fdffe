"""Evaluation: folds, certificates, controls, statistics, reports as plain values."""

from aemg.evaluation.config import EvaluationConfig
from aemg.evaluation.run import METRICS, evaluate

__all__ = ["METRICS", "EvaluationConfig", "evaluate"]
