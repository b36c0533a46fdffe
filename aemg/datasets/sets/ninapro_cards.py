"""Ninapro's databases: what each holds, how its electrodes sit, how its files are named and numbered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aemg.datasets.base import DatasetInfo, Origin
from aemg.datasets.sets.ninapro_movements import (
    DB6_CODES,
    DB6_GRASPS,
    DB8_MOVEMENTS,
    FINGERS,
    FORCES,
    GRASPS,
    HAND_AND_WRIST,
    MEGANE_GRASPS,
    REST,
    Movements,
)
from aemg.signals import Electrode, ElectrodeGroup, Montage

Numberings = tuple[Mapping[int, str], ...]
"""Ways to number an exercise's movements, the documented one first."""

RADIO_HUMERAL_DEG: Final = 200.0
"""Where the radio-humeral joint is felt, between the radius and the extensors; half a site is not known better."""

_FINGER_MUSCLES: Final = (Electrode("FDS", 75.0, 0.4, "FDS"), Electrode("EDC", 270.0, 0.4, "EDC"))
_UPPER_ARM: Final = (Electrode("BB", 90.0, -0.5, "BB"), Electrode("TB", 300.0, -0.5, "TB"))


@dataclass(frozen=True)
class Database:
    """One database in the common format.

    Args:
        info: the card.
        montage: of the electrodes, in the order of `columns`.
        columns: of `emg` that hold electrodes; widths: how many columns it may have.
        file: name of a file, with groups subject, and exercise, acquisition, or day and time; hint: the same in words.
        exercises: how the movements of every exercise are numbered.
        targets: what else is read, and how many columns it has.
        sensor: what the file calls the device, where it does.
        band_hz: as in `Recording`.
    """

    info: DatasetInfo
    montage: Montage
    columns: tuple[int, ...]
    widths: tuple[int, ...]
    file: re.Pattern[str]
    hint: str
    exercises: Mapping[int, Numberings]
    targets: Mapping[str, int] = field(default_factory=dict)
    sensor: str = ""
    band_hz: tuple[float, float] | None = None
    origins: tuple[Origin, ...] = ()


def array(n: int, *, start_deg: float = RADIO_HUMERAL_DEG, position: float, first: int = 1) -> ElectrodeGroup:
    """`n` electrodes evenly around the forearm, from `start_deg` in the direction of pronation (falling angle)."""
    step = 360.0 / n
    electrodes = (Electrode(f"{first + i}", (start_deg - i * step) % 360.0, position) for i in range(n))
    return ElectrodeGroup("ring", tuple(electrodes), step)


def numbered(movements: Movements, first: int = 1) -> dict[int, str]:
    """The movements numbered in order."""
    return dict(enumerate(movements, start=first))


def _info(number: int, title: str, movements: Movements, *, notes: tuple[str, ...], **facts: Any) -> DatasetInfo:
    """A card with what all databases have in common."""
    card = DatasetInfo(
        name=f"ninapro-db{number}",
        title=f"Ninapro DB{number}, {title}",
        kind="raw",
        unit="V",
        rate_hz=2000.0,
        channels=12,
        labels=(*REST, *movements),
        own_labels=(*REST.values(), *movements.values()),
        licence=_RESEARCH,
        permissive=False,
        homepage=f"https://ninapro.hevs.ch/instructions/DB{number}.html",
        subjects=0, device="", montage="", citation="",
    )  # fmt: skip
    return replace(card, notes=(*notes, *_NOTES), **facts)


