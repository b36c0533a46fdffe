"""Several long runs side by side in processes, with one bar for all; a finished run is kept in its folder."""

from __future__ import annotations

import json
import multiprocessing
import os
import shlex
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any, TypeVar

import torch

from aemg.errors import AEMGError

T = TypeVar("T")
_PER_RUN = 1000
_shares: Any = None


def run_all(
    runs: Sequence[Callable[[Callable[[float], None]], T]],
    jobs: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[T]:
    """The results of all runs in their order.

    Args:
        runs: can be pickled; each is given what it is to tell its share of done work, 0..1.
        jobs: processes.
        progress: told thousandths of runs done, and of all.

    Raises:
        Exception: the first one of a run; the others are not begun any more.
    """
    context = multiprocessing.get_context("spawn")
    shares = context.Array("d", len(runs))
    with ProcessPoolExecutor(min(jobs, len(runs)), mp_context=context, initializer=_begin, initargs=(shares,)) as pool:
        futures = [pool.submit(_run, i, run) for i, run in enumerate(runs)]
        waiting = set(futures)
        try:
            while waiting:
                finished, waiting = wait(waiting, timeout=1.0, return_when=FIRST_EXCEPTION)
                progress(max(1, round(_PER_RUN * sum(shares[:]))), _PER_RUN * len(runs))
                for future in finished:
                    future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]


def finished(folder: Path, about: dict[str, Any]) -> dict[str, Any] | None:
    """The result that `finish` kept in a folder, None where there is none.

    Args:
        about: what the run was asked for, as it stands in the result.

    Raises:
        AEMGError: the folder is of a run with other settings.
    """
    file = folder / "result.json"
    if not file.is_file():
        return None
    result: dict[str, Any] = json.loads(file.read_text())
    if {key: result.get(key) for key in about} != about:
        raise AEMGError(f"{folder} holds a run with other settings; choose another --out")
    return result


def finish(folder: Path, result: dict[str, Any]) -> dict[str, Any]:
    """Keeps the result of a run in one step; gives it as it will be read."""
    partial = folder / "result.json.partial"
    partial.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(partial, folder / "result.json")
    return dict(json.loads(json.dumps(result)))


def write_experiment(
    folder: Path, name: str, arguments: Sequence[str], runs: Sequence[dict[str, Any]], table: str, picture: bytes, caption: str
) -> None:
    """Writes NAME.json (the command and its runs), NAME.md (the table, the picture, the command) and NAME.png.

    Args:
        folder: made if missing.
        name: of the command.
        arguments: that it was typed with.
        picture: of the runs, as PNG.
        caption: of the picture.
    """
    words = " ".join(map(shlex.quote, ["python", "simulate", name, *arguments]))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"command": words, "runs": runs}, indent=1) + "\n")
    (folder / f"{name}.md").write_text(f"{table}\n\n![{caption}]({name}.png)\n\n`{words}`\n")
    (folder / f"{name}.png").write_bytes(picture)


def _begin(shares: Any) -> None:
    global _shares
    _shares = shares
    torch.set_num_threads(1)


def _run(number: int, run: Callable[[Callable[[float], None]], T]) -> T:
    def told(share: float) -> None:
        _shares[number] = share

    result = run(told)
    told(1.0)
    return result
