"""Many hands at a time: MuJoCo's steps over threads, one person and one state for each."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from mujoco.batch import Batch
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.hand.kinematics import chain_of, tip_motion
from aemg.simulation.hand.model import Hand
from aemg.simulation.hand.people import PERSONAL, HandPerson, personalise

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]


class Hands:
    """N hands that step together; results do not depend on the number of threads.

    Args:
        hand: the model they share.
        environments: how many.
        threads: of the physics.
        people: one for each hand; the model's own otherwise.

    Attributes:
        q, qd: (N, nq) live joint angles and velocities in rad and rad/s; what is written there is the state.
        activation: (N, nu) live muscle activations, which follow the excitation.
        excitation: (N, nu) live, as last applied.
        tips, tip_velocities: (N, 5, 3) in m and m/s, current after `step`, `reset` and `restore`.
        scale: (N,) sizes of the hands.
        muscles_age_s: (N,) how much older than the state `follow_muscles` is.
    """

    def __init__(
        self, hand: Hand, environments: int, *, threads: int = 1, people: Sequence[HandPerson] | None = None
    ) -> None:
        if environments < 1 or threads < 1:
            raise AEMGError(f"environments and threads must be 1 or more, got {environments} and {threads}")
        self.hand, self.environments = hand, environments
        self.batch = Batch(hand.model, environments, min(threads, environments))
        self.scale = np.ones(environments)
        if people is not None:
            personalise(self.batch, hand, people)
            self.scale[:] = [person.scale for person in people]
        self.q: Floats = self.batch.bind("qpos")
        self.qd: Floats = self.batch.bind("qvel")
        self.activation: Floats = self.batch.bind("act")
        self.excitation: Floats = self.batch.bind("ctrl")
        self.tips, self.tip_velocities = np.zeros((2, environments, len(hand.fingers), 3))
        self.muscles_age_s = np.zeros(environments)
        self._personal, self._followed = people is not None, False
        self.chain = chain_of(hand)
        self._start = np.zeros(self.batch.nstate)
        mujoco.mj_getState(hand.model, mujoco.MjData(hand.model), self._start, mujoco.mjtState.mjSTATE_INTEGRATION)
        self._update_tips()

    def step(self, excitation: NDArray[np.floating], substeps: int = 1) -> None:
        """Advances every hand.

        Args:
            excitation: (N, nu), clipped to 0..1, held during the substeps.
            substeps: how many steps of `hand.timestep_s`.
        """
        np.clip(excitation, 0.0, 1.0, out=self.excitation, casting="unsafe")
        self.batch.step(nstep=substeps)
        self.muscles_age_s[:] = self.hand.timestep_s
        self._update_tips()

    def reset(
        self,
        environments: Integers | None = None,
        q: NDArray[np.floating] | float = 0.0,
        qd: NDArray[np.floating] | float = 0.0,
        activation: NDArray[np.floating] | float = 0.0,
    ) -> None:
        """Starts hands anew at time 0, with excitation equal to the activation.

        Args:
            environments: (n,) which hands; all by default.
            q, qd: (n, nq) in rad and rad/s.
            activation: (n, nu) in 0..1.
        """
        which = np.arange(self.environments) if environments is None else environments
        self.batch.state[which] = self._start
        self.q[which], self.qd[which] = q, qd
        self.activation[which] = self.excitation[which] = activation
        self._moved(which)

    def forward_tips(self, q: NDArray[np.floating], scale: float = 1.0) -> Floats:
        """Fingertips of given angles: (n, nq) rad to (n, 5, 3) m, for a hand of the given size."""
        angles = np.ascontiguousarray(q, np.float64)
        tips = np.empty((len(angles), len(self.hand.fingers), 3))
        tip_motion(self.chain, angles, np.zeros_like(angles), np.full(len(angles), scale), tips, np.empty_like(tips))
        return tips

    def state(self) -> Floats:
        """(N, state) copy of all that the next step depends on."""
        return np.array(self.batch.state)

    def restore(self, state: Floats) -> None:
        """Takes back a copy made by `state`."""
        if state.shape != self.batch.state.shape:
            raise AEMGError(f"the state of these hands is {self.batch.state.shape}, got {state.shape}")
        self.batch.state[:] = state
        self._moved(np.arange(self.environments))

    @property
    def time_s(self) -> Floats:
        """(N,) since the last reset."""
        return np.array(self.batch.bind("time"))

    def follow_muscles(self) -> tuple[Floats, Floats]:
        """Live moment arms and lengths of the muscles, `muscles_age_s` older than the state.

        Returns:
            (N, entries) moment arms in m, sparse as in MuJoCo's `actuator_moment`, and (N, nu) lengths in m.
        """
        self._followed = True
        moment, length = self.batch.bind("actuator_moment"), self.batch.bind("actuator_length")
        self._moved(np.arange(self.environments))
        return moment, length

    def field(self, name: str) -> Floats:
        """A field of the model as (N, ...), each person's own; read only."""
        if self._personal and name in PERSONAL:
            return np.asarray(self.batch.expand(name), np.float64)
        shared: Floats = getattr(self.hand.model, name)
        return np.tile(shared, (self.environments,) + (1,) * shared.ndim)

    def _moved(self, which: Integers) -> None:
        if self._followed:
            self.batch.forward(which, stage=int(mujoco.mjtStage.mjSTAGE_POS))
            self.muscles_age_s[which] = 0.0
        self._update_tips()

    def _update_tips(self) -> None:
        q, qd = np.ascontiguousarray(self.q), np.ascontiguousarray(self.qd)
        tip_motion(self.chain, q, qd, self.scale, self.tips, self.tip_velocities)
