"""The second phase: virtual users learn to be understood by a frozen decoder, in the paper's three conditions.

Run from the repository: python simulate phase2 --help
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from aemg.corpus.report import progress_bar
from aemg.errors import told

EXAMPLES = """examples:
  python simulate phase1 --out runs/phase1
  python simulate decoder --policy runs/phase1/seed-0 --out runs/decoder
  python simulate phase2 --policy runs/phase1/seed-0 --decoder runs/decoder --conditions 1 2 3 --seeds 5 --out runs/phase2
  python simulate phase2 --policy runs/phase1/seed-0 --decoder runs/decoder --conditions 1 --seeds 1 --minutes 2 --out runs/try

Condition 1 goes on from the policy of the first phase, 2 starts from scratch, 3 starts from scratch and sees what the decoder
answers. The reward is the decoder's accuracy less the effort (equation 7). Users are scored on fresh movements, with and without
the chance in their actions. Every run keeps a checkpoint, so a stopped command goes on when it is typed again, and conditions or
seeds can be added. OUT/phase2.json, .md and .png hold the numbers, the table beside the paper's, and the curves.
--minutes is processor time of one run: two runs side by side take as long as one where there are two cores.
exit status: 0 done, 2 a mistake in the command (one line on stderr)"""


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    return told(lambda: print(make(args)))


def make(args: argparse.Namespace) -> str:
    from aemg.report.phase2 import phase2_plot, phase2_table
    from aemg.virtual_user.jobs import run_all, write_experiment
    from aemg.virtual_user.phase2 import run_from, settings_for

    runs = []
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for condition in args.conditions:
            settings = settings_for(condition)
            settings = replace(
                settings, minutes=args.minutes, threads=args.threads, environments=args.environments, wrist=args.wrist,
                task=replace(settings.task, templates=args.templates),
            )  # fmt: skip
            folder = args.out / f"condition-{condition}" / f"seed-{seed}"
            runs.append(partial(run_from, condition, seed, folder, args.policy, args.decoder, settings))
    with progress_bar("phase 2") as progress:
        results = run_all(runs, args.jobs, progress)
    table = phase2_table(results)
    write_experiment(args.out, "phase2", args.words, results, table, phase2_plot(results), "curves")
    return f"{table}\n\n{len(results)} runs -> {args.out / 'phase2.json'}, phase2.md, phase2.png"


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python simulate phase2", description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawTextHelpFormatter
    )
    made.add_argument("--decoder", required=True, type=Path, metavar="DIR", help="of `python simulate decoder`")
    made.add_argument("--policy", type=Path, metavar="RUN", help="run or file of a phase-1 policy, for condition 1")
    made.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder of the runs, made if missing")
    made.add_argument("--conditions", type=int, nargs="+", choices=(1, 2, 3), default=[1, 2, 3], help="(default 1 2 3)")
    made.add_argument("--seeds", type=int, default=5, metavar="N", help="runs of a condition (default %(default)s)")
    made.add_argument("--first-seed", type=int, default=0, metavar="N", help="(default %(default)s)")
    made.add_argument("--minutes", type=float, default=60.0, help="processor time of a run, per thread (default %(default)s)")
    made.add_argument("--environments", type=int, default=256, metavar="N", help="(default %(default)s)")
    made.add_argument("--threads", type=int, default=1, metavar="N", help="of a run (default %(default)s)")
    made.add_argument("--templates", choices=("sine", "square"), default="square", help="movements (default %(default)s)")
    made.add_argument("--wrist", choices=("fixed", "free"), default="fixed", help="as of the policy (default %(default)s)")
    made.add_argument("--jobs", type=int, default=2, help="runs side by side (default %(default)s)")
    made.set_defaults(words=sys.argv[1:])
    return made


if __name__ == "__main__":
    sys.exit(main())
