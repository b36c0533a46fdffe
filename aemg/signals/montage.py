"""Where electrodes sit: groups of electrodes with an angle around the limb and a place along it.

Angles are anatomical, in degrees: 0 over the subcutaneous border of the ulna, growing through the volar side
(flexors, about 90) to the radius (about 180) and back over the dorsal side (extensors, about 270). This
definition is the same for both arms; a band whose order runs the other way, or that is worn on the other arm with the
same order, is *mirrored* with respect to it. Positions run from 0 (elbow) to 1 (wrist), and below 0 on the upper arm.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from aemg.errors import AEMGError

GroupKind = Literal["ring", "grid", "targeted"]


@dataclass(frozen=True)
class Electrode:
    """One channel's place: angle around the limb in degrees, position from elbow (0) to wrist (1)."""

    name: str
    angle_deg: float
    position: float = 0.25
    muscle: str | None = None


@dataclass(frozen=True)
class ElectrodeGroup:
    """Electrodes that belong together.

    Args:
        kind: `ring` (interpolated around the limb), `grid` (pooled) or `targeted` (each goes to its nearest slot).
        electrodes: in the order of the signal's channels.
        spacing_deg: angle between neighbouring sites of the whole device, dropped electrodes included; how far
            an electrode of a ring speaks for the skin around it.
    """

    kind: GroupKind
    electrodes: tuple[Electrode, ...]
    spacing_deg: float

    def __post_init__(self) -> None:
        if not self.electrodes:
            raise AEMGError("an electrode group needs at least one electrode")
        if not 0 < self.spacing_deg <= 360:
            raise AEMGError(f"spacing_deg must lie in (0, 360], got {self.spacing_deg}")


@dataclass(frozen=True)
class Montage:
    """The geometry of a recording's channels, group by group in channel order.

    Args:
        name: of the device, e.g. `myo`.
        groups: their electrodes, concatenated, are the channels.
        angle_known: True where the angles are measured from the anatomy; False where the band was worn at an unknown
            turn and angle 0 is only the first electrode, so that registration has to find turn and mirror.
        arm: which arm, where it is known.
    """

    name: str
    groups: tuple[ElectrodeGroup, ...]
    angle_known: bool = False
    arm: Literal["left", "right"] | None = None

    @property
    def electrodes(self) -> tuple[Electrode, ...]:
        """All electrodes in channel order."""
        return tuple(electrode for group in self.groups for electrode in group.electrodes)

    @property
    def n_channels(self) -> int:
        """Electrodes of all groups together."""
        return sum(len(group.electrodes) for group in self.groups)

    @property
    def angles_deg(self) -> tuple[float, ...]:
        """Angle of every channel in degrees, in [0, 360)."""
        return tuple(electrode.angle_deg % 360.0 for electrode in self.electrodes)

    def turned(self, angle_deg: float, mirror: bool = False) -> Montage:
        """The same device worn otherwise: angles negated when mirrored, then turned by `angle_deg`."""
        sign = -1.0 if mirror else 1.0
        groups = tuple(
            replace(
                group,
                electrodes=tuple(
                    replace(e, angle_deg=(sign * e.angle_deg + angle_deg) % 360.0) for e in group.electrodes
                ),
            )
            for group in self.groups
        )
        return replace(self, groups=groups)

    def without(self, channels: set[int]) -> Montage:
        """The montage with some channels dropped (indices into the channel order); group spacings stay."""
        groups, first = [], 0
        for group in self.groups:
            kept = tuple(e for i, e in enumerate(group.electrodes, start=first) if i not in channels)
            first += len(group.electrodes)
            if kept:
                groups.append(replace(group, electrodes=kept))
        return replace(self, groups=tuple(groups))


def ring(
    name: str, n: int, *, first_deg: float = 0.0, position: float = 0.25, angle_known: bool = False
) -> Montage:
    """A band of `n` electrodes evenly spaced around the limb, the first at `first_deg`.

    >>> ring("myo", 8).angles_deg[:3]
    (0.0, 45.0, 90.0)
    """
    spacing = 360.0 / n
    electrodes = tuple(Electrode(f"{i + 1}", (first_deg + i * spacing) % 360.0, position) for i in range(n))
    return Montage(name, (ElectrodeGroup("ring", electrodes, spacing),), angle_known=angle_known)


def grid(
    name: str,
    rows: int,
    columns: int,
    *,
    first_deg: float = 0.0,
    column_deg: float,
    row_positions: tuple[float, ...],
    angle_known: bool = False,
) -> Montage:
    """A grid of `rows` along the limb and `columns` around it, channels row by row (row 0 most proximal).

    Args:
        column_deg: angle between columns.
        row_positions: place of each row along the limb, 0 elbow to 1 wrist.
    """
    if len(row_positions) != rows:
        raise AEMGError(f"row_positions needs one entry a row ({rows}), got {len(row_positions)}")
    electrodes = tuple(
        Electrode(f"r{row + 1}c{column + 1}", (first_deg + column * column_deg) % 360.0, row_positions[row])
        for row in range(rows)
        for column in range(columns)
    )
    return Montage(name, (ElectrodeGroup("grid", electrodes, column_deg),), angle_known=angle_known)
