"""The published protocols, run: re-implemented baselines and our network on the people and stretches of a paper.

What papers report stands in `aemg.evaluation.benchmark.published_numbers`; rows hold what is computed here alone.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from aemg.errors import ConfigError
from aemg.evaluation.baselines import BASELINES, Baseline, Fitted
from aemg.evaluation.benchmark.published_domains import PersonWindows, Sources, Space, windows_of
from aemg.evaluation.benchmark.published_network import SEES as NETWORK_SEES
from aemg.evaluation.benchmark.published_network import network_results, tokenised
from aemg.evaluation.benchmark.published_recipes import Recipe, people_of, recipe_named
from aemg.evaluation.benchmark.published_scores import Row, context_of, facts_of, row_of, scores_of
from aemg.evaluation.benchmark.published_signals import Filters
from aemg.evaluation.benchmark.published_user import USER_DATA, user_dependent
from aemg.evaluation.certificate import FoldFacts, row_certificate
from aemg.evaluation.config import FinetuneConfig
from aemg.evaluation.domain import Domain
from aemg.model import SIZES, AEMGConfig, ModelCard

SPACES: Final[tuple[Space, ...]] = ("td", "tangent")
_TRANSDUCTIVE: Final = "all of the person's windows, the tested ones"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Network:
    """How our network is run beside.

    Args:
        encoders: of which each fold takes the first that has not seen who is tested; none for a random start alone.
        config: of the network where there is no encoder.
        methods: "aemg" from the encoder, "random-init" its twin.
    """

    encoders: tuple[Path, ...] = ()
    config: AEMGConfig = field(default_factory=lambda: AEMGConfig(network=SIZES["tiny"]))
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    methods: tuple[str, ...] = ("aemg", "random-init")


def published_rows(
    name: str,
    root: str | Path,
    methods: Sequence[str] | None = None,
    *,
    filters: Sequence[Filters] | None = None,
    spaces: Sequence[Space] = SPACES,
    seeds: Sequence[int] = (0,),
    network: Network | None = None,
    user_column: bool = True,
    most_windows: int = 1000,
    most_people: int | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Iterator[Row]:
    """The rows of one published protocol.

    Args:
        name: of a recipe.
        root: where the native files lie.
        methods: names of baselines; all if not given.
        filters: ways of filtering; all of the recipe's if not given.
        spaces: kinds of features that a method is run on, where it is not made for one alone.
        network: our network beside, on signals cleaned as in every other evaluation.
        user_column: the user-dependent results beside.
        most_windows: of a person of a fixed training half; more are thinned evenly.
        most_people: test so many, to try it; all are trained on.

    Raises:
        ConfigError: no such protocol or method, or encoders of several settings.
        AEMGError: the set is not there; the message says how to get it.
    """
    recipe = recipe_named(name)
    if unknown := [m for m in methods or () if m not in BASELINES]:
        raise ConfigError(f"no baseline {', '.join(unknown)}; known are {', '.join(BASELINES)}")
    chosen = [BASELINES[m] for m in (BASELINES if methods is None else methods)]
    ways = [way for way in recipe.filters if filters is None or way in filters] or recipe.filters[:1]
    for way, people in _windows(recipe, root, ways, most_windows, progress).items():
        tested = [p for p in people if p.side != "train"][:most_people]
        for seed in seeds:
            yield from _baseline_rows(recipe, way, people, tested, chosen, spaces, seed, progress)
            if user_column:
                yield from _user_rows(recipe, way, len(people), tested, spaces, seed)
    if network is not None and network.methods:
        yield from _network_rows(recipe, root, network, seeds, most_people)


def _windows(
    recipe: Recipe, root: str | Path, ways: Sequence[Filters], most: int, progress: Progress
) -> dict[Filters, list[PersonWindows]]:
    found: dict[Filters, list[PersonWindows]] = {way: [] for way in ways}
    for done, person in enumerate(people_of(recipe, root), start=1):
        for way in ways:
            made = windows_of(recipe, person, way)
            found[way].append(made.thinned(most) if made.side == "train" else made)
        progress(f"{recipe.name}: reading", done, max(done, recipe.people))
    return found


def _baseline_rows(
    recipe: Recipe,
    way: Filters,
    people: Sequence[PersonWindows],
    tested: Sequence[PersonWindows],
    methods: Sequence[Baseline],
    spaces: Sequence[Space],
    seed: int,
    progress: Progress,
) -> Iterator[Row]:
    half = Sources(tuple(p for p in people if p.side == "train"))
    kept: dict[str, Fitted] = {}  # what a fixed half fits alike for all who are tested
    for done, target in enumerate(tested, start=1):
        sources = half if recipe.split == "halves" else Sources(tuple(p for p in people if p.name != target.name))
        for baseline in methods:
            for space in _spaces(baseline, spaces):
                started, method = time.monotonic(), _method(baseline, space)
                own = replace(target.own(space) if baseline.unlabelled else sources.seen(target, space), labels=None)
                fitted = kept.get(method) or _fit(baseline, sources, own, space, len(recipe.labels), seed)
                if recipe.split == "halves" and not baseline.unlabelled:
                    kept[method] = fitted
                scores = scores_of(fitted.log_proba(own.features), target.labels, target.trial)
                row = row_of(recipe, way, method, "baseline", target.name, seed, scores, context_of(recipe))
                seen = _TRANSDUCTIVE if baseline.unlabelled else None
                yield {
                    **row,
                    "target_data": f"unlabelled: {seen}" if seen else "none",
                    "features": space,
                    "people": len(people),
                    "source_windows": sum(len(s.labels) for s in sources.people),
                    "seconds": time.monotonic() - started,
                    "certificate": _certificate(recipe, way, facts_of(target, sources), seen),
                }
        progress(f"{recipe.protocol(way)}: people", done, len(tested))


def _fit(baseline: Baseline, sources: Sources, target: Domain, space: Space, classes: int, seed: int) -> Fitted:
    if baseline.unlabelled:
        return baseline.fit([s.own(space) for s in sources.people], target, classes, seed)
    return baseline.fit(sources.shared(space), None, classes, seed)


def _spaces(baseline: Baseline, spaces: Sequence[Space]) -> Sequence[Space]:
    """A method named after its features is run on them alone."""
    named = baseline.name.startswith(("td-", "tangent-"))
    return (baseline.features,) if named else spaces


def _method(baseline: Baseline, space: Space) -> str:
    return baseline.name if space == "td" or baseline.features == "tangent" else f"{baseline.name}-tangent"


def _user_rows(
    recipe: Recipe, way: Filters, people: int, tested: Sequence[PersonWindows], spaces: Sequence[Space], seed: int
) -> Iterator[Row]:
    for person in tested:
        for space in spaces if recipe.split == "loso" else SPACES[:1]:
            started, found = time.monotonic(), user_dependent(recipe, person, space, seed)
            if found is None:
                continue
            log_proba, at = found
            method = "user-dependent" if space == "td" else "user-dependent-tangent"
            scores = scores_of(log_proba, person.labels[at], person.trial[at])
            facts = FoldFacts(person.name, (person.name,), (f"{recipe.dataset}/{person.name}",), 0, 0, None, None, None)
            yield {
                **row_of(recipe, way, method, "baseline", person.name, seed, scores, context_of(recipe)),
                "target_data": f"labelled: {USER_DATA[recipe.split]}",
                "user_dependent": True,
                "source": recipe.dataset,
                "features": space,
                "people": people,
                "seconds": time.monotonic() - started,
                "certificate": _certificate(
                    recipe, way, facts, _TRANSDUCTIVE if recipe.split == "loso" else None, USER_DATA[recipe.split]
                ),
            }


def _network_rows(
    recipe: Recipe, root: str | Path, network: Network, seeds: Sequence[int], most_people: int | None
) -> Iterator[Row]:
    configs = [ModelCard.read(path).config for path in network.encoders] or [network.config]
    if any(config != configs[0] for config in configs):
        raise ConfigError(f"{recipe.name}: the encoders differ in their settings: {', '.join(map(str, network.encoders))}")
    with tempfile.TemporaryDirectory() as folder:
        people = tokenised(recipe, people_of(recipe, root), configs[0], Path(folder))
        for seed in seeds:
            tests = network_results(
                recipe, people, network.encoders, configs[0], network.finetune, seed, network.methods, most_people
            )
            for found in tests:
                scores = scores_of(found.windows, found.labels[found.trial_of_window], found.trial_of_window, found.trials)
                yield {
                    **row_of(recipe, "none", found.method, found.method, found.person, seed, scores, "trial"),
                    "registered": True,
                    "target_data": f"unlabelled: {NETWORK_SEES}",
                    "people": len(people),
                    "seconds": found.seconds,
                    "certificate": _certificate(recipe, "none", found.facts, NETWORK_SEES, saw_set=found.saw_set),
                }


def _certificate(
    recipe: Recipe,
    way: Filters,
    facts: FoldFacts,
    unlabelled: str | None,
    labelled: str | None = None,
    saw_set: bool | None = None,
) -> dict[str, object]:
    return row_certificate(
        facts, recipe.protocol(way), unlabelled=unlabelled, labelled=labelled, adapted=False, saw_set=saw_set
    )
