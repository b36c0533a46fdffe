"""Electrodes' coordinates around a forearm, as EMG-BIDS gives them, to and from angles and positions.

The frame is the one that the EMG-BIDS standard uses for a forearm, in percent: x from the radial to the ulnar styloid
process, y from the olecranon (dorsal) to the cubital fossa (volar), z from the wrist to the elbow. With the centre at
(50, 50) its angles are those of `aemg.signals`: 0 over the ulna, 90 volar, 180 over the radius.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

SPACE, TURNED_SPACE = "forearm", "turnedForearm"
_AXES: Final = (
    "x: radial styloid process (RSP) → ulnar styloid process (USP); y: olecranon process → cubital fossa; "
    "z: midpoint of RSP and USP → lateral humerus epicondyle (LHE). Coordinates lie on a circle about (50, 50)"
)
_TURNED: Final = (
    "; the device was worn turned by an unknown angle: x and y give the electrodes' angles relative to each other only"
)
_CIRCUMFERENCE_MM: Final = 260.0
_LENGTH_MM: Final = 250.0
_MILLIMETRES: Final = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def coordinate_system(angle_known: bool) -> dict[str, Any]:
    """The content of a *_coordsystem.json of the frame."""
    return {
        "EMGCoordinateSystem": "Other",
        "EMGCoordinateUnits": "percent",
        "EMGCoordinateSystemDescription": _AXES + ("" if angle_known else _TURNED),
    }


def coordinates(angle_deg: float, position: float) -> tuple[float, float, float]:
    """x, y and z in percent of an electrode at an angle and a position along the limb (0 elbow, 1 wrist)."""
    turn = math.radians(angle_deg)
    return 50 + 50 * math.cos(turn), 50 + 50 * math.sin(turn), 100 * (1 - position)


def is_anatomical(system: dict[str, Any]) -> bool:
    """Does a coordinate system state the frame with its angles measured from the anatomy?"""
    said = str(system.get("EMGCoordinateSystemDescription", "")).lower()
    x = re.search(r"\bx\W[^;]*(radial styloid|\brsp\b)[^;]*(→|->|to)[^;]*(ulnar styloid|\busp\b)", said)
    y = re.search(r"\by\W[^;]*ole[a-z]*non[^;]*(→|->|to)[^;]*cubital fossa", said)
    return units_of(system) == "percent" and x is not None and y is not None and "unknown angle" not in said


def units_of(system: dict[str, Any]) -> str:
    """In what a coordinate system measures; both spellings of the key that the standard's pages use."""
    return str(system.get("EMGCoordinateUnits", system.get("EMGCoordinateSystemUnits", "n/a")))


def places(
    xyz: NDArray[np.float64], units: str
) -> tuple[Literal["ring", "grid"], NDArray[np.float64], NDArray[np.float64]] | None:
    """What a device is, the angles (C,) in degrees and the positions (C,) of its electrodes at xyz (C, 3).

    Percent lies about (50, 50). Lengths that lie on a circle are a ring's, others a grid's, x around a limb of 260 mm and
    y along one of 250 mm; their angles count from the first electrode. None where neither is to be had.
    """
    if units == "percent":
        along = np.round(np.where(np.isfinite(xyz[:, 2]), 1 - xyz[:, 2] / 100, 0.25), 9)
        off_centre = np.hypot(*(xyz[:, :2] - 50.0).T).min() > 0
        return ("ring", _angles(xyz[:, :2] - 50.0), np.clip(along, 0.0, 1.0)) if off_centre else None
    if units not in _MILLIMETRES or not np.ptp(xyz[:, :2], axis=0).any():
        return None
    flat = xyz[:, :2] * _MILLIMETRES[units]
    centre, radius = _circle(flat)
    off = np.abs(np.hypot(*(flat - centre).T) - radius).max() if math.isfinite(radius) else math.inf
    if len(flat) > 3 and off < 0.15 * radius and _widest_gap_deg(_angles(flat - centre)) < 180:
        angles = _angles(flat - centre)
        return "ring", (angles - angles[0]) % 360, np.full(len(flat), 0.25)
    around, along = (flat - flat.mean(axis=0)).T
    angles = around * 360 / _CIRCUMFERENCE_MM
    return "grid", (angles - angles[0]) % 360, np.clip(0.5 - along / _LENGTH_MM, 0.0, 1.0)


def _angles(flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles of points (C, 2) about the origin in [0, 360), rounded so that exact ones come back."""
    turned: NDArray[np.float64] = np.degrees(np.arctan2(flat[:, 1], flat[:, 0]))
    return np.round(turned, 6) % 360


def _circle(flat: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the circle nearest to points (C, 2) in the least squares sense (Kasa 1976)."""
    shift = flat.mean(axis=0)
    points = flat - shift
    equations = np.column_stack([2 * points, np.ones(len(points))])
    solved, *_ = np.linalg.lstsq(equations, (points**2).sum(axis=1), rcond=None)
    return solved[:2] + shift, float(np.sqrt(max(solved[2] + (solved[:2] ** 2).sum(), 0.0)))


def _widest_gap_deg(angles: NDArray[np.float64]) -> float:
    ordered = np.sort(angles)
    return float(np.diff(np.append(ordered, ordered[0] + 360)).max())
