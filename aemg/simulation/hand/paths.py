"""Tendon paths with the fewest points that give the same lengths and moment arms.

A stretch of tendon between two points of one body, straight or around a shape of that body, has a constant length and
pulls on no joint. Such stretches are cut out, and one straight stretch at the tendon's origin makes up their length.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import mujoco
import numpy as np

_SITE = int(mujoco.mjtWrap.mjWRAP_SITE)


@dataclass(frozen=True)
class _Shape:
    """What a tendon wraps around: indices of the geom and of the site on the side where it passes, -1 for none."""

    geom: int
    side: int


@dataclass
class _Path:
    """Sites of one tendon and what it wraps around on the way to each next one."""

    tendon: str
    sites: list[int]
    shapes: list[_Shape | None]

    def shortened(self, model: Any) -> _Path:
        """Without the points inside and at the ends of what is constant."""
        body = [int(model.site_bodyid[site]) for site in self.sites]
        fixed = []
        for i, shape in enumerate(self.shapes):
            places = {body[i], body[i + 1]}
            if shape is not None:
                places.add(int(model.geom_bodyid[shape.geom]))
                if shape.side >= 0:
                    places.add(int(model.site_bodyid[shape.side]))
            fixed.append(len(places) == 1)
        last = len(body) - 1
        inner = [(i == 0 or fixed[i - 1]) and (i == last or fixed[i]) for i in range(last + 1)]
        kept = [i for i in range(last + 1) if not inner[i]]
        shapes = [self.shapes[a] if b == a + 1 and not fixed[a] else None for a, b in pairwise(kept)]
        return _Path(self.tendon, [self.sites[i] for i in kept], shapes)


def shorten(spec: Any, keep: tuple[str, ...]) -> Any:
    """Compiles a spec whose tendons have the fewest points.

    Args:
        spec: a `mujoco.MjSpec` with static bodies fused and tendons through sites, spheres and cylinders; changed.
        keep: names of sites to keep beside those of the tendons.

    Returns:
        The `mujoco.MjModel`; lengths and moments of all tendons are those of the spec, to rounding.
    """
    full = spec.compile()
    lengths = _lengths(full)
    paths = [_path(full, tendon) for tendon in range(full.ntendon)]
    short = [path.shortened(full) for path in paths]
    _rebuild(spec, full, [(new, len(new.sites) < len(old.sites)) for old, new in zip(paths, short)], keep)
    model = spec.compile()
    for tendon, missing in enumerate(lengths - _lengths(model)):
        start = model.tendon_adr[tendon]
        first, second = model.wrap_objid[start], model.wrap_objid[start + 1]
        if model.site(int(first)).name == _end(model.tendon(tendon).name):
            present = np.linalg.norm(model.site_pos[first] - model.site_pos[second])
            model.site_pos[first] = model.site_pos[second] + (0.0, 0.0, present + missing)
    model.site_quat[:] = 1.0, 0.0, 0.0, 0.0
    model.site_sameframe[:] = int(mujoco.mjtSameFrame.mjSAMEFRAME_BODYROT)
    mujoco.mj_setConst(model, mujoco.MjData(model))
    return model


def _end(tendon: str) -> str:
    return f"{tendon}_origin"


def _lengths(model: Any) -> Any:
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return np.array(data.ten_length)


def _path(model: Any, tendon: int) -> _Path:
    start = int(model.tendon_adr[tendon])
    sites: list[int] = []
    shapes: list[_Shape | None] = []
    for i in range(start, start + int(model.tendon_num[tendon])):
        index = int(model.wrap_objid[i])
        if int(model.wrap_type[i]) == _SITE:
            if sites and len(shapes) < len(sites):
                shapes.append(None)
            sites.append(index)
        else:
            shapes.append(_Shape(index, int(model.wrap_prm[i])))
    return _Path(model.tendon(tendon).name, sites, shapes)


def _rebuild(spec: Any, full: Any, paths: list[tuple[_Path, bool]], keep: tuple[str, ...]) -> None:
    used, geoms = set(keep), set()
    for tendon in list(spec.tendons):
        spec.delete(tendon)
    for path, shorter in paths:
        tendon = spec.add_tendon(name=path.tendon)
        names = [full.site(site).name for site in path.sites]
        if shorter:
            spec.site(names[0]).parent.add_site(name=_end(path.tendon))
            tendon.wrap_site(_end(path.tendon))
            used.add(_end(path.tendon))
        tendon.wrap_site(names[0])
        for name, shape in zip(names[1:], path.shapes):
            if shape is not None:
                side = full.site(shape.side).name if shape.side >= 0 else ""
                geom = full.geom(shape.geom).name
                tendon.wrap_geom(geom, side)
                geoms.add(geom)
                used.add(side)
            tendon.wrap_site(name)
        used.update(names)
    for site in list(spec.sites):
        if site.name not in used:
            spec.delete(site)
    for geom in list(spec.geoms):
        if geom.name not in geoms:
            spec.delete(geom)
