"""Courses of excitation: gestures held on demand, and the tasks of a wristband: quick gestures, wrist tracking, handwriting.

As in `gestures`, the numbers are hand-made from functional anatomy and not measured. Only muscles of the forearm are
here: what the hand's own muscles add to such movements a wristband hardly reads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.anatomy import MUSCLE_INDEX, MUSCLES
from aemg.simulation.gestures import course, slow_noise, smoothstep, vary
from aemg.simulation.pool import CONTROL_RATE_HZ

Floats = NDArray[np.float64]
_HABIT, _TRIAL, _SPILL, _WAVER = 0.3, 0.2, 0.03, 0.15
_LEAD_S = 0.07  # of excitation before the movement that it makes
_EVENT_S = 0.4  # of signal that tells a quick gesture, at most

EVENTS: dict[str, dict[str, float]] = {
    "index_press": {"FDS2": 0.50, "FDP2": 0.60, "FPL": 0.45, "ECRB": 0.15},
    "index_release": {"EDC2": 0.55, "EIP": 0.50, "EPL": 0.15},
    "middle_press": {"FDS3": 0.55, "FDP3": 0.60, "FPL": 0.30, "ECRB": 0.15, "ECU": 0.10},
    "middle_release": {"EDC3": 0.55, "EDC4": 0.20, "EPL": 0.10},
    "thumb_click": {"FPL": 0.70, "FCR": 0.20, "APL": 0.10},
    "thumb_down": {"FPL": 0.30, "PQ": 0.35, "FCU": 0.25, "ECU": 0.15},
    "thumb_in": {"FPL": 0.35, "FCR": 0.30, "PL": 0.35},
    "thumb_out": {"APL": 0.60, "EPB": 0.50, "ECU": 0.10},
    "thumb_up": {"EPL": 0.65, "EPB": 0.30, "ECRL": 0.20},
}
_HOLD = {"index_press": "index_release", "middle_press": "middle_release"}
_WRIST = {
    "extension": {"ECRL": 0.35, "ECRB": 0.45, "ECU": 0.35, "EDC3": 0.10},
    "flexion": {"FCR": 0.45, "FCU": 0.40, "PL": 0.40},
}
_STROKES = {
    "d": {"FDS2": 0.40, "FDP2": 0.40, "FPL": 0.35},
    "u": {"EDC2": 0.40, "EIP": 0.40, "EPL": 0.40},
    "l": {"FCR": 0.30, "PL": 0.35, "FCU": 0.25},
    "r": {"ECRL": 0.30, "ECRB": 0.35, "APL": 0.20},
}
STROKES = {"d": "down", "u": "up", "l": "left", "r": "right"}
_GRIP = {"FPL": 0.06, "FDP2": 0.05, "FDS3": 0.05, "ECRB": 0.05}
# Each character as strokes down, up, left and right; no two alike.
CHARACTERS: dict[str, str] = {
    "a": "ldru", "b": "ddur", "c": "ldr", "d": "ldud", "e": "rld", "f": "ldd", "g": "ldrd", "h": "dudr",
    "i": "d", "j": "ddl", "k": "dlrd", "l": "dd", "m": "dudud", "n": "dud", "o": "lrlr", "p": "durl",
    "q": "lrud", "r": "dur", "s": "lrl", "t": "dr", "u": "dru", "v": "urd", "w": "dudu", "x": "drul",
    "y": "dul", "z": "rlr", " ": "rr",
}  # fmt: skip
WORDS = (
    "the", "and", "you", "that", "was", "for", "are", "with", "his", "they", "this", "have", "from", "one", "had",
    "word", "but", "not", "what", "all", "were", "when", "your", "can", "said", "there", "use", "each", "which", "she",
    "how", "their", "will", "other", "about", "out", "many", "then", "them", "these", "some", "her", "would", "make",
    "like", "him", "into", "time", "has", "look", "two", "more", "write", "see", "number", "way", "could", "people",
    "quick", "fox", "jump", "over", "lazy", "dog", "zebra", "know", "give", "very", "just", "good", "back", "years",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Movement:
    """What someone does for a while.

    Args:
        excitation: (muscles, T) between 0 and 1 at `pool.CONTROL_RATE_HZ`.
        onsets_s: when excitation for a movement begins, in order of time.
        intervals: (label, start, end) in seconds, in order of time.
        events: (name, seconds) in order of time.
        angles_rad: (2, T) at the same rate: extension and radial deviation of the wrist.
    """

    excitation: Floats
    onsets_s: tuple[float, ...] = ()
    intervals: tuple[tuple[str, float, float], ...] = ()
    events: tuple[tuple[str, float], ...] = ()
    angles_rad: Floats | None = None


def held_gestures(
    labels: tuple[str, ...], made: Floats, hold_s: float, rest_s: float, tone: float, rng: np.random.Generator
) -> Movement:
    """Gestures held one after the other, with rest before, between and after them.

    Args:
        labels: in the order in which they are made.
        made: (trials, muscles), the person's way of making each, from `gestures.personal_templates`.
        tone: excitation of all muscles at rest.
        rng: chance of the session.
    """
    onsets = np.asarray(rest_s + np.arange(len(labels)) * (hold_s + rest_s), dtype=np.float64)
    duration = float(rest_s + len(labels) * (hold_s + rest_s))
    intervals = tuple((label, float(onset), float(onset + hold_s)) for label, onset in zip(labels, onsets))
    excitation = course(made, onsets, hold_s, duration, tone, rng)
    return Movement(excitation, onsets_s=tuple(start for _, start, _ in intervals), intervals=intervals)


def quick_gestures(duration_s: float, tone: float, habits: np.random.Generator, rng: np.random.Generator) -> Movement:
    """The nine gestures of a wristband in random order, presses held and released.

    Args:
        tone: excitation of all muscles at rest.
        habits: chance of the person.
        rng: chance of the session.
    """
    made = {name: vary(_vector(EVENTS[name]), _HABIT, _SPILL, habits) for name in EVENTS}
    excitation, times = _rest(duration_s, tone)
    events: list[tuple[str, float]] = []
    starts = [name for name in EVENTS if not name.endswith("release")]
    now = 0.8
    while now < duration_s - 2.5:
        name = starts[rng.integers(len(starts))]
        events.append((name, now))
        _burst(excitation, times, _once(made[name], rng), now, rng)
        if name in _HOLD:
            held = rng.uniform(0.15, 1.2)
            _add(excitation, times, 0.4 * made[name], now, now + held, 0.05, 0.05)
            now += held
            events.append((_HOLD[name], now))
            _burst(excitation, times, _once(made[_HOLD[name]], rng), now, rng)
        now += rng.uniform(0.5, 1.3)
    onsets = [at - _LEAD_S for _, at in events]
    ends = [min(onset + _EVENT_S, after) for onset, after in zip(onsets, [*onsets[1:], duration_s])]
    intervals = tuple((name, onset, end) for (name, _), onset, end in zip(events, onsets, ends))
    return Movement(_finished(excitation, rng), tuple(onsets), intervals, tuple(events))


def wrist_tracking(duration_s: float, tone: float, habits: np.random.Generator, rng: np.random.Generator) -> Movement:
    """Reaches of the wrist from one random angle to the next, with pauses; see `quick_gestures` for the arguments.

    Intervals are the reaches of extension and flexion; radial deviation goes along unlabelled."""
    forward, backward = (vary(_vector(_WRIST[name]), _HABIT, _SPILL, habits) for name in ("extension", "flexion"))
    stiffness, damping = habits.uniform(0.8, 1.2), habits.uniform(0.15, 0.25)
    excitation, times = _rest(duration_s, tone)
    angles = np.zeros((2, len(times)))
    reaches: list[tuple[str, float, float]] = []
    for axis, (row, reach) in enumerate(zip(angles, (0.7, 0.15))):
        now, angle = 0.5, 0.0
        while now < duration_s:
            target, took = rng.uniform(-reach, reach), rng.uniform(0.3, 1.0)
            row += (target - angle) * smoothstep((times - now) / took)
            if axis == 0:
                reaches.append(("wrist_extension" if target > angle else "wrist_flexion", now - _LEAD_S, now + took))
            angle, now = target, now + took + rng.uniform(0.0, 0.8)
    lead = round(_LEAD_S * CONTROL_RATE_HZ)
    coming = np.concatenate([angles[0, lead:], np.repeat(angles[0, -1:], lead)])
    effort = stiffness * coming + damping * np.gradient(coming, 1 / CONTROL_RATE_HZ)
    excitation += forward[:, None] * np.maximum(effort, 0) + backward[:, None] * np.maximum(-effort, 0)
    within = tuple(reach for reach in reaches if reach[2] <= duration_s)
    return Movement(_finished(excitation, rng), tuple(start for _, start, _ in within), within, angles_rad=angles)


def handwriting(duration_s: float, tone: float, habits: np.random.Generator, rng: np.random.Generator) -> Movement:
    """Prompts of one to three words (intervals) written stroke by stroke (events); arguments as of `quick_gestures`."""
    made = {name: vary(_vector(values), _HABIT, _SPILL, habits) for name, values in _STROKES.items()}
    grip, stroke_s = _vector(_GRIP), habits.uniform(0.09, 0.13)
    excitation, times = _rest(duration_s, tone)
    texts: list[tuple[str, float, float]] = []
    written: list[tuple[str, float]] = []
    start = 0.5
    while True:
        text = " ".join(rng.choice(WORDS, rng.integers(1, 4)))
        strokes = [stroke for character in text for stroke in (*CHARACTERS[character], "")]
        lengths = [stroke_s * (1.6 if stroke == "" else 1.0) * np.exp(rng.normal(0, 0.1)) for stroke in strokes]
        begin, end = start + rng.uniform(0.3, 0.6), 0.0
        end = begin + sum(lengths) + rng.uniform(0.3, 0.5)
        if end > duration_s - 0.5:
            break
        for stroke, at, length in zip(strokes, begin + np.cumsum([0.0, *lengths[:-1]]), lengths):
            if stroke:
                _add(excitation, times, _once(made[stroke], rng), at, at + length, 0.4 * length, 0.4 * length)
                written.append((STROKES[stroke], float(at)))
        _add(excitation, times, grip, begin - 0.2, end, 0.1, 0.1)
        texts.append((text, start, end))
        start = end + rng.uniform(0.2, 0.6)
    onsets = tuple(at for _, at in written)
    return Movement(_finished(excitation, rng), onsets, tuple(texts), tuple(written))


Task = Callable[[float, float, np.random.Generator, np.random.Generator], Movement]
STREAMS: dict[str, Task] = {"events": quick_gestures, "wrist": wrist_tracking, "handwriting": handwriting}
STREAM_LABELS: dict[str, tuple[str, ...]] = {
    "events": tuple(EVENTS),
    "wrist": ("wrist_extension", "wrist_flexion"),
    "handwriting": (),
}


def _vector(shares: dict[str, float]) -> Floats:
    values = np.zeros(len(MUSCLES))
    for muscle, value in shares.items():
        values[MUSCLE_INDEX[muscle]] = value
    return values


def _rest(duration_s: float, tone: float) -> tuple[Floats, Floats]:
    times = np.asarray((np.arange(round(duration_s * CONTROL_RATE_HZ)) + 0.5) / CONTROL_RATE_HZ, dtype=np.float64)
    return np.full((len(MUSCLES), len(times)), tone), times


def _once(values: Floats, rng: np.random.Generator) -> Floats:
    return np.asarray(np.exp(rng.normal(0, _TRIAL)) * vary(values, _TRIAL, _SPILL, rng))


def _burst(excitation: Floats, times: Floats, values: Floats, at_s: float, rng: np.random.Generator) -> None:
    """Adds a burst whose excitation starts `_LEAD_S` before the event and has gone 0.1 to 0.2 s after."""
    first, last = at_s - _LEAD_S, at_s + rng.uniform(0.1, 0.2)
    _add(excitation, times, values, first, last, 0.05, 0.08)


def _add(
    excitation: Floats, times: Floats, values: Floats, first_s: float, last_s: float, rise_s: float, fall_s: float
) -> None:
    """Adds values (muscles,) that rise from `first_s` on and have gone at `last_s`."""
    during = slice(*np.searchsorted(times, (first_s, last_s)))
    now = times[during]
    excitation[:, during] += values[:, None] * smoothstep((now - first_s) / rise_s) * smoothstep((last_s - now) / fall_s)


def _finished(excitation: Floats, rng: np.random.Generator) -> Floats:
    waver = np.exp(_WAVER * slow_noise(rng, *excitation.shape))
    return np.asarray(np.clip(excitation * waver, 0.0, 1.0))
