"""Donnings that an estimator has seen, and the registration of new ones to them.

Letters: n windows, C channels, L samples of a window, S 16 slots, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aemg.errors import AEMGError
from aemg.model import AEMG
from aemg.signals import Montage
from aemg.sklearn.describe import Calibration, Describer
from aemg.topology import TurnJudge, Worn, label_patterns, register_jointly

_KEPT = 2000  # windows that new donnings are registered by


@dataclass(frozen=True)
class Sources:
    """Labelled windows of registered donnings, for the registration of new ones.

    Args:
        features: (n, S, 4), standardised by donning and registered.
        classes: (n,) of them.
        worn: how each donning was worn.
    """

    features: NDArray[np.float32]
    classes: NDArray[np.int64]
    worn: tuple[Worn, ...]

    def way_of(self, features: NDArray[np.float32]) -> Worn:
        """How a donning was worn that shows these features (n, S, 4), standardised; no label is needed."""
        return TurnJudge(self.features, self.classes.astype(str), self.worn).register(features).worn

    @property
    def usual(self) -> Worn:
        """The way that most of them were worn, the first of equals."""
        return max(dict.fromkeys(self.worn), key=self.worn.count)


@dataclass(frozen=True)
class Fitted:
    """What windows of several donnings give: a calibration of each by its group, and one of all together."""

    calibrations: Mapping[Any, Calibration]
    pooled: Calibration
    sources: Sources | None


def fit_donnings(
    describer: Describer,
    windows: NDArray[np.float32],
    rate_hz: float,
    montage: Montage,
    groups: NDArray[Any],
    labels: NDArray[Any] | None,
    model: AEMG | None,
) -> Fitted:
    """Calibrates the donnings of windows (n, C, L), and registers them to each other by their labels.

    Args:
        groups: (n,) the donning of each window.
        labels: (n,), None to leave all as worn.
        model: whose forearm they are brought to, as far as it knows their labels.
    """
    of_group = members(groups)
    names = list(of_group)
    measured = {name: describer.measure(windows[rows], rate_hz, montage) for name, rows in of_group.items()}
    worn = dict.fromkeys(names, Worn())
    sources = None
    if labels is not None and not montage.angle_known:
        classes, index = np.unique(labels, return_inverse=True)
        of = {name: index[rows[describer.thinned(len(rows))]].astype(np.int64) for name, rows in of_group.items()}
        worn = _registered({n: measured[n][1] for n in names}, of, [str(label) for label in classes], model)
        features = np.concatenate([measured[n][1][:, worn[n].order] for n in names])
        every = slice(None, None, -(-len(features) // _KEPT))
        sources = Sources(features[every], np.concatenate([of[n] for n in names])[every], tuple(worn[n] for n in names))
    calibrations = {
        name: describer.calibrated(windows[rows], rate_hz, montage, measured[name][0], worn[name])
        for name, rows in of_group.items()
    }
    if len(names) == 1:
        return Fitted(calibrations, calibrations[names[0]], sources)
    donning, _ = describer.measure(windows, rate_hz, montage)
    usual = sources.usual if sources else Worn()
    return Fitted(calibrations, describer.calibrated(windows, rate_hz, montage, donning, usual), sources)


def checked_groups(groups: ArrayLike | None, n: int) -> NDArray[Any]:
    """(n,) the group of each of n windows, one and the same for None.

    Raises:
        AEMGError: of another length.
    """
    of = np.zeros(n, np.int64) if groups is None else np.asarray(groups)
    if of.shape != (n,):
        raise AEMGError(f"groups must name the donning of each of {n} windows, got shape {of.shape}")
    return of


def members(groups: NDArray[Any]) -> dict[Any, NDArray[np.int64]]:
    """The rows of each group (n,)."""
    return {name: np.flatnonzero(groups == name) for name in np.unique(groups).tolist()}


def calibrate(
    describer: Describer, windows: NDArray[np.float32], rate_hz: float, montage: Montage, sources: Sources | None
) -> Calibration:
    """Calibrates a new donning by its windows (n, C, L), without labels."""
    donning, features = describer.measure(windows, rate_hz, montage)
    worn = sources.way_of(features) if sources is not None and not montage.angle_known else Worn()
    return describer.calibrated(windows, rate_hz, montage, donning, worn)


def _registered(
    features: Mapping[Any, NDArray[np.float32]], classes: Mapping[Any, NDArray[np.int64]], labels: list[str], model: AEMG | None
) -> dict[Any, Worn]:
    known = [str(k) for k in range(len(labels))]
    patterns = {name: label_patterns(features[name], classes[name].astype(str), known) for name in features}
    anchor = np.full(next(iter(patterns.values())).shape, np.nan)
    for k, label in enumerate(labels):
        if model is not None and label in model.forearm.labels:
            anchor[k] = np.asarray(model.forearm.patterns[model.forearm.labels.index(label)])
    return dict(register_jointly(patterns, known, anchor).worn)
