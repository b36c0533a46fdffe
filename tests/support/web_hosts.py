"""Hosts of data sets, played by a server of our own that answers as their public interfaces do."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import urllib.parse
import zipfile
from collections.abc import Callable
from typing import Final

from web_site import Site

from aemg.datasets import Origin

COMMIT: Final = "0123456789abcdef0123456789abcdef01234567"


def zip_of(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return made.getvalue()


def quoted(name: str) -> str:
    return urllib.parse.quote(name)


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def git(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def page(site: Site, path: str, content: object) -> None:
    site.files[path] = json.dumps(content).encode()


def zenodo(site: Site, files: dict[str, bytes]) -> Origin:
    listed = []
    for name, content in files.items():
        listed.append({"key": name, "size": len(content), "checksum": f"md5:{md5(content)}", "links": {"self": "elsewhere"}})
        site.files[f"/api/records/77/files/{quoted(name)}/content"] = content
    page(site, "/api/records/77", {"id": 77, "files": listed})
    return Origin("zenodo", "77")


def physionet(site: Site, files: dict[str, bytes]) -> Origin:
    sums = "".join(f"{sha256(content)} {name}\n" for name, content in files.items())
    site.files["/files/p/1.0.0/SHA256SUMS.txt"] = sums.encode()
    keys = [f"<Contents><Key>p/1.0.0/{name}</Key><Size>{len(content)}</Size></Contents>" for name, content in files.items()]
    space = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    following = "<NextContinuationToken>a+b=</NextContinuationToken>"
    first, second = "/?list-type=2&prefix=p%2F1.0.0%2F", "&continuation-token=a%2Bb%3D"
    site.files[first] = f"<?xml version='1.0'?><ListBucketResult {space}>{keys[0]}{following}</ListBucketResult>".encode()
    site.files[first + second] = f"<ListBucketResult {space}>{''.join(keys[1:])}</ListBucketResult>".encode()
    for name, content in files.items():
        site.files[f"/p/1.0.0/{quoted(name)}"] = site.files[f"/files/p/1.0.0/{quoted(name)}"] = content
    return Origin("physionet", "p/1.0.0")


def dataverse(site: Site, files: dict[str, bytes]) -> Origin:
    listed = []
    for number, (name, content) in enumerate(files.items()):
        folder, _, last = name.rpartition("/")
        file = {"id": number, "filename": last, "filesize": len(content), "checksum": {"type": "MD5", "value": md5(content)}}
        address = f"/api/access/datafile/{number}"
        if last.endswith(".csv"):  # which the host keeps as a table of its own
            other = {"filename": last.replace(".csv", ".tab"), "filesize": 1, "originalFileFormat": "text/csv"}
            file |= {**other, "originalFileName": last, "originalFileSize": len(content)}
            site.files[address] = b"x"
            address += "?format=original"
        listed.append({"label": last, "dataFile": file, **({"directoryLabel": folder} if folder else {})})
        site.files[address] = content
    asked = "/api/datasets/:persistentId/versions/:latest-published/files?persistentId=doi%3A10.1%2FDVN%2FX"
    page(site, asked, {"status": "OK", "data": listed})
    return Origin("dataverse", "10.1/DVN/X")


def figshare(site: Site, files: dict[str, bytes]) -> Origin:
    listed = [{"name": "other", "size": 0, "is_link_only": True, "download_url": "https://elsewhere.invalid"}]
    for number, (name, content) in enumerate(files.items()):
        address = f"/files/{number}"
        sums = {"computed_md5": md5(content), "supplied_md5": ""}
        listed.append({"name": name, "size": len(content), "is_link_only": False, "download_url": site.url + address, **sums})
        site.files[address] = content
    page(site, "/v2/articles/12/files?page_size=1000&page=1", listed)
    return Origin("figshare", "12")


def mendeley(site: Site, files: dict[str, bytes]) -> Origin:
    base = "/public-api/datasets/key"
    folders: dict[str, list[dict[str, object]]] = {"": []}
    for number, (name, content) in enumerate(files.items()):
        place, _, last = name.rpartition("/")
        parts = place.split("/") if place else []
        for depth in range(len(parts)):
            folders.setdefault("/".join(parts[: depth + 1]), [])
        details = {"sha256_hash": sha256(content), "size": len(content), "download_url": f"{site.url}/public/{number}"}
        folders[place].append({"filename": last, "content_details": details})
        site.files[f"/stored/{number}?signed=1"] = content
        site.redirects[f"/public/{number}"] = f"{site.url}/stored/{number}?signed=1"
    ids = {place: f"f{number}" if place else "root" for number, place in enumerate(folders)}
    tree = []
    for place, id_ in ids.items():
        above, _, last = place.rpartition("/")
        tree.append({"id": id_, "name": last, "parent_id": ids[above] if above else None})
    page(site, f"{base}/folders/2", tree[1:])
    page(site, base, {"id": "key", "version": 2})
    for place, listed in folders.items():
        page(site, f"{base}/files?folder_id={ids[place]}&version=2", listed)
    return Origin("mendeley", "key/2")


def huggingface(site: Site, files: dict[str, bytes]) -> Origin:
    entries: list[dict[str, object]] = [{"type": "directory", "path": "sub 1", "oid": "0", "size": 0}]
    for name, content in files.items():
        entry: dict[str, object] = {"type": "file", "path": name, "oid": git(content), "size": len(content)}
        address = f"/datasets/a/b/resolve/main/{quoted(name)}"
        if name.endswith(".mat"):  # large files lie elsewhere
            entry |= {"oid": "0" * 40, "lfs": {"oid": sha256(content), "size": len(content), "pointerSize": 130}}
            site.redirects[address], site.files[f"/cdn/{quoted(name)}"] = f"{site.url}/cdn/{quoted(name)}", content
        else:
            site.files[address] = content
        entries.append(entry)
    tree = "/api/datasets/a/b/tree/main?recursive=true"
    page(site, tree, entries[:2])
    page(site, f"{tree}&cursor=x", entries[2:])
    site.page_headers[tree] = {"Link": f'<{site.url}{tree}&cursor=x>; rel="next"'}
    return Origin("huggingface", "a/b")


def github(site: Site, files: dict[str, bytes]) -> Origin:
    site.files["/repos/a/b/commits/v1"] = COMMIT.encode()
    tree = [{"path": "sub 1", "type": "tree", "mode": "040000", "sha": "0"}]
    tree.append({"path": "link", "type": "blob", "mode": "120000", "sha": "0" * 40, "size": 1})
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            tree.append({"path": name, "type": "blob", "mode": "100644", "sha": git(content), "size": len(content)})
            site.files[f"/a/b/{COMMIT}/{quoted(name)}"] = content
            member = tarfile.TarInfo(f"b-{COMMIT}/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    page(site, f"/repos/a/b/git/trees/{COMMIT}?recursive=1", {"sha": COMMIT, "tree": tree, "truncated": False})
    site.files[f"/a/b/tar.gz/{COMMIT}"] = gzip.compress(made.getvalue())
    return Origin("github", "a/b@v1")


def url(site: Site, files: dict[str, bytes]) -> Origin:
    for name, content in files.items():
        site.files[f"/data/{quoted(name)}"] = content
    return Origin("url", f"{site.url}/data", files=tuple(files))


HOSTS: Final[dict[str, Callable[[Site, dict[str, bytes]], Origin]]] = {
    "zenodo": zenodo, "physionet": physionet, "dataverse": dataverse, "figshare": figshare, "mendeley": mendeley,
    "huggingface": huggingface, "github": github, "url": url,
}  # fmt: skip
