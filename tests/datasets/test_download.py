"""Downloads against a server of our own that can break, change, refuse and lie."""

from __future__ import annotations

import hashlib
import io
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aemg.datasets import download as module
from aemg.datasets.download import Plan, download, plan_download
from aemg.datasets.transfer import Patience, UnreachableError, fetch, look
from aemg.datasets.unpack import missing_bytes, unpack
from aemg.errors import AEMGError, DataFileError

REPOSITORY = Path(__file__).parents[2]
QUICK = Patience(attempts=3, wait_s=0.0, timeout_s=5.0)
CORPUS = b"dataset,start,end,split\nwrist_user_000_dataset_000,1.0,2.0,train\n"
FILES = {f"wrist_user_{u:03d}_dataset_000.hdf5": bytes([u]) * (300_000 + u) for u in range(3)}
MTIME = 1_700_000_000


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


def tar_of(files: dict[str, bytes], folder: str = "wrist/") -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(folder + name)
            member.size, member.mtime = len(content), MTIME
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


@dataclass
class Site:
    """What the server has, and how it misbehaves."""

    files: dict[str, bytes] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)  # sent with every file
    tags: bool = True
    break_after: list[int] = field(default_factory=list)  # body bytes of the coming answers, one number an answer
    states: list[int] = field(default_factory=list)  # of the coming answers, before any content
    blind_to_ranges: bool = False
    pause_s: float = 0.0  # between blocks of 64 KiB
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, Range
    url: str = ""

    def tag(self, path: str) -> str:
        return f'"{hashlib.md5(self.files[path]).hexdigest()}"'


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    made = Site()

    class Handler(BaseHTTPRequestHandler):
        server_version = "AmazonS3"

        def version_string(self) -> str:
            return "AmazonS3"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            wanted = self.headers.get("Range")
            made.asked.append((self.command, self.path, wanted))
            if body and made.states:
                self.send_error(made.states.pop(0))
                return
            if self.path not in made.files:
                self.send_error(404)
                return
            content, start = made.files[self.path], 0
            unchanged = self.headers.get("If-Range") in (None, made.tag(self.path))
            if wanted and unchanged and not made.blind_to_ranges:
                start = int(wanted.removeprefix("bytes=").rstrip("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            if made.tags:
                self.send_header("ETag", made.tag(self.path))
            for name, value in made.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                stop = start + made.break_after.pop(0) if made.break_after else len(content)
                for first in range(start, min(stop, len(content)), 65536):
                    self.wfile.write(content[first : min(first + 65536, stop)])
                    self.wfile.flush()
                    time.sleep(made.pause_s)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *_: None  # a client that goes away is part of the test
        made.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def wrist(site: Site) -> Site:
    """A site with what Meta's has of the wrist task."""
    archive = tar_of(FILES)
    site.files = {
        "/data/wrist/wrist_corpus.csv": CORPUS,
        "/data/wrist/small_subset.tar": archive,
        "/data/wrist/full_data.tar": archive,
        "/checkpoints/wrist/wrist.tar": tar_of({"model_checkpoint.ckpt": b"weights", "model_config.yaml": b"a: 1\n"}, ""),
    }
    return site


def planned(site: Site, root: Path, **options: bool) -> Plan:
    return plan_download("meta-wrist", root, mirror=site.url, patience=QUICK, **{"small_subset": True, **options})


def loaded(site: Site, root: Path, **options: bool) -> list[Path]:
    return download(planned(site, root), progress=silent, patience=QUICK, **options)


def gets(site: Site) -> list[tuple[str, str | None]]:
    return [(path.rsplit("/", 1)[-1], span) for method, path, span in site.asked if method == "GET"]


# one file


@pytest.mark.parametrize("breaks", [[], [0], [1], [70_000, 0, 100_000, 1], [299_999]])
def test_what_broke_is_gone_on_from(site: Site, tmp_path: Path, breaks: list[int]) -> None:
    content = os.urandom(300_000)
    site.files["/a"], site.break_after = content, list(breaks)
    fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    assert (tmp_path / "a").read_bytes() == content
    assert [p.name for p in tmp_path.iterdir()] == ["a"]
    starts = [0 if span is None else int(span.removeprefix("bytes=").rstrip("-")) for _, span in gets(site)]
    assert starts == [sum(breaks[:i]) for i in range(len(breaks) + 1)]


def test_a_later_run_goes_on(site: Site, tmp_path: Path) -> None:
    site.files["/a"], site.break_after = bytes(200_000), [150_000, 0, 0, 0]
    with pytest.raises(UnreachableError, match="150,000 of 200,000 bytes"):
        fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    assert not (tmp_path / "a").exists()
    site.break_after = []
    fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    assert (tmp_path / "a").read_bytes() == site.files["/a"] and gets(site)[-1] == ("a", "bytes=150000-")


@pytest.mark.parametrize("size", [200_000, 100_000, 300_000])
@pytest.mark.parametrize("blind", [False, True])
def test_a_changed_file_is_begun_anew(site: Site, tmp_path: Path, size: int, blind: bool) -> None:
    site.files["/a"], site.break_after = b"x" * 200_000, [150_000, 0, 0, 0]
    with pytest.raises(UnreachableError):
        fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    site.files["/a"], site.break_after, site.blind_to_ranges = b"y" * size, [], blind
    assert fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK).size_bytes == size
    assert (tmp_path / "a").read_bytes() == b"y" * size


def test_what_cannot_be_told_from_another_version_is_begun_anew(site: Site, tmp_path: Path) -> None:
    site.files["/a"], site.tags, site.break_after = b"x" * 100_000, False, [50_000]
    fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    assert (tmp_path / "a").read_bytes() == site.files["/a"]
    assert gets(site) == [("a", None), ("a", None)]


@pytest.mark.parametrize("left", [b"", b"odd", b"x" * 5000])
def test_odd_leftovers_do_no_harm(site: Site, tmp_path: Path, left: bytes) -> None:
    site.files["/a"] = b"right" * 500
    (tmp_path / "a.partial").write_bytes(left)
    (tmp_path / "a.partial.json").write_bytes(left)
    fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    assert (tmp_path / "a").read_bytes() == site.files["/a"]


def test_a_passing_state_is_waited_for_and_a_refusal_is_not(site: Site, tmp_path: Path) -> None:
    site.files["/a"], site.states = b"content", [503, 429]
    fetch(f"{site.url}/a", tmp_path / "a", silent, QUICK)
    assert len(gets(site)) == 3
    site.states, site.asked = [403], []
    with pytest.raises(AEMGError, match="403 Forbidden; the file may have moved") as refused:
        fetch(f"{site.url}/a", tmp_path / "b", silent, QUICK)
    assert len(gets(site)) == 1 and not isinstance(refused.value, UnreachableError)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://x/y", "nonsense"])
def test_only_http_is_spoken(url: str) -> None:
    with pytest.raises(AEMGError, match="http"):
        look(url, QUICK)


def test_a_proxy_is_used(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site.files["http://far.invalid/a"] = b"content"
    monkeypatch.setenv("http_proxy", site.url)
    monkeypatch.setattr("urllib.request._opener", None)  # what it knows of proxies is kept for the process otherwise
    fetch("http://far.invalid/a", tmp_path / "a", silent, QUICK)
    assert (tmp_path / "a").read_bytes() == b"content"


# archives


def archive_with(tmp_path: Path, member: tarfile.TarInfo, content: bytes = b"") -> Path:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        good = tarfile.TarInfo("fine.hdf5")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"good"))
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return path


