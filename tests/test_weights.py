"""Weights by name and as release files, recipes, the release command, cards, and the linear probe."""

from __future__ import annotations

import ast
import json
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from aemg import AEMG, datasets
from aemg.config import load_config, save_config
from aemg.corpus import Corpus
from aemg.datasets.base import sha256_of
from aemg.errors import AEMGError, ConfigError, DataFileError
from aemg.evaluation import EvaluationConfig
from aemg.evaluation.pieces import claim
from aemg.evaluation.probe import BASELINE, FROZEN, METHODS, RANDOM, fit_head, probe_set, window_vectors
from aemg.model import ModelCard, NetworkConfig, Seen, pretrained, weights_folder
from aemg.model.pretrained import FILES, KNOWN, TRAINING, packed, unpacked
from aemg.report import model_card as card_module
from aemg.report.card_results import results_of
from aemg.report.model_card import model_card
from aemg.sessions import Session
from aemg.topology import WAYS, Worn
from aemg.training.recipe import Recipe, StageRecipe, require_permissive

ROOT = Path(__file__).parents[1]
RECIPES = sorted((ROOT / "configs" / "recipes").glob("*.yaml"))
Main = Callable[[list[str]], int]


@pytest.fixture
def source(runs: Path) -> Path:
    return runs / "pretrain" / "model"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of the package that is empty, and no other place."""
    folder = tmp_path / "package"
    folder.mkdir()
    monkeypatch.setattr(pretrained, "PACKAGED", folder)
    monkeypatch.delenv(pretrained.VARIABLE, raising=False)
    return folder


def main_of(script: str) -> Main:
    main: Main = runpy.run_path(str(ROOT / script), run_name="command")["main"]
    return main


def same(a: AEMG, b: AEMG) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


# Names.


def test_a_name_is_found_in_the_package(source: Path, package: Path) -> None:
    shutil.copytree(source, package / "aemg-tiny")
    assert weights_folder("aemg-tiny") == package / "aemg-tiny"
    assert same(AEMG.from_pretrained("aemg-tiny"), AEMG.from_pretrained(source))
    assert ModelCard.read("aemg-tiny") == ModelCard.read(source) == ModelCard.read(Path("aemg-tiny"))


def test_a_local_folder_with_a_model_wins_over_a_name(source: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(source, package / "aemg-tiny")
    work = package.parent
    monkeypatch.chdir(work)
    (work / "aemg-tiny").mkdir()
    assert weights_folder("aemg-tiny") == package / "aemg-tiny", "a folder without a model is none"
    shutil.copytree(source, work / "aemg-tiny", dirs_exist_ok=True)
    assert weights_folder("aemg-tiny") == Path("aemg-tiny")


def test_an_evaluation_takes_a_name(source: Path, package: Path) -> None:
    shutil.copytree(source, package / "aemg-tiny")
    output = package.parent / "run"
    output.mkdir()
    claim(EvaluationConfig(output=output, encoder=Path("aemg-tiny")), output / "folds", ())
    kept = json.loads((output / "folds" / "settings.json").read_text())
    assert kept["weights"] == [sha256_of(source / "model.safetensors")] and kept["encoder"] == "aemg-tiny"


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_absent_weights_say_what_makes_them_and_where_they_go(name: str, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AEMGError, match=r"AEMG_WEIGHTS names \(now not set\).*python pretrain/release\.py --recipe \S+") as told:
        AEMG.from_pretrained(name)
    recipe = re.search(r"--recipe (\S+)", str(told.value))
    assert recipe and load_config(Recipe, ROOT / recipe[1]).name == name
    monkeypatch.setenv("AEMG_WEIGHTS", str(package / "elsewhere"))
    with pytest.raises(AEMGError, match="elsewhere"):
        AEMG.from_pretrained(name)


def test_unknown_names_list_the_known_ones(package: Path) -> None:
    with pytest.raises(AEMGError, match=r"'aemg-huge'.*known names: aemg-tiny \(.*\), aemg-base \("):
        AEMG.from_pretrained("aemg-huge")


def test_a_release_file_is_found_and_unpacked_once(source: Path, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = package.parent / "weights"
    place.mkdir()
    packed(source, "aemg-base", place / "aemg-base-1.2.3.zip")
    monkeypatch.setenv("AEMG_WEIGHTS", str(place))
    assert same(AEMG.from_pretrained("aemg-base"), AEMG.from_pretrained(source))
    folder = weights_folder("aemg-base")
    assert folder == place / "aemg-base-1.2.3" == weights_folder(place / "aemg-base-1.2.3.zip")
    assert {f.name for f in folder.iterdir()} == {f.name for f in source.iterdir() if f.name in FILES}
    (place / "aemg-base-1.2.4.zip").write_bytes(b"")
    with pytest.raises(AEMGError, match=r"1\.2\.3\.zip, aemg-base-1\.2\.4\.zip"):
        weights_folder("aemg-base")
    shutil.copytree(source, place / "aemg-base")
    assert weights_folder("aemg-base") == place / "aemg-base"


def test_equal_models_give_equal_archives(source: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(source, again)
    (again / "notes.txt").write_text("stays at home")
    first, second = (packed(folder, "x", tmp_path / name) for folder, name in ((source, "a.zip"), (again, "b.zip")))
    assert first == second and (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert (tmp_path / "a.zip.sha256").read_text() == f"{first}  a.zip\n"


def other_digest(archive: Path) -> None:
    archive.with_name(f"{archive.name}.sha256").write_text("0" * 64)


def halved(archive: Path) -> None:
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])


def turned_byte(archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(bytes(data))


def compressed(archive: Path) -> None:
    with zipfile.ZipFile(archive) as found:
        content = {name: found.read(name) for name in found.namelist()}
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in content.items():
            out.writestr(name, data)


def of_other_files(archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("../escape.txt", "x")


@pytest.mark.parametrize("damage", [other_digest, halved, turned_byte, compressed, of_other_files, Path.unlink])
def test_damaged_release_files_say_so(source: Path, tmp_path: Path, damage: Callable[[Path], None]) -> None:
    archive = tmp_path / "release.zip"
    packed(source, "x", archive)
    if damage is not other_digest:
        archive.with_name("release.zip.sha256").unlink()
    damage(archive)
    before = sorted(tmp_path.parent.rglob("*"))
    with pytest.raises(DataFileError, match="release"):
        unpacked(archive)
    assert sorted(tmp_path.parent.rglob("*")) == before, "nothing is left behind"


# Storage.


def test_float16_is_read_as_float32_within_its_bound(source: Path, tmp_path: Path, corpus: Path) -> None:
    exact = AEMG.from_pretrained(source)
    exact.save_pretrained(tmp_path, dtype="float16")
    read = AEMG.from_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").stat().st_size < 0.55 * (source / "model.safetensors").stat().st_size
    for name, value in read.state_dict().items():
        true = exact.state_dict()[name]
        assert value.dtype == true.dtype
        if value.is_floating_point():
            assert ((value - true).abs() <= (true.abs() / 2048).clamp(min=3e-8)).all(), name
    recording = Corpus(corpus).load(0)
    ours, theirs = read.embed(recording), exact.embed(recording)
    assert ours.dtype == torch.float32 and float((ours - theirs).abs().max()) < 0.02 * float(theirs.std())
    agreeing = float((read.codes(recording) == exact.codes(recording)).float().mean())
    assert agreeing > 0.9


def test_what_float16_cannot_hold_stays_as_it_is(source: Path, tmp_path: Path) -> None:
    model = AEMG.from_pretrained(source)
    with torch.no_grad():
        model.encoder.sentence_token[0] = 1e6
    model.save_pretrained(tmp_path, dtype="float16")
    stored = load_file(tmp_path / "model.safetensors")
    assert stored["encoder.sentence_token"].dtype == torch.float32 and stored["encoder.mask_token"].dtype == torch.float16
    assert AEMG.from_pretrained(tmp_path).encoder.sentence_token[0].item() == 1e6


# The package.


def test_a_wheel_holds_the_weights(source: Path, tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "aemg").mkdir()
    (tmp_path / "aemg" / "__init__.py").touch()
    shutil.copytree(source, tmp_path / "aemg" / "weights" / "aemg-tiny")
    (tmp_path / "aemg" / "weights" / "aemg-tiny" / "README.md").touch()
    build = "import setuptools.build_meta as b; b.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", build], cwd=tmp_path, check=True, capture_output=True)
    held = zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))).namelist()
    wanted = {"README.md", "config.json", "seen.json", "model.safetensors"}
    assert {f"aemg/weights/aemg-tiny/{name}" for name in wanted} <= set(held)


@pytest.mark.skipif(
    not (pretrained.PACKAGED / "aemg-tiny").is_dir(), reason="the package carries no weights: pretrain/release.py --into-package"
)
def test_the_packaged_weights() -> None:
    folder = pretrained.PACKAGED / "aemg-tiny"
    assert sum(f.stat().st_size for f in folder.iterdir()) <= 5_000_000
    model = AEMG.from_pretrained("aemg-tiny")
    recipe = load_config(Recipe, ROOT / "configs" / "recipes" / "permissive-tiny.yaml")
    require_permissive(model.seen, recipe)
    assert {*recipe.sets, *recipe.simulated} == set(model.seen.people) and model.stage != "fresh"
    record = json.loads((folder / TRAINING).read_text())
    assert (record["name"], record["version"]) == (recipe.name, recipe.version)
    assert (folder / "README.md").read_text().startswith(f"# {recipe.name} {recipe.version}\n")


# Recipes.


@pytest.mark.parametrize("file", RECIPES, ids=lambda file: file.stem)
def test_recipes_name_what_there_is(file: Path) -> None:
    recipe = load_config(Recipe, file)
    said = dict(re.findall(r"^  - (\S+) +# ([^;\n]+)", file.read_text(), re.M))
    crowds = [datasets.info(name).crowd for name in recipe.sets if name.startswith("kanoga")]
    assert len(crowds) == len(set(crowds)), "kanoga-myo-22 holds the files of kanoga-myo"
    for name in recipe.sets:
        assert datasets.info(name).kind == "raw" and said[name] == datasets.info(name).licence
        assert datasets.info(name).permissive or not recipe.permissive_only
    for stage in recipe.stages.values():
        assert (ROOT / stage.config).is_file()
    parse = runpy.run_path(str(ROOT / "simulate" / "corpus.py"))
    for name in recipe.simulated:
        spec = parse["spec"](parse["parser"]().parse_args(["--out", "x", *recipe.simulation_options(name)]))
        assert spec.name == name
    held = sum(len(parse["spec"](parse["parser"]().parse_args(["--out", "x", *recipe.simulation_options(n)])).sources)
               for n in recipe.simulated)
    assert bool(held) == recipe.permissive_only


def recipe_of(**changes: Any) -> Recipe:
    values = {"name": "m", "version": "1", "sets": ("uci-gestures",), "stages": {"tokenizer": StageRecipe(Path("x.yaml"))}}
    return Recipe(**{**values, **changes})


def test_a_recipe_in_options() -> None:
    recipe = recipe_of(
        simulated={"sim-x": {"device": "myo", "people": 2, "spikes": True, "jobs": False, "gestures": ["rest", "hand_open"]}},
        weights={"sim-x": 0.5},
        stages={"tokenizer": StageRecipe(Path("x.yaml"), {"optim.lr": 1e-5, "network": {"width": 64}})},
    )
    words = recipe.simulation_options("sim-x")
    assert words == ["--name", "sim-x", "--device", "myo", "--people", "2", "--spikes", "--gestures", "rest", "hand_open"]
    read = dict(option.split("=", 1) for option in recipe.stage_options("tokenizer"))
    assert {key: yaml.safe_load(value) for key, value in read.items()} == {
        "data.sets": ["uci-gestures", "sim-x"], "data.weights": {"sim-x": 0.5}, "data.permissive_only": True,
        "optim.lr": 1e-5, "network": {"width": 64},
    }  # fmt: skip
    assert recipe.without(["uci-gestures"]).sets == ()
    with pytest.raises(ConfigError, match="none of its sets"):
        recipe_of().without(["uci-gestures"])
    with pytest.raises(ConfigError, match="sim-y is in neither"):
        recipe_of(weights={"sim-y": 1.0})


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Seen(), "does not tell"),
        (Seen({"uci-gestures": ("01",), "laval-3dc": ("1",)}), r"laval-3dc \(licence not told\)"),
        (Seen({"uci-gestures": ("01",)}, licences={"uci-gestures": "CC-BY-NC"}, restricted=("uci-gestures",)), "CC-BY-NC"),
        (Seen({"uci-gestures": ("01",), "sim-z": ("P01",)}), "sim-z, which the recipe does not name"),
    ],
)
def test_weights_that_may_not_be_given_away_are_not_released(seen: Seen, told: str) -> None:
    require_permissive(Seen({"uci-gestures": ("01",)}), recipe_of())
    with pytest.raises(AEMGError, match=told):
        require_permissive(seen, recipe_of())


# The release.


def in_this_process(call: list[str], check: bool) -> subprocess.CompletedProcess[str]:
    """Runs `python COMMAND ...` of the repository without a new interpreter."""
    words = call[2:]
    script = Path(call[1])
    if script.name == "simulate":
        return subprocess.CompletedProcess(call, runpy.run_path(str(script / "corpus.py"))["main"](words[1:]))
    return subprocess.CompletedProcess(call, runpy.run_path(str(script), run_name="command")["main"](words))


@pytest.fixture(scope="module")
def recipe_file(tiny: NetworkConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """sim-myo in the part of a real set, another one that is simulated, and a network of the smallest size."""
    folder = tmp_path_factory.mktemp("recipe")
    short = {"network": vars(tiny), "optim.epochs": 2, "optim.batch": 8, "data.sentence_tokens": 8}
    people = {"device": "quad4-1khz", "people": 2, "repetitions": 1, "hold": 1.0, "rest": 0.5}
    recipe = Recipe(
        "aemg-tiny", "9.8.7", ("sim-myo",),
        {stage: StageRecipe(Path(f"configs/{stage}/tiny.yaml"), short) for stage in ("tokenizer", "pretrain")},
        {"sim-sites": {**people, "gestures": ["hand_close", "hand_open"]}}, {"sim-sites": 0.5},
    )  # fmt: skip
    save_config(recipe, folder / "recipe.yaml")
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def released(corpus: Path, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, list[str]]]:
    """The folder of a whole release, and the words that made it."""
    out = tmp_path_factory.mktemp("release")
    words = ["--recipe", str(recipe_file), "--corpus", str(corpus), "--out", str(out), "--jobs", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", in_this_process)
        patch.setattr(pretrained, "PACKAGED", out / "package")
        assert main_of("pretrain/release.py")([*words, "--into-package"]) == 0
        yield out, words


def test_a_release(released: tuple[Path, list[str]]) -> None:
    out, _ = released
    folder = out / "release" / "aemg-tiny"
    model = AEMG.from_pretrained(folder)
    assert model.stage == "masked" and set(model.seen.people) == {"sim-myo", "sim-sites"} and not model.seen.restricted
    trained = AEMG.from_pretrained(out / "pretrain" / "model")
    assert all(torch.equal(a, b.half().float() if b.is_floating_point() else b)
               for a, b in zip(model.state_dict().values(), trained.state_dict().values()))
    record = json.loads((folder / TRAINING).read_text())
    assert [s["steps"] for s in record["stages"]] == [int(row.split(",")[0]) for stage in ("tokenizer", "pretrain")
                                                     for row in (out / stage / "metrics.csv").read_text().splitlines()[-1:]]
    assert all(s["training_s"] > 0 for s in record["stages"]) and "output" not in record["stages"][0]["settings"]
    assert str(out) not in (folder / TRAINING).read_text(), "no path of the machine"
    myo = {s["name"]: s for s in record["sets"]}["sim-myo"]
    held = Corpus(out / "corpus").select(datasets={"sim-myo"})
    assert myo["hours"] == pytest.approx(sum(r.n_samples / r.rate_hz for r in held.recordings) / 3600)
    assert (myo["people"], myo["simulated"], myo["files"]) == (4, False, len(held.recordings))
    assert sum(s["files"] for s in record["sets"]) == len(model.seen.files)
    assert weights_folder("aemg-tiny") == out / "package" / "aemg-tiny"
    unpacked_ = unpacked(out / "release" / "aemg-tiny-9.8.7.zip")
    assert {f.name: f.read_bytes() for f in unpacked_.iterdir()} == {f.name: f.read_bytes() for f in folder.iterdir()}
    assert set(FILES) == {f.name for f in folder.iterdir()}


def test_a_release_goes_on(released: tuple[Path, list[str]]) -> None:
    out, words = released
    archive = out / "release" / "aemg-tiny-9.8.7.zip"
    before = archive.read_bytes()
    archive.unlink()
    assert main_of("pretrain/release.py")(words) == 0
    assert archive.read_bytes() == before, "finished stages are taken as they are"


def test_mistakes_of_the_release_command(
    released: tuple[Path, list[str]], recipe_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, _ = released
    main = main_of("pretrain/release.py")

    def told(*words: object) -> str:
        assert main([str(word) for word in words]) == 2
        return capsys.readouterr().err

    assert "--corpus CORPUS is missing" in told("--size", "tiny")
    (tmp_path / "empty").mkdir()
    lacking = told("--recipe", recipe_file, "--corpus", tmp_path / "empty", "--out", tmp_path / "a")
    assert "lacks sim-myo" in lacking and "python datasets prepare" in lacking
    own = load_config(Recipe, recipe_file)
    save_config(replace(own, permissive_only=False), tmp_path / "own.yaml")
    assert "do not go into the package" in told("--recipe", tmp_path / "own.yaml", "--corpus", out / "corpus", "--into-package")
    save_config(replace(own, name="aemg-large"), tmp_path / "large.yaml")
    release = runpy.run_path(str(ROOT / "pretrain" / "release.py"))
    release["into_package"].__globals__["LARGEST_IN_PACKAGE_BYTES"] = 10
    with pytest.raises(AEMGError, match="10 at most"):
        release["into_package"](out / "release" / "aemg-tiny", tmp_path / "place")
    assert not (tmp_path / "place").exists()


# Cards.


def numbers_in(text: str) -> set[str]:
    return set(re.findall(r"\d+(?:[.,]\d+)*", text))


def test_a_card_tells_the_run(released: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = released[0] / "release" / "aemg-tiny"
    card = (folder / "README.md").read_text()
    assert card == model_card(folder) and card.startswith("# aemg-tiny 9.8.7\n")
    for part in ("Use", "Data", "Training", "Size", "Codebook", "What it has seen", "Limits", "Licences"):
        assert f"\n## {part}\n" in card
    assert "sim-sites (simulated)" in card and "perplexity" in card and 'from_pretrained("aemg-tiny")' in card
    seen, weights = ModelCard.read(folder).seen, load_file(folder / "model.safetensors")
    assert f"{len(seen.files)} native files" in card
    assert f"{sum(w.numel() for w in weights.values()):,} numbers in all" in card
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare, ignore=shutil.ignore_patterns(TRAINING, "README.md"))
    assert "## Data" not in model_card(bare) and "## Size" in model_card(bare)
    (bare / TRAINING).write_text("{")
    with pytest.raises(DataFileError, match="record of a training"):
        model_card(bare)


def test_no_figure_of_a_card_is_written_by_hand() -> None:
    for module in (card_module, sys.modules["aemg.report.card_results"]):
        tree = ast.parse(Path(str(module.__file__)).read_text())
        formats = {id(part) for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) and node.format_spec
                   for part in ast.walk(node.format_spec)}
        told = [node.value for node in ast.walk(tree)
                if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in formats]
        assert not [text for text in told if numbers_in(text.replace("float32", "").replace("sha256", "").replace("ci95", ""))]


def test_results_on_a_card(released: tuple[Path, list[str]], tmp_path: Path) -> None:
    folder = released[0] / "release" / "aemg-tiny"
    one = {"mean": 0.5678, "ci95": [0.4, 0.7]}
    both = {"window_accuracy": one, "trial_accuracy": {"mean": 0.8765, "ci95": [0.6, 0.9]}}
    row = {"protocol": "loso-calibrated-30s", "set": "a", "source": "b+c", "method": "td-lda", "registered": True}
    row["target_data"] = "none"
    people = [{**row, "person": p, "metrics": {"window_accuracy": v}} for p, v in (("1", 0.2), ("1", 0.4), ("2", 0.914))]
    found = {
        "loso.json": {"certificate": {"statement": "Told so."}, "sets": {"a": {"zero_shot": both, "controls": {"td": both}}}},
        "benchmark.json": {"title": "The suite", "protocols": {}, "rows": people},
        "speed.json": {"command": "python x", "speed": {"times_real_time": 212.5}, "config": {"left_out": 777},
                       "machine": "one core", "stream": [{"what": "events", "hz": 200}, {"what": "windows", "hz": 1000.0}]},
    }
    for name, content in found.items():
        (tmp_path / name).write_text(json.dumps(content))
    files = [tmp_path / name for name in found]
    assert main_of("pretrain/release.py")(["--card-only", str(folder), "--results", *map(str, files)]) == 0
    card = (folder / "README.md").read_text()
    assert "Told so." in card and "56.8 (40.0 to 70.0)" in card and "87.6 (60.0 to 90.0)" in card
    assert "### The suite" in card and "| td-lda, registered | none | 60.7 |" in card and "a, trained on b+c" in card
    assert "| speed.times_real_time | 212 |" in card and "777" not in card and "`python x`" in card
    assert "| machine | one core |" in card and "| what | hz |" in card and "| windows | 1,000 |" in card
    assert main_of("pretrain/release.py")(["--card-only", str(folder)]) == 0
    assert (folder / "README.md").read_text() == model_card(folder)
    for content in ("[]", "{", '{"sets": {"a": {"zero_shot": 3}}}', '{"x": "y"}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(DataFileError, match=r"bad\.json"):
            results_of([tmp_path / "bad.json"])


# The probe.


def test_vectors_of_windows_know_nothing_of_other_windows(sessions: list[Session], source: Path) -> None:
    encoder, session = AEMG.from_pretrained(source).encoder, sessions[0]
    whole = window_vectors(encoder, session, Worn())
    assert whole.shape == (len(session.window_start_s), 2 * encoder.norm_out.weight.numel()) and np.isfinite(whole).all()
    first = replace(session, recordings=session.recordings[:1])
    vars(first).update(feature_mean=session.feature_mean, feature_std=session.feature_std)
    alone = window_vectors(encoder, first, Worn())
    assert np.allclose(alone, whole[: len(alone)], atol=1e-5)
    assert not np.allclose(window_vectors(encoder, first, WAYS[5]), alone, atol=1e-3), "how it is worn is taken up"


@pytest.mark.parametrize("head", ["lda", "logistic"])
def test_heads_are_linear(head: Any) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 60)
    x = (rng.normal(size=(180, 5)) + 4 * np.eye(3, 5)[y]).astype(np.float32)
    fitted = fit_head(head, x, y)
    assert (fitted.predict(x) == y).mean() > 0.95
    middle = fitted.decision_function((x[:1] + x[100:101]) / 2)
    assert np.allclose(middle, (fitted.decision_function(x[:1]) + fitted.decision_function(x[100:101])) / 2, atol=1e-3)


def test_the_linear_probe(corpus: Path, runs: Path, tmp_path: Path) -> None:
    model = runs / "pretrain" / "model"
    words = ["--encoder", str(model), "--corpus", str(corpus), "--sets", "sim-myo", "--out", str(tmp_path / "probe.json")]
    assert main_of("finetune/linear_probe.py")(words) == 0
    found = json.loads((tmp_path / "probe.json").read_text())
    one = found["sets"]["sim-myo"]
    assert (one["people"], one["seen"]) == (4, {"set": True, "people": 2, "files": 2}), "two of four were pre-trained on"
    assert one["certificate"]["loso"] is False and one["certificate"]["user_disjoint"] is True
    assert set(one["methods"]) == set(METHODS) and set(one["versus"]) == {RANDOM, BASELINE, "td-lda-registered"}
    ours, theirs = (one["methods"][m]["window_accuracy"] for m in (FROZEN, BASELINE))
    assert one["versus"][BASELINE]["difference"] == pytest.approx(ours["mean"] - theirs["mean"])
    assert 0.25 < ours["mean"] <= 1 and set(ours["per_subject"]) == {"P01", "P02", "P03", "P04"}
    told = results_of([tmp_path / "probe.json"])
    assert f"{theirs['mean'] * 100:.1f} (" in told and "| sim-myo | 4 | yes |" in told


def test_an_encoder_that_has_not_seen_a_set_is_certified(corpus: Path, source: Path) -> None:
    stranger = AEMG(AEMG.from_pretrained(source).config, seen=Seen({"uci-gestures": ("01",)}, frozenset({"0" * 64})))
    found = probe_set(corpus, "sim-myo", ("stranger", stranger), "logistic", people=1)
    assert found["seen"] == {"set": False, "people": 0, "files": 0} and found["certificate"]["loso"] is True
    assert found["certificate"]["pretraining"]["encoder"] == ["stranger"]
