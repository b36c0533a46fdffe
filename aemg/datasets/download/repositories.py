"""What hosts of repositories have, by their public interfaces.

huggingface  https://huggingface.co/docs/hub/api
github       https://docs.github.com/en/rest/git/trees
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, urlsplit

from aemg.datasets.base import Origin
from aemg.datasets.download.hosts import ADDRESSES, MOST_PAGES, HostFile, known_checksum
from aemg.datasets.download.unpack import Layout
from aemg.datasets.download.web import Patience, get_json, get_text
from aemg.errors import AEMGError

COMMIT_TYPE: Final = "application/vnd.github.sha"
"""What to ask GitHub for, to be told the full number of a revision."""


def huggingface(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of a revision of a data set."""
    repository, _, revision = origin.at.partition("@")
    base, revision = ADDRESSES["huggingface"], quote(revision or "main", safe="")
    asked: str | None = f"{base}/api/datasets/{quote(repository)}/tree/{revision}?recursive=true"
    for _ in range(MOST_PAGES):
        entries, headers = get_json(str(asked), patience)
        for entry in entries:
            if entry["type"] == "file":
                stored = f"sha256:{entry['lfs']['oid']}" if entry.get("lfs") else f"git:{entry['oid']}"
                url = f"{base}/datasets/{quote(repository)}/resolve/{revision}/{quote(entry['path'])}"
                yield HostFile(entry["path"], url, int(entry["size"]), known_checksum(stored))
        asked = _next_page(headers.get("Link", ""), base)
        if asked is None:
            return


def _next_page(link: str, base: str) -> str | None:
    found = re.search(r'<([^>]+)>;\s*rel="next"', link)
    if found is None:
        return None
    if urlsplit(found[1]).netloc != urlsplit(base).netloc:
        raise AEMGError(f"{base}: the next page of the list is said to be elsewhere, at {found[1]!r}")
    return found[1]


def github(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of a revision; links are left out."""
    repository, revision = _repository(origin)
    base = f"{ADDRESSES['github']}/repos/{repository}"
    commit = get_text(f"{base}/commits/{revision}", patience, accept=COMMIT_TYPE)[0].strip()
    tree, _ = get_json(f"{base}/git/trees/{quote(commit)}?recursive=1", patience)
    if tree["truncated"]:
        raise AEMGError(f"github {origin.at}: more files than the host lists; clone the repository yourself")
    for entry in tree["tree"]:
        if entry["type"] == "blob" and entry["mode"] != "120000":
            url = f"{ADDRESSES['github raw']}/{repository}/{quote(commit)}/{quote(entry['path'])}"
            yield HostFile(entry["path"], url, int(entry["size"]), known_checksum(f"git:{entry['sha']}"), commit)


def github_archive(origin: Origin, listed: list[HostFile], found: list[HostFile], only: tuple[str, ...]) -> HostFile:
    """One archive in place of many files, of which those that are needed are unpacked; other files, another name."""
    repository, _ = _repository(origin)
    commit = found[0].version
    part = hashlib.sha256(repr((origin.files, only)).encode()).hexdigest()[:7]
    return HostFile(
        f"{repository.rpartition('/')[2]}-{commit[:7]}-{part}.tar.gz",
        f"{ADDRESSES['github archive']}/{repository}/tar.gz/{quote(commit)}",
        None,
        version=commit,
        layout=Layout(without_top=True, files=origin.files, only=only),
        rough_bytes=sum(file.size_bytes or 0 for file in (*listed, *found)),
    )


def _repository(origin: Origin) -> tuple[str, str]:
    repository, _, revision = origin.at.partition("@")
    return quote(repository), quote(revision or "HEAD", safe="")
