"""One donning, ready for models and controls: its tokens, its windows' features, its labels.

Letters: N tokens, S 16 slots, L samples of the longest token, W windows, C native channels.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError, DataFileError
from aemg.features import FEATURES, cut_windows, log_covariances, time_domain, time_domain_between, window_starts
from aemg.signals import Interval, Recording
from aemg.tokenizer import ContractionTokenizer, RestLevel, Sentence, TokenizerConfig
from aemg.topology import SLOTS, SpaceConfig, Unified, slot_weights, unify
from aemg.topology.unify import clean

WINDOW_S, HOP_S = 0.25, 0.125  # of the windows that accuracy is counted on


@dataclass(frozen=True)
class TokenisedRecording:
    """Where a recording's tokens and windows lie in its session's arrays."""

    file: str
    sha256: str
    duration_s: float
    tokens: tuple[int, int]
    windows: tuple[int, int]
    intervals: tuple[Interval, ...] = ()


@dataclass(frozen=True)
class SessionKey:
    """A donning's name: set, subject and session within the subject."""

    dataset: str
    subject: str
    session: str

    def __str__(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.session}"


@dataclass(frozen=True)
class Session:
    """A donning.

    Args:
        tokens: structured array (N,) of `token_dtype`, often a memory map.
        window_start_s: (W,) within the window's recording.
        slot_features: (W, S, 4) and native_features (W, C, 4): `aemg.features.time_domain` at the native rate.
        slots: (S,) bool, True for slots that carry signal.
        native_level: (W, C) log RMS in the recording's own unit.
        native_tangent: (W, C, C) and slot_tangent: (W, S, S) matrix logarithms of the windows' covariances.
        angle_known: the montage's angles are anatomical, so that registration leaves the session as worn.
        unified_features, unified_tangent: as `slot_features` and `slot_tangent`, of the signal at the unified rate.
    """

    key: SessionKey
    recordings: tuple[TokenisedRecording, ...]
    tokens: NDArray[np.void]
    window_start_s: NDArray[np.float64]
    slot_features: NDArray[np.float32]
    native_features: NDArray[np.float32]
    slots: NDArray[np.bool_]
    native_level: NDArray[np.float32]
    native_tangent: NDArray[np.float32]
    slot_tangent: NDArray[np.float32]
    angle_known: bool
    unified_features: NDArray[np.float32]
    unified_tangent: NDArray[np.float32]

    @cached_property
    def feature_mean(self) -> NDArray[np.float32]:
        """(S, 4) over all windows of the donning, labelled or not."""
        return np.asarray(self.slot_features.mean(axis=0), dtype=np.float32)

    @cached_property
    def feature_std(self) -> NDArray[np.float32]:
        """(S, 4) over all windows of the donning, labelled or not."""
        return np.asarray(self.slot_features.std(axis=0) + 1e-3, dtype=np.float32)

    @cached_property
    def tangent_scale(self) -> TangentScale:
        """Over all windows of the donning, labelled or not."""
        return TangentScale.of(self.slot_tangent)

    @cached_property
    def at_unified_rate(self) -> Session:
        """The session with what its windows show at the unified rate, where devices of any rate can be compared; standardised
        over all windows of the donning."""
        return replace(self, slot_features=self.unified_features, slot_tangent=self.unified_tangent)


@dataclass(frozen=True)
class TangentScale:
    """What matrix logarithms of covariances are recentred and scaled by.

    Args:
        mean: (S, S).
        spread: root mean square of the diagonals' deviations, one for all slots.
    """

    mean: NDArray[np.float32]
    spread: float

    @staticmethod
    def of(tangent: NDArray[np.floating]) -> TangentScale:
        """Of windows (W, S, S)."""
        if not len(tangent):
            return TangentScale(np.zeros(tangent.shape[1:], np.float32), 1.0)
        mean = tangent.mean(axis=0)
        apart = np.diagonal(tangent, axis1=1, axis2=2) - np.diagonal(mean)
        return TangentScale(np.asarray(mean, np.float32), max(float(np.sqrt((apart**2).mean())), 1e-6))


