"""Embeddings while the signal comes in: chunks of any length give the vectors of the whole, with a state of bounded size.

    calibration = Calibration.of([half_a_minute], model.config)
    stream = EmbeddingStream(model, calibration)
    for chunk in device:                     # (channels, n) samples
        vectors = stream.push(chunk).windows  # (windows that this chunk completes, width)

A window's vector is what the encoder says of the sentence that ends with the window, all of it known by then: it is the vector
that `tokenise_session` and the encoder give for the recording cut off there, under the calibration's levels. A contraction still
under way is seen as far as it has come. At the model's own rate this is so but for rounding; at other rates a causal anti-alias
filter, 6 ms late at 200 Hz, takes the place of the one of linear phase, which looks 160 ms ahead.

Letters: C channels, S 16 slots, D width, n windows, m contractions.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aemg.config import STRICT
from aemg.errors import AEMGError, ConfigError
from aemg.features import FeatureBuffer
from aemg.model.aemg import AEMG
from aemg.model.batch import collate, stretch_of
from aemg.model.calibration import Calibration, RunningScale
from aemg.model.plain import encoder_for_streams
from aemg.sessions import HOP_S, WINDOW_S, Session, SessionKey, TokenisedRecording
from aemg.sessions.session import token_dtype
from aemg.signals.filters import CausalFilter, CausalResampler, highpass_sections, notch_sections
from aemg.tokenizer import ContractionTokenizer
from aemg.topology import slot_weights


@dataclass(frozen=True)
class StreamConfig:
    """How a stream reads.

    Args:
        context_s: what a window's sentence spans, the window included.
        contraction_context_s: what a finished contraction's sentence spans; null for windows alone.
        follow_s: time constant with which the features' mean and standard deviation follow the signal; null to leave them as
            calibrated.
    """

    __pydantic_config__ = STRICT
    context_s: float = WINDOW_S
    contraction_context_s: float | None = None
    follow_s: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("context_s", WINDOW_S), ("contraction_context_s", 1.0), ("follow_s", 1.0)):
            value = getattr(self, name)
            if value is not None and not least <= value <= 600.0:
                raise ConfigError(f"{name} must lie between {least:g} and 600 s, got {value}")


@dataclass(frozen=True)
class Embedded:
    """What one push completes; n and m may be 0.

    Args:
        windows: (n, D), one every 125 ms.
        windows_end_s: (n,) time of each window's end.
        contractions: (m, D).
        contractions_s: (m, 2) begin and end of each contraction.
        known_s: (m,) when its end was certain.
    """

    windows: NDArray[np.float32]
    windows_end_s: NDArray[np.float64]
    contractions: NDArray[np.float32]
    contractions_s: NDArray[np.float64]
    known_s: NDArray[np.float64]


class EmbeddingStream:
    """One signal through an encoder, on the CPU.

    Args:
        model: its weights as they are now; later training has no effect on the stream.
        calibration: of the device as it is worn.
        config: see `StreamConfig`.

    Raises:
        ConfigError: the calibration was made for a model of another space or tokenizer.
    """

    def __init__(self, model: AEMG, calibration: Calibration, config: StreamConfig | None = None) -> None:
        self.config = config or StreamConfig()
        space, tokenizer = model.config.space, model.config.tokenizer
        if (calibration.space, calibration.tokenizer) != (space, tokenizer):
            raise ConfigError("the calibration was made with other settings than the model's: make it with model.config")
        self.rate_hz, self.channels = calibration.rate_hz, calibration.montage.n_channels
        self.width = model.config.network.width
        self._calibration, self._model_config = calibration, model.config
        self.encoder = encoder_for_streams(model)
        self._length, self._hop = round(WINDOW_S * self.rate_hz), round(HOP_S * self.rate_hz)
        weights, self._slots = slot_weights(calibration.montage)
        self._weights = weights.astype(np.float32)
        self._span_s = max(self.config.context_s, self.config.contraction_context_s or 0.0)
        self.reset()

    def reset(self) -> None:
        """Forget everything, as if nothing had been pushed."""
        calibration, space, tokenizer = self._calibration, self._model_config.space, self._model_config.tokenizer
        sections = [] if space.highpass_hz is None else [highpass_sections(self.rate_hz, space.highpass_hz)]
        sections += [] if space.mains_hz is None else notch_sections(self.rate_hz, space.mains_hz)
        self._filters = [CausalFilter(s) for s in sections]
        self._resampler = CausalResampler(self.rate_hz, space.rate_hz)
        # a contraction is certain once it, a shortest one, a gap and a frame have passed
        ms = tokenizer.max_token_ms + tokenizer.min_token_ms + tokenizer.close_gap_ms + tokenizer.window_ms + tokenizer.hop_ms
        kept_s = max(WINDOW_S, 0.001 * ms + self._resampler.delay_s + 2 * HOP_S)
        self._features = FeatureBuffer(calibration.rest_rms, round(kept_s * self.rate_hz) + self._length)
        self._tokens = ContractionTokenizer(tokenizer, calibration.rest).stream()
        self._rows: NDArray[np.void] = np.zeros(16, token_dtype(self._model_config.token_samples))
        self._finished = 0  # of the rows; those of the contraction under way follow
        follow = 0.0 if self.config.follow_s is None else 1.0 - float(np.exp(-HOP_S / self.config.follow_s))
        self._scale = RunningScale(calibration.feature_mean, calibration.feature_std, follow)
        self._windows: deque[NDArray[np.float32]] = deque(maxlen=int((self._span_s - WINDOW_S) / HOP_S * 1.1) + 3)
        self._waiting: list[NDArray[np.float32]] = []
        self._waits = 0
        self._count = 0  # windows so far

    @property
    def calibration(self) -> Calibration:
        """The calibration as it is now, to be saved and started from again; it moves with `follow_s` alone."""
        return replace(self._calibration, feature_mean=self._scale.mean, feature_std=self._scale.std)

    def push(self, chunk: NDArray[np.floating[Any]]) -> Embedded:
        """The next samples (C, n), n >= 0, in the device's unit.

        Raises:
            AEMGError: another shape, or values that are not finite; the stream is then as it was before.
        """
        samples = np.asarray(chunk)
        if samples.ndim != 2 or samples.shape[0] != self.channels or samples.dtype.kind not in "fiu":
            raise AEMGError(f"a chunk must be ({self.channels}, n) real numbers, got {samples.shape} {samples.dtype}")
        with np.errstate(over="ignore"):
            samples = np.array(samples, np.float32)
        if not np.isfinite(samples).all():
            raise AEMGError("a chunk must hold finite numbers: leave lost samples out or put zeros in their place")
        self._waiting.append(samples)
        self._waits += samples.shape[1]
        steps = []
        if self._waits >= self._needs():
            waiting = np.concatenate(self._waiting, axis=1)
            while waiting.shape[1] >= (needs := self._needs()):
                steps.append(self._step(waiting[:, :needs]))
                waiting = waiting[:, needs:]
            self._waiting, self._waits = [waiting.copy()], waiting.shape[1]
        return self._joined(steps)

    def _needs(self) -> int:
        """Samples that complete the next window."""
        return self._hop if self._count else self._length

    def _step(self, samples: NDArray[np.float32]) -> Embedded:
        """Exactly the samples that complete one window."""
        for causal in self._filters:
            samples = causal.push(samples)
        slots = self._weights @ samples
        self._features.push(slots)
        complete, n, features = self._tokenise(self._resampler.push(slots))
        self._windows.append(features)
        self._scale.add(features)
        self._count += 1
        end_s = (self._count - 1) * self._hop / self.rate_hz + WINDOW_S
        known = self._rows[: self._finished + n]
        session = self._session(known)
        window = self._encode(session, end_s - self.config.context_s, end_s)[1].numpy()
        fresh = known[self._finished : self._finished + complete]
        spans = np.stack([fresh["start_s"], fresh["end_s"]], axis=1)
        contractions = np.zeros((0, self.width), np.float32)
        if self.config.contraction_context_s is not None and complete:
            tokens = self._encode(session, end_s - self.config.contraction_context_s, end_s)[0][0].numpy()
            contractions = tokens[len(tokens) - n :][:complete]
        self._forget(self._finished + complete, end_s)
        return Embedded(window, np.array([end_s]), contractions, spans, np.full(complete, end_s))

    def _tokenise(self, unified: NDArray[np.float32]) -> tuple[int, int, NDArray[np.float32]]:
        """Writes the tokens that are new, or still under way, behind the finished rows.

        Returns:
            how many of them are complete, how many there are, and features (S, 4) of the window that ends now.
        """
        cuts, values, complete = self._tokens.push_open(unified)
        n, seen = len(cuts), self._features.seen
        if self._finished + n > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros(self._finished + n, self._rows.dtype)])
        edges_s = cuts[:, :2] / self._model_config.space.rate_hz
        edges = np.minimum(np.round(edges_s * self.rate_hz).astype(np.int64), seen)
        edges = np.concatenate([edges, [[seen - self._length, seen]]])
        features = self._features.between(edges[:, 0], edges[:, 1])
        if n:
            rows = self._rows[self._finished : self._finished + n]
            rows["wave"], rows["length"], rows["phase"] = values, cuts[:, 1] - cuts[:, 0], cuts[:, 2]
            rows["start_s"], rows["end_s"] = edges_s[:, 0], edges_s[:, 1]
            rows["features"] = features[:n] * self._slots[:, None]
        return complete, n, features[n]

    def _session(self, tokens: NDArray[np.void]) -> Session:
        """The last of the signal as a session of one recording."""
        n, first = len(self._windows), self._count - len(self._windows)
        starts = np.arange(first, self._count) * self._hop / self.rate_hz
        none = np.zeros((n, 0), np.float32)
        recording = TokenisedRecording("", "", 0.0, (0, len(tokens)), (0, n))
        key, features = SessionKey("", "", ""), np.stack(self._windows)
        session = Session(key, (recording,), tokens, starts, features, none, self._slots, none, none, none, True, none, none)
        vars(session).update(feature_mean=self._scale.mean, feature_std=self._scale.std)
        return session

    def _encode(self, session: Session, start_s: float, end_s: float) -> tuple[Tensor, Tensor]:
        """Tokens (1, N, D) and sentence (1, D) of a stretch."""
        return self.encoder(collate([stretch_of(session, 0, start_s, end_s)], [self._calibration.worn]))

    def _forget(self, finished: int, end_s: float) -> None:
        """Keeps the finished tokens that a coming sentence may hold."""
        rows = self._rows[:finished]
        drop = int(np.searchsorted((rows["start_s"] + rows["end_s"]) / 2, end_s - self._span_s))
        self._finished = finished - drop
        if drop:
            self._rows[: self._finished] = rows[drop:].copy()

    def _joined(self, steps: list[Embedded]) -> Embedded:
        if len(steps) == 1:
            return steps[0]
        none = np.zeros((0, self.width), np.float32)
        steps = [Embedded(none, np.zeros(0), none, np.zeros((0, 2)), np.zeros(0)), *steps]
        return Embedded(*(np.concatenate([getattr(s, name) for s in steps]) for name in Embedded.__dataclass_fields__))
