"""A stretch of signal as vectors: what the encoder says of it, and what was measured.

Letters: B stretches, D width of the encoder, S 16 slots.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from aemg.features import FEATURES
from aemg.model.batch import Stretch, collate
from aemg.model.network import Encoder
from aemg.topology import SLOTS, Worn

_PAIRS = np.triu_indices(SLOTS)
_TIME_DOMAIN = len(FEATURES) * SLOTS
MEASURED = _TIME_DOMAIN + len(_PAIRS[0])
_LOUDEST = 2.0  # windows count by e to so many times their standardised amplitude: a pause tells nothing of a movement
_AT_ONCE = 256


@torch.no_grad()
def learned(encoder: Encoder, stretches: Sequence[Stretch], worn: Sequence[Worn]) -> NDArray[np.float32]:
    """(B, 2 D): the sentence's vector, and the mean of its tokens' (zero where there is no contraction)."""
    rows = [np.zeros((0, 2 * encoder.norm_out.normalized_shape[0]), np.float32)]
    for first in range(0, len(stretches), _AT_ONCE):
        piece = slice(first, first + _AT_ONCE)
        batch = collate(stretches[piece], worn[piece])
        tokens, sentence = encoder(batch)
        count = batch.valid.sum(1, keepdim=True).clamp(min=1)
        mean = (tokens * batch.valid[..., None]).sum(1) / count
        rows.append(torch.cat([sentence, mean], dim=1).numpy())
    return np.concatenate(rows)


def measured(stretch: Stretch, worn: Worn) -> NDArray[np.float32]:
    """(200,) the time-domain features by slot (64), standardised over the donning, and the upper triangle of the slots'
    log-covariance (136), recentred over the donning; both the mean over the stretch's windows, of which the loudest count most.
    Zero for a stretch without a window.

    See `aemg.features.time_domain` and `aemg.features.log_covariances`.
    """
    session, order = stretch.session, worn.order
    first, last = stretch.windows
    if last <= first:
        return np.zeros(MEASURED, np.float32)
    standard = (session.slot_features[first:last] - session.feature_mean) / session.feature_std * session.slots[:, None]
    loudness = standard[:, session.slots, 0].mean(axis=1)
    weight = np.exp(_LOUDEST * (loudness - loudness.max()))
    weight /= weight.sum()
    features = np.tensordot(weight, standard, 1)  # (S, 4)
    scale = session.tangent_scale
    tangent = (np.tensordot(weight, session.slot_tangent[first:last], 1) - scale.mean) / scale.spread
    tangent = tangent * np.outer(session.slots, session.slots)
    upper = tangent[order[:, None], order][_PAIRS]
    return np.concatenate([features[order].ravel(), upper]).astype(np.float32)


def covariances(measured: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, 136) the log-covariances of what was `measured` (n, 200)."""
    return measured[:, _TIME_DOMAIN:]
