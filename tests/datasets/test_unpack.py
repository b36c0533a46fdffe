"""Archives, sound and hostile: all that is meant is written below the folder, and nothing else anywhere."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import shutil
import stat
import struct
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import inflate64
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.datasets.download import archive as archive_module
from aemg.datasets.download.places import require_apart, safe_path
from aemg.datasets.download.unpack import Layout, missing_bytes, unpack
from aemg.errors import AEMGError, DataFileError

MTIME = 1_700_000_000
FILES = {
    "set/sub 1/S1_E1.mat": bytes(range(256)) * 1000,
    "set/sub 1/S1_E2.mat": b"",
    "set/sub-2/наш файл.txt": b"1,2\n" * 5000,
    "readme.txt": b"read me",
}


def silent(what: str, done: int, total: int) -> None:
    assert 0 <= done <= total, what


def tar_of(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), MTIME
            tar.addfile(member, io.BytesIO(content))
    return made.getvalue()


def zip_of(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as packed:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2023, 11, 14, 22, 13, 20))
            info.compress_type = method
            packed.writestr(info, content)
    return made.getvalue()


def deflate64_zip_of(files: dict[str, bytes]) -> bytes:
    """Method 9 of the zip format, which Python cannot write: local headers, contents and directory by hand."""
    made, directory = b"", b""
    for name, content in files.items():
        deflater, raw = inflate64.Deflater(), name.encode()
        packed = deflater.deflate(content) + deflater.flush()
        fields = (0x800, 9, 0xB1AA, 0x576E, zlib.crc32(content), len(packed), len(content), len(raw), 0)
        directory += struct.pack("<4sHH6H", b"PK\1\2", 45, 45, *fields[:4], 0, 0)[:16]
        directory += struct.pack("<3I2H3H2I", *fields[4:], 0, 0, 0, 0, len(made)) + raw
        made += struct.pack("<4sH4H3I2H", b"PK\3\4", 45, *fields) + raw + packed
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(files), len(files), len(directory), len(made), 0)
    return made + directory + end


KINDS: dict[str, Callable[[dict[str, bytes]], bytes]] = {
    "a.tar": tar_of,
    "a.tar.gz": lambda files: gzip.compress(tar_of(files)),
    "a.tar.xz": lambda files: lzma.compress(tar_of(files)),
    "a.tar.bz2": lambda files: bz2.compress(tar_of(files)),
    "a.zip": zip_of,
    "b.ZIP": lambda files: zip_of(files, zipfile.ZIP_BZIP2),
    "c.zip": deflate64_zip_of,
}


def content_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.mark.parametrize("name", KINDS)
def test_all_kinds_keep_their_folders(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(KINDS[name](FILES))
    into = tmp_path / "into"
    assert missing_bytes(tmp_path / name, into) == sum(map(len, FILES.values()))
    assert unpack(tmp_path / name, into, silent) == {path: len(content) for path, content in FILES.items()}
    assert content_of(into) == FILES and missing_bytes(tmp_path / name, into) == 0


@pytest.mark.parametrize("name", KINDS)
def test_unpacking_goes_on_and_leaves_alone_what_is_there(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(KINDS[name](FILES))
    into = tmp_path / "into"
    unpack(tmp_path / name, into, silent)
    first, _, third, fourth = FILES
    untouched = (into / first).stat().st_ino
    (into / fourth).write_bytes(b"x" * len(FILES[fourth]))  # same size, other time: not the archive's
    (into / third).unlink()
    (into / f"{third}.partial").write_bytes(b"half")
    assert missing_bytes(tmp_path / name, into) == len(FILES[third]) + len(FILES[fourth])
    unpack(tmp_path / name, into, silent)
    assert content_of(into) == FILES and (into / first).stat().st_ino == untouched


def test_layouts(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    archive.write_bytes(tar_of({"top/data/a/1.csv": b"1", "top/data/b/2.csv": b"2", "top/readme": b"3"}))

    def laid(layout: Layout) -> set[str]:
        with tempfile.TemporaryDirectory() as into:
            assert missing_bytes(archive, Path(into), layout) == sum(unpack(archive, Path(into), silent, layout).values())
            return set(content_of(Path(into)))

    assert laid(Layout(flat=True)) == {"1.csv", "2.csv", "readme"}
    assert laid(Layout(without_top=True)) == {"data/a/1.csv", "data/b/2.csv", "readme"}
    assert laid(Layout(without_top=True, files=("data/*",))) == {"data/a/1.csv", "data/b/2.csv"}
    assert laid(Layout(files=("*.csv",), only=("*/b/*",))) == {"top/data/b/2.csv"}
    with pytest.raises(DataFileError, match="none that is wanted"):
        laid(Layout(only=("nothing",)))


def test_hidden_files_stay_in_the_archive(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of({"s/x.mat": b"1", "s/._x.mat": b"2", "__MACOSX/s/x.mat": b"3", ".git/x": b"4"}))
    assert unpack(tmp_path / "a.zip", tmp_path / "x", silent) == {"s/x.mat": 1}


# hostile ones

BAD_NAMES = (
    "../out", "a/../../out", "/out", "C:/out", "C:out", "..\\out", "a\\b", "//host/out", "a\nb", "a\x00b", "a\x1b[2Jb", ".",
    "con", "a/NUL.txt", "x/aux ", "n" * 256, "ж" * 128,
)  # fmt: skip


@pytest.mark.parametrize("name", BAD_NAMES)
def test_names_that_are_no_place_for_a_file(name: str) -> None:
    with pytest.raises(DataFileError, match=r"^a\.zip: expected names"):
        safe_path("a.zip", name)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(BAD_NAMES), st.text(min_size=1, max_size=20), st.sampled_from(
    ["a", "A", "a/b", "a/b/c", "A/c", "é", "e\u0301", "ß", "SS", "b.partial", "./a", "a/./b", "a//b", "..", "~", "$HOME"],
)), min_size=1, max_size=6), st.sampled_from(["tar", "zip"]), st.booleans())  # fmt: skip
def test_whatever_the_names_nothing_is_written_outside_and_all_or_nothing(names: list[str], kind: str, flat: bool) -> None:
    with tempfile.TemporaryDirectory() as place:
        outer, into = Path(place).resolve(), Path(place).resolve() / "a" / "b" / "into"
        (outer / "precious").write_bytes(b"kept")
        path = outer / f"x.{kind}"
        files = {name: name.encode("utf-8", "surrogatepass") for name in names}
        try:
            path.write_bytes({"tar": tar_of, "zip": zip_of}[kind](files))
        except (UnicodeEncodeError, ValueError):
            return  # a name that cannot be in such an archive
        try:
            written = unpack(path, into, silent, Layout(flat=flat))
        except DataFileError:
            written = {}
        assert content_of(outer).keys() == {"precious", path.name, *(f"a/b/into/{name}" for name in written)}
        assert (outer / "precious").read_bytes() == b"kept"
        assert len({name.casefold() for name in written}) == len(written)


@pytest.mark.parametrize("names", [("a", "A"), ("a/x", "A/y"), ("é", "e\u0301"), ("a", "a/b"), ("A/b", "a"), ("ß.x", "SS.x")])
def test_names_that_would_meet_on_some_disk(names: tuple[str, str]) -> None:
    for pair in (names, names[::-1]):
        with pytest.raises(DataFileError, match="every file name once"):
            require_apart("list", map(PurePosixPath, pair))
    require_apart("list", map(PurePosixPath, ("a/b", "a/c", "b/a")))


def tar_with(path: Path, kind: bytes, **attributes: object) -> Path:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("fine"))
        member = tarfile.TarInfo("odd")
        member.type = kind
        for name, value in attributes.items():
            setattr(member, name, value)
        tar.addfile(member)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [(tarfile.SYMTYPE, "a link"), (tarfile.LNKTYPE, "a link"), (tarfile.FIFOTYPE, "pipe"), (tarfile.CHRTYPE, "device")],
)
def test_tar_members_that_are_no_files(tmp_path: Path, kind: bytes, message: str) -> None:
    path = tar_with(tmp_path / "a.tar", kind, linkname="fine")
    with pytest.raises(DataFileError, match=f"expected files and folders only, found .*{message}"):
        unpack(path, tmp_path / "into", silent)
    assert not any((tmp_path / "into").iterdir())


@pytest.mark.parametrize(("mode", "message"), [(stat.S_IFLNK, "a link"), (stat.S_IFIFO, "pipe"), (stat.S_IFBLK, "device")])
def test_zip_members_that_are_no_files(tmp_path: Path, mode: int, message: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        info = zipfile.ZipInfo("odd")
        info.external_attr = (mode | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    with pytest.raises(DataFileError, match=message):
        unpack(tmp_path / "a.zip", tmp_path / "into", silent)


def test_a_zip_of_a_method_whose_memory_is_not_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_of(FILES, zipfile.ZIP_LZMA))
    with pytest.raises(DataFileError, match="packed by method 14"):
        unpack(tmp_path / "a.zip", tmp_path / "into", silent)


def test_an_encrypted_zip(tmp_path: Path) -> None:
    made = bytearray(zip_of({"a": b"secret"}))
    made[made.index(b"PK\1\2") + 8] |= 1
    (tmp_path / "a.zip").write_bytes(made)
    with pytest.raises(DataFileError, match="encrypted"):
        unpack(tmp_path / "a.zip", tmp_path / "into", silent)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_in_the_folder_are_not_followed(tmp_path: Path) -> None:
    into, elsewhere = tmp_path / "into", tmp_path / "elsewhere"
    into.mkdir()
    elsewhere.mkdir()
    (tmp_path / "precious").write_text("kept")
    (into / "readme.txt").symlink_to(tmp_path / "precious")
    (into / "readme.txt.partial").symlink_to(tmp_path / "precious")
    (tmp_path / "a.tar").write_bytes(tar_of({"readme.txt": b"new"}))
    unpack(tmp_path / "a.tar", into, silent)
    assert (tmp_path / "precious").read_text() == "kept" and (into / "readme.txt").read_bytes() == b"new"
    (into / "set").symlink_to(elsewhere)
    (tmp_path / "a.tar").write_bytes(tar_of(FILES))
    with pytest.raises(DataFileError, match="a link out of it"):
        unpack(tmp_path / "a.tar", into, silent)
    assert not any(elsewhere.iterdir())


def test_a_bomb_is_seen_before_it_goes_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_HARMLESS", 1_000_000)
    for name, content in {"a.zip": zip_of, "a.tar.gz": KINDS["a.tar.gz"]}.items():
        (tmp_path / name).write_bytes(content({"zeros": bytes(3_000_000)}))
        with pytest.raises(DataFileError, match=r"which do not grow 200-fold when unpacked, found [\d,]+ bytes that say to hold"):
            unpack(tmp_path / name, tmp_path / "into", silent)
    assert not any((tmp_path / "into").iterdir())
    monkeypatch.setattr(archive_module, "_MOST_MEMBERS", 3)
    (tmp_path / "b.tar").write_bytes(tar_of(FILES))
    with pytest.raises(DataFileError, match="in 4 files"):
        unpack(tmp_path / "b.tar", tmp_path / "into", silent)


def test_what_is_larger_than_the_disk_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tar").write_bytes(tar_of(FILES))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=64 << 20))
    with pytest.raises(AEMGError, match=r"276\.0 kB of disk needed to unpack .*a\.tar, 67\.1 MB free"):
        unpack(tmp_path / "a.tar", tmp_path / "into", silent)


def test_a_member_that_holds_more_than_it_says_is_stopped(tmp_path: Path) -> None:
    made = bytearray(deflate64_zip_of({"a": bytes(5_000_000)}))
    for place in (made.index(b"PK\3\4") + 22, made.index(b"PK\1\2") + 24):
        made[place : place + 4] = (1000).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(made)
    with pytest.raises(DataFileError, match="1,000 bytes of 'a', found more"):
        unpack(tmp_path / "a.zip", tmp_path / "into", silent)
    assert (tmp_path / "into" / "a.partial").stat().st_size <= 1000 and not (tmp_path / "into" / "a").exists()


def test_a_tar_header_is_not_read_into_memory_whole(tmp_path: Path) -> None:
    header = tarfile.TarInfo("././@LongLink")
    header.type, header.size = tarfile.GNUTYPE_LONGNAME, 2 << 20
    made = header.tobuf(tarfile.GNU_FORMAT) + b"n" * (2 << 20) + tar_of(FILES)
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(made))
    with pytest.raises(DataFileError, match="a whole tar archive"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "into", silent)


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_a_data_file_error(name: str, tmp_path: Path) -> None:
    whole, rng = KINDS[name](FILES), random.Random(0)
    path = tmp_path / name
    spoilt = [b"", b"<html>log in first</html>" * 100, whole[: len(whole) // 2], KINDS[name]({})]
    for _ in range(40):
        changed = bytearray(whole)
        for _ in range(rng.randint(1, 8)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        spoilt.append(bytes(changed))
    for number, content in enumerate(spoilt):
        path.write_bytes(content)
        with tempfile.TemporaryDirectory() as into:
            try:
                unpack(path, Path(into), silent)
            except (DataFileError, AEMGError) as error:
                assert name in str(error)
            else:
                assert number >= 4  # a byte of the content of a tar can change unseen: the host's checksum is what tells


def test_without_inflate64_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inflate64", None)
    (tmp_path / "c.zip").write_bytes(deflate64_zip_of(FILES))
    with pytest.raises(AEMGError, match=r"c\.zip: .* pip install 'aemg\[deflate64\]' .* 7z x c\.zip"):
        unpack(tmp_path / "c.zip", tmp_path / "into", silent)
