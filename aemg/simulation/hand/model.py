"""MyoHand for simulation: bones, tendon paths and muscles of the right hand, without what does not move it.

The model is that of the package `myo-sim` (MyoHand: 39 muscles and tendons, 23 hinges; Caggiano et al. 2022, after the
hand of Lee et al. 2015 and the upper limb of Holzbaur et al. 2005). Meshes, pictures and collision shapes are removed,
bodies without a joint are fused with their parents and stretches of tendon that pull on no joint are straightened: the
trajectory stays the same to rounding. The result is kept in the cache folder, one file per variant and version.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError
from aemg.simulation.cache import cached_file

try:
    import mujoco
    from myo_sim import FRAGMENT_SPEC_BUILDERS

    from aemg.simulation.hand.paths import shorten
except ModuleNotFoundError as error:
    if (error.name or "").split(".")[0] not in ("mujoco", "myo_sim"):
        raise
    raise AEMGError(f"the simulated hand needs {error.name}: pip install 'aemg[simulation]'") from error

Floats = NDArray[np.float64]
Wrist = Literal["free", "fixed"]

FINGERS = ("thumb", "index", "middle", "ring", "little")
TIP_SITES = ("THtip_r", "IFtip_r", "MFtip_r", "RFtip_r", "LFtip_r")
WRIST_JOINTS = ("pro_sup", "deviation", "flexion")
WRIST_MUSCLES = ("ECRL", "ECRB", "ECU", "FCR", "FCU", "PL", "PT", "PQ")
NEWTON_ITERATIONS = 4
_LAYOUT = 2
_MEMORY_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class Hand:
    """A hand to simulate; arrays over joints are (nq,), over muscles (nu,), in the order of the names.

    Args:
        model: the `mujoco.MjModel`, right hand, SI units.
        wrist: "free" (23 joints, 39 muscles) or "fixed" (20 joints, 31 muscles).
        joints, muscles: names without MyoHand's suffix "_r".
        lower, upper: joint ranges in radians; flexing the thumb is negative, flexing a finger positive.
        fingers: of the five tips, thumb to little finger.
    """

    model: Any
    wrist: Wrist
    joints: tuple[str, ...]
    muscles: tuple[str, ...]
    lower: Floats
    upper: Floats
    fingers: tuple[str, ...] = field(default=FINGERS)

    @property
    def timestep_s(self) -> float:
        """Of one step of the physics."""
        return float(self.model.opt.timestep)

    @property
    def tip_sites(self) -> NDArray[np.intp]:
        """Indices of the five fingertips among the model's sites."""
        return np.array([self.model.site(name).id for name in TIP_SITES])

    def finger_joints(self, finger: str) -> NDArray[np.intp]:
        """Indices of a finger's flexion joints from the hand to the tip; abduction is not among them."""
        if finger not in self.fingers:
            raise AEMGError(f"finger must be one of {', '.join(self.fingers)}, got {finger!r}")
        number = self.fingers.index(finger) + 1
        thumb, others = ("cmc_flexion", "mp_flexion", "ip_flexion"), ("mcp{}_flexion", "pm{}_flexion", "md{}_flexion")
        names = thumb if number == 1 else [name.format(number) for name in others]
        return np.array([self.joints.index(name) for name in names])


