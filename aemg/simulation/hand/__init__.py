"""The hand: MyoHand's bones, tendons and muscles in MuJoCo, many at a time. Needs the extra `aemg[simulation]`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from aemg.errors import AEMGError

if TYPE_CHECKING:
    from aemg.simulation.hand.model import Hand as Hand
    from aemg.simulation.hand.model import hand_model as hand_model
    from aemg.simulation.hand.physics import Hands as Hands

_PLACES = {"Hand": "model", "hand_model": "model", "Hands": "physics"}

__all__ = ["Hand", "Hands", "hand_model"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("mujoco", "myo_sim"):
            raise
        raise AEMGError(f"the simulated hand needs {error.name}: pip install 'aemg[simulation]'") from error