def standardised_by(
    session: Session, mean: NDArray[np.floating], std: NDArray[np.floating], tangent: TangentScale | None = None
) -> Session:
    """The session with its slot features' mean and standard deviation (S, 4) and, if given, the scale of its covariances measured
    elsewhere than over all of it."""
    view = replace(session)
    vars(view).update(feature_mean=mean.astype(np.float32), feature_std=std.astype(np.float32))
    if tangent is not None:
        vars(view).update(tangent_scale=tangent)
    return view


def token_dtype(samples: int) -> np.dtype[np.void]:
    """One token of a session: float16 wave (S, L), length, start and end in seconds, phase, and what the z-score and the
    unified rate take away: `aemg.features.time_domain` (S, 4) relative to rest, measured at the native rate."""
    return np.dtype(
        [
            ("wave", np.float16, (SLOTS, samples)),
            ("length", np.int16),
            ("phase", np.int16),
            ("start_s", np.float64),
            ("end_s", np.float64),
            ("features", np.float32, (SLOTS, len(FEATURES))),
        ]
    )


@dataclass(frozen=True)
class RestLevels:
    """What a donning's thresholds and the scales of its features come from.

    Args:
        threshold: of the tokenizer, in the unified space.
        native_rms, slot_rms: (C,) and (S,) at the native rate.
    """

    threshold: RestLevel
    native_rms: NDArray[np.float64]
    slot_rms: NDArray[np.float64]


def rest_levels(recordings: Sequence[Recording], space: SpaceConfig, config: TokenizerConfig) -> RestLevels:
    """Measures the rest levels of recordings of one donning, or of a part of it, from their quietest stretches.

    Raises:
        AEMGError: no recording, all shorter than one frame, or not raw EMG.
    """
    return _levels(*_brought(recordings, space), config)


def tokenise_session(
    key: SessionKey,
    recordings: Sequence[Recording],
    space: SpaceConfig,
    config: TokenizerConfig,
    levels: RestLevels | None = None,
) -> Session:
    """Unifies and tokenises all recordings of one donning. No label is looked at: the rest level comes from the
    quietest stretches.

    Args:
        levels: measured elsewhere, where the donning as a whole must not be looked at; None for its own.

    Raises:
        AEMGError: no recording, or not raw EMG.
    """
    if not recordings:
        raise AEMGError(f"{key}: no recording")
    unified, windows = _brought(recordings, space)
    levels = levels or _levels(unified, windows, config)
    tokenizer, native_rest, slot_rest = ContractionTokenizer(config, levels.threshold), levels.native_rms, levels.slot_rms
    rows = [
        token_rows(tokenizer.encode(u.recording), w.signal, w.rate_hz, slot_rest, u.mask) for u, w in zip(unified, windows)
    ]
    table, first_token, first_window = [], 0, 0
    for recording, tokens, window in zip(recordings, rows, windows):
        n_tokens, n_windows = len(tokens), len(window.start_s)
        table.append(
            TokenisedRecording(
                recording.provenance.file,
                recording.provenance.sha256,
                recording.duration_s,
                (first_token, first_token + n_tokens),
                (first_window, first_window + n_windows),
                recording.intervals,
            )
        )
        first_token, first_window = first_token + n_tokens, first_window + n_windows
    slots_unified = [_as_many(w, u.recording) for u, w in zip(unified, windows)]
    unified_rest = rest_rms(slots_unified)
    return Session(
        key,
        tuple(table),
        np.concatenate(rows),
        np.concatenate([w.start_s for w in windows]),
        np.concatenate([time_domain(w.slots, slot_rest) for w in windows]),
        np.concatenate([time_domain(w.native, native_rest) for w in windows]),
        unified[0].mask,
        np.concatenate([np.log(np.sqrt((w.native**2).mean(-1)) + 1e-12) for w in windows]).astype(np.float32),
        np.concatenate([log_covariances(w.native) for w in windows]),
        np.concatenate([log_covariances(w.slots) for w in windows]),
        recordings[0].montage.angle_known,
        np.concatenate([time_domain(w, unified_rest) for w in slots_unified]),
        np.concatenate([log_covariances(w) for w in slots_unified]),
    )


