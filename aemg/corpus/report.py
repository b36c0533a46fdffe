"""What the commands on corpora say: what was prepared, verified or seen before, as text; and their progress bars."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from aemg import datasets
from aemg.corpus.native import NativeReport
from aemg.corpus.overlap import Overlap
from aemg.corpus.prepare import PrepareResult
from aemg.corpus.store import Problem
from aemg.datasets import DatasetReader
from aemg.datasets.download import Progress
from aemg.datasets.words import wrapped
from aemg.errors import AEMGError


def result_text(result: PrepareResult) -> str:
    """One line on a prepared set, and one more for each source that was skipped."""
    already = "" if result.sources_read else ", was ready"
    shards = f" ({len(result.paths)} shards)" if len(result.paths) > 1 else ""
    line = (
        f"{result.dataset}: {result.recordings} recordings, {result.subjects} subjects, {result.hours:.2f} h, "
        f"{result.size_bytes / 1e6:.1f} MB, {result.seconds:.1f} s{already} -> {result.path}{shards}"
    )
    return "\n".join([line, *(f"  skipped {bad.source}: {bad.error}" for bad in result.skipped)])


def problems_text(name: str, problems: Sequence[Problem]) -> str:
    """One line on a set that was verified, and one more for each problem."""
    head = f"{name}: {len(problems)} problem(s)" if problems else f"{name}: OK"
    return "\n".join([head, *(f"  {problem}" for problem in problems)])


def native_text(report: NativeReport) -> str:
    """What native files hold, then what contradicts the card, then what only differs from the whole set."""
    counts = "; ".join(
        f"{what} {', '.join(f'{value} ({n})' for value, n in sorted(found.items()))}"
        for what, found in (("channels", report.channels), ("rates in Hz", report.rates_hz), ("units", report.units))
    )
    return "\n".join([
        f"{report.name}: {report.sources} sources, {report.recordings} recordings, {len(report.subjects)} subjects, "
        f"{report.hours:.2f} h at {report.root}",
        f"  {counts} (recordings)",
        *(f"  {label}: {seconds:.0f} s" for label, seconds in sorted(report.labels.items())),
        *(f"  note: {note}" for note in report.notes),
        *(f"  PROBLEM: {problem}" for problem in report.problems),
        f"  {len(report.problems)} problem(s)" if report.problems else "  agrees with its card",
    ])  # fmt: skip


def overlap_text(found: Overlap) -> str:
    """What an evaluation set shares with what was trained on, and how to leave it out."""
    people = {name: subjects for name, subjects in found.people.items() if subjects}
    known = sum(map(len, people.values()))
    lines = [f"{known} of {found.tested[0]} people and {len(found.files)} of {found.tested[1]} files were seen"]
    lines += [wrapped(f"  {name}  ", ", ".join(subjects)) for name, subjects in people.items()]
    lines += [f"  same bytes: {file}" for file in found.files[:20]]
    if len(found.files) > 20:
        lines.append(f"  and {len(found.files) - 20} more files")
    if people:
        told = ", ".join(f"{name}: {json.dumps(subjects)}" for name, subjects in people.items())
        lines.append(f"leave them out of training with: 'data.exclude_people={{{told}}}'")
    return "\n".join(lines)


@contextmanager
def transfer_bar() -> Iterator[Progress]:
    """A bar of bytes on stderr with the time left, where that is a terminal; gives the callback that `download` takes."""
    with tqdm(unit="B", unit_scale=True, unit_divisor=1000, disable=None) as bar:
        shown = ""

        def show(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown:
                shown = what
                bar.set_description(what.rsplit("/", 1)[-1].removesuffix(".partial"), refresh=False)
                bar.reset(total)
                bar.initial = bar.n = done  # what was here before counts as done, and not for the speed
            bar.update(done - bar.n)

        yield show


@contextmanager
def progress_bar(name: str, unit: str = "source") -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with the time left, where that is a terminal; gives the callback that `prepare` and others take."""
    with tqdm(desc=name, unit=unit, disable=None) as bar:

        def show(done: int, total: int) -> None:
            if bar.total is None:
                bar.total, bar.initial, bar.n = total, done - 1, done - 1  # a resumed run starts where it stopped
            bar.update(done - bar.n)

        yield show


def found_readers(names: Sequence[str], root: str, missing: Callable[[str], None]) -> Iterator[DatasetReader]:
    """Readers of the named sets; of "all", those that are found at `root`, `missing` being told of the others.

    Raises:
        AEMGError: a named set is unknown or not found, or none of "all" is.
    """
    if "all" not in names:
        yield from [datasets.open(name, root) for name in dict.fromkeys(names)]
        return
    found = 0
    for name in datasets.names():
        try:
            reader = datasets.open(name, root)
        except AEMGError as error:
            missing(str(error))
        else:
            found += 1
            yield reader
    if not found:
        raise AEMGError(f"no known set at {root}")
