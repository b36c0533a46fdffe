"""People as the physics feels them: strengths, sizes and time constants of one hand's muscles and joints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.hand.model import Hand

Floats = NDArray[np.float64]

_FORCE = 2
PERSONAL = ("actuator_gainprm", "actuator_biasprm", "actuator_dynprm", "actuator_lengthrange", "dof_damping")


@dataclass(frozen=True, eq=False)
class HandPerson:
    """One person's hand beside the model's own, which is 1 in every factor; arrays are (nu,), muscle by muscle.

    Args:
        strength: factors of the maximum isometric forces; 0 is a paralysed muscle.
        slack: factors of the lengths at which the muscles and tendons work; 1.01 is a slightly long tendon.
        scale: size of the hand; lengths grow with it, masses with its cube.
        damping: factor of the joints' damping.
        activation_s, deactivation_s: time constants of the muscles' activation.
    """

    strength: Floats
    slack: Floats
    scale: float = 1.0
    damping: float = 1.0
    activation_s: float = 0.010
    deactivation_s: float = 0.040

    @classmethod
    def of(cls, hand: Hand) -> HandPerson:
        """The model's own hand."""
        return cls(np.ones(len(hand.muscles)), np.ones(len(hand.muscles)))

    def weakened(self, hand: Hand, muscles: Mapping[str, float]) -> HandPerson:
        """The same person with some muscles' strengths multiplied, as after a lesion of their nerve.

        Args:
            muscles: factor by name, as in `Hand.muscles`.
        """
        factors = np.ones(len(hand.muscles))
        for name, factor in muscles.items():
            if name not in hand.muscles:
                raise AEMGError(f"no muscle {name!r} in the hand; there are {', '.join(hand.muscles)}")
            if not 0.0 <= factor < np.inf:
                raise AEMGError(f"the strength of {name} must be multiplied by 0 or more, got {factor}")
            factors[hand.muscles.index(name)] = factor
        return replace(self, strength=self.strength * factors)


def sample_hand_person(
    rng: np.random.Generator, hand: Hand, strengths: Mapping[str, float] | None = None, spread: float = 0.25
) -> HandPerson:
    """Draws a person's hand; the same chance gives wrist variants of the same person.

    Args:
        rng: the only source of chance.
        strengths: factor by muscle name, as of the forearm of `aemg.simulation.anatomy`, so that a muscle that reads
            strong is strong; muscles that are not named (those within the hand) are drawn.
        spread: standard deviation of the logarithm of the drawn strengths.
    """
    scale = float(np.clip(rng.normal(1.0, 0.06), 0.8, 1.2))
    damping = float(np.exp(rng.normal(0, 0.2)))
    speed = float(np.exp(rng.normal(0, 0.1)))
    names = _ALL_MUSCLES
    drawn = dict(zip(names, np.exp(rng.normal(0, spread, len(names))).tolist()))
    slack = dict(zip(names, np.clip(rng.normal(1.0, 0.003, len(names)), 0.99, 1.01).tolist()))
    drawn.update(strengths or {})
    return HandPerson(
        strength=np.array([drawn[name] for name in hand.muscles]),
        slack=np.array([slack[name] for name in hand.muscles]),
        scale=scale,
        damping=damping,
        activation_s=0.010 * speed,
        deactivation_s=0.040 * speed,
    )


_ALL_MUSCLES = (
    "ECRL", "ECRB", "ECU", "FCR", "FCU", "PL", "PT", "PQ", "FDS5", "FDS4", "FDS3", "FDS2", "FDP5", "FDP4", "FDP3", "FDP2",
    "EDC5", "EDC4", "EDC3", "EDC2", "EDM", "EIP", "EPL", "EPB", "FPL", "APL", "OP", "RI2", "LU_RB2", "UI_UB2", "RI3",
    "LU_RB3", "UI_UB3", "RI4", "LU_RB4", "UI_UB4", "RI5", "LU_RB5", "UI_UB5",
)  # fmt: skip


def personalise(batch: Any, hand: Hand, people: Sequence[HandPerson]) -> None:
    """Gives every simulation of a batch its person's fields.

    Args:
        batch: a `mujoco.batch.Batch` of the hand's model.
        people: one for each simulation.
    """
    n, nu = batch.nsim, len(hand.muscles)
    if len(people) != n:
        raise AEMGError(f"people must be one for each of the {n} hands, got {len(people)}")
    strength = np.stack([person.strength for person in people])
    slack = np.stack([person.slack for person in people])
    if strength.shape != (n, nu) or slack.shape != (n, nu):
        raise AEMGError(f"strength and slack of a person must be ({nu},) for the wrist-{hand.wrist} hand")
    for field in ("actuator_gainprm", "actuator_biasprm"):
        batch.expand(field)[..., _FORCE] *= strength
    dynamics = batch.expand("actuator_dynprm")
    dynamics[..., 0] = np.array([person.activation_s for person in people])[:, None]
    dynamics[..., 1] = np.array([person.deactivation_s for person in people])[:, None]
    batch.expand("dof_damping")[...] *= np.array([person.damping for person in people])[:, None]
    scale = np.array([person.scale for person in people])
    batch.expand("actuator_lengthrange")[...] *= (slack * scale[:, None])[..., None]
    if (scale == 1.0).all():
        return
    for field in ("body_pos", "body_ipos", "jnt_pos", "site_pos", "geom_pos", "geom_size"):
        batch.expand(field)[...] *= scale[:, None, None]
    batch.expand("body_mass")[...] *= scale[:, None] ** 3
    batch.expand("body_inertia")[...] *= scale[:, None, None] ** 5
    batch.set_const()
