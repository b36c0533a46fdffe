"""The forearm as data: muscles around the limb, and people sampled from it.

Angles of the table are measured from the volar midline, positive to the radius; `Muscle.angle_deg` gives them in the
convention of `aemg.signals.montage` (0 over the ulna's border, growing through the volar side).

Sources: order and layers after Gray 1918, angles moved to the MRI ranges published with NeuroMotion where there are
any; fibre lengths after Lieber et al. 1990, 1992 and Jacobson et al. 1992, maximum forces after Holzbaur et al. 2007
(J Biomech 40:742) as carried by MyoHand. They are a prior: individuals differ by the jitter of `sample_person`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.conditions import HEALTHY, Condition

VOLAR_MIDLINE_DEG = 95.0
UNITS_PER_MUSCLE = 10
SKIN_M = 0.0013
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Muscle:
    """One muscle's place: angles from the volar midline, positions from elbow (0) to wrist (1).

    Args:
        depth: of the centroid below the fascia, as a share of the radius of the muscle core.
        half_width_deg: angle from the centroid to the muscle's border.
        start, end: of the belly.
        force_n: maximum isometric force, which stands for the number of fibres.
    """

    name: str
    table_deg: float
    depth: float
    half_width_deg: float
    start: float
    end: float
    fibre_mm: float
    force_n: float

    @property
    def angle_deg(self) -> float:
        """In the montage's convention, in [0, 360)."""
        return (self.table_deg + VOLAR_MIDLINE_DEG) % 360.0


MUSCLES: tuple[Muscle, ...] = (
    Muscle("PT", 45, 0.35, 15, 0.00, 0.45, 36, 557),
    Muscle("FCR", 22, 0.18, 10, 0.05, 0.55, 51, 408),
    Muscle("PL", -10, 0.12, 7, 0.05, 0.50, 50, 101),
    Muscle("FCU", -62, 0.20, 22, 0.00, 0.90, 42, 480),
    Muscle("FDS2", 30, 0.42, 11, 0.30, 0.80, 32, 163),
    Muscle("FDS3", 8, 0.38, 11, 0.10, 0.70, 61, 259),
    Muscle("FDS4", -18, 0.38, 11, 0.10, 0.70, 60, 171),
    Muscle("FDS5", -32, 0.42, 11, 0.25, 0.75, 42, 75),
    Muscle("FDP2", -28, 0.68, 12, 0.15, 0.80, 61, 197),
    Muscle("FDP3", -45, 0.62, 12, 0.15, 0.80, 68, 212),
    Muscle("FDP4", -65, 0.58, 12, 0.15, 0.80, 65, 173),
    Muscle("FDP5", -80, 0.55, 12, 0.15, 0.80, 61, 237),
    Muscle("FPL", 48, 0.60, 14, 0.30, 0.88, 45, 201),
    Muscle("PQ", 10, 0.62, 25, 0.78, 0.97, 23, 285),
    Muscle("BR", 90, 0.15, 12, -0.10, 0.55, 110, 260),
    Muscle("ECRL", 138, 0.18, 12, -0.10, 0.38, 76, 337),
    Muscle("ECRB", 168, 0.28, 14, 0.05, 0.52, 48, 252),
    Muscle("EDC2", 172, 0.22, 7, 0.08, 0.65, 57, 49),
    Muscle("EDC3", 182, 0.18, 7, 0.08, 0.65, 59, 94),
    Muscle("EDC4", 192, 0.18, 7, 0.08, 0.65, 51, 109),
    Muscle("EDC5", 202, 0.22, 7, 0.08, 0.65, 53, 139),
    Muscle("EDM", -155, 0.18, 7, 0.12, 0.68, 55, 72),
    Muscle("ECU", -127, 0.18, 14, 0.05, 0.75, 51, 193),
    Muscle("SUP", 140, 0.60, 18, 0.05, 0.35, 33, 476),
    Muscle("APL", 150, 0.52, 12, 0.35, 0.82, 50, 117),
    Muscle("EPB", 152, 0.50, 9, 0.55, 0.88, 40, 46),
    Muscle("EPL", 175, 0.58, 10, 0.40, 0.85, 44, 88),
    Muscle("EIP", -162, 0.58, 9, 0.50, 0.88, 48, 47),
)
MUSCLE_INDEX: dict[str, int] = {muscle.name: i for i, muscle in enumerate(MUSCLES)}
MUSCLE_NAMES: tuple[str, ...] = tuple(MUSCLE_INDEX)

# Chosen so that a power grip reads like the forearm amplitudes of the literature (some 100 uV at 20 % effort).
_FIBRES_PER_NEWTON = 6.0
_SIZE_RATIO = 12.0


