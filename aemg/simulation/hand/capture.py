"""From motion capture to muscles: joint angles over time in, excitations, what the hand then does and its EMG out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from aemg.errors import AEMGError
from aemg.simulation.anatomy import MUSCLE_NAMES, Person
from aemg.simulation.hand.controller import StaticOptimiser, Tracking
from aemg.simulation.hand.model import Hand
from aemg.simulation.hand.people import HandPerson
from aemg.simulation.hand.physics import Hands
from aemg.simulation.pool import CONTROL_RATE_HZ

Floats = NDArray[np.float64]
Unit = Literal["degrees", "radians"]
Missing = Literal["error", "neutral", "free"]

TIME = "time"
SETTLE_S = 0.5
_LONGEST_GAP_S = 0.5
VIRTUAL = {"BR": ("ECRL", 0.5), "SUP": ("PT", 0.25)}


@dataclass(frozen=True, eq=False)
class Angles:
    """A recording of joint angles.

    Args:
        times_s: (T,) growing.
        q: (T, nq) in radians, within the hand's ranges; NaN for joints left free.
        clipped: joints that were outside of their range, with the farthest excess in radians.
    """

    times_s: Floats
    q: Floats
    clipped: dict[str, float]


@dataclass(frozen=True, eq=False)
class Driven:
    """A hand driven along recorded angles, at a regular rate.

    Args:
        rate_hz: of all courses.
        excitation: (T, nu) in 0..1.
        target, achieved: (T, nq) in radians.
        tip_error_m: (T, 5) distance of the fingertips from where the angles put them.
    """

    rate_hz: float
    excitation: Floats
    target: Floats
    achieved: Floats
    tip_error_m: Floats


def read_angles(
    path: Path, hand: Hand, *, unit: Unit = "degrees", rate_hz: float | None = None, missing: Missing = "error"
) -> Angles:
    """Reads a table of joint angles: CSV with a header, or NPZ with an array for each column.

    Args:
        path: columns are named as the hand's joints (a suffix "_r" may stay) and "time" in seconds; others are ignored.
        unit: of the angles.
        rate_hz: for a table without time.
        missing: what happens to joints without a column: "error", "neutral" holds them straight (0, or the nearest end
            of their range), "free" lets them go where the others' muscles take them.

    Raises:
        AEMGError: naming the file and what is wrong with it.
    """
    table = {name.strip().removesuffix("_r"): values for name, values in _columns(path).items()}
    given = [joint for joint in hand.joints if joint in table]
    absent = [joint for joint in hand.joints if joint not in table]
    if not given or (absent and missing == "error"):
        raise AEMGError(
            f"{path}: no column for {', '.join(absent)}; the wrist-{hand.wrist} hand has the joints {', '.join(hand.joints)}"
            " (missing joints can be held straight or left free)"
        )
    times = _times(path, table.get(TIME), len(table[given[0]]), rate_hz)
    q = np.tile(np.where(missing == "free", np.nan, np.clip(0.0, hand.lower, hand.upper)), (len(times), 1))
    clipped = {}
    for joint in given:
        index, values = hand.joints.index(joint), table[joint]
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise AEMGError(f"{path}: {joint} has {len(bad)} values that are no numbers, the first in row {bad[0] + 1}")
        angle = np.radians(values) if unit == "degrees" else values
        q[:, index] = np.clip(angle, hand.lower[index], hand.upper[index])
        excess = float(np.abs(angle - q[:, index]).max())
        if excess > 1e-6:
            clipped[joint] = excess
    return Angles(times, q, clipped)


def _columns(path: Path) -> dict[str, Floats]:
    if path.suffix not in (".csv", ".npz"):
        raise AEMGError(f"{path}: angles come as .csv or .npz")
    if not path.is_file():
        raise AEMGError(f"{path}: no such file")
    try:
        if path.suffix == ".npz":
            with np.load(path) as arrays:
                columns = {name: np.asarray(arrays[name], np.float64) for name in arrays.files}
        else:
            frame = pd.read_csv(path)
            columns = {str(name): pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64) for name in frame}
    except (OSError, ValueError) as error:
        raise AEMGError(f"{path}: not a table of numbers ({error})") from error
    if len({values.shape for values in columns.values()}) != 1 or next(iter(columns.values())).ndim != 1:
        raise AEMGError(f"{path}: columns must be of one length, got shapes {sorted({v.shape for v in columns.values()})}")
    return columns


def _times(path: Path, times: Floats | None, rows: int, rate_hz: float | None) -> Floats:
    if rows < 2:
        raise AEMGError(f"{path}: two rows at least are needed, got {rows}")
    if times is None:
        if rate_hz is None or rate_hz <= 0:
            raise AEMGError(f"{path}: no column {TIME!r} in seconds; give the rate of the rows")
        return np.arange(rows) / rate_hz
    steps = np.diff(times)
    if not np.isfinite(times).all() or (steps <= 0).any():
        raise AEMGError(f"{path}: column {TIME!r} must grow from row to row")
    if steps.max() > _LONGEST_GAP_S:
        raise AEMGError(f"{path}: a gap of {steps.max():.2f} s after row {int(steps.argmax()) + 1}; is {TIME!r} in seconds?")
    return np.asarray(times - times[0])


def drive(
    hand: Hand,
    recordings: Sequence[Angles],
    *,
    substeps: int = 4,
    smooth_hz: float | None = 6.0,
    people: Sequence[HandPerson] | None = None,
    threads: int = 1,
    settings: Tracking | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Driven]:
    """Finds the excitations that make hands follow recordings, all recordings side by side.

    Args:
        substeps: of the physics between two rows of the result.
        smooth_hz: of a second-order Butterworth low-pass of the angles, forwards and backwards; None leaves them.
        people: one for each recording.
        threads: of the physics.
        settings: of the tracking.
        progress: called with control steps done and their number.
    """
    step_s = substeps * hand.timestep_s
    courses = [_regular(angles, step_s, smooth_hz, hand) for angles in recordings]
    longest, settle = max(map(len, courses)), round(SETTLE_S / step_s)
    q = np.stack([np.pad(course, ((settle, longest + 1 - len(course)), (0, 0)), "edge") for course in courses], axis=1)
    qd = np.gradient(q, step_s, axis=0)
    hands = Hands(hand, len(courses), threads=threads, people=people)
    hands.reset(q=np.where(np.isnan(q[0]), np.clip(0.0, hand.lower, hand.upper), q[0]))
    optimiser = StaticOptimiser(hands, substeps=substeps, settings=settings)
    excitation, achieved = np.empty((longest, len(courses), len(hand.muscles))), np.empty((longest, *q.shape[1:]))
    error = np.empty((longest, len(courses), len(hand.fingers)))
    for k in range(settle + longest):
        wanted = optimiser.excitations(q[k + 1], qd[k + 1])
        hands.step(wanted, substeps)
        if k >= settle:
            goal = np.where(np.isnan(q[k + 1]), hands.q, q[k + 1])
            row = k - settle
            excitation[row], achieved[row] = wanted, hands.q
            error[row] = np.linalg.norm(hands.tips - hands.scale[:, None, None] * hands.forward_tips(goal), axis=-1)
        if progress is not None:
            progress(k + 1, settle + longest)
    return [
        Driven(1 / step_s, excitation[:n, i], course, achieved[:n, i], error[:n, i])
        for i, course in enumerate(courses) for n in [len(course)]
    ]  # fmt: skip


def _regular(angles: Angles, step_s: float, smooth_hz: float | None, hand: Hand) -> Floats:
    at = np.arange(0.0, angles.times_s[-1] + 1e-9, step_s)
    q = np.stack([np.interp(at, angles.times_s, course) for course in angles.q.T], axis=1)
    if smooth_hz is not None and len(q) > 1:
        sos = butter(2, smooth_hz, fs=1 / step_s, output="sos")
        q = sosfiltfilt(sos, q, axis=0, padtype="odd", padlen=min(len(q) - 1, 50))
    return np.asarray(np.clip(q, hand.lower, hand.upper))


def forearm_excitation(driven: Driven, hand: Hand, person: Person) -> Floats:
    """Excitations of the forearm's muscles (`anatomy.MUSCLES`) at `pool.CONTROL_RATE_HZ`, (muscles, T).

    Muscles within the hand are out of the electrodes' reach and left out. Brachioradialis and supinator, which the hand
    model lacks, take part in gripping and turning: half of ECRL's and a quarter of PT's drive. Muscles that only move
    a fixed wrist keep the person's tone, as does every muscle at rest.
    """
    at = (np.arange(int(len(driven.excitation) / driven.rate_hz * CONTROL_RATE_HZ)) + 0.5) / CONTROL_RATE_HZ
    rows = np.minimum((at * driven.rate_hz).astype(int), len(driven.excitation) - 1)
    by_name = {name: driven.excitation[rows, i] for i, name in enumerate(hand.muscles)}
    for name, (source, share) in VIRTUAL.items():
        if source in by_name:
            by_name[name] = share * by_name[source]
    rest = np.zeros(len(rows))
    courses = np.stack([by_name.get(name, rest) for name in MUSCLE_NAMES])
    return np.asarray(np.maximum(courses, person.tone), np.float64)


def example_angles(hand: Hand, duration_s: float = 10.0, rate_hz: float = 100.0) -> dict[str, Floats]:
    """A table for `read_angles` in degrees: fingers that flex one after the other, then together."""
    times = np.arange(round(duration_s * rate_hz)) / rate_hz
    slot = duration_s / (len(hand.fingers) + 1)
    table = {TIME: times} | {joint: np.zeros(len(times)) for joint in hand.joints}
    for number, finger in enumerate(hand.fingers):
        since = times - number * slot
        bend = np.where((since > 0) & (since < slot), np.sin(np.pi * since / slot) ** 2, 0.0)
        together = times - len(hand.fingers) * slot
        bend += np.where(together > 0, np.sin(np.pi * together / slot) ** 2, 0.0)
        for joint in hand.finger_joints(finger):
            end = hand.lower[joint] if finger == "thumb" else hand.upper[joint]
            table[hand.joints[joint]] = np.degrees(0.7 * end * bend)
    return table
