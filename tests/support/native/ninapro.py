"""Writers of small Ninapro files: variables, types, folders and names as published, with known content.

Every movement of an exercise comes `REPETITIONS` times, `MOVE` samples long, with `REST` samples of rest around each.
The relabelled codes lag `LAG` samples behind the cue. Sample t of column c of emg is (100 (c + 1) + t % 50) times the unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

REPETITIONS, MOVE, REST, LAG = 2, 20, 10, 4
COLUMNS = {1: 10, 2: 12, 3: 12, 4: 12, 5: 16, 6: 16, 7: 12, 8: 16, 10: 12}
UNIT = {1: 0.0024, 2: 1e-6, 3: 1e-6, 4: 1.0, 5: 0.05, 6: 1e-6, 7: 1e-6, 8: 1e-6, 10: 1e-6}
_COUNTS_52 = {1: range(1, 13), 2: range(1, 18), 3: range(1, 24)}
_COUNTS_49 = {1: range(1, 18), 2: range(18, 41), 3: range(41, 50)}
CODES = {1: _COUNTS_52, 2: _COUNTS_49, 3: _COUNTS_49, 4: _COUNTS_52, 5: _COUNTS_52, 7: {1: range(1, 18), 2: range(18, 41)}}
DB6_CODES = (1, 3, 4, 6, 9, 10, 11)


def labels(codes: Iterable[int], repetitions: int = REPETITIONS) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    """Codes and repetitions (T, 1), both 0 at rest."""
    pairs = [(0, 0)] * REST
    for code in codes:
        for repetition in range(1, repetitions + 1):
            pairs += [(code, repetition)] * MOVE + [(0, 0)] * REST
    found = np.array(pairs, dtype=np.int8)
    return found[:, :1], found[:, 1:]


def emg(number: int, rows: int) -> NDArray[np.floating]:
    """(T, C) samples of database `number`."""
    samples = (100.0 * (np.arange(COLUMNS[number]) + 1) + (np.arange(rows) % 50)[:, None]) * UNIT[number]
    if number == 6:
        samples[:, 8:10] = 0.0
    return samples.astype(np.float64 if number == 1 else np.float32)


def glove(rows: int, sensors: int) -> NDArray[np.float32]:
    """(T, D) raw values: sensor d starts at 10 d and grows by one each sample."""
    return (10.0 * np.arange(sensors) + np.arange(rows)[:, None]).astype(np.float32)


def content(number: int, codes: Iterable[int], subject: int = 1, exercise: int = 1, repetitions: int = REPETITIONS) -> dict:
    """The variables of a file of DB1 to DB8, in the published order and types."""
    restimulus, rerepetition = labels(codes, repetitions)
    rows = len(restimulus)
    cue = {"stimulus": np.roll(restimulus, -LAG), "repetition": np.roll(rerepetition, -LAG)}
    shared = {**cue, "restimulus": restimulus, "rerepetition": rerepetition}
    told = {"subject": np.uint8(subject), "exercise": np.uint8(exercise)}
    inertial = partial(np.zeros, dtype=np.float32)
    signal = emg(number, rows)
    if number == 1:
        return {"emg": signal, "glove": glove(rows, 22).astype(float), **shared, **told}
    if number in (2, 3):
        pressed = {"force": glove(rows, 6), "forcecal": np.ones((2, 6))} if exercise == 3 else {}
        worn = {"acc": inertial((rows, 36)), "glove": glove(rows, 22), "inclin": inertial((rows, 2))}
        return {**told, "emg": signal, **worn, **pressed, **shared}
    if number in (4, 5):
        person = {"age": np.uint8(30), "gender": "m", "height": 180.0, "weight": 75.0, "circumference": 27.0}
        device = {"frequency": np.uint16(2000 if number == 4 else 200), "laterality": "r"}
        sensor = {"sensor": "Cometa" if number == 4 else "Double Myo"}
        rotated = {"exercise": np.uint8(exercise % 3 + 1)} if number == 4 else {}
        worn = {"acc": inertial((rows, 3)), "glove": glove(rows, 22)} if number == 5 else {}
        return {"emg": signal, **worn, **shared, **told, **rotated, **device, **sensor, **person}
    if number == 6:
        objects = dict.fromkeys(("repetition_object", "object", "reobject"), restimulus)
        return {"emg": signal, "acc": inertial((rows, 48)), **shared, **objects, "subj": np.uint8(subject)}
    units = 36 if number == 7 else 48
    worn = {name: inertial((rows, units)) for name in ("acc", "gyro", "mag")}
    return {"emg": signal, **worn, "glove": glove(rows, 18), **shared, **told}


def save(path: Path, variables: dict) -> Path:
    """A compressed MATLAB v5 file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)
    return path


