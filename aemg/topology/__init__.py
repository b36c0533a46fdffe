"""One channel topology for all devices: sixteen slots around the forearm, and how a band was worn."""

from aemg.topology.config import SpaceConfig
from aemg.topology.registration import (
    WAYS,
    JointRegistration,
    Registered,
    TurnJudge,
    Worn,
    label_patterns,
    register_jointly,
)
from aemg.topology.unify import SLOT_DEG, SLOTS, UNIFIED, Unified, slot_weights, unify

__all__ = [
    "SLOTS",
    "SLOT_DEG",
    "UNIFIED",
    "WAYS",
    "JointRegistration",
    "Registered",
    "SpaceConfig",
    "TurnJudge",
    "Unified",
    "Worn",
    "label_patterns",
    "register_jointly",
    "slot_weights",
    "unify",
]