def save_session(session: Session, folder: Path) -> None:
    """Writes a session to `folder` in one step: it is there whole or not at all, also where two processes make it."""
    partial = folder.with_name(f"{folder.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    np.save(partial / "tokens.npy", session.tokens)
    for name, fields in _TABLES.items():
        np.save(partial / name, _table({field: getattr(session, field) for field in fields}))
    card = {
        "key": asdict(session.key),
        "angle_known": session.angle_known,
        "slots": session.slots.tolist(),
        "feature_mean": session.feature_mean.tolist(),
        "feature_std": session.feature_std.tolist(),
        "recordings": [asdict(r) for r in session.recordings],
    }
    (partial / "session.json").write_text(json.dumps(card))
    shutil.rmtree(folder, ignore_errors=True)
    try:
        os.replace(partial, folder)
    except OSError:
        shutil.rmtree(partial, ignore_errors=True)
        if not (folder / "session.json").exists():
            raise


def load_session(folder: Path) -> Session:
    """Reads a session back; its arrays are memory maps, so that only what is used is read.

    Raises:
        DataFileError: a file is missing or damaged.
    """
    try:
        card: dict[str, Any] = json.loads((folder / "session.json").read_text())
        tokens = _mapped(folder / "tokens.npy")
        arrays = {field: table[field] for name in _TABLES for table in (_mapped(folder / name),) for field in _TABLES[name]}
        session = Session(
            key=SessionKey(**card["key"]),
            recordings=tuple(_recording(r) for r in card["recordings"]),
            tokens=tokens,
            slots=np.array(card["slots"], dtype=bool),
            angle_known=card["angle_known"],
            **arrays,
        )
        # computed from all windows, which need not be read for them again
        vars(session).update({name: np.array(card[name], np.float32) for name in ("feature_mean", "feature_std")})
    except _DAMAGE as error:
        raise DataFileError(folder, "a tokenised session", f"{type(error).__name__}: {error}") from error
    return session


# What json and numpy raise on a file with wrong bytes in it; the head of an array's file is parsed like Python.
_DAMAGE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, EOFError, OverflowError, MemoryError, SyntaxError,
    TokenError,
)  # fmt: skip
# What stages 1 and 2 read lies apart from what stage 3 and evaluations read besides.
_TABLES = {
    "windows.npy": ("window_start_s", "slot_features"),
    "native.npy": ("native_features", "native_level", "native_tangent", "slot_tangent"),
    "unified.npy": ("unified_features", "unified_tangent"),
}


def _table(columns: dict[str, NDArray[Any]]) -> NDArray[np.void]:
    """One structured array of columns of equal length: one file, and one map, for all of them."""
    kinds = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    rows = np.zeros(len(next(iter(columns.values()))), np.dtype(kinds, align=True))
    for name, values in columns.items():
        rows[name] = values
    return rows


def _mapped(file: Path) -> NDArray[Any]:
    """An array file as a private memory map; an empty one, which cannot be mapped, as it is."""
    with file.open("rb") as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        empty = 0 in read(stream)[0]
    # as a plain array over the map: slicing np.memmap itself costs several times as much
    return np.asarray(np.load(file, mmap_mode=None if empty else "c", allow_pickle=False))


def _recording(stored: dict[str, Any]) -> TokenisedRecording:
    bounds = {name: tuple(stored[name]) for name in ("tokens", "windows")}
    intervals = tuple(Interval(**interval) for interval in stored["intervals"])
    return TokenisedRecording(**{**stored, **bounds, "intervals": intervals})


@dataclass(frozen=True)
class _Windows:
    """A recording's windows by native channel (W, C, L) and by slot (W, S, L), and its slots' signal (S, T), all at the
    native rate."""

    native: NDArray[np.float32]
    slots: NDArray[np.float32]
    start_s: NDArray[np.float64]
    signal: NDArray[np.float32]
    rate_hz: float

    @staticmethod
    def of(recording: Recording, space: SpaceConfig) -> _Windows:
        rate = recording.rate_hz
        signal = clean(recording.signal, rate, space.highpass_hz, space.mains_hz)
        weights, _ = slot_weights(recording.montage)
        slots = np.ascontiguousarray(weights.astype(np.float32) @ signal)
        length, hop = round(WINDOW_S * rate), round(HOP_S * rate)
        return _Windows(
            cut_windows(signal, length, hop),
            cut_windows(slots, length, hop),
            window_starts(signal.shape[1], length, hop) / rate,
            slots,
            rate,
        )