def write_exercise(root: Path, number: int, subject: int = 1, exercise: int = 1, /, **over: object) -> Path:
    """A subject's exercise of DB1 to DB5 or DB7, in the folder that its archive holds; `over` replaces variables."""
    folder = {1: "s{}", 2: "DB2_s{}", 3: "DB3_s{}", 4: "s{}", 5: "s{}", 7: "Subject_{}"}[number].format(subject)
    name = f"S{subject}_A1_E{exercise}.mat" if number == 1 else f"S{subject}_E{exercise}_A1.mat"
    return save(root / folder / name, {**content(number, CODES[number][exercise], subject, exercise), **over})


def write_db6(root: Path, subject: int = 1, day: int = 1, time: int = 1, /, **over: object) -> Path:
    """A subject's session of DB6."""
    variables = {**content(6, DB6_CODES, subject), "daytesting": np.uint8(day), "time": np.uint8(time), **over}
    return save(root / f"DB6_s{subject}_{'a' if day < 4 else 'b'}" / f"S{subject}_D{day}_T{time}.mat", variables)


def write_db8(root: Path, subject: int = 1, acquisition: int = 1, /, **over: object) -> Path:
    """A subject's acquisition of DB8; rows 15 to 24 of the glove are NaN."""
    variables = content(8, range(1, 10), subject + 90 if subject > 10 else subject)
    variables["glove"][15:25] = np.nan
    return save(root / f"S{subject}_E1_A{acquisition}.mat", {**variables, **over})


def megane(pauses: Iterable[int] = (), columns: int = 12) -> dict:
    """The variables of a file of DB10: static grasps, then the first two of them as dynamic tasks; 100 s of pause before each row
    of `pauses`."""
    static, dynamic = labels(range(1, 11)), labels((1, 2))
    grasp, repetition = (np.concatenate(both) for both in zip(static, dynamic))
    rows = len(grasp)
    steps = np.full(rows, 1 / 1926)
    steps[list(pauses)] += 100.0
    codes = {"grasp": grasp, "grasprepetition": repetition, "object": grasp, "objectpart": grasp}
    codes |= {"objectrepetition": repetition, "position": np.zeros_like(grasp)}
    codes |= {"dynamic": (np.arange(rows)[:, None] >= len(static[0])).astype(np.int8)}
    cues = {name: np.roll(values, -LAG) for name, values in codes.items()}
    gaze = {"gazepoint": np.zeros((rows, 2)), "gazepoint_invalid": np.zeros((rows, 1), np.int8)}
    moved = {"tobiiacc": np.zeros((rows, 3)), "tobiigyr": np.zeros((rows, 3)), "acc": np.zeros((rows, 36), np.float32)}
    relabelled = {f"re{name}": values for name, values in codes.items()}
    return {"ts": 5.0 + np.cumsum(steps)[:, None], "emg": emg(10, rows)[:, :columns], **moved, **gaze, **cues, **relabelled}


def write_megane(root: Path, subject: int = 10, pauses: Iterable[int] = (), columns: int = 12, **over: object) -> Path:
    """A subject's file of DB10, and one without EMG beside it."""
    variables = {**megane(pauses, columns), **over}
    save(root / "MDS1" / f"S{subject:03d}_ex1_orig.mat", {"ts": variables["ts"]})
    return save(root / "MDS1" / f"S{subject:03d}_ex1.mat", variables)


def write_small_set(root: Path, number: int) -> Path:
    """Two subjects of a database, every movement."""
    for subject in (10, 11) if number == 10 else (1, 2):
        if number == 10:
            write_megane(root, subject, pauses=(200,))
        elif number == 6:
            for day, time in ((1, 1), (1, 2), (4, 1)):
                write_db6(root, subject, day, time)
        elif number == 8:
            for acquisition in (1, 2, 3):
                write_db8(root, subject, acquisition)
        else:
            for exercise in CODES[number]:
                write_exercise(root, number, subject, exercise)
    return root


WRITERS: dict[str, Callable[[Path], Path]] = {
    f"ninapro-db{number}": partial(write_small_set, number=number) for number in COLUMNS
}
