"""Windows as vectors: the encoder's, and what the windows themselves show, all in the forearm's slots.

Letters: n windows, C channels, L samples of a window, S 16 slots, D width of the encoder, F of the vector.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.features import FEATURES, log_covariances
from aemg.model import AEMG, AEMGConfig, Seen, stretch_of
from aemg.model.describe import learned
from aemg.model.network import Encoder
from aemg.sessions.windows import Donning, SlotWindows, measure, session_of_windows, slot_windows
from aemg.signals import Montage
from aemg.topology import SLOTS, Worn

Part = Literal["embedding", "time_domain", "covariance"]
PARTS: tuple[Part, ...] = get_args(Part)
_AT_ONCE = 512  # windows
_MEASURED = 1024  # windows that a donning is measured on at most
_PAIRS = np.triu_indices(SLOTS)


@dataclass(frozen=True)
class Calibration:
    """What windows of one donning are measured against. No label has part in `donning`, `mean` and `std`.

    Args:
        worn: how the band was worn, from registration.
        mean, std: (F,) of the donning's vectors.
    """

    montage: Montage
    rate_hz: float
    donning: Donning
    worn: Worn
    mean: NDArray[np.float32]
    std: NDArray[np.float32]


@dataclass(frozen=True)
class Describer:
    """Makes vectors of windows.

    Args:
        parts: of the vector, in this order. `embedding`: the encoder's sentence vector and the mean of its tokens (zero for
            a window without contraction), 2 D; `time_domain`: `aemg.features.time_domain` by slot, 64; `covariance`:
            matrix logarithm of the slots' covariance, 136.
        encoder: None where no embedding is asked for.
        config: of the model, whose space and tokenizer the other parts use as well.
        seen: what the encoder was trained on.
    """

    parts: tuple[Part, ...]
    encoder: Encoder | None
    config: AEMGConfig
    seen: Seen

    @staticmethod
    def of(model: AEMG | None, parts: Sequence[str]) -> Describer:
        """From a model, which is needed for embeddings only.

        Raises:
            AEMGError: no part, or one of another name.
        """
        known: tuple[Part, ...] = tuple(part for part in PARTS if part in parts)
        if not known or len(known) != len(set(parts)):
            raise AEMGError(f"parts must be some of {', '.join(PARTS)}, got {tuple(parts)}")
        if model is None:
            return Describer(known, None, AEMGConfig(), Seen())
        return Describer(known, copy.deepcopy(model.encoder).eval(), model.config, model.seen)

    @property
    def names(self) -> tuple[str, ...]:
        """(F,) of the vector's entries."""
        names: list[str] = []
        if "embedding" in self.parts:
            names += [f"{kind}{i}" for kind in ("sentence", "tokens") for i in range(self.config.network.width)]
        if "time_domain" in self.parts:
            names += [f"{feature}_slot{s}" for s in range(SLOTS) for feature in FEATURES]
        if "covariance" in self.parts:
            names += [f"log_covariance_slot{i}_slot{j}" for i, j in zip(*_PAIRS)]
        return tuple(names)

    def measure(self, windows: NDArray[np.float32], rate_hz: float, montage: Montage) -> tuple[Donning, NDArray[np.float32]]:
        """Measures a donning by its windows (n, C, L), evenly thinned where they are many.

        Returns:
            The donning, and (m, S, 4) the features of the windows it was measured on, standardised by it.
        """
        chosen = windows[self.thinned(len(windows))]
        brought = slot_windows(chosen, rate_hz, montage, self.config.space)
        donning = measure(brought, self.config.tokenizer)
        features = (brought.features(donning.slot_rest) - donning.feature_mean) / donning.feature_std
        return donning, np.asarray(features * brought.slots[:, None], dtype=np.float32)

    @staticmethod
    def thinned(n: int) -> NDArray[np.int64]:
        """Which of n windows a donning is measured on."""
        return np.unique(np.linspace(0, n - 1, min(n, _MEASURED)).round().astype(np.int64))

    def calibrated(
        self, windows: NDArray[np.float32], rate_hz: float, montage: Montage, donning: Donning, worn: Worn
    ) -> Calibration:
        """The calibration of a donning that has been measured, with the spread of its vectors."""
        bare = Calibration(montage, rate_hz, donning, worn, np.zeros(1, np.float32), np.ones(1, np.float32))
        vectors = self.vectors(windows[self.thinned(len(windows))], bare).astype(np.float64)
        std = vectors.std(axis=0)
        spread = np.where(std > 1e-6, std, 1.0)
        return replace(bare, mean=vectors.mean(axis=0).astype(np.float32), std=spread.astype(np.float32))

    def vectors(self, windows: NDArray[np.float32], calibration: Calibration) -> NDArray[np.float32]:
        """(n, C, L) -> (n, F), standardised; a window's vector does not depend on what is given beside it."""
        found = [np.concatenate(list(self._parts(piece, calibration)), axis=1) for piece in _pieces(windows)]
        vectors = np.concatenate(found) if found else np.zeros((0, len(self.names)), np.float32)
        return np.asarray((vectors - calibration.mean) / calibration.std, dtype=np.float32)

    def _parts(self, windows: NDArray[np.float32], calibration: Calibration) -> Iterator[NDArray[np.float32]]:
        brought = slot_windows(windows, calibration.rate_hz, calibration.montage, self.config.space)
        if "embedding" in self.parts:
            yield self._embedding(brought, calibration)
        order = calibration.worn.order
        if "time_domain" in self.parts:
            yield brought.features(calibration.donning.slot_rest)[:, order].reshape(len(windows), -1)
        if "covariance" in self.parts:
            slots = np.flatnonzero(brought.slots)
            logs = np.zeros((len(windows), SLOTS, SLOTS), np.float32)
            logs[:, slots[:, None], slots] = log_covariances(brought.native[:, slots])
            yield logs[:, order[:, None], order][:, _PAIRS[0], _PAIRS[1]]

    def _embedding(self, brought: SlotWindows, calibration: Calibration) -> NDArray[np.float32]:
        assert self.encoder is not None
        session = session_of_windows(brought, calibration.donning, self.config.tokenizer)
        stretches = [stretch_of(session, i, 0.0, r.duration_s) for i, r in enumerate(session.recordings)]
        return learned(self.encoder, stretches, [calibration.worn] * len(stretches))


def _pieces(windows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    for first in range(0, len(windows), _AT_ONCE):
        yield windows[first : first + _AT_ONCE]
