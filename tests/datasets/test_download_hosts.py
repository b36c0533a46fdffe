"""Sets from every host, each played by a server of our own that answers as the host's interface does."""

from __future__ import annotations

import io
import json
import re
import runpy
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path

import pytest
from web_hosts import HOSTS, dataverse, figshare, github, huggingface, mendeley, page, physionet, sha256, url, zenodo, zip_of
from web_site import Site, serving

from aemg import datasets
from aemg.datasets import DatasetEntry, Origin
from aemg.datasets.download import Patience, UnreachableError, download, files_of, plan_download, repositories, web
from aemg.datasets.download.hosts import ADDRESSES
from aemg.errors import AEMGError, DataFileError

REPOSITORY = Path(__file__).parents[2]
QUICK = Patience(attempts=3, wait_s=0.0, timeout_s=5.0)
FILES = {"sub 1/a.mat": b"first" * 40_000, "sub 1/b.mat": b"second" * 30_000, "readme.txt": b"read me"}


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for variable in ("HF_TOKEN", "DATAVERSE_TOKEN", "ZENODO_TOKEN", "FIGSHARE_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    with serving() as made:
        for host in ADDRESSES:
            monkeypatch.setitem(ADDRESSES, host, made.url)
        yield made


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Lets a known set be published somewhere else; gives its name."""

    def publish(*origins: Origin) -> str:
        entry = datasets._SETS["kanoga-myo"]
        other = replace(datasets._SETS["kanoga-myo-22"], origins=())
        monkeypatch.setitem(datasets._SETS, "kanoga-myo", DatasetEntry(entry.info, entry.open, origins))
        monkeypatch.setitem(datasets._SETS, "kanoga-myo-22", other)
        return "kanoga-myo"

    return publish


def content_of(folder: Path) -> dict[str, bytes]:
    found = {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    return {name: content for name, content in found.items() if not name.endswith(".download.jsonl")}


def loaded(name: str, root: Path, **options: object) -> list[Path]:
    plan = plan_download(name, root, patience=QUICK, **options)  # type: ignore[arg-type]
    return download(plan, progress=silent, patience=QUICK)


@pytest.mark.parametrize("host", HOSTS)
def test_every_host(host: str, site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    name = published(HOSTS[host](site, FILES))
    plan = plan_download(name, tmp_path, patience=QUICK)
    assert {item.file.path: item.file.size_bytes for item in plan.items} == {n: len(c) for n, c in FILES.items()}
    assert all(item.file.checksum or host == "url" for item in plan.items)
    assert plan.needed_bytes == sum(map(len, FILES.values())) and not any(tmp_path.iterdir())
    home = tmp_path / "kanoga-myo"
    assert download(plan, progress=silent, patience=QUICK) == sorted(home / path for path in FILES)
    assert content_of(home) == FILES
    records = [json.loads(line) for line in (home / "kanoga-myo.download.jsonl").read_text().splitlines()]
    assert {r["path"]: r["sha256"] for r in records} == {n: sha256(c) for n, c in FILES.items()}
    again = plan_download(name, tmp_path, patience=QUICK)
    site.asked = []
    assert again.ready and download(again, progress=silent, patience=QUICK) and not site.asked


@pytest.mark.parametrize("host", HOSTS)
def test_a_file_that_breaks_off_is_gone_on_from(host: str, site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    name = published(HOSTS[host](site, {"a.bin": FILES["sub 1/a.mat"], "b.csv": b"1"}))
    plan = plan_download(name, tmp_path, patience=QUICK)
    site.asked, site.break_after = [], [70_000, 0, 100_000]
    download(plan, jobs=1, progress=silent, patience=QUICK)
    spans = [span for method, _, span in site.asked if span]
    assert content_of(tmp_path / name)["a.bin"] == FILES["sub 1/a.mat"]
    assert "bytes=70000-" in spans and spans[-1] == "bytes=170000-"


@pytest.mark.parametrize("host", [host for host in HOSTS if host != "url"])
def test_other_content_than_the_host_states(host: str, site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    """Once may be an accident of the way; twice is not accepted."""
    name = published(HOSTS[host](site, FILES))
    plan = plan_download(name, tmp_path, patience=QUICK)
    true = FILES["sub 1/b.mat"]
    lies = {path: true[:-1] + b"!" for path, content in site.files.items() if content == true}
    site.files |= lies
    with pytest.raises(DataFileError, match=r"b\.mat: expected (md5|sha256|git) [0-9a-f]+ as the host states, found .* twice"):
        download(plan, progress=silent, patience=QUICK)
    assert "sub 1/b.mat" not in content_of(tmp_path / name)
    site.files |= dict.fromkeys(lies, true)
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == FILES


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("answer", [b"", b"<html>down</html>", b"{}", b"[1]", b'"x"', b"null", b"[" * 100_000, b"\xff"])
def test_answers_that_are_not_understood(host: str, answer: bytes, site: Site, tmp_path: Path) -> None:
    origin = HOSTS[host](site, FILES)
    if host == "url":
        return
    for path in [path for path, content in site.files.items() if content[:1] in b"{[<" or b" readme.txt" in content]:
        site.files[path] = answer
    with pytest.raises(AEMGError):
        files_of(origin, QUICK)


@pytest.mark.parametrize("bad", ["../../out", "/etc/cron.d/x", "a\\..\\b", "C:/x", "a\nb"])
def test_a_host_cannot_write_elsewhere(bad: str, site: Site, tmp_path: Path) -> None:
    page(site, "/api/records/77", {"id": 77, "files": [{"key": bad, "size": 1, "checksum": ""}]})
    with pytest.raises(DataFileError, match="below its own root"):
        files_of(Origin("zenodo", "77"), QUICK)


def test_a_part_of_the_files(site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    name = published(replace(zenodo(site, FILES), files=("*.mat",)))
    assert [p.name for p in loaded(name, tmp_path, only=["*b.mat"])] == ["b.mat"]
    assert content_of(tmp_path / name).keys() == {"sub 1/b.mat"}
    site.asked = []
    assert [p.name for p in loaded(name, tmp_path)] == ["a.mat", "b.mat"]
    assert [path for _, path, _ in site.asked[1:]] == ["/api/records/77/files/sub%201/a.mat/content"]
    with pytest.raises(AEMGError, match=r"no file like \*\.txt among 2 \(sub 1/a\.mat, sub 1/b\.mat, \.\.\.\)"):
        loaded(name, tmp_path, only=["*.txt"])


def test_a_set_in_two_places(site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    first = replace(zenodo(site, {"a.bin": b"1", "other": b"2"}), files=("*.bin",))
    name = published(replace(first, more=(replace(figshare(site, {"b.bin": b"3"}), files=("b*",)),)))
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == {"a.bin": b"1", "b.bin": b"3"}
    loaded(name, tmp_path, only=["b*"])
    with pytest.raises(AEMGError, match=r"zenodo 77: no file like \*\.txt among 2 \(a\.bin, b\.bin, \.\.\.\)"):
        loaded(name, tmp_path, only=["*.txt"])
    twice = replace(first, more=(figshare(site, {"A.bin": b"3"}),))
    with pytest.raises(DataFileError, match="every file name once"):
        files_of(twice, QUICK)


def test_archives_keep_their_folders_and_go(site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    packed = {"one.zip": zip_of({"s1/x.mat": b"1", "s1/y.mat": b"2"}), "two.zip": zip_of({"s2/x.mat": b"3"})}
    name = published(zenodo(site, {**packed, "sub/three.zip": zip_of({"z.mat": b"4"}), "four.rar": b"Rar!"}))
    files = loaded(name, tmp_path)
    unpacked = {"s1/x.mat": b"1", "s1/y.mat": b"2", "s2/x.mat": b"3", "sub/z.mat": b"4", "four.rar": b"Rar!"}
    assert content_of(tmp_path / name) == unpacked and files == sorted(tmp_path / name / path for path in unpacked)
    again = plan_download(name, tmp_path, patience=QUICK)
    assert again.ready and again.by_hand == {tmp_path / name / "four.rar": "unrar x four.rar"}
    (tmp_path / name / "s1/y.mat").unlink()
    assert [item.ready for item in plan_download(name, tmp_path, patience=QUICK).items] == [True, False, True, True]
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == unpacked


def test_archives_that_are_read_as_they_are_stay_packed(
    site: Site, tmp_path: Path, published: Callable[..., str]
) -> None:  # fmt: skip
    packed = zip_of({"x.mat": b"1"})
    loaded(name := published(replace(zenodo(site, {"one.zip": packed}), packed=True)), tmp_path)
    assert content_of(tmp_path / name) == {"one.zip": packed}


def test_archives_that_hold_the_same_names_do_not_overwrite_each_other(
    site: Site, tmp_path: Path, published: Callable[..., str]
) -> None:  # fmt: skip
    packed = {f"s{n}.zip": zip_of({"E1.mat": b"%d" % n, "readme.txt": b"of all"}) for n in (1, 2, 3)}
    name = published(zenodo(site, {**packed, "readme.txt": b"of the set"}))
    loaded(name, tmp_path)
    mats = {"E1.mat": b"1", "s2/E1.mat": b"2", "s3/E1.mat": b"3"}
    readmes = {"readme.txt": b"of the set", **{f"s{n}/readme.txt": b"of all" for n in (1, 2, 3)}}
    assert content_of(tmp_path / name) == {**mats, **readmes}
    site.asked = []
    assert plan_download(name, tmp_path, patience=QUICK).ready and len(loaded(name, tmp_path)) == 7


def test_many_files_of_a_repository_come_as_one_archive(
    site: Site, tmp_path: Path, published: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aemg.datasets.download.listing._MOST_RAW", 1)
    site.sizeless = True  # as that host's archives are
    name = published(replace(github(site, FILES), files=("*.mat", "*.txt")))
    loaded(name, tmp_path, only=["sub 1/*"])
    assert content_of(tmp_path / name).keys() == {"sub 1/a.mat", "sub 1/b.mat"}
    assert sum("tar.gz" in path for _, path, _ in site.asked) == 1
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == FILES
    site.asked = []
    assert loaded(name, tmp_path) and not any("tar.gz" in path for _, path, _ in site.asked)
    assert repositories.COMMIT_TYPE == "application/vnd.github.sha" == dict(site.seen)["/repos/a/b/commits/v1"]["Accept"]


def test_physionet_without_its_mirror(site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    name = published(physionet(site, FILES))
    for path in [path for path in site.files if path.startswith("/?list-type")]:
        del site.files[path]
    plan = plan_download(name, tmp_path, patience=QUICK)
    assert {item.file.size_bytes for item in plan.items} == {None}
    download(plan, progress=silent, patience=QUICK)
    assert content_of(tmp_path / name) == FILES


def test_dataverse_gives_tables_as_they_were_brought(site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    name = published(dataverse(site, {"tables/a.csv": b"1,2\n" * 100}))
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == {"tables/a.csv": b"1,2\n" * 100}


def test_mendeley_takes_the_last_version_if_none_is_said(site: Site) -> None:
    mendeley(site, FILES)
    assert [file.path for file in files_of(Origin("mendeley", "key"), QUICK)] == sorted(FILES)


def test_sets_that_are_published_together_lie_together(tmp_path: Path) -> None:
    assert datasets.home_of("kanoga-myo-22") == "kanoga-myo" == datasets.home_of("kanoga-myo")
    assert datasets.home_of("flexemg") == "flexemg"


def test_a_download_is_found_at_the_folder_that_it_was_given(tmp_path: Path, site: Site, published: Callable[..., str]) -> None:
    rows = "\n".join(",".join(["0.5"] * 8) for _ in range(1000)).encode()
    name = published(github(site, {f"data/sub{s}/M{m}T1.csv": rows for s in (1, 2) for m in (1, 2)}))
    loaded(name, tmp_path)
    assert datasets.open(name, tmp_path).sources == datasets.open(name, tmp_path / name).sources != ()


# tokens, pace


def test_a_token_goes_to_its_host_and_nowhere_else(
    site: Site, tmp_path: Path, published: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as elsewhere:
        name = published(huggingface(site, FILES))
        for path, address in list(site.redirects.items()):
            place = address.removeprefix(site.url)
            elsewhere.files[place] = site.files.pop(place)
            site.redirects[path] = elsewhere.url + place
        monkeypatch.setitem(web.TOKENS, site.url, web.TOKENS["https://huggingface.co"])
        monkeypatch.setenv("HF_TOKEN", " hf_secret\n")
        loaded(name, tmp_path)
        assert {headers.get("Authorization") for _, headers in site.seen} == {"Bearer hf_secret"}
        assert elsewhere.seen and not any("hf_secret" in str(headers) for _, headers in elsewhere.seen)
    assert b"hf_secret" not in b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("token", "message"), [("geheim\nX: y", "no token"), ("schlüssel", "no token"), ("ok", "DATAVERSE_TOKEN")]
)
def test_no_message_tells_a_token(token: str, message: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = dataverse(site, FILES)
    monkeypatch.setitem(web.TOKENS, site.url, web.TOKENS["https://dataverse.harvard.edu"])
    monkeypatch.setenv("DATAVERSE_TOKEN", token)
    site.states = [401]
    with pytest.raises(AEMGError, match=message) as refused:
        files_of(origin, QUICK)
    assert token not in str(refused.value).replace("DATAVERSE_TOKEN", "").split()


@pytest.mark.parametrize("address", ["ftp://127.0.0.1/x", "file:///etc/passwd"])
def test_a_server_cannot_send_us_off_the_web(address: str, site: Site) -> None:
    site.redirects["/a"] = address
    with pytest.raises(AEMGError, match=r"sends us on to|is not allowed"):
        web.get_text(f"{site.url}/a", QUICK)


def test_from_https_it_never_goes_to_http() -> None:
    with pytest.raises(AEMGError, match="not as safe"):
        web._Redirects().redirect_request(web.request("https://a/x"), io.BytesIO(), 302, "Found", {}, "http://a/x")


@pytest.mark.parametrize(
    ("state", "headers", "at_least", "at_most"),
    [
        (429, {"Retry-After": "7"}, 7, 7),
        (503, {"Retry-After": "HTTP-DATE"}, 25, 30),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "IN-A-MINUTE"}, 55, 61),
        (429, {}, 0.25, 0.5),
        (429, {"Retry-After": "soon"}, 0.25, 0.5),
    ],
)
def test_it_waits_as_long_as_it_is_asked_to(
    state: int, headers: dict[str, str], at_least: float, at_most: float, site: Site
) -> None:  # fmt: skip
    waits: list[float] = []
    now = time.time()
    words = {"HTTP-DATE": formatdate(now + 30, usegmt=True), "IN-A-MINUTE": str(int(now) + 61)}
    site.files["/a"], site.states = b"1", [state, state]
    site.state_headers = {name: words.get(value, value) for name, value in headers.items()}
    assert web.get_text(f"{site.url}/a", Patience(attempts=3, wait_s=0.25, pause=waits.append))[0] == "1"
    assert len(waits) == 2 and all(at_least <= wait <= at_most for wait in waits)


def test_it_does_not_wait_for_ever(site: Site) -> None:
    site.files["/a"], site.states, site.state_headers = b"1", [429], {"Retry-After": "7200"}
    with pytest.raises(UnreachableError, match=r"429 .*come back in 120 minutes"):
        web.get_text(f"{site.url}/a", Patience(pause=lambda seconds: pytest.fail("waited")))


def test_an_unreachable_host_names_the_other_places(
    tmp_path: Path, published: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setitem(ADDRESSES, "zenodo", "http://127.0.0.1:9")
    name = published(Origin("zenodo", "1"), Origin("form", "https://ask.example", steps=("Ask.",)))
    with pytest.raises(UnreachableError, match=r"HTTPS_PROXY; the set is also here: --from form \(https://ask\.example\)"):
        plan_download(name, tmp_path, patience=QUICK)


@pytest.mark.parametrize("state", [405, 501])
def test_a_server_that_tells_nothing_before(state: int, site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    name = published(url(site, {"a.bin": b"content"}))
    site.head_state, site.sizeless, site.tags = state, True, False
    plan = plan_download(name, tmp_path, patience=QUICK)
    assert plan.items[0].file.size_bytes is None and not plan.items[0].file.problem
    download(plan, progress=silent, patience=QUICK)
    assert content_of(tmp_path / name) == {"a.bin": b"content"} and plan_download(name, tmp_path, patience=QUICK).ready


def test_a_full_disk(site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    resource = pytest.importorskip("resource")
    name = published(zenodo(site, {"a.bin": FILES["sub 1/a.mat"]}))
    plan = plan_download(name, tmp_path, patience=QUICK)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(AEMGError, match="what arrived is kept"):
            download(plan, progress=silent, patience=QUICK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert plan_download(name, tmp_path, patience=QUICK).items[0].waiting_bytes > 0
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == {"a.bin": FILES["sub 1/a.mat"]}


# several at a time


def test_files_come_several_at_a_time_and_are_told_together(
    site: Site, tmp_path: Path, published: Callable[..., str]
) -> None:  # fmt: skip
    name = published(zenodo(site, {f"{n}.bin": bytes([n]) * 150_000 for n in range(8)}))
    site.pause_s, told, running = 0.02, [], set()
    plan = plan_download(name, tmp_path, patience=QUICK)

    def report(what: str, done: int, total: int) -> None:
        running.add(threading.get_ident())
        if what == f"downloading {name}":
            told.append((done, total))

    download(plan, jobs=4, progress=report, patience=QUICK)
    assert told == sorted(told) and told[-1] == (1_200_000, 1_200_000) and len(running) > 1
    assert len(content_of(tmp_path / name)) == 8


def test_one_failure_stops_the_others_and_all_that_arrived_is_kept(
    site: Site, tmp_path: Path, published: Callable[..., str]
) -> None:  # fmt: skip
    files = {f"{n}.bin": bytes([n]) * 150_000 for n in range(12)}
    name = published(zenodo(site, files))
    plan = plan_download(name, tmp_path, patience=QUICK)
    del site.files["/api/records/77/files/5.bin/content"]
    with pytest.raises(AEMGError, match=r"5\.bin/content: the server answers 404"):
        download(plan, jobs=3, progress=silent, patience=QUICK)
    site.files["/api/records/77/files/5.bin/content"], site.asked = files["5.bin"], []
    kept = {path for path, content in content_of(tmp_path / name).items() if not path.endswith((".partial", ".partial.json"))}
    loaded(name, tmp_path)
    assert content_of(tmp_path / name) == files
    asked = {path.split("/")[-2] for _, path, _ in site.asked[1:]}
    assert kept and asked.isdisjoint(kept)


# the command

Main = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def main() -> Main:
    command: Main = runpy.run_path(str(REPOSITORY / "datasets"), run_name="command")["main"]
    return command


def test_the_command_from_plan_to_files(
    main: Main, site: Site, tmp_path: Path, published: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    name = published(zenodo(site, {f"{n:02d}.bin": b"x" * 1000 for n in range(30)}))
    typed = ["download", name, "--root", str(tmp_path)]
    assert main([*typed, "--dry-run"]) == 0 and not any(tmp_path.iterdir())
    said = capsys.readouterr().out
    assert all(t in said for t in ("and 11 more files", "files    30: 30.0 kB; 0 of them ready", "Apache-2.0", "GB free"))
    assert main([*typed, "--yes", "--only", "0*"]) == 0
    assert f"{name}: 10 files ready in {tmp_path / name}" in capsys.readouterr().out
    assert main(typed[:2]) == 2 and "--root DIR is missing" in capsys.readouterr().err
    assert main([*typed, "--small-subset"]) == 2 and "are known of meta-gestures" in capsys.readouterr().err


def test_a_choice_of_places(main: Main, site: Site, tmp_path: Path, published: Callable[..., str]) -> None:
    form = Origin("form", "https://ask.example/here", steps=("Ask.",))
    name = published(form, zenodo(site, FILES))
    assert main(["download", name, "--root", str(tmp_path)]) == 3
    assert main(["download", name, "--root", str(tmp_path), "--from", "zenodo", "--yes"]) == 0
    assert content_of(tmp_path / name).keys() >= FILES.keys()
    assert main(["download", name, "--root", str(tmp_path), "--from", "nowhere"]) == 2


def test_what_is_behind_a_form(
    main: Main, tmp_path: Path, published: Callable[..., str], capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    name = published(Origin("form", "https://ask.example/here", steps=("Fill in the form.", "Wait for a mail.")))
    assert main(["download", name, "--root", str(tmp_path)]) == 3
    said = capsys.readouterr().out
    expected = ("1. Fill in the form.", "2. Wait for a mail.", "https://ask.example/here", str(tmp_path / name), "Apache-2.0")
    assert all(text in " ".join(said.split()) for text in expected) and "M<motion>T<trial>.csv" in said
    assert f"python datasets prepare {name} --root {tmp_path} --out CORPUS" in " ".join(said.split())
    with pytest.raises(AEMGError, match="no program can fetch it"):
        plan_download(name, tmp_path)
    place = tmp_path / name / "data" / "sub1"
    place.mkdir(parents=True)
    (place / "M1T1.csv").write_text("0\n")
    assert main(["download", name, "--root", str(tmp_path)]) == 3
    assert "The files are here" in capsys.readouterr().out


def test_the_table_and_the_card_teach(main: Main, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download"]) == 0
    table = capsys.readouterr().out
    assert all(name in table for name in datasets.names()) and "python datasets download NAME --root DIR" in table
    assert main(["info", "kanoga-myo"]) == 0
    assert "python datasets download kanoga-myo --root DIR (github Suguru55/" in " ".join(capsys.readouterr().out.split())
    with pytest.raises(SystemExit):
        main(["download", "--help"])
    said = capsys.readouterr().out
    assert "HF_TOKEN" in said and all(name in said for name in datasets.names())


@pytest.mark.parametrize("name", datasets.names())
def test_every_known_place_is_one_that_can_be_asked(name: str) -> None:
    shapes = {
        "zenodo": r"\d+", "physionet": r"[a-z0-9-]+/[\d.]+", "dataverse": r"(doi:)?10\.\d+/\S+", "figshare": r"\d+(/\d+)?",
        "mendeley": r"[a-z0-9]{10}(/\d+)?", "huggingface": r"[\w.-]+/[\w.-]+(@\S+)?", "github": r"[\w.-]+/[\w.-]+(@\S+)?",
        "url": r"https://\S+", "form": r"(https?://\S+)?",
    }  # fmt: skip
    for origin in (part for place in datasets.origins(name) for part in (place, *place.more)):
        assert re.fullmatch(shapes[origin.host], origin.at), origin
        assert bool(origin.steps) == (origin.host == "form"), origin
        assert origin.host != "url" or not any(c in file for file in origin.files for c in "*?["), origin