_RESEARCH: Final = "none stated: free for research that cites it (check ninapro.hevs.ch)"
_NOTES: Final = (
    "Labels are the relabelled ones; rest belongs to the repetition before it, rest before the first to that one.",
    "Labels that are longer or shorter than the EMG are cut off or leave its end without label.",
    "Subject and exercise are told by the file's name: the numbers inside the files are sometimes others.",
    "Columns of zeros only are taken for missing electrodes and left out of signal and montage.",
    "Whether its people also took part in other databases of Ninapro is not documented: never take two for disjoint.",
)
_GLOVE: Final = "The target glove holds the data glove's raw values, at 100 Hz, in the sensors' order."
_ATZORI: Final = (
    "Atzori M. et al., Electromyography data for non-invasive naturally-controlled robotic hand prostheses, Scientific Data "
    "1:140053, 2014, doi:10.1038/sdata.2014.53"
)
_PIZZOLATO: Final = (
    "Pizzolato S. et al., Comparison of six electromyography acquisition setups on hand movement classification tasks, PLoS ONE "
    "12(10):e0186132, 2017, doi:10.1371/journal.pone.0186132"
)
_TRIGNO: Final = "Delsys Trigno Wireless, double differential electrodes"
_AROUND: Final = (
    "8 evenly spaced around the forearm at the radio-humeral joint, the first at the joint (the direction is not documented, "
    "that of pronation is assumed)"
)
_TWELVE: Final = f"{_AROUND}; flexor digitorum superficialis, extensor digitorum communis; biceps, triceps"
_MONTAGE_10: Final = Montage("ninapro-10", (array(8, position=0.1), ElectrodeGroup("targeted", _FINGER_MUSCLES, 45.0)))
_MONTAGE_12: Final = Montage(
    "ninapro-12", (array(8, position=0.1), ElectrodeGroup("targeted", (*_FINGER_MUSCLES, *_UPPER_ARM), 45.0))
)
_EXERCISES_52: Final = {
    1: (numbered(FINGERS),),
    2: (numbered(HAND_AND_WRIST), numbered(HAND_AND_WRIST, 13)),
    3: (numbered(GRASPS), numbered(GRASPS, 30)),
}
_EXERCISES_49: Final = {
    1: (numbered(HAND_AND_WRIST),),
    2: (numbered(GRASPS, 18), numbered(GRASPS)),
    3: (numbered(FORCES, 41), numbered(FORCES)),
}
_E_A: Final = re.compile(r"S(?P<subject>\d+)_E(?P<exercise>[123])_A1\.mat")
_A_E: Final = re.compile(r"S(?P<subject>\d+)_A1_E(?P<exercise>[123])\.mat")
_EITHER: Final = re.compile(r"S(?P<subject>\d+)_(A1_)?E(?P<exercise>[123])(?(2)|_A1)\.mat")
_ISOMETRIC: Final = (
    "Exercise 3 is pressing with fingers against force sensors, isometrically; its labels are those of the same fingers' "
    "movements, its target force is raw."
)


def _from_host(folder: str, files: Iterable[str], size_gb: float | None = None) -> tuple[Origin, ...]:
    return (Origin("url", f"https://ninapro.hevs.ch/files/{folder}", size_gb, tuple(files)),)


