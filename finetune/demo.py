"""The whole way in one go: data, corpus, three stages, leave-one-subject-out with controls, few-shot, report.

python finetune/demo.py --out runs/demo              simulated people, nothing to download
python finetune/demo.py --out runs/demo --data DIR   the real sets that lie below DIR
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from aemg import datasets
from aemg.config import load_config
from aemg.corpus import Corpus, prepare, share_of_people
from aemg.datasets import DatasetReader
from aemg.errors import AEMGError
from aemg.evaluation import EvaluationConfig, evaluate
from aemg.report import inspect_codebook, write_html
from aemg.simulation.corpus import set_of
from aemg.simulation.session import CorpusSpec
from aemg.simulation.truth import keep_truth
from aemg.training import RunConfig, pretrain, train_tokenizer

CONFIGS = Path(__file__).resolve().parent.parent / "configs"
GESTURES = ("rest", "wrist_flexion", "wrist_extension", "radial_deviation", "ulnar_deviation", "hand_close", "hand_open")
REAL = ("uci-gestures", "laval-3dc", "laval-3dc-myo", "biopatrec-10mov", "kanoga-myo", "laval-myo")


def simulated(corpus: Path) -> Iterable[DatasetReader]:
    """Two devices, made as `python simulate corpus` makes them; the people to pre-train on and those to test on are different
    ones."""
    for device in ("myo", "armband10"):
        for use, people, seed in (("pretrain", 8, 1), ("test", 6, 2)):
            name = f"sim-{device}-{use}"
            yield keep_truth(set_of(CorpusSpec(name, device, people, seed, GESTURES, repetitions=4)), corpus)


def real(root: Path) -> Iterable[DatasetReader]:
    for name in REAL:
        try:
            yield datasets.open(name, root)
        except AEMGError as error:
            print(f"left out: {error}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="where all of it goes")
    parser.add_argument("--data", type=Path, help="folder of the unpacked real sets")
    parser.add_argument("--epochs", type=int, default=3, help="of each stage (default 3)")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        run(arguments.out, arguments.data, arguments.epochs)
    except AEMGError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def run(out: Path, data: Path | None, epochs: int) -> None:
    started = time.monotonic()
    corpus = out / "corpus"
    say(started, "1 of 7: recordings to a corpus")
    readers = list(real(data) if data else simulated(corpus))
    for reader in readers:
        with tqdm(desc=reader.info.name, unit="source") as bar:
            prepare(reader, corpus, progress=lambda done, total, bar=bar: step(bar, done, total))
    names = [reader.info.name for reader in readers]
    tested = share_of_people(Corpus(corpus), 0, 3) if data else {}
    train = [f"data.corpus={corpus}", f"optim.epochs={epochs}", "optim.batch=32"]
    train += [f"data.exclude_people={tested}"] if data else [f"data.sets={[n for n in names if n.endswith('pretrain')]}"]
    say(started, "2 of 7: stage 1, the neural codebook")
    stage_1 = load_config(RunConfig, CONFIGS / "tokenizer" / "tiny.yaml", [*train, f"output={out / 'tokenizer'}"])
    train_tokenizer(stage_1)
    say(started, "3 of 7: stage 2, masked prediction")
    overrides = [*train, f"tokenizer={out / 'tokenizer'}", f"output={out / 'pretrain'}"]
    pretrain(load_config(RunConfig, CONFIGS / "pretrain" / "tiny.yaml", overrides))
    say(started, "4 of 7: stage 3, movements")
    overrides = [*train, f"tokenizer={out / 'pretrain'}", f"output={out / 'movements'}"]
    pretrain(load_config(RunConfig, CONFIGS / "pretrain" / "movements-tiny.yaml", overrides))
    say(started, "5 of 7: leave-one-subject-out, controls, few-shot")
    config = load_config(EvaluationConfig, CONFIGS / "finetune" / "loso.yaml", [f"encoder={out / 'movements' / 'model'}"])
    sets = tuple(names) if data else tuple(n for n in names if n.endswith("test"))
    chosen = replace(config.data, sets=sets, root=corpus, tested={n: tuple(p) for n, p in tested.items()})
    with tqdm(desc="folds", unit="fold") as bar:
        report = evaluate(
            replace(config, output=out / "loso", data=chosen),
            few_shot=True,
            progress=lambda what, done, total: step(bar, done, total, what),
        )
    say(started, "6 of 7: the report")
    write_html(report, out / "report.html")
    say(started, "7 of 7: what the codes stand for")
    inspect_codebook(out / "pretrain" / "model", corpus, out / "codebook.html", sets=sets)
    print(report["certificate"]["statement"])
    for name, found in report["sets"].items():
        rows = {"aemg": found["zero_shot"], **found["controls"]}
        best = ", ".join(f"{m} {v['window_accuracy']['mean']:.3f}" for m, v in rows.items())
        print(f"{name}, window accuracy: {best}")
    say(started, f"done: open {out / 'report.html'} and {out / 'codebook.html'}")


def step(bar: tqdm, done: int, total: int, what: str | None = None) -> None:
    if bar.total != total:
        bar.reset(total)
    if what:
        bar.set_description(what)
    bar.update(done - bar.n)


def say(started: float, what: str) -> None:
    print(f"[{time.monotonic() - started:5.0f} s] {what}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
