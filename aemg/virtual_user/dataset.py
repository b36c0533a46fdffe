"""Synthetic EMG with the intended flexions of the fingers.

A user moves the fingers along references; kept are the amplitudes of every channel in bins of 8 ms, the EMG itself where a
decoder needs it, and which fingers the reference wants flexed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aemg.errors import AEMGError, DataFileError
from aemg.simulation.hand import hand_model
from aemg.simulation.hand.model import Wrist
from aemg.virtual_user.decoding import CONTROL_S, WARM_UP_STEPS, Floats, Integers
from aemg.virtual_user.emg import EMGSettings, UserEMG
from aemg.virtual_user.policy import Policy
from aemg.virtual_user.references import Shape
from aemg.virtual_user.tcn import amplitude
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings
from aemg.virtual_user.users import User, controller_user, policy_user

Progress = Callable[[int, int], None]

_MICROVOLT = 1e-6


@dataclass(frozen=True, eq=False)
class FingerData:
    """What E environments did in T steps of control.

    Args:
        amplitudes: (E, T, C) float32, RMS of every bin in volts.
        flexed: (E, T, 5) bool, wanted by the reference at the end of the bin.
        emg: (E, C, T * S) float16 in microvolts, or None where it was not kept.
    """

    amplitudes: Floats
    flexed: NDArray[np.bool_]
    emg: NDArray[np.float16] | None = None

    def __len__(self) -> int:
        return len(self.flexed)

    def of(self, environments: Integers) -> FingerData:
        """Some of the environments."""
        emg = None if self.emg is None else self.emg[environments]
        return FingerData(self.amplitudes[environments], self.flexed[environments], emg)

    def signal(self, takes: str, environment: int, start: int, steps: int) -> NDArray[Any]:
        """What a network takes, `amplitudes` (steps, C) or `emg` (C, steps * S), in volts.

        Raises:
            AEMGError: the EMG was not kept.
        """
        if takes == "amplitudes":
            return self.amplitudes[environment, start : start + steps]
        if self.emg is None:
            raise AEMGError("this decoder is trained on the EMG itself, which this data set was made without")
        size = self.emg.shape[2] // self.flexed.shape[1]
        return self.emg[environment, :, start * size : (start + steps) * size].astype(np.float32) * np.float32(_MICROVOLT)

    def save(self, path: Path) -> None:
        """Writes one file, in one step."""
        arrays: dict[str, Any] = {"amplitudes": self.amplitudes, "flexed": self.flexed}
        if self.emg is not None:
            arrays["emg"] = self.emg
        partial = path.with_name(f"{path.stem}.partial-{os.getpid()}.npz")
        np.savez(partial, **arrays)
        os.replace(partial, path)

    @classmethod
    def load(cls, paths: Sequence[Path]) -> FingerData:
        """The environments of several files together.

        Raises:
            DataFileError: a file is damaged, or was made otherwise than the first.
        """
        parts = []
        for path in paths:
            try:
                with np.load(path) as file:
                    parts.append((file["amplitudes"], file["flexed"], file.get("emg")))
            except (OSError, ValueError, KeyError) as error:
                raise DataFileError(path, "amplitudes and flexed of a roll-out", str(error)) from error
        amplitudes, flexed, emg = zip(*parts)
        return cls(np.concatenate(amplitudes), np.concatenate(flexed), None if emg[0] is None else np.concatenate(emg))


def roll_out(env: FingerTracking, user: User, emg: UserEMG, steps: int, *, keep_emg: bool = False) -> FingerData:
    """What a user does in so many steps of control, after a warm-up.

    Args:
        env: whose episodes do not end within these steps, of two simulation steps an action.
        user: from observations to actions.
        emg: of as many environments.
        keep_emg: beside its amplitudes.
    """
    n, size = env.num_envs, round(emg.rate_hz * CONTROL_S)
    amplitudes = np.empty((n, steps, emg.channels), np.float32)
    flexed = np.empty((n, steps, 5), np.bool_)
    kept = np.empty((n, emg.channels, steps * size), np.float16) if keep_emg else None
    emg.reset()
    observation, _ = env.reset()
    for step in range(-WARM_UP_STEPS, steps):
        observation, *_ = env.step(user(observation))
        chunk = emg.step(env.excitation)
        if step < 0:
            continue
        amplitudes[:, step], flexed[:, step] = amplitude(chunk), env.flexed
        if kept is not None:
            kept[:, :, step * size : (step + 1) * size] = chunk / _MICROVOLT
    return FingerData(amplitudes, flexed, kept)


def behaviour(
    policy: Policy | None,
    emg: EMGSettings,
    *,
    wrist: Wrist = "fixed",
    templates: Shape = "square",
    seconds: float = 50.0,
    seed: int = 0,
    keep_emg: bool = False,
) -> Callable[[int, int], FingerData]:
    """What makes the blocks for `collect`: a roll-out of environments from the given number on, so many.

    Args:
        policy: acts without chance; None for the controller that learns nothing.
        emg: what is recorded.
        wrist, templates: of the hand and of the references.
        seconds: of every environment.
    """
    hand = hand_model(wrist)
    steps = round(seconds / CONTROL_S)
    task = TrackingSettings(templates=templates, substeps=2, termination_rad=None, episode_steps=10**6)

    def block(first: int, environments: int) -> FingerData:
        env = FingerTracking(hand, environments, task, seed=seed, first=first)
        user = controller_user(env) if policy is None else policy_user(policy)
        ear = UserEMG(hand.muscles, environments, emg, seed=seed, first=first)
        return roll_out(env, user, ear, steps, keep_emg=keep_emg)

    return block


def collect(
    block: Callable[[int, int], FingerData],
    folder: Path,
    *,
    environments: int = 120,
    at_once: int = 30,
    threads: int = 1,
    progress: Progress = lambda done, total: None,
) -> FingerData:
    """The roll-out of many environments, block by block; blocks that are in the folder already are read.

    Args:
        block: makes the data of environments from the given number on, so many.
        folder: of the files, made if missing.
        at_once: environments of a block.
        threads: blocks that are made side by side.
        progress: told of the blocks done and of all.
    """
    folder.mkdir(parents=True, exist_ok=True)
    firsts = range(0, environments, at_once)
    paths = [folder / f"environments-{first:04d}.npz" for first in firsts]

    def make(first: int, path: Path) -> None:
        if not path.exists():
            block(first, min(at_once, environments - first)).save(path)

    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(make, firsts, paths), start=1):
            progress(done, len(paths))
    return FingerData.load(paths)
