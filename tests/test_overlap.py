"""Contamination is found by person and by file, under whatever name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aemg.corpus import Corpus, CorpusWriter
from aemg.corpus.overlap import overlap, people_and_files
from aemg.datasets import DatasetInfo
from aemg.errors import AEMGError
from aemg.simulation import simulate_set

READER = simulate_set("sim-x", device="myo", people=2, gestures=("hand_close",), repetitions=1, hold_s=0.6, rest_s=0.3, seed=1)


def corpus_of(path: Path, name: str, people: str = "", sources: tuple[str, ...] = READER.sources, digest: str = "") -> Corpus:
    info: DatasetInfo = replace(READER.info, name=name, people=people)
    with CorpusWriter(path / f"{name}.h5", info) as out:
        for source in sources:
            found = READER.read(source)
            if digest:
                found = [replace(r, provenance=replace(r.provenance, sha256=f"{digest}{i}")) for i, r in enumerate(found)]
            out.append(found, source=source)
    return Corpus(path / f"{name}.h5")


def test_the_same_set_is_found_by_people_and_by_files(tmp_path: Path) -> None:
    one = corpus_of(tmp_path, "sim-x")
    found = overlap(*people_and_files(one), one)
    subjects = tuple(sorted({e.subject for e in one.recordings}))
    assert found and found.people == {"sim-x": subjects} and found.tested[0] == len(subjects) == 2
    assert len(found.files) == found.tested[1] > 0


def test_another_name_for_the_same_files_is_found(tmp_path: Path) -> None:
    one, copy = corpus_of(tmp_path, "sim-x"), corpus_of(tmp_path, "sim-copy")
    found = overlap(*people_and_files(one), copy)
    assert found.people == {"sim-copy": ()} and len(found.files) == found.tested[1]
    assert all(file.startswith("sim-copy/") for file in found.files)


def test_the_same_people_in_other_files_are_found_by_their_crowd(tmp_path: Path) -> None:
    one = corpus_of(tmp_path, "sim-x", people="crowd")
    other = corpus_of(tmp_path, "sim-other", people="crowd", digest="other")
    people, files = people_and_files(one)
    found = overlap({"sim-other": people["sim-x"]}, files, other)
    assert found.files == () and len(found.people["sim-other"]) == 2


def test_strangers_share_nothing(tmp_path: Path) -> None:
    one, other = corpus_of(tmp_path, "sim-x"), corpus_of(tmp_path, "sim-other", digest="other")
    assert not overlap(*people_and_files(one), other)
    half = corpus_of(tmp_path / "half", "sim-x", sources=READER.sources[:1])
    found = overlap(*people_and_files(half), one)
    assert len(found.people["sim-x"]) == 1 and found.tested[0] == 2


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AEMGError, match="no recording"):
        overlap({}, (), corpus_of(tmp_path, "sim-x", sources=()))
