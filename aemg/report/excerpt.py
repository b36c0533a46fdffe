"""What is drawn of a recording: the amplitude of every channel over all of it, and the samples of a short part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aemg.corpus import Corpus
from aemg.datasets.formats.neuromotor_file import CHANNELS, GAP_S, RATE_HZ, FileFacts, GesturePrompt, NeuromotorFile, inspect_file
from aemg.errors import AEMGError
from aemg.signals import Event, Interval, Recording

Floats = NDArray[np.float64]

LONGEST_S: Final = 600.0  # of the part whose samples are drawn
DEFAULT_S: Final = 10.0
_LEAD_S: Final = 1.0  # before the first prompt, where the part is not chosen
_BINS: Final = 1200  # of the overview
_BLOCK_ROWS: Final = 1 << 16
_RATE_TOLERANCE: Final = 0.01


@dataclass(frozen=True)
class Overview:
    """A whole recording in even steps of time.

    Args:
        step_s: length of a step.
        amplitude: (C, n) standard deviation within the step, NaN where it holds no sample.
        low, high: (D, n) bounds of each angle in degrees.
    """

    step_s: float
    amplitude: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Excerpt:
    """Samples of a part.

    Args:
        start_s, end_s: what was asked for, from the recording's start.
        times_s: (n,) of the samples, never falling.
        emg: (C, n). angles_deg: (D, n).
    """

    start_s: float
    end_s: float
    times_s: Floats
    emg: NDArray[np.float32]
    angles_deg: NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """A recording as it is drawn; all times in seconds from its first sample.

    Args:
        facts: name and value, in words. remarks: what is amiss in it, a sentence each.
        unit: of the signal.
        stages: what was done when. stage_notes: a word on each of them, or empty.
        events: prompts at an instant. texts: prompts that last.
        angles: names, positive direction told.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    unit: str
    duration_s: float
    stages: tuple[Interval, ...]
    stage_notes: tuple[str, ...]
    events: tuple[Event, ...]
    texts: tuple[Interval, ...]
    angles: tuple[str, ...]
    overview: Overview
    excerpt: Excerpt


def view_of_file(path: Path, start_s: float | None, seconds: float) -> View:
    """A file of the generic neuromotor interface.

    Raises:
        DataFileError: damaged, or of another layout.
        AEMGError: the part lies outside the recording or is too long.
    """
    facts = inspect_file(path)
    with NeuromotorFile(path) as file:
        times_s = np.arange(facts.rows) / RATE_HZ if facts.falling_stamps else file.times() - facts.start
        duration_s = float(times_s[-1]) + 1 / RATE_HZ
        stages = tuple(Interval(s.start - facts.start, s.end - facts.start, s.name) for s in file.stages)
        prompts = file.prompts
        events = tuple(Event(p.time - facts.start, p.name) for p in prompts if isinstance(p, GesturePrompt))
        texts = tuple(
            Interval(p.start - facts.start, p.end - facts.start, p.prompt)
            for p in prompts
            if not isinstance(p, GesturePrompt)
        )
        marks = [e.time_s for e in events] + [t.start_s for t in texts]
        start_s = _start(start_s, seconds, duration_s, marks or [s.start_s for s in stages])
        angles = ("flexion/extension (extension up)", "radial/ulnar (radial up)") if facts.task == "wrist" else ()
        return View(
            title=path.name,
            facts=_file_facts(path, facts, len(prompts)),
            remarks=tuple(_remarks(facts, events, texts, stages)),
            unit="noise s.d.",
            duration_s=duration_s,
            stages=stages,
            stage_notes=tuple(s.posture for s in file.stages),
            events=events,
            texts=texts,
            angles=angles,
            overview=_overview(times_s, duration_s, _rows_of_file(file, bool(angles)), CHANNELS, len(angles)),
            excerpt=_excerpt_of_file(file, times_s, start_s, seconds, bool(angles)),
        )


