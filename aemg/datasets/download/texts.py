"""What the download command says: how to get a set, what is to be fetched, what is left for a person."""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from aemg import datasets
from aemg.datasets.download import TASKS, Item, Plan, folder_of, in_words, origin_of
from aemg.datasets.words import wrapped
from aemg.errors import AEMGError

_MOST_SHOWN = 20


def how_to_get(name: str) -> str:
    """The command that gets a set, and from where."""
    if name not in datasets.names():
        return "from whom you have its card"
    where, size = _source(name)
    return f"python datasets download {name} --root DIR ({where}{f', {size}' if size else ''})"


def downloads_table() -> str:
    """One line a set under a heading: where `download` gets it, how large it is, under which licence."""
    rows = [("name", "from", "size", "licence")]
    rows += [(name, *_source(name), datasets.info(name).licence) for name in datasets.names()]
    widths = [max(len(cell) for cell in column) for column in zip(*rows)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)


def _source(name: str) -> tuple[str, str]:
    """Where a set is from, and its size, in words."""
    origin = origin_of(name)
    if name in TASKS:
        return "Meta", ""
    if origin is None:
        return "not known: see info", ""
    where = {"form": "a form: shows the steps", "url": urlsplit(origin.at).netloc}.get(origin.host, f"{origin.host} {origin.at}")
    return where, "" if origin.size_gb is None else f"about {in_words(int(origin.size_gb * 1e9))}"


def by_hand_text(name: str, root: str | Path) -> str:
    """How a person gets a set that no program can fetch: the steps, where its files go, how they must lie, what is next."""
    info, origin, folder = datasets.info(name), origin_of(name), folder_of(name, root)
    steps = list(origin.steps if origin else ()) or ["Get the files as the homepage says."]
    try:
        datasets.open(name, root)
    except AEMGError:
        steps.append(f"Put the files, unpacked and in the folders in which they come, into {folder}; {_expected_layout(name)}.")
    else:
        steps = [f"The files are here, below {Path(root).expanduser().absolute()}."]
    steps.append(f"Go on with: python datasets prepare {name} --root {root} --out CORPUS")
    lines = [f"{name}: {info.title}", wrapped("  homepage ", origin.at if origin and origin.at else info.homepage)]
    lines.append(wrapped("  licence  ", info.licence))
    lines += [wrapped(f"  {number}. ", step) for number, step in enumerate(steps, 1)]
    return "\n".join(lines)


def _expected_layout(name: str) -> str:
    """What the set's reader looks for, as it says itself where it finds nothing."""
    with tempfile.TemporaryDirectory() as nothing:
        try:
            datasets.open(name, nothing)
        except AEMGError as error:
            said = str(error).partition("looks like ")[2]
            return f"there, or up to two levels below, its reader looks for {said}" if said else str(error)
    return "its reader takes any folder"


def plan_text(plan: Plan) -> str:
    """What a download will fetch, where to, under which licence, and the disk that it takes."""
    shown = plan.items if len(plan.items) <= _MOST_SHOWN else plan.items[: _MOST_SHOWN - 1]
    widths = [max(len(cell) for cell in column) for column in zip(*(_item_row(item) for item in shown))]
    lines = [f"{plan.name} into {plan.root}"]
    for item in shown:
        url, size, state = _item_row(item)
        lines.append(f"  {url.ljust(widths[0])}  {size.rjust(widths[1])}  {state}".rstrip())
    if len(shown) < len(plan.items):
        lines.append(f"  and {len(plan.items) - len(shown):,} more files")
    sizes = [item.file.size_bytes for item in plan.items]
    ready = sum(item.ready for item in plan.items)
    known = in_words(sum(size or 0 for size in sizes))
    unknown = f", and {sizes.count(None)} of unknown size" if None in sizes else ""
    lines.append(f"files    {len(sizes):,}: {known}{unknown}; {ready:,} of them ready")
    info = datasets.info(plan.name)
    permissive = "" if info.permissive else "; not permissive, so nor are models that are trained on it"
    lines.append(wrapped("licence  ", f"{info.licence}{permissive}: {info.homepage}"))
    if not plan.ready:
        lines.append(
            f"disk     {in_words(plan.needed_bytes)} needed until the archives are unpacked and deleted, "
            f"{in_words(plan.free_bytes)} free"
        )
    return "\n".join(lines)


def _item_row(item: Item) -> tuple[str, str, str]:
    unknown = "no answer" if item.file.problem else "?"
    size = unknown if item.file.size_bytes is None else in_words(item.file.size_bytes)
    if item.ready:
        return item.file.url, size, "is ready"
    if item.waiting_bytes:
        return item.file.url, size, f"{in_words(item.waiting_bytes)} of it are here"
    here = "is here, to be unpacked" if item.file.layout else "is here, to be checked"
    return item.file.url, size, here if item.target.exists() else ""
