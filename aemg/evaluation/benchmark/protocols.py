"""Protocols: what is trained on, what a method sees of the person it is tested on, and what it is tested on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from aemg.errors import ConfigError
from aemg.evaluation.benchmark.published_recipes import RECIPES

Split = Literal[
    "people", "repetitions", "sessions-others", "sessions-own", "sessions-both", "devices", "sets", "published"
]


@dataclass(frozen=True)
class Protocol:
    """A recipe; the same name and version always mean the same numbers from the same data and settings.

    Args:
        name, version, title, description: as listed; the version goes up when rows would change.
        split: what is trained on. `people`: the set's other people; `repetitions`: the person's own earlier repetitions;
            `sessions-others`, `-own`, `-both`: first sessions of other people, of the person, of all, tested on later sessions;
            `devices`: other people under a device worn at the same time; `sets`: all sets but the target's;
            `published`: as in a publication, see `aemg.evaluation.benchmark.published`.
        sources: how many of the set's other people are trained on, where `split` is `people`; None for all.
        unlabelled: what of the person's signal is seen without labels before the test: nothing, its first `seconds`, or all
            that is tested on.
        seconds: of calibration.
        fraction, repetitions: of the person's data that are seen with labels; fraction 0 is the start of the few-shot points.
        few_shot: tested on the last repetitions, from the same start, whatever is seen with labels.
        by_slot: features of classical methods lie on slots also where the channels are the same.
    """

    name: str
    title: str
    description: str
    split: Split
    unlabelled: Literal["none", "seconds", "all"]
    version: int = 1
    sources: int | None = None
    seconds: float | None = None
    fraction: float | None = None
    repetitions: int | None = None
    few_shot: bool = False
    by_slot: bool = False

    @property
    def user_dependent(self) -> bool:
        """Models are trained on the very person that they are tested on."""
        return self.split in ("repetitions", "sessions-own", "sessions-both")

    @property
    def labelled(self) -> str | None:
        """What of the person's data is seen with labels, in words."""
        if self.repetitions is not None:
            return f"the first {self.repetitions} repetition{'s' * (self.repetitions > 1)} of every movement"
        if self.fraction:
            return f"the first {self.fraction:.0%} of the trials"
        own = {
            "repetitions": "all repetitions before the tested ones",
            "sessions-own": "the first session",
            "sessions-both": "the first session",
        }
        return own.get(self.split)

    @property
    def seen_unlabelled(self) -> str | None:
        """What of the person's signal may be seen without labels, in words."""
        if self.unlabelled == "seconds":
            return f"the first {self.seconds:g} s of the donning, which are not tested"
        return "all of the donning, the tested part as well" if self.unlabelled == "all" else None

    @property
    def target_data(self) -> str:
        """Both in one line."""
        parts = [f"{kind}: {what}" for kind, what in (("labelled", self.labelled), ("unlabelled", self.seen_unlabelled)) if what]
        return "; ".join(parts) or "none"

    def as_dict(self) -> dict[str, object]:
        """As benchmark.json lists it."""
        return {
            "version": self.version,
            "title": self.title,
            "description": self.description,
            "target_data": self.target_data,
            "user_dependent": self.user_dependent,
        }


def _calibrated(seconds: float) -> Protocol:
    return Protocol(
        f"loso-calibrated-{seconds:g}s",
        f"Other people, {seconds:g} s of unlabelled calibration",
        f"Thresholds, rest level, normalisation, registration and adaptation from the first {seconds:g} s of the donning, "
        "without labels; tested on the trials that begin later.",
        "people",
        "seconds",
        seconds=seconds,
    )


def _few_shot(fraction: float) -> Protocol:
    return Protocol(
        f"fewshot-{100 * fraction:g}",
        f"Few-shot, {fraction:.0%} of the person's trials" if fraction else "Few-shot, the start of its points",
        "Starts at the fold's model for unknown people, adapts to the first trials in time order, and is tested on the last "
        "repetitions, the same ones for every few-shot protocol."
        if fraction
        else "The fold's model for unknown people on the repetitions that all few-shot protocols are tested on.",
        "people",
        "all",
        fraction=fraction,
        few_shot=True,
    )


def _few_repetitions(count: int) -> Protocol:
    return replace(
        _few_shot(0.05),
        name=f"fewshot-k{count}",
        title=f"Few-shot, {count} repetition{'s' * (count > 1)} of every movement",
        fraction=None,
        repetitions=count,
    )


