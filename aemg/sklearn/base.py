"""What the estimators share: their input, their encoder and the donnings they know.

Letters: n windows, C channels, L samples of a window, F features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from aemg.errors import AEMGError
from aemg.model import AEMG
from aemg.signals import Montage, ring
from aemg.sklearn.describe import Calibration, Describer
from aemg.sklearn.donnings import Sources, calibrate, fit_donnings, members

Encoding = str | Path | AEMG


class OnWindows(BaseEstimator):  # type: ignore[misc]
    """An estimator on windows (n, C, L)."""

    encoder: Encoding | None
    rate_hz: float | None
    montage: Montage | None
    channels: int | None
    parts: Sequence[str]
    calibration_: Calibration
    _describer: Describer
    _sources: Sources | None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def adapt(self, X: ArrayLike, *, rate_hz: float | None = None, montage: Montage | None = None) -> Any:
        """Calibrates for a new donning by its windows (n, C, L) without labels: rest level, standardisation and, where it was
        fitted with labels and the montage's angles are not known, turn and mirror of the band. The windows should show what
        will be predicted, in about equal shares; half a minute of them is enough for most.

        Args:
            rate_hz, montage: of another device than before; its channel count may differ.

        Returns:
            Itself.

        Raises:
            AEMGError: fitted on a table of features, or a montage of another channel count than the windows.
        """
        check_is_fitted(self)
        if not hasattr(self, "calibration_"):
            raise AEMGError("fitted on a table of features, which has no donning to calibrate")
        before = self.calibration_
        same_device = rate_hz is None and montage is None
        windows = self._validated(X, reset=not same_device)
        if windows.ndim != 3:
            raise AEMGError(f"X must be windows (n, channels, samples), got shape {windows.shape}")
        montage = montage or (before.montage if windows.shape[1] == before.montage.n_channels else _around(windows.shape[1]))
        self.calibration_ = calibrate(self._describer, windows, rate_hz or before.rate_hz, montage, self._sources)
        return self

    def _validated(self, X: ArrayLike, reset: bool, empty: bool = False) -> NDArray[Any]:
        """Windows (n, C, L) float32, or a table (n, F) float64."""
        return self._windows_or_table(validate_data(self, X, reset=reset, allow_nd=True, ensure_min_samples=int(not empty)))

    def _labelled(self, X: ArrayLike, y: ArrayLike | None, reset: bool, empty: bool = False) -> tuple[NDArray[Any], NDArray[Any]]:
        """The same, and labels (n,)."""
        given, labels = validate_data(self, X, y, reset=reset, allow_nd=True, ensure_min_samples=int(not empty))
        check_classification_targets(labels)
        return self._windows_or_table(given), labels

    def _windows_or_table(self, given: NDArray[Any]) -> NDArray[Any]:
        if given.ndim == 2 and self.channels is not None:
            if given.shape[1] % self.channels:
                raise AEMGError(f"rows of {given.shape[1]} values are no windows of {self.channels} channels")
            given = given.reshape(len(given), self.channels, -1)
        if given.ndim not in (2, 3):
            raise AEMGError(f"X must be windows (n, channels, samples) or a table (n, features), got shape {given.shape}")
        return np.ascontiguousarray(given, dtype=np.float32 if given.ndim == 3 else np.float64)

    def _fit_donnings(
        self, windows: NDArray[np.float32], groups: NDArray[Any], labels: NDArray[Any] | None
    ) -> Mapping[Any, Calibration]:
        if self.rate_hz is None:
            raise AEMGError(f"windows of shape {windows.shape} need their rate: give rate_hz")
        model = None
        if "embedding" in self.parts:
            if self.encoder is None:
                raise AEMGError("parts name the embedding, but there is no encoder: give a name, a folder or an AEMG")
            model = self.encoder if isinstance(self.encoder, AEMG) else AEMG.from_pretrained(self.encoder)
        self._describer = Describer.of(model, self.parts)
        montage = self.montage or _around(windows.shape[1])
        fitted = fit_donnings(self._describer, windows, self.rate_hz, montage, groups, labels, model)
        self.calibration_, self._sources = fitted.pooled, fitted.sources
        return fitted.calibrations

    def _vectors_by_group(
        self, windows: NDArray[np.float32], groups: NDArray[Any], calibrations: Mapping[Any, Calibration]
    ) -> NDArray[np.float32]:
        """(n, F), each window measured against its group's calibration; a group without one is calibrated by its windows."""
        vectors = np.zeros((len(windows), len(self._describer.names)), np.float32)
        for name, rows in members(groups).items():
            own, now = windows[rows], self.calibration_
            calibration = calibrations.get(name) or calibrate(self._describer, own, now.rate_hz, now.montage, self._sources)
            vectors[rows] = self._describer.vectors(own, calibration)
        return vectors


def _around(channels: int) -> Montage:
    return ring(f"ring of {channels}", channels)
