"""The page of a codebook: its numbers by hand, and the command as it is typed."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from aemg.corpus import prepare
from aemg.errors import AEMGError
from aemg.model import AEMG, SIZES, AEMGConfig, collate
from aemg.report import inspect_codebook
from aemg.report.measures import Information, Use, context, cross_table, information, meanings, nearest_codes, plane
from aemg.report.tally import (
    CodeUse,
    Prototypes,
    Sample,
    Tokens,
    alone_batch,
    exchanged,
    sentences_of,
    spread_over_sets,
    tally,
)
from aemg.sessions import SessionStore
from aemg.simulation import simulate_set
from aemg.topology import Worn

REPOSITORY = Path(__file__).parents[1]
CODES = 64


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    gestures = ("hand_close", "wrist_flexion")
    made = simulate_set(
        "sim", device="myo", people=2, seed=0, gestures=gestures, repetitions=2, hold_s=1.5, rest_s=1.0
    )
    prepare(made, folder, jobs=1)
    return folder


@pytest.fixture(scope="module")
def checkpoint(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model whose codebook has had its k-means start."""
    torch.manual_seed(0)
    model = AEMG(AEMGConfig(network=replace(SIZES["tiny"], layers=1, codes=CODES)), stage="codebook").eval()
    store = SessionStore(corpus, model.config.space, model.config.tokenizer)
    stretches = [s for key in store.ensure(jobs=1) for _, s in sentences_of(store.load(key), 256)]
    batch = collate(stretches, [Worn()] * len(stretches))
    with torch.no_grad():
        tokens, _ = model.tokenizer.encoder(batch)
        model.tokenizer.codebook.train()(tokens, batch.valid)
    folder = tmp_path_factory.mktemp("run") / "model"
    model.save_pretrained(folder)
    return folder