DB1: Final = Database(
    _info(
        1, "52 movements, 10 electrodes (envelopes)", {**FINGERS, **HAND_AND_WRIST, **GRASPS},
        subjects=27, channels=10, rate_hz=100.0, unit="arbitrary", kind="envelope", citation=_ATZORI,
        device="Otto Bock MyoBock 13E200, rectified and smoothed in the electrode, 100 Hz",
        montage=f"{_AROUND}; flexor digitorum superficialis, extensor digitorum communis",
        notes=(
            "Not raw EMG but its envelope, so that it is not fit for pre-training.",
            "Movements are numbered from 1 in every exercise.", _GLOVE,
        ),
    ),
    _MONTAGE_10, tuple(range(10)), (10,), _A_E, "S<subject>_A1_E<exercise>.mat", _EXERCISES_52, {"glove": 22},
    origins=_from_host("DB1/Preprocessed", (f"s{n}.zip" for n in range(1, 28))),
)  # fmt: skip
DB2: Final = Database(
    _info(
        2, "49 movements, 12 electrodes", {**HAND_AND_WRIST, **GRASPS, **FORCES},
        subjects=40, device=_TRIGNO, montage=_TWELVE, citation=_ATZORI, hours=28.8,
        notes=(
            "6 repetitions, although the web page says 10; usually 1, 3, 4 and 6 train and 2 and 5 test.",
            "Mains at 50 Hz were filtered out.", _ISOMETRIC, _GLOVE,
            "A copy at Dryad is said to be CC0-1.0 (check).",
        ),
    ),
    _MONTAGE_12, tuple(range(12)), (12,), _E_A, "S<subject>_E<exercise>_A1.mat", _EXERCISES_49, {"glove": 22, "force": 6},
    origins=_from_host("DB2_Preproc", (f"DB2_s{n}.zip" for n in range(1, 41)), 19.0),
)  # fmt: skip
DB3: Final = Database(
    _info(
        3, "transradial amputees, 49 movements, 12 electrodes", {**HAND_AND_WRIST, **GRASPS, **FORCES},
        subjects=11, device=_TRIGNO, montage=f"{_TWELVE}; on the remaining limb", citation=_ATZORI, hours=7.6,
        notes=(
            "Amputees: movements are those imagined, and angles hold only as far as the remaining limb has its muscles.",
            "Not all did all movements (1: 39, 3: 48, 10: 42); 6 repetitions.",
            "Subjects 6 and 7 wore 10 electrodes; where a file has but 10 columns, those of the upper arm are taken as missing.",
            _ISOMETRIC, _GLOVE, "A copy at Dryad (S<subject>_A1_E<exercise>.mat) is said to be CC0-1.0 (check).",
        ),
    ),
    _MONTAGE_12, tuple(range(12)), (10, 12), _EITHER, "S<subject>_E<exercise>_A1.mat or S<subject>_A1_E<exercise>.mat",
    _EXERCISES_49, {"glove": 22, "force": 6}, origins=_from_host("db3_Preproc", (f"s{n}_0.zip" for n in range(1, 12)), 2.8),
)  # fmt: skip
DB4: Final = Database(
    _info(
        4, "52 movements, 12 electrodes", {**FINGERS, **HAND_AND_WRIST, **GRASPS},
        subjects=10, unit="arbitrary", citation=_PIZZOLATO, hours=7.6, licence="CC-BY-ND-4.0",
        device="Cometa active wireless electrodes, 2000 Hz", montage=_TWELVE,
        notes=("Values are raw counts.", "Movements are numbered from 1 in every exercise; 6 repetitions."),
    ),
    _MONTAGE_12, tuple(range(12)), (12,), _E_A, "S<subject>_E<exercise>_A1.mat", _EXERCISES_52, sensor="Cometa",
    origins=_from_host("DB4_Preproc", (f"s{n}.zip" for n in range(1, 11))),
)  # fmt: skip
DB5: Final = Database(
    _info(
        5, "52 movements, two Myo bands", {**FINGERS, **HAND_AND_WRIST, **GRASPS},
        subjects=10, channels=16, rate_hz=200.0, unit="arbitrary", citation=_PIZZOLATO, hours=8.8, licence="CC-BY-ND-4.0",
        device="two Thalmic Myo armbands, 16 dry bipolar channels, 200 Hz",
        montage="two rings of 8, the upper's first electrode at the radio-humeral joint, the lower next to it towards the wrist "
        "and turned by 22.5 degrees (which way is not documented)",
        notes=(
            "Values are counts of 8 bits; nothing lies above 100 Hz.",
            "Movements are numbered from 1 in every exercise; 6 repetitions.", _GLOVE,
        ),
    ),
    Montage("ninapro-myos", (array(8, position=0.1), array(8, start_deg=RADIO_HUMERAL_DEG - 22.5, position=0.3, first=9))),
    tuple(range(16)), (16,), _E_A, "S<subject>_E<exercise>_A1.mat", _EXERCISES_52, {"glove": 22}, sensor="Double Myo",
    origins=(
        Origin("zenodo", "1000116", 0.19, ("s*.zip",)), *_from_host("DB5_Preproc", (f"s{n}.zip" for n in range(1, 11)), 0.19),
    ),
)  # fmt: skip
DB6: Final = Database(
    _info(
        6, "7 grasps on 5 days", DB6_GRASPS,
        subjects=10, channels=14, device=_TRIGNO, hours=19.7,
        montage=f"{_AROUND}; 6 more distal, taken as evenly spaced, for their places are not documented",
        citation="Palermo F. et al., Repeatability of grasp recognition for robotic hand prosthesis control based on sEMG data, "
        "IEEE ICORR 2017, doi:10.1109/ICORR.2017.8009405",
        notes=(
            "Two of the 16 columns, 9 and 10, are empty and left out.",
            "A session is a day and a time of it (D1T1: the first morning), 12 repetitions each; files are named by them.",
            "Which grasp a code (1, 3, 4, 6, 9, 10, 11) stands for is not documented, so that labels keep the codes.",
            "S2_D2_T2 breaks off after the first grasp, and S9_D1_T1 has one more column of zeros.",
        ),
    ),
    Montage("ninapro-db6", (array(8, position=0.1), array(6, start_deg=RADIO_HUMERAL_DEG - 22.5, position=0.3, first=9))),
    (*range(8), *range(10, 16)), (16,), re.compile(r"S(?P<subject>\d+)_D(?P<day>[1-5])_T(?P<time>[12])\.mat"),
    "S<subject>_D<day>_T<time>.mat", {1: (dict(zip(DB6_CODES, DB6_GRASPS)),)},
    origins=_from_host("DB6_Preproc", (f"DB6_s{n}_{half}.zip" for n in range(1, 11) for half in "ab"), 20.0),
)  # fmt: skip
DB7: Final = Database(
    _info(
        7, "40 movements, 12 electrodes, 20 people and 2 amputees", {**HAND_AND_WRIST, **GRASPS},
        subjects=22, device=f"{_TRIGNO} with inertial units", hours=13.4,
        montage=f"{_TWELVE}; the order is taken to be DB2's",
        citation="Krasoulis A. et al., Improved prosthetic hand control with concurrent use of myoelectric and inertial "
        "measurements, Journal of NeuroEngineering and Rehabilitation 14:71, 2017, doi:10.1186/s12984-017-0284-4",
        notes=("Subjects 21 and 22 are amputees; 21 did 38 movements.", "Files are about 1 GB large; 6 repetitions.", _GLOVE),
    ),
    _MONTAGE_12, tuple(range(12)), (12,), _E_A, "S<subject>_E<exercise>_A1.mat",
    {exercise: _EXERCISES_49[exercise] for exercise in (1, 2)}, {"glove": 18},
    origins=_from_host("DB7_Preproc", (f"Subject_{n}.zip" for n in range(1, 23)), 35.0),
)  # fmt: skip
DB8: Final = Database(
    _info(
        8, "finger positions, two rings of 8, 10 people and 2 amputees", DB8_MOVEMENTS,
        subjects=12, channels=16, device=f"{_TRIGNO} with inertial units, sampled at 1111 Hz", hours=8.5,
        montage="two rings of 8 around the right forearm, 3 and 5.5 cm below the elbow, turned by an unknown angle; the first 8 "
        "columns are taken for the upper",
        citation="Krasoulis A., Vijayakumar S., Nazarpour K., Effect of user practice on prosthetic finger control with an "
        "intuitive myoelectric decoder, Frontiers in Neuroscience 13:891, 2019, doi:10.3389/fnins.2019.00891",
        notes=(
            "Sampled at 1111 Hz and stored at 2000: nothing lies above 555 Hz.",
            "Made for regression of the target glove (18 sensors, raw, at 100 Hz); its stretches of NaN have no position.",
            "Movements go to and fro, in 10, 10 and 2 repetitions of three acquisitions, numbered here from 1 to 22; the third, "
            "21 and 22, is meant for testing.",
            "Subjects 11 and 12 are amputees with 13 and 12 sensors.",
        ),
    ),
    Montage("ninapro-db8", (array(8, position=0.12), array(8, position=0.22, first=9))),
    tuple(range(16)), (16,), re.compile(r"S(?P<subject>\d+)_E1_A(?P<acquisition>[123])\.mat"),
    "S<subject>_E1_A<acquisition>.mat", {1: (numbered(DB8_MOVEMENTS),)}, {"glove": 18}, band_hz=(0.0, 555.0),
    origins=_from_host("DB8", (f"S{n}_E1_A{a}.mat" for n in range(1, 13) for a in (1, 2, 3))),
)  # fmt: skip
DATABASES: Final = (DB1, DB2, DB3, DB4, DB5, DB6, DB7, DB8)
"""All in the common format."""

