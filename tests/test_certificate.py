"""The split certificate: LOSO is said only where nothing of a test subject was seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aemg.corpus import Corpus
from aemg.datasets import DatasetInfo
from aemg.evaluation.certificate import FoldFacts, certificate, fold_facts, saw
from aemg.evaluation.trials import Trial, trials_of
from aemg.model import Seen
from aemg.sessions import Session

CLEAN = FoldFacts("P01", (), (), 0, 0, "runs/model", False, False)


def issued(*facts: FoldFacts, labelled: tuple[float, ...] | None = None) -> dict[str, object]:
    return certificate(facts, protocol="zero-shot", target_unlabelled="registration", target_labelled=labelled)


@pytest.fixture(scope="module")
def infos(corpus: Path, crowd_corpus: Path) -> dict[str, DatasetInfo]:
    return {info.name: info for folder in (corpus, crowd_corpus) for info in Corpus(folder).infos}


@pytest.fixture(scope="module")
def sides(
    sessions: list[Session], infos: dict[str, DatasetInfo]
) -> list[tuple[list[Session], list[Trial]]]:
    """P02 to P04 for training, P01 for the test."""
    labels = infos["sim-myo"].labels
    return [(part, trials_of(part, labels)) for part in (sessions[1:], sessions[:1])]


def facts(
    sides: list[tuple[list[Session], list[Trial]]], infos: dict[str, DatasetInfo], seen: Seen | None = None
) -> FoldFacts:
    encoder = None if seen is None else ("runs/model", seen)
    return fold_facts("P01", infos["sim-myo"], infos, sides[0], sides[1], encoder)


def test_a_clean_fold_is_loso(sides: list[tuple[list[Session], list[Trial]]], infos: dict[str, DatasetInfo]) -> None:
    seen = Seen({"sim-myo": ("P02",), "sim-a": ("P01",)}, frozenset({"0" * 64}))
    found = facts(sides, infos, seen)
    assert found == replace(CLEAN)
    assert issued(found)["loso"] and "(LOSO)" in str(issued(found)["statement"])
    alone = facts(sides, infos)
    assert alone.encoder is None and alone.encoder_saw_subject is None and issued(alone)["loso"]


def test_people_sessions_trials_and_windows_on_both_sides_are_found(
    sides: list[tuple[list[Session], list[Trial]]], infos: dict[str, DatasetInfo]
) -> None:
    train, test = sides
    everyone = [*train[0], *test[0]]
    leaky = everyone, trials_of(everyone, infos["sim-myo"].labels)
    found = facts([leaky, test], infos)
    assert found.shared_people == ("P01",) and found.shared_sessions == ("sim-myo/P01/1",)
    assert found.shared_trials == len(test[1])
    assert found.shared_windows == sum(t.windows[1] - t.windows[0] for t in test[1])
    statement = issued(CLEAN, found)
    assert not statement["loso"] and not statement["user_disjoint"] and not statement["session_disjoint"]
    assert "LOSO" not in str(statement["statement"]) and "user-dependent" in str(statement["statement"])


def test_files_are_recognised_under_another_name(
    sides: list[tuple[list[Session], list[Trial]]], infos: dict[str, DatasetInfo]
) -> None:
    """The same recordings under another subject's name share trials and windows, though no people."""
    (train, _), test = sides
    renamed = replace(test[0][0], key=replace(test[0][0].key, subject="P99"))
    both = [*train, renamed]
    found = facts([(both, trials_of(both, infos["sim-myo"].labels)), test], infos)
    assert found.shared_people == () and found.shared_trials > 0 and found.shared_windows > 0
    assert not issued(found)["loso"]


def test_an_encoder_that_saw_the_subject_is_no_loso(
    sides: list[tuple[list[Session], list[Trial]]], infos: dict[str, DatasetInfo]
) -> None:
    found = facts(sides, infos, Seen({"sim-myo": ("P01", "P02")}))
    assert found.encoder_saw_subject and not found.encoder_saw_file
    statement = issued(found)
    assert not statement["loso"] and "not zero-shot" in str(statement["statement"])
    assert statement["pretraining"]["saw_subject"]  # type: ignore[index]
    assert set(statement["pretraining"]["details"]) == {"P01"}  # type: ignore[index]


def test_an_encoder_that_saw_a_file_is_no_loso(
    sides: list[tuple[list[Session], list[Trial]]], infos: dict[str, DatasetInfo]
) -> None:
    file = sides[1][0][0].recordings[1].sha256
    found = facts(sides, infos, Seen({"another-name": ("X",)}, frozenset({file})))
    assert found.encoder_saw_file and not found.encoder_saw_subject
    assert not issued(found)["loso"] and issued(found)["pretraining"]["saw_file"]  # type: ignore[index]


def test_people_are_known_by_their_crowd(infos: dict[str, DatasetInfo]) -> None:
    assert saw(Seen({"sim-a": ("P01",)}), infos["sim-b"], "P01", infos)
    assert not saw(Seen({"sim-a": ("P01",)}), infos["sim-b"], "P02", infos)
    assert not saw(Seen({"sim-a": ("P01",)}), infos["sim-myo"], "P01", infos)
    assert not saw(Seen(), infos["sim-myo"], "P01", infos)


@pytest.mark.parametrize(
    "wrong",
    [
        {"shared_people": ("P01",)},
        {"shared_sessions": ("a/b/1",)},
        {"shared_trials": 1},
        {"shared_windows": 1},
        {"encoder_saw_subject": True},
        {"encoder_saw_file": True},
    ],
)
def test_one_bad_fold_spoils_the_word(wrong: dict[str, object]) -> None:
    assert issued(CLEAN, replace(CLEAN, subject="P02"))["loso"]
    spoilt = issued(CLEAN, replace(CLEAN, **wrong), replace(CLEAN, subject="P03"))  # type: ignore[arg-type]
    assert not spoilt["loso"] and "(LOSO)" not in str(spoilt["statement"])
    assert spoilt["folds"] == 3


def test_no_fold_is_no_loso() -> None:
    assert not issued()["loso"]


def test_what_the_target_gave_is_said() -> None:
    few = issued(CLEAN, labelled=(0.05, 0.2))
    assert few["target_labelled"] == [0.05, 0.2] and "5%, 20%" in str(few["statement"])
    assert few["transductive"] and few["target_unlabelled"] == "registration"
    none = certificate([CLEAN], protocol="zero-shot", target_unlabelled=None, target_labelled=None)
    assert not none["transductive"] and none["target_labelled"] is None
    assert "No unlabelled data" in str(none["statement"]) and "No labelled data" in str(none["statement"])
