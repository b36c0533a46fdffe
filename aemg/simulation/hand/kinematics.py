"""Fingertips from joint angles: the forward kinematics of the hand alone, a hundredth of a step of the physics."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from aemg.simulation.hand.model import Hand

Floats = NDArray[np.float64]


class Chain(NamedTuple):
    """The tree of bodies as flat arrays: body 0 is the world, parents precede children, every joint is a hinge.

    The joints that move tip f are `tip_joints[f, : tip_count[f]]`.
    """

    parent: NDArray[np.int64]
    position: Floats
    rotation: Floats
    first_joint: NDArray[np.int64]
    joints: NDArray[np.int64]
    axis: Floats
    anchor: Floats
    reference: Floats
    tip_body: NDArray[np.int64]
    tip: Floats
    tip_joints: NDArray[np.int64]
    tip_count: NDArray[np.int64]


def chain_of(hand: Hand) -> Chain:
    """The kinematic tree of a hand, ending in its five fingertips."""
    model = hand.model
    tip_body = model.site_bodyid[hand.tip_sites].astype(np.int64)
    movers = [_movers(model.body_parentid, model.jnt_bodyid, int(body)) for body in tip_body]
    tip_joints = np.zeros((len(movers), max(map(len, movers))), np.int64)
    for row, joints in zip(tip_joints, movers):
        row[: len(joints)] = joints
    return Chain(
        parent=model.body_parentid.astype(np.int64),
        position=model.body_pos.copy(),
        rotation=_matrices(model.body_quat),
        first_joint=model.body_jntadr.astype(np.int64),
        joints=model.body_jntnum.astype(np.int64),
        axis=model.jnt_axis.copy(),
        anchor=model.jnt_pos.copy(),
        reference=model.qpos0.copy(),
        tip_body=tip_body,
        tip=model.site_pos[hand.tip_sites].copy(),
        tip_joints=tip_joints,
        tip_count=np.array([len(joints) for joints in movers]),
    )


def _movers(parent: NDArray[np.int32], joint_body: NDArray[np.int32], body: int) -> NDArray[np.intp]:
    above = []
    while body:
        above.append(body)
        body = int(parent[body])
    return np.flatnonzero(np.isin(joint_body, above))


def _matrices(quaternions: Floats) -> Floats:
    w, x, y, z = quaternions.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.ascontiguousarray(np.moveaxis(np.array(rows), 2, 0))


@njit(cache=True, nogil=True)
def pose(chain: Chain, q: Floats, x: Floats, r: Floats, axis: Floats, anchor: Floats, tips: Floats) -> None:
    """Writes where everything of one hand is, in metres in the world.

    Args:
        q: (nq,) angles in radians.
        x, r: (bodies, 3) and (bodies, 3, 3), places and rotations of the bodies; zero for the world before.
        axis, anchor: (nq, 3) of the joints.
        tips: (5, 3).
    """
    for i in range(3):
        r[0, i, i] = 1.0
    for b in range(1, chain.parent.size):
        p = chain.parent[b]
        rb, rp = r[b], r[p]
        for i in range(3):
            x[b, i] = x[p, i]
            for k in range(3):
                x[b, i] += rp[i, k] * chain.position[b, k]
                rb[i, k] = 0.0
                for h in range(3):
                    rb[i, k] += rp[i, h] * chain.rotation[b, h, k]
        for j in range(chain.first_joint[b], chain.first_joint[b] + chain.joints[b]):
            u, o, a, c = chain.axis[j], chain.anchor[j], axis[j], anchor[j]
            for i in range(3):
                a[i] = rb[i, 0] * u[0] + rb[i, 1] * u[1] + rb[i, 2] * u[2]
                c[i] = x[b, i] + rb[i, 0] * o[0] + rb[i, 1] * o[1] + rb[i, 2] * o[2]
            angle = q[j] - chain.reference[j]
            sine, cosine = np.sin(angle), np.cos(angle)
            for k in range(3):  # Rodrigues' formula on the columns
                v0, v1, v2 = rb[0, k], rb[1, k], rb[2, k]
                along = (a[0] * v0 + a[1] * v1 + a[2] * v2) * (1.0 - cosine)
                rb[0, k] = v0 * cosine + a[0] * along + sine * (a[1] * v2 - a[2] * v1)
                rb[1, k] = v1 * cosine + a[1] * along + sine * (a[2] * v0 - a[0] * v2)
                rb[2, k] = v2 * cosine + a[2] * along + sine * (a[0] * v1 - a[1] * v0)
            for i in range(3):
                x[b, i] = c[i] - rb[i, 0] * o[0] - rb[i, 1] * o[1] - rb[i, 2] * o[2]
    for f in range(chain.tip_body.size):
        b, t = chain.tip_body[f], chain.tip[f]
        for i in range(3):
            tips[f, i] = x[b, i] + r[b, i, 0] * t[0] + r[b, i, 1] * t[1] + r[b, i, 2] * t[2]


@njit(cache=True, nogil=True)
def tip_motion(chain: Chain, q: Floats, qd: Floats, scale: Floats, tips: Floats, velocities: Floats) -> None:
    """Writes positions and velocities of the fingertips of many hands.

    Args:
        q, qd: (n, nq) angles in radians and their velocities.
        scale: (n,) size of each hand; all lengths grow with it.
        tips, velocities: (n, 5, 3) written in m and m/s.
    """
    x, r = np.zeros((chain.parent.size, 3)), np.zeros((chain.parent.size, 3, 3))
    axis, anchor = np.zeros((q.shape[1], 3)), np.zeros((q.shape[1], 3))
    for n in range(q.shape[0]):
        pose(chain, q[n], x, r, axis, anchor, tips[n])
        for f in range(chain.tip_body.size):
            for i in range(3):
                h, k = (i + 1) % 3, (i + 2) % 3
                speed = 0.0
                for m in range(chain.tip_count[f]):
                    j = chain.tip_joints[f, m]
                    lever_h, lever_k = tips[n, f, h] - anchor[j, h], tips[n, f, k] - anchor[j, k]
                    speed += qd[n, j] * (axis[j, h] * lever_k - axis[j, k] * lever_h)
                velocities[n, f, i] = scale[n] * speed
            for i in range(3):
                tips[n, f, i] *= scale[n]
