"""Where Meta publishes the recordings of its generic neuromotor interface, and the networks trained on them."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

from aemg.datasets.download.hosts import HostFile, looked_at
from aemg.datasets.download.unpack import Layout
from aemg.datasets.download.web import Patience

HOST: Final = "https://fb-ctrl-oss.s3.amazonaws.com/neuromotor-data"
MIRROR_VARIABLE: Final = "AEMG_META_MIRROR"
TASKS: Final = {"meta-gestures": "discrete_gestures", "meta-handwriting": "handwriting", "meta-wrist": "wrist"}


def meta_files(
    name: str, patience: Patience, *, small_subset: bool = False, checkpoints: bool = False, mirror: str | None = None
) -> list[HostFile]:  # fmt: skip
    """The files of a key of `TASKS`: recordings of all tasks lie side by side, networks in checkpoints/<task>.

    Args:
        small_subset: three people in place of a hundred.
        checkpoints: the trained network; alone, or with `small_subset` beside the recordings.
        mirror: address in place of `HOST`, with the same files below it; None for that of the environment variable
            AEMG_META_MIRROR, where it is set.

    Raises:
        AEMGError: the server refuses.
    """
    task, host = TASKS[name], (mirror or os.environ.get(MIRROR_VARIABLE) or HOST).rstrip("/")
    urls = {}
    if small_subset or not checkpoints:
        part = "small_subset" if small_subset else "full_data"
        urls[f"{task}_corpus.csv"] = f"{host}/data/{task}/{task}_corpus.csv"
        urls[f"{task}_{part}.tar"] = f"{host}/data/{task}/{part}.tar"
    if checkpoints:
        urls[f"checkpoints/{task}/{task}.tar"] = f"{host}/checkpoints/{task}/{task}.tar"
    listed = looked_at(urls, patience)
    return [replace(file, layout=Layout(flat=True)) if file.path.endswith(".tar") else file for file in listed]
