"""Several encoders, each pre-trained without a share of every set's people, so that every LOSO fold has one that has not
seen its test subject. Runs that are finished in OUTPUT are taken as they are.

python pretrain/shares.py --corpus CORPUS --output runs/shares --shares 3
"""

import argparse
import subprocess
import sys
from pathlib import Path

from aemg.corpus import Corpus, share_of_people
from aemg.errors import AEMGError

# By the folder of a run: the command, what its settings files begin with, and the run that it goes on with.
STAGES = {
    "tokenizer": ("tokenizer", "", "tokenizer"),
    "pretrain": ("pretrain", "", "tokenizer"),
    "movements": ("pretrain", "movements-", "pretrain"),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True, type=Path, help="folder of prepared sets")
    parser.add_argument("--output", type=Path, default=Path("runs/shares"), help="OUTPUT/<share>/{tokenizer,pretrain,movements}")
    parser.add_argument("--shares", type=int, default=3, help="number of encoders (default 3)")
    parser.add_argument("--only", type=int, action="append", help="this share only, counted from 0; may be repeated")
    parser.add_argument("--size", default="tiny", choices=("tiny", "base", "large"))
    parser.add_argument("overrides", nargs="*", metavar="key.sub=value", help="for all stages")
    arguments = parser.parse_intermixed_args(argv)
    try:
        corpus = Corpus(arguments.corpus)
    except AEMGError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    here = Path(__file__).resolve().parent.parent
    for share in range(arguments.shares) if arguments.only is None else arguments.only:
        folder = arguments.output / str(share)
        people = share_of_people(corpus, share, arguments.shares)
        exclude = "{" + ", ".join(f"{name}: {[str(p) for p in who]}" for name, who in people.items()) + "}"
        for stage, (command, prefix, before) in STAGES.items():
            print(f"share {share}, {stage}", flush=True)
            config = here / "configs" / command / f"{prefix}{arguments.size}.yaml"
            call = [sys.executable, str(here / command), "--config", str(config)]
            call += [f"data.corpus={arguments.corpus}", f"data.exclude_people={exclude}"]
            call += [f"output={folder / stage}", f"tokenizer={folder / before}", *arguments.overrides]
            done = subprocess.run(call, check=False)
            if done.returncode:
                return done.returncode
    models = ",".join(str(arguments.output / str(s) / "movements" / "model") for s in range(arguments.shares))
    print(f"for finetune: encoder=[{models}]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