@lru_cache
def hand_model(wrist: Wrist = "free", timestep_s: float = 0.004, gravity: bool = False) -> Hand:
    """The stripped hand, built at first use and read from the cache folder from then on.

    Args:
        wrist: "fixed" holds forearm and wrist straight and leaves out the muscles that only move them.
        timestep_s: of the physics; 0.004 for learning, 0.002 follows fast movements ten times as closely.
        gravity: off stands for an arm that lies on a support; on, a hanging hand must be held by its muscles.

    Raises:
        AEMGError: on an unknown variant.
    """
    if wrist not in get_args(Wrist):
        raise AEMGError(f"wrist must be one of {', '.join(get_args(Wrist))}, got {wrist!r}")
    versions = "-".join(f"{name}{metadata.version(name)}" for name in ("mujoco", "myo-sim"))
    path = cached_file(f"hand/{wrist}-{_LAYOUT}-{versions}.mjb", lambda place: _write(wrist, place))
    model = mujoco.MjModel.from_binary_path(str(path))
    configure(model, timestep_s, gravity)
    return Hand(
        model=model,
        wrist=wrist,
        joints=tuple(model.joint(i).name.removesuffix("_r") for i in range(model.njnt)),
        muscles=tuple(model.actuator(i).name.removesuffix("_r") for i in range(model.nu)),
        lower=model.jnt_range[:, 0].copy(),
        upper=model.jnt_range[:, 1].copy(),
    )


def configure(model: Any, timestep_s: float, gravity: bool) -> None:
    """Sets the options of the simulation: few solver iterations, no contacts, all joints solved together."""
    model.opt.timestep = timestep_s
    model.opt.iterations = NEWTON_ITERATIONS
    model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_ISLAND)
    if not gravity:
        model.opt.gravity[:] = 0.0


def full_spec(wrist: Wrist) -> Any:
    """MyoHand as its package builds it, with the smallest masses and inertias that integrate well (`mujoco.MjSpec`)."""
    spec = FRAGMENT_SPEC_BUILDERS["myohand_r"]()
    spec.compiler.boundmass, spec.compiler.boundinertia = 1e-3, 1e-4
    if wrist == "fixed":
        for name in WRIST_MUSCLES:
            spec.delete(spec.actuator(f"{name}_r"))
            spec.delete(spec.tendon(f"{name}_tendon_r"))
        for name in WRIST_JOINTS:
            spec.delete(spec.joint(f"{name}_r"))
    return spec


def stripped_spec(wrist: Wrist) -> Any:
    """MyoHand's `mujoco.MjSpec` with nothing but moving bodies, tendon paths, muscles and fingertips."""
    spec = full_spec(wrist)
    full = spec.compile()
    sites, geoms = _of_tendons(full)
    for body in spec.bodies[1:]:
        index = full.body(body.name).id
        body.explicitinertial, body.mass = True, float(full.body_mass[index])
        body.ipos, body.iquat = full.body_ipos[index], full.body_iquat[index]
        body.fullinertia, body.inertia = np.full(6, np.nan), full.body_inertia[index]
    for geom in list(spec.geoms):
        if geom.name in geoms:
            geom.material = ""
        else:
            spec.delete(geom)
    for site in list(spec.sites):
        if site.name not in sites:
            spec.delete(site)
    for group in (spec.meshes, spec.textures, spec.materials, spec.excludes, spec.cameras, spec.lights):
        for element in list(group):
            spec.delete(element)
    spec.compiler.fusestatic = True
    spec.memory = _MEMORY_BYTES
    return spec


def _of_tendons(model: Any) -> tuple[set[str], set[str]]:
    """Names of the sites and wrapping shapes on the tendons' paths; the fingertips count as sites in use."""
    sites, geoms = set(TIP_SITES), set()
    for kind, index, side in zip(model.wrap_type.tolist(), model.wrap_objid.tolist(), model.wrap_prm.tolist()):
        if kind == int(mujoco.mjtWrap.mjWRAP_SITE):
            sites.add(model.site(index).name)
        elif kind in (int(mujoco.mjtWrap.mjWRAP_SPHERE), int(mujoco.mjtWrap.mjWRAP_CYLINDER)):
            geoms.add(model.geom(index).name)
            if side >= 0:
                sites.add(model.site(int(side)).name)
    return sites, geoms


def _write(wrist: Wrist, path: Path) -> None:
    mujoco.mj_saveModel(shorten(stripped_spec(wrist), keep=TIP_SITES), str(path))
