"""What the command `datasets` says: the table of sets, a set's card, what was prepared or is to be downloaded, as text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from tqdm import tqdm

from aemg import datasets
from aemg.corpus.prepare import PrepareResult
from aemg.corpus.store import Problem
from aemg.datasets import DatasetInfo, DatasetReader
from aemg.datasets.download import LICENCE, Item, Plan, in_words
from aemg.datasets.transfer import Progress
from aemg.errors import AEMGError

_COLUMNS = ("name", "subjects", "channels", "rate_hz", "classes", "unit", "kind", "licence", "permissive")
_NUMBERS = ("subjects", "channels", "rate_hz", "classes")


def table(infos: Sequence[DatasetInfo]) -> str:
    """One line a set under a heading."""
    rows = [_COLUMNS, *(_row(info) for info in infos)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = []
    for row in rows:
        cells = (
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for name, cell, width in zip(_COLUMNS, row, widths)
        )
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def card(info: DatasetInfo) -> str:
    """All facts of a set, its traps and its citation."""
    facts = {
        "subjects": f"{info.subjects}",
        "channels": f"{info.channels} at {info.rate_hz:g} Hz, unit {info.unit}, {info.kind}",
        "labels": f"{len(info.labels)}: {', '.join(info.labels)}",
        "device": info.device,
        "montage": info.montage,
        "licence": f"{info.licence} ({'permissive' if info.permissive else 'not permissive'})",
        "cite": info.citation,
        "get it": info.homepage,
    }
    lines = [f"{info.name}: {info.title}"]
    lines += [_wrapped(f"  {name:<9} ", fact) for name, fact in facts.items()]
    if info.notes:
        lines += ["notes:", *(_wrapped("  - ", note) for note in info.notes)]
    return "\n".join(lines)


def result_text(result: PrepareResult) -> str:
    """One line on a prepared set, and one more for each source that was skipped."""
    already = "" if result.sources_read else ", was ready"
    line = (
        f"{result.dataset}: {result.recordings} recordings, {result.subjects} subjects, {result.hours:.2f} h, "
        f"{result.size_bytes / 1e6:.1f} MB, {result.seconds:.1f} s{already} -> {result.path}"
    )
    return "\n".join([line, *(f"  skipped {bad.source}: {bad.error}" for bad in result.skipped)])


def problems_text(name: str, problems: Sequence[Problem]) -> str:
    """One line on a set that was verified, and one more for each problem."""
    head = f"{name}: {len(problems)} problem(s)" if problems else f"{name}: OK"
    return "\n".join([head, *(f"  {problem}" for problem in problems)])


def plan_text(plan: Plan) -> str:
    """What a download will fetch, where to, under which licence, and the disk that it takes."""
    widths = [max(len(cell) for cell in column) for column in zip(*(_item_row(item) for item in plan.items))]
    lines = [f"{plan.name} into {plan.root}"]
    for item in plan.items:
        url, size, state = _item_row(item)
        lines.append(f"  {url.ljust(widths[0])}  {size.rjust(widths[1])}  {state}".rstrip())
    lines.append(_wrapped("licence  ", LICENCE))
    if not plan.ready:
        lines.append(
            f"disk     {in_words(plan.needed_bytes)} needed until the archives are unpacked and deleted, "
            f"{in_words(plan.free_bytes)} free"
        )
    return "\n".join(lines)


def _item_row(item: Item) -> tuple[str, str, str]:
    size = in_words(item.remote.size_bytes) if item.remote else "no answer"
    if item.ready:
        return item.url, size, "is ready"
    if item.needed_bytes and item.waiting_bytes:
        return item.url, size, f"{in_words(item.waiting_bytes)} of it are here"
    return item.url, size, "is here, to be unpacked" if item.target.exists() else ""


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
def progress_bar(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr with the time left, where that is a terminal; gives the callback that `prepare` takes."""
    with tqdm(desc=name, unit="source", disable=None) as bar:

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


def _row(info: DatasetInfo) -> tuple[str, ...]:
    return (
        info.name, str(info.subjects), str(info.channels), f"{info.rate_hz:g}", str(len(info.labels)), info.unit,
        info.kind, info.licence, "yes" if info.permissive else "no",
    )


def _wrapped(head: str, text: str) -> str:
    return textwrap.fill(text, width=110, initial_indent=head, subsequent_indent=" " * len(head))
