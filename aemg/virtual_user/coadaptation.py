"""User and decoder that learn from each other, in rounds: the user with the decoder frozen, then the decoder from the user.

Three ways are compared at equal numbers of rounds: only the user learns, only the decoder learns, both do. A condition (weakness,
tremor, missing fingers) acts on the user's drive throughout, so that the decoder of a healthy user meets one who is not.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from aemg.config import STRICT, to_mapping
from aemg.errors import AEMGError
from aemg.simulation.conditions import HEALTHY, Condition
from aemg.virtual_user.dataset import FingerData, roll_out
from aemg.virtual_user.decoder_training import TrainSettings, train_decoder
from aemg.virtual_user.decoding import CONTROL_S
from aemg.virtual_user.emg import EMGSettings, UserEMG
from aemg.virtual_user.networks import FingerNetwork, load_network, save_network
from aemg.virtual_user.phase2 import Phase2Settings, Score, Share, environments, score, shards, user_of
from aemg.virtual_user.policy import Policy
from aemg.virtual_user.ppo import learn
from aemg.virtual_user.users import load_policy, policy_user

Way = Literal["user", "decoder", "both"]
WAYS: tuple[Way, ...] = get_args(Way)


@dataclass(frozen=True)
class CoadaptationSettings:
    """The rounds.

    Args:
        rounds: of learning by the user, the decoder or one after the other.
        environments, seconds: of the user's behaviour that the decoder is tuned on in a round.
        tuning: of the decoder.
        user: how the user learns in a round; `user.minutes` is that of one round.
        condition: of the user.
    """

    __pydantic_config__ = STRICT
    rounds: int = 4
    environments: int = 40
    seconds: float = 20.0
    tuning: TrainSettings = field(default_factory=lambda: TrainSettings(rate=5e-4, epochs=4))
    user: Phase2Settings = field(default_factory=lambda: Phase2Settings(minutes=3.0))
    condition: Condition = HEALTHY


def coadapt(
    way: Way,
    seed: int,
    folder: Path,
    *,
    start: Policy,
    decoder: Path,
    settings: CoadaptationSettings,
    share: Share = lambda done: None,
) -> dict[str, Any]:
    """All rounds of one way; a finished round is in `folder` and is not done again.

    Args:
        start: the user before the first round.
        decoder: folder of the decoder before the first round.
        share: told how much is done, 0..1.

    Returns:
        Settings and `rounds`: the scores before the first round and after every one.

    Raises:
        AEMGError: an unknown way, parts that do not fit, or a folder of other settings.
    """
    if way not in WAYS:
        raise AEMGError(f"ways are {', '.join(WAYS)}, got {way!r}")
    about: dict[str, Any] = json.loads(json.dumps({"way": way, "seed": seed, "settings": to_mapping(settings)}))
    network, emg = load_network(decoder)
    policy = user_of(1, start, environments(network, emg, settings.user, 1, seed=seed), settings.user, seed)
    done: list[dict[str, Any]] = []
    kept = folder / "rounds.json"
    if kept.is_file():
        found = json.loads(kept.read_text())
        if {key: found[key] for key in about} != about:
            raise AEMGError(f"{folder} holds rounds with other settings; choose another --out")
        done = found["rounds"]
        last = folder / f"round-{len(done) - 1}"
        policy, (network, emg) = Policy.load(last / "policy.safetensors"), load_network(last)
    for number in range(len(done), settings.rounds + 1):
        place = folder / f"round-{number}"
        if number and way != "decoder":
            _user_learns(policy, network, emg, settings, seed + 1000 * number, place)
        if number and way != "user":
            data = _behaviour(policy, network, emg, settings, seed + 1000 * number)
            train_decoder(network, data, settings.tuning, seed=seed + number, keep_scale=True)
        policy.save(place / "policy.safetensors")
        save_network(network, emg, place)
        scores: dict[str, Score] = score(policy, network, emg, settings.user, seed=seed, condition=settings.condition)
        done.append(json.loads(json.dumps({name: asdict(value) for name, value in scores.items()})))
        partial = kept.with_suffix(".partial")
        partial.write_text(json.dumps(about | {"rounds": done}, indent=1) + "\n")
        os.replace(partial, kept)
        share(number / settings.rounds)
    return about | {"rounds": done}


def _user_learns(
    policy: Policy, network: FingerNetwork, emg: EMGSettings, settings: CoadaptationSettings, seed: int, place: Path
) -> None:
    user = settings.user
    parts = shards(network, emg, user, seed=seed, condition=settings.condition)
    learn(parts, policy, user.ppo, seed=seed, cpu_s=60 * user.minutes * user.threads, checkpoint=place / "checkpoint.pt")


def _behaviour(policy: Policy, network: FingerNetwork, emg: EMGSettings, settings: CoadaptationSettings, seed: int) -> FingerData:
    """What the user does now, without chance, for the decoder to learn from."""
    user = replace(settings.user, task=replace(settings.user.task, episode_steps=10**6))
    env = environments(network, emg, user, settings.environments, seed=seed, condition=settings.condition)
    ear = UserEMG(env.hand.muscles, settings.environments, emg, seed=seed + 1)
    steps = round(settings.seconds / CONTROL_S)
    return roll_out(env, policy_user(policy), ear, steps, keep_emg=network.takes == "emg")


def coadapt_from(
    way: Way, seed: int, folder: Path, start: Path, decoder: Path, settings: CoadaptationSettings, share: Share
) -> dict[str, Any]:
    """`coadapt` with the policy of a file."""
    return coadapt(way, seed, folder, start=load_policy(start), decoder=decoder, settings=settings, share=share)
