"""Who moves the fingers: a learned policy, or the controller that learns nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from aemg.simulation.hand.controller import StaticOptimiser
from aemg.virtual_user.decoding import Floats
from aemg.virtual_user.policy import Policy
from aemg.virtual_user.tracking import FingerTracking

User = Callable[[Floats], Floats]
"""From observations (N, size) to actions (N, muscles)."""


def policy_user(policy: Policy) -> User:
    """The policy's most probable actions."""

    @torch.inference_mode()
    def act(observation: Floats) -> Floats:
        action, _, _ = policy.act(torch.from_numpy(observation), deterministic=True)
        return np.asarray(action.numpy())

    return act


def controller_user(env: FingerTracking) -> User:
    """Closed-loop static optimisation towards the reference's joint angles, in this environment alone."""
    optimiser = StaticOptimiser(env.hands, substeps=env.settings.substeps)

    def act(observation: Floats) -> Floats:
        excitation = optimiser.excitations(env.target.q, env.target.qd)
        return env.actions_of(excitation)

    return act


def load_policy(path: Path) -> Policy:
    """The policy of a file, or of the folder of a run.

    Raises:
        AEMGError: there is none.
    """
    return Policy.load(path / "policy.safetensors" if path.is_dir() else path)