def command(*args: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "tokenizer/inspect_codebook.py", *map(str, args)]
    return subprocess.run(line, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_command_writes_one_self_contained_page(checkpoint: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes.html"
    done = command(checkpoint, corpus, "--out", out, "--top", "3")
    assert done.returncode == 0, done.stderr
    assert "2 people" in done.stdout and str(out) in done.stdout
    page = out.read_text(encoding="utf-8")
    assert not re.search(r"https?:|<script|<link|@import", page)
    assert page.count('<section class="card"') == 3
    for expected in ("perplexity", "hand_close", "By chance", "another sentence", "lift", "Map of the codes"):
        assert expected in page, expected


def test_a_mistake_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(REPOSITORY / "tokenizer" / "inspect_codebook.py"), run_name="command")["main"]
    assert main([str(tmp_path / "nowhere"), str(tmp_path), "--out", str(tmp_path / "x.html")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and len(said.splitlines()) == 1


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(REPOSITORY / "tokenizer" / "inspect_codebook.py"), run_name="command")["main"]
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert "examples:" in said and "What to look at" in said


def test_mistakes_are_named(checkpoint: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes.html"
    with pytest.raises(AEMGError, match="no set other"):
        inspect_codebook(checkpoint, corpus, out, sets=["other"])
    with pytest.raises(AEMGError, match="top must be at least 1"):
        inspect_codebook(checkpoint, corpus, out, top=0)
    AEMG(AEMGConfig(network=replace(SIZES["tiny"], layers=1, codes=CODES))).save_pretrained(tmp_path / "fresh")
    with pytest.raises(AEMGError, match="has not been trained"):
        inspect_codebook(tmp_path / "fresh", corpus, out)


def test_every_token_is_counted_once(checkpoint: Path, corpus: Path) -> None:
    model = AEMG.from_pretrained(checkpoint)
    store = SessionStore(corpus, model.config.space, model.config.tokenizer)
    keys = store.ensure(jobs=1)
    seen: list[int] = []
    use = tally(model, store, keys, seen.append)
    total = sum(len(store.load(key).tokens) for key in keys)
    assert len(use.tokens) == total == sum(seen)
    assert int(use.prototypes.running[:, 0].sum()) == total
    assert len(use.people) == 2 and use.sessions == len(keys) == 2
    assert len(use.sample.code) == len(use.sample.unaccompanied) == total  # so few that all are drawn


def test_hours_limit_the_sessions(corpus: Path) -> None:
    store = SessionStore(corpus, AEMGConfig().space, AEMGConfig().tokenizer)
    keys = store.ensure(jobs=1)
    assert spread_over_sets(keys, 1e-6, store) == keys[:1]
    assert spread_over_sets(keys, None, store) == keys
    assert spread_over_sets(keys, 100.0, store) == keys


def test_alone_and_exchanged_keep_the_token(checkpoint: Path, corpus: Path) -> None:
    model = AEMG.from_pretrained(checkpoint)
    store = SessionStore(corpus, model.config.space, model.config.tokenizer)
    session = store.load(store.ensure(jobs=1)[0])
    stretches = [s for _, s in sentences_of(session, 4)][:3]
    batch = collate(stretches, [Worn()] * 3)
    single = alone_batch(batch, batch.valid, context=False)
    assert torch.equal(single.waves[:, 0], batch.waves[batch.valid])
    assert not single.start_s.any() and not single.summary.any()
    at = torch.zeros(3, dtype=torch.int64)
    moved = exchanged(batch, at)
    assert torch.equal(moved.waves[1, 0], batch.waves[0, 0])
    assert torch.equal(moved.waves[:, 1:], batch.waves[:, 1:]) and torch.equal(moved.start_s, batch.start_s)


def use_of(code: list[int], label: list[int], sample: Sample) -> CodeUse:
    n = len(code)
    zeros = np.zeros(n, np.int64)
    tokens = Tokens(np.array(code), np.array(label), zeros, zeros, zeros, np.ones(n, np.complex64))
    return CodeUse(tokens, Prototypes.empty(4, 10), sample, ("a", "b"), ("one",), ("one/1",), 1, 1, 1.0, 0)


def sample_of(code: list[int], sentence: list[int], descriptor: list[float]) -> Sample:
    codes = np.array(code)
    position = np.arange(len(code))
    values = np.array(descriptor, np.float32)[:, None]
    return Sample(codes, np.array(sentence), position, values, codes, (codes + 1) % 4, np.array([True, False]))


def test_information_of_codes_that_name_the_movement() -> None:
    sample = sample_of([0, 1], [0, 1], [0.0, 1.0])
    found = information(use_of([0, 1] * 200 + [2], [0, 1] * 200 + [-1], sample))
    assert isinstance(found, Information)
    assert found.bits == pytest.approx(1.0) and found.entropy == pytest.approx(1.0)
    assert found.by_chance < 0.02 and found.tokens == 400
    assert information(use_of([0, 1], [0, 0], sample)) is None


def test_context_counts_pairs_of_other_sentences() -> None:
    sample = sample_of([0, 1, 0, 1], [0, 0, 1, 1], [0.0, 9.0, 0.1, 9.1])
    found = context(sample, np.eye(4, dtype=np.float32))
    assert found is not None
    assert (found.changed_unaccompanied, found.changed_alone, found.changed_moved) == (0.0, 1.0, 0.5)
    assert (found.pairs_differ, found.pairs_cosine) == (0.0, 1.0)
    assert context(sample_of([0, 1], [0, 0], [0.0, 1.0]), np.eye(4, dtype=np.float32)) is None


def test_use_meaning_and_neighbours() -> None:
    use = Use.of(np.array([0, 0, 1, 1]), 4)
    assert use.perplexity == pytest.approx(2.0) and use.used == 2
    table = cross_table(np.array([0, 0, 1, 1]), np.array([0, 0, 0, -1]), (4, 2))
    assert table.tolist() == [[2, 0], [1, 0], [0, 0], [0, 0]]
    first = meanings(np.array([3, 1]), np.array([4, 4]), ("a", "b"))[0]
    assert (first.label, first.share, first.lift) == ("a", 0.75, 1.5)
    assert [k for k, _ in nearest_codes(0, np.eye(4, dtype=np.float32), use.counts)] == [1]
    places, shares = plane(np.array([[0.0, 0, 0], [2, 0, 0], [4, 0, 0]], np.float32))
    assert np.ptp(places[:, 0]) == pytest.approx(4.0) and shares[0] == pytest.approx(1.0)
    assert plane(np.zeros((1, 3), np.float32))[0].shape == (1, 2)
