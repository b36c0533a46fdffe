"""Whatever the bytes of a file, its reader gives recordings or an AEMGError."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from native import WRITERS, earlier

from aemg import datasets
from aemg.errors import AEMGError

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

CHANGE = st.tuples(st.floats(0.0, 0.999), st.integers(0, 255))
ONE_FILE = [name for name in datasets.names() if name in earlier.WRITERS or name.startswith("meta-")]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory, write_all) -> tuple[Path, dict[str, Path], dict[str, bytes]]:
    root = tmp_path_factory.mktemp("sets")
    files = write_all(root)
    return root, files, {name: path.read_bytes() for name, path in files.items()}


def survives(sets, name: str, damage: Callable[[bytes], bytes]) -> None:
    root, files, sound = sets
    files[name].write_bytes(damage(sound[name]))
    try:
        for recording in datasets.open(name, root):
            assert np.isfinite(recording.signal).all()
    except AEMGError as error:
        assert str(files[name]) in str(error)
    finally:
        files[name].write_bytes(sound[name])


def changed(sound: bytes, changes: list[tuple[float, int]], head: bool) -> bytes:
    content = bytearray(sound)
    for place, value in changes:
        content[int(place * (min(len(content), 400) if head else len(content)))] = value
    return bytes(content)


@pytest.mark.parametrize("name", ONE_FILE)
@SETTINGS
@given(content=st.binary(max_size=600))
@example(content=b"\0" * 600)
@example(content=b"\xff" * 16 * 50)
@example(content=b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"\x0f\0\0\0\xff\xff\xff\x7f" + b"x" * 50)
def test_random_bytes(name: str, content: bytes, sets) -> None:
    survives(sets, name, lambda _: content)


@pytest.mark.parametrize("name", ONE_FILE)
@SETTINGS
@given(share=st.floats(0.0, 1.0))
def test_truncation(name: str, share: float, sets) -> None:
    survives(sets, name, lambda sound: sound[: int(share * len(sound))])


@pytest.mark.parametrize("name", ONE_FILE)
@SETTINGS
@given(changes=st.lists(CHANGE, min_size=1, max_size=5), head=st.booleans())
def test_changed_bytes(name: str, changes: list[tuple[float, int]], head: bool, sets) -> None:
    survives(sets, name, lambda sound: changed(sound, changes, head))


@pytest.fixture(scope="module")
def native_sets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where the small whole set of a name lies, written once."""

    @functools.cache
    def written(name: str) -> Path:
        root = tmp_path_factory.mktemp(name)
        WRITERS[name](root)
        return root

    return written


@pytest.mark.parametrize("name", [name for name in datasets.names() if name not in ONE_FILE])
@settings(SETTINGS, max_examples=12, derandomize=True)
@given(
    which=st.floats(0.0, 0.999), share=st.floats(0.0, 1.0), changes=st.lists(CHANGE, max_size=4), head=st.booleans()
)
def test_any_file_of_a_set_damaged(
    name: str, which: float, share: float, changes: list[tuple[float, int]], head: bool, native_sets: Callable[[str], Path]
) -> None:
    root = native_sets(name)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    path = files[int(which * len(files))]
    sound = path.read_bytes()
    path.write_bytes(changed(sound, changes, head) if changes and sound else sound[: int(share * len(sound))])
    try:
        for recording in datasets.open(name, root):
            assert np.isfinite(recording.signal).all()
    except AEMGError as error:
        assert str(root) in str(error)
    finally:
        path.write_bytes(sound)
