"""EMG-EPN-612 as its people's JSON files hold it, which MATLAB's jsonencode wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GESTURES = ("noGesture", "fist", "waveIn", "waveOut", "open", "pinch")


def counts(number: int, channel: int, rows: int) -> list[int]:
    """Row t of channel c (from 0) of sample n is t + 10 c + n, wrapped into -128..127."""
    return [(row + 10 * channel + number + 128) % 256 - 128 for row in range(rows)]


def sample(
    number: int, gesture: str | None, rows: int = 1000, marks: Sequence[int] | None = (201, 400), **over: Any
) -> dict[str, Any]:
    """A sample: labels only where there is a gesture, marks only where that is not noGesture."""
    content: dict[str, Any] = {"startPointforGestureExecution": 200}
    if gesture is not None:
        content["gestureName"] = gesture
        if gesture != "noGesture" and marks is not None:
            content["groundTruthIndex"] = list(marks)
            content["groundTruth"] = [int(marks[0] <= row <= marks[1]) for row in range(1, rows + 1)]
    quarter = rows // 4
    content["emg"] = {f"ch{c + 1}": counts(number, c, rows) for c in range(8)}
    content["myoDetection"] = [0] * quarter
    for name, axes in (("quaternion", "wxyz"), ("gyroscope", "xyz"), ("accelerometer", "xyz")):
        content[name] = {axis: [0.5] * quarter for axis in axes}
    return {**content, **over}


def samples(gestures: Sequence[str | None], rows: int = 60, first: int = 1) -> dict[str, Any]:
    """idx_1, idx_2, ... with these gestures."""
    marks = (rows // 5 + 1, rows // 5 * 3)
    return {
        f"idx_{number}": sample(number, gesture, rows + number, marks) for number, gesture in enumerate(gestures, start=first)
    }


def write_user(
    root: Path,
    user: int = 1,
    part: str = "training",
    *,
    training: Any = None,
    testing: Any = None,
    **over: Any,
) -> Path:
    """A user's file below `root`, with the users' own folders around it."""
    content = {
        "generalInfo": {
            "deviceModel": "Myo Armband", "samplingFrequencyInHertz": 200, "recordingTimeInSeconds": 5,
            "repetitionsForSynchronizationGesture": 5,
            "myoPredictionLabel": {name: code for code, name in enumerate(GESTURES)},
        },
        "userInfo": {"name": f"user{user}", "age": 0, "gender": "man", "ethnicGroup": "private", "handedness": "right_Handed"},
        "synchronizationGesture": {"samples": {"idx_1": sample(0, None, 8)}},
        "trainingSamples": samples(GESTURES) if training is None else training,
        "testingSamples": samples(GESTURES if part == "training" else [None] * 6) if testing is None else testing,
    }  # fmt: skip
    path = root / "EMG-EPN612 Dataset" / f"{part}JSON" / f"user{user}" / f"user{user}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**content, **over}, separators=(",", ":")))
    return path


def write_set(root: Path) -> Path:
    """Two people of trainingJSON, of whom the second is empty, and one of testingJSON, whose testingSamples have no label."""
    write_user(root, 1)
    write_user(root, 2, training=[], testing=[])
    write_user(root, 1, "testing")
    return root


WRITERS = {"emg-epn-612": write_set}
