"""From joint angles to muscle excitations without learning: static optimisation in closed loop, many hands at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import mujoco
import numpy as np
from numba import njit
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.hand.kinematics import Chain, pose
from aemg.simulation.hand.model import WRIST_JOINTS
from aemg.simulation.hand.muscle import active_force, excitation_for, passive_force
from aemg.simulation.hand.physics import Hands

Floats = NDArray[np.float64]
_SETTLED = 1e-3


@dataclass(frozen=True)
class Tracking:
    """Settings of the controller.

    Args:
        gain_hz: speed asked of joints and fingertips for their distance from the target, per second.
        posture_m, wrist_m: what an error of 1 rad of a joint of the fingers and of the wrist costs, as an error of a
            fingertip.
        effort_m_s: what full activation of a muscle costs, as an error of a fingertip's speed.
        max_speed_rad_s: bound of the speed asked of a joint.
        sweeps: of coordinate descent at most, from the solution before.
    """

    gain_hz: float = 40.0
    posture_m: float = 0.03
    wrist_m: float = 0.2
    effort_m_s: float = 0.03
    max_speed_rad_s: float = 20.0
    sweeps: int = 12


class _Muscles(NamedTuple):
    """What the kernel reads of the muscles: fields of the model, (N, ...), and where the sparse moment arms stand.

    Muscle m pulls on the joints `joint[first[m] : first[m] + entries[m]]`; it changes the rows `rows[m, : row_count[m]]` of
    the error, which are the three coordinates of each fingertip, then the joints.
    """

    gain: Floats
    bias: Floats
    lengths: Floats
    dynamics: Floats
    damping: Floats
    first: NDArray[np.int64]
    entries: NDArray[np.int64]
    joint: NDArray[np.int64]
    rows: NDArray[np.int64]
    row_count: NDArray[np.int64]


class StaticOptimiser:
    """Finds excitations that bring hands to joint angles, by the muscles of least effort.

    At every call joints and fingertips are asked for speeds that close their distances to the target. The joints are
    damped so well that a torque is a speed; the activations are those of the least sum of squared errors of these
    speeds and of squared activations (after Crowninshield & Brand 1981), with MuJoCo's force-length-velocity curves and
    the moment arms of the moment. Activation dynamics is then inverted over one control interval.

    Args:
        hands: what is controlled; the strengths of their people are known to the controller.
        substeps: of the physics in one control interval.
        settings: of the tracking.
    """

    def __init__(self, hands: Hands, *, substeps: int = 4, settings: Tracking | None = None) -> None:
        if substeps < 1:
            raise AEMGError(f"substeps must be 1 or more, got {substeps}")
        self.hands, self.substeps, self.settings = hands, substeps, settings or Tracking()
        self._moment, self._length = hands.follow_muscles()
        self._muscles = _muscles(hands)
        at_wrist = np.isin(hands.hand.joints, WRIST_JOINTS)
        self._posture = np.where(at_wrist, self.settings.wrist_m, self.settings.posture_m)
        self._wanted = np.zeros(hands.activation.shape)

    def excitations(self, q_target: NDArray[np.floating], qd_target: NDArray[np.floating] | None = None) -> Floats:
        """Excitations for the next control interval.

        Args:
            q_target: (N, nq) angles wanted at the end of the interval in rad; NaN leaves a joint free, so that all NaN
                is a hand that rests.
            qd_target: (N, nq) in rad/s; 0 by default.

        Returns:
            (N, nu) in 0..1.

        Raises:
            AEMGError: on a target of another shape.
        """
        hands, s = self.hands, self.settings
        target = np.ascontiguousarray(q_target, np.float64)
        speed = np.zeros_like(target) if qd_target is None else np.ascontiguousarray(qd_target, np.float64)
        if target.shape != hands.q.shape or speed.shape != hands.q.shape:
            raise AEMGError(f"targets must be {hands.q.shape} (hands, joints), got {target.shape} and {speed.shape}")
        out = np.empty_like(self._wanted)
        _optimise(
            np.ascontiguousarray(hands.q), np.ascontiguousarray(hands.qd), np.ascontiguousarray(hands.activation),
            target, speed, self._moment, self._length, hands.muscles_age_s, hands.scale, self._muscles, hands.chain,
            self._wanted, hands.hand.timestep_s, self.substeps, s.gain_hz, self._posture, s.effort_m_s, s.max_speed_rad_s,
            s.sweeps, out,
        )  # fmt: skip
        return out


def _muscles(hands: Hands) -> _Muscles:
    data, chain = mujoco.MjData(hands.hand.model), hands.chain
    mujoco.mj_forward(hands.hand.model, data)
    first, count, joint = (getattr(data, f"moment_{name}").astype(np.int64) for name in ("rowadr", "rownnz", "colind"))
    rows = [_rows(chain, joint[a : a + n]) for a, n in zip(first, count)]
    table = np.zeros((len(rows), max(map(len, rows))), np.int64)
    for line, row in zip(table, rows):
        line[: len(row)] = row
    return _Muscles(
        gain=hands.field("actuator_gainprm"),
        bias=hands.field("actuator_biasprm"),
        lengths=hands.field("actuator_lengthrange"),
        dynamics=hands.field("actuator_dynprm"),
        damping=hands.field("dof_damping"),
        first=first,
        entries=count,
        joint=joint,
        rows=table,
        row_count=np.array([len(row) for row in rows]),
    )


def _rows(chain: Chain, joints: NDArray[np.int64]) -> list[int]:
    fingers = len(chain.tip_count)
    moved = [f for f in range(fingers) if np.isin(joints, chain.tip_joints[f, : chain.tip_count[f]]).any()]
    return [3 * f + i for f in moved for i in range(3)] + [3 * fingers + int(j) for j in joints]


@njit(cache=True, nogil=True)
def _optimise(
    q: Floats, qd: Floats, activation: Floats, target: Floats, speed: Floats, moment: Floats, length: Floats, age_s: Floats,
    size: Floats, muscles: Any, chain: Any, wanted: Floats, step_s: float, substeps: int, gain_hz: float, posture: Floats,
    effort: float, max_speed: float, sweeps: int, out: Floats,
) -> None:  # fmt: skip
    joints, units, fingers = q.shape[1], activation.shape[1], chain.tip_body.size
    x, r = np.zeros((chain.parent.size, 3)), np.zeros((chain.parent.size, 3, 3))
    axis, anchor, tips, goal = np.zeros((joints, 3)), np.zeros((joints, 3)), np.zeros((fingers, 3)), np.zeros((fingers, 3))
    asked, aim = np.zeros(joints), np.zeros(joints)
    effect = np.zeros((3 * fingers + joints, joints))  # of the joints' speeds on what is asked for
    error = np.zeros(3 * fingers + joints)
    column, square = np.zeros((units, muscles.rows.shape[1])), np.zeros(units)
    for n in range(q.shape[0]):
        for j in range(joints):
            free = np.isnan(target[n, j])
            aim[j] = q[n, j] if free else target[n, j]
            asked[j] = 0.0 if free else speed[n, j] + gain_hz * (target[n, j] - q[n, j])
            asked[j] = min(max(asked[j], -max_speed), max_speed)
            effect[3 * fingers + j, j] = 0.0 if free else posture[j]
            error[3 * fingers + j] = -effect[3 * fingers + j, j] * asked[j]
        pose(chain, aim, x, r, axis, anchor, goal)
        for f in range(fingers):
            for i in range(3):
                error[3 * f + i] = 0.0
                for m in range(chain.tip_count[f]):
                    j = chain.tip_joints[f, m]
                    if not np.isnan(target[n, j]):
                        error[3 * f + i] -= size[n] * _turn(axis[j], anchor[j], goal[f], i) * speed[n, j]
        pose(chain, q[n], x, r, axis, anchor, tips)
        for f in range(fingers):
            for i in range(3):
                error[3 * f + i] -= size[n] * gain_hz * (goal[f, i] - tips[f, i])
                for m in range(chain.tip_count[f]):
                    j = chain.tip_joints[f, m]
                    free = np.isnan(target[n, j])
                    effect[3 * f + i, j] = 0.0 if free else size[n] * _turn(axis[j], anchor[j], tips[f], i)
        for m in range(units):
            low, high = muscles.lengths[n, m, 0], muscles.lengths[n, m, 1]
            first, last = muscles.first[m], muscles.first[m] + muscles.entries[m]
            velocity, present = 0.0, length[n, m]
            for k in range(first, last):
                j = muscles.joint[k]
                velocity += moment[n, k] * 0.5 * (asked[j] + qd[n, j])
                present += moment[n, k] * qd[n, j] * age_s[n]
            active = active_force(present, velocity, low, high, muscles.gain[n, m])
            passive = passive_force(present, low, high, muscles.bias[n, m])
            square[m] = effort * effort
            for e in range(muscles.row_count[m]):
                row, pull = muscles.rows[m, e], 0.0
                for k in range(first, last):
                    j = muscles.joint[k]
                    pull -= effect[row, j] * moment[n, k] / muscles.damping[n, j]
                column[m, e] = pull * active
                square[m] += column[m, e] ** 2
                error[row] += pull * (active * wanted[n, m] + passive)
        for _ in range(sweeps):
            largest = 0.0
            for m in range(units):
                slope = effort * effort * wanted[n, m]
                for e in range(muscles.row_count[m]):
                    slope += column[m, e] * error[muscles.rows[m, e]]
                new = min(max(wanted[n, m] - slope / square[m], 0.0), 1.0)
                change = new - wanted[n, m]
                if change != 0.0:
                    wanted[n, m] = new
                    largest = max(largest, abs(change))
                    for e in range(muscles.row_count[m]):
                        error[muscles.rows[m, e]] += column[m, e] * change
            if largest < _SETTLED:
                break
        for m in range(units):
            rise_s, fall_s = muscles.dynamics[n, m, 0], muscles.dynamics[n, m, 1]
            out[n, m] = excitation_for(activation[n, m], wanted[n, m], rise_s, fall_s, step_s, substeps)


@njit(cache=True, nogil=True)
def _turn(axis: Floats, anchor: Floats, point: Floats, i: int) -> float:
    h, k = (i + 1) % 3, (i + 2) % 3
    return float(axis[h] * (point[k] - anchor[k]) - axis[k] * (point[h] - anchor[h]))
