"""What a protocol lets a method see of the person who is tested, as views of their sessions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.evaluation.benchmark.protocols import Protocol
from aemg.evaluation.trials import Trial
from aemg.sessions import (
    WINDOW_S,
    RestLevels,
    Session,
    SessionKey,
    SessionStore,
    TangentScale,
    TokenisedRecording,
    recordings_of,
    rest_levels,
    standardised_by,
    tokenise_session,
)
from aemg.tokenizer import TokenizerConfig
from aemg.topology import SpaceConfig

_NEARLY = 1e-6
_FLOOR = 1e-3  # of a standard deviation, as for whole sessions


class Inapplicable(AEMGError):
    """A protocol does not fit a person's data; they are left out, and the result says so."""


@dataclass(frozen=True)
class Heard:
    """A session of the tested person, made from what the protocol lets be seen.

    Args:
        windows: (W,) those that may be seen without labels.
        until_s: by recording, the end of what may be seen; trials that begin before it are not tested.
    """

    session: Session
    windows: NDArray[np.bool_]
    until_s: tuple[float, ...]

    def tested(self, trial: Trial) -> bool:
        """Whether a trial begins after what was heard of its recording."""
        return trial.start_s >= self.until_s[trial.recording] - _NEARLY

    def whole(self, trial: Trial) -> bool:
        """Whether a trial lies wholly in what was heard."""
        return trial.end_s <= self.until_s[trial.recording] + _NEARLY


def hear(
    protocol: Protocol, store: SessionStore, key: SessionKey, others: Sequence[SessionKey], sources: Sequence[Session]
) -> Heard:
    """The session as the protocol lets it be seen.

    Args:
        others, sources: the people trained on, of the same set; looked at where nothing of the target may be.

    Raises:
        Inapplicable: the calibration holds nothing.
    """
    stored = store.load(key)
    n = len(stored.window_start_s)
    if protocol.unlabelled == "all":
        return Heard(stored, np.ones(n, bool), (0.0,) * len(stored.recordings))
    recordings = recordings_of(store.corpus, key)
    if protocol.unlabelled == "none":
        levels = typical([_levels(store.corpus, k, store.space, store.tokenizer) for k in others])
        session = tokenise_session(key, recordings, store.space, store.tokenizer, levels)
        return Heard(standardised_by(session, *pooled(sources)), np.zeros(n, bool), (0.0,) * len(recordings))
    assert protocol.seconds is not None
    until_s = first_seconds(stored.recordings, protocol.seconds)
    parts = [r.cut(0.0, end) for r, end in zip(recordings, until_s) if end >= WINDOW_S]
    if not parts:
        raise Inapplicable(f"{protocol.seconds:g} s of calibration hold no window")
    levels = rest_levels(parts, store.space, store.tokenizer)
    session = tokenise_session(key, recordings, store.space, store.tokenizer, levels)
    windows = heard_windows(session, until_s)
    known = session.slot_features[windows]
    tangent = TangentScale.of(session.slot_tangent[windows])
    return Heard(standardised_by(session, known.mean(axis=0), known.std(axis=0) + _FLOOR, tangent), windows, until_s)


def first_seconds(recordings: Sequence[TokenisedRecording], seconds: float) -> tuple[float, ...]:
    """By recording, where the first seconds of a donning end in it, 0 for none of it.

    Recordings follow one another as the set lists them. Where each holds a single repetition, as files that a set cut its
    signal into do, first repetitions of all movements come first: the files do not tell when they were recorded.
    """
    cut = all(len(r.intervals) == 1 for r in recordings)
    order = sorted(range(len(recordings)), key=lambda i: (recordings[i].intervals[0].trial if cut else 0, i))
    until_s = [0.0] * len(recordings)
    for i in order:
        until_s[i] = max(0.0, min(recordings[i].duration_s, seconds))
        seconds -= until_s[i]
    return tuple(until_s)


def heard_windows(session: Session, until_s: Sequence[float]) -> NDArray[np.bool_]:
    """(W,) the windows that end before the times given by recording."""
    heard = np.zeros(len(session.window_start_s), bool)
    for recording, until in zip(session.recordings, until_s):
        part = slice(*recording.windows)
        heard[part] = session.window_start_s[part] + WINDOW_S <= until + _NEARLY
    return heard


def typical(levels: Sequence[RestLevels]) -> RestLevels:
    """The median over people, channel by channel.

    Raises:
        AEMGError: no one, or not the same device.
    """
    if not levels or len({(len(v.native_rms), v.threshold.rate_hz) for v in levels}) != 1:
        raise AEMGError("a rest level of other people needs people who wore the same device")
    threshold = replace(
        levels[0].threshold,
        mean_square=np.median([v.threshold.mean_square for v in levels], axis=0),
        tokens_per_s=float(np.median([v.threshold.tokens_per_s for v in levels])),
        source="other people",
    )
    return RestLevels(
        threshold, np.median([v.native_rms for v in levels], axis=0), np.median([v.slot_rms for v in levels], axis=0)
    )


def pooled(sources: Sequence[Session]) -> tuple[NDArray[np.float32], NDArray[np.float32], TangentScale]:
    """Mean and standard deviation (S, 4) of features and the scale of covariances over all windows of all sessions; for the
    features every session counts the same."""
    mean = np.mean([s.feature_mean for s in sources], axis=0)
    square = np.mean([s.feature_std**2 + (s.feature_mean - mean) ** 2 for s in sources], axis=0)
    return mean, np.sqrt(square), TangentScale.of(np.concatenate([s.slot_tangent for s in sources]))


@lru_cache(maxsize=512)
def _levels(corpus: Path, key: SessionKey, space: SpaceConfig, tokenizer: TokenizerConfig) -> RestLevels:
    return rest_levels(recordings_of(corpus, key), space, tokenizer)
