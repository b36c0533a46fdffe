"""All baselines by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from aemg.evaluation.baselines.base import Baseline
from aemg.evaluation.baselines.cdem import cdem, simplified_cdem
from aemg.evaluation.baselines.lda_km_da import lda_km_da
from aemg.evaluation.baselines.linear import coral, no_adaptation, normalisation, tangent_recentred, td_lda
from aemg.evaluation.baselines.mdd import mdd
from aemg.evaluation.baselines.vada import vada_dirtt

_COLOT = "Colot et al., Linear Non-conservative Unsupervised Domain Adaptation Applied In Cross-Subject EMG Gesture Recognition"

BASELINES: Mapping[str, Baseline] = MappingProxyType(
    {
        baseline.name: baseline
        for baseline in (
            Baseline("no-adaptation", "No adaptation", _COLOT, "td", False, no_adaptation),
            Baseline("normalisation", "Per-subject normalisation", _COLOT, "td", True, normalisation),
            Baseline("mdd", "MDD", "Zhang et al. 2019, arXiv 1904.05801", "td", True, mdd),
            Baseline("cdem", "CDEM", "Du et al. 2021, arXiv 2106.15057", "td", True, cdem),
            Baseline("scdem", "Simplified CDEM", _COLOT, "td", True, simplified_cdem),
            Baseline("vada-dirtt", "VADA + DIRT-T", "Shu et al. 2018, arXiv 1802.08735", "td", True, vada_dirtt),
            Baseline("lda-km-da", "LDA-KM-DA", _COLOT, "td", True, lda_km_da),
            Baseline(
                "tangent-recentred",
                "Tangent space, recentred",
                "Zanini et al. 2018, doi 10.1109/TBME.2017.2742541",
                "tangent",
                True,
                tangent_recentred,
            ),
            Baseline("coral", "CORAL", "Sun et al. 2016, arXiv 1511.05547", "td", True, coral),
            Baseline("td-lda", "TD + LDA", "Englehart and Hudgins 2003, doi 10.1109/TBME.2003.813539", "td", False, td_lda),
        )
    }
)
