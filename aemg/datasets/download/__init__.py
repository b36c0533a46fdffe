"""Downloads of data sets from where they are published, and of the networks trained on Meta's.

    plan = plan_download("meta-wrist", "DIR", small_subset=True)   # asks the host, fetches nothing
    download(plan)

What is here already is not fetched again. In the set's folder, `<set>.download.jsonl` says of every file where it is from,
its sha256, and what was unpacked from it.
"""

from __future__ import annotations

from aemg.datasets.download.fetching import download
from aemg.datasets.download.hosts import HostFile
from aemg.datasets.download.listing import files_of
from aemg.datasets.download.meta import MIRROR_VARIABLE, TASKS
from aemg.datasets.download.plan import Item, Plan, folder_of, origin_of, plan_download
from aemg.datasets.download.transfer import Progress
from aemg.datasets.download.unpack import in_words
from aemg.datasets.download.web import Patience, UnreachableError

__all__ = [
    "MIRROR_VARIABLE",
    "TASKS",
    "HostFile",
    "Item",
    "Patience",
    "Plan",
    "Progress",
    "UnreachableError",
    "download",
    "files_of",
    "folder_of",
    "in_words",
    "origin_of",
    "plan_download",
]
