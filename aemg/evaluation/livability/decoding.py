"""A session decoded from its first window to its last, each decision from what is known by then.

Letters: N tokens, W windows, K classes, S 16 slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aemg.evaluation.classifier import Classifier
from aemg.evaluation.controls import LinearControl
from aemg.evaluation.livability.config import StreamingConfig
from aemg.evaluation.livability.stream import DecisionStream
from aemg.evaluation.livability.truth import Truth, TruthConfig
from aemg.features import standardise
from aemg.model import Stretch, windows_within
from aemg.sessions import HOP_S, WINDOW_S, Session
from aemg.tokenizer import PHASES, TokenizerConfig
from aemg.tokenizer.config import FrameGrid
from aemg.tokenizer.contraction import REST
from aemg.topology import Worn

_SURE = 1000.0  # nats by which the gate's decision leads, whatever the temperature
_RESAMPLING_SAMPLES = 32  # of the lower rate, that `aemg.signals.filters.resample` looks ahead
_FIRST = [PHASES.index("onset"), PHASES.index("whole")]
_LAST = [PHASES.index("offset"), PHASES.index("whole")]


def resampling_delay_s(rate_hz: float, unified_hz: float) -> float:
    """How far the unified signal looks ahead."""
    return 0.0 if rate_hz == unified_hz else _RESAMPLING_SAMPLES / min(rate_hz, unified_hz)


def known_s(session: Session, config: TokenizerConfig, rate_hz: float, delay_s: float = 0.0) -> NDArray[np.float64]:
    """When a stream has given out each token at the latest, (N,) seconds within its recording.

    A contraction is known to be over once the longest pause that would not end it has passed. A part of a longer one is cut off
    when the contraction has gone on for the longest and the shortest token; a pause at that time may put it off by its length.

    Args:
        rate_hz: that tokens were cut at.
        delay_s: what the signal itself comes late.
    """
    grid = FrameGrid.of(config, rate_hz)
    hop_s = grid.hop / rate_hz
    found = np.zeros(len(session.tokens))
    for recording in session.recordings:
        rows = session.tokens[slice(*recording.tokens)]
        start_s, end_s, phase = rows["start_s"], rows["end_s"], rows["phase"]
        over = end_s.copy()  # end of the contraction that a token is part of
        for i in range(len(rows) - 2, -1, -1):
            if phase[i] not in _LAST:
                over[i] = over[i + 1]
        closed = over + (grid.close_gap + grid.blocks - grid.lead) * hop_s
        certain = max(grid.max_token + grid.min_token, grid.min_event)
        cut = start_s + (certain + grid.close_gap + grid.blocks - grid.lead - 1) * hop_s
        found[slice(*recording.tokens)] = np.where(np.isin(phase, _LAST), closed, np.minimum(closed, cut)) + delay_s
    return found


def network_log_proba(
    classifier: Classifier, session: Session, worn: Worn, known: NDArray[np.float64], config: StreamingConfig
) -> NDArray[np.float32]:
    """Log-probabilities (W, K) of all windows: each with the tokens whose centre lies in it, or in its context, and that are
    known when it is decided on."""
    stretches = []
    for r, recording in enumerate(session.recordings):
        rows = session.tokens[slice(*recording.tokens)]
        centre, rows_known = (rows["start_s"] + rows["end_s"]) / 2, known[slice(*recording.tokens)]
        for at in session.window_start_s[slice(*recording.windows)]:
            start_s, end_s = max(0.0, float(at) - config.context_windows * HOP_S), float(at) + WINDOW_S
            first, last = np.searchsorted(centre, [start_s, end_s])
            seen = first + np.flatnonzero(rows_known[first:last] <= end_s + config.wait_s + 1e-6)
            stretches.append(Stretch(session, rows[seen], windows_within(session, r, start_s, end_s), start_s))
    return classifier.log_proba(stretches, [worn] * len(stretches))


def linear_log_proba(
    fitted: LinearControl, session: Session, worn: Worn, classes: int, reference: Session | None = None
) -> NDArray[np.float32]:
    """Log-probabilities (W, K) of all windows from their own features by slot.

    Args:
        reference: the session whose mean and spread the features are standardised by; None for the session itself.
    """
    features = session.slot_features[:, worn.order]
    if reference is None:
        standard = standardise(features)
    else:
        own = reference.slot_features[:, worn.order]
        spread = own.std(axis=0)
        standard = (features - own.mean(axis=0)) / np.where(spread > 1e-6, spread, 1.0)
    return fitted.log_proba(standard.reshape(len(features), -1), classes)


def as_first_worn(session: Session, first: Session) -> Session:
    """A session whose features are standardised by another session's mean and spread."""
    found = replace(session)
    vars(found).update({name: getattr(first, name) for name in ("feature_mean", "feature_std", "tangent_scale")})
    return found


