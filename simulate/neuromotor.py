"""People at the three tasks of a neuromotor wristband, in the file layout of the public recordings.

Run from the repository: python simulate neuromotor --help
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from aemg.corpus.report import progress_bar
from aemg.errors import told
from aemg.simulation.neuromotor import simulate_neuromotor

EXAMPLES = """examples:
  python simulate neuromotor --task discrete_gestures --people 12 --minutes 3 --out sim/gestures
  python simulate neuromotor --task wrist --people 12 --minutes 3 --out sim/wrist
  python datasets explore sim/wrist/wrist_user_000_dataset_000.hdf5
  accelerate launch finetune decoder --config configs/finetune/wrist.yaml data.root=sim/wrist output=runs/wrist

People that are there already are left alone, so a stopped command goes on when it is typed again.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: make(args))


def make(args: argparse.Namespace) -> None:
    with progress_bar(args.task) as progress:
        files = simulate_neuromotor(
            args.task, args.out, people=args.people, minutes=args.minutes, seed=args.seed,
            validation=args.validation, test=args.test, jobs=args.jobs, progress=progress,
        )  # fmt: skip
    print(f"{len(files)} recordings of {args.minutes:g} min and {args.task}_corpus.csv in {args.out}")


def parser() -> argparse.ArgumentParser:
    band = argparse.ArgumentParser(
        prog="python simulate neuromotor", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawTextHelpFormatter,
    )  # fmt: skip
    band.add_argument("--task", required=True, choices=("discrete_gestures", "handwriting", "wrist"))
    band.add_argument("--out", required=True, metavar="DIR", help="folder of the recordings, made if missing")
    band.add_argument("--people", type=int, default=12, help="(default %(default)s)")
    band.add_argument("--minutes", type=float, default=3.0, help="of each person (default %(default)s)")
    band.add_argument("--validation", type=int, default=2, metavar="N", help="people for validation (default %(default)s)")
    band.add_argument("--test", type=int, default=2, metavar="N", help="people for test (default %(default)s)")
    band.add_argument("--seed", type=int, default=0)
    band.add_argument("--jobs", type=int, default=2, help="processes (default %(default)s)")
    return band


if __name__ == "__main__":
    sys.exit(main())
