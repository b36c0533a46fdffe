"""The hand as line segments, for drawing without a display or meshes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.hand.kinematics import chain_of, pose
from aemg.simulation.hand.model import FINGERS, Hand

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Skeleton:
    """Points of a hand and the bones between them.

    Args:
        names: of the points: "elbow", "wrist", then of each finger "FINGER 0" at its root to "FINGER 3" at its tip.
        bones: (B, 2) indices of the points at a bone's ends.
        finger: (B,) index into `Hand.fingers` of each bone, -1 for the forearm.
    """

    names: tuple[str, ...]
    bones: NDArray[np.intp]
    finger: NDArray[np.intp]


_POINTS = 4  # of a finger: two joints more than its root, and its tip

SKELETON = Skeleton(
    names=("elbow", "wrist", *(f"{finger} {i}" for finger in FINGERS for i in range(_POINTS))),
    bones=np.array(
        [(0, 1)]
        + [(2 + _POINTS * f + i - 1 if i else 1, 2 + _POINTS * f + i) for f in range(len(FINGERS)) for i in range(_POINTS)]
    ),
    finger=np.array([-1] + [f for f in range(len(FINGERS)) for _ in range(_POINTS)]),
)


def skeleton(hand: Hand, q: NDArray[np.floating], scale: float = 1.0) -> Floats:
    """Places of the points of `SKELETON` for given joint angles.

    Args:
        q: (N, nq) in radians.
        scale: size of the hand.

    Returns:
        (N, 22, 3) in metres: x runs from the wrist to the fingers, y to the thumb's side and z out of the back of the
        hand, whose palm lies level when no joint is turned. The wrist is the origin.
    """
    chain, frame = chain_of(hand), _frame(hand)
    angles = np.ascontiguousarray(q, np.float64)
    x, r = np.zeros((len(chain.parent), 3)), np.zeros((len(chain.parent), 3, 3))
    axis, anchor, tips = (np.zeros((n, 3)) for n in (len(hand.joints), len(hand.joints), len(hand.fingers)))
    points = np.empty((len(angles), len(SKELETON.names), 3))
    joints = [hand.finger_joints(finger) for finger in hand.fingers]
    origin, basis, forearm = frame
    for n, row in enumerate(angles):
        pose(chain, row, x, r, axis, anchor, tips)
        points[n, 0], points[n, 1] = origin - forearm * basis[0], origin
        for f, own in enumerate(joints):
            at = 2 + _POINTS * f
            points[n, at : at + 3], points[n, at + 3] = anchor[own], tips[f]
    return np.asarray(scale * (points - origin) @ basis.T)


def _frame(hand: Hand) -> tuple[Floats, Floats, float]:
    """The wrist's place, axes to fingers, thumb and back of the hand as rows, and the length of the forearm drawn."""
    chain = chain_of(hand)
    x, r = np.zeros((len(chain.parent), 3)), np.zeros((len(chain.parent), 3, 3))
    axis, anchor, tips = (np.zeros((n, 3)) for n in (len(hand.joints), len(hand.joints), len(hand.fingers)))
    pose(chain, np.zeros(len(hand.joints)), x, r, axis, anchor, tips)
    roots = np.array([anchor[hand.finger_joints(finger)[0]] for finger in hand.fingers])
    along = _unit(tips[2] - roots[2])
    across = roots[1] - roots[4]
    across = _unit(across - (across @ along) * along)
    length = float(np.linalg.norm(tips[2] - roots[2]))
    wrist = roots[2] - 0.85 * length * along
    return wrist, np.stack([along, across, np.cross(along, across)]), 1.6 * length


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))