def odd_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (odd_member("../out.hdf5"), "below the archive's own root"),
        (odd_member("a/../../out.hdf5"), "below the archive's own root"),
        (odd_member("/out.hdf5"), "below the archive's own root"),
        (odd_member("C:/out.hdf5"), "below the archive's own root"),
        (odd_member("..\\out.hdf5"), "below the archive's own root"),
        (odd_member("a\nb.hdf5"), "below the archive's own root"),
        (odd_member("."), "below the archive's own root"),
        (odd_member("../folder", tarfile.DIRTYPE), "below the archive's own root"),
        (odd_member("link", tarfile.SYMTYPE, "/etc/passwd"), "a link"),
        (odd_member("link", tarfile.LNKTYPE, "fine.hdf5"), "a link"),
        (odd_member("pipe", tarfile.FIFOTYPE), "a device or pipe"),
        (odd_member("null", tarfile.CHRTYPE), "a device or pipe"),
        (odd_member("other/fine.hdf5"), "every file name once"),
    ],
)  # fmt: skip
def test_an_archive_that_reaches_out_is_refused_whole(tmp_path: Path, member: tarfile.TarInfo, message: str) -> None:
    archive = archive_with(tmp_path, member)
    with pytest.raises(DataFileError, match=message):
        unpack(archive, tmp_path / "into" / "here", silent)
    assert {p.name for p in tmp_path.rglob("*")} == {"a.tar", "into", "here"}


def test_a_link_in_the_folder_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "here" / "fine.hdf5").symlink_to(tmp_path / "precious")
    (tmp_path / "here" / "fine.hdf5.partial").symlink_to(tmp_path / "precious")
    unpack(archive_with(tmp_path, odd_member("b.hdf5"), b"b"), tmp_path / "here", silent)
    assert (tmp_path / "precious").read_text() == "kept" and (tmp_path / "here" / "fine.hdf5").read_bytes() == b"good"


