"""Features of single windows for classical methods, by native channel or by registered slot."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aemg.sessions import Session
from aemg.topology import Worn

Kind = Literal["td", "tangent"]
_CONSTANT = 1e-6


def raw_features(kind: Kind, session: Session, worn: Worn | None) -> NDArray[np.float32]:
    """Features (W, ...) as recorded, or by slot relative to rest.

    Args:
        kind: `td`: time domain (W, C or S, 4), amplitudes in the recording's own unit where by channel; `tangent`: matrix
            logarithms of covariances, upper triangles with off-diagonals weighted so that lengths are kept.
        worn: how the band was worn, for slots; None for native channels.
    """
    if kind == "td":
        if worn is not None:
            return session.slot_features[:, worn.order]
        raw = session.native_features.copy()
        raw[..., 1] += session.native_level - raw[..., 0]  # log slope in the signal's own unit
        raw[..., 0] = session.native_level
        return raw
    logs = session.native_tangent if worn is None else session.slot_tangent[:, worn.order][:, :, worn.order]
    return _upper(logs)


def features_of(
    kind: Kind, session: Session, worn: Worn | None, heard: NDArray[np.bool_] | None, standardised: bool
) -> NDArray[np.float32]:
    """Features (W, F), standardised (`td`) or centred (`tangent`) where asked for.

    Args:
        heard: (W,) windows that mean and deviation come from; None for all.
    """
    raw = session.native_features if standardised and kind == "td" and worn is None else raw_features(kind, session, worn)
    if standardised:
        known = raw if heard is None else raw[heard]
        mean, spread = known.mean(axis=0), known.std(axis=0)
        raw = (raw - mean) / np.where(spread > _CONSTANT, spread, 1.0) if kind == "td" else raw - mean
    return np.ascontiguousarray(raw.reshape(len(raw), -1), dtype=np.float32)


def _upper(matrices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Upper triangles, off-diagonals weighted so that lengths are kept: (W, C, C) -> (W, C (C + 1) / 2)."""
    rows, columns = np.triu_indices(matrices.shape[1])
    weight = np.where(rows == columns, 1.0, np.sqrt(2.0)).astype(np.float32)
    return np.asarray(matrices[:, rows, columns] * weight)