def view_of_recording(corpus: Path, number: int, start_s: float | None, seconds: float) -> View:
    """A recording of a prepared set.

    Raises:
        AEMGError: no prepared set, no such recording, or the part lies outside it or is too long.
    """
    recordings = Corpus(corpus)
    try:
        if not 0 <= number < len(recordings):
            raise AEMGError(f"{corpus}: expected the number of a recording, 0 to {len(recordings) - 1}, found {number}")
        recording = recordings.load(number)
    finally:
        recordings.close()
    times_s = np.arange(recording.signal.shape[1]) / recording.rate_hz
    marks = [i.start_s for i in recording.intervals] + [e.time_s for e in recording.events]
    start_s = _start(start_s, seconds, recording.duration_s, marks)
    part = recording.cut(start_s, min(start_s + seconds, recording.duration_s))
    end_s = start_s + part.duration_s
    none = np.empty((0, part.signal.shape[1]), np.float32)
    rows = [(recording.signal.T, np.empty((recording.signal.shape[1], 0), np.float32))]
    return View(
        title=f"{recording.provenance.dataset}: {recording.provenance.file}",
        facts=_recording_facts(recording, number, len(recordings)),
        remarks=(),
        unit=recording.unit if recording.unit == "V" else "arbitrary unit",
        duration_s=recording.duration_s,
        stages=tuple(recording.intervals),
        stage_notes=tuple(f"repetition {i.trial}" for i in recording.intervals),
        events=tuple(recording.events),
        texts=(),
        angles=(),
        overview=_overview(times_s, recording.duration_s, rows, len(recording.signal), 0),
        excerpt=Excerpt(start_s, end_s, start_s + np.arange(part.signal.shape[1]) / part.rate_hz, part.signal, none),
    )


def binned(ufunc: np.ufunc, values: NDArray[np.generic], at: NDArray[np.int64], bins: int) -> Floats:
    """Reduces rows (n, C) that fall into the same bin, `at` (n,) never falling; NaN (bins, C) where there is none."""
    found = np.full((bins, values.shape[1]), np.nan)
    if len(at):
        filled, starts = np.unique(at, return_index=True)
        found[filled] = ufunc.reduceat(values, starts, axis=0)
    return found


def _start(start_s: float | None, seconds: float, duration_s: float, marks: Sequence[float]) -> float:
    """The start of the part: what was asked for, or a little before the first mark within the recording."""
    if not 0 < seconds <= LONGEST_S:
        raise AEMGError(f"seconds must be more than 0 and at most {LONGEST_S:g}, got {seconds:g}")
    if start_s is not None:
        if not 0 <= start_s < duration_s:
            raise AEMGError(f"the part must start within the recording's {duration_s:.2f} s, got {start_s:g} s")
        return start_s
    within = [mark for mark in marks if 0 <= mark < duration_s]
    wanted = min(within) - _LEAD_S if within else (duration_s - seconds) / 2
    return float(np.clip(wanted, 0.0, max(0.0, duration_s - seconds)))


def _rows_of_file(file: NeuromotorFile, angles: bool) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """EMG (n, C) and angles in degrees (n, D), block by block."""
    for start in range(0, file.rows, _BLOCK_ROWS):
        stop = min(start + _BLOCK_ROWS, file.rows)
        emg = file.emg(start, stop, allow_nan=True)
        yield emg, _degrees(file, start, stop) if angles else np.empty((len(emg), 0), np.float32)


def _degrees(file: NeuromotorFile, start: int, stop: int) -> NDArray[np.float32]:
    return np.rad2deg(file.wrist_angles(start, stop, allow_nan=True))


def _overview(
    times_s: Floats, duration_s: float, blocks: Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]] | list[
        tuple[NDArray[np.float32], NDArray[np.float32]]
    ], channels: int, angles: int,
) -> Overview:  # fmt: skip
    bins = min(_BINS, len(times_s))
    counts, sums, squares = (np.zeros((bins, channels)) for _ in range(3))
    low, high = np.full((bins, angles), np.nan), np.full((bins, angles), np.nan)
    row = 0
    for emg, degrees in blocks:
        at = np.minimum((times_s[row : row + len(emg)] * (bins / duration_s)).astype(np.int64), bins - 1)
        row += len(emg)
        sound = np.isfinite(emg)
        known = np.where(sound, emg, 0.0).astype(np.float64)
        for total, values in ((counts, sound.astype(np.float64)), (sums, known), (squares, known**2)):
            total += np.nan_to_num(binned(np.add, values, at, bins))
        low = np.fmin(low, binned(np.fmin, degrees, at, bins))
        high = np.fmax(high, binned(np.fmax, degrees, at, bins))
    with np.errstate(invalid="ignore", divide="ignore"):
        amplitude = np.sqrt(np.maximum(squares / counts - (sums / counts) ** 2, 0.0))  # NaN where nothing was counted
    return Overview(duration_s / bins, amplitude.T, low.T, high.T)


def _excerpt_of_file(file: NeuromotorFile, times_s: Floats, start_s: float, seconds: float, angles: bool) -> Excerpt:
    end_s = min(start_s + seconds, float(times_s[-1]) + 1 / RATE_HZ)
    first, stop = (int(row) for row in np.searchsorted(times_s, (start_s, end_s)))
    emg = file.emg(first, stop, allow_nan=True)
    degrees = _degrees(file, first, stop) if angles else np.empty((stop - first, 0), np.float32)
    return Excerpt(start_s, end_s, times_s[first:stop], emg.T, degrees.T)


