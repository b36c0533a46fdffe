"""What a stream cannot know of a donning beforehand: the levels of rest, the features' scale and how the band is worn."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from aemg.errors import AEMGError, DataFileError
from aemg.features import FEATURES, standardise
from aemg.model.config import AEMGConfig
from aemg.sessions import SessionKey, rest_levels, tokenise_session
from aemg.signals import Montage, Recording
from aemg.tokenizer import RestLevel, TokenizerConfig
from aemg.topology import SLOTS, UNIFIED, SpaceConfig, TurnJudge, Worn

_ABOUT_NOTHING = 1e-3  # what a session adds to its features' standard deviations


@dataclass(frozen=True)
class Calibration:
    """One device on one person, measured from some seconds of signal; no label is looked at.

    Args:
        rate_hz, montage: of the device.
        space, tokenizer: settings that the levels were measured with.
        threshold: (S,) mean square of the slots at rest, in the unified space.
        tokens_per_s: contractions found while calibrating.
        rest_rms: (S,) of the slots at rest, at the device's rate.
        feature_mean, feature_std: (S, 4) of the slots' features over all windows.
        worn: from registration.
        seconds: of signal that it was measured from.
    """

    rate_hz: float
    montage: Montage
    space: SpaceConfig
    tokenizer: TokenizerConfig
    threshold: NDArray[np.float64]
    tokens_per_s: float
    rest_rms: NDArray[np.float64]
    feature_mean: NDArray[np.float32]
    feature_std: NDArray[np.float32]
    worn: Worn
    seconds: float

    @classmethod
    def of(
        cls, recordings: Sequence[Recording], config: AEMGConfig, worn: Worn = Worn(), judge: TurnJudge | None = None  # noqa: B008
    ) -> Calibration:
        """Measures the recordings, which should hold rest and the movements to come; half a minute does.

        Args:
            config: of the model that will stream.
            worn: how the band is worn, where that is known.
            judge: finds it out, where it is not and the montage's angles are not anatomical.

        Raises:
            AEMGError: no recording, shorter than two windows of 250 ms in all, or not raw EMG of one device.
        """
        levels = rest_levels(recordings, config.space, config.tokenizer)
        first = recordings[0]
        key = SessionKey(first.provenance.dataset, first.subject, first.session)
        session = tokenise_session(key, recordings, config.space, config.tokenizer, levels)
        seconds = sum(r.duration_s for r in recordings)
        if len(session.slot_features) < 2:
            raise AEMGError(f"a calibration needs two windows of 250 ms at least, got {seconds:.3f} s of signal")
        if judge is not None and not first.montage.angle_known:
            worn = judge.register(standardise(session.slot_features)).worn
        return cls(
            first.rate_hz, first.montage, config.space, config.tokenizer, levels.threshold.mean_square,
            levels.threshold.tokens_per_s, levels.slot_rms, session.feature_mean, session.feature_std, worn, seconds,
        )  # fmt: skip

    @property
    def rest(self) -> RestLevel:
        """The level that the tokenizer's thresholds come from."""
        return RestLevel(self.threshold, self.space.rate_hz, UNIFIED, self.tokens_per_s, "percentile")

    def save(self, path: str | Path) -> None:
        """Writes JSON, in one step.

        Raises:
            OSError: the file cannot be written.
        """
        file = Path(path)
        arrays = {name: getattr(self, name).tolist() for name in _SHAPES}
        partial = file.with_name(f"{file.name}.partial-{os.getpid()}")
        partial.write_text(json.dumps({"format": 1, **asdict(self), **arrays}))
        os.replace(partial, file)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Reads what `save` wrote.

        Raises:
            DataFileError: the file is missing or damaged.
        """
        file = Path(path)
        try:
            values: dict[str, Any] = json.loads(file.read_text())
            if values.pop("format") != 1:
                raise ValueError("another format")
            values |= {name: _array(name, values[name], shape) for name, shape in _SHAPES.items()}
            values |= {name: TypeAdapter(kind).validate_python(values[name]) for name, kind in _PARTS.items()}
            if not values["rate_hz"] > 0:
                raise ValueError(f"rate_hz is {values['rate_hz']}")
            return cls(**values)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, AEMGError) as error:
            raise DataFileError(file, "a calibration", f"{type(error).__name__}: {error}") from error


def _array(name: str, values: Any, shape: tuple[int, ...]) -> NDArray[np.floating]:
    array: NDArray[np.floating] = np.array(values, np.float32 if name.startswith("feature") else np.float64)
    if array.shape != shape or not np.isfinite(array).all() or (name != "feature_mean" and (array < 0).any()):
        raise ValueError(f"{name} must be {shape} finite numbers, and none below 0 but in feature_mean")
    return array


_SHAPES: dict[str, tuple[int, ...]] = {
    "threshold": (SLOTS,),
    "rest_rms": (SLOTS,),
    "feature_mean": (SLOTS, len(FEATURES)),
    "feature_std": (SLOTS, len(FEATURES)),
}
_PARTS: dict[str, Any] = {
    "rate_hz": float, "montage": Montage, "space": SpaceConfig, "tokenizer": TokenizerConfig, "worn": Worn,
    "tokens_per_s": float, "seconds": float,
}  # fmt: skip


class RunningScale:
    """Mean and standard deviation of the features that follow the signal, forgetting at a steady pace.

    Args:
        mean, std: (S, 4), where they start from.
        follow: share of what is known that one window replaces; 0 to stay as it is.
    """

    def __init__(self, mean: NDArray[np.float32], std: NDArray[np.float32], follow: float) -> None:
        self.mean, self.std, self._follow = mean, std, follow
        self._variance = np.square(np.maximum(std - _ABOUT_NOTHING, 0.0))

    def add(self, features: NDArray[np.float32]) -> None:
        """One window's features (S, 4)."""
        if self._follow:
            away = features - self.mean
            self.mean = self.mean + np.float32(self._follow) * away
            self._variance = np.float32(1.0 - self._follow) * (self._variance + np.float32(self._follow) * away**2)
            self.std = np.sqrt(self._variance) + np.float32(_ABOUT_NOTHING)
