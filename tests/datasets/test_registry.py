"""Names, cards, layouts."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from native import WRITERS

from aemg import datasets
from aemg.errors import AEMGError

PERMISSIVE = ("CC-BY-4.0", "CC0-1.0", "ODC-By-1.0", "Apache-2.0", "MIT")


@pytest.fixture
def write_set(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the set of a name below a folder, which it gives."""

    def write(name: str) -> Path:
        WRITERS[name](tmp_path / name)
        return tmp_path

    return write


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(AEMGError, match=r"unknown data set 'ninapro'.*uci-gestures.*unibo-inail"):
        datasets.info("ninapro")
    with pytest.raises(AEMGError, match="unknown"):
        datasets.open("ninapro", ".")


@pytest.mark.parametrize("name", datasets.names())
def test_card(name: str) -> None:
    card = datasets.info(name)
    assert card.name == name
    assert card.citation and card.licence and card.homepage.startswith("https://")
    assert len(set(card.labels)) == len(card.labels)
    assert not card.own_labels or len(card.own_labels) == len(card.labels)
    assert not card.labels or "rest" in card.labels or any("no rest" in note for note in card.notes)
    assert card.permissive == (card.licence in PERMISSIVE)


@pytest.mark.parametrize("name", datasets.names())
def test_missing_root_and_foreign_root(name: str, tmp_path: Path) -> None:
    with pytest.raises(AEMGError, match="no folder"):
        datasets.open(name, tmp_path / "nowhere")
    (tmp_path / "a" / "b").mkdir(parents=True)
    with pytest.raises(AEMGError, match=name):
        datasets.open(name, tmp_path)


@pytest.mark.parametrize("name", datasets.names())
def test_found_from_the_root_of_all_sets_and_from_its_own(name: str, write_set: Callable[[str], Path]) -> None:
    reader = datasets.open(name, write_set(name))
    for folder in (reader.root, reader.root.parent):
        again = datasets.open(name, folder)
        assert again.read(again.sources[0])[0].subject == reader.read(reader.sources[0])[0].subject


@pytest.mark.parametrize("name", datasets.names())
def test_recordings_are_sound_and_fit_their_card(name: str, write_set: Callable[[str], Path]) -> None:
    reader = datasets.open(name, write_set(name))
    card, recordings = reader.info, list(reader)
    assert recordings
    for recording in recordings:
        assert recording.signal.shape[0] == card.channels and recording.rate_hz == card.rate_hz
        assert (recording.unit, recording.kind) == (card.unit, card.kind)
        assert np.isfinite(recording.signal).all() and recording.signal.flags["C_CONTIGUOUS"]
        assert {interval.label for interval in recording.intervals} <= set(card.labels)
        assert all(0 <= i.start_s < i.end_s <= recording.duration_s + 0.006 for i in recording.intervals)
        assert recording.provenance.dataset == card.name and recording.provenance.licence == card.licence
        assert (reader.root / recording.provenance.file.split("#")[0]).is_file()


@pytest.mark.parametrize("name", datasets.names())
def test_reader_travels_to_workers(name: str, write_set: Callable[[str], Path]) -> None:
    reader = datasets.open(name, write_set(name))
    here = reader.read(reader.sources[0])
    there = pickle.loads(pickle.dumps(reader)).read(reader.sources[0])
    assert [r.provenance for r in here] == [r.provenance for r in there]
    assert all(np.array_equal(a.signal, b.signal) for a, b in zip(here, there))


def test_source_of_another_set_is_refused(tmp_path: Path, write_all) -> None:
    write_all(tmp_path)
    with pytest.raises(AEMGError, match="'sub9' is none of the 1 sources"):
        datasets.open("kanoga-myo", tmp_path).read("sub9")