def open_windows(session: Session, config: TokenizerConfig, rate_hz: float, delay_s: float = 0.0) -> NDArray[np.bool_]:
    """Windows (W,) in which a contraction is known to be under way, or has just been: the tokenizer's energy gate."""
    grid = FrameGrid.of(config, rate_hz)
    after_s = (grid.min_event + grid.blocks - grid.lead) * grid.hop / rate_hz + delay_s
    found = np.zeros(len(session.window_start_s), bool)
    for recording in session.recordings:
        rows = session.tokens[slice(*recording.tokens)]
        begins = np.where(np.isin(rows["phase"], _FIRST), rows["start_s"] + after_s, rows["start_s"] + delay_s)
        at = session.window_start_s[slice(*recording.windows)]
        first = np.searchsorted(rows["end_s"], at, side="right")  # first token that ends within the window or later
        has = first < len(rows)
        opens = np.full(len(at), np.inf)
        opens[has] = begins[first[has]]
        found[slice(*recording.windows)] = opens <= at + WINDOW_S + 1e-6
    return found


def gated(log_proba: NDArray[np.float32], is_open: NDArray[np.bool_]) -> NDArray[np.float32]:
    """With rest as a last class, (W, K + 1): certain where the gate is closed, excluded where it is open."""
    movements = np.where(is_open[:, None], log_proba, log_proba - _SURE)
    return np.column_stack([movements, np.where(is_open, -_SURE, 0.0)]).astype(np.float32)


def streams_of(
    session: Session, log_proba: NDArray[np.float32], labels: Sequence[str], config: StreamingConfig
) -> list[DecisionStream]:
    """A session's decisions (W, K) as streams, one a recording."""
    names = (*labels, REST) if log_proba.shape[1] == len(labels) + 1 else tuple(labels)
    times = session.window_start_s + WINDOW_S + config.wait_s
    return [DecisionStream(times[slice(*r.windows)], log_proba[slice(*r.windows)], names) for r in session.recordings]


def truths_of(session: Session, config: TruthConfig) -> list[Truth]:
    """The labels of a session's recordings, with the onsets that the tokenizer's energy gate finds: where the first contraction
    that reaches into a movement begins, unless that is before the movement's span, when the muscle was at work already."""
    found = []
    for recording in session.recordings:
        truth = Truth(recording.duration_s, recording.intervals)
        rows = session.tokens[slice(*recording.tokens)]
        begins = rows["start_s"][np.isin(rows["phase"], _FIRST)]
        ends = rows["end_s"][np.isin(rows["phase"], _LAST)]
        onsets = {}
        for m, (movement, span) in enumerate(zip(truth.movements, truth.spans(config))):
            at = int(np.searchsorted(ends, movement.start_s, side="right"))
            if at < len(ends) and span[0] <= begins[at] < movement.end_s:
                onsets[m] = float(begins[at])
        found.append(replace(truth, emg_onset_s=onsets))
    return found
