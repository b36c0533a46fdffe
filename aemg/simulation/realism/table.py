"""The table of realism: every quantity with its range, its source and a verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from aemg.errors import AEMGError
from aemg.simulation.anatomy import sample_person
from aemg.simulation.realism.comparison import COMPARED, RealSet, against, simulated
from aemg.simulation.realism.results import Realism
from aemg.simulation.realism.sections import PERSON, chance, of_hand, of_limbs, of_signals, of_units

Progress = Callable[[int, int], None]
FEWEST_PEOPLE = 3
_MOST_LIMBS = 8  # the slower measurements of the volume conductor


def measure(
    people: int = 20,
    seed: int = 0,
    real: Sequence[RealSet] = (),
    progress: Progress = lambda done, total: None,
) -> Realism:
    """Measures simulated people; deterministic for its arguments.

    Args:
        people: forearms drawn, each with a number of its own after `seed`.
        real: sets to compare with, each its card and its recordings; the simulated device is that with as many channels
            at the same rate, and sets without such a device are named in the notes.

    Raises:
        AEMGError: fewer than three people, or a negative seed.
    """
    if people < FEWEST_PEOPLE or seed < 0:
        raise AEMGError(f"expected at least {FEWEST_PEOPLE} people and a seed of at least 0, got {people} and {seed}")
    total = 2 * people + min(people, _MOST_LIMBS) + len(real)
    limbs = [sample_person(chance(seed, PERSON, i)) for i in range(people)]
    curves: dict[str, Any] = {}
    findings = of_units(limbs, seed, curves, lambda done: progress(done, total))
    findings += of_limbs(limbs[:_MOST_LIMBS], seed, curves, lambda done: progress(people + done, total))
    done = people + min(people, _MOST_LIMBS)
    sets = {}
    for i, name in enumerate(COMPARED, 1):
        sets[name] = simulated(name, people, seed)
        progress(done + i * people // len(COMPARED), total)
    findings += of_signals(sets, seed, curves)
    found_delay, missing = of_hand(limbs[:_MOST_LIMBS], seed)
    findings += found_delay
    comparisons, notes = against(real, sets, curves, lambda i: progress(2 * people + min(people, _MOST_LIMBS) + i, total))
    return Realism(people, seed, tuple(findings), tuple(comparisons), curves, (*missing, *notes))
