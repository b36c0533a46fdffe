"""A classifier of windows of scikit-learn's kind.

Letters: n windows, C channels, L samples of a window, F features, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from aemg.errors import AEMGError
from aemg.signals import Montage
from aemg.sklearn.base import Encoding, OnWindows
from aemg.sklearn.describe import PARTS
from aemg.sklearn.donnings import checked_groups
from aemg.sklearn.head import LinearDiscriminant, Moments


class AEMGClassifier(ClassifierMixin, OnWindows):  # type: ignore[misc]
    """A linear discriminant on frozen embeddings of windows, which goes on learning from a few labelled ones.

    X is windows (n, C, L) of any channel count and rate. A table (n, F) is taken as features that are ready, those of
    `AEMGFeatures` or any others: then the discriminant alone is fitted, and nothing is standardised or loaded.

    Args:
        encoder, rate_hz, montage, channels: as for `AEMGFeatures`.
        parts: of the vector that the discriminant sees; all by default, which is best on average over few and many windows,
            of the same person and of others.
        prior_windows: what `fit` has learnt counts as at most so many windows of each class when `partial_fit` brings
            others, those of a new person say; None for all that there were, to go on with the same person.

    Attributes:
        classes_: (K,).
        calibration_: what windows are measured against: of the one donning fitted, of all together, or the adapted one.

    >>> classifier = AEMGClassifier(rate_hz=1000).fit(windows, labels)  # doctest: +SKIP
    >>> classifier.predict(new_windows)                                 # doctest: +SKIP
    """

    classes_: NDArray[Any]
    _known: Moments
    _own: Moments
    _head: LinearDiscriminant

    def __init__(
        self,
        encoder: Encoding | None = "aemg-tiny",
        *,
        rate_hz: float | None = None,
        montage: Montage | None = None,
        channels: int | None = None,
        parts: Sequence[str] = PARTS,
        prior_windows: float | None = 40.0,
    ) -> None:
        self.encoder, self.rate_hz, self.montage = encoder, rate_hz, montage
        self.channels, self.parts, self.prior_windows = channels, parts, prior_windows

    def fit(self, X: ArrayLike, y: ArrayLike, *, groups: ArrayLike | None = None) -> AEMGClassifier:
        """Learns from labelled windows (n, C, L) or a table (n, F).

        Args:
            y: (n,).
            groups: (n,) the donning, or person, of each window: each is standardised by itself and registered to the
                others. None for one; a table has none.

        Raises:
            AEMGError: no rate, no encoder, or a montage that does not fit.
        """
        given, labels = self._labelled(X, y, reset=True)
        self.classes_, index = np.unique(labels, return_inverse=True)
        features = self._fit_features(given, labels, groups)
        self._known = Moments.of(features, index.ravel(), len(self.classes_))
        self._own = Moments.none(len(self.classes_), features.shape[1])
        return self._solved()

    def partial_fit(self, X: ArrayLike, y: ArrayLike, classes: ArrayLike | None = None) -> AEMGClassifier:
        """Learns from more labelled windows, beginning where `fit` and earlier calls ended: windows in several calls give what
        they give in one, no window gives what there was. Nothing known is forgotten.

        Args:
            y: (n,) labels among the known ones and `classes`.
            classes: further classes, all that will come where nothing was fitted before. A class has probability 0 until a
                window of it was seen.

        Raises:
            AEMGError: a label that is neither known nor named, windows where a table was fitted or the other way.
        """
        first = not hasattr(self, "classes_")
        given, labels = self._labelled(X, y, reset=first, empty=not first)
        if first:
            features = self._fit_features(given, labels, None)
            self.classes_ = np.unique(labels if classes is None else np.asarray(classes))
            self._known = self._own = Moments.none(len(self.classes_), features.shape[1])
        else:
            features = self._features(given)
            self._widen(np.union1d(self.classes_, np.asarray(classes)) if classes is not None else self.classes_)
        if unknown := sorted({str(label) for label in labels[~np.isin(labels, self.classes_)]}):
            raise AEMGError(f"y holds {', '.join(unknown)}, not among the classes {self.classes_.tolist()}: name it in classes")
        self._own = self._own + Moments.of(features, np.searchsorted(self.classes_, labels), len(self.classes_))
        return self._solved()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """The most probable class of each window, (n,)."""
        best = self.predict_log_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(n, K) in the order of `classes_`."""
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(n, K) in the order of `classes_`; minus infinity for a class that no window was seen of."""
        check_is_fitted(self)
        return self._head.log_proba(self._features(self._validated(X, reset=False)))

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_head")

    def _fit_features(self, given: NDArray[Any], labels: NDArray[Any], groups: ArrayLike | None) -> NDArray[np.float64]:
        for name in ("calibration_", "_describer", "_sources"):
            self.__dict__.pop(name, None)
        if given.ndim == 2:
            if groups is not None:
                raise AEMGError("a table of features has no donnings to standardise by: groups go with windows")
            return given
        of = checked_groups(groups, len(given))
        return self._vectors_by_group(given, of, self._fit_donnings(given, of, labels)).astype(np.float64)

    def _features(self, given: NDArray[Any]) -> NDArray[np.float64]:
        windows = hasattr(self, "calibration_")
        if windows != (given.ndim == 3):
            fitted, other = ("windows (n, channels, samples)", "a table") if windows else ("a table (n, features)", "windows")
            raise AEMGError(f"fitted on {fitted}, got {other} of shape {given.shape}")
        return self._describer.vectors(given, self.calibration_).astype(np.float64) if windows else given

    def _widen(self, classes: NDArray[Any]) -> None:
        places = np.searchsorted(classes, self.classes_)
        self._known, self._own = (m.among(places, len(classes)) for m in (self._known, self._own))
        self.classes_ = classes

    def _solved(self) -> AEMGClassifier:
        most = np.inf if self.prior_windows is None else self.prior_windows
        self._head = LinearDiscriminant.of(self._known, self._own, most)
        return self