@dataclass(frozen=True, eq=False)
class MotorUnits:
    """Motor units, muscle by muscle and from the first to the last recruited; every array is (M,).

    Args:
        muscle: index into `MUSCLES`.
        rank: 0 for a muscle's first recruited unit to 1 for its last.
        angle_deg: in the montage's convention.
        depth: below the fascia as a share of the radius of the muscle core.
        endplate_m: distance of the end-plate from the elbow.
        distal_m, proximal_m: length of the fibres from the end-plate to either end.
        velocity_m_s: of conduction.
        fibres: how many fibres fire together.
    """

    muscle: NDArray[np.intp]
    rank: Floats
    angle_deg: Floats
    depth: Floats
    endplate_m: Floats
    distal_m: Floats
    proximal_m: Floats
    velocity_m_s: Floats
    fibres: Floats


@dataclass(frozen=True, eq=False)
class Person:
    """One simulated forearm.

    Args:
        arm: on which bands are worn; the left one wears them mirrored.
        handed: the hand that writes.
        radius_m: of the limb at a quarter of the forearm, where armbands sit; skin included.
        fat_m: thickness of the subcutaneous fat.
        forearm_m: from elbow to wrist.
        tone: excitation of every muscle at rest.
        velocity_m_s: mean velocity of conduction of the muscles' fibres.
        strength: (muscles,) of each muscle beside the table's, which is also the number of its fibres.
        units: all motor units.
        condition: what is wrong with the drive of the muscles, if anything.
    """

    arm: Literal["left", "right"]
    handed: Literal["left", "right"]
    radius_m: float
    fat_m: float
    forearm_m: float
    tone: float
    velocity_m_s: float
    strength: Floats
    units: MotorUnits
    condition: Condition = HEALTHY

    def radius_at(self, position: float) -> float:
        """Radius of the limb in metres at a position from elbow (0) to wrist (1)."""
        return self.radius_m * (1.0 - 0.5 * (position - 0.25))


def sample_person(
    rng: np.random.Generator,
    *,
    radius_m: float | None = None,
    fat_m: float | None = None,
    condition: Condition = HEALTHY,
) -> Person:
    """Draws a person; every quantity is drawn even where it is then given, so that the rest stays the same.

    Args:
        rng: the only source of chance.
        radius_m, fat_m: given instead of drawn.
        condition: given, never drawn.
    """
    radius = float(np.clip(rng.normal(0.041, 0.0035), 0.033, 0.048))
    fat = float(np.clip(0.003 * np.exp(rng.normal(0, 0.45)), 0.001, 0.009))
    forearm = float(np.clip(rng.normal(0.25, 0.015), 0.21, 0.29))
    arm: Literal["left", "right"] = "left" if rng.random() < 0.3 else "right"
    tone = float(rng.uniform(0.0, 0.012))
    velocity = float(np.clip(rng.normal(4.0, 0.2), 3.4, 4.6))
    strengths, units = zip(*(_sample_muscle(rng, i, forearm, velocity) for i in range(len(MUSCLES))))
    handed: Literal["left", "right"] = "left" if rng.random() < 0.1 else "right"
    joined = MotorUnits(
        *(np.concatenate([getattr(u, name) for u in units]) for name in MotorUnits.__dataclass_fields__)
    )
    return Person(
        arm=arm,
        handed=handed,
        radius_m=radius if radius_m is None else radius_m,
        fat_m=fat if fat_m is None else fat_m,
        forearm_m=forearm,
        tone=tone,
        velocity_m_s=velocity,
        strength=np.array(strengths),
        units=joined,
        condition=condition,
    )


def _sample_muscle(
    rng: np.random.Generator, index: int, forearm_m: float, velocity_m_s: float
) -> tuple[float, MotorUnits]:
    """Strength of a muscle beside the table's, and its motor units."""
    muscle, n = MUSCLES[index], UNITS_PER_MUSCLE
    angle = muscle.angle_deg + rng.uniform(-15, 15)
    depth = max(muscle.depth + rng.uniform(-0.05, 0.05), 0.08)
    strength = float(np.exp(rng.normal(0, 0.25)))
    fibre = muscle.fibre_mm * 1e-3 * rng.uniform(0.9, 1.1, n)
    start, end = muscle.start * forearm_m + fibre / 2, muscle.end * forearm_m - fibre / 2
    centre = np.where(end > start, start + (end - start) * rng.random(n), (start + end) / 2)
    off = rng.normal(0, 0.05, n) * fibre
    rank = np.linspace(0, 1, n)
    size = _SIZE_RATIO**rank
    return strength, MotorUnits(
        muscle=np.full(n, index),
        rank=rank,
        angle_deg=(angle + rng.uniform(-1, 1, n) * muscle.half_width_deg) % 360.0,
        depth=np.maximum(depth + rng.uniform(-0.07, 0.07, n), 0.0),
        endplate_m=centre + off,
        distal_m=fibre / 2 - off,
        proximal_m=fibre / 2 + off,
        velocity_m_s=np.clip(velocity_m_s + rng.normal(0, 0.25, n) + 0.3 * (rank - 0.5), 3.0, 5.2),
        fibres=_FIBRES_PER_NEWTON * (muscle.force_n * strength) * size / size.mean(),
    )
