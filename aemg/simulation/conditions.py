"""Neurological conditions as changes of the drive: weak muscles, tremor, fingers that are not there.

Muscles are named as in `anatomy.MUSCLES` and in MyoHand, and a muscle of four parts also by its group: "FDS" stands for
"FDS2" to "FDS5". Tremor multiplies the drive by a sine, extensors against flexors, as the alternating tremor of
antagonists does; a muscle without drive does not tremble. They are caricatures with one knob each, not models of a disease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aemg.errors import AEMGError

# The muscles that move one finger and nothing else, of the forearm and of the hand.
FINGER_MUSCLES: dict[str, tuple[str, ...]] = {
    "thumb": ("FPL", "EPL", "EPB", "APL", "OP"),
    "index": ("FDS2", "FDP2", "EDC2", "EIP", "RI2", "LU_RB2", "UI_UB2"),
    "middle": ("FDS3", "FDP3", "EDC3", "RI3", "LU_RB3", "UI_UB3"),
    "ring": ("FDS4", "FDP4", "EDC4", "RI4", "LU_RB4", "UI_UB4"),
    "little": ("FDS5", "FDP5", "EDC5", "EDM", "RI5", "LU_RB5", "UI_UB5"),
}
_EXTENSORS = ("ECR", "ECU", "EDC", "EDM", "EIP", "EPL", "EPB", "APL", "SUP")


@dataclass(frozen=True)
class Condition:
    """What a condition does to the drive of muscles; the default does nothing.

    Args:
        weakness: what is left of the drive, 1 all of it and 0 nothing: one factor for all muscles, or factors by muscle
            or group, e.g. {"EDC": 0.3, "ECU": 0.5}, those not named being left alone.
        tremor_hz: frequency, 4 to 6 Hz where it is parkinsonian.
        tremor_depth: amplitude of the sine that the drive is multiplied by, 0 (none) to 1.
        missing_fingers: of `FINGER_MUSCLES`; their own muscles are silent.

    Raises:
        AEMGError: a number out of range, or an unknown finger.
    """

    weakness: float | Mapping[str, float] = 1.0
    tremor_hz: float = 5.0
    tremor_depth: float = 0.0
    missing_fingers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        factors = self.weakness.values() if isinstance(self.weakness, Mapping) else [self.weakness]
        if not all(0 <= factor <= 1 for factor in factors):
            raise AEMGError(f"weakness is the share of the drive that is left, between 0 and 1; got {self.weakness}")
        if not 0 < self.tremor_hz <= 20:
            raise AEMGError(f"tremor_hz must lie above 0 and up to 20 Hz, got {self.tremor_hz}")
        if not 0 <= self.tremor_depth <= 1:
            raise AEMGError(f"tremor_depth must lie between 0 and 1, got {self.tremor_depth}")
        unknown = sorted(set(self.missing_fingers) - set(FINGER_MUSCLES))
        if unknown:
            raise AEMGError(f"no finger {', '.join(unknown)}; there are {', '.join(FINGER_MUSCLES)}")

    def factors(self, muscle_names: Sequence[str]) -> NDArray[np.float64]:
        """What weakness and missing fingers leave of the drive of each muscle, (muscles,).

        Raises:
            AEMGError: `weakness` names a muscle that is not there.
        """
        left = np.ones(len(muscle_names))
        named = self.weakness if isinstance(self.weakness, Mapping) else dict.fromkeys(muscle_names, self.weakness)
        for name, factor in named.items():
            mine = [i for i, muscle in enumerate(muscle_names) if name in (muscle, muscle.rstrip("2345"))]
            if not mine:
                raise AEMGError(f"no muscle {name!r} to weaken; there are {', '.join(muscle_names)}")
            left[mine] *= factor
        silent = {muscle for finger in self.missing_fingers for muscle in FINGER_MUSCLES[finger]}
        return np.where([muscle in silent for muscle in muscle_names], 0.0, left)

    def apply(self, excitation: ArrayLike, muscle_names: Sequence[str], time_s: ArrayLike) -> NDArray[np.float64]:
        """The drive that reaches the muscles.

        Args:
            excitation: (..., muscles) between 0 and 1.
            time_s: one time, or one for each row of excitations, (...).

        Returns:
            (..., muscles) between 0 and 1.
        """
        drive = np.asarray(excitation, dtype=np.float64) * self.factors(muscle_names)
        if self.tremor_depth:
            side = np.where([muscle.startswith(_EXTENSORS) for muscle in muscle_names], -1.0, 1.0)
            wave = np.sin(2 * np.pi * self.tremor_hz * np.asarray(time_s, dtype=np.float64))[..., None]
            drive = drive * (1 + self.tremor_depth * side * wave)
        return np.clip(drive, 0.0, 1.0)


HEALTHY = Condition()