_TRANSDUCTIVE = Protocol(
    "loso-transductive",
    "Other people, all unlabelled data of the person",
    "Registration, normalisation and adaptation from all of the person's signal, without labels, the tested part as well.",
    "people",
    "all",
)


def _from_people(count: int) -> Protocol:
    people = "person" if count == 1 else "people"
    return replace(
        _TRANSDUCTIVE,
        name=f"loso-from-{count}",
        title=f"{count} other {people}, all unlabelled data of the person",
        description=f"As loso-transductive, trained on {count} {people} drawn from the set's others; a larger number takes the "
        "same ones and more.",
        sources=count,
    )


_CROSS_SESSION = Protocol(
    "cross-session",
    "Other people's first sessions, a later session of the person",
    "Trained on first sessions of other people, tested on every later session of the person.",
    "sessions-others",
    "all",
)

_FIXED = (
    Protocol(
        "loso-inductive",
        "Other people, nothing of the person",
        "Thresholds, rest level and normalisation are those of the people trained on; no registration, no adaptation.",
        "people",
        "none",
    ),
    _calibrated(30),
    _TRANSDUCTIVE,
    *(_from_people(count) for count in (1, 2, 4)),
    *(_few_shot(fraction) for fraction in (0.0, 0.05, 0.2, 0.4, 0.8)),
    *(_few_repetitions(count) for count in (1, 2)),
    _CROSS_SESSION,
    replace(
        _CROSS_SESSION,
        name="cross-session-own",
        title="The person's first session, a later one",
        description="Trained on the person's first session, tested on every later one: what a new donning costs.",
        split="sessions-own",
    ),
    replace(
        _CROSS_SESSION,
        name="cross-session-both",
        title="First sessions of everyone, a later one of the person",
        description="Trained on first sessions of other people and of the person, tested on every later session of the person.",
        split="sessions-both",
    ),
    replace(
        _TRANSDUCTIVE,
        name="cross-device",
        title="Other people under another device",
        description="Trained on other people wearing the other device of a pair worn at the same time, tested on an unseen "
        "person.",
        split="devices",
        by_slot=True,
    ),
    replace(
        _TRANSDUCTIVE,
        name="same-device",
        title="Other people under the same device, beside cross-device",
        description="The column that cross-device is compared with: same people, same tested data, same kind of features, "
        "trained on the device that is tested.",
        by_slot=True,
    ),
    replace(
        _TRANSDUCTIVE,
        name="cross-set",
        title="Other sets",
        description="Trained on the other sets without anyone of the target set's people, on the movements whose labels they "
        "share with it; tested on these movements.",
        split="sets",
        by_slot=True,
    ),
    Protocol(
        "user-dependent",
        "The person's own earlier repetitions",
        "Trained on all repetitions of the person before those that the few-shot protocols are tested on, tested on these.",
        "repetitions",
        "all",
    ),
)
_PUBLISHED = tuple(Protocol(r.name, r.title, r.description, "published", "all", version=r.version) for r in RECIPES.values())
PROTOCOLS: Mapping[str, Protocol] = {protocol.name: protocol for protocol in (*_FIXED, *_PUBLISHED)}

_FAMILIES: Mapping[str, Callable[[float], Protocol]] = {
    r"loso-calibrated-(\d+(?:\.\d+)?)s": _calibrated,
    r"loso-from-(\d+)": lambda count: _from_people(int(count)),
    r"fewshot-(\d+(?:\.\d+)?)": lambda percent: _few_shot(percent / 100),
    r"fewshot-k(\d+)": lambda count: _few_repetitions(int(count)),
}


def protocol_named(name: str) -> Protocol:
    """The protocol of a name; `loso-calibrated-Ns`, `loso-from-N`, `fewshot-P` (per cent) and `fewshot-kN` take any number.

    Raises:
        ConfigError: no such protocol.
    """
    if name in PROTOCOLS:
        return PROTOCOLS[name]
    for pattern, family in _FAMILIES.items():
        found = re.fullmatch(pattern, name)
        if found and float(found[1]) > 0:
            return family(float(found[1]))
    raise ConfigError(
        f"no protocol {name!r}; known are {', '.join(PROTOCOLS)}, and with other numbers loso-calibrated-60s, loso-from-3, "
        "fewshot-10, fewshot-k3"
    )
