"""What papers report, to be shown beside and never among what is computed here."""

from __future__ import annotations

from typing import Final

PUBLISHED: Final[dict[str, dict[str, float]]] = {
    "colot-db4": {
        "no-adaptation": 48.50, "normalisation": 75.83, "mdd": 64.67, "cdem": 81.33, "scdem": 82.33, "aemg-base": 81.21,
        "aemg-large": 88.10, "user-dependent-tangent": 90.50, "aemg-5%": 85.18, "aemg-20%": 86.15, "aemg-40%": 87.30,
        "aemg-80%": 88.05,
    },
    "colot-epn-612": {
        "no-adaptation": 77.06, "normalisation": 84.73, "mdd": 88.97, "cdem": 86.95, "scdem": 86.75, "aemg-base": 87.10,
        "aemg-large": 88.32, "user-dependent-tangent": 98.11,
    },
    "colot-toro-ossaba": {
        "no-adaptation": 82.05, "normalisation": 86.93, "mdd": 87.13, "cdem": 84.55, "scdem": 84.17, "aemg-base": 89.13,
        "aemg-large": 91.30, "user-dependent-tangent": 88.82,
    },
    "libemg-epn-612": {"eddy-2024": 93.0},
}  # fmt: skip
"""Accuracies in per cent as papers report them, by protocol and method: the first three of the AEMG paper's table (arXiv
2605.03462), whose baselines are those of Colot et al., the last by gesture of Eddy et al. 2024."""