def _brought(recordings: Sequence[Recording], space: SpaceConfig) -> tuple[list[Unified], list[_Windows]]:
    unified = [unify(r, space.rate_hz, highpass_hz=space.highpass_hz, mains_hz=space.mains_hz) for r in recordings]
    return unified, [_Windows.of(r, space) for r in recordings]


def _as_many(windows: _Windows, unified: Recording) -> NDArray[np.float32]:
    """The same windows of the unified signal, (W, S, L)."""
    length = round(WINDOW_S * unified.rate_hz)
    latest = max(0, unified.signal.shape[1] - length)
    first = np.minimum(np.round(windows.start_s * unified.rate_hz).astype(np.int64), latest)
    padded = np.pad(unified.signal, ((0, 0), (0, max(0, length - unified.signal.shape[1]))))
    return padded[:, first[:, None] + np.arange(length)].transpose(1, 0, 2)


def _levels(unified: list[Unified], windows: list[_Windows], config: TokenizerConfig) -> RestLevels:
    threshold = ContractionTokenizer(config).fit_threshold([u.recording for u in unified], use_labels=False).rest
    assert threshold is not None
    return RestLevels(threshold, rest_rms([w.native for w in windows]), rest_rms([w.slots for w in windows]))


def rest_rms(windows: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(C,) RMS of the quietest of all windows (W, C, L), one level for all channels at least half of their median."""
    rms = np.concatenate([np.sqrt((w.astype(np.float64) ** 2).mean(-1)) for w in windows])  # (W, C)
    if not len(rms):
        return np.full(windows[0].shape[1], 1.0)
    rest = np.percentile(rms, 5, axis=0)
    positive = rest[rest > 0]
    return np.maximum(rest, 0.5 * np.median(positive)) if len(positive) else np.full(len(rest), 1e-12)


def token_rows(
    sentence: Sentence,
    signal: NDArray[np.float32],
    rate_hz: float,
    slot_rest: NDArray[np.float64],
    slots: NDArray[np.bool_],
) -> NDArray[np.void]:
    """A sentence's tokens as rows of `token_dtype`.

    Args:
        signal: (S, T) the slots' signal at the native rate.
        slot_rest: (S,) its RMS at rest.
        slots: (S,) bool, True for slots that carry signal.
    """
    n = len(sentence)
    rows = np.zeros(n, token_dtype(sentence.tokens.shape[2]))
    rows["wave"], rows["length"] = sentence.tokens[:n], sentence.lengths[:n]
    rows["phase"] = sentence.conditions.phase[:n]
    rows["start_s"], rows["end_s"] = sentence.start_s[:n], sentence.end_s[:n]
    first, last = (np.round(rows[edge] * rate_hz).astype(np.int64) for edge in ("start_s", "end_s"))
    latest = signal.shape[1] - 1
    first = np.clip(first, 0, latest)
    rows["features"] = time_domain_between(signal, first, np.clip(last, first + 1, latest + 1), slot_rest)
    rows["features"][:, ~slots] = 0.0
    return rows


def labelled_windows(session: Session) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Label and trial of every window: (W,) str, empty where a window does not lie wholly in one interval, and (W,) int64, the
    number of the interval in the session's order, -1 outside."""
    labels = np.full(len(session.window_start_s), "", dtype=object)
    trials = np.full(len(session.window_start_s), -1, dtype=np.int64)
    number = 0
    for recording in session.recordings:
        starts = session.window_start_s[slice(*recording.windows)]
        for interval in recording.intervals:
            inside = (starts >= interval.start_s - 1e-6) & (starts + WINDOW_S <= interval.end_s + 1e-6)
            at = recording.windows[0] + np.flatnonzero(inside)
            labels[at], trials[at] = interval.label, number
            number += 1
    return labels.astype(str), trials
