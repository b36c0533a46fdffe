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
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from web_site import Site, serving

from aemg.datasets.download import Patience, Plan, UnreachableError, download, plan_download
from aemg.datasets.download.meta import HOST
from aemg.datasets.download.transfer import fetch, look
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


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as made:
        yield made


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
    fetch("http://far.invalid/a", tmp_path / "a", silent, QUICK)
    assert (tmp_path / "a").read_bytes() == b"content"


# a set


def test_a_subset_lies_flat_beside_its_table(wrist: Site, tmp_path: Path) -> None:
    files = loaded(wrist, tmp_path)
    assert files == sorted([tmp_path / "wrist_corpus.csv", *(tmp_path / name for name in FILES)])
    assert all((tmp_path / name).read_bytes() == content for name, content in FILES.items())
    assert not list(tmp_path.glob("*.tar")) and not list(tmp_path.glob("*.partial*"))
    _, record = map(json.loads, (tmp_path / "meta-wrist.download.jsonl").read_text().splitlines()[-2:])
    assert record["path"] == "wrist_small_subset.tar" and record["files"] == {n: len(c) for n, c in FILES.items()}
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
    assert [item.file.url.removeprefix(wrist.url) for item in plan.items] == [
        "/data/wrist/wrist_corpus.csv", "/data/wrist/full_data.tar",
    ]  # fmt: skip
    assert HOST.startswith("https://") and not tmp_path.joinpath("wrist_corpus.csv").exists()


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
    with pytest.raises(DataFileError, match=f"expected md5 {'0' * 32} as the host states"):
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
    with pytest.raises(DataFileError, match=r"wrist_corpus\.csv: expected data, found a web page"):
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
    with pytest.raises(AEMGError, match=f"unknown data set '{name}'; known: .*meta-gestures, meta-handwriting, meta-wrist"):
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
    assert all(expected in said.out for expected in ("small_subset.tar", size, "CC-BY-NC-4.0", " GB free"))
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
