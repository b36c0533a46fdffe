"""Windows that were cut elsewhere, as a session whose recordings they are.

Letters: n windows, C channels, L samples of a window, S 16 slots.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.features import FEATURES, time_domain
from aemg.sessions.session import Session, SessionKey, TokenisedRecording, rest_rms, standardised_by, token_rows
from aemg.signals import Montage, Provenance, Recording
from aemg.signals.filters import resample
from aemg.tokenizer import ContractionTokenizer, RestLevel, TokenizerConfig
from aemg.topology import SLOTS, UNIFIED, SpaceConfig, slot_weights
from aemg.topology.unify import clean

SHORTEST_S = 0.05  # of a window


@dataclass(frozen=True)
class Donning:
    """What a person's windows are measured against; found without labels.

    Args:
        rest: of the slots at the unified rate, for the tokenizer.
        slot_rest: (S,) RMS at rest at the native rate.
        feature_mean, feature_std: (S, 4) of `aemg.features.time_domain` over the windows.
    """

    rest: RestLevel
    slot_rest: NDArray[np.float64]
    feature_mean: NDArray[np.float32]
    feature_std: NDArray[np.float32]


@dataclass(frozen=True)
class SlotWindows:
    """Windows in the sixteen slots.

    Args:
        native: (n, S, L) at the native rate.
        unified: (n, S, L') at the unified rate.
        slots: (S,) bool, True for slots that carry signal.
    """

    native: NDArray[np.float32]
    unified: NDArray[np.float32]
    slots: NDArray[np.bool_]
    rate_hz: float
    unified_hz: float

    def features(self, slot_rest: NDArray[np.float64]) -> NDArray[np.float32]:
        """`aemg.features.time_domain` of the windows, (n, S, 4), zero in slots without signal."""
        return time_domain(self.native, slot_rest) * self.slots[:, None]


def slot_windows(windows: NDArray[np.float32], rate_hz: float, montage: Montage, space: SpaceConfig) -> SlotWindows:
    """Windows (n, C, L) cleaned, each by itself, and brought to slots.

    Raises:
        AEMGError: the channels are not the montage's, or windows shorter than `SHORTEST_S`.
    """
    n, channels, samples = windows.shape
    if channels != montage.n_channels:
        raise AEMGError(f"windows of {channels} channels, but montage {montage.name!r} has {montage.n_channels}")
    if samples < SHORTEST_S * rate_hz - 1e-6:
        raise AEMGError(
            f"windows of {samples} samples at {rate_hz:g} Hz last {1000 * samples / rate_hz:.3g} ms, at least "
            f"{1000 * SHORTEST_S:g} ms are needed; their shape is (windows, channels, samples), here {windows.shape}"
        )
    weights, slots = slot_weights(montage)
    signal = clean(windows.reshape(n * channels, samples), rate_hz, space.highpass_hz, space.mains_hz)
    unified = resample(signal, rate_hz, space.rate_hz).reshape(n, channels, -1)
    mix = weights.astype(np.float32)
    return SlotWindows(mix @ signal.reshape(n, channels, samples), mix @ unified, slots, rate_hz, space.rate_hz)


def measure(windows: SlotWindows, config: TokenizerConfig) -> Donning:
    """Rest level and standardisation of one donning's windows, of all movements; no label is looked at.

    Raises:
        AEMGError: windows shorter than one energy window of the tokenizer.
    """
    recordings = [_recording(signal, windows.unified_hz) for signal in windows.unified]
    rest = ContractionTokenizer(config).fit_threshold(recordings, use_labels=False).rest
    assert rest is not None
    slot_rest = rest_rms([windows.native])
    features = windows.features(slot_rest)
    return Donning(rest, slot_rest, features.mean(axis=0), features.std(axis=0) + np.float32(1e-3))


def session_of_windows(windows: SlotWindows, donning: Donning, config: TokenizerConfig) -> Session:
    """A session in which every window is a recording of one window; without native or unified features."""
    tokenizer = ContractionTokenizer(replace(config, sentence_tokens=1), donning.rest)
    sentences = [tokenizer.encode(_recording(signal, windows.unified_hz)) for signal in windows.unified]
    rows = [
        token_rows(sentence, native, windows.rate_hz, donning.slot_rest, windows.slots)
        for sentence, native in zip(sentences, windows.native)
    ]
    n, _, samples = windows.native.shape
    bounds = np.cumsum([0, *map(len, rows)])
    recordings = tuple(
        TokenisedRecording(str(i), "", samples / windows.rate_hz, (int(bounds[i]), int(bounds[i + 1])), (i, i + 1))
        for i in range(n)
    )
    nothing = np.zeros((n, SLOTS, SLOTS), np.float32)
    session = Session(
        SessionKey("windows", "", ""),
        recordings,
        np.concatenate(rows),
        np.zeros(n),
        windows.features(donning.slot_rest),
        np.zeros((n, 0, len(FEATURES)), np.float32),
        windows.slots,
        np.zeros((n, 0), np.float32),
        np.zeros((n, 0, 0), np.float32),
        nothing,
        angle_known=False,
        unified_features=np.zeros((n, SLOTS, len(FEATURES)), np.float32),
        unified_tangent=nothing,
    )
    return standardised_by(session, donning.feature_mean, donning.feature_std)


def _recording(signal: NDArray[np.float32], rate_hz: float) -> Recording:
    return Recording(signal, rate_hz, UNIFIED, "", "", Provenance("windows", "", "", ""))