def test_hidden_files_stay_in_the_archive(tmp_path: Path) -> None:
    assert unpack(archive_with(tmp_path, odd_member("wrist/._fine.hdf5"), b"x"), tmp_path / "x", silent) == {"fine.hdf5": 4}


def test_unpacking_goes_on_and_leaves_alone_what_is_there(tmp_path: Path) -> None:
    archive, into = tmp_path / "a.tar", tmp_path / "into"
    archive.write_bytes(tar_of(FILES))
    first, second, third = FILES
    assert missing_bytes(archive, into) == sum(map(len, FILES.values()))
    assert unpack(archive, into, silent) == {name: len(content) for name, content in FILES.items()}
    untouched = (into / first).stat().st_ino
    (into / second).write_bytes(b"x" * len(FILES[second]))  # same size, other time: not the archive's
    (into / third).unlink()
    (into / f"{third}.partial").write_bytes(b"half")
    assert missing_bytes(archive, into) == len(FILES[second]) + len(FILES[third])
    unpack(archive, into, silent)
    assert {p.name: p.read_bytes() for p in into.iterdir()} == FILES
    assert (into / first).stat().st_ino == untouched
    assert missing_bytes(archive, into) == 0


@pytest.mark.parametrize("content", [b"", b"<html>log in first</html>" * 100, tar_of(FILES)[:-400_000], tar_of({})])
def test_no_whole_archive(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DataFileError, match=r"a\.tar: expected"):
        unpack(tmp_path / "a.tar", tmp_path / "into", silent)


# a set


def test_a_subset_lies_flat_beside_its_table(wrist: Site, tmp_path: Path) -> None:
    files = loaded(wrist, tmp_path)
    assert files == sorted([tmp_path / "wrist_corpus.csv", *(tmp_path / name for name in FILES)])
    assert all((tmp_path / name).read_bytes() == content for name, content in FILES.items())
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob("*.partial*"))
    record = json.loads((tmp_path / "wrist_small_subset.tar.json").read_text())
    assert record["sha256"] == hashlib.sha256(wrist.files["/data/wrist/small_subset.tar"]).hexdigest()
    wrist.asked = []
    assert planned(wrist, tmp_path).ready and loaded(wrist, tmp_path) == files and not gets(wrist)


def test_checkpoints_lie_apart(wrist: Site, tmp_path: Path) -> None:
    files = download(planned(wrist, tmp_path, small_subset=False, checkpoints=True), patience=QUICK)
    place = tmp_path / "checkpoints" / "wrist"
    assert files == [place / "model_checkpoint.ckpt", place / "model_config.yaml"]
    both = planned(wrist, tmp_path, checkpoints=True)
    assert [item.ready for item in both.items] == [False, False, True]


def test_the_full_set_is_the_default(wrist: Site, tmp_path: Path) -> None:
    plan = plan_download("meta-wrist", tmp_path, mirror=f"{wrist.url}/", patience=QUICK)
    assert [item.url.removeprefix(wrist.url) for item in plan.items] == [
        "/data/wrist/wrist_corpus.csv", "/data/wrist/full_data.tar",
    ]  # fmt: skip
    assert module.HOST.startswith("https://") and not tmp_path.joinpath("wrist_corpus.csv").exists()


def test_a_kept_archive_is_checked_again(wrist: Site, tmp_path: Path) -> None:
    loaded(wrist, tmp_path, keep_archive=True)
    archive = tmp_path / "wrist_small_subset.tar"
    archive.write_bytes(archive.read_bytes()[:-1] + b"x")
    with pytest.raises(DataFileError, match=r"expected sha256 .* delete it and run the same command again"):
        loaded(wrist, tmp_path)
    archive.unlink()
    loaded(wrist, tmp_path)


def test_the_servers_md5_is_held_against_the_content(wrist: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Site, "tag", lambda self, path: f'"{"0" * 32}"')
    with pytest.raises(DataFileError, match=f"expected md5 {'0' * 32} as the server states"):
        loaded(wrist, tmp_path)
    monkeypatch.setattr(Site, "tag", lambda self, path: f'"{"0" * 32}-17"')  # of seventeen parts: no md5 of the content
    loaded(wrist, tmp_path / "other")
    wrist.headers["x-amz-server-side-encryption"] = "aws:kms"
    monkeypatch.setattr(Site, "tag", lambda self, path: f'"{"0" * 32}"')
    loaded(wrist, tmp_path / "third")