MEGANE: Final = _info(
    10, "MeganePro, 10 grasps, 30 people and 15 amputees", MEGANE_GRASPS,
    subjects=45, rate_hz=1926.0, device=f"{_TRIGNO}, 1926 Hz",
    montage="8 evenly spaced around the forearm, from the radio-humeral joint in the direction of pronation; 4 about 45 mm more "
    "distal, in the gaps behind the first, third, fifth and seventh",
    licence="check at doi:10.7910/DVN/1Z3IOM",
    citation="Cognolato M. et al., Gaze, visual, myoelectric, and inertial data of grasps for intelligent prosthetics, "
    "Scientific Data 7:43, 2020, doi:10.1038/s41597-020-0380-3",
    notes=(
        "Only exercise 1 of MDS1 is read: MDS2 and MDS4 are envelopes at 100 Hz, and the files named orig hold no EMG.",
        "Recording paused between tasks: every stretch of 0.1 s or more between two pauses is a recording of its own.",
        "Subjects 24 (no electrode 8), 39, 115 (7 proximal ones, taken for the first 7) and 108 (no distal ones) lack some.",
        "Subjects 101 to 115 are amputees.",
        "Trials 1 to 24 are static grasps as the files number them, dynamic tasks are numbered from 25; what was shown on a film "
        "first, and has no positive number, is without label.",
    ),
)  # fmt: skip
