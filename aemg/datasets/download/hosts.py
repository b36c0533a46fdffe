"""What hosts of data have, by their public interfaces.

zenodo       https://developers.zenodo.org/#records
physionet    https://physionet.org/about/database/ (SHA256SUMS.txt), and the open bucket that mirrors it
dataverse    https://guides.dataverse.org/en/latest/api/native-api.html#list-files-in-a-dataset
figshare     https://docs.figshare.com/#article_files
mendeley     https://data.mendeley.com/api/docs/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree

from aemg.datasets.base import Origin
from aemg.datasets.download.transfer import look
from aemg.datasets.download.unpack import Layout
from aemg.datasets.download.web import Patience, UnreachableError, get_json, get_text
from aemg.errors import AEMGError

ADDRESSES: Final = {
    "zenodo": "https://zenodo.org",
    "physionet": "https://physionet.org",
    "physionet bucket": "https://physionet-open.s3.amazonaws.com",
    "dataverse": "https://dataverse.harvard.edu",
    "figshare": "https://api.figshare.com",
    "mendeley": "https://data.mendeley.com",
    "huggingface": "https://huggingface.co",
    "github": "https://api.github.com",
    "github raw": "https://raw.githubusercontent.com",
    "github archive": "https://codeload.github.com",
}
"""Where the hosts are asked."""

MOST_PAGES: Final = 2000
"""Of a list that is asked for."""

_DIGITS: Final = {"md5": 32, "sha256": 64, "git": 40}
_NAMESPACE: Final = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass(frozen=True)
class HostFile:
    """A file that a host has.

    Args:
        path: where it belongs below the set's folder, with "/" between.
        url: where from.
        size_bytes: None where the host does not say.
        checksum: "md5:", "sha256:" or "git:" (git's sha1 of a blob) and digits, empty where the host states none.
        version: what the host tells this version of the file by, if anything.
        layout: how to unpack it; None to leave it as it is.
        rough_bytes: of disk, to fetch and unpack it, where `size_bytes` is None.
        problem: why the host could not be asked for it; empty if it was.
    """

    path: str
    url: str
    size_bytes: int | None
    checksum: str = ""
    version: str = ""
    layout: Layout | None = None
    rough_bytes: int = 0
    problem: str = ""


def zenodo(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of a record."""
    record, _ = get_json(f"{ADDRESSES['zenodo']}/api/records/{quote(origin.at)}", patience)
    for file in record["files"]:
        name = file["key"]
        url = f"{ADDRESSES['zenodo']}/api/records/{record['id']}/files/{quote(name)}/content"
        yield HostFile(name, url, int(file["size"]), known_checksum(file["checksum"]))


def physionet(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of a version of a project."""
    project = quote(origin.at.strip("/"))
    sums, _ = get_text(f"{ADDRESSES['physionet']}/files/{project}/SHA256SUMS.txt", patience)
    listed = {name: digest for digest, name in re.findall(r"(?m)^([0-9a-f]{64})[ *]+(.+?)\s*$", sums)}
    try:
        sizes = dict(_bucket(f"{origin.at.strip('/')}/", patience))
    except AEMGError:  # the mirror is for speed, and tells sizes; what counts is the sums
        sizes = {}
    for name, digest in listed.items():
        base = ADDRESSES["physionet bucket"] if name in sizes else f"{ADDRESSES['physionet']}/files"
        yield HostFile(name, f"{base}/{project}/{quote(name)}", sizes.get(name), known_checksum(f"sha256:{digest}"))


def _bucket(prefix: str, patience: Patience) -> Iterator[tuple[str, int]]:
    """Names below a prefix and their sizes in bytes, as PhysioNet's open bucket has them."""
    more: dict[str, str] = {}
    for _ in range(MOST_PAGES):
        asked = urlencode({"list-type": 2, "prefix": prefix, **more})
        page = ElementTree.fromstring(get_text(f"{ADDRESSES['physionet bucket']}/?{asked}", patience)[0])
        for entry in page.iter(f"{_NAMESPACE}Contents"):
            key, size = entry.findtext(f"{_NAMESPACE}Key", ""), entry.findtext(f"{_NAMESPACE}Size", "")
            yield key.removeprefix(prefix), int(size)
        following = page.findtext(f"{_NAMESPACE}NextContinuationToken")
        if not following:
            return
        more = {"continuation-token": following}


def dataverse(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of the last published version of a data set."""
    base = f"{ADDRESSES['dataverse']}/api"
    asked = urlencode({"persistentId": f"doi:{origin.at.removeprefix('doi:')}"})
    answer, _ = get_json(f"{base}/datasets/:persistentId/versions/:latest-published/files?{asked}", patience)
    for entry in answer["data"]:
        file = entry["dataFile"]
        table = "originalFileFormat" in file  # the host keeps tables in a form of its own; the checksum is of the original
        name = file.get("originalFileName") or file["filename"] if table else file["filename"]
        size = file.get("originalFileSize") if table else file["filesize"]
        sum_ = file.get("checksum") or {"type": "MD5", "value": file.get("md5", "")}
        kind = sum_["type"].lower().replace("-", "")
        yield HostFile(
            "/".join(part for part in (entry.get("directoryLabel", ""), name) if part),
            f"{base}/access/datafile/{int(file['id'])}{'?format=original' if table else ''}",
            None if size is None else int(size),
            known_checksum(f"{kind}:{sum_['value']}"),
        )


def figshare(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of an article."""
    base = f"{ADDRESSES['figshare']}/v2/articles/{int(origin.at.split('/')[0])}/files"
    for page in range(1, MOST_PAGES):
        files, _ = get_json(f"{base}?page_size=1000&page={page}", patience)
        for file in files:
            if not file.get("is_link_only"):
                digest = file.get("computed_md5") or file.get("supplied_md5") or ""
                yield HostFile(file["name"], file["download_url"], int(file["size"]), known_checksum(f"md5:{digest}"))
        if len(files) < 1000:
            return


def mendeley(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of a version of a data set, the last if none is said."""
    key, _, version = origin.at.partition("/")
    base = f"{ADDRESSES['mendeley']}/public-api/datasets/{quote(key)}"
    version = version or str(int(get_json(base, patience)[0]["version"]))
    folders = {folder["id"]: folder for folder in get_json(f"{base}/folders/{quote(version)}", patience)[0]}
    for id_ in ("root", *folders):
        place = _mendeley_place(folders, id_)
        for file in get_json(f"{base}/files?{urlencode({'folder_id': id_, 'version': version})}", patience)[0]:
            content = file["content_details"]
            checksum = known_checksum(f"sha256:{content['sha256_hash']}")
            yield HostFile("/".join((*place, file["filename"])), content["download_url"], int(content["size"]), checksum)


def _mendeley_place(folders: dict[str, Any], id_: str) -> list[str]:
    names: list[str] = []
    while id_ in folders and len(names) < len(folders):
        names.insert(0, folders[id_]["name"])
        id_ = folders[id_].get("parent_id") or "root"
    return names


def url(origin: Origin, patience: Patience) -> Iterator[HostFile]:
    """The files of plain addresses."""
    urls = {name: f"{origin.at.rstrip('/')}/{quote(name)}" for name in origin.files}
    yield from looked_at(urls or {unquote(urlsplit(origin.at).path).rpartition("/")[2]: origin.at}, patience)


def looked_at(urls: Mapping[str, str], patience: Patience) -> Iterator[HostFile]:
    """Files at plain addresses, by path; once a host does not answer, it is not asked for the others."""
    problem = ""
    for path, url in urls.items():
        try:
            remote = None if problem else look(url, patience)
        except UnreachableError as error:
            remote, problem = None, str(error)
        if remote is None:
            yield HostFile(path, url, None, problem=problem)
        else:
            yield HostFile(path, url, remote.size_bytes, known_checksum(f"md5:{remote.md5}"), remote.validator)


def known_checksum(said: str) -> str:
    """A host's checksum, if it is one that is known here."""
    kind, _, digits = said.strip().lower().partition(":")
    return f"{kind}:{digits}" if re.fullmatch(r"[0-9a-f]+", digits) and len(digits) == _DIGITS.get(kind) else ""
