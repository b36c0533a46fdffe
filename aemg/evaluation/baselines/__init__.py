"""Baselines of the literature, re-implemented from their papers, on windows of features."""

from aemg.evaluation.baselines.base import Baseline, Fitted
from aemg.evaluation.baselines.registry import BASELINES

__all__ = ["BASELINES", "Baseline", "Fitted"]
