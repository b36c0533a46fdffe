"""Weights to be given away, from a recipe: simulated people, the stages, the model with its card, and one release file.

Run from the repository: python pretrain/release.py --help
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from aemg.config import load_config
from aemg.corpus.shards import holds, set_files
from aemg.errors import AEMGError, told
from aemg.model import AEMG, ModelCard
from aemg.model.pretrained import CARD, PACKAGED, TRAINING, packed
from aemg.report.model_card import model_card
from aemg.training.recipe import Recipe, require_permissive, training_record

HERE = Path(__file__).resolve().parent.parent
LARGEST_IN_PACKAGE_BYTES = 5_000_000
EXAMPLES = """examples:
  python pretrain/release.py --size tiny --corpus CORPUS --out runs/aemg-tiny
  python pretrain/release.py --size tiny --corpus CORPUS --out runs/aemg-tiny --results results/*.json --into-package
  python pretrain/release.py --size base --corpus CORPUS --out runs/aemg-base --launch "accelerate launch --multi_gpu"
  python pretrain/release.py --recipe configs/recipes/all-sets-tiny.yaml --corpus CORPUS --out runs/all --skip-missing
  python pretrain/release.py --card-only runs/aemg-tiny/release/aemg-tiny --results results/*.json

CORPUS is what `python datasets prepare` made; it is only read. In OUT: corpus/ (links to the recipe's sets, and the simulated
ones), a folder a stage, release/NAME/ (the model with its card README.md) and release/NAME-VERSION.zip with its sha256.
A model that has seen a set of which weights may not be given away is not packed. Stopped at any time, the same command goes on.
exit status: 0 done, 1 or more what a stage ended with, 2 a mistake (one line on stderr), 130 stopped"""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.card_only:
        return told(lambda: write_card(arguments.card_only, arguments.results))
    return told(lambda: release(arguments))


def release(arguments: argparse.Namespace) -> int:
    recipe = load_config(Recipe, arguments.recipe or HERE / "configs" / "recipes" / f"permissive-{arguments.size}.yaml")
    if not arguments.corpus:
        raise AEMGError("--corpus CORPUS is missing: the folder that python datasets prepare made")
    if arguments.into_package and not recipe.permissive_only:
        raise AEMGError(f"{recipe.name} is not a recipe of permissive sets alone, so its weights do not go into the package")
    out: Path = arguments.out or Path("runs") / recipe.name
    corpus = out / "corpus"
    recipe = linked(recipe, arguments.corpus, corpus, arguments.skip_missing)
    for name in recipe.simulated:
        call = [sys.executable, str(HERE / "simulate"), "corpus", "--out", str(corpus), "--jobs", str(arguments.jobs)]
        if status := run(f"simulating {name}", [*call, *recipe.simulation_options(name)]):
            return status
    runs = {stage: out / stage for stage in recipe.stages}
    before = next(iter(runs.values()))  # the first stage does not look at it
    for stage, folder in runs.items():
        command = HERE / (recipe.stages[stage].command or stage)
        call = [*shlex.split(arguments.launch), str(command), "--config", str(HERE / recipe.stages[stage].config)]
        call += [f"data.corpus={corpus}", f"output={folder}", f"tokenizer={before}"]
        call += ["--permissive-only"] if recipe.permissive_only else []
        if status := run(f"stage {stage}", [*call, *recipe.stage_options(stage)]):
            return status
        before = folder
    folder = out / "release" / recipe.name
    model = AEMG.from_pretrained(list(runs.values())[-1] / "model")
    model.save_pretrained(folder, recipe.dtype)
    (folder / TRAINING).write_text(json.dumps(training_record(recipe, corpus, runs, model.seen), indent=1))
    write_card(folder, arguments.results)
    if not recipe.permissive_only:
        print(f"{folder}; not packed: the model inherits the licences of {', '.join(model.seen.restricted) or 'its sets'}")
        return 0
    require_permissive(ModelCard.read(folder).seen, recipe)
    archive = folder.parent / f"{recipe.name}-{recipe.version}.zip"
    print(f"{archive}, sha256 {packed(folder, recipe.name, archive)}")
    if arguments.into_package:
        into_package(folder, PACKAGED / recipe.name)
    return 0


def linked(recipe: Recipe, source: Path, corpus: Path, skip_missing: bool) -> Recipe:
    """Links the recipe's real sets into the corpus of the run; the recipe without those that are not there, if allowed."""
    corpus.mkdir(parents=True, exist_ok=True)
    missing = [name for name in recipe.sets if not holds(source, name)]
    if missing and not skip_missing:
        raise AEMGError(
            f"{source} lacks {', '.join(missing)}: python datasets download NAME --root DIR, then "
            f"python datasets prepare NAME --root DIR --out {source}; or --skip-missing"
        )
    recipe = recipe.without(missing)
    for name in recipe.sets:
        for file in map(Path, set_files(source, name)):
            link = corpus / file.name
            if not link.exists():
                link.unlink(missing_ok=True)  # to where nothing is any more
                link.symlink_to(file.resolve())
    return recipe


def run(what: str, call: list[str]) -> int:
    print(what, flush=True)
    return subprocess.run(call, check=False).returncode


def write_card(folder: Path, results: Sequence[Path]) -> None:
    (folder / CARD).write_text(model_card(folder, results), encoding="utf-8")


def into_package(folder: Path, place: Path) -> None:
    """Puts a released model into the package, whole."""
    size = sum(file.stat().st_size for file in folder.iterdir())
    if size > LARGEST_IN_PACKAGE_BYTES:
        raise AEMGError(f"{folder} holds {size} bytes, the package carries {LARGEST_IN_PACKAGE_BYTES} at most")
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    print(f"{place}, {size} bytes")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python pretrain/release.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--size", choices=("tiny", "base"), default="tiny", help="recipe permissive-SIZE (default %(default)s)")
    made.add_argument("--recipe", type=Path, metavar="FILE", help="another recipe; the ready ones are in configs/recipes/")
    made.add_argument("--corpus", type=Path, help="folder of the prepared sets")
    made.add_argument("--out", type=Path, help="folder of the run (default runs/NAME)")
    made.add_argument("--skip-missing", action="store_true", help="leave out sets that CORPUS lacks")
    made.add_argument("--jobs", type=int, default=2, help="processes that simulate (default %(default)s)")
    made.add_argument(
        "--launch", default=shlex.quote(sys.executable), metavar="COMMAND", help="what a stage is started with (default python)"
    )
    made.add_argument("--results", type=Path, nargs="*", default=[], metavar="JSON", help="what was measured with the model")
    made.add_argument("--into-package", action="store_true", help="put the model into aemg/weights, too")
    made.add_argument("--card-only", type=Path, metavar="FOLDER", help="write the card of a released model anew only")
    return made


if __name__ == "__main__":
    sys.exit(main())
