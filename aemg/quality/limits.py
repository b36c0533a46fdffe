"""What is held against recordings: every threshold, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from aemg.config import STRICT

Grades = tuple[float, float, float]


@dataclass(frozen=True)
class Limits:
    """Thresholds of the checks; a triple holds those of note, warning and fault, inf where that grade is never given.

    Sources: De Luca et al. 2010, doi:10.1016/j.jbiomech.2010.01.027 (baseline below 20 Hz, power to 400-450 Hz); Merletti &
    Cerone 2020, doi:10.1016/j.jelekin.2020.102440 (amplitudes at the skin, mains, electrodes); Clancy et al. 2002,
    doi:10.1016/S1050-6411(01)00033-5 (noise). The others separate what simulated recordings of all devices and nine public
    sets hold from faults put into them.

    Args:
        shortest_s: a window of features takes 0.2 s; below 1 s no spectrum can be judged.
        gap_steps: a gap is a step of more than so many usual ones, and of `gap_s`: radio links deliver in bursts.
        gap_share: time without samples, as a share of all.
        duplicate_share: rows with the stamp of the row before; whole packets may share one.
        jitter: spread of the steps between stamps, 5th to 95th percentile, in usual steps.
        rate_error: stated rate against stamps or content; crystals err by less than 1e-4, radio clocks by 1e-3.
        hold_share: rows that hold nothing new while there is a signal. Resampling by less than a fifth goes unseen.
        hold_longest_s: the same samples for longer are a break of the link, not a held sample.
        beat_db: line in the course of curvature, which interpolation makes where its knots meet the rows; mains make others at
            multiples of 50 or 60 Hz, which are left out.
        band_drop_db: fall of the spectrum within a few percent of half the rate; filters of electronics take octaves.
        band_from_hz: below, spectra of drifts fall as steeply.
        band_top: where a fall is the usual anti-alias filter, as a share of half the rate.
        flat_s: constant for so long. flat_share: of the recording.
        quiet: standard deviation against the median channel; electrode noise alone is some percent of contraction.
        alike: correlation of differences at which a channel repeats another.
        clip_share: samples at a bound of the range that holds more than the values next to it.
        mains_db: line over its neighbours. mains_share: of a channel's power.
        mains_from_s: length from which lines stand out of chance.
        one_sided: spread below the median over spread above it; raw EMG is symmetric (1), rectified EMG is not.
        floor: distance of the outermost 0.5 % from the bound, in distances of the median from it; rectified EMG ends abruptly.
        steep_db: fall of the spectrum from 15-25 Hz to 40-90 Hz; raw EMG has its maximum there.
        rms_v: plausible root mean square of the signal above 20 Hz: below, not even the noise of an electrode; above,
            more than any muscle at the skin.
        counts_share: whole numbers among samples said to be volts.
        scale: amplitude of a recording against the set's median; people and tasks differ by 30 at most.
        offset: mean against the standard deviation above 20 Hz.
        baseline_share: power below 10 Hz.
        jump: a step between samples against the 99th percentile of steps, where it stands alone. jump_any: where it does not;
            simulated motor units at the wrist reach 30.
        label_outside_s: beyond the recording, of an interval.
        label_overlap_s: of two intervals of different labels.
        label_effect: amplitude under a label against rest, of the channel that changes most.
        label_shift_s: lag at which labels fit the amplitude best; people answer a cue within 0.2-0.8 s.
        label_fit: correlation that the lag must reach, and gain over no lag.
    """

    __pydantic_config__ = STRICT

    shortest_s: Grades = (2.0, 1.0, 0.2)
    gap_steps: float = 5.0
    gap_s: Grades = (0.02, 0.1, float("inf"))
    gap_share: float = 0.2
    duplicate_share: Grades = (1e-6, 0.01, 0.5)
    jitter: Grades = (0.5, 3.0, float("inf"))
    rate_error: Grades = (0.002, 0.01, 0.05)
    hold_share: Grades = (0.02, 0.1, 0.3)
    hold_longest_s: float = 0.1
    beat_db: float = 15.0
    band_drop_db: Grades = (float("inf"), 20.0, float("inf"))
    band_from_hz: float = 40.0
    band_top: float = 0.85
    flat_s: float = 1.0
    flat_share: Grades = (0.0, 0.05, 0.95)
    quiet: Grades = (float("inf"), 50.0, float("inf"))
    alike: float = 0.9999
    clip_share: Grades = (2e-4, 5e-3, 5e-2)
    mains_db: Grades = (10.0, 20.0, float("inf"))
    mains_share: float = 0.8
    mains_from_s: float = 3.0
    one_sided: float = 0.4
    floor: float = 0.15
    steep_db: float = 20.0
    rms_v: tuple[float, float] = (0.2e-6, 5e-3)
    counts_share: float = 0.999
    scale: Grades = (float("inf"), 100.0, float("inf"))
    offset: Grades = (3.0, 100.0, float("inf"))
    baseline_share: Grades = (0.3, 0.9, float("inf"))
    jump: Grades = (8.0, 12.0, float("inf"))
    jump_any: float = 60.0
    label_outside_s: Grades = (1e-9, 0.05, 1.0)
    label_overlap_s: Grades = (1e-3, 0.1, float("inf"))
    label_effect: float = 1.15
    label_shift_s: float = 1.0
    label_fit: tuple[float, float] = (0.4, 0.1)


STANDARD: Final = Limits()