def test_missing_files_and_new_versions_are_fetched(wrist: Site, tmp_path: Path) -> None:
    loaded(wrist, tmp_path)
    (tmp_path / next(iter(FILES))).unlink()
    wrist.asked = []
    loaded(wrist, tmp_path)
    assert gets(wrist) == [("small_subset.tar", None)]
    newer = {name: content[::-1] + b"." for name, content in FILES.items()}
    wrist.files["/data/wrist/small_subset.tar"] = tar_of(newer)
    loaded(wrist, tmp_path)
    assert all((tmp_path / name).read_bytes() == content for name, content in newer.items())


def test_a_login_page_is_no_table(wrist: Site, tmp_path: Path) -> None:
    wrist.files["/data/wrist/wrist_corpus.csv"] = b"<html>log in first</html>"
    with pytest.raises(DataFileError, match=r"wrist_corpus\.csv: expected a table with columns dataset, start"):
        loaded(wrist, tmp_path)


def test_too_small_a_disk_is_told_before(wrist: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1_000_000))
    with pytest.raises(AEMGError, match=r"1\.8 MB of disk needed to download and unpack meta-wrist, 1\.0 MB free"):
        loaded(wrist, tmp_path / "new")
    assert not gets(wrist) and not (tmp_path / "new").exists()


def test_without_a_network(wrist: Site, tmp_path: Path) -> None:
    def away() -> Plan:
        return plan_download("meta-wrist", tmp_path, small_subset=True, mirror="http://127.0.0.1:9", patience=QUICK)

    with pytest.raises(UnreachableError, match=r"HTTPS_PROXY.* save .*wrist_corpus\.csv; .*_subset\.tar, and run the same"):
        away()
    (tmp_path / "wrist_corpus.csv").write_bytes(CORPUS)
    (tmp_path / "wrist_small_subset.tar").write_bytes(wrist.files["/data/wrist/small_subset.tar"])
    assert len(download(away())) == 4 and away().ready
    (tmp_path / next(iter(FILES))).unlink()
    with pytest.raises(UnreachableError, match=r"save \S*small_subset\.tar as"):
        away()


def test_a_file_placed_by_hand_must_be_whole(wrist: Site, tmp_path: Path) -> None:
    (tmp_path / "wrist_small_subset.tar").write_bytes(wrist.files["/data/wrist/small_subset.tar"][:100_000])
    with pytest.raises(DataFileError, match=r"found 100,000; delete it"):
        planned(wrist, tmp_path)


@pytest.mark.parametrize("name", ["wrist", "meta-pose"])
def test_unknown_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(AEMGError, match=f"'{name}' cannot be downloaded; what can: meta-gestures, meta-handwriting, meta-wrist"):
        plan_download(name, tmp_path)


# the command

Main = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def main() -> Main:
    command: Main = runpy.run_path(str(REPOSITORY / "datasets"), run_name="command")["main"]
    return command


def typed(site: Site, root: Path, *more: str) -> list[str]:
    return ["download", "meta-wrist", "--small-subset", "--root", str(root), "--mirror", site.url, *more]


def test_the_command_shows_what_it_will_do(
    main: Main, wrist: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert main(typed(wrist, tmp_path / "data")) == 2
    said = capsys.readouterr()
    assert "--yes" in said.err and said.err.count("\n") == 1
    size = f"{len(wrist.files['/data/wrist/small_subset.tar']) / 1e3:.1f} kB"
    assert all(expected in said.out for expected in ("small_subset.tar", size, "CC BY-NC 4.0", " GB free"))
    assert not gets(wrist) and not (tmp_path / "data").exists()
    assert main(typed(wrist, tmp_path / "data", "--yes")) == 0
    assert "meta-wrist: 4 files ready" in capsys.readouterr().out
    assert main(typed(wrist, tmp_path / "data")) == 0
    assert capsys.readouterr().out.count("is ready") == 2


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("yes", 0), ("n", 1), ("", 1)])
def test_the_command_asks(
    main: Main, wrist: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    terminal = io.StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    assert main(typed(wrist, tmp_path / "data")) == status
    assert (tmp_path / "data").exists() == (status == 0)


def test_killed_at_any_point_it_goes_on(wrist: Site, tmp_path: Path) -> None:
    """Killed while it downloads, then gone on from: the second run asks for the rest only."""
    wrist.pause_s = 0.05
    command = [sys.executable, "datasets", *typed(wrist, tmp_path, "--yes")]
    running = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = tmp_path / "wrist_small_subset.tar.partial"
    until = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 200_000):
        assert time.monotonic() < until and running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "wrist_small_subset.tar").exists()
    wrist.pause_s, wrist.asked = 0.0, []
    assert len(loaded(wrist, tmp_path)) == 4
    ((name, span),) = gets(wrist)
    assert name == "small_subset.tar" and span is not None and int(span[6:-1]) > 200_000
    assert all((tmp_path / name).read_bytes() == content for name, content in FILES.items())
