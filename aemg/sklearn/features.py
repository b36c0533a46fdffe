"""Vectors of windows as a transformer of scikit-learn's kind.

Letters: n windows, C channels, L samples of a window, F features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import check_is_fitted, column_or_1d

from aemg.errors import AEMGError
from aemg.signals import Montage
from aemg.sklearn.base import Encoding, OnWindows
from aemg.sklearn.donnings import checked_groups


class AEMGFeatures(TransformerMixin, OnWindows):  # type: ignore[misc]
    """Windows to vectors for any classifier, standardised by donning.

    Args:
        encoder: name or folder for `AEMG.from_pretrained`, or a model; not loaded where `parts` has no embedding.
        rate_hz: of the windows' samples.
        montage: where the electrodes sit; None for a ring of as many as there are channels, in order around the limb.
        channels: for rows (n, C * L) in place of windows (n, C, L): how many channels they hold, one after the other.
        parts: of the vector: "embedding" (encoder), "time_domain", "covariance"; see `aemg.sklearn.describe.Describer`.

    >>> features = make_pipeline(AEMGFeatures(rate_hz=1000), LogisticRegression())  # doctest: +SKIP
    """

    def __init__(
        self,
        encoder: Encoding | None = "aemg-tiny",
        *,
        rate_hz: float | None = None,
        montage: Montage | None = None,
        channels: int | None = None,
        parts: Sequence[str] = ("embedding",),
    ) -> None:
        self.encoder, self.rate_hz, self.montage = encoder, rate_hz, montage
        self.channels, self.parts = channels, parts

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, groups: ArrayLike | None = None) -> AEMGFeatures:
        """Calibrates for the donnings of windows (n, C, L).

        Args:
            y: (n,) labels, by which several donnings are registered to each other; None, or targets that are no classes,
                leaves them as worn.
            groups: (n,) the donning of each window; None for one.

        Raises:
            AEMGError: no rate, no encoder, a montage or table that does not fit.
        """
        windows = self._windows(X, reset=True)
        labels = column_or_1d(y) if y is not None and type_of_target(y) in ("binary", "multiclass") else None
        self._calibrations = self._fit_donnings(windows, checked_groups(groups, len(windows)), labels)
        return self

    def fit_transform(
        self, X: ArrayLike, y: ArrayLike | None = None, *, groups: ArrayLike | None = None
    ) -> NDArray[np.float32]:
        """`fit`, then `transform` of the same windows by the same groups."""
        return self.fit(X, y, groups=groups).transform(X, groups=groups)

    def transform(self, X: ArrayLike, *, groups: ArrayLike | None = None) -> NDArray[np.float32]:
        """(n, C, L) -> (n, F).

        Args:
            groups: (n,) the donning of each window: one that was fitted is measured against its own calibration, a new one
                is calibrated by these windows, as `adapt` does. None measures all against the current calibration.
        """
        check_is_fitted(self)
        windows = self._windows(X, reset=False)
        if groups is None:
            return self._describer.vectors(windows, self.calibration_)
        return self._vectors_by_group(windows, checked_groups(groups, len(windows)), self._calibrations)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """(F,) names of the vector's entries."""
        check_is_fitted(self)
        return np.array(self._describer.names, dtype=object)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_calibrations")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = self.channels is not None
        return tags

    def _windows(self, X: ArrayLike, reset: bool) -> NDArray[np.float32]:
        windows = self._validated(X, reset)
        if windows.ndim == 2:
            raise AEMGError(f"X must be windows (n, channels, samples), or channels be given; got shape {windows.shape}")
        return windows
