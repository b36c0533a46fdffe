"""Estimators for scikit-learn: a classifier of EMG windows and a transformer that makes vectors of them.

>>> windows = windows_of(samples, 500, labels=labels).labelled                # doctest: +SKIP
>>> classifier = AEMGClassifier(rate_hz=500).fit(windows.X, windows.y)        # doctest: +SKIP
"""

from aemg.sklearn.classifier import AEMGClassifier
from aemg.sklearn.cutting import Windows, windows_of
from aemg.sklearn.features import AEMGFeatures
from aemg.sklearn.saving import load_classifier, save_classifier

__all__ = ["AEMGClassifier", "AEMGFeatures", "Windows", "load_classifier", "save_classifier", "windows_of"]