def _file_facts(path: Path, facts: FileFacts, prompts: int) -> tuple[tuple[str, str], ...]:
    name = path.name.removesuffix(".hdf5")
    user = name.partition("_user_")[2].partition("_dataset_")[0]
    return (
        ("task", facts.task),
        ("user", user or "not told by the file's name"),
        ("rows", f"{facts.rows:,} of {CHANNELS} channels"),
        ("duration", clock(facts.end - facts.start)),
        ("first stamp", f"{facts.start:.3f} s (unix time)"),
        ("rate over all", f"{facts.rate_hz:.2f} Hz; nominal {RATE_HZ:g} Hz"),
        ("rate between gaps", f"{facts.step_rate_hz:.2f} Hz (median step of stamps that differ)"),
        ("repeated stamps", f"{facts.duplicate_stamps:,} ({facts.duplicate_stamps / facts.rows:.1%} of the rows)"),
        (f"gaps over {GAP_S:g} s", _gaps(facts)),
        ("values not finite", f"{facts.nan_values:,} in {facts.nan_rows:,} rows"),
        ("flat channels", ", ".join(map(str, facts.flat_channels)) or "none"),
        ("channel s.d.", f"{min(facts.channel_std):.2f} to {max(facts.channel_std):.2f}"),
        ("prompts", f"{prompts:,}"),
    )


def _gaps(facts: FileFacts) -> str:
    if not facts.gaps:
        return "none"
    longest = max(facts.gaps, key=lambda gap: gap.duration_s)
    total_s = sum(gap.duration_s for gap in facts.gaps)
    return f"{len(facts.gaps):,}, together {total_s:.1f} s, the longest {longest.duration_s:.1f} s after row {longest.row:,}"


def _remarks(
    facts: FileFacts, events: Sequence[Event], texts: Sequence[Interval], stages: Sequence[Interval]
) -> Iterator[str]:
    """A sentence on whatever a user of the file should know of."""
    duration_s = facts.end - facts.start
    if facts.falling_stamps:
        yield (
            f"In {facts.falling_stamps:,} rows the time stamp is smaller than in the row before. The signal is drawn by row "
            f"number at {RATE_HZ:g} Hz, and stages and prompts by their own times, so that they need not fit."
        )
    if facts.duplicate_stamps:
        yield f"{facts.duplicate_stamps:,} rows repeat the stamp of the row before."
    if facts.gaps:
        yield f"Time without rows: {_gaps(facts)}. Decoders take the rows as evenly spaced."
    if abs(facts.step_rate_hz / RATE_HZ - 1) > _RATE_TOLERANCE:
        yield f"Between gaps the clock runs at {facts.step_rate_hz:.1f} Hz in place of {RATE_HZ:g} Hz."
    if facts.nan_values:
        yield f"{facts.nan_values:,} values are not finite."
    if facts.flat_channels:
        yield f"Channels that never change: {', '.join(map(str, facts.flat_channels))}."
    outside = sum(not 0 <= t <= duration_s for t in [e.time_s for e in events] + [t.start_s for t in texts])
    if outside:
        yield f"{outside:,} prompts lie before the first or after the last row."
    if any(b.start_s < a.end_s for a, b in pairwise(stages)):
        yield "Stages overlap or are not in the order of time."


def _recording_facts(recording: Recording, number: int, recordings: int) -> tuple[tuple[str, str], ...]:
    low, high = recording.bandwidth_hz
    return (
        ("set", recording.provenance.dataset),
        ("recording", f"{number} of {recordings} (0 to {recordings - 1})"),
        ("subject", recording.subject),
        ("session", recording.session),
        ("samples", f"{recording.signal.shape[1]:,} of {recording.signal.shape[0]} channels"),
        ("duration", clock(recording.duration_s)),
        ("rate", f"{recording.rate_hz:g} Hz"),
        ("band", f"{low:g} to {high:g} Hz"),
        ("kind", f"{recording.kind}, unit {recording.unit}"),
        ("montage", recording.montage.name),
        ("licence", recording.provenance.licence),
    )


def clock(seconds: float) -> str:
    """A duration in words."""
    minutes, tenths = divmod(round(10 * seconds), 600)
    return f"{minutes} min {tenths / 10:04.1f} s" if minutes else f"{seconds:.2f} s"
