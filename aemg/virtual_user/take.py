"""A virtual user filmed: the bones of one hand, what is wanted of its fingers, the EMG, and what a decoder makes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aemg.simulation.hand import Hand, hand_model
from aemg.simulation.hand.kinematics import Chain, chain_of, pose
from aemg.virtual_user.decoding import CONTROL_S, FingerDecoder
from aemg.virtual_user.emg import EMGSettings, UserEMG
from aemg.virtual_user.networks import FingerNetwork
from aemg.virtual_user.policy import Policy
from aemg.virtual_user.references import Shape
from aemg.virtual_user.tracking import FingerTracking, TrackingSettings
from aemg.virtual_user.users import controller_user, policy_user

Floats = NDArray[np.float64]
_WARM_UP_S = 0.6


@dataclass(frozen=True, eq=False)
class Take:
    """One user over time; F frames.

    Args:
        fingers: their names, thumb to little finger.
        frame_s: (F,) times of the frames from the first sample on.
        chains: (F, 5, 5, 3) in m, every finger's points from the wrist to its tip.
        wanted: (F, 5, 3) in m, where the tips are wanted.
        flexed: (F, 5) which fingers are wanted flexed.
        answers: (F, 5) probabilities of the decoder that they are; None without one.
        emg: (C, T) in volts at `rate_hz`; channels: their names.
        tip_error_m: mean distance of the tips from where they are wanted.
    """

    fingers: tuple[str, ...]
    frame_s: Floats
    chains: Floats
    wanted: Floats
    flexed: NDArray[np.bool_]
    answers: NDArray[np.float32] | None
    emg: NDArray[np.float32]
    rate_hz: float
    channels: tuple[str, ...]
    tip_error_m: float


def film_take(
    policy: Policy | None = None,
    decoder: FingerNetwork | None = None,
    emg: EMGSettings | None = None,
    *,
    seconds: float = 6.0,
    frames_per_s: float = 12.5,
    templates: Shape = "square",
    seed: int = 0,
) -> Take:
    """Lets a user move the fingers along references with the wrist held, and keeps what is needed to draw it.

    Args:
        policy: acts without chance; None for the controller that learns nothing.
        decoder: listens, if given, to the EMG that it was trained on.
        emg: how that is made; by default a channel for each muscle.
        seconds, frames_per_s: of the film, after a warm-up that is not kept.
        templates: shape of the references.
        seed: of the references and of the EMG.
    """
    hand = hand_model("fixed")
    task = TrackingSettings(templates=templates, substeps=2, termination_rad=None, episode_steps=10**6)
    env = FingerTracking(hand, 1, task, seed=seed)
    user = controller_user(env) if policy is None else policy_user(policy)
    ear = UserEMG(hand.muscles, 1, emg or EMGSettings(), seed=seed)
    listener: FingerDecoder | None = None if decoder is None else decoder.online(1)
    every = max(1, round(1 / frames_per_s / CONTROL_S))
    points, wanted, flexed, answers, chunks, errors = _Points(hand), [], [], [], [], []
    observation, _ = env.reset(seed=seed)
    chains = []
    for step in range(-round(_WARM_UP_S / CONTROL_S), round(seconds / CONTROL_S)):
        observation, _, _, _, info = env.step(user(observation))
        chunk = ear.step(env.excitation)
        answer = None if listener is None else listener.push(chunk)
        if step < 0:
            continue
        chunks.append(chunk[0])
        errors.append(float(info["measures"]["tip_error_m"][0]))
        if step % every:
            continue
        chains.append(points(env.hands.q[0]))
        wanted.append(env.target.tips[0].copy())
        flexed.append(env.flexed[0].copy())
        if answer is not None:
            answers.append(answer[0].copy())
    return Take(
        fingers=hand.fingers,
        frame_s=np.asarray(np.arange(len(chains)) * (every * CONTROL_S)),
        chains=np.array(chains),
        wanted=np.array(wanted),
        flexed=np.array(flexed),
        answers=np.array(answers) if answers else None,
        emg=np.concatenate(chunks, axis=1),
        rate_hz=ear.rate_hz,
        channels=hand.muscles if ear.settings.montage == "isolated" else tuple(str(c) for c in range(ear.channels)),
        tip_error_m=float(np.mean(errors)),
    )


class _Points:
    """From joint angles (nq,) of a hand with a fixed wrist to the points of its fingers, (5, 5, 3): wrist, three joints, tip."""

    def __init__(self, hand: Hand) -> None:
        self.chain = chain_of(hand)
        self.x, self.tips, (self._r, self._axis, self._anchor) = _room(hand, self.chain)
        self.bones = [_path(self.chain, int(body)) for body in self.chain.tip_body]
        whole = hand_model("free")
        chain = chain_of(whole)
        x, tips, (r, axis, anchor) = _room(whole, chain)
        pose(chain, np.zeros(len(whole.joints)), x, r, axis, anchor, tips)
        self.wrist = x[int(chain.parent[_path(chain, int(chain.tip_body[1]))[0]])]

    def __call__(self, q: Floats) -> Floats:
        pose(self.chain, np.ascontiguousarray(q), self.x, self._r, self._axis, self._anchor, self.tips)
        return np.array([[self.wrist, *self.x[bones], tip] for bones, tip in zip(self.bones, self.tips)])


def _room(hand: Hand, chain: Chain) -> tuple[Floats, Floats, tuple[Floats, Floats, Floats]]:
    """What `pose` writes to: places of the bodies, tips, and the rest in between."""
    bodies, joints = len(chain.parent), len(hand.joints)
    return np.zeros((bodies, 3)), np.zeros((5, 3)), (np.zeros((bodies, 3, 3)), np.zeros((joints, 3)), np.zeros((joints, 3)))


def _path(chain: Chain, body: int) -> list[int]:
    """The three bones of a finger whose last is given, from the hand to the tip."""
    middle = int(chain.parent[body])
    return [int(chain.parent[middle]), middle, body]
