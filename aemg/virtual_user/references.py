"""What the fingers are asked to do: periodic flexions at five rates, dealt to them at random, looked up and never computed.

Each finger moves along one line through its joint space, from 10 % to 90 % of the range of its flexions, so that where it is
wanted is one number, its flexion in 0..1. All rates divide one common period; a step of an episode is an index into it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, filtfilt

from aemg.errors import AEMGError
from aemg.simulation.hand import Hands

RATES_HZ = (0.1, 0.2, 0.3, 0.4, 0.5)
PERIOD_S = 10.0  # of all rates together
RANGE_USED = 0.8
SMOOTHING_HZ = 1.0
Shape = Literal["sine", "square"]
FloatArray = NDArray[np.floating]
_DIGITS = {"1": "thumb", "2": "index", "3": "middle", "4": "ring", "5": "little"}


class Target(NamedTuple):
    """What is wanted of N environments at one moment.

    q and qd are (N, joints) in rad and rad/s, tips and tip_velocities (N, 5, 3) in m and m/s, flexed (N, 5) is whether a finger's
    reference is nearer to its flexed than to its extended end.
    """

    q: NDArray[np.float64]
    qd: NDArray[np.float64]
    tips: NDArray[np.float64]
    tip_velocities: NDArray[np.float64]
    flexed: NDArray[np.bool_]


def templates(shape: Shape, step_s: float) -> NDArray[np.float64]:
    """The flexions of `RATES_HZ` over their common period, (rates, steps), each reaching from 0 to 1.

    `square` is the sign of the sine, smoothed by a second-order Butterworth low-pass at 1 Hz, forwards and backwards.

    Raises:
        AEMGError: an unknown shape, or a step that does not divide the period.
    """
    steps = round(PERIOD_S / step_s)
    if abs(steps * step_s - PERIOD_S) > 1e-9:
        raise AEMGError(f"a step of {step_s} s does not divide the period of {PERIOD_S:g} s")
    sine = np.sin(2 * np.pi * np.outer(RATES_HZ, (np.arange(steps) + 0.5) * step_s))  # never zero: a sign at each step
    if shape == "sine":
        wave = sine
    elif shape == "square":
        b, a = butter(2, SMOOTHING_HZ, fs=1 / step_s)
        wave = filtfilt(b, a, np.tile(np.sign(sine), 3), axis=1)[:, steps : 2 * steps]  # of three periods the middle one
    else:
        raise AEMGError(f"templates are sine or square, got {shape!r}")
    low, high = wave.min(axis=1, keepdims=True), wave.max(axis=1, keepdims=True)
    return np.asarray((wave - low) / (high - low))


@dataclass(frozen=True)
class FingerJoints:
    """How joint angles follow from the flexion of the fingers: q = rest + flexion[finger] * travel.

    rest and travel are (joints,) in rad; finger is (joints,), -1 where a joint does not flex a finger; digit likewise for every
    joint of a finger, abductions too.
    """

    rest: NDArray[np.float64]
    travel: NDArray[np.float64]
    finger: NDArray[np.int64]
    digit: NDArray[np.int64]


def finger_joints(joints: Sequence[str], lower: FloatArray, upper: FloatArray, fingers: Sequence[str]) -> FingerJoints:
    """Sorts a hand's joints into fingers. The thumb flexes towards the lower end of its joints, the others towards the upper;
    joints that do not flex a finger rest at 0, or at the end of their range that is nearest to it."""
    lower, upper = np.asarray(lower, float), np.asarray(upper, float)
    digit = np.array([_digit(name, fingers) for name in joints])
    finger = np.where([name.endswith("flexion") for name in joints], digit, -1)
    towards_lower = finger == (list(fingers).index("thumb") if "thumb" in fingers else -2)
    margin = (1 - RANGE_USED) / 2 * (upper - lower)
    extended = np.where(towards_lower, upper - margin, lower + margin)
    travel = np.where(finger >= 0, RANGE_USED * (upper - lower) * np.where(towards_lower, -1, 1), 0.0)
    return FingerJoints(np.where(finger >= 0, extended, np.clip(0.0, lower, upper)), travel, finger, digit)


def _digit(joint: str, fingers: Sequence[str]) -> int:
    numbered = re.fullmatch(r"(?:mcp|pm|md)([2-5])_(?:flexion|abduction)", joint)
    name = _DIGITS[numbered[1]] if numbered else "thumb" if re.match(r"(?:cmc|mp|ip)_", joint) else ""
    return list(fingers).index(name) if name in fingers else -1


class References:
    """The references of many environments.

    The fingers of `moving` are dealt the five rates at random, no two the same one, each at a random phase; the others stay
    extended. What environment i is dealt depends on the seed, on `first` + i and on how often it was dealt before alone, so
    that a shard of environments is dealt what it would be as part of all.

    Args:
        hands: whose ranges and finger tips are meant; as many references as it has environments.
        shape: of the templates.
        step_s: of one index.
        moving: fingers that move; None: all.
    """

    def __init__(
        self,
        hands: Hands,
        *,
        shape: Shape = "sine",
        step_s: float = 0.004,
        seed: int = 0,
        first: int = 0,
        moving: Sequence[str] | None = None,
    ) -> None:
        hand = hands.hand
        self.moving = _places(hand.fingers, moving)
        self.seed, self.first, self.step_s = seed, first, step_s
        self.joints = finger_joints(hand.joints, hand.lower, hand.upper, hand.fingers)
        levels = templates(shape, step_s)
        self.period = levels.shape[1]
        levels = np.concatenate([levels, np.zeros((1, self.period))])  # the last template is that of a finger at rest
        self._levels = np.stack([levels, _rate_of_change(levels, step_s)], axis=-1).reshape(-1, 2)
        together = self.joints.rest + levels[..., None] * np.where(self.joints.finger >= 0, self.joints.travel, 0.0)
        tips = hands.forward_tips(together.reshape(-1, len(self.joints.rest)))  # a tip depends on its own finger alone
        tips = tips.reshape(*levels.shape, -1)
        both = np.stack([tips, _rate_of_change(tips, step_s)], axis=-1)  # (6, period, 5 * 3, 2)
        self._tips = np.ascontiguousarray(np.moveaxis(both.reshape(-1, len(hand.fingers), 3, 2), -1, 2))  # (6 * period, 5, 2, 3)
        self._scale = hands.scale[:, None, None, None]  # of the people's hands: all lengths grow with it
        self._flexed = levels.reshape(-1) > 0.5
        self.template = np.full((hands.environments, len(hand.fingers)), len(RATES_HZ))
        self.phase = np.zeros_like(self.template)
        self.dealt = np.zeros(hands.environments, int)
        self.resample()

    def resample(self, environments: NDArray[np.integer] | None = None) -> None:
        """Deals new rates and phases to some environments; None: to all."""
        for i in range(len(self.dealt)) if environments is None else environments:
            rng = self.generator(int(i))
            self.template[i, self.moving] = rng.permutation(len(RATES_HZ))[: len(self.moving)]
            self.phase[i, self.moving] = rng.integers(self.period, size=len(self.moving))
            self.dealt[i] += 1

    def generator(self, environment: int, stream: int = 0) -> np.random.Generator:
        """Chance of one environment's present deal."""
        return np.random.default_rng([self.seed, self.first + environment, int(self.dealt[environment]), stream])

    def at(self, step: NDArray[np.integer], environments: NDArray[np.integer] | slice = slice(None)) -> Target:
        """What is wanted at a step of each environment, `step` (n,) counted in `step_s`."""
        index = self.template[environments] * self.period + (self.phase[environments] + step[:, None]) % self.period  # (n, 5)
        levels = self._levels[index]  # (n, 5, 2)
        joint_levels = levels[:, self.joints.finger]  # (n, joints, 2)
        tips = self._tips[index, np.arange(index.shape[1])] * self._scale[environments]  # (n, 5, 2, 3)
        return Target(
            self.joints.rest + joint_levels[..., 0] * self.joints.travel,
            joint_levels[..., 1] * self.joints.travel,
            tips[:, :, 0], tips[:, :, 1], self._flexed[index],
        )  # fmt: skip

    def state(self) -> dict[str, NDArray[np.int64]]:
        """All that changes, for `restore`."""
        return {"template": self.template.copy(), "phase": self.phase.copy(), "dealt": self.dealt.copy()}

    def restore(self, state: dict[str, NDArray[np.int64]]) -> None:
        """Goes back to a state."""
        self.template[:], self.phase[:], self.dealt[:] = state["template"], state["phase"], state["dealt"]


def _places(fingers: Sequence[str], moving: Sequence[str] | None) -> NDArray[np.int64]:
    chosen = list(fingers) if moving is None else list(moving)
    if not chosen or set(chosen) - set(fingers) or len(set(chosen)) < len(chosen):
        raise AEMGError(f"fingers are some of {', '.join(fingers)}, each once, got {', '.join(chosen) or 'none'}")
    return np.array([list(fingers).index(name) for name in chosen])


def _rate_of_change(x: FloatArray, step_s: float) -> NDArray[np.float64]:
    """Central differences of periodic rows along axis 1."""
    return np.asarray((np.roll(x, -1, axis=1) - np.roll(x, 1, axis=1)) / (2 * step_s))
