"""A frozen encoder with a linear head beside TD + LDA z, person by person, on sets that the encoder has never seen.

Run from the repository: python finetune/linear_probe.py --help
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from aemg.datasets.base import sha256_of
from aemg.errors import told
from aemg.evaluation.probe import BASELINE, FROZEN, probe_set
from aemg.model import AEMG, weights_folder

EXAMPLES = """examples:
  python finetune/linear_probe.py --corpus CORPUS --sets laval-myo laval-3dc --out results/linear-probe.json
  python finetune/linear_probe.py --encoder runs/pretrain/model --corpus CORPUS --sets laval-myo --head logistic --out probe.json

methods in OUT:
  aemg-frozen        vectors of the frozen encoder for each 250 ms window by itself, and a linear head on them
  random-frozen      the same with the network as it was before any training
  td-lda-z           time-domain features, standardised by donning, and a linear discriminant
  td-lda-registered  the same after registration
Heads are trained on all people of a set but one, and tested on the one; how that person wore the band is found without labels.
A set with people or files that the encoder has seen is marked as such.
exit status: 0 done, 2 a mistake (one line on stderr), 130 stopped"""


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return told(lambda: measure(arguments), "nothing is written before all sets are done")


def measure(arguments: argparse.Namespace) -> None:
    model = AEMG.from_pretrained(arguments.encoder)
    sets = {
        name: probe_set(
            arguments.corpus, name, (str(arguments.encoder), model), arguments.head, people=arguments.people, seed=arguments.seed
        )
        for name in tqdm(arguments.sets, unit="set")
    }
    found = {
        "kind": "linear-probe",
        "title": f"Frozen encoder with a linear head ({arguments.head}), unseen people",
        "command": " ".join(["python", "finetune/linear_probe.py", *(sys.argv[1:])]),
        "method": FROZEN,
        "baseline": BASELINE,
        "note": "Accuracy of single 250 ms windows in percent, mean over people with its 95 % bootstrap interval; differences in "
        "points, paired over people, with the p of Wilcoxon's signed-rank test (two-sided, not corrected).",
        "encoder": {"name": str(arguments.encoder), "sha256": sha256_of(weights_folder(arguments.encoder) / "model.safetensors")},
        "config": {"head": arguments.head, "people": arguments.people, "seed": arguments.seed},
        "versions": {package: importlib.metadata.version(package) for package in ("aemg", "torch", "numpy", "scikit-learn")},
        "sets": sets,
    }
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found, indent=1))
    for name, one in sets.items():
        seen = " (SEEN in training)" if one["seen"]["set"] or one["seen"]["people"] or one["seen"]["files"] else ""
        print(f"{name}{seen}: {one['people']} people, {one['windows']} windows")
        for method, values in one["methods"].items():
            versus = one["versus"].get(method)
            test = f"  {FROZEN} {versus['difference']:+.3f}, p {versus['p_value']}" if versus else ""
            print(f"  {method:18s} window {values['window_accuracy']['mean']:.3f}{test}")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python finetune/linear_probe.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--encoder", default="aemg-tiny", help="a name, a folder or a release file (default %(default)s)")
    made.add_argument("--corpus", type=Path, required=True, help="folder of the prepared sets")
    made.add_argument("--sets", nargs="+", required=True, metavar="NAME")
    made.add_argument("--head", choices=("lda", "logistic"), default="lda", help="(default %(default)s)")
    made.add_argument("--people", type=int, help="test the first so many people only")
    made.add_argument("--seed", type=int, default=0, help="of the random network")
    made.add_argument("--out", type=Path, required=True, metavar="JSON")
    return made


if __name__ == "__main__":
    sys.exit(main())
