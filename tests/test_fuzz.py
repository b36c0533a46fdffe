"""Files of AEMG's own with a few wrong bytes are refused or read, and nothing else; `tests/support/fuzz.py` goes on longer."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz_targets import LOADERS, TARGETS, Bench
from hypothesis import given, settings
from hypothesis import strategies as st

from aemg.errors import AEMGError


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bench]:
    ready: dict[str, Bench] = {}

    def of(name: str) -> Bench:
        if name not in ready:
            ready[name] = Bench(TARGETS[name], tmp_path_factory.mktemp("fuzz") / name)
        return ready[name]

    return of


@pytest.mark.parametrize("name", [target.name for target in LOADERS])
def test_a_damaged_file_is_refused_or_read(name: str, bench: Callable[[str], Bench]) -> None:
    made = bench(name)

    @given(st.binary(min_size=6, max_size=96))
    @settings(max_examples=60, deadline=None, derandomize=True)
    def law(data: bytes) -> None:
        made.run(data)

    law()
    assert made.inputs >= 60 and made.refused > 0


@pytest.mark.parametrize("name", [target.name for target in LOADERS])
def test_files_that_are_cut_or_gone_are_told(name: str, bench: Callable[[str], Bench]) -> None:
    made = bench(name)
    for path, sound in made.sound.items():
        if path.suffix in (".lock", ".csv") or path.name == "progress.json":
            continue
        for content in (sound[: len(sound) // 5], b"", *(() if name.startswith("archive") else (None,))):
            path.unlink() if content is None else path.write_bytes(content)
            try:
                if name == "settings" and content is not None:
                    with suppress(AEMGError):  # a part of a settings file may be one
                        made.target.read(made.place)
                else:
                    with pytest.raises(AEMGError):
                        made.target.read(made.place)
            finally:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(sound)
    assert Path(made.folder).is_dir()
